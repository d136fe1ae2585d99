/*
 * What a device is to the rest of compute/: one function that compiles, and a plan that answers.
 * Each backend folder embeds struct plan first in its own structure and fills struct plan_ops.
 */
#ifndef COMPUTE_BACKEND_H
#define COMPUTE_BACKEND_H

#include "compute/plan.h"

/* Each function does what plan.h says of plan_<name>(); arguments have been checked there. */
struct plan_ops {
    void (*free)(struct plan *plan);
    float *(*input)(struct plan *plan, int node);
    int32_t *(*labels)(struct plan *plan, int node);
    ward_status (*forward)(struct plan *plan);
    ward_status (*backward)(struct plan *plan);
    const float *(*output)(struct plan *plan, int node);
    const float *(*input_gradient)(struct plan *plan, int node);
    ward_status (*load)(struct plan *plan, size_t p, enum plan_part which, const float *plain);
    ward_status (*store)(struct plan *plan, size_t p, enum plan_part which, float *plain);
    struct plan_packed (*packed)(struct plan *plan, size_t p);
    void (*describe)(const struct plan *plan, plan_visit *visit, void *context);
};

struct plan {
    const struct plan_ops *ops;
    const struct graph *graph; /* kept */
    struct plan_options options;
    float *weights;              /* of the losses, by node number; owned by compute/plan.c */
    struct plan_passes *flops;   /* by node number; likewise */
    struct plan_passes *seconds; /* by node number; NULL: nobody asked. Likewise */
    bool has_run;                /* a forward pass has been made */
    bool can_go_back;            /* and no backward pass since */
    uint64_t seed, step;         /* name the dropout masks */
};

struct backend {
    const char *name; /* "ref", "cpu" */
    /* Called with a fresh device; may keep state in *state. */
    ward_status (*open)(void **state);
    void (*close)(void *state);
    /* Fills in `ops` of a zeroed struct plan; plan_compile() fills in the rest of it afterwards. */
    ward_status (*compile)(struct plan **out, void *state, const struct graph *graph,
                           const struct plan_options *options);
    /* One line: libraries and instruction sets in use. */
    const char *(*describe)(void *state);
};

extern const struct backend backend_ref;
extern const struct backend backend_cpu;

/*
 * What every backend needs to know before it plans: by node number, whether a gradient with respect
 * to that node's value has to be computed: something that is wanted lies at or before the node, and
 * a loss behind it. Owned, mem_free(). Inputs and parameters that lead to no loss have a zero
 * gradient.
 */
WARD_CHECK ward_status graph_needs_gradient(const struct graph *graph,
                                            const struct plan_options *options, bool **out);

/*
 * For a backend's runs: what the clock says, 0 if nobody asked for a profile; and counting what has
 * passed since then for a node.
 */
double plan_clock(const struct plan *plan);
void plan_count_forward(struct plan *plan, size_t node, double begin);
void plan_count_backward(struct plan *plan, size_t node, double begin);
/* For a backend's describe(). */
struct plan_step plan_step_of(const struct plan *plan, size_t node, const char *name,
                              const char *implementation);

#endif
