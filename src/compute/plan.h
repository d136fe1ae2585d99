/*
 * A graph compiled for a device: then it is only run.
 *
 * Compilation says what is wanted (which outputs, gradients with respect to what, batch norm by
 * which statistics), and the device picks memory layouts, fuses, plans one arena and creates each
 * primitive once. A run allocates nothing. What a device cannot do is refused here, with
 * WARD_ERR_DEVICE and a message that names the operator; there is no slow fallback.
 *
 * At this surface everything is plain: float32, row-major NCHW, parameters in PyTorch's layouts.
 * Inside, the plan owns the parameters in the device's layouts while it lives.
 *
 * A plan belongs to one thread at a time. It keeps the graph (borrowed; must outlive the plan).
 */
#ifndef COMPUTE_PLAN_H
#define COMPUTE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compute/graph.h"

struct ward_device; /* opened by compute/device.h */
struct plan;

enum bn_mode {
    BN_RUNNING,    /* by the running statistics, which do not change: evaluation */
    BN_BATCH,      /* by this batch; updates running statistics if the node says so: training */
    BN_RECALIBRATE /* by this batch; running := plain average over all runs since compilation */
};

enum plan_gradient {
    PLAN_GRAD_NONE = 0,
    PLAN_GRAD_PARAMS = 1, /* of all trainable parameters */
    PLAN_GRAD_INPUTS = 2  /* of all OP_INPUT nodes */
};

enum { PLAN_MAX_OUTPUTS = 8 };

struct plan_options {
    enum bn_mode bn;
    bool has_dropout;              /* dropout draws masks; otherwise it is the identity */
    unsigned gradients;            /* enum plan_gradient */
    bool is_secret;                /* wipe all memory of the plan when it is freed */
    int outputs[PLAN_MAX_OUTPUTS]; /* nodes whose values will be read; losses always can be */
    size_t output_count;
};

/* On failure *out is unchanged. */
WARD_CHECK ward_status plan_compile(struct plan **out, struct ward_device *device,
                                    const struct graph *graph, const struct plan_options *options);
void plan_free(struct plan *plan);
/* The graph it was compiled from. */
const struct graph *plan_graph(const struct plan *plan);

/* Where the caller writes an input before a run: [n, c, h, w] floats, or n int32 labels. Valid and
 * at the same address as long as the plan; a run does not change it. Labels must lie in [0, k). */
float *plan_input(struct plan *plan, int node);
int32_t *plan_labels(struct plan *plan, int node);

/* Names the dropout masks of the runs that follow: they depend on (seed, step, node, row) only. */
void plan_set_step(struct plan *plan, uint64_t seed, uint64_t step);
/* The weight of a loss in the backward passes that follow. */
void plan_set_weight(struct plan *plan, int loss, float weight);

/* WARD_ERR_ARG for a label that is no class, or, on "cpu", another number of threads than the plan
 * was compiled for. */
WARD_CHECK ward_status plan_forward(struct plan *plan);
/* All gradients asked for, of the sum of the weighted losses, for the last forward pass: once for
 * each, as gradients may lie where values were that nothing else reads. */
WARD_CHECK ward_status plan_backward(struct plan *plan);

/* The value of an output of the last forward pass: plain NCHW, valid until the next run. A loss is
 * one float, without its weight. */
const float *plan_output(struct plan *plan, int node);
/* Gradient with respect to an input of the last backward pass: plain NCHW, valid until the next. */
const float *plan_input_gradient(struct plan *plan, int node);

/*
 * Parameters. A freshly compiled plan has none: load each before the first run. load and store
 * translate between the plain layout and the device's; `which` says what of parameter p.
 * A gradient or a velocity exists only for trainable parameters under PLAN_GRAD_PARAMS.
 * A value that should be an order and is none: WARD_ERR_FORMAT.
 */
enum plan_part {
    PLAN_VALUE,
    PLAN_GRADIENT, /* of the last backward pass; a load lets the optimiser see another */
    PLAN_VELOCITY  /* the optimiser's momentum, zero at first */
};

WARD_CHECK ward_status plan_load(struct plan *plan, size_t p, enum plan_part which,
                                 const float *plain);
WARD_CHECK ward_status plan_store(struct plan *plan, size_t p, enum plan_part which, float *plain);

/*
 * The same in the device's layout, for element-wise work on them in place (the optimiser):
 * len floats each, padding included; padding is zero and stays so if a zero gradient moves nothing.
 * NULL where there is no gradient.
 */
struct plan_packed {
    float *value, *gradient, *velocity;
    size_t len;
};

struct plan_packed plan_packed(struct plan *plan, size_t p);

/* Of the forward and of the backward passes. */
struct plan_passes {
    double forward, backward;
};

/*
 * Floating-point operations of a pass: two for each multiply-add of the convolutions and dense
 * layers by their definition, however they are computed. Backward counts the gradients that the
 * plan has to compute, and no others.
 */
struct plan_passes plan_flops(const struct plan *plan);

/* Count from now on how long each step takes. Without it no clock is read. WARD_ERR_NOMEM. */
WARD_CHECK ward_status plan_profile(struct plan *plan);

/* A step of the plan: an operator, with what was fused into it. */
struct plan_step {
    int node;                   /* the operator's */
    const char *name;           /* its kind's, "Conv" */
    const char *implementation; /* "jit:avx512_core +relu | ...": forward, gradients */
    struct plan_passes flops;   /* of one run */
    struct plan_passes seconds; /* of all runs since plan_profile() */
};

/* Calls visit with each step in the order of execution; it borrows the step. */
typedef void plan_visit(void *context, const struct plan_step *step);
void plan_describe(const struct plan *plan, plan_visit *visit, void *context);

#endif
