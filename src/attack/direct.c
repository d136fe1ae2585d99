/* Direct piracy: the stolen F on raw images. */
#include "attack/attack.h"

static ward_status attempt(struct attempt *a)
{
    return attempt_score(a, NULL);
}

const struct attack attack_direct = {
    .name = "direct",
    .note = "a plain copy of the network on raw images; below chance it tells the right class by "
            "avoiding it",
    .methods = ATTACK_ALL_METHODS,
    .trials = 1,
    .attempt = attempt,
};
