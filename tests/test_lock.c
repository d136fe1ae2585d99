/* Lock keys, teachers and the lock that is recommended: what a training with them makes, and what
 * it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "key/key_file.h"
#include "model/model.h"
#include "model/run.h"
#include "train/lock.h"
#include "train/settings.h"
#include "train_fixture.h"

static ward_keys *keys_of(const char *path)
{
    ward_keys *keys = NULL;

    check_ok(ward_keys_new(&keys, &(ward_keys_options){.identity = path}), path);
    return keys;
}

static ward_status train_locked(const char *out, const ward_train_config *config, bool is_resumed,
                                const char *lock, struct watch *watch)
{
    ward_train_options options = {.out = out,
                                  .is_resumed = is_resumed,
                                  .progress = on_progress,
                                  .context = watch,
                                  .lock = lock ? keys_of(lock) : NULL};
    ward_device *device = NULL;
    ward_status st = ward_device_open(&device, "ref");

    if (!st)
        st = ward_train(device, config, &options);
    ward_device_close(device);
    ward_keys_free(options.lock);
    return st;
}

static void key_of(const char *run, uint8_t key[TRANSFORM_SEED_LEN])
{
    struct transform t = {.spec = {.method = WARD_METHOD_FIXED}};
    struct transform_owner owner;
    char path[512];

    snprintf(path, sizeof path, "%s/transform.ward", run);
    check_ok(transform_file_read(path, NULL, NULL, &t, &owner), path);
    assert_false(owner.is_reproducible);
    memcpy(key, t.seed, TRANSFORM_SEED_LEN);
    transform_release(&t);
}

static void make_lock(const char *name, char path[256])
{
    const ward_key_options options = {.protection = WARD_PROTECT_FILE};

    snprintf(path, 256, "%s", in_dir(name));
    check_ok(ward_key_new(path, WARD_KEY_LOCK, &options, NULL), path);
}

/* The digest of tests/lock_settings.json. */
static void digest_settings(char digest[ORIGIN_DIGEST_LEN + 1])
{
    struct run_config config = {.data = NULL};
    uint8_t *text = NULL;
    size_t len;

    check_ok(file_read("tests/lock_settings.json", 1 << 16, &text, &len), "settings");
    check_ok(run_config_from_json(&config, (const char *)text, len), "settings");
    check_ok(settings_digest(&config.values, &(ward_dataset_info){.name = "fashion-mnist"}, digest),
             "their digest");
    run_config_release(&config);
    mem_free(text);
}

/* Worked out by tests/keyed_tables.py from docs/formats.md alone. */
static void what_a_network_takes_from_a_lock_key_follows_the_written_derivation(void **state)
{
    static const char expected[] =
        "5a7478027ffaaedad78321e510346d3499b498d96ba306ab541d819796342c15";
    const ward_key_options options = {.protection = WARD_PROTECT_FILE};
    const struct net_spec net = {
        .arch = "mlp-16x2-leaky", .channels = 1, .height = 28, .width = 28, .classes = 10};
    struct identity lock = IDENTITY_INIT;
    struct wr bytes = WR_INIT;
    uint8_t key[TRANSFORM_SEED_LEN];
    char text[2 * TRANSFORM_SEED_LEN + 1], settings[ORIGIN_DIGEST_LEN + 1];
    ward_keys *keys;

    (void)state;
    lock.public.type = WARD_KEY_LOCK;
    check_ok(secret_init(&lock.secret, TRANSFORM_SEED_LEN), "memory");
    for (int i = 0; i < TRANSFORM_SEED_LEN; i++)
        lock.secret.data[i] = (uint8_t)i;
    check_ok(hex_decode("5fb42f0c27594db0f5bf7acbb502b99d59654dc4e1acf065b6b177eed73d12ab",
                        lock.public.x25519, X25519_LEN)
                 ? WARD_OK
                 : WARD_ERR_ARG,
             "the fingerprint");
    check_ok(key_file_build(&lock, &options, &bytes), "a key file");
    check_ok(file_write(in_dir("vector.key"), bytes.data, bytes.len, FILE_SECRET), "writing it");
    keys = keys_of(in_dir("vector.key"));
    digest_settings(settings);
    assert_string_equal(settings,
                        "e4756c68f6b086b869aca8da09b6bb65a1fa9aaf40f5b355ac08685055612908");
    check_ok(lock_derive(keys, &net, settings, key), "deriving");
    hex_encode(key, sizeof key, text);
    assert_string_equal(text, expected);
    check_refused(lock_derive(NULL, &net, settings, key), WARD_ERR_AUTH, "is needed");
    ward_keys_free(keys);
    wr_release(&bytes);
    identity_release(&lock);
}

static void train_and_take_key(const ward_train_config *config, const char *lock, const char *out,
                               uint8_t key[TRANSFORM_SEED_LEN])
{
    struct watch watch = {.stop_at = UINT64_MAX};

    check_ok(train_locked(out, config, false, lock, &watch), out);
    key_of(out, key);
}

static void copy_pictures(const char *to)
{
    char command[600];

    snprintf(command, sizeof command, "mkdir -p '%s' && cp -r '%s' '%s'", in_dir("elsewhere"),
             in_dir("data"), to);
    assert_int_equal(system(command), 0);
}

static void a_lock_key_gives_the_same_transform_again_and_each_training_its_own(void **state)
{
    ward_train_config config = config_of("mlp-16x2-leaky", WARD_METHOD_KEYED);
    uint8_t first[TRANSFORM_SEED_LEN], again[TRANSFORM_SEED_LEN];
    char lock[256], other[256], a[256], b[256], moved[256], renamed[256];

    (void)state;
    make_lock("lock.key", lock);
    make_lock("other.key", other);
    snprintf(a, sizeof a, "%s", in_dir("locked"));
    snprintf(b, sizeof b, "%s", in_dir("locked-again"));
    snprintf(moved, sizeof moved, "%s", in_dir("elsewhere/data"));
    snprintf(renamed, sizeof renamed, "%s", in_dir("elsewhere/other"));
    copy_pictures(moved);
    copy_pictures(renamed);
    config.secret_seed = NULL;
    train_and_take_key(&config, lock, a, first);
    for (int i = 0; i < 7; i++) {
        ward_train_config next = config;

        if (i == 1) { /* where images lie and how often it is saved does not matter */
            next.data = moved;
            next.checkpoint_seconds++;
        }
        next.seed += i == 2;
        next.arch = i == 3 ? "mlp-16x1-leaky" : config.arch;
        next.data = i == 4 ? renamed : next.data;
        next.wrong_weight += i == 5;
        train_and_take_key(&next, i == 6 ? other : lock, b, again);
        assert_int_equal(memcmp(first, again, sizeof first) == 0, i < 2);
        if (i == 0)
            check_same_file(a, b, "model.safetensors");
        remove_run(b);
    }
    remove_run(a);
}

/* The key depends on the digests of both, which have to be the same when it is needed again. */
static void a_run_that_goes_on_from_another_and_has_a_teacher_finds_its_key_again(void **state)
{
    ward_train_config config = config_of("mlp-16x2-leaky", WARD_METHOD_KEYED);
    ward_train_config base = config_of("mlp-16x2-leaky", WARD_METHOD_BASELINE);
    struct watch watch = {.stop_at = UINT64_MAX};
    uint8_t first[TRANSFORM_SEED_LEN], again[TRANSFORM_SEED_LEN];
    char lock[256], origin[256], whole[256], parts[256], command[600];

    (void)state;
    make_lock("lock-4.key", lock);
    snprintf(origin, sizeof origin, "%s", in_dir("origin"));
    snprintf(whole, sizeof whole, "%s", in_dir("going-on"));
    snprintf(parts, sizeof parts, "%s", in_dir("going-on-parts"));
    base.secret_seed = NULL;
    check_ok(train_whole(origin, &base), "the origin");
    config.secret_seed = NULL;
    config.from = config.teacher = origin;
    train_and_take_key(&config, lock, whole, first);
    /* Killed before the first checkpoint: only the settings are there. */
    check_ok(file_make_directory(parts), parts);
    snprintf(command, sizeof command, "cp '%s/config.json' '%s'", whole, parts);
    assert_int_equal(system(command), 0);
    check_ok(train_locked(parts, NULL, true, lock, &watch), "resumed");
    key_of(parts, again);
    assert_memory_equal(first, again, sizeof first);
    remove_run(origin);
    remove_run(whole);
    remove_run(parts);
}

static void a_run_from_a_lock_key_goes_on_with_it_alone(void **state)
{
    ward_train_config config = config_of("mlp-16x2-leaky", WARD_METHOD_KEYED);
    struct watch watch = {.stop_at = UINT64_MAX};
    char lock[256], other[256], whole[256], parts[256], command[600];

    (void)state;
    make_lock("lock-2.key", lock);
    make_lock("other-2.key", other);
    snprintf(whole, sizeof whole, "%s", in_dir("locked-whole"));
    snprintf(parts, sizeof parts, "%s", in_dir("locked-parts"));
    config.secret_seed = NULL;
    check_ok(train_locked(whole, &config, false, lock, &watch), "whole");
    watch = (struct watch){.stop_at = 3};
    check_refused(train_locked(parts, &config, false, lock, &watch), WARD_ERR_STOPPED, "stopped");
    watch = (struct watch){.stop_at = UINT64_MAX};
    check_refused(train_locked(parts, NULL, true, other, &watch), WARD_ERR_AUTH, "another");
    check_ok(train_locked(parts, NULL, true, NULL, &watch), "from a checkpoint");
    check_same_file(whole, parts, "model.safetensors");
    check_same_file(whole, parts, "transform.ward");
    /* Killed before the first checkpoint: only the settings are there. */
    remove_run(parts);
    check_ok(file_make_directory(parts), parts);
    snprintf(command, sizeof command, "cp '%s/config.json' '%s'", whole, parts);
    assert_int_equal(system(command), 0);
    watch = (struct watch){.stop_at = UINT64_MAX};
    check_refused(train_locked(parts, NULL, true, NULL, &watch), WARD_ERR_AUTH, "is needed");
    check_ok(train_locked(parts, NULL, true, lock, &watch), "from the lock key");
    check_same_file(whole, parts, "model.safetensors");
    remove_run(parts);
    remove_run(whole);
}

static void a_lock_key_goes_with_nothing_else(void **state)
{
    ward_train_config config = config_of("mlp-16x2-leaky", WARD_METHOD_KEYED);
    struct watch watch = {.stop_at = 3};
    const ward_key_options options = {.protection = WARD_PROTECT_FILE};
    char lock[256], owner[256], run[256];

    (void)state;
    make_lock("lock-3.key", lock);
    snprintf(owner, sizeof owner, "%s", in_dir("owner-3.key"));
    check_ok(ward_key_new(owner, WARD_KEY_OWNER, &options, NULL), owner);
    snprintf(run, sizeof run, "%s", in_dir("locked-wrongly"));
    check_refused(train_locked(run, &config, false, lock, &watch), WARD_ERR_ARG, "secret seed");
    config.secret_seed = NULL;
    check_refused(train_locked(run, &config, false, owner, &watch), WARD_ERR_AUTH, "no lock key");
    config.method = WARD_METHOD_GENERATOR;
    config.objective = WARD_OBJECTIVE_PAPER;
    config.wrong_share = 0;
    config.erased_axes = 0;
    check_refused(train_locked(run, &config, false, lock, &watch), WARD_ERR_ARG, "method keyed");
    assert_false(file_exists(run));
    config = config_of("mlp-16x2-leaky", WARD_METHOD_KEYED);
    config.secret_seed = NULL;
    check_refused(train_locked(run, &config, false, NULL, &watch), WARD_ERR_STOPPED, "stopped");
    check_refused(train_locked(run, NULL, true, lock, &watch), WARD_ERR_ARG, "no lock key");
    remove_run(run);
}

static void a_teacher_changes_what_is_learned_and_must_stay_the_same(void **state)
{
    ward_train_config config = config_of("mlp-16x2-leaky", WARD_METHOD_KEYED);
    ward_train_config other = config_of("resnet8", WARD_METHOD_BASELINE);
    struct watch watch = {.stop_at = 3};
    char teacher[256], alone[256], taught[256], parts[256];
    uint8_t *a = NULL, *b = NULL;
    size_t a_len, b_len;

    (void)state;
    snprintf(teacher, sizeof teacher, "%s", in_dir("teacher"));
    snprintf(alone, sizeof alone, "%s", in_dir("alone"));
    snprintf(taught, sizeof taught, "%s", in_dir("taught"));
    snprintf(parts, sizeof parts, "%s", in_dir("taught-parts"));
    other.secret_seed = NULL;
    check_ok(train_whole(teacher, &other), "the teacher");
    check_ok(train_whole(alone, &config), "without");
    config.teacher = teacher;
    check_ok(train_whole(taught, &config), "with");
    check_ok(file_read(in_dir("alone/model.safetensors"), 1 << 28, &a, &a_len), "alone");
    check_ok(file_read(in_dir("taught/model.safetensors"), 1 << 28, &b, &b_len), "taught");
    assert_int_equal(a_len, b_len);
    assert_memory_not_equal(a, b, a_len);
    check_refused(train(parts, &config, false, &watch), WARD_ERR_STOPPED, "stopped");
    watch = (struct watch){.stop_at = UINT64_MAX};
    check_ok(train(parts, &config, true, &watch), "the rest");
    check_same_file(taught, parts, "model.safetensors");
    remove_run(parts);
    watch = (struct watch){.stop_at = 3};
    check_refused(train(parts, &config, false, &watch), WARD_ERR_STOPPED, "stopped");
    remove_run(teacher);
    other.seed = 99;
    check_ok(train_whole(teacher, &other), "another teacher");
    check_refused(train(parts, NULL, true, &watch), WARD_ERR_FORMAT, "has changed");
    mem_free(a);
    mem_free(b);
    remove_run(teacher);
    remove_run(alone);
    remove_run(taught);
    remove_run(parts);
}

/* The teacher's file with something changed that it says of itself. */
static void rewrite_model(const char *from, const char *to, void (*change)(struct model *m))
{
    struct model m = {.data = NULL};

    check_ok(model_read(from, &m), from);
    change(&m);
    model_identify(&m);
    check_ok(model_write(to, &m), to);
    model_release(&m);
}

static void change_range(struct model *m)
{
    m->low = -1;
}

static void change_class(struct model *m)
{
    m->class_names[1][0] ^= 1;
}

static void a_teacher_that_is_locked_or_does_not_fit_is_refused(void **state)
{
    ward_train_config config = config_of("mlp-16x2-leaky", WARD_METHOD_KEYED);
    ward_train_config other = config_of("mlp-16x1", WARD_METHOD_FIXED);
    struct watch watch = {.stop_at = UINT64_MAX};
    char teacher[256], network[256], changed[256], run[256];

    (void)state;
    snprintf(teacher, sizeof teacher, "%s", in_dir("locked-teacher"));
    snprintf(network, sizeof network, "%s", in_dir("locked-teacher/model.safetensors"));
    snprintf(changed, sizeof changed, "%s", in_dir("changed.safetensors"));
    snprintf(run, sizeof run, "%s", in_dir("not-taught"));
    config.teacher = teacher;
    check_ok(train_whole(teacher, &other), "a locked one");
    check_refused(train(run, &config, false, &watch), WARD_ERR_ARG, "is locked (fixed)");
    remove_run(teacher);
    other = config_of("mlp-16x1", WARD_METHOD_BASELINE);
    other.secret_seed = NULL;
    check_ok(train_whole(teacher, &other), "a baseline");
    config.teacher = changed;
    rewrite_model(network, changed, change_range);
    check_refused(train(run, &config, false, &watch), WARD_ERR_ARG, "takes values of -1 to");
    rewrite_model(network, changed, change_class);
    check_refused(train(run, &config, false, &watch), WARD_ERR_ARG, "class 1 of the teacher");
    assert_false(file_exists(run));
    remove_run(teacher);
}

/* Whether the red team takes it that F has not seen what was set apart. */
static bool is_disjoint(const ward_train_config *config)
{
    struct watch watch = {.stop_at = 3};
    ward_run *run = NULL;
    char out[256];
    bool has_shares;

    snprintf(out, sizeof out, "%s", in_dir("divided"));
    check_refused(train(out, config, false, &watch), WARD_ERR_STOPPED, "stopped");
    watch = (struct watch){.stop_at = UINT64_MAX};
    check_ok(train(out, config, true, &watch), "the rest");
    check_ok(ward_run_open(&run, out), out);
    has_shares = run->training.has_shares;
    ward_run_close(run);
    remove_run(out);
    return has_shares;
}

static void a_divided_run_stays_so_if_its_teacher_was_divided_alike(void **state)
{
    ward_train_config config = config_of("mlp-16x2-leaky", WARD_METHOD_KEYED);
    ward_train_config other = config_of("mlp-16x1", WARD_METHOD_BASELINE);
    char teacher[256], network[256];

    (void)state;
    snprintf(teacher, sizeof teacher, "%s", in_dir("divided-teacher"));
    snprintf(network, sizeof network, "%s", in_dir("divided-teacher/model.safetensors"));
    config.splits = other.splits = "redteam";
    config.validation = other.validation = 0;
    other.secret_seed = NULL;
    assert_true(is_disjoint(&config));
    check_ok(train_whole(teacher, &other), "alike");
    config.teacher = teacher;
    assert_true(is_disjoint(&config));
    config.teacher = network; /* says nothing of it */
    assert_false(is_disjoint(&config));
    config.teacher = teacher;
    config.seed++;
    assert_false(is_disjoint(&config));
    config.seed--;
    remove_run(teacher);
    other.splits = NULL;
    check_ok(train_whole(teacher, &other), "on all images");
    assert_false(is_disjoint(&config));
    remove_run(teacher);
}

/* Settings edited by hand name a transform that the checkpoint does not have. */
static void a_run_goes_on_with_the_transform_of_its_checkpoint_alone(void **state)
{
    static const char *const edits[] = {
        "s/\"has_front\": true/\"has_front\": false/",
        "s/\"front_width\": 16/\"front_width\": 8/",
        "s/\"coordinates\": \"cascade\"/\"coordinates\": \"dense\"/",
        "s/\"rounds\": 4/\"rounds\": 5/",
        "s/\"shuffle\": 0/\"codebook\": 4,\\n  \"shuffle\": 0/",
        "s/\"shuffle\": 0/\"shuffle\": 4/",
        "s/\"negative\": 0.0/\"negative\": 0.5/",
        "s/\"has_residual\": false/\"has_residual\": true/",
        "s/\"sigma\": 0.0/\"sigma\": 0.25/",
        "s/\"is_clamped\": false/\"is_clamped\": true/"};
    ward_train_config config = config_of("mlp-16x2-leaky", WARD_METHOD_KEYED);
    char run[256], command[1024];

    (void)state;
    snprintf(run, sizeof run, "%s", in_dir("edited"));
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        struct watch watch = {.stop_at = 3};

        check_refused(train(run, &config, false, &watch), WARD_ERR_STOPPED, "stopped");
        snprintf(command, sizeof command,
                 "cp '%s/config.json' '%s' && sed -i '%s' '%s/config.json'"
                 " && ! cmp -s '%s/config.json' '%s'",
                 run, in_dir("before"), edits[i], run, run, in_dir("before"));
        assert_int_equal(system(command), 0);
        watch = (struct watch){.stop_at = UINT64_MAX};
        check_refused(train(run, NULL, true, &watch), WARD_ERR_FORMAT, "does not fit the settings");
        remove_run(run);
    }
}

static void keyed_alone_is_the_recommended_lock(void **state)
{
    ward_train_config c;

    (void)state;
    check_ok(ward_train_defaults(&c, "fast", NULL, NULL, WARD_METHOD_KEYED), "keyed");
    assert_string_equal(c.arch, "mlp-1024x4-leaky");
    assert_int_equal(c.objective, WARD_OBJECTIVE_CHANCE);
    assert_true(c.has_front && c.erased_axes > 0 && c.wrong_share > 0 && c.gamma == 0 &&
                c.sigma == 0);
    assert_int_equal(c.coordinates, WARD_COORDINATES_CASCADE);
    check_ok(ward_train_defaults(&c, "fast", NULL, NULL, WARD_METHOD_GENERATOR), "generator");
    assert_null(c.arch);
    assert_int_equal(c.objective, WARD_OBJECTIVE_PAPER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_network_takes_from_a_lock_key_follows_the_written_derivation),
        cmocka_unit_test(a_lock_key_gives_the_same_transform_again_and_each_training_its_own),
        cmocka_unit_test(a_run_that_goes_on_from_another_and_has_a_teacher_finds_its_key_again),
        cmocka_unit_test(a_run_from_a_lock_key_goes_on_with_it_alone),
        cmocka_unit_test(a_lock_key_goes_with_nothing_else),
        cmocka_unit_test(a_teacher_changes_what_is_learned_and_must_stay_the_same),
        cmocka_unit_test(a_teacher_that_is_locked_or_does_not_fit_is_refused),
        cmocka_unit_test(a_divided_run_stays_so_if_its_teacher_was_divided_alike),
        cmocka_unit_test(a_run_goes_on_with_the_transform_of_its_checkpoint_alone),
        cmocka_unit_test(keyed_alone_is_the_recommended_lock),
    };

    return cmocka_run_group_tests(tests, enter, leave);
}
