/*
 * The small calculations with whole numbers that exporters leave in a file. PyTorch writes the
 * amounts of a Pad as they come (last dimension first) and lets the model turn them around:
 * ConstantOfShape, Concat, Reshape, Slice, Transpose, Reshape, Cast.
 */
#include <string.h>

#include "base/util.h"
#include "onnx/file.h"
#include "onnx/schema.h"

/* Values may be used more than once, so a row of nodes can ask for exponential work. */
enum { MAX_STEPS = 128 };

struct eval {
    const struct onnx_file *file;
    size_t steps;
};

static ward_status eval(struct eval *e, struct onnx_text value, size_t limit,
                        struct onnx_ints *out);

static ward_status refuse(const struct onnx_node *node, const char *why)
{
    char name[ONNX_SHOWN], op[ONNX_SHOWN];

    return ward_fail(WARD_ERR_FORMAT, "node '%s' (%s): %s", onnx_text_show(node->name, name),
                     onnx_text_show(node->op, op), why);
}

static ward_status from_tensor(const struct onnx_tensor *t, struct onnx_ints *out)
{
    struct onnx_ints ints = {.shape = t->shape};
    struct rd rd;

    rd_init(&rd, t->data, t->len);
    if (t->type != DATA_TYPE_INT64 || t->shape.rank > 2)
        return ward_fail(WARD_ERR_FORMAT, "a constant is not of whole numbers (int64)");
    while (rd_left(&rd) > 0 && !rd.failed && ints.count < ONNX_MAX_INTS)
        ints.value[ints.count++] = (int64_t)(t->is_packed ? proto_varint(&rd) : rd_u64le(&rd));
    if (rd.failed || rd_left(&rd) > 0 || t->shape.dim[0] > ONNX_MAX_INTS ||
        t->shape.dim[1] > ONNX_MAX_INTS || shape_count(&t->shape) != ints.count)
        return ward_fail(WARD_ERR_FORMAT, "a constant has another number of values than its shape");
    *out = ints;
    return WARD_OK;
}

/* The i-th input of node `at`. */
static ward_status input(struct eval *e, size_t at, size_t i, struct onnx_ints *out)
{
    return eval(e, onnx_node_input(&e->file->nodes[at], i), at, out);
}

static ward_status constant_of_shape(struct eval *e, size_t at, struct onnx_ints *out)
{
    const struct onnx_node *node = &e->file->nodes[at];
    struct onnx_ints shape = {.count = 0}, value = {.count = 0};
    struct onnx_tensor tensor;
    ward_status st = input(e, at, 0, &shape);

    if (!st)
        st = onnx_attribute_tensor(node, "value", &tensor);
    if (!st)
        st = from_tensor(&tensor, &value);
    if (st)
        return st;
    if (shape.count != 1 || value.count != 1 || shape.value[0] < 0 ||
        shape.value[0] > ONNX_MAX_INTS)
        return refuse(node, "not a short list of one number");
    *out = (struct onnx_ints){.count = (size_t)shape.value[0]};
    out->shape = shape_make(1, out->count, 1, 1, 1);
    for (size_t i = 0; i < out->count; i++)
        out->value[i] = value.value[0];
    return WARD_OK;
}

static ward_status concat(struct eval *e, size_t at, struct onnx_ints *out)
{
    const struct onnx_node *node = &e->file->nodes[at];
    struct onnx_ints all = {.count = 0}, part = {.count = 0};
    int64_t axis = 0;
    ward_status st = onnx_attribute_int(node, "axis", &axis);

    if (!st && axis != 0 && axis != -1)
        st = refuse(node, "not along the only dimension");
    for (size_t i = 0; !st && onnx_node_input(node, i).len > 0; i++) {
        st = input(e, at, i, &part);
        if (st)
            break;
        if (part.shape.rank != 1 || all.count + part.count > ONNX_MAX_INTS)
            return refuse(node, "not of short lists");
        memcpy(all.value + all.count, part.value, part.count * sizeof part.value[0]);
        all.count += part.count;
    }
    if (st)
        return st;
    all.shape = shape_make(1, all.count, 1, 1, 1);
    *out = all;
    return WARD_OK;
}

/* To a list, or to a table; one length may be left to follow from the others. */
static ward_status reshape(struct eval *e, size_t at, struct onnx_ints *out)
{
    const struct onnx_node *node = &e->file->nodes[at];
    struct onnx_ints data = {.count = 0}, to = {.count = 0};
    size_t known = 1;
    ward_status st = input(e, at, 0, &data);

    if (!st)
        st = input(e, at, 1, &to);
    if (st)
        return st;
    data.shape = shape_make((unsigned)min_size(to.count, 2), 1, 1, 1, 1);
    for (size_t i = 0; i < data.shape.rank; i++)
        if (to.value[i] > 0 && to.value[i] <= ONNX_MAX_INTS)
            known *= (size_t)to.value[i];
    for (size_t i = 0; i < data.shape.rank; i++)
        data.shape.dim[i] = to.value[i] == -1 ? data.count / known : (size_t)to.value[i];
    if (to.count < 1 || to.count > 2 || data.shape.dim[0] > ONNX_MAX_INTS ||
        data.shape.dim[1] > ONNX_MAX_INTS || shape_count(&data.shape) != data.count)
        return refuse(node, "not to a list or a table");
    *out = data;
    return WARD_OK;
}

/* An index counted from the end if negative, and brought within [low, high]. */
static int64_t index_within(int64_t i, int64_t count, int64_t low, int64_t high)
{
    if (i < 0)
        i = i < -count ? low : i + count;
    return i < low ? low : i > high ? high : i;
}

/* Of the rows of data: start, end and step as in Python. */
static void slice_rows(struct onnx_ints *data, int64_t start, int64_t end, int64_t step)
{
    int64_t rows = (int64_t)data->shape.dim[0];
    size_t len = rows ? data->count / (size_t)rows : 0;
    struct onnx_ints kept = {.shape = data->shape};

    start = index_within(start, rows, 0, step > 0 ? rows : rows - 1);
    end = index_within(end, rows, step > 0 ? 0 : -1, rows);
    kept.shape.dim[0] = 0;
    for (int64_t row = start; step > 0 ? row < end : row > end; row += step) {
        memcpy(kept.value + kept.count, data->value + (size_t)row * len,
               len * sizeof data->value[0]);
        kept.count += len;
        kept.shape.dim[0]++;
    }
    *data = kept;
}

static ward_status slice(struct eval *e, size_t at, struct onnx_ints *out)
{
    const struct onnx_node *node = &e->file->nodes[at];
    struct onnx_ints data = {.count = 0}, arguments[4];
    ward_status st = input(e, at, 0, &data);

    for (size_t i = 0; i < 4 && !st; i++) {
        st = input(e, at, i + 1, &arguments[i]);
        if (!st && arguments[i].count != 1)
            st = refuse(node, "not along one dimension");
    }
    if (st)
        return st;
    if (data.shape.rank < 1 || arguments[2].value[0] != 0 || arguments[3].value[0] == 0 ||
        arguments[3].value[0] < -ONNX_MAX_INTS || arguments[3].value[0] > ONNX_MAX_INTS)
        return refuse(node, "not of rows");
    slice_rows(&data, arguments[0].value[0], arguments[1].value[0], arguments[3].value[0]);
    *out = data;
    return WARD_OK;
}

static ward_status transpose(struct eval *e, size_t at, struct onnx_ints *out)
{
    const struct onnx_node *node = &e->file->nodes[at];
    struct onnx_ints data = {.count = 0}, turned;
    struct onnx_ints order = {.count = 2, .value = {1, 0}};
    ward_status st = input(e, at, 0, &data);

    if (!st)
        st = onnx_attribute_ints(node, "perm", &order);
    if (st)
        return st;
    if (data.shape.rank != 2 || order.count != 2 || order.value[0] != 1 || order.value[1] != 0)
        return refuse(node, "not of rows and columns");
    turned = data;
    turned.shape.dim[0] = data.shape.dim[1];
    turned.shape.dim[1] = data.shape.dim[0];
    for (size_t i = 0; i < data.shape.dim[0]; i++)
        for (size_t j = 0; j < data.shape.dim[1]; j++)
            turned.value[j * data.shape.dim[0] + i] = data.value[i * data.shape.dim[1] + j];
    *out = turned;
    return WARD_OK;
}

static ward_status same(struct eval *e, size_t at, struct onnx_ints *out)
{
    return input(e, at, 0, out);
}

static ward_status eval(struct eval *e, struct onnx_text value, size_t limit, struct onnx_ints *out)
{
    static const struct {
        const char *op;
        ward_status (*apply)(struct eval *e, size_t at, struct onnx_ints *out);
    } ops[] = {
        {"Cast", same},          {"Identity", same},   {"ConstantOfShape", constant_of_shape},
        {"Concat", concat},      {"Reshape", reshape}, {"Slice", slice},
        {"Transpose", transpose}};
    size_t at = onnx_producer(e->file, value, limit);
    struct onnx_tensor tensor;
    ward_status st;

    if (e->steps++ == MAX_STEPS)
        return ward_fail(WARD_ERR_FORMAT, "a calculation of more than %d steps", MAX_STEPS);
    for (size_t i = 0; at != ONNX_NO_NODE && i < sizeof ops / sizeof ops[0]; i++)
        if (onnx_text_is(e->file->nodes[at].op, ops[i].op))
            return ops[i].apply(e, at, out);
    if (at != ONNX_NO_NODE && !onnx_text_is(e->file->nodes[at].op, "Constant"))
        return refuse(&e->file->nodes[at], "not understood in a calculation of whole numbers");
    st = onnx_constant(e->file, value, limit, &tensor);
    return st ? st : from_tensor(&tensor, out);
}

ward_status onnx_ints(const struct onnx_file *file, struct onnx_text value, size_t limit,
                      struct onnx_ints *out)
{
    struct eval e = {.file = file};

    return eval(&e, value, limit, out);
}
