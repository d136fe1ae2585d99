/*
 * Input-only: the adversary knows how the patterns of method `fixed` are drawn, and draws one
 * himself. It is added to every raw image and not clamped.
 */
#include "attack/attack.h"

static ward_status attempt(struct attempt *a)
{
    const struct net_spec *image = &a->network->spec;
    const struct transform_spec spec = {.method = WARD_METHOD_FIXED,
                                        .channels = image->channels,
                                        .height = image->height,
                                        .width = image->width,
                                        .sigma = (float)a->settings->sigma,
                                        .p = (float)a->settings->p,
                                        .low = a->low,
                                        .high = a->high};
    struct transform pattern = {.params = {NULL, 0}};
    ward_status st = attempt_transform(a, &spec, &pattern);

    if (!st)
        st = attempt_score(a, &pattern);
    transform_release(&pattern);
    return st;
}

const struct attack attack_input_only = {
    .name = "input-only",
    .note = "mean is what a random pattern gives; best is chosen on the test images, as in the "
            "paper, which an adversary without labelled images cannot do",
    .methods = ATTACK_ALL_PROTECTED,
    .uses = WARD_ATTACK_USES_TRIALS | WARD_ATTACK_USES_SEED | WARD_ATTACK_USES_PATTERN,
    .trials = 100,
    .attempt = attempt,
};
