/*
 * Convolutions and dense layers. Where a convolution joins a plain and a blocked value, or is 3x3
 * between blocked ones, our kernels compute it, and so they do the forward pass of dense layers:
 * with weights packed once a load where no gradient is wanted, otherwise with oneDNN's, for batches
 * over which it pays to pack them. Everything else is oneDNN's.
 */
#include "compute/cpu/cpu.h"

#include <stdio.h>

#include "base/util.h"

enum { MANY_ROWS = 32 };

/* ---- who computes it ---- */

/* Two uses of a parameter have to agree about its layout: see linear_make(). */
static const struct conv_kernels *kernels_for(const struct cpu_plan *p, const struct step *s)
{
    const struct op_desc *d = s->desc;
    const struct value *in = &p->values[s->in[0]], *out = &p->values[s->out];

    if (d->kind != OP_CONV)
        return NULL;
    if ((in->lanes == 1) != (out->lanes == 1) && d->stride == 1 && d->padding < d->kernel)
        return p->kernels->thin;
    if (in->lanes > 1 && d->kernel == 3 && d->stride == 1 && d->padding == 1)
        return p->kernels->winograd;
    return NULL;
}

static bool is_training(const struct cpu_plan *p)
{
    return p->base.options.gradients != PLAN_GRAD_NONE;
}

/* How many rows of the gradient of the input anybody reads: where the input is two halves and the
 * second wants no gradient (raw images), only the first. */
static size_t rows_wanted(const struct cpu_plan *p, const struct step *s)
{
    const struct op_desc *d = &p->base.graph->nodes[s->in[0]];

    if (d->kind == OP_CONCAT && p->values[d->input[1]].gradient[0] == NONE)
        return p->values[d->input[0]].dims.n;
    return d->out.n;
}

/* A 1x1 kernel does not see where lines end, and long ones are faster. */
static struct dims lines_of(struct dims image, size_t kernel)
{
    return kernel == 1 ? (struct dims){image.n, image.c, 1, image.h * image.w} : image;
}

static bool is_out_blocked(const struct cpu_plan *p, const struct step *s)
{
    return p->values[s->out].lanes > 1;
}

static void native_make(struct cpu_plan *p, struct step *s)
{
    const struct op_desc *d = s->desc;
    struct native_conv *conv = &s->conv;

    *conv = (struct native_conv){.in = lines_of(p->values[s->in[0]].dims, d->kernel),
                                 .out = lines_of(d->out, d->kernel),
                                 .kernel = d->kernel,
                                 .stride = d->stride,
                                 .padding = d->padding,
                                 .is_out_blocked = is_out_blocked(p, s),
                                 .has_relu = s->has_activation};
    conv->scratch_len = s->kernels->scratch_len(conv);
    p->params[d->param[0]].conv = conv;
    p->params[d->param[0]].kernels = s->kernels;
    p->scratch_len = max_size(p->scratch_len, conv->scratch_len * p->threads);
    if (is_training(p))
        p->points_len = max_size(p->points_len, s->kernels->points_len(conv));
    else
        p->side_len += s->kernels->points_len(conv);
}

static struct native_dense dense_of(const struct cpu_plan *p, const struct step *s)
{
    const struct value *in = &p->values[s->in[0]];

    return (struct native_dense){.n = in->dims.n,
                                 .features = in->len / in->dims.n,
                                 .k = s->desc->out.c,
                                 .hw = in->dims.h * in->dims.w,
                                 .lanes = in->lanes,
                                 .has_relu = s->has_activation};
}

static ward_status dense_make(struct cpu_plan *p, struct step *s)
{
    struct param *w = &p->params[s->desc->param[0]];

    s->dense = dense_of(p, s);
    if (w->dense && (w->dense->hw != s->dense.hw || w->dense->lanes != s->dense.lanes))
        return ward_fail(WARD_ERR_DEVICE, "'%s' is used with two shapes of features",
                         p->base.graph->params[s->desc->param[0]].name);
    w->dense = &s->dense;
    w->len = p->kernels->dense->weights_len(&s->dense);
    return WARD_OK;
}

static ward_status dnn_make(struct cpu_plan *p, struct step *s)
{
    const struct op_desc *d = s->desc;
    struct param *w = &p->params[d->param[0]];
    struct dnn_linear_config config = {
        .is_dense = d->kind == OP_DENSE,
        .in = p->values[s->in[0]].dims,
        .out = d->out,
        .in_block = p->values[s->in[0]].lanes,
        .out_block = p->values[s->out].lanes,
        .kernel = d->kernel,
        .stride = d->stride,
        .padding = d->padding,
        .has_bias = d->param[1] >= 0,
        .has_relu = s->has_activation,
        .is_training = is_training(p),
        .like = w->linear,
    };
    ward_status st;

    config.has_pass[DNN_FORWARD] = true;
    config.has_pass[DNN_BACKWARD_DATA] = s->has_backward && s->dx[0] != NONE;
    config.has_pass[DNN_BACKWARD_WEIGHTS] = s->has_backward && s->wants_params;
    st = dnn_linear_new(&s->linear, p->dnn, &config);
    if (st)
        return st;
    if (!w->linear) {
        w->linear = s->linear;
        w->len = dnn_linear_weights_len(s->linear);
    }
    if (config.in.n >= MANY_ROWS && config.is_dense) {
        s->dense = dense_of(p, s);
        s->dense.scratch_len = p->kernels->dense->scratch_len(&s->dense);
        p->scratch_len = max_size(p->scratch_len, s->dense.scratch_len * p->threads);
    }
    return WARD_OK;
}

/* A use before this one has packed the weights of a convolution otherwise. */
static bool has_other_layout(const struct cpu_plan *p, const struct step *s)
{
    const struct param *w = &p->params[s->desc->param[0]];

    if (s->desc->kind != OP_CONV)
        return false;
    if (!s->kernels)
        return w->conv != NULL;
    return w->linear || (w->conv && (w->kernels != s->kernels ||
                                     w->conv->is_out_blocked != is_out_blocked(p, s)));
}

ward_status linear_make(struct cpu_plan *p, struct step *s)
{
    s->kernels = kernels_for(p, s);
    if (has_other_layout(p, s))
        return ward_fail(WARD_ERR_DEVICE, "'%s' is used in two ways that want it in two layouts",
                         p->base.graph->params[s->desc->param[0]].name);
    if (s->kernels) {
        native_make(p, s);
        return WARD_OK;
    }
    return s->desc->kind == OP_DENSE && !is_training(p) ? dense_make(p, s) : dnn_make(p, s);
}

/* ---- buffers ---- */

static ward_status dnn_bind(struct cpu_plan *p, struct step *s)
{
    struct dnn_linear_buffers b = {.x = value_of(p, s->in[0]),
                                   .w = param_of(p, s, 0),
                                   .b = param_of(p, s, 1),
                                   .y = value_of(p, s->out),
                                   .dx = dx_of(p, s, 0),
                                   .dw = dparam_of(s, 0),
                                   .db = dparam_of(s, 1),
                                   .dy = dy_of(p, s)};

    s->dense.scratch = p->scratch;
    snprintf(s->implementation, sizeof s->implementation, "%s%s%s | %s | %s",
             s->dense.k ? p->kernels->name : dnn_linear_implementation(s->linear, DNN_FORWARD),
             s->dense.k ? " dense" : "", s->has_activation ? " +relu" : "",
             dnn_linear_implementation(s->linear, DNN_BACKWARD_WEIGHTS),
             dnn_linear_implementation(s->linear, DNN_BACKWARD_DATA));
    return dnn_linear_bind(s->linear, &b);
}

ward_status linear_bind(struct cpu_plan *p, struct step *s, float **side)
{
    if (s->linear)
        return dnn_bind(p, s);
    snprintf(s->implementation, sizeof s->implementation, "%s %s%s", p->kernels->name,
             s->kernels ? s->kernels->name : "dense", s->has_activation ? " +relu" : "");
    if (!s->kernels)
        return WARD_OK;
    s->conv.scratch = p->scratch;
    s->conv.points = is_training(p) ? p->points : take(side, s->kernels->points_len(&s->conv));
    return WARD_OK;
}

/* ---- running ---- */

/* Weights that nothing can have changed are turned into points once a load. */
static void native_forward(struct cpu_plan *p, struct step *s)
{
    const struct cpu_plan *owner = p->lender ? p->lender : p;

    s->conv.has_points = !is_training(p) && !owner->is_open && s->loads == owner->loads;
    s->kernels->forward(&s->conv, value_of(p, s->in[0]), param_of(p, s, 0), param_of(p, s, 1),
                        value_of(p, s->out));
    s->loads = owner->loads;
}

static void dense_forward(struct cpu_plan *p, struct step *s)
{
    const struct dense_kernels *kernels = p->kernels->dense;

    (s->linear ? kernels->forward_rows : kernels->forward)(&s->dense, value_of(p, s->in[0]),
                                                           param_of(p, s, 0), param_of(p, s, 1),
                                                           value_of(p, s->out));
}

ward_status linear_step_forward(struct cpu_plan *p, struct step *s)
{
    if (s->linear && s->dense.k == 0)
        return dnn_linear_run(s->linear, DNN_FORWARD);
    if (s->kernels)
        native_forward(p, s);
    else
        dense_forward(p, s);
    return WARD_OK;
}

static ward_status dnn_backward(struct cpu_plan *p, struct step *s)
{
    ward_status st = WARD_OK;

    (void)p;
    if (s->dparam[0])
        st = dnn_linear_run(s->linear, DNN_BACKWARD_WEIGHTS);
    if (!st && s->dx[0] != NONE)
        st = dnn_linear_run(s->linear, DNN_BACKWARD_DATA);
    return st;
}

ward_status linear_step_backward(struct cpu_plan *p, struct step *s)
{
    struct native_conv wanted = s->conv;

    wanted.in.n = wanted.out.n = rows_wanted(p, s);
    /* The gradient of a fused ReLU is taken in place before the layer's own. */
    if (s->has_activation && !s->is_undone)
        p->kernels->plane->rectify_backward(p->values[s->out].len, s->backward_slope, dy_of(p, s),
                                            value_of(p, s->out), dy_of(p, s));
    if (!s->kernels)
        return dnn_backward(p, s);
    if (s->dparam[0])
        s->kernels->backward_weights(&s->conv, value_of(p, s->in[0]), dy_of(p, s), dparam_of(s, 0),
                                     dparam_of(s, 1));
    if (s->dx[0] != NONE)
        s->kernels->backward_data(&wanted, dy_of(p, s), param_of(p, s, 0), dx_of(p, s, 0));
    return WARD_OK;
}
