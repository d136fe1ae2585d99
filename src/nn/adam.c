/* Adam: see adam.h. */
#include "nn/adam.h"

#include <math.h>

#include "base/mem.h"

static const double b1 = 0.9, b2 = 0.999, epsilon = 1e-8;

ward_status adam_init(struct adam *adam, struct plan *plan)
{
    struct adam made = {.plan = plan};
    ward_status st;

    for (size_t p = 0; p < plan_graph(plan)->param_count; p++) {
        struct plan_packed packed = plan_packed(plan, p);

        if (packed.gradient)
            made.count += packed.len;
    }
    st = mem_new(&made.squares, made.count, sizeof *made.squares);
    if (!st)
        *adam = made;
    return st;
}

void adam_release(struct adam *adam)
{
    if (adam->squares)
        mem_wipe(adam->squares, adam->count * sizeof *adam->squares);
    mem_free(adam->squares);
    *adam = (struct adam){.plan = NULL};
}

/* Returns whether all updated weights are finite. */
static bool update(const struct plan_packed *p, float *squares, float rate, float correction)
{
    const float keep1 = (float)b1, keep2 = (float)b2, add1 = (float)(1 - b1),
                add2 = (float)(1 - b2);
    int bad = 0;

    for (size_t i = 0; i < p->len; i++) {
        float g = p->gradient[i];

        p->velocity[i] = keep1 * p->velocity[i] + add1 * g;
        squares[i] = keep2 * squares[i] + add2 * g * g;
        p->value[i] -= rate * p->velocity[i] / (correction * sqrtf(squares[i]) + (float)epsilon);
        /* Zero for a finite number and NaN otherwise, which differs from itself. */
        bad |= (p->value[i] - p->value[i]) != 0.0f;
    }
    return bad == 0;
}

void adam_step(struct adam *adam, float rate, bool *is_finite)
{
    double t = (double)++adam->step;
    float corrected_rate = (float)((double)rate / (1 - pow(b1, t)));
    float correction = (float)(1 / sqrt(1 - pow(b2, t)));
    float *squares = adam->squares;
    bool all_finite = true;

    for (size_t p = 0; p < plan_graph(adam->plan)->param_count; p++) {
        struct plan_packed packed = plan_packed(adam->plan, p);

        if (!packed.gradient)
            continue;
        all_finite = update(&packed, squares, corrected_rate, correction) && all_finite;
        squares += packed.len;
    }
    if (is_finite)
        *is_finite = all_finite;
}
