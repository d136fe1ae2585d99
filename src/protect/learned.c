/* G(x) = x + P with one pattern P for all images, trained with the network. */
#include "protect/method.h"

static ward_status check(const struct transform_spec *spec)
{
    (void)spec;
    return WARD_OK;
}

static ward_status init(struct transform *t)
{
    return method_add_normal(t, PATTERN_NAME, pattern_shape(&t->spec), "ward/learned/pattern/v1",
                             t->spec.start);
}

static int build(const struct transform_spec *spec, struct graph *g, int x, bool is_frozen)
{
    (void)spec;
    return graph_scale_shift(g, x, PATTERN_NAME, 1.0f, is_frozen);
}

const struct method method_learned = {check, init, build};
