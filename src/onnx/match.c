/*
 * Recognising one of our networks in a file. Which one it must be follows from the number of its
 * convolutions; then its graph is walked from the logits back to the input, and with it the file's
 * nodes. Going back, there is nothing to choose: every value is given by one node.
 *
 * What changes nothing is passed over: Identity, Dropout, and before a dense layer whatever only
 * reshapes, for that layer fixes the order of the values.
 */
#include "onnx/match.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "onnx/onnx.h"

/* All that a network of ours may consist of, with what exporters put around it. */
static const char *const known_ops[] = {"Conv",
                                        "BatchNormalization",
                                        "Relu",
                                        "MaxPool",
                                        "GlobalAveragePool",
                                        "AveragePool",
                                        "ReduceMean",
                                        "Gemm",
                                        "Add",
                                        "Slice",
                                        "Pad",
                                        "Dropout",
                                        "Identity",
                                        "Flatten",
                                        "Reshape",
                                        "Squeeze",
                                        "Constant",
                                        "ConstantOfShape",
                                        "Concat",
                                        "Transpose",
                                        "Cast",
                                        "Shape",
                                        "Gather",
                                        "Unsqueeze"};

static const char *const passed_over[] = {"Identity", "Dropout", NULL};
static const char *const reshaping[] = {"Identity", "Dropout", "Flatten",
                                        "Reshape",  "Squeeze", NULL};

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

const struct onnx_node *match_node_of(const struct match *m, const struct value *v)
{
    return v->node == ONNX_NO_NODE ? NULL : &m->file->nodes[v->node];
}

static bool is_one_of(struct onnx_text op, const char *const *ops)
{
    while (*ops && !onnx_text_is(op, *ops))
        ops++;
    return *ops;
}

ward_status match_value_find(const struct match *m, struct onnx_text name, size_t limit,
                             bool may_reshape, struct value *out)
{
    const char *const *skipped = may_reshape ? reshaping : passed_over;
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

ward_status match_value_set(struct match *m, int i, const struct value *v)
{
    char a[ONNX_SHOWN], b[ONNX_SHOWN];

    if (m->values[i].name.len > 0 &&
        (m->values[i].node != v->node || !onnx_text_equal(m->values[i].name, v->name)))
        return ward_fail(WARD_ERR_FORMAT, "'%s' and '%s' would be one value in %s",
                         onnx_text_show(m->values[i].name, a), onnx_text_show(v->name, b),
                         m->spec->arch);
    m->values[i] = *v;
    return WARD_OK;
}

ward_status match_input_set(struct match *m, size_t i, size_t k, const struct value *at,
                            size_t which)
{
    int from = m->graph->nodes[i].input[k];
    bool is_dense = m->graph->nodes[i].kind == OP_DENSE;
    struct value v;
    ward_status st =
        match_value_find(m, onnx_node_input(match_node_of(m, at), which), at->node, is_dense, &v);

    return st ? st : match_value_set(m, from, &v);
}

ward_status match_refuse(const struct match *m, const struct onnx_node *node, const char *fault)
{
    char name[ONNX_SHOWN], op[ONNX_SHOWN];

    return ward_fail(WARD_ERR_FORMAT, "node '%s' (%s) is not that of %s: %s",
                     onnx_text_show(node->name, name), onnx_text_show(node->op, op), m->spec->arch,
                     fault);
}

ward_status match_expect_op(const struct match *m, const struct value *v, const char *op)
{
    const struct onnx_node *node = match_node_of(m, v);
    char fault[64];

    snprintf(fault, sizeof fault, "%s expected", op);
    if (!node)
        return ward_fail(WARD_ERR_FORMAT, "the input stands where %s has %s", m->spec->arch, op);
    return onnx_text_is(node->op, op) ? WARD_OK : match_refuse(m, node, fault);
}

ward_status match_expect_ints(const struct match *m, const struct onnx_node *node, const char *name,
                              size_t count, size_t wanted, bool is_needed)
{
    struct onnx_ints ints = {.count = 0};
    char fault[64];
    ward_status st = onnx_attribute_ints(node, name, &ints);

    snprintf(fault, sizeof fault, "%s of %zu expected", name, wanted);
    if (st || (ints.count == 0 && !is_needed))
        return st;
    for (size_t i = 0; i < ints.count; i++)
        if (ints.value[i] != (int64_t)wanted)
            return match_refuse(m, node, fault);
    return ints.count == count ? WARD_OK : match_refuse(m, node, fault);
}

ward_status match_expect_int(const struct match *m, const struct onnx_node *node, const char *name,
                             int64_t standard, int64_t wanted)
{
    int64_t value = standard;
    char fault[64];
    ward_status st = onnx_attribute_int(node, name, &value);

    snprintf(fault, sizeof fault, "%s of %" PRId64 " expected", name, wanted);
    return st || value == wanted ? st : match_refuse(m, node, fault);
}

/* ---- nodes ---- */

/* The sum of a batch norm, written or folded, and a shortcut, in either order. */
static ward_status match_add(struct match *m, size_t i, const struct value *v)
{
    static const char *const norms[] = {"BatchNormalization", "Conv", NULL};
    struct value first;
    size_t norm = 0;
    ward_status st = match_expect_op(m, v, "Add");

    if (!st)
        st = match_value_find(m, onnx_node_input(match_node_of(m, v), 0), v->node, false, &first);
    if (st)
        return st;
    if (!match_node_of(m, &first) || !is_one_of(match_node_of(m, &first)->op, norms))
        norm = 1;
    st = match_input_set(m, i, 0, v, norm);
    return st ? st : match_input_set(m, i, 1, v, 1 - norm);
}

static ward_status match_input(const struct match *m, const struct value *v)
{
    const struct onnx_node *node = match_node_of(m, v);

    return node ? match_refuse(m, node, "the input expected") : WARD_OK;
}

static ward_status match_node(struct match *m, size_t i)
{
    const struct op_desc *d = &m->graph->nodes[i];
    const struct value v = m->values[i];
    ward_status st;

    switch (d->kind) {
    case OP_INPUT: return match_input(m, &v);
    case OP_DROPOUT: return match_value_set(m, d->input[0], &v);
    case OP_CONV: return match_conv(m, i, &v);
    case OP_BATCH_NORM: return match_batch_norm(m, i, &v);
    case OP_MAX_POOL: return match_max_pool(m, i, &v);
    case OP_GLOBAL_AVG_POOL: return match_global_pool(m, i, &v);
    case OP_DENSE: return match_dense(m, i, &v);
    case OP_ADD: return match_add(m, i, &v);
    case OP_SHORTCUT: return match_shortcut(m, i, &v);
    default:
        st = match_expect_op(m, &v, op_kind_name(d->kind));
        return st ? st : match_input_set(m, i, 0, &v, 0);
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
    *out = (struct net_spec){.channels = file->channels,
                             .height = file->height,
                             .width = file->width,
                             .classes = classes};
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
        st = match_value_find(&any, file->output, file->node_count, false, &logits);
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
