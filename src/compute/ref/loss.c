/*
 * Losses, each the mean over its rows. With logits z of a row and q = softmax(z), the gradients are
 *
 *   cross entropy     -log q_y               d/dz_j = q_j - [j = y]
 *   true probability  q_y                    d/dz_j = q_y ([j = y] - q_j)
 *   KL to uniform     -log k - mean log q_j  d/dz_j = q_j - 1/k
 *   soft cross ent.   -sum_l t_l log q_l     d/dz_j = q_j sum_l t_l - t_j;  d/dt_j = -log q_j
 *   infomax           sum_l q_l r_l          d/dz_j = q_j (r_j - sum_l q_l r_l)
 *
 * where r = log m - log q and m is the mean of q over the rows: the mean of sum_l q_l r_l over the
 * rows is that of H(q), less H(m).
 */
#include "compute/ref/ref.h"

#include <math.h>
#include <string.h>

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

void ref_soft_cross_entropy_forward(const struct ref_op *op)
{
    size_t k = op->in[0].c;
    double sum = 0;

    for (size_t i = 0; i < op->desc->rows; i++) {
        const float *z = row_of(op, i), *t = op->x[1] + i * k;
        double log_sum = log_sum_exp(z, k);

        for (size_t j = 0; j < k; j++)
            sum -= (double)t[j] * ((double)z[j] - log_sum);
    }
    *op->y = (float)(sum / (double)op->desc->rows);
}

void ref_soft_cross_entropy_backward(const struct ref_op *op)
{
    size_t k = op->in[0].c;

    for (size_t i = 0; i < op->desc->rows; i++) {
        const float *z = row_of(op, i), *t = op->x[1] + i * k;
        double log_sum = log_sum_exp(z, k), mass = 0;

        for (size_t j = 0; j < k; j++)
            mass += (double)t[j];
        for (size_t j = 0; op->dx[0] && j < k; j++)
            op->dx[0][(op->desc->row0 + i) * k + j] +=
                (float)(share(op) * (mass * exp((double)z[j] - log_sum) - (double)t[j]));
        for (size_t j = 0; op->dx[1] && j < k; j++)
            op->dx[1][i * k + j] -= (float)(share(op) * ((double)z[j] - log_sum));
    }
}

static void find_log_mean(const struct ref_op *op)
{
    size_t k = op->in[0].c;

    memset(op->log_mean, 0, k * sizeof *op->log_mean);
    for (size_t i = 0; i < op->desc->rows; i++) {
        const float *z = row_of(op, i);
        double log_sum = log_sum_exp(z, k);

        for (size_t j = 0; j < k; j++)
            op->log_mean[j] += exp((double)z[j] - log_sum);
    }
    for (size_t j = 0; j < k; j++)
        op->log_mean[j] = log(op->log_mean[j]) - log((double)op->desc->rows);
}

/* q_j r_j; 0 where q_j is, and r_j may be infinite. */
static double infomax_term(double log_q, double log_mean)
{
    double q = exp(log_q);

    return q <= 0 ? 0 : q * (log_mean - log_q);
}

/* sum_j q_j r_j of a row. */
static double infomax_of(const struct ref_op *op, const float *z, double log_sum)
{
    double sum = 0;

    for (size_t j = 0; j < op->in[0].c; j++)
        sum += infomax_term((double)z[j] - log_sum, op->log_mean[j]);
    return sum;
}

void ref_infomax_forward(const struct ref_op *op)
{
    double sum = 0;

    find_log_mean(op);
    for (size_t i = 0; i < op->desc->rows; i++) {
        const float *z = row_of(op, i);

        sum += infomax_of(op, z, log_sum_exp(z, op->in[0].c));
    }
    *op->y = (float)(sum / (double)op->desc->rows);
}

void ref_infomax_backward(const struct ref_op *op)
{
    size_t k = op->in[0].c;

    for (size_t i = 0; op->dx[0] && i < op->desc->rows; i++) {
        const float *z = row_of(op, i);
        float *dz = op->dx[0] + (op->desc->row0 + i) * k;
        double log_sum = log_sum_exp(z, k), sum = infomax_of(op, z, log_sum);

        for (size_t j = 0; j < k; j++) {
            double log_q = (double)z[j] - log_sum;

            dz[j] += (float)(share(op) * (infomax_term(log_q, op->log_mean[j]) - exp(log_q) * sum));
        }
    }
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
