/*
 * A5, learned transform: a copy of G's architecture, which is no secret, trained through F: with
 * labels, or without (InfoMax). Also a wider one, as a thief need not keep to the owner's.
 */
#include <math.h>
#include <stdio.h>

#include "attack/search.h"

enum { RATES = 2, MAX_WIDTH = 1024 };

static const double rates[RATES] = {0.01, 0.003};
static const float leak = 0.1f;

struct variant {
    double rate;
    size_t width;
    bool is_leaky;
    uint32_t restart;
};

static ward_status try_variant(struct thief *t, const struct search_loss *loss,
                               const struct variant *v)
{
    struct transform_spec spec = t->structure;
    struct transform copy = {.params = {NULL, 0}};
    struct search s = {
        .thief = t,
        .loss = loss,
        .trained = "transform.",
        .rate = v->rate,
        .bound = (double)NAN,
        .leak = v->is_leaky ? leak : 0,
    };
    ward_status st;

    spec.method = WARD_METHOD_GENERATOR;
    spec.generator_width = v->width;
    spec.start = 1;
    spec.is_clamped = false;
    s.classifier = classifier_of(&t->network->spec, &spec);
    snprintf(s.what, sizeof s.what, "width %zu, rate %g, start %u%s", v->width, v->rate,
             v->restart + 1, v->is_leaky ? ", leaky backward" : "");
    st = thief_transform(t, &spec, v->restart, &copy);
    if (!st)
        st = thief_network(t, &copy.params);
    if (!st)
        st = search_run(&s, &copy.params);
    transform_release(&copy);
    return st;
}

static ward_status attempt(struct thief *t, const struct search_loss *loss)
{
    size_t width = t->structure.generator_width;
    size_t wide = 4 * width <= MAX_WIDTH ? 4 * width : MAX_WIDTH;
    unsigned effort = t->budget->effort;
    ward_status st = WARD_OK;

    for (uint32_t i = 0; i < effort * effort && !st; i++) {
        struct variant v = {rates[i % RATES], i % 4 < 2 ? width : wide, false, i / 4};

        st = try_variant(t, loss, &v);
        v.is_leaky = true;
        if (!st)
            st = try_variant(t, loss, &v);
    }
    return st;
}

static ward_status attempt_labelled(struct thief *t)
{
    return attempt(t, &search_labels);
}

static ward_status attempt_unlabelled(struct thief *t)
{
    return attempt(t, &search_infomax);
}

const struct raid raid_learned_labelled = {
    .name = "learned-transform",
    .id = "A5",
    .knows = WARD_KNOWS_LABELLED,
    .is_cheap = true,
    .methods = ATTACK_ALL_METHODS,
    .attempt = attempt_labelled,
};

const struct raid raid_learned_unlabelled = {
    .name = "learned-transform",
    .id = "A5",
    .knows = WARD_KNOWS_UNLABELLED,
    .methods = ATTACK_ALL_METHODS,
    .attempt = attempt_unlabelled,
};
