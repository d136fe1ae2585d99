/*
 * Dense layers, forward. Weights are packed into panels of outputs that fill two vectors,
 * [panel][features][PANEL], where outputs past the last are zero: once a load at inference, and
 * just before use in training, where they change. A thread takes some panels, so that together the
 * threads read the weights once, and multiplies each with all rows: it stays in the core's own
 * cache meanwhile, and rows, which are read in order, come from a farther one in time.
 *
 * A sum goes over the features in their order, whatever the threads and the other rows.
 */
#include "compute/native/tables.h"

#include "base/parallel.h"
#include "base/util.h"
#include "compute/native/vec.h"

enum {
    PANEL = 2 * LANES,
    TILE = LANES == 16 ? 14 : 6, /* rows whose sums stay in registers */
    ITEMS = 4                    /* for each thread at least, if there are so many rows */
};

struct job {
    const struct native_dense *dense;
    const float *x, *w, *b;
    float *y;
    bool has_rows; /* w is not packed */
    size_t parts;  /* of the rows; an item is a panel and a part */
};

static size_t panels_of(size_t k)
{
    return (k + PANEL - 1) / PANEL;
}

static size_t weights_len(const struct native_dense *d)
{
    return panels_of(d->k) * PANEL * d->features;
}

static void pack(const struct native_dense *d, const float *plain, float *packed)
{
    for (size_t panel = 0; panel < panels_of(d->k); panel++)
        for (size_t i = 0; i < d->features; i++) {
            size_t at = dense_feature(d, i);

            for (size_t l = 0; l < PANEL; l++) {
                size_t o = panel * PANEL + l;

                packed[(panel * d->features + i) * PANEL + l] =
                    o < d->k ? plain[o * d->features + at] : 0;
            }
        }
}

static void unpack(const struct native_dense *d, const float *packed, float *plain)
{
    for (size_t o = 0; o < d->k; o++)
        for (size_t i = 0; i < d->features; i++)
            plain[o * d->features + dense_feature(d, i)] =
                packed[(o / PANEL * d->features + i) * PANEL + o % PANEL];
}

/* ---- a tile: some rows of a panel ---- */

/* A vector of which `count` lanes are there; the others are zero, or are not stored. */
static inline vec load_some(const float *from, size_t count)
{
    float lanes[LANES] = {0};

    if (count == LANES)
        return vec_load(from);
    memcpy(lanes, from, count * sizeof *lanes);
    return vec_load(lanes);
}

static inline void store_some(float *to, vec v, size_t count)
{
    float lanes[LANES];

    if (count == LANES) {
        vec_store(to, v);
        return;
    }
    vec_store(lanes, v);
    memcpy(to, lanes, count * sizeof *to);
}

/* `rows` rows from `row` on, outputs from o on, whose packed weights are w. */
VEC_INLINE void tile(const struct job *j, const float *w, size_t o, size_t row, size_t rows)
{
    size_t features = j->dense->features, k = j->dense->k;
    size_t used[2] = {min_size(k - o, LANES), min_size(k - o, PANEL) - min_size(k - o, LANES)};
    const float *x = j->x + row * features;
    float *y = j->y + row * k + o;
    vec sum[TILE][2];

    for (size_t r = 0; r < rows; r++)
        for (size_t v = 0; v < 2; v++)
            sum[r][v] = load_some(j->b + o + v * LANES, used[v]);
    for (size_t i = 0; i < features; i++) {
        vec w0 = vec_load(w + i * PANEL), w1 = vec_load(w + i * PANEL + LANES);

        for (size_t r = 0; r < rows; r++) {
            sum[r][0] += x[r * features + i] * w0;
            sum[r][1] += x[r * features + i] * w1;
        }
    }
    for (size_t r = 0; r < rows; r++)
        for (size_t v = 0; v < 2; v++) {
            if (j->dense->has_relu)
                sum[r][v] = vec_if_positive(sum[r][v], sum[r][v], vec_zero());
            store_some(y + r * k + v * LANES, sum[r][v], used[v]);
        }
}

static void panel_rows(const struct job *j, const float *w, size_t o, size_t row, size_t end)
{
    for (; row + TILE <= end; row += TILE)
        tile(j, w, o, row, TILE);
    for (; row + 4 <= end; row += 4)
        tile(j, w, o, row, 4);
    for (; row + 2 <= end; row += 2)
        tile(j, w, o, row, 2);
    for (; row < end; row++)
        tile(j, w, o, row, 1);
}

/* ---- panels ---- */

/* Packs the panel of outputs from o on. */
static void pack_rows(const struct job *j, size_t o, float *packed)
{
    size_t features = j->dense->features, k = j->dense->k, i;

    for (size_t first = 0; first < PANEL; first += LANES) {
        const float *from = j->w + (o + first) * features;
        vec v[LANES];

        for (i = 0; i + LANES <= features; i += LANES) {
            for (size_t l = 0; l < LANES; l++)
                v[l] = o + first + l < k ? vec_load(from + l * features + i) : vec_zero();
            vec_turn(v);
            for (size_t l = 0; l < LANES; l++)
                vec_store(packed + (i + l) * PANEL + first, v[l]);
        }
        for (; i < features; i++)
            for (size_t l = 0; l < LANES; l++)
                packed[i * PANEL + first + l] = o + first + l < k ? from[l * features + i] : 0;
    }
}

static void forward_items(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct job *j = context;
    float *packed = j->has_rows ? j->dense->scratch + thread * j->dense->scratch_len : NULL;
    size_t n = j->dense->n;

    for (size_t item = begin; item < end; item++) {
        size_t part = item % j->parts, o = item / j->parts * PANEL;

        if (packed && (item == begin || part == 0))
            pack_rows(j, o, packed);
        panel_rows(j, packed ? packed : j->w + o * j->dense->features, o, n * part / j->parts,
                   n * (part + 1) / j->parts);
    }
}

static void run(struct job *job)
{
    size_t panels = panels_of(job->dense->k), wanted = ITEMS * parallel_threads();

    job->parts = 1;
    if (panels < wanted)
        job->parts = min_size((wanted + panels - 1) / panels, job->dense->n);
    parallel_for(panels * job->parts, forward_items, job);
}

static void forward(const struct native_dense *d, const float *x, const float *w, const float *b,
                    float *y)
{
    struct job job = {.dense = d, .x = x, .w = w, .b = b, .y = y};

    run(&job);
}

static size_t scratch_len(const struct native_dense *d)
{
    return d->features * PANEL;
}

static void forward_rows(const struct native_dense *d, const float *x, const float *w,
                         const float *b, float *y)
{
    struct job job = {.dense = d, .x = x, .w = w, .b = b, .y = y, .has_rows = true};

    run(&job);
}

const struct dense_kernels KERNEL(dense_kernels) = {weights_len, pack,        unpack,
                                                    forward,     scratch_len, forward_rows};
