/*
 * Suite v1: its attacks, its budgets, and the cells that these come to. It is not tuned to any
 * defence: what is changed here changes what a figure means, and wants another version.
 */
#include <string.h>

#include "attack/redteam.h"
#include "base/mem.h"
#include "base/util.h"

/* In the order of docs/redteam.md. */
static const struct raid *const raids[] = {
    &raid_direct,
    &raid_readout,
    &raid_readout_control,
    &raid_input_only,
    &raid_universal,
    &raid_infomax,
    &raid_learned_labelled,
    &raid_learned_unlabelled,
    &raid_semi_supervised,
    &raid_u_net_labelled,
    &raid_u_net_unlabelled,
    &raid_block_map,
    &raid_front_map_labelled,
    &raid_fine_tune,
    &raid_recalibrate_labelled,
    &raid_recalibrate_unlabelled,
    &raid_pair,
    &raid_pair_through,
    &raid_distil,
    &raid_subtract,
    &raid_other_structure,
    &raid_front_map_pairs,
    &raid_key_search,
    &raid_partial_key,
    &raid_black_box,
    &raid_another_backward_labelled,
    &raid_another_backward_unlabelled,
    &raid_extract,
    &raid_extract_class,
    &raid_align_labelled,
    &raid_align_unlabelled,
    &raid_match_columns_labelled,
    &raid_match_columns_unlabelled,
    &raid_perturbed,
    &raid_scratch,
};

static const struct budget budgets[] = {
    {
        .name = "quick",
        .effort = 1,
        .steps = 320,
        .trials = 1,
        .choice = 1000,
        .unlabelled = 1000,
        .amounts = {[WARD_KNOWS_LABELLED] = {10, 100},
                    [WARD_KNOWS_UNLABELLED] = {1000},
                    [WARD_KNOWS_PAIRS] = {1, 10, 785},
                    [WARD_KNOWS_QUERIES] = {1000}},
    },
    {
        .name = "standard",
        .effort = 1,
        .steps = 500,
        .trials = 3,
        .repeats = true,
        .choice = 2000,
        .unlabelled = 1000,
        .amounts = {[WARD_KNOWS_LABELLED] = {10, 100, 600, 6000},
                    [WARD_KNOWS_UNLABELLED] = {10, 100, 1000},
                    [WARD_KNOWS_PAIRS] = {1, 10, 100, 785, 6000},
                    [WARD_KNOWS_QUERIES] = {100, 1000, 6000}},
    },
    {
        .name = "full",
        .effort = 3,
        .steps = 20000,
        .trials = 3,
        .choice = 4000,
        .unlabelled = 6000,
        .amounts = {[WARD_KNOWS_LABELLED] = {10, 100, 600, 6000, SUITE_ALL},
                    [WARD_KNOWS_UNLABELLED] = {10, 100, 600, 6000, SUITE_ALL},
                    [WARD_KNOWS_PAIRS] = {1, 10, 100, 785, 6000, SUITE_ALL},
                    [WARD_KNOWS_QUERIES] = {100, 1000, 6000, SUITE_ALL}},
    },
};

enum { RAIDS = sizeof raids / sizeof raids[0], BUDGETS = sizeof budgets / sizeof budgets[0] };

/* ---- names ---- */

const struct raid *suite_raid(size_t i)
{
    return i < RAIDS ? raids[i] : NULL;
}

const struct budget *suite_budget(const char *name)
{
    for (size_t i = 0; i < BUDGETS; i++)
        if (strcmp(budgets[i].name, name) == 0)
            return &budgets[i];
    return NULL;
}

const char *ward_redteam_budget_name(size_t i)
{
    return i < BUDGETS ? budgets[i].name : NULL;
}

/* Whether a raid before the j-th has the same name, and is for those who know something else. */
static bool is_repeated(size_t j)
{
    for (size_t i = 0; i < j; i++)
        if (strcmp(raids[i]->name, raids[j]->name) == 0)
            return true;
    return false;
}

const char *ward_redteam_attack_name(size_t i)
{
    for (size_t j = 0; j < RAIDS; j++)
        if (!is_repeated(j) && i-- == 0)
            return raids[j]->name;
    return NULL;
}

const struct raid *suite_raid_of(const ward_redteam_cell *cell)
{
    for (size_t i = 0; i < RAIDS; i++)
        if (strcmp(raids[i]->name, cell->attack) == 0 && raids[i]->knows == cell->knows)
            return raids[i];
    return NULL;
}

void ward_redteam_defaults(ward_redteam_settings *settings)
{
    *settings = (ward_redteam_settings){.budget = budgets[0].name, .seed = 1};
}

/* ---- which attacks ---- */

/* Whether a name is in a list with commas. */
static bool is_listed(const char *list, const char *name, size_t len)
{
    for (const char *at = list;; at++) {
        size_t n = strcspn(at, ",");

        if (n == len && strncmp(at, name, n) == 0)
            return true;
        at += n;
        if (!*at)
            return false;
    }
}

static ward_status check_names(const char *only)
{
    for (const char *at = only;; at++) {
        size_t n = strcspn(at, ","), i = 0;

        while (i < RAIDS && !(strlen(raids[i]->name) == n && !strncmp(raids[i]->name, at, n)))
            i++;
        if (i == RAIDS)
            return ward_fail(WARD_ERR_ARG, "unknown attack '%.*s'", (int)min_size(n, 64), at);
        at += n;
        if (!*at)
            return WARD_OK;
    }
}

static bool takes_part(const struct raid *raid, const struct suite_plan *plan)
{
    bool needs_service = raid->knows == WARD_KNOWS_PAIRS || raid->knows == WARD_KNOWS_QUERIES ||
                         raid->needs_own || raid->is_shown;

    if (!(raid->methods & 1u << plan->method) || (needs_service && !plan->has_service) ||
        (raid->needs_key && plan->is_keyless))
        return false;
    return raid == &raid_scratch || !plan->only ||
           is_listed(plan->only, raid->name, strlen(raid->name));
}

/* ---- which amounts ---- */

struct cells {
    const struct suite_plan *plan;
    ward_redteam_cell *items;
    size_t count;
};

static bool has_amount(const struct cells *cells, size_t first, uint64_t amount)
{
    for (size_t i = first; i < cells->count; i++)
        if (cells->items[i].amount == amount)
            return true;
    return false;
}

static ward_status add(struct cells *cells, const struct raid *raid, uint64_t amount)
{
    uint64_t trials = raid->knows == WARD_KNOWS_NOTHING ? 1 : cells->plan->trials;
    ward_status st = mem_resize(&cells->items, cells->count, cells->count + (size_t)trials,
                                sizeof *cells->items);

    for (uint64_t t = 0; t < trials && !st; t++)
        cells->items[cells->count++] = (ward_redteam_cell){.attack = raid->name,
                                                           .id = raid->id,
                                                           .knows = raid->knows,
                                                           .amount = amount,
                                                           .trial = t};
    return st;
}

/* Those of one kind of knowledge; amounts that the pool has not got come to the whole pool. */
static ward_status add_amounts(struct cells *cells, const struct raid *raid, ward_knowledge knows,
                               size_t first)
{
    const struct suite_plan *plan = cells->plan;
    const uint64_t *amounts = plan->budget->amounts[knows];
    ward_status st = WARD_OK;

    for (size_t i = 0; i < SUITE_AMOUNTS && amounts[i] > 0 && !st; i++) {
        uint64_t amount = amounts[i] < plan->pool ? amounts[i] : plan->pool;

        if (amount < raid->least || (raid->most > 0 && amount > raid->most) ||
            has_amount(cells, first, amount))
            continue;
        st = add(cells, raid, amount);
    }
    return st;
}

static bool has_pairs(const struct cells *cells)
{
    for (size_t i = 0; i < cells->count; i++)
        if (cells->items[i].knows == WARD_KNOWS_PAIRS)
            return true;
    return false;
}

/* The control is needed wherever labels or pairs are; it comes last. */
static ward_status add_raid(struct cells *cells, const struct raid *raid)
{
    size_t first = cells->count;
    ward_status st;

    if (raid->knows == WARD_KNOWS_NOTHING)
        return add(cells, raid, 0);
    st = add_amounts(cells, raid, raid->knows, first);
    if (!st && raid == &raid_scratch && has_pairs(cells))
        st = add_amounts(cells, raid, WARD_KNOWS_PAIRS, first);
    return st;
}

ward_status suite_cells(const struct suite_plan *plan, ward_redteam_cell **out, size_t *count)
{
    struct cells cells = {.plan = plan};
    ward_status st = plan->only ? check_names(plan->only) : WARD_OK;

    for (size_t i = 0; i < RAIDS && !st; i++)
        if (takes_part(raids[i], plan))
            st = add_raid(&cells, raids[i]);
    if (st) {
        mem_free(cells.items);
        return st;
    }
    *out = cells.items;
    *count = cells.count;
    return WARD_OK;
}
