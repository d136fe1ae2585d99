/* What is done to each element by itself: ReLU, leaky ReLU, tanh, softplus, clamp, dropout. */
#include "compute/ref/ref.h"

#include <math.h>

void ref_leaky_relu_forward(const struct ref_op *op)
{
    for (size_t i = 0; i < dims_count(op->in[0]); i++)
        op->y[i] = op->x[0][i] > 0 ? op->x[0][i] : op->desc->slope * op->x[0][i];
}

void ref_relu_forward(const struct ref_op *op)
{
    for (size_t i = 0; i < dims_count(op->in[0]); i++)
        op->y[i] = op->x[0][i] > 0 ? op->x[0][i] : 0;
}

void ref_relu_backward(const struct ref_op *op)
{
    for (size_t i = 0; op->dx[0] && i < dims_count(op->in[0]); i++)
        op->dx[0][i] += op->x[0][i] > 0 ? op->dy[i] : op->desc->backward_slope * op->dy[i];
}

void ref_tanh_forward(const struct ref_op *op)
{
    for (size_t i = 0; i < dims_count(op->in[0]); i++)
        op->y[i] = (float)tanh((double)op->x[0][i]);
}

void ref_tanh_backward(const struct ref_op *op)
{
    for (size_t i = 0; op->dx[0] && i < dims_count(op->in[0]); i++) {
        double y = tanh((double)op->x[0][i]);

        op->dx[0][i] += (float)((1 - y * y) * (double)op->dy[i]);
    }
}

/* log(1 + exp(t)) = max(t, 0) + log(1 + exp(-|t|)), where no power overflows. */
void ref_softplus_forward(const struct ref_op *op)
{
    double beta = (double)op->desc->beta;

    for (size_t i = 0; i < dims_count(op->in[0]); i++) {
        double t = beta * (double)op->x[0][i];

        op->y[i] = (float)((fmax(t, 0) + log1p(exp(-fabs(t)))) / beta);
    }
}

void ref_softplus_backward(const struct ref_op *op)
{
    double beta = (double)op->desc->beta;

    for (size_t i = 0; op->dx[0] && i < dims_count(op->in[0]); i++)
        op->dx[0][i] += (float)((double)op->dy[i] / (1 + exp(-beta * (double)op->x[0][i])));
}

void ref_clamp_forward(const struct ref_op *op)
{
    for (size_t i = 0; i < dims_count(op->in[0]); i++) {
        float x = op->x[0][i];

        /* In this order a NaN stays one, and is noticed. */
        op->y[i] = x < op->desc->low ? op->desc->low : x > op->desc->high ? op->desc->high : x;
    }
}

void ref_clamp_backward(const struct ref_op *op)
{
    for (size_t i = 0; op->dx[0] && i < dims_count(op->in[0]); i++)
        if (op->x[0][i] >= op->desc->low && op->x[0][i] <= op->desc->high)
            op->dx[0][i] += op->dy[i];
}

/* The mask of a row depends on (seed, step, node, row) only: one draw an element, in order. */
static void draw_mask(const struct ref_op *op, size_t row, float *mask)
{
    struct dims d = op->in[0];
    float kept = (float)(1 / (1 - (double)op->desc->rate));
    struct rng rng;

    rng_init(&rng, op->seed, RNG_DROPOUT, op->step, (uint64_t)op->node << 32 | row);
    for (size_t i = 0; i < d.c * d.h * d.w; i++)
        mask[i] = (float)(rng_u32(&rng) >> 8) * 0x1p-24f >= op->desc->rate ? kept : 0;
}

void ref_dropout_forward(const struct ref_op *op)
{
    struct dims d = op->in[0];

    for (size_t n = 0; op->has_dropout && n < d.n; n++)
        draw_mask(op, n, op->mask + n * d.c * d.h * d.w);
    for (size_t i = 0; i < dims_count(d); i++)
        op->y[i] = op->has_dropout ? op->mask[i] * op->x[0][i] : op->x[0][i];
}

void ref_dropout_backward(const struct ref_op *op)
{
    for (size_t i = 0; op->dx[0] && i < dims_count(op->in[0]); i++)
        op->dx[0][i] += op->has_dropout ? op->mask[i] * op->dy[i] : op->dy[i];
}
