/*
 * Evaluation by slices: where no image of a batch depends on another, a plan for a few images is
 * made for each thread, and the batch goes through them slice by slice. All values of a slice stay
 * in a core's own cache, memory does not grow with the batch, and threads wait for each other only
 * once.
 *
 * Before a dense layer with more weights than a core's cache holds, slices end: they leave its
 * inputs in a plan for the rest of the graph, the tail, where all threads work on the whole batch
 * together and read the weights once.
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
enum { FEW_ROWS = 16, WEIGHTS_A_ROW = 16384, MANY_WEIGHTS = 1 << 18 };

/*
 * The head is the nodes before `cut`, under their own numbers, for one slice. The tail is the
 * others, for all rows: node i of the whole graph is its node i - cut + 1, and an input, node 0,
 * stands for `joint`, which is all that it reads of the head. Both borrow the whole graph's
 * parameters.
 */
struct sliced {
    struct plan base;        /* first */
    size_t cut;              /* the whole graph's node_count if there is no tail */
    int joint;               /* NONE if there is no tail */
    struct graph head, end;  /* end: the tail's */
    struct cpu_plan **parts; /* of the head, one a thread; the first has its parameters */
    struct cpu_plan *tail;
    unsigned part_count;
    size_t rows, slices; /* rows a slice */
    ward_status *status; /* by part: of the run */
    float **values;      /* by node: the head's whole inputs and outputs, owned, or NULL */
};

static struct sliced *self(const struct plan *plan)
{
    return (struct sliced *)(uintptr_t)plan;
}

/* ---- where to cut ---- */

/* Whether the nodes from `cut` on read nothing but each other and `joint`, and share no parameter
 * with those before. */
static bool is_cut(const struct graph *g, size_t cut, int joint)
{
    for (size_t i = cut; i < g->node_count; i++)
        for (int k = 0; k < OP_MAX_INPUTS; k++) {
            int from = g->nodes[i].input[k];

            if (g->nodes[i].kind == OP_INPUT || (from >= 0 && from < (int)cut && from != joint))
                return false;
        }
    for (size_t p = 0; p < g->param_count; p++)
        if (cpu_uses_param(g, p, 0, cut) && cpu_uses_param(g, p, cut, g->node_count))
            return false;
    return true;
}

/* Before the first dense layer with many weights, if anything that is wanted lies behind it. */
static size_t find_cut(const struct graph *g, const struct plan_options *options)
{
    bool is_wanted = false;
    size_t cut = 0;

    while (cut < g->node_count &&
           (g->nodes[cut].kind != OP_DENSE ||
            shape_count(&g->params[g->nodes[cut].param[0]].shape) < MANY_WEIGHTS))
        cut++;
    for (size_t k = 0; k < options->output_count; k++)
        is_wanted = is_wanted || options->outputs[k] >= (int)cut;
    return is_wanted && is_cut(g, cut, g->nodes[cut].input[0]) ? cut : g->node_count;
}

static int tail_node(const struct sliced *s, int node)
{
    return node < 0 ? NONE : node == s->joint ? 0 : node - (int)s->cut + 1;
}

/* ---- compilation ---- */

static bool is_by_row(const struct op_desc *d, size_t rows)
{
    return d->out.n == rows && !op_is_loss(d->kind) && d->kind != OP_LABELS && d->kind != OP_CONCAT;
}

bool slices_can(const struct graph *graph, const struct plan_options *options)
{
    size_t rows = graph->node_count > 0 ? graph->nodes[0].out.n : 0, cut;

    if (options->gradients || options->bn != BN_RUNNING || options->has_dropout || rows < 2 ||
        options->output_count == 0)
        return false;
    for (size_t i = 0; i < graph->node_count; i++)
        if (!is_by_row(&graph->nodes[i], rows))
            return false;
    cut = find_cut(graph, options); /* a head of inputs only would be work for nothing */
    return cut == graph->node_count || graph->nodes[graph->nodes[cut].input[0]].kind != OP_INPUT;
}

/* As many slices for each thread as it takes to keep them short. */
static void divide(struct sliced *s, const struct graph *whole)
{
    size_t rows = whole->nodes[0].out.n, weights = 0, most, share, each;

    for (size_t i = 0; i < whole->param_count; i++)
        if (cpu_uses_param(whole, i, 0, s->cut))
            weights += shape_count(&whole->params[i].shape);
    most = max_size(FEW_ROWS, weights / WEIGHTS_A_ROW);
    share = (rows + s->part_count - 1) / s->part_count;
    each = (share + most - 1) / most;
    s->rows = (share + each - 1) / each;
    s->slices = (rows + s->rows - 1) / s->rows;
}

static ward_status new_graph(struct graph *g, const struct graph *whole, size_t node_count)
{
    *g = (struct graph){
        .node_count = node_count, .params = whole->params, .param_count = whole->param_count};
    return mem_new(&g->nodes, node_count, sizeof *g->nodes);
}

static ward_status copy_head(struct sliced *s, const struct graph *whole)
{
    ward_status st = new_graph(&s->head, whole, s->cut);

    if (st)
        return st;
    memcpy(s->head.nodes, whole->nodes, s->cut * sizeof *whole->nodes);
    for (size_t i = 0; i < s->cut; i++)
        s->head.nodes[i].out.n = s->rows;
    return WARD_OK;
}

static ward_status copy_tail(struct sliced *s, const struct graph *whole)
{
    size_t count = whole->node_count - s->cut;
    ward_status st = new_graph(&s->end, whole, count + 1);

    if (st)
        return st;
    s->end.nodes[0] = (struct op_desc){.kind = OP_INPUT,
                                       .input = {NONE, NONE},
                                       .param = {NONE, NONE, NONE, NONE},
                                       .out = whole->nodes[s->joint].out};
    memcpy(s->end.nodes + 1, whole->nodes + s->cut, count * sizeof *whole->nodes);
    for (size_t i = 1; i <= count; i++)
        for (int k = 0; k < OP_MAX_INPUTS; k++)
            s->end.nodes[i].input[k] = tail_node(s, s->end.nodes[i].input[k]);
    return WARD_OK;
}

static ward_status new_values(struct sliced *s, const struct graph *whole,
                              const struct plan_options *options)
{
    ward_status st = mem_new(&s->values, whole->node_count, sizeof *s->values);

    for (size_t i = 0; i < s->cut && !st; i++) {
        bool is_used = whole->nodes[i].kind == OP_INPUT;

        for (size_t k = 0; k < options->output_count; k++)
            is_used = is_used || options->outputs[k] == (int)i;
        if (is_used)
            st =
                mem_new_aligned(&s->values[i], dims_count(whole->nodes[i].out) * sizeof(float), 64);
    }
    return st;
}

static void sliced_free(struct plan *plan)
{
    struct sliced *s = self(plan);

    for (unsigned t = 0; s->parts && t < s->part_count; t++)
        if (s->parts[t])
            s->parts[t]->base.ops->free(&s->parts[t]->base);
    if (s->tail)
        s->tail->base.ops->free(&s->tail->base);
    for (size_t i = 0; s->values && i < s->cut; i++) {
        if (s->values[i] && s->base.options.is_secret)
            mem_wipe(s->values[i], dims_count(plan->graph->nodes[i].out) * sizeof(float));
        mem_free(s->values[i]);
    }
    mem_free(s->values);
    mem_free(s->parts);
    mem_free(s->status);
    mem_free(s->head.nodes);
    mem_free(s->end.nodes);
    mem_free(s);
}

static ward_status compile_head(struct sliced *s)
{
    struct plan_options options = s->base.options;
    ward_status st = mem_new(&s->parts, s->part_count, sizeof *s->parts);

    if (!st)
        st = mem_new(&s->status, s->part_count, sizeof *s->status);
    options.output_count = 0;
    for (size_t k = 0; k < s->base.options.output_count; k++)
        if (s->base.options.outputs[k] < (int)s->cut)
            options.outputs[options.output_count++] = s->base.options.outputs[k];
    if (s->joint != NONE)
        options.outputs[options.output_count++] = s->joint;
    for (unsigned t = 0; t < s->part_count && !st; t++)
        st = cpu_plan_new(&s->parts[t], &s->head, &options, false, t == 0 ? NULL : s->parts[0]);
    return st;
}

static ward_status compile_tail(struct sliced *s, const struct graph *whole)
{
    struct plan_options options = s->base.options;
    ward_status st;

    if (s->joint == NONE)
        return WARD_OK;
    st = copy_tail(s, whole);
    options.output_count = 0;
    for (size_t k = 0; k < s->base.options.output_count; k++)
        if (s->base.options.outputs[k] >= (int)s->cut)
            options.outputs[options.output_count++] = tail_node(s, s->base.options.outputs[k]);
    return st ? st : cpu_plan_new(&s->tail, &s->end, &options, true, NULL);
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
    s->cut = find_cut(graph, options);
    s->joint = s->cut < graph->node_count ? graph->nodes[s->cut].input[0] : NONE;
    divide(s, graph);
    st = copy_head(s, graph);
    if (!st)
        st = new_values(s, graph, options);
    if (!st)
        st = compile_head(s);
    if (!st)
        st = compile_tail(s, graph);
    if (st) {
        sliced_free(&s->base);
        return st;
    }
    *out = &s->base;
    return WARD_OK;
}

/* ---- running ---- */

/* The rows of a slice, of which the first `done` are another's, too, who hands them out. */
struct piece {
    size_t row, done, count;
};

static struct piece piece_of(const struct sliced *s, size_t slice)
{
    size_t row = min_size(slice * s->rows, s->base.graph->nodes[0].out.n - s->rows);

    return (struct piece){row, slice * s->rows - row, s->rows};
}

/* Values of all layouts lie row by row. */
static void hand_out(const struct piece *p, size_t len, const float *from, float *to)
{
    size_t each = len / p->count;

    memcpy(to + (p->row + p->done) * each, from + p->done * each,
           (p->count - p->done) * each * sizeof *to);
}

static ward_status run_slice(struct sliced *s, struct cpu_plan *part, size_t slice)
{
    const struct piece p = piece_of(s, slice);
    const struct value *joint = s->tail ? &part->values[s->joint] : NULL;
    struct plan *plan = &part->base;
    ward_status st;

    for (size_t i = 0; i < s->cut; i++)
        if (s->head.nodes[i].kind == OP_INPUT) {
            size_t len = dims_count(s->head.nodes[i].out);

            memcpy(plan->ops->input(plan, (int)i), s->values[i] + p.row * (len / p.count),
                   len * sizeof(float));
        }
    st = cpu_run_steps(part);
    for (size_t k = 0; k < s->base.options.output_count && !st; k++) {
        int node = s->base.options.outputs[k];

        if (node < (int)s->cut)
            hand_out(&p, dims_count(s->head.nodes[node].out), plan->ops->output(plan, node),
                     s->values[node]);
    }
    if (joint && !st)
        hand_out(&p, joint->len, joint->data, s->tail->values[0].data);
    return st;
}

static void run_slices(void *context, size_t begin, size_t end, unsigned thread)
{
    struct sliced *s = context;

    for (size_t i = begin; i < end && !s->status[thread]; i++)
        s->status[thread] = run_slice(s, s->parts[thread], i);
}

/* Let a part count by the whole graph's numbers, which are so much higher than its own. */
static void share_counts(const struct plan *whole, struct plan *part, size_t shift)
{
    part->flops = whole->flops + shift;
    part->seconds = whole->seconds ? whole->seconds + shift : NULL;
}

static ward_status sliced_forward(struct plan *plan)
{
    struct sliced *s = self(plan);
    ward_status st = cpu_check_threads(s->parts[0]);
    sigset_t before;

    if (st)
        return st;
    memset(s->status, 0, s->part_count * sizeof *s->status);
    share_counts(plan, &s->parts[0]->base, 0);
    signals_block(&before);
    parallel_for(s->slices, run_slices, s);
    signals_restore(&before);
    for (unsigned t = 0; t < s->part_count && !st; t++)
        if (s->status[t]) /* its text is another thread's */
            st = ward_fail(s->status[t], "a part of the batch could not be computed");
    if (st || !s->tail)
        return st;
    share_counts(plan, &s->tail->base, s->cut - 1);
    return s->tail->base.ops->forward(&s->tail->base);
}

static float *sliced_input(struct plan *plan, int node)
{
    return self(plan)->values[node];
}

static const float *sliced_output(struct plan *plan, int node)
{
    struct sliced *s = self(plan);

    return node < (int)s->cut ? s->values[node]
                              : s->tail->base.ops->output(&s->tail->base, tail_node(s, node));
}

/* ---- parameters ---- */

/* The plan that has a parameter: the tail, or for all parts of the head the first. */
static struct plan *owner(const struct plan *plan, size_t p)
{
    const struct sliced *s = self(plan);

    return s->tail && cpu_uses_param(&s->end, p, 0, s->end.node_count) ? &s->tail->base
                                                                       : &s->parts[0]->base;
}

static ward_status sliced_load(struct plan *plan, size_t p, enum plan_part which,
                               const float *plain)
{
    return owner(plan, p)->ops->load(owner(plan, p), p, which, plain);
}

static ward_status sliced_store(struct plan *plan, size_t p, enum plan_part which, float *plain)
{
    return owner(plan, p)->ops->store(owner(plan, p), p, which, plain);
}

static struct plan_packed sliced_packed(struct plan *plan, size_t p)
{
    return owner(plan, p)->ops->packed(owner(plan, p), p);
}

/* ---- profiles ---- */

struct renumber {
    plan_visit *visit;
    void *context;
    int shift;
};

static void visit_renumbered(void *context, const struct plan_step *step)
{
    const struct renumber *r = context;
    struct plan_step told = *step;

    told.node += r->shift;
    r->visit(r->context, &told);
}

/* Seconds are those of the first thread. */
static void sliced_describe(const struct plan *plan, plan_visit *visit, void *context)
{
    struct sliced *s = self(plan);
    struct renumber renumber = {visit, context, (int)s->cut - 1};

    share_counts(plan, &s->parts[0]->base, 0);
    s->parts[0]->base.ops->describe(&s->parts[0]->base, visit, context);
    if (!s->tail)
        return;
    share_counts(plan, &s->tail->base, s->cut - 1);
    s->tail->base.ops->describe(&s->tail->base, visit_renumbered, &renumber);
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
};
