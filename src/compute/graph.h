/*
 * Operators, described once, and graphs of them.
 *
 * A graph is a value: nodes in the order of execution, each one operator applied to earlier nodes.
 * nn/ and protect/ build graphs, a device compiles them (compute/plan.h), the operator test
 * iterates over small ones. Nothing here computes.
 *
 * Shapes are NCHW with the batch included, so one graph may hold values of different batch (the
 * raw and the processed half, and their concatenation). Vectors are [n, c, 1, 1].
 *
 * Errors stick: after the first failure (out of memory, shapes that do not fit) every further call
 * does nothing and returns -1, and graph_finish() reports it. So a builder is straight-line code.
 */
#ifndef COMPUTE_GRAPH_H
#define COMPUTE_GRAPH_H

#include <stdbool.h>
#include <stddef.h>

#include "tensor/tensor.h"

struct dims {
    size_t n, c, h, w;
};

enum { HADAMARD_BLOCK = 16 };

enum op_kind {
    OP_INPUT,           /* n x c x h x w floats that the caller fills in before each run */
    OP_LABELS,          /* n class numbers (int32) that the caller fills in */
    OP_CONV,            /* y = W * x + b; W [oc, ic, kh, kw], b [oc] optional; zero padding */
    OP_BATCH_NORM,      /* y = scale (x - mean) / sqrt(var + epsilon) + shift, per channel */
    OP_RELU,            /* y = max(x, 0) */
    OP_LEAKY_RELU,      /* y = x > 0 ? x : slope x */
    OP_TANH,            /* y = tanh(x) */
    OP_SOFTPLUS,        /* y = log(1 + exp(beta x)) / beta: a smooth ReLU, whose derivative follows
                           from y: 1 - exp(-beta y) */
    OP_CLAMP,           /* y = min(max(x, low), high); no gradient outside */
    OP_MAX_POOL,        /* kernel = stride, no padding; h and w are divided rounding down */
    OP_GLOBAL_AVG_POOL, /* [n, c, h, w] -> [n, c, 1, 1] */
    OP_DENSE,           /* y = W flat(x) + b; W [k, c*h*w], b [k] */
    OP_DROPOUT,         /* training: y = x m / (1 - rate), m of 0 and 1; otherwise y = x */
    OP_ADD,             /* y = a + b, same shape */
    OP_SHORTCUT,        /* every stride-th row and column; new channels are zero, half below and
                           half above (He et al. 2016, option A) */
    OP_SCALE,           /* y = scale x, scale a number */
    OP_SCALE_SHIFT,     /* y = scale x + shift, scale a number, shift [c, h, w] same for all n */
    OP_CONCAT,          /* rows of a, then rows of b, along n */
    OP_SPACE_TO_DEPTH,  /* [n, c, h, w] -> [n, b b c, h / b, w / b]: pixel (i, j) of each b x b
                           block becomes channels (i b + j) c and following, as ONNX */
    OP_DEPTH_TO_SPACE,  /* its inverse (ONNX: mode DCR) */
    OP_PERMUTE,         /* y_i = x_order(i), over the values of an image in the order c, h, w; y may
                           have another shape of as many; without an order a reshape */
    OP_MULTIPLY,        /* y = factor x, factor [c, h, w] same for all n; takes no gradient */
    OP_HADAMARD,        /* each 16 values of an image in the order c, h, w times the Hadamard matrix
                           of Sylvester, divided by 4: orthogonal and its own inverse */
    /*
     * Losses: a scalar [1, 1, 1, 1] each, the mean over rows [row0, row0 + rows) of the logits,
     * with q = softmax(logits). The backward pass starts at all losses of a graph at once, each
     * times its weight. Labels are as many as rows: label i is that of row row0 + i.
     */
    OP_CROSS_ENTROPY,    /* -log q_y                          (Chen & Wu, equation 1) */
    OP_TRUE_PROBABILITY, /* q_y                              (equation 2, sign as its text means) */
    OP_KL_UNIFORM,       /* KL(U || q) = -log k - 1/k sum_j log q_j */
    OP_INFOMAX,          /* H(q) - H(mean of q over the rows): confident, but not of one class */
    OP_SOFT_CROSS_ENTROPY, /* -sum_j t_j log q_j for targets t [rows, k, 1, 1]; their row i is that
                              of row row0 + i */
    OP_SQUARED_DISTANCE, /* sum over c, h, w of (a - b)^2, mean over n   (equation 3, third term) */
    OP_KIND_COUNT
};

/* Names as in ONNX where it has one: "Conv", "BatchNormalization", ... */
const char *op_kind_name(enum op_kind kind);
bool op_is_loss(enum op_kind kind);
/* A loss whose second operand is labels. */
bool op_has_labels(enum op_kind kind);

/* What a parameter is to the optimiser and to the initialiser. */
enum param_role {
    PARAM_WEIGHT, /* of a convolution or dense layer: decays */
    PARAM_BIAS,
    PARAM_BN_SCALE,
    PARAM_BN_SHIFT,
    PARAM_RUNNING_MEAN, /* a buffer: updated by the forward pass, never by the optimiser */
    PARAM_RUNNING_VAR,  /* a buffer, too */
    PARAM_SHIFT,        /* the pattern of OP_SCALE_SHIFT */
    PARAM_ORDER, /* of OP_PERMUTE, whole numbers: each of 0 .. count - 1 once. Never trained */
    PARAM_FACTOR /* of OP_MULTIPLY, never trained */
};

bool param_role_is_buffer(enum param_role role);

struct graph_param {
    char name[TENSOR_MAX_NAME];
    struct shape shape;
    enum param_role role;
    bool is_trainable; /* a gradient may be asked for; never true for a buffer */
};

enum { OP_MAX_INPUTS = 2, OP_MAX_PARAMS = 4 };

/* One operator. Only the fields of its kind are read; the others are zero. */
struct op_desc {
    enum op_kind kind;
    int input[OP_MAX_INPUTS]; /* node numbers; -1: none. Losses: logits; labels or targets */
    int param[OP_MAX_PARAMS]; /* parameter numbers; -1: none. Conv, dense: W, b. Batch norm: scale,
                                 shift, running mean, running variance. Scale-shift: shift.
                                 Permute: order. Multiply: factor */
    struct dims out;
    size_t kernel;  /* conv (square), max pool */
    size_t stride;  /* conv, shortcut; max pool: = kernel; space to depth and back: the block */
    size_t padding; /* conv: zeros on each side */
    float slope;    /* leaky ReLU */
    float backward_slope; /* ReLU, leaky ReLU: the derivative that backward takes where x <= 0 */
    float beta;           /* softplus */
    float low, high;      /* clamp */
    float rate;           /* dropout: share of zeros, 0 <= rate < 1 */
    float epsilon;        /* batch norm */
    float momentum;       /* batch norm: running += momentum (batch - running), as PyTorch */
    bool keeps_running;   /* batch norm: whether a training pass updates the running statistics */
    float scale;          /* scale, scale-shift */
    size_t row0;          /* losses on logits: first row and number of rows */
    size_t rows;
    float weight; /* losses: factor in the total; plan_set_weight() changes it later */
};

struct graph {
    struct op_desc *nodes;
    size_t node_count;
    struct graph_param *params;
    size_t param_count;
    ward_status status; /* the first failure */
};

void graph_init(struct graph *g);
void graph_release(struct graph *g);
/* The first failure of any call on g, its text still stored; WARD_OK if there was none. */
WARD_CHECK ward_status graph_finish(const struct graph *g);

/*
 * Builders: each appends one node and returns its number. Two uses of a parameter are two calls of
 * graph_param() with one name: the second returns the first's number (all else must agree).
 */
int graph_param(struct graph *g, const char *name, enum param_role role, bool is_trainable,
                struct shape shape);
int graph_input(struct graph *g, struct dims dims);
int graph_labels(struct graph *g, size_t n);

struct conv_config {
    const char *name; /* parameters are NAME.weight [oc, ic, kernel, kernel] and NAME.bias [oc] */
    size_t channels;  /* oc */
    size_t kernel, stride, padding;
    bool has_bias;
    bool is_frozen; /* parameters take no gradient */
};

int graph_conv(struct graph *g, int x, const struct conv_config *config);
/* Parameters NAME.weight, NAME.bias, NAME.running_mean, NAME.running_var, each [c]; epsilon 1e-5
 * and momentum 0.1 as PyTorch. */
int graph_batch_norm(struct graph *g, int x, const char *name, bool keeps_running, bool is_frozen);
int graph_relu(struct graph *g, int x);
/* A ReLU with another backward pass (BPDA, Athalye et al. 2018): it multiplies by backward_slope,
 * not by 0, where x <= 0. */
int graph_relu_bpda(struct graph *g, int x, float backward_slope);
/* slope in [0, 1). */
int graph_leaky_relu(struct graph *g, int x, float slope);
/* The same with a leaky ReLU: backward_slope takes the place of slope there. */
int graph_leaky_relu_bpda(struct graph *g, int x, float slope, float backward_slope);
int graph_tanh(struct graph *g, int x);
/* beta > 0; the larger, the nearer to a ReLU. For trainings: no model or guard takes it. */
int graph_softplus(struct graph *g, int x, float beta);
int graph_clamp(struct graph *g, int x, float low, float high);
int graph_max_pool(struct graph *g, int x, size_t kernel);
int graph_global_avg_pool(struct graph *g, int x);
/* NAME.weight [k, c*h*w], NAME.bias [k]. */
int graph_dense(struct graph *g, int x, const char *name, size_t k, bool is_frozen);
int graph_dropout(struct graph *g, int x, float rate);
int graph_add(struct graph *g, int a, int b);
int graph_shortcut(struct graph *g, int x, size_t channels, size_t stride);
int graph_scale(struct graph *g, int x, float scale);
/* NAME [c, h, w]. */
int graph_scale_shift(struct graph *g, int x, const char *name, float scale, bool is_frozen);
int graph_concat(struct graph *g, int a, int b);
/* block divides height and width, or its square the channels. */
int graph_space_to_depth(struct graph *g, int x, size_t block);
int graph_depth_to_space(struct graph *g, int x, size_t block);
/* NAME [c, h, w] of the result, which is `shape` with x's n; name NULL: a reshape. */
int graph_permute(struct graph *g, int x, const char *name, struct dims shape);
/* NAME [c, h, w]. */
int graph_multiply(struct graph *g, int x, const char *name);
/* 16 divides c h w. */
int graph_hadamard(struct graph *g, int x);
int graph_cross_entropy(struct graph *g, int logits, int labels, size_t row0, size_t rows,
                        float weight);
int graph_true_probability(struct graph *g, int logits, int labels, size_t row0, size_t rows,
                           float weight);
int graph_kl_uniform(struct graph *g, int logits, size_t row0, size_t rows, float weight);
int graph_infomax(struct graph *g, int logits, size_t row0, size_t rows, float weight);
int graph_soft_cross_entropy(struct graph *g, int logits, int targets, size_t row0, size_t rows,
                             float weight);
int graph_squared_distance(struct graph *g, int a, int b, float weight);

/* Shape of a node's value; all zero for -1. */
struct dims graph_dims(const struct graph *g, int node);
size_t dims_count(struct dims d);

/* Multiply-adds of one forward pass of a convolution or dense layer by its definition; 0 for any
 * other node. */
double graph_node_macs(const struct graph *g, size_t node);
/* Of all nodes. */
double graph_macs(const struct graph *g);

#endif
