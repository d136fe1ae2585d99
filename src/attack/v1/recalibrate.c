/*
 * A7, recalibration: F's batch norm learned the statistics of processed images; raw images get
 * statistics of their own, alone and under a pattern found without labels (A4). A network without
 * batch norm has nothing to recalibrate, and is offered as it is.
 */
#include <math.h>
#include <stdio.h>

#include "attack/search.h"
#include "base/mem.h"
#include "base/util.h"

enum { BATCH = 100 };

static bool has_batch_norm(const struct graph *g)
{
    for (size_t p = 0; p < g->param_count; p++)
        if (g->params[p].role == PARAM_RUNNING_MEAN)
            return true;
    return false;
}

static ward_status run_images(struct thief *t, struct plan *plan, int x, size_t batch)
{
    ward_status st = WARD_OK;

    for (size_t done = 0; done + batch <= t->images->count && !st; done += batch) {
        st = thief_go_on(t);
        if (!st)
            st = batch_read(t->images, done, batch, plan_input(plan, x), NULL);
        if (!st)
            st = plan_forward(plan);
    }
    return st;
}

/* Running statistics become the average over the batches of the images that are held. */
static ward_status recalibrate(struct thief *t, struct tensor_list *params, bool *is_changed)
{
    const struct classifier c = classifier_of(&t->network->spec, NULL);
    const struct tensor_list *const lists[] = {params};
    const struct net_spec *image = &c.net;
    struct plan_options options = {.bn = BN_RECALIBRATE, .output_count = 1};
    size_t batch = min_size(BATCH, t->images->count);
    struct plan *plan = NULL;
    struct graph g;
    int x, front;
    ward_status st;

    graph_init(&g);
    x = graph_input(&g, (struct dims){batch, image->channels, image->height, image->width});
    options.outputs[0] = c.build(&c, &g, x, &front);
    st = graph_finish(&g);
    *is_changed = !st && has_batch_norm(&g);
    if (!st && *is_changed)
        st = plan_compile(&plan, t->device, &g, &options);
    if (!st && *is_changed)
        st = params_load(plan, lists, 1);
    if (!st && *is_changed)
        st = run_images(t, plan, x, batch);
    if (!st && *is_changed)
        st = params_store(plan, PLAN_VALUE, params);
    plan_free(plan);
    graph_release(&g);
    return st;
}

/* With a pattern besides, as A4 finds them. */
static ward_status add_pattern(struct thief *t, struct tensor_list *params)
{
    const struct transform_spec spec = thief_pattern(t, 0.02f * (t->high - t->low));
    struct search s = {.thief = t,
                       .what = "recalibrated, then a pattern",
                       .classifier = classifier_of(&t->network->spec, &spec),
                       .loss = &search_infomax,
                       .trained = "transform.",
                       .rate = 0.1 * (double)(t->high - t->low),
                       .bound = INFINITY,
                       .chooses_by_accuracy = true};
    struct transform pattern = {.params = {NULL, 0}};
    ward_status st = thief_transform(t, &spec, 0, &pattern);

    if (!st)
        st = params_append(&pattern.params, params);
    if (!st)
        st = search_run(&s, &pattern.params);
    transform_release(&pattern);
    return st;
}

static ward_status attempt(struct thief *t)
{
    const struct classifier c = classifier_of(&t->network->spec, NULL);
    struct tensor_list params = {NULL, 0};
    bool is_changed = false;
    ward_status st = thief_network(t, &params);

    if (!st)
        st = recalibrate(t, &params, &is_changed);
    if (!st)
        st = thief_offer_as(t, &c, &params, is_changed ? "recalibrated" : "no batch norm");
    if (!st && is_changed)
        st = add_pattern(t, &params);
    tensor_list_release(&params);
    return st;
}

const struct raid raid_recalibrate = {
    .name = "recalibrate",
    .id = "A7",
    .knows = WARD_KNOWS_UNLABELLED,
    .methods = ATTACK_ALL_METHODS,
    .attempt = attempt,
};
