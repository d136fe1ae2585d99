/*
 * A10, distil: a network taught by what F says of processed images. With as many pairs as training
 * images it comes near the owner's, whatever G is: nothing can prevent that, and this is the
 * ceiling. A16, extract: the same from the authorised service's answers, in full or only the
 * class.
 *
 * Students are new networks, and F itself as it was stolen.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "attack/search.h"

static const struct variant {
    unsigned effort; /* from which on */
    bool is_stolen;  /* F, as it was stolen, and not a new network: */
    enum thief_net net;
    double rate;
    bool augments;
} variants[] = {
    {1, false, NET_USUAL, 1e-3, true}, {1, true, NET_OWN, 1e-3, true},
    {1, false, NET_DEEP, 1e-3, true},  {2, false, NET_USUAL, 1e-3, false},
    {2, false, NET_OWN, 1e-3, true},   {2, true, NET_OWN, 3e-4, true},
    {3, false, NET_USUAL, 3e-4, true}, {3, false, NET_OWN, 3e-4, true},
    {3, true, NET_OWN, 3e-4, false},
};

enum { VARIANTS = sizeof variants / sizeof variants[0] };

/* ---- losses ---- */

static void build_full(const struct search *s, struct graph *g, struct search_nodes *n)
{
    struct dims d = graph_dims(g, n->logits);

    (void)s;
    n->extra = graph_input(g, d);
    graph_soft_cross_entropy(g, n->logits, n->extra, 0, d.n, 1.0f);
}

static void softmax(float *values, size_t count)
{
    float largest = values[0], sum = 0;

    for (size_t i = 1; i < count; i++)
        largest = fmaxf(largest, values[i]);
    for (size_t i = 0; i < count; i++)
        sum += values[i] = expf(values[i] - largest);
    for (size_t i = 0; i < count; i++)
        values[i] /= sum;
}

static ward_status fill_full(const struct search *s, struct plan *plan,
                             const struct search_nodes *nodes, size_t n, const float *x,
                             int32_t *labels)
{
    size_t k = s->classifier.net.classes;
    float *answers = plan_input(plan, nodes->extra);
    ward_status st = thief_ask(s->thief, n, x, answers);

    (void)labels;
    for (size_t i = 0; i < n && !st; i++)
        softmax(answers + i * k, k);
    return st;
}

static ward_status fill_class(const struct search *s, struct plan *plan,
                              const struct search_nodes *nodes, size_t n, const float *x,
                              int32_t *labels)
{
    (void)plan;
    (void)nodes;
    return thief_name(s->thief, n, x, labels);
}

static const struct search_loss full = {.build = build_full, .fill = fill_full};
static const struct search_loss class_only = {
    .build = search_build_labels, .takes_labels = true, .fill = fill_class};

/* ---- students ---- */

static ward_status enrol(struct thief *t, const struct variant *v, const struct net_spec *spec,
                         struct tensor_list *params)
{
    struct net fresh = {.params = {NULL, 0}};
    ward_status st;

    if (v->is_stolen)
        return thief_network(t, params);
    st = net_init(&fresh, spec, t->seed);
    if (!st)
        st = params_append(params, &fresh.params);
    net_release(&fresh);
    return st;
}

static ward_status teach(struct thief *t, const struct search_loss *loss, const struct variant *v)
{
    const struct net_spec spec = v->is_stolen ? t->network->spec : thief_net_spec(t, v->net);
    struct tensor_list params = {NULL, 0};
    struct search s = {
        .thief = t,
        .loss = loss,
        .trained = "",
        .rate = v->rate,
        .bound = (double)NAN,
        .trains_network = true,
        .augments = v->augments,
    };
    ward_status st;

    s.classifier = classifier_of(&spec, NULL);
    snprintf(s.what, sizeof s.what, "%s, rate %g%s", v->is_stolen ? "F" : spec.arch, v->rate,
             v->augments ? ", augmented" : "");
    st = enrol(t, v, &spec, &params);
    if (!st)
        st = search_run(&s, &params);
    tensor_list_release(&params);
    return st;
}

static ward_status attempt(struct thief *t, const struct search_loss *loss)
{
    ward_status st = WARD_OK;

    for (size_t i = 0; i < VARIANTS && !st; i++)
        if (variants[i].effort <= t->budget->effort &&
            (variants[i].is_stolen || thief_has_net(t, variants[i].net)))
            st = teach(t, loss, &variants[i]);
    return st;
}

static ward_status attempt_full(struct thief *t)
{
    return attempt(t, &full);
}

static ward_status attempt_class(struct thief *t)
{
    return attempt(t, &class_only);
}

const struct raid raid_distil = {
    .name = "distil",
    .id = "A10",
    .knows = WARD_KNOWS_PAIRS,
    .least = 10,
    .methods = ATTACK_ALL_PROTECTED,
    .attempt = attempt_full,
};

const struct raid raid_extract = {
    .name = "extract",
    .id = "A16",
    .knows = WARD_KNOWS_QUERIES,
    .methods = ATTACK_ALL_PROTECTED,
    .attempt = attempt_full,
};

const struct raid raid_extract_class = {
    .name = "extract-class",
    .id = "A16",
    .knows = WARD_KNOWS_QUERIES,
    .methods = ATTACK_ALL_PROTECTED,
    .attempt = attempt_class,
};
