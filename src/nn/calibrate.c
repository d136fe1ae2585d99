/* Calibrating neutral batch norm: see calibrate.h. */
#include "nn/calibrate.h"

#include <math.h>
#include <string.h>

#include "base/util.h"

float neutral_variance(float epsilon)
{
    return 1 - epsilon;
}

static bool is_all(const struct tensor *t, float value)
{
    for (size_t i = 0; i < shape_count(&t->shape); i++)
        if (t->data[i] < value || t->data[i] > value)
            return false;
    return true;
}

static struct tensor *param_of(const struct net *net, const struct graph *g,
                               const struct op_desc *d, size_t which)
{
    return tensor_list_find(&net->params, g->params[d->param[which]].name);
}

static bool is_neutral(const struct net *net, const struct graph *g, const struct op_desc *d)
{
    return d->kind == OP_BATCH_NORM && is_all(param_of(net, g, d, 0), 1) &&
           is_all(param_of(net, g, d, 3), neutral_variance(d->epsilon));
}

/* The next neutral batch norm from node `first` on; node_count if there is none. */
static size_t next_neutral(const struct net *net, const struct graph *g, size_t first)
{
    while (first < g->node_count && !is_neutral(net, g, &g->nodes[first]))
        first++;
    return first;
}

ward_status net_is_neutral(const struct net *net, bool *out)
{
    struct graph g;
    ward_status st;

    graph_init(&g);
    st = net_graph(&g, &net->spec);
    if (!st)
        *out = next_neutral(net, &g, 0) < g.node_count;
    graph_release(&g);
    return st;
}

/* Set channel c of a batch norm by its input x. */
static void calibrate_channel(const struct net *net, const struct graph *g, const struct op_desc *d,
                              size_t c, const float *x)
{
    float *scale = param_of(net, g, d, 0)->data + c, *shift = param_of(net, g, d, 1)->data + c;
    float *mean = param_of(net, g, d, 2)->data + c, *var = param_of(net, g, d, 3)->data + c;
    size_t len = d->out.h * d->out.w;
    double sum = 0, squares = 0, average;

    for (size_t n = 0; n < d->out.n; n++)
        for (size_t i = 0; i < len; i++)
            sum += (double)x[(n * d->out.c + c) * len + i];
    average = sum / (double)(d->out.n * len);
    for (size_t n = 0; n < d->out.n; n++)
        for (size_t i = 0; i < len; i++) {
            double off = (double)x[(n * d->out.c + c) * len + i] - average;

            squares += off * off;
        }
    *shift = (float)((double)*shift + average - (double)*mean);
    *mean = (float)average;
    *var = (float)(squares / (double)(d->out.n * len));
    *scale = sqrtf(*var + d->epsilon);
}

/*
 * The batch norms from *at on, as many as a plan has outputs for; *at moves behind them. As a
 * calibrated one computes the same as before, the order does not matter.
 */
static ward_status calibrate_some(struct net *net, struct ward_device *device,
                                  const struct graph *g, const float *images, size_t *at)
{
    const struct tensor_list *const lists[] = {&net->params};
    struct plan_options options = {.bn = BN_RUNNING};
    int norms[PLAN_MAX_OUTPUTS];
    struct plan *plan = NULL;
    ward_status st;

    for (size_t i = *at; options.output_count < PLAN_MAX_OUTPUTS; i++) {
        i = next_neutral(net, g, i);
        *at = min_size(i + 1, g->node_count);
        if (i == g->node_count)
            break;
        norms[options.output_count] = (int)i;
        options.outputs[options.output_count++] = g->nodes[i].input[0];
    }
    if (options.output_count == 0)
        return WARD_OK;
    st = plan_compile(&plan, device, g, &options);
    if (!st)
        st = params_load(plan, lists, 1);
    if (!st) {
        memcpy(plan_input(plan, 0), images, dims_count(graph_dims(g, 0)) * sizeof *images);
        st = plan_forward(plan);
    }
    for (size_t k = 0; k < options.output_count && !st; k++)
        for (size_t c = 0; c < g->nodes[norms[k]].out.c; c++)
            calibrate_channel(net, g, &g->nodes[norms[k]], c,
                              plan_output(plan, options.outputs[k]));
    plan_free(plan);
    return st;
}

ward_status net_calibrate(struct net *net, struct ward_device *device, size_t n,
                          const float *images)
{
    struct dims dims = {n, net->spec.channels, net->spec.height, net->spec.width};
    struct net_use use = {.is_frozen = true};
    struct graph g;
    ward_status st;

    graph_init(&g);
    net_build(&net->spec, &g, graph_input(&g, dims), use);
    st = graph_finish(&g);
    for (size_t at = 0; !st && at < g.node_count;)
        st = calibrate_some(net, device, &g, images, &at);
    graph_release(&g);
    return st;
}
