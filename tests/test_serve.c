/* What a server is made of, without a network: tokens, accounts, meters, requests. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "alloc_test.h"
#include "base/util.h"
#include "key/grants.h"
#include "model_fixture.h"
#include "serve/audit.h"
#include "serve/infer.h"
#include "serve/meter.h"
#include "serve/tokens.h"

/* ---- tokens ---- */

#define DIGEST "d5f8a55dc5881d1b7883aae143df8be5b2c1878c1d8869e1ea9947ef6719f025"

static ward_status parse(const char *text, struct token_list *list)
{
    return tokens_parse(text, strlen(text), list);
}

static void test_a_new_token_is_found_by_its_text_alone(void **state)
{
    const char *path = in_folder("new-tokens");
    const ward_token alice = {.user = "alice", .rate = 5, .budget = 100, .expires = "2999-12-31"};
    const ward_token bob = {.user = "bob"};
    struct token_list list = {NULL, 0, NULL};
    char *a = NULL, *b = NULL;
    const struct token *found;
    uint8_t *file;
    size_t len;

    (void)state;
    assert_ok(ward_token_new(path, &alice, &a));
    assert_ok(ward_token_new(path, &bob, &b));
    assert_int_equal(mode_of(path), 0600);
    assert_ok(tokens_read(path, &list));
    found = tokens_find(&list, a, strlen(a));
    assert_non_null(found);
    assert_string_equal(found->terms.user, "alice");
    assert_int_equal(found->terms.rate, 5);
    assert_int_equal(found->terms.budget, 100);
    assert_string_equal(found->terms.expires, "2999-12-31");
    found = tokens_find(&list, b, strlen(b));
    assert_non_null(found);
    assert_string_equal(found->terms.user, "bob");
    a[strlen(a) - 1] ^= 1;
    assert_null(tokens_find(&list, a, strlen(a)));
    assert_null(tokens_find(&list, b, strlen(b) - 1));
    assert_null(tokens_find(&list, "", 0));
    assert_ok(file_read(path, 1 << 20, &file, &len));
    assert_null(strstr((char *)file, b + 5));
    mem_free(file);
    tokens_release(&list);
    ward_string_free(a);
    ward_string_free(b);
}

/* Else one of two tokens that are made at once would be lost. */
static void test_a_tokens_file_is_not_changed_while_another_process_does(void **state)
{
    const ward_token alice = {.user = "alice"};
    const char *path = in_folder("busy/tokens");
    char *text = NULL;
    size_t count = 0;
    int lock = -1;

    (void)state;
    assert_int_equal(mkdir(in_folder("busy"), 0700), 0);
    assert_ok(ward_token_new(path, &alice, &text));
    assert_ok(file_lock(in_folder("busy"), &lock));
    assert_int_equal(ward_token_new(path, &alice, &text), WARD_ERR_BUSY);
    assert_int_equal(ward_token_revoke(path, alice.user, &count), WARD_ERR_BUSY);
    file_unlock(lock);
    assert_ok(ward_token_revoke(path, alice.user, &count));
    assert_int_equal(count, 1);
    ward_string_free(text);
}

static void test_what_is_revoked_is_not_found(void **state)
{
    const char *path = in_folder("revoked-tokens");
    const ward_token alice = {.user = "alice"}, bob = {.user = "bob"};
    ward_token *tokens;
    char *text[4] = {NULL};
    size_t count;

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_ok(ward_token_new(path, i < 3 ? &alice : &bob, &text[i]));
    assert_ok(ward_token_list(path, &tokens, &count));
    assert_int_equal(count, 4);
    assert_ok(ward_token_revoke(path, tokens[0].id, &count));
    assert_int_equal(count, 1);
    assert_ok(ward_token_revoke(path, "alice", &count));
    assert_int_equal(count, 2);
    assert_fails(ward_token_revoke(path, "alice", &count), WARD_ERR_ARG, "alice");
    ward_tokens_free(tokens);
    assert_ok(ward_token_list(path, &tokens, &count));
    assert_int_equal(count, 1);
    assert_string_equal(tokens[0].user, "bob");
    ward_tokens_free(tokens);
    for (int i = 0; i < 4; i++)
        ward_string_free(text[i]);
}

static void test_terms_that_cannot_be_are_refused(void **state)
{
    const ward_token bad[] = {{.user = ""},
                              {.user = "a b"},
                              {.user = "a\"b"},
                              {.user = "a", .rate = 1000000001},
                              {.user = "a", .expires = "2027-02-30"},
                              {.user = "a", .expires = "tomorrow"}};
    char *token = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(ward_token_new(in_folder("none"), &bad[i], &token), WARD_ERR_ARG);
        assert_null(token);
    }
    assert_false(file_exists(in_folder("none")));
}

static void test_a_tokens_file_is_read_strictly(void **state)
{
    static const char *const bad[] = {
        "",
        "ward-tokens/v1",
        "ward-tokens/v2\n",
        "ward-tokens/v1\n\n",
        "ward-tokens/v1\ntoken " DIGEST " alice 1 1 1 never",
        "ward-tokens/v1\ntoken " DIGEST " alice 1 1 1\n",
        "ward-tokens/v1\ntoken " DIGEST " alice 1 1 1 never \n",
        "ward-tokens/v1\ntoken  " DIGEST " alice 1 1 1 never\n",
        "ward-tokens/v1\ntoken " DIGEST " alice 0 1 1 never\n",
        "ward-tokens/v1\ntoken " DIGEST " alice 01 1 1 never\n",
        "ward-tokens/v1\ntoken " DIGEST " alice 1000000001 1 1 never\n",
        "ward-tokens/v1\ntoken " DIGEST " alice -1 1 1 never\n",
        "ward-tokens/v1\ntoken " DIGEST " alice 1 1 1 2027-13-01\n",
        "ward-tokens/v1\ntoken " DIGEST " al/ice 1 1 1 never\n",
        "ward-tokens/v1\ntoken D" DIGEST " alice 1 1 1 never\n",
        "ward-tokens/v1\ntoken " DIGEST " alice 1 1 1 never\ntoken " DIGEST " bob 1 1 1 never\n",
        "ward-tokens/v1\nTOKEN " DIGEST " alice 1 1 1 never\n",
    };
    struct token_list list = {NULL, 0, NULL};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (parse(bad[i], &list) != WARD_ERR_FORMAT)
            fail_msg("accepted: %s", bad[i]);
    assert_ok(parse("ward-tokens/v1\ntoken " DIGEST " alice 1 unlimited 3 2027-01-31\n", &list));
    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0].terms.id, "d5f8a55d");
    assert_int_equal(list.items[0].terms.budget, 0);
    tokens_release(&list);
}

static void test_a_tokens_file_that_others_may_read_is_refused(void **state)
{
    const char *path = in_folder("public-tokens");
    struct token_list list;

    (void)state;
    put_file(path, "ward-tokens/v1\n", 15);
    chmod(path, 0640);
    assert_fails(tokens_read(path, &list), WARD_ERR_IO, "0600");
}

static void test_a_token_expires_after_its_last_day(void **state)
{
    ward_token token = {.user = "a"};

    (void)state;
    assert_false(token_has_expired(&token));
    date_today(token.expires);
    assert_false(token_has_expired(&token));
    snprintf(token.expires, sizeof token.expires, "2020-01-01");
    assert_true(token_has_expired(&token));
}

static ward_status new_and_revoke(void *context)
{
    const ward_token terms = {.user = "alice"};
    char *token = NULL;
    size_t count;
    ward_status st = ward_token_new(context, &terms, &token);

    if (!st)
        st = ward_token_revoke(context, "alice", &count);
    ward_string_free(token);
    return st;
}

static void test_tokens_survive_failing_allocations(void **state)
{
    (void)state;
    assert_survives_failing_allocations(new_and_revoke,
                                        (void *)(uintptr_t)in_folder("alloc-tokens"));
}

/* ---- accounts and meters ---- */

static enum account_verdict charge(struct accounts *a, const ward_token *terms, size_t n)
{
    unsigned wait = 0;
    int64_t day = 0;

    return accounts_charge(a, terms, n, NULL, 0, &wait, &day);
}

/* Days that have passed; the library's clock is set on by them. */
static time_t days_on;

time_t time(time_t *out)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec += days_on * 24 * 60 * 60;
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}

static void test_a_new_day_has_a_budget_of_its_own(void **state)
{
    const ward_token terms = {.user = "alice", .budget = 10};
    struct accounts *a = NULL;
    unsigned wait = 0;
    int64_t day = 0, next = 0;

    (void)state;
    assert_ok(accounts_new(&a, NULL));
    assert_int_equal(accounts_charge(a, &terms, 10, NULL, 0, &wait, &day), ACCOUNT_FINE);
    assert_int_equal(accounts_charge(a, &terms, 1, NULL, 0, &wait, &day), ACCOUNT_SPENT);
    assert_true(wait >= 1 && wait <= 24 * 60 * 60);
    days_on++;
    assert_int_equal(accounts_charge(a, &terms, 10, NULL, 0, &wait, &next), ACCOUNT_FINE);
    accounts_refund(a, "alice", 10, day); /* what was asked for before midnight */
    assert_int_equal(charge(a, &terms, 1), ACCOUNT_SPENT);
    accounts_refund(a, "alice", 1, next);
    assert_int_equal(charge(a, &terms, 1), ACCOUNT_FINE);
    days_on = 0;
    accounts_free(a);
}

static void test_a_budget_holds_for_the_day_and_a_refund_gives_back(void **state)
{
    const ward_token terms = {.user = "alice", .budget = 10}, other = {.user = "bob", .budget = 10};
    struct accounts *a;
    unsigned wait = 0;
    int64_t day = 0;

    (void)state;
    assert_ok(accounts_new(&a, NULL));
    assert_int_equal(charge(a, &terms, 6), ACCOUNT_FINE);
    assert_int_equal(charge(a, &terms, 5), ACCOUNT_SPENT);
    assert_int_equal(accounts_charge(a, &terms, 4, NULL, 0, &wait, &day), ACCOUNT_FINE);
    assert_int_equal(accounts_charge(a, &terms, 1, NULL, 0, &wait, &day), ACCOUNT_SPENT);
    assert_in_range(wait, 1, 86400);
    assert_int_equal(charge(a, &other, 10), ACCOUNT_FINE);
    accounts_refund(a, "alice", 4, day);
    accounts_refund(a, "nobody", 4, day);
    assert_int_equal(charge(a, &terms, 4), ACCOUNT_FINE);
    assert_int_equal(charge(a, &terms, 1), ACCOUNT_SPENT);
    accounts_free(a);
}

static void test_a_rate_is_overdrawn_once_and_then_waited_for(void **state)
{
    const ward_token terms = {.user = "alice", .rate = 10};
    struct accounts *a;
    unsigned wait = 0;
    int64_t day = 0;

    (void)state;
    assert_ok(accounts_new(&a, NULL));
    assert_int_equal(charge(a, &terms, 50), ACCOUNT_FINE);
    assert_int_equal(accounts_charge(a, &terms, 1, NULL, 0, &wait, &day), ACCOUNT_TOO_FAST);
    assert_in_range(wait, 4, 5);
    accounts_refund(a, "alice", 50, day);
    assert_int_equal(charge(a, &terms, 1), ACCOUNT_FINE);
    accounts_free(a);
}

static void test_different_images_are_counted_across_restarts(void **state)
{
    const ward_token terms = {.user = "alice", .distinct = 5};
    const float images[6][4] = {{1}, {2}, {3}, {4}, {5}, {6}};
    const char *folder_of_meters = in_folder("meters");
    struct accounts *a, *other;
    unsigned wait;
    int64_t day;

    (void)state;
    for (int restart = 0; restart < 3; restart++) {
        assert_ok(accounts_new(&a, folder_of_meters));
        /* The same ones, as often as they come, and within one request, too. */
        assert_int_equal(accounts_charge(a, &terms, 3, images, sizeof images[0], &wait, &day),
                         ACCOUNT_FINE);
        assert_int_equal(accounts_charge(a, &terms, 3, images, sizeof images[0], &wait, &day),
                         ACCOUNT_FINE);
        accounts_free(a);
    }
    assert_ok(accounts_new(&a, folder_of_meters));
    /* Of what another server counts there meanwhile, this one would not hear. */
    assert_fails(accounts_new(&other, folder_of_meters), WARD_ERR_BUSY, "in use");
    assert_int_equal(accounts_charge(a, &terms, 6, images, sizeof images[0], &wait, &day),
                     ACCOUNT_EXHAUSTED);
    assert_int_equal(accounts_charge(a, &terms, 5, images, sizeof images[0], &wait, &day),
                     ACCOUNT_FINE);
    assert_int_equal(accounts_charge(a, &terms, 1, images[5], sizeof images[0], &wait, &day),
                     ACCOUNT_EXHAUSTED);
    assert_int_equal(accounts_charge(a, &terms, 1, images[4], sizeof images[0], &wait, &day),
                     ACCOUNT_FINE);
    accounts_free(a);
    assert_int_equal(mode_of(in_folder("meters/alice.meter")), 0600);
}

static void test_a_meter_cut_off_by_a_crash_goes_on_and_a_foreign_file_does_not(void **state)
{
    const char *path = in_folder("cut.meter");
    float images[300];
    struct meter meter;
    bool is_full;

    (void)state;
    for (int i = 0; i < 300; i++)
        images[i] = (float)i;
    assert_ok(meter_open(&meter, path));
    assert_ok(meter_add(&meter, 300, images, sizeof images[0], 0, &is_full));
    assert_int_equal(meter.count, 300);
    meter_close(&meter);
    assert_ok(file_truncate(path, 40 + 299 * 16 + 7));
    assert_ok(meter_open(&meter, path));
    assert_int_equal(meter.count, 299);
    assert_ok(meter_add(&meter, 300, images, sizeof images[0], 0, &is_full));
    assert_int_equal(meter.count, 300);
    meter_close(&meter);
    assert_ok(meter_open(&meter, path));
    assert_int_equal(meter.count, 300);
    meter_close(&meter);
    put_file(in_folder("foreign.meter"), "something else, long enough to have a key in it", 47);
    assert_fails(meter_open(&meter, in_folder("foreign.meter")), WARD_ERR_FORMAT, "foreign");
}

/* What is handed out for syncing is the same file, and nothing is where nothing came since. */
static void test_a_meter_is_synced_once_for_what_was_added(void **state)
{
    const char *path = in_folder("unsynced.meter");
    const float images[2] = {1, 2};
    struct stat handed, own;
    struct meter meter;
    bool is_full;
    int fd;

    (void)state;
    assert_ok(meter_open(&meter, path));
    for (size_t i = 0; i < 2; i++) {
        assert_ok(meter_add(&meter, i + 1, images, sizeof images[0], 0, &is_full));
        fd = meter_take_unsynced(&meter);
        assert_true(fd >= 0 && fstat(fd, &handed) == 0 && stat(path, &own) == 0);
        assert_true(handed.st_ino == own.st_ino && fd != meter.fd);
        close(fd);
        assert_int_equal(meter_take_unsynced(&meter), -1);
    }
    assert_ok(meter_add(&meter, 2, images, sizeof images[0], 0, &is_full)); /* known already */
    assert_int_equal(meter_take_unsynced(&meter), -1);
    meter_close(&meter);
    assert_int_equal(meter_take_unsynced(&meter), -1);
}

static void test_todays_use_is_found_again_in_the_log(void **state)
{
    static const char log[] =
        "{\"time\":\"2026-11-22T23:59:59.999Z\",\"user\":\"alice\",\"images\":50,\"status\":200}\n"
        "{\"time\":\"2026-11-23T00:00:00.000Z\",\"user\":\"alice\",\"images\":3,\"status\":200}\n"
        "{\"time\":\"2026-11-23T00:00:01.000Z\",\"user\":\"alice\",\"images\":9,\"status\":503}\n"
        "{\"time\":\"2026-11-23T00:00:01.000Z\",\"user\":null,\"images\":9,\"status\":200}\n"
        "not a line of ours\n"
        "{\"time\":\"2026-11-23T00:00:02.000Z\",\"user\":\"alice\",\"images\":4,\"status\":200}\n"
        "{\"time\":\"2026-11-23T00:00:02.000Z\",\"user\":\"bob\",\"images\":1,\"status\":200}\n"
        "{\"time\":\"2026-11-23T00";
    const ward_token terms = {.user = "alice", .budget = 10};
    struct accounts *a;

    (void)state;
    assert_ok(accounts_new(&a, NULL));
    assert_ok(audit_replay_text(log, sizeof log - 1, "2026-11-23", a));
    assert_int_equal(charge(a, &terms, 4), ACCOUNT_SPENT);
    assert_int_equal(charge(a, &terms, 3), ACCOUNT_FINE);
    accounts_free(a);
}

/* ---- requests ---- */

static const char *const names[] = {"left", "\"right\""};

static struct infer_model model_here(void)
{
    return (struct infer_model){.name = "m",
                                .version = "0123",
                                .channels = 1,
                                .height = 1,
                                .width = 2,
                                .low = -1,
                                .high = 1,
                                .classes = 2,
                                .class_names = names,
                                .images_max = 3,
                                .outputs = INFER_CLASS | INFER_LABEL | INFER_SCORES};
}

static ward_status parse_json(const char *text, struct infer_request *r)
{
    const struct infer_model m = model_here();

    return infer_parse((const uint8_t *)text, strlen(text), strlen(text), &m, r);
}

#define INPUT(shape, data) \
    "{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":" shape "," data "}]}"

static void test_data_may_be_flat_or_nested(void **state)
{
    static const char *const texts[] = {
        INPUT("[2,1,1,2]", "\"data\":[0.5,-1,0.25,1]"),
        INPUT("[2,1,1,2]", "\"data\":[[[[0.5,-1]]],[[[0.25,1]]]]"),
        " { \"id\" : \"a\\u00e9\" , \"inputs\" : [ {\"shape\":[2,1,1,2], \"data\" : [ [5e-1,-1.0],"
        " 25e-2 , 1e0 ], \"name\":\"input\",\"other\":{\"x\":[1,{\"y\":null}]},"
        "\"datatype\":\"FP32\"} ] } ",
    };
    static const float want[] = {0.5f, -1, 0.25f, 1};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct infer_request r;

        assert_ok(parse_json(texts[i], &r));
        assert_int_equal(r.count, 2);
        assert_memory_equal(r.raw, want, sizeof want);
        assert_int_equal(r.outputs, INFER_CLASS | INFER_LABEL | INFER_SCORES);
        assert_int_equal(r.binary, 0);
        infer_release(&r);
    }
}

static void test_what_is_wrong_with_a_request_is_said(void **state)
{
    static const struct {
        const char *text, *fault;
    } bad[] = {
        {"", "an object is expected"},
        {"[]", "an object is expected"},
        {"{}", "'inputs' is missing"},
        {"{\"inputs\":[]}", "one input"},
        {"{\"inputs\":[{}]}", "lacks its name"},
        {"{\"inputs\":[{},{}]}", "one input"},
        {"{\"inputs\":[],\"inputs\":[]}", "one input"},
        {INPUT("[1,1,1,2]", "\"data\":[0,0]") "x", "after the request"},
        {INPUT("[1,1,1,2]", "\"data\":[0]"), "not as long"},
        {INPUT("[1,1,1,2]", "\"data\":[0,0,0]"), "not as long"},
        {INPUT("[1,1,1,2]", "\"data\":[0,0,]"), "number is expected"},
        {INPUT("[1,1,1,2]", "\"data\":[0 0]"), "closing bracket"},
        {INPUT("[1,1,1,2]", "\"data\":[0,2]"), "outside of -1 to 1"},
        {INPUT("[1,1,1,2]", "\"data\":[0,NaN]"), "number is expected"},
        {INPUT("[1,1,1,2]", "\"data\":[0,1e39]"), "too large for FP32"},
        {INPUT("[1,1,1,2]", "\"data\":[0,01]"), "leading zero"},
        {INPUT("[1,1,1,2]", "\"data\":[0,1.]"), "no digit"},
        {INPUT("[1,1,1,2]", "\"data\":[0,\"1\"]"), "number is expected"},
        {INPUT("[1,1,1,2]", "\"data\":[0,1],\"data\":[0,1]"), "there twice"},
        {INPUT("[1,1,2]", "\"data\":[0,0]"), "4 dimensions"},
        {INPUT("[1,1,1,2,1]", "\"data\":[0,0]"), "4 dimensions"},
        {INPUT("[1,1,2,1]", "\"data\":[0,0]"), "not the model's"},
        {INPUT("[0,1,1,2]", "\"data\":[]"), "no image"},
        {INPUT("[-1,1,1,2]", "\"data\":[0,0]"), "whole number"},
        {INPUT("[4,1,1,2]", "\"data\":[0,0,0,0,0,0,0,0]"), "more images"},
        {INPUT("[4294967295,1,1,2]", "\"data\":[0,0]"), "more images"},
        {INPUT("[1,1,1,2]", "\"x\":0"), "data is missing"},
        {INPUT("[1,1,1,2]", "\"parameters\":{\"binary_data_size\":8}"), "not as long"},
        {"{\"inputs\":[{\"name\":\"x\"}]}", "called 'input'"},
        {"{\"inputs\":[{\"datatype\":\"FP64\"}]}", "FP32"},
        {"{\"outputs\":[{\"name\":\"processed\"}]}", "no output of that name"},
        {"{\"outputs\":[{\"name\":\"class\"},{\"name\":\"class\"}]}", "asked for twice"},
        {"{\"id\":\"\xff\"}", "does not allow"},
        {"{\"id\":\"\\ud834\"}", "does not allow"},
        {"{\"id\":\"x", "cut off"},
        {"{\"x\":[[[[[[[[[[[[[[[[[[[[", "too deep"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct infer_request r;
        ward_status st = parse_json(bad[i].text, &r);

        if (st != WARD_ERR_FORMAT || !strstr(ward_error_message(), bad[i].fault))
            fail_msg("%s: expected '%s', got %s '%s'", bad[i].text, bad[i].fault,
                     ward_status_name(st), st ? ward_error_message() : "");
        infer_release(&r);
    }
}

static void test_binary_tensors_follow_the_json(void **state)
{
    static const char json[] =
        "{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[1,1,1,2],"
        "\"parameters\":{\"binary_data_size\":8}}],\"outputs\":[{\"name\":\"scores\","
        "\"parameters\":"
        "{\"binary_data\":true}},{\"name\":\"class\",\"parameters\":{\"binary_data\":false}},"
        "{\"name\":\"label\"}],\"parameters\":{\"binary_data_output\":true}}";
    const struct infer_model m = model_here();
    float x[2] = {0.5f, -0.5f};
    uint8_t body[sizeof json + 8];
    struct infer_request r;
    size_t len = sizeof json - 1;

    (void)state;
    memcpy(body, json, len);
    memcpy(body + len, x, sizeof x);
    assert_ok(infer_parse(body, len + 8, len, &m, &r));
    assert_ptr_equal(r.raw, body + len);
    assert_int_equal(r.binary, INFER_SCORES | INFER_LABEL);
    infer_release(&r);
    for (size_t wrong = len; wrong < len + 10; wrong++)
        if (wrong != len + 8)
            assert_int_equal(infer_parse(body, wrong, len, &m, &r), WARD_ERR_FORMAT);
    assert_int_equal(infer_parse(body, len, len + 1, &m, &r), WARD_ERR_FORMAT);
    x[0] = NAN;
    memcpy(body + len, x, sizeof x);
    assert_fails(infer_parse(body, len + 8, len, &m, &r), WARD_ERR_FORMAT, "outside");
}

static void test_an_answer_has_what_was_asked_for(void **state)
{
    const struct infer_model m = model_here();
    const float values[] = {0.25f, 0.75f, 0.5f, 0.5f};
    struct infer_request r = {
        .count = 2, .id = {"a\\n", 3}, .outputs = INFER_CLASS | INFER_LABEL | INFER_SCORES};
    struct wr out = WR_INIT;
    size_t json_len;

    (void)state;
    infer_answer(&m, &r, values, &out, &json_len);
    wr_u8(&out, 0);
    assert_ok(wr_finish(&out));
    assert_string_equal(
        (char *)out.data,
        "{\"model_name\":\"m\",\"model_version\":\"0123\",\"id\":\"a\\n\",\"outputs\":["
        "{\"name\":\"class\",\"datatype\":\"INT64\",\"shape\":[2],\"data\":[1,0]},"
        "{\"name\":\"label\",\"datatype\":\"BYTES\",\"shape\":[2],"
        "\"data\":[\"\\\"right\\\"\",\"left\"]},"
        "{\"name\":\"scores\",\"datatype\":\"FP32\",\"shape\":[2,2],\"data\":[0.25,0.75,0.5,0.5]}]"
        "}");
    assert_int_equal(json_len, out.len - 1);
    wr_release(&out);
    out = (struct wr)WR_INIT;
    r.binary = INFER_CLASS | INFER_LABEL;
    r.outputs = INFER_CLASS | INFER_LABEL;
    infer_answer(&m, &r, values, &out, &json_len);
    assert_ok(wr_finish(&out));
    assert_int_equal(out.len - json_len, 2 * 8 + 4 + 7 + 4 + 4);
    assert_memory_equal(out.data + json_len,
                        "\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\7\0\0\0\"right\"\4\0\0\0left", 35);
    wr_release(&out);
}

static void test_numbers_read_as_the_c_library_reads_them(void **state)
{
    struct reader r;
    char text[64];
    float got;

    (void)state;
    srand(1);
    for (int i = 0; i < 200000; i++) {
        uint32_t bits = (uint32_t)rand() << 16 ^ (uint32_t)rand();
        float want;

        memcpy(&want, &bits, sizeof want);
        if (!isfinite(want))
            continue;
        snprintf(text, sizeof text, i % 2 ? "%.9g" : "%.17g", (double)want);
        reader_init(&r, text, strlen(text));
        if (!reader_float(&r, &got) || memcmp(&got, &want, sizeof got) != 0)
            fail_msg("%s was read as %.9g", text, (double)got);
    }
}

static ward_status parse_once(void *context)
{
    struct infer_request r;
    ward_status st = parse_json(context, &r);

    infer_release(&r);
    return st;
}

static void test_requests_survive_failing_allocations(void **state)
{
    (void)state;
    assert_survives_failing_allocations(
        parse_once, (void *)(uintptr_t)INPUT("[3,1,1,2]", "\"data\":[0,0,0,0,0,0]"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_new_token_is_found_by_its_text_alone),
        cmocka_unit_test(test_a_tokens_file_is_not_changed_while_another_process_does),
        cmocka_unit_test(test_what_is_revoked_is_not_found),
        cmocka_unit_test(test_terms_that_cannot_be_are_refused),
        cmocka_unit_test(test_a_tokens_file_is_read_strictly),
        cmocka_unit_test(test_a_tokens_file_that_others_may_read_is_refused),
        cmocka_unit_test(test_a_token_expires_after_its_last_day),
        cmocka_unit_test(test_tokens_survive_failing_allocations),
        cmocka_unit_test(test_a_new_day_has_a_budget_of_its_own),
        cmocka_unit_test(test_a_budget_holds_for_the_day_and_a_refund_gives_back),
        cmocka_unit_test(test_a_rate_is_overdrawn_once_and_then_waited_for),
        cmocka_unit_test(test_different_images_are_counted_across_restarts),
        cmocka_unit_test(test_a_meter_cut_off_by_a_crash_goes_on_and_a_foreign_file_does_not),
        cmocka_unit_test(test_a_meter_is_synced_once_for_what_was_added),
        cmocka_unit_test(test_todays_use_is_found_again_in_the_log),
        cmocka_unit_test(test_data_may_be_flat_or_nested),
        cmocka_unit_test(test_what_is_wrong_with_a_request_is_said),
        cmocka_unit_test(test_binary_tensors_follow_the_json),
        cmocka_unit_test(test_an_answer_has_what_was_asked_for),
        cmocka_unit_test(test_numbers_read_as_the_c_library_reads_them),
        cmocka_unit_test(test_requests_survive_failing_allocations),
    };

    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
