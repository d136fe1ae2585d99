/* The method `keyed`: see keyed.h. The tables of the key are made in keyed_tables.c. */
#include "protect/keyed.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "protect/method.h"

enum {
    MAX_VALUES = 1 << 20, /* of an image: a file of a few bytes is enough for tables of as many */
    MAX_FRONT_WIDTH = 256,
    MAX_DENSE = 1024, /* its matrix has so many values squared */
    MIN_ROUNDS = 4,
    MAX_ROUNDS = 16,
    MAX_BITS = 64,          /* of a codebook */
    MAX_CODEBOOK = 1 << 22, /* bits times values: each of its two tables has so many */
    POOLED = 4 /* the front halves each side twice, and has this squared as many channels as x */
};

/* ---- settings ---- */

static ward_status check_front(const struct transform_spec *spec)
{
    const struct keyed_spec *k = &spec->keyed;

    if (!k->has_front)
        return WARD_OK;
    if (k->front_width < 1 || k->front_width > MAX_FRONT_WIDTH)
        return ward_fail(WARD_ERR_ARG, "front width of %zu: not in 1 to %d", k->front_width,
                         MAX_FRONT_WIDTH);
    if (spec->height % POOLED != 0 || spec->width % POOLED != 0)
        return ward_fail(WARD_ERR_ARG, "a front takes images whose sides are multiples of %d",
                         POOLED);
    return WARD_OK;
}

static ward_status check_coordinates(const struct transform_spec *spec)
{
    size_t len = spec->channels * spec->height * spec->width;

    switch (spec->keyed.coordinates) {
    case WARD_COORDINATES_NONE: return WARD_OK;
    case WARD_COORDINATES_DENSE:
        if (len <= MAX_DENSE)
            return WARD_OK;
        return ward_fail(WARD_ERR_ARG, "dense coordinates of %zu values: at most %d", len,
                         MAX_DENSE);
    case WARD_COORDINATES_CASCADE:
        if (len % HADAMARD_BLOCK != 0)
            return ward_fail(WARD_ERR_ARG, "a cascade takes a multiple of %d values, not %zu",
                             HADAMARD_BLOCK, len);
        if (spec->keyed.rounds >= MIN_ROUNDS && spec->keyed.rounds <= MAX_ROUNDS)
            return WARD_OK;
        return ward_fail(WARD_ERR_ARG, "a cascade of %zu rounds: not in %d to %d",
                         spec->keyed.rounds, MIN_ROUNDS, MAX_ROUNDS);
    }
    return ward_fail(WARD_ERR_ARG, "unknown coordinates %d", (int)spec->keyed.coordinates);
}

static ward_status check_codebook(const struct transform_spec *spec)
{
    size_t bits = spec->keyed.codebook, len = spec->channels * spec->height * spec->width;

    if (bits > MAX_BITS)
        return ward_fail(WARD_ERR_ARG, "codebook of %zu bits: at most %d", bits, MAX_BITS);
    if (bits > 0 && len > MAX_CODEBOOK / bits)
        return ward_fail(WARD_ERR_ARG, "codebook of %zu bits for %zu values: at most %d bits", bits,
                         len, MAX_CODEBOOK / (int)len);
    return WARD_OK;
}

static ward_status check_values(const struct transform_spec *spec)
{
    const struct keyed_spec *k = &spec->keyed;

    if (k->shuffle > 0 && (spec->height % k->shuffle != 0 || spec->width % k->shuffle != 0))
        return ward_fail(WARD_ERR_ARG, "blocks of %zu x %zu do not divide images of %zu x %zu",
                         k->shuffle, k->shuffle, spec->height, spec->width);
    if (!(k->negative >= 0 && k->negative <= 1))
        return ward_fail(WARD_ERR_ARG, "negative share of %g: not in 0 to 1", (double)k->negative);
    if (!(spec->sigma >= 0 && spec->sigma <= 1e6f))
        return ward_fail(WARD_ERR_ARG, "sigma of %g: not a number from 0", (double)spec->sigma);
    if (!(spec->p >= 0 && spec->p <= 0.5f))
        return ward_fail(WARD_ERR_ARG, "p of %g: not in 0 to 0.5", (double)spec->p);
    if (k->negative > 0 && !(isfinite(spec->low) && isfinite(spec->high)))
        return ward_fail(WARD_ERR_ARG, "the range of the input has no middle");
    return k->has_residual ? method_generator.check(spec) : WARD_OK;
}

static ward_status check(const struct transform_spec *spec)
{
    size_t len = spec->channels * spec->height * spec->width;
    ward_status st;

    if (len > MAX_VALUES)
        return ward_fail(WARD_ERR_ARG, "keyed transforms images of at most %d values, not %zu",
                         MAX_VALUES, len);
    st = check_front(spec);
    if (!st)
        st = check_codebook(spec);
    if (!st)
        st = check_coordinates(spec);
    return st ? st : check_values(spec);
}

/* ---- the graph ---- */

/* A name under the prefix of the tables; number 0: none. */
struct name {
    char text[TENSOR_MAX_NAME];
};

static struct name table(const struct keyed_use *use, const char *what, size_t number)
{
    struct name name;

    if (number > 0)
        snprintf(name.text, sizeof name.text, "%s%s%zu", use->tables, what, number);
    else
        snprintf(name.text, sizeof name.text, "%s%s", use->tables, what);
    return name;
}

static int reshape(struct graph *g, int x, size_t c, size_t h, size_t w)
{
    struct dims is = graph_dims(g, x);

    if (is.c == c && is.h == h && is.w == w)
        return x;
    return graph_permute(g, x, NULL, (struct dims){is.n, c, h, w});
}

static int image(const struct transform_spec *spec, struct graph *g, int x)
{
    return reshape(g, x, spec->channels, spec->height, spec->width);
}

static int column(const struct transform_spec *spec, struct graph *g, int x)
{
    return reshape(g, x, spec->channels * spec->height * spec->width, 1, 1);
}

static int front_conv(struct graph *g, int x, const char *name, size_t channels, size_t kernel,
                      const struct keyed_use *use)
{
    struct conv_config config = {.name = name,
                                 .channels = channels,
                                 .kernel = kernel,
                                 .stride = 1,
                                 .padding = kernel / 2,
                                 .is_frozen = use->is_frozen};

    return graph_conv(g, x, &config);
}

static int front_stage(struct graph *g, int x, const char *norm, const struct keyed_use *use)
{
    x = graph_batch_norm(g, x, norm, use->keeps_running, use->is_frozen);
    return graph_max_pool(g, graph_relu(g, x), 2);
}

/* The first layer sees as many values, 25 or 27, of grey and of colour. The last batch norm has
 * neither scale nor shift to learn: F's first layer has its own. */
static int front(const struct transform_spec *spec, struct graph *g, int x,
                 const struct keyed_use *use)
{
    size_t width = spec->keyed.front_width, kernel = spec->channels == 1 ? 5 : 3;

    x = front_conv(g, x, "transform.front.conv1", width, kernel, use);
    x = front_stage(g, x, "transform.front.bn1", use);
    x = front_conv(g, x, "transform.front.conv2", 2 * width, 3, use);
    x = front_stage(g, x, "transform.front.bn2", use);
    x = front_conv(g, x, "transform.front.conv3", POOLED * POOLED * spec->channels, 1, use);
    return graph_batch_norm(g, column(spec, g, x), "transform.front.bn3", use->keeps_running, true);
}

/* The image's side of each hyperplane, nearly -1 or 1; the sum of so many patterns, each added or
 * taken off, is one of 2^bits. An image again, even one of a pixel: what a dense layer makes is a
 * matrix in ONNX. */
static int codebook(const struct transform_spec *spec, struct graph *g, int x,
                    const struct keyed_use *use)
{
    struct dims dims = {0, spec->channels, spec->height, spec->width};
    int sides, pattern;

    sides = graph_dense(g, x, table(use, "codebook.sides", 0).text, spec->keyed.codebook, true);
    pattern = graph_dense(g, graph_tanh(g, sides), table(use, "codebook.patterns", 0).text,
                          dims.c * dims.h * dims.w, true);
    return graph_add(g, image(spec, g, x), graph_permute(g, pattern, NULL, dims));
}

static int cascade(const struct transform_spec *spec, struct graph *g, int x,
                   const struct keyed_use *use)
{
    for (size_t round = 1; round <= spec->keyed.rounds; round++) {
        x = graph_permute(g, x, table(use, "order", round).text, graph_dims(g, x));
        x = graph_multiply(g, x, table(use, "signs", round).text);
        x = graph_hadamard(g, x);
    }
    return x;
}

int keyed_build(const struct transform_spec *spec, struct graph *g, int x,
                const struct keyed_use *use)
{
    const struct keyed_spec *k = &spec->keyed;

    if (k->has_front)
        x = front(spec, g, x, use);
    if (k->codebook > 0)
        x = codebook(spec, g, x, use);
    if (k->shuffle > 0)
        x = graph_permute(g, image(spec, g, x), table(use, "shuffle", 0).text,
                          (struct dims){0, spec->channels, spec->height, spec->width});
    if (k->negative > 0)
        x = graph_multiply(g, image(spec, g, x), table(use, "negative", 0).text);
    if (k->negative > 0 || spec->sigma > 0)
        x = graph_scale_shift(g, image(spec, g, x), table(use, "pattern", 0).text, 1.0f, true);
    if (k->coordinates == WARD_COORDINATES_DENSE)
        x = graph_dense(g, column(spec, g, x), table(use, "dense", 0).text,
                        spec->channels * spec->height * spec->width, true);
    if (k->coordinates == WARD_COORDINATES_CASCADE)
        x = cascade(spec, g, column(spec, g, x), use);
    x = image(spec, g, x);
    return k->has_residual ? method_residual(spec, g, x, "transform.residual", use->is_frozen) : x;
}

static int build(const struct transform_spec *spec, struct graph *g, int x, bool is_frozen)
{
    struct keyed_use use = {KEY_PREFIX, is_frozen, !is_frozen};

    return keyed_build(spec, g, x, &use);
}

/* ---- values to begin with ---- */

/* Weights as He et al. 2015, those of the residual's last layer as `generator`. */
static ward_status init_param(struct transform *t, const struct graph_param *param)
{
    size_t fan_in = shape_count(&param->shape) / param->shape.dim[0];
    float deviation = sqrtf(2.0f / (float)fan_in);
    char label[2 * TENSOR_MAX_NAME];
    struct tensor *tensor;
    ward_status st;

    if (param->role == PARAM_WEIGHT) {
        if (strcmp(param->name, "transform.residual.conv2.weight") == 0)
            deviation = t->spec.start * sqrtf(1.0f / (float)fan_in);
        snprintf(label, sizeof label, "ward/keyed/%s/v1", param->name + strlen("transform."));
        return method_add_normal(t, param->name, param->shape, label, deviation);
    }
    st = tensor_list_add(&t->params, param->name, &param->shape, &tensor);
    if (!st && (param->role == PARAM_BN_SCALE || param->role == PARAM_RUNNING_VAR))
        for (size_t i = 0; i < shape_count(&param->shape); i++)
            tensor->data[i] = 1.0f;
    return st;
}

static ward_status init(struct transform *t)
{
    const struct transform_spec *spec = &t->spec;
    struct graph g;
    ward_status st;

    graph_init(&g);
    build(spec, &g, graph_input(&g, (struct dims){1, spec->channels, spec->height, spec->width}),
          false);
    st = graph_finish(&g);
    for (size_t p = 0; p < g.param_count && !st; p++)
        if (!transform_is_derived(g.params[p].name))
            st = init_param(t, &g.params[p]);
    graph_release(&g);
    return st ? st : transform_derive(t);
}

const struct method method_keyed = {check, init, build};
