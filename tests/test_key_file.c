/* Key files, public keys and manifests: what opens, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "alloc_test.h"
#include "base/file.h"
#include "key/key_file.h"
#include "key/keys.h"
#include "key/manifest.h"
#include "key/versions.h"
#include "seal_fixture.h"

static const char right[] = "correct horse";

/* As cheap as the interface allows. */
static ward_key_options cheap(void)
{
    return (ward_key_options){.protection = WARD_PROTECT_PASSPHRASE,
                              .passphrase = right,
                              .passphrase_len = strlen(right),
                              .memory_mib = 1,
                              .passes = 1};
}

struct typist {
    const char *text;
    int asked;
};

static bool type(void *context, const char *path, bool is_pin, char *out, size_t max, size_t *len)
{
    struct typist *typist = context;

    (void)path;
    assert_false(is_pin);
    typist->asked++;
    if (!typist->text)
        return false;
    assert_true(strlen(typist->text) <= max);
    memcpy(out, typist->text, strlen(typist->text));
    *len = strlen(typist->text);
    return true;
}

static ward_status open_file(const struct wr *file, const char *passphrase, struct identity *out)
{
    struct typist typist = {passphrase, 0};
    const struct key_source source = {"a.key", type, &typist, NULL};

    return key_file_parse(file->data, file->len, &source, out);
}

static void make(ward_key_type kind, const ward_key_options *options, struct identity *identity,
                 struct wr *file)
{
    *identity = (struct identity)IDENTITY_INIT;
    *file = (struct wr)WR_INIT;
    assert_ok(identity_new(kind, identity));
    assert_ok(key_file_build(identity, options, file));
}

static void check_same(const struct identity *a, const struct identity *b)
{
    assert_true(public_keys_equal(&a->public, &b->public));
    assert_int_equal(a->secret.len, b->secret.len);
    assert_memory_equal(a->secret.data, b->secret.data, a->secret.len);
}

static void test_a_key_file_gives_back_the_pair(void **state)
{
    const ward_key_options all[] = {cheap(), {.protection = WARD_PROTECT_FILE}};

    (void)state;
    for (int kind = WARD_KEY_USER; kind <= WARD_KEY_LOCK; kind++)
        for (size_t i = 0; i < 2; i++) {
            struct identity made, back = IDENTITY_INIT;
            struct public_key public;
            struct wr file;

            make((ward_key_type)kind, &all[i], &made, &file);
            assert_ok(key_file_public(file.data, file.len, &public));
            assert_true(public_keys_equal(&public, &made.public));
            assert_ok(open_file(&file, right, &back));
            check_same(&made, &back);
            identity_release(&back);
            identity_release(&made);
            wr_release(&file);
        }
}

static void test_the_secret_half_is_not_readable_under_a_passphrase(void **state)
{
    const ward_key_options options = cheap();
    struct identity made;
    struct wr file;

    (void)state;
    make(WARD_KEY_OWNER, &options, &made, &file);
    assert_null(memmem(file.data, file.len, made.secret.data, 16));
    identity_release(&made);
    wr_release(&file);
}

static void test_a_wrong_passphrase_or_none_is_denied(void **state)
{
    const ward_key_options options = cheap();
    struct identity made, back = IDENTITY_INIT;
    struct wr file;

    (void)state;
    make(WARD_KEY_USER, &options, &made, &file);
    assert_fails(open_file(&file, "correct hors", &back), WARD_ERR_AUTH, "wrong passphrase");
    assert_fails(open_file(&file, "", &back), WARD_ERR_AUTH, "wrong passphrase");
    assert_fails(open_file(&file, NULL, &back), WARD_ERR_AUTH, "is needed");
    assert_null(back.secret.data);
    identity_release(&made);
    wr_release(&file);
}

static void check_every_change_is_rejected(ward_key_type kind)
{
    const ward_key_options options = {.protection = WARD_PROTECT_FILE};
    struct identity made, back = IDENTITY_INIT;
    struct wr file;

    make(kind, &options, &made, &file);
    for (size_t bit = 0; bit < 8 * file.len; bit++) {
        ward_status st;

        file.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        st = open_file(&file, NULL, &back);
        file.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if ((st != WARD_ERR_AUTH && st != WARD_ERR_FORMAT) || back.secret.data)
            fail_msg("bit %zu: %s", bit, ward_status_name(st));
    }
    for (size_t len = 0; len < file.len; len++) {
        struct wr cut = WR_INIT;

        wr_bytes(&cut, file.data, len);
        assert_fails(open_file(&cut, NULL, &back), WARD_ERR_FORMAT, "");
        wr_release(&cut);
    }
    assert_ok(open_file(&file, NULL, &back));
    identity_release(&back);
    identity_release(&made);
    wr_release(&file);
}

/* Unprotected, so that no bit is hidden behind a slow passphrase: all 2,300 are tried. */
static void test_any_flipped_bit_and_any_truncation_is_rejected(void **state)
{
    (void)state;
    check_every_change_is_rejected(WARD_KEY_OWNER);
    check_every_change_is_rejected(WARD_KEY_LOCK);
}

/* ---- lock keys ---- */

/* Of the key 00 01 .. 1f, worked out by tests/keyed_tables.py. */
static void test_the_fingerprint_of_a_lock_key_follows_the_written_derivation(void **state)
{
    static const uint8_t expected[] = {0x5f, 0xb4, 0x2f, 0x0c, 0x27, 0x59, 0x4d, 0xb0,
                                       0xf5, 0xbf, 0x7a, 0xcb, 0xb5, 0x02, 0xb9, 0x9d,
                                       0x59, 0x65, 0x4d, 0xc4, 0xe1, 0xac, 0xf0, 0x65,
                                       0xb6, 0xb1, 0x77, 0xee, 0xd7, 0x3d, 0x12, 0xab};
    struct public_key public = {.type = WARD_KEY_LOCK};
    struct secret secret = SECRET_INIT;
    struct identity lock = IDENTITY_INIT;
    char text[PUBLIC_TEXT_MAX];

    (void)state;
    assert_ok(secret_init(&secret, 32));
    for (size_t i = 0; i < 32; i++)
        secret.data[i] = (uint8_t)i;
    assert_fails(identity_take(&public, &secret, &lock), WARD_ERR_AUTH, "not that");
    memcpy(public.x25519, expected, sizeof expected);
    assert_ok(identity_take(&public, &secret, &lock));
    public_key_format(&lock.public, text);
    assert_true(strncmp(text, "ward-lock:", 10) == 0);
    assert_fails(public_key_parse(text, strlen(text), &public), WARD_ERR_ARG, "not a public key");
    identity_release(&lock);
}

static char folder[] = "/tmp/ward-test-keys-XXXXXX";

static int folder_make(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int folder_remove(void **state)
{
    char command[64];

    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static const char *in_folder(const char *name)
{
    static char path[256];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void test_a_lock_key_opens_nothing_and_a_pair_locks_nothing(void **state)
{
    const ward_key_options options = {.protection = WARD_PROTECT_FILE};
    const struct identity *found;
    ward_keys_options opening = {.ask = NULL};
    ward_key_info info;
    ward_keys *keys = NULL;
    char lock[256], user[256], copy[256], *text = NULL;
    size_t count;

    (void)state;
    snprintf(lock, sizeof lock, "%s", in_folder("a.lock"));
    snprintf(user, sizeof user, "%s", in_folder("a.user"));
    snprintf(copy, sizeof copy, "%s", in_folder("b.lock"));
    assert_ok(ward_key_new(lock, WARD_KEY_LOCK, &options, &text));
    assert_ok(ward_key_new(user, WARD_KEY_USER, &options, NULL));
    assert_false(file_exists(in_folder("a.lock.pub")));
    assert_ok(ward_key_describe(lock, &info));
    assert_int_equal(info.type, WARD_KEY_LOCK);
    assert_int_equal(info.protections, 1u << WARD_PROTECT_FILE);
    assert_string_equal(info.fingerprint, text);
    ward_string_free(text);
    assert_fails(ward_key_public(lock, &text), WARD_ERR_FORMAT, "lock key");

    opening.identity = lock;
    assert_ok(ward_keys_new(&keys, &opening));
    assert_fails(keys_load(keys, &found, &count), WARD_ERR_AUTH, "opens nothing");
    assert_fails(keys_owner(keys, &found), WARD_ERR_AUTH, "opens nothing");
    assert_ok(keys_lock(keys, &found));
    assert_int_equal(found->secret.len, 32);
    assert_ok(ward_key_copy(keys, copy,
                            &(ward_key_options){.protection = WARD_PROTECT_PASSPHRASE,
                                                .passphrase = right,
                                                .passphrase_len = strlen(right),
                                                .memory_mib = 1,
                                                .passes = 1}));
    ward_keys_free(keys);
    assert_ok(ward_key_describe(copy, &info));
    assert_int_equal(info.protections, 1u << WARD_PROTECT_PASSPHRASE);
    assert_ok(ward_key_describe(in_folder("a.user.pub"), &info));
    assert_int_equal(info.type, WARD_KEY_USER);
    assert_int_equal(info.protections, 0);
    opening.identity = user;
    assert_ok(ward_keys_new(&keys, &opening));
    assert_fails(keys_lock(keys, &found), WARD_ERR_AUTH, "no lock key");
    ward_keys_free(keys);
}

/* ---- costs ---- */

/* A key file with stanzas of the given lines; what they wrap is zeros. */
static void with_stanzas(const char *const *lines, size_t count, size_t body_len, struct wr *out)
{
    static const uint8_t zeros[WRAPPED_LEN];
    const uint8_t file_key[FILE_KEY_LEN] = {0};
    uint8_t payload[NONCE_LEN + X25519_LEN + TAG_LEN];

    *out = (struct wr)WR_INIT;
    header_begin(out, KEY_VERSION);
    header_stanza(out, "user AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", NULL, 0);
    for (size_t i = 0; i < count; i++)
        header_stanza(out, lines[i], zeros, body_len);
    assert_ok(header_end(out, KEY_VERSION, file_key));
    assert_ok(payload_seal(file_key, KEY_VERSION, zeros, X25519_LEN, payload));
    wr_bytes(out, payload, sizeof payload);
}

static ward_status parse_with(const char *const *lines, size_t count, size_t body_len)
{
    struct public_key public;
    struct wr file;
    ward_status st;

    with_stanzas(lines, count, body_len, &file);
    st = key_file_public(file.data, file.len, &public);
    wr_release(&file);
    return st;
}

#define SALT "AAAAAAAAAAAAAAAAAAAAAA"

static void test_a_file_may_not_ask_for_more_than_a_gibibyte_or_ten_seconds(void **state)
{
    static const char *const dear[] = {"argon2id " SALT " m=1048577,t=1,p=1",
                                       "argon2id " SALT " m=1048576,t=5,p=1",
                                       "argon2id " SALT " m=1024,t=1001,p=1",
                                       "argon2id " SALT " m=7,t=1,p=1",
                                       "argon2id " SALT " m=1024,t=0,p=1",
                                       "argon2id " SALT " m=1024,t=1,p=2",
                                       "argon2id " SALT " m=01024,t=1,p=1",
                                       "argon2id " SALT " m=1024,t=1,p=1,x=1",
                                       "argon2id " SALT " m=18446744073709552640,t=1,p=1",
                                       "argon2id " SALT " t=1,m=1024,p=1",
                                       "argon2id " SALT " m=,t=1,p=1",
                                       "argon2id AAAA m=1024,t=1,p=1",
                                       "argon2id " SALT,
                                       "argon2id " SALT " m=1024,t=1,p=1 more"};
    static const char *const most[] = {"argon2id " SALT " m=1048576,t=4,p=1"};
    static const char *const two[] = {"argon2id " SALT " m=1048576,t=3,p=1",
                                      "argon2id " SALT " m=524288,t=3,p=1"};
    const char *nine[9];

    (void)state;
    for (size_t i = 0; i < sizeof dear / sizeof dear[0]; i++)
        if (parse_with(&dear[i], 1, WRAPPED_LEN) != WARD_ERR_FORMAT)
            fail_msg("'%s' was accepted", dear[i]);
    assert_ok(parse_with(most, 1, WRAPPED_LEN));
    assert_fails(parse_with(most, 1, WRAPPED_LEN - 1), WARD_ERR_FORMAT, "too much");
    assert_fails(parse_with(two, 2, WRAPPED_LEN), WARD_ERR_FORMAT, "too much");
    for (size_t i = 0; i < 9; i++)
        nine[i] = "argon2id " SALT " m=8,t=1,p=1";
    assert_ok(parse_with(nine, 8, WRAPPED_LEN));
    assert_fails(parse_with(nine, 9, WRAPPED_LEN), WARD_ERR_FORMAT, "too much");
}

static void test_stanzas_that_are_none_are_refused(void **state)
{
    static const char *const lines[] = {"file x",
                                        "tpm2 sha256:7",
                                        "tpm2 sha256:99 AAAA",
                                        "tpm2 sha256:7 AAA=",
                                        "user AAAA",
                                        "owner a b",
                                        "lock AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
    static const char *const unknown[] = {"example.org/x"};
    static const char *const files[] = {"file", "file"};

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (parse_with(&lines[i], 1, WRAPPED_LEN) != WARD_ERR_FORMAT)
            fail_msg("'%s' was accepted", lines[i]);
    assert_fails(parse_with(unknown, 1, 4), WARD_ERR_FORMAT, "nothing of it");
    assert_ok(parse_with(files, 1, FILE_KEY_LEN));
    assert_fails(parse_with(files, 2, FILE_KEY_LEN), WARD_ERR_FORMAT, "stanza");
    assert_fails(parse_with(files, 1, FILE_KEY_LEN + 1), WARD_ERR_FORMAT, "stanza");
}

static void test_one_question_serves_all_passphrases_of_a_file(void **state)
{
    static const char *const two[] = {"argon2id " SALT " m=8,t=1,p=1",
                                      "argon2id " SALT " m=8,t=1,p=1"};
    struct typist typist = {"x", 0};
    const struct key_source source = {"a.key", type, &typist, NULL};
    struct identity back = IDENTITY_INIT;
    struct wr file;

    (void)state;
    with_stanzas(two, 2, WRAPPED_LEN, &file);
    assert_fails(key_file_parse(file.data, file.len, &source, &back), WARD_ERR_AUTH,
                 "wrong passphrase");
    assert_int_equal(typist.asked, 1);
    wr_release(&file);
}

static void test_costs_out_of_range_are_not_written(void **state)
{
    ward_key_options options = cheap();
    struct identity made = IDENTITY_INIT;
    struct wr file = WR_INIT;

    (void)state;
    assert_ok(identity_new(WARD_KEY_USER, &made));
    options.memory_mib = 1025;
    assert_fails(key_file_build(&made, &options, &file), WARD_ERR_ARG, "cost");
    options.memory_mib = 1024;
    options.passes = 5;
    assert_fails(key_file_build(&made, &options, &file), WARD_ERR_ARG, "cost");
    options = cheap();
    options.passphrase_len = 0;
    assert_fails(key_file_build(&made, &options, &file), WARD_ERR_ARG, "empty");
    assert_null(file.data);
    identity_release(&made);
}

/* ---- public keys ---- */

static void test_a_mistyped_public_key_is_noticed(void **state)
{
    char text[PUBLIC_TEXT_MAX];

    (void)state;
    for (int kind = WARD_KEY_USER; kind <= WARD_KEY_OWNER; kind++) {
        struct identity made = IDENTITY_INIT;
        struct public_key back;
        size_t len;

        assert_ok(identity_new((ward_key_type)kind, &made));
        public_key_format(&made.public, text);
        len = strlen(text);
        assert_int_equal(len, kind == WARD_KEY_OWNER ? 102 : 58);
        assert_ok(public_key_parse(text, len, &back));
        assert_true(public_keys_equal(&back, &made.public));
        assert_fails(public_key_parse(text, len - 1, &back), WARD_ERR_ARG, "mistyped");
        for (size_t i = 0; i < len; i++) {
            char was = text[i];

            text[i] = was == 'Q' ? 'R' : 'Q';
            assert_fails(public_key_parse(text, len, &back), WARD_ERR_ARG, "mistyped");
            text[i] = was;
        }
        identity_release(&made);
    }
}

/* ---- manifests ---- */

static void make_manifest(const struct identity *owner, struct wr *out)
{
    static const char *const names[] = {"a.onnx", "model.safetensors", "transform.ward"};
    struct manifest m = {.terms = {"2027-01-31", 3}};

    memcpy(m.id, fixture_id, sizeof m.id);
    for (int i = 0; i < 3; i++) {
        struct manifest_file *f;

        assert_ok(manifest_add(&m, &f));
        memcpy(f->name, names[i], strlen(names[i]) + 1);
        f->digest[0] = (uint8_t)i;
    }
    *out = (struct wr)WR_INIT;
    assert_ok(manifest_build(&m, owner, out));
    manifest_release(&m);
}

static void test_a_manifest_comes_back_and_any_flipped_bit_is_rejected(void **state)
{
    struct identity owner = IDENTITY_INIT;
    struct manifest m = {.files = NULL};
    struct wr text;

    (void)state;
    assert_ok(identity_new(WARD_KEY_OWNER, &owner));
    make_manifest(&owner, &text);
    assert_ok(manifest_parse(text.data, text.len, &m));
    assert_int_equal(m.count, 3);
    assert_string_equal(m.files[2].name, "transform.ward");
    assert_int_equal(m.files[2].digest[0], 2);
    assert_string_equal(m.terms.expires, "2027-01-31");
    assert_int_equal(m.terms.uses, 3);
    assert_memory_equal(m.ed25519, owner.public.ed25519, ED25519_LEN);
    manifest_release(&m);
    for (size_t bit = 0; bit < 8 * text.len; bit++) {
        ward_status st;

        text.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        st = manifest_parse(text.data, text.len, &m);
        text.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (st != WARD_ERR_AUTH && st != WARD_ERR_FORMAT)
            fail_msg("bit %zu: %s", bit, ward_status_name(st));
    }
    for (size_t len = 0; len < text.len; len++)
        assert_fails(manifest_parse(text.data, len, &m), WARD_ERR_FORMAT, "manifest");
    wr_release(&text);
    identity_release(&owner);
}

static void test_names_that_could_lead_elsewhere_are_not_signed(void **state)
{
    (void)state;
    assert_true(manifest_name_is_right("f.onnx"));
    assert_false(manifest_name_is_right(""));
    assert_false(manifest_name_is_right("../f.onnx"));
    assert_false(manifest_name_is_right("a b.onnx"));
    assert_false(manifest_name_is_right("a\nb"));
}

/* ---- failing allocations ---- */

static ward_status attempt(void *context)
{
    const ward_key_options options = cheap();
    const struct identity *made = context;
    struct identity back = IDENTITY_INIT;
    struct wr file = WR_INIT;
    ward_status st = key_file_build(made, &options, &file);

    if (!st)
        st = open_file(&file, right, &back);
    identity_release(&back);
    wr_release(&file);
    /* A question that cannot be asked for want of memory is not answered. */
    return st;
}

static void test_no_failing_allocation_leaks_or_crashes(void **state)
{
    struct identity made = IDENTITY_INIT;

    (void)state;
    assert_ok(identity_new(WARD_KEY_OWNER, &made));
    assert_true(assert_survives_failing_allocations(attempt, &made) > 4);
    identity_release(&made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_key_file_gives_back_the_pair),
        cmocka_unit_test(test_the_secret_half_is_not_readable_under_a_passphrase),
        cmocka_unit_test(test_a_wrong_passphrase_or_none_is_denied),
        cmocka_unit_test(test_any_flipped_bit_and_any_truncation_is_rejected),
        cmocka_unit_test(test_the_fingerprint_of_a_lock_key_follows_the_written_derivation),
        cmocka_unit_test(test_a_lock_key_opens_nothing_and_a_pair_locks_nothing),
        cmocka_unit_test(test_a_file_may_not_ask_for_more_than_a_gibibyte_or_ten_seconds),
        cmocka_unit_test(test_stanzas_that_are_none_are_refused),
        cmocka_unit_test(test_one_question_serves_all_passphrases_of_a_file),
        cmocka_unit_test(test_costs_out_of_range_are_not_written),
        cmocka_unit_test(test_a_mistyped_public_key_is_noticed),
        cmocka_unit_test(test_a_manifest_comes_back_and_any_flipped_bit_is_rejected),
        cmocka_unit_test(test_names_that_could_lead_elsewhere_are_not_signed),
        cmocka_unit_test(test_no_failing_allocation_leaks_or_crashes),
    };

    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
