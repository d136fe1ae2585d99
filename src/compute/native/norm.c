/*
 * Batch norm, with the activation and the sum that follow it in a residual network, in as few
 * passes over memory as there can be: statistics (one read, or none where the convolution before
 * has summed its results up), application (one read and one write), and two passes backward.
 *
 * Sums run in vectors over one image's plane, then in doubles over images, per thread, then over
 * threads in order.
 */
#include "compute/native/tables.h"

#include <math.h>

#include "base/parallel.h"
#include "compute/native/moments.h"
#include "compute/native/vec.h"

struct job {
    const struct norm *norm;
    const struct norm_grad *grad;
    bool has_activation;
};

static double *thread_sums(const struct norm *nm, unsigned thread)
{
    return nm->partial + (size_t)thread * 2 * nm->c;
}

static void clear_sums(const struct norm *nm)
{
    memset(nm->partial, 0, norm_partial_len(nm->c, parallel_threads()) * sizeof *nm->partial);
}

static double total(const struct norm *nm, size_t i)
{
    double sum = 0;

    for (unsigned t = 0; t < parallel_threads(); t++)
        sum += thread_sums(nm, t)[i];
    return sum;
}

/* ---- statistics ---- */

static void statistics_blocked(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct norm *nm = ((const struct job *)context)->norm;
    double *sums = thread_sums(nm, thread);
    size_t blocks = nm->c / LANES;

    for (size_t item = begin; item < end; item++) {
        double *at = sums + item % blocks * LANES;

        moments_add(nm->x + item * nm->hw * LANES, nm->hw, at, at + nm->c);
    }
}

static void statistics_plain(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct norm *nm = ((const struct job *)context)->norm;
    double *sums = thread_sums(nm, thread);

    for (size_t item = begin; item < end; item++) {
        size_t c = item % nm->c;
        const float *x = nm->x + item * nm->hw;

        for (size_t i = 0; i < nm->hw; i++) {
            double v = (double)x[i];

            sums[c] += v;
            sums[nm->c + c] += v * v;
        }
    }
}

static void statistics(const struct norm *nm)
{
    struct job job = {nm, NULL, false};
    double count = (double)(nm->n * nm->hw);

    if (!nm->has_sums)
        clear_sums(nm);
    if (!nm->has_sums && nm->lanes == 1)
        parallel_for(nm->n * nm->c, statistics_plain, &job);
    else if (!nm->has_sums)
        parallel_for(nm->n * (nm->c / LANES), statistics_blocked, &job);
    for (size_t c = 0; c < nm->c; c++) {
        double mean = total(nm, c) / count;
        double var = total(nm, nm->c + c) / count - mean * mean;

        nm->mean[c] = (float)mean;
        nm->var[c] = (float)(var > 0 ? var : 0);
        nm->inv_std[c] = (float)(1 / sqrt((double)nm->var[c] + (double)nm->epsilon));
    }
}

/* ---- application ---- */

/* y = act(a x + b (+ residual)): a and b per channel. The flags are constants at each call, so that
 * each case becomes a loop of its own. */
static inline void apply_plane(const struct norm *nm, size_t item, size_t b, bool has_residual,
                               bool has_activation)
{
    vec scale = vec_load(nm->coefficient + b * LANES);
    vec shift = vec_load(nm->coefficient + nm->c + b * LANES);
    size_t base = item * nm->hw * LANES;

    for (size_t i = base; i < base + nm->hw * LANES; i += LANES) {
        vec v = vec_load(nm->x + i) * scale + shift;

        if (has_residual)
            v += vec_load(nm->residual + i);
        if (has_activation)
            v = vec_if_positive(v, v, v * nm->slope);
        vec_store(nm->y + i, v);
    }
}

static void apply_blocked(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct job *j = context;
    const struct norm *nm = j->norm;
    size_t blocks = nm->c / LANES;

    (void)thread;
    for (size_t item = begin; item < end; item++) {
        if (nm->residual && j->has_activation)
            apply_plane(nm, item, item % blocks, true, true);
        else if (nm->residual)
            apply_plane(nm, item, item % blocks, true, false);
        else if (j->has_activation)
            apply_plane(nm, item, item % blocks, false, true);
        else
            apply_plane(nm, item, item % blocks, false, false);
    }
}

static void apply_plain(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct norm *nm = ((const struct job *)context)->norm;

    (void)thread;
    for (size_t item = begin; item < end; item++) {
        size_t c = item % nm->c;

        for (size_t i = item * nm->hw; i < (item + 1) * nm->hw; i++) {
            float v = nm->x[i] * nm->coefficient[c] + nm->coefficient[nm->c + c] +
                      (nm->residual ? nm->residual[i] : 0);

            nm->y[i] = v > 0 ? v : v * nm->slope;
        }
    }
}

static void apply(const struct norm *nm)
{
    struct job job = {nm, NULL, nm->slope < 1 || nm->slope > 1};

    for (size_t c = 0; c < nm->c; c++) {
        nm->coefficient[c] = nm->scale[c] * nm->inv_std[c];
        nm->coefficient[nm->c + c] = nm->shift[c] - nm->mean[c] * nm->coefficient[c];
    }
    if (nm->lanes == 1)
        parallel_for(nm->n * nm->c, apply_plain, &job);
    else
        parallel_for(nm->n * (nm->c / LANES), apply_blocked, &job);
}

/* ---- backward ---- */

/*
 * What a pass backward over a plane has to do. These are constants at each call, so that each case
 * becomes a loop of its own.
 *
 * g = act'(..) (dy + dy2) is left in dy for the residual. Where nothing else wants it, both passes
 * compute it from dy and x instead, which spares memory the reading of y and the writing of g.
 */
struct way {
    bool has_second, has_activation, keeps;
};

static inline struct way way_of(const struct job *j)
{
    return (struct way){j->grad->dy2, j->has_activation, j->norm->residual || j->grad->dy2};
}

static inline vec activation_gradient(const struct job *j, struct way way, size_t i, size_t b,
                                      vec x, vec g)
{
    const struct norm *nm = j->norm;
    vec y;

    if (!way.has_activation)
        return g;
    if (way.keeps)
        y = vec_load(nm->y + i);
    else
        y = x * vec_load(nm->coefficient + b * LANES) +
            vec_load(nm->coefficient + nm->c + b * LANES);
    return vec_if_positive(y, g, g * j->grad->backward_slope);
}

/* g, and the sums of g and of g (x - mean). */
VEC_INLINE void gather_plane(const struct job *j, size_t item, size_t b, struct way way,
                             double *sums)
{
    const struct norm *nm = j->norm;
    const struct norm_grad *gr = j->grad;
    vec mean = vec_load(nm->mean + b * LANES);
    vec s = vec_zero(), q = vec_zero();
    size_t base = item * nm->hw * LANES;
    float sum[LANES], product[LANES];

    for (size_t i = base; i < base + nm->hw * LANES; i += LANES) {
        vec g = vec_load(gr->dy + i), x = vec_load(nm->x + i);

        if (way.has_second)
            g += vec_load(gr->dy2 + i);
        g = activation_gradient(j, way, i, b, x, g);
        if (way.keeps)
            vec_store(gr->dy + i, g);
        s += g;
        q += g * (x - mean);
    }
    vec_store(sum, s);
    vec_store(product, q);
    for (size_t l = 0; l < LANES; l++) {
        sums[b * LANES + l] += sum[l];
        sums[nm->c + b * LANES + l] += product[l];
    }
}

static void gather_blocked(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct job *j = context;
    struct way way = way_of(j);
    size_t blocks = j->norm->c / LANES;
    double *sums = thread_sums(j->norm, thread);

    for (size_t item = begin; item < end; item++) {
        size_t b = item % blocks;

        if (way.has_second && way.has_activation)
            gather_plane(j, item, b, (struct way){true, true, true}, sums);
        else if (way.has_second)
            gather_plane(j, item, b, (struct way){true, false, true}, sums);
        else if (way.keeps && way.has_activation)
            gather_plane(j, item, b, (struct way){false, true, true}, sums);
        else if (way.has_activation)
            gather_plane(j, item, b, (struct way){false, true, false}, sums);
        else
            gather_plane(j, item, b, (struct way){false, false, false}, sums);
    }
}

static void gather_plain(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct job *j = context;
    const struct norm *nm = j->norm;
    double *sums = thread_sums(nm, thread);

    for (size_t item = begin; item < end; item++) {
        size_t c = item % nm->c;

        for (size_t i = item * nm->hw; i < (item + 1) * nm->hw; i++) {
            float g = j->grad->dy[i] + (j->grad->dy2 ? j->grad->dy2[i] : 0);

            if (j->has_activation && !(nm->y[i] > 0))
                g *= j->grad->backward_slope;
            j->grad->dy[i] = g;
            sums[c] += g;
            sums[nm->c + c] += (double)g * (double)(nm->x[i] - nm->mean[c]);
        }
    }
}

/* dx = a g + b x + c, all three per channel. */
VEC_INLINE void spread_plane(const struct job *j, size_t item, size_t b, struct way way)
{
    const struct norm *nm = j->norm;
    const float *k = nm->coefficient + 2 * nm->c + b * LANES;
    vec kg = vec_load(k), kx = vec_load(k + nm->c), k1 = vec_load(k + 2 * nm->c);
    size_t base = item * nm->hw * LANES;

    for (size_t i = base; i < base + nm->hw * LANES; i += LANES) {
        vec x = vec_load(nm->x + i), g = vec_load(j->grad->dy + i);

        if (!way.keeps)
            g = activation_gradient(j, way, i, b, x, g);
        vec_store(j->grad->dx + i, g * kg + (x * kx + k1));
    }
}

static void spread_blocked(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct job *j = context;
    struct way way = way_of(j);
    size_t blocks = j->norm->c / LANES;

    (void)thread;
    for (size_t item = begin; item < end; item++) {
        if (!way.keeps && way.has_activation)
            spread_plane(j, item, item % blocks, (struct way){false, true, false});
        else
            spread_plane(j, item, item % blocks, (struct way){false, false, true});
    }
}

static void spread_plain(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct job *j = context;
    const struct norm *nm = j->norm;

    (void)thread;
    for (size_t item = begin; item < end; item++) {
        const float *k = nm->coefficient + 2 * nm->c + item % nm->c;

        for (size_t i = item * nm->hw; i < (item + 1) * nm->hw; i++)
            j->grad->dx[i] = j->grad->dy[i] * k[0] + (nm->x[i] * k[nm->c] + k[2 * nm->c]);
    }
}

static void backward(const struct norm *nm, const struct norm_grad *grad)
{
    struct job job = {nm, grad, nm->slope < 1 || nm->slope > 1};
    double count = (double)(nm->n * nm->hw);

    clear_sums(nm);
    if (nm->lanes == 1)
        parallel_for(nm->n * nm->c, gather_plain, &job);
    else
        parallel_for(nm->n * (nm->c / LANES), gather_blocked, &job);
    for (size_t c = 0; c < nm->c; c++) {
        double sum = total(nm, c), inv_std = (double)nm->inv_std[c];
        double product = total(nm, nm->c + c) * inv_std;
        double scale = (double)nm->scale[c] * inv_std;
        /* dx = scale (g - sum/m - xhat product/m) with xhat = (x - mean) inv_std */
        double by_x = grad->is_by_batch ? -scale * product / count * inv_std : 0;

        if (grad->dscale)
            grad->dscale[c] = (float)product;
        if (grad->dshift)
            grad->dshift[c] = (float)sum;
        nm->coefficient[2 * nm->c + c] = (float)scale;
        nm->coefficient[3 * nm->c + c] = (float)by_x;
        nm->coefficient[4 * nm->c + c] =
            (float)((grad->is_by_batch ? -scale * sum / count : 0) - by_x * (double)nm->mean[c]);
    }
    if (!grad->dx)
        return;
    if (nm->lanes == 1)
        parallel_for(nm->n * nm->c, spread_plain, &job);
    else
        parallel_for(nm->n * (nm->c / LANES), spread_blocked, &job);
}

const struct norm_kernels KERNEL(norm_kernels) = {statistics, apply, backward};
