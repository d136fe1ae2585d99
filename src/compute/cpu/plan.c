/* Plans of the "cpu" device as the rest of the library sees them: see compute/plan.h. */
#include "compute/cpu/cpu.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/parallel.h"
#include "base/signals.h"
#include "base/util.h"

static struct cpu_plan *self(const struct plan *plan)
{
    return (struct cpu_plan *)(uintptr_t)plan;
}

/* ---- memory ---- */

static void free_wiped(struct cpu_plan *p, float *block, size_t len)
{
    if (block && p->base.options.is_secret)
        mem_wipe(block, len * sizeof *block);
    mem_free(block);
}

static void cpu_free(struct plan *plan)
{
    struct cpu_plan *p = self(plan);

    for (size_t i = 0; p->steps && i < p->step_count; i++)
        dnn_linear_free(p->steps[i].linear);
    for (size_t i = 0; p->values && i < p->base.graph->node_count; i++) {
        free_wiped(p, p->values[i].plain, p->values[i].len);
        free_wiped(p, p->values[i].plain_gradient, p->values[i].len);
    }
    free_wiped(p, p->arena, p->arena_len);
    free_wiped(p, p->param_block, p->param_len);
    free_wiped(p, p->side, p->side_len);
    free_wiped(p, p->scratch, p->scratch_len);
    free_wiped(p, p->points, p->points_len);
    mem_free(p->values);
    mem_free(p->params);
    mem_free(p->steps);
    mem_free(p->buffers);
    dnn_close(p->dnn);
    mem_free(p);
}

static ward_status bind_params(struct cpu_plan *p)
{
    size_t count = p->base.graph->param_count;
    float *next;
    ward_status st;

    if (p->lender) {
        for (size_t i = 0; i < count; i++)
            p->params[i].value = p->lender->params[i].value;
        return WARD_OK;
    }
    p->param_len = 0;
    for (size_t i = 0; i < count; i++)
        p->param_len += (p->params[i].has_gradient ? 3 : 1) * (p->params[i].len + ALIGN_FLOATS);
    st = mem_new_aligned(&p->param_block, p->param_len * sizeof *p->param_block, 64);
    if (st)
        return st;
    next = p->param_block;
    for (size_t i = 0; i < count; i++) {
        struct param *q = &p->params[i];

        q->value = take(&next, q->len);
        q->gradient = q->has_gradient ? take(&next, q->len) : NULL;
        q->velocity = q->has_gradient ? take(&next, q->len) : NULL;
    }
    return WARD_OK;
}

static ward_status bind_arena(struct cpu_plan *p)
{
    size_t *offsets = NULL;
    ward_status st = mem_new(&offsets, p->buffer_count, sizeof *offsets);

    if (!st)
        st = arena_place(p->buffers, p->buffer_count, offsets, &p->arena_len);
    if (!st)
        st = mem_new_aligned(&p->arena, p->arena_len * sizeof *p->arena, 64);
    for (size_t i = 0; i < p->buffer_count && !st; i++)
        p->buffers[i].data = p->buffers[i].is_used ? p->arena + offsets[i] : NULL;
    mem_free(offsets);
    return st;
}

static ward_status new_plain(const struct value *v, float **out)
{
    return mem_new_aligned(out, v->len * sizeof **out, 64);
}

static ward_status bind_values(struct cpu_plan *p)
{
    ward_status st = WARD_OK;

    for (size_t i = 0; i < p->base.graph->node_count && !st; i++) {
        struct value *v = &p->values[i];
        enum op_kind kind = p->base.graph->nodes[i].kind;
        bool is_input = kind == OP_INPUT || kind == OP_LABELS;

        v->data = buffer_data(p, v->buffer);
        if (!is_input && !(v->is_output && v->lanes > 1))
            continue;
        st = new_plain(v, &v->plain);
        if (!st && is_input && (p->base.options.gradients & PLAN_GRAD_INPUTS) &&
            (v->lanes > 1 || v->gradient[0] == NONE))
            st = new_plain(v, &v->plain_gradient);
        if (is_input && !v->data)
            v->data = v->plain;
    }
    return st;
}

/* The first use of a parameter in the backward pass (so the last one in the forward pass) writes
 * its gradient, a further one a buffer that is then added. */
static void bind_gradients(struct cpu_plan *p)
{
    for (size_t i = p->step_count; i-- > 0;)
        for (int k = 0; k < OP_MAX_PARAMS && p->steps[i].has_backward; k++) {
            int at = p->steps[i].desc->param[k];

            if (at < 0 || !p->params[at].has_gradient)
                continue;
            p->steps[i].dparam[k] = p->params[at].gradient;
            p->side_len += p->params[at].is_written ? p->params[at].len + ALIGN_FLOATS : 0;
            p->steps[i].extra[k] = p->params[at].is_written ? p->params[at].gradient : NULL;
            p->params[at].is_written = true;
        }
}

static ward_status bind_blocks(struct cpu_plan *p)
{
    ward_status st;

    p->side_len += 8 * ALIGN_FLOATS * p->step_count;
    st = mem_new_aligned(&p->side, p->side_len * sizeof *p->side, 64);
    if (!st)
        st = mem_new_aligned(&p->scratch, p->scratch_len * sizeof *p->scratch, 64);
    if (!st)
        st = mem_new_aligned(&p->points, p->points_len * sizeof *p->points, 64);
    return st;
}

static void bind_norm(struct cpu_plan *p, struct step *s, float **next)
{
    struct norm *nm = &s->norm;

    nm->x = p->values[s->in[0]].data;
    nm->y = p->values[s->out].data;
    nm->residual = s->residual == NONE ? NULL : p->values[s->residual].data;
    nm->scale = p->params[s->desc->param[0]].value;
    nm->shift = p->params[s->desc->param[1]].value;
    nm->partial = (double *)(void *)take(next, 2 * norm_partial_len(nm->c, p->threads));
    if (nm->has_sums)
        p->steps[s->summed_by].conv.sums = nm->partial;
    nm->mean = take(next, nm->c);
    nm->inv_std = take(next, nm->c);
    nm->var = take(next, nm->c);
    nm->coefficient = take(next, 5 * nm->c);
    snprintf(s->implementation, sizeof s->implementation, "%s%s%s", p->kernels->name,
             nm->residual ? " +sum" : "", s->has_activation ? " +activation" : "");
}

static ward_status bind_steps(struct cpu_plan *p)
{
    float *next = p->side;
    ward_status st = WARD_OK;

    for (size_t i = 0; i < p->step_count && !st; i++) {
        struct step *s = &p->steps[i];

        for (int k = 0; k < OP_MAX_PARAMS; k++)
            if (s->extra[k])
                s->extra[k] = take(&next, p->params[s->desc->param[k]].len);
        snprintf(s->implementation, sizeof s->implementation, "%s", p->kernels->name);
        if (s->desc->kind == OP_BATCH_NORM)
            bind_norm(p, s, &next);
        else if (s->desc->kind == OP_CONV || s->desc->kind == OP_DENSE)
            st = linear_bind(p, s, &next);
        else if (s->desc->kind == OP_INFOMAX)
            s->log_mean = (double *)(void *)take(&next, 2 * p->values[s->in[0]].dims.c);
    }
    return st;
}

/* ---- running ---- */

ward_status cpu_check_threads(const struct cpu_plan *p)
{
    if (parallel_threads() == p->threads)
        return WARD_OK;
    return ward_fail(WARD_ERR_ARG, "a plan compiled for %u threads cannot run on %u", p->threads,
                     parallel_threads());
}

ward_status cpu_run_steps(struct cpu_plan *p)
{
    ward_status st = WARD_OK;

    for (size_t i = 0; i < p->step_count && !st; i++) {
        double begin = plan_clock(&p->base);

        st = p->steps[i].kind->forward(p, &p->steps[i]);
        plan_count_forward(&p->base, (size_t)p->steps[i].head, begin);
    }
    return st;
}

static ward_status cpu_forward(struct plan *plan)
{
    struct cpu_plan *p = self(plan);
    ward_status st = cpu_check_threads(p);
    sigset_t before;

    if (st)
        return st;
    signals_block(&before);
    st = cpu_run_steps(p);
    signals_restore(&before);
    return st;
}

static ward_status step_backward(struct cpu_plan *p, struct step *s)
{
    ward_status st;

    for (int k = 0; k < OP_MAX_INPUTS; k++)
        if (s->clears[k])
            memset(buffer_data(p, s->dx[k]), 0, p->values[s->in[k]].len * sizeof(float));
    st = s->kind->backward(p, s);
    for (int k = 0; k <= OP_MAX_INPUTS && !st; k++)
        if (s->sums[k]) {
            const struct value *v = &p->values[k < OP_MAX_INPUTS ? s->in[k] : s->residual];
            float *sum = buffer_data(p, v->gradient[0]);

            p->kernels->plane->add(v->len, sum, buffer_data(p, s->dx[k]), sum);
        }
    for (int k = 0; k < OP_MAX_PARAMS && !st; k++)
        if (s->extra[k])
            p->kernels->plane->add(p->params[s->desc->param[k]].len, s->dparam[k], s->extra[k],
                                   s->dparam[k]);
    return st;
}

static ward_status cpu_backward(struct plan *plan)
{
    struct cpu_plan *p = self(plan);
    ward_status st = cpu_check_threads(p);
    sigset_t before;

    signals_block(&before);
    for (size_t i = p->step_count; i-- > 0 && !st;) {
        double begin = plan_clock(plan);

        if (!p->steps[i].has_backward)
            continue;
        st = step_backward(p, &p->steps[i]);
        plan_count_backward(plan, (size_t)p->steps[i].head, begin);
    }
    signals_restore(&before);
    return st;
}

/* ---- inputs and outputs ---- */

static float *cpu_input(struct plan *plan, int node)
{
    return self(plan)->values[node].plain;
}

static int32_t *cpu_labels(struct plan *plan, int node)
{
    return (int32_t *)(void *)self(plan)->values[node].plain;
}

static const float *cpu_output(struct plan *plan, int node)
{
    struct cpu_plan *p = self(plan);
    struct value *v = &p->values[node];

    if (v->lanes == 1)
        return v->data;
    p->kernels->plane->unpack(&v->dims, v->data, v->plain);
    return v->plain;
}

static const float *cpu_input_gradient(struct plan *plan, int node)
{
    struct cpu_plan *p = self(plan);
    const struct value *v = &p->values[node];
    float *gradient = buffer_data(p, v->gradient[0]);

    if (gradient && !v->plain_gradient)
        return gradient;
    if (gradient)
        p->kernels->plane->unpack(&v->dims, gradient, v->plain_gradient);
    return v->plain_gradient; /* zero if nothing depends on the input */
}

/* ---- parameters ---- */

static float *part_of(const struct param *q, enum plan_part which)
{
    return which == PLAN_VALUE ? q->value : which == PLAN_GRADIENT ? q->gradient : q->velocity;
}

static void to_order(size_t len, const float *plain, float *packed)
{
    int32_t *order = (int32_t *)(void *)packed;

    for (size_t i = 0; i < len; i++)
        order[i] = (int32_t)plain[i];
}

static void from_order(size_t len, const float *packed, float *plain)
{
    const int32_t *order = (const int32_t *)(const void *)packed;

    for (size_t i = 0; i < len; i++)
        plain[i] = (float)order[i];
}

static ward_status cpu_load(struct plan *plan, size_t at, enum plan_part which, const float *plain)
{
    struct cpu_plan *p = self(plan);
    struct param *q = &p->params[at];
    float *packed = part_of(q, which);

    p->loads++;
    if (q->linear)
        return dnn_linear_pack(q->linear, plain, packed);
    if (q->conv)
        native_conv_pack(q->conv, p->kernels->lanes, plain, packed);
    else if (q->dense)
        p->kernels->dense->pack(q->dense, plain, packed);
    else if (q->is_order)
        to_order(q->len, plain, packed);
    else if (q->lanes > 1)
        p->kernels->plane->pack(&q->dims, plain, packed);
    else
        memcpy(packed, plain, q->len * sizeof *packed);
    return WARD_OK;
}

static ward_status cpu_store(struct plan *plan, size_t at, enum plan_part which, float *plain)
{
    struct cpu_plan *p = self(plan);
    struct param *q = &p->params[at];
    const float *packed = part_of(q, which);

    if (q->linear)
        return dnn_linear_unpack(q->linear, packed, plain);
    if (q->conv)
        native_conv_unpack(q->conv, p->kernels->lanes, packed, plain);
    else if (q->dense)
        p->kernels->dense->unpack(q->dense, packed, plain);
    else if (q->is_order)
        from_order(q->len, packed, plain);
    else if (q->lanes > 1)
        p->kernels->plane->unpack(&q->dims, packed, plain);
    else
        memcpy(plain, packed, q->len * sizeof *packed);
    return WARD_OK;
}

static struct plan_packed cpu_packed(struct plan *plan, size_t at)
{
    const struct param *q = &self(plan)->params[at];

    if (!self(plan)->is_open) /* an optimiser's threads ask, too, when it has asked before */
        self(plan)->is_open = true;
    return (struct plan_packed){q->value, q->gradient, q->velocity, q->len};
}

static void cpu_describe(const struct plan *plan, plan_visit *visit, void *context)
{
    const struct cpu_plan *p = self(plan);

    for (size_t i = 0; i < p->step_count; i++) {
        const struct step *s = &p->steps[i];
        struct plan_step step =
            plan_step_of(plan, (size_t)s->head, s->kind->name, s->implementation);

        visit(context, &step);
    }
}

static const struct plan_ops cpu_ops = {
    .free = cpu_free,
    .input = cpu_input,
    .labels = cpu_labels,
    .forward = cpu_forward,
    .backward = cpu_backward,
    .output = cpu_output,
    .input_gradient = cpu_input_gradient,
    .load = cpu_load,
    .store = cpu_store,
    .packed = cpu_packed,
    .describe = cpu_describe,
};

/* ---- the device ---- */

ward_status cpu_plan_new(struct cpu_plan **out, const struct graph *graph,
                         const struct plan_options *options, bool is_tail,
                         const struct cpu_plan *lender)
{
    struct cpu_plan *p = NULL;
    ward_status st = mem_new(&p, 1, sizeof *p);

    if (st)
        return st;
    p->base.ops = &cpu_ops;
    p->base.graph = graph;
    p->base.options = *options;
    p->is_tail = is_tail;
    p->lender = lender;
    p->threads = parallel_threads();
    st = mem_new(&p->values, graph->node_count, sizeof *p->values);
    if (!st)
        st = mem_new(&p->params, graph->param_count, sizeof *p->params);
    if (!st)
        st = dnn_open(&p->dnn); /* a stream is one thread's, so each plan has its own */
    if (!st) {
        p->kernels = native_kernels(dnn_block(p->dnn));
        st = cpu_compile_steps(p);
    }
    if (!st)
        st = bind_params(p);
    if (!st)
        st = bind_arena(p);
    if (!st)
        st = bind_values(p);
    if (!st) {
        bind_gradients(p);
        st = bind_blocks(p);
    }
    if (!st)
        st = bind_steps(p);
    if (st) {
        cpu_free(&p->base);
        return st;
    }
    *out = p;
    return WARD_OK;
}

static ward_status cpu_compile(struct plan **out, void *state, const struct graph *graph,
                               const struct plan_options *options)
{
    struct cpu_plan *p = NULL;
    ward_status st;

    (void)state;
    if (slices_can(graph, options))
        return slices_compile(out, graph, options);
    st = cpu_plan_new(&p, graph, options, false, NULL);
    if (!st)
        *out = &p->base;
    return st;
}

static ward_status cpu_open(void **state)
{
    struct dnn *dnn = NULL;
    ward_status st = dnn_open(&dnn);

    if (!st)
        *state = dnn;
    return st;
}

static void cpu_close(void *state)
{
    dnn_close(state);
}

static const char *cpu_describe_device(void *state)
{
    return dnn_describe(state);
}

const struct backend backend_cpu = {
    .name = "cpu",
    .open = cpu_open,
    .close = cpu_close,
    .compile = cpu_compile,
    .describe = cpu_describe_device,
};
