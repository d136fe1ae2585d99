/*
 * A graph as an ONNX model. Parameters keep their names; so do the nodes that have some. What ONNX
 * has no operator for is written as two or three: a shortcut as Slice and Pad, a dense layer as
 * Flatten and Gemm, an order as Gather and Hadamard's matrix as MatMul, both between Reshapes.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "onnx/onnx.h"
#include "onnx/proto.h"
#include "onnx/schema.h"

enum { IR_VERSION = 7, NAME_LEN = TENSOR_MAX_NAME + 16 };

static const char input_name[] = "input";

struct writer {
    const struct onnx_source *source;
    struct wr nodes, constants; /* fields of the graph */
    char node_name[NAME_LEN];   /* of the node being written */
    char values[3][NAME_LEN];   /* what it takes and gives: see value_name() */
};

/* ---- parts of a node ---- */

static void put_attribute(struct wr *node, const char *name, uint64_t type, struct wr *attribute)
{
    proto_put_text(attribute, ATTRIBUTE_NAME, name);
    /* Without the type, readers refuse the model. */
    proto_put_int(attribute, ATTRIBUTE_TYPE, type);
    proto_put_message(node, NODE_ATTRIBUTE, attribute);
}

static void put_int(struct wr *node, const char *name, size_t value)
{
    struct wr attribute = WR_INIT;

    proto_put_int(&attribute, ATTRIBUTE_I, value);
    put_attribute(node, name, ATTRIBUTE_TYPE_INT, &attribute);
}

static void put_float(struct wr *node, const char *name, float value)
{
    struct wr attribute = WR_INIT;

    proto_put_float(&attribute, ATTRIBUTE_F, value);
    put_attribute(node, name, ATTRIBUTE_TYPE_FLOAT, &attribute);
}

/* The same number count times. */
static void put_ints(struct wr *node, const char *name, size_t value, size_t count)
{
    struct wr attribute = WR_INIT;

    for (size_t i = 0; i < count; i++)
        proto_put_int(&attribute, ATTRIBUTE_INTS, value);
    put_attribute(node, name, ATTRIBUTE_TYPE_INTS, &attribute);
}

enum { MAX_INPUTS = 5 };

/* A node of up to MAX_INPUTS inputs, the list ended by NULL; attributes are released. */
static void put_node(struct writer *w, const char *op, const char *const *inputs,
                     const char *output, struct wr *attributes)
{
    struct wr node = WR_INIT;

    for (size_t i = 0; inputs[i]; i++)
        proto_put_text(&node, NODE_INPUT, inputs[i]);
    proto_put_text(&node, NODE_OUTPUT, output);
    proto_put_text(&node, NODE_NAME, w->node_name);
    proto_put_text(&node, NODE_OP_TYPE, op);
    if (attributes) {
        if (attributes->status)
            node.status = attributes->status;
        wr_bytes(&node, attributes->data, attributes->len);
        wr_release(attributes);
    }
    proto_put_message(&w->nodes, GRAPH_NODE, &node);
}

/* ---- constants ---- */

static void put_constant(struct writer *w, const char *name, uint64_t type,
                         const struct shape *shape, const void *data, size_t len)
{
    struct wr tensor = WR_INIT;

    for (unsigned i = 0; i < shape->rank; i++)
        proto_put_int(&tensor, TENSOR_DIMS, shape->dim[i]);
    proto_put_int(&tensor, TENSOR_DATA_TYPE, type);
    proto_put_text(&tensor, TENSOR_NAME, name);
    proto_put_bytes(&tensor, TENSOR_RAW_DATA, data, len);
    proto_put_message(&w->constants, GRAPH_INITIALIZER, &tensor);
}

static void put_floats(struct writer *w, const char *name, struct shape shape, const float *data)
{
    put_constant(w, name, DATA_TYPE_FLOAT, &shape, data, shape_count(&shape) * sizeof *data);
}

/* A constant of its own for the node being written, "NODE.part"; name receives its name. */
static void put_own(struct writer *w, char name[NAME_LEN], const char *part, const int64_t *values,
                    size_t count)
{
    struct shape shape = shape_make(1, count, 1, 1, 1);

    snprintf(name, NAME_LEN, "%.60s.%s", w->node_name, part);
    put_constant(w, name, DATA_TYPE_INT64, &shape, values, count * sizeof *values);
}

static void put_scalar(struct writer *w, char name[NAME_LEN], const char *part, float value)
{
    snprintf(name, NAME_LEN, "%.60s.%s", w->node_name, part);
    put_floats(w, name, shape_make(0, 1, 1, 1, 1), &value);
}

static const struct graph_param *param_of(const struct writer *w, const struct op_desc *d,
                                          size_t which)
{
    return d->param[which] < 0 ? NULL : &w->source->graph->params[d->param[which]];
}

/* The values of a node's parameter; NULL if it has none. */
static const struct tensor *tensor_of(const struct writer *w, const struct op_desc *d, size_t which)
{
    const struct graph_param *param = param_of(w, d, which);
    const struct tensor *t = NULL;

    for (size_t i = 0; param && i < w->source->param_lists && !t; i++)
        t = tensor_list_find(w->source->params[i], param->name);
    return t;
}

/* All parameters of a node as they are. */
static void put_params(struct writer *w, const struct op_desc *d)
{
    for (size_t which = 0; which < OP_MAX_PARAMS && d->param[which] >= 0; which++) {
        const struct tensor *t = tensor_of(w, d, which);

        put_floats(w, t->name, t->shape, t->data);
    }
}

/* ---- names of values ---- */

/* Dropout gives what it takes. */
static int without_dropout(const struct graph *g, int node)
{
    while (g->nodes[node].kind == OP_DROPOUT)
        node = g->nodes[node].input[0];
    return node;
}

static const char *value_name(const struct writer *w, int node, char name[NAME_LEN])
{
    const struct onnx_source *s = w->source;

    node = without_dropout(s->graph, node);
    if (node == without_dropout(s->graph, s->result))
        snprintf(name, NAME_LEN, "%s", s->result_name);
    else if (s->graph->nodes[node].kind == OP_INPUT)
        snprintf(name, NAME_LEN, "%s", input_name);
    else
        snprintf(name, NAME_LEN, "v%d", node);
    return name;
}

/* "layer1.0.conv1" of a node with parameters, or the operator's name and the node's number. */
static void name_node(struct writer *w, int node)
{
    const struct op_desc *d = &w->source->graph->nodes[node];
    const struct graph_param *param = param_of(w, d, 0);
    const char *end = param ? strrchr(param->name, '.') : NULL;

    if (end && d->kind != OP_SCALE_SHIFT && d->kind != OP_PERMUTE && d->kind != OP_MULTIPLY)
        snprintf(w->node_name, NAME_LEN, "%.*s", (int)(end - param->name), param->name);
    else
        snprintf(w->node_name, NAME_LEN, "%s_%d", op_kind_name(d->kind), node);
}

/* ---- operators ---- */

/* The batch norm that alone takes the value of a convolution, or -1. */
static int batch_norm_after(const struct graph *g, int conv)
{
    int only = -1, uses = 0;

    for (size_t i = (size_t)conv + 1; i < g->node_count; i++)
        for (size_t k = 0; k < OP_MAX_INPUTS; k++)
            if (g->nodes[i].input[k] == conv) {
                only = (int)i;
                uses++;
            }
    return uses == 1 && g->nodes[only].kind == OP_BATCH_NORM ? only : -1;
}

/* W and b of a convolution with what follows it: W scale / sqrt(var + epsilon), and so on. */
static ward_status put_folded(struct writer *w, const struct op_desc *conv,
                              const struct op_desc *norm, char bias_name[NAME_LEN])
{
    const struct tensor *weight = tensor_of(w, conv, 0), *bias = tensor_of(w, conv, 1);
    const float *scale = tensor_of(w, norm, 0)->data, *shift = tensor_of(w, norm, 1)->data;
    const float *mean = tensor_of(w, norm, 2)->data, *var = tensor_of(w, norm, 3)->data;
    size_t channels = weight->shape.dim[0], len = shape_count(&weight->shape) / channels;
    float *values;
    ward_status st = mem_new(&values, (len + 1) * channels, sizeof *values);

    if (st)
        return st;
    for (size_t c = 0; c < channels; c++) {
        double factor = (double)scale[c] / sqrt((double)var[c] + (double)norm->epsilon);
        double before = bias ? (double)bias->data[c] : 0;

        for (size_t i = c * len; i < (c + 1) * len; i++)
            values[i] = (float)((double)weight->data[i] * factor);
        values[len * channels + c] =
            (float)((before - (double)mean[c]) * factor + (double)shift[c]);
    }
    snprintf(bias_name, NAME_LEN, "%.60s.bias", w->node_name);
    put_floats(w, weight->name, weight->shape, values);
    put_floats(w, bias_name, shape_make(1, channels, 1, 1, 1), values + len * channels);
    mem_wipe(values, (len + 1) * channels * sizeof *values);
    mem_free(values);
    return WARD_OK;
}

static ward_status put_conv(struct writer *w, int node, const struct op_desc *d, const char *x)
{
    const struct graph *g = w->source->graph;
    int norm = w->source->is_folded ? batch_norm_after(g, node) : -1;
    char bias[NAME_LEN] = "", y[NAME_LEN];
    const char *const inputs[] = {x, param_of(w, d, 0)->name,
                                  norm >= 0 || d->param[1] >= 0 ? bias : NULL, NULL};
    struct wr attributes = WR_INIT;
    ward_status st = WARD_OK;

    if (norm >= 0)
        st = put_folded(w, d, &g->nodes[norm], bias);
    else
        put_params(w, d);
    if (norm < 0 && d->param[1] >= 0)
        snprintf(bias, sizeof bias, "%s", param_of(w, d, 1)->name);
    put_ints(&attributes, "kernel_shape", d->kernel, 2);
    put_ints(&attributes, "strides", d->stride, 2);
    put_ints(&attributes, "pads", d->padding, 4);
    put_node(w, "Conv", inputs, value_name(w, norm >= 0 ? norm : node, y), &attributes);
    return st;
}

static void put_batch_norm(struct writer *w, const struct op_desc *d, const char *x, const char *y)
{
    const struct graph *g = w->source->graph;
    int before = d->input[0];
    const char *const inputs[] = {x,
                                  param_of(w, d, 0)->name,
                                  param_of(w, d, 1)->name,
                                  param_of(w, d, 2)->name,
                                  param_of(w, d, 3)->name,
                                  NULL};
    struct wr attributes = WR_INIT;

    if (w->source->is_folded && g->nodes[before].kind == OP_CONV &&
        batch_norm_after(g, before) >= 0)
        return; /* that convolution has given y */
    put_params(w, d);
    put_float(&attributes, "epsilon", d->epsilon);
    put_node(w, "BatchNormalization", inputs, y, &attributes);
}

static void put_clamp(struct writer *w, const struct op_desc *d, const char *x, const char *y)
{
    char low[NAME_LEN], high[NAME_LEN];
    const char *const inputs[] = {x, low, high, NULL};

    put_scalar(w, low, "low", d->low);
    put_scalar(w, high, "high", d->high);
    put_node(w, "Clip", inputs, y, NULL);
}

static void put_max_pool(struct writer *w, const struct op_desc *d, const char *x, const char *y)
{
    const char *const inputs[] = {x, NULL};
    struct wr attributes = WR_INIT;

    put_ints(&attributes, "kernel_shape", d->kernel, 2);
    put_ints(&attributes, "strides", d->kernel, 2);
    put_node(w, "MaxPool", inputs, y, &attributes);
}

static void put_dense(struct writer *w, const struct op_desc *d, const char *x, const char *y)
{
    char flat[NAME_LEN], node[NAME_LEN];
    const char *const flatten[] = {x, NULL};
    const char *const inputs[] = {flat, param_of(w, d, 0)->name, param_of(w, d, 1)->name, NULL};
    struct wr axis = WR_INIT, attributes = WR_INIT;

    memcpy(node, w->node_name, sizeof node);
    snprintf(flat, sizeof flat, "%.60s.input", node);
    snprintf(w->node_name, sizeof w->node_name, "%.60s.flatten", node);
    put_int(&axis, "axis", 1);
    put_node(w, "Flatten", flatten, flat, &axis);
    memcpy(w->node_name, node, sizeof node);
    put_params(w, d);
    put_int(&attributes, "transB", 1);
    put_node(w, "Gemm", inputs, y, &attributes);
}

/* Every stride-th row and column, then channels of zeros below and above. */
static void put_shortcut(struct writer *w, const struct op_desc *d, const char *x, const char *y)
{
    size_t old = graph_dims(w->source->graph, d->input[0]).c, below = (d->out.c - old) / 2;
    const int64_t starts[] = {0, 0}, ends[] = {INT64_MAX, INT64_MAX}, axes[] = {2, 3};
    const int64_t steps[] = {(int64_t)d->stride, (int64_t)d->stride};
    const int64_t pads[] = {0, (int64_t)below, 0, 0, 0, (int64_t)(d->out.c - old - below), 0, 0};
    char names[5][NAME_LEN], thinned[NAME_LEN];
    const char *const slice[] = {x, names[0], names[1], names[2], names[3], NULL};
    const char *const pad[] = {thinned, names[4], NULL};

    put_own(w, names[0], "starts", starts, 2);
    put_own(w, names[1], "ends", ends, 2);
    put_own(w, names[2], "axes", axes, 2);
    put_own(w, names[3], "steps", steps, 2);
    snprintf(thinned, sizeof thinned, "%.60s.thinned", w->node_name);
    put_node(w, "Slice", slice, thinned, NULL);
    snprintf(w->node_name + strlen(w->node_name), 5, ".pad");
    put_own(w, names[4], "pads", pads, 8);
    put_node(w, "Pad", pad, y, NULL);
}

/* scale x + P. */
static void put_scale_shift(struct writer *w, const struct op_desc *d, const char *x, const char *y)
{
    const struct tensor *shift = tensor_of(w, d, 0);
    /* With a dimension for the batch: not all software broadcasts values of another rank. */
    struct shape shape =
        shape_make(4, 1, shift->shape.dim[0], shift->shape.dim[1], shift->shape.dim[2]);
    char scaled[NAME_LEN], scale[NAME_LEN];
    const char *const mul[] = {x, scale, NULL};
    const char *const inputs[] = {x, shift->name, NULL};
    const char *const after[] = {scaled, shift->name, NULL};
    bool has_scale = d->scale < 1 || d->scale > 1;

    put_floats(w, shift->name, shape, shift->data);
    if (has_scale) {
        put_scalar(w, scale, "scale", d->scale);
        snprintf(scaled, sizeof scaled, "%.60s.scaled", w->node_name);
        put_node(w, "Mul", mul, scaled, NULL);
        snprintf(w->node_name + strlen(w->node_name), 7, ".shift");
    }
    put_node(w, "Add", has_scale ? after : inputs, y, NULL);
}

/* A part of the node being written, named after it; -1 stands for what is left. */
static void put_reshape(struct writer *w, const char *part, const char *x, const char *y,
                        const int64_t *shape, size_t rank)
{
    char node[NAME_LEN], name[NAME_LEN];
    const char *const inputs[] = {x, name, NULL};

    memcpy(node, w->node_name, sizeof node);
    snprintf(w->node_name, sizeof w->node_name, "%.60s.%s", node, part);
    put_own(w, name, "shape", shape, rank);
    put_node(w, "Reshape", inputs, y, NULL);
    memcpy(w->node_name, node, sizeof node);
}

static void put_image(struct writer *w, const struct op_desc *d, const char *x, const char *y)
{
    const int64_t shape[] = {-1, (int64_t)d->out.c, (int64_t)d->out.h, (int64_t)d->out.w};

    put_reshape(w, "image", x, y, shape, 4);
}

static ward_status put_permute(struct writer *w, const struct op_desc *d, const char *x,
                               const char *y)
{
    const struct tensor *order = tensor_of(w, d, 0);
    size_t count = d->out.c * d->out.h * d->out.w;
    const int64_t row[] = {-1, (int64_t)count};
    char flat[NAME_LEN], mixed[NAME_LEN], name[NAME_LEN];
    const char *const inputs[] = {flat, name, NULL};
    struct wr axis = WR_INIT;
    int64_t *indices = NULL;
    ward_status st;

    if (!order) {
        put_image(w, d, x, y);
        return WARD_OK;
    }
    st = mem_new(&indices, count, sizeof *indices);
    if (st)
        return st;
    for (size_t i = 0; i < count; i++)
        indices[i] = (int64_t)order->data[i];
    snprintf(flat, sizeof flat, "%.60s.flat", w->node_name);
    snprintf(mixed, sizeof mixed, "%.60s.mixed", w->node_name);
    put_reshape(w, "row", x, flat, row, 2);
    put_own(w, name, "order", indices, count);
    put_int(&axis, "axis", 1);
    put_node(w, "Gather", inputs, mixed, &axis);
    put_image(w, d, mixed, y);
    mem_wipe(indices, count * sizeof *indices);
    mem_free(indices);
    return WARD_OK;
}

static void put_multiply(struct writer *w, const struct op_desc *d, const char *x, const char *y)
{
    const struct tensor *factor = tensor_of(w, d, 0);
    const char *const inputs[] = {x, factor->name, NULL};

    put_floats(w, factor->name, shape_make(4, 1, d->out.c, d->out.h, d->out.w), factor->data);
    put_node(w, "Mul", inputs, y, NULL);
}

/* Sylvester's matrix: each next half repeats the last, and repeats it negated. */
static void put_hadamard(struct writer *w, const struct op_desc *d, const char *x, const char *y)
{
    const int64_t blocks[] = {-1, HADAMARD_BLOCK};
    float matrix[HADAMARD_BLOCK * HADAMARD_BLOCK] = {0.25f};
    char flat[NAME_LEN], mixed[NAME_LEN], name[NAME_LEN];
    const char *const inputs[] = {flat, name, NULL};

    for (size_t half = 1; half < HADAMARD_BLOCK; half *= 2)
        for (size_t i = 0; i < half; i++)
            for (size_t j = 0; j < half; j++) {
                float value = matrix[i * HADAMARD_BLOCK + j];

                matrix[i * HADAMARD_BLOCK + j + half] = value;
                matrix[(i + half) * HADAMARD_BLOCK + j] = value;
                matrix[(i + half) * HADAMARD_BLOCK + j + half] = -value;
            }
    snprintf(flat, sizeof flat, "%.60s.flat", w->node_name);
    snprintf(mixed, sizeof mixed, "%.60s.mixed", w->node_name);
    snprintf(name, sizeof name, "%.60s.matrix", w->node_name);
    put_reshape(w, "blocks", x, flat, blocks, 2);
    put_floats(w, name, shape_make(2, HADAMARD_BLOCK, HADAMARD_BLOCK, 1, 1), matrix);
    put_node(w, "MatMul", inputs, mixed, NULL);
    put_image(w, d, mixed, y);
}

static void put_leaky_relu(struct writer *w, const struct op_desc *d, const char *x, const char *y)
{
    const char *const inputs[] = {x, NULL};
    struct wr attributes = WR_INIT;

    put_float(&attributes, "alpha", d->slope);
    put_node(w, "LeakyRelu", inputs, y, &attributes);
}

/* ONNX's order of the channels of a block is ours. */
static void put_blocks(struct writer *w, const struct op_desc *d, const char *x, const char *y)
{
    const char *const inputs[] = {x, NULL};
    struct wr attributes = WR_INIT;

    put_int(&attributes, "blocksize", d->stride);
    put_node(w, op_kind_name(d->kind), inputs, y, &attributes);
}

static ward_status put_op(struct writer *w, int node)
{
    const struct op_desc *d = &w->source->graph->nodes[node];
    const char *const x = d->input[0] < 0 ? NULL : value_name(w, d->input[0], w->values[0]);
    const char *const y = value_name(w, node, w->values[2]);
    const char *inputs[] = {x, NULL, NULL};

    name_node(w, node);
    switch (d->kind) {
    case OP_INPUT:
    case OP_DROPOUT: return WARD_OK;
    case OP_CONV: return put_conv(w, node, d, x);
    case OP_BATCH_NORM: put_batch_norm(w, d, x, y); return WARD_OK;
    case OP_LEAKY_RELU: put_leaky_relu(w, d, x, y); return WARD_OK;
    case OP_CLAMP: put_clamp(w, d, x, y); return WARD_OK;
    case OP_MAX_POOL: put_max_pool(w, d, x, y); return WARD_OK;
    case OP_DENSE: put_dense(w, d, x, y); return WARD_OK;
    case OP_SHORTCUT: put_shortcut(w, d, x, y); return WARD_OK;
    case OP_SCALE_SHIFT: put_scale_shift(w, d, x, y); return WARD_OK;
    case OP_PERMUTE: return put_permute(w, d, x, y);
    case OP_MULTIPLY: put_multiply(w, d, x, y); return WARD_OK;
    case OP_SPACE_TO_DEPTH:
    case OP_DEPTH_TO_SPACE: put_blocks(w, d, x, y); return WARD_OK;
    case OP_HADAMARD: put_hadamard(w, d, x, y); return WARD_OK;
    case OP_ADD: inputs[1] = value_name(w, d->input[1], w->values[1]); break;
    case OP_RELU:
    case OP_TANH:
    case OP_GLOBAL_AVG_POOL: break; /* of one input and without attributes */
    default:
        return ward_fail(WARD_ERR_ARG, "a model cannot have the operator %s",
                         op_kind_name(d->kind));
    }
    put_node(w, op_kind_name(d->kind), inputs, y, NULL);
    return WARD_OK;
}

/* ---- the model around them ---- */

static void put_dim(struct wr *shape, size_t value)
{
    struct wr dim = WR_INIT;

    proto_put_int(&dim, DIM_VALUE, value);
    proto_put_message(shape, SHAPE_DIM, &dim);
}

/* A float32 value of a batch left open; vectors have rank 2. */
static void put_value(struct wr *graph, uint32_t field, const char *name, struct dims dims,
                      bool is_vector)
{
    struct wr batch = WR_INIT, shape = WR_INIT, tensor = WR_INIT, type = WR_INIT, value = WR_INIT;

    proto_put_text(&batch, DIM_PARAM, "N");
    proto_put_message(&shape, SHAPE_DIM, &batch);
    put_dim(&shape, dims.c);
    if (!is_vector) {
        put_dim(&shape, dims.h);
        put_dim(&shape, dims.w);
    }
    proto_put_int(&tensor, TYPE_ELEM_TYPE, DATA_TYPE_FLOAT);
    proto_put_message(&tensor, TYPE_SHAPE, &shape);
    proto_put_message(&type, TYPE_TENSOR, &tensor);
    proto_put_text(&value, VALUE_NAME, name);
    proto_put_message(&value, VALUE_TYPE, &type);
    proto_put_message(graph, field, &value);
}

static int input_of(const struct graph *g)
{
    int node = 0;

    while (g->nodes[node].kind != OP_INPUT)
        node++;
    return node;
}

static void put_graph(struct wr *model, struct writer *w)
{
    const struct onnx_source *s = w->source;
    const struct graph *g = s->graph;
    int result = without_dropout(g, s->result);
    struct wr graph = WR_INIT;

    graph.status = w->nodes.status ? w->nodes.status : w->constants.status;
    wr_bytes(&graph, w->nodes.data, w->nodes.len);
    proto_put_text(&graph, GRAPH_NAME, s->name);
    wr_bytes(&graph, w->constants.data, w->constants.len);
    put_value(&graph, GRAPH_INPUT, input_name, graph_dims(g, input_of(g)), false);
    put_value(&graph, GRAPH_OUTPUT, s->result_name, graph_dims(g, result),
              g->nodes[result].kind == OP_DENSE);
    proto_put_message(model, MODEL_GRAPH, &graph);
}

static void put_notes(struct wr *model, const json_t *notes)
{
    json_t *object = (json_t *)notes; /* jansson's iterators take no const */

    for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
        struct wr entry = WR_INIT;

        proto_put_text(&entry, STRING_KEY, json_object_iter_key(at));
        proto_put_text(&entry, STRING_VALUE, json_string_value(json_object_iter_value(at)));
        proto_put_message(model, MODEL_METADATA_PROPS, &entry);
    }
}

static void put_model(struct wr *out, struct writer *w)
{
    struct wr opset = WR_INIT;

    proto_put_int(out, MODEL_IR_VERSION, IR_VERSION);
    proto_put_text(out, MODEL_PRODUCER_NAME, "ward");
    proto_put_text(out, MODEL_PRODUCER_VERSION, WARD_VERSION);
    proto_put_text(out, MODEL_DOC_STRING, w->source->description);
    put_graph(out, w);
    proto_put_text(&opset, OPSET_DOMAIN, "");
    proto_put_int(&opset, OPSET_VERSION, ONNX_OPSET);
    proto_put_message(out, MODEL_OPSET_IMPORT, &opset);
    put_notes(out, w->source->notes);
}

static ward_status check_params(const struct writer *w)
{
    const struct graph *g = w->source->graph;

    for (size_t i = 0; i < g->node_count; i++)
        for (size_t which = 0; which < OP_MAX_PARAMS; which++) {
            const struct graph_param *param = param_of(w, &g->nodes[i], which);
            const struct tensor *t = tensor_of(w, &g->nodes[i], which);

            if (param && (!t || !shape_equal(&t->shape, &param->shape)))
                return ward_fail(WARD_ERR_FORMAT, "parameter '%s' is missing or has another shape",
                                 param->name);
        }
    return WARD_OK;
}

ward_status onnx_write(struct wr *out, const struct onnx_source *source)
{
    struct writer w = {.source = source, .nodes = WR_INIT, .constants = WR_INIT};
    ward_status st = check_params(&w);

    for (size_t i = 0; i < source->graph->node_count && !st; i++)
        st = put_op(&w, (int)i);
    if (!st) {
        put_model(out, &w);
        st = wr_finish(out);
    }
    wr_release(&w.nodes);
    wr_release(&w.constants);
    return st;
}
