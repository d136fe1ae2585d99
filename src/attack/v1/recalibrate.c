/*
 * A7, recalibration: F's batch norm learned the statistics of processed images; raw images get
 * statistics of their own, of all that are held, in whole batches. That alone, and what it is a
 * start for: a pattern found without labels (A4); with labels a pattern (A3), a copy of G (A5), and
 * all layers (A6). A network without batch norm has nothing to recalibrate, and is offered as it
 * is.
 */
#include <math.h>
#include <stdio.h>

#include "attack/search.h"
#include "base/mem.h"
#include "base/util.h"

enum { BATCH = 100 };

/* ---- statistics ---- */

static bool has_batch_norm(const struct graph *g)
{
    for (size_t p = 0; p < g->param_count; p++)
        if (g->params[p].role == PARAM_RUNNING_MEAN)
            return true;
    return false;
}

/* Labelled ones first, which are as many of each class. */
static ward_status read_images(const struct thief *t, size_t first, size_t count, float *x)
{
    size_t len = t->network->spec.channels * t->network->spec.height * t->network->spec.width;
    ward_status st = WARD_OK;

    for (size_t i = 0; i < count && !st; i++)
        st = thief_raw_image(t, first + i, x + i * len);
    return st;
}

static ward_status run_images(struct thief *t, struct plan *plan, int x, size_t batch)
{
    ward_status st = WARD_OK;

    for (size_t done = 0; done + batch <= thief_raw_count(t) && !st; done += batch) {
        st = thief_go_on(t);
        if (!st)
            st = read_images(t, done, batch, plan_input(plan, x));
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
    size_t batch = min_size(BATCH, thief_raw_count(t));
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

/* ---- what they are a start for ---- */

/* A transform in front of F with such statistics, trained. */
static ward_status train_front(struct search *s, const struct transform_spec *spec,
                               const struct tensor_list *params)
{
    struct transform front = {.params = {NULL, 0}};
    ward_status st = thief_transform(s->thief, spec, 0, &front);

    s->classifier = classifier_of(&s->thief->network->spec, spec);
    s->trained = "transform.";
    if (!st)
        st = params_append(&front.params, params);
    if (!st)
        st = search_run(s, &front.params);
    transform_release(&front);
    return st;
}

/* As A4 finds them. */
static ward_status add_pattern(struct thief *t, struct tensor_list *params)
{
    const struct transform_spec spec = thief_pattern(t, 0.02f * (t->high - t->low));
    struct search s = {.thief = t,
                       .what = "recalibrated, then a pattern",
                       .loss = &search_infomax,
                       .rate = 0.1 * (double)(t->high - t->low),
                       .bound = INFINITY,
                       .chooses_by_accuracy = true};

    return train_front(&s, &spec, params);
}

enum start_for { PATTERN, COPY, ALL_LAYERS };

static const struct variant {
    unsigned effort; /* from which on */
    enum start_for what;
    double rate; /* of a pattern in widths of the range of values */
} variants[] = {
    {1, PATTERN, 0.003}, {1, COPY, 0.003}, {1, ALL_LAYERS, 1e-3},
    {2, PATTERN, 0.01},  {2, COPY, 0.01},  {2, ALL_LAYERS, 3e-4},
    {3, PATTERN, 0.001}, {3, COPY, 0.001}, {3, ALL_LAYERS, 1e-4},
};

static ward_status train_all(struct search *s, const struct tensor_list *params)
{
    struct tensor_list own = {NULL, 0};
    ward_status st = tensor_list_copy(&own, params);

    s->classifier = classifier_of(&s->thief->network->spec, NULL);
    s->trained = "";
    s->trains_network = s->augments = true;
    if (!st)
        st = search_run(s, &own);
    tensor_list_release(&own);
    return st;
}

static ward_status try_variant(struct thief *t, const struct variant *v, struct tensor_list *params)
{
    static const char *const names[] = {
        [PATTERN] = "a pattern", [COPY] = "a copy of G", [ALL_LAYERS] = "all"};
    const struct transform_spec pattern = thief_pattern(t, 0.02f * (t->high - t->low));
    const struct transform_spec copy = thief_copy(t, t->structure.generator_width, 0.1f);
    struct search s = {.thief = t, .loss = &search_labels, .rate = v->rate, .bound = (double)NAN};

    snprintf(s.what, sizeof s.what, "recalibrated, then %s, rate %g", names[v->what], v->rate);
    if (v->what == ALL_LAYERS)
        return train_all(&s, params);
    if (v->what == COPY)
        return train_front(&s, &copy, params);
    s.rate *= (double)(t->high - t->low);
    s.bound = INFINITY;
    return train_front(&s, &pattern, params);
}

static ward_status use_labels(struct thief *t, struct tensor_list *params)
{
    ward_status st = WARD_OK;

    for (size_t i = 0; i < sizeof variants / sizeof variants[0] && !st; i++)
        if (variants[i].effort <= t->budget->effort)
            st = try_variant(t, &variants[i], params);
    return st;
}

/* ---- all of it ---- */

static ward_status attempt(struct thief *t,
                           ward_status (*go_on)(struct thief *t, struct tensor_list *params))
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
        st = go_on(t, &params);
    tensor_list_release(&params);
    return st;
}

static ward_status attempt_unlabelled(struct thief *t)
{
    return attempt(t, add_pattern);
}

static ward_status attempt_labelled(struct thief *t)
{
    return attempt(t, use_labels);
}

const struct raid raid_recalibrate_unlabelled = {
    .name = "recalibrate",
    .id = "A7",
    .knows = WARD_KNOWS_UNLABELLED,
    .methods = ATTACK_ALL_METHODS,
    .attempt = attempt_unlabelled,
};

const struct raid raid_recalibrate_labelled = {
    .name = "recalibrate",
    .id = "A7",
    .knows = WARD_KNOWS_LABELLED,
    .methods = ATTACK_ALL_METHODS,
    .attempt = attempt_labelled,
};
