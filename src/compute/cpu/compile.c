/*
 * From nodes to steps.
 *
 * Time: the forward pass of step i is at time i, its backward pass at 2 S - 1 - i, and `end` is
 * after both. A buffer lives from the first time it is written to the last time it is read.
 *
 * Gradients: a value used several times gets its gradient in several parts. The first part that the
 * backward pass meets is written to gradient[0]; a step that adds (`adds`) goes on there; any other
 * writes a buffer of its own, which is added right after, or, where it is the only further part and
 * the producer can take two (`takes_two`), is kept as gradient[1].
 */
#include "compute/cpu/cpu.h"

#include "base/mem.h"

struct compiler {
    struct cpu_plan *plan;
    const struct graph *graph;
    const struct plan_options *options;
    bool *needs;    /* by node: gradient wanted */
    unsigned *uses; /* by node: how many nodes read it */
    int *producer;  /* by node: the step that writes it; NONE for inputs */
    unsigned end;
};

/* ---- time ---- */

static unsigned forward_time(size_t step)
{
    return (unsigned)step;
}

static unsigned backward_time(const struct compiler *c, size_t step)
{
    return c->end - 1 - (unsigned)step;
}

/* ---- buffers ---- */

static ward_status buffer_new(struct cpu_plan *p, size_t len, int *out)
{
    if (p->buffer_count == p->buffer_cap) {
        size_t cap = p->buffer_cap ? 2 * p->buffer_cap : 64;
        ward_status st = mem_resize(&p->buffers, p->buffer_cap, cap, sizeof *p->buffers);

        if (st)
            return st;
        p->buffer_cap = cap;
    }
    p->buffers[p->buffer_count] = (struct buffer){.len = len};
    *out = (int)p->buffer_count++;
    return WARD_OK;
}

static void touch(struct cpu_plan *p, int buffer, unsigned time)
{
    struct buffer *b;

    if (buffer == NONE)
        return;
    b = &p->buffers[buffer];
    if (!b->is_used || time < b->first)
        b->first = time;
    if (!b->is_used || time > b->last)
        b->last = time;
    b->is_used = true;
}

/* ---- values ---- */

/* What an OP_PERMUTE alone reads is plain: it goes by the order c, h, w. */
static void make_plain(struct compiler *c)
{
    for (size_t i = 0; i < c->graph->node_count; i++) {
        const struct op_desc *d = &c->graph->nodes[i];
        int x = d->input[0];

        if (d->kind == OP_PERMUTE && c->uses[x] == 1 && c->graph->nodes[x].kind == OP_CONV &&
            !c->plan->values[x].is_output)
            c->plan->values[x].lanes = 1;
    }
}

static void values_init(struct compiler *c)
{
    struct cpu_plan *p = c->plan;
    size_t lanes = dnn_block(p->dnn);

    for (size_t i = 0; i < c->graph->node_count; i++) {
        struct value *v = &p->values[i];

        v->dims = c->graph->nodes[i].out;
        v->len = dims_count(v->dims);
        v->lanes = v->dims.c % lanes == 0 ? lanes : 1;
        c->producer[i] = NONE;
        v->buffer = v->gradient[0] = v->gradient[1] = NONE;
        for (int k = 0; k < OP_MAX_INPUTS; k++)
            if (c->graph->nodes[i].input[k] >= 0)
                c->uses[c->graph->nodes[i].input[k]]++;
    }
    for (size_t i = 0; i < c->options->output_count; i++)
        p->values[c->options->outputs[i]].is_output = true;
    make_plain(c);
}

/* ---- fusion ---- */

/* The only reader of node, if there is just one and node is not an output; otherwise NONE. */
static int sole_reader(const struct compiler *c, int node)
{
    if (c->uses[node] != 1 || c->plan->values[node].is_output)
        return NONE;
    for (size_t i = (size_t)node + 1; i < c->graph->node_count; i++)
        for (int k = 0; k < OP_MAX_INPUTS; k++)
            if (c->graph->nodes[i].input[k] == node)
                return (int)i;
    return NONE;
}

static bool is_activation(const struct op_desc *d)
{
    return d->kind == OP_RELU || d->kind == OP_LEAKY_RELU;
}

static float activation_slope(const struct op_desc *d)
{
    return d->kind == OP_LEAKY_RELU ? d->slope : 0;
}

/* Let the step write the value of node `next` instead. */
static void absorb(struct compiler *c, struct step *s, int next)
{
    c->producer[next] = c->producer[s->head];
    s->out = next;
}

static void fuse_activation(struct compiler *c, struct step *s, bool relu_only)
{
    int next = sole_reader(c, s->out);
    const struct op_desc *d = next == NONE ? NULL : &c->graph->nodes[next];

    if (!d || !is_activation(d) || (relu_only && d->kind != OP_RELU))
        return;
    absorb(c, s, next);
    s->has_activation = true;
    s->slope = activation_slope(d);
    s->backward_slope = d->backward_slope;
}

/* A sum is taken in if its other operand is there by then. */
static void fuse_sum(struct compiler *c, struct step *s)
{
    int next = sole_reader(c, s->out), other;
    const struct op_desc *d = next == NONE ? NULL : &c->graph->nodes[next];

    if (!d || d->kind != OP_ADD)
        return;
    other = d->input[0] == s->out ? d->input[1] : d->input[0];
    if (other >= s->head)
        return;
    s->residual = other;
    absorb(c, s, next);
}

/* A max pool that alone reads a rectified convolution undoes the ReLU in its own backward pass. */
static void fuse_pool_backward(struct compiler *c, struct step *pool)
{
    int at = c->producer[pool->in[0]];
    struct step *s = at == NONE ? NULL : &c->plan->steps[at];

    if (!s || s->desc->kind != OP_CONV || !s->has_activation || c->uses[s->out] != 1)
        return;
    s->is_undone = true;
    pool->backward_slope = s->backward_slope;
}

static void step_init(struct compiler *c, struct step *s, int node)
{
    const struct op_desc *d = &c->graph->nodes[node];

    *s = (struct step){.desc = d, .head = node, .out = node, .residual = NONE};
    s->kind = step_kind_of(d->kind);
    s->slope = s->backward_slope = 1;
    for (int k = 0; k < OP_MAX_INPUTS; k++)
        s->in[k] = d->input[k];
    for (int k = 0; k <= OP_MAX_INPUTS; k++)
        s->dx[k] = NONE;
    s->mask = NONE;
    if (is_activation(d)) {
        s->slope = activation_slope(d);
        s->backward_slope = d->backward_slope;
    }
    if (d->kind == OP_CONV || d->kind == OP_DENSE)
        fuse_activation(c, s, true);
    if (d->kind == OP_BATCH_NORM) {
        fuse_sum(c, s);
        fuse_activation(c, s, false);
    }
    if (d->kind == OP_MAX_POOL)
        fuse_pool_backward(c, s);
}

/* Steps in the order of their heads: the other operand of a fused sum is earlier, so it is made. */
static ward_status make_steps(struct compiler *c)
{
    struct cpu_plan *p = c->plan;
    ward_status st = mem_new(&p->steps, c->graph->node_count, sizeof *p->steps);

    for (size_t i = 0; i < c->graph->node_count && !st; i++) {
        enum op_kind kind = c->graph->nodes[i].kind;

        if (c->producer[i] != NONE || kind == OP_LABELS ||
            (kind == OP_INPUT && (p->values[i].lanes == 1 || p->is_tail)))
            continue;
        c->producer[i] = (int)p->step_count;
        step_init(c, &p->steps[p->step_count++], (int)i);
    }
    c->end = (unsigned)(2 * p->step_count);
    return st;
}

/* ---- which steps have a backward pass, and where it writes ---- */

static bool wants_params(const struct compiler *c, const struct op_desc *d)
{
    for (int k = 0; k < OP_MAX_PARAMS; k++)
        if ((c->options->gradients & PLAN_GRAD_PARAMS) && d->param[k] >= 0 &&
            c->graph->params[d->param[k]].is_trainable)
            return true;
    return false;
}

/* Operand k of a step: its inputs, then the residual. */
static int operand(const struct step *s, int k)
{
    return k < OP_MAX_INPUTS ? s->in[k] : s->residual;
}

static bool producer_takes_two(const struct compiler *c, int node)
{
    int at = c->producer[node];

    return at != NONE && c->plan->steps[at].kind->takes_two;
}

/* The next part of the gradient of operand k of step i. in_place: the buffer that may serve. */
static ward_status assign_part(struct compiler *c, size_t i, int k, int in_place)
{
    struct cpu_plan *p = c->plan;
    struct step *s = &p->steps[i];
    int node = operand(s, k);
    struct value *v = &p->values[node];
    unsigned time = backward_time(c, i);
    ward_status st = WARD_OK;
    int buffer = in_place;

    if (v->gradient[0] != NONE && s->kind->adds) {
        s->dx[k] = v->gradient[0];
        touch(p, s->dx[k], time);
        return WARD_OK;
    }
    if (buffer == NONE)
        st = buffer_new(p, v->len, &buffer);
    if (st)
        return st;
    s->dx[k] = buffer;
    touch(p, buffer, time);
    if (v->gradient[0] == NONE) {
        v->gradient[0] = buffer;
        s->clears[k] = s->kind->adds;
    } else if (v->gradient[1] == NONE && producer_takes_two(c, node)) {
        v->gradient[1] = buffer;
    } else {
        s->sums[k] = true;
        touch(p, v->gradient[0], time);
    }
    return WARD_OK;
}

/*
 * Where may a gradient go on in the buffer that it came in? A fused batch norm leaves the gradient
 * of its sum there, so that is the residual's part, and nothing else may use it; otherwise batch
 * norm and activations work in place.
 */
static int in_place_buffer(const struct compiler *c, const struct step *s, int k)
{
    int dy = c->plan->values[s->out].gradient[0];
    bool residual_wants = s->residual != NONE && c->needs[s->residual];

    if (k == OP_MAX_INPUTS)
        return dy;
    if (s->desc->kind == OP_BATCH_NORM && !residual_wants)
        return dy;
    return is_activation(s->desc) && s->head == s->out ? dy : NONE;
}

static ward_status schedule_backward(struct compiler *c)
{
    struct cpu_plan *p = c->plan;
    ward_status st = WARD_OK;

    for (size_t i = p->step_count; i-- > 0 && !st;) {
        struct step *s = &p->steps[i];
        const struct value *out = &p->values[s->out];
        unsigned time = backward_time(c, i);
        bool has_gradient = op_is_loss(s->desc->kind) || out->gradient[0] != NONE;

        if (!s->kind->backward || !has_gradient)
            continue;
        s->wants_params = s->has_backward = wants_params(c, s->desc);
        for (int k = 0; k <= OP_MAX_INPUTS; k++)
            if (operand(s, k) >= 0 && c->needs[operand(s, k)])
                s->has_backward = true;
        if (!s->has_backward)
            continue;
        touch(p, out->gradient[0], time);
        touch(p, out->gradient[1], time);
        touch(p, out->buffer, time);
        for (int k = 0; k <= OP_MAX_INPUTS && !st; k++) {
            int node = operand(s, k);

            if (node < 0)
                continue;
            touch(p, p->values[node].buffer, time);
            if (c->needs[node])
                st = assign_part(c, i, k, in_place_buffer(c, s, k));
        }
        touch(p, s->mask, time);
    }
    for (size_t i = 0; i < c->graph->node_count; i++)
        if (c->graph->nodes[i].kind == OP_INPUT)
            touch(p, p->values[i].gradient[0], c->end);
    return st;
}

/* ---- forward: values and masks ---- */

static ward_status schedule_forward(struct compiler *c)
{
    struct cpu_plan *p = c->plan;
    ward_status st = WARD_OK;

    for (size_t i = 0; i < p->step_count && !st; i++) {
        struct step *s = &p->steps[i];
        struct value *out = &p->values[s->out];

        st = buffer_new(p, out->len, &out->buffer);
        if (!st && s->desc->kind == OP_DROPOUT && c->options->has_dropout)
            st = buffer_new(p, out->len, &s->mask);
        touch(p, out->buffer, forward_time(i));
        for (int k = 0; k <= OP_MAX_INPUTS; k++)
            if (operand(s, k) >= 0)
                touch(p, p->values[operand(s, k)].buffer, forward_time(i));
        touch(p, s->mask, forward_time(i));
        if (out->is_output || op_is_loss(s->desc->kind))
            touch(p, out->buffer, c->end);
    }
    return st;
}

/* ---- what steps need beside buffers ---- */

/* The convolution that alone makes, and batch norm that alone reads, node's value; or NONE. Batch
 * norm has to want the statistics of the batch. */
static int summing_step(const struct compiler *c, int node)
{
    int at = c->producer[node];
    const struct step *s = at == NONE ? NULL : &c->plan->steps[at];

    if (!s || s->kernels != c->plan->kernels->winograd || s->out != node || c->uses[node] != 1 ||
        c->options->bn == BN_RUNNING)
        return NONE;
    return at;
}

/* mean, inverse deviation, variance, five coefficients a channel, then the sums (doubles). */
static void make_norm(struct compiler *c, struct step *s)
{
    struct dims d = s->desc->out;

    s->norm = (struct norm){.n = d.n,
                            .c = d.c,
                            .hw = d.h * d.w,
                            .lanes = c->plan->values[s->head].lanes,
                            .epsilon = s->desc->epsilon,
                            .slope = s->has_activation ? s->slope : 1};
    s->summed_by = summing_step(c, s->in[0]);
    s->norm.has_sums = s->summed_by != NONE;
    c->plan->side_len += 8 * d.c + 2 * norm_partial_len(d.c, c->plan->threads) + 2;
}

static ward_status make_state(struct compiler *c)
{
    ward_status st = WARD_OK;

    for (size_t i = 0; i < c->plan->step_count && !st; i++) {
        struct step *s = &c->plan->steps[i];

        if (s->desc->kind == OP_BATCH_NORM)
            make_norm(c, s);
        else if (s->desc->kind == OP_CONV || s->desc->kind == OP_DENSE)
            st = linear_make(c->plan, s);
        else if (s->desc->kind == OP_INFOMAX)
            c->plan->side_len += 2 * c->plan->values[s->in[0]].dims.c;
    }
    return st;
}

/* ---- parameters ---- */

bool cpu_uses_param(const struct graph *graph, size_t p, size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i++)
        for (int k = 0; k < OP_MAX_PARAMS; k++)
            if (graph->nodes[i].param[k] == (int)p)
                return true;
    return false;
}

/* A parameter of another part of the graph takes no room. */
static void params_init(struct compiler *c)
{
    struct cpu_plan *p = c->plan;

    for (size_t i = 0; i < c->graph->param_count; i++) {
        if (cpu_uses_param(c->graph, i, 0, c->graph->node_count))
            p->params[i].len = shape_count(&c->graph->params[i].shape);
        p->params[i].lanes = 1;
        p->params[i].has_gradient =
            (c->options->gradients & PLAN_GRAD_PARAMS) && c->graph->params[i].is_trainable;
    }
    for (size_t i = 0; i < c->graph->node_count; i++) {
        const struct op_desc *d = &c->graph->nodes[i];

        if (d->kind == OP_PERMUTE && d->param[0] >= 0)
            p->params[d->param[0]].is_order = true;
        if (d->kind != OP_SCALE_SHIFT && d->kind != OP_MULTIPLY)
            continue;
        p->params[d->param[0]].lanes = p->values[i].lanes;
        p->params[d->param[0]].dims = (struct dims){1, d->out.c, d->out.h, d->out.w};
    }
}

ward_status cpu_compile_steps(struct cpu_plan *plan)
{
    struct compiler c = {.plan = plan, .graph = plan->base.graph, .options = &plan->base.options};
    ward_status st = graph_needs_gradient(c.graph, c.options, &c.needs);

    if (!st)
        st = mem_new(&c.uses, c.graph->node_count, sizeof *c.uses);
    if (!st)
        st = mem_new(&c.producer, c.graph->node_count, sizeof *c.producer);
    if (!st) {
        values_init(&c);
        params_init(&c);
        st = make_steps(&c);
    }
    if (!st)
        st = schedule_forward(&c);
    if (!st && c.options->gradients)
        st = schedule_backward(&c);
    if (!st)
        st = make_state(&c);
    mem_free(c.needs);
    mem_free(c.uses);
    mem_free(c.producer);
    return st;
}
