/*
 * Convolutions of 3x3 with stride 1 and padding 1 between blocked values, by Winograd's minimal
 * filtering F(4x4, 3x3) (Lavin & Gray 2016): a tile of 4x4 results costs 36 products a pair of
 * channels instead of 144.
 *
 *   y  = A' [(G w G') . (B' x B)] A        forward; backward data is the same with w turned
 *   dw = G' [(B' x B) . (A dy A')] G       summed over tiles
 *
 * where . is, at each of 36 points, a matrix product over channels (over tiles for dw). Rows of
 * tiles are worked on in chunks whose points stay in the cache, and while one chunk is multiplied
 * the next is fetched.
 */
#include "compute/native/tables.h"

#include "base/parallel.h"
#include "base/util.h"
#include "compute/native/moments.h"
#include "compute/native/vec.h"

enum {
    SIDE = 4, /* of a tile of results */
    EDGE = 6, /* of the tile of inputs that it needs */
    POINTS = EDGE * EDGE,
    CHUNK = 28,                    /* tiles at once: two fills of the registers */
    WIDE = LANES == 16 ? 12 : 6,   /* tiles whose sums of two blocks fill the registers */
    NARROW = LANES == 16 ? 14 : 8, /* the same of one block */
};

struct geometry {
    size_t h, w, tiles_h, tiles_w;
    size_t strip; /* columns of a row of tiles with its padding */
    size_t rows;  /* of tiles, a chunk */
    size_t tiles; /* a chunk */
    size_t in_blocks, out_blocks;
};

struct job {
    const struct native_conv *conv;
    struct geometry g;
    const float *x, *w, *b;
    float *y;
};

/* One thread's part of the scratch. */
struct area {
    float *strip; /* [EDGE][columns][lanes] */
    float *in;    /* points of inputs, [POINTS][tiles][channels] */
    float *out;   /* points of results: [POINTS][2][tiles][lanes], or as `in` if they are dy's */
    float *dw;    /* [POINTS][in blocks ...] as conv->points */
};

static struct geometry geometry_of(const struct native_conv *c)
{
    struct geometry g = {.h = c->in.h,
                         .w = c->in.w,
                         .tiles_h = (c->in.h + SIDE - 1) / SIDE,
                         .tiles_w = (c->in.w + SIDE - 1) / SIDE,
                         .in_blocks = c->in.c / LANES,
                         .out_blocks = c->out.c / LANES};

    g.strip = SIDE * g.tiles_w + EDGE - SIDE;
    g.rows = max_size(CHUNK / g.tiles_w, 1);
    g.tiles = g.rows * g.tiles_w;
    return g;
}

static size_t points_len(const struct native_conv *c)
{
    return POINTS * c->in.c * c->out.c;
}

static size_t chunk_len(const struct native_conv *c)
{
    return POINTS * geometry_of(c).tiles * max_size(2 * LANES, max_size(c->in.c, c->out.c));
}

static size_t scratch_len(const struct native_conv *c)
{
    return EDGE * geometry_of(c).strip * LANES + 2 * chunk_len(c) + points_len(c);
}

static struct area area_of(const struct native_conv *c, unsigned thread)
{
    struct area a = {.strip = c->scratch + thread * c->scratch_len};

    a.in = a.strip + EDGE * geometry_of(c).strip * LANES;
    a.out = a.in + chunk_len(c);
    a.dw = a.out + chunk_len(c);
    return a;
}

/* ---- the transforms, in one dimension ---- */

/* B' */
static inline void input_points(const vec d[EDGE], vec v[EDGE])
{
    vec a = d[4] - 4 * d[2], b = d[3] - 4 * d[1], c = d[4] - d[2], e = 2 * (d[3] - d[1]);

    v[0] = 4 * d[0] + (d[4] - 5 * d[2]);
    v[1] = a + b;
    v[2] = a - b;
    v[3] = c + e;
    v[4] = c - e;
    v[5] = 4 * d[1] + (d[5] - 5 * d[3]);
}

/* A' */
static inline void result_of(const vec m[EDGE], vec y[SIDE])
{
    vec s = m[1] + m[2], d = m[1] - m[2], u = m[3] + m[4], v = m[3] - m[4];

    y[0] = m[0] + s + u;
    y[1] = d + 2 * v;
    y[2] = s + 4 * u;
    y[3] = d + 8 * v + m[5];
}

/* A */
static inline void result_points(const vec y[SIDE], vec z[EDGE])
{
    vec e = y[0] + y[2], o = y[1] + y[3], f = y[0] + 4 * y[2], h = 2 * y[1] + 8 * y[3];

    z[0] = y[0];
    z[1] = e + o;
    z[2] = e - o;
    z[3] = f + h;
    z[4] = f - h;
    z[5] = y[3];
}

/* G */
static inline void weight_points(const vec g[3], vec u[EDGE])
{
    vec s = (g[0] + g[2]) * (1.0f / 6), m = g[1] * (1.0f / 6);
    vec t = g[0] * (1.0f / 24) + g[2] * (1.0f / 6), o = g[1] * (1.0f / 12);

    u[0] = g[0] * 0.25f;
    u[1] = -s - m;
    u[2] = m - s;
    u[3] = t + o;
    u[4] = t - o;
    u[5] = g[2];
}

/* G' */
static inline void weight_of(const vec u[EDGE], vec g[3])
{
    vec s = (u[1] + u[2]) * (1.0f / 6), t = u[3] + u[4];

    g[0] = u[0] * 0.25f - s + t * (1.0f / 24);
    g[1] = (u[2] - u[1]) * (1.0f / 6) + (u[3] - u[4]) * (1.0f / 12);
    g[2] = t * (1.0f / 6) - s + u[5];
}

/* ---- weights to points: [POINTS][out block][input channel][lanes] ---- */

static void weight_transform(const vec taps[9], float *points, size_t stride)
{
    vec rows[EDGE][3];

    for (size_t k = 0; k < 3; k++) {
        vec column[3] = {taps[k], taps[3 + k], taps[6 + k]}, u[EDGE];

        weight_points(column, u);
        for (size_t i = 0; i < EDGE; i++)
            rows[i][k] = u[i];
    }
    for (size_t i = 0; i < EDGE; i++) {
        vec u[EDGE];

        weight_points(rows[i], u);
        for (size_t k = 0; k < EDGE; k++)
            vec_store(points + (i * EDGE + k) * stride, u[k]);
    }
}

static void weights_forward(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct job *j = context;
    const struct native_conv *c = j->conv;

    (void)thread;
    for (size_t item = begin; item < end; item++) { /* out block * input channels + channel */
        vec taps[9];

        for (size_t k = 0; k < 9; k++)
            taps[k] = vec_load(j->w + (item * 9 + k) * LANES);
        weight_transform(taps, c->points + item * LANES, c->in.c * c->out.c);
    }
}

/* conv is the one of the backward pass, from dy to dx: its outputs are w's inputs, and w's taps are
 * turned by half a turn. */
static void weights_backward(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct job *j = context;
    const struct native_conv *c = j->conv;

    (void)thread;
    for (size_t item = begin; item < end; item++) {
        size_t block = item / c->in.c, from = item % c->in.c;
        const float *w =
            j->w + (from / LANES * c->out.c + block * LANES) * 9 * LANES + from % LANES;
        vec taps[9];

        for (size_t k = 0; k < 9; k++) {
            float lane[LANES];

            for (size_t l = 0; l < LANES; l++)
                lane[l] = w[(l * 9 + 8 - k) * LANES];
            taps[k] = vec_load(lane);
        }
        weight_transform(taps, c->points + item * LANES, c->in.c * c->out.c);
    }
}

/* ---- values to points ---- */

/* One row of tiles of one block of channels: transformed down the columns into the strip, then
 * along its rows. Points lie `stride` floats apart, tiles `step`. */
static void input_row(const struct geometry *g, const float *x, size_t tile_row, float *strip,
                      float *points, size_t stride, size_t step)
{
    size_t top = tile_row * SIDE, line = g->strip * LANES; /* of the padded image */

    for (size_t i = 0; i < EDGE; i++) {
        vec_store(strip + i * line, vec_zero());
        for (size_t k = g->w + 1; k < g->strip; k++)
            vec_store(strip + i * line + k * LANES, vec_zero());
    }
    for (size_t k = 0; k < g->w; k++) {
        vec d[EDGE], v[EDGE];

        for (size_t i = 0; i < EDGE; i++) {
            bool is_inside = top + i >= 1 && top + i <= g->h;

            d[i] = is_inside ? vec_load(x + ((top + i - 1) * g->w + k) * LANES) : vec_zero();
        }
        input_points(d, v);
        for (size_t i = 0; i < EDGE; i++)
            vec_store(strip + i * line + (k + 1) * LANES, v[i]);
    }
    for (size_t t = 0; t < g->tiles_w; t++)
        for (size_t i = 0; i < EDGE; i++) {
            const float *from = strip + i * line + t * SIDE * LANES;
            vec d[EDGE], v[EDGE];

            for (size_t k = 0; k < EDGE; k++)
                d[k] = vec_load(from + k * LANES);
            input_points(d, v);
            for (size_t k = 0; k < EDGE; k++)
                vec_store(points + (i * EDGE + k) * stride + t * step, v[k]);
        }
}

static void inputs_of_chunk(const struct job *j, const struct area *a, size_t row, size_t rows)
{
    const struct geometry *g = &j->g;
    size_t channels = j->conv->in.c;

    for (size_t r = 0; r < rows; r++)
        for (size_t b = 0; b < g->in_blocks; b++) {
            size_t plane = (row + r) / g->tiles_h * g->in_blocks + b;

            input_row(g, j->x + plane * g->h * g->w * LANES, (row + r) % g->tiles_h, a->strip,
                      a->in + r * g->tiles_w * channels + b * LANES, g->tiles * channels, channels);
        }
}

/* The points of dy, in the same order. */
static void gradient_row(const struct geometry *g, const float *dy, size_t tile_row, float *points,
                         size_t stride, size_t step)
{
    for (size_t t = 0; t < g->tiles_w; t++) {
        vec rows[EDGE][SIDE];

        for (size_t k = 0; k < SIDE; k++) {
            size_t ow = t * SIDE + k;
            vec y[SIDE], z[EDGE];

            for (size_t i = 0; i < SIDE; i++) {
                size_t oh = tile_row * SIDE + i;

                y[i] =
                    oh < g->h && ow < g->w ? vec_load(dy + (oh * g->w + ow) * LANES) : vec_zero();
            }
            result_points(y, z);
            for (size_t i = 0; i < EDGE; i++)
                rows[i][k] = z[i];
        }
        for (size_t i = 0; i < EDGE; i++) {
            vec z[EDGE];

            result_points(rows[i], z);
            for (size_t k = 0; k < EDGE; k++)
                vec_store(points + (i * EDGE + k) * stride + t * step, z[k]);
        }
    }
}

static void gradients_of_chunk(const struct job *j, const struct area *a, size_t row, size_t rows)
{
    const struct geometry *g = &j->g;
    size_t channels = j->conv->out.c;

    for (size_t r = 0; r < rows; r++)
        for (size_t b = 0; b < g->out_blocks; b++) {
            size_t plane = (row + r) / g->tiles_h * g->out_blocks + b;

            gradient_row(g, j->w + plane * g->h * g->w * LANES, (row + r) % g->tiles_h,
                         a->out + r * g->tiles_w * channels + b * LANES, g->tiles * channels,
                         channels);
        }
}

/* ---- forward: a product at each point ---- */

/* m [block][tile][lanes] = v [tile][channels] times u [block][channels][lanes]. */
VEC_INLINE void multiply_tiles(size_t channels, const float *v, const float *u, float *m,
                               size_t m_block, size_t tiles, size_t blocks)
{
    vec sum[NARROW][2];

    for (size_t t = 0; t < tiles; t++)
        for (size_t b = 0; b < blocks; b++)
            sum[t][b] = vec_zero();
    for (size_t c = 0; c < channels; c++) {
        vec w[2];

        for (size_t b = 0; b < blocks; b++)
            w[b] = vec_load(u + (b * channels + c) * LANES);
        for (size_t t = 0; t < tiles; t++)
            for (size_t b = 0; b < blocks; b++)
                sum[t][b] += v[t * channels + c] * w[b];
    }
    for (size_t t = 0; t < tiles; t++)
        for (size_t b = 0; b < blocks; b++)
            vec_store(m + b * m_block + t * LANES, sum[t][b]);
}

VEC_INLINE void multiply_blocks(size_t channels, size_t tiles, const float *v, const float *u,
                                float *m, size_t m_block, size_t blocks, size_t most)
{
    size_t t = 0;

    for (; t + most <= tiles; t += most)
        multiply_tiles(channels, v + t * channels, u, m + t * LANES, m_block, most, blocks);
    for (; t + 4 <= tiles; t += 4)
        multiply_tiles(channels, v + t * channels, u, m + t * LANES, m_block, 4, blocks);
    for (; t < tiles; t++)
        multiply_tiles(channels, v + t * channels, u, m + t * LANES, m_block, 1, blocks);
}

static void multiply(size_t channels, size_t tiles, const float *v, const float *u, float *m,
                     size_t m_block, size_t blocks)
{
    if (blocks == 2)
        multiply_blocks(channels, tiles, v, u, m, m_block, 2, WIDE);
    else
        multiply_blocks(channels, tiles, v, u, m, m_block, 1, NARROW);
}

static inline void result_tile(const struct job *j, const float *m, size_t oh, size_t ow, vec bias,
                               float *y)
{
    const struct geometry *g = &j->g;
    vec rows[SIDE][EDGE];

    for (size_t k = 0; k < EDGE; k++) {
        vec column[EDGE], four[SIDE];

        for (size_t i = 0; i < EDGE; i++)
            column[i] = vec_load(m + (i * EDGE + k) * 2 * g->tiles * LANES);
        result_of(column, four);
        for (size_t i = 0; i < SIDE; i++)
            rows[i][k] = four[i];
    }
    for (size_t i = 0; i < SIDE && oh + i < g->h; i++) {
        vec four[SIDE];

        result_of(rows[i], four);
        for (size_t k = 0; k < SIDE && ow + k < g->w; k++) {
            vec v = four[k] + bias;

            if (j->conv->has_relu)
                v = vec_if_positive(v, v, vec_zero());
            vec_store(y + ((oh + i) * g->w + ow + k) * LANES, v);
        }
    }
}

/* Results of `blocks` blocks from block b on, and the sums over them that batch norm wants. */
static void results_of_chunk(const struct job *j, const struct area *a, size_t row, size_t rows,
                             size_t b, size_t blocks, unsigned thread)
{
    const struct geometry *g = &j->g;
    size_t channels = j->conv->out.c;

    for (size_t k = 0; k < blocks; k++) {
        vec bias = j->b ? vec_load(j->b + (b + k) * LANES) : vec_zero();

        for (size_t r = 0; r < rows; r++) {
            size_t plane = (row + r) / g->tiles_h * g->out_blocks + b + k;
            size_t oh = (row + r) % g->tiles_h * SIDE;
            float *y = j->y + plane * g->h * g->w * LANES;

            for (size_t t = 0; t < g->tiles_w; t++)
                result_tile(j, a->out + (k * g->tiles + r * g->tiles_w + t) * LANES, oh, t * SIDE,
                            bias, y);
            if (j->conv->sums) {
                double *sums = j->conv->sums + 2 * channels * thread + (b + k) * LANES;

                moments_add(y + oh * g->w * LANES, min_size(SIDE, g->h - oh) * g->w, sums,
                            sums + channels);
            }
        }
    }
}

/* Rows of tiles as a span of a tensor of so many blocks: where one image's blocks lie one after the
 * other that is the right span only for whole images, which is good enough for fetching. */
struct span {
    size_t begin, len;
};

static struct span span_of(const struct geometry *g, size_t blocks, size_t row, size_t rows)
{
    size_t image = blocks * g->h * g->w * LANES;

    return (struct span){row * image / g->tiles_h, rows * image / g->tiles_h};
}

/* The p-th of POINTS parts. */
static struct span part_of(struct span s, size_t p)
{
    return (struct span){s.begin + s.len * p / POINTS, s.len / POINTS + 1};
}

static void forward_rows(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct job *j = context;
    const struct native_conv *c = j->conv;
    const struct geometry *g = &j->g;
    struct area a = area_of(c, thread);
    size_t rows;

    for (size_t row = begin; row < end; row += rows) {
        struct span results = span_of(g, g->out_blocks, row, min_size(g->rows, end - row)), next;

        rows = min_size(g->rows, end - row);
        next = span_of(g, g->in_blocks, row + rows, min_size(g->rows, end - row - rows));
        inputs_of_chunk(j, &a, row, rows);
        for (size_t b = 0; b < g->out_blocks; b += 2) {
            size_t blocks = min_size(2, g->out_blocks - b);

            for (size_t p = 0; p < POINTS; p++) {
                if (b == 0) {
                    vec_fetch(j->x + part_of(next, p).begin, part_of(next, p).len);
                    vec_fetch_to_write(j->y + part_of(results, p).begin, part_of(results, p).len);
                }
                multiply(c->in.c, rows * g->tiles_w, a.in + p * g->tiles * c->in.c,
                         c->points + (p * g->out_blocks + b) * c->in.c * LANES,
                         a.out + p * 2 * g->tiles * LANES, g->tiles * LANES, blocks);
            }
            results_of_chunk(j, &a, row, rows, b, blocks, thread);
        }
    }
}

static void forward(const struct native_conv *conv, const float *x, const float *w, const float *b,
                    float *y)
{
    struct job job = {conv, geometry_of(conv), x, w, b, y};

    if (!conv->has_points)
        parallel_for(conv->in.c * job.g.out_blocks, weights_forward, &job);
    if (conv->sums)
        memset(conv->sums, 0,
               norm_partial_len(conv->out.c, parallel_threads()) * sizeof *conv->sums);
    parallel_for(conv->in.n * job.g.tiles_h, forward_rows, &job);
}

static void backward_data(const struct native_conv *conv, const float *dy, const float *w,
                          float *dx)
{
    struct native_conv turned = *conv;
    struct job job = {&turned, {0}, dy, w, NULL, dx};

    turned.in = conv->out;
    turned.out = conv->in;
    turned.has_relu = false;
    turned.sums = NULL;
    job.g = geometry_of(&turned);
    parallel_for(turned.in.c * job.g.out_blocks, weights_backward, &job);
    parallel_for(turned.in.n * job.g.tiles_h, forward_rows, &job);
}

/* ---- gradient of the weights ---- */

/* dw [block][channels][lanes] += v [tile][channels]' times z [tile][out], for so many of the
 * channels and of the blocks. */
VEC_INLINE void accumulate_tiles(const struct native_conv *c, const float *v, const float *z,
                                 size_t tiles, float *dw, size_t channels, size_t blocks)
{
    vec sum[LANES][2];

    for (size_t i = 0; i < channels; i++)
        for (size_t b = 0; b < blocks; b++)
            sum[i][b] = vec_load(dw + (b * c->in.c + i) * LANES);
    for (size_t t = 0; t < tiles; t++) {
        vec g[2];

        for (size_t b = 0; b < blocks; b++)
            g[b] = vec_load(z + t * c->out.c + b * LANES);
        for (size_t i = 0; i < channels; i++)
            for (size_t b = 0; b < blocks; b++)
                sum[i][b] += v[t * c->in.c + i] * g[b];
    }
    for (size_t i = 0; i < channels; i++)
        for (size_t b = 0; b < blocks; b++)
            vec_store(dw + (b * c->in.c + i) * LANES, sum[i][b]);
}

static void accumulate(const struct native_conv *c, size_t tiles, const float *v, const float *z,
                       float *dw)
{
    size_t blocks = c->out.c / LANES, b = 0;

    for (; b + 2 <= blocks; b += 2)
        for (size_t i = 0; i < c->in.c; i += LANES / 2)
            accumulate_tiles(c, v + i, z + b * LANES, tiles, dw + (b * c->in.c + i) * LANES,
                             LANES / 2, 2);
    for (; b < blocks; b++)
        for (size_t i = 0; i < c->in.c; i += LANES)
            accumulate_tiles(c, v + i, z + b * LANES, tiles, dw + (b * c->in.c + i) * LANES, LANES,
                             1);
}

/* x: x, w: dy, y: dw. */
static void weights_rows(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct job *j = context;
    const struct native_conv *c = j->conv;
    const struct geometry *g = &j->g;
    struct area a = area_of(c, thread);
    size_t rows;

    memset(a.dw, 0, points_len(c) * sizeof *a.dw);
    for (size_t row = begin; row < end; row += rows) {
        struct span x, dy;
        size_t after;

        rows = min_size(g->rows, end - row);
        after = min_size(g->rows, end - row - rows);
        x = span_of(g, g->in_blocks, row + rows, after);
        dy = span_of(g, g->out_blocks, row + rows, after);
        inputs_of_chunk(j, &a, row, rows);
        gradients_of_chunk(j, &a, row, rows);
        for (size_t p = 0; p < POINTS; p++) {
            vec_fetch(j->x + part_of(x, p).begin, part_of(x, p).len);
            vec_fetch(j->w + part_of(dy, p).begin, part_of(dy, p).len);
            accumulate(c, rows * g->tiles_w, a.in + p * g->tiles * c->in.c,
                       a.out + p * g->tiles * c->out.c, a.dw + p * c->in.c * c->out.c);
        }
    }
}

/* Sums the threads' points of one input channel and one block, and makes taps of them. */
static void weights_reduce(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct job *j = context;
    const struct native_conv *c = j->conv;
    unsigned threads = (unsigned)min_size(c->in.n * j->g.tiles_h, parallel_threads());

    (void)thread;
    for (size_t item = begin; item < end; item++) {
        vec rows[3][EDGE], taps[3];

        for (size_t k = 0; k < EDGE; k++) {
            vec column[EDGE];

            for (size_t i = 0; i < EDGE; i++) {
                size_t at = (i * EDGE + k) * c->in.c * c->out.c + item * LANES;

                column[i] = vec_zero();
                for (unsigned t = 0; t < threads; t++)
                    column[i] += vec_load(area_of(c, t).dw + at);
            }
            weight_of(column, taps);
            for (size_t i = 0; i < 3; i++)
                rows[i][k] = taps[i];
        }
        for (size_t i = 0; i < 3; i++) {
            weight_of(rows[i], taps);
            for (size_t k = 0; k < 3; k++)
                vec_store(j->y + (item * 9 + i * 3 + k) * LANES, taps[k]);
        }
    }
}

/* Sums of dy over images and places: blocks of channels apart, each in the order of the images. */
static void bias_blocks(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct job *j = context;
    const struct geometry *g = &j->g;
    size_t plane = g->h * g->w * LANES;

    (void)thread;
    for (size_t b = begin; b < end; b++) {
        vec sum = vec_zero();

        for (size_t n = 0; n < j->conv->out.n; n++) {
            const float *dy = j->w + (n * g->out_blocks + b) * plane;
            vec s0 = vec_zero(), s1 = vec_zero();
            size_t i = 0;

            for (; i + 2 * LANES <= plane; i += 2 * LANES) {
                s0 += vec_load(dy + i);
                s1 += vec_load(dy + i + LANES);
            }
            if (i < plane)
                s0 += vec_load(dy + i);
            sum += s0 + s1;
        }
        vec_store(j->y + b * LANES, sum);
    }
}

static void backward_weights(const struct native_conv *conv, const float *x, const float *dy,
                             float *dw, float *db)
{
    struct job job = {conv, geometry_of(conv), x, dy, NULL, dw};

    parallel_for(conv->in.n * job.g.tiles_h, weights_rows, &job);
    parallel_for(conv->in.c * job.g.out_blocks, weights_reduce, &job);
    if (!db)
        return;
    job.y = db;
    parallel_for(job.g.out_blocks, bias_blocks, &job);
}

const struct conv_kernels KERNEL(winograd_kernels) = {"winograd", scratch_len,   points_len,
                                                      forward,    backward_data, backward_weights};
