/*
 * Batch normalisation, channel by channel:
 *
 *   y = scale z + shift,  z = (x - mean) / sqrt(var + epsilon)
 *
 * with mean and (biased) variance of the batch, or the running ones, which are then constants.
 * The running variance is fed with the unbiased variance, as PyTorch does.
 */
#include "compute/ref/ref.h"

#include <math.h>

enum { SCALE, SHIFT, RUNNING_MEAN, RUNNING_VAR };

struct moments {
    double mean, var; /* var biased: divided by the number of values */
};

/* Values of one channel. */
static double channel_count(struct dims d)
{
    return (double)(d.n * d.h * d.w);
}

static struct moments batch_moments(const struct ref_op *op, size_t c)
{
    struct dims d = op->in[0];
    struct moments m = {0, 0};

    for (size_t n = 0; n < d.n; n++)
        for (size_t i = 0; i < d.h * d.w; i++)
            m.mean += (double)op->x[0][ref_at(d, n, c, 0, i)];
    m.mean /= channel_count(d);
    for (size_t n = 0; n < d.n; n++)
        for (size_t i = 0; i < d.h * d.w; i++) {
            double difference = (double)op->x[0][ref_at(d, n, c, 0, i)] - m.mean;

            m.var += difference * difference;
        }
    m.var /= channel_count(d);
    return m;
}

static struct moments moments_of(const struct ref_op *op, size_t c)
{
    if (op->bn != BN_RUNNING)
        return batch_moments(op, c);
    return (struct moments){(double)op->param[RUNNING_MEAN][c], (double)op->param[RUNNING_VAR][c]};
}

/* running becomes (1 - share) running + share batch. */
static void update_running(const struct ref_op *op, size_t c, struct moments m, double share)
{
    double count = channel_count(op->in[0]);
    double unbiased = m.var * count / (count - 1);
    float *mean = &op->param[RUNNING_MEAN][c], *var = &op->param[RUNNING_VAR][c];

    *mean = (float)((1 - share) * (double)*mean + share * m.mean);
    *var = (float)((1 - share) * (double)*var + share * unbiased);
}

void ref_batch_norm_forward(const struct ref_op *op)
{
    struct dims d = op->in[0];
    bool updates = op->bn != BN_RUNNING && op->desc->keeps_running;
    double share = (double)op->desc->momentum;

    if (op->bn == BN_RECALIBRATE && updates)
        share = 1 / (double)++*op->updates;
    for (size_t c = 0; c < d.c; c++) {
        struct moments m = moments_of(op, c);
        double factor = (double)op->param[SCALE][c] / sqrt(m.var + (double)op->desc->epsilon);

        for (size_t n = 0; n < d.n; n++)
            for (size_t i = 0; i < d.h * d.w; i++) {
                size_t at = ref_at(d, n, c, 0, i);

                op->y[at] =
                    (float)(((double)op->x[0][at] - m.mean) * factor + (double)op->param[SHIFT][c]);
            }
        if (updates)
            update_running(op, c, m, share);
    }
}

/*
 * With S = sum of dy and T = sum of dy z over the channel's m values: d scale = T, d shift = S, and
 *
 *   dx = scale / sqrt(var + epsilon) (dy - S / m - z T / m)
 *
 * where the last two terms come from the statistics and are absent if those are constants.
 */
static void channel_backward(const struct ref_op *op, size_t c)
{
    struct dims d = op->in[0];
    struct moments m = moments_of(op, c);
    double inverse = 1 / sqrt(m.var + (double)op->desc->epsilon);
    double share = op->bn == BN_RUNNING ? 0 : 1 / channel_count(d);
    double s = 0, t = 0;

    for (size_t n = 0; n < d.n; n++)
        for (size_t i = 0; i < d.h * d.w; i++) {
            size_t at = ref_at(d, n, c, 0, i);

            s += (double)op->dy[at];
            t += (double)op->dy[at] * ((double)op->x[0][at] - m.mean) * inverse;
        }
    for (size_t n = 0; n < d.n && op->dx[0]; n++)
        for (size_t i = 0; i < d.h * d.w; i++) {
            size_t at = ref_at(d, n, c, 0, i);
            double z = ((double)op->x[0][at] - m.mean) * inverse;

            op->dx[0][at] += (float)((double)op->param[SCALE][c] * inverse *
                                     ((double)op->dy[at] - share * (s + z * t)));
        }
    if (op->dparam[SCALE])
        op->dparam[SCALE][c] += (float)t;
    if (op->dparam[SHIFT])
        op->dparam[SHIFT][c] += (float)s;
}

void ref_batch_norm_backward(const struct ref_op *op)
{
    for (size_t c = 0; c < op->in[0].c; c++)
        channel_backward(op, c);
}
