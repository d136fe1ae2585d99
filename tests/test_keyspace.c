/* The key-space report: known bounds and p-values, and a lock made by hand whose keys are known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "alloc_test.h"
#include "base/json.h"
#include "keyspace/statistics.h"
#include "model/run.h"
#include "model_fixture.h"
#include "protect/keyed.h"
#include "ward/ward.h"

static void check_near(double found, double expected, const char *what)
{
    if (!(fabs(found - expected) < 1e-9))
        fail_msg("%s: %.12f, expected %.12f", what, found, expected);
}

/* ---- statistics ---- */

/* Each of them has a tail of 0.025, summed term by term in another program. */
static void bounds_are_those_of_clopper_and_pearson(void **state)
{
    static const struct {
        size_t right, count;
        double low, high;
    } known[] = {
        {8, 10, 0.443904537693, 0.974789273673},
        {9013, 10000, 0.895286826510, 0.907078285838},
        {1000, 10000, 0.094187211734, 0.106046899904},
        {1, 1000, 0.000025317487, 0.005558924280},
        {0, 1000, 0, 0.003682083897},
        {10, 10, 0.691502892182, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        check_near(share_lower(known[i].right, known[i].count, 0.025), known[i].low, "lower");
        check_near(share_upper(known[i].right, known[i].count, 0.025), known[i].high, "upper");
    }
    check_near(share_upper(0, 1000, 0.05), 1 - pow(0.05, 0.001), "none of a thousand");
}

static void the_test_of_two_samples_gives_known_values(void **state)
{
    static const double a[] = {1, 2, 2, 3, 5, 8, 8, 9, 11, 12};
    static const double b[] = {2, 4, 4, 6, 7, 8, 10, 13, 15, 16, 16, 17};
    static const double same[] = {4, 4, 4, 4};
    double low[50], high[50], p = 0;

    (void)state;
    assert_ok(mann_whitney(a, 10, b, 12, &p));
    check_near(p, 0.12019932601541634, "ten and twelve");
    assert_ok(mann_whitney(b, 12, a, 10, &p));
    check_near(p, 0.12019932601541634, "the other way round");
    assert_ok(mann_whitney(same, 4, same, 4, &p));
    check_near(p, 1, "all equal");
    for (int i = 0; i < 50; i++) {
        low[i] = i;
        high[i] = i + 40;
    }
    assert_ok(mann_whitney(low, 50, high, 50, &p));
    assert_true(p < 1e-6);
    assert_ok(mann_whitney(low, 50, low, 50, &p));
    assert_true(p > 0.9);
}

static void more_hits_than_by_chance_are_found_as_by_hand(void **state)
{
    double all = 1;

    (void)state;
    check_near(fisher_exact(3, 4, 1, 4), 17.0 / 70, "a lady tasting tea");
    check_near(fisher_exact(4, 4, 0, 4), 1.0 / 70, "who knows");
    check_near(fisher_exact(5, 10, 2, 10), 13560.0 / 77520, "five and two of ten");
    check_near(fisher_exact(0, 256, 0, 1000), 1, "no hits");
    check_near(fisher_exact(0, 256, 5, 1000), 1, "fewer");
    check_near(fisher_exact(256, 256, 1000, 1000), 1, "nothing but hits");
    for (int i = 0; i < 8; i++)
        all *= (256.0 - i) / (1256.0 - i);
    check_near(fisher_exact(8, 256, 0, 1000) / all, 1, "a byte of a key");
}

/* A byte of the key that is ignored: the ranks of accuracies do not show it. */
static void the_test_of_hits_has_the_power_that_ranks_lack(void **state)
{
    double random[1000], one_bit[256], p = 0;

    (void)state;
    for (int i = 0; i < 1000; i++)
        random[i] = 0.1 + 0.00001 * (i * 7 % 1000);
    for (int i = 0; i < 256; i++)
        one_bit[i] = i < 8 ? 0.92 : 0.1 + 0.00001 * (i * 3.9);
    assert_ok(mann_whitney(random, 1000, one_bit, 256, &p));
    assert_true(p > 0.05);
    assert_true(fisher_exact(8, 256, 0, 1000) < 1e-5);
}

/* ---- a lock made by hand ---- */

enum { SIDE = 4, PIXELS = SIDE * SIDE, CLASSES = 3, EACH = 40, ALL = CLASSES * EACH };

static ward_device *device;
static ward_dataset *data;

/* An image of class k is all of one grey, 0.2 + 0.2 k. */
static void write_images(const char *part, int count)
{
    char name[64];

    for (int k = 0; k < CLASSES; k++) {
        uint8_t pixels[PIXELS];
        const ward_image image = {SIDE, SIDE, 1, pixels};

        memset(pixels, 51 + 51 * k, sizeof pixels);
        snprintf(name, sizeof name, "greys/%s/class%d", part, k);
        assert_ok(file_make_directory(in_folder(name)));
        for (int i = 0; i < count; i++) {
            snprintf(name, sizeof name, "greys/%s/class%d/%02d.png", part, k, i);
            assert_ok(ward_image_write(&image, in_folder(name), WARD_IMAGE_REPLACE));
        }
    }
}

static int open_all(void **state)
{
    if (folder_make(state))
        return -1;
    write_images("train", 2);
    write_images("test", EACH);
    assert_ok(ward_dataset_open(&data, in_folder("greys")));
    assert_ok(ward_device_open(&device, "cpu"));
    ward_set_threads(1);
    return 0;
}

static int close_all(void **state)
{
    ward_device_close(device);
    ward_dataset_free(data);
    return folder_remove(state);
}

static void set(struct tensor_list *params, const char *name, size_t at, float value)
{
    tensor_list_find(params, name)->data[at] = value;
}

/*
 * F looks at one pixel and tells the class of an image to which 1 was added there: values of 1.2,
 * 1.4 and 1.6. All below is class 0. Its two units are max(v - 1.3, 0) and max(v - 1.5, 0).
 */
static struct model one_pixel(size_t pixel, ward_method method)
{
    static const float thresholds[] = {1.3f, 1.5f}, weights[] = {1000, 10000};
    const char *const names[] = {"class0", "class1", "class2"};
    struct net_spec spec = {"mlp-2x1", 1, SIDE, SIDE, CLASSES};
    struct model m = {.method = method};

    assert_ok(net_init(&m.net, &spec, 1));
    for (size_t i = 0; i < m.net.params.count; i++)
        memset(m.net.params.items[i].data, 0,
               shape_count(&m.net.params.items[i].shape) * sizeof(float));
    for (size_t unit = 0; unit < 2; unit++) {
        set(&m.net.params, "fc1.weight", unit * PIXELS + pixel, 1);
        set(&m.net.params, "fc1.bias", unit, -thresholds[unit]);
        set(&m.net.params, "bn1.weight", unit, 1);
        set(&m.net.params, "bn1.running_var", unit, 1);
        set(&m.net.params, "fc.weight", (unit + 1) * 2 + unit, weights[unit]);
    }
    set(&m.net.params, "fc.bias", 0, 1);
    assert_ok(model_describe(&m, "greys", 0.0f, 1.0f, names, CLASSES));
    model_identify(&m);
    return m;
}

/* Patterns of +1 and -1 with a probability of a quarter each. */
static struct transform_spec pattern_spec(void)
{
    return (struct transform_spec){.method = WARD_METHOD_KEYED,
                                   .channels = 1,
                                   .height = SIDE,
                                   .width = SIDE,
                                   .sigma = 1,
                                   .p = 0.25f,
                                   .low = 0,
                                   .high = 1};
}

static bool adds_one(const struct tensor_list *tables, const char *prefix, size_t pixel)
{
    char name[TENSOR_MAX_NAME];

    snprintf(name, sizeof name, "%spattern", prefix);
    return tensor_list_find(tables, name)->data[pixel] > 0.5f;
}

/* A run whose right key adds 1 to the pixel that F looks at. */
static void open_run(struct ward_run *run, size_t *pixel)
{
    struct transform_spec spec = pattern_spec();

    *run = (struct ward_run){.has_transform = true};
    assert_ok(transform_init(&run->transform, &spec, test_seed));
    *pixel = 0;
    while (!adds_one(&run->transform.params, KEY_PREFIX, *pixel))
        ++*pixel;
    run->model = one_pixel(*pixel, WARD_METHOD_KEYED);
    run->owner = owner_of(&run->model);
}

static void close_run(struct ward_run *run)
{
    transform_release(&run->transform);
    model_release(&run->model);
}

static bool key_adds_one(const uint8_t key[TRANSFORM_SEED_LEN], size_t pixel)
{
    const struct transform_spec spec = pattern_spec();
    struct tensor_list tables = {NULL, 0};
    bool adds;

    assert_ok(keyed_tables(&tables, "", &spec, key));
    adds = adds_one(&tables, "", pixel);
    tensor_list_release(&tables);
    return adds;
}

static size_t one_bit_unlocks(size_t pixel)
{
    size_t count = 0;

    for (size_t bit = 0; bit < 256; bit++) {
        uint8_t key[TRANSFORM_SEED_LEN];

        memcpy(key, test_seed, sizeof key);
        key[bit / 8] ^= (uint8_t)(1u << bit % 8);
        count += key_adds_one(key, pixel);
    }
    return count;
}

/* ---- the report ---- */

/* Each key is right about all images, or about those of class 0. */
static void check_keys(const ward_keyspace_keys *k, const char *what)
{
    double share = (double)k->unlocks / (double)k->count;

    check_near(k->mean, share + (1 - share) / CLASSES, what);
    check_near(k->best, k->unlocks > 0 ? 1 : 1.0 / CLASSES, what);
    check_near(k->best_ci.low, share_lower((size_t)lround(k->best * ALL), ALL, 0.025), what);
}

static void keys_unlock_if_they_open_what_the_network_looks_at(void **state)
{
    const ward_keyspace_options options = {.keys = 400, .seed = 3};
    ward_keyspace_result r;
    struct ward_run run;
    size_t pixel;

    (void)state;
    open_run(&run, &pixel);
    assert_ok(ward_keyspace(&run, device, data, &options, &r));
    assert_int_equal(r.count, ALL);
    check_near(r.authorised, 1, "the right key");
    check_near(r.authorised_ci.low, share_lower(ALL, ALL, 0.025), "its interval");
    check_near(r.chance, 1.0 / CLASSES, "chance");
    check_near(r.threshold, 2.0 / CLASSES, "threshold");
    assert_int_equal(r.random.count, 400);
    /* A quarter: six standard deviations on either side. */
    if (r.random.unlocks < 48 || r.random.unlocks > 152)
        fail_msg("%zu of 400 unlock, expected about 100", r.random.unlocks);
    check_keys(&r.random, "random keys");
    check_near(r.random.bound, share_upper(r.random.unlocks, 400, 0.05), "bound");
    assert_int_equal(r.one_bit.count, 256);
    assert_int_equal(r.one_bit.unlocks, one_bit_unlocks(pixel));
    check_keys(&r.one_bit, "one bit");
    check_near(r.one_bit.bound, (double)r.one_bit.unlocks / 256, "one bit's bound");
    assert_true(r.one_bit_p > 0.001 && r.one_bit_p <= 1);
    check_near(r.one_bit_unlocks_p, fisher_exact(r.one_bit.unlocks, 256, r.random.unlocks, 400),
               "p of unlocks");
    for (int i = 0; i < WARD_KEYSPACE_SHARES; i++) {
        assert_int_equal(r.partial[i].count, 10);
        check_keys(&r.partial[i], "a share");
    }
    check_near(r.share[0], 0, "the first share");
    check_near(r.share[WARD_KEYSPACE_SHARES - 1], 0.99, "the last share");
    assert_true(r.partial[0].unlocks <= 7);
    assert_true(r.partial[WARD_KEYSPACE_SHARES - 1].unlocks >= 8);
    ward_keyspace_result_release(&r);
    close_run(&run);
}

/* By the lower bound of its interval, 0.29, not even the right key would. */
static void a_key_that_is_right_about_three_of_three_images_unlocks(void **state)
{
    const ward_keyspace_options options = {.keys = 40, .images = 3, .seed = 3};
    ward_keyspace_result r;
    struct ward_run run;
    size_t pixel;

    (void)state;
    open_run(&run, &pixel);
    assert_ok(ward_keyspace(&run, device, data, &options, &r));
    check_near(r.random.best, 1, "the best");
    assert_true(r.random.best_ci.low < r.threshold);
    assert_in_range(r.random.unlocks, 1, 20);
    ward_keyspace_result_release(&r);
    close_run(&run);
}

static void a_network_without_a_lock_is_unlocked_by_every_key(void **state)
{
    const ward_keyspace_options options = {.keys = 20, .images = 30, .partial_keys = 2};
    ward_keyspace_result r;
    struct ward_run run;
    size_t pixel;

    (void)state;
    open_run(&run, &pixel);
    /* It looks at nothing but the grey itself, which no pattern of this strength moves far. */
    run.transform.spec.sigma = 1e-6f;
    set(&run.model.net.params, "fc1.bias", 0, -0.3f);
    set(&run.model.net.params, "fc1.bias", 1, -0.5f);
    assert_ok(ward_keyspace(&run, device, data, &options, &r));
    assert_int_equal(r.count, 30);
    assert_int_equal(r.random.unlocks, 20);
    check_near(r.random.bound, 1, "bound");
    assert_int_equal(r.one_bit.unlocks, 256);
    check_near(r.one_bit_p, 1, "p");
    check_near(r.one_bit_unlocks_p, 1, "p of unlocks");
    assert_int_equal(r.partial[0].unlocks, 2);
    ward_keyspace_result_release(&r);
    close_run(&run);
}

static void the_same_seed_tries_the_same_keys_and_json_has_every_one(void **state)
{
    ward_keyspace_options options = {.keys = 30, .partial_keys = 3, .seed = 5};
    ward_keyspace_result a, b;
    struct ward_run run;
    json_t *object = NULL;
    const json_t *random;
    size_t pixel, unlocks = 0;

    (void)state;
    open_run(&run, &pixel);
    assert_ok(ward_keyspace(&run, device, data, &options, &a));
    assert_ok(ward_keyspace(&run, device, data, &options, &b));
    assert_string_equal(a.json, b.json);
    ward_keyspace_result_release(&b);
    options.seed = 6;
    assert_ok(ward_keyspace(&run, device, data, &options, &b));
    assert_string_not_equal(a.json, b.json);
    assert_ok(json_parse_object(&object, a.json, strlen(a.json)));
    random = json_object_get(json_object_get(object, "random"), "accuracies");
    assert_int_equal(json_array_size(random), 30);
    for (size_t i = 0; i < 30; i++)
        unlocks += json_real_value(json_array_get(random, i)) > 0.99;
    assert_int_equal(unlocks, a.random.unlocks);
    assert_int_equal(json_array_size(json_object_get(object, "partial")), WARD_KEYSPACE_SHARES);
    json_decref(object);
    ward_keyspace_result_release(&a);
    ward_keyspace_result_release(&b);
    close_run(&run);
}

struct watch {
    size_t stop_at, last, keys;
};

static bool on_progress(void *context, const ward_keyspace_progress *p)
{
    struct watch *watch = context;

    assert_true(p->done >= watch->last && p->done < p->keys);
    watch->last = p->done;
    watch->keys = p->keys;
    return p->done < watch->stop_at;
}

static void it_tells_where_it_is_and_stops_when_asked(void **state)
{
    struct watch watch = {.stop_at = SIZE_MAX};
    ward_keyspace_options options = {
        .keys = 5, .images = 7, .partial_keys = 1, .progress = on_progress, .context = &watch};
    ward_keyspace_result r = {.count = 99};
    struct ward_run run;
    size_t pixel;

    (void)state;
    open_run(&run, &pixel);
    assert_ok(ward_keyspace(&run, device, data, &options, &r));
    assert_int_equal(watch.keys, 1 + 5 + 256 + WARD_KEYSPACE_SHARES);
    assert_int_equal(watch.last, watch.keys - 1);
    ward_keyspace_result_release(&r);
    watch = (struct watch){.stop_at = 3};
    r.count = 99;
    assert_fails(ward_keyspace(&run, device, data, &options, &r), WARD_ERR_STOPPED, "stopped");
    assert_int_equal(watch.last, 3);
    assert_int_equal(r.count, 99);
    close_run(&run);
}

static void what_has_no_key_and_what_does_not_fit_is_refused(void **state)
{
    ward_keyspace_options options = {.keys = 1};
    ward_keyspace_result r;
    struct ward_run run;
    size_t pixel;

    (void)state;
    open_run(&run, &pixel);
    run.model.method = WARD_METHOD_FIXED;
    assert_fails(ward_keyspace(&run, device, data, &options, &r), WARD_ERR_ARG, "fixed");
    run.model.method = WARD_METHOD_KEYED;
    run.has_transform = false;
    assert_fails(ward_keyspace(&run, device, data, &options, &r), WARD_ERR_ARG, "no transform");
    run.has_transform = true;
    run.transform.spec.sigma = 0;
    assert_fails(ward_keyspace(&run, device, data, &options, &r), WARD_ERR_ARG, "no part");
    run.transform.spec.sigma = 1;
    options.images = ALL + 1;
    assert_fails(ward_keyspace(&run, device, data, &options, &r), WARD_ERR_ARG, "121");
    options.images = 0;
    options.keys = 1000001;
    assert_fails(ward_keyspace(&run, device, data, &options, &r), WARD_ERR_ARG, "at most");
    options.keys = 1;
    run.model.net.spec.classes = 4;
    assert_fails(ward_keyspace(&run, device, data, &options, &r), WARD_ERR_ARG, "greys");
    run.model.net.spec.classes = CLASSES;
    close_run(&run);
}

static ward_status survey(void *run)
{
    const ward_keyspace_options options = {.keys = 2, .images = 3, .partial_keys = 1};
    ward_keyspace_result r = {.count = 0};
    ward_status st = ward_keyspace(run, device, data, &options, &r);

    ward_keyspace_result_release(&r);
    return st;
}

static void a_survey_survives_every_failing_allocation(void **state)
{
    struct ward_run run;
    size_t pixel;

    (void)state;
    open_run(&run, &pixel);
    assert_survives_failing_allocations(survey, &run);
    close_run(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_are_those_of_clopper_and_pearson),
        cmocka_unit_test(the_test_of_two_samples_gives_known_values),
        cmocka_unit_test(more_hits_than_by_chance_are_found_as_by_hand),
        cmocka_unit_test(the_test_of_hits_has_the_power_that_ranks_lack),
        cmocka_unit_test(keys_unlock_if_they_open_what_the_network_looks_at),
        cmocka_unit_test(a_key_that_is_right_about_three_of_three_images_unlocks),
        cmocka_unit_test(a_network_without_a_lock_is_unlocked_by_every_key),
        cmocka_unit_test(the_same_seed_tries_the_same_keys_and_json_has_every_one),
        cmocka_unit_test(it_tells_where_it_is_and_stops_when_asked),
        cmocka_unit_test(what_has_no_key_and_what_does_not_fit_is_refused),
        cmocka_unit_test(a_survey_survives_every_failing_allocation),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
