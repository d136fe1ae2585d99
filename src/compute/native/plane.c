/* Whole planes: layouts, pooling, element-wise work. Memory-bound, so written to be read. */
#include "compute/native/tables.h"

#include "base/parallel.h"
#include "base/util.h"
#include "compute/native/vec.h"

struct job {
    const struct dims *d;
    size_t kernel, lanes;
    const float *x, *other, *from;
    float *y;
    float slope;
};

/* ---- layouts ---- */

static void pack_planes(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct job *j = context;
    size_t hw = j->d->h * j->d->w;

    (void)thread;
    for (size_t item = begin; item < end; item++)
        for (size_t i = 0; i < hw; i++)
            for (size_t l = 0; l < LANES; l++)
                j->y[(item * hw + i) * LANES + l] = j->x[(item * LANES + l) * hw + i];
}

static void unpack_planes(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct job *j = context;
    size_t hw = j->d->h * j->d->w;

    (void)thread;
    for (size_t item = begin; item < end; item++)
        for (size_t l = 0; l < LANES; l++)
            for (size_t i = 0; i < hw; i++)
                j->y[(item * LANES + l) * hw + i] = j->x[(item * hw + i) * LANES + l];
}

static void pack(const struct dims *d, const float *plain, float *blocked)
{
    struct job job = {.d = d, .x = plain, .y = blocked};

    parallel_for(d->n * d->c / LANES, pack_planes, &job);
}

static void unpack(const struct dims *d, const float *blocked, float *plain)
{
    struct job job = {.d = d, .x = blocked, .y = plain};

    parallel_for(d->n * d->c / LANES, unpack_planes, &job);
}

/* ---- max pool: an item is a plane of `lanes` channels ---- */

static inline void max_pool_plane(const struct job *j, size_t item, size_t lanes)
{
    size_t w = j->d->w, k = j->kernel, oh = j->d->h / k, ow = w / k;
    const float *x = j->x + item * j->d->h * w * lanes;
    float *y = j->y + item * oh * ow * lanes;

    for (size_t o = 0; o < oh * ow; o++) {
        const float *window = x + (o / ow * k * w + o % ow * k) * lanes;

        for (size_t l = 0; l < lanes; l++)
            y[o * lanes + l] = window[l];
        for (size_t i = 1; i < k * k; i++) {
            const float *v = window + (i / k * w + i % k) * lanes;

            for (size_t l = 0; l < lanes; l++)
                y[o * lanes + l] = v[l] > y[o * lanes + l] ? v[l] : y[o * lanes + l];
        }
    }
}

static void max_pool_items(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct job *j = context;

    (void)thread;
    for (size_t item = begin; item < end; item++) {
        if (j->lanes == 1)
            max_pool_plane(j, item, 1);
        else
            max_pool_plane(j, item, LANES);
    }
}

static void max_pool(const struct dims *in, size_t kernel, size_t lanes, const float *x, float *y)
{
    struct job job = {.d = in, .kernel = kernel, .lanes = lanes, .x = x, .y = y};

    parallel_for(in->n * in->c / lanes, max_pool_items, &job);
}

/*
 * The first element of a window that equals the maximum gets the gradient. It is looked for again:
 * that costs less than to write down where it was. x > 0 where y > 0, so an activation before the
 * pool is undone here, too.
 */
static inline void max_pool_backward_plane(const struct job *j, size_t item, size_t lanes)
{
    size_t w = j->d->w, k = j->kernel, oh = j->d->h / k, ow = w / k;
    const float *x = j->x + item * j->d->h * w * lanes;
    const float *y = j->other + item * oh * ow * lanes;
    const float *dy = j->from + item * oh * ow * lanes;
    float *dx = j->y + item * j->d->h * w * lanes;

    if (oh * k < j->d->h || ow * k < w)
        memset(dx, 0, j->d->h * w * lanes * sizeof *dx);
    for (size_t o = 0; o < oh * ow; o++) {
        size_t window = (o / ow * k * w + o % ow * k) * lanes;
        float left[LANES];

        for (size_t l = 0; l < lanes; l++)
            left[l] = y[o * lanes + l] > 0 ? dy[o * lanes + l] : dy[o * lanes + l] * j->slope;
        for (size_t i = 0; i < k * k; i++) {
            size_t at = window + (i / k * w + i % k) * lanes;

            for (size_t l = 0; l < lanes; l++) {
                bool is_it = !(x[at + l] < y[o * lanes + l]);

                dx[at + l] = is_it ? left[l] : 0;
                left[l] = is_it ? 0 : left[l];
            }
        }
    }
}

static void max_pool_backward_items(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct job *j = context;

    (void)thread;
    for (size_t item = begin; item < end; item++) {
        if (j->lanes == 1)
            max_pool_backward_plane(j, item, 1);
        else
            max_pool_backward_plane(j, item, LANES);
    }
}

static void max_pool_backward(const struct dims *in, size_t kernel, size_t lanes, float slope,
                              const float *x, const float *y, const float *dy, float *dx)
{
    struct job job = {.d = in, .kernel = kernel, .lanes = lanes, .x = x, .other = y, .from = dy,
                      .y = dx, .slope = slope};

    parallel_for(in->n * in->c / lanes, max_pool_backward_items, &job);
}

/* ---- global average pool ---- */

static void avg_pool_items(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct job *j = context;
    size_t hw = j->d->h * j->d->w, lanes = j->lanes;

    (void)thread;
    for (size_t item = begin; item < end; item++) {
        const float *x = j->x + item * hw * lanes;

        for (size_t l = 0; l < lanes; l++) {
            double sum = 0;

            for (size_t i = 0; i < hw; i++)
                sum += (double)x[i * lanes + l];
            j->y[item * lanes + l] = (float)(sum / (double)hw);
        }
    }
}

static void avg_pool(const struct dims *in, size_t lanes, const float *x, float *y)
{
    struct job job = {.d = in, .lanes = lanes, .x = x, .y = y};

    parallel_for(in->n * in->c / lanes, avg_pool_items, &job);
}

static void avg_pool_backward_items(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct job *j = context;
    size_t hw = j->d->h * j->d->w, lanes = j->lanes;
    float share = 1 / (float)hw;

    (void)thread;
    for (size_t item = begin; item < end; item++)
        for (size_t i = 0; i < hw; i++)
            for (size_t l = 0; l < lanes; l++)
                j->y[(item * hw + i) * lanes + l] = j->x[item * lanes + l] * share;
}

static void avg_pool_backward(const struct dims *in, size_t lanes, const float *dy, float *dx)
{
    struct job job = {.d = in, .lanes = lanes, .x = dy, .y = dx};

    parallel_for(in->n * in->c / lanes, avg_pool_backward_items, &job);
}

/* ---- element by element ---- */

static void rectify_range(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct job *j = context;

    (void)thread;
    for (size_t i = begin; i < end; i++)
        j->y[i] = j->x[i] > 0 ? j->x[i] : j->x[i] * j->slope;
}

static void rectify(size_t len, float slope, const float *x, float *y)
{
    struct job job = {.slope = slope, .x = x, .y = y};

    parallel_for(len, rectify_range, &job);
}

static void rectify_backward_range(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct job *j = context;

    (void)thread;
    for (size_t i = begin; i < end; i++)
        j->y[i] = j->other[i] > 0 ? j->x[i] : j->x[i] * j->slope;
}

static void rectify_backward(size_t len, float slope, const float *dy, const float *y, float *dx)
{
    struct job job = {.slope = slope, .x = dy, .other = y, .y = dx};

    parallel_for(len, rectify_backward_range, &job);
}

static void add_range(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct job *j = context;

    (void)thread;
    for (size_t i = begin; i < end; i++)
        j->y[i] = j->x[i] + j->other[i];
}

static void add(size_t len, const float *a, const float *b, float *y)
{
    struct job job = {.x = a, .other = b, .y = y};

    parallel_for(len, add_range, &job);
}

const struct plane_kernels KERNEL(plane_kernels) = {
    .pack = pack,
    .unpack = unpack,
    .max_pool = max_pool,
    .max_pool_backward = max_pool_backward,
    .avg_pool = avg_pool,
    .avg_pool_backward = avg_pool_backward,
    .rectify = rectify,
    .rectify_backward = rectify_backward,
    .add = add,
};
