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

enum { NETWORK, TRANSFORM, GROUPS, MAX_THREADS = 256 };

struct step {
    struct plan *plan;
    const struct graph *graph;
    const struct sgd_config *config;
    const struct sgd_group *group;
    double squares[MAX_THREADS][GROUPS]; /* of the gradients, a row a thread */
    float scale[GROUPS];                 /* of the gradients */
    atomic_bool has_infinite;
};

struct rule {
    float rate, momentum, decay, scale;
    float gradient_share, velocity_share; /* of the direction: 1 and momentum, or 0 and 1 */
};

static int group_of(const struct step *s, const struct graph_param *param)
{
    const struct sgd_group *group = s->group;

    return group && group->prefix && strncmp(param->name, group->prefix, strlen(group->prefix)) == 0
               ? TRANSFORM
               : NETWORK;
}

/* Weights and patterns always decay. */
static bool decays(const struct step *s, enum param_role role)
{
    return s->config->decays_all || role == PARAM_WEIGHT || role == PARAM_SHIFT;
}

static struct rule rule_of(const struct step *s, const struct graph_param *param)
{
    const struct sgd_config *c = s->config;
    int group = group_of(s, param);
    struct rule rule = {.rate = c->rate,
                        .momentum = c->momentum,
                        .decay = c->decay,
                        .scale = s->scale[group],
                        .gradient_share = c->nesterov ? 1.0f : 0.0f,
                        .velocity_share = c->nesterov ? c->momentum : 1.0f};

    if (group == TRANSFORM) {
        rule.rate *= s->group->rate_factor;
        rule.decay = s->group->decay;
    }
    if (!decays(s, param->role))
        rule.decay = 0;
    return rule;
}

/* ---- pieces of parameters ---- */

/* A part of one parameter, as values from an offset on. */
struct piece {
    const struct graph_param *param;
    float *value, *gradient, *velocity;
    size_t count;
};

typedef void piece_body(struct step *s, const struct piece *piece, unsigned thread);

/* Call body on what values [begin, end) of the long range are. */
static void visit(struct step *s, size_t begin, size_t end, unsigned thread, piece_body *body)
{
    size_t start = 0;

    for (size_t p = 0; p < s->graph->param_count && start < end; p++) {
        struct plan_packed packed = plan_packed(s->plan, p);
        size_t from, to;

        if (!packed.gradient)
            continue;
        from = max_size(begin, start) - start;
        to = min_size(end - start, packed.len);
        start += packed.len;
        if (from < to)
            body(s,
                 &(struct piece){&s->graph->params[p], packed.value + from, packed.gradient + from,
                                 packed.velocity + from, to - from},
                 thread);
    }
}

/* ---- clipping ---- */

static void add_squares(struct step *s, const struct piece *piece, unsigned thread)
{
    const float *gradient = piece->gradient;
    double sums[8] = {0}; /* several, so that additions need not wait for each other */
    size_t i = 0;

    for (; i + 8 <= piece->count; i += 8)
        for (size_t lane = 0; lane < 8; lane++)
            sums[lane] += (double)gradient[i + lane] * (double)gradient[i + lane];
    for (; i < piece->count; i++)
        sums[0] += (double)gradient[i] * (double)gradient[i];
    for (size_t lane = 0; lane < 8; lane++)
        s->squares[thread][group_of(s, piece->param)] += sums[lane];
}

static void add_squares_range(void *context, size_t begin, size_t end, unsigned thread)
{
    visit(context, begin, end, thread, add_squares);
}

static void clip(struct step *s, size_t total)
{
    double limit = (double)s->config->clip_norm;

    for (int g = 0; g < GROUPS; g++)
        s->scale[g] = 1;
    if (limit == 0)
        return;
    parallel_for(total, add_squares_range, s);
    for (int g = 0; g < GROUPS; g++) {
        double sum = 0;

        for (int thread = 0; thread < MAX_THREADS; thread++)
            sum += s->squares[thread][g];
        /* A norm that is not finite makes weights that are not, which is reported. */
        if (!(sqrt(sum) <= limit))
            s->scale[g] = (float)(limit / sqrt(sum));
    }
}

/* ---- the step ---- */

/* Returns whether an updated weight is not finite. */
static bool update(float *restrict w, const float *restrict gradient, float *restrict velocity,
                   size_t count, const struct rule *rule)
{
    const float rate = rule->rate, momentum = rule->momentum, decay = rule->decay;
    const float gs = rule->gradient_share, vs = rule->velocity_share, scale = rule->scale;
    int bad = 0;

    for (size_t i = 0; i < count; i++) {
        float g = scale * gradient[i] + decay * w[i];
        float v = momentum * velocity[i] + g;

        velocity[i] = v;
        w[i] -= rate * (gs * g + vs * v);
        /* Zero for a finite number and NaN otherwise, which differs from itself. */
        bad |= (w[i] - w[i]) != 0.0f;
    }
    return bad != 0;
}

static void update_piece(struct step *s, const struct piece *piece, unsigned thread)
{
    struct rule rule = rule_of(s, piece->param);

    (void)thread;
    if (update(piece->value, piece->gradient, piece->velocity, piece->count, &rule))
        atomic_store(&s->has_infinite, true);
}

static void update_range(void *context, size_t begin, size_t end, unsigned thread)
{
    visit(context, begin, end, thread, update_piece);
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
    clip(&s, total);
    parallel_for(total, update_range, &s);
    if (is_finite)
        *is_finite = !atomic_load(&s.has_infinite);
}
