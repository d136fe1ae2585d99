/* What is known of an attack: its numbers, and the file that keeps them. */
#include <math.h>
#include <string.h>

#include "attack/campaign.h"
#include "base/json.h"
#include "base/mem.h"

enum { FORMAT_VERSION = 1, MAX_POINTS = 1 << 20 };

static const uint64_t max_whole = UINT64_C(1) << 53;

/* ---- trials ---- */

uint64_t trial_seed(uint64_t seed, uint64_t number)
{
    struct rng rng;
    uint64_t high;

    rng_init(&rng, seed, RNG_ATTACK, 0, number);
    high = rng_u32(&rng) >> 11;
    return high << 32 | rng_u32(&rng);
}

void trial_release(ward_attack_trial *trial)
{
    mem_free(trial->curve);
    *trial = (ward_attack_trial){.curve = NULL};
}

/* The place of the first trial whose number is not below this one. */
static size_t place_of(const ward_attack_result *result, uint64_t number)
{
    size_t low = 0, high = result->trial_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (result->trials[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool result_has(const ward_attack_result *result, uint64_t number)
{
    size_t at = place_of(result, number);

    return at < result->trial_count && result->trials[at].number == number;
}

ward_status result_add(ward_attack_result *result, ward_attack_trial *trial)
{
    size_t at = place_of(result, trial->number), count = result->trial_count;
    ward_status st = mem_resize(&result->trials, count, count + 1, sizeof *result->trials);

    if (st)
        return st;
    memmove(result->trials + at + 1, result->trials + at, (count - at) * sizeof *result->trials);
    result->trials[at] = *trial;
    result->trial_count++;
    *trial = (ward_attack_trial){.curve = NULL};
    return WARD_OK;
}

void result_cut(ward_attack_result *result, uint64_t number)
{
    while (result->trial_count > 0 && result->trials[result->trial_count - 1].number >= number)
        trial_release(&result->trials[--result->trial_count]);
}

void ward_attack_result_release(ward_attack_result *result)
{
    result_cut(result, 0);
    mem_free(result->trials);
    mem_free(result->json);
    *result = (ward_attack_result){.trials = NULL};
}

/* ---- statistics ---- */

void result_finish(ward_attack_result *result)
{
    const ward_attack_trial *t = result->trials, *chosen = t;
    bool is_fitted = result->settings.uses & WARD_ATTACK_USES_FIT;
    double n = (double)result->trial_count, sum = 0, squares = 0;

    result->best = t->accuracy;
    for (size_t i = 0; i < result->trial_count; i++) {
        sum += t[i].accuracy;
        result->best = fmax(result->best, t[i].accuracy);
        chosen = t[i].error < chosen->error ? &t[i] : chosen;
    }
    result->mean = sum / n;
    for (size_t i = 0; i < result->trial_count; i++)
        squares += (t[i].accuracy - result->mean) * (t[i].accuracy - result->mean);
    result->sd = n > 1 ? sqrt(squares / (n - 1)) : (double)NAN;
    result->chosen = is_fitted ? chosen->accuracy : (double)NAN;
}

/* ---- settings: one table for both ways ---- */

static const struct setting {
    const char *key;
    unsigned use;
    bool is_whole;
    size_t offset;
} settings[] = {
#define AT(member) offsetof(ward_attack_settings, member)
    {"seed", WARD_ATTACK_USES_SEED, true, AT(seed)},
    {"sigma", WARD_ATTACK_USES_PATTERN, false, AT(sigma)},
    {"p", WARD_ATTACK_USES_PATTERN, false, AT(p)},
    {"pairs", WARD_ATTACK_USES_PAIRS, false, AT(pairs)},
    {"steps", WARD_ATTACK_USES_FIT, true, AT(steps)},
    {"rate", WARD_ATTACK_USES_FIT, false, AT(rate)},
#undef AT
};

enum { SETTINGS = sizeof settings / sizeof settings[0] };

static const uint64_t *whole_at(const ward_attack_settings *s, const struct setting *setting)
{
    return (const uint64_t *)((const char *)s + setting->offset);
}

static const double *real_at(const ward_attack_settings *s, const struct setting *setting)
{
    return (const double *)((const char *)s + setting->offset);
}

/* ---- writing ---- */

static json_t *whole(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *settings_to_json(const ward_attack_settings *s)
{
    json_t *object = json_object();
    ward_status st = json_set(object, "trials", whole(s->trials));

    for (size_t i = 0; i < SETTINGS && !st; i++)
        if (s->uses & settings[i].use)
            st = json_set(object, settings[i].key,
                          settings[i].is_whole ? whole(*whole_at(s, &settings[i]))
                                               : json_real(*real_at(s, &settings[i])));
    if (st) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *curve_to_json(const ward_attack_trial *t)
{
    json_t *array = json_array();

    for (size_t i = 0; i < t->point_count; i++)
        if (json_array_append_new(
                array, json_pack("[I, f]", (json_int_t)t->curve[i].step, t->curve[i].error)) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

static json_t *trial_to_json(const ward_attack_trial *t, bool is_fitted)
{
    json_t *object = json_pack("{s:I, s:I, s:f, s:f}", "trial", (json_int_t)t->number, "seed",
                               (json_int_t)t->seed, "accuracy", t->accuracy, "seconds", t->seconds);
    ward_status st = WARD_OK;

    if (object && is_fitted) {
        st = json_set(object, "steps", whole(t->steps));
        if (!st)
            st = json_set(object, "error", json_real(t->error));
        if (!st)
            st = json_set(object, "curve", curve_to_json(t));
    }
    if (st) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *trials_to_json(const ward_attack_result *r)
{
    json_t *array = json_array();

    for (size_t i = 0; i < r->trial_count; i++)
        if (json_array_append_new(
                array, trial_to_json(&r->trials[i], r->settings.uses & WARD_ATTACK_USES_FIT))) {
            json_decref(array);
            return NULL;
        }
    return array;
}

/* The whole object, or NULL if out of memory. */
static json_t *result_object(const ward_attack_result *r, const struct subject *s)
{
    const struct json_member members[] = {
        {"format_version", json_integer(FORMAT_VERSION)},
        {"attack", json_string(r->settings.attack)},
        {"mean", json_real(r->mean)},
        {"sd", json_real_or_null(r->sd)},
        {"best", json_real(r->best)},
        {"chosen", json_real_or_null(r->chosen)},
        {"authorised", json_real_or_null(r->authorised)},
        {"unauthorised", json_real_or_null(r->unauthorised)},
        {"chance", json_real(r->chance)},
        {"model_id", json_string(s->model_id)},
        {"method", json_string(ward_method_name(s->method))},
        {"arch", json_string(s->arch)},
        {"data", json_string(s->data)},
        {"split", json_string("test")},
        {"count", whole(s->count)},
        {"device", json_string(s->device)},
        {"pair_count", whole(r->pair_count)},
        {"settings", settings_to_json(&r->settings)},
        {"note", json_string(r->note)},
        {"trials", trials_to_json(r)},
    };

    return JSON_OBJECT_OF(members);
}

ward_status result_to_json(const ward_attack_result *result, const struct subject *subject,
                           int indent, char **out)
{
    json_t *object = result_object(result, subject);
    ward_status st;

    if (!object)
        return ward_fail(WARD_ERR_NOMEM, "cannot write the result of an attack: out of memory");
    st = json_to_text(object, indent, out);
    json_decref(object);
    return st;
}

/* ---- reading ---- */

static ward_status match_subject(const json_t *object, const struct subject *s)
{
    const struct {
        const char *key, *expected;
    } texts[] = {
        {"model_id", s->model_id}, {"method", ward_method_name(s->method)},
        {"arch", s->arch},         {"data", s->data},
        {"split", "test"},         {"device", s->device},
    };
    ward_status st = json_match_u64(object, "count", s->count);

    for (size_t i = 0; i < sizeof texts / sizeof texts[0] && !st; i++)
        st = json_match_string(object, texts[i].key, texts[i].expected);
    return st;
}

static ward_status match_settings(const json_t *object, const ward_attack_settings *s)
{
    const json_t *given = json_object_get(object, "settings");
    uint64_t trials;
    size_t keys = 1;
    ward_status st;

    if (!json_is_object(given))
        return ward_fail(WARD_ERR_FORMAT, "'settings' is missing, or no object");
    st = json_get_u64(given, "trials", ATTACK_MAX_TRIALS, &trials);
    for (size_t i = 0; i < SETTINGS && !st; i++) {
        if (!(s->uses & settings[i].use))
            continue;
        keys++;
        st = settings[i].is_whole
                 ? json_match_u64(given, settings[i].key, *whole_at(s, &settings[i]))
                 : json_match_real(given, settings[i].key, *real_at(s, &settings[i]));
    }
    if (!st && json_object_size(given) != keys)
        st = ward_fail(WARD_ERR_FORMAT, "a setting that this build does not know");
    return st;
}

/* [step, error], the steps ascending. */
static ward_status get_point(const json_t *array, size_t i, ward_attack_trial *t)
{
    const json_t *pair = json_array_get(array, i);
    const json_t *step = json_array_get(pair, 0), *error = json_array_get(pair, 1);
    ward_attack_point *point = &t->curve[i];

    if (json_array_size(pair) != 2 || !json_is_integer(step) || json_integer_value(step) < 0 ||
        !json_is_number(error) || !(json_number_value(error) >= 0))
        return ward_fail(WARD_ERR_FORMAT, "'curve' is not made of steps and errors");
    point->step = (uint64_t)json_integer_value(step);
    point->error = json_number_value(error);
    if (point->step > t->steps || (i > 0 && point->step <= t->curve[i - 1].step))
        return ward_fail(WARD_ERR_FORMAT, "the steps of 'curve' do not ascend to 'steps'");
    return WARD_OK;
}

static ward_status get_fit(const json_t *object, ward_attack_trial *t)
{
    const json_t *curve = json_object_get(object, "curve");
    size_t count = json_array_size(curve);
    ward_status st = json_get_u64(object, "steps", max_whole, &t->steps);

    if (!st)
        st = json_get_real(object, "error", &t->error);
    if (!st && (!json_is_array(curve) || count > MAX_POINTS || t->error < 0))
        st = ward_fail(WARD_ERR_FORMAT, "'curve' or 'error' is not what it should be");
    if (!st)
        st = mem_new(&t->curve, count, sizeof *t->curve);
    for (size_t i = 0; i < count && !st; i++)
        st = get_point(curve, i, t);
    t->point_count = count;
    return st;
}

static ward_status get_trial(const json_t *object, bool is_fitted, uint64_t seed,
                             ward_attack_trial *t)
{
    ward_status st;

    if (!json_is_object(object) || json_object_size(object) != (is_fitted ? 7u : 4u))
        return ward_fail(WARD_ERR_FORMAT, "a trial with other keys than it should have");
    st = json_get_u64(object, "trial", ATTACK_MAX_TRIALS - 1, &t->number);
    if (!st)
        st = json_get_u64(object, "seed", max_whole, &t->seed);
    if (!st)
        st = json_get_fraction(object, "accuracy", &t->accuracy);
    if (!st)
        st = json_get_real(object, "seconds", &t->seconds);
    if (!st && t->seed != trial_seed(seed, t->number))
        st = ward_fail(WARD_ERR_FORMAT, "the seed of trial %ju is another's", (uintmax_t)t->number);
    return st || !is_fitted ? st : get_fit(object, t);
}

static ward_status get_trials(const json_t *object, ward_attack_result *r)
{
    const json_t *array = json_object_get(object, "trials");
    size_t count = json_array_size(array);
    ward_status st = WARD_OK;

    if (count < 1 || count > ATTACK_MAX_TRIALS)
        return ward_fail(WARD_ERR_FORMAT, "'trials' is missing, empty or too long");
    for (size_t i = 0; i < count && !st; i++) {
        ward_attack_trial t = {.curve = NULL};

        st = get_trial(json_array_get(array, i), r->settings.uses & WARD_ATTACK_USES_FIT,
                       r->settings.seed, &t);
        if (!st && i > 0 && t.number <= r->trials[i - 1].number)
            st = ward_fail(WARD_ERR_FORMAT, "the numbers of the trials do not ascend");
        if (!st)
            st = result_add(r, &t);
        trial_release(&t);
    }
    return st;
}

/* What follows from the trials must; the last digits depend on the compiler. */
static ward_status check_derived(const json_t *object, ward_attack_result *r)
{
    const struct {
        const char *key;
        const double *value;
    } derived[] = {{"mean", &r->mean}, {"sd", &r->sd}, {"best", &r->best}, {"chosen", &r->chosen}};
    ward_status st = WARD_OK;

    result_finish(r);
    for (size_t i = 0; i < sizeof derived / sizeof derived[0] && !st; i++) {
        double value = 0, expected = *derived[i].value;

        st = json_get_fraction_or_null(object, derived[i].key, &value);
        if (!st && (isnan(value) != isnan(expected) || fabs(value - expected) > 1e-9))
            st = ward_fail(WARD_ERR_FORMAT, "'%s' is not that of the trials", derived[i].key);
    }
    return st;
}

static ward_status get_result(const json_t *object, const struct subject *subject,
                              ward_attack_result *r)
{
    uint64_t version = 0;
    const char *note;
    ward_status st = json_get_u64(object, "format_version", max_whole, &version);

    if (!st && version != FORMAT_VERSION)
        st = ward_fail(WARD_ERR_FORMAT, "a version that this build cannot read");
    if (!st && json_object_size(object) != 20)
        st = ward_fail(WARD_ERR_FORMAT, "other keys than it should have");
    if (!st)
        st = json_match_string(object, "attack", r->settings.attack);
    if (!st)
        st = match_subject(object, subject);
    if (!st)
        st = match_settings(object, &r->settings);
    if (!st)
        st = json_match_u64(object, "pair_count", r->pair_count);
    if (!st)
        st = json_match_real(object, "chance", r->chance);
    if (!st)
        st = json_get_string(object, "note", &note);
    if (!st)
        st = json_get_fraction_or_null(object, "authorised", &r->authorised);
    if (!st)
        st = json_get_fraction_or_null(object, "unauthorised", &r->unauthorised);
    if (!st)
        st = get_trials(object, r);
    return st ? st : check_derived(object, r);
}

ward_status result_from_json(ward_attack_result *result, const struct subject *subject,
                             const char *text, size_t len)
{
    ward_attack_result made = *result;
    json_t *object = NULL;
    ward_status st = json_parse_object(&object, text, len);

    if (!st)
        st = get_result(object, subject, &made);
    json_decref(object);
    if (st)
        ward_attack_result_release(&made);
    else
        *result = made;
    return st;
}
