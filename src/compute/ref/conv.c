/*
 * Convolution (cross-correlation, as everywhere in the field) with square kernels and zero padding:
 *
 *   y[n][o][h][w] = b[o] + sum over i, a, b of W[o][i][a][b] x[n][i][h s + a - p][w s + b - p]
 *
 * Each gradient gathers the terms of that sum in which its element occurs.
 */
#include "compute/ref/ref.h"

/* The input row that tap a of output row o reads; false if it lies in the padding. */
static bool input_of(const struct op_desc *d, size_t extent, size_t o, size_t a, size_t *i)
{
    *i = o * d->stride + a - d->padding;
    return o * d->stride + a >= d->padding && *i < extent;
}

/* The output row whose tap a reads input row i; false if there is none. */
static bool output_of(const struct op_desc *d, size_t extent, size_t i, size_t a, size_t *o)
{
    if (i + d->padding < a || (i + d->padding - a) % d->stride != 0)
        return false;
    *o = (i + d->padding - a) / d->stride;
    return *o < extent;
}

/* W as an array of shape [oc, ic, kernel, kernel]. */
static struct dims weight_dims(const struct ref_op *op)
{
    return (struct dims){op->desc->out.c, op->in[0].c, op->desc->kernel, op->desc->kernel};
}

static double output_value(const struct ref_op *op, size_t n, size_t o, size_t h, size_t w)
{
    const struct op_desc *d = op->desc;
    struct dims wd = weight_dims(op);
    double sum = op->param[1] ? (double)op->param[1][o] : 0;
    size_t ih, iw;

    for (size_t i = 0; i < wd.c; i++)
        for (size_t a = 0; a < d->kernel; a++)
            for (size_t b = 0; b < d->kernel; b++)
                if (input_of(d, op->in[0].h, h, a, &ih) && input_of(d, op->in[0].w, w, b, &iw))
                    sum += (double)op->param[0][ref_at(wd, o, i, a, b)] *
                           (double)op->x[0][ref_at(op->in[0], n, i, ih, iw)];
    return sum;
}

void ref_conv_forward(const struct ref_op *op)
{
    struct dims out = op->desc->out;

    for (size_t n = 0; n < out.n; n++)
        for (size_t o = 0; o < out.c; o++)
            for (size_t h = 0; h < out.h; h++)
                for (size_t w = 0; w < out.w; w++)
                    op->y[ref_at(out, n, o, h, w)] = (float)output_value(op, n, o, h, w);
}

static double input_gradient(const struct ref_op *op, size_t n, size_t i, size_t h, size_t w)
{
    const struct op_desc *d = op->desc;
    struct dims wd = weight_dims(op);
    double sum = 0;
    size_t oh, ow;

    for (size_t o = 0; o < wd.n; o++)
        for (size_t a = 0; a < d->kernel; a++)
            for (size_t b = 0; b < d->kernel; b++)
                if (output_of(d, d->out.h, h, a, &oh) && output_of(d, d->out.w, w, b, &ow))
                    sum += (double)op->param[0][ref_at(wd, o, i, a, b)] *
                           (double)op->dy[ref_at(d->out, n, o, oh, ow)];
    return sum;
}

static double weight_gradient(const struct ref_op *op, size_t o, size_t i, size_t a, size_t b)
{
    const struct op_desc *d = op->desc;
    double sum = 0;
    size_t ih, iw;

    for (size_t n = 0; n < d->out.n; n++)
        for (size_t h = 0; h < d->out.h; h++)
            for (size_t w = 0; w < d->out.w; w++)
                if (input_of(d, op->in[0].h, h, a, &ih) && input_of(d, op->in[0].w, w, b, &iw))
                    sum += (double)op->dy[ref_at(d->out, n, o, h, w)] *
                           (double)op->x[0][ref_at(op->in[0], n, i, ih, iw)];
    return sum;
}

static double bias_gradient(const struct ref_op *op, size_t o)
{
    struct dims out = op->desc->out;
    double sum = 0;

    for (size_t n = 0; n < out.n; n++)
        for (size_t h = 0; h < out.h; h++)
            for (size_t w = 0; w < out.w; w++)
                sum += (double)op->dy[ref_at(out, n, o, h, w)];
    return sum;
}

typedef double element(const struct ref_op *op, size_t n, size_t c, size_t h, size_t w);

/* to[n][c][h][w] += value(op, n, c, h, w) for all elements of shape d. */
static void add_to_all(float *to, struct dims d, element *value, const struct ref_op *op)
{
    for (size_t n = 0; n < d.n; n++)
        for (size_t c = 0; c < d.c; c++)
            for (size_t h = 0; h < d.h; h++)
                for (size_t w = 0; w < d.w; w++)
                    to[ref_at(d, n, c, h, w)] += (float)value(op, n, c, h, w);
}

void ref_conv_backward(const struct ref_op *op)
{
    if (op->dx[0])
        add_to_all(op->dx[0], op->in[0], input_gradient, op);
    if (op->dparam[0])
        add_to_all(op->dparam[0], weight_dims(op), weight_gradient, op);
    for (size_t o = 0; op->dparam[1] && o < op->desc->out.c; o++)
        op->dparam[1][o] += (float)bias_gradient(op, o);
}
