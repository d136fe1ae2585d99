/*
 * Recognising the layers that have parameters, and pools: attributes, shapes and values.
 */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "nn/calibrate.h"
#include "onnx/match.h"
#include "onnx/schema.h"

enum { ALIGNMENT = 64 }; /* of tensors */

/* ---- parameters ---- */

/* An empty tensor for parameter p. */
static ward_status param_new(struct match *m, int p)
{
    struct tensor *t = &m->params[p];
    ward_status st = WARD_OK;

    if (t->data)
        return ward_fail(WARD_ERR_FORMAT, "parameter '%s' is given twice",
                         m->graph->params[p].name);
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

/* Parameter p is the which-th input of a node. Room is made only for values that are there. */
static ward_status param_take(struct match *m, int p, const struct value *at, size_t which)
{
    const struct graph_param *param = &m->graph->params[p];
    struct onnx_tensor found = {.len = 0};
    ward_status st =
        onnx_constant(m->file, onnx_node_input(match_node_of(m, at), which), at->node, &found);

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
    return onnx_node_input(match_node_of(m, at), which).len > 0 ? param_take(m, p, at, which)
                                                                : param_new(m, p);
}

/* ---- operators ---- */

static ward_status expect_one(const struct match *m, const struct onnx_node *node, const char *name)
{
    float value = 1;
    ward_status st = onnx_attribute_float(node, name, &value);

    return st || (value >= 1 && value <= 1) ? st : match_refuse(m, node, "a factor that is not 1");
}

static ward_status expect_no_auto_pad(const struct match *m, const struct onnx_node *node)
{
    struct onnx_text text = {"NOTSET", 6};
    ward_status st = onnx_attribute_text(node, "auto_pad", &text);

    return st || onnx_text_is(text, "NOTSET") ? st : match_refuse(m, node, "automatic padding");
}

static ward_status expect_conv(const struct match *m, const struct op_desc *d,
                               const struct onnx_node *node)
{
    ward_status st = match_expect_ints(m, node, "kernel_shape", 2, d->kernel, false);

    if (!st)
        st = match_expect_ints(m, node, "strides", 2, d->stride, d->stride != 1);
    if (!st)
        st = match_expect_ints(m, node, "pads", 4, d->padding, d->padding != 0);
    if (!st)
        st = match_expect_ints(m, node, "dilations", 2, 1, false);
    if (!st)
        st = match_expect_int(m, node, "group", 1, 1);
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
    ward_status st =
        onnx_constant(m->file, onnx_node_input(match_node_of(m, at), 2), at->node, &bias);

    if (st)
        return st;
    if (!norm)
        return match_refuse(m, match_node_of(m, at), "no bias expected");
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

ward_status match_conv(struct match *m, size_t i, const struct value *v)
{
    const struct op_desc *d = &m->graph->nodes[i];
    ward_status st = match_expect_op(m, v, "Conv");

    if (!st)
        st = expect_conv(m, d, match_node_of(m, v));
    if (!st)
        st = param_take(m, d->param[0], v, 1);
    if (!st && d->param[1] >= 0)
        st = bias_take(m, d->param[1], v, 2);
    else if (!st && onnx_node_input(match_node_of(m, v), 2).len > 0)
        st = bias_into_norm(m, i, v);
    return st ? st : match_input_set(m, i, 0, v, 0);
}

/* Batch norm as it is in the file; another epsilon goes into the variance. */
static ward_status norm_take(struct match *m, const struct op_desc *d, const struct value *v)
{
    const struct onnx_node *node = match_node_of(m, v);
    float epsilon = 1e-5f;
    ward_status st = match_expect_int(m, node, "training_mode", 0, 0);

    if (!st)
        st = onnx_attribute_float(node, "epsilon", &epsilon);
    for (size_t which = 0; which < 4 && !st; which++)
        st = param_take(m, d->param[which], v, which + 1);
    for (size_t c = 0; !st && c < d->out.c; c++) {
        float *var = &m->params[d->param[3]].data[c];

        *var += epsilon - d->epsilon;
        if (!(*var >= 0 && isfinite(*var)))
            st = match_refuse(m, node, "a variance below zero");
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

ward_status match_batch_norm(struct match *m, size_t i, const struct value *v)
{
    const struct op_desc *d = &m->graph->nodes[i];
    const struct onnx_node *node = match_node_of(m, v);
    ward_status st;

    if (node && onnx_text_is(node->op, "Conv")) {
        st = norm_make(m, d);
        return st ? st : match_value_set(m, d->input[0], v);
    }
    st = match_expect_op(m, v, "BatchNormalization");
    if (!st)
        st = norm_take(m, d, v);
    return st ? st : match_input_set(m, i, 0, v, 0);
}

ward_status match_max_pool(struct match *m, size_t i, const struct value *v)
{
    const struct onnx_node *node = match_node_of(m, v);
    size_t kernel = m->graph->nodes[i].kernel;
    ward_status st = match_expect_op(m, v, "MaxPool");

    if (!st)
        st = match_expect_ints(m, node, "kernel_shape", 2, kernel, true);
    if (!st)
        st = match_expect_ints(m, node, "strides", 2, kernel, true);
    if (!st)
        st = match_expect_ints(m, node, "pads", 4, 0, false);
    if (!st)
        st = match_expect_ints(m, node, "dilations", 2, 1, false);
    if (!st)
        st = match_expect_int(m, node, "ceil_mode", 0, 0);
    if (!st)
        st = expect_no_auto_pad(m, node);
    return st ? st : match_input_set(m, i, 0, v, 0);
}

/* Counted from the front or from the back. */
static bool is_axis(int64_t axis, int64_t wanted)
{
    return axis == wanted || axis == wanted - 4;
}

/* Height and width, in either order: an attribute, from opset 18 on an input. */
static ward_status expect_mean(const struct match *m, const struct onnx_node *node,
                               const struct value *v)
{
    struct onnx_text input = onnx_node_input(node, 1);
    struct onnx_ints axes = {.count = 0};
    ward_status st = input.len > 0 ? onnx_ints(m->file, input, v->node, &axes)
                                   : onnx_attribute_ints(node, "axes", &axes);

    if (st)
        return st;
    if (axes.count != 2 || !((is_axis(axes.value[0], 2) && is_axis(axes.value[1], 3)) ||
                             (is_axis(axes.value[0], 3) && is_axis(axes.value[1], 2))))
        return match_refuse(m, node, "the mean over height and width expected");
    return WARD_OK;
}

/* PyTorch's users take the mean of an image in three ways. */
ward_status match_global_pool(struct match *m, size_t i, const struct value *v)
{
    const struct onnx_node *node = match_node_of(m, v);
    struct dims in = graph_dims(m->graph, m->graph->nodes[i].input[0]);
    ward_status st = WARD_OK;

    if (node && onnx_text_is(node->op, "ReduceMean"))
        st = expect_mean(m, node, v);
    else if (node && onnx_text_is(node->op, "AveragePool") && in.h == in.w)
        st = match_expect_ints(m, node, "kernel_shape", 2, in.h, true);
    else
        st = match_expect_op(m, v, "GlobalAveragePool");
    if (!st)
        st = match_expect_ints(m, node, "pads", 4, 0, false);
    return st ? st : match_input_set(m, i, 0, v, 0);
}

ward_status match_dense(struct match *m, size_t i, const struct value *v)
{
    const struct op_desc *d = &m->graph->nodes[i];
    const struct onnx_node *node = match_node_of(m, v);
    ward_status st = match_expect_op(m, v, "Gemm");

    if (!st)
        st = match_expect_int(m, node, "transA", 0, 0);
    if (!st)
        st = match_expect_int(m, node, "transB", 0, 1);
    if (!st)
        st = expect_one(m, node, "alpha");
    if (!st)
        st = expect_one(m, node, "beta");
    if (!st)
        st = param_take(m, d->param[0], v, 1);
    if (!st)
        st = bias_take(m, d->param[1], v, 2);
    return st ? st : match_input_set(m, i, 0, v, 0);
}
