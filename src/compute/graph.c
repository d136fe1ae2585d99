/*
 * Building graphs: shapes are worked out and checked here, once, so that backends may rely on them.
 */
#include "compute/graph.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/status.h"

static const char *const kind_names[OP_KIND_COUNT] = {
    [OP_INPUT] = "Input",
    [OP_LABELS] = "Labels",
    [OP_CONV] = "Conv",
    [OP_BATCH_NORM] = "BatchNormalization",
    [OP_RELU] = "Relu",
    [OP_LEAKY_RELU] = "LeakyRelu",
    [OP_TANH] = "Tanh",
    [OP_SOFTPLUS] = "Softplus",
    [OP_CLAMP] = "Clip",
    [OP_MAX_POOL] = "MaxPool",
    [OP_GLOBAL_AVG_POOL] = "GlobalAveragePool",
    [OP_DENSE] = "Gemm",
    [OP_DROPOUT] = "Dropout",
    [OP_ADD] = "Add",
    [OP_SHORTCUT] = "Shortcut",
    [OP_SCALE] = "Scale",
    [OP_SCALE_SHIFT] = "ScaleShift",
    [OP_CONCAT] = "Concat",
    [OP_SPACE_TO_DEPTH] = "SpaceToDepth",
    [OP_DEPTH_TO_SPACE] = "DepthToSpace",
    [OP_PERMUTE] = "Permute",
    [OP_MULTIPLY] = "Mul",
    [OP_HADAMARD] = "Hadamard",
    [OP_CROSS_ENTROPY] = "CrossEntropy",
    [OP_TRUE_PROBABILITY] = "TrueProbability",
    [OP_KL_UNIFORM] = "KLUniform",
    [OP_INFOMAX] = "InfoMax",
    [OP_SOFT_CROSS_ENTROPY] = "SoftCrossEntropy",
    [OP_SQUARED_DISTANCE] = "SquaredDistance",
};

const char *op_kind_name(enum op_kind kind)
{
    assert(kind >= 0 && kind < OP_KIND_COUNT);
    return kind_names[kind];
}

bool op_is_loss(enum op_kind kind)
{
    return kind >= OP_CROSS_ENTROPY && kind <= OP_SQUARED_DISTANCE;
}

bool op_has_labels(enum op_kind kind)
{
    return kind == OP_CROSS_ENTROPY || kind == OP_TRUE_PROBABILITY;
}

bool param_role_is_buffer(enum param_role role)
{
    return role == PARAM_RUNNING_MEAN || role == PARAM_RUNNING_VAR || role == PARAM_ORDER ||
           role == PARAM_FACTOR;
}

size_t dims_count(struct dims d)
{
    return d.n * d.c * d.h * d.w;
}

static bool dims_equal(struct dims a, struct dims b)
{
    return a.n == b.n && a.c == b.c && a.h == b.h && a.w == b.w;
}

void graph_init(struct graph *g)
{
    *g = (struct graph){0};
}

void graph_release(struct graph *g)
{
    mem_free(g->nodes);
    mem_free(g->params);
    graph_init(g);
}

ward_status graph_finish(const struct graph *g)
{
    return g->status;
}

struct dims graph_dims(const struct graph *g, int node)
{
    assert(node >= -1 && (node < 0 || (size_t)node < g->node_count));
    return node < 0 ? (struct dims){0} : g->nodes[node].out;
}

/* ---- checks ---- */

enum { DIMS_TEXT = 96 };

static const char *dims_text(struct dims d, char text[DIMS_TEXT])
{
    snprintf(text, DIMS_TEXT, "%zu x %zu x %zu x %zu", d.n, d.c, d.h, d.w);
    return text;
}

static struct op_desc desc_make(enum op_kind kind, int a, int b)
{
    struct op_desc desc = {.kind = kind, .input = {a, b}};

    for (int i = 0; i < OP_MAX_PARAMS; i++)
        desc.param[i] = -1;
    return desc;
}

/* Whether x can be an operand; says why not, unless an earlier failure already did. */
static bool has_value(struct graph *g, enum op_kind kind, int x)
{
    if (g->status)
        return false;
    assert(x >= 0 && (size_t)x < g->node_count);
    if (g->nodes[x].kind != OP_LABELS && !op_is_loss(g->nodes[x].kind))
        return true;
    g->status = ward_fail(WARD_ERR_ARG, "%s cannot be applied to the output of %s",
                          op_kind_name(kind), op_kind_name(g->nodes[x].kind));
    return false;
}

static bool has_same_dims(struct graph *g, enum op_kind kind, int a, int b)
{
    char ta[DIMS_TEXT], tb[DIMS_TEXT];

    if (!has_value(g, kind, a) || !has_value(g, kind, b))
        return false;
    if (dims_equal(g->nodes[a].out, g->nodes[b].out))
        return true;
    g->status = ward_fail(WARD_ERR_ARG, "%s needs two operands of one shape, not %s and %s",
                          op_kind_name(kind), dims_text(g->nodes[a].out, ta),
                          dims_text(g->nodes[b].out, tb));
    return false;
}

static bool dims_are_sound(struct dims d)
{
    size_t count;

    return d.n > 0 && d.c > 0 && d.h > 0 && d.w > 0 && mul_size(d.n, d.c, &count) &&
           mul_size(count, d.h, &count) && mul_size(count, d.w, &count) &&
           mul_size(count, sizeof(float), &count);
}

/* Room for one more of count elements: the capacity is the power of two at or above count. */
static ward_status make_room(void *block, size_t count, size_t elem)
{
    if (count & (count - 1))
        return WARD_OK;
    return mem_resize(block, count, count ? 2 * count : 1, elem);
}

static int append(struct graph *g, const struct op_desc *desc)
{
    char text[DIMS_TEXT];

    if (g->status)
        return -1;
    if (!dims_are_sound(desc->out)) {
        g->status = ward_fail(WARD_ERR_ARG, "%s of shape %s is empty or too large",
                              op_kind_name(desc->kind), dims_text(desc->out, text));
        return -1;
    }
    g->status = make_room(&g->nodes, g->node_count, sizeof *g->nodes);
    if (g->status)
        return -1;
    g->nodes[g->node_count] = *desc;
    return (int)g->node_count++;
}

/* ---- parameters ---- */

/* The number of the parameter of that name, or -1. */
static int param_find(const struct graph *g, const char *name)
{
    for (size_t i = 0; i < g->param_count; i++)
        if (strcmp(g->params[i].name, name) == 0)
            return (int)i;
    return -1;
}

static int param_reuse(struct graph *g, int p, const struct graph_param *wanted)
{
    const struct graph_param *old = &g->params[p];

    if (old->role == wanted->role && old->is_trainable == wanted->is_trainable &&
        shape_equal(&old->shape, &wanted->shape))
        return p;
    g->status = ward_fail(WARD_ERR_ARG, "parameter '%s' is used twice, differently", old->name);
    return -1;
}

int graph_param(struct graph *g, const char *name, enum param_role role, bool is_trainable,
                struct shape shape)
{
    struct graph_param param = {.shape = shape, .role = role, .is_trainable = is_trainable};
    size_t len = strlen(name);
    int p;

    assert(!(is_trainable && param_role_is_buffer(role)));
    if (g->status)
        return -1;
    if (len == 0 || len >= TENSOR_MAX_NAME) {
        g->status = ward_fail(WARD_ERR_ARG, "parameter name '%s' is empty or too long", name);
        return -1;
    }
    memcpy(param.name, name, len + 1);
    p = param_find(g, name);
    if (p >= 0)
        return param_reuse(g, p, &param);
    g->status = make_room(&g->params, g->param_count, sizeof *g->params);
    if (g->status)
        return -1;
    g->params[g->param_count] = param;
    return (int)g->param_count++;
}

/* The parameter "name.part". */
static int param_of(struct graph *g, const char *name, const char *part, enum param_role role,
                    bool is_frozen, struct shape shape)
{
    char full[TENSOR_MAX_NAME];
    int len = snprintf(full, sizeof full, "%s.%s", name, part);

    if (g->status)
        return -1;
    if (len < 0 || (size_t)len >= sizeof full) {
        g->status = ward_fail(WARD_ERR_ARG, "parameter name '%s.%s' is too long", name, part);
        return -1;
    }
    return graph_param(g, full, role, !is_frozen && !param_role_is_buffer(role), shape);
}

/* ---- operators ---- */

int graph_input(struct graph *g, struct dims dims)
{
    struct op_desc desc = desc_make(OP_INPUT, -1, -1);

    desc.out = dims;
    return append(g, &desc);
}

int graph_labels(struct graph *g, size_t n)
{
    struct op_desc desc = desc_make(OP_LABELS, -1, -1);

    desc.out = (struct dims){n, 1, 1, 1};
    return append(g, &desc);
}

/* Positions of a window of `kernel` in `extent` zero-padded on both sides; 0 if there is none. */
static size_t window_count(size_t extent, const struct op_desc *d)
{
    size_t padded;

    if (!mul_size(d->padding, 2, &padded) || !add_size(padded, extent, &padded) ||
        padded < d->kernel)
        return 0;
    return (padded - d->kernel) / d->stride + 1;
}

/* Whether a window of d fits x at all; fills in the height and width of d->out. */
static bool window_fits(struct graph *g, struct op_desc *d, struct dims x)
{
    char text[DIMS_TEXT];

    if (d->kernel > 0 && d->stride > 0 && (d->padding < d->kernel)) {
        d->out.h = window_count(x.h, d);
        d->out.w = window_count(x.w, d);
        if (d->out.h > 0 && d->out.w > 0)
            return true;
    }
    g->status =
        ward_fail(WARD_ERR_ARG, "%s of kernel %zu, stride %zu, padding %zu does not fit %s",
                  op_kind_name(d->kind), d->kernel, d->stride, d->padding, dims_text(x, text));
    return false;
}

int graph_conv(struct graph *g, int x, const struct conv_config *config)
{
    struct op_desc desc = desc_make(OP_CONV, x, -1);
    size_t k = config->kernel, oc = config->channels;
    struct dims in;

    if (!has_value(g, OP_CONV, x))
        return -1;
    in = g->nodes[x].out;
    desc.kernel = k;
    desc.stride = config->stride;
    desc.padding = config->padding;
    desc.out = (struct dims){.n = in.n, .c = oc};
    if (!window_fits(g, &desc, in))
        return -1;
    desc.param[0] = param_of(g, config->name, "weight", PARAM_WEIGHT, config->is_frozen,
                             shape_make(4, oc, in.c, k, k));
    if (config->has_bias)
        desc.param[1] = param_of(g, config->name, "bias", PARAM_BIAS, config->is_frozen,
                                 shape_make(1, oc, 1, 1, 1));
    return append(g, &desc);
}

int graph_batch_norm(struct graph *g, int x, const char *name, bool keeps_running, bool is_frozen)
{
    struct op_desc desc = desc_make(OP_BATCH_NORM, x, -1);
    struct shape shape;

    if (!has_value(g, OP_BATCH_NORM, x))
        return -1;
    desc.out = g->nodes[x].out;
    desc.epsilon = 1e-5f;
    desc.momentum = 0.1f;
    desc.keeps_running = keeps_running;
    shape = shape_make(1, desc.out.c, 1, 1, 1);
    desc.param[0] = param_of(g, name, "weight", PARAM_BN_SCALE, is_frozen, shape);
    desc.param[1] = param_of(g, name, "bias", PARAM_BN_SHIFT, is_frozen, shape);
    desc.param[2] = param_of(g, name, "running_mean", PARAM_RUNNING_MEAN, is_frozen, shape);
    desc.param[3] = param_of(g, name, "running_var", PARAM_RUNNING_VAR, is_frozen, shape);
    return append(g, &desc);
}

/* An operator whose output has the shape of its only input. */
static int append_like(struct graph *g, struct op_desc desc)
{
    if (!has_value(g, desc.kind, desc.input[0]))
        return -1;
    desc.out = g->nodes[desc.input[0]].out;
    return append(g, &desc);
}

int graph_relu(struct graph *g, int x)
{
    return graph_relu_bpda(g, x, 0);
}

int graph_relu_bpda(struct graph *g, int x, float backward_slope)
{
    struct op_desc desc = desc_make(OP_RELU, x, -1);

    assert(isfinite(backward_slope));
    desc.backward_slope = backward_slope;
    return append_like(g, desc);
}

int graph_leaky_relu(struct graph *g, int x, float slope)
{
    return graph_leaky_relu_bpda(g, x, slope, slope);
}

int graph_leaky_relu_bpda(struct graph *g, int x, float slope, float backward_slope)
{
    struct op_desc desc = desc_make(OP_LEAKY_RELU, x, -1);

    /* So y > 0 where x > 0 and nowhere else, by which devices go backward. */
    if (!g->status && !(slope >= 0 && slope < 1))
        g->status =
            ward_fail(WARD_ERR_ARG, "leaky ReLU needs a slope in [0, 1), not %g", (double)slope);
    assert(g->status || isfinite(backward_slope));
    desc.slope = slope;
    desc.backward_slope = backward_slope;
    return append_like(g, desc);
}

int graph_tanh(struct graph *g, int x)
{
    return append_like(g, desc_make(OP_TANH, x, -1));
}

int graph_softplus(struct graph *g, int x, float beta)
{
    struct op_desc desc = desc_make(OP_SOFTPLUS, x, -1);

    if (!g->status && !(beta > 0 && isfinite(beta)))
        g->status = ward_fail(WARD_ERR_ARG, "softplus needs a positive beta, not %g", (double)beta);
    desc.beta = beta;
    return append_like(g, desc);
}

int graph_clamp(struct graph *g, int x, float low, float high)
{
    struct op_desc desc = desc_make(OP_CLAMP, x, -1);

    if (!g->status && !(low < high))
        g->status = ward_fail(WARD_ERR_ARG, "cannot clamp to [%g, %g]", (double)low, (double)high);
    desc.low = low;
    desc.high = high;
    return append_like(g, desc);
}

int graph_max_pool(struct graph *g, int x, size_t kernel)
{
    struct op_desc desc = desc_make(OP_MAX_POOL, x, -1);

    if (!has_value(g, OP_MAX_POOL, x))
        return -1;
    desc.kernel = desc.stride = kernel;
    desc.out = g->nodes[x].out;
    if (!window_fits(g, &desc, g->nodes[x].out))
        return -1;
    return append(g, &desc);
}

int graph_global_avg_pool(struct graph *g, int x)
{
    struct op_desc desc = desc_make(OP_GLOBAL_AVG_POOL, x, -1);

    if (!has_value(g, OP_GLOBAL_AVG_POOL, x))
        return -1;
    desc.out = (struct dims){g->nodes[x].out.n, g->nodes[x].out.c, 1, 1};
    return append(g, &desc);
}

int graph_dense(struct graph *g, int x, const char *name, size_t k, bool is_frozen)
{
    struct op_desc desc = desc_make(OP_DENSE, x, -1);
    struct dims in;

    if (!has_value(g, OP_DENSE, x))
        return -1;
    in = g->nodes[x].out;
    desc.out = (struct dims){in.n, k, 1, 1};
    desc.param[0] = param_of(g, name, "weight", PARAM_WEIGHT, is_frozen,
                             shape_make(2, k, in.c * in.h * in.w, 1, 1));
    desc.param[1] = param_of(g, name, "bias", PARAM_BIAS, is_frozen, shape_make(1, k, 1, 1, 1));
    return append(g, &desc);
}

int graph_dropout(struct graph *g, int x, float rate)
{
    struct op_desc desc = desc_make(OP_DROPOUT, x, -1);

    if (!g->status && !(rate >= 0 && rate < 1))
        g->status = ward_fail(WARD_ERR_ARG, "dropout rate %g is not in [0, 1)", (double)rate);
    desc.rate = rate;
    return append_like(g, desc);
}

int graph_add(struct graph *g, int a, int b)
{
    if (!has_same_dims(g, OP_ADD, a, b))
        return -1;
    return append_like(g, desc_make(OP_ADD, a, b));
}

int graph_shortcut(struct graph *g, int x, size_t channels, size_t stride)
{
    struct op_desc desc = desc_make(OP_SHORTCUT, x, -1);
    struct dims in;

    if (!has_value(g, OP_SHORTCUT, x))
        return -1;
    in = g->nodes[x].out;
    if (channels < in.c || (channels - in.c) % 2 != 0 || stride == 0) {
        g->status = ward_fail(WARD_ERR_ARG, "no shortcut from %zu to %zu channels with stride %zu",
                              in.c, channels, stride);
        return -1;
    }
    desc.stride = stride;
    desc.out = (struct dims){in.n, channels, (in.h - 1) / stride + 1, (in.w - 1) / stride + 1};
    return append(g, &desc);
}

int graph_scale(struct graph *g, int x, float scale)
{
    struct op_desc desc = desc_make(OP_SCALE, x, -1);

    assert(isfinite(scale));
    desc.scale = scale;
    return append_like(g, desc);
}

int graph_scale_shift(struct graph *g, int x, const char *name, float scale, bool is_frozen)
{
    struct op_desc desc = desc_make(OP_SCALE_SHIFT, x, -1);
    struct dims in;

    if (!has_value(g, OP_SCALE_SHIFT, x))
        return -1;
    in = g->nodes[x].out;
    desc.scale = scale;
    desc.param[0] =
        graph_param(g, name, PARAM_SHIFT, !is_frozen, shape_make(3, in.c, in.h, in.w, 1));
    return append_like(g, desc);
}

int graph_concat(struct graph *g, int a, int b)
{
    struct op_desc desc = desc_make(OP_CONCAT, a, b);
    char ta[DIMS_TEXT], tb[DIMS_TEXT];
    struct dims da, db;

    if (!has_value(g, OP_CONCAT, a) || !has_value(g, OP_CONCAT, b))
        return -1;
    da = g->nodes[a].out;
    db = g->nodes[b].out;
    if (da.c != db.c || da.h != db.h || da.w != db.w) {
        g->status = ward_fail(WARD_ERR_ARG, "cannot join rows of %s and of %s", dims_text(da, ta),
                              dims_text(db, tb));
        return -1;
    }
    desc.out = da;
    if (!add_size(da.n, db.n, &desc.out.n))
        desc.out.n = 0;
    return append(g, &desc);
}

/* Pixels of blocks to channels, or back; out is set if they come out even. */
static int append_blocks(struct graph *g, struct op_desc desc, size_t block)
{
    char text[DIMS_TEXT];

    if (!has_value(g, desc.kind, desc.input[0]))
        return -1;
    desc.stride = block;
    if (desc.out.n > 0)
        return append(g, &desc);
    g->status = ward_fail(WARD_ERR_ARG, "%s by blocks of %zu x %zu does not fit %s",
                          op_kind_name(desc.kind), block, block,
                          dims_text(graph_dims(g, desc.input[0]), text));
    return -1;
}

int graph_space_to_depth(struct graph *g, int x, size_t block)
{
    struct op_desc desc = desc_make(OP_SPACE_TO_DEPTH, x, -1);
    struct dims in = graph_dims(g, x);

    if (block > 0 && in.h % block == 0 && in.w % block == 0)
        desc.out = (struct dims){in.n, block * block * in.c, in.h / block, in.w / block};
    return append_blocks(g, desc, block);
}

int graph_depth_to_space(struct graph *g, int x, size_t block)
{
    struct op_desc desc = desc_make(OP_DEPTH_TO_SPACE, x, -1);
    struct dims in = graph_dims(g, x);

    if (block > 0 && in.c % block == 0 && in.c / block % block == 0)
        desc.out = (struct dims){in.n, in.c / block / block, in.h * block, in.w * block};
    return append_blocks(g, desc, block);
}

static size_t image_len(struct dims d)
{
    return d.c * d.h * d.w;
}

int graph_permute(struct graph *g, int x, const char *name, struct dims shape)
{
    struct op_desc desc = desc_make(OP_PERMUTE, x, -1);
    char from[DIMS_TEXT], to[DIMS_TEXT];
    struct dims in;

    if (!has_value(g, OP_PERMUTE, x))
        return -1;
    in = g->nodes[x].out;
    desc.out = (struct dims){in.n, shape.c, shape.h, shape.w};
    if (!dims_are_sound(desc.out) || image_len(desc.out) != image_len(in)) {
        g->status = ward_fail(WARD_ERR_ARG, "the values of %s cannot become %s",
                              dims_text(in, from), dims_text(desc.out, to));
        return -1;
    }
    if (name)
        desc.param[0] =
            graph_param(g, name, PARAM_ORDER, false, shape_make(3, shape.c, shape.h, shape.w, 1));
    return append(g, &desc);
}

int graph_multiply(struct graph *g, int x, const char *name)
{
    struct op_desc desc = desc_make(OP_MULTIPLY, x, -1);
    struct dims in;

    if (!has_value(g, OP_MULTIPLY, x))
        return -1;
    in = g->nodes[x].out;
    desc.param[0] = graph_param(g, name, PARAM_FACTOR, false, shape_make(3, in.c, in.h, in.w, 1));
    return append_like(g, desc);
}

int graph_hadamard(struct graph *g, int x)
{
    char text[DIMS_TEXT];

    if (!has_value(g, OP_HADAMARD, x))
        return -1;
    if (image_len(g->nodes[x].out) % HADAMARD_BLOCK != 0) {
        g->status =
            ward_fail(WARD_ERR_ARG, "%s of %s: the values do not come in blocks of %d",
                      op_kind_name(OP_HADAMARD), dims_text(g->nodes[x].out, text), HADAMARD_BLOCK);
        return -1;
    }
    return append_like(g, desc_make(OP_HADAMARD, x, -1));
}

/* ---- losses ---- */

static bool labels_fit(struct graph *g, const struct op_desc *d)
{
    const struct op_desc *labels;

    assert(d->input[1] >= 0 && (size_t)d->input[1] < g->node_count);
    labels = &g->nodes[d->input[1]];
    if (labels->kind == OP_LABELS && labels->out.n == d->rows)
        return true;
    g->status = ward_fail(WARD_ERR_ARG, "%s over %zu rows needs that many labels",
                          op_kind_name(d->kind), d->rows);
    return false;
}

static bool targets_fit(struct graph *g, const struct op_desc *d)
{
    struct dims wanted = {d->rows, graph_dims(g, d->input[0]).c, 1, 1};
    char is[DIMS_TEXT], should[DIMS_TEXT];

    if (!has_value(g, d->kind, d->input[1]))
        return false;
    if (dims_equal(graph_dims(g, d->input[1]), wanted))
        return true;
    g->status = ward_fail(WARD_ERR_ARG, "%s needs targets of %s, not %s", op_kind_name(d->kind),
                          dims_text(wanted, should), dims_text(graph_dims(g, d->input[1]), is));
    return false;
}

static struct op_desc loss_make(enum op_kind kind, int a, int b, float weight)
{
    struct op_desc desc = desc_make(kind, a, b);

    assert(isfinite(weight));
    desc.weight = weight;
    desc.out = (struct dims){1, 1, 1, 1};
    return desc;
}

static int append_logits_loss(struct graph *g, struct op_desc desc, size_t row0, size_t rows)
{
    char text[DIMS_TEXT];
    struct dims in;

    desc.row0 = row0;
    desc.rows = rows;
    if (!has_value(g, desc.kind, desc.input[0]))
        return -1;
    if (op_has_labels(desc.kind) && !labels_fit(g, &desc))
        return -1;
    if (desc.kind == OP_SOFT_CROSS_ENTROPY && !targets_fit(g, &desc))
        return -1;
    in = g->nodes[desc.input[0]].out;
    if (in.h == 1 && in.w == 1 && rows > 0 && rows <= in.n && row0 <= in.n - rows)
        return append(g, &desc);
    g->status = ward_fail(WARD_ERR_ARG, "%s over rows %zu to %zu does not fit logits %s",
                          op_kind_name(desc.kind), row0, row0 + rows, dims_text(in, text));
    return -1;
}

int graph_cross_entropy(struct graph *g, int logits, int labels, size_t row0, size_t rows,
                        float weight)
{
    return append_logits_loss(g, loss_make(OP_CROSS_ENTROPY, logits, labels, weight), row0, rows);
}

int graph_true_probability(struct graph *g, int logits, int labels, size_t row0, size_t rows,
                           float weight)
{
    return append_logits_loss(g, loss_make(OP_TRUE_PROBABILITY, logits, labels, weight), row0,
                              rows);
}

int graph_kl_uniform(struct graph *g, int logits, size_t row0, size_t rows, float weight)
{
    return append_logits_loss(g, loss_make(OP_KL_UNIFORM, logits, -1, weight), row0, rows);
}

int graph_infomax(struct graph *g, int logits, size_t row0, size_t rows, float weight)
{
    return append_logits_loss(g, loss_make(OP_INFOMAX, logits, -1, weight), row0, rows);
}

int graph_soft_cross_entropy(struct graph *g, int logits, int targets, size_t row0, size_t rows,
                             float weight)
{
    return append_logits_loss(g, loss_make(OP_SOFT_CROSS_ENTROPY, logits, targets, weight), row0,
                              rows);
}

int graph_squared_distance(struct graph *g, int a, int b, float weight)
{
    struct op_desc desc = loss_make(OP_SQUARED_DISTANCE, a, b, weight);

    return has_same_dims(g, OP_SQUARED_DISTANCE, a, b) ? append(g, &desc) : -1;
}

double graph_node_macs(const struct graph *g, size_t node)
{
    const struct op_desc *d = &g->nodes[node];
    struct dims in;

    if (d->kind != OP_CONV && d->kind != OP_DENSE)
        return 0;
    in = graph_dims(g, d->input[0]);
    return (double)dims_count(d->out) *
           (double)(in.c * (d->kind == OP_CONV ? d->kernel * d->kernel : in.h * in.w));
}

double graph_macs(const struct graph *g)
{
    double macs = 0;

    for (size_t i = 0; i < g->node_count; i++)
        macs += graph_node_macs(g, i);
    return macs;
}
