/*
 * All parameters are one long range to parallel_for, so that a step costs one hand-over to the
 * threads however many small parameters a network has.
 */
#include "nn/sgd.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/parallel.h"
#include "base/util.h"

struct step {
    struct plan *plan;
    const struct graph *graph;
    const struct sgd_config *config;
    const struct sgd_group *group;
    atomic_bool has_infinite;
};

struct rule {
    float rate, momentum, decay;
    float gradient_share, velocity_share; /* of the direction: 1 and momentum, or 0 and 1 */
};

/* Weights and patterns always decay. */
static bool decays(const struct step *s, enum param_role role)
{
    return s->config->decays_all || role == PARAM_WEIGHT || role == PARAM_SHIFT;
}

static struct rule rule_of(const struct step *s, const struct graph_param *param)
{
    const struct sgd_config *c = s->config;
    const struct sgd_group *group = s->group;
    struct rule rule = {.rate = c->rate, .momentum = c->momentum, .decay = c->decay,
                        .gradient_share = c->nesterov ? 1.0f : 0.0f,
                        .velocity_share = c->nesterov ? c->momentum : 1.0f};

    if (group && group->prefix && strncmp(param->name, group->prefix, strlen(group->prefix)) == 0) {
        rule.rate *= group->rate_factor;
        rule.decay = group->decay;
    }
    if (!decays(s, param->role))
        rule.decay = 0;
    return rule;
}

/* Returns whether an updated weight is not finite. */
static bool update(float *restrict w, const float *restrict gradient, float *restrict velocity,
                   size_t count, const struct rule *rule)
{
    const float rate = rule->rate, momentum = rule->momentum, decay = rule->decay;
    const float gs = rule->gradient_share, vs = rule->velocity_share;
    int bad = 0;

    for (size_t i = 0; i < count; i++) {
        float g = gradient[i] + decay * w[i];
        float v = momentum * velocity[i] + g;

        velocity[i] = v;
        w[i] -= rate * (gs * g + vs * v);
        /* Zero for a finite number and NaN otherwise, which differs from itself. */
        bad |= (w[i] - w[i]) != 0.0f;
    }
    return bad != 0;
}

static void update_range(void *context, size_t begin, size_t end, unsigned thread)
{
    struct step *s = context;
    size_t start = 0;

    (void)thread;
    for (size_t p = 0; p < s->graph->param_count && start < end; p++) {
        struct plan_packed packed = plan_packed(s->plan, p);
        size_t from, to;
        struct rule rule;

        if (!packed.gradient)
            continue;
        from = max_size(begin, start) - start;
        to = min_size(end - start, packed.len);
        start += packed.len;
        if (from >= to)
            continue;
        rule = rule_of(s, &s->graph->params[p]);
        if (update(packed.value + from, packed.gradient + from, packed.velocity + from, to - from,
                   &rule))
            atomic_store(&s->has_infinite, true);
    }
}

void sgd_step(struct plan *plan, const struct sgd_config *config, const struct sgd_group *group,
              bool *is_finite)
{
    struct step s = {.plan = plan, .graph = plan_graph(plan), .config = config, .group = group};
    size_t total = 0;

    for (size_t p = 0; p < s.graph->param_count; p++) {
        struct plan_packed packed = plan_packed(plan, p);

        if (packed.gradient)
            total += packed.len;
    }
    parallel_for(total, update_range, &s);
    if (is_finite)
        *is_finite = !atomic_load(&s.has_infinite);
}
