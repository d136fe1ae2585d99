/* Direct piracy: the stolen F on raw images. */
#include "attack/attack.h"

static ward_status attempt(struct attempt *a)
{
    struct classifier stolen = classifier_of(&a->network->spec, NULL);

    return attempt_score(a, &stolen, &a->network->params, NULL);
}

const struct attack attack_direct = {
    .name = "direct",
    .note = "a plain copy of the network on raw images; below chance it tells the right class by "
            "avoiding it",
    .methods = ATTACK_ALL_METHODS,
    .trials = 1,
    .attempt = attempt,
};
