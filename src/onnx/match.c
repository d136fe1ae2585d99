/*
 * Recognising one of our networks in a file. Which one it must be follows from the number of its
 * convolutions; then its graph is walked from the logits back to the input, and with it the file's
 * nodes. Going back, there is nothing to choose: every value is given by one node.
 *
 * What changes nothing is passed over: Identity, Dropout, and before a dense layer whatever only
 * reshapes, for that layer fixes the order of the values.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "nn/calibrate.h"
#include "onnx/file.h"
#include "onnx/onnx.h"
#include "onnx/schema.h"

enum { ALIGNMENT = 64 }; /* of tensors */

/* A value of the file: its name, and the place of the node that gives it. */
struct value {
    struct onnx_text name; /* none: not yet known */
    size_t node;           /* ONNX_NO_NODE: the input */
};

struct match {
    const struct onnx_file *file;
    const struct net_spec *spec;
    const struct graph *graph;
    struct value *values;   /* of each node of the graph */
    struct tensor *params;  /* of each parameter of the graph, in its order */
};

/* All that a network of ours may consist of, with what exporters put around it. */
static const char *const known_ops[] = {
    "Conv", "BatchNormalization", "Relu", "MaxPool", "GlobalAveragePool", "AveragePool",
    "ReduceMean", "Gemm", "Add", "Slice", "Pad", "Dropout", "Identity", "Flatten", "Reshape",
    "Squeeze", "Constant", "ConstantOfShape", "Concat", "Transpose", "Cast", "Shape", "Gather",
    "Unsqueeze"};

static const char *const passed_over[] = {"Identity", "Dropout", NULL};
static const char *const reshaping[] = {"Identity", "Dropout", "Flatten", "Reshape", "Squeeze",
                                        NULL};

static ward_status ops_check(const struct onnx_file *file)
{
    char op[ONNX_SHOWN], name[ONNX_SHOWN];

    for (size_t i = 0; i < file->node_count; i++) {
        const struct onnx_node *node = &file->nodes[i];
        bool is_known = false;

        for (size_t k = 0; k < sizeof known_ops / sizeof known_ops[0]; k++)
            is_known = is_known || onnx_text_is(node->op, known_ops[k]);
        if (!is_known || (node->domain.len > 0 && !onnx_text_is(node->domain, "ai.onnx")))
            return ward_fail(WARD_ERR_FORMAT,
                             "operator '%s' (node '%s') is in none of the networks known here",
                             onnx_text_show(node->op, op), onnx_text_show(node->name, name));
    }
    return WARD_OK;
}

/* ---- walking ---- */

static const struct onnx_node *node_of(const struct match *m, const struct value *v)
{
    return v->node == ONNX_NO_NODE ? NULL : &m->file->nodes[v->node];
}

static bool is_one_of(struct onnx_text op, const char *const *ops)
{
    while (*ops && !onnx_text_is(op, *ops))
        ops++;
    return *ops;
}

/* The value of that name as a node at `limit` sees it, before what is passed over. */
static ward_status value_find(const struct match *m, struct onnx_text name, size_t limit,
                              const char *const *skipped, struct value *out)
{
    char shown[ONNX_SHOWN];

    for (;;) {
        size_t node = onnx_producer(m->file, name, limit);

        if (node == ONNX_NO_NODE && !onnx_text_equal(name, m->file->input))
            return ward_fail(WARD_ERR_FORMAT, "value '%s' is used before it is computed",
                             onnx_text_show(name, shown));
        *out = (struct value){name, node};
        if (node == ONNX_NO_NODE || !is_one_of(m->file->nodes[node].op, skipped))
            return WARD_OK;
        name = onnx_node_input(&m->file->nodes[node], 0);
        limit = node;
    }
}

/* Node i of the graph has value v in the file; another node may have said so already. */
static ward_status value_set(struct match *m, int i, const struct value *v)
{
    char a[ONNX_SHOWN], b[ONNX_SHOWN];

    if (m->values[i].name.len > 0 && !onnx_text_equal(m->values[i].name, v->name))
        return ward_fail(WARD_ERR_FORMAT, "'%s' and '%s' would be one value in %s",
                         onnx_text_show(m->values[i].name, a), onnx_text_show(v->name, b),
                         m->spec->arch);
    m->values[i] = *v;
    return WARD_OK;
}

/* Input k of graph node i is the which-th input of the file's node. */
static ward_status input_set(struct match *m, size_t i, size_t k, const struct value *at,
                             size_t which)
{
    int from = m->graph->nodes[i].input[k];
    bool is_dense = m->graph->nodes[i].kind == OP_DENSE;
    struct value v;
    ward_status st = value_find(m, onnx_node_input(node_of(m, at), which), at->node,
                                is_dense ? reshaping : passed_over, &v);

    return st ? st : value_set(m, from, &v);
}

static ward_status refuse(const struct match *m, const struct onnx_node *node, const char *fault)
{
    char name[ONNX_SHOWN], op[ONNX_SHOWN];

    return ward_fail(WARD_ERR_FORMAT, "node '%s' (%s) is not that of %s: %s",
                     onnx_text_show(node->name, name), onnx_text_show(node->op, op), m->spec->arch,
                     fault);
}

/* The value is given by an operator of that name. */
static ward_status expect_op(const struct match *m, const struct value *v, const char *op)
{
    const struct onnx_node *node = node_of(m, v);
    char fault[64];

    snprintf(fault, sizeof fault, "%s expected", op);
    if (!node)
        return ward_fail(WARD_ERR_FORMAT, "the input stands where %s has %s", m->spec->arch, op);
    return onnx_text_is(node->op, op) ? WARD_OK : refuse(m, node, fault);
}

/* An attribute, if it is there, is count times the same number. */
static ward_status expect_ints(const struct match *m, const struct onnx_node *node,
                               const char *name, size_t count, size_t wanted, bool is_needed)
{
    struct onnx_ints ints = {.count = 0};
    char fault[64];
    ward_status st = onnx_attribute_ints(node, name, &ints);

    snprintf(fault, sizeof fault, "%s of %zu expected", name, wanted);
    if (st || (ints.count == 0 && !is_needed))
        return st;
    for (size_t i = 0; i < ints.count; i++)
        if (ints.value[i] != (int64_t)wanted)
            return refuse(m, node, fault);
    return ints.count == count ? WARD_OK : refuse(m, node, fault);
}

static ward_status expect_int(const struct match *m, const struct onnx_node *node,
                              const char *name, int64_t standard, int64_t wanted)
{
    int64_t value = standard;
    char fault[64];
    ward_status st = onnx_attribute_int(node, name, &value);

    snprintf(fault, sizeof fault, "%s of %" PRId64 " expected", name, wanted);
    return st || value == wanted ? st : refuse(m, node, fault);
}

static ward_status expect_one(const struct match *m, const struct onnx_node *node, const char *name)
{
    float value = 1;
    ward_status st = onnx_attribute_float(node, name, &value);

    return st || (value >= 1 && value <= 1) ? st : refuse(m, node, "a factor that is not 1");
}

static ward_status expect_no_auto_pad(const struct match *m, const struct onnx_node *node)
{
    struct onnx_text text = {"NOTSET", 6};
    ward_status st = onnx_attribute_text(node, "auto_pad", &text);

    return st || onnx_text_is(text, "NOTSET") ? st : refuse(m, node, "automatic padding");
}

/* ---- parameters ---- */

/* An empty tensor for parameter p. */
static ward_status param_new(struct match *m, int p)
{
    struct tensor *t = &m->params[p];
    ward_status st = WARD_OK;

    if (t->data)
        return ward_fail(WARD_ERR_FORMAT, "parameter '%s' is given twice", m->graph->params[p].name);
    st = mem_new_aligned(&t->data, shape_count(&m->graph->params[p].shape) * sizeof *t->data,
                         ALIGNMENT);
    if (!st)
        t->shape = m->graph->params[p].shape;
    return st;
}

static ward_status tensor_check(const struct onnx_tensor *t, const struct graph_param *param)
{
    char name[ONNX_SHOWN];

    onnx_text_show(t->name, name);
    if (t->type != DATA_TYPE_FLOAT || t->is_packed)
        return ward_fail(WARD_ERR_FORMAT, "constant '%s' is not of float32", name);
    if (!shape_equal(&t->shape, &param->shape))
        return ward_fail(WARD_ERR_FORMAT, "constant '%s' has another shape than '%s'", name,
                         param->name);
    if (t->len != shape_count(&param->shape) * sizeof(float))
        return ward_fail(WARD_ERR_FORMAT, "constant '%s' has %zu bytes, but its shape makes %zu",
                         name, t->len, shape_count(&param->shape) * sizeof(float));
    return WARD_OK;
}

/* Parameter p is the which-th input of a node. The values are there before room is made for them. */
static ward_status param_take(struct match *m, int p, const struct value *at, size_t which)
{
    const struct graph_param *param = &m->graph->params[p];
    struct onnx_tensor found = {.len = 0};
    ward_status st = onnx_constant(m->file, onnx_node_input(node_of(m, at), which), at->node,
                                   &found);

    if (!st)
        st = tensor_check(&found, param);
    if (!st)
        st = param_new(m, p);
    if (st)
        return st;
    memcpy(m->params[p].data, found.data, found.len);
    for (size_t i = 0; i < shape_count(&param->shape); i++)
        if (!isfinite(m->params[p].data[i]))
            return ward_fail(WARD_ERR_FORMAT, "'%s' has a value that is not finite", param->name);
    return WARD_OK;
}

/* A bias that may be left out: zeros. */
static ward_status bias_take(struct match *m, int p, const struct value *at, size_t which)
{
    return onnx_node_input(node_of(m, at), which).len > 0 ? param_take(m, p, at, which)
                                                          : param_new(m, p);
}

/* ---- operators ---- */

static ward_status expect_conv(const struct match *m, const struct op_desc *d,
                               const struct onnx_node *node)
{
    ward_status st = expect_ints(m, node, "kernel_shape", 2, d->kernel, false);

    if (!st)
        st = expect_ints(m, node, "strides", 2, d->stride, d->stride != 1);
    if (!st)
        st = expect_ints(m, node, "pads", 4, d->padding, d->padding != 0);
    if (!st)
        st = expect_ints(m, node, "dilations", 2, 1, false);
    if (!st)
        st = expect_int(m, node, "group", 1, 1);
    return st ? st : expect_no_auto_pad(m, node);
}

/* The batch norm on node i of the graph; NULL if there is none. */
static const struct op_desc *norm_on(const struct graph *g, size_t i)
{
    for (size_t j = i + 1; j < g->node_count; j++)
        if (g->nodes[j].kind == OP_BATCH_NORM && g->nodes[j].input[0] == (int)i)
            return &g->nodes[j];
    return NULL;
}

/* A bias before a batch norm is a smaller mean. */
static ward_status bias_into_norm(struct match *m, size_t i, const struct value *at)
{
    const struct op_desc *norm = norm_on(m->graph, i);
    struct graph_param as_bias;
    struct onnx_tensor bias = {.len = 0};
    struct tensor *mean;
    ward_status st = onnx_constant(m->file, onnx_node_input(node_of(m, at), 2), at->node, &bias);

    if (st)
        return st;
    if (!norm)
        return refuse(m, node_of(m, at), "no bias expected");
    as_bias = m->graph->params[norm->param[2]];
    mean = &m->params[norm->param[2]];
    st = tensor_check(&bias, &as_bias);
    for (size_t c = 0; !st && c < mean->shape.dim[0]; c++) {
        float value;

        memcpy(&value, bias.data + c * sizeof value, sizeof value);
        mean->data[c] -= value;
        if (!isfinite(mean->data[c]))
            st = ward_fail(WARD_ERR_FORMAT, "'%s' has a value that is not finite", as_bias.name);
    }
    return st;
}

static ward_status match_conv(struct match *m, size_t i, const struct value *v)
{
    const struct op_desc *d = &m->graph->nodes[i];
    ward_status st = expect_op(m, v, "Conv");

    if (!st)
        st = expect_conv(m, d, node_of(m, v));
    if (!st)
        st = param_take(m, d->param[0], v, 1);
    if (!st && d->param[1] >= 0)
        st = bias_take(m, d->param[1], v, 2);
    else if (!st && onnx_node_input(node_of(m, v), 2).len > 0)
        st = bias_into_norm(m, i, v);
    return st ? st : input_set(m, i, 0, v, 0);
}

/* Batch norm as it is in the file; another epsilon goes into the variance. */
static ward_status norm_take(struct match *m, const struct op_desc *d, const struct value *v)
{
    const struct onnx_node *node = node_of(m, v);
    float epsilon = 1e-5f;
    ward_status st = expect_int(m, node, "training_mode", 0, 0);

    if (!st)
        st = onnx_attribute_float(node, "epsilon", &epsilon);
    for (size_t which = 0; which < 4 && !st; which++)
        st = param_take(m, d->param[which], v, which + 1);
    for (size_t c = 0; !st && c < d->out.c; c++) {
        float *var = &m->params[d->param[3]].data[c];

        *var += epsilon - d->epsilon;
        if (!(*var >= 0 && isfinite(*var)))
            st = refuse(m, node, "a variance below zero");
    }
    return st;
}

/* Batch norm that was folded into the convolution before it: one that changes nothing. */
static ward_status norm_make(struct match *m, const struct op_desc *d)
{
    ward_status st = WARD_OK;

    for (size_t which = 0; which < 4 && !st; which++)
        st = param_new(m, d->param[which]);
    for (size_t c = 0; !st && c < d->out.c; c++) {
        m->params[d->param[0]].data[c] = 1;
        m->params[d->param[3]].data[c] = neutral_variance(d->epsilon);
    }
    return st;
}

static ward_status match_batch_norm(struct match *m, size_t i, const struct value *v)
{
    const struct op_desc *d = &m->graph->nodes[i];
    const struct onnx_node *node = node_of(m, v);
    ward_status st;

    if (node && onnx_text_is(node->op, "Conv")) {
        st = norm_make(m, d);
        return st ? st : value_set(m, d->input[0], v);
    }
    st = expect_op(m, v, "BatchNormalization");
    if (!st)
        st = norm_take(m, d, v);
    return st ? st : input_set(m, i, 0, v, 0);
}

static ward_status match_max_pool(struct match *m, size_t i, const struct value *v)
{
    const struct onnx_node *node = node_of(m, v);
    size_t kernel = m->graph->nodes[i].kernel;
    ward_status st = expect_op(m, v, "MaxPool");

    if (!st)
        st = expect_ints(m, node, "kernel_shape", 2, kernel, true);
    if (!st)
        st = expect_ints(m, node, "strides", 2, kernel, true);
    if (!st)
        st = expect_ints(m, node, "pads", 4, 0, false);
    if (!st)
        st = expect_ints(m, node, "dilations", 2, 1, false);
    if (!st)
        st = expect_int(m, node, "ceil_mode", 0, 0);
    if (!st)
        st = expect_no_auto_pad(m, node);
    return st ? st : input_set(m, i, 0, v, 0);
}

/* Height and width, counted from the front or from the back. */
static ward_status expect_mean(const struct match *m, const struct onnx_node *node)
{
    struct onnx_ints axes = {.count = 0};
    ward_status st = onnx_attribute_ints(node, "axes", &axes);

    if (st)
        return st;
    if (axes.count != 2 || (axes.value[0] + 4) % 4 + (axes.value[1] + 4) % 4 != 5 ||
        axes.value[0] < -4 || axes.value[0] > 3 || (axes.value[0] + 4) % 4 < 2)
        return refuse(m, node, "the mean over height and width expected");
    return WARD_OK;
}

/* PyTorch's users take the mean of an image in three ways. */
static ward_status match_global_pool(struct match *m, size_t i, const struct value *v)
{
    const struct onnx_node *node = node_of(m, v);
    struct dims in = graph_dims(m->graph, m->graph->nodes[i].input[0]);
    ward_status st = WARD_OK;

    if (node && onnx_text_is(node->op, "ReduceMean"))
        st = expect_mean(m, node);
    else if (node && onnx_text_is(node->op, "AveragePool") && in.h == in.w)
        st = expect_ints(m, node, "kernel_shape", 2, in.h, true);
    else
        st = expect_op(m, v, "GlobalAveragePool");
    if (!st)
        st = expect_ints(m, node, "pads", 4, 0, false);
    return st ? st : input_set(m, i, 0, v, 0);
}

static ward_status match_dense(struct match *m, size_t i, const struct value *v)
{
    const struct op_desc *d = &m->graph->nodes[i];
    const struct onnx_node *node = node_of(m, v);
    ward_status st = expect_op(m, v, "Gemm");

    if (!st)
        st = expect_int(m, node, "transA", 0, 0);
    if (!st)
        st = expect_int(m, node, "transB", 0, 1);
    if (!st)
        st = expect_one(m, node, "alpha");
    if (!st)
        st = expect_one(m, node, "beta");
    if (!st)
        st = param_take(m, d->param[0], v, 1);
    if (!st)
        st = bias_take(m, d->param[1], v, 2);
    return st ? st : input_set(m, i, 0, v, 0);
}

/* The sum of a batch norm, written or folded, and a shortcut, in either order. */
static ward_status match_add(struct match *m, size_t i, const struct value *v)
{
    static const char *const norms[] = {"BatchNormalization", "Conv", NULL};
    struct value first;
    size_t norm = 0;
    ward_status st = expect_op(m, v, "Add");

    if (!st)
        st = value_find(m, onnx_node_input(node_of(m, v), 0), v->node, passed_over, &first);
    if (st)
        return st;
    if (!node_of(m, &first) || !is_one_of(node_of(m, &first)->op, norms))
        norm = 1;
    st = input_set(m, i, 0, v, norm);
    return st ? st : input_set(m, i, 1, v, 1 - norm);
}

/* What a chain of Slice and Pad does to an image, all in all. */
struct thinning {
    int64_t step[2];             /* of rows, of columns */
    int64_t before[4], after[4]; /* zeros added to each dimension */
};

static ward_status read_slice(const struct match *m, const struct value *v, struct thinning *t)
{
    const struct onnx_node *node = node_of(m, v);
    struct onnx_ints part[4] = {{.count = 0}}; /* starts, ends, axes, steps */
    ward_status st = WARD_OK;

    for (size_t k = 0; k < 4 && !st; k++)
        st = onnx_ints(m->file, onnx_node_input(node, k + 1), v->node, &part[k]);
    for (size_t k = 0; k < part[2].count && !st; k++) {
        int64_t axis = part[2].value[k], step = part[3].value[k];

        if (part[0].count != part[2].count || part[1].count != part[2].count ||
            part[3].count != part[2].count || part[0].value[k] != 0 ||
            part[1].value[k] < INT32_MAX || axis < 0 || axis > 3 || step < 1 || step > 2 ||
            (axis < 2 && step != 1))
            return refuse(m, node, "every row and column, or every second one, expected");
        if (axis >= 2)
            t->step[axis - 2] *= step;
        if (axis >= 2 && t->step[axis - 2] > 2)
            return refuse(m, node, "too much is cut away");
    }
    return st;
}

static ward_status expect_zeros(const struct match *m, const struct value *v)
{
    const struct onnx_node *node = node_of(m, v);
    struct onnx_text mode = {"constant", 8};
    struct onnx_tensor filler = {.len = 0};
    float value = 0;
    ward_status st = onnx_attribute_text(node, "mode", &mode);

    if (!st && onnx_node_input(node, 2).len > 0)
        st = onnx_constant(m->file, onnx_node_input(node, 2), v->node, &filler);
    if (!st && filler.len == sizeof value)
        memcpy(&value, filler.data, sizeof value);
    if (!st && (!onnx_text_is(mode, "constant") || fpclassify(value) != FP_ZERO ||
                (filler.len > 0 && (filler.len != sizeof value || filler.type != DATA_TYPE_FLOAT))))
        st = refuse(m, node, "padding with zeros expected");
    return st;
}

static ward_status read_pad(const struct match *m, const struct value *v, struct thinning *t)
{
    const struct onnx_node *node = node_of(m, v);
    struct onnx_ints pads = {.count = 0};
    ward_status st = expect_zeros(m, v);

    if (!st)
        st = onnx_ints(m->file, onnx_node_input(node, 1), v->node, &pads);
    if (!st && pads.count != 8)
        st = refuse(m, node, "padding of four dimensions expected");
    for (size_t axis = 0; axis < 4 && !st; axis++) {
        if (pads.value[axis] < 0 || pads.value[axis] > INT32_MAX || pads.value[axis + 4] < 0 ||
            pads.value[axis + 4] > INT32_MAX || t->before[axis] > 0 || t->after[axis] > 0)
            return refuse(m, node, "padding once, and with more than nothing, expected");
        t->before[axis] = pads.value[axis];
        t->after[axis] = pads.value[axis + 4];
    }
    return st;
}

static ward_status match_shortcut(struct match *m, size_t i, const struct value *v)
{
    const struct op_desc *d = &m->graph->nodes[i];
    const struct onnx_node *last = node_of(m, v), *node = last;
    size_t old = graph_dims(m->graph, d->input[0]).c, below = (d->out.c - old) / 2;
    struct thinning t = {.step = {1, 1}}, wanted = {.step = {(int64_t)d->stride, (int64_t)d->stride}};
    struct value at = *v;
    ward_status st = WARD_OK;

    wanted.before[1] = (int64_t)below;
    wanted.after[1] = (int64_t)(d->out.c - old - below);
    while (!st && node && (onnx_text_is(node->op, "Slice") || onnx_text_is(node->op, "Pad"))) {
        st = onnx_text_is(node->op, "Pad") ? read_pad(m, &at, &t) : read_slice(m, &at, &t);
        if (!st)
            st = value_find(m, onnx_node_input(node, 0), at.node, passed_over, &at);
        node = node_of(m, &at);
    }
    if (st)
        return st;
    if (memcmp(&t, &wanted, sizeof t) != 0)
        return last ? refuse(m, last, "a shortcut without parameters (Slice, Pad) expected")
                    : expect_op(m, v, "Slice");
    return value_set(m, d->input[0], &at);
}

static ward_status match_input(const struct match *m, const struct value *v)
{
    const struct onnx_node *node = node_of(m, v);

    return node ? refuse(m, node, "the input expected") : WARD_OK;
}

static ward_status match_node(struct match *m, size_t i)
{
    const struct op_desc *d = &m->graph->nodes[i];
    const struct value v = m->values[i];
    ward_status st;

    switch (d->kind) {
    case OP_INPUT: return match_input(m, &v);
    case OP_DROPOUT: return value_set(m, d->input[0], &v);
    case OP_CONV: return match_conv(m, i, &v);
    case OP_BATCH_NORM: return match_batch_norm(m, i, &v);
    case OP_MAX_POOL: return match_max_pool(m, i, &v);
    case OP_GLOBAL_AVG_POOL: return match_global_pool(m, i, &v);
    case OP_DENSE: return match_dense(m, i, &v);
    case OP_ADD: return match_add(m, i, &v);
    case OP_SHORTCUT: return match_shortcut(m, i, &v);
    default:
        st = expect_op(m, &v, op_kind_name(d->kind));
        return st ? st : input_set(m, i, 0, &v, 0);
    }
}

/* ---- the whole network ---- */

/* As many classes as the last layer has rows. */
static ward_status classes_of(const struct onnx_file *file, const struct value *logits,
                              size_t *classes)
{
    struct onnx_tensor weight = {.len = 0};
    char shown[ONNX_SHOWN];
    ward_status st;

    if (logits->node == ONNX_NO_NODE || !onnx_text_is(file->nodes[logits->node].op, "Gemm"))
        return ward_fail(WARD_ERR_FORMAT, "its output '%s' is not that of a dense layer (Gemm)",
                         onnx_text_show(file->output, shown));
    st = onnx_constant(file, onnx_node_input(&file->nodes[logits->node], 1), logits->node, &weight);
    if (!st)
        *classes = weight.shape.dim[0];
    return st;
}

static ward_status spec_of(const struct onnx_file *file, size_t classes, struct net_spec *out)
{
    size_t convs = 0;

    for (size_t i = 0; i < file->node_count; i++)
        convs += onnx_text_is(file->nodes[i].op, "Conv");
    *out = (struct net_spec){.channels = file->channels, .height = file->height,
                             .width = file->width, .classes = classes};
    if (convs == 2)
        snprintf(out->arch, sizeof out->arch, "simple-cnn");
    else if (convs >= 7 && convs % 6 == 1)
        snprintf(out->arch, sizeof out->arch, "resnet%zu", convs + 1);
    else
        return ward_fail(WARD_ERR_FORMAT, "no network known here has %zu convolutions", convs);
    return WARD_OK;
}

static ward_status match_all(struct match *m, const struct value *logits)
{
    ward_status st = mem_new(&m->values, m->graph->node_count, sizeof *m->values);

    if (!st)
        m->values[m->graph->node_count - 1] = *logits;
    for (size_t i = m->graph->node_count; i-- > 0 && !st;)
        st = match_node(m, i);
    mem_free(m->values);
    return st;
}

/* params has room for all of the graph. */
static ward_status params_match(const struct onnx_file *file, const struct net_spec *spec,
                                const struct graph *g, const struct value *logits,
                                struct tensor_list *params)
{
    struct match m = {.file = file, .spec = spec, .graph = g};
    ward_status st = mem_new(&params->items, g->param_count, sizeof *params->items);

    if (st)
        return st;
    params->count = g->param_count;
    for (size_t p = 0; p < g->param_count; p++) {
        params->items[p].shape = shape_make(1, 0, 1, 1, 1); /* no values yet */
        memcpy(params->items[p].name, g->params[p].name, TENSOR_MAX_NAME);
    }
    m.params = params->items;
    return match_all(&m, logits);
}

ward_status onnx_net_match(const struct onnx_file *file, struct net *net)
{
    const struct match any = {.file = file};
    struct net made = {.params = {NULL, 0}};
    struct value logits;
    size_t classes = 0;
    struct graph g;
    ward_status st = ops_check(file);

    graph_init(&g);
    if (!st)
        st = value_find(&any, file->output, file->node_count, passed_over, &logits);
    if (!st)
        st = classes_of(file, &logits, &classes);
    if (!st)
        st = spec_of(file, classes, &made.spec);
    if (!st)
        st = net_graph(&g, &made.spec);
    if (!st)
        st = params_match(file, &made.spec, &g, &logits, &made.params);
    if (!st) {
        *net = made;
        made = (struct net){.params = {NULL, 0}};
    }
    graph_release(&g);
    net_release(&made);
    return st == WARD_ERR_ARG ? WARD_ERR_FORMAT : st;
}

ward_status onnx_net_parse(const uint8_t *data, size_t len, struct net *net)
{
    struct onnx_file file = {.notes = NULL};
    ward_status st = onnx_file_parse(&file, data, len);

    if (!st)
        st = onnx_net_match(&file, net);
    onnx_file_release(&file);
    return st;
}
