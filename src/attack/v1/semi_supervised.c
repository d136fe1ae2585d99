/*
 * A5, semi-supervised: a copy of G trained through F without labels (InfoMax) on the images that
 * are held besides the labelled ones, and only then with labels, which are too few to find it but
 * enough to better it.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "attack/search.h"

static const float start = 0.1f; /* factor on the second layer: near x itself */

static const struct variant {
    unsigned effort; /* from which on */
    double rate;     /* without labels; with labels a third of it */
    float leak;      /* as search.leak */
} variants[] = {
    {1, 0.003, 0}, {1, 0.003, 0.1f}, {2, 0.01, 0}, {2, 0.01, 0.1f}, {3, 0.001, 0}, {3, 0.001, 0.1f},
};

enum { VARIANTS = sizeof variants / sizeof variants[0] };

/* Without labels on all that is held besides; on the labelled ones if that is nothing. */
static const struct split *to_begin_with(const struct thief *t)
{
    return t->unlabelled->count > 0 ? t->unlabelled : t->images;
}

static ward_status try_variant(struct thief *t, const struct variant *v)
{
    const struct transform_spec spec = thief_copy(t, t->structure.generator_width, start);
    struct transform copy = {.params = {NULL, 0}};
    struct search s = {
        .thief = t,
        .classifier = classifier_of(&t->network->spec, &spec),
        .loss = &search_infomax,
        .images = to_begin_with(t),
        .trained = "transform.",
        .rate = v->rate,
        .bound = (double)NAN,
        .chooses_by_accuracy = true,
        .leak = v->leak,
    };
    size_t len;
    ward_status st = thief_transform(t, &spec, 0, &copy);

    if (!st)
        st = thief_network(t, &copy.params);
    snprintf(s.what, sizeof s.what, "rate %g%s", v->rate, v->leak > 0 ? ", leaky backward" : "");
    if (!st)
        st = search_run(&s, &copy.params);
    s.loss = &search_labels;
    s.images = NULL;
    s.rate = v->rate / 3;
    len = strlen(s.what);
    snprintf(s.what + len, sizeof s.what - len, ", then labels");
    if (!st)
        st = search_run(&s, &copy.params);
    transform_release(&copy);
    return st;
}

static ward_status attempt(struct thief *t)
{
    ward_status st = WARD_OK;

    for (size_t i = 0; i < VARIANTS && !st; i++)
        if (variants[i].effort <= t->budget->effort)
            st = try_variant(t, &variants[i]);
    return st;
}

const struct raid raid_semi_supervised = {
    .name = "semi-supervised",
    .id = "A5",
    .knows = WARD_KNOWS_LABELLED,
    .methods = ATTACK_ALL_METHODS,
    .attempt = attempt,
};
