/* Validation during training: see validator.h. */
#include "train/validator.h"

#include "base/mem.h"
#include "base/util.h"
#include "train/metrics.h"

enum { MAX_BATCH = 200 };

static void build(struct validator *v, const struct net_spec *net,
                  const struct transform_spec *transform, size_t batch)
{
    struct net_use use = {.is_frozen = true};
    struct dims images = {batch, net->channels, net->height, net->width};
    int processed;

    v->x = graph_input(&v->graph, images);
    processed = transform ? transform_build(transform, &v->graph, v->x, true) : v->x;
    v->logits = net_build(net, &v->graph, processed, use);
    v->raw_logits = transform ? net_build(net, &v->graph, v->x, use) : -1;
}

ward_status validator_init(struct validator *v, struct ward_device *device,
                           const struct net_spec *net, const struct transform_spec *transform,
                           const struct split *split)
{
    struct plan_options options = {.bn = BN_RUNNING, .is_secret = transform != NULL};
    size_t batch = min_size(split->count, MAX_BATCH);
    ward_status st;

    *v = (struct validator){.split = split};
    graph_init(&v->graph);
    build(v, net, transform, batch);
    options.outputs[options.output_count++] = v->logits;
    if (v->raw_logits >= 0)
        options.outputs[options.output_count++] = v->raw_logits;
    st = graph_finish(&v->graph);
    if (!st)
        st = plan_compile(&v->plan, device, &v->graph, &options);
    if (!st)
        st = mem_new(&v->labels, batch, sizeof *v->labels);
    if (st)
        validator_release(v);
    return st;
}

void validator_release(struct validator *v)
{
    plan_free(v->plan);
    graph_release(&v->graph);
    mem_free(v->labels);
    *v = (struct validator){0};
}

struct tally {
    size_t processed, raw;
};

static ward_status run_batch(struct validator *v, size_t first, size_t rows, struct tally *tally)
{
    size_t classes = graph_dims(&v->graph, v->logits).c;
    ward_status st = batch_read(v->split, first, rows, plan_input(v->plan, v->x), v->labels);

    if (!st)
        st = plan_forward(v->plan);
    if (st)
        return st;
    tally->processed += count_correct(plan_output(v->plan, v->logits), v->labels, rows, classes);
    if (v->raw_logits >= 0)
        tally->raw += count_correct(plan_output(v->plan, v->raw_logits), v->labels, rows, classes);
    return WARD_OK;
}

ward_status validator_run(struct validator *v, const struct tensor_list *net,
                          const struct tensor_list *transform, double *processed, double *raw)
{
    const struct tensor_list *const lists[] = {net, transform};
    size_t batch = graph_dims(&v->graph, v->x).n, count = v->split->count;
    struct tally tally = {0, 0};
    ward_status st = params_load(v->plan, lists, 2);

    for (size_t first = 0; first < count && !st; first += batch)
        st = run_batch(v, first, min_size(batch, count - first), &tally);
    if (st)
        return st;
    *processed = (double)tally.processed / (double)count;
    *raw = v->raw_logits >= 0 ? (double)tally.raw / (double)count : -1;
    return WARD_OK;
}
