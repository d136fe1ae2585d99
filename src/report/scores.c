/* eval.json and attacks/NAME.json: see scores.h. */
#include "report/scores.h"

#include <math.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/mem.h"

enum {
    EVALUATION_VERSION = 1,
    ATTACK_VERSION = 1,
    MAX_IMAGES = 1 << 30,
    MAX_TRIALS = 1 << 20,
    MAX_POINTS = 1 << 16
};

/* ---- both ---- */

ward_status scores_check_version(const json_t *object, uint64_t known)
{
    uint64_t version;
    ward_status st = json_get_u64(object, "format_version", INT64_MAX, &version);

    if (!st && version != known)
        st = ward_fail(WARD_ERR_FORMAT, "a version that this build cannot read");
    return st;
}

ward_status scores_get_id(const json_t *object, char out[MODEL_ID_LEN + 1])
{
    const char *text;
    ward_status st = json_get_string(object, "model_id", &text);

    if (st)
        return st;
    if (strlen(text) != MODEL_ID_LEN || strspn(text, "0123456789abcdef") != MODEL_ID_LEN)
        return ward_fail(WARD_ERR_FORMAT, "'model_id' is not %d hex digits", MODEL_ID_LEN);
    memcpy(out, text, MODEL_ID_LEN + 1);
    return WARD_OK;
}

/* ---- eval.json ---- */

static ward_status get_interval(const json_t *object, const char *key, double accuracy,
                                ward_interval *out)
{
    const json_t *pair = json_object_get(object, key);
    double low = json_number_value(json_array_get(pair, 0));
    double high = json_number_value(json_array_get(pair, 1));

    *out = (ward_interval){(double)NAN, (double)NAN};
    if (!isfinite(accuracy))
        return WARD_OK;
    if (json_array_size(pair) != 2 || !(low >= 0 && low <= high && high <= 1))
        return ward_fail(WARD_ERR_FORMAT, "'ci95' has no interval of '%s'", key);
    *out = (ward_interval){low, high};
    return WARD_OK;
}

static ward_status take_evaluation(struct evaluation *e, const json_t *object)
{
    const json_t *intervals = json_object_get(object, "ci95");
    const char *split;
    ward_status st = scores_get_id(object, e->model_id);

    if (!st)
        st = json_get_string(object, "split", &split);
    if (!st && strcmp(split, "test") != 0)
        st = ward_fail(WARD_ERR_FORMAT, "'split' is not 'test'");
    if (!st)
        st = json_get_real(object, "count", &e->count);
    if (!st && !(e->count >= 0 && e->count <= MAX_IMAGES))
        st = ward_fail(WARD_ERR_FORMAT, "'count' is no number of images");
    if (!st)
        st = json_get_fraction_or_null(object, "authorised", &e->authorised);
    if (!st)
        st = json_get_fraction_or_null(object, "unauthorised", &e->unauthorised);
    if (!st)
        st = get_interval(intervals, "authorised", e->authorised, &e->authorised_ci);
    if (!st)
        st = get_interval(intervals, "unauthorised", e->unauthorised, &e->unauthorised_ci);
    return st;
}

ward_status evaluation_from_json(struct evaluation *out, const json_t *object)
{
    struct evaluation made = {.count = 0};
    ward_status st = take_evaluation(&made, object);

    if (!st)
        *out = made;
    return st;
}

ward_status evaluation_parse(struct evaluation *out, const char *text, size_t len)
{
    json_t *object = NULL;
    ward_status st = json_parse_object(&object, text, len);

    if (!st)
        st = scores_check_version(object, EVALUATION_VERSION);
    if (!st)
        st = evaluation_from_json(out, object);
    json_decref(object);
    return st;
}

ward_status evaluation_read(struct evaluation *out, const char *path, bool *is_there)
{
    uint8_t *data = NULL;
    size_t len = 0;
    ward_status st;

    *is_there = file_exists(path);
    if (!*is_there)
        return WARD_OK;
    st = file_read(path, SCORES_MAX_FILE, &data, &len);
    if (st)
        return st;
    st = evaluation_parse(out, (const char *)data, len);
    if (st)
        st = ward_fail_within(st, "'%s'", path);
    mem_free(data);
    return st;
}

static ward_status evaluation_to_json(const struct evaluation *e, json_t *object)
{
    json_t *intervals = json_pack(
        "{s:o, s:o}", "authorised",
        json_interval_or_null(e->authorised, e->authorised_ci.low, e->authorised_ci.high),
        "unauthorised",
        json_interval_or_null(e->unauthorised, e->unauthorised_ci.low, e->unauthorised_ci.high));
    ward_status st = json_set(object, "ci95", intervals);

    if (!st)
        st = json_set(object, "format_version", json_integer(EVALUATION_VERSION));
    if (!st)
        st = json_set(object, "model_id", json_string(e->model_id));
    if (!st)
        st = json_set(object, "split", json_string("test"));
    if (!st)
        st = json_set(object, "count", json_integer((json_int_t)e->count));
    if (!st)
        st = json_set(object, "authorised", json_real_or_null(e->authorised));
    if (!st)
        st = json_set(object, "unauthorised", json_real_or_null(e->unauthorised));
    return st;
}

ward_status evaluation_write(const struct evaluation *evaluation, const char *path)
{
    char *text = NULL;
    json_t *object = json_object();
    ward_status st = evaluation_to_json(evaluation, object);

    if (!st)
        st = json_to_text(object, 0, &text);
    if (!st) {
        size_t len = strlen(text);

        text[len] = '\n'; /* in place of the NUL, so that the file ends as a text file does */
        st = file_write(path, text, len + 1, FILE_REPLACE);
    }
    mem_free(text);
    json_decref(object);
    return st;
}

/* ---- attacks ---- */

/* One block for both arrays. */
static ward_status take_curve(struct attack_curve *curve, const json_t *points)
{
    size_t count = json_array_size(points);
    ward_status st = count <= MAX_POINTS ? mem_new(&curve->step, 2 * count, sizeof(double))
                                         : ward_fail(WARD_ERR_FORMAT, "'curve' is too long");

    if (st)
        return st;
    curve->error = curve->step + count;
    curve->count = count;
    for (size_t i = 0; i < count && !st; i++) {
        const json_t *point = json_array_get(points, i);

        curve->step[i] = json_number_value(json_array_get(point, 0));
        curve->error[i] = json_number_value(json_array_get(point, 1));
        if (json_array_size(point) != 2 || !isfinite(curve->step[i]) || curve->step[i] < 0 ||
            !isfinite(curve->error[i]) || curve->error[i] < 0)
            st = ward_fail(WARD_ERR_FORMAT, "'curve' is not made of pairs [step, error]");
    }
    return st;
}

static ward_status take_trial(struct attack_scores *a, const json_t *trial, size_t i)
{
    const json_t *points = json_object_get(trial, "curve");
    double seconds;
    ward_status st = json_get_fraction(trial, "accuracy", &a->accuracy[i]);

    if (!st)
        st = json_get_real(trial, "seconds", &seconds);
    if (st)
        return st;
    a->seconds += seconds;
    if (json_array_size(points) > 0 && a->curve_count < ATTACK_CURVES)
        st = take_curve(&a->curves[a->curve_count++], points);
    return st;
}

static ward_status take_trials(struct attack_scores *a, const json_t *trials)
{
    size_t count = json_array_size(trials);
    ward_status st;

    if (!json_is_array(trials) || count > MAX_TRIALS)
        return ward_fail(WARD_ERR_FORMAT, "'trials' is missing or too long");
    st = mem_new(&a->accuracy, count, sizeof(double));
    if (!st)
        a->trial_count = count;
    for (size_t i = 0; i < count && !st; i++) {
        st = take_trial(a, json_array_get(trials, i), i);
        if (st)
            st = ward_fail_within(st, "trial %zu", i + 1);
    }
    return st;
}

/* The settings are numbers, called as the options of ward attack. */
static ward_status take_settings(struct attack_scores *a, json_t *settings)
{
    struct wr wr = WR_INIT, alike = WR_INIT;
    const char *key;
    json_t *value;
    ward_status st = WARD_OK;

    wr_printf(&wr, "--attack %s", a->attack);
    wr_printf(&alike, "--attack %s", a->attack);
    json_object_foreach(settings, key, value) {
        char *text = NULL;

        if (strlen(key) >= ATTACK_NAME_LEN || key[strspn(key, "abcdefghijklmnopqrstuvwxyz_")] ||
            !json_is_number(value))
            st = ward_fail(WARD_ERR_FORMAT, "'settings' has something else than numbers");
        if (!st)
            st = json_to_text(value, 0, &text);
        /* What has one trial takes no number of them. */
        if (!st && !(strcmp(key, "trials") == 0 && strcmp(text, "1") == 0))
            wr_printf(&wr, " --%s %s", key, text);
        if (!st && strcmp(key, "trials") != 0 && strcmp(key, "seed") != 0)
            wr_printf(&alike, " --%s %s", key, text);
        mem_free(text);
        if (st)
            break;
    }
    wr_u8(&wr, 0);
    wr_u8(&alike, 0);
    if (!st)
        st = wr_finish(&wr);
    if (!st)
        st = wr_finish(&alike);
    if (!st) {
        a->settings = (char *)wr.data;
        a->alike = (char *)alike.data;
        wr = alike = (struct wr)WR_INIT;
    }
    wr_release(&wr);
    wr_release(&alike);
    return st;
}

static ward_status take_name(struct attack_scores *a, const json_t *object)
{
    const char *name;
    ward_status st = json_get_string(object, "attack", &name);

    if (st)
        return st;
    if (!*name || strlen(name) >= sizeof a->attack ||
        name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")])
        return ward_fail(WARD_ERR_FORMAT, "'attack' is not a name");
    memcpy(a->attack, name, strlen(name) + 1);
    return WARD_OK;
}

static ward_status take_attack(struct attack_scores *a, const json_t *object)
{
    json_t *settings = json_object_get(object, "settings");
    ward_status st = scores_check_version(object, ATTACK_VERSION);

    a->pairs = (double)NAN;
    a->wanted = 1;
    if (!st)
        st = take_name(a, object);
    if (!st)
        st = scores_get_id(object, a->model_id);
    if (!st && !json_is_object(settings))
        st = ward_fail(WARD_ERR_FORMAT, "'settings' is missing");
    if (!st && json_object_get(settings, "trials"))
        st = json_get_real(settings, "trials", &a->wanted);
    if (!st && json_object_get(settings, "pairs"))
        st = json_get_fraction(settings, "pairs", &a->pairs);
    if (!st)
        st = json_get_fraction_or_null(object, "chosen", &a->chosen);
    if (!st)
        st = take_settings(a, settings);
    return st ? st : take_trials(a, json_object_get(object, "trials"));
}

ward_status attack_scores_parse(struct attack_scores *out, const char *text, size_t len)
{
    struct attack_scores made = {.trial_count = 0};
    json_t *object = NULL;
    ward_status st = json_parse_object(&object, text, len);

    if (!st)
        st = take_attack(&made, object);
    json_decref(object);
    if (st)
        attack_scores_release(&made);
    else
        *out = made;
    return st;
}

ward_status attack_scores_read(struct attack_scores *out, const char *path)
{
    uint8_t *data = NULL;
    size_t len = 0;
    ward_status st = file_read(path, SCORES_MAX_FILE, &data, &len);

    if (st)
        return st;
    st = attack_scores_parse(out, (const char *)data, len);
    if (st)
        st = ward_fail_within(st, "'%s'", path);
    mem_free(data);
    return st;
}

void attack_scores_release(struct attack_scores *scores)
{
    for (size_t i = 0; i < scores->curve_count; i++)
        mem_free(scores->curves[i].step);
    mem_free(scores->accuracy);
    mem_free(scores->settings);
    mem_free(scores->alike);
    *scores = (struct attack_scores){.trial_count = 0};
}
