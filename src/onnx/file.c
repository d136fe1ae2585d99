/* Taking an ONNX file apart: see file.h. */
#include "onnx/file.h"

#include <string.h>

#include "base/mem.h"
#include "onnx/onnx.h"
#include "onnx/schema.h"

static ward_status damaged(const char *what)
{
    return ward_fail(WARD_ERR_FORMAT, "damaged, or not an ONNX file: %s", what);
}

/* ---- texts ---- */

bool onnx_text_is(struct onnx_text text, const char *wanted)
{
    return text.len == strlen(wanted) && memcmp(text.data, wanted, text.len) == 0;
}

bool onnx_text_equal(struct onnx_text a, struct onnx_text b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

const char *onnx_text_show(struct onnx_text text, char shown[ONNX_SHOWN])
{
    size_t len = text.len < ONNX_SHOWN ? text.len : ONNX_SHOWN - 1;

    for (size_t i = 0; i < len; i++)
        shown[i] = text.data[i] >= ' ' && text.data[i] <= '~' ? text.data[i] : '?';
    shown[len] = 0;
    return shown;
}

static struct onnx_text text_of(const struct proto_field *field)
{
    return (struct onnx_text){(const char *)field->data, field->len};
}

static bool is_message(const struct proto_field *field, uint32_t number)
{
    return field->number == number && field->type == PROTO_BYTES;
}

static bool is_number(const struct proto_field *field, uint32_t number)
{
    return field->number == number && field->type == PROTO_VARINT;
}

/* ---- nodes ---- */

static ward_status node_parse(const struct proto_field *message, struct onnx_node *node)
{
    struct proto_field field;
    struct rd rd;

    *node = (struct onnx_node){.data = message->data, .len = message->len};
    rd_init(&rd, message->data, message->len);
    while (proto_next(&rd, &field)) {
        if (is_message(&field, NODE_OP_TYPE))
            node->op = text_of(&field);
        else if (is_message(&field, NODE_DOMAIN))
            node->domain = text_of(&field);
        else if (is_message(&field, NODE_NAME))
            node->name = text_of(&field);
        else if (is_message(&field, NODE_OUTPUT) && !node->output.data)
            node->output = text_of(&field);
    }
    return rd.failed ? damaged("a node") : WARD_OK;
}

struct onnx_text onnx_node_input(const struct onnx_node *node, size_t i)
{
    struct proto_field field;
    struct rd rd;

    rd_init(&rd, node->data, node->len);
    while (proto_next(&rd, &field))
        if (is_message(&field, NODE_INPUT) && i-- == 0)
            return text_of(&field);
    return (struct onnx_text){NULL, 0};
}

size_t onnx_producer(const struct onnx_file *file, struct onnx_text value, size_t limit)
{
    for (size_t i = limit; i-- > 0 && value.len > 0;)
        if (onnx_text_equal(file->nodes[i].output, value))
            return i;
    return ONNX_NO_NODE;
}

/* ---- attributes ---- */

/* The message of an attribute; false if the node has none of that name. */
static bool attribute_find(const struct onnx_node *node, const char *name, struct rd *out)
{
    struct proto_field field, part;
    struct rd rd, inner;

    rd_init(&rd, node->data, node->len);
    while (proto_next(&rd, &field)) {
        if (!is_message(&field, NODE_ATTRIBUTE))
            continue;
        rd_init(&inner, field.data, field.len);
        while (proto_next(&inner, &part))
            if (is_message(&part, ATTRIBUTE_NAME) && onnx_text_is(text_of(&part), name)) {
                rd_init(out, field.data, field.len);
                return true;
            }
    }
    return false;
}

static ward_status attribute_refuse(const struct onnx_node *node, const char *name)
{
    char shown[ONNX_SHOWN];

    return ward_fail(WARD_ERR_FORMAT, "node '%s': attribute '%s' is damaged or of another kind",
                     onnx_text_show(node->name, shown), name);
}

/* The field of an attribute that is there: *found says whether the node has the attribute. */
static ward_status attribute_get(const struct onnx_node *node, const char *name, uint32_t number,
                                 enum proto_type type, struct proto_field *out, bool *found)
{
    struct proto_field field;
    struct rd rd;

    *found = attribute_find(node, name, &rd);
    while (*found && proto_next(&rd, &field))
        if (field.number == number && field.type == type) {
            *out = field;
            return WARD_OK;
        }
    return *found ? attribute_refuse(node, name) : WARD_OK;
}

ward_status onnx_attribute_int(const struct onnx_node *node, const char *name, int64_t *out)
{
    struct proto_field field = {.value = 0};
    bool found;
    ward_status st = attribute_get(node, name, ATTRIBUTE_I, PROTO_VARINT, &field, &found);

    if (!st && found)
        *out = (int64_t)field.value;
    return st;
}

ward_status onnx_attribute_float(const struct onnx_node *node, const char *name, float *out)
{
    struct proto_field field = {.value = 0};
    uint32_t bits;
    bool found;
    ward_status st = attribute_get(node, name, ATTRIBUTE_F, PROTO_FIXED32, &field, &found);

    if (!st && found) {
        bits = (uint32_t)field.value;
        memcpy(out, &bits, sizeof bits);
    }
    return st;
}

ward_status onnx_attribute_text(const struct onnx_node *node, const char *name,
                                struct onnx_text *out)
{
    struct proto_field field = {.value = 0};
    bool found;
    ward_status st = attribute_get(node, name, ATTRIBUTE_S, PROTO_BYTES, &field, &found);

    if (!st && found)
        *out = text_of(&field);
    return st;
}

static bool add_int(struct onnx_ints *ints, uint64_t value)
{
    if (ints->count == ONNX_MAX_INTS)
        return false;
    ints->value[ints->count++] = (int64_t)value;
    return true;
}

/* Numbers one after another in a field each, or packed into one; false if they are too many. */
static bool add_ints(struct onnx_ints *ints, const struct proto_field *field)
{
    struct rd rd;

    if (field->type == PROTO_VARINT)
        return add_int(ints, field->value);
    if (field->type != PROTO_BYTES)
        return false;
    rd_init(&rd, field->data, field->len);
    while (rd_left(&rd) > 0 && !rd.failed)
        if (!add_int(ints, proto_varint(&rd)))
            return false;
    return !rd.failed;
}

ward_status onnx_attribute_ints(const struct onnx_node *node, const char *name,
                                struct onnx_ints *out)
{
    struct onnx_ints ints = {.count = 0};
    struct proto_field field;
    struct rd rd;

    if (!attribute_find(node, name, &rd))
        return WARD_OK;
    while (proto_next(&rd, &field))
        if (field.number == ATTRIBUTE_INTS && !add_ints(&ints, &field))
            return attribute_refuse(node, name);
    if (rd.failed)
        return attribute_refuse(node, name);
    ints.shape = shape_make(1, ints.count, 1, 1, 1);
    *out = ints;
    return WARD_OK;
}

/* ---- constants ---- */

static ward_status add_dims(struct onnx_tensor *t, const struct proto_field *field)
{
    struct onnx_ints dims = {.count = 0};

    if (!add_ints(&dims, field) || t->shape.rank + dims.count > TENSOR_MAX_RANK)
        return ward_fail(WARD_ERR_FORMAT, "a constant has more than %d dimensions",
                         TENSOR_MAX_RANK);
    for (size_t i = 0; i < dims.count; i++) {
        if (dims.value[i] < 0)
            return damaged("a constant's shape");
        t->shape.dim[t->shape.rank++] = (size_t)dims.value[i];
    }
    return WARD_OK;
}

static void take_data(struct onnx_tensor *t, const struct proto_field *field)
{
    t->data = field->data;
    t->len = field->len;
    t->is_packed = field->number == TENSOR_INT64_DATA;
}

/* Its values stay where they are; whether they fill the shape is checked by who reads them. */
static ward_status tensor_parse(const struct proto_field *message, struct onnx_tensor *t)
{
    struct proto_field field;
    ward_status st = WARD_OK;
    struct rd rd;

    *t = (struct onnx_tensor){.shape = shape_make(0, 1, 1, 1, 1)};
    rd_init(&rd, message->data, message->len);
    while (!st && proto_next(&rd, &field)) {
        if (field.number == TENSOR_DIMS)
            st = add_dims(t, &field);
        else if (is_number(&field, TENSOR_DATA_TYPE))
            t->type = field.value;
        else if (is_message(&field, TENSOR_NAME))
            t->name = text_of(&field);
        else if (is_message(&field, TENSOR_RAW_DATA) || is_message(&field, TENSOR_FLOAT_DATA) ||
                 is_message(&field, TENSOR_INT64_DATA))
            take_data(t, &field);
        else if (field.number == TENSOR_EXTERNAL_DATA ||
                 (is_number(&field, TENSOR_DATA_LOCATION) && field.value != 0))
            st = ward_fail(WARD_ERR_FORMAT, "its values are stored in another file");
    }
    return !st && rd.failed ? damaged("a constant") : st;
}

ward_status onnx_attribute_tensor(const struct onnx_node *node, const char *name,
                                  struct onnx_tensor *out)
{
    struct proto_field field = {.value = 0};
    bool found;
    ward_status st = attribute_get(node, name, ATTRIBUTE_T, PROTO_BYTES, &field, &found);

    if (st)
        return st;
    return found ? tensor_parse(&field, out) : attribute_refuse(node, name);
}

static ward_status constant_refuse(struct onnx_text value)
{
    char shown[ONNX_SHOWN];

    return ward_fail(WARD_ERR_FORMAT, "value '%s' is not a constant", onnx_text_show(value, shown));
}

static const struct onnx_tensor *initializer_find(const struct onnx_file *file,
                                                  struct onnx_text name)
{
    for (size_t i = 0; i < file->tensor_count && name.len > 0; i++)
        if (onnx_text_equal(file->tensors[i].name, name))
            return &file->tensors[i];
    return NULL;
}

ward_status onnx_constant(const struct onnx_file *file, struct onnx_text value, size_t limit,
                          struct onnx_tensor *out)
{
    const struct onnx_text asked = value;

    for (;;) {
        const struct onnx_tensor *t = initializer_find(file, value);

        if (t) {
            *out = *t;
            return WARD_OK;
        }
        limit = onnx_producer(file, value, limit);
        if (limit == ONNX_NO_NODE)
            return constant_refuse(asked);
        if (onnx_text_is(file->nodes[limit].op, "Identity")) {
            value = onnx_node_input(&file->nodes[limit], 0);
            continue;
        }
        if (!onnx_text_is(file->nodes[limit].op, "Constant"))
            return constant_refuse(asked);
        return onnx_attribute_tensor(&file->nodes[limit], "value", out);
    }
}

/* ---- inputs and outputs ---- */

/* The first three dimensions after the batch's. */
static ward_status shape_read(struct rd *rd, struct onnx_file *file)
{
    size_t *const dims[] = {NULL, &file->channels, &file->height, &file->width};
    struct proto_field field, part;
    size_t rank = 0;
    struct rd dim;

    while (proto_next(rd, &field)) {
        if (!is_message(&field, SHAPE_DIM))
            continue;
        rd_init(&dim, field.data, field.len);
        while (rank >= 1 && rank <= 3 && proto_next(&dim, &part))
            if (is_number(&part, DIM_VALUE) && part.value <= INT32_MAX)
                *dims[rank] = (size_t)part.value;
        rank++;
    }
    if (rank != 4 || !file->channels || !file->height || !file->width)
        return ward_fail(WARD_ERR_FORMAT,
                         "its input is not [N, channels, height, width] with the last three fixed");
    return WARD_OK;
}

/* Descend into the first message of that number; false if there is none. */
static bool enter(struct rd *rd, uint32_t number)
{
    struct proto_field field;

    while (proto_next(rd, &field))
        if (is_message(&field, number)) {
            rd_init(rd, field.data, field.len);
            return true;
        }
    return false;
}

static struct onnx_text value_name(const struct proto_field *message)
{
    struct rd rd;

    rd_init(&rd, message->data, message->len);
    if (!enter(&rd, VALUE_NAME))
        return (struct onnx_text){NULL, 0};
    return (struct onnx_text){(const char *)rd.data, rd.len};
}

static ward_status input_read(struct onnx_file *file, const struct proto_field *message)
{
    struct onnx_text name = value_name(message);
    struct rd rd;

    if (initializer_find(file, name))
        return WARD_OK; /* old writers list the constants among the inputs */
    if (file->input.len > 0)
        return ward_fail(WARD_ERR_FORMAT, "it has more than one input");
    file->input = name;
    rd_init(&rd, message->data, message->len);
    if (!enter(&rd, VALUE_TYPE) || !enter(&rd, TYPE_TENSOR) || !enter(&rd, TYPE_SHAPE))
        return ward_fail(WARD_ERR_FORMAT, "its input has no shape");
    return shape_read(&rd, file);
}

static ward_status ends_read(struct onnx_file *file, struct rd graph)
{
    struct proto_field field;
    ward_status st = WARD_OK;

    while (!st && proto_next(&graph, &field)) {
        if (is_message(&field, GRAPH_INPUT)) {
            st = input_read(file, &field);
        } else if (is_message(&field, GRAPH_OUTPUT)) {
            if (file->output.len > 0)
                st = ward_fail(WARD_ERR_FORMAT, "it has more than one output");
            file->output = value_name(&field);
        }
    }
    if (!st && (file->input.len == 0 || file->output.len == 0))
        st = ward_fail(WARD_ERR_FORMAT, "it has no input or no output");
    return st;
}

/* ---- the graph and the model ---- */

static ward_status graph_count(struct rd graph, size_t *nodes, size_t *tensors)
{
    struct proto_field field;

    while (proto_next(&graph, &field)) {
        *nodes += is_message(&field, GRAPH_NODE);
        *tensors += is_message(&field, GRAPH_INITIALIZER);
        if (field.number == GRAPH_SPARSE_INITIALIZER)
            return ward_fail(WARD_ERR_FORMAT, "it has sparse constants");
    }
    if (graph.failed)
        return damaged("the graph");
    if (*nodes > ONNX_MAX_NODES || *tensors > ONNX_MAX_TENSORS)
        return ward_fail(WARD_ERR_FORMAT, "it has more than %d nodes or %d constants",
                         ONNX_MAX_NODES, ONNX_MAX_TENSORS);
    return WARD_OK;
}

static ward_status graph_parse(struct onnx_file *file, struct rd graph)
{
    struct rd rd = graph;
    struct proto_field field;
    size_t nodes = 0, tensors = 0;
    ward_status st = graph_count(graph, &nodes, &tensors);

    if (!st)
        st = mem_new(&file->nodes, nodes, sizeof *file->nodes);
    if (!st)
        st = mem_new(&file->tensors, tensors, sizeof *file->tensors);
    while (!st && proto_next(&rd, &field)) {
        if (is_message(&field, GRAPH_NODE))
            st = node_parse(&field, &file->nodes[file->node_count++]);
        else if (is_message(&field, GRAPH_INITIALIZER))
            st = tensor_parse(&field, &file->tensors[file->tensor_count++]);
    }
    return st ? st : ends_read(file, graph);
}

static ward_status opset_check(const struct proto_field *message)
{
    struct onnx_text domain = {NULL, 0};
    struct proto_field field;
    uint64_t version = 0;
    struct rd rd;

    rd_init(&rd, message->data, message->len);
    while (proto_next(&rd, &field)) {
        if (is_message(&field, OPSET_DOMAIN))
            domain = text_of(&field);
        else if (is_number(&field, OPSET_VERSION))
            version = field.value;
    }
    /* Operators of other domains are refused one by one, by name. */
    if (domain.len == 0 && (version < ONNX_OPSET_FIRST || version > ONNX_OPSET_LAST))
        return ward_fail(WARD_ERR_FORMAT, "its operators are not of an opset from %d to %d",
                         ONNX_OPSET_FIRST, ONNX_OPSET_LAST);
    return WARD_OK;
}

/* jansson says NULL both for bad UTF-8 and for want of memory. */
static ward_status note_text(struct onnx_text text, json_t **out)
{
    const char *data = text.data ? text.data : "";
    json_t *string = json_stringn(data, text.len), *unchecked;

    if (string) {
        *out = string;
        return WARD_OK;
    }
    unchecked = json_stringn_nocheck(data, text.len);
    json_decref(unchecked);
    return unchecked ? damaged("metadata is not UTF-8")
                     : ward_fail(WARD_ERR_NOMEM, "out of memory");
}

static ward_status note_read(json_t *notes, const struct proto_field *message)
{
    struct onnx_text key = {NULL, 0}, value = {NULL, 0};
    json_t *name = NULL, *text = NULL;
    struct proto_field field;
    struct rd rd;
    ward_status st;

    rd_init(&rd, message->data, message->len);
    while (proto_next(&rd, &field)) {
        if (is_message(&field, STRING_KEY))
            key = text_of(&field);
        else if (is_message(&field, STRING_VALUE))
            value = text_of(&field);
    }
    st = note_text(key, &name);
    if (!st)
        st = note_text(value, &text);
    if (!st)
        st = json_set(notes, json_string_value(name), text);
    json_decref(name);
    return st;
}

static ward_status model_field(struct onnx_file *file, const struct proto_field *field,
                               struct rd *graph)
{
    if (is_message(field, MODEL_GRAPH)) {
        if (graph->data)
            return damaged("two graphs");
        rd_init(graph, field->data, field->len);
        return WARD_OK;
    }
    if (is_message(field, MODEL_OPSET_IMPORT))
        return opset_check(field);
    if (is_message(field, MODEL_METADATA_PROPS))
        return note_read(file->notes, field);
    if (field->number == MODEL_FUNCTIONS)
        return ward_fail(WARD_ERR_FORMAT, "it defines operators of its own");
    return WARD_OK;
}

ward_status onnx_file_parse(struct onnx_file *file, const uint8_t *data, size_t len)
{
    struct onnx_file made = {.notes = json_object()};
    struct proto_field field;
    struct rd rd, graph;
    ward_status st = made.notes ? WARD_OK : ward_fail(WARD_ERR_NOMEM, "out of memory");

    rd_init(&rd, data, len);
    rd_init(&graph, NULL, 0);
    while (!st && proto_next(&rd, &field))
        st = model_field(&made, &field, &graph);
    if (!st && (rd.failed || !graph.data))
        st = damaged(rd.failed ? "the model" : "no graph");
    if (!st)
        st = graph_parse(&made, graph);
    if (st)
        onnx_file_release(&made);
    else
        *file = made;
    return st;
}

void onnx_file_release(struct onnx_file *file)
{
    mem_free(file->nodes);
    mem_free(file->tensors);
    json_decref(file->notes);
    *file = (struct onnx_file){.notes = NULL};
}
