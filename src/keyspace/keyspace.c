/* Trying keys, and what it comes to: see ward/keyspace.h. */
#include <math.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/util.h"
#include "keyspace/statistics.h"
#include "keyspace/survey.h"
#include "protect/keyed.h"
#include "protect/wrong_key.h"

static const uint64_t max_seed = UINT64_C(1) << 53; /* exact in JSON anywhere */

enum { KEYS = 1000, MAX_KEYS = 1000000, PARTIAL_KEYS = 10, MAX_PARTIAL_KEYS = 1000 };

static const double shares[WARD_KEYSPACE_SHARES] = {0,   0.1, 0.2, 0.3, 0.4,  0.5,
                                                    0.6, 0.7, 0.8, 0.9, 0.95, 0.99};

static const double confidence = 0.95;

/* ---- keys ---- */

/* Streams of random keys and of shares are apart: numbers of the latter begin here. */
static const uint64_t first_partial = UINT64_C(1) << 31;

static ward_status tables_of(const struct survey *s, const uint8_t key[TRANSFORM_SEED_LEN],
                             struct tensor_list *out)
{
    struct tensor_list made = {NULL, 0};
    ward_status st = keyed_tables(&made, WRONG_PREFIX, &s->run->transform.spec, key);

    if (st)
        tensor_list_release(&made);
    else
        *out = made;
    return st;
}

static ward_status draw_random(const struct survey *s, size_t number, struct tensor_list *out)
{
    uint8_t key[TRANSFORM_SEED_LEN];
    struct rng rng;

    rng_init(&rng, s->options.seed, RNG_KEYSPACE, number, 0);
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)rng_below(&rng, 256);
    return tables_of(s, key, out);
}

static ward_status draw_one_bit(const struct survey *s, size_t bit, struct tensor_list *out)
{
    uint8_t key[TRANSFORM_SEED_LEN];
    ward_status st;

    memcpy(key, s->run->transform.seed, sizeof key);
    key[bit / 8] ^= (uint8_t)(1u << bit % 8);
    st = tables_of(s, key, out);
    mem_wipe(key, sizeof key);
    return st;
}

/* The i-th key in the order of survey.h. */
static ward_status draw(const struct survey *s, size_t i, struct tensor_list *out)
{
    if (i == 0)
        return tables_of(s, s->run->transform.seed, out);
    i--;
    if (i < s->options.keys)
        return draw_random(s, i, out);
    i -= s->options.keys;
    if (i < BITS)
        return draw_one_bit(s, i, out);
    i -= BITS;
    return wrong_key_of_share(out, &s->run->transform, (float)shares[i / s->options.partial_keys],
                              s->options.seed, first_partial + i);
}

/* ---- trying them ---- */

static bool report(void *context)
{
    struct survey *s = context;
    double speed = pace_rate(&s->pace, clock_seconds(), (double)s->done);
    const ward_keyspace_progress progress = {
        .done = s->done,
        .keys = survey_keys(s),
        .keys_per_second = speed,
        .seconds_left = speed > 0 ? (double)(survey_keys(s) - s->done) / speed : (double)NAN,
    };

    return !s->options.progress || s->options.progress(s->options.context, &progress);
}

static ward_status try_key(struct survey *s, ward_device *device)
{
    struct tensor_list tables = {NULL, 0};
    size_t right = 0;
    ward_status st = draw(s, s->done, &tables);

    if (!st && s->done == 0)
        st = probe_open(&s->probe, s->run, device, s->data, s->options.images, &tables);
    if (!st)
        st = probe_count(&s->probe, &tables, &right);
    if (!st)
        s->accuracy[s->done++] = (double)right / (double)s->options.images;
    tensor_list_release(&tables);
    return st;
}

static ward_status check(const struct survey *s)
{
    const ward_run *run = s->run;
    const ward_dataset_info *info = ward_dataset_get_info(s->data);
    const ward_keyspace_options *o = &s->options;

    if (run->model.method != WARD_METHOD_KEYED)
        return ward_fail(WARD_ERR_ARG, "the run's method is %s: only keyed has a key",
                         ward_method_name(run->model.method));
    if (!run->has_transform)
        return ward_fail(WARD_ERR_ARG, "the run has no transform");
    if (!transform_has_tables(&run->transform.spec))
        return ward_fail(WARD_ERR_ARG, "the run's transform has no part that follows from its key");
    if (o->keys > MAX_KEYS || o->partial_keys > MAX_PARTIAL_KEYS)
        return ward_fail(WARD_ERR_ARG, "at most %d random keys, and %d of a share", MAX_KEYS,
                         MAX_PARTIAL_KEYS);
    if (o->seed > max_seed)
        return ward_fail(WARD_ERR_ARG, "a seed above 2^53");
    if (info->test_count == 0 || o->images > info->test_count)
        return ward_fail(WARD_ERR_ARG, "'%s' has %zu test images, not %zu", info->name,
                         info->test_count, o->images);
    return run_check_data(run, info);
}

/* ---- what it comes to ---- */

static size_t right_of(const struct survey *s, double accuracy)
{
    return (size_t)llround(accuracy * (double)s->options.images);
}

static ward_interval interval_of(const struct survey *s, double accuracy)
{
    size_t right = right_of(s, accuracy), count = s->options.images;
    double error = (1 - confidence) / 2;

    return (ward_interval){share_lower(right, count, error), share_upper(right, count, error)};
}

/* An accuracy counts as it was measured: by a bound below it a few images would hide an unlock. */
static ward_keyspace_keys summarise(const struct survey *s, const double *accuracy, size_t count,
                                    double threshold)
{
    ward_keyspace_keys keys = {.count = count};

    mean_and_deviation(accuracy, count, &keys.mean, &keys.sd);
    for (size_t i = 0; i < count; i++) {
        keys.best = fmax(keys.best, accuracy[i]);
        keys.unlocks += accuracy[i] > threshold;
    }
    keys.best_ci = interval_of(s, keys.best);
    keys.bound = share_upper(keys.unlocks, count, 1 - confidence);
    return keys;
}

/* Twice chance, which two classes cannot reach. */
static double threshold_of(double chance)
{
    return fmin(2 * chance, (1 + chance) / 2);
}

static ward_status conclude(const struct survey *s, ward_keyspace_result *r)
{
    size_t keys = s->options.keys, partial = s->options.partial_keys;

    r->count = s->options.images;
    r->seed = s->options.seed;
    r->chance = 1.0 / (double)s->run->model.net.spec.classes;
    r->threshold = threshold_of(r->chance);
    r->authorised = s->accuracy[0];
    r->authorised_ci = interval_of(s, r->authorised);
    r->random = summarise(s, survey_random(s), keys, r->threshold);
    r->one_bit = summarise(s, survey_one_bit(s), BITS, r->threshold);
    r->one_bit.bound = (double)r->one_bit.unlocks / BITS;
    for (size_t i = 0; i < WARD_KEYSPACE_SHARES; i++) {
        r->share[i] = shares[i];
        r->partial[i] = summarise(s, survey_partial(s, i), partial, r->threshold);
    }
    r->one_bit_unlocks_p =
        fisher_exact(r->one_bit.unlocks, BITS, r->random.unlocks, r->random.count);
    return mann_whitney(survey_random(s), keys, survey_one_bit(s), BITS, &r->one_bit_p);
}

static size_t or_default(size_t given, size_t otherwise)
{
    return given > 0 ? given : otherwise;
}

ward_status ward_keyspace(const ward_run *run, ward_device *device, const ward_dataset *data,
                          const ward_keyspace_options *options, ward_keyspace_result *out)
{
    struct survey s = {.run = run, .data = data, .options = *options};
    ward_keyspace_result made = {.count = 0};
    ward_status st = check(&s);

    if (st)
        return st;
    s.options.keys = or_default(options->keys, KEYS);
    s.options.images = or_default(options->images, ward_dataset_get_info(data)->test_count);
    s.options.partial_keys = or_default(options->partial_keys, PARTIAL_KEYS);
    s.probe.go_on = report;
    s.probe.context = &s;
    pace_start(&s.pace, clock_seconds());
    st = mem_new(&s.accuracy, survey_keys(&s), sizeof *s.accuracy);
    while (!st && s.done < survey_keys(&s))
        st = try_key(&s, device);
    if (!st)
        st = conclude(&s, &made);
    if (!st)
        st = survey_to_json(&s, &made, &made.json);
    if (!st)
        *out = made;
    probe_release(&s.probe);
    mem_free(s.accuracy);
    return st;
}

void ward_keyspace_result_release(ward_keyspace_result *result)
{
    mem_free(result->json);
    *result = (ward_keyspace_result){.count = 0};
}
