/*
 * A step of G in the vault: one operator of its graph, with the ReLU that may follow it, for one
 * image. Computed by compute/native or by the loops in step.c, on this thread alone: no code is
 * made, nothing is allocated, no system call is needed. A step holds shapes and addresses; what is
 * secret lies where these point to.
 */
#ifndef GUARD_STEP_H
#define GUARD_STEP_H

#include "compute/native/kernels.h"
#include "key/secret.h"

/* How a value of one image lies in memory: see compute/native/kernels.h. */
struct layout {
    struct dims dims; /* as the graph has them */
    size_t lanes;     /* 1: plain. Otherwise channels of zeros are added to fill the lanes */
};

/* Floats that it takes. */
size_t layout_len(const struct layout *layout);

struct step_kind;

struct step {
    const struct step_kind *kind;
    const struct native_kernels *kernels;
    struct op_desc desc;
    int result;            /* node whose value it writes; set by the caller */
    struct layout in, out; /* of the first operand and of the result */
    bool has_relu;
    size_t len[OP_MAX_PARAMS];  /* floats of what is made of the parameters; 0: nothing */
    float *data[OP_MAX_PARAMS]; /* ... and where it lies; NULL: nothing. Kept; set by the caller */
    size_t scratch_len;
    float *scratch; /* nothing stays in it. Kept; set by the caller */
    const struct conv_kernels *convolution;
    struct native_conv conv;
    struct native_dense dense;
    struct norm norm;
};

/*
 * What a node is for an operand that lies in that layout: all but result, data and scratch.
 *
 *   desc      of a graph for one image; copied
 *   has_relu  the step is the ReLU that alone reads the node, too
 *
 * WARD_ERR_ARG if it is none of the operators that a transform has, or not as it has them.
 */
WARD_CHECK ward_status step_init(struct step *step, const struct op_desc *desc,
                                 const struct layout *in, bool has_relu);

/* Whether a ReLU after it may be taken in. */
bool step_takes_relu(enum op_kind kind);

/*
 * Fill in data, which is zero so far, from the node's parameters (NULL: it has none) as files hold
 * them. WARD_ERR_NOMEM.
 */
WARD_CHECK ward_status step_load(struct step *step, const float *const params[OP_MAX_PARAMS]);

/* other: the second operand, if there is one. y is neither of the two. */
void step_run(const struct step *step, const float *x, const float *other, float *y);

/* So many zeroed floats of guarded memory, from a cache line on. Owned: secret_release().
 * WARD_ERR_NOMEM. */
WARD_CHECK ward_status guarded_floats(struct secret *secret, size_t len, float **out);

enum { GUARDED_LINE = 16 }; /* floats of a cache line */

#endif
