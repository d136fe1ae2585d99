/*
 * The "cpu" device: a graph becomes a list of steps over one arena.
 *
 *   compile.c  fuses nodes into steps, schedules both passes, gives every value and gradient a
 *              buffer and each buffer its lifetime
 *   arena.c    places buffers whose lifetimes overlap side by side
 *   steps.c    what each kind of step does when it runs
 *   plan.c     parameters, inputs and outputs; what the rest of the library sees
 *
 * Convolutions and dense layers are oneDNN's (compute/onednn), or our own where one side has few
 * channels; batch norm, pooling and activations are our own (compute/native). Losses, and sums over
 * single pictures, are so small that the definitions in compute/ref serve.
 */
#ifndef COMPUTE_CPU_CPU_H
#define COMPUTE_CPU_CPU_H

#include "compute/backend.h"
#include "compute/native/kernels.h"
#include "compute/onednn/linear.h"
#include "compute/ref/ref.h"

/* A piece of the arena, alive from step `first` to step `last` of the schedule. */
struct buffer {
    size_t len; /* floats */
    unsigned first, last;
    bool is_used;
    float *data;
};

/* Place the used buffers: writes the offset of each, in floats, and the total. */
WARD_CHECK ward_status arena_place(const struct buffer *buffers, size_t count, size_t *offsets,
                                   size_t *total);

enum { NONE = -1 };

struct value {
    struct dims dims;
    size_t lanes;     /* layout: 1 plain, otherwise blocked; see native/kernels.h */
    size_t len;
    int buffer;       /* NONE: absorbed by a fused step, or an input */
    float *data;      /* bound: where the value lies */
    float *plain;     /* staging in plain layout, for inputs and blocked outputs; owned */
    float *plain_gradient; /* the same for the gradient of an input; owned */
    int gradient[2];  /* buffers whose sum is the gradient; NONE: no such part */
    bool is_output;
};

struct param {
    float *value, *gradient, *velocity; /* in the plan's parameter block */
    size_t len;                         /* packed floats */
    size_t lanes;                       /* scale-shift: layout of the pattern */
    struct dims dims;                   /* the same: [1, c, h, w] */
    struct dnn_linear *linear;          /* packs it; NULL otherwise */
    const struct thin_conv *thin;       /* packs it; NULL otherwise */
    bool has_gradient;
    bool is_written;                    /* some step writes its gradient */
};

struct cpu_plan;
struct step;

struct step_kind {
    const char *name;
    ward_status (*forward)(struct cpu_plan *plan, struct step *step);
    ward_status (*backward)(struct cpu_plan *plan, struct step *step); /* NULL: nothing to do */
    bool adds;       /* backward adds to the gradients of its operands instead of writing them */
    bool takes_two;  /* backward takes a gradient in two parts */
};

/*
 * One step. `head` is the operator; activation and sum that were fused into it are in slope and
 * residual; `out` is the node whose value it writes.
 */
struct step {
    const struct step_kind *kind;
    const struct op_desc *desc;    /* of head */
    int head, out;
    int in[OP_MAX_INPUTS];         /* operand nodes of head */
    int residual;                  /* batch norm: the other operand of a fused sum */
    bool has_activation;
    float slope;                   /* of the fused activation, forward and backward */
    float backward_slope;
    bool is_undone;                /* the gradient comes with the activation's derivative in it */

    /* Where backward writes: buffers, NONE where no gradient is wanted. The third is of residual. */
    int dx[OP_MAX_INPUTS + 1];
    bool clears[OP_MAX_INPUTS + 1]; /* a step that adds is the first to write there */
    bool sums[OP_MAX_INPUTS + 1];   /* add dx to the first part of the operand's gradient after */
    bool has_backward;
    float *dparam[OP_MAX_PARAMS];  /* NULL: not wanted */
    float *extra[OP_MAX_PARAMS];   /* a second use of the parameter: dparam is here, then added */

    int mask;                      /* dropout: the factors, a buffer that lives until backward */
    struct dnn_linear *linear;     /* owned */
    struct thin_conv thin;
    struct norm norm;
    size_t updates;                /* batch norm: for ref_op */
    char implementation[96];
};

struct cpu_plan {
    struct plan base;              /* first */
    struct dnn *dnn;
    const struct native_kernels *kernels;
    unsigned threads;              /* that scratch was made for */
    struct value *values;          /* by node */
    struct param *params;
    struct step *steps;
    size_t step_count, step_cap;
    struct buffer *buffers;
    size_t buffer_count, buffer_cap;
    float *arena, *param_block, *side; /* side: everything small that needs no lifetime */
    size_t arena_len, param_len, side_len;
};

/* compile.c: steps, buffers and lifetimes. graph and options are in plan->base. */
WARD_CHECK ward_status cpu_compile_steps(struct cpu_plan *plan);

/* steps.c */
const struct step_kind *step_kind_of(enum op_kind kind, bool is_thin);
/* The address of a buffer once the arena is placed; NULL for NONE. */
float *buffer_data(const struct cpu_plan *plan, int buffer);

#endif
