/* G(x) = x + P with a bipolar pattern P, drawn once and never again. */
#include "key/draw.h"
#include "protect/method.h"

static ward_status check(const struct transform_spec *spec)
{
    if (!(spec->sigma > 0 && spec->sigma <= 1e6f))
        return ward_fail(WARD_ERR_ARG, "sigma of %g: not a positive number", (double)spec->sigma);
    if (!(spec->p >= 0 && spec->p <= 0.5f))
        return ward_fail(WARD_ERR_ARG, "p of %g: not in 0 to 0.5", (double)spec->p);
    return WARD_OK;
}

static ward_status init(struct transform *t)
{
    struct shape shape = pattern_shape(&t->spec);
    struct tensor *pattern;
    struct draw draw;
    ward_status st = tensor_list_add(&t->params, PATTERN_NAME, &shape, &pattern);

    if (!st)
        st = draw_init(&draw, t->seed, "ward/fixed/pattern/v1");
    if (st)
        return st;
    for (size_t i = 0; i < shape_count(&shape); i++)
        pattern->data[i] = pattern_entry(&t->spec, draw_uniform(&draw));
    draw_release(&draw);
    return WARD_OK;
}

static int build(const struct transform_spec *spec, struct graph *g, int x, bool is_frozen)
{
    (void)spec;
    (void)is_frozen;
    return graph_scale_shift(g, x, PATTERN_NAME, 1.0f, true);
}

const struct method method_fixed = {check, init, build};
