/*
 * A8, pair: a copy of G's architecture fitted to what G makes of images, as in the paper; F says
 * only which copy is kept. A9, pair-through: fitted to that and, through F, to the class that F
 * finds in it.
 */
#include "attack/v1/copy.h"

static const double rates[] = {0.01, 0.003, 0.001};
static const float weights[] = {10, 100, 1}; /* of the mean squared error, beside F's opinion */
static const float leak = 0.1f;

enum { RATES = sizeof rates / sizeof rates[0] };

static ward_status attempt_pair(struct thief *t)
{
    ward_status st = WARD_OK;

    for (uint32_t i = 0; i < 2 * t->budget->effort && !st; i++) {
        const struct copy copy = {.loss = &copy_distance,
                                  .width = t->structure.generator_width,
                                  .rate = rates[i % RATES],
                                  .weight = 1,
                                  .restart = i};

        st = copy_try(t, &copy);
    }
    return st;
}

static ward_status attempt_through(struct thief *t)
{
    ward_status st = WARD_OK;

    for (uint32_t i = 0; i < 2 * t->budget->effort && !st; i++) {
        const struct copy copy = {.loss = &copy_through,
                                  .width = t->structure.generator_width,
                                  .rate = rates[i % 2],
                                  .weight = weights[i / 2],
                                  .restart = i,
                                  .leak = i % 2 ? leak : 0};

        st = copy_try(t, &copy);
    }
    return st;
}

const struct raid raid_pair = {
    .name = "pair",
    .id = "A8",
    .knows = WARD_KNOWS_PAIRS,
    .methods = ATTACK_ALL_PROTECTED,
    .attempt = attempt_pair,
};

const struct raid raid_pair_through = {
    .name = "pair-through",
    .id = "A9",
    .knows = WARD_KNOWS_PAIRS,
    .methods = ATTACK_ALL_PROTECTED,
    .attempt = attempt_through,
};
