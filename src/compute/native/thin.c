/*
 * Convolutions with a plain value on one side and a blocked one on the other: the first layer of a
 * network, and both layers of the generator. The vector runs over the blocked side's channels; on
 * the plain side each channel is a scalar.
 *
 * Every loop runs over the valid part of a row only, so no image is padded or copied.
 */
#include "compute/native/tables.h"

#include "base/parallel.h"
#include "base/util.h"
#include "compute/native/vec.h"

struct job {
    const struct native_conv *conv;
    const float *x, *w, *b;
    float *y;
};

/* The output columns [*begin, *end) whose input column ow * stride + k - padding lies inside. */
static void valid_range(const struct native_conv *c, size_t k, size_t in, size_t out, size_t *begin,
                        size_t *end)
{
    *begin = k >= c->padding ? 0 : (c->padding - k + c->stride - 1) / c->stride;
    *end = in + c->padding > k ? min_size(out, (in + c->padding - k - 1) / c->stride + 1) : 0;
    if (*end < *begin)
        *end = *begin;
}

/* Input row of output row oh under tap row kh, or false if it lies in the padding. */
static bool input_row(const struct native_conv *c, size_t oh, size_t kh, size_t *ih)
{
    size_t row = oh * c->stride + kh;

    *ih = row - c->padding;
    return row >= c->padding && *ih < c->in.h;
}

/* Output column ow that tap column kw fed from input column iw, or false if there is none. The same
 * for rows. Division only where there is a stride: it would cost more than the tap itself. */
static inline bool fed_by(const struct native_conv *c, size_t in, size_t tap, size_t outs, size_t *out)
{
    size_t at = in + c->padding - tap;

    if (in + c->padding < tap)
        return false;
    if (c->stride > 1) {
        if (at % c->stride)
            return false;
        at /= c->stride;
    }
    *out = at;
    return at < outs;
}

/* ---- plain in, blocked out ---- */

enum { TILE = 8 };

/* The part of one output row that one call of row_tile() works on. */
struct row {
    const struct native_conv *conv;
    const float *x, *w; /* the image, and the weights of this block of output channels */
    float *y;           /* the row */
    vec bias;
    size_t kh0, kh1;    /* taps whose input row lies inside */
    size_t oh;
};

static vec rectified(const struct native_conv *c, vec v)
{
    return c->has_relu ? vec_if_positive(v, v, vec_zero()) : v;
}

/* Columns ow .. ow + TILE - 1, all of whose taps lie inside: sums stay in registers. */
static inline void row_tile(const struct row *r, size_t ow, size_t tile)
{
    const struct native_conv *c = r->conv;
    size_t taps = c->kernel * c->kernel;
    vec sum[TILE];

    for (size_t t = 0; t < tile; t++)
        sum[t] = r->bias;
    for (size_t ic = 0; ic < c->in.c; ic++)
        for (size_t kh = r->kh0; kh < r->kh1; kh++) {
            const float *x = r->x + (ic * c->in.h + r->oh * c->stride + kh - c->padding) * c->in.w +
                             ow * c->stride - c->padding;
            const float *w = r->w + (ic * taps + kh * c->kernel) * LANES;

            for (size_t kw = 0; kw < c->kernel; kw++)
                for (size_t t = 0; t < tile; t++)
                    sum[t] += x[t * c->stride + kw] * vec_load(w + kw * LANES);
        }
    for (size_t t = 0; t < tile; t++)
        vec_store(r->y + (ow + t) * LANES, rectified(c, sum[t]));
}

/* One column at the edge, some of whose taps lie in the padding. */
static void row_edge(const struct row *r, size_t ow)
{
    const struct native_conv *c = r->conv;
    size_t taps = c->kernel * c->kernel;
    vec sum = r->bias;

    for (size_t ic = 0; ic < c->in.c; ic++)
        for (size_t kh = r->kh0; kh < r->kh1; kh++)
            for (size_t kw = 0; kw < c->kernel; kw++) {
                size_t column = ow * c->stride + kw;
                size_t line = ic * c->in.h + r->oh * c->stride + kh - c->padding;

                if (column >= c->padding && column - c->padding < c->in.w)
                    sum += r->x[line * c->in.w + column - c->padding] *
                           vec_load(r->w + (ic * taps + kh * c->kernel + kw) * LANES);
            }
    vec_store(r->y + ow * LANES, rectified(c, sum));
}

static void forward_to_blocked(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct job *j = context;
    const struct native_conv *c = j->conv;
    size_t blocks = c->out.c / LANES, taps = c->kernel * c->kernel;
    size_t inside, inside_end, unused;

    (void)thread;
    /* Inside: after the first column of the first tap, before the last one of the last. */
    valid_range(c, 0, c->in.w, c->out.w, &inside, &unused);
    valid_range(c, c->kernel - 1, c->in.w, c->out.w, &unused, &inside_end);
    for (size_t item = begin; item < end; item++) {
        size_t ob = item / c->out.h % blocks, n = item / c->out.h / blocks, ow = 0, ih;
        struct row r = {.conv = c,
                        .x = j->x + n * c->in.c * c->in.h * c->in.w,
                        .w = j->w + ob * c->in.c * taps * LANES,
                        .y = j->y + item * c->out.w * LANES,
                        .bias = j->b ? vec_load(j->b + ob * LANES) : vec_zero(),
                        .kh1 = c->kernel,
                        .oh = item % c->out.h};

        while (r.kh0 < r.kh1 && !input_row(c, r.oh, r.kh0, &ih))
            r.kh0++;
        while (r.kh1 > r.kh0 && !input_row(c, r.oh, r.kh1 - 1, &ih))
            r.kh1--;
        for (; ow < c->out.w && ow < inside; ow++)
            row_edge(&r, ow);
        for (; ow + TILE <= inside_end; ow += TILE)
            row_tile(&r, ow, TILE);
        for (; ow < inside_end; ow++)
            row_tile(&r, ow, 1);
        for (; ow < c->out.w; ow++)
            row_edge(&r, ow);
    }
}

/* dx of a plain input: each input element gathers the taps that it fed. */
static void backward_to_plain(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct job *j = context; /* x: dy, y: dx */
    const struct native_conv *c = j->conv;
    size_t blocks = c->out.c / LANES, taps = c->kernel * c->kernel, ohw = c->out.h * c->out.w;

    (void)thread;
    for (size_t item = begin; item < end; item++) { /* (n * c + ic) * h + ih */
        size_t ih = item % c->in.h, ic = item / c->in.h % c->in.c, n = item / c->in.h / c->in.c;

        for (size_t iw = 0; iw < c->in.w; iw++) {
            vec sum = vec_zero();

            for (size_t kh = 0; kh < c->kernel; kh++) {
                size_t oh;

                if (!fed_by(c, ih, kh, c->out.h, &oh))
                    continue;
                for (size_t kw = 0; kw < c->kernel; kw++) {
                    size_t ow;

                    if (!fed_by(c, iw, kw, c->out.w, &ow))
                        continue;
                    for (size_t ob = 0; ob < blocks; ob++)
                        sum += vec_load(j->x + ((n * blocks + ob) * ohw + oh * c->out.w + ow) *
                                                   LANES) *
                               vec_load(j->w + ((ob * c->in.c + ic) * taps + kh * c->kernel + kw) *
                                                   LANES);
                }
            }
            j->y[item * c->in.w + iw] = vec_sum(sum);
        }
    }
}

/* ---- blocked in, plain out ---- */

static void forward_to_plain(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct job *j = context;
    const struct native_conv *c = j->conv;
    size_t blocks = c->in.c / LANES, taps = c->kernel * c->kernel, ihw = c->in.h * c->in.w;

    (void)thread;
    for (size_t item = begin; item < end; item++) { /* (n * c + oc) * h + oh */
        size_t oh = item % c->out.h, oc = item / c->out.h % c->out.c;
        size_t n = item / c->out.h / c->out.c;

        for (size_t ow = 0; ow < c->out.w; ow++) {
            vec sum = vec_zero();
            float y;

            for (size_t kh = 0; kh < c->kernel; kh++) {
                size_t ih;

                if (!input_row(c, oh, kh, &ih))
                    continue;
                for (size_t kw = 0; kw < c->kernel; kw++) {
                    size_t iw = ow * c->stride + kw - c->padding;

                    if (ow * c->stride + kw < c->padding || iw >= c->in.w)
                        continue;
                    for (size_t ib = 0; ib < blocks; ib++)
                        sum += vec_load(j->x + ((n * blocks + ib) * ihw + ih * c->in.w + iw) *
                                                   LANES) *
                               vec_load(j->w + ((ib * c->out.c + oc) * taps + kh * c->kernel + kw) *
                                                   LANES);
                }
            }
            y = vec_sum(sum) + (j->b ? j->b[oc] : 0);
            j->y[item * c->out.w + ow] = c->has_relu && !(y > 0) ? 0 : y;
        }
    }
}

static void backward_to_blocked(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct job *j = context; /* x: dy, y: dx */
    const struct native_conv *c = j->conv;
    size_t blocks = c->in.c / LANES, taps = c->kernel * c->kernel, ohw = c->out.h * c->out.w;

    (void)thread;
    for (size_t item = begin; item < end; item++) { /* (n * blocks + ib) * h + ih */
        size_t ih = item % c->in.h, ib = item / c->in.h % blocks, n = item / c->in.h / blocks;

        for (size_t iw = 0; iw < c->in.w; iw++) {
            vec sum = vec_zero();

            for (size_t kh = 0; kh < c->kernel; kh++) {
                size_t oh;

                if (!fed_by(c, ih, kh, c->out.h, &oh))
                    continue;
                for (size_t kw = 0; kw < c->kernel; kw++) {
                    size_t ow;

                    if (!fed_by(c, iw, kw, c->out.w, &ow))
                        continue;
                    for (size_t oc = 0; oc < c->out.c; oc++)
                        sum += j->x[(n * c->out.c + oc) * ohw + oh * c->out.w + ow] *
                               vec_load(j->w + ((ib * c->out.c + oc) * taps + kh * c->kernel + kw) *
                                                   LANES);
                }
            }
            vec_store(j->y + (item * c->in.w + iw) * LANES, sum);
        }
    }
}

/* ---- gradients of the weights ---- */

/*
 * Sum over one row of out-columns of scalar times vector, for one tap. Four sums break the chain of
 * dependent additions.
 */
static vec row_product(const float *scalars, size_t scalar_step, const float *vectors,
                       size_t vector_step, size_t count)
{
    vec s0 = vec_zero(), s1 = vec_zero(), s2 = vec_zero(), s3 = vec_zero();
    size_t i = 0;

    for (; i + 4 <= count; i += 4) {
        s0 += scalars[i * scalar_step] * vec_load(vectors + i * vector_step);
        s1 += scalars[(i + 1) * scalar_step] * vec_load(vectors + (i + 1) * vector_step);
        s2 += scalars[(i + 2) * scalar_step] * vec_load(vectors + (i + 2) * vector_step);
        s3 += scalars[(i + 3) * scalar_step] * vec_load(vectors + (i + 3) * vector_step);
    }
    for (; i < count; i++)
        s0 += scalars[i * scalar_step] * vec_load(vectors + i * vector_step);
    return (s0 + s1) + (s2 + s3);
}

/* One image's share of all taps that join blocked channels `block` and plain channel `channel`. */
static void weights_of_pair(const struct job *j, const float *plain, const float *blocked,
                            float *dw)
{
    const struct native_conv *c = j->conv;

    for (size_t kh = 0; kh < c->kernel; kh++)
        for (size_t kw = 0; kw < c->kernel; kw++) {
            float *out = dw + (kh * c->kernel + kw) * LANES;
            vec sum = vec_zero();
            size_t begin, end;

            valid_range(c, kw, c->in.w, c->out.w, &begin, &end);
            for (size_t oh = 0; oh < c->out.h && begin < end; oh++) {
                size_t ih, iw = begin * c->stride + kw - c->padding;

                if (!input_row(c, oh, kh, &ih))
                    continue;
                if (c->is_out_blocked)
                    sum += row_product(plain + ih * c->in.w + iw, c->stride,
                                       blocked + (oh * c->out.w + begin) * LANES, LANES,
                                       end - begin);
                else
                    sum += row_product(plain + oh * c->out.w + begin, 1,
                                       blocked + (ih * c->in.w + iw) * LANES, c->stride * LANES,
                                       end - begin);
            }
            vec_store(out, vec_load(out) + sum);
        }
}

static void backward_weights(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct job *j = context; /* x: x, w: dy */
    const struct native_conv *c = j->conv;
    const struct dims *bd = c->is_out_blocked ? &c->out : &c->in;
    const struct dims *pd = c->is_out_blocked ? &c->in : &c->out;
    const float *blocked = c->is_out_blocked ? j->w : j->x;
    const float *plain = c->is_out_blocked ? j->x : j->w;
    size_t blocks = bd->c / LANES, taps = c->kernel * c->kernel;
    size_t bhw = bd->h * bd->w, phw = pd->h * pd->w, ohw = c->out.h * c->out.w;
    float *dw = c->scratch + thread * c->scratch_len;
    float *db = dw + blocks * pd->c * taps * LANES;

    memset(dw, 0, c->scratch_len * sizeof *dw);
    for (size_t n = begin; n < end; n++) {
        for (size_t b = 0; b < blocks; b++)
            for (size_t p = 0; p < pd->c; p++)
                weights_of_pair(j, plain + (n * pd->c + p) * phw,
                                blocked + (n * blocks + b) * bhw * LANES,
                                dw + (b * pd->c + p) * taps * LANES);
        for (size_t b = 0; c->is_out_blocked && b < blocks; b++) {
            vec sum = vec_load(db + b * LANES);

            for (size_t i = 0; i < ohw; i++)
                sum += vec_load(j->w + ((n * blocks + b) * ohw + i) * LANES);
            vec_store(db + b * LANES, sum);
        }
        for (size_t oc = 0; !c->is_out_blocked && oc < c->out.c; oc++) {
            double sum = 0;

            for (size_t i = 0; i < ohw; i++)
                sum += j->w[(n * c->out.c + oc) * ohw + i];
            db[oc] += (float)sum;
        }
    }
}

/* ---- the table ---- */

/* One thread's gradients of weights and bias; whole cache lines, so threads do not share any. */
static size_t scratch_len(const struct native_conv *conv)
{
    size_t len = conv->in.c * conv->out.c * conv->kernel * conv->kernel + conv->out.c;

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
    struct job job = {conv, x, w, b, y};

    if (conv->is_out_blocked)
        parallel_for(conv->out.n * conv->out.c / LANES * conv->out.h, forward_to_blocked, &job);
    else
        parallel_for(conv->out.n * conv->out.c * conv->out.h, forward_to_plain, &job);
}

static void backward_data(const struct native_conv *conv, const float *dy, const float *w, float *dx)
{
    struct job job = {conv, dy, w, NULL, dx};

    if (conv->is_out_blocked)
        parallel_for(conv->in.n * conv->in.c * conv->in.h, backward_to_plain, &job);
    else
        parallel_for(conv->in.n * conv->in.c / LANES * conv->in.h, backward_to_blocked, &job);
}

static void backward_weights_all(const struct native_conv *conv, const float *x, const float *dy,
                                 float *dw, float *db)
{
    struct job job = {conv, x, dy, NULL, NULL};
    size_t len = conv->in.c * conv->out.c * conv->kernel * conv->kernel;
    unsigned threads = parallel_threads();

    memset(conv->scratch, 0, threads * conv->scratch_len * sizeof *conv->scratch);
    parallel_for(conv->in.n, backward_weights, &job);
    memset(dw, 0, len * sizeof *dw);
    for (unsigned t = 0; t < threads; t++)
        for (size_t i = 0; i < len; i++)
            dw[i] += conv->scratch[t * conv->scratch_len + i];
    if (!db)
        return;
    memset(db, 0, conv->out.c * sizeof *db);
    for (unsigned t = 0; t < threads; t++)
        for (size_t i = 0; i < conv->out.c; i++)
            db[i] += conv->scratch[t * conv->scratch_len + len + i];
}

const struct conv_kernels KERNEL(thin_kernels) = {
    "thin", scratch_len, points_len, forward, backward_data, backward_weights_all};
