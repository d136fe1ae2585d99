/*
 * A12, other-structure: copies of G that are not built as G is: smaller, larger, linear maps of
 * blocks. With pairs, through F and not; and (A5) maps of blocks trained through F with labels.
 */
#include "attack/v1/copy.h"
#include "base/util.h"

enum { SMALLER = 4, LARGER = 4, MAX_WIDTH = 1024 };

static const double rates[] = {0.003, 0.01, 0.001};
static const float weight = 10; /* of the mean squared error */
static const float leak = 0.1f;

/* ---- pairs ---- */

static ward_status try_width(struct thief *t, const struct search_loss *loss, size_t width)
{
    ward_status st = WARD_OK;

    for (uint32_t i = 0; i < t->budget->effort && !st; i++) {
        const struct copy copy = {
            .loss = loss, .width = width, .rate = rates[i], .weight = weight, .restart = i};

        st = copy_try(t, &copy);
    }
    return st;
}

/* Maps of blocks of all sizes, but of one in a small budget. */
static ward_status try_blocks(struct thief *t, const struct search_loss *loss, float slope)
{
    size_t block, most = t->budget->effort == 1 ? 1 : SIZE_MAX;
    ward_status st = WARD_OK;

    for (uint32_t i = 0; i < most && (block = copy_block(&t->network->spec, i)) > 0 && !st; i++) {
        const struct copy copy = {.loss = loss,
                                  .block = block,
                                  .rate = rates[0],
                                  .weight = weight,
                                  .restart = i,
                                  .leak = slope};

        st = copy_try(t, &copy);
    }
    return st;
}

static ward_status attempt(struct thief *t)
{
    const size_t width = t->structure.generator_width;
    ward_status st = try_width(t, &copy_through, max_size(1, width / SMALLER));

    if (!st)
        st = try_width(t, &copy_through, min_size(MAX_WIDTH, LARGER * width));
    if (!st && t->budget->effort > 1)
        st = try_width(t, &copy_distance, min_size(MAX_WIDTH, LARGER * width));
    return st ? st : try_blocks(t, &copy_through, 0);
}

const struct raid raid_other_structure = {
    .name = "other-structure",
    .id = "A12",
    .knows = WARD_KNOWS_PAIRS,
    .methods = ATTACK_ALL_PROTECTED,
    .attempt = attempt,
};

/* ---- labels ---- */

static ward_status attempt_labelled(struct thief *t)
{
    ward_status st = WARD_OK;

    if (copy_block(&t->network->spec, 0) == 0) {
        const struct classifier stolen = classifier_of(&t->network->spec, NULL);

        return thief_offer_as(t, &stolen, &t->network->params, "no blocks");
    }
    st = try_blocks(t, &search_labels, 0);
    return st ? st : try_blocks(t, &search_labels, leak);
}

const struct raid raid_block_map = {
    .name = "block-map",
    .id = "A5",
    .knows = WARD_KNOWS_LABELLED,
    .methods = ATTACK_ALL_METHODS,
    .attempt = attempt_labelled,
};
