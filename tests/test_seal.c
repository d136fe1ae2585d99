/* Sealed files: who can open them, and that nothing else can be done to them. */
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
#include "base/rng.h"
#include "key/base64.h"
#include "key/versions.h"
#include "seal_fixture.h"

static const char secret_text[] = "what only some may read";

static void seal_text(const struct seal *seal, struct wr *out)
{
    *out = (struct wr)WR_INIT;
    assert_ok(seal_bytes(seal, (const uint8_t *)secret_text, sizeof secret_text, out));
}

static bool opens(const struct wr *file, const struct identity *with)
{
    uint8_t *plain = NULL;
    size_t len = 0;
    ward_status st = fixture_open(file, with, &plain, &len);

    if (!st) {
        assert_int_equal(len, sizeof secret_text);
        assert_memory_equal(plain, secret_text, len);
    } else {
        assert_null(plain);
        assert_int_equal(st, WARD_ERR_AUTH);
    }
    mem_free(plain);
    return st == WARD_OK;
}

static void test_owner_and_granted_users_can_open_and_nobody_else(void **state)
{
    struct seal_fixture f;
    struct wr file;

    (void)state;
    fixture_init(&f);
    seal_text(&f.seal, &file);
    assert_true(opens(&file, &f.owner));
    assert_true(opens(&file, &f.user[0]));
    assert_true(opens(&file, &f.user[1]));
    assert_false(opens(&file, &f.user[2]));
    assert_false(opens(&file, &f.stranger));
    wr_release(&file);
    fixture_release(&f);
}

static void test_nothing_of_the_contents_stands_in_the_file(void **state)
{
    struct seal_fixture f;
    struct wr file;

    (void)state;
    fixture_init(&f);
    seal_text(&f.seal, &file);
    assert_null(memmem(file.data, file.len, "only", 4));
    assert_null(memmem(file.data, file.len, "alice", 5));
    wr_release(&file);
    fixture_release(&f);
}

static void refuse_or_fail(const struct wr *file, const struct identity *with, const char *what,
                           size_t where)
{
    uint8_t *plain = NULL;
    size_t len = 0;
    ward_status st = fixture_open(file, with, &plain, &len);

    if ((st != WARD_ERR_AUTH && st != WARD_ERR_FORMAT) || plain)
        fail_msg("%s %zu: %s", what, where, ward_status_name(st));
}

static void test_any_flipped_bit_is_rejected(void **state)
{
    struct seal_fixture f;
    struct wr file;

    (void)state;
    fixture_init(&f);
    f.seal.has_terms = true;
    f.seal.terms = (struct terms){.uses = 5};
    assert_ok(terms_sign(&f.seal.terms, fixture_id, &f.owner, f.seal.signature));
    seal_text(&f.seal, &file);
    assert_true(opens(&file, &f.user[1]));
    for (size_t bit = 0; bit < 8 * file.len; bit++) {
        file.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        refuse_or_fail(&file, &f.user[1], "bit", bit);
        file.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_true(opens(&file, &f.user[1]));
    wr_release(&file);
    fixture_release(&f);
}

static void test_any_truncation_and_any_added_byte_is_rejected(void **state)
{
    struct seal_fixture f;
    struct wr file, cut;

    (void)state;
    fixture_init(&f);
    seal_text(&f.seal, &file);
    for (size_t len = 0; len < file.len; len++) {
        /* A block of that length, so that the sanitizers see a read beyond it. */
        cut = (struct wr)WR_INIT;
        wr_bytes(&cut, file.data, len);
        refuse_or_fail(&cut, &f.owner, "length", len);
        wr_release(&cut);
    }
    wr_u8(&file, 0);
    refuse_or_fail(&file, &f.owner, "length", file.len);
    wr_release(&file);
    fixture_release(&f);
}

/* Bytes overwritten, taken out, doubled, at random places. */
static void corrupt(struct wr *file, uint64_t seed, uint32_t number)
{
    struct rng rng;
    size_t at, count;

    rng_init(&rng, seed, RNG_TEST, number, 0);
    at = rng_u32(&rng) % file->len;
    count = 1 + rng_u32(&rng) % 100;
    count = count < file->len - at ? count : file->len - at;
    switch (rng_u32(&rng) % 3) {
    case 0:
        for (size_t i = 0; i < count; i++)
            file->data[at + i] ^= (uint8_t)(1 + rng_u32(&rng) % 255);
        break;
    case 1:
        memmove(file->data + at, file->data + at + count, file->len - at - count);
        file->len -= count;
        break;
    default: wr_bytes(file, "-> X25519 AAAA\nAAAA\n--- ", 1 + rng_u32(&rng) % 24); break;
    }
}

static void test_random_corruptions_are_rejected(void **state)
{
    struct seal_fixture f;
    struct wr file;

    (void)state;
    fixture_init(&f);
    seal_text(&f.seal, &file);
    for (uint32_t i = 0; i < 1000; i++) {
        struct wr copy = WR_INIT;

        wr_bytes(&copy, file.data, file.len);
        corrupt(&copy, 1, i);
        refuse_or_fail(&copy, &f.user[0], "corruption", i);
        wr_release(&copy);
    }
    wr_release(&file);
    fixture_release(&f);
}

static void test_payloads_of_every_length_around_a_chunk_come_back(void **state)
{
    const size_t lengths[] = {0, 1, CHUNK_LEN - 1, CHUNK_LEN, CHUNK_LEN + 1, 3 * CHUNK_LEN};
    const uint8_t key[FILE_KEY_LEN] = {7};

    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        size_t len = lengths[i], plain = 0;
        uint8_t *data, *sealed, *back;

        assert_ok(mem_new(&data, len, 1));
        assert_ok(mem_new(&sealed, payload_len(len), 1));
        assert_ok(mem_new(&back, len, 1));
        for (size_t k = 0; k < len; k++)
            data[k] = (uint8_t)(k * 31 + k / 256);
        assert_ok(payload_seal(key, SEAL_VERSION, data, len, sealed));
        assert_true(payload_plain_len(payload_len(len), &plain));
        assert_int_equal(plain, len);
        assert_true(payload_open(key, SEAL_VERSION, sealed, payload_len(len), back));
        assert_memory_equal(back, data, len);
        assert_false(payload_open(key, KEY_VERSION, sealed, payload_len(len), back));
        mem_free(data);
        mem_free(sealed);
        mem_free(back);
    }
    for (size_t len = 0; len < NONCE_LEN + TAG_LEN; len++) {
        size_t plain;

        assert_false(payload_plain_len(len, &plain));
    }
}

static void test_chunks_cannot_be_dropped_or_exchanged(void **state)
{
    enum { LEN = 3 * CHUNK_LEN, WHOLE = CHUNK_LEN + TAG_LEN };
    const uint8_t key[FILE_KEY_LEN] = {7};
    uint8_t *data, *sealed, *back;

    (void)state;
    assert_ok(mem_new(&data, LEN, 1));
    assert_ok(mem_new(&back, LEN, 1));
    assert_ok(mem_new(&sealed, payload_len(LEN), 1));
    assert_ok(payload_seal(key, SEAL_VERSION, data, LEN, sealed));
    assert_false(payload_open(key, SEAL_VERSION, sealed, NONCE_LEN + 2 * WHOLE, back));
    assert_false(payload_open(key, SEAL_VERSION, sealed, NONCE_LEN + 1 * WHOLE, back));
    memcpy(data, sealed + NONCE_LEN, WHOLE);
    memmove(sealed + NONCE_LEN, sealed + NONCE_LEN + WHOLE, WHOLE);
    memcpy(sealed + NONCE_LEN + WHOLE, data, WHOLE);
    assert_false(payload_open(key, SEAL_VERSION, sealed, payload_len(LEN), back));
    for (size_t i = 0; i < LEN; i++)
        assert_int_equal(back[i], 0);
    mem_free(data);
    mem_free(back);
    mem_free(sealed);
}

/* ---- granting ---- */

static void extend(const struct wr *file, struct seal_fixture *f, struct wr *out)
{
    struct sealed s = SEALED_INIT;
    struct grant_list list = {.items = NULL};
    size_t known;
    bool is_new;

    assert_ok(sealed_parse(&s, file->data, file->len, "transform"));
    assert_ok(sealed_unlock(&s, &f->owner, 1));
    assert_ok(sealed_grants(&s, &f->owner, &list));
    known = list.count;
    assert_ok(grants_add(&list, f->user[2].public.x25519, "carol", &is_new));
    assert_true(is_new);
    *out = (struct wr)WR_INIT;
    assert_ok(sealed_extend(&s, &list, known, out));
    grants_release(&list);
    sealed_release(&s);
}

static void test_granting_rewrites_the_header_only_and_keeps_the_others(void **state)
{
    struct seal_fixture f;
    struct wr file, more;

    (void)state;
    fixture_init(&f);
    seal_text(&f.seal, &file);
    extend(&file, &f, &more);
    assert_true(opens(&more, &f.owner));
    for (int i = 0; i < FIXTURE_USERS; i++)
        assert_true(opens(&more, &f.user[i]));
    assert_false(opens(&more, &f.stranger));
    assert_memory_equal(more.data + more.len - payload_len(sizeof secret_text),
                        file.data + file.len - payload_len(sizeof secret_text),
                        payload_len(sizeof secret_text));
    wr_release(&more);
    wr_release(&file);
    fixture_release(&f);
}

/* A file with one more stanza of a type that nobody knows, and the right MAC. */
static void add_unknown(struct wr *file, const struct seal_fixture *f)
{
    struct sealed s = SEALED_INIT;
    struct wr made = WR_INIT;

    assert_ok(sealed_parse(&s, file->data, file->len, "transform"));
    assert_ok(sealed_unlock(&s, &f->owner, 1));
    wr_bytes(&made, file->data, s.header.covered - 3);
    header_stanza(&made, "example.org/new a b c d e f", (const uint8_t *)"body", 4);
    assert_ok(header_end(&made, SEAL_VERSION, s.file_key.data));
    wr_bytes(&made, file->data + s.header.len, file->len - s.header.len);
    sealed_release(&s);
    wr_release(file);
    *file = made;
}

static void test_unknown_stanzas_are_ignored_but_kept(void **state)
{
    struct seal_fixture f;
    struct wr file, more;

    (void)state;
    fixture_init(&f);
    seal_text(&f.seal, &file);
    add_unknown(&file, &f);
    assert_true(opens(&file, &f.user[0]));
    extend(&file, &f, &more);
    assert_true(opens(&more, &f.user[2]));
    assert_non_null(memmem(more.data, more.len, "-> example.org/new a b c d e f\nYm9keQ\n", 38));
    wr_release(&more);
    wr_release(&file);
    fixture_release(&f);
}

static void test_the_list_of_users_is_for_the_owner_alone(void **state)
{
    struct seal_fixture f;
    struct grant_list list = {.items = NULL};
    struct sealed s = SEALED_INIT;
    struct identity other = IDENTITY_INIT;
    struct wr file;

    (void)state;
    fixture_init(&f);
    assert_ok(identity_new(WARD_KEY_OWNER, &other));
    seal_text(&f.seal, &file);
    assert_ok(sealed_parse(&s, file.data, file.len, "transform"));
    assert_fails(sealed_grants(&s, &f.user[0], &list), WARD_ERR_AUTH, "another owner");
    assert_fails(sealed_grants(&s, &other, &list), WARD_ERR_AUTH, "another owner");
    assert_ok(sealed_grants(&s, &f.owner, &list));
    assert_int_equal(list.count, 2);
    assert_string_equal(list.items[0].name, "alice");
    assert_string_equal(list.items[1].name, "-");
    assert_memory_equal(list.items[1].x25519, f.user[1].public.x25519, X25519_LEN);
    grants_release(&list);
    sealed_release(&s);
    identity_release(&other);
    wr_release(&file);
    fixture_release(&f);
}

static void test_a_thousand_users_fit_in_300_kB_and_any_of_them_can_open(void **state)
{
    enum { USERS = 1000 };
    struct seal_fixture f;
    struct identity last = IDENTITY_INIT;
    struct wr file;
    bool is_new;

    (void)state;
    fixture_init(&f);
    for (int i = 2; i < USERS; i++) {
        char name[32];

        identity_release(&last);
        assert_ok(identity_new(WARD_KEY_USER, &last));
        snprintf(name, sizeof name, "user-%d", i);
        assert_ok(grants_add(&f.grants, last.public.x25519, name, &is_new));
    }
    assert_int_equal(f.grants.count, USERS);
    seal_text(&f.seal, &file);
    if (file.len >= 300 * 1000)
        fail_msg("%zu bytes for %d users, expected fewer than 300,000", file.len, USERS);
    assert_true(opens(&file, &last));
    assert_false(opens(&file, &f.stranger));
    identity_release(&last);
    wr_release(&file);
    fixture_release(&f);
}

/* ---- key files, kinds, models, terms ---- */

static char folder[] = "/tmp/ward-seal-XXXXXX";
static char path_buffer[512];

static const char *in_folder(const char *name)
{
    snprintf(path_buffer, sizeof path_buffer, "%s/%s", folder, name);
    return path_buffer;
}

/* Write two key files; open the sealed text with one of them. */
static ward_status open_with(const struct wr *file, const char *key, const char *kind,
                             const char *id)
{
    uint8_t *plain = NULL;
    size_t len = 0;
    ward_keys *keys = NULL;
    ward_status st;

    assert_ok(ward_keys_new(&keys, &(ward_keys_options){.identity = in_folder(key)}));
    st = seal_open(file->data, file->len, kind, id, keys, &plain, &len);
    if (!st)
        assert_memory_equal(plain, secret_text, sizeof secret_text);
    else
        assert_null(plain);
    mem_free(plain);
    ward_keys_free(keys);
    return st;
}

static void read_public(const char *name, struct public_key *out)
{
    assert_ok(key_public_read(in_folder(name), out));
}

/* Sealed to two key files, owner.key and user.key, on terms (NULL: none). */
static void seal_to_files(const ward_terms *given, struct wr *out)
{
    struct grant_list grants = {.items = NULL};
    const struct identity *owner;
    struct public_key user;
    struct seal seal = {
        .kind = "transform", .id = fixture_id, .grants = &grants, .has_terms = given != NULL};
    ward_keys *keys;
    bool is_new;

    assert_ok(ward_keys_new(&keys, &(ward_keys_options){.identity = in_folder("owner.key")}));
    assert_ok(keys_owner(keys, &owner));
    seal.owner = owner->public;
    read_public("user.key.pub", &user);
    assert_ok(grants_add(&grants, user.x25519, NULL, &is_new));
    if (given) {
        assert_ok(terms_take(given, &seal.terms));
        assert_ok(terms_sign(&seal.terms, fixture_id, owner, seal.signature));
    }
    seal_text(&seal, out);
    grants_release(&grants);
    ward_keys_free(keys);
}

static void test_a_file_of_another_kind_or_for_another_model_is_refused(void **state)
{
    struct wr file;

    (void)state;
    seal_to_files(NULL, &file);
    assert_ok(open_with(&file, "user.key", "transform", fixture_id));
    assert_ok(open_with(&file, "owner.key", "transform", NULL));
    assert_fails(open_with(&file, "user.key", "transform", other_id), WARD_ERR_AUTH,
                 "another model");
    assert_fails(open_with(&file, "owner.key", "checkpoint", NULL), WARD_ERR_FORMAT,
                 "not a sealed checkpoint");
    assert_fails(open_with(&file, "stranger.key", "transform", fixture_id), WARD_ERR_AUTH,
                 "does not open it");
    assert_fails(open_with(&file, "none.key", "transform", NULL), WARD_ERR_IO, "none.key");
    assert_fails(seal_open(file.data, file.len, "transform", NULL, NULL, NULL, NULL), WARD_ERR_AUTH,
                 "no key");
    wr_release(&file);
}

static void test_terms_bind_users_but_not_the_owner(void **state)
{
    struct wr file;

    (void)state;
    seal_to_files(&(ward_terms){.expires = "2020-02-29"}, &file);
    assert_fails(open_with(&file, "user.key", "transform", NULL), WARD_ERR_AUTH, "expired");
    assert_ok(open_with(&file, "owner.key", "transform", NULL));
    wr_release(&file);
    seal_to_files(&(ward_terms){.expires = "9998-12-31", .uses = 2}, &file);
    assert_ok(open_with(&file, "user.key", "transform", NULL));
    assert_ok(open_with(&file, "owner.key", "transform", NULL));
    assert_ok(open_with(&file, "user.key", "transform", NULL));
    assert_fails(open_with(&file, "user.key", "transform", NULL), WARD_ERR_AUTH, "2 times");
    assert_ok(open_with(&file, "owner.key", "transform", NULL));
    wr_release(&file);
}

static void test_terms_that_the_owner_has_not_signed_are_refused(void **state)
{
    struct seal_fixture f;
    struct grant_list grants = {.items = NULL};
    struct public_key user;
    struct wr file;
    bool is_new;

    (void)state;
    fixture_init(&f);
    read_public("user.key", &user);
    assert_ok(grants_add(&grants, user.x25519, NULL, &is_new));
    f.seal.grants = &grants;
    f.seal.has_terms = true;
    f.seal.terms = (struct terms){.uses = 100};
    assert_ok(terms_sign(&f.seal.terms, other_id, &f.owner, f.seal.signature));
    seal_text(&f.seal, &file);
    assert_fails(open_with(&file, "user.key", "transform", NULL), WARD_ERR_AUTH, "altered");
    wr_release(&file);
    grants_release(&grants);
    fixture_release(&f);
}

static void test_dates_and_limits_that_are_none_are_refused(void **state)
{
    static const char *const bad[] = {"",           "never",      "2027-1-31",  "2027-02-29",
                                      "2027-13-01", "2027-00-10", "2027-04-31", "2027-01-310",
                                      "20270131",   "2027-01-0x", "-027-01-01"};
    struct terms terms;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_fails(terms_take(&(ward_terms){.expires = bad[i]}, &terms), WARD_ERR_ARG, "no day");
    assert_fails(terms_take(&(ward_terms){.uses = 1000000001}, &terms), WARD_ERR_ARG, "limit");
    assert_ok(terms_take(&(ward_terms){.expires = "2028-02-29", .uses = 1000000000}, &terms));
    assert_false(terms_parse("never", 5, "0", 1, &terms));
    assert_false(terms_parse("never", 5, "01", 2, &terms));
    assert_false(terms_parse("never", 5, "1000000001", 10, &terms));
    assert_true(terms_parse("never", 5, "unlimited", 9, &terms));
    assert_true(terms_are_none(&terms));
}

static void test_base64_is_canonical(void **state)
{
    uint8_t bytes[3];
    size_t len;

    (void)state;
    assert_true(base64_decode("AAAA", 4, bytes, 3));
    assert_true(base64_decode("/w", 2, bytes, 1));
    assert_int_equal(bytes[0], 0xff);
    assert_false(base64_decode("/x", 2, bytes, 1)); /* unused bits */
    assert_false(base64_decode("/w==", 4, bytes, 1));
    assert_false(base64_decode("_w", 2, bytes, 1));
    assert_false(base64_decode("\xc1"
                               "AAA",
                               4, bytes, 3));
    assert_false(base64_decode("AA A", 4, bytes, 3));
    assert_false(base64_data_len(5, &len));
    assert_true(base64_data_len(6, &len));
    assert_int_equal(len, 4);
}

/* ---- failing allocations ---- */

static ward_status attempt(void *context)
{
    struct seal_fixture *f = context;
    struct wr file = WR_INIT;
    uint8_t *plain = NULL;
    size_t len = 0;
    ward_status st = seal_bytes(&f->seal, (const uint8_t *)secret_text, sizeof secret_text, &file);

    if (!st)
        st = fixture_open(&file, &f->user[0], &plain, &len);
    mem_free(plain);
    wr_release(&file);
    return st;
}

static void test_no_failing_allocation_leaks_or_crashes(void **state)
{
    struct seal_fixture f;

    (void)state;
    fixture_init(&f);
    assert_true(assert_survives_failing_allocations(attempt, &f) > 4);
    fixture_release(&f);
}

static int make_keys(void **state)
{
    const ward_key_options plain = {.protection = WARD_PROTECT_FILE};

    (void)state;
    if (!mkdtemp(folder) || setenv("XDG_DATA_HOME", folder, 1) != 0)
        return -1;
    return ward_key_new(in_folder("owner.key"), WARD_KEY_OWNER, &plain, NULL) ||
           ward_key_new(in_folder("user.key"), WARD_KEY_USER, &plain, NULL) ||
           ward_key_new(in_folder("stranger.key"), WARD_KEY_USER, &plain, NULL);
}

static int remove_keys(void **state)
{
    char command[600];

    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_owner_and_granted_users_can_open_and_nobody_else),
        cmocka_unit_test(test_nothing_of_the_contents_stands_in_the_file),
        cmocka_unit_test(test_any_flipped_bit_is_rejected),
        cmocka_unit_test(test_any_truncation_and_any_added_byte_is_rejected),
        cmocka_unit_test(test_random_corruptions_are_rejected),
        cmocka_unit_test(test_payloads_of_every_length_around_a_chunk_come_back),
        cmocka_unit_test(test_chunks_cannot_be_dropped_or_exchanged),
        cmocka_unit_test(test_granting_rewrites_the_header_only_and_keeps_the_others),
        cmocka_unit_test(test_unknown_stanzas_are_ignored_but_kept),
        cmocka_unit_test(test_the_list_of_users_is_for_the_owner_alone),
        cmocka_unit_test(test_a_thousand_users_fit_in_300_kB_and_any_of_them_can_open),
        cmocka_unit_test(test_a_file_of_another_kind_or_for_another_model_is_refused),
        cmocka_unit_test(test_terms_bind_users_but_not_the_owner),
        cmocka_unit_test(test_terms_that_the_owner_has_not_signed_are_refused),
        cmocka_unit_test(test_dates_and_limits_that_are_none_are_refused),
        cmocka_unit_test(test_base64_is_canonical),
        cmocka_unit_test(test_no_failing_allocation_leaks_or_crashes),
    };

    return cmocka_run_group_tests(tests, make_keys, remove_keys);
}
