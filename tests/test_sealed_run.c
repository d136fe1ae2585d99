/* Runs that are sealed: trained, stopped, resumed, granted, revoked, relocked. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "alloc_test.h"
#include "base/file.h"
#include "key/seal.h"
#include "model/model.h"
#include "pictures_fixture.h"
#include "train/leaked.h"
#include "ward/ward.h"

enum { TRAIN_IMAGES = 8, TEST_IMAGES = 4, STEPS = 6 };

static char dir[64] = "/tmp/ward-test-sealed-XXXXXX";
static ward_device *device;
static char *owner_key, *user_key;

#define assert_ok(call) check_ok((call), #call)
#define assert_fails(call, status, word) check_fails((call), (status), (word), #call)

static void check_ok(ward_status st, const char *what)
{
    if (st)
        fail_msg("%s: %s (%s)", what, ward_status_name(st), ward_error_message());
}

static void check_fails(ward_status st, ward_status wanted, const char *word, const char *what)
{
    if (st != wanted || !strstr(ward_error_message(), word))
        fail_msg("%s: %s (%s), expected %s with '%s'", what, ward_status_name(st),
                 ward_error_message(), ward_status_name(wanted), word);
}

/* One of a few buffers in turn. */
static const char *in_dir(const char *name)
{
    static char buffers[8][256];
    static unsigned next;
    char *buffer = buffers[next++ % 8];

    snprintf(buffer, sizeof buffers[0], "%s/%s", dir, name);
    return buffer;
}

static int enter(void **state)
{
    const ward_key_options plain = {.protection = WARD_PROTECT_FILE};

    (void)state;
    ward_set_threads(1);
    if (!mkdtemp(dir) || setenv("XDG_DATA_HOME", dir, 1) != 0)
        return -1;
    pictures_make(in_dir("data"), TRAIN_IMAGES, TEST_IMAGES);
    return ward_device_open(&device, "ref") ||
           ward_key_new(in_dir("owner.key"), WARD_KEY_OWNER, &plain, &owner_key) ||
           ward_key_new(in_dir("other.key"), WARD_KEY_OWNER, &plain, NULL) ||
           ward_key_new(in_dir("user.key"), WARD_KEY_USER, &plain, &user_key);
}

static int leave(void **state)
{
    char command[128];

    (void)state;
    ward_string_free(owner_key);
    ward_string_free(user_key);
    ward_device_close(device);
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command);
}

static ward_keys *keys_of(const char *name)
{
    ward_keys *keys = NULL;

    assert_ok(ward_keys_new(&keys, &(ward_keys_options){.identity = in_dir(name)}));
    return keys;
}

static void copy(const char *from, const char *to)
{
    char command[600];

    snprintf(command, sizeof command, "rm -rf '%s' && cp -r '%s' '%s'", in_dir(to), in_dir(from),
             in_dir(to));
    assert_int_equal(system(command), 0);
}

static void check_same_files(const char *a_path, const char *b_path)
{
    uint8_t *a = NULL, *b = NULL;
    size_t a_len = 0, b_len = 0;

    assert_ok(file_read(in_dir(a_path), 1 << 24, &a, &a_len));
    assert_ok(file_read(in_dir(b_path), 1 << 24, &b, &b_len));
    assert_int_equal(a_len, b_len);
    assert_memory_equal(a, b, a_len);
    mem_free(a);
    mem_free(b);
}

/* ---- training ---- */

static bool stop_at(void *context, const ward_train_progress *progress)
{
    return progress->iteration < *(const uint64_t *)context;
}

static ward_train_config config_of(ward_method method)
{
    static char data[256];
    ward_train_config config;

    assert_ok(ward_train_defaults(&config, "fast", NULL, "simple-cnn", method));
    snprintf(data, sizeof data, "%s", in_dir("data"));
    config.data = data;
    config.iterations = STEPS;
    config.batch = 4;
    config.raw_share = 0.5;
    config.generator_width = 3;
    config.validation = 0;
    config.owner = owner_key;
    config.recipients = user_key;
    return config;
}

static ward_status train(const char *run, const ward_train_config *config, const char *key,
                         uint64_t steps)
{
    ward_keys *keys = key ? keys_of(key) : NULL;
    const ward_train_options options = {.out = in_dir(run),
                                        .is_resumed = !config,
                                        .keys = keys,
                                        .progress = stop_at,
                                        .context = &steps};
    ward_status st = ward_train(device, config, &options);

    ward_keys_free(keys);
    return st;
}

static void make_run(const char *run)
{
    ward_train_config config = config_of(WARD_METHOD_GENERATOR);

    if (!file_exists(in_dir(run)))
        assert_ok(train(run, &config, NULL, UINT64_MAX));
}

static void read_transform(const char *path, const char *key, struct transform *out)
{
    struct transform_owner owner;
    ward_keys *keys = keys_of(key);

    *out = (struct transform){.params = {NULL, 0}};
    assert_ok(transform_file_read(path, NULL, keys, out, &owner));
    ward_keys_free(keys);
}

static void check_same_transform(const char *a_path, const char *b_path)
{
    struct transform a, b;

    read_transform(a_path, "owner.key", &a);
    read_transform(b_path, "user.key", &b);
    assert_memory_equal(a.seed, b.seed, sizeof a.seed);
    assert_int_equal(a.params.count, b.params.count);
    for (size_t i = 0; i < a.params.count; i++)
        assert_memory_equal(a.params.items[i].data, b.params.items[i].data,
                            shape_count(&a.params.items[i].shape) * sizeof(float));
    transform_release(&a);
    transform_release(&b);
}

static void test_a_training_that_is_resumed_from_sealed_checkpoints_comes_to_the_same(void **state)
{
    ward_train_config config = config_of(WARD_METHOD_GENERATOR);

    (void)state;
    assert_fails(train("once", &config, NULL, 2), WARD_ERR_STOPPED, "");
    copy("once", "often");
    assert_ok(train("once", NULL, "owner.key", UINT64_MAX));
    for (uint64_t step = 3; step < STEPS; step++)
        assert_fails(train("often", NULL, "owner.key", step), WARD_ERR_STOPPED, "");
    assert_ok(train("often", NULL, "owner.key", UINT64_MAX));
    check_same_transform(in_dir("once/transform.ward"), in_dir("often/transform.ward"));
}

static void test_a_sealed_checkpoint_is_the_owners_alone(void **state)
{
    ward_train_config config = config_of(WARD_METHOD_LEARNED);

    (void)state;
    assert_fails(train("begun", &config, NULL, 2), WARD_ERR_STOPPED, "");
    assert_fails(train("begun", NULL, "user.key", UINT64_MAX), WARD_ERR_AUTH, "checkpoint.ward");
    assert_fails(train("begun", NULL, "other.key", UINT64_MAX), WARD_ERR_AUTH, "checkpoint.ward");
    assert_fails(train("begun", NULL, NULL, UINT64_MAX), WARD_ERR_AUTH, "no key");
    assert_ok(train("begun", NULL, "owner.key", UINT64_MAX));
}

static void test_what_is_no_secret_is_not_sealed(void **state)
{
    static const uint8_t seed[32] = {1};
    ward_train_config config = config_of(WARD_METHOD_BASELINE);

    (void)state;
    assert_fails(train("none", &config, NULL, 1), WARD_ERR_ARG, "nothing to seal");
    config = config_of(WARD_METHOD_FIXED);
    config.secret_seed = seed;
    assert_fails(train("none", &config, NULL, 1), WARD_ERR_ARG, "nothing to seal");
    config = config_of(WARD_METHOD_FIXED);
    config.owner = NULL;
    assert_fails(train("none", &config, NULL, 1), WARD_ERR_ARG, "no owner");
    config.owner = user_key;
    assert_fails(train("none", &config, NULL, 1), WARD_ERR_ARG, "owner's key");
    config.owner = owner_key;
    config.recipients = "ward-user:x";
    assert_fails(train("none", &config, NULL, 1), WARD_ERR_ARG, "public key");
    assert_false(file_exists(in_dir("none")));
}

static void test_a_run_that_is_sealed_on_the_way_goes_on_sealed(void **state)
{
    ward_train_config config = config_of(WARD_METHOD_FIXED);
    const char *const users[] = {user_key, NULL};
    ward_keys *keys = keys_of("owner.key");
    ward_run *run = NULL;

    (void)state;
    config.owner = config.recipients = NULL;
    assert_fails(train("plain", &config, NULL, 2), WARD_ERR_STOPPED, "");
    assert_ok(ward_run_seal(in_dir("plain"), keys, users, NULL));
    assert_fails(train("plain", NULL, NULL, UINT64_MAX), WARD_ERR_AUTH, "no key");
    assert_ok(train("plain", NULL, "owner.key", UINT64_MAX));
    ward_keys_free(keys);
    assert_fails(ward_run_open(&run, in_dir("plain")), WARD_ERR_AUTH, "sealed");
    keys = keys_of("user.key");
    assert_ok(ward_run_open_with(&run, in_dir("plain"), keys));
    ward_run_close(run);
    ward_keys_free(keys);
}

/* ---- users ---- */

static void test_a_thousand_users_can_be_granted_and_one_revoked(void **state)
{
    enum { USERS = 1000 };
    static char texts[USERS][PUBLIC_TEXT_MAX];
    const char *users[USERS];
    ward_keys *keys = keys_of("owner.key"), *theirs;
    ward_grant *grants = NULL;
    ward_run *run = NULL;
    uint8_t *data = NULL;
    size_t count = 0, len = 0;

    (void)state;
    make_run("trained");
    copy("trained", "crowd");
    for (int i = 0; i < USERS; i++) {
        struct identity user = IDENTITY_INIT;

        assert_ok(identity_new(WARD_KEY_USER, &user));
        public_key_format(&user.public, texts[i]);
        identity_release(&user);
        users[i] = texts[i];
    }
    assert_ok(ward_run_grant(in_dir("crowd"), keys, users, USERS, "someone"));
    assert_ok(ward_run_revoke(in_dir("crowd"), keys, users[500]));
    assert_ok(ward_run_grants(in_dir("crowd"), keys, &grants, &count));
    assert_int_equal(count, USERS); /* with the first one, without the revoked */
    for (size_t i = 0; i < count; i++)
        assert_string_not_equal(grants[i].public_key, users[500]);
    assert_fails(ward_run_revoke(in_dir("crowd"), keys, "someone"), WARD_ERR_ARG, "more than one");
    assert_ok(file_read(in_dir("crowd/transform.ward"), 1 << 24, &data, &len));
    if (len >= 300 * 1000)
        fail_msg("%zu bytes for %d users, expected fewer than 300,000", len, USERS);
    theirs = keys_of("user.key");
    assert_ok(ward_run_open_with(&run, in_dir("crowd"), theirs));
    ward_run_close(run);
    mem_free(data);
    ward_grants_free(grants);
    ward_keys_free(theirs);
    ward_keys_free(keys);
}

static ward_status grant_and_revoke(void *context)
{
    ward_keys *keys = NULL;
    ward_grant *grants = NULL;
    size_t count = 0;
    ward_status st = ward_keys_new(&keys, &(ward_keys_options){.identity = in_dir("owner.key")});
    const char *const users[] = {context};

    if (!st)
        st = ward_run_seal(in_dir("fragile"), keys, NULL, &(ward_terms){.uses = 7});
    if (!st)
        st = ward_run_grant(in_dir("fragile"), keys, users, 1, "bob");
    if (!st)
        st = ward_run_grants(in_dir("fragile"), keys, &grants, &count);
    if (!st)
        st = ward_run_revoke(in_dir("fragile"), keys, "bob");
    if (!st)
        st = ward_run_verify(in_dir("fragile"), owner_key, NULL);
    ward_grants_free(grants);
    ward_keys_free(keys);
    return st;
}

static void test_no_failing_allocation_leaks_or_spoils_a_run(void **state)
{
    struct identity bob = IDENTITY_INIT;
    char text[PUBLIC_TEXT_MAX];

    (void)state;
    make_run("trained");
    copy("trained", "fragile");
    assert_ok(identity_new(WARD_KEY_USER, &bob));
    public_key_format(&bob.public, text);
    identity_release(&bob);
    assert_true(assert_survives_failing_allocations(grant_and_revoke, text) > 50);
    check_same_transform(in_dir("trained/transform.ward"), in_dir("fragile/transform.ward"));
}

/* Else a training that ends could write in plain what was sealed meanwhile. */
static void test_nothing_is_changed_while_another_process_works_on_a_run(void **state)
{
    const char *const users[] = {user_key};
    ward_keys *keys = keys_of("owner.key"), *next = keys_of("other.key");
    ward_grant *grants = NULL;
    size_t count;
    char run[256];
    int lock = -1;

    (void)state;
    make_run("trained");
    copy("trained", "busy");
    snprintf(run, sizeof run, "%s", in_dir("busy"));
    assert_ok(file_lock(run, &lock));
    assert_fails(ward_run_seal(run, keys, NULL, NULL), WARD_ERR_BUSY, "in use");
    assert_fails(ward_run_grant(run, keys, users, 1, NULL), WARD_ERR_BUSY, "in use");
    assert_fails(ward_run_revoke(run, keys, user_key), WARD_ERR_BUSY, "in use");
    assert_fails(ward_run_grants(run, keys, &grants, &count), WARD_ERR_BUSY, "in use");
    assert_fails(ward_run_rotate(run, keys, next), WARD_ERR_BUSY, "in use");
    file_unlock(lock);
    assert_ok(ward_run_rotate(run, keys, next));
    ward_keys_free(next);
    ward_keys_free(keys);
}

static void append(const char *path)
{
    const uint8_t byte = 0;

    assert_ok(file_append(in_dir(path), &byte, 1, 0));
}

/* Killed before it has signed, it signs when it is done again; but not what others have put there
 * meanwhile. */
static void test_a_rotation_that_is_done_again_signs_what_was_signed(void **state)
{
    ward_keys *keys = keys_of("owner.key"), *next = keys_of("other.key");
    char *next_key = NULL, run[256];

    (void)state;
    make_run("trained");
    copy("trained", "handed");
    snprintf(run, sizeof run, "%s", in_dir("handed"));
    assert_ok(ward_key_public(in_dir("other.key"), &next_key));
    assert_ok(ward_run_seal(run, keys, NULL, NULL));
    copy("handed/manifest.ward", "manifest.before");
    assert_ok(ward_run_rotate(run, keys, next));
    copy("handed", "signed");
    copy("manifest.before", "handed/manifest.ward");
    copy("handed", "killed");
    assert_ok(ward_run_rotate(run, keys, next));
    assert_ok(ward_run_verify(run, next_key, NULL));

    append("killed/model.safetensors");
    assert_fails(ward_run_rotate(in_dir("killed"), keys, next), WARD_ERR_AUTH, "model.safetensors");
    append("signed/other.onnx");
    assert_fails(ward_run_rotate(in_dir("signed"), keys, next), WARD_ERR_AUTH, "other.onnx");
    append("handed/transform.ward");
    assert_fails(ward_run_rotate(run, keys, next), WARD_ERR_AUTH, "transform.ward");
    ward_string_free(next_key);
    ward_keys_free(next);
    ward_keys_free(keys);
}

static void test_what_cannot_be_signed_is_neither_granted_nor_revoked(void **state)
{
    struct identity bob = IDENTITY_INIT;
    char text[PUBLIC_TEXT_MAX];
    const char *const users[] = {text};
    ward_keys *keys = keys_of("owner.key");

    (void)state;
    make_run("trained");
    copy("trained", "headless");
    assert_int_equal(unlink(in_dir("headless/model.safetensors")), 0);
    assert_ok(identity_new(WARD_KEY_USER, &bob));
    public_key_format(&bob.public, text);
    identity_release(&bob);
    assert_fails(ward_run_grant(in_dir("headless"), keys, users, 1, NULL), WARD_ERR_IO,
                 "model.safetensors");
    assert_fails(ward_run_revoke(in_dir("headless"), keys, user_key), WARD_ERR_IO,
                 "model.safetensors");
    check_same_files("trained/transform.ward", "headless/transform.ward");
    ward_keys_free(keys);
}

/* ---- a leak ---- */

static void test_every_other_raw_row_is_processed_by_the_leaked_transform(void **state)
{
    enum { IMAGE = SIDE * SIDE, ROWS = 5 };
    const struct net_spec spec = {.channels = 1, .height = SIDE, .width = SIDE, .classes = CLASSES};
    struct leaked leaked = {.run = NULL};
    ward_keys *keys = keys_of("user.key");
    ward_session *session = NULL;
    float x[ROWS * IMAGE], wanted[ROWS * IMAGE], processed[ROWS * IMAGE];

    (void)state;
    make_run("trained");
    for (int i = 0; i < ROWS * IMAGE; i++)
        x[i] = wanted[i] = (float)(i % 17) / 16;
    assert_ok(leaked_init(&leaked, device, in_dir("trained"), keys, &spec, ROWS / 2));
    assert_ok(ward_session_new(&session, leaked.run, device, ROWS));
    assert_ok(ward_session_transform(session, ROWS, x, processed));
    for (int row = 1; row < ROWS; row += 2)
        memcpy(wanted + row * IMAGE, processed + row * IMAGE, IMAGE * sizeof *wanted);
    assert_ok(leaked_apply(&leaked, x));
    for (int i = 0; i < ROWS * IMAGE; i++)
        if (fabsf(x[i] - wanted[i]) > 1e-6f)
            fail_msg("value %d is %g, expected %g", i, (double)x[i], (double)wanted[i]);
    ward_session_free(session);
    leaked_release(&leaked);
    ward_keys_free(keys);
}

static ward_status relock_run(const char *run, const char *out, const char *without,
                              ward_relock_result *result)
{
    ward_keys *keys = keys_of("owner.key");
    const ward_relock_options options = {
        .run = in_dir(run), .out = in_dir(out), .keys = keys, .without = without, .iterations = 3};
    ward_status st = ward_relock(device, &options, result);

    ward_keys_free(keys);
    return st;
}

static ward_status relock(const char *out, const char *without, ward_relock_result *result)
{
    return relock_run("trained", out, without, result);
}

static void open_run(const char *run, ward_run **out)
{
    ward_keys *keys = keys_of("owner.key");

    assert_ok(ward_run_open_with(out, in_dir(run), keys));
    ward_keys_free(keys);
}

/* How many test images F of one run knows, processed by G of another. */
static int count_right(const char *f_run, const char *g_run)
{
    enum { N = CLASSES * TEST_IMAGES, IMAGE = SIDE * SIDE };
    static float x[N * IMAGE], p[N * CLASSES];
    static int32_t labels[N];
    ward_run *f = NULL, *g = NULL;
    ward_session *of_f = NULL, *of_g = NULL;
    ward_dataset *data = NULL;
    int right = 0;

    open_run(f_run, &f);
    open_run(g_run, &g);
    assert_ok(ward_dataset_open(&data, in_dir("data")));
    assert_ok(ward_dataset_read(data, WARD_SPLIT_TEST, 0, N, x, labels));
    assert_ok(ward_session_new(&of_f, f, device, N));
    assert_ok(ward_session_new(&of_g, g, device, N));
    assert_ok(ward_session_transform(of_g, N, x, x));
    assert_ok(ward_session_predict(of_f, N, x, true, p));
    for (int i = 0; i < N; i++) {
        int best = 0;

        for (int c = 1; c < CLASSES; c++)
            if (p[i * CLASSES + c] > p[i * CLASSES + best])
                best = c;
        right += best == labels[i];
    }
    ward_session_free(of_f);
    ward_session_free(of_g);
    ward_dataset_free(data);
    ward_run_close(f);
    ward_run_close(g);
    return right;
}

static void test_a_training_looks_at_the_leaked_transform(void **state)
{
    static const uint8_t seed[32] = {7};
    ward_train_config config = config_of(WARD_METHOD_GENERATOR);
    char leaked[256];
    uint8_t *models[3];
    size_t lens[3];

    (void)state;
    make_run("trained");
    snprintf(leaked, sizeof leaked, "%s", in_dir("trained"));
    config.from = leaked;
    config.secret_seed = seed;
    config.owner = config.recipients = NULL;
    for (int i = 0; i < 3; i++) { /* the last without it */
        char name[16], model[64];

        config.leaked = i < 2 ? leaked : NULL;
        snprintf(name, sizeof name, "leaked-%d", i);
        snprintf(model, sizeof model, "%s/model.safetensors", name);
        assert_ok(train(name, &config, "owner.key", UINT64_MAX));
        assert_ok(file_read(in_dir(model), 1 << 24, &models[i], &lens[i]));
    }
    assert_int_equal(lens[0], lens[1]);
    assert_int_equal(lens[0], lens[2]);
    assert_memory_equal(models[0], models[1], lens[0]);
    assert_memory_not_equal(models[0], models[2], lens[0]);
    for (int i = 0; i < 3; i++)
        mem_free(models[i]);
}

/* An owner's terms would otherwise end with the transform that leaked. */
static void test_relocking_keeps_names_and_terms(void **state)
{
    const ward_terms terms = {.expires = "2199-12-31", .uses = 7};
    const char *const users[] = {user_key};
    ward_keys *keys = keys_of("owner.key");
    ward_manifest_info info;
    ward_relock_result result;
    ward_grant *grants = NULL;
    size_t count = 0;

    (void)state;
    make_run("trained");
    copy("trained", "termed");
    assert_ok(ward_run_revoke(in_dir("termed"), keys, user_key));
    assert_ok(ward_run_grant(in_dir("termed"), keys, users, 1, "alice"));
    assert_ok(ward_run_seal(in_dir("termed"), keys, NULL, &terms));
    assert_ok(relock_run("termed", "termed-again", NULL, &result));
    assert_ok(ward_run_grants(in_dir("termed-again"), keys, &grants, &count));
    assert_int_equal(count, 1);
    assert_string_equal(grants[0].public_key, user_key);
    assert_string_equal(grants[0].name, "alice");
    assert_ok(ward_run_verify(in_dir("termed-again"), owner_key, &info));
    assert_string_equal(info.expires, terms.expires);
    assert_int_equal(info.uses, terms.uses);
    ward_grants_free(grants);
    ward_keys_free(keys);
}

/* What happens to the old run while the new one is trained. */
struct meanwhile {
    char run[256], out[256];
    bool is_user_revoked; /* else another process begins to work there */
    bool is_done;
    int lock;
};

static bool change_old(void *context, const ward_train_progress *progress)
{
    struct meanwhile *m = context;
    ward_keys *keys;

    if (progress->iteration == 0 || m->is_done)
        return true;
    m->is_done = true;
    if (m->is_user_revoked) {
        keys = keys_of("owner.key");
        assert_ok(ward_run_revoke(m->run, keys, user_key));
        ward_keys_free(keys);
    } else {
        assert_ok(file_lock(m->run, &m->lock));
    }
    return true;
}

static size_t count_users(const char *run)
{
    ward_keys *keys = keys_of("owner.key");
    ward_grant *grants = NULL;
    size_t count = 0;

    assert_ok(ward_run_grants(in_dir(run), keys, &grants, &count));
    ward_grants_free(grants);
    ward_keys_free(keys);
    return count;
}

static void test_relocking_goes_by_the_users_of_its_beginning_less_the_revoked(void **state)
{
    ward_keys *keys = keys_of("owner.key");
    ward_relock_result result;

    (void)state;
    make_run("trained");
    for (int i = 0; i < 2; i++) {
        struct meanwhile meanwhile = {.is_user_revoked = i == 0, .lock = -1};
        const ward_relock_options options = {.run = meanwhile.run,
                                             .out = meanwhile.out,
                                             .keys = keys,
                                             .iterations = 3,
                                             .progress = change_old,
                                             .context = &meanwhile};

        copy("trained", "moving");
        snprintf(meanwhile.run, sizeof meanwhile.run, "%s", in_dir("moving"));
        snprintf(meanwhile.out, sizeof meanwhile.out, "%s", in_dir(i == 0 ? "fewer" : "all"));
        assert_ok(ward_relock(device, &options, &result));
        assert_true(meanwhile.is_done);
        file_unlock(meanwhile.lock);
    }
    assert_int_equal(count_users("all"), 1);
    assert_int_equal(count_users("fewer"), 0);
    ward_keys_free(keys);
}

static void test_relocking_again_keeps_what_the_owner_gave_the_new_run(void **state)
{
    ward_keys *keys = keys_of("owner.key");
    ward_manifest_info info;
    ward_relock_result result;

    (void)state;
    make_run("trained");
    assert_ok(relock("given", NULL, &result));
    assert_ok(ward_run_seal(in_dir("given"), keys, NULL, &(ward_terms){.uses = 9}));
    assert_ok(relock("given", NULL, &result));
    assert_ok(ward_run_verify(in_dir("given"), owner_key, &info));
    assert_int_equal(info.uses, 9);
    ward_keys_free(keys);
}

static void test_relocking_makes_another_transform_for_the_same_users(void **state)
{
    struct transform old, new;
    ward_relock_result result;

    (void)state;
    make_run("trained");
    assert_ok(relock("relocked", NULL, &result));
    assert_int_equal(result.count, CLASSES * TEST_IMAGES);
    assert_true(fabs(result.old_transform * (double)result.count -
                     count_right("relocked", "trained")) < 1e-6);
    assert_true(fabs(result.authorised * (double)result.count -
                     count_right("relocked", "relocked")) < 1e-6);
    read_transform(in_dir("trained/transform.ward"), "user.key", &old);
    read_transform(in_dir("relocked/transform.ward"), "user.key", &new);
    assert_memory_not_equal(old.seed, new.seed, sizeof old.seed);
    transform_release(&old);
    transform_release(&new);
    assert_ok(ward_run_verify(in_dir("relocked"), owner_key, NULL));
    assert_ok(relock("relocked", NULL, &result)); /* again: there is nothing left to do */
    assert_fails(relock("nobody", "nobody", &result), WARD_ERR_ARG, "no user");
    assert_ok(relock("without", user_key, &result));
    assert_true(file_exists(in_dir("without/transform.ward")));
    assert_fails(relock("relocked", user_key, &result), WARD_ERR_EXISTS, "for other users");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_training_that_is_resumed_from_sealed_checkpoints_comes_to_the_same),
        cmocka_unit_test(test_a_sealed_checkpoint_is_the_owners_alone),
        cmocka_unit_test(test_what_is_no_secret_is_not_sealed),
        cmocka_unit_test(test_a_run_that_is_sealed_on_the_way_goes_on_sealed),
        cmocka_unit_test(test_a_thousand_users_can_be_granted_and_one_revoked),
        cmocka_unit_test(test_no_failing_allocation_leaks_or_spoils_a_run),
        cmocka_unit_test(test_nothing_is_changed_while_another_process_works_on_a_run),
        cmocka_unit_test(test_a_rotation_that_is_done_again_signs_what_was_signed),
        cmocka_unit_test(test_what_cannot_be_signed_is_neither_granted_nor_revoked),
        cmocka_unit_test(test_every_other_raw_row_is_processed_by_the_leaked_transform),
        cmocka_unit_test(test_a_training_looks_at_the_leaked_transform),
        cmocka_unit_test(test_relocking_keeps_names_and_terms),
        cmocka_unit_test(test_relocking_goes_by_the_users_of_its_beginning_less_the_revoked),
        cmocka_unit_test(test_relocking_again_keeps_what_the_owner_gave_the_new_run),
        cmocka_unit_test(test_relocking_makes_another_transform_for_the_same_users),
    };

    return cmocka_run_group_tests(tests, enter, leave);
}
