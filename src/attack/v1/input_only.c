/*
 * A2, input-only: patterns drawn as method `fixed` draws them are added to all images; the one that
 * does best where choices are made is kept.
 */
#include <stdio.h>

#include "attack/redteam.h"

enum { PATTERNS = 8 };

static ward_status attempt(struct thief *t)
{
    const struct net_spec *image = &t->network->spec;
    const struct transform_spec spec = {.method = WARD_METHOD_FIXED,
                                        .channels = image->channels,
                                        .height = image->height,
                                        .width = image->width,
                                        .sigma = 0.1f * (t->high - t->low),
                                        .p = 0.2f,
                                        .low = t->low,
                                        .high = t->high};
    const struct classifier guess = classifier_of(image, &spec);
    unsigned count = PATTERNS * t->budget->effort * t->budget->effort;
    ward_status st = WARD_OK;

    for (unsigned i = 0; i < count && !st; i++) {
        struct transform pattern = {.params = {NULL, 0}};
        char what[WARD_REDTEAM_WORDS];

        snprintf(what, sizeof what, "pattern %u of %u", i + 1, count);
        st = thief_transform(t, &spec, i, &pattern);
        if (!st)
            st = thief_network(t, &pattern.params);
        if (!st)
            st = thief_offer_as(t, &guess, &pattern.params, what);
        transform_release(&pattern);
    }
    return st;
}

const struct raid raid_input_only = {
    .name = "input-only",
    .id = "A2",
    .knows = WARD_KNOWS_NOTHING,
    .methods = ATTACK_ALL_PROTECTED,
    .attempt = attempt,
};
