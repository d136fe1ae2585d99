/*
 * Evaluation by slices: where no image of a batch depends on another, a plan for a few images is made
 * for each thread, and the batch goes through them slice by slice. All values of a slice stay in a
 * core's own cache, memory does not grow with the batch, and threads wait for each other only once.
 *
 * All slices have the same number of rows; the last one goes back over rows that were done before.
 */
#include "compute/cpu/cpu.h"

#include "base/mem.h"
#include "base/parallel.h"
#include "base/signals.h"
#include "base/util.h"

/* 16 images of 16 channels of 28 x 28 are 800 KiB. But each slice reads all weights, so where these
 * are many, slices are longer. */
enum { FEW_ROWS = 16, WEIGHTS_A_ROW = 16384 };

struct sliced {
    struct plan base;        /* first */
    struct graph graph;      /* of one slice; parameters borrowed from the whole one */
    struct cpu_plan **parts; /* one a thread; the first owns the parameters */
    unsigned part_count;
    size_t rows, slices;     /* rows a slice */
    float **values;          /* by node: whole inputs and outputs, owned; NULL otherwise */
};

struct run {
    struct sliced *sliced;
    ward_status *status; /* by part */
};

static struct sliced *self(const struct plan *plan)
{
    return (struct sliced *)(uintptr_t)plan;
}

/* ---- compilation ---- */

static bool is_by_row(const struct op_desc *d, size_t rows)
{
    return d->out.n == rows && !op_is_loss(d->kind) && d->kind != OP_LABELS &&
           d->kind != OP_CONCAT;
}

bool slices_can(const struct graph *graph, const struct plan_options *options)
{
    size_t rows = graph->node_count > 0 ? graph->nodes[0].out.n : 0;

    if (options->gradients || options->bn != BN_RUNNING || options->has_dropout || rows < 2 ||
        options->output_count == 0)
        return false;
    for (size_t i = 0; i < graph->node_count; i++)
        if (!is_by_row(&graph->nodes[i], rows))
            return false;
    return true;
}

/* As many slices for each thread as it takes to keep them short. */
static void divide(struct sliced *s, const struct graph *whole)
{
    size_t rows = whole->nodes[0].out.n, weights = 0, most, share, each;

    for (size_t i = 0; i < whole->param_count; i++)
        weights += shape_count(&whole->params[i].shape);
    most = max_size(FEW_ROWS, weights / WEIGHTS_A_ROW);
    share = (rows + s->part_count - 1) / s->part_count;
    each = (share + most - 1) / most;
    s->rows = (share + each - 1) / each;
    s->slices = (rows + s->rows - 1) / s->rows;
}

static ward_status copy_graph(struct sliced *s, const struct graph *whole)
{
    ward_status st = mem_new(&s->graph.nodes, whole->node_count, sizeof *s->graph.nodes);

    if (st)
        return st;
    memcpy(s->graph.nodes, whole->nodes, whole->node_count * sizeof *whole->nodes);
    s->graph.node_count = whole->node_count;
    s->graph.params = whole->params;
    s->graph.param_count = whole->param_count;
    for (size_t i = 0; i < whole->node_count; i++)
        s->graph.nodes[i].out.n = s->rows;
    return WARD_OK;
}

static ward_status new_values(struct sliced *s, const struct graph *whole,
                              const struct plan_options *options)
{
    ward_status st = mem_new(&s->values, whole->node_count, sizeof *s->values);

    for (size_t i = 0; i < whole->node_count && !st; i++) {
        bool is_used = whole->nodes[i].kind == OP_INPUT;

        for (size_t k = 0; k < options->output_count; k++)
            is_used = is_used || options->outputs[k] == (int)i;
        if (is_used)
            st = mem_new_aligned(&s->values[i], dims_count(whole->nodes[i].out) * sizeof(float), 64);
    }
    return st;
}

static void sliced_free(struct plan *plan)
{
    struct sliced *s = self(plan);

    for (unsigned t = 0; s->parts && t < s->part_count; t++)
        if (s->parts[t])
            s->parts[t]->base.ops->free(&s->parts[t]->base);
    for (size_t i = 0; s->values && i < s->graph.node_count; i++) {
        if (s->values[i] && s->base.options.is_secret)
            mem_wipe(s->values[i], dims_count(plan->graph->nodes[i].out) * sizeof(float));
        mem_free(s->values[i]);
    }
    mem_free(s->values);
    mem_free(s->parts);
    mem_free(s->graph.nodes);
    mem_free(s);
}

static const struct plan_ops sliced_ops;

ward_status slices_compile(struct plan **out, const struct graph *graph,
                           const struct plan_options *options)
{
    struct sliced *s = NULL;
    ward_status st = mem_new(&s, 1, sizeof *s);

    if (st)
        return st;
    s->base.ops = &sliced_ops;
    s->base.graph = graph;
    s->base.options = *options;
    s->part_count = (unsigned)min_size(parallel_threads(), graph->nodes[0].out.n);
    divide(s, graph);
    st = copy_graph(s, graph);
    if (!st)
        st = new_values(s, graph, options);
    if (!st)
        st = mem_new(&s->parts, s->part_count, sizeof *s->parts);
    for (unsigned t = 0; t < s->part_count && !st; t++)
        st = cpu_plan_new(&s->parts[t], &s->graph, options, t == 0 ? NULL : s->parts[0]);
    if (st) {
        sliced_free(&s->base);
        return st;
    }
    *out = &s->base;
    return WARD_OK;
}

/* ---- running ---- */

static ward_status run_slice(struct sliced *s, struct plan *part, size_t slice)
{
    size_t all = s->base.graph->nodes[0].out.n;
    size_t row = min_size(slice * s->rows, all - s->rows);
    ward_status st;

    for (size_t i = 0; i < s->graph.node_count; i++)
        if (s->graph.nodes[i].kind == OP_INPUT) {
            size_t len = dims_count(s->graph.nodes[i].out);

            memcpy(part->ops->input(part, (int)i), s->values[i] + row * (len / s->rows),
                   len * sizeof(float));
        }
    st = part->ops->forward(part);
    for (size_t k = 0; k < s->base.options.output_count && !st; k++) {
        int node = s->base.options.outputs[k];
        size_t len = dims_count(s->graph.nodes[node].out);

        memcpy(s->values[node] + row * (len / s->rows), part->ops->output(part, node),
               len * sizeof(float));
    }
    return st;
}

static void run_slices(void *context, size_t begin, size_t end, unsigned thread)
{
    struct run *r = context;

    for (size_t i = begin; i < end && !r->status[thread]; i++)
        r->status[thread] = run_slice(r->sliced, &r->sliced->parts[thread]->base, i);
}

static ward_status sliced_forward(struct plan *plan)
{
    struct sliced *s = self(plan);
    struct run run = {s, NULL};
    ward_status st = cpu_check_threads(s->parts[0]);
    sigset_t before;

    if (!st)
        st = mem_new(&run.status, s->part_count, sizeof *run.status);
    if (st)
        return st;
    s->parts[0]->base.seconds = plan->seconds;
    signals_block(&before);
    parallel_for(s->slices, run_slices, &run);
    signals_restore(&before);
    for (unsigned t = 0; t < s->part_count && !st; t++)
        if (run.status[t]) /* its text is another thread's */
            st = ward_fail(run.status[t], "a part of the batch could not be computed");
    mem_free(run.status);
    return st;
}

static float *sliced_input(struct plan *plan, int node)
{
    return self(plan)->values[node];
}

static const float *sliced_output(struct plan *plan, int node)
{
    return self(plan)->values[node];
}

/* ---- what the first part does for all ---- */

static struct plan *first(const struct plan *plan)
{
    return &self(plan)->parts[0]->base;
}

static ward_status sliced_load(struct plan *plan, size_t p, enum plan_part which,
                               const float *plain)
{
    return first(plan)->ops->load(first(plan), p, which, plain);
}

static ward_status sliced_store(struct plan *plan, size_t p, enum plan_part which, float *plain)
{
    return first(plan)->ops->store(first(plan), p, which, plain);
}

static struct plan_packed sliced_packed(struct plan *plan, size_t p)
{
    return first(plan)->ops->packed(first(plan), p);
}

/* Seconds are those of the first thread. */
static void sliced_describe(const struct plan *plan, plan_visit *visit, void *context)
{
    first(plan)->flops = plan->flops;
    first(plan)->seconds = plan->seconds;
    first(plan)->ops->describe(first(plan), visit, context);
}

static size_t sliced_memory(const struct plan *plan)
{
    const struct sliced *s = self(plan);
    size_t sum = 0;

    for (unsigned t = 0; t < s->part_count; t++)
        sum += s->parts[t]->base.ops->memory(&s->parts[t]->base);
    for (size_t i = 0; i < s->graph.node_count; i++)
        sum += s->values[i] ? dims_count(plan->graph->nodes[i].out) * sizeof(float) : 0;
    return sum;
}

/* No labels, no backward pass: slices_can() has seen to it. */
static const struct plan_ops sliced_ops = {
    .free = sliced_free,
    .input = sliced_input,
    .forward = sliced_forward,
    .output = sliced_output,
    .load = sliced_load,
    .store = sliced_store,
    .packed = sliced_packed,
    .describe = sliced_describe,
    .memory = sliced_memory,
};
