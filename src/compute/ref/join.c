/* What joins or moves values: add, shortcut, scale and shift, rows together, blocks of pixels. */
#include "compute/ref/ref.h"

void ref_add_forward(const struct ref_op *op)
{
    for (size_t i = 0; i < dims_count(op->in[0]); i++)
        op->y[i] = op->x[0][i] + op->x[1][i];
}

void ref_add_backward(const struct ref_op *op)
{
    for (int side = 0; side < 2; side++)
        for (size_t i = 0; op->dx[side] && i < dims_count(op->in[0]); i++)
            op->dx[side][i] += op->dy[i];
}

/* The input element that output (n, c, h, w) copies; false where it is zero. */
static bool source_of(const struct ref_op *op, size_t n, size_t c, size_t h, size_t w, size_t *at)
{
    size_t below = (op->desc->out.c - op->in[0].c) / 2, stride = op->desc->stride;

    if (c < below || c - below >= op->in[0].c)
        return false;
    *at = ref_at(op->in[0], n, c - below, h * stride, w * stride);
    return true;
}

void ref_shortcut_forward(const struct ref_op *op)
{
    struct dims out = op->desc->out;
    size_t at;

    for (size_t n = 0; n < out.n; n++)
        for (size_t c = 0; c < out.c; c++)
            for (size_t h = 0; h < out.h; h++)
                for (size_t w = 0; w < out.w; w++)
                    op->y[ref_at(out, n, c, h, w)] =
                        source_of(op, n, c, h, w, &at) ? op->x[0][at] : 0;
}

void ref_shortcut_backward(const struct ref_op *op)
{
    struct dims out = op->desc->out;
    size_t at;

    for (size_t n = 0; n < out.n && op->dx[0]; n++)
        for (size_t c = 0; c < out.c; c++)
            for (size_t h = 0; h < out.h; h++)
                for (size_t w = 0; w < out.w; w++)
                    if (source_of(op, n, c, h, w, &at))
                        op->dx[0][at] += op->dy[ref_at(out, n, c, h, w)];
}

void ref_scale_forward(const struct ref_op *op)
{
    for (size_t i = 0; i < dims_count(op->in[0]); i++)
        op->y[i] = op->desc->scale * op->x[0][i];
}

void ref_scale_backward(const struct ref_op *op)
{
    for (size_t i = 0; op->dx[0] && i < dims_count(op->in[0]); i++)
        op->dx[0][i] += op->desc->scale * op->dy[i];
}

void ref_scale_shift_forward(const struct ref_op *op)
{
    size_t len = op->in[0].c * op->in[0].h * op->in[0].w;

    for (size_t i = 0; i < dims_count(op->in[0]); i++)
        op->y[i] =
            (float)((double)op->desc->scale * (double)op->x[0][i] + (double)op->param[0][i % len]);
}

void ref_scale_shift_backward(const struct ref_op *op)
{
    size_t len = op->in[0].c * op->in[0].h * op->in[0].w;

    for (size_t i = 0; op->dx[0] && i < dims_count(op->in[0]); i++)
        op->dx[0][i] += op->desc->scale * op->dy[i];
    for (size_t i = 0; op->dparam[0] && i < len; i++) {
        double sum = 0;

        for (size_t n = 0; n < op->in[0].n; n++)
            sum += (double)op->dy[n * len + i];
        op->dparam[0][i] += (float)sum;
    }
}

void ref_concat_forward(const struct ref_op *op)
{
    size_t first = dims_count(op->in[0]);

    for (size_t i = 0; i < dims_count(op->desc->out); i++)
        op->y[i] = i < first ? op->x[0][i] : op->x[1][i - first];
}

void ref_concat_backward(const struct ref_op *op)
{
    const float *dy = op->dy;

    for (int side = 0; side < 2; dy += dims_count(op->in[side]), side++)
        for (size_t i = 0; op->dx[side] && i < dims_count(op->in[side]); i++)
            op->dx[side][i] += dy[i];
}

/* Where the i-th element of a value goes when the pixels of its blocks become channels. */
static size_t in_depth(struct dims d, size_t block, size_t i)
{
    size_t w = i % d.w, h = i / d.w % d.h, c = i / (d.w * d.h) % d.c, n = i / (d.w * d.h * d.c);
    size_t pixel = h % block * block + w % block;
    struct dims deep = {d.n, block * block * d.c, d.h / block, d.w / block};

    return ref_at(deep, n, pixel * d.c + c, h / block, w / block);
}

void ref_space_to_depth_forward(const struct ref_op *op)
{
    for (size_t i = 0; i < dims_count(op->in[0]); i++)
        op->y[in_depth(op->in[0], op->desc->stride, i)] = op->x[0][i];
}

void ref_space_to_depth_backward(const struct ref_op *op)
{
    for (size_t i = 0; op->dx[0] && i < dims_count(op->in[0]); i++)
        op->dx[0][i] += op->dy[in_depth(op->in[0], op->desc->stride, i)];
}

void ref_depth_to_space_forward(const struct ref_op *op)
{
    for (size_t i = 0; i < dims_count(op->desc->out); i++)
        op->y[i] = op->x[0][in_depth(op->desc->out, op->desc->stride, i)];
}

void ref_depth_to_space_backward(const struct ref_op *op)
{
    for (size_t i = 0; op->dx[0] && i < dims_count(op->desc->out); i++)
        op->dx[0][in_depth(op->desc->out, op->desc->stride, i)] += op->dy[i];
}
