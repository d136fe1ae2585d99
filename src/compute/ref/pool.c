/* Max pooling (kernel = stride) and global average pooling. */
#include "compute/ref/ref.h"

/* Where the maximum of output (n, c, h, w) stands in x: the first one in row-major order. */
static size_t argmax(const struct ref_op *op, size_t n, size_t c, size_t h, size_t w)
{
    size_t kernel = op->desc->kernel;
    size_t best = ref_at(op->in[0], n, c, h * kernel, w * kernel);

    for (size_t a = 0; a < kernel; a++)
        for (size_t b = 0; b < kernel; b++) {
            size_t at = ref_at(op->in[0], n, c, h * kernel + a, w * kernel + b);

            if (op->x[0][at] > op->x[0][best])
                best = at;
        }
    return best;
}

void ref_max_pool_forward(const struct ref_op *op)
{
    struct dims out = op->desc->out;

    for (size_t n = 0; n < out.n; n++)
        for (size_t c = 0; c < out.c; c++)
            for (size_t h = 0; h < out.h; h++)
                for (size_t w = 0; w < out.w; w++)
                    op->y[ref_at(out, n, c, h, w)] = op->x[0][argmax(op, n, c, h, w)];
}

void ref_max_pool_backward(const struct ref_op *op)
{
    struct dims out = op->desc->out;

    for (size_t n = 0; n < out.n && op->dx[0]; n++)
        for (size_t c = 0; c < out.c; c++)
            for (size_t h = 0; h < out.h; h++)
                for (size_t w = 0; w < out.w; w++)
                    op->dx[0][argmax(op, n, c, h, w)] += op->dy[ref_at(out, n, c, h, w)];
}

void ref_global_avg_pool_forward(const struct ref_op *op)
{
    size_t len = op->in[0].h * op->in[0].w;

    for (size_t nc = 0; nc < op->in[0].n * op->in[0].c; nc++) {
        double sum = 0;

        for (size_t i = 0; i < len; i++)
            sum += (double)op->x[0][nc * len + i];
        op->y[nc] = (float)(sum / (double)len);
    }
}

void ref_global_avg_pool_backward(const struct ref_op *op)
{
    size_t len = op->in[0].h * op->in[0].w;

    for (size_t i = 0; op->dx[0] && i < dims_count(op->in[0]); i++)
        op->dx[0][i] += (float)((double)op->dy[i / len] / (double)len);
}
