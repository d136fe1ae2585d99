/*
 * A4, infomax: one pattern for all images that makes F's answers confident, and the classes equally
 * frequent. No label is needed, not even to choose by.
 */
#include "attack/v1/pattern.h"

static ward_status attempt(struct thief *t)
{
    return pattern_attempt(t, &search_infomax);
}

const struct raid raid_infomax = {
    .name = "infomax",
    .id = "A4",
    .knows = WARD_KNOWS_UNLABELLED,
    .methods = ATTACK_ALL_METHODS,
    .attempt = attempt,
};
