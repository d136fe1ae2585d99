/*
 * A19, perturbed: F with its smallest weights gone, with weights of a few bits, or with noise on
 * them: what it was made to hide may be more brittle than what it knows. Each as it is, then under
 * a pattern trained through it, then as a start for fine-tuning. And softened, with softplus for
 * its ReLUs, which blurs small differences: as it is.
 */
#include <math.h>
#include <stdio.h>

#include "attack/search.h"
#include "base/mem.h"

enum kind { KIND_PRUNED, KIND_QUANTISED, KIND_NOISY };

static const struct variant {
    unsigned effort; /* from which on */
    enum kind kind;
    double amount; /* share of weights; bits; deviation over that of the weights */
} variants[] = {
    {1, KIND_PRUNED, 0.5}, {1, KIND_QUANTISED, 4}, {1, KIND_NOISY, 0.1},
    {2, KIND_PRUNED, 0.8}, {2, KIND_QUANTISED, 6}, {2, KIND_NOISY, 0.3},
    {3, KIND_PRUNED, 0.2}, {3, KIND_QUANTISED, 8}, {3, KIND_NOISY, 0.03},
};

enum { VARIANTS = sizeof variants / sizeof variants[0] };

/* ---- weights ---- */

static int compare_floats(const void *left, const void *right)
{
    float a = *(const float *)left, b = *(const float *)right;

    return (a > b) - (a < b);
}

static ward_status prune(float *values, size_t count, double share)
{
    size_t gone = (size_t)(share * (double)count);
    float *sizes = NULL;
    ward_status st = mem_new(&sizes, count, sizeof *sizes);

    if (st)
        return st;
    for (size_t i = 0; i < count; i++)
        sizes[i] = fabsf(values[i]);
    qsort(sizes, count, sizeof *sizes, compare_floats);
    for (size_t i = 0; i < count && gone > 0; i++)
        if (fabsf(values[i]) <= sizes[gone - 1])
            values[i] = 0;
    mem_free(sizes);
    return WARD_OK;
}

static void quantise(float *values, size_t count, double bits)
{
    float largest = 0, steps = (float)(pow(2, bits - 1) - 1);

    for (size_t i = 0; i < count; i++)
        largest = fmaxf(largest, fabsf(values[i]));
    for (size_t i = 0; i < count && largest > 0; i++)
        values[i] = roundf(values[i] / largest * steps) * largest / steps;
}

static void add_noise(float *values, size_t count, double deviation, struct rng *rng)
{
    double squares = 0;

    for (size_t i = 0; i < count; i++)
        squares += (double)values[i] * (double)values[i] / (double)count;
    for (size_t i = 0; i < count; i++)
        values[i] += (float)(deviation * sqrt(squares)) * rng_normal(rng);
}

/* Convolutions and dense layers only: what has more than one dimension. */
static ward_status perturb(const struct thief *t, const struct variant *v, uint32_t use,
                           struct tensor_list *params)
{
    struct rng rng;
    ward_status st = WARD_OK;

    thief_rng(t, use, &rng);
    for (size_t i = 0; i < params->count && !st; i++) {
        float *values = params->items[i].data;
        size_t count = shape_count(&params->items[i].shape);

        if (params->items[i].shape.rank < 2)
            continue;
        if (v->kind == KIND_PRUNED)
            st = prune(values, count, v->amount);
        else if (v->kind == KIND_QUANTISED)
            quantise(values, count, v->amount);
        else
            add_noise(values, count, v->amount, &rng);
    }
    return st;
}

static void describe(const struct variant *v, char *out, size_t len)
{
    if (v->kind == KIND_PRUNED)
        snprintf(out, len, "%.0f %% pruned", 100 * v->amount);
    else if (v->kind == KIND_QUANTISED)
        snprintf(out, len, "%.0f bits", v->amount);
    else
        snprintf(out, len, "noise of %g", v->amount);
}

/* ---- attacks ---- */

static ward_status try_pattern(struct thief *t, const struct tensor_list *network,
                               const char *words, uint32_t use)
{
    const struct transform_spec spec = thief_pattern(t, 0.02f * (t->high - t->low));
    struct search s = {.thief = t,
                       .classifier = classifier_of(&t->network->spec, &spec),
                       .loss = &search_labels,
                       .trained = "transform.",
                       .rate = 0.003 * (double)(t->high - t->low),
                       .bound = (double)NAN};
    struct transform pattern = {.params = {NULL, 0}};
    ward_status st = thief_transform(t, &spec, use, &pattern);

    snprintf(s.what, sizeof s.what, "%s, a pattern", words);
    if (!st)
        st = params_append(&pattern.params, network);
    if (!st)
        st = search_run(&s, &pattern.params);
    transform_release(&pattern);
    return st;
}

static ward_status try_fine_tuning(struct thief *t, struct tensor_list *network, const char *words)
{
    struct search s = {.thief = t,
                       .classifier = classifier_of(&t->network->spec, NULL),
                       .loss = &search_labels,
                       .trained = "",
                       .rate = 1e-3,
                       .bound = (double)NAN,
                       .trains_network = true,
                       .augments = true};

    snprintf(s.what, sizeof s.what, "%s, fine-tuned", words);
    return search_run(&s, network);
}

static ward_status try_variant(struct thief *t, const struct variant *v, uint32_t use)
{
    const struct classifier plain = classifier_of(&t->network->spec, NULL);
    struct tensor_list network = {NULL, 0};
    char words[WARD_REDTEAM_WORDS / 2];
    ward_status st = thief_network(t, &network);

    describe(v, words, sizeof words);
    if (!st)
        st = perturb(t, v, use, &network);
    if (!st)
        st = thief_offer_as(t, &plain, &network, words);
    if (!st)
        st = try_pattern(t, &network, words, use);
    if (!st)
        st = try_fine_tuning(t, &network, words);
    tensor_list_release(&network);
    return st;
}

static ward_status try_softened(struct thief *t, float softness)
{
    struct classifier soft = classifier_of(&t->network->spec, NULL);
    char words[WARD_REDTEAM_WORDS / 2];

    soft.use.softness = softness;
    snprintf(words, sizeof words, "softened by %g", (double)softness);
    return thief_offer_as(t, &soft, &t->network->params, words);
}

static ward_status attempt(struct thief *t)
{
    static const float softnesses[] = {10, 7, 5, 4, 3, 2};
    ward_status st = WARD_OK;

    for (size_t i = 0; i < sizeof softnesses / sizeof softnesses[0] && !st; i++)
        st = try_softened(t, softnesses[i]);
    for (uint32_t i = 0; i < VARIANTS && !st; i++)
        if (variants[i].effort <= t->budget->effort)
            st = try_variant(t, &variants[i], i);
    return st;
}

const struct raid raid_perturbed = {
    .name = "perturbed",
    .id = "A19",
    .knows = WARD_KNOWS_LABELLED,
    .methods = ATTACK_ALL_METHODS,
    .attempt = attempt,
};
