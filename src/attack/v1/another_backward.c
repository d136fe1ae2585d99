/*
 * A15, another-backward: gradients of F may mislead or vanish although F could be used. The
 * searches of A3 to A6 once more: where ReLUs pass a share of the gradient although they are shut,
 * up to all of it; through F with softplus for ReLUs, which passes the less the further they are
 * shut; and where the logits are divided by a temperature before the loss, so that answers that are
 * too sure have a gradient again. Beside searches by F's own gradient, to compare with.
 */
#include <math.h>
#include <stdio.h>

#include "attack/score.h"
#include "attack/search.h"
#include "base/mem.h"
#include "base/util.h"

enum { ASKED = 500 };

enum target { TARGET_PATTERN, TARGET_COPY, TARGET_NETWORK, TARGETS };

static const char *const target_names[TARGETS] = {"pattern", "copy of G", "all"};

static const struct variant {
    unsigned effort; /* from which on */
    enum target target;
    double rate;          /* of a pattern in widths of the range of values */
    float leak, softness; /* one of them, or none */
    bool is_tempered;
} variants[] = {
    {1, TARGET_PATTERN, 0.003, 0, 0, false},    {1, TARGET_PATTERN, 0.03, 0, 0, false},
    {1, TARGET_PATTERN, 0.003, 0.3f, 0, true},  {1, TARGET_PATTERN, 0.03, 1, 0, true},
    {1, TARGET_PATTERN, 0.03, 0, 0, true},      {1, TARGET_PATTERN, 0.003, 0, 10, true},
    {1, TARGET_PATTERN, 0.03, 0, 3, true},      {2, TARGET_COPY, 0.003, 0, 0, false},
    {2, TARGET_COPY, 0.003, 0.3f, 0, true},     {2, TARGET_COPY, 0.003, 1, 0, true},
    {2, TARGET_COPY, 0.003, 0, 10, true},       {2, TARGET_NETWORK, 0.001, 0, 0, false},
    {2, TARGET_NETWORK, 0.001, 0.3f, 0, true},  {2, TARGET_NETWORK, 0.001, 0, 10, false},
    {2, TARGET_PATTERN, 0.003, 0.01f, 0, true}, {2, TARGET_PATTERN, 0.03, 0, 10, true},
    {3, TARGET_NETWORK, 0.001, 1, 0, true},     {3, TARGET_PATTERN, 0.01, 0.01f, 0, false},
    {3, TARGET_PATTERN, 0.01, 0.3f, 0, false},  {3, TARGET_PATTERN, 0.01, 1, 0, false},
    {3, TARGET_PATTERN, 0.01, 0, 1, false},     {3, TARGET_PATTERN, 0.01, 0, 10, false},
    {3, TARGET_COPY, 0.01, 0.01f, 0, true},     {3, TARGET_COPY, 0.01, 0, 0, true},
    {3, TARGET_COPY, 0.01, 0, 3, true},
};

enum { VARIANTS = sizeof variants / sizeof variants[0] };

/* The deviation of F's logits from their mean over the classes, so that they come to about 1. */
static ward_status find_temperature(struct thief *t, float *out)
{
    size_t k = t->network->spec.classes, n = min_size(t->images->count, ASKED);
    struct split some = *t->images;
    float *logits = NULL;
    double sum = 0;
    ward_status st = mem_new(&logits, n * k, sizeof *logits);

    some.count = (uint32_t)n;
    if (!st)
        st = thief_answers(t, &t->network->params, &some, logits);
    for (size_t i = 0; i < n && !st; i++)
        sum += logits_squares(logits + i * k, k);
    mem_free(logits);
    *out = (float)sqrt(sum / (double)(n * k));
    if (!(*out > 1e-6f && *out < 1e30f))
        *out = 1;
    return st;
}

static struct transform_spec front_of(const struct thief *t, enum target target, uint32_t restart)
{
    struct transform_spec spec = t->structure;

    spec.is_clamped = false;
    spec.method = target == TARGET_PATTERN ? WARD_METHOD_LEARNED : WARD_METHOD_GENERATOR;
    spec.start =
        target == TARGET_PATTERN ? (t->high - t->low) * 0.02f * (float)(1 + restart) : 0.1f;
    return spec;
}

static const char *divided_by(float temperature)
{
    return temperature < 1 ? ", scaled" : ", tempered";
}

static ward_status try_variant(struct thief *t, const struct search_loss *loss,
                               const struct variant *v, float temperature, uint32_t restart)
{
    const struct transform_spec spec = front_of(t, v->target, restart);
    const bool has_front = v->target != TARGET_NETWORK, is_soft = v->softness > 0;
    struct transform front = {.params = {NULL, 0}};
    struct search s = {
        .thief = t,
        .classifier = classifier_of(&t->network->spec, has_front ? &spec : NULL),
        .loss = loss,
        .trained = has_front ? "transform." : "",
        .rate = v->target == TARGET_PATTERN ? v->rate * (double)(t->high - t->low) : v->rate,
        .bound = (double)NAN,
        .trains_network = !has_front,
        .augments = !has_front,
        .leak = v->leak,
        .softness = v->softness,
        .temperature = v->is_tempered ? temperature : 1,
    };
    ward_status st = has_front ? thief_transform(t, &spec, restart, &front) : WARD_OK;

    snprintf(s.what, sizeof s.what, "%s, rate %.2g, %s %.2g%s%s", target_names[v->target], s.rate,
             is_soft ? "softplus" : "slope", (double)(is_soft ? v->softness : v->leak),
             v->is_tempered ? divided_by(temperature) : "", restart > 0 ? ", again" : "");
    if (!st)
        st = thief_network(t, &front.params);
    if (!st)
        st = search_run(&s, &front.params);
    transform_release(&front);
    return st;
}

/* What starts from F starts the same each time. */
static uint32_t restarts(const struct thief *t, const struct variant *v)
{
    return v->target == TARGET_NETWORK ? 1 : (t->budget->effort + 1) / 2;
}

static ward_status attempt(struct thief *t, const struct search_loss *loss)
{
    float temperature = 1;
    ward_status st = find_temperature(t, &temperature);

    for (size_t i = 0; i < VARIANTS && !st; i++)
        for (uint32_t restart = 0; restart < restarts(t, &variants[i]) && !st; restart++)
            if (variants[i].effort <= t->budget->effort &&
                (loss->takes_labels || variants[i].target != TARGET_NETWORK))
                st = try_variant(t, loss, &variants[i], temperature, restart);
    return st;
}

static ward_status attempt_labelled(struct thief *t)
{
    return attempt(t, &search_labels);
}

static ward_status attempt_unlabelled(struct thief *t)
{
    return attempt(t, &search_infomax);
}

const struct raid raid_another_backward_labelled = {
    .name = "another-backward",
    .id = "A15",
    .knows = WARD_KNOWS_LABELLED,
    .methods = ATTACK_ALL_METHODS,
    .attempt = attempt_labelled,
};

const struct raid raid_another_backward_unlabelled = {
    .name = "another-backward",
    .id = "A15",
    .knows = WARD_KNOWS_UNLABELLED,
    .methods = ATTACK_ALL_METHODS,
    .attempt = attempt_unlabelled,
};
