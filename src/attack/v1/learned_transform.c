/*
 * A5, learned transform: a copy of G's architecture, which is no secret, trained through F: with
 * labels, or without (InfoMax). Also a wider one, as a thief need not keep to the owner's.
 */
#include <math.h>
#include <stdio.h>

#include "attack/search.h"
#include "base/util.h"

enum { WIDE = 4, MAX_WIDTH = 1024 };

static const float leak = 0.1f;

/* A start near x itself keeps what F does to raw images; a large one is already far from it. */
static const struct variant {
    unsigned effort; /* from which on */
    double rate;
    float start; /* factor on the second layer */
    bool is_wide;
    uint32_t restart;
} variants[] = {
    {1, 0.003, 0.1f, false, 0}, {2, 0.01, 0.1f, false, 0},  {2, 0.003, 1, false, 0},
    {2, 0.003, 0.1f, true, 0},  {3, 0.001, 0.1f, false, 1}, {3, 0.01, 1, true, 1},
    {3, 0.003, 0.1f, true, 1},
};

enum { VARIANTS = sizeof variants / sizeof variants[0] };

static ward_status try_variant(struct thief *t, const struct search_loss *loss,
                               const struct variant *v, bool is_leaky)
{
    size_t width = t->structure.generator_width;
    const struct transform_spec spec =
        thief_copy(t, v->is_wide ? min_size(WIDE * width, MAX_WIDTH) : width, v->start);
    struct transform copy = {.params = {NULL, 0}};
    struct search s = {
        .thief = t,
        .loss = loss,
        .trained = "transform.",
        .rate = v->rate,
        .bound = (double)NAN,
        .leak = is_leaky ? leak : 0,
    };
    ward_status st;

    s.classifier = classifier_of(&t->network->spec, &spec);
    snprintf(s.what, sizeof s.what, "width %zu, rate %g, start %g%s", spec.generator_width, v->rate,
             (double)v->start, is_leaky ? ", leaky backward" : "");
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
    ward_status st = WARD_OK;

    for (size_t i = 0; i < VARIANTS && !st; i++) {
        if (variants[i].effort > t->budget->effort)
            continue;
        st = try_variant(t, loss, &variants[i], false);
        if (!st)
            st = try_variant(t, loss, &variants[i], true);
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
