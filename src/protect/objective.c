/*
 * The graph of one training step: F and G together, so that one backward pass gives the gradients
 * of both.
 */
#include "protect/objective.h"

#include <assert.h>
#include <string.h>

#include "protect/wrong_key.h"

static ward_status config_check(const struct objective_config *config,
                                const struct transform_spec *transform)
{
    if (config->batch == 0 || config->raw_rows > config->batch)
        return ward_fail(WARD_ERR_ARG, "%zu of a batch of %zu images cannot be shown raw",
                         config->raw_rows, config->batch);
    if (config->rival_rows > config->raw_rows)
        return ward_fail(WARD_ERR_ARG, "%zu of %zu raw images cannot be an adversary's",
                         config->rival_rows, config->raw_rows);
    if (config->wrong_rows > config->batch)
        return ward_fail(WARD_ERR_ARG,
                         "%zu of a batch of %zu images cannot be shown under wrong keys",
                         config->wrong_rows, config->batch);
    if (config->wrong_rows > 0 &&
        (!config->is_chance || !transform || !transform_has_tables(transform)))
        return ward_fail(WARD_ERR_ARG, "there are no wrong keys: the transform has no part that "
                                       "follows from a key, or the objective is the paper's");
    return WARD_OK;
}

static void build_inputs(struct graph *g, const struct net_spec *net,
                         const struct objective_config *config, struct objective *o)
{
    struct dims images = {config->batch, net->channels, net->height, net->width};
    struct dims raw = {config->raw_rows, net->channels, net->height, net->width};
    bool is_own = config->changes_raw || raw.n < images.n;

    o->x = graph_input(g, images);
    o->labels = graph_labels(g, config->batch);
    if (raw.n > 0) {
        o->raw = is_own ? graph_input(g, raw) : o->x;
        o->raw_labels = is_own ? graph_labels(g, raw.n) : o->labels;
    }
    if (config->rival_rows > 0 && !config->is_chance)
        o->rival_labels = graph_labels(g, config->rival_rows);
    if (config->teacher_weight > 0)
        o->targets = graph_input(g, (struct dims){config->batch, net->classes, 1, 1});
    if (config->wrong_rows == 0)
        return;
    if (config->wrong_rows == images.n)
        o->wrong = o->x;
    else if (config->wrong_rows == raw.n && !config->changes_raw)
        o->wrong = o->raw;
    else
        o->wrong = graph_input(g, (struct dims){config->wrong_rows, images.c, images.h, images.w});
}

/* The logits of the processed images, and of raw and wrong ones if there are any; wrong: the node
 * of the images under a wrong key, or -1. */
static void build_network(struct graph *g, const struct net_spec *net,
                          const struct objective_config *config, int wrong, struct objective *o)
{
    struct net_use use = {.keeps_running = true}, other_use = {.keeps_running = false};
    int rows = o->processed;

    if (config->separates_bn) {
        o->logits = net_build(net, g, o->processed, use);
        if (o->raw >= 0)
            o->raw_logits = net_build(net, g, o->raw, other_use);
        if (wrong >= 0)
            o->wrong_logits = net_build(net, g, wrong, other_use);
        return;
    }
    if (o->raw >= 0)
        rows = graph_concat(g, rows, o->raw);
    if (wrong >= 0)
        rows = graph_concat(g, rows, wrong);
    o->logits = net_build(net, g, rows, use);
}

int objective_raw_loss(struct graph *g, bool is_chance, int logits, int labels, size_t row0,
                       size_t rows, float weight)
{
    return is_chance ? graph_kl_uniform(g, logits, row0, rows, weight)
                     : graph_true_probability(g, logits, labels, row0, rows, weight);
}

static void build_raw_losses(struct graph *g, const struct objective_config *config,
                             struct objective *o)
{
    bool is_joint = o->raw_logits < 0;
    int logits = is_joint ? o->logits : o->raw_logits;
    size_t row0 = is_joint ? config->batch : 0;

    o->loss_raw = objective_raw_loss(g, config->is_chance, logits, o->raw_labels, row0,
                                     config->raw_rows, config->beta);
    if (config->rival_rows > 0)
        o->loss_rival = objective_raw_loss(g, config->is_chance, logits, o->rival_labels, row0,
                                           config->rival_rows, 0);
    if (config->has_uniform)
        o->loss_uniform = graph_kl_uniform(g, logits, row0, config->raw_rows, 0);
}

static void build_wrong_loss(struct graph *g, const struct objective_config *config,
                             struct objective *o)
{
    bool is_joint = o->wrong_logits < 0;

    o->loss_wrong = graph_kl_uniform(g, is_joint ? o->logits : o->wrong_logits,
                                     is_joint ? config->batch + config->raw_rows : 0,
                                     config->wrong_rows, config->wrong_weight);
}

/* The gradient of softened answers falls with the square of the temperature. */
static void build_teacher_loss(struct graph *g, const struct objective_config *config,
                               struct objective *o)
{
    float t = config->temperature;

    o->loss_teacher = graph_soft_cross_entropy(g, graph_scale(g, o->logits, 1 / t), o->targets, 0,
                                               config->batch, config->teacher_weight * t * t);
}

static void build_losses(struct graph *g, const struct objective_config *config,
                         struct objective *o)
{
    o->loss_processed =
        graph_cross_entropy(g, o->logits, o->labels, 0, config->batch, config->alpha);
    if (o->raw >= 0)
        build_raw_losses(g, config, o);
    if (o->wrong >= 0)
        build_wrong_loss(g, config, o);
    if (o->targets >= 0)
        build_teacher_loss(g, config, o);
    if (o->processed != o->x)
        o->loss_distance = graph_squared_distance(g, o->processed, o->x, config->gamma);
}

ward_status objective_build(struct graph *g, const struct net_spec *net,
                            const struct transform_spec *transform,
                            const struct objective_config *config, struct objective *out)
{
    struct objective o = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
    struct objective_config used = *config;
    int wrong = -1;
    ward_status st = config_check(config, transform);

    if (st)
        return st;
    if (!transform)
        used.raw_rows = used.rival_rows = 0;
    build_inputs(g, net, &used, &o);
    o.processed = transform ? transform_build(transform, g, o.x, false) : o.x;
    if (o.wrong >= 0)
        wrong = transform_build_wrong(transform, g, o.wrong);
    build_network(g, net, &used, wrong, &o);
    build_losses(g, &used, &o);
    st = graph_finish(g);
    if (st)
        return st;
    if (!transform)
        o.processed = -1;
    *out = o;
    return WARD_OK;
}

ward_status objective_wrong_key(const struct objective *o, const struct transform *t, uint64_t seed,
                                uint64_t step, struct tensor_list *out)
{
    return o->wrong >= 0 ? wrong_key_draw(out, t, seed, step) : WARD_OK;
}

ward_status objective_load_wrong_key(const struct objective *o, struct plan *plan,
                                     const struct transform *t, uint64_t seed, uint64_t step)
{
    struct tensor_list wrong = {NULL, 0};
    ward_status st = objective_wrong_key(o, t, seed, step, &wrong);

    if (!st)
        st = params_replace(plan, &wrong);
    tensor_list_release(&wrong);
    return st;
}

void objective_fill(const struct objective *o, struct plan *plan, const float *x,
                    const int32_t *labels)
{
    const struct graph *g = plan_graph(plan);

    memcpy(plan_input(plan, o->x), x, dims_count(graph_dims(g, o->x)) * sizeof *x);
    memcpy(plan_labels(plan, o->labels), labels, graph_dims(g, o->labels).n * sizeof *labels);
    if (o->wrong >= 0 && o->wrong != o->x && o->wrong != o->raw)
        memcpy(plan_input(plan, o->wrong), x, dims_count(graph_dims(g, o->wrong)) * sizeof *x);
    if (o->rival_labels >= 0)
        memcpy(plan_labels(plan, o->rival_labels), labels,
               graph_dims(g, o->rival_labels).n * sizeof *labels);
    if (o->raw < 0 || o->raw == o->x)
        return;
    memcpy(plan_input(plan, o->raw), x, dims_count(graph_dims(g, o->raw)) * sizeof *x);
    memcpy(plan_labels(plan, o->raw_labels), labels,
           graph_dims(g, o->raw_labels).n * sizeof *labels);
}
