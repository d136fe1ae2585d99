/*
 * What each kind of step is: see step.h. Operators, kernels and roundings are those of the device
 * "cpu" where it uses our kernels; where it uses oneDNN's, as for a convolution to a number of
 * channels that is no multiple of the lanes, channels are added here that are always zero.
 */
#include "guard/step.h"

#include <math.h>

#include "base/mem.h"
#include "base/util.h"

struct step_kind {
    bool takes_blocked;
    bool (*describe)(struct step *s); /* false: no kernel for it. NULL: lies as its operand */
    ward_status (*load)(struct step *s, const float *const params[OP_MAX_PARAMS]);
    void (*run)(const struct step *s, const float *x, const float *other, float *y);
};

ward_status guarded_floats(struct secret *secret, size_t len, float **out)
{
    enum { BYTES = GUARDED_LINE * sizeof(float) };
    size_t bytes = 0;
    ward_status st;

    /* Guarded memory is aligned at its end, so one more line is left for the start. */
    if (!mul_size(len, sizeof(float), &bytes) || !add_size(bytes, BYTES, &bytes))
        return ward_fail(WARD_ERR_NOMEM, "out of memory (%zu guarded floats)", len);
    st = secret_init(secret, bytes);
    if (st)
        return st;
    memset(secret->data, 0, secret->len);
    *out = (float *)(((uintptr_t)secret->data + BYTES - 1) / BYTES * BYTES);
    return WARD_OK;
}

/* With the channels that are added. */
static struct dims filled(const struct layout *l)
{
    struct dims d = l->dims;

    d.c = (d.c + l->lanes - 1) / l->lanes * l->lanes;
    return d;
}

size_t layout_len(const struct layout *layout)
{
    return dims_count(filled(layout));
}

/* ---- convolutions ---- */

enum { WEIGHTS, BIAS, POINTS };

static size_t weights_len(const struct native_conv *c)
{
    return c->in.c * c->out.c * c->kernel * c->kernel;
}

/* From a plain value to a blocked one, back, or, if it is 3x3, between two blocked ones. */
static bool conv_describe(struct step *s)
{
    const struct op_desc *d = &s->desc;
    bool is_winograd = s->in.lanes > 1 && d->kernel == 3 && d->padding == 1;

    s->out.lanes = s->in.lanes == 1 || is_winograd ? s->kernels->lanes : 1;
    s->convolution = is_winograd ? s->kernels->winograd : s->kernels->thin;
    s->conv = (struct native_conv){.in = filled(&s->in),
                                   .out = filled(&s->out),
                                   .kernel = d->kernel,
                                   .stride = d->stride,
                                   .padding = d->padding,
                                   .is_out_blocked = s->out.lanes > 1,
                                   .has_relu = s->has_relu};
    s->scratch_len = s->conv.scratch_len = s->convolution->scratch_len(&s->conv);
    s->len[WEIGHTS] = weights_len(&s->conv);
    s->len[BIAS] = d->param[1] < 0 ? 0 : s->conv.out.c;
    s->len[POINTS] = s->convolution->points_len(&s->conv);
    return d->stride == 1 && d->padding < d->kernel;
}

/* Weights [oc, ic, k, k], with channels added on both sides. */
static void widen(const struct step *s, const float *plain, float *wide)
{
    size_t taps = s->conv.kernel * s->conv.kernel, ic = s->in.dims.c;

    for (size_t o = 0; o < s->out.dims.c; o++)
        memcpy(wide + o * s->conv.in.c * taps, plain + o * ic * taps, ic * taps * sizeof *wide);
}

/* Kernels turn weights into points on their first run: this one, so that later ones only read. */
static ward_status conv_make_points(struct step *s)
{
    struct secret room = SECRET_INIT;
    float *x;
    ward_status st;

    s->conv.points = s->data[POINTS];
    s->conv.scratch = s->scratch;
    if (s->len[POINTS] == 0)
        return WARD_OK;
    st = guarded_floats(&room, layout_len(&s->in) + layout_len(&s->out), &x);
    if (st)
        return st;
    s->convolution->forward(&s->conv, x, s->data[WEIGHTS], s->data[BIAS], x + layout_len(&s->in));
    s->conv.has_points = true;
    secret_release(&room);
    return WARD_OK;
}

static ward_status conv_load(struct step *s, const float *const params[OP_MAX_PARAMS])
{
    struct secret room = SECRET_INIT;
    float *wide;
    ward_status st = guarded_floats(&room, s->len[WEIGHTS], &wide);

    if (st)
        return st;
    widen(s, params[0], wide);
    native_conv_pack(&s->conv, s->kernels->lanes, wide, s->data[WEIGHTS]);
    secret_release(&room);
    if (s->len[BIAS] > 0)
        memcpy(s->data[BIAS], params[1], s->out.dims.c * sizeof(float));
    return conv_make_points(s);
}

static void conv_run(const struct step *s, const float *x, const float *other, float *y)
{
    (void)other;
    s->convolution->forward(&s->conv, x, s->data[WEIGHTS], s->data[BIAS], y);
}

/* ---- batch norm, by running statistics ---- */

enum { SCALE, SHIFT, MEAN, INV_STD };

static bool norm_describe(struct step *s)
{
    struct dims d = filled(&s->in);
    size_t lanes = s->kernels->lanes, hw = d.h * d.w;

    /* Single pixels lie the same way in both layouts. */
    s->norm = (struct norm){.n = 1,
                            .c = d.c,
                            .hw = hw,
                            .lanes = hw == 1 && d.c % lanes == 0 ? lanes : s->in.lanes,
                            .epsilon = s->desc.epsilon,
                            .slope = s->has_relu ? 0 : 1};
    for (int k = 0; k < OP_MAX_PARAMS; k++)
        s->len[k] = d.c;
    s->scratch_len = 3 * d.c;
    return true;
}

static ward_status norm_load(struct step *s, const float *const params[OP_MAX_PARAMS])
{
    double epsilon = (double)s->desc.epsilon;

    for (int k = SCALE; k <= MEAN; k++)
        memcpy(s->data[k], params[k], s->in.dims.c * sizeof(float));
    for (size_t c = 0; c < s->in.dims.c; c++)
        s->data[INV_STD][c] = (float)(1 / sqrt((double)params[3][c] + epsilon));
    s->norm.scale = s->data[SCALE];
    s->norm.shift = s->data[SHIFT];
    s->norm.mean = s->data[MEAN];
    s->norm.inv_std = s->data[INV_STD];
    s->norm.coefficient = s->scratch;
    return WARD_OK;
}

static void norm_run(const struct step *s, const float *x, const float *other, float *y)
{
    struct norm norm = s->norm;

    (void)other;
    norm.x = x;
    norm.y = y;
    s->kernels->norm->apply(&norm);
}

/* ---- pooling, activations, sums ---- */

static void pool_run(const struct step *s, const float *x, const float *other, float *y)
{
    struct dims in = filled(&s->in);

    (void)other;
    s->kernels->plane->max_pool(&in, s->desc.kernel, s->in.lanes, x, y);
}

static void tanh_run(const struct step *s, const float *x, const float *other, float *y)
{
    (void)other;
    s->kernels->plane->tanh(layout_len(&s->out), x, y);
}

static void add_run(const struct step *s, const float *x, const float *other, float *y)
{
    s->kernels->plane->add(layout_len(&s->out), x, other, y);
}

static void clamp_run(const struct step *s, const float *x, const float *other, float *y)
{
    float low = s->desc.low, high = s->desc.high;
    size_t len = layout_len(&s->out);

    (void)other;
    for (size_t i = 0; i < len; i++)
        y[i] = x[i] < low ? low : x[i] > high ? high : x[i];
}

/* ---- tables: one float for each value of an image ---- */

static bool table_describe(struct step *s)
{
    s->len[0] = s->desc.param[0] < 0 ? 0 : layout_len(&s->out);
    return true;
}

static ward_status table_load(struct step *s, const float *const params[OP_MAX_PARAMS])
{
    if (s->len[0] > 0)
        memcpy(s->data[0], params[0], s->len[0] * sizeof(float));
    return WARD_OK;
}

/* In double, as the device does it. */
static void shift_run(const struct step *s, const float *x, const float *other, float *y)
{
    double scale = (double)s->desc.scale;
    const float *pattern = s->data[0];
    size_t len = layout_len(&s->out);

    (void)other;
    for (size_t i = 0; i < len; i++)
        y[i] = (float)(scale * (double)x[i] + (double)pattern[i]);
}

static void multiply_run(const struct step *s, const float *x, const float *other, float *y)
{
    const float *factors = s->data[0];
    size_t len = layout_len(&s->out);

    (void)other;
    for (size_t i = 0; i < len; i++)
        y[i] = factors[i] * x[i];
}

static void permute_run(const struct step *s, const float *x, const float *other, float *y)
{
    const float *order = s->data[0];
    size_t len = layout_len(&s->out);

    (void)other;
    if (!order)
        memcpy(y, x, len * sizeof *y);
    for (size_t i = 0; order && i < len; i++)
        y[i] = x[(size_t)order[i]];
}

static void hadamard_run(const struct step *s, const float *x, const float *other, float *y)
{
    (void)other;
    s->kernels->plane->hadamard(layout_len(&s->out) / HADAMARD_BLOCK, x, y);
}

/* ---- a matrix over all values ---- */

static bool dense_describe(struct step *s)
{
    s->dense = (struct native_dense){.n = 1,
                                     .features = layout_len(&s->in),
                                     .k = s->desc.out.c,
                                     .hw = s->in.dims.h * s->in.dims.w,
                                     .lanes = 1};
    s->len[WEIGHTS] = s->kernels->dense->weights_len(&s->dense);
    s->len[BIAS] = s->dense.k;
    return true;
}

static ward_status dense_load(struct step *s, const float *const params[OP_MAX_PARAMS])
{
    s->kernels->dense->pack(&s->dense, params[0], s->data[WEIGHTS]);
    memcpy(s->data[BIAS], params[1], s->len[BIAS] * sizeof(float));
    return WARD_OK;
}

static void dense_run(const struct step *s, const float *x, const float *other, float *y)
{
    (void)other;
    s->kernels->dense->forward(&s->dense, x, s->data[WEIGHTS], s->data[BIAS], y);
}

/* ---- the table ---- */

static const struct step_kind kinds[OP_KIND_COUNT] = {
    [OP_CONV] = {true, conv_describe, conv_load, conv_run},
    [OP_BATCH_NORM] = {true, norm_describe, norm_load, norm_run},
    [OP_MAX_POOL] = {true, NULL, NULL, pool_run},
    [OP_TANH] = {false, NULL, NULL, tanh_run},
    [OP_ADD] = {false, NULL, NULL, add_run},
    [OP_CLAMP] = {false, NULL, NULL, clamp_run},
    [OP_SCALE_SHIFT] = {false, table_describe, table_load, shift_run},
    [OP_MULTIPLY] = {false, table_describe, table_load, multiply_run},
    [OP_PERMUTE] = {false, table_describe, table_load, permute_run},
    [OP_HADAMARD] = {false, NULL, NULL, hadamard_run},
    [OP_DENSE] = {false, dense_describe, dense_load, dense_run},
};

bool step_takes_relu(enum op_kind kind)
{
    return kind == OP_CONV || kind == OP_BATCH_NORM;
}

ward_status step_init(struct step *s, const struct op_desc *desc, const struct layout *in,
                      bool has_relu)
{
    const struct step_kind *kind = &kinds[desc->kind];

    *s = (struct step){.kind = kind,
                       .kernels = native_kernels(native_lanes()),
                       .desc = *desc,
                       .in = *in,
                       .out = {desc->out, in->lanes},
                       .has_relu = has_relu};
    if (!kind->run || (in->lanes > 1 && !kind->takes_blocked) ||
        (kind->describe && !kind->describe(s)))
        return ward_fail(WARD_ERR_ARG, "the guard cannot apply a transform with '%s' in it",
                         op_kind_name(desc->kind));
    return WARD_OK;
}

ward_status step_load(struct step *s, const float *const params[OP_MAX_PARAMS])
{
    return s->kind->load ? s->kind->load(s, params) : WARD_OK;
}

void step_run(const struct step *s, const float *x, const float *other, float *y)
{
    s->kind->run(s, x, other, y);
}
