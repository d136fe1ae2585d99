/* A0, direct: F on raw images, as anybody would use a network that he was given. */
#include "attack/redteam.h"

static ward_status attempt(struct thief *t)
{
    struct classifier stolen = classifier_of(&t->network->spec, NULL);

    return thief_offer_as(t, &stolen, &t->network->params, "as it is");
}

const struct raid raid_direct = {
    .name = "direct",
    .id = "A0",
    .knows = WARD_KNOWS_NOTHING,
    .methods = ATTACK_ALL_METHODS,
    .attempt = attempt,
};
