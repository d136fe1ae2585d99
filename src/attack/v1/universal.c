/* A3, universal: one pattern for all images that makes F right on the labelled ones. */
#include "attack/v1/pattern.h"

static ward_status attempt(struct thief *t)
{
    return pattern_attempt(t, &search_labels);
}

const struct raid raid_universal = {
    .name = "universal",
    .id = "A3",
    .knows = WARD_KNOWS_LABELLED,
    .methods = ATTACK_ALL_METHODS,
    .attempt = attempt,
};
