/* Asking F: see query.h. */
#include "attack/v1/query.h"

#include <math.h>

#include "base/mem.h"
#include "base/util.h"

static ward_status open_plan(struct query *q)
{
    const struct tensor_list *const lists[] = {&q->thief->network->params};
    const struct net_spec *image = &q->classifier.net;
    struct transform drawn = {.params = {NULL, 0}};
    struct plan_options options = {.bn = BN_RUNNING, .is_secret = true, .output_count = 1};
    const struct tensor_list *const both[] = {lists[0], &drawn.params};
    int front;
    ward_status st;

    q->x = graph_input(&q->graph,
                       (struct dims){q->batch, image->channels, image->height, image->width});
    q->logits = q->classifier.build(&q->classifier, &q->graph, q->x, &front);
    options.outputs[0] = q->logits;
    st = graph_finish(&q->graph);
    if (!st)
        st = plan_compile(&q->plan, q->thief->device, &q->graph, &options);
    if (!st)
        st = thief_transform(q->thief, &q->classifier.transform, 0, &drawn);
    if (!st)
        st = params_load(q->plan, both, 2);
    transform_release(&drawn);
    return st;
}

ward_status query_open(struct query *q, struct thief *t, const struct transform_spec *transform,
                       size_t batch)
{
    ward_status st;

    *q = (struct query){.thief = t,
                        .classifier = classifier_of(&t->network->spec, transform),
                        .batch = min_size(batch, t->images->count),
                        .classes = t->network->spec.classes};
    q->source =
        (struct batch_source){.split = t->images, .seed = t->seed, .batch = (uint32_t)q->batch};
    graph_init(&q->graph);
    st = mem_new(&q->labels, q->batch, sizeof *q->labels);
    if (!st)
        st = epoch_order_init(&q->order, t->images);
    if (!st)
        st = open_plan(q);
    if (st)
        return st;
    q->images = plan_input(q->plan, q->x);
    query_images(q, 0);
    return WARD_OK;
}

void query_close(struct query *q)
{
    epoch_order_release(&q->order);
    plan_free(q->plan);
    graph_release(&q->graph);
    mem_free(q->labels);
}

void query_images(struct query *q, uint64_t step)
{
    batch_make(&q->source, &q->order, step, q->images, q->labels);
}

/* -log softmax(row)[label] */
static double cross_entropy(const float *row, size_t classes, int32_t label)
{
    double largest = (double)row[0], sum = 0;

    for (size_t k = 1; k < classes; k++)
        largest = fmax(largest, (double)row[k]);
    for (size_t k = 0; k < classes; k++)
        sum += exp((double)row[k] - largest);
    return largest + log(sum) - (double)row[label];
}

static ward_status load(struct query *q, const struct tensor_list *transform)
{
    ward_status st = WARD_OK;

    for (size_t p = 0; p < q->graph.param_count && !st; p++) {
        const struct tensor *t = tensor_list_find(transform, q->graph.params[p].name);

        if (t)
            st = plan_load(q->plan, p, PLAN_VALUE, t->data);
    }
    return st;
}

ward_status query_loss(struct query *q, const struct tensor_list *transform, double *out)
{
    const float *logits;
    double sum = 0;
    ward_status st = thief_go_on(q->thief);

    if (!st)
        st = load(q, transform);
    if (!st)
        st = plan_forward(q->plan);
    if (st)
        return st;
    logits = plan_output(q->plan, q->logits);
    for (size_t i = 0; i < q->batch; i++)
        sum += cross_entropy(logits + i * q->classes, q->classes, q->labels[i]);
    q->thief->cell->images += q->batch;
    *out = isfinite(sum) ? sum / (double)q->batch : INFINITY;
    return WARD_OK;
}

ward_status query_offer(struct query *q, const struct tensor_list *transform, const char *what)
{
    struct tensor_list params = {NULL, 0};
    ward_status st = params_append(&params, transform);

    if (!st)
        st = thief_network(q->thief, &params);
    if (!st)
        st = thief_offer_as(q->thief, &q->classifier, &params, what);
    tensor_list_release(&params);
    return st;
}
