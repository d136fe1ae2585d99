/*
 * One pattern for all images, trained through F, whose parameters stay as they are. Without a bound
 * it may leave the range of images, as a lock's may; bounds show whether more room helps, as it
 * does unless gradients mislead.
 */
#include "attack/v1/pattern.h"

#include <math.h>
#include <stdio.h>

#include "base/util.h"

enum { BOUNDS = 4, RATES = 3 };

/* The widest first: it matters most. In widths of the range of values. */
static const double bounds[BOUNDS] = {INFINITY, 0.1, 0.3, 1.0};
static const double rates[RATES] = {0.003, 0.001, 0.01};
static const float leak = 0.1f;

static const char *const name = "transform.";

/* ---- one search ---- */

struct variant {
    double bound, rate;
    uint32_t restart;
    bool is_leaky;
};

static ward_status try_variant(struct thief *t, const struct search_loss *loss,
                               const struct variant *v)
{
    double range = (double)(t->high - t->low);
    const struct transform_spec spec = thief_pattern(t, (float)(0.02 * range * (1 + v->restart)));
    struct search s = {
        .thief = t,
        .classifier = classifier_of(&t->network->spec, &spec),
        .loss = loss,
        .trained = name,
        .rate = v->rate * range,
        .bound = v->bound * range,
        .leak = v->is_leaky ? leak : 0,
    };
    struct transform pattern = {.params = {NULL, 0}};
    ward_status st = thief_transform(t, &spec, v->restart, &pattern);

    snprintf(s.what, sizeof s.what, "bound %g, rate %g, start %u%s", s.bound, s.rate,
             v->restart + 1, v->is_leaky ? ", leaky backward" : "");
    if (!st)
        st = thief_network(t, &pattern.params);
    if (!st)
        st = search_run(&s, &pattern.params);
    transform_release(&pattern);
    return st;
}

/* ---- all of them ---- */

static ward_status try_bound(struct thief *t, const struct search_loss *loss, double bound,
                             unsigned variants)
{
    ward_status st = WARD_OK;

    for (unsigned i = 0; i < variants && !st; i++) {
        struct variant v = {bound, rates[i % RATES], i / RATES, false};

        st = try_variant(t, loss, &v);
        v.is_leaky = true;
        if (!st)
            st = try_variant(t, loss, &v);
    }
    return st;
}

/* Small budgets try one bound beside none, and spend what they have on none. */
ward_status pattern_attempt(struct thief *t, const struct search_loss *loss)
{
    unsigned effort = t->budget->effort;
    size_t count = min_size(BOUNDS, 1 + effort);
    ward_status st = WARD_OK;

    for (size_t i = 0; i < count && !st; i++)
        st = try_bound(t, loss, bounds[i], i == 0 ? effort * effort : effort - effort / 2);
    return st;
}
