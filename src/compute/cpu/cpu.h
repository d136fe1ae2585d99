/*
 * The "cpu" device: a graph becomes a list of steps over one arena.
 *
 *   compile.c  fuses nodes into steps, schedules both passes, gives every value and gradient a
 *              buffer and each buffer its lifetime
 *   arena.c    places buffers whose lifetimes overlap side by side
 *   linear.c   convolutions and dense layers: who computes them, their buffers, their steps
 *   strided.c  what takes every stride-th pixel: shortcuts, space to depth and back
 *   mix.c      what mixes the values of an image: orders, factors, Hadamard
 *   steps.c    what each other kind of step does when it runs
 *   slices.c   evaluation: a plan for a few images a thread, through which a batch goes, and one
 *              for what follows layers with many weights
 *   plan.c     parameters, inputs and outputs; what the rest of the library sees
 *
 * Convolutions and dense layers are oneDNN's (compute/onednn), or our own where one side has few
 * channels, where Winograd's filtering serves, or in the forward pass of dense layers; batch
 * norm, pooling and activations are our own (compute/native). Losses, and sums over single
 * pictures, are so small that the definitions in compute/ref serve.
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
    size_t lanes; /* layout: 1 plain, otherwise blocked; see native/kernels.h */
    size_t len;
    int buffer;            /* NONE: absorbed by a fused step, or an input */
    float *data;           /* bound: where the value lies */
    float *plain;          /* staging in plain layout, for inputs and blocked outputs; owned */
    float *plain_gradient; /* the same for the gradient of an input; owned */
    int gradient[2];       /* buffers whose sum is the gradient; NONE: no such part */
    bool is_output;
};

struct param {
    float *value, *gradient, *velocity; /* in the plan's parameter block */
    size_t len;                         /* packed floats */
    size_t lanes;                       /* scale-shift, multiply: layout of the pattern */
    struct dims dims;                   /* the same: [1, c, h, w] */
    struct dnn_linear *linear;          /* packs it; NULL otherwise */
    const struct native_conv *conv;     /* packs it; NULL otherwise */
    const struct conv_kernels *kernels; /* that conv is for */
    const struct native_dense *dense;   /* packs it; NULL otherwise */
    bool is_order;                      /* int32_t in the place of floats */
    bool has_gradient;
    bool is_written; /* some step writes its gradient */
};

struct cpu_plan;
struct step;

struct step_kind {
    const char *name;
    ward_status (*forward)(struct cpu_plan *plan, struct step *step);
    ward_status (*backward)(struct cpu_plan *plan, struct step *step); /* NULL: nothing to do */
    bool adds;      /* backward adds to the gradients of its operands instead of writing them */
    bool takes_two; /* backward takes a gradient in two parts */
};

/*
 * One step. `head` is the operator; activation and sum that were fused into it are in slope and
 * residual; `out` is the node whose value it writes.
 */
struct step {
    const struct step_kind *kind;
    const struct op_desc *desc; /* of head */
    int head, out;
    int in[OP_MAX_INPUTS]; /* operand nodes of head */
    int residual;          /* batch norm: the other operand of a fused sum */
    bool has_activation;
    float slope; /* of the fused activation, forward */
    float backward_slope;
    bool is_undone; /* the gradient comes with the activation's derivative in it */

    /* Where backward writes: buffers; NONE: no gradient is wanted. The third is of residual. */
    int dx[OP_MAX_INPUTS + 1];
    bool clears[OP_MAX_INPUTS + 1]; /* a step that adds is the first to write there */
    bool sums[OP_MAX_INPUTS + 1];   /* add dx to the first part of the operand's gradient after */
    bool has_backward, wants_params;
    float *dparam[OP_MAX_PARAMS]; /* NULL: not wanted */
    float *extra[OP_MAX_PARAMS];  /* a second use of the parameter: dparam is here, then added */

    int mask;                  /* dropout: the factors, a buffer that lives until backward */
    double *log_mean;          /* infomax: for ref_op */
    struct dnn_linear *linear; /* owned */
    const struct conv_kernels *kernels; /* of a convolution of ours; NULL otherwise */
    struct native_conv conv;
    struct native_dense dense; /* forward, a dense layer of ours if k is not zero */
    unsigned long loads;       /* plan's loads when conv.points was written */
    struct norm norm;
    int summed_by;  /* batch norm: the step that sums its input up; NONE: itself */
    size_t updates; /* batch norm: for ref_op */
    char implementation[96];
};

struct cpu_plan {
    struct plan base;              /* first */
    bool is_tail;                  /* slices.c writes the input, in the device's own layout */
    const struct cpu_plan *lender; /* whose parameters these are; NULL: its own */
    struct dnn *dnn;
    const struct native_kernels *kernels;
    unsigned threads;     /* that scratch was made for */
    struct value *values; /* by node */
    struct param *params;
    struct step *steps;
    size_t step_count;
    struct buffer *buffers;
    size_t buffer_count, buffer_cap;
    float *arena, *param_block, *side; /* side: everything small that needs no lifetime */
    float *scratch, *points;           /* of our convolutions, one at a time: see native_conv */
    size_t arena_len, param_len, side_len, scratch_len, points_len;
    unsigned long loads; /* of parameters, so far */
    bool is_open;        /* somebody may write parameters without a load */
};

/* compile.c: steps, buffers and lifetimes. graph and options are in plan->base. */
WARD_CHECK ward_status cpu_compile_steps(struct cpu_plan *plan);
/* Whether any of nodes [begin, end) has parameter p. */
bool cpu_uses_param(const struct graph *graph, size_t p, size_t begin, size_t end);

/* plan.c. For slices.c: the end of a graph, or one with the parameters of a lender, if not NULL,
 * which outlives the plan. */
WARD_CHECK ward_status cpu_plan_new(struct cpu_plan **out, const struct graph *graph,
                                    const struct plan_options *options, bool is_tail,
                                    const struct cpu_plan *lender);
/* The forward pass, with signals blocked and threads checked. For slices.c: in a thread of a
 * region, where there are as many as the next level of threads would have. */
WARD_CHECK ward_status cpu_run_steps(struct cpu_plan *p);
/* Scratch is made for a number of threads, and results are reproducible for the same number. */
WARD_CHECK ward_status cpu_check_threads(const struct cpu_plan *p);

/* slices.c: whether no row depends on another, and the plan for that case. */
bool slices_can(const struct graph *graph, const struct plan_options *options);
WARD_CHECK ward_status slices_compile(struct plan **out, const struct graph *graph,
                                      const struct plan_options *options);

/* linear.c. `make` chooses who computes step s, whose operands and gradients are known by now, and
 * counts the memory that it needs; `bind` comes when all buffers have their place. */
WARD_CHECK ward_status linear_make(struct cpu_plan *plan, struct step *s);
WARD_CHECK ward_status linear_bind(struct cpu_plan *plan, struct step *s, float **side);
ward_status linear_step_forward(struct cpu_plan *plan, struct step *s);
ward_status linear_step_backward(struct cpu_plan *plan, struct step *s);

/* strided.c */
ward_status shortcut_step_forward(struct cpu_plan *plan, struct step *s);
ward_status shortcut_step_backward(struct cpu_plan *plan, struct step *s);
ward_status blocks_step_forward(struct cpu_plan *plan, struct step *s); /* both ways */
ward_status blocks_step_backward(struct cpu_plan *plan, struct step *s);

/* mix.c */
ward_status permute_step_forward(struct cpu_plan *plan, struct step *s);
ward_status permute_step_backward(struct cpu_plan *plan, struct step *s);
ward_status multiply_step_forward(struct cpu_plan *plan, struct step *s);
ward_status multiply_step_backward(struct cpu_plan *plan, struct step *s);
ward_status hadamard_step_forward(struct cpu_plan *plan, struct step *s);
ward_status hadamard_step_backward(struct cpu_plan *plan, struct step *s);

/* steps.c */
const struct step_kind *step_kind_of(enum op_kind kind);

/* A piece of a block that is given out from *next on, in whole cache lines. */
enum { ALIGN_FLOATS = 16 };

static inline float *take(float **next, size_t len)
{
    float *at = *next;

    *next += (len + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
    return at;
}

/* ---- addresses, once everything is bound ---- */

static inline float *buffer_data(const struct cpu_plan *p, int buffer)
{
    return buffer == NONE ? NULL : p->buffers[buffer].data;
}

static inline float *value_of(const struct cpu_plan *p, int node)
{
    return p->values[node].data;
}

/* The first part of the gradient of the step's result. */
static inline float *dy_of(const struct cpu_plan *p, const struct step *s)
{
    return buffer_data(p, p->values[s->out].gradient[0]);
}

static inline float *dx_of(const struct cpu_plan *p, const struct step *s, int k)
{
    return buffer_data(p, s->dx[k]);
}

static inline float *param_of(const struct cpu_plan *p, const struct step *s, int k)
{
    return s->desc->param[k] < 0 ? NULL : p->params[s->desc->param[k]].value;
}

/* Where a parameter's gradient is to be written, NULL if it is not wanted. */
static inline float *dparam_of(const struct step *s, int k)
{
    return s->extra[k] ? s->extra[k] : s->dparam[k];
}

#endif
