/* The images that an adversary holds: see holdings.h. */
#include "attack/holdings.h"

#include <string.h>

#include "attack/campaign.h"
#include "base/mem.h"
#include "base/util.h"

enum { MAX_CLASSES = 1000 };

/* Uses of the random numbers, below those of attacks. */
enum { USE_ORDER = 1 };

uint64_t holdings_seed(uint64_t seed, uint64_t trial)
{
    return trial_seed(seed, trial);
}

/* ---- orders ---- */

struct drawn {
    uint32_t place; /* in the pool */
    uint32_t round; /* how many of its class come before it */
    uint32_t turn;  /* in the permutation */
};

static int compare_drawn(const void *left, const void *right)
{
    const struct drawn *a = left, *b = right;

    if (a->round != b->round)
        return a->round < b->round ? -1 : 1;
    return (a->turn > b->turn) - (a->turn < b->turn);
}

/* Rounds of one image of each class. */
static ward_status balance(const struct split *pool, uint32_t *order)
{
    uint32_t rounds[MAX_CLASSES] = {0};
    struct drawn *drawn = NULL;
    ward_status st = mem_new(&drawn, pool->count, sizeof *drawn);

    for (uint32_t i = 0; i < pool->count && !st; i++) {
        int32_t label = 0;

        st = batch_read(pool, order[i], 1, NULL, &label);
        drawn[i] = (struct drawn){order[i], rounds[label]++, i};
    }
    if (!st)
        qsort(drawn, pool->count, sizeof *drawn, compare_drawn);
    for (uint32_t i = 0; i < pool->count && !st; i++)
        order[i] = drawn[i].place;
    mem_free(drawn);
    return st;
}

/* ---- splits ---- */

/* Images order[first ..) of the pool. */
static ward_status pick(struct split *out, const struct split *pool, const uint32_t *order,
                        size_t first, size_t count)
{
    struct split split = {pool->data, pool->kind, NULL, (uint32_t)count};
    ward_status st = mem_new(&split.index, count, sizeof *split.index);

    for (size_t i = 0; i < count && !st; i++)
        split.index[i] = pool->index[order[first + i]];
    if (!st)
        *out = split;
    return st;
}

/* The last images as they were drawn that are not among the first `held` of an order: whichever
 * classes labels were wanted of, these say nothing of theirs. */
static ward_status pick_others(struct split *out, const struct split *pool, const uint32_t *drawn,
                               const uint32_t *order, size_t held, size_t count)
{
    bool *is_held = NULL;
    uint32_t *others = NULL;
    size_t found = 0;
    ward_status st = mem_new(&is_held, pool->count, sizeof *is_held);

    if (!st)
        st = mem_new(&others, count, sizeof *others);
    for (size_t i = 0; i < held && !st; i++)
        is_held[order[i]] = true;
    for (size_t i = pool->count; found < count && !st; i--)
        if (!is_held[drawn[i - 1]])
            others[found++] = drawn[i - 1];
    if (!st)
        st = pick(out, pool, others, 0, count);
    mem_free(is_held);
    mem_free(others);
    return st;
}

/* Pairs as well: what they are worth is measured against labels of the same images. */
static bool is_even(ward_knowledge knows)
{
    return knows == WARD_KNOWS_LABELLED || knows == WARD_KNOWS_PAIRS;
}

/* What he holds is said by his cell, but that images without labels come with labels. */
static size_t count_others(const struct split *pool, const ward_redteam_cell *cell,
                           const struct budget *budget)
{
    if (cell->knows != WARD_KNOWS_LABELLED)
        return 0;
    return min_size(budget->unlabelled, pool->count - (size_t)cell->amount);
}

ward_status holdings_open(struct holdings *out, const struct split *pool,
                          const ward_redteam_cell *cell, const struct budget *budget, uint64_t seed)
{
    size_t count = cell->knows == WARD_KNOWS_NOTHING ? 0 : (size_t)cell->amount;
    uint32_t *drawn = NULL, *order = NULL;
    struct rng rng;
    ward_status st = mem_new(&drawn, pool->count, sizeof *drawn);

    if (!st)
        st = mem_new(&order, pool->count, sizeof *order);
    if (!st) {
        rng_init(&rng, seed, RNG_ATTACK, USE_ORDER, 0);
        rng_permutation(&rng, pool->count, drawn);
        memcpy(order, drawn, pool->count * sizeof *order);
        if (is_even(cell->knows))
            st = balance(pool, order);
    }
    if (!st)
        st = pick(&out->images, pool, order, 0, count);
    if (!st)
        st = pick_others(&out->unlabelled, pool, drawn, order, count,
                         count_others(pool, cell, budget));
    mem_free(drawn);
    mem_free(order);
    return st;
}

void holdings_release(struct holdings *holdings)
{
    split_release(&holdings->images);
    split_release(&holdings->unlabelled);
}
