/*
 * Convolutions and dense layers by oneDNN. This folder is the only one that includes dnnl.h.
 *
 * One object is one layer at one batch: up to three primitives (forward, backward data, backward
 * weights) that are created once and bound once to fixed addresses. An implementation of oneDNN's
 * that is called "ref" is refused: it is far slower than the others, and nothing would say so.
 */
#ifndef COMPUTE_ONEDNN_LINEAR_H
#define COMPUTE_ONEDNN_LINEAR_H

#include "compute/graph.h"

struct dnn; /* an engine and its stream; a stream is used by one thread at a time */
struct dnn_linear;

WARD_CHECK ward_status dnn_open(struct dnn **out);
void dnn_close(struct dnn *dnn);
/* "oneDNN 2.6.3, AVX-512" */
const char *dnn_describe(const struct dnn *dnn);
/*
 * Channels in a block of the layout that suits oneDNN's kernels on this processor: 16 with AVX-512,
 * 8 with AVX2; 1 (plain) without, as its older kernels have no blocked backward passes.
 */
size_t dnn_block(const struct dnn *dnn);

enum dnn_pass { DNN_FORWARD, DNN_BACKWARD_DATA, DNN_BACKWARD_WEIGHTS, DNN_PASS_COUNT };

struct dnn_linear_config {
    bool is_dense; /* weights [oc, ic * h * w] instead of [oc, ic, kernel, kernel] */
    struct dims in, out;
    size_t in_block, out_block; /* channels a block of the values' layouts; 1 is plain NCHW */
    size_t kernel, stride, padding;
    bool has_bias;
    bool has_relu;    /* y = max(.., 0) in the forward pass */
    bool is_training; /* the forward pass is one that a backward pass follows */
    bool has_pass[DNN_PASS_COUNT];
    const struct dnn_linear *like; /* pack weights as this one does, to share them; or NULL */
};

/* Addresses in the layouts of the config; packed weights and their gradient are of
 * dnn_linear_weights_len() floats. Those of passes not asked for may be NULL. */
struct dnn_linear_buffers {
    float *x, *w, *b, *y;
    float *dx, *dw, *db, *dy;
};

/* WARD_ERR_DEVICE if oneDNN has only a reference implementation. */
WARD_CHECK ward_status dnn_linear_new(struct dnn_linear **out, struct dnn *dnn,
                                      const struct dnn_linear_config *config);
void dnn_linear_free(struct dnn_linear *linear);

/* Floats of the packed weights, padding included. */
size_t dnn_linear_weights_len(const struct dnn_linear *linear);
/* Between PyTorch's layout and the packed one, of a dense layer rows of features in the order in
 * which x has them; padding is set to zero. */
WARD_CHECK ward_status dnn_linear_pack(struct dnn_linear *linear, const float *plain,
                                       float *packed);
WARD_CHECK ward_status dnn_linear_unpack(struct dnn_linear *linear, const float *packed,
                                         float *plain);

WARD_CHECK ward_status dnn_linear_bind(struct dnn_linear *linear,
                                       const struct dnn_linear_buffers *buffers);
/* The caller keeps signals away (base/signals.h). */
WARD_CHECK ward_status dnn_linear_run(struct dnn_linear *linear, enum dnn_pass pass);

/* oneDNN's name of the implementation, "jit:avx512_core"; "" for a pass not asked for. */
const char *dnn_linear_implementation(const struct dnn_linear *linear, enum dnn_pass pass);

#endif
