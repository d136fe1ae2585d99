/* Dense layer: y[n][o] = b[o] + sum over i of W[o][i] x[n][i], x flattened in row-major order. */
#include "compute/ref/ref.h"

static size_t features(const struct ref_op *op)
{
    return op->in[0].c * op->in[0].h * op->in[0].w;
}

void ref_dense_forward(const struct ref_op *op)
{
    size_t k = op->desc->out.c, len = features(op);

    for (size_t n = 0; n < op->in[0].n; n++)
        for (size_t o = 0; o < k; o++) {
            double sum = (double)op->param[1][o];

            for (size_t i = 0; i < len; i++)
                sum += (double)op->param[0][o * len + i] * (double)op->x[0][n * len + i];
            op->y[n * k + o] = (float)sum;
        }
}

static void add_input_gradient(const struct ref_op *op)
{
    size_t k = op->desc->out.c, len = features(op);

    for (size_t n = 0; n < op->in[0].n; n++)
        for (size_t i = 0; i < len; i++) {
            double sum = 0;

            for (size_t o = 0; o < k; o++)
                sum += (double)op->param[0][o * len + i] * (double)op->dy[n * k + o];
            op->dx[0][n * len + i] += (float)sum;
        }
}

static void add_weight_gradient(const struct ref_op *op)
{
    size_t k = op->desc->out.c, len = features(op);

    for (size_t o = 0; o < k; o++)
        for (size_t i = 0; i < len; i++) {
            double sum = 0;

            for (size_t n = 0; n < op->in[0].n; n++)
                sum += (double)op->dy[n * k + o] * (double)op->x[0][n * len + i];
            op->dparam[0][o * len + i] += (float)sum;
        }
}

static void add_bias_gradient(const struct ref_op *op)
{
    size_t k = op->desc->out.c;

    for (size_t o = 0; o < k; o++) {
        double sum = 0;

        for (size_t n = 0; n < op->in[0].n; n++)
            sum += (double)op->dy[n * k + o];
        op->dparam[1][o] += (float)sum;
    }
}

void ref_dense_backward(const struct ref_op *op)
{
    if (op->dx[0])
        add_input_gradient(op);
    if (op->dparam[0])
        add_weight_gradient(op);
    if (op->dparam[1])
        add_bias_gradient(op);
}
