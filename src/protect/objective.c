/*
 * The graph of one training step: F and G together, so that one backward pass gives the gradients
 * of both.
 */
#include "protect/objective.h"

#include <assert.h>
#include <string.h>

static ward_status config_check(const struct objective_config *config)
{
    if (config->batch == 0 || config->raw_rows > config->batch)
        return ward_fail(WARD_ERR_ARG, "%zu of a batch of %zu images cannot be shown raw",
                         config->raw_rows, config->batch);
    return WARD_OK;
}

static void build_inputs(struct graph *g, const struct net_spec *net,
                         const struct objective_config *config, struct objective *o)
{
    struct dims images = {config->batch, net->channels, net->height, net->width};
    struct dims raw = {config->raw_rows, net->channels, net->height, net->width};

    o->x = graph_input(g, images);
    o->labels = graph_labels(g, config->batch);
    if (raw.n == 0)
        return;
    o->raw = raw.n == images.n ? o->x : graph_input(g, raw);
    o->raw_labels = raw.n == images.n ? o->labels : graph_labels(g, raw.n);
}

/* The logits of the processed images, and of the raw ones if there are any. */
static void build_network(struct graph *g, const struct net_spec *net,
                          const struct objective_config *config, struct objective *o)
{
    struct net_use use = {.keeps_running = true}, raw_use = {.keeps_running = false};

    if (o->raw < 0) {
        o->logits = net_build(net, g, o->processed, use);
    } else if (config->separates_bn) {
        o->logits = net_build(net, g, o->processed, use);
        o->raw_logits = net_build(net, g, o->raw, raw_use);
    } else {
        o->logits = net_build(net, g, graph_concat(g, o->processed, o->raw), use);
    }
}

static void build_losses(struct graph *g, const struct objective_config *config,
                         struct objective *o)
{
    bool is_joint = o->raw_logits < 0;

    o->loss_processed = graph_cross_entropy(g, o->logits, o->labels, 0, config->batch,
                                            config->alpha);
    if (o->raw >= 0) {
        int logits = is_joint ? o->logits : o->raw_logits;
        size_t row0 = is_joint ? config->batch : 0;

        o->loss_raw = graph_true_probability(g, logits, o->raw_labels, row0, config->raw_rows,
                                             config->beta);
        if (config->has_uniform)
            o->loss_uniform = graph_kl_uniform(g, logits, row0, config->raw_rows, 0);
    }
    if (o->processed != o->x)
        o->loss_distance = graph_squared_distance(g, o->processed, o->x, config->gamma);
}

ward_status objective_build(struct graph *g, const struct net_spec *net,
                            const struct transform_spec *transform,
                            const struct objective_config *config, struct objective *out)
{
    struct objective o = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
    struct objective_config used = *config;
    ward_status st = config_check(config);

    if (st)
        return st;
    if (!transform)
        used.raw_rows = 0;
    build_inputs(g, net, &used, &o);
    o.processed = transform ? transform_build(transform, g, o.x, false) : o.x;
    build_network(g, net, &used, &o);
    build_losses(g, &used, &o);
    st = graph_finish(g);
    if (st)
        return st;
    if (!transform)
        o.processed = -1;
    *out = o;
    return WARD_OK;
}

void objective_fill(const struct objective *o, struct plan *plan, const float *x,
                    const int32_t *labels)
{
    const struct graph *g = plan_graph(plan);

    memcpy(plan_input(plan, o->x), x, dims_count(graph_dims(g, o->x)) * sizeof *x);
    memcpy(plan_labels(plan, o->labels), labels, graph_dims(g, o->labels).n * sizeof *labels);
    if (o->raw < 0 || o->raw == o->x)
        return;
    memcpy(plan_input(plan, o->raw), x, dims_count(graph_dims(g, o->raw)) * sizeof *x);
    memcpy(plan_labels(plan, o->raw_labels), labels,
           graph_dims(g, o->raw_labels).n * sizeof *labels);
}
