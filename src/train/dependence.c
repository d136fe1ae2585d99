/* See dependence.h. Arrays of a block of images are turned, [values, images]: loops run along the
 * images. */
#include "train/dependence.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "base/util.h"
#include "tensor/linear.h"

enum { BLOCK = 4096, POINTS = 8192, STEPS = 200, WAVES = 192, WIDTHS = 3, TILE = 8 };

static const double widths[WIDTHS] = {0.4, 1, 2.5}; /* in units of 0.6 of whitened answers' norm */
static const double unit = 0.6;
static const double start = 0.3;  /* deviation of what is added, in those of the answers */
static const double rate = 0.05;  /* of it */
static const double price = 1e-3; /* of a change of processed answers, squared */
static const float most = 8; /* a raw image is further out than so many deviations: no further */
static const double rounding = 1e-7; /* of the strongest axis: weaker ones are none */

struct work {
    const struct dependence *d;
    uint64_t seed;
    size_t axes;          /* how many the change is made of */
    float *basis;         /* [features, axes]: raw images deviate by 1 along each */
    double *reach;        /* [axes]: by how much processed images do */
    size_t block, blocks; /* images in one, and how many there are */
    float *raw;           /* [blocks, axes, block] */
    float *given;         /* [blocks, classes, block]: answers before the change */

    /* Of Adam; [axes, classes] each. */
    double scale;
    float *change, *gradient;
    double *mean, *square;

    /* Of one block. */
    const float *x;        /* [axes, block] */
    const int32_t *labels; /* [block] */
    size_t *of_class;      /* [classes] */
    float *answers;        /* [classes, block]; then the gradient by them */
    float *pull;           /* [classes - 1, block]: the gradient by them */
    double *factor;        /* [classes - 1, classes - 1] */
    double *white;         /* likewise: its inverse */
    float *z;              /* [classes - 1, block]: whitened answers */
    float *wave;           /* [WAVES, classes - 1] */
    float *phase;          /* [WAVES] */
    float *slope;          /* [WAVES, block]: the gradient by what the cosine is of */
};

static size_t ways(const struct work *w)
{
    return w->d->classes - 1;
}

/* to += factor from. */
static void add(float *restrict to, const float *restrict from, float factor, size_t len)
{
    for (size_t i = 0; i < len; i++)
        to[i] += factor * from[i];
}

static float product(const float *a, const float *b, size_t len)
{
    float sums[16] = {0}, sum = 0;
    size_t i = 0;

    for (; i + 16 <= len; i += 16)
        for (size_t j = 0; j < 16; j++)
            sums[j] += a[i + j] * b[i + j];
    for (; i < len; i++)
        sum += a[i] * b[i];
    for (size_t j = 0; j < 16; j++)
        sum += sums[j];
    return sum;
}

/* ---- axes ---- */

/* The axes of raw images beside the first ones of processed images. */
static ward_status find_axes(struct work *w, size_t kept, double *axes, double *strength)
{
    const struct dependence *d = w->d;
    size_t n = min_size(d->raw_count, POINTS), len = d->features;
    double *first = NULL;
    float *rows = NULL;
    struct rng rng;
    ward_status st = mem_new(&first, kept * len, sizeof *first);

    rng_init(&rng, w->seed, RNG_DEPENDENCE, 0, 0);
    if (!st)
        st = mem_new(&rows, n * len, sizeof *rows);
    if (!st)
        st = principal_axes(d->processed_count, len, d->processed, kept, &rng, first, NULL);
    if (!st) {
        memcpy(rows, d->raw, n * len * sizeof *rows);
        st = take_out_axes(kept, len, first, n, rows);
    }
    if (!st)
        st = principal_axes(n, len, rows, w->axes, &rng, axes, strength);
    while (!st && w->axes > 0 && !(strength[w->axes - 1] > rounding * strength[0]))
        w->axes--;
    for (size_t i = 0; i < w->axes && !st; i++)
        strength[i] /= sqrt((double)n);
    if (first)
        mem_wipe(first, kept * len * sizeof *first);
    if (rows) /* without what lies along these */
        mem_wipe(rows, n * len * sizeof *rows);
    mem_free(first);
    mem_free(rows);
    return st;
}

static ward_status find_basis(struct work *w)
{
    size_t len = w->d->features, most_axes = w->axes; /* of which some may be none */
    double *axes = NULL, *strength = NULL;
    ward_status st = mem_new(&axes, most_axes * len, sizeof *axes);

    if (!st)
        st = mem_new(&strength, w->axes, sizeof *strength);
    if (!st)
        st = find_axes(w, max_size(len / 16, w->d->classes), axes, strength);
    if (!st)
        st = mem_new(&w->basis, len * max_size(w->axes, 1), sizeof *w->basis);
    for (size_t a = 0; a < w->axes && !st; a++)
        for (size_t i = 0; i < len; i++)
            w->basis[i * w->axes + a] = (float)(axes[a * len + i] / strength[a]);
    if (axes)
        mem_wipe(axes, most_axes * len * sizeof *axes);
    mem_free(axes);
    mem_free(strength);
    return st;
}

/* What rows [n, features] are along the axes, a tile of them at a time. */
static void along_axes(const struct work *w, const float *rows, size_t n, float *out)
{
    memset(out, 0, n * w->axes * sizeof *out);
    for (size_t i = 0; i < w->d->features; i++)
        for (size_t s = 0; s < n; s++)
            add(out + s * w->axes, w->basis + i * w->axes, rows[s * w->d->features + i], w->axes);
}

static ward_status find_reach(struct work *w)
{
    const struct dependence *d = w->d;
    float *tile = NULL;
    ward_status st = mem_new(&w->reach, w->axes, sizeof *w->reach);

    if (!st)
        st = mem_new(&tile, TILE * w->axes, sizeof *tile);
    for (size_t first = 0; first < d->processed_count && !st; first += TILE) {
        size_t n = min_size(TILE, d->processed_count - first);

        along_axes(w, d->processed + first * d->features, n, tile);
        for (size_t i = 0; i < n * w->axes; i++)
            w->reach[i % w->axes] += pow((double)tile[i], 2) / (double)d->processed_count;
    }
    for (size_t a = 0; a < w->axes && !st; a++)
        w->reach[a] = sqrt(w->reach[a]);
    if (tile)
        mem_wipe(tile, TILE * w->axes * sizeof *tile);
    mem_free(tile);
    return st;
}

/* ---- raw images ---- */

static const float *row_of(const struct work *w, size_t block, size_t image)
{
    return w->d->raw + (block * w->block + image) * w->d->features;
}

struct turning {
    struct work *w;
    float *tiles; /* [blocks, TILE, axes] */
};

static void turn_blocks(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct turning *t = context;
    const struct work *w = t->w;

    (void)thread;
    for (size_t b = begin; b < end; b++) {
        float *tile = t->tiles + b * TILE * w->axes, *raw = w->raw + b * w->axes * w->block;

        for (size_t first = 0; first < w->block; first += TILE) {
            size_t n = min_size(TILE, w->block - first);

            along_axes(w, row_of(w, b, first), n, tile);
            for (size_t i = 0; i < n * w->axes; i++)
                raw[i % w->axes * w->block + first + i / w->axes] =
                    fminf(fmaxf(tile[i], -most), most);
        }
    }
}

static ward_status turn_raw(struct work *w)
{
    struct turning turning = {.w = w};
    ward_status st = mem_new(&w->raw, w->blocks * w->axes * w->block, sizeof *w->raw);

    if (!st)
        st = mem_new(&turning.tiles, w->blocks * TILE * w->axes, sizeof *turning.tiles);
    if (!st)
        parallel_for(w->blocks, turn_blocks, &turning);
    mem_free(turning.tiles);
    return st;
}

/* The answers before the change, and from how far they are from 0 the scale of that. */
static ward_status answer(struct work *w, const float *weight)
{
    size_t k = w->d->classes, count = w->blocks * w->block * k;
    double squares = 0;
    ward_status st = mem_new(&w->given, count, sizeof *w->given);

    for (size_t s = 0; s < w->blocks * w->block && !st; s++) {
        const float *row = row_of(w, 0, s);
        float *to = w->given + s / w->block * k * w->block + s % w->block;

        for (size_t c = 0; c < k; c++) {
            double sum = 0;

            for (size_t i = 0; i < w->d->features; i++)
                sum += (double)row[i] * (double)weight[c * w->d->features + i];
            to[c * w->block] = (float)sum;
            squares += sum * sum / (double)count;
        }
    }
    w->scale = start * sqrt(squares / (double)max_size(w->axes, 1));
    return st;
}

/* ---- a step ---- */

static void draw_waves(struct work *w, size_t step)
{
    size_t m = ways(w);
    struct rng rng;

    rng_init(&rng, w->seed, RNG_DEPENDENCE, step + 1, 0);
    for (size_t f = 0; f < WAVES; f++) {
        double width = unit * sqrt((double)m) * widths[f % WIDTHS];

        for (size_t i = 0; i < m; i++)
            w->wave[f * m + i] = (float)((double)rng_normal(&rng) / width);
        w->phase[f] = 6.2831853f * rng_uniform(&rng);
    }
}

static void open_block(struct work *w, size_t step)
{
    size_t b = step % w->blocks;

    w->x = w->raw + b * w->axes * w->block;
    w->labels = w->d->labels + b * w->block;
    memset(w->of_class, 0, w->d->classes * sizeof *w->of_class);
    for (size_t s = 0; s < w->block; s++)
        w->of_class[w->labels[s]]++;
    memcpy(w->answers, w->given + b * w->d->classes * w->block,
           w->d->classes * w->block * sizeof *w->answers);
}

static void answer_classes(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct work *w = context;

    (void)thread;
    for (size_t c = begin; c < end; c++)
        for (size_t a = 0; a < w->axes; a++)
            add(w->answers + c * w->block, w->x + a * w->block, w->change[a * w->d->classes + c],
                w->block);
}

/* Around their mean, over the classes and over the images. */
static void centre_answers(struct work *w)
{
    size_t k = w->d->classes;

    for (size_t s = 0; s < w->block; s++) {
        double sum = 0;

        for (size_t c = 0; c < k; c++)
            sum += (double)w->answers[c * w->block + s];
        for (size_t c = 0; c < k; c++)
            w->answers[c * w->block + s] -= (float)(sum / (double)k);
    }
    for (size_t c = 0; c < k; c++) {
        float *row = w->answers + c * w->block;
        double sum = 0;

        for (size_t s = 0; s < w->block; s++)
            sum += (double)row[s];
        for (size_t s = 0; s < w->block; s++)
            row[s] -= (float)(sum / (double)w->block);
    }
}

static double covariance(const struct work *w, size_t i, size_t j)
{
    return (double)product(w->answers + i * w->block, w->answers + j * w->block, w->block) /
           (double)w->block;
}

/* L, where L L^T is the covariance of all answers but the last, which follows from them. */
static void find_factor(struct work *w)
{
    size_t m = ways(w);
    double least = 0;

    for (size_t i = 0; i < m; i++)
        least += 1e-9 * covariance(w, i, i) / (double)m;
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j <= i; j++) {
            double sum = covariance(w, i, j);

            for (size_t c = 0; c < j; c++)
                sum -= w->factor[i * m + c] * w->factor[j * m + c];
            w->factor[i * m + j] =
                i == j ? sqrt(fmax(sum, fmax(least, 1e-60))) : sum / w->factor[j * m + j];
        }
}

/* Its inverse makes answers uncorrelated, and deviate by 1. */
static void find_white(struct work *w)
{
    size_t m = ways(w);

    find_factor(w);
    for (size_t j = 0; j < m; j++)
        for (size_t i = j; i < m; i++) {
            double sum = i == j ? 1 : 0;

            for (size_t c = j; c < i; c++)
                sum -= w->factor[i * m + c] * w->white[c * m + j];
            w->white[i * m + j] = sum / w->factor[i * m + i];
        }
}

static void whiten(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct work *w = context;

    (void)thread;
    for (size_t i = begin; i < end; i++) {
        float *z = w->z + i * w->block;

        memset(z, 0, w->block * sizeof *z);
        for (size_t c = 0; c <= i; c++)
            add(z, w->answers + c * w->block, (float)w->white[i * ways(w) + c], w->block);
        for (size_t s = 0; s < w->block; s++)
            z[s] = fminf(fmaxf(z[s], -most), most);
    }
}

/* A wave's mean over each class less that over all, squared: the gradient by its argument. */
static void find_slopes(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct work *w = context;
    size_t k = w->d->classes;

    (void)thread;
    for (size_t f = begin; f < end; f++) {
        float *slope = w->slope + f * w->block;
        double mean[DEPENDENCE_CLASSES] = {0}, all = 0;

        for (size_t s = 0; s < w->block; s++)
            slope[s] = w->phase[f];
        for (size_t i = 0; i < ways(w); i++)
            add(slope, w->z + i * w->block, w->wave[f * ways(w) + i], w->block);
        for (size_t s = 0; s < w->block; s++) {
            double value = (double)cosf(slope[s]);

            mean[w->labels[s]] += value / (double)w->of_class[w->labels[s]];
            all += value / (double)w->block;
        }
        for (size_t c = 0; c < k; c++)
            mean[c] = 2 * (mean[c] - all) / (double)(w->block * WAVES);
        for (size_t s = 0; s < w->block; s++)
            slope[s] = -sinf(slope[s]) * (float)mean[w->labels[s]];
    }
}

/*
 * From the waves to whitened answers. What was cut off has no gradient. What would only turn,
 * stretch or mix them is taken off: the next answers will be whitened anew.
 */
static void find_pulls(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct work *w = context;

    (void)thread;
    for (size_t i = begin; i < end; i++) {
        const float *z = w->z + i * w->block;
        float *pull = w->pull + i * w->block;

        memset(pull, 0, w->block * sizeof *pull);
        for (size_t f = 0; f < WAVES; f++)
            add(pull, w->slope + f * w->block, w->wave[f * ways(w) + i], w->block);
        for (size_t s = 0; s < w->block; s++)
            pull[s] = fabsf(z[s]) < most ? pull[s] : 0;
        for (size_t j = 0; j < ways(w); j++) {
            const float *other = w->z + j * w->block;

            add(pull, other, -product(pull, other, w->block) / product(other, other, w->block),
                w->block);
        }
    }
}

/* To the answers but the last. */
static void pull_answers(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct work *w = context;

    (void)thread;
    for (size_t c = begin; c < end; c++) {
        float *to = w->answers + c * w->block;

        memset(to, 0, w->block * sizeof *to);
        for (size_t i = c; i < ways(w); i++)
            add(to, w->pull + i * w->block, (float)w->white[i * ways(w) + c], w->block);
    }
}

/* By the change of each class: what all answers have in common is taken off them. */
static void find_gradient(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct work *w = context;
    size_t k = w->d->classes;

    (void)thread;
    for (size_t a = begin; a < end; a++) {
        float *gradient = w->gradient + a * k;
        double dear = price * w->reach[a] * w->reach[a], mean = 0;

        gradient[k - 1] = 0;
        for (size_t c = 0; c + 1 < k; c++) {
            gradient[c] = product(w->x + a * w->block, w->answers + c * w->block, w->block);
            mean += (double)gradient[c] / (double)k;
        }
        for (size_t c = 0; c < k; c++)
            gradient[c] += (float)(dear * (double)w->change[a * k + c] - mean);
    }
}

/* By units of scale. The rate falls to a fifth. */
static void adam(struct work *w, size_t step)
{
    double now = rate * w->scale * (1 - 0.8 * (double)step / STEPS), t = (double)step + 1;

    for (size_t i = 0; i < w->axes * w->d->classes; i++) {
        double g = (double)w->gradient[i] * w->scale;

        w->mean[i] = 0.9 * w->mean[i] + 0.1 * g;
        w->square[i] = 0.99 * w->square[i] + 0.01 * g * g;
        w->change[i] -= (float)(now * (w->mean[i] / (1 - pow(0.9, t))) /
                                (sqrt(w->square[i] / (1 - pow(0.99, t))) + 1e-12));
    }
}

static void step(struct work *w, size_t number)
{
    open_block(w, number);
    draw_waves(w, number);
    parallel_for(w->d->classes, answer_classes, w);
    centre_answers(w);
    find_white(w);
    parallel_for(ways(w), whiten, w);
    parallel_for(WAVES, find_slopes, w);
    parallel_for(ways(w), find_pulls, w);
    parallel_for(ways(w), pull_answers, w);
    parallel_for(w->axes, find_gradient, w);
    adam(w, number);
}

/* ---- all steps ---- */

static ward_status open_steps(struct work *w)
{
    size_t k = w->d->classes, m = ways(w), count = w->axes * k;
    struct rng rng;
    ward_status st = mem_new(&w->change, count, sizeof *w->change);

    if (!st)
        st = mem_new(&w->gradient, count, sizeof *w->gradient);
    if (!st)
        st = mem_new(&w->mean, count, sizeof *w->mean);
    if (!st)
        st = mem_new(&w->square, count, sizeof *w->square);
    if (!st)
        st = mem_new(&w->of_class, k, sizeof *w->of_class);
    if (!st)
        st = mem_new(&w->answers, k * w->block, sizeof *w->answers);
    if (!st)
        st = mem_new(&w->pull, m * w->block, sizeof *w->pull);
    if (!st)
        st = mem_new(&w->factor, m * m, sizeof *w->factor);
    if (!st)
        st = mem_new(&w->white, m * m, sizeof *w->white);
    if (!st)
        st = mem_new(&w->z, m * w->block, sizeof *w->z);
    if (!st)
        st = mem_new(&w->wave, WAVES * m, sizeof *w->wave);
    if (!st)
        st = mem_new(&w->phase, WAVES, sizeof *w->phase);
    if (!st)
        st = mem_new(&w->slope, WAVES * w->block, sizeof *w->slope);
    rng_init(&rng, w->seed, RNG_DEPENDENCE, 0, 1);
    for (size_t i = 0; i < count && !st; i++)
        w->change[i] = (float)(w->scale * (double)rng_normal(&rng));
    return st;
}

/* The axes and how far processed images reach along them follow from images under G. */
static void work_close(struct work *w)
{
    if (w->basis)
        mem_wipe(w->basis, w->d->features * w->axes * sizeof *w->basis);
    if (w->reach)
        mem_wipe(w->reach, w->axes * sizeof *w->reach);
    mem_free(w->basis);
    mem_free(w->reach);
    mem_free(w->raw);
    mem_free(w->given);
    mem_free(w->change);
    mem_free(w->gradient);
    mem_free(w->mean);
    mem_free(w->square);
    mem_free(w->of_class);
    mem_free(w->answers);
    mem_free(w->pull);
    mem_free(w->factor);
    mem_free(w->white);
    mem_free(w->z);
    mem_free(w->wave);
    mem_free(w->phase);
    mem_free(w->slope);
}

/* The change, less its mean over the classes, which no answer depends on. */
static void apply(const struct work *w, float *weight)
{
    size_t k = w->d->classes;

    for (size_t i = 0; i < w->d->features; i++) {
        double sums[DEPENDENCE_CLASSES] = {0}, all = 0;

        for (size_t a = 0; a < w->axes; a++)
            for (size_t c = 0; c < k; c++)
                sums[c] += (double)w->basis[i * w->axes + a] * (double)w->change[a * k + c];
        for (size_t c = 0; c < k; c++)
            all += sums[c] / (double)k;
        for (size_t c = 0; c < k; c++)
            weight[c * w->d->features + i] += (float)(sums[c] - all);
    }
}

/* ---- what the largest answer tells ---- */

ward_status dependence_told(const struct dependence *d, const float *weight, double *out)
{
    size_t k = d->classes;
    double *both = NULL, *given, *own, sum = 0; /* shares of images */
    ward_status st = mem_new(&both, k * (k + 2), sizeof *both);

    if (st)
        return st;
    given = both + k * k;
    own = given + k;
    for (size_t s = 0; s < d->raw_count; s++) {
        size_t class = largest_product(k, d->features, weight, d->raw + s * d->features);
        size_t label = (size_t)d->labels[s];

        both[class * k + label] += 1.0 / (double)d->raw_count;
        given[class] += 1.0 / (double)d->raw_count;
        own[label] += 1.0 / (double)d->raw_count;
    }
    for (size_t i = 0; i < k * k; i++)
        if (both[i] > 0)
            sum += both[i] * log(both[i] / (given[i / k] * own[i % k]));
    mem_free(both);
    *out = sum;
    return WARD_OK;
}

/* ---- the whole ---- */

/* The changed weight, if it tells less. */
static ward_status keep_better(const struct work *w, float *weight)
{
    size_t count = w->d->classes * w->d->features;
    double told = 0, tells = 0;
    float *changed = NULL;
    ward_status st = mem_new(&changed, count, sizeof *changed);

    if (st)
        return st;
    memcpy(changed, weight, count * sizeof *changed);
    apply(w, changed);
    st = dependence_told(w->d, weight, &told);
    if (!st)
        st = dependence_told(w->d, changed, &tells);
    if (!st && tells < told)
        memcpy(weight, changed, count * sizeof *changed);
    mem_free(changed);
    return st;
}

ward_status dependence_lower(const struct dependence *d, uint64_t seed, float *weight)
{
    struct work w = {.d = d, .seed = seed};
    ward_status st;

    w.block = min_size(BLOCK, d->raw_count);
    w.axes = d->features * 6 / 10;
    if (w.axes < d->classes || d->classes > DEPENDENCE_CLASSES || w.block < 2 * w.axes)
        return WARD_OK;
    w.blocks = d->raw_count / w.block;
    st = find_basis(&w);
    if (!st && w.axes >= d->classes) {
        st = find_reach(&w);
        if (!st)
            st = turn_raw(&w);
        if (!st)
            st = answer(&w, weight);
        if (!st)
            st = open_steps(&w);
        for (size_t i = 0; i < STEPS && !st; i++)
            step(&w, i);
        if (!st)
            st = keep_better(&w, weight);
    }
    work_close(&w);
    return st;
}
