/*
 * A13, key-search: keys drawn at random, and the best of them improved bit by bit, where what
 * follows from a key is all that is drawn: patterns, orders, signs.
 *
 * partial-key measures the same for one who was shown G, but for a share of what its key gave; it
 * is for comparison, as no adversary of the suite is shown that. Its tries say where the slope
 * begins that leads to the right key.
 */
#include <math.h>
#include <stdio.h>

#include "attack/v1/query.h"
#include "base/mem.h"
#include "base/util.h"
#include "protect/keyed.h"
#include "protect/wrong_key.h"

/* Random ones, times the square of the effort; the first of them are offered each, so that the
 * tries say what a random key is worth. Two more tries are the best key and what became of it. */
enum { KEYS = 50, OFFERED = WARD_REDTEAM_TRIES - 2 };

struct hunt {
    struct query query;
    struct transform now, next;
    struct rng rng;
    double loss; /* of now */
};

/* ---- what a key gave ---- */

static bool is_of_key(const struct hunt *h, size_t i)
{
    return h->now.spec.method == WARD_METHOD_FIXED ||
           transform_is_derived(h->now.params.items[i].name);
}

static void swap(float *a, float *b, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        float kept = a[i];

        a[i] = b[i];
        b[i] = kept;
    }
}

/* Change entry `at` of what a key gave, in a way that keeps it what a key may give: an order and
 * the rows of a matrix change places with another, other values take another's or change their
 * sign. */
static void change_entry(struct hunt *h, struct tensor *t, enum param_role role, size_t at)
{
    size_t len = role == PARAM_WEIGHT ? t->shape.dim[1] : 1;
    size_t count = shape_count(&t->shape) / len;
    size_t other = rng_below(&h->rng, (uint32_t)count);

    if (role == PARAM_ORDER || role == PARAM_WEIGHT)
        swap(t->data + at * len, t->data + other * len, len);
    else
        t->data[at] = rng_below(&h->rng, 2) ? -t->data[at] : t->data[other];
}

static enum param_role role_of(const struct hunt *h, const char *name)
{
    const struct graph *g = &h->query.graph;

    for (size_t p = 0; p < g->param_count; p++)
        if (strcmp(g->params[p].name, name) == 0)
            return g->params[p].role;
    return PARAM_SHIFT;
}

/* A step: each entry with some probability; at least one. */
static void change(struct hunt *h, struct transform *t, double probability)
{
    bool is_changed = false;

    for (size_t i = 0; i < t->params.count; i++) {
        struct tensor *values = &t->params.items[i];
        enum param_role role = role_of(h, values->name);
        size_t count =
            shape_count(&values->shape) / (role == PARAM_WEIGHT ? values->shape.dim[1] : 1);

        if (!is_of_key(h, i) || role == PARAM_BIAS)
            continue;
        for (size_t at = 0; at < count; at++)
            if ((double)rng_uniform(&h->rng) < probability) {
                change_entry(h, values, role, at);
                is_changed = true;
            }
        if (!is_changed)
            change_entry(h, values, role, rng_below(&h->rng, (uint32_t)count));
        is_changed = true;
    }
}

static void copy_values(struct transform *to, const struct transform *from)
{
    for (size_t i = 0; i < to->params.count; i++)
        memcpy(to->params.items[i].data, from->params.items[i].data,
               shape_count(&to->params.items[i].shape) * sizeof(float));
}

/* ---- a hunt ---- */

static ward_status hunt_open(struct hunt *h, struct thief *t)
{
    ward_status st;

    *h = (struct hunt){.loss = INFINITY};
    thief_rng(t, UINT32_C(1) << 30, &h->rng);
    st = query_open(&h->query, t, t->own, t->images->count); /* 600 at most */
    if (!st)
        st = thief_transform(t, t->own, 0, &h->now);
    return st ? st : thief_transform(t, t->own, 0, &h->next);
}

static void hunt_close(struct hunt *h)
{
    transform_release(&h->next);
    transform_release(&h->now);
    query_close(&h->query);
}

/* Keep `next` if it is not worse. */
static ward_status compare(struct hunt *h)
{
    double loss = INFINITY;
    ward_status st = query_loss(&h->query, &h->next.params, &loss);

    if (!st && loss <= h->loss) {
        h->loss = loss;
        copy_values(&h->now, &h->next);
    }
    return st;
}

/* From `now`: many changes at a time at first, single ones at last. */
static ward_status climb(struct hunt *h)
{
    uint64_t steps = h->query.thief->budget->steps;
    ward_status st = query_loss(&h->query, &h->now.params, &h->loss);

    for (uint64_t i = 0; i < steps && !st; i++) {
        copy_values(&h->next, &h->now);
        change(h, &h->next, 0.05 * pow(0.01, (double)i / (double)steps));
        st = compare(h);
    }
    return st;
}

/* ---- without any of it ---- */

static ward_status draw_keys(struct hunt *h, struct thief *t)
{
    unsigned count = KEYS * t->budget->effort * t->budget->effort;
    char what[WARD_REDTEAM_WORDS];
    ward_status st = WARD_OK;

    for (uint32_t i = 0; i < count && !st; i++) {
        transform_release(&h->next);
        st = thief_transform(t, t->own, i, &h->next);
        if (!st)
            st = compare(h);
        snprintf(what, sizeof what, "key %u of %d", i + 1, OFFERED);
        if (!st && i < OFFERED)
            st = query_offer(&h->query, &h->next.params, what);
    }
    snprintf(what, sizeof what, "the best of %u keys", count);
    return st ? st : query_offer(&h->query, &h->now.params, what);
}

static ward_status attempt(struct thief *t)
{
    struct hunt hunt;
    ward_status st = hunt_open(&hunt, t);

    if (!st)
        st = draw_keys(&hunt, t);
    if (!st)
        st = climb(&hunt);
    if (!st)
        st = query_offer(&hunt.query, &hunt.now.params, "the same, improved");
    hunt_close(&hunt);
    return st;
}

const struct raid raid_key_search = {
    .name = "key-search",
    .id = "A13",
    .knows = WARD_KNOWS_LABELLED,
    .least = 100,
    .most = 600,
    .needs_own = true,
    .needs_key = true,
    .methods = 1u << WARD_METHOD_FIXED | 1u << WARD_METHOD_KEYED,
    .attempt = attempt,
};

/* ---- with a share of it ---- */

/* `now`, which is G, loses what a wrong key has in its tables. */
static ward_status spoil_tables(struct hunt *h, double share, uint32_t number)
{
    struct tensor_list wrong = {NULL, 0};
    uint64_t seed = h->query.thief->seed;
    ward_status st = wrong_key_of_share(&wrong, &h->now, (float)share, seed, number);

    for (size_t i = 0; i < wrong.count && !st; i++) {
        const struct tensor *from = &wrong.items[i];
        char name[TENSOR_MAX_NAME];

        snprintf(name, sizeof name, "%s%s", KEY_PREFIX, from->name + strlen(WRONG_PREFIX));
        memcpy(tensor_list_find(&h->now.params, name)->data, from->data,
               shape_count(&from->shape) * sizeof *from->data);
    }
    tensor_list_release(&wrong);
    return st;
}

/* Of `fixed` another pattern stands for what is wrong. */
static ward_status spoil_pattern(struct hunt *h, double share, uint32_t number)
{
    struct thief *t = h->query.thief;
    ward_status st;

    transform_release(&h->next);
    st = thief_transform(t, t->own, number, &h->next);
    for (size_t i = 0; i < h->now.params.count && !st; i++) {
        struct tensor *values = &h->now.params.items[i];

        for (size_t at = 0; at < shape_count(&values->shape); at++)
            if ((double)rng_uniform(&h->rng) >= share)
                values->data[at] = h->next.params.items[i].data[at];
    }
    return st;
}

static ward_status try_share(struct hunt *h, const struct transform *shown, double share,
                             uint32_t number)
{
    char what[WARD_REDTEAM_WORDS];
    ward_status st;

    copy_values(&h->now, shown);
    st = shown->spec.method == WARD_METHOD_KEYED ? spoil_tables(h, share, number)
                                                 : spoil_pattern(h, share, number);
    snprintf(what, sizeof what, "%.0f %% of the key", 100 * share);
    if (!st)
        st = query_offer(&h->query, &h->now.params, what);
    if (!st)
        st = climb(h);
    snprintf(what, sizeof what, "%.0f %% of the key, improved", 100 * share);
    return st ? st : query_offer(&h->query, &h->now.params, what);
}

static ward_status attempt_partial(struct thief *t)
{
    static const double shares[] = {0, 0.25, 0.5, 0.75, 0.9};
    struct hunt hunt;
    ward_status st = hunt_open(&hunt, t);

    for (uint32_t i = 0; i < sizeof shares / sizeof shares[0] && !st; i++)
        st = try_share(&hunt, t->shown, shares[i], i);
    hunt_close(&hunt);
    return st;
}

const struct raid raid_partial_key = {
    .name = "partial-key",
    .id = "A13 control",
    .knows = WARD_KNOWS_LABELLED,
    .least = 100,
    .most = 100,
    .is_control = true,
    .is_shown = true,
    .needs_key = true,
    .methods = 1u << WARD_METHOD_FIXED | 1u << WARD_METHOD_KEYED,
    .attempt = attempt_partial,
};
