/*
 * What a run has on disk beside its networks: settings and metrics; and that reading and writing
 * any of a run's files survives a lack of memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_test.h"
#include "run_fixture.h"

/* ---- config.json ---- */

static void every_setting_comes_back_exactly(void **state)
{
    ward_train_config config = every_setting();
    struct run_config back = {.data = NULL};
    char *text = NULL, *again = NULL;

    (void)state;
    assert_ok(run_config_to_json(&config, &text));
    assert_ok(run_config_from_json(&back, text, strlen(text)));
    assert_ok(run_config_to_json(&back.values, &again));
    assert_string_equal(text, again);
    assert_true(back.values.rate == 0.1 && back.values.warmup == 1.0 / 3);
    assert_true(back.values.seed == INT64_MAX);
    assert_string_equal(back.values.data, config.data);
    assert_memory_equal(back.values.secret_seed, test_seed, sizeof test_seed);
    run_config_release(&back);
    mem_free(text);
    mem_free(again);

    config.secret_seed = NULL;
    assert_ok(run_config_to_json(&config, &text));
    assert_non_null(strstr(text, "\"secret_seed\": null"));
    assert_ok(run_config_from_json(&back, text, strlen(text)));
    assert_null(back.values.secret_seed);
    run_config_release(&back);
    mem_free(text);
    config.seed = (uint64_t)INT64_MAX + 1;
    assert_fails(run_config_to_json(&config, &text), WARD_ERR_ARG, "'seed'");
}

/* Settings in which one value is replaced, or taken away if json is NULL. */
static ward_status read_with(const char *key, json_t *json)
{
    ward_train_config config = every_setting();
    struct run_config back = {.data = NULL};
    char *text = NULL, *changed = NULL;
    json_t *object;
    ward_status st;

    assert_ok(run_config_to_json(&config, &text));
    object = json_loads(text, 0, NULL);
    if (json)
        json_object_set_new(object, key, json);
    else
        json_object_del(object, key);
    assert_ok(json_to_text(object, 2, &changed));
    st = run_config_from_json(&back, changed, strlen(changed));
    if (st)
        assert_null(back.data);
    run_config_release(&back);
    json_decref(object);
    mem_free(text);
    mem_free(changed);
    return st;
}

static void settings_that_are_missing_unknown_or_of_a_wrong_type_are_refused(void **state)
{
    ward_train_config config = every_setting();
    char *text = NULL;
    json_t *object;

    (void)state;
    assert_ok(run_config_to_json(&config, &text));
    object = json_loads(text, 0, NULL);
    for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
        const char *key = json_object_iter_key(at);

        assert_fails(read_with(key, NULL), WARD_ERR_FORMAT, key);
        assert_fails(read_with(key, json_array()), WARD_ERR_FORMAT, key);
    }
    assert_fails(read_with("extra", json_true()), WARD_ERR_FORMAT, "does not know");
    assert_fails(read_with("format_version", json_integer(2)), WARD_ERR_FORMAT, "version");
    assert_fails(read_with("method", json_string("none")), WARD_ERR_FORMAT, "unknown method");
    assert_fails(read_with("schedule", json_string("none")), WARD_ERR_FORMAT, "no schedule");
    assert_fails(read_with("batch", json_integer(-1)), WARD_ERR_FORMAT, "'batch'");
    assert_fails(read_with("secret_seed", json_string("f0")), WARD_ERR_FORMAT, "64 hex digits");
    assert_ok(read_with("rate", json_integer(1)));
    json_decref(object);
    mem_free(text);
}

/* So what was written before a part was invented is what is written now. */
static void settings_of_a_part_are_there_with_the_part_only(void **state)
{
    static const struct {
        const char *key, *part;
    } parts[] = {
        {"objective", "chance"},    {"wrong_share", "chance"},  {"wrong_weight", "chance"},
        {"has_front", "keyed"},     {"front_width", "keyed"},   {"coordinates", "keyed"},
        {"rounds", "keyed"},        {"shuffle", "keyed"},       {"negative", "keyed"},
        {"has_residual", "keyed"},  {"teacher", "teacher"},     {"teacher_weight", "teacher"},
        {"temperature", "teacher"}, {"harden", "harden"},       {"harden_steps", "harden"},
        {"harden_every", "harden"}, {"erased_axes", "erasure"}, {"codebook", "codebook"}};

    (void)state;
    for (int with = 0; with < 64; with++) {
        ward_train_config config = every_setting();
        struct run_config back = {.data = NULL};
        char *text = NULL, *again = NULL;

        config.method = with & 1 ? WARD_METHOD_KEYED : WARD_METHOD_FIXED;
        config.objective = with & 2 ? WARD_OBJECTIVE_CHANCE : WARD_OBJECTIVE_PAPER;
        config.teacher = with & 4 ? "teacher" : NULL;
        config.harden = with & 8 ? 0.5 : 0;
        config.erased_axes = with & 16 ? 0.125 : 0;
        config.codebook = with & 32 ? 16 : 0;
        config.coordinates = WARD_COORDINATES_DENSE;
        assert_ok(run_config_to_json(&config, &text));
        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
            bool is_wanted = (with & 1 && strcmp(parts[i].part, "keyed") == 0) ||
                             (with & 2 && strcmp(parts[i].part, "chance") == 0) ||
                             (with & 4 && strcmp(parts[i].part, "teacher") == 0) ||
                             (with & 8 && strcmp(parts[i].part, "harden") == 0) ||
                             (with & 16 && strcmp(parts[i].part, "erasure") == 0) ||
                             ((with & 33) == 33 && strcmp(parts[i].part, "codebook") == 0);
            char quoted[32];

            snprintf(quoted, sizeof quoted, "\"%s\":", parts[i].key);
            assert_int_equal(strstr(text, quoted) != NULL, is_wanted);
        }
        assert_ok(run_config_from_json(&back, text, strlen(text)));
        assert_ok(run_config_to_json(&back.values, &again));
        assert_string_equal(text, again);
        run_config_release(&back);
        mem_free(text);
        mem_free(again);
    }
    assert_fails(read_with("rounds", json_integer(4)), WARD_ERR_FORMAT, "does not know");
    assert_fails(read_with("objective", json_string("none")), WARD_ERR_FORMAT, "no objective");
    assert_fails(read_with("codebook", json_integer(16)), WARD_ERR_FORMAT, "does not know");
    assert_fails(read_with("codebook", json_integer(0)), WARD_ERR_FORMAT, "not above 0");
    assert_fails(read_with("harden", json_real(0)), WARD_ERR_FORMAT, "not above 0");
    assert_fails(read_with("erased_axes", json_real(0)), WARD_ERR_FORMAT, "not above 0");
}

/* ---- metrics.jsonl ---- */

static void metrics_are_lines_that_can_be_cut_back(void **state)
{
    struct run_dir dir = {.path = NULL};
    json_t *line = json_pack("{s:i, s:f}", "iteration", 1, "loss", 0.1);
    uint64_t len = 0, first;
    uint8_t *data;
    size_t read;

    (void)state;
    assert_ok(file_make_directory(in_folder("metrics")));
    assert_ok(run_dir_init(&dir, in_folder("metrics")));
    assert_ok(run_metrics_cut(&dir, 0)); /* nothing there: nothing to cut */
    assert_fails(run_metrics_cut(&dir, 1), WARD_ERR_IO, "metrics.jsonl");
    assert_ok(run_metrics_append(&dir, line, &len));
    first = len;
    assert_ok(run_metrics_append(&dir, line, &len));
    assert_int_equal(len, 2 * first);
    assert_ok(run_metrics_cut(&dir, first));
    assert_fails(run_metrics_cut(&dir, first + 1), WARD_ERR_FORMAT, "metrics.jsonl");
    assert_ok(file_read(dir.metrics, 1000, &data, &read));
    assert_string_equal((char *)data, "{\"iteration\": 1, \"loss\": 0.1}\n");
    mem_free(data);
    json_decref(line);
    run_dir_release(&dir);
}

/* ---- memory ---- */

struct work {
    struct run_dir dir;
    struct model model;
    struct transform transform;
    struct checkpoint checkpoint;
    ward_train_config config;
};

static ward_status write_model(void *context)
{
    struct work *w = context;

    return model_write(w->dir.model, &w->model);
}

static ward_status write_transform(void *context)
{
    struct work *w = context;
    struct transform_owner owner = owner_of(&w->model);

    return transform_file_write(w->dir.transform, &w->transform, &owner, NULL);
}

static ward_status write_checkpoint(void *context)
{
    struct work *w = context;

    return checkpoint_write(w->dir.checkpoint, &w->checkpoint, NULL);
}

static ward_status write_config(void *context)
{
    struct work *w = context;

    return run_config_write(&w->dir, &w->config);
}

static ward_status write_metrics(void *context)
{
    struct work *w = context;
    uint64_t len = 0;

    return run_metrics_append(&w->dir, w->checkpoint.state, &len);
}

/* All or nothing: what a failed read leaves is still empty. */
static ward_status read_model(void *context)
{
    struct work *w = context;
    struct model m = {.data = NULL};
    ward_status st = model_read(w->dir.model, &m);

    assert_true(!st == (m.net.params.count > 0));
    model_release(&m);
    return st;
}

static ward_status read_transform(void *context)
{
    struct work *w = context;
    struct transform t = {.params = {NULL, 0}};
    struct transform_owner owner;
    ward_status st = transform_file_read(w->dir.transform, NULL, NULL, &t, &owner);

    assert_true(!st == (t.params.count > 0));
    transform_release(&t);
    return st;
}

static ward_status read_checkpoint(void *context)
{
    struct work *w = context;
    struct checkpoint c = {.step = 0};
    ward_status st = checkpoint_read(w->dir.checkpoint, NULL, &c);

    assert_true(!st == (c.net.params.count > 0));
    checkpoint_release(&c);
    return st;
}

static ward_status read_config(void *context)
{
    struct work *w = context;
    struct run_config config = {.data = NULL};
    ward_status st = run_config_read(&w->dir, &config);

    assert_true(!st == (config.data != NULL));
    run_config_release(&config);
    return st;
}

static void any_failing_allocation_is_survived(void **state)
{
    alloc_attempt *const work[] = {write_model,    write_transform, write_checkpoint,
                                   write_config,   write_metrics,   read_model,
                                   read_transform, read_checkpoint, read_config};
    struct work w;

    (void)state;
    assert_ok(file_make_directory(in_folder("work")));
    assert_ok(run_dir_init(&w.dir, in_folder("work")));
    w.model = model_of("resnet8", WARD_METHOD_GENERATOR);
    w.transform = transform_for(&w.model);
    checkpoint_fill(&w.checkpoint, WARD_METHOD_GENERATOR);
    w.config = every_setting();
    for (size_t i = 0; i < sizeof work / sizeof work[0]; i++)
        assert_true(assert_survives_failing_allocations(work[i], &w) > 0);
    run_dir_release(&w.dir);
    model_release(&w.model);
    transform_release(&w.transform);
    checkpoint_release(&w.checkpoint);
}
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_setting_comes_back_exactly),
        cmocka_unit_test(settings_of_a_part_are_there_with_the_part_only),
        cmocka_unit_test(settings_that_are_missing_unknown_or_of_a_wrong_type_are_refused),
        cmocka_unit_test(metrics_are_lines_that_can_be_cut_back),
        cmocka_unit_test(any_failing_allocation_is_survived),
    };

    return cmocka_run_group_tests_name("run files", tests, folder_make, folder_remove);
}
