/*
 * Training: schedules and recipes as printed; a training that is stopped, killed and resumed makes
 * the bytes of one that was not; what is refused. On device ref, with a data set made here.
 */
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "alloc_test.h"
#include "base/json.h"
#include "base/util.h"
#include "model/checkpoint.h"
#include "model/model.h"
#include "model/run_dir.h"
#include "train/metrics.h"
#include "train/schedule.h"
#include "train/settings.h"
#include "train/validator.h"
#include "train_fixture.h"
#include "ward/data.h"

/* ---- counting ---- */

static void answers_that_are_no_numbers_are_wrong(void **state)
{
    const float logits[] = {NAN, NAN, NAN, 1, 2, INFINITY, 2, 1};
    const int32_t labels[] = {0, 0, 1, 0};

    (void)state;
    assert_int_equal(count_correct(logits, labels, 4, 2), 1);
}

/* ---- schedules and recipes ---- */

static void the_papers_rate_drops_after_ten_twenty_and_thirty_thousand(void **state)
{
    static const struct {
        uint64_t step;
        double rate;
    } rows[] = {{0, 0.1},      {9999, 0.1},   {10000, 0.01}, {19999, 0.01},
                {20000, 1e-3}, {29999, 1e-3}, {30000, 1e-4}, {39999, 1e-4}};
    ward_train_config config;

    (void)state;
    check_ok(ward_train_defaults(&config, "paper", NULL, "resnet20", WARD_METHOD_FIXED), "paper");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double rate = schedule_rate(&config, rows[i].step);

        if (fabs(rate / rows[i].rate - 1) > 1e-12)
            fail_msg("step %lu: %g, expected %g", (unsigned long)rows[i].step, rate, rows[i].rate);
    }
}

static void the_paper_recipe_is_as_printed(void **state)
{
    ward_train_config c;

    (void)state;
    for (int m = WARD_METHOD_BASELINE; m <= WARD_METHOD_GENERATOR; m++) {
        check_ok(ward_train_defaults(&c, "paper", NULL, "simple-cnn", (ward_method)m), "paper");
        assert_int_equal(c.iterations, 40000);
        assert_int_equal(c.batch, 128);
        assert_int_equal(c.schedule, WARD_SCHEDULE_STEP);
        assert_int_equal(c.rate_drop_every, 10000);
        assert_true(c.rate == 0.1 && c.momentum == 0.9 && !c.nesterov && c.weight_decay == 5e-4);
        assert_true(c.clip_norm == 0);
        assert_true(c.alpha == 1 && c.beta == 1 && c.gamma == 0.01 && c.raw_share == 1);
        assert_true(c.sigma == 0.1 && c.p == 0.2 && c.raw_warmup == 0);
        assert_int_equal(c.generator_width, 0);
        assert_int_equal(c.validation, 0);
        assert_null(c.secret_seed);
    }
}

static void fast_takes_a_fifth_of_the_papers_iterations_or_less(void **state)
{
    ward_train_config c = {.iterations = 77};

    (void)state;
    check_ok(ward_train_defaults(&c, "fast", NULL, "resnet20", WARD_METHOD_LEARNED), "fast");
    assert_true(c.iterations <= 8000 && !c.data);
    check_ok(ward_train_defaults(&c, "fast", "mnist", "resnet20", WARD_METHOD_LEARNED), "fast");
    assert_true(c.iterations <= 8000);
    assert_string_equal(c.data, "mnist");
    check_ok(ward_train_defaults(&c, "fast", "cifar10", "resnet20", WARD_METHOD_LEARNED), "fast");
    assert_true(c.iterations > 8000 && c.iterations <= 20000);
    check_ok(ward_train_defaults(&c, "fast", "cifar10:/images", NULL, WARD_METHOD_KEYED), "fast");
    assert_true(c.iterations == 20000);
    check_ok(ward_train_defaults(&c, "fast", "cifar100", NULL, WARD_METHOD_KEYED), "fast");
    assert_true(c.iterations <= 8000);
    check_ok(ward_train_defaults(&c, "demo", NULL, "simple-cnn", WARD_METHOD_GENERATOR), "demo");
    assert_true(c.iterations <= 2000);
    c.iterations = 77;
    check_refused(ward_train_defaults(&c, "Paper", NULL, "simple-cnn", WARD_METHOD_FIXED),
                  WARD_ERR_ARG, "unknown recipe 'Paper'");
    assert_int_equal(c.iterations, 77);
}

static void raw_images_warm_up_in_the_first_share_of_the_iterations(void **state)
{
    ward_train_config c = {.iterations = 50, .raw_warmup = 0.1};

    (void)state;
    for (uint64_t step = 0; step < 50; step++)
        assert_int_equal(schedule_warms_raw(&c, step), step < 5);
    c.raw_warmup = 0;
    assert_false(schedule_warms_raw(&c, 0));
}

static void one_cycle_rises_to_its_peak_and_falls_to_nearly_nothing(void **state)
{
    ward_train_config c = {
        .iterations = 1000, .schedule = WARD_SCHEDULE_ONECYCLE, .rate = 0.5, .warmup = 0.2};

    (void)state;
    assert_true(fabs(schedule_rate(&c, 0) - 0.5 / 200) < 1e-12);
    for (uint64_t i = 1; i < 200; i++)
        assert_true(schedule_rate(&c, i) > schedule_rate(&c, i - 1));
    assert_true(fabs(schedule_rate(&c, 199) - 0.5) < 1e-12);
    assert_true(fabs(schedule_rate(&c, 200) - 0.5) < 1e-12);
    assert_true(fabs(schedule_rate(&c, 600) - 0.25) < 1e-12);
    for (uint64_t i = 201; i < 1000; i++)
        assert_true(schedule_rate(&c, i) < schedule_rate(&c, i - 1));
    assert_true(schedule_rate(&c, 999) > 0 && schedule_rate(&c, 999) < 1e-5);
    c.warmup = 0;
    assert_true(fabs(schedule_rate(&c, 0) - 0.5) < 1e-12);
}

/* ---- what a training leaves behind ---- */

/* The last line of metrics.jsonl, owned. */
static json_t *last_metrics_line(const char *run, size_t *lines)
{
    char path[512];
    uint8_t *text = NULL;
    size_t len, start = 0;
    json_t *object = NULL;

    snprintf(path, sizeof path, "%s/metrics.jsonl", run);
    check_ok(file_read(path, 1 << 20, &text, &len), path);
    assert_true(len > 0 && text[len - 1] == '\n');
    *lines = 0;
    for (size_t i = 0, line = 0; i < len; i++)
        if (text[i] == '\n') {
            start = line;
            line = i + 1;
            ++*lines;
        }
    check_ok(json_parse_object(&object, (const char *)text + start, len - start - 1), "last line");
    mem_free(text);
    return object;
}

static void a_run_holds_its_files_and_the_secret_ones_are_ours_alone(void **state)
{
    ward_train_config config = config_of("simple-cnn", WARD_METHOD_GENERATOR);
    const char *run = in_dir("whole");
    struct model m = {.method = WARD_METHOD_BASELINE};
    struct transform t = {.spec = {.method = WARD_METHOD_FIXED}};
    struct transform_owner owner;
    json_t *line;
    const char *id;
    size_t lines;

    (void)state;
    check_ok(train_whole(run, &config), run);
    assert_int_equal(mode_of(run, "config.json"), 0600);
    assert_int_equal(mode_of(run, "transform.ward"), 0600);
    assert_false(has_file(run, "checkpoint.ward"));
    check_ok(model_read(in_dir("whole/model.safetensors"), &m), "model");
    check_ok(transform_file_read(in_dir("whole/transform.ward"), NULL, NULL, &t, &owner),
             "transform");
    assert_string_equal(owner.model_id, m.id);
    assert_true(owner.is_reproducible);
    assert_int_equal(m.method, WARD_METHOD_GENERATOR);
    assert_string_equal(m.class_names[1], "class1");
    assert_memory_equal(t.seed, secret, sizeof secret);
    /* What trains, validations after 2, 4 and 6 steps, then the line that says it is complete. */
    line = last_metrics_line(run, &lines);
    assert_int_equal(lines, 5);
    check_ok(json_get_string(line, "model_id", &id), "model_id");
    assert_string_equal(id, m.id);
    json_decref(line);
    model_release(&m);
    transform_release(&t);
}

/* What the run's files reach on the images that its training held out. */
static double held_out_accuracy(const char *run, const ward_train_config *config)
{
    struct model m = {.method = WARD_METHOD_BASELINE};
    struct transform t = {.spec = {.method = WARD_METHOD_KEYED}};
    struct transform_owner owner;
    struct validator v = {.split = NULL};
    struct split split;
    ward_dataset *data = NULL;
    ward_device *device = NULL;
    char path[512];
    double processed, raw;

    snprintf(path, sizeof path, "%s/model.safetensors", run);
    check_ok(model_read(path, &m), path);
    snprintf(path, sizeof path, "%s/transform.ward", run);
    check_ok(transform_file_read(path, NULL, NULL, &t, &owner), path);
    check_ok(ward_device_open(&device, "ref"), "ref");
    check_ok(ward_dataset_open(&data, config->data), config->data);
    check_ok(split_init(&split, data, WARD_SPLIT_VALIDATION, config->seed, config->validation),
             "split");
    check_ok(validator_init(&v, device, &m.net.spec, &t.spec, &split), "validator");
    check_ok(validator_run(&v, &m.net.params, &t.params, &processed, &raw), "validation");
    validator_release(&v);
    split_release(&split);
    ward_dataset_free(data);
    ward_device_close(device);
    model_release(&m);
    transform_release(&t);
    return processed;
}

static void the_last_validation_is_of_the_network_that_is_written(void **state)
{
    ward_train_config config = config_of("mlp-16x1", WARD_METHOD_KEYED);
    const char *run = in_dir("erased");
    struct watch watch = {.stop_at = UINT64_MAX};
    double said;
    json_t *line;
    size_t lines;

    (void)state;
    pictures_make(in_dir("many"), 60, 2);
    config.data = in_dir("many");
    config.validation = 50;
    config.validate_every = 0;
    config.has_front = false;
    config.erased_axes = 0.4;
    config.rate = 1e-3; /* half trained: what is erased shows */
    check_ok(train(run, &config, false, &watch), run);
    line = last_metrics_line(run, &lines);
    check_ok(json_get_real(line, "validation_processed", &said), "validation");
    json_decref(line);
    assert_true(fabs(said - held_out_accuracy(run, &config)) < 1e-12);
    assert_true(fabs(said - watch.validation) < 1e-12);
}

static void a_baseline_has_no_transform_and_no_raw_numbers(void **state)
{
    ward_train_config config = config_of("simple-cnn", WARD_METHOD_BASELINE);
    const char *run = in_dir("baseline");
    uint8_t *text = NULL;
    size_t len;

    (void)state;
    config.secret_seed = NULL;
    check_ok(train_whole(run, &config), run);
    assert_false(has_file(run, "transform.ward"));
    check_ok(file_read(in_dir("baseline/metrics.jsonl"), 1 << 20, &text, &len), run);
    assert_null(strstr((const char *)text, "raw"));
    assert_null(strstr((const char *)text, "distance"));
    mem_free(text);
}

static void a_secret_seed_of_the_system_is_new_each_time_and_not_in_the_settings(void **state)
{
    ward_train_config config = config_of("simple-cnn", WARD_METHOD_FIXED);
    struct transform a = {.spec = {.method = WARD_METHOD_FIXED}}, b = a;
    struct transform_owner owner;
    uint8_t *text = NULL;
    size_t len;

    (void)state;
    config.secret_seed = NULL;
    config.iterations = 1;
    check_ok(train_whole(in_dir("random-a"), &config), "a");
    check_ok(train_whole(in_dir("random-b"), &config), "b");
    check_ok(transform_file_read(in_dir("random-a/transform.ward"), NULL, NULL, &a, &owner), "a");
    check_ok(transform_file_read(in_dir("random-b/transform.ward"), NULL, NULL, &b, &owner), "b");
    assert_false(owner.is_reproducible);
    assert_memory_not_equal(a.seed, b.seed, sizeof a.seed);
    assert_memory_not_equal(a.params.items[0].data, b.params.items[0].data,
                            SIDE * SIDE * sizeof(float));
    check_ok(file_read(in_dir("random-a/config.json"), 1 << 20, &text, &len), "config");
    assert_non_null(strstr((const char *)text, "\"secret_seed\": null"));
    mem_free(text);
    transform_release(&a);
    transform_release(&b);
}

/* G of the thief's making: the public seed alone, all else as in config.json. */
static void the_public_files_and_seed_do_not_say_what_g_is(void **state)
{
    ward_train_config config = config_of("simple-cnn", WARD_METHOD_FIXED);
    struct transform real = {.spec = {.method = WARD_METHOD_FIXED}}, guess = real;
    struct transform_owner owner;
    uint8_t *public_file = NULL, zero[TRANSFORM_SEED_LEN] = {0};
    char seed_hex[2 * TRANSFORM_SEED_LEN + 1];
    const float *pattern;
    size_t len;

    (void)state;
    config.secret_seed = NULL;
    config.iterations = 1;
    check_ok(train_whole(in_dir("thief"), &config), "run");
    check_ok(transform_file_read(in_dir("thief/transform.ward"), NULL, NULL, &real, &owner),
             "transform");
    check_ok(transform_init(&guess, &real.spec, zero), "zero seed");
    pattern = real.params.items[0].data;
    assert_memory_not_equal(pattern, guess.params.items[0].data, SIDE * SIDE * sizeof(float));
    check_ok(file_read(in_dir("thief/model.safetensors"), 1 << 28, &public_file, &len), "model");
    hex_encode(real.seed, TRANSFORM_SEED_LEN, seed_hex);
    assert_null(memmem(public_file, len, real.seed, TRANSFORM_SEED_LEN));
    assert_null(memmem(public_file, len, seed_hex, strlen(seed_hex)));
    /* All of it: one row may well be all zero. */
    assert_null(memmem(public_file, len, pattern, SIDE * SIDE * sizeof(float)));
    mem_free(public_file);
    transform_release(&real);
    transform_release(&guess);
}

/* ---- stopping, killing, resuming ---- */

/* Stop after each of the given iterations, resume each time. */
static void check_resuming(const char *arch, ward_method method, bool separates_bn, double share)
{
    ward_train_config config = config_of(arch, method);
    char whole[256], parts[256];
    struct watch watch = {.stop_at = 0};

    config.separates_bn = separates_bn;
    config.raw_share = share;
    snprintf(whole, sizeof whole, "%s", in_dir("undisturbed"));
    snprintf(parts, sizeof parts, "%s", in_dir("parts"));
    check_ok(train_whole(whole, &config), whole);
    for (uint64_t at = 0; at < STEPS; at += at < 2 ? 1 : 2) {
        watch = (struct watch){.stop_at = at};
        check_refused(train(parts, at == 0 ? &config : NULL, at > 0, &watch), WARD_ERR_STOPPED,
                      "stopped at iteration");
        assert_int_equal(watch.last, at);
        assert_int_equal(mode_of(parts, "checkpoint.ward"), 0600);
        assert_false(has_file(parts, "model.safetensors"));
    }
    watch = (struct watch){.stop_at = UINT64_MAX};
    check_ok(train(parts, &config, true, &watch), "the last part");
    assert_int_equal(watch.last, STEPS);
    check_same_file(whole, parts, "model.safetensors");
    if (method != WARD_METHOD_BASELINE)
        check_same_file(whole, parts, "transform.ward");
    assert_false(has_file(parts, "checkpoint.ward"));
    check_ok(train(parts, NULL, true, &watch), "resuming what is complete");
    remove_run(whole);
    remove_run(parts);
}

static void a_stopped_and_resumed_training_makes_the_same_bytes(void **state)
{
    (void)state;
    check_resuming("simple-cnn", WARD_METHOD_GENERATOR, false, 1);
    check_resuming("simple-cnn", WARD_METHOD_BASELINE, false, 1);
    check_resuming("resnet8", WARD_METHOD_FIXED, false, 0.5);
    check_resuming("resnet8", WARD_METHOD_LEARNED, true, 1);
    check_resuming("mlp-16x2-leaky", WARD_METHOD_KEYED, false, 0.5);
}

/* The metrics but their times: lines of steps, with "seconds" taken out; those that say what trains
 * are counted. */
static char *metrics_text(const char *run, unsigned *parts)
{
    char path[512];
    uint8_t *text = NULL;
    char *seconds, *commit;
    size_t len;

    snprintf(path, sizeof path, "%s/metrics.jsonl", run);
    check_ok(file_read(path, 1 << 20, &text, &len), path);
    while ((seconds = strstr((char *)text, "\"seconds\"")) != NULL) {
        char *end = strchr(seconds, ',');

        memmove(seconds, end, strlen(end) + 1);
    }
    for (*parts = 0; (commit = strstr((char *)text, "\"commit\"")) != NULL; ++*parts) {
        char *end = strchr(commit, '\n');

        while (commit > (char *)text && commit[-1] != '\n')
            commit--;
        memmove(commit, end + 1, strlen(end));
    }
    return (char *)text;
}

static void a_checkpoint_from_before_wrong_keys_were_measured_is_read(void **state)
{
    struct metrics m, back;
    json_t *object = NULL;

    (void)state;
    metrics_init(&m);
    metrics_add(&m, &(struct measure){.loss_processed = 2, .loss_wrong = 3});
    check_ok(metrics_to_json(&m, &object), "writing");
    check_ok(metrics_from_json(&back, object), "reading");
    assert_memory_equal(&m, &back, sizeof m);
    json_object_del(object, "loss_wrong");
    check_ok(metrics_from_json(&back, object), "reading without loss_wrong");
    m.sum.loss_wrong = 0;
    assert_memory_equal(&m, &back, sizeof m);
    json_object_del(object, "loss_raw");
    check_refused(metrics_from_json(&back, object), WARD_ERR_FORMAT, "loss_raw");
    json_decref(object);
}

static void metrics_of_a_resumed_training_have_no_gap_and_no_repetition(void **state)
{
    ward_train_config config = config_of("resnet8", WARD_METHOD_LEARNED);
    struct watch watch = {.stop_at = 3};
    const char *run = in_dir("metrics"), *whole = in_dir("metrics-whole");
    unsigned parts;
    char *a, *b;

    (void)state;
    check_ok(train_whole(whole, &config), whole);
    check_refused(train(run, &config, false, &watch), WARD_ERR_STOPPED, "iteration 3 of 6");
    /* As a kill after the checkpoint would leave it: lines of steps that will be done again. */
    check_ok(file_append(in_dir("metrics/metrics.jsonl"), "{\"iteration\": 4}\n{\"iter", 23, 0),
             "append");
    watch = (struct watch){.stop_at = UINT64_MAX};
    check_ok(train(run, NULL, true, &watch), run);
    a = metrics_text(run, &parts);
    assert_int_equal(parts, 2);
    b = metrics_text(whole, &parts);
    assert_int_equal(parts, 1);
    assert_string_equal(a, b);
    mem_free(a);
    mem_free(b);
}

/* In a child: train or go on, with a checkpoint after each step; exits 0 when complete. */
static void child_trains(const char *run, const ward_train_config *config)
{
    ward_train_options options = {.out = run, .is_resumed = true};
    ward_device *device = NULL;
    ward_status st = ward_device_open(&device, "ref");

    if (!st)
        st = ward_train(device, config, &options);
    if (st)
        fprintf(stderr, "child: %s\n", ward_error_message());
    _exit(st ? 1 : 0);
}

/* True when the training completed before it was killed. */
static bool train_and_kill(const char *run, const ward_train_config *config, useconds_t delay)
{
    pid_t child = fork();
    int status = 0;

    assert_true(child >= 0);
    if (child == 0)
        child_trains(run, config);
    usleep(delay);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
        fail_msg("the training failed instead of being killed");
    return WIFEXITED(status);
}

static void a_training_killed_at_any_moment_makes_the_same_bytes(void **state)
{
    ward_train_config config = config_of("resnet8", WARD_METHOD_GENERATOR);
    const char *run = in_dir("killed"), *whole = in_dir("not-killed");
    double begin, seconds;
    unsigned kills = 0;
    uint32_t random = 12345;

    (void)state;
    config.checkpoint_seconds = 0; /* after every step */
    config.iterations = 12;
    begin = clock_seconds();
    check_ok(train_whole(whole, &config), whole);
    seconds = clock_seconds() - begin;
    for (; kills < 100; kills++) {
        /* Within a third of what the training takes; more with time, as the machine may be busier
         * now than it was then. */
        double longest = seconds * (1 + kills / 10) / 3;

        random = random * 1664525 + 1013904223;
        if (train_and_kill(run, &config, (useconds_t)(1e6 * longest * (random >> 8) * 0x1p-24)))
            break;
    }
    if (kills == 100)
        fail_msg("not complete after 100 kills");
    print_message("# killed %u times\n", kills);
    assert_true(kills > 0);
    check_same_file(whole, run, "model.safetensors");
    check_same_file(whole, run, "transform.ward");
}

/* ---- what is refused ---- */

static void a_loss_that_is_not_finite_stops_the_training(void **state)
{
    ward_train_config config = config_of("simple-cnn", WARD_METHOD_LEARNED);
    const char *run = in_dir("diverged");

    (void)state;
    config.schedule = WARD_SCHEDULE_STEP;
    config.rate = 1e6;
    config.iterations = 50;
    check_refused(train_whole(run, &config), WARD_ERR_NUMERIC, "not finite at iteration");
    assert_non_null(strstr(ward_error_message(), "learning rate 1e+06"));
    assert_false(has_file(run, "model.safetensors"));
    assert_false(has_file(run, "transform.ward"));
}

static void a_directory_with_a_run_is_not_overwritten_unless_told(void **state)
{
    ward_train_config config = config_of("resnet8", WARD_METHOD_FIXED);
    const char *run = in_dir("twice");
    struct watch watch = {.stop_at = UINT64_MAX};
    ward_train_options options = {
        .out = run, .replaces = true, .progress = on_progress, .context = &watch};
    ward_device *device = NULL;

    (void)state;
    config.iterations = 1;
    check_ok(train_whole(run, &config), run);
    check_refused(train_whole(run, &config), WARD_ERR_EXISTS, "already holds a run");
    check_ok(ward_device_open(&device, "ref"), "ref");
    config.seed = UINT64_MAX; /* no file holds it: then what is there stays */
    check_refused(ward_train(device, &config, &options), WARD_ERR_ARG, "'seed'");
    assert_true(has_file(run, "model.safetensors"));
    config.seed = 99;
    check_ok(ward_train(device, &config, &options), run);
    ward_device_close(device);
    check_refused(train(run, &(ward_train_config){0}, true, &watch), WARD_ERR_ARG, "must all be");
}

static void resuming_with_other_settings_is_refused_by_name(void **state)
{
    ward_train_config config = config_of("resnet8", WARD_METHOD_FIXED), other;
    const char *run = in_dir("other-settings");
    struct watch watch = {.stop_at = 2};
    uint8_t other_secret[TRANSFORM_SEED_LEN] = {9};

    (void)state;
    check_refused(train(run, &config, false, &watch), WARD_ERR_STOPPED, "stopped");
    watch = (struct watch){.stop_at = UINT64_MAX};
    other = config;
    other.sigma = 0.2;
    check_refused(train(run, &other, true, &watch), WARD_ERR_ARG, "another 'sigma'");
    other = config;
    other.seed = 5;
    check_refused(train(run, &other, true, &watch), WARD_ERR_ARG, "another 'seed'");
    other = config;
    other.secret_seed = other_secret;
    check_refused(train(run, &other, true, &watch), WARD_ERR_ARG, "another secret seed");
    other = config;
    other.secret_seed = NULL;
    other.checkpoint_seconds = 1;
    check_ok(train(run, &other, true, &watch), "only the checkpoints' distance differs");
}

static void a_run_in_use_is_refused(void **state)
{
    ward_train_config config = config_of("resnet8", WARD_METHOD_FIXED);
    const char *run = in_dir("locked");
    struct watch watch = {.stop_at = 1};
    int lock;

    (void)state;
    check_refused(train(run, &config, false, &watch), WARD_ERR_STOPPED, "stopped");
    check_ok(file_lock(run, &lock), "lock");
    watch = (struct watch){.stop_at = UINT64_MAX};
    check_refused(train(run, NULL, true, &watch), WARD_ERR_BUSY, "in use");
    file_unlock(lock);
}

static void nothing_to_resume_is_said(void **state)
{
    struct watch watch = {.stop_at = UINT64_MAX};

    (void)state;
    check_refused(train(in_dir("nothing"), NULL, true, &watch), WARD_ERR_IO, "no run to resume");
}

static void a_damaged_checkpoint_is_refused_by_name(void **state)
{
    ward_train_config config = config_of("resnet8", WARD_METHOD_FIXED);
    const char *run = in_dir("damaged");
    struct watch watch = {.stop_at = 1};
    uint8_t *bytes = NULL;
    size_t len;

    (void)state;
    check_refused(train(run, &config, false, &watch), WARD_ERR_STOPPED, "stopped");
    check_ok(file_read(in_dir("damaged/checkpoint.ward"), 1 << 28, &bytes, &len), "read");
    bytes[len / 2] ^= 1;
    check_ok(file_write(in_dir("damaged/checkpoint.ward"), bytes, len, FILE_SECRET | FILE_REPLACE),
             "write");
    mem_free(bytes);
    watch = (struct watch){.stop_at = UINT64_MAX};
    check_refused(train(run, NULL, true, &watch), WARD_ERR_FORMAT, "damaged/checkpoint.ward");
}

static void settings_out_of_range_leave_no_directory_behind(void **state)
{
    ward_train_config bad[22];
    const char *run;

    (void)state;
    for (size_t i = 0; i < 22; i++)
        bad[i] = config_of("simple-cnn", WARD_METHOD_FIXED);
    run = in_dir("bad");
    bad[0].iterations = 0;
    bad[1].batch = 0;
    bad[2].rate = NAN;
    bad[3].momentum = 1;
    bad[4].warmup = 1;
    bad[5].raw_share = 1.5;
    bad[6].sigma = -1;
    bad[7].arch = "simple-cnm";
    bad[8].data = "/nonexistent/folder";
    bad[9].validation = 1000000;
    bad[10].method = (ward_method)9;
    bad[11].gamma = INFINITY;
    bad[12].wrong_share = 0.5; /* with the paper's objective */
    bad[13].raw_warmup = 1.5;
    bad[14].objective = (ward_objective)2;
    bad[15].objective = WARD_OBJECTIVE_CHANCE; /* fixed has no key */
    bad[15].wrong_share = 0.5;
    bad[16].teacher = "/nonexistent/teacher";
    bad[17].teacher = "/nonexistent/teacher";
    bad[17].temperature = 0;
    bad[18].erased_axes = 0.25; /* with the paper's objective */
    bad[19].method = WARD_METHOD_BASELINE;
    bad[19].objective = WARD_OBJECTIVE_CHANCE;
    bad[19].erased_axes = 0.25;
    bad[20].seed = UINT64_MAX;
    bad[21].validate_every = UINT64_MAX;
    for (size_t i = 0; i < 22; i++) {
        ward_status st = train_whole(run, &bad[i]);

        if (st != WARD_ERR_ARG && !((i == 8 || i == 16) && st == WARD_ERR_IO))
            fail_msg("bad settings %zu: %s", i, ward_status_name(st));
        if ((i == 3 || i == 4) && !strstr(ward_error_message(), "less than 1"))
            fail_msg("bad settings %zu: %s", i, ward_error_message());
        if (file_exists(run) || file_is_directory(run))
            fail_msg("bad settings %zu left '%s' behind", i, run);
    }
}

static ward_status attempt_training(void *context)
{
    ward_train_config *config = context;
    const char *run = in_dir("starved");
    ward_status st = train_whole(run, config);

    mem_fail_after(0);
    remove_run(run);
    return st;
}

static void every_failing_allocation_is_reported_and_leaks_nothing(void **state)
{
    ward_train_config config = config_of("simple-cnn", WARD_METHOD_GENERATOR);
    unsigned long count;

    (void)state;
    config.iterations = 1;
    count = assert_survives_failing_allocations(attempt_training, &config);
    assert_true(count > 100);
}

static void each_setting_of_the_optimiser_comes_to_where_it_belongs(void **state)
{
    const ward_train_config c = {.momentum = 0.5,
                                 .weight_decay = 0.25,
                                 .nesterov = true,
                                 .clip_norm = 3,
                                 .transform_rate_factor = 2,
                                 .transform_decay = 0.125};
    const ward_train_config other = {.decays_all = true};
    struct sgd_config sgd;
    struct sgd_group group;

    (void)state;
    settings_sgd(&c, 0.75, &sgd, &group);
    assert_true(sgd.rate == 0.75f && sgd.momentum == 0.5f && sgd.decay == 0.25f);
    assert_true(sgd.nesterov && !sgd.decays_all && sgd.clip_norm == 3);
    assert_string_equal(group.prefix, "transform.");
    assert_true(group.rate_factor == 2 && group.decay == 0.125f);
    settings_sgd(&other, 0, &sgd, &group);
    assert_true(!sgd.nesterov && sgd.decays_all && sgd.clip_norm == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_that_are_no_numbers_are_wrong),
        cmocka_unit_test(each_setting_of_the_optimiser_comes_to_where_it_belongs),
        cmocka_unit_test(the_papers_rate_drops_after_ten_twenty_and_thirty_thousand),
        cmocka_unit_test(the_paper_recipe_is_as_printed),
        cmocka_unit_test(fast_takes_a_fifth_of_the_papers_iterations_or_less),
        cmocka_unit_test(raw_images_warm_up_in_the_first_share_of_the_iterations),
        cmocka_unit_test(one_cycle_rises_to_its_peak_and_falls_to_nearly_nothing),
        cmocka_unit_test(a_run_holds_its_files_and_the_secret_ones_are_ours_alone),
        cmocka_unit_test(the_last_validation_is_of_the_network_that_is_written),
        cmocka_unit_test(a_baseline_has_no_transform_and_no_raw_numbers),
        cmocka_unit_test(a_secret_seed_of_the_system_is_new_each_time_and_not_in_the_settings),
        cmocka_unit_test(the_public_files_and_seed_do_not_say_what_g_is),
        cmocka_unit_test(a_stopped_and_resumed_training_makes_the_same_bytes),
        cmocka_unit_test(a_checkpoint_from_before_wrong_keys_were_measured_is_read),
        cmocka_unit_test(metrics_of_a_resumed_training_have_no_gap_and_no_repetition),
        cmocka_unit_test(a_training_killed_at_any_moment_makes_the_same_bytes),
        cmocka_unit_test(a_loss_that_is_not_finite_stops_the_training),
        cmocka_unit_test(a_directory_with_a_run_is_not_overwritten_unless_told),
        cmocka_unit_test(resuming_with_other_settings_is_refused_by_name),
        cmocka_unit_test(a_run_in_use_is_refused),
        cmocka_unit_test(nothing_to_resume_is_said),
        cmocka_unit_test(a_damaged_checkpoint_is_refused_by_name),
        cmocka_unit_test(settings_out_of_range_leave_no_directory_behind),
        cmocka_unit_test(every_failing_allocation_is_reported_and_leaks_nothing),
    };

    return cmocka_run_group_tests(tests, enter, leave);
}
