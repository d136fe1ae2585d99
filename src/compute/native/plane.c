/* Whole planes: layouts, pooling, element-wise work. Memory-bound, so written to be read. */
#include "compute/native/tables.h"

#include <math.h>

#include "base/parallel.h"
#include "base/util.h"
#include "compute/native/vec.h"

struct job {
    const struct dims *d;
    size_t kernel, lanes;
    const float *x, *other, *from;
    float *y;
    float slope, beta;
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

/* ---- max pool: an item is a row of windows, in a plane of `lanes` channels ---- */

/* The first elements of row `item`: in x or dx, and in y or dy. */
struct pool_row {
    size_t in, out, width;
};

static struct pool_row pool_row(const struct job *j, size_t item)
{
    size_t oh = j->d->h / j->kernel, ow = j->d->w / j->kernel;
    size_t line = item / oh * j->d->h + item % oh * j->kernel;

    return (struct pool_row){line * j->d->w * j->lanes, item * ow * j->lanes, ow};
}

static void max_pool_blocked(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct job *j = context;
    size_t k = j->kernel, w = j->d->w;

    (void)thread;
    for (size_t item = begin; item < end; item++) {
        struct pool_row r = pool_row(j, item);

        for (size_t o = 0; o < r.width; o++) {
            const float *window = j->x + r.in + o * k * LANES;
            vec y = vec_load(window);

            for (size_t kh = 0; kh < k; kh++)
                for (size_t kw = 0; kw < k; kw++) {
                    vec v = vec_load(window + (kh * w + kw) * LANES);

                    y = vec_if(v > y, v, y);
                }
            vec_store(j->y + r.out + o * LANES, y);
        }
    }
}

static void max_pool_plain(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct job *j = context;
    size_t k = j->kernel, w = j->d->w;

    (void)thread;
    for (size_t item = begin; item < end; item++) {
        struct pool_row r = pool_row(j, item);

        for (size_t o = 0; o < r.width; o++) {
            const float *window = j->x + r.in + o * k;
            float y = window[0];

            for (size_t kh = 0; kh < k; kh++)
                for (size_t kw = 0; kw < k; kw++)
                    y = window[kh * w + kw] > y ? window[kh * w + kw] : y;
            j->y[r.out + o] = y;
        }
    }
}

static void max_pool(const struct dims *in, size_t kernel, size_t lanes, const float *x, float *y)
{
    struct job job = {.d = in, .kernel = kernel, .lanes = lanes, .x = x, .y = y};

    parallel_for(in->n * in->c / lanes * (in->h / kernel),
                 lanes == 1 ? max_pool_plain : max_pool_blocked, &job);
}

/*
 * The first element of a window that equals the maximum gets the gradient. It is looked for again:
 * that costs less than to write down where it was. x > 0 where y > 0, so an activation before the
 * pool is undone here, too.
 */
static void max_pool_backward_blocked(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct job *j = context;
    size_t k = j->kernel, w = j->d->w;

    (void)thread;
    for (size_t item = begin; item < end; item++) {
        struct pool_row r = pool_row(j, item);

        for (size_t o = 0; o < r.width; o++) {
            vec y = vec_load(j->other + r.out + o * LANES);
            vec left = vec_load(j->from + r.out + o * LANES);

            left = vec_if_positive(y, left, left * j->slope);
            for (size_t kh = 0; kh < k; kh++)
                for (size_t kw = 0; kw < k; kw++) {
                    size_t at = r.in + (kh * w + o * k + kw) * LANES;
                    vec_mask is_less = vec_load(j->x + at) < y;

                    vec_store(j->y + at, vec_if(is_less, vec_zero(), left));
                    left = vec_if(is_less, left, vec_zero());
                }
        }
    }
}

static void max_pool_backward_plain(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct job *j = context;
    size_t k = j->kernel, w = j->d->w;

    (void)thread;
    for (size_t item = begin; item < end; item++) {
        struct pool_row r = pool_row(j, item);

        for (size_t o = 0; o < r.width; o++) {
            float y = j->other[r.out + o];
            float left = y > 0 ? j->from[r.out + o] : j->from[r.out + o] * j->slope;

            for (size_t kh = 0; kh < k; kh++)
                for (size_t kw = 0; kw < k; kw++) {
                    size_t at = r.in + kh * w + o * k + kw;
                    bool is_it = !(j->x[at] < y);

                    j->y[at] = is_it ? left : 0;
                    left = is_it ? 0 : left;
                }
        }
    }
}

static void max_pool_backward(const struct dims *in, size_t kernel, size_t lanes, float slope,
                              const float *x, const float *y, const float *dy, float *dx)
{
    struct job job = {.d = in,
                      .kernel = kernel,
                      .lanes = lanes,
                      .x = x,
                      .other = y,
                      .from = dy,
                      .y = dx,
                      .slope = slope};

    if (in->h % kernel || in->w % kernel)
        memset(dx, 0, dims_count(*in) * sizeof *dx);
    parallel_for(in->n * in->c / lanes * (in->h / kernel),
                 lanes == 1 ? max_pool_backward_plain : max_pool_backward_blocked, &job);
}

/* ---- global average pool ---- */

static void avg_pool_blocked(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct job *j = context;
    size_t hw = j->d->h * j->d->w;

    (void)thread;
    for (size_t item = begin; item < end; item++) {
        vec sum = vec_zero();

        for (size_t i = 0; i < hw; i++)
            sum += vec_load(j->x + (item * hw + i) * LANES);
        vec_store(j->y + item * LANES, sum * (1 / (float)hw));
    }
}

static void avg_pool_plain(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct job *j = context;
    size_t hw = j->d->h * j->d->w;

    (void)thread;
    for (size_t item = begin; item < end; item++) {
        double sum = 0;

        for (size_t i = 0; i < hw; i++)
            sum += (double)j->x[item * hw + i];
        j->y[item] = (float)(sum / (double)hw);
    }
}

static void avg_pool(const struct dims *in, size_t lanes, const float *x, float *y)
{
    struct job job = {.d = in, .lanes = lanes, .x = x, .y = y};

    parallel_for(in->n * in->c / lanes, lanes == 1 ? avg_pool_plain : avg_pool_blocked, &job);
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

/* ---- element by element: whole vectors, as the compiler cannot tell in place from overlap ---- */

/* A range: an expression of vectors v (of x) and w (of other), or of scalars in its tail. */
#define ELEMENTS(name, vector, scalar)                                         \
    static void name(void *context, size_t begin, size_t end, unsigned thread) \
    {                                                                          \
        const struct job *j = context;                                         \
        size_t i = begin;                                                      \
                                                                               \
        (void)thread;                                                          \
        for (; i + LANES <= end; i += LANES) {                                 \
            vec v = vec_load(j->x + i), w = vec_load(j->other + i);            \
                                                                               \
            vec_store(j->y + i, vector);                                       \
        }                                                                      \
        for (; i < end; i++) {                                                 \
            float v = j->x[i], w = j->other[i];                                \
                                                                               \
            j->y[i] = scalar;                                                  \
        }                                                                      \
    }

ELEMENTS(rectify_range, vec_if_positive(w, v, v * j->slope), w > 0 ? v : v * j->slope)
ELEMENTS(add_range, v + w, v + w)
ELEMENTS(tanh_backward_range, v *(1 - w * w), v *(1 - w * w))

static void rectify(size_t len, float slope, const float *x, float *y)
{
    struct job job = {.slope = slope, .x = x, .other = x, .y = y};

    parallel_for(len, rectify_range, &job);
}

static void rectify_backward(size_t len, float slope, const float *dy, const float *y, float *dx)
{
    struct job job = {.slope = slope, .x = dy, .other = y, .y = dx};

    parallel_for(len, rectify_range, &job);
}

static void add(size_t len, const float *a, const float *b, float *y)
{
    struct job job = {.x = a, .other = b, .y = y};

    parallel_for(len, add_range, &job);
}

/*
 * Lambert's continued fraction of tanh(x / 4), cut after x^7: right to a float's last digits below
 * 2.5; then twice tanh(2 t) = 2 tanh(t) / (1 + tanh(t)^2). Beyond 10, tanh is 1 in a float.
 */
static inline float tanh_of(float x)
{
    float t = 0.25f * (x < -10 ? -10 : x > 10 ? 10 : x), s = t * t;

    t *= (135135 + s * (17325 + s * (378 + s))) / (135135 + s * (62370 + s * (3150 + s * 28)));
    t = 2 * t / (1 + t * t);
    return 2 * t / (1 + t * t);
}

static void tanh_range(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct job *j = context;

    (void)thread;
    for (size_t i = begin; i < end; i++)
        j->y[i] = tanh_of(j->x[i]);
}

static void tanh_all(size_t len, const float *x, float *y)
{
    struct job job = {.x = x, .y = y};

    parallel_for(len, tanh_range, &job);
}

static void tanh_backward(size_t len, const float *dy, const float *y, float *dx)
{
    struct job job = {.x = dy, .other = y, .y = dx};

    parallel_for(len, tanh_backward_range, &job);
}

/*
 * exp(-a) of a >= 0: exp(r) / 2^k with k the whole number nearest to a / log(2), so that |r| is
 * half of log(2) at most, where Taylor's first eight terms are right to a float's last digits.
 * Adding 1.5 2^23 rounds, and leaves k in the lowest bits. From 87 on it is exp(-87), about the
 * least that is no subnormal.
 */
static inline float exp_of_minus(float a)
{
    float t = a > 87 ? 87 : a, rounded = t * 1.44269504f + 0x1.8p23f, k = rounded - 0x1.8p23f;
    float r = k * 0.693359375f - t - k * 2.12194440e-4f; /* log(2) in two parts */
    float series = 1 + r * (1.0f / 6) * (1 + r * (1.0f / 7)), power;
    uint32_t bits;

    series =
        1 + r * (1 + r * 0.5f * (1 + r * (1.0f / 3) * (1 + r * 0.25f * (1 + r * 0.2f * series))));
    memcpy(&bits, &rounded, sizeof bits);
    bits = (127 - (bits & 0xff)) << 23; /* of 2^-k */
    memcpy(&power, &bits, sizeof power);
    return series * power;
}

/* max(x, 0) + log(1 + u) / beta with u = exp(-beta |x|); log(1 + u) = 2 artanh(s), s <= 1/3. */
static inline float softplus_of(float x, float beta)
{
    float u = exp_of_minus(fabsf(beta * x)), s = u / (2 + u), z = s * s;
    float series = 1.0f / 5 + z * (1.0f / 7 + z * (1.0f / 9 + z * (1.0f / 11 + z * (1.0f / 13))));

    return (x > 0 ? x : 0) + 2 * s * (1 + z * (1.0f / 3 + z * series)) / beta;
}

/* Its derivative: 1 - exp(-w) = 2 h / (1 + h) with w = beta y, h = tanh(w / 2): right for small w,
 * too, so that what is far below 0 still has one. */
static inline float slope_of_softplus(float y, float beta)
{
    float h = tanh_of(0.5f * beta * y);

    return 2 * h / (1 + h);
}

static void softplus_range(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct job *j = context;

    (void)thread;
    for (size_t i = begin; i < end; i++)
        j->y[i] = softplus_of(j->x[i], j->beta);
}

static void softplus_backward_range(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct job *j = context;

    (void)thread;
    for (size_t i = begin; i < end; i++)
        j->y[i] = j->x[i] * slope_of_softplus(j->other[i], j->beta);
}

static void softplus(size_t len, float beta, const float *x, float *y)
{
    struct job job = {.beta = beta, .x = x, .y = y};

    parallel_for(len, softplus_range, &job);
}

static void softplus_backward(size_t len, float beta, const float *dy, const float *y, float *dx)
{
    struct job job = {.beta = beta, .x = dy, .other = y, .y = dx};

    parallel_for(len, softplus_backward_range, &job);
}

/* ---- squared distance ---- */

enum { MAX_THREADS = 256 };

struct distance {
    const float *a, *b;
    double sums[MAX_THREADS];
};

static void distance_range(void *context, size_t begin, size_t end, unsigned thread)
{
    struct distance *j = context;
    double sums[LANES] = {0}; /* several, so that additions need not wait for each other */
    size_t i = begin;

    for (; i + LANES <= end; i += LANES)
        for (size_t l = 0; l < LANES; l++) {
            double difference = (double)j->a[i + l] - (double)j->b[i + l];

            sums[l] += difference * difference;
        }
    for (; i < end; i++)
        sums[0] += ((double)j->a[i] - (double)j->b[i]) * ((double)j->a[i] - (double)j->b[i]);
    j->sums[thread] = 0;
    for (size_t l = 0; l < LANES; l++)
        j->sums[thread] += sums[l];
}

static double squared_distance(size_t len, const float *a, const float *b)
{
    struct distance job = {.a = a, .b = b};
    double sum = 0;

    parallel_for(len, distance_range, &job);
    for (unsigned t = 0; t < parallel_threads(); t++)
        sum += job.sums[t];
    return sum;
}

static void distance_backward_range(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct job *j = context;
    size_t i = begin;

    (void)thread;
    for (; i + LANES <= end; i += LANES)
        vec_store(j->y + i,
                  vec_load(j->y + i) + j->slope * (vec_load(j->x + i) - vec_load(j->other + i)));
    for (; i < end; i++)
        j->y[i] += j->slope * (j->x[i] - j->other[i]);
}

static void squared_distance_backward(size_t len, float factor, const float *a, const float *b,
                                      float *dx)
{
    struct job job = {.slope = factor, .x = a, .other = b, .y = dx};

    parallel_for(len, distance_backward_range, &job);
}

/* ---- Hadamard: sums and differences at distances 8, 4, 2, 1 ---- */

#if LANES == 16
#define LANES_FROM(f, d)                                                                      \
    f(0, d), f(1, d), f(2, d), f(3, d), f(4, d), f(5, d), f(6, d), f(7, d), f(8, d), f(9, d), \
        f(10, d), f(11, d), f(12, d), f(13, d), f(14, d), f(15, d)
#else
#define LANES_FROM(f, d) f(0, d), f(1, d), f(2, d), f(3, d), f(4, d), f(5, d), f(6, d), f(7, d)
#endif
#define OTHER_LANE(i, d) ((i) ^ (d))
#define SIGN(i, d) ((i) & (d) ? -1.0f : 1.0f)

/* Lanes d apart become their sum and their difference. */
#define SUMS_AND_DIFFERENCES(v, d) \
    (__builtin_shufflevector(v, v, LANES_FROM(OTHER_LANE, d)) + (vec){LANES_FROM(SIGN, d)} * (v))

static inline vec butterflies(vec v)
{
    v = SUMS_AND_DIFFERENCES(v, 4);
    v = SUMS_AND_DIFFERENCES(v, 2);
    return SUMS_AND_DIFFERENCES(v, 1);
}

static void hadamard(size_t blocks, const float *x, float *y)
{
    for (size_t at = 0; at < blocks * HADAMARD_BLOCK; at += HADAMARD_BLOCK) {
#if LANES == 16
        vec v = 0.25f * vec_load(x + at);

        vec_store(y + at, butterflies(SUMS_AND_DIFFERENCES(v, 8)));
#else
        vec low = 0.25f * vec_load(x + at), high = 0.25f * vec_load(x + at + 8);

        vec_store(y + at, butterflies(low + high));
        vec_store(y + at + 8, butterflies(low - high));
#endif
    }
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
    .tanh = tanh_all,
    .tanh_backward = tanh_backward,
    .softplus = softplus,
    .softplus_backward = softplus_backward,
    .add = add,
    .squared_distance = squared_distance,
    .squared_distance_backward = squared_distance_backward,
    .hadamard = hadamard,
};
