/* What is the same for all backends: checks of what the caller asks for, then the backend. */
#include "compute/plan.h"

#include <assert.h>
#include <math.h>

#include "base/mem.h"
#include "base/util.h"
#include "compute/backend.h"
#include "compute/device.h"

/* ---- compilation ---- */

static bool has_loss(const struct graph *graph)
{
    for (size_t i = 0; i < graph->node_count; i++)
        if (op_is_loss(graph->nodes[i].kind))
            return true;
    return false;
}

/* The unbiased variance of one value does not exist. */
static ward_status check_batch_norm(const struct graph *graph, enum bn_mode mode)
{
    for (size_t i = 0; i < graph->node_count && mode != BN_RUNNING; i++) {
        struct dims d = graph->nodes[i].out;

        if (graph->nodes[i].kind == OP_BATCH_NORM && d.n * d.h * d.w < 2)
            return ward_fail(WARD_ERR_ARG,
                             "batch norm by the batch needs more than one value a channel");
    }
    return WARD_OK;
}

static ward_status check_options(const struct graph *graph, const struct plan_options *options)
{
    assert(options->output_count <= PLAN_MAX_OUTPUTS);
    for (size_t i = 0; i < options->output_count; i++) {
        int node = options->outputs[i];

        assert(node >= 0 && (size_t)node < graph->node_count);
        assert(graph->nodes[node].kind != OP_INPUT && graph->nodes[node].kind != OP_LABELS);
        (void)node;
    }
    if (options->gradients && !has_loss(graph))
        return ward_fail(WARD_ERR_ARG, "gradients are asked for, but the graph has no loss");
    return check_batch_norm(graph, options->bn);
}

/* Needs the plan's graph and options. */
static ward_status count_flops(struct plan *plan)
{
    const struct graph *graph = plan->graph;
    bool *needs = NULL;
    ward_status st;

    st = mem_new(&plan->flops, graph->node_count, sizeof *plan->flops);
    if (!st)
        st = graph_needs_gradient(graph, &plan->options, &needs);
    for (size_t i = 0; i < graph->node_count && !st; i++) {
        const struct op_desc *d = &graph->nodes[i];
        double flops = 2 * graph_node_macs(graph, i);
        bool has_input = d->input[0] >= 0 && needs[d->input[0]];
        bool has_weights = d->param[0] >= 0 && graph->params[d->param[0]].is_trainable &&
                           (plan->options.gradients & PLAN_GRAD_PARAMS);

        plan->flops[i].forward = flops;
        plan->flops[i].backward = needs[i] ? flops * (has_input + has_weights) : 0;
    }
    mem_free(needs);
    return st;
}

ward_status plan_compile(struct plan **out, struct ward_device *device, const struct graph *graph,
                         const struct plan_options *options)
{
    struct plan *plan = NULL;
    float *weights = NULL;
    ward_status st;

    st = graph_finish(graph);
    if (st)
        goto done;
    st = check_options(graph, options);
    if (st)
        goto done;
    st = mem_new(&weights, graph->node_count, sizeof *weights);
    if (st)
        goto done;
    st = device->backend->compile(&plan, device->state, graph, options);
    if (st)
        goto done;

    for (size_t i = 0; i < graph->node_count; i++)
        weights[i] = graph->nodes[i].weight;
    plan->graph = graph;
    plan->options = *options;
    plan->weights = weights;
    weights = NULL;
    st = count_flops(plan);
    if (st)
        goto done;
    *out = plan;
    plan = NULL;
done:
    mem_free(weights);
    plan_free(plan);
    return st;
}

void plan_free(struct plan *plan)
{
    if (!plan)
        return;
    mem_free(plan->weights);
    mem_free(plan->flops);
    mem_free(plan->seconds);
    plan->ops->free(plan);
}

const struct graph *plan_graph(const struct plan *plan)
{
    return plan->graph;
}

static bool wants_gradient(const struct graph *graph, const struct op_desc *d, unsigned gradients)
{
    if (d->kind == OP_INPUT)
        return gradients & PLAN_GRAD_INPUTS;
    for (int i = 0; i < OP_MAX_PARAMS && (gradients & PLAN_GRAD_PARAMS); i++)
        if (d->param[i] >= 0 && graph->params[d->param[i]].is_trainable)
            return true;
    return false;
}

ward_status graph_needs_gradient(const struct graph *graph, const struct plan_options *options,
                                 bool **out)
{
    bool *needs = NULL, *reaches = NULL; /* something wanted at or before; a loss at or behind */
    ward_status st;

    st = mem_new(&needs, graph->node_count, sizeof *needs);
    if (st)
        goto done;
    st = mem_new(&reaches, graph->node_count, sizeof *reaches);
    if (st)
        goto done;

    for (size_t i = graph->node_count; i-- > 0;) {
        const struct op_desc *d = &graph->nodes[i];

        reaches[i] = reaches[i] || op_is_loss(d->kind);
        for (int j = 0; j < OP_MAX_INPUTS; j++)
            if (d->input[j] >= 0 && reaches[i])
                reaches[d->input[j]] = true;
    }
    for (size_t i = 0; i < graph->node_count; i++) {
        const struct op_desc *d = &graph->nodes[i];

        needs[i] = wants_gradient(graph, d, options->gradients);
        for (int j = 0; j < OP_MAX_INPUTS; j++)
            needs[i] = needs[i] || (d->input[j] >= 0 && needs[d->input[j]]);
        needs[i] = needs[i] && reaches[i];
    }
    *out = needs;
    needs = NULL;
done:
    mem_free(needs);
    mem_free(reaches);
    return st;
}

/* ---- use ---- */

static const struct op_desc *node_of(const struct plan *plan, int node)
{
    assert(node >= 0 && (size_t)node < plan->graph->node_count);
    return &plan->graph->nodes[node];
}

float *plan_input(struct plan *plan, int node)
{
    assert(node_of(plan, node)->kind == OP_INPUT);
    return plan->ops->input(plan, node);
}

int32_t *plan_labels(struct plan *plan, int node)
{
    assert(node_of(plan, node)->kind == OP_LABELS);
    return plan->ops->labels(plan, node);
}

void plan_set_step(struct plan *plan, uint64_t seed, uint64_t step)
{
    plan->seed = seed;
    plan->step = step;
}

void plan_set_weight(struct plan *plan, int loss, float weight)
{
    assert(op_is_loss(node_of(plan, loss)->kind) && isfinite(weight));
    plan->weights[loss] = weight;
}

/* Labels come from files; one out of range would read and write beyond the logits. */
static ward_status check_labels(struct plan *plan)
{
    for (size_t i = 0; i < plan->graph->node_count; i++) {
        const struct op_desc *d = &plan->graph->nodes[i];
        size_t k;
        const int32_t *labels;

        if (!op_has_labels(d->kind))
            continue;
        k = graph_dims(plan->graph, d->input[0]).c;
        labels = plan_labels(plan, d->input[1]);
        for (size_t row = 0; row < d->rows; row++)
            if (labels[row] < 0 || (size_t)labels[row] >= k)
                return ward_fail(WARD_ERR_ARG, "label %ld in row %zu is not in [0, %zu)",
                                 (long)labels[row], row, k);
    }
    return WARD_OK;
}

ward_status plan_forward(struct plan *plan)
{
    ward_status st = check_labels(plan);

    if (!st)
        st = plan->ops->forward(plan);
    plan->has_run = plan->can_go_back = !st;
    return st;
}

ward_status plan_backward(struct plan *plan)
{
    assert(plan->can_go_back && plan->options.gradients);
    plan->can_go_back = false;
    return plan->ops->backward(plan);
}

const float *plan_output(struct plan *plan, int node)
{
    bool is_kept = op_is_loss(node_of(plan, node)->kind);

    for (size_t i = 0; i < plan->options.output_count; i++)
        is_kept = is_kept || plan->options.outputs[i] == node;
    assert(is_kept && plan->has_run);
    (void)is_kept;
    return plan->ops->output(plan, node);
}

const float *plan_input_gradient(struct plan *plan, int node)
{
    assert(node_of(plan, node)->kind == OP_INPUT && plan->has_run);
    assert(plan->options.gradients & PLAN_GRAD_INPUTS);
    return plan->ops->input_gradient(plan, node);
}

/* ---- parameters ---- */

static bool has_part(const struct plan *plan, size_t p, enum plan_part which)
{
    assert(p < plan->graph->param_count);
    return which == PLAN_VALUE ||
           (plan->graph->params[p].is_trainable && (plan->options.gradients & PLAN_GRAD_PARAMS));
}

/* Anything else than an order would read and write beyond an image. */
static ward_status check_order(const struct graph_param *param, const float *order)
{
    size_t count = shape_count(&param->shape);
    bool *is_taken = NULL;
    ward_status st = mem_new(&is_taken, count, sizeof *is_taken);

    for (size_t i = 0; i < count && !st; i++) {
        size_t at = order[i] >= 0 && order[i] < (float)count ? (size_t)order[i] : count;

        if (at == count || (float)at != order[i] || is_taken[at])
            st = ward_fail(WARD_ERR_FORMAT, "'%s' is not an order of %zu values", param->name,
                           count);
        else
            is_taken[at] = true;
    }
    mem_free(is_taken);
    return st;
}

ward_status plan_load(struct plan *plan, size_t p, enum plan_part which, const float *plain)
{
    const struct graph_param *param = &plan->graph->params[p];
    ward_status st = WARD_OK;

    assert(has_part(plan, p, which));
    if (param->role == PARAM_ORDER)
        st = check_order(param, plain);
    return st ? st : plan->ops->load(plan, p, which, plain);
}

ward_status plan_store(struct plan *plan, size_t p, enum plan_part which, float *plain)
{
    assert(has_part(plan, p, which));
    return plan->ops->store(plan, p, which, plain);
}

struct plan_packed plan_packed(struct plan *plan, size_t p)
{
    assert(p < plan->graph->param_count);
    return plan->ops->packed(plan, p);
}

struct plan_passes plan_flops(const struct plan *plan)
{
    struct plan_passes sum = {0, 0};

    for (size_t i = 0; i < plan->graph->node_count; i++) {
        sum.forward += plan->flops[i].forward;
        sum.backward += plan->flops[i].backward;
    }
    return sum;
}

/* ---- profiles ---- */

ward_status plan_profile(struct plan *plan)
{
    return plan->seconds ? WARD_OK
                         : mem_new(&plan->seconds, plan->graph->node_count, sizeof *plan->seconds);
}

double plan_clock(const struct plan *plan)
{
    return plan->seconds ? clock_seconds() : 0;
}

void plan_count_forward(struct plan *plan, size_t node, double begin)
{
    if (plan->seconds)
        plan->seconds[node].forward += clock_seconds() - begin;
}

void plan_count_backward(struct plan *plan, size_t node, double begin)
{
    if (plan->seconds)
        plan->seconds[node].backward += clock_seconds() - begin;
}

struct plan_step plan_step_of(const struct plan *plan, size_t node, const char *name,
                              const char *implementation)
{
    struct plan_step step = {.node = (int)node,
                             .name = name,
                             .implementation = implementation,
                             .flops = plan->flops[node]};

    if (plan->seconds)
        step.seconds = plan->seconds[node];
    return step;
}

void plan_describe(const struct plan *plan, plan_visit *visit, void *context)
{
    plan->ops->describe(plan, visit, context);
}
