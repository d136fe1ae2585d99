/*
 * Using a run: opening it, evaluating, applying G, predicting, drawing, and arrays for NumPy. The
 * network is made by hand so that every result is known beforehand: it says "bright" if the
 * brightest pixel is above 1.1, and G adds 0.5; images are all 0.2 ("dark") or all 0.8.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_test.h"
#include "base/json.h"
#include "base/mem.h"
#include "model/run.h"
#include "model_fixture.h"
#include "ward/ward.h"

enum { SIDE = 4, PIXELS = SIDE * SIDE, BRIGHT = 100, DARK = 180 }; /* 280: a batch and a part */

static const float dark = 51.0f / 255, bright = 204.0f / 255;

static ward_device *device;

static void set(struct model *m, const char *name, size_t at, float value)
{
    tensor_list_find(&m->net.params, name)->data[at] = value;
}

static struct model handmade(ward_method method)
{
    const char *const names[] = {"bright", "dark"};
    struct net_spec spec = {"simple-cnn", 1, SIDE, SIDE, 2};
    struct model m = {.method = method};

    assert_ok(net_init(&m.net, &spec, 1));
    for (size_t i = 0; i < m.net.params.count; i++)
        memset(m.net.params.items[i].data, 0,
               shape_count(&m.net.params.items[i].shape) * sizeof(float));
    set(&m, "conv1.weight", 4, 1); /* the middle of 3x3: pass the first channel on */
    set(&m, "conv2.weight", 4, 1);
    set(&m, "fc1.weight", 0, 1);
    set(&m, "fc2.weight", 0, 1);
    set(&m, "fc2.bias", 0, -1.1f);
    assert_ok(model_describe(&m, "lamps", 0.0f, 1.0f, names, 2));
    model_identify(&m);
    return m;
}

static struct transform adding(const struct model *m, float value)
{
    struct transform t = transform_for(m);

    for (size_t i = 0; i < PIXELS; i++)
        t.params.items[0].data[i] = value;
    return t;
}

/* A run in the folder: of F, and of G unless the method is baseline. */
static const char *make_run(const char *name, ward_method method, float value)
{
    const char *path = in_folder(name);
    struct model m = handmade(method);
    struct run_dir dir = {.path = NULL};

    assert_ok(file_make_directory(path));
    assert_ok(run_dir_init(&dir, path));
    assert_ok(model_write(dir.model, &m));
    if (method != WARD_METHOD_BASELINE) {
        struct transform t = adding(&m, value);
        struct transform_owner owner = owner_of(&m);

        assert_ok(transform_file_write(dir.transform, &t, &owner, NULL));
        transform_release(&t);
    }
    run_dir_release(&dir);
    model_release(&m);
    return path;
}

static ward_run *open_run(const char *name, ward_method method)
{
    ward_run *run = NULL;

    assert_ok(ward_run_open(&run, make_run(name, method, 0.5f)));
    return run;
}

static void write_lamp(const char *path, float value)
{
    uint8_t pixels[PIXELS];
    const ward_image image = {SIDE, SIDE, 1, pixels};

    memset(pixels, (int)lrintf(255 * value), sizeof pixels);
    assert_ok(ward_image_write(&image, path, WARD_IMAGE_REPLACE));
}

static void make_lamps(void)
{
    char command[512];

    snprintf(command, sizeof command,
             "cd '%s' && mkdir -p lamps/train/dark lamps/train/bright lamps/test/dark "
             "lamps/test/bright",
             folder);
    shell(command);
    write_lamp(in_folder("lamps/train/dark/0.png"), dark);
    write_lamp(in_folder("lamps/train/bright/0.png"), bright);
    snprintf(
        command, sizeof command,
        "cd '%s/lamps/test/dark' && tee $(seq -f %%g.png %d) < ../../train/dark/0.png > tee.png"
        " && rm tee.png && cd ../bright && tee $(seq -f %%g.png %d) < "
        "../../train/bright/0.png > tee.png && rm tee.png",
        folder, DARK, BRIGHT);
    shell(command);
}

static ward_dataset *open_lamps(void)
{
    ward_dataset *data = NULL;

    assert_ok(ward_dataset_open(&data, in_folder("lamps")));
    return data;
}

/* ---- opening ---- */

static void the_owner_shows_what_the_settings_say(void **state)
{
    ward_train_config c = {.method = WARD_METHOD_KEYED,
                           .iterations = 1001,
                           .batch = 128,
                           .raw_share = 0.125,
                           .objective = WARD_OBJECTIVE_CHANCE,
                           .wrong_share = 0.25,
                           .harden_steps = 10,
                           .harden_every = 2};

    (void)state;
    assert_int_equal(run_images_shown(&c), 1001 * (128 + 16 + 32));
    c.harden = 0.5; /* 501 adversaries, 64 images a step */
    assert_int_equal(run_images_shown(&c), 1001 * (128 + 16 + 32) + 501 * 10 * 64);
    c.batch = 8;
    assert_int_equal(run_images_shown(&c), 1001 * (8 + 1 + 2) + 501 * 10 * 4);
    c.method = WARD_METHOD_BASELINE;
    c.objective = WARD_OBJECTIVE_PAPER;
    c.harden = 0;
    assert_int_equal(run_images_shown(&c), 1001 * 8);
}

static void an_opened_run_describes_itself(void **state)
{
    ward_run *run = open_run("whole", WARD_METHOD_LEARNED);
    ward_run_info info;

    (void)state;
    ward_run_describe(run, &info);
    assert_string_equal(info.arch, "simple-cnn");
    assert_int_equal(info.method, WARD_METHOD_LEARNED);
    assert_string_equal(info.data, "lamps");
    assert_true(info.channels == 1 && info.height == SIDE && info.width == SIDE);
    assert_true(info.low == 0.0f && info.high == 1.0f);
    assert_int_equal(info.classes, 2);
    assert_string_equal(info.class_names[1], "dark");
    assert_int_equal(strlen(info.model_id), 64);
    assert_true(info.has_transform);
    assert_false(info.is_reproducible);
    ward_run_close(run);

    assert_ok(ward_run_open(&run, in_folder("whole/model.safetensors")));
    ward_run_describe(run, &info);
    assert_false(info.has_transform);
    ward_run_close(run);
    ward_run_close(NULL);
}

static void a_transform_of_another_model_is_refused(void **state)
{
    const char *path = make_run("mixed", WARD_METHOD_LEARNED, 0.5f);
    const char *transform = in_folder("mixed/transform.ward");
    struct model m = handmade(WARD_METHOD_LEARNED);
    struct transform t = adding(&m, 0.5f);
    struct transform_owner owner = owner_of(&m);
    ward_run *run = NULL;

    (void)state;
    assert_ok(ward_run_open(&run, path));
    ward_run_close(run);
    run = NULL;
    owner.model_id[0] = owner.model_id[0] == '0' ? '1' : '0';
    assert_ok(transform_file_write(transform, &t, &owner, NULL));
    assert_fails(ward_run_open(&run, path), WARD_ERR_FORMAT, "belongs to another model");
    assert_null(run);
    owner = owner_of(&m);
    t.spec.high = 2.0f;
    assert_ok(transform_file_write(transform, &t, &owner, NULL));
    assert_fails(ward_run_open(&run, path), WARD_ERR_FORMAT, "belongs to another model");
    assert_ok(file_write(transform, "WARDG", 5, FILE_REPLACE));
    assert_fails(ward_run_open(&run, path), WARD_ERR_FORMAT, "transform.ward");
    transform_release(&t);
    model_release(&m);
}

static void a_run_that_is_not_there_or_not_complete_is_told(void **state)
{
    ward_run *run = NULL;

    (void)state;
    assert_fails(ward_run_open(&run, in_folder("nowhere")), WARD_ERR_IO, "nowhere");
    assert_ok(file_make_directory(in_folder("begun")));
    assert_fails(ward_run_open(&run, in_folder("begun")), WARD_ERR_IO, "model.safetensors");
    assert_ok(file_write(in_folder("begun/checkpoint.ward"), "", 0, 0));
    assert_fails(ward_run_open(&run, in_folder("begun")), WARD_ERR_IO, "not complete");
    assert_null(run);
}

/* ---- evaluation ---- */

static void accuracies_confusion_and_rounding_are_as_worked_out(void **state)
{
    ward_run *run = open_run("eval", WARD_METHOD_LEARNED);
    ward_dataset *data = open_lamps();
    ward_evaluation e;

    (void)state;
    assert_ok(ward_evaluate(run, device, data, WARD_SPLIT_TEST, true, &e, NULL, NULL));
    assert_int_equal(e.count, BRIGHT + DARK);
    assert_true(e.authorised == 1.0);
    assert_true(e.unauthorised == (double)DARK / (BRIGHT + DARK)); /* all look dark */
    /* 1.3 becomes 1.0 when clamped to the range, which is below the threshold of 1.1. */
    assert_true(e.authorised_rounded == (double)DARK / (BRIGHT + DARK));
    assert_true(e.chance == 0.5);
    assert_int_equal(e.confusion[0], BRIGHT);
    assert_int_equal(e.confusion[1], 0);
    assert_int_equal(e.confusion[2], 0);
    assert_int_equal(e.confusion[3], DARK);
    assert_int_equal(e.confusion_raw[0], 0);
    assert_int_equal(e.confusion_raw[1], BRIGHT);
    assert_int_equal(e.confusion_raw[3], DARK);
    ward_evaluation_release(&e);

    assert_ok(ward_evaluate(run, device, data, WARD_SPLIT_TRAIN, false, &e, NULL, NULL));
    assert_int_equal(e.count, 2);
    assert_true(isnan(e.authorised_rounded));
    ward_evaluation_release(&e);
    ward_dataset_free(data);
    ward_run_close(run);
}

static void assert_near(double got, double expected)
{
    if (!(fabs(got - expected) < 1e-9))
        fail_msg("expected %.12f, got %.12f", expected, got);
}

/* Ends of the interval are the solutions p of |p - k / n| = z sqrt(p (1 - p) / n), found by
 * bisection for 180 and 280 of 280. */
static void intervals_are_wilsons(void **state)
{
    ward_run *run = open_run("wilson", WARD_METHOD_LEARNED);
    ward_dataset *data = open_lamps();
    ward_evaluation e;

    (void)state;
    assert_ok(ward_evaluate(run, device, data, WARD_SPLIT_TEST, false, &e, NULL, NULL));
    assert_near(e.unauthorised_ci.low, 0.585147469965);
    assert_near(e.unauthorised_ci.high, 0.696700010429);
    assert_near(e.authorised_ci.low, 0.986466181379);
    assert_true(e.authorised_ci.high == 1.0);
    ward_evaluation_release(&e);
    ward_dataset_free(data);
    ward_run_close(run);
}

static void a_baseline_has_one_accuracy(void **state)
{
    ward_run *run = open_run("baseline", WARD_METHOD_BASELINE);
    ward_dataset *data = open_lamps();
    ward_evaluation e;

    (void)state;
    assert_ok(ward_evaluate(run, device, data, WARD_SPLIT_TEST, true, &e, NULL, NULL));
    assert_true(e.authorised == (double)DARK / (BRIGHT + DARK));
    assert_true(isnan(e.unauthorised) && isnan(e.unauthorised_ci.low));
    assert_null(e.confusion_raw);
    ward_evaluation_release(&e);
    ward_dataset_free(data);
    ward_run_close(run);
}

static void a_bare_model_has_only_the_unauthorised_accuracy(void **state)
{
    ward_run *run = NULL;
    ward_dataset *data = open_lamps();
    ward_evaluation e;
    char *text = NULL;
    json_t *json;

    (void)state;
    make_run("bare", WARD_METHOD_LEARNED, 0.5f);
    assert_ok(ward_run_open(&run, in_folder("bare/model.safetensors")));
    assert_ok(ward_evaluate(run, device, data, WARD_SPLIT_TEST, true, &e, NULL, NULL));
    assert_true(isnan(e.authorised) && isnan(e.authorised_ci.high));
    assert_null(e.confusion);
    assert_true(e.unauthorised == (double)DARK / (BRIGHT + DARK));
    assert_ok(ward_evaluation_json(run, data, WARD_SPLIT_TEST, &e, &text));
    json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_true(json_is_null(json_object_get(json, "authorised")));
    assert_true(json_is_null(json_object_get(json_object_get(json, "ci95"), "authorised")));
    json_decref(json);
    ward_string_free(text);
    ward_evaluation_release(&e);
    ward_dataset_free(data);
    ward_run_close(run);
}

static void an_evaluation_reads_as_json(void **state)
{
    ward_run *run = open_run("json", WARD_METHOD_LEARNED);
    ward_run *plain = open_run("json-plain", WARD_METHOD_BASELINE);
    ward_dataset *data = open_lamps();
    ward_evaluation e;
    char *text = NULL;
    json_t *json;

    (void)state;
    assert_ok(ward_evaluate(run, device, data, WARD_SPLIT_TEST, true, &e, NULL, NULL));
    assert_ok(ward_evaluation_json(run, data, WARD_SPLIT_TEST, &e, &text));
    json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "method")), "learned");
    assert_string_equal(json_string_value(json_object_get(json, "arch")), "simple-cnn");
    assert_string_equal(json_string_value(json_object_get(json, "data")), "lamps");
    assert_string_equal(json_string_value(json_object_get(json, "split")), "test");
    assert_int_equal(json_integer_value(json_object_get(json, "count")), BRIGHT + DARK);
    assert_true(json_real_value(json_object_get(json, "authorised")) == 1.0);
    assert_true(json_is_real(json_object_get(json, "authorised_rounded")));
    assert_int_equal(
        json_array_size(json_object_get(json_object_get(json, "ci95"), "unauthorised")), 2);
    assert_int_equal(
        json_array_size(json_object_get(json_object_get(json, "confusion"), "classes")), 2);
    assert_int_equal(
        json_array_size(json_object_get(json_object_get(json, "confusion"), "unauthorised")), 2);
    assert_null(strchr(text, '\n'));
    json_decref(json);
    ward_string_free(text);
    ward_evaluation_release(&e);

    assert_ok(ward_evaluate(plain, device, data, WARD_SPLIT_TRAIN, false, &e, NULL, NULL));
    assert_ok(ward_evaluation_json(plain, data, WARD_SPLIT_TRAIN, &e, &text));
    json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_string_equal(json_string_value(json_object_get(json, "split")), "train");
    assert_true(json_is_real(json_object_get(json, "authorised")));
    assert_true(json_is_null(json_object_get(json, "unauthorised")));
    assert_null(json_object_get(json, "authorised_rounded"));
    assert_true(json_is_null(json_object_get(json_object_get(json, "confusion"), "unauthorised")));
    json_decref(json);
    ward_string_free(text);
    ward_evaluation_release(&e);
    ward_string_free(NULL);
    ward_dataset_free(data);
    ward_run_close(plain);
    ward_run_close(run);
}

static bool stop_at_once(void *context, size_t done, size_t count)
{
    size_t *calls = context;

    assert_int_equal(count, BRIGHT + DARK);
    assert_true(done > 0 && done <= count);
    return ++*calls == 0;
}

static void an_evaluation_can_be_stopped(void **state)
{
    ward_run *run = open_run("stopped", WARD_METHOD_LEARNED);
    ward_dataset *data = open_lamps();
    ward_evaluation e = {.count = 12345};
    size_t calls = 0;

    (void)state;
    assert_fails(ward_evaluate(run, device, data, WARD_SPLIT_TEST, false, &e, stop_at_once, &calls),
                 WARD_ERR_STOPPED, "stopped");
    assert_int_equal(calls, 1);
    assert_int_equal(e.count, 12345);
    ward_dataset_free(data);
    ward_run_close(run);
}

static void data_that_do_not_fit_are_refused(void **state)
{
    ward_run *run = open_run("fit", WARD_METHOD_LEARNED);
    ward_dataset *data = open_lamps(), *wide = NULL;
    ward_evaluation e;
    char command[512];

    (void)state;
    assert_fails(ward_evaluate(run, device, data, WARD_SPLIT_VALIDATION, false, &e, NULL, NULL),
                 WARD_ERR_ARG, "no images in that split");
    snprintf(command, sizeof command,
             "cd '%s' && mkdir -p three && cp -r lamps/train three && cp -r three/train/dark "
             "three/train/third && cp -r three/train three/test",
             folder);
    shell(command);
    assert_ok(ward_dataset_open(&wide, in_folder("three")));
    assert_fails(ward_evaluate(run, device, wide, WARD_SPLIT_TEST, false, &e, NULL, NULL),
                 WARD_ERR_ARG, "in 3 classes; the network takes 1 x 4 x 4 in 2");
    ward_dataset_free(wide);
    ward_dataset_free(data);
    ward_run_close(run);
}

static void outputs_that_are_not_finite_are_an_error(void **state)
{
    const char *path = make_run("overflow", WARD_METHOD_BASELINE, 0);
    struct model m = handmade(WARD_METHOD_BASELINE);
    const float x[PIXELS] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    float y[2];
    ward_run *run = NULL;
    ward_session *session = NULL;

    (void)state;
    set(&m, "conv1.weight", 4, 3e38f);
    set(&m, "conv2.weight", 4, 3e38f);
    model_identify(&m);
    assert_ok(model_write(in_folder("overflow/model.safetensors"), &m));
    assert_ok(ward_run_open(&run, path));
    assert_ok(ward_session_new(&session, run, device, 1));
    assert_fails(ward_session_predict(session, 1, x, true, y), WARD_ERR_NUMERIC, "not finite");
    ward_session_free(session);
    ward_run_close(run);
    model_release(&m);
}

/* ---- sessions ---- */

static void fill(float *x, size_t n)
{
    for (size_t i = 0; i < n * PIXELS; i++)
        x[i] = (float)(i * 37 % 101) / 100;
}

static void images_that_are_not_finite_are_refused(void **state)
{
    enum { N = 3 };
    ward_run *run = open_run("undefined", WARD_METHOD_LEARNED);
    ward_session *session = NULL;
    float x[N * PIXELS], y[N * PIXELS];

    (void)state;
    fill(x, N);
    x[N * PIXELS - 1] = NAN;
    assert_ok(ward_session_new(&session, run, device, 2));
    assert_fails(ward_session_predict(session, N, x, false, y), WARD_ERR_ARG, "not finite");
    assert_fails(ward_session_transform(session, N, x, y), WARD_ERR_ARG, "input is not finite");
    assert_ok(ward_session_predict(session, N - 1, x, false, y));
    ward_session_free(session);
    ward_run_close(run);
}

static void a_session_takes_any_number_of_images(void **state)
{
    enum { N = 7 };
    ward_run *run = open_run("chunks", WARD_METHOD_LEARNED);
    ward_session *one = NULL, *three = NULL;
    float x[N * PIXELS], y[N * PIXELS], z[N * PIXELS], p[N * 2], q[N * 2];

    (void)state;
    fill(x, N);
    assert_ok(ward_session_new(&one, run, device, 1));
    assert_ok(ward_session_new(&three, run, device, 3));
    assert_ok(ward_session_transform(one, N, x, y));
    for (size_t i = 0; i < N * PIXELS; i++)
        assert_true(y[i] == x[i] + 0.5f);
    memcpy(z, x, sizeof z);
    assert_ok(ward_session_transform(three, N, z, z)); /* in place */
    assert_memory_equal(y, z, sizeof y);
    assert_ok(ward_session_transform(three, 0, NULL, NULL));
    assert_ok(ward_session_predict(one, N, x, false, p));
    assert_ok(ward_session_predict(three, N, x, false, q));
    assert_memory_equal(p, q, sizeof p);
    assert_ok(ward_session_predict(three, N, x, true, q));
    assert_memory_not_equal(p, q, sizeof p);
    for (size_t i = 0; i < N; i++) {
        float largest = 0;

        for (size_t j = 0; j < PIXELS; j++)
            largest = fmaxf(largest, x[i * PIXELS + j]);
        assert_float_equal(p[2 * i] + p[2 * i + 1], 1.0f, 1e-6f);
        assert_float_equal(p[2 * i], 1 / (1 + expf(1.1f - (largest + 0.5f))), 1e-6f);
        assert_float_equal(q[2 * i], 1 / (1 + expf(1.1f - largest)), 1e-6f);
    }
    ward_session_free(one);
    ward_session_free(three);
    ward_session_free(NULL);
    ward_run_close(run);
}

static void what_needs_g_is_refused_without_it(void **state)
{
    ward_run *bare = NULL, *baseline = open_run("nothing", WARD_METHOD_BASELINE);
    ward_session *session = NULL;
    float x[PIXELS] = {0}, y[PIXELS], p[2], q[2];

    (void)state;
    make_run("key", WARD_METHOD_LEARNED, 0.5f);
    assert_ok(ward_run_open(&bare, in_folder("key/model.safetensors")));
    assert_fails(ward_session_new(&session, bare, device, 0), WARD_ERR_ARG, "0 images");
    assert_ok(ward_session_new(&session, bare, device, 2));
    assert_fails(ward_session_transform(session, 1, x, y), WARD_ERR_ARG, "no transform");
    assert_fails(ward_session_predict(session, 1, x, false, p), WARD_ERR_ARG, "no transform");
    assert_ok(ward_session_predict(session, 1, x, true, p));
    ward_session_free(session);
    assert_ok(ward_session_new(&session, baseline, device, 2));
    assert_fails(ward_session_transform(session, 1, x, y), WARD_ERR_ARG, "no transform");
    assert_ok(ward_session_predict(session, 1, x, false, p));
    assert_ok(ward_session_predict(session, 1, x, true, q));
    assert_memory_equal(p, q, sizeof p);
    ward_session_free(session);
    ward_run_close(baseline);
    ward_run_close(bare);
}

/* ---- the figure ---- */

/* How often a grey value occurs on the sheet. */
static size_t count_grey(const ward_image *sheet, unsigned value)
{
    size_t count = 0;

    for (size_t i = 0; i < (size_t)sheet->width * sheet->height; i++)
        count += sheet->pixels[3 * i] == value && sheet->pixels[3 * i + 1] == value &&
                 sheet->pixels[3 * i + 2] == value;
    return count;
}

static void a_figure_shows_raw_processed_and_change_times_five(void **state)
{
    ward_run *runs[2] = {NULL, NULL};
    ward_image sheet = {0}, narrow = {0};
    float x[2 * PIXELS];
    size_t cell;

    (void)state;
    assert_ok(ward_run_open(&runs[0], make_run("figure", WARD_METHOD_LEARNED, 0.04f)));
    assert_ok(ward_run_open(&runs[1], make_run("figure0", WARD_METHOD_LEARNED, -0.06f)));
    for (size_t i = 0; i < 2 * PIXELS; i++)
        x[i] = dark;
    assert_ok(ward_figure((const ward_run *const *)runs, 1, device, 2, x, &narrow));
    assert_ok(ward_figure((const ward_run *const *)runs, 2, device, 2, x, &sheet));
    assert_int_equal(sheet.channels, 3);
    assert_true(sheet.width > narrow.width && sheet.height == narrow.height);
    /* Two rows: 0.2 and 0.24, 0.5 + 5 * 0.04 = 0.7; then 0.14 and 0.5 - 5 * 0.06 = 0.2 again. */
    cell = count_grey(&narrow, 51) / 2;
    assert_true(cell >= PIXELS && cell % PIXELS == 0);
    assert_int_equal(count_grey(&narrow, 61), 2 * cell);
    assert_int_equal(count_grey(&narrow, 178) + count_grey(&narrow, 179), 2 * cell);
    assert_int_equal(count_grey(&sheet, 61), 2 * cell);
    assert_int_equal(count_grey(&sheet, 36), 2 * cell);
    assert_int_equal(count_grey(&sheet, 51), 4 * cell);
    ward_image_release(&sheet);
    ward_image_release(&narrow);
    ward_run_close(runs[0]);
    ward_run_close(runs[1]);
}

static void a_figure_of_what_does_not_fit_is_refused(void **state)
{
    const ward_run *runs[2] = {open_run("fits", WARD_METHOD_LEARNED),
                               open_run("without", WARD_METHOD_BASELINE)};
    ward_image sheet = {0};
    float x[PIXELS] = {0};

    (void)state;
    assert_fails(ward_figure(runs, 0, device, 1, x, &sheet), WARD_ERR_ARG, "0 runs");
    assert_fails(ward_figure(runs, 9, device, 1, x, &sheet), WARD_ERR_ARG, "9 runs");
    assert_fails(ward_figure(runs, 1, device, 0, x, &sheet), WARD_ERR_ARG, "0 images");
    assert_fails(ward_figure(runs, 2, device, 1, x, &sheet), WARD_ERR_ARG,
                 "run 2 has no transform");
    assert_null(sheet.pixels);
    ward_run_close((ward_run *)runs[0]);
    ward_run_close((ward_run *)runs[1]);
}

/* ---- arrays for NumPy ---- */

static void an_array_has_the_documented_bytes(void **state)
{
    static const char header[] =
        "\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1, 1, 2), }"
        "                                                    \n";
    const char *path = in_folder("array.npy"), *labels = in_folder("labels.npy");
    const size_t shape[] = {2, 1, 1, 2};
    const float values[] = {1.5f, -2.0f, 0.0f, 3.25f};
    const int32_t classes[] = {-1, 258};
    static const uint8_t wide[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 1};
    ward_npy *npy = NULL;
    uint8_t *data;
    size_t len;

    (void)state;
    assert_ok(ward_npy_open(&npy, path, WARD_NPY_FLOAT32, shape, 4, WARD_NPY_SECRET));
    assert_ok(ward_npy_add_floats(npy, values, 1));
    assert_ok(ward_npy_add_floats(npy, values + 1, 3));
    assert_ok(ward_npy_close(npy));
    assert_int_equal(mode_of(path), 0600);
    assert_ok(file_read(path, 1000, &data, &len));
    assert_int_equal(len, 128 + sizeof values);
    assert_int_equal(sizeof header - 1, 128);
    assert_memory_equal(data, header, 128);
    assert_memory_equal(data + 128, values, sizeof values);
    mem_free(data);

    assert_ok(ward_npy_open(&npy, labels, WARD_NPY_INT64, shape, 1, 0));
    assert_ok(ward_npy_add_labels(npy, classes, 2));
    assert_ok(ward_npy_close(npy));
    assert_ok(file_read(labels, 1000, &data, &len));
    assert_int_equal(len % 64, 16);
    assert_non_null(strstr((char *)data + 10, "'<i8', 'fortran_order': False, 'shape': (2,), }"));
    assert_memory_equal(data + len - 16, wide, sizeof wide);
    mem_free(data);
}

static void an_array_that_is_not_complete_leaves_no_file(void **state)
{
    const char *path = in_folder("part.npy");
    const size_t shape[] = {3}, five[] = {1, 1, 1, 1, 1}, huge[] = {SIZE_MAX, 2};
    const float values[4] = {0};
    const int32_t labels[4] = {0};
    const uint8_t bytes[4] = {0};
    ward_npy *npy = NULL;
    char **names;
    size_t count;

    (void)state;
    assert_ok(file_make_directory(in_folder("part")));
    path = in_folder("part/a.npy");
    assert_ok(ward_npy_open(&npy, path, WARD_NPY_FLOAT32, shape, 1, 0));
    assert_ok(ward_npy_add_floats(npy, values, 2));
    assert_fails(ward_npy_add_floats(npy, values, 2), WARD_ERR_ARG, "1 values too many");
    assert_fails(ward_npy_add_labels(npy, labels, 1), WARD_ERR_ARG, "another type");
    assert_fails(ward_npy_add_bytes(npy, bytes, 1), WARD_ERR_ARG, "another type");
    assert_fails(ward_npy_close(npy), WARD_ERR_ARG, "1 values are missing");
    assert_ok(ward_npy_open(&npy, path, WARD_NPY_FLOAT32, shape, 1, 0));
    ward_npy_discard(npy);
    ward_npy_discard(NULL);
    assert_ok(file_list(in_folder("part"), &names, &count));
    assert_int_equal(count, 0);
    file_list_free(names, count);
    assert_fails(ward_npy_open(&npy, path, WARD_NPY_FLOAT32, five, 5, 0), WARD_ERR_ARG,
                 "5 dimensions");
    assert_fails(ward_npy_open(&npy, path, WARD_NPY_FLOAT32, huge, 2, 0), WARD_ERR_ARG,
                 "impossible size");
    assert_ok(file_write(path, "x", 1, 0));
    assert_fails(ward_npy_open(&npy, path, WARD_NPY_FLOAT32, shape, 1, 0), WARD_ERR_EXISTS,
                 "exists");
}

/* ---- memory ---- */

static ward_dataset *lamps; /* opened beforehand: what is tested here comes after */

static ward_status use_run(void *context)
{
    const float x[PIXELS] = {0};
    ward_run *run = NULL;
    ward_image sheet = {0};
    ward_evaluation e = {.count = 0};
    char *text = NULL;
    ward_status st = ward_run_open(&run, context);

    if (!st)
        st = ward_evaluate(run, device, lamps, WARD_SPLIT_TRAIN, true, &e, NULL, NULL);
    if (!st)
        st = ward_evaluation_json(run, lamps, WARD_SPLIT_TRAIN, &e, &text);
    if (!st)
        st = ward_figure((const ward_run *const[]){run}, 1, device, 1, x, &sheet);
    ward_string_free(text);
    ward_image_release(&sheet);
    ward_evaluation_release(&e);
    ward_run_close(run);
    return st;
}

static void any_failing_allocation_is_survived(void **state)
{
    char path[256];

    (void)state;
    snprintf(path, sizeof path, "%s", make_run("memory", WARD_METHOD_LEARNED, 0.5f));
    lamps = open_lamps();
    assert_true(assert_survives_failing_allocations(use_run, path) > 100);
    ward_dataset_free(lamps);
}

static int set_up(void **state)
{
    ward_set_threads(1); /* such small work is not worth handing out */
    if (folder_make(state) || ward_device_open(&device, "ref"))
        return -1;
    make_lamps();
    return 0;
}

static int tear_down(void **state)
{
    ward_device_close(device);
    return folder_remove(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_owner_shows_what_the_settings_say),
        cmocka_unit_test(an_opened_run_describes_itself),
        cmocka_unit_test(a_transform_of_another_model_is_refused),
        cmocka_unit_test(a_run_that_is_not_there_or_not_complete_is_told),
        cmocka_unit_test(accuracies_confusion_and_rounding_are_as_worked_out),
        cmocka_unit_test(intervals_are_wilsons),
        cmocka_unit_test(a_baseline_has_one_accuracy),
        cmocka_unit_test(a_bare_model_has_only_the_unauthorised_accuracy),
        cmocka_unit_test(an_evaluation_reads_as_json),
        cmocka_unit_test(an_evaluation_can_be_stopped),
        cmocka_unit_test(data_that_do_not_fit_are_refused),
        cmocka_unit_test(outputs_that_are_not_finite_are_an_error),
        cmocka_unit_test(images_that_are_not_finite_are_refused),
        cmocka_unit_test(a_session_takes_any_number_of_images),
        cmocka_unit_test(what_needs_g_is_refused_without_it),
        cmocka_unit_test(a_figure_shows_raw_processed_and_change_times_five),
        cmocka_unit_test(a_figure_of_what_does_not_fit_is_refused),
        cmocka_unit_test(an_array_has_the_documented_bytes),
        cmocka_unit_test(an_array_that_is_not_complete_leaves_no_file),
        cmocka_unit_test(any_failing_allocation_is_survived),
    };

    return cmocka_run_group_tests_name("run", tests, set_up, tear_down);
}
