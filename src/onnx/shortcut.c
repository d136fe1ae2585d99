/*
 * Recognising a shortcut without parameters: ONNX writes it as Slice and Pad, one of each or more.
 */
#include <math.h>
#include <string.h>

#include "onnx/match.h"
#include "onnx/schema.h"

/* What a chain of Slice and Pad does to an image, all in all. */
struct thinning {
    int64_t step[2];             /* of rows, of columns */
    int64_t before[4], after[4]; /* zeros added to each dimension */
};

static ward_status read_slice(const struct match *m, const struct value *v, struct thinning *t)
{
    const struct onnx_node *node = match_node_of(m, v);
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
            return match_refuse(m, node, "every row and column, or every second one, expected");
        if (axis >= 2)
            t->step[axis - 2] *= step;
        if (axis >= 2 && t->step[axis - 2] > 2)
            return match_refuse(m, node, "too much is cut away");
    }
    return st;
}

static ward_status expect_zeros(const struct match *m, const struct value *v)
{
    const struct onnx_node *node = match_node_of(m, v);
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
        st = match_refuse(m, node, "padding with zeros expected");
    return st;
}

/* From opset 18 on they may be named, all of them here. */
static ward_status expect_all_axes(const struct match *m, const struct value *v)
{
    const struct onnx_node *node = match_node_of(m, v);
    struct onnx_text input = onnx_node_input(node, 3);
    struct onnx_ints axes = {.count = 4, .value = {0, 1, 2, 3}};
    ward_status st = input.len > 0 ? onnx_ints(m->file, input, v->node, &axes) : WARD_OK;

    for (size_t i = 0; i < 4 && !st; i++)
        if (axes.count != 4 || axes.value[i] != (int64_t)i)
            st = match_refuse(m, node, "padding of four dimensions in order expected");
    return st;
}

static ward_status read_pad(const struct match *m, const struct value *v, struct thinning *t)
{
    const struct onnx_node *node = match_node_of(m, v);
    struct onnx_ints pads = {.count = 0};
    ward_status st = expect_zeros(m, v);

    if (!st)
        st = expect_all_axes(m, v);
    if (!st)
        st = onnx_ints(m->file, onnx_node_input(node, 1), v->node, &pads);
    if (!st && pads.count != 8)
        st = match_refuse(m, node, "padding of four dimensions expected");
    for (size_t axis = 0; axis < 4 && !st; axis++) {
        if (pads.value[axis] < 0 || pads.value[axis] > INT32_MAX || pads.value[axis + 4] < 0 ||
            pads.value[axis + 4] > INT32_MAX || t->before[axis] > 0 || t->after[axis] > 0)
            return match_refuse(m, node, "padding once, and with more than nothing, expected");
        t->before[axis] = pads.value[axis];
        t->after[axis] = pads.value[axis + 4];
    }
    return st;
}

ward_status match_shortcut(struct match *m, size_t i, const struct value *v)
{
    const struct op_desc *d = &m->graph->nodes[i];
    const struct onnx_node *last = match_node_of(m, v), *node = last;
    size_t old = graph_dims(m->graph, d->input[0]).c, below = (d->out.c - old) / 2;
    struct thinning t = {.step = {1, 1}};
    struct thinning wanted = {.step = {(int64_t)d->stride, (int64_t)d->stride}};
    struct value at = *v;
    ward_status st = WARD_OK;

    wanted.before[1] = (int64_t)below;
    wanted.after[1] = (int64_t)(d->out.c - old - below);
    while (!st && node && (onnx_text_is(node->op, "Slice") || onnx_text_is(node->op, "Pad"))) {
        st = onnx_text_is(node->op, "Pad") ? read_pad(m, &at, &t) : read_slice(m, &at, &t);
        if (!st)
            st = match_value_find(m, onnx_node_input(node, 0), at.node, false, &at);
        node = match_node_of(m, &at);
    }
    if (st)
        return st;
    if (memcmp(&t, &wanted, sizeof t) != 0)
        return last ? match_refuse(m, last, "a shortcut without parameters (Slice, Pad) expected")
                    : match_expect_op(m, v, "Slice");
    return match_value_set(m, d->input[0], &at);
}
