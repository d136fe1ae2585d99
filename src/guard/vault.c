/* G in guarded memory: see vault.h. */
#include "guard/vault.h"

#include "base/mem.h"
#include "base/util.h"
#include "protect/method.h"

/* A piece of a block that is given out from *used on, in whole cache lines; with a NULL block it is
 * only counted. Guarded memory is aligned at its end, so one more line is left for the start. */
enum { LINE = 16 };

/* Room for as many images as are worth one system call. */
enum { ROOM = 1 << 14 };

static float *take(float *block, size_t *used, size_t len)
{
    float *at = block ? block + *used : NULL;

    *used += (len + LINE - 1) / LINE * LINE;
    return at;
}

static ward_status secret_floats(struct secret *secret, size_t len, float **out)
{
    ward_status st = secret_init(secret, (len + LINE) * sizeof(float));
    uintptr_t address;

    if (st)
        return st;
    memset(secret->data, 0, secret->len);
    address = ((uintptr_t)secret->data + LINE * sizeof(float) - 1) / (LINE * sizeof(float));
    *out = (float *)(address * (LINE * sizeof(float)));
    return WARD_OK;
}

static bool is_generator(const struct vault *v)
{
    return v->spec.method == WARD_METHOD_GENERATOR;
}

static const float *parameter(const struct transform *t, const char *name)
{
    return tensor_list_find(&t->params, name)->data;
}

/* ---- the layout of both blocks: first counted, then given out ---- */

struct places {
    float *pattern, *weight1, *bias1, *weight2, *bias2;
};

static size_t weights_len(const struct native_conv *c)
{
    return c->in.c * c->out.c * c->kernel * c->kernel;
}

static size_t place_values(const struct vault *v, float *block, struct places *p)
{
    size_t used = 0;

    if (!is_generator(v)) {
        p->pattern = take(block, &used, v->len);
        return used;
    }
    p->weight1 = take(block, &used, weights_len(&v->conv1));
    p->bias1 = take(block, &used, v->conv1.out.c);
    p->weight2 = take(block, &used, weights_len(&v->conv2));
    p->bias2 = take(block, &used, v->conv2.out.c);
    return used;
}

static size_t place_room(struct vault *v, float *block)
{
    size_t used = 0;

    v->x = take(block, &used, v->rows * v->len);
    v->y = take(block, &used, v->rows * v->len);
    if (!is_generator(v))
        return used;
    v->hidden = take(block, &used, dims_count(v->conv1.out));
    v->conv1.scratch = take(block, &used, v->conv1.scratch_len);
    v->conv2.scratch = take(block, &used, v->conv2.scratch_len);
    return used;
}

/* ---- opening ---- */

/* Channels that are only there to fill the lanes have weights and biases of zero. */
static void describe_generator(struct vault *v, size_t kernel)
{
    const struct transform_spec *spec = &v->spec;
    size_t lanes = v->kernels->lanes;
    struct dims image = {1, spec->channels, spec->height, spec->width}, hidden = image;

    hidden.c = (spec->generator_width + lanes - 1) / lanes * lanes;
    v->conv1 = (struct native_conv){.in = image,
                                    .out = hidden,
                                    .kernel = kernel,
                                    .stride = 1,
                                    .padding = kernel / 2,
                                    .is_out_blocked = true,
                                    .has_relu = true};
    v->conv2 = (struct native_conv){.in = hidden, .out = image, .kernel = 1, .stride = 1};
    v->conv1.scratch_len = v->kernels->thin->scratch_len(&v->conv1);
    v->conv2.scratch_len = v->kernels->thin->scratch_len(&v->conv2);
}

/* Weights [oc, ic, k, k] with more channels than they had. */
static ward_status pack(const struct vault *v, const struct native_conv *c, const float *plain,
                        size_t oc, size_t ic, float *packed)
{
    size_t taps = c->kernel * c->kernel;
    struct secret room = SECRET_INIT;
    float *wide;
    ward_status st = secret_floats(&room, weights_len(c), &wide);

    if (st)
        return st;
    for (size_t o = 0; o < oc; o++)
        memcpy(wide + o * c->in.c * taps, plain + o * ic * taps, ic * taps * sizeof *wide);
    native_conv_pack(c, v->kernels->lanes, wide, packed);
    secret_release(&room);
    return WARD_OK;
}

static ward_status copy_generator(struct vault *v, const struct transform *t, struct places *p)
{
    size_t width = v->spec.generator_width, channels = v->spec.channels;
    ward_status st =
        pack(v, &v->conv1, parameter(t, "transform.conv1.weight"), width, channels, p->weight1);

    if (!st)
        st =
            pack(v, &v->conv2, parameter(t, "transform.conv2.weight"), channels, width, p->weight2);
    if (st)
        return st;
    memcpy(p->bias1, parameter(t, "transform.conv1.bias"), width * sizeof(float));
    memcpy(p->bias2, parameter(t, "transform.conv2.bias"), channels * sizeof(float));
    return WARD_OK;
}

static ward_status copy_values(struct vault *v, const struct transform *t)
{
    struct places p = {.pattern = NULL};
    float *block;
    ward_status st = secret_floats(&v->values, place_values(v, NULL, &p), &block);

    if (st)
        return st;
    place_values(v, block, &p);
    if (is_generator(v))
        st = copy_generator(v, t, &p);
    else
        memcpy(p.pattern, parameter(t, PATTERN_NAME), v->len * sizeof(float));
    v->pattern = p.pattern;
    v->weight1 = p.weight1;
    v->bias1 = p.bias1;
    v->weight2 = p.weight2;
    v->bias2 = p.bias2;
    return st ? st : secret_protect(&v->values);
}

ward_status vault_init(struct vault *vault, const struct transform *t)
{
    struct vault v = {.spec = t->spec, .kernels = native_kernels(native_lanes())};
    float *block;
    ward_status st;

    if (!is_generator(&v) && t->spec.method != WARD_METHOD_FIXED &&
        t->spec.method != WARD_METHOD_LEARNED)
        return ward_fail(WARD_ERR_ARG, "the guard cannot apply a transform of the method '%s'",
                         ward_method_name(t->spec.method));
    v.len = t->spec.channels * t->spec.height * t->spec.width;
    v.rows = max_size(1, ROOM / v.len);
    if (is_generator(&v)) {
        const struct tensor *weight = tensor_list_find(&t->params, "transform.conv1.weight");

        describe_generator(&v, weight->shape.dim[2]);
    }
    st = copy_values(&v, t);
    if (!st)
        st = secret_floats(&v.room, place_room(&v, NULL), &block);
    if (st) {
        vault_release(&v);
        return st;
    }
    place_room(&v, block);
    *vault = v;
    return WARD_OK;
}

void vault_release(struct vault *vault)
{
    secret_release(&vault->values);
    secret_release(&vault->room);
    *vault = (struct vault){.len = 0};
}

/* ---- applying ---- */

/* In double, as the device does it. */
static void add_pattern(const struct vault *v, const float *x, float *y)
{
    for (size_t i = 0; i < v->len; i++)
        y[i] = (float)((double)x[i] + (double)v->pattern[i]);
}

static void generate(const struct vault *v, const float *x, float *y)
{
    v->kernels->thin->forward(&v->conv1, x, v->weight1, v->bias1, v->hidden);
    v->kernels->thin->forward(&v->conv2, v->hidden, v->weight2, v->bias2, y);
    v->kernels->plane->tanh(v->len, y, y);
    v->kernels->plane->add(v->len, x, y, y);
}

static void clamp(const struct vault *v, float *y)
{
    for (size_t i = 0; i < v->len; i++)
        y[i] = y[i] < v->spec.low ? v->spec.low : y[i] > v->spec.high ? v->spec.high : y[i];
}

void vault_apply(struct vault *vault, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float *x = vault->x + i * vault->len, *y = vault->y + i * vault->len;

        if (is_generator(vault))
            generate(vault, x, y);
        else
            add_pattern(vault, x, y);
        if (vault->spec.is_clamped)
            clamp(vault, y);
    }
}
