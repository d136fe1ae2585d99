/*
 * The device "ref": walks the nodes forwards, then backwards. Every node keeps its value and its
 * gradient in buffers of their own; nothing is fused, reused or reordered.
 */
#include "base/mem.h"
#include "compute/backend.h"
#include "compute/ref/ref.h"

static const struct {
    ref_function *forward, *backward;
} functions[OP_KIND_COUNT] = {
    [OP_CONV] = {ref_conv_forward, ref_conv_backward},
    [OP_BATCH_NORM] = {ref_batch_norm_forward, ref_batch_norm_backward},
    [OP_RELU] = {ref_relu_forward, ref_relu_backward},
    [OP_LEAKY_RELU] = {ref_leaky_relu_forward, ref_relu_backward},
    [OP_TANH] = {ref_tanh_forward, ref_tanh_backward},
    [OP_SOFTPLUS] = {ref_softplus_forward, ref_softplus_backward},
    [OP_CLAMP] = {ref_clamp_forward, ref_clamp_backward},
    [OP_MAX_POOL] = {ref_max_pool_forward, ref_max_pool_backward},
    [OP_GLOBAL_AVG_POOL] = {ref_global_avg_pool_forward, ref_global_avg_pool_backward},
    [OP_DENSE] = {ref_dense_forward, ref_dense_backward},
    [OP_DROPOUT] = {ref_dropout_forward, ref_dropout_backward},
    [OP_ADD] = {ref_add_forward, ref_add_backward},
    [OP_SHORTCUT] = {ref_shortcut_forward, ref_shortcut_backward},
    [OP_SCALE] = {ref_scale_forward, ref_scale_backward},
    [OP_SCALE_SHIFT] = {ref_scale_shift_forward, ref_scale_shift_backward},
    [OP_CONCAT] = {ref_concat_forward, ref_concat_backward},
    [OP_SPACE_TO_DEPTH] = {ref_space_to_depth_forward, ref_space_to_depth_backward},
    [OP_DEPTH_TO_SPACE] = {ref_depth_to_space_forward, ref_depth_to_space_backward},
    [OP_PERMUTE] = {ref_permute_forward, ref_permute_backward},
    [OP_MULTIPLY] = {ref_multiply_forward, ref_multiply_backward},
    [OP_HADAMARD] = {ref_hadamard_forward, ref_hadamard_backward},
    [OP_CROSS_ENTROPY] = {ref_cross_entropy_forward, ref_cross_entropy_backward},
    [OP_TRUE_PROBABILITY] = {ref_true_probability_forward, ref_true_probability_backward},
    [OP_KL_UNIFORM] = {ref_kl_uniform_forward, ref_kl_uniform_backward},
    [OP_INFOMAX] = {ref_infomax_forward, ref_infomax_backward},
    [OP_SOFT_CROSS_ENTROPY] = {ref_soft_cross_entropy_forward, ref_soft_cross_entropy_backward},
    [OP_SQUARED_DISTANCE] = {ref_squared_distance_forward, ref_squared_distance_backward},
};

struct ref_value {
    float *data;      /* NULL for labels */
    float *gradient;  /* NULL where none is needed */
    float *mask;      /* dropout only */
    int32_t *labels;  /* labels only */
    double *log_mean; /* infomax only, [classes] */
    size_t count, classes;
};

struct ref_param {
    float *value, *gradient, *velocity; /* the last two NULL if it takes no gradient */
    size_t count;
    size_t updates; /* of a running mean, and of the variance with it */
};

struct ref_plan {
    struct plan base;
    struct ref_value *values; /* by node number */
    struct ref_param *params;
    size_t value_count, param_count;
    bool is_secret;
};

/* ---- memory ---- */

static void free_words(const struct ref_plan *plan, void *words, size_t count)
{
    if (words && plan->is_secret)
        mem_wipe(words, count * 4); /* a float as well as an int32_t */
    mem_free(words);
}

static void ref_free(struct plan *base)
{
    struct ref_plan *plan = (struct ref_plan *)base;

    for (size_t i = 0; plan->values && i < plan->value_count; i++) {
        struct ref_value *v = &plan->values[i];

        free_words(plan, v->data, v->count);
        free_words(plan, v->gradient, v->count);
        free_words(plan, v->mask, v->count);
        free_words(plan, v->labels, v->count);
        free_words(plan, v->log_mean, 2 * v->classes);
    }
    for (size_t i = 0; plan->params && i < plan->param_count; i++) {
        struct ref_param *p = &plan->params[i];

        free_words(plan, p->value, p->count);
        free_words(plan, p->gradient, p->count);
        free_words(plan, p->velocity, p->count);
    }
    mem_free(plan->values);
    mem_free(plan->params);
    mem_free(plan);
}

/* ---- compilation ---- */

static ward_status value_init(struct ref_value *v, const struct op_desc *d, bool has_gradient)
{
    ward_status st;

    v->count = dims_count(d->out);
    if (d->kind == OP_LABELS)
        return mem_new(&v->labels, v->count, sizeof *v->labels);
    st = mem_new(&v->data, v->count, sizeof *v->data);
    if (!st && has_gradient)
        st = mem_new(&v->gradient, v->count, sizeof *v->gradient);
    if (!st && d->kind == OP_DROPOUT)
        st = mem_new(&v->mask, v->count, sizeof *v->mask);
    if (!st && d->kind == OP_INFOMAX)
        st = mem_new(&v->log_mean, v->classes, sizeof *v->log_mean);
    return st;
}

static ward_status param_init(struct ref_param *p, const struct graph_param *param,
                              bool has_gradient)
{
    ward_status st;

    p->count = shape_count(&param->shape);
    st = mem_new(&p->value, p->count, sizeof *p->value);
    if (!st && has_gradient)
        st = mem_new(&p->gradient, p->count, sizeof *p->gradient);
    if (!st && has_gradient)
        st = mem_new(&p->velocity, p->count, sizeof *p->velocity);
    return st;
}

static ward_status init_all(struct ref_plan *plan, const struct graph *graph,
                            const struct plan_options *options, const bool *needs)
{
    ward_status st;

    st = mem_new(&plan->values, graph->node_count, sizeof *plan->values);
    if (st)
        return st;
    plan->value_count = graph->node_count;
    st = mem_new(&plan->params, graph->param_count, sizeof *plan->params);
    if (st)
        return st;
    plan->param_count = graph->param_count;

    for (size_t i = 0; i < graph->node_count && !st; i++) {
        const struct op_desc *d = &graph->nodes[i];
        bool is_asked = d->kind == OP_INPUT && (options->gradients & PLAN_GRAD_INPUTS);

        plan->values[i].classes = graph_dims(graph, d->input[0]).c;
        st = value_init(&plan->values[i], d, needs[i] || is_asked);
    }
    for (size_t i = 0; i < graph->param_count && !st; i++)
        st = param_init(&plan->params[i], &graph->params[i],
                        graph->params[i].is_trainable && (options->gradients & PLAN_GRAD_PARAMS));
    return st;
}

static const struct plan_ops ref_ops;

static ward_status ref_compile(struct plan **out, void *state, const struct graph *graph,
                               const struct plan_options *options)
{
    struct ref_plan *plan = NULL;
    bool *needs = NULL;
    ward_status st;

    (void)state;
    st = graph_needs_gradient(graph, options, &needs);
    if (st)
        goto done;
    st = mem_new(&plan, 1, sizeof *plan);
    if (st)
        goto done;
    plan->base.ops = &ref_ops;
    plan->is_secret = options->is_secret;
    st = init_all(plan, graph, options, needs);
    if (st)
        goto done;
    *out = &plan->base;
    plan = NULL;
done:
    if (plan)
        ref_free(&plan->base);
    mem_free(needs);
    return st;
}

/* ---- runs ---- */

static void add_operands(struct ref_op *op, const struct ref_plan *plan)
{
    for (int i = 0; i < OP_MAX_INPUTS; i++) {
        int from = op->desc->input[i];

        if (from < 0)
            continue;
        op->in[i] = graph_dims(plan->base.graph, from);
        op->x[i] = plan->values[from].data;
        op->dx[i] = plan->values[from].gradient;
        if (plan->values[from].labels)
            op->labels = plan->values[from].labels;
    }
}

static void add_params(struct ref_op *op, const struct ref_plan *plan)
{
    for (int i = 0; i < OP_MAX_PARAMS; i++) {
        struct ref_param *p;

        if (op->desc->param[i] < 0)
            continue;
        p = &plan->params[op->desc->param[i]];
        op->param[i] = p->value;
        op->dparam[i] = p->gradient;
        if (plan->base.graph->params[op->desc->param[i]].role == PARAM_RUNNING_MEAN)
            op->updates = &p->updates;
    }
}

static struct ref_op op_of(const struct ref_plan *plan, size_t node)
{
    const struct ref_value *v = &plan->values[node];
    const struct op_desc *desc = &plan->base.graph->nodes[node];
    struct ref_op op = {
        .desc = desc,
        .y = v->data,
        .dy = op_is_loss(desc->kind) ? &plan->base.weights[node] : v->gradient,
        .mask = v->mask,
        .log_mean = v->log_mean,
        .bn = plan->base.options.bn,
        .has_dropout = plan->base.options.has_dropout,
        .seed = plan->base.seed,
        .step = plan->base.step,
        .node = (int)node,
    };

    add_operands(&op, plan);
    add_params(&op, plan);
    return op;
}

static ward_status ref_forward(struct plan *base)
{
    struct ref_plan *plan = (struct ref_plan *)base;

    for (size_t i = 0; i < plan->value_count; i++) {
        struct ref_op op = op_of(plan, i);
        double begin = plan_clock(base);

        if (functions[op.desc->kind].forward)
            functions[op.desc->kind].forward(&op);
        plan_count_forward(base, i, begin);
    }
    return WARD_OK;
}

static ward_status ref_backward(struct plan *base)
{
    struct ref_plan *plan = (struct ref_plan *)base;

    for (size_t i = 0; i < plan->value_count; i++)
        if (plan->values[i].gradient)
            memset(plan->values[i].gradient, 0, plan->values[i].count * sizeof(float));
    for (size_t i = 0; i < plan->param_count; i++)
        if (plan->params[i].gradient)
            memset(plan->params[i].gradient, 0, plan->params[i].count * sizeof(float));
    for (size_t i = plan->value_count; i-- > 0;) {
        struct ref_op op = op_of(plan, i);
        double begin = plan_clock(base);

        if (plan->values[i].gradient && functions[op.desc->kind].backward)
            functions[op.desc->kind].backward(&op);
        plan_count_backward(base, i, begin);
    }
    return WARD_OK;
}

/* ---- access ---- */

static float *ref_input(struct plan *base, int node)
{
    return ((struct ref_plan *)base)->values[node].data;
}

static int32_t *ref_labels(struct plan *base, int node)
{
    return ((struct ref_plan *)base)->values[node].labels;
}

static const float *ref_output(struct plan *base, int node)
{
    return ((struct ref_plan *)base)->values[node].data;
}

static const float *ref_input_gradient(struct plan *base, int node)
{
    return ((struct ref_plan *)base)->values[node].gradient;
}

static float *part_of(const struct ref_param *p, enum plan_part which)
{
    switch (which) {
    case PLAN_VALUE: return p->value;
    case PLAN_GRADIENT: return p->gradient;
    case PLAN_VELOCITY: break;
    }
    return p->velocity;
}

static ward_status ref_load(struct plan *base, size_t i, enum plan_part which, const float *plain)
{
    const struct ref_param *p = &((struct ref_plan *)base)->params[i];

    memcpy(part_of(p, which), plain, p->count * sizeof(float));
    return WARD_OK;
}

static ward_status ref_store(struct plan *base, size_t i, enum plan_part which, float *plain)
{
    const struct ref_param *p = &((struct ref_plan *)base)->params[i];

    memcpy(plain, part_of(p, which), p->count * sizeof(float));
    return WARD_OK;
}

static struct plan_packed ref_packed(struct plan *base, size_t i)
{
    const struct ref_param *p = &((struct ref_plan *)base)->params[i];

    return (struct plan_packed){p->value, p->gradient, p->velocity, p->count};
}

static void ref_describe(const struct plan *base, plan_visit *visit, void *context)
{
    for (size_t i = 0; i < base->graph->node_count; i++) {
        struct plan_step step =
            plan_step_of(base, i, op_kind_name(base->graph->nodes[i].kind), "plain C");

        visit(context, &step);
    }
}

static const struct plan_ops ref_ops = {
    .free = ref_free,
    .input = ref_input,
    .labels = ref_labels,
    .forward = ref_forward,
    .backward = ref_backward,
    .output = ref_output,
    .input_gradient = ref_input_gradient,
    .load = ref_load,
    .store = ref_store,
    .packed = ref_packed,
    .describe = ref_describe,
};

static ward_status ref_open(void **state)
{
    *state = NULL;
    return WARD_OK;
}

static void ref_close(void *state)
{
    (void)state;
}

static const char *ref_summary(void *state)
{
    (void)state;
    return "plain C loops, sums in double, one thread";
}

const struct backend backend_ref = {
    .name = "ref",
    .open = ref_open,
    .close = ref_close,
    .compile = ref_compile,
    .describe = ref_summary,
};
