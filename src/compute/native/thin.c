/*
 * Convolutions with a plain value on one side and a blocked one on the other: the first layer of a
 * network, and both layers of the generator. The vector runs over the blocked side's channels; on
 * the plain side each channel is a scalar. Stride 1.
 *
 * Whichever side is the input, blocked place (r, c) and tap (kh, kw) meet the plain place
 * (r + kh - border, c + kw - border): with plain output, taps are counted from the far end. So
 * there are three loops only: to the blocked side, to the plain side, and to the weights.
 */
#include "compute/native/tables.h"

#include "base/parallel.h"
#include "base/util.h"
#include "compute/native/vec.h"

enum {
    TILE = LANES == 16 ? 14 : 8, /* columns whose sums stay in registers */
    SUMS = 8                     /* likewise, plain channels */
};

struct job {
    const struct native_conv *conv;
    struct dims plain, blocked;
    size_t kernel, border;
    size_t line, lines; /* of a padded plain image */
    const float *x, *dy, *w, *b;
    float *y;
    bool has_relu;
};

static struct job job_of(const struct native_conv *c)
{
    struct job j = {.conv = c,
                    .plain = c->is_out_blocked ? c->in : c->out,
                    .blocked = c->is_out_blocked ? c->out : c->in,
                    .kernel = c->kernel,
                    .border = c->is_out_blocked ? c->padding : c->kernel - 1 - c->padding};

    j.line = j.blocked.w + c->kernel - 1;
    j.lines = j.blocked.h + c->kernel - 1;
    return j;
}

static size_t weights_len(const struct native_conv *c)
{
    return c->in.c * c->out.c * c->kernel * c->kernel;
}

/* Position of a tap in the packed weights. */
static size_t tap_at(const struct job *j, size_t kh, size_t kw)
{
    size_t tap = kh * j->kernel + kw;

    return j->conv->is_out_blocked ? tap : j->kernel * j->kernel - 1 - tap;
}

/* The lines of one plain image that blocked rows [row, row + rows) meet, with zeros around. */
static void pad(const struct job *j, const float *image, size_t row, size_t rows, float *padded)
{
    for (size_t c = 0; c < j->plain.c; c++)
        for (size_t k = row; k < row + rows + j->kernel - 1; k++) {
            float *to = padded + (c * j->lines + k) * j->line;

            memset(to, 0, j->line * sizeof *to);
            if (k >= j->border && k - j->border < j->plain.h)
                memcpy(to + j->border, image + (c * j->plain.h + k - j->border) * j->plain.w,
                       min_size(j->plain.w, j->line - j->border) * sizeof *to);
        }
}

/* ---- to the blocked side: forward with plain input, backward data with plain output ---- */

/* `tile` columns from c on of one blocked row; w is of its block. */
VEC_INLINE void blocked_tile(const struct job *j, const float *padded, const float *w, vec bias,
                             size_t row, size_t c, float *y, size_t tile)
{
    size_t taps = j->kernel * j->kernel;
    vec sum[TILE];

    for (size_t t = 0; t < tile; t++)
        sum[t] = bias;
    for (size_t p = 0; p < j->plain.c; p++)
        for (size_t kh = 0; kh < j->kernel; kh++) {
            const float *from = padded + (p * j->lines + row + kh) * j->line + c;

            for (size_t kw = 0; kw < j->kernel; kw++) {
                vec v = vec_load(w + (p * taps + tap_at(j, kh, kw)) * LANES);

                for (size_t t = 0; t < tile; t++)
                    sum[t] += from[t + kw] * v;
            }
        }
    for (size_t t = 0; t < tile; t++)
        vec_store(y + (c + t) * LANES,
                  j->has_relu ? vec_if_positive(sum[t], sum[t], vec_zero()) : sum[t]);
}

static void blocked_row(const struct job *j, const float *padded, size_t b, size_t row, float *y)
{
    const float *w = j->w + b * j->plain.c * j->kernel * j->kernel * LANES;
    vec bias = j->b ? vec_load(j->b + b * LANES) : vec_zero();
    size_t c = 0;

    for (; c + TILE <= j->blocked.w; c += TILE)
        blocked_tile(j, padded, w, bias, row, c, y, TILE);
    for (; c + 4 <= j->blocked.w; c += 4)
        blocked_tile(j, padded, w, bias, row, c, y, 4);
    for (; c < j->blocked.w; c++)
        blocked_tile(j, padded, w, bias, row, c, y, 1);
}

static void to_blocked(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct job *j = context;
    float *padded = j->conv->scratch + thread * j->conv->scratch_len;
    size_t blocks = j->blocked.c / LANES, h = j->blocked.h, rows;

    for (size_t item = begin; item < end; item += rows) { /* n * h + row */
        size_t n = item / h, row = item % h;

        rows = min_size(h - row, end - item);
        pad(j, j->x + n * j->plain.c * j->plain.h * j->plain.w, row, rows, padded);
        for (size_t b = 0; b < blocks; b++)
            for (size_t r = row; r < row + rows; r++)
                blocked_row(j, padded, b, r,
                            j->y + ((n * blocks + b) * h + r) * j->blocked.w * LANES);
    }
}

/* ---- to the plain side: forward with plain output, backward data with plain input ---- */

/* Blocked lines with zeros around, so that all columns of a vector are added up in one way. */
struct strip {
    size_t lines, line; /* of each block; columns of a line */
    size_t far;         /* zeros above, and on the left */
};

static struct strip strip_of(const struct job *j)
{
    return (struct strip){.lines = j->plain.h + j->kernel - 1,
                          .line = max_size(j->plain.w, LANES) + j->kernel - 1,
                          .far = j->kernel - 1 - j->border};
}

/* An image whose lines may be read as they are. */
static bool is_strip(const struct job *j)
{
    return j->kernel == 1 && j->plain.w >= LANES;
}

static size_t strip_len(const struct job *j)
{
    struct strip s = strip_of(j);

    return is_strip(j) ? 0 : j->blocked.c * s.lines * s.line;
}

static void fill_line(const struct job *j, const struct strip *s, const float *from, float *to)
{
    size_t count = min_size(j->blocked.w, s->line - s->far), end = s->far + count;

    memset(to, 0, s->far * LANES * sizeof *to);
    memcpy(to + s->far * LANES, from, count * LANES * sizeof *to);
    memset(to + end * LANES, 0, (s->line - end) * LANES * sizeof *to);
}

/* The lines that plain rows [row, row + rows) meet. */
static void fill_strip(const struct job *j, const struct strip *s, const float *image, size_t row,
                       size_t rows, float *strip)
{
    for (size_t b = 0; b < j->blocked.c / LANES; b++)
        for (size_t i = row; i < row + rows + j->kernel - 1; i++) {
            float *to = strip + (b * s->lines + i) * s->line * LANES;

            if (i < s->far || i - s->far >= j->blocked.h)
                memset(to, 0, s->line * LANES * sizeof *to);
            else
                fill_line(j, s, image + (b * j->blocked.h + i - s->far) * j->blocked.w * LANES, to);
        }
}

/* As many columns as a vector has lanes, added up together; w is of this plain channel. */
VEC_INLINE vec plain_tile(const struct job *j, const struct strip *s, const float *strip,
                          const float *w)
{
    size_t kernel = j->kernel, taps = kernel * kernel, at = tap_at(j, kernel - 1, kernel - 1);
    ptrdiff_t next = at == 0 ? LANES : -LANES;
    vec sum[LANES];

    for (size_t t = 0; t < LANES; t++)
        sum[t] = vec_zero();
    for (size_t b = 0; b < j->blocked.c / LANES; b++) {
        const float *tap = w + (b * j->plain.c * taps + at) * LANES;

        for (size_t kh = 0; kh < kernel; kh++) { /* from the far end */
            const float *from = strip + (b * s->lines + kh) * s->line * LANES;

            for (size_t kw = 0; kw < kernel; kw++, from += LANES, tap += next) {
                vec v = vec_load(tap);

                for (size_t t = 0; t < LANES; t++)
                    sum[t] += vec_load(from + t * LANES) * v;
            }
        }
    }
    return vec_sums(sum);
}

/* The last tile of a line goes back over columns that were done before, if it can. */
static size_t tile_from(const struct job *j, size_t c)
{
    return min_size(c, max_size(j->plain.w, LANES) - LANES);
}

/* Bias and activation of columns of plain channel p. */
static void plain_store(const struct job *j, size_t p, vec sums, float *y)
{
    float columns[LANES];

    if (j->b)
        sums += j->b[p];
    if (j->has_relu)
        sums = vec_if_positive(sums, sums, vec_zero());
    if (j->plain.w >= LANES) {
        vec_store(y, sums);
        return;
    }
    vec_store(columns, sums);
    memcpy(y, columns, j->plain.w * sizeof *y);
}

static void plain_row(const struct job *j, const struct strip *s, const float *strip, size_t p,
                      float *y)
{
    for (size_t c = 0; c < j->plain.w; c += LANES) {
        size_t from = tile_from(j, c);

        plain_store(
            j, p, plain_tile(j, s, strip + from * LANES, j->w + p * j->kernel * j->kernel * LANES),
            y + from);
    }
}

/* ---- the same of a 1x1 kernel with many plain channels: columns are turned once for all ---- */

static bool has_many(const struct job *j)
{
    return j->kernel == 1 && j->plain.c >= SUMS;
}

/* As many columns as a vector has lanes, each blocked channel's a vector: [blocked.c][LANES]. */
static void turn_columns(const struct job *j, const struct strip *s, const float *strip, float *to)
{
    for (size_t b = 0; b < j->blocked.c / LANES; b++) {
        vec v[LANES];

        for (size_t l = 0; l < LANES; l++)
            v[l] = vec_load(strip + (b * s->lines * s->line + l) * LANES);
        vec_turn(v);
        for (size_t l = 0; l < LANES; l++)
            vec_store(to + (b * LANES + l) * LANES, v[l]);
    }
}

/* `count` plain channels from p on, of one line. */
VEC_INLINE void many_channels(const struct job *j, const float *columns, size_t p, float *y,
                              size_t count)
{
    vec sum[SUMS];

    for (size_t i = 0; i < count; i++)
        sum[i] = vec_zero();
    for (size_t c = 0; c < j->blocked.c; c++) {
        const float *w = j->w + (c / LANES * j->plain.c + p) * LANES + c % LANES;
        vec v = vec_load(columns + c * LANES);

        for (size_t i = 0; i < count; i++)
            sum[i] += w[i * LANES] * v;
    }
    for (size_t i = 0; i < count; i++)
        plain_store(j, p + i, sum[i], y + i * j->plain.h * j->plain.w);
}

/* One line of all plain channels; y is the first one's. */
static void many_row(const struct job *j, const struct strip *s, const float *strip, float *columns,
                     float *y)
{
    for (size_t c = 0; c < j->plain.w; c += LANES) {
        size_t from = tile_from(j, c), plane = j->plain.h * j->plain.w, p = 0;

        turn_columns(j, s, strip + from * LANES, columns);
        for (; p + SUMS <= j->plain.c; p += SUMS)
            many_channels(j, columns, p, y + p * plane + from, SUMS);
        for (; p < j->plain.c; p++)
            many_channels(j, columns, p, y + p * plane + from, 1);
    }
}

static void to_plain(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct job *j = context;
    float *scratch = j->conv->scratch + thread * j->conv->scratch_len;
    size_t length = j->blocked.c * j->blocked.h * j->blocked.w, h = j->plain.h, rows;
    struct strip s = strip_of(j);

    for (size_t item = begin; item < end; item += rows) { /* n * h + row */
        size_t n = item / h, row = item % h;
        const float *strip = is_strip(j) ? j->x + n * length : scratch;

        rows = min_size(h - row, end - item);
        if (!is_strip(j))
            fill_strip(j, &s, j->x + n * length, row, rows, scratch);
        for (size_t r = row; has_many(j) && r < row + rows; r++)
            many_row(j, &s, strip + r * s.line * LANES, scratch + strip_len(j),
                     j->y + (n * j->plain.c * h + r) * j->plain.w);
        for (size_t p = 0; !has_many(j) && p < j->plain.c; p++)
            for (size_t r = row; r < row + rows; r++)
                plain_row(j, &s, strip + r * s.line * LANES, p,
                          j->y + ((n * j->plain.c + p) * h + r) * j->plain.w);
    }
}

/* ---- to the weights ---- */

/* One image's share of taps [kh, kh + rows) x [kw, kw + columns) that join one plain channel and
 * one block; `step` columns at once, so that there are sums enough to keep the adders busy. */
VEC_INLINE void weights_taps(const struct job *j, const float *padded, const float *image,
                             float *dw, size_t kh, size_t kw, size_t rows, size_t columns,
                             size_t step)
{
    vec sum[8][15];
    size_t w = j->blocked.w;

    for (size_t s = 0; s < step; s++)
        for (size_t i = 0; i < rows * columns; i++)
            sum[s][i] = vec_zero();
    for (size_t r = 0; r < j->blocked.h; r++) {
        const float *from = padded + (r + kh) * j->line + kw;
        size_t c = 0;

        for (; c + step <= w; c += step)
            for (size_t s = 0; s < step; s++) {
                vec v = vec_load(image + (r * w + c + s) * LANES);

                for (size_t i = 0; i < rows * columns; i++)
                    sum[s][i] += from[i / columns * j->line + c + s + i % columns] * v;
            }
        for (; c < w; c++)
            for (size_t i = 0; i < rows * columns; i++)
                sum[0][i] += from[i / columns * j->line + c + i % columns] *
                             vec_load(image + (r * w + c) * LANES);
    }
    for (size_t i = 0; i < rows * columns; i++) {
        float *to = dw + tap_at(j, kh + i / columns, kw + i % columns) * LANES;

        for (size_t s = 1; s < step; s++)
            sum[0][i] += sum[s][i];
        vec_store(to, vec_load(to) + sum[0][i]);
    }
}

static void weights_of_pair(const struct job *j, const float *padded, const float *image, float *dw)
{
    if (j->kernel == 3) {
        weights_taps(j, padded, image, dw, 0, 0, 3, 3, 1);
    } else if (j->kernel == 5 && LANES == 16) { /* 25 sums at once would go through memory */
        weights_taps(j, padded, image, dw, 0, 0, 3, 5, 1);
        weights_taps(j, padded, image, dw, 3, 0, 2, 5, 1);
    } else if (j->kernel == 5) { /* as many as sixteen registers hold */
        weights_taps(j, padded, image, dw, 0, 0, 2, 5, 1);
        weights_taps(j, padded, image, dw, 2, 0, 2, 5, 1);
        weights_taps(j, padded, image, dw, 4, 0, 1, 5, 2);
    } else {
        for (size_t i = 0; i < j->kernel * j->kernel; i++)
            weights_taps(j, padded, image, dw, i / j->kernel, i % j->kernel, 1, 1, 8);
    }
}

static void bias_of_image(const struct job *j, const float *dy, float *db)
{
    size_t hw = j->conv->out.h * j->conv->out.w;

    if (!j->conv->is_out_blocked) {
        for (size_t c = 0; c < j->conv->out.c; c++) {
            double sum = 0;

            for (size_t i = 0; i < hw; i++)
                sum += (double)dy[c * hw + i];
            db[c] += (float)sum;
        }
        return;
    }
    for (size_t b = 0; b < j->conv->out.c / LANES; b++) {
        vec s0 = vec_load(db + b * LANES), s1 = vec_zero();
        size_t i = 0;

        for (; i + 2 <= hw; i += 2) {
            s0 += vec_load(dy + (b * hw + i) * LANES);
            s1 += vec_load(dy + (b * hw + i + 1) * LANES);
        }
        if (i < hw)
            s0 += vec_load(dy + (b * hw + i) * LANES);
        vec_store(db + b * LANES, s0 + s1);
    }
}

static void to_weights(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct job *j = context;
    size_t blocks = j->blocked.c / LANES, taps = j->kernel * j->kernel;
    size_t plane = j->blocked.h * j->blocked.w * LANES;
    size_t image = j->plain.c * j->plain.h * j->plain.w;
    const float *plain = j->conv->is_out_blocked ? j->x : j->dy;
    const float *blocked = j->conv->is_out_blocked ? j->dy : j->x;
    float *padded = j->conv->scratch + thread * j->conv->scratch_len;
    float *dw = padded + j->plain.c * j->lines * j->line;

    for (size_t n = begin; n < end; n++) {
        pad(j, plain + n * image, 0, j->blocked.h, padded);
        for (size_t b = 0; b < blocks; b++)
            for (size_t p = 0; p < j->plain.c; p++)
                weights_of_pair(j, padded + p * j->lines * j->line,
                                blocked + (n * blocks + b) * plane,
                                dw + (b * j->plain.c + p) * taps * LANES);
        if (j->b)
            bias_of_image(j, j->dy + n * j->conv->out.c * j->conv->out.h * j->conv->out.w,
                          dw + weights_len(j->conv));
    }
}

/* ---- the table ---- */

/* Of a thread: a padded image and its gradients of weights and of bias, or a strip and turned
 * columns; whole cache lines, so that threads do not share any. */
static size_t scratch_len(const struct native_conv *c)
{
    struct job j = job_of(c);
    size_t strip = strip_len(&j) + (has_many(&j) ? j.blocked.c * LANES : 0);
    size_t len = max_size(j.plain.c * j.lines * j.line + weights_len(c) + c->out.c, strip);

    return (len + 15) / 16 * 16;
}

static size_t points_len(const struct native_conv *conv)
{
    (void)conv;
    return 0;
}

static void forward(const struct native_conv *conv, const float *x, const float *w, const float *b,
                    float *y)
{
    struct job job = job_of(conv);

    job.x = x;
    job.w = w;
    job.b = b;
    job.y = y;
    job.has_relu = conv->has_relu;
    if (conv->is_out_blocked)
        parallel_for(conv->out.n * conv->out.h, to_blocked, &job);
    else
        parallel_for(conv->out.n * conv->out.h, to_plain, &job);
}

static void backward_data(const struct native_conv *conv, const float *dy, const float *w,
                          float *dx)
{
    struct job job = job_of(conv);

    job.x = dy;
    job.w = w;
    job.y = dx;
    if (conv->is_out_blocked)
        parallel_for(conv->in.n * conv->in.h, to_plain, &job);
    else
        parallel_for(conv->in.n * conv->in.h, to_blocked, &job);
}

/* Sums of the threads' parts, in their order. */
static void reduce(const struct native_conv *conv, size_t at, size_t len, float *sum)
{
    memset(sum, 0, len * sizeof *sum);
    for (unsigned t = 0; t < parallel_threads(); t++)
        for (size_t i = 0; i < len; i++)
            sum[i] += conv->scratch[t * conv->scratch_len + at + i];
}

static void backward_weights(const struct native_conv *conv, const float *x, const float *dy,
                             float *dw, float *db)
{
    struct job job = job_of(conv);
    size_t at = job.plain.c * job.lines * job.line;

    job.x = x;
    job.dy = dy;
    job.b = db;
    for (unsigned t = 0; t < parallel_threads(); t++)
        memset(conv->scratch + t * conv->scratch_len + at, 0,
               (weights_len(conv) + conv->out.c) * sizeof *conv->scratch);
    parallel_for(conv->in.n, to_weights, &job);
    reduce(conv, at, weights_len(conv), dw);
    if (db)
        reduce(conv, at + weights_len(conv), conv->out.c, db);
}

const struct conv_kernels KERNEL(thin_kernels) = {"thin",  scratch_len,   points_len,
                                                  forward, backward_data, backward_weights};
