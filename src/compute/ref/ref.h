/*
 * The definition of every operator: plain loops over row-major NCHW, sums in double, values stored
 * as float. Written to be read; speed is the business of the other devices.
 *
 * Every operator has a forward and a backward function over struct ref_op. A forward function
 * writes y. A backward function adds to each dx and dparam that is not NULL, so a value with
 * several uses gets the sum.
 */
#ifndef COMPUTE_REF_REF_H
#define COMPUTE_REF_REF_H

#include "base/rng.h"
#include "compute/plan.h"

/* One node with everything it reads and writes. */
struct ref_op {
    const struct op_desc *desc;
    struct dims in[OP_MAX_INPUTS];
    const float *x[OP_MAX_INPUTS]; /* values of the operands */
    float *dx[OP_MAX_INPUTS];      /* gradients with respect to them; NULL: not wanted */
    float *param[OP_MAX_PARAMS];   /* written by batch norm only: the running statistics */
    float *dparam[OP_MAX_PARAMS];  /* NULL: not wanted */
    float *y;
    const float *dy;       /* a loss: its weight */
    const int32_t *labels; /* losses; label i is that of row row0 + i */
    float *mask;           /* dropout: factor of each element in the last forward pass */
    double *log_mean;      /* infomax: log of the mean of q in that pass, [k] */
    /* Batch norm: how often the running statistics have been updated since compilation. */
    size_t *updates;
    enum bn_mode bn;
    bool has_dropout;
    uint64_t seed, step; /* of the dropout masks */
    int node;
};

/* Index of an element in row-major order. */
static inline size_t ref_at(struct dims d, size_t n, size_t c, size_t h, size_t w)
{
    return ((n * d.c + c) * d.h + h) * d.w + w;
}

typedef void ref_function(const struct ref_op *op);

ref_function ref_conv_forward, ref_conv_backward;             /* conv.c */
ref_function ref_dense_forward, ref_dense_backward;           /* dense.c */
ref_function ref_batch_norm_forward, ref_batch_norm_backward; /* norm.c */
ref_function ref_relu_forward, ref_leaky_relu_forward;        /* act.c */
ref_function ref_relu_backward;                               /* of both */
ref_function ref_tanh_forward, ref_tanh_backward;
ref_function ref_softplus_forward, ref_softplus_backward;
ref_function ref_clamp_forward, ref_clamp_backward;
ref_function ref_dropout_forward, ref_dropout_backward;
ref_function ref_max_pool_forward, ref_max_pool_backward; /* pool.c */
ref_function ref_global_avg_pool_forward, ref_global_avg_pool_backward;
ref_function ref_add_forward, ref_add_backward; /* join.c */
ref_function ref_shortcut_forward, ref_shortcut_backward;
ref_function ref_scale_forward, ref_scale_backward;
ref_function ref_scale_shift_forward, ref_scale_shift_backward;
ref_function ref_concat_forward, ref_concat_backward;
ref_function ref_space_to_depth_forward, ref_space_to_depth_backward;
ref_function ref_depth_to_space_forward, ref_depth_to_space_backward;
ref_function ref_permute_forward, ref_permute_backward; /* mix.c */
ref_function ref_multiply_forward, ref_multiply_backward;
ref_function ref_hadamard_forward, ref_hadamard_backward;
ref_function ref_cross_entropy_forward, ref_cross_entropy_backward; /* loss.c */
ref_function ref_true_probability_forward, ref_true_probability_backward;
ref_function ref_kl_uniform_forward, ref_kl_uniform_backward;
ref_function ref_infomax_forward, ref_infomax_backward;
ref_function ref_soft_cross_entropy_forward, ref_soft_cross_entropy_backward;
ref_function ref_squared_distance_forward, ref_squared_distance_backward;

#endif
