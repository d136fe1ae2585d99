/* What each kind of step does. All addresses are fixed when the plan is bound. */
#include "compute/cpu/cpu.h"

#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "base/util.h"

/* ---- the definitions in ref/, for what is small ---- */

static void ref_op_init(struct cpu_plan *p, struct step *s, struct ref_op *op)
{
    *op = (struct ref_op){.desc = s->desc,
                          .y = value_of(p, s->out),
                          .dy = op_is_loss(s->desc->kind) ? &p->base.weights[s->head] : dy_of(p, s),
                          .bn = p->base.options.bn,
                          .log_mean = s->log_mean,
                          .node = s->head};
    for (int k = 0; k < OP_MAX_INPUTS; k++) {
        if (s->in[k] < 0)
            continue;
        op->in[k] = p->values[s->in[k]].dims;
        op->x[k] = value_of(p, s->in[k]);
        op->dx[k] = dx_of(p, s, k);
        if (p->base.graph->nodes[s->in[k]].kind == OP_LABELS)
            op->labels = (const int32_t *)(const void *)op->x[k];
    }
    for (int k = 0; k < OP_MAX_PARAMS; k++) {
        op->param[k] = s->desc->param[k] < 0 ? NULL : p->params[s->desc->param[k]].value;
        op->dparam[k] = dparam_of(s, k);
    }
}

/* ref/ adds to gradients; those of parameters are written here. */
static ward_status ref_run(struct cpu_plan *p, struct step *s, ref_function *function,
                           bool is_backward)
{
    struct ref_op op;

    ref_op_init(p, s, &op);
    for (int k = 0; is_backward && k < OP_MAX_PARAMS; k++)
        if (op.dparam[k])
            memset(op.dparam[k], 0, p->params[s->desc->param[k]].len * sizeof(float));
    function(&op);
    return WARD_OK;
}

#define REF_STEP(name)                                                     \
    static ward_status name##_forward(struct cpu_plan *p, struct step *s)  \
    {                                                                      \
        return ref_run(p, s, ref_##name##_forward, false);                 \
    }                                                                      \
    static ward_status name##_backward(struct cpu_plan *p, struct step *s) \
    {                                                                      \
        return ref_run(p, s, ref_##name##_backward, true);                 \
    }

REF_STEP(clamp)
REF_STEP(scale)
REF_STEP(scale_shift)
REF_STEP(cross_entropy)
REF_STEP(true_probability)
REF_STEP(kl_uniform)
REF_STEP(infomax)
REF_STEP(soft_cross_entropy)

/* ---- inputs in a blocked layout ---- */

static ward_status input_forward(struct cpu_plan *p, struct step *s)
{
    const struct value *v = &p->values[s->out];

    p->kernels->plane->pack(&v->dims, v->plain, v->data);
    return WARD_OK;
}

/* ---- batch norm ---- */

/* As PyTorch: running += momentum (batch - running), the batch's variance unbiased. While
 * recalibrating, momentum 1 / (number of updates) makes it a plain average. */
static void update_running(struct cpu_plan *p, struct step *s)
{
    float *mean = p->params[s->desc->param[2]].value, *var = p->params[s->desc->param[3]].value;
    double m = (double)(s->norm.n * s->norm.hw);
    bool recalibrates = p->base.options.bn == BN_RECALIBRATE;
    float momentum;

    if (!s->desc->keeps_running)
        return;
    s->updates++;
    momentum = recalibrates ? 1 / (float)s->updates : s->desc->momentum;
    for (size_t c = 0; c < s->norm.c; c++) {
        mean[c] += momentum * (s->norm.mean[c] - mean[c]);
        var[c] += momentum * ((float)((double)s->norm.var[c] * m / (m - 1)) - var[c]);
    }
}

static void use_running(struct cpu_plan *p, struct step *s)
{
    const float *mean = param_of(p, s, 2), *var = param_of(p, s, 3);

    for (size_t c = 0; c < s->norm.c; c++) {
        s->norm.mean[c] = mean[c];
        s->norm.inv_std[c] = (float)(1 / sqrt((double)var[c] + (double)s->norm.epsilon));
    }
}

static ward_status norm_forward(struct cpu_plan *p, struct step *s)
{
    if (p->base.options.bn == BN_RUNNING) {
        use_running(p, s);
    } else {
        p->kernels->norm->statistics(&s->norm);
        update_running(p, s);
    }
    p->kernels->norm->apply(&s->norm);
    return WARD_OK;
}

static ward_status norm_backward(struct cpu_plan *p, struct step *s)
{
    struct norm_grad grad = {.dy = dy_of(p, s),
                             .dy2 = buffer_data(p, p->values[s->out].gradient[1]),
                             .backward_slope = s->backward_slope,
                             .is_by_batch = p->base.options.bn != BN_RUNNING,
                             .dx = dx_of(p, s, 0),
                             .dscale = dparam_of(s, 0),
                             .dshift = dparam_of(s, 1)};

    p->kernels->norm->backward(&s->norm, &grad);
    return WARD_OK;
}

/* ---- pooling and activations ---- */

static ward_status max_pool_forward(struct cpu_plan *p, struct step *s)
{
    const struct value *x = &p->values[s->in[0]];

    p->kernels->plane->max_pool(&x->dims, s->desc->kernel, x->lanes, x->data, value_of(p, s->out));
    return WARD_OK;
}

static ward_status max_pool_backward(struct cpu_plan *p, struct step *s)
{
    const struct value *x = &p->values[s->in[0]];

    p->kernels->plane->max_pool_backward(&x->dims, s->desc->kernel, x->lanes, s->backward_slope,
                                         x->data, value_of(p, s->out), dy_of(p, s), dx_of(p, s, 0));
    return WARD_OK;
}

static ward_status avg_pool_forward(struct cpu_plan *p, struct step *s)
{
    const struct value *x = &p->values[s->in[0]];

    p->kernels->plane->avg_pool(&x->dims, x->lanes, x->data, value_of(p, s->out));
    return WARD_OK;
}

static ward_status avg_pool_backward(struct cpu_plan *p, struct step *s)
{
    const struct value *x = &p->values[s->in[0]];

    p->kernels->plane->avg_pool_backward(&x->dims, x->lanes, dy_of(p, s), dx_of(p, s, 0));
    return WARD_OK;
}

static ward_status rectify_forward(struct cpu_plan *p, struct step *s)
{
    p->kernels->plane->rectify(p->values[s->out].len, s->slope, value_of(p, s->in[0]),
                               value_of(p, s->out));
    return WARD_OK;
}

static ward_status rectify_backward(struct cpu_plan *p, struct step *s)
{
    p->kernels->plane->rectify_backward(p->values[s->out].len, s->backward_slope, dy_of(p, s),
                                        value_of(p, s->out), dx_of(p, s, 0));
    return WARD_OK;
}

static ward_status tanh_forward(struct cpu_plan *p, struct step *s)
{
    p->kernels->plane->tanh(p->values[s->out].len, value_of(p, s->in[0]), value_of(p, s->out));
    return WARD_OK;
}

static ward_status tanh_backward(struct cpu_plan *p, struct step *s)
{
    p->kernels->plane->tanh_backward(p->values[s->out].len, dy_of(p, s), value_of(p, s->out),
                                     dx_of(p, s, 0));
    return WARD_OK;
}

static ward_status softplus_forward(struct cpu_plan *p, struct step *s)
{
    p->kernels->plane->softplus(p->values[s->out].len, s->desc->beta, value_of(p, s->in[0]),
                                value_of(p, s->out));
    return WARD_OK;
}

static ward_status softplus_backward(struct cpu_plan *p, struct step *s)
{
    p->kernels->plane->softplus_backward(p->values[s->out].len, s->desc->beta, dy_of(p, s),
                                         value_of(p, s->out), dx_of(p, s, 0));
    return WARD_OK;
}

struct pointwise {
    const float *x, *y;
    float *out;
};

static void product_range(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct pointwise *j = context;

    (void)thread;
    for (size_t i = begin; i < end; i++)
        j->out[i] = j->x[i] * j->y[i];
}

/* ---- sums ---- */

static ward_status add_forward(struct cpu_plan *p, struct step *s)
{
    p->kernels->plane->add(p->values[s->out].len, value_of(p, s->in[0]), value_of(p, s->in[1]),
                           value_of(p, s->out));
    return WARD_OK;
}

static ward_status add_backward(struct cpu_plan *p, struct step *s)
{
    for (int k = 0; k < OP_MAX_INPUTS; k++)
        if (s->dx[k] != NONE)
            p->kernels->plane->add(p->values[s->out].len, dx_of(p, s, k), dy_of(p, s),
                                   dx_of(p, s, k));
    return WARD_OK;
}

static ward_status squared_distance_forward(struct cpu_plan *p, struct step *s)
{
    const struct value *v = &p->values[s->in[0]];
    double sum = p->kernels->plane->squared_distance(v->len, v->data, value_of(p, s->in[1]));

    *value_of(p, s->out) = (float)(sum / (double)v->dims.n);
    return WARD_OK;
}

static ward_status squared_distance_backward(struct cpu_plan *p, struct step *s)
{
    const struct value *v = &p->values[s->in[0]];
    const float *x[OP_MAX_INPUTS] = {v->data, value_of(p, s->in[1])};
    float factor = 2 * p->base.weights[s->head] / (float)v->dims.n;

    for (int k = 0; k < OP_MAX_INPUTS; k++)
        if (s->dx[k] != NONE)
            p->kernels->plane->squared_distance_backward(v->len, factor, x[k], x[1 - k],
                                                         dx_of(p, s, k));
    return WARD_OK;
}

/* ---- rows of one value, then those of another ---- */

struct copy {
    const float *from;
    float *to;
};

static void copy_range(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct copy *j = context;

    (void)thread;
    memcpy(j->to + begin, j->from + begin, (end - begin) * sizeof *j->to);
}

static ward_status concat_forward(struct cpu_plan *p, struct step *s)
{
    struct copy copy = {.to = value_of(p, s->out)};

    for (int k = 0; k < OP_MAX_INPUTS; k++) {
        size_t len = p->values[s->in[k]].len;

        copy.from = value_of(p, s->in[k]);
        parallel_for(len, copy_range, &copy);
        copy.to += len;
    }
    return WARD_OK;
}

static ward_status concat_backward(struct cpu_plan *p, struct step *s)
{
    const float *dy = dy_of(p, s);

    for (int k = 0; k < OP_MAX_INPUTS; k++) {
        size_t len = p->values[s->in[k]].len;

        if (s->dx[k] != NONE)
            p->kernels->plane->add(len, dx_of(p, s, k), dy, dx_of(p, s, k));
        dy += len;
    }
    return WARD_OK;
}

/* ---- dropout ---- */

enum { DRAWS = 1024 }; /* at once */

struct mask_job {
    const struct cpu_plan *plan;
    const struct step *step;
    float *mask;
};

/* Factors of a row from element `from` on, which come in c, h, w order whatever the layout. */
static void place_factors(const struct mask_job *j, float *mask, size_t from, size_t count,
                          const uint32_t *words)
{
    const struct value *v = &j->plan->values[j->step->head];
    size_t hw = v->dims.h * v->dims.w;
    float rate = j->step->desc->rate, kept = 1 / (1 - rate), factors[DRAWS];

    for (size_t i = 0; i < count; i++) /* compared as rng_uniform() */
        factors[i] = (float)(words[i] >> 8) * 0x1p-24f >= rate ? kept : 0;
    if (v->lanes == 1 || hw == 1) {
        memcpy(mask + from, factors, count * sizeof *mask);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        size_t c = (from + i) / hw, pixel = (from + i) % hw;

        mask[(c / v->lanes * hw + pixel) * v->lanes + c % v->lanes] = factors[i];
    }
}

/* See rng.h for the names of the draws. */
static void draw_rows(void *context, size_t begin, size_t end, unsigned thread)
{
    const struct mask_job *j = context;
    const struct value *v = &j->plan->values[j->step->head];
    size_t row = v->len / v->dims.n;
    uint32_t words[DRAWS];

    (void)thread;
    for (size_t n = begin; n < end; n++) {
        struct rng rng;

        rng_init(&rng, j->plan->base.seed, RNG_DROPOUT, j->plan->base.step,
                 (uint64_t)j->step->head << 32 | n);
        for (size_t from = 0; from < row; from += DRAWS) {
            size_t count = min_size(row - from, DRAWS);

            j->plan->kernels->random->words(&rng, from, count, words);
            place_factors(j, j->mask + n * row, from, count, words);
        }
    }
}

static ward_status dropout_forward(struct cpu_plan *p, struct step *s)
{
    const struct value *out = &p->values[s->out];
    float *mask = buffer_data(p, s->mask);
    struct mask_job job = {p, s, mask};
    struct pointwise product = {value_of(p, s->in[0]), mask, out->data};

    if (!mask) {
        memcpy(out->data, value_of(p, s->in[0]), out->len * sizeof(float));
        return WARD_OK;
    }
    parallel_for(out->dims.n, draw_rows, &job);
    parallel_for(out->len, product_range, &product);
    return WARD_OK;
}

static ward_status dropout_backward(struct cpu_plan *p, struct step *s)
{
    const float *mask = buffer_data(p, s->mask);
    struct pointwise product = {dy_of(p, s), mask, dx_of(p, s, 0)};
    size_t len = p->values[s->out].len;

    if (mask)
        parallel_for(len, product_range, &product);
    else
        memcpy(product.out, product.x, len * sizeof(float));
    return WARD_OK;
}

/* ---- the table ---- */

#define PAIR(name) name##_forward, name##_backward

static const struct step_kind kinds[OP_KIND_COUNT] = {
    [OP_INPUT] = {"input", input_forward, NULL, false, false},
    [OP_CONV] = {"conv", PAIR(linear_step), false, false},
    [OP_BATCH_NORM] = {"batch norm", PAIR(norm), false, true},
    [OP_RELU] = {"relu", PAIR(rectify), false, false},
    [OP_LEAKY_RELU] = {"leaky relu", PAIR(rectify), false, false},
    [OP_TANH] = {"tanh", PAIR(tanh), false, false},
    [OP_SOFTPLUS] = {"softplus", PAIR(softplus), false, false},
    [OP_CLAMP] = {"clamp", PAIR(clamp), true, false},
    [OP_MAX_POOL] = {"max pool", PAIR(max_pool), false, false},
    [OP_GLOBAL_AVG_POOL] = {"global average pool", PAIR(avg_pool), false, false},
    [OP_DENSE] = {"dense", PAIR(linear_step), false, false},
    [OP_DROPOUT] = {"dropout", PAIR(dropout), false, false},
    [OP_ADD] = {"add", PAIR(add), true, false},
    [OP_SHORTCUT] = {"shortcut", PAIR(shortcut_step), false, false},
    [OP_SCALE] = {"scale", PAIR(scale), true, false},
    [OP_SCALE_SHIFT] = {"scale and shift", PAIR(scale_shift), true, false},
    [OP_CONCAT] = {"concat", PAIR(concat), true, false},
    [OP_SPACE_TO_DEPTH] = {"space to depth", PAIR(blocks_step), false, false},
    [OP_DEPTH_TO_SPACE] = {"depth to space", PAIR(blocks_step), false, false},
    [OP_PERMUTE] = {"permute", PAIR(permute_step), false, false},
    [OP_MULTIPLY] = {"multiply", PAIR(multiply_step), false, false},
    [OP_HADAMARD] = {"Hadamard", PAIR(hadamard_step), false, false},
    [OP_CROSS_ENTROPY] = {"cross entropy", PAIR(cross_entropy), true, false},
    [OP_TRUE_PROBABILITY] = {"true probability", PAIR(true_probability), true, false},
    [OP_KL_UNIFORM] = {"KL to uniform", PAIR(kl_uniform), true, false},
    [OP_INFOMAX] = {"infomax", PAIR(infomax), true, false},
    [OP_SOFT_CROSS_ENTROPY] = {"soft cross entropy", PAIR(soft_cross_entropy), true, false},
    [OP_SQUARED_DISTANCE] = {"squared distance", PAIR(squared_distance), true, false},
};

const struct step_kind *step_kind_of(enum op_kind kind)
{
    return &kinds[kind];
}
