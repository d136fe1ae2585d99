/*
 * Losses, each the mean over its rows. With logits z of a row and q = softmax(z), the gradients are
 *
 *   cross entropy     -log q_y               d/dz_j = q_j - [j = y]
 *   true probability  q_y                    d/dz_j = q_y ([j = y] - q_j)
 *   KL to uniform     -log k - mean log q_j  d/dz_j = q_j - 1/k
 */
#include "compute/ref/ref.h"

#include <math.h>

/* log sum exp(z), from which log q_j = z_j - that; the maximum is taken out, so none overflows. */
static double log_sum_exp(const float *z, size_t k)
{
    double max = (double)z[0], sum = 0;

    for (size_t j = 1; j < k; j++)
        max = fmax(max, (double)z[j]);
    for (size_t j = 0; j < k; j++)
        sum += exp((double)z[j] - max);
    return max + log(sum);
}

/* The logits of row i of the loss. */
static const float *row_of(const struct ref_op *op, size_t i)
{
    return op->x[0] + (op->desc->row0 + i) * op->in[0].c;
}

static double log_probability(const struct ref_op *op, size_t i, size_t j)
{
    const float *z = row_of(op, i);

    return (double)z[j] - log_sum_exp(z, op->in[0].c);
}

/* The factor that every gradient carries: weight of the loss / rows. */
static double share(const struct ref_op *op)
{
    return (double)*op->dy / (double)op->desc->rows;
}

/* d logits of row i += factor (q - target), with target 1 for class y, or 1/k each for y < 0. */
static void add_difference(const struct ref_op *op, size_t i, double factor, int32_t y)
{
    size_t k = op->in[0].c;
    const float *z = row_of(op, i);
    float *dz = op->dx[0] + (op->desc->row0 + i) * k;
    double log_sum = log_sum_exp(z, k);

    for (size_t j = 0; j < k; j++) {
        double target = y < 0 ? 1 / (double)k : (double)((size_t)y == j);

        dz[j] += (float)(factor * (exp((double)z[j] - log_sum) - target));
    }
}

void ref_cross_entropy_forward(const struct ref_op *op)
{
    double sum = 0;

    for (size_t i = 0; i < op->desc->rows; i++)
        sum -= log_probability(op, i, (size_t)op->labels[i]);
    *op->y = (float)(sum / (double)op->desc->rows);
}

void ref_cross_entropy_backward(const struct ref_op *op)
{
    for (size_t i = 0; op->dx[0] && i < op->desc->rows; i++)
        add_difference(op, i, share(op), op->labels[i]);
}

void ref_true_probability_forward(const struct ref_op *op)
{
    double sum = 0;

    for (size_t i = 0; i < op->desc->rows; i++)
        sum += exp(log_probability(op, i, (size_t)op->labels[i]));
    *op->y = (float)(sum / (double)op->desc->rows);
}

void ref_true_probability_backward(const struct ref_op *op)
{
    for (size_t i = 0; op->dx[0] && i < op->desc->rows; i++) {
        double q = exp(log_probability(op, i, (size_t)op->labels[i]));

        add_difference(op, i, -q * share(op), op->labels[i]);
    }
}

void ref_kl_uniform_forward(const struct ref_op *op)
{
    double k = (double)op->in[0].c, sum = 0;

    for (size_t i = 0; i < op->desc->rows; i++) {
        sum -= log(k);
        for (size_t j = 0; j < op->in[0].c; j++)
            sum -= log_probability(op, i, j) / k;
    }
    *op->y = (float)(sum / (double)op->desc->rows);
}

void ref_kl_uniform_backward(const struct ref_op *op)
{
    for (size_t i = 0; op->dx[0] && i < op->desc->rows; i++)
        add_difference(op, i, share(op), -1);
}

void ref_squared_distance_forward(const struct ref_op *op)
{
    double sum = 0;

    for (size_t i = 0; i < dims_count(op->in[0]); i++) {
        double difference = (double)op->x[0][i] - (double)op->x[1][i];

        sum += difference * difference;
    }
    *op->y = (float)(sum / (double)op->in[0].n);
}

void ref_squared_distance_backward(const struct ref_op *op)
{
    double factor = 2 * (double)*op->dy / (double)op->in[0].n;

    for (size_t i = 0; i < dims_count(op->in[0]); i++) {
        float gradient = (float)(factor * ((double)op->x[0][i] - (double)op->x[1][i]));

        if (op->dx[0])
            op->dx[0][i] += gradient;
        if (op->dx[1])
            op->dx[1][i] -= gradient;
    }
}
