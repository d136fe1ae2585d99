/*
 * Our own kernels, compiled ahead of time: what oneDNN is weak at (convolutions with a few channels
 * on one side, batch norm fused with its neighbours) and what is too small to bother it with.
 *
 * The same sources are compiled once for each instruction set (meson.build); native_kernels()
 * returns the table of the best one that this processor runs. All use parallel_for().
 *
 * Layouts. A value [n, c, h, w] is stored as [n][c / lanes][h * w][lanes]: lanes == 1 is plain
 * NCHW, lanes == kernels->lanes is blocked (oneDNN's nChw16c or nChw8c), which needs c to be a
 * multiple.
 */
#ifndef COMPUTE_NATIVE_KERNELS_H
#define COMPUTE_NATIVE_KERNELS_H

#include <stdint.h>

#include "base/rng.h"
#include "compute/graph.h"

/*
 * A convolution of ours, by one of two sets of kernels: "thin", between a plain and a blocked
 * value, and "winograd", 3x3 with stride 1 and padding 1 between two blocked ones. Packed weights
 * have a blocked side's channel innermost:
 *   blocked out: [oc / lanes][ic][kernel][kernel][lanes]
 *   plain out:   [ic / lanes][oc][kernel][kernel][lanes]
 */
struct native_conv {
    struct dims in, out;
    size_t kernel, stride, padding;
    bool is_out_blocked;
    bool has_relu;  /* forward only */
    float *scratch; /* scratch_len floats for each thread; nothing stays in it */
    size_t scratch_len;
    float *points; /* points_len floats: the weights as the kernels want them */
    /* NULL, or the norm.partial of the batch norm that reads y, to be filled in by the forward pass
     * ("winograd" only). */
    double *sums;
    /* The forward pass finds points there, of the same weights; otherwise it, and backward data,
     * write them. */
    bool has_points;
};

/*
 * A dense layer of n rows of features to k outputs. Features of channels [c] and pixels [hw] lie in
 * the layout of the value, [c / lanes][hw][lanes]; weights are packed in that order.
 */
struct native_dense {
    size_t n, features, k;
    size_t hw, lanes;
    bool has_relu;
    float *scratch; /* forward_rows: scratch_len floats for each thread; nothing stays in it */
    size_t scratch_len;
};

/* PyTorch's number of the i-th feature. */
static inline size_t dense_feature(const struct native_dense *d, size_t i)
{
    size_t lane = i % d->lanes, pixel = i / d->lanes % d->hw, block = i / d->lanes / d->hw;

    return (block * d->lanes + lane) * d->hw + pixel;
}

/*
 * Batch norm, with what follows it: y = act((x - mean) * inv_std * scale + shift + residual), where
 * act(v) = v > 0 ? v : slope * v (slope 1: no activation; 0: ReLU).
 */
struct norm {
    size_t n, c, hw, lanes;
    const float *x, *scale, *shift;
    const float *residual; /* NULL: none */
    float *y;
    float *mean, *inv_std, *var; /* [c]; written by the statistics pass, or given */
    float epsilon;
    float slope;
    double *partial; /* norm_partial_len() doubles: [thread][sums, then squares][c] */
    bool has_sums;   /* the statistics pass finds x summed up in partial */
    /* [5 * c]: two of the application, which going back finds there, and three of going back. */
    float *coefficient;
};

/*
 * Backward of the same. With a residual dy holds act'(..) * (dy + dy2) on return, the gradient of
 * the residual; otherwise what dy holds is not defined.
 */
struct norm_grad {
    float *dy;
    const float *dy2;     /* a second contribution to the gradient of y, or NULL */
    float backward_slope; /* act' where y <= 0 */
    bool is_by_batch;     /* mean and variance depend on x */
    float *dx;            /* may be dy; NULL: not wanted */
    float *dscale, *dshift;
};

struct conv_kernels {
    const char *name;
    size_t (*scratch_len)(const struct native_conv *conv);
    size_t (*points_len)(const struct native_conv *conv);
    void (*forward)(const struct native_conv *conv, const float *x, const float *w, const float *b,
                    float *y);
    void (*backward_data)(const struct native_conv *conv, const float *dy, const float *w,
                          float *dx);
    /* db may be NULL. */
    void (*backward_weights)(const struct native_conv *conv, const float *x, const float *dy,
                             float *dw, float *db);
};

struct dense_kernels {
    size_t (*weights_len)(const struct native_dense *dense);
    /* Between PyTorch's [k, features] and the packed weights. */
    void (*pack)(const struct native_dense *dense, const float *plain, float *packed);
    void (*unpack)(const struct native_dense *dense, const float *packed, float *plain);
    void (*forward)(const struct native_dense *dense, const float *x, const float *w,
                    const float *b, float *y);
    size_t (*scratch_len)(const struct native_dense *dense);
    /* The same with weights that are not packed: k rows of features in the order of x. */
    void (*forward_rows)(const struct native_dense *dense, const float *x, const float *w,
                         const float *b, float *y);
};

struct norm_kernels {
    void (*statistics)(const struct norm *norm);
    void (*apply)(const struct norm *norm);
    void (*backward)(const struct norm *norm, const struct norm_grad *grad);
};

/* Whole planes: layouts, pooling, element-wise work. */
struct plane_kernels {
    /* Between plain and blocked; d->c is a multiple of the lanes. */
    void (*pack)(const struct dims *d, const float *plain, float *blocked);
    void (*unpack)(const struct dims *d, const float *blocked, float *plain);
    /* slope: of the derivative of an activation that made x, where x <= 0; 1 if there is none. */
    void (*max_pool)(const struct dims *in, size_t kernel, size_t lanes, const float *x, float *y);
    void (*max_pool_backward)(const struct dims *in, size_t kernel, size_t lanes, float slope,
                              const float *x, const float *y, const float *dy, float *dx);
    void (*avg_pool)(const struct dims *in, size_t lanes, const float *x, float *y);
    void (*avg_pool_backward)(const struct dims *in, size_t lanes, const float *dy, float *dx);
    /* Element by element, len floats; in place is fine. */
    void (*rectify)(size_t len, float slope, const float *x, float *y);
    /* dx = dy * (y > 0 ? 1 : slope) */
    void (*rectify_backward)(size_t len, float slope, const float *dy, const float *y, float *dx);
    void (*tanh)(size_t len, const float *x, float *y);
    /* dx = dy * (1 - y^2) */
    void (*tanh_backward)(size_t len, const float *dy, const float *y, float *dx);
    /* y = log(1 + exp(beta x)) / beta */
    void (*softplus)(size_t len, float beta, const float *x, float *y);
    /* dx = dy * (1 - exp(-beta y)) */
    void (*softplus_backward)(size_t len, float beta, const float *dy, const float *y, float *dx);
    void (*add)(size_t len, const float *a, const float *b, float *y);
    /* Sum of (a - b)^2. */
    double (*squared_distance)(size_t len, const float *a, const float *b);
    /* dx += factor * (a - b) */
    void (*squared_distance_backward)(size_t len, float factor, const float *a, const float *b,
                                      float *dx);
    /* Blocks of 16 values times Sylvester's matrix, over 4, on this thread; in place is fine. */
    void (*hadamard)(size_t blocks, const float *x, float *y);
};

struct random_kernels {
    /* Words from number `first` on, a multiple of 4, of a fresh stream, as rng_u32() gives them. */
    void (*words)(const struct rng *stream, size_t first, size_t count, uint32_t *out);
};

struct native_kernels {
    const char *name; /* "avx512", "avx2", "portable" */
    size_t lanes;
    const struct conv_kernels *thin, *winograd;
    const struct dense_kernels *dense;
    const struct norm_kernels *norm;
    const struct plane_kernels *plane;
    const struct random_kernels *random;
};

/*
 * The best kernels of so many lanes: 16 on a processor with AVX-512 (the caller has made sure),
 * 8 on any.
 */
const struct native_kernels *native_kernels(size_t lanes);
/* The lanes of the best kernels for this processor, without oneDNN: 16 or 8. */
size_t native_lanes(void);

/* Weights between PyTorch's [oc, ic, k, k] and the packed layout. */
void native_conv_pack(const struct native_conv *conv, size_t lanes, const float *plain,
                      float *packed);
void native_conv_unpack(const struct native_conv *conv, size_t lanes, const float *packed,
                        float *plain);
/* Doubles of norm.partial for so many threads. */
size_t norm_partial_len(size_t channels, unsigned threads);

#endif
