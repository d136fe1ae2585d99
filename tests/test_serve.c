/* What a server is made of, without a network: tokens, accounts, meters, audit log, requests. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
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

    return accounts_charge(a, terms, n, NULL, 0, &wait);
}

static void test_a_budget_holds_for_the_day_and_a_refund_gives_back(void **state)
{
    const ward_token terms = {.user = "alice", .budget = 10}, other = {.user = "bob", .budget = 10};
    struct accounts *a;
    unsigned wait = 0;

    (void)state;
    assert_ok(accounts_new(&a, NULL));
    assert_int_equal(charge(a, &terms, 6), ACCOUNT_FINE);
    assert_int_equal(charge(a, &terms, 5), ACCOUNT_SPENT);
    assert_int_equal(charge(a, &terms, 4), ACCOUNT_FINE);
    assert_int_equal(accounts_charge(a, &terms, 1, NULL, 0, &wait), ACCOUNT_SPENT);
    assert_in_range(wait, 1, 86400);
    assert_int_equal(charge(a, &other, 10), ACCOUNT_FINE);
    accounts_refund(a, "alice", 4);
    accounts_refund(a, "nobody", 4);
    assert_int_equal(charge(a, &terms, 4), ACCOUNT_FINE);
    assert_int_equal(charge(a, &terms, 1), ACCOUNT_SPENT);
    accounts_free(a);
}

static void test_a_rate_is_overdrawn_once_and_then_waited_for(void **state)
{
    const ward_token terms = {.user = "alice", .rate = 10};
    struct accounts *a;
    unsigned wait = 0;

    (void)state;
    assert_ok(accounts_new(&a, NULL));
    assert_int_equal(charge(a, &terms, 50), ACCOUNT_FINE);
    assert_int_equal(accounts_charge(a, &terms, 1, NULL, 0, &wait), ACCOUNT_TOO_FAST);
    assert_in_range(wait, 4, 5);
    accounts_refund(a, "alice", 50);
    assert_int_equal(charge(a, &terms, 1), ACCOUNT_FINE);
    accounts_free(a);
}

static void test_different_images_are_counted_across_restarts(void **state)
{
    const ward_token terms = {.user = "alice", .distinct = 5};
    const float images[6][4] = {{1}, {2}, {3}, {4}, {5}, {6}};
    const char *folder_of_meters = in_folder("meters");
    struct accounts *a;
    unsigned wait;

    (void)state;
    for (int restart = 0; restart < 3; restart++) {
        assert_ok(accounts_new(&a, folder_of_meters));
        /* The same ones, as often as they come, and within one request, too. */
        assert_int_equal(accounts_charge(a, &terms, 3, images, sizeof images[0], &wait),
                         ACCOUNT_FINE);
        assert_int_equal(accounts_charge(a, &terms, 3, images, sizeof images[0], &wait),
                         ACCOUNT_FINE);
        accounts_free(a);
    }
    assert_ok(accounts_new(&a, folder_of_meters));
    assert_int_equal(accounts_charge(a, &terms, 6, images, sizeof images[0], &wait),
                     ACCOUNT_EXHAUSTED);
    assert_int_equal(accounts_charge(a, &terms, 5, images, sizeof images[0], &wait), ACCOUNT_FINE);
    assert_int_equal(accounts_charge(a, &terms, 1, images[5], sizeof images[0], &wait),
                     ACCOUNT_EXHAUSTED);
    assert_int_equal(accounts_charge(a, &terms, 1, images[4], sizeof images[0], &wait),
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

/* ---- the audit log ---- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t has_changed;
    unsigned syncs;
    ino_t synced; /* the last file */
    bool is_stuck, is_broken;
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER, .has_changed = PTHREAD_COND_INITIALIZER};

/* In the place of the C library's: a disk whose syncs are counted, take their time and fail. */
int fdatasync(int fd)
{
    struct stat info;
    bool is_broken;

    pthread_mutex_lock(&disk.lock);
    disk.syncs++;
    disk.synced = fstat(fd, &info) == 0 ? info.st_ino : 0;
    pthread_cond_broadcast(&disk.has_changed);
    while (disk.is_stuck)
        pthread_cond_wait(&disk.has_changed, &disk.lock);
    is_broken = disk.is_broken;
    pthread_mutex_unlock(&disk.lock);
    if (is_broken)
        errno = EIO;
    return is_broken ? -1 : (int)syscall(SYS_fdatasync, fd);
}

static void disk_becomes(bool is_stuck, bool is_broken)
{
    pthread_mutex_lock(&disk.lock);
    disk.is_stuck = is_stuck;
    disk.is_broken = is_broken;
    pthread_cond_broadcast(&disk.has_changed);
    pthread_mutex_unlock(&disk.lock);
}

static unsigned disk_syncs(void)
{
    unsigned syncs;

    pthread_mutex_lock(&disk.lock);
    syncs = disk.syncs;
    pthread_mutex_unlock(&disk.lock);
    return syncs;
}

static void disk_wait_for_sync(unsigned count)
{
    pthread_mutex_lock(&disk.lock);
    while (disk.syncs < count)
        pthread_cond_wait(&disk.has_changed, &disk.lock);
    pthread_mutex_unlock(&disk.lock);
}

static void assert_synced_last(const char *path)
{
    struct stat info;

    assert_int_equal(stat(path, &info), 0);
    pthread_mutex_lock(&disk.lock);
    assert_int_equal(disk.synced, info.st_ino);
    pthread_mutex_unlock(&disk.lock);
}

struct waiter {
    struct audit_note note; /* first */
    ward_status status;
    pthread_mutex_t lock;
    pthread_cond_t is_done;
    bool done;
};

static void on_done(struct audit_note *note, ward_status st)
{
    struct waiter *w = (struct waiter *)(void *)note;

    pthread_mutex_lock(&w->lock);
    w->status = st;
    w->done = true;
    pthread_cond_signal(&w->is_done);
    pthread_mutex_unlock(&w->lock);
}

static ward_status write_and_wait(struct audit *audit, const char *line)
{
    struct waiter w = {.lock = PTHREAD_MUTEX_INITIALIZER, .is_done = PTHREAD_COND_INITIALIZER};

    w.note.len = (size_t)snprintf(w.note.line, sizeof w.note.line, "%s\n", line);
    w.note.done = on_done;
    audit_write(audit, &w.note);
    pthread_mutex_lock(&w.lock);
    while (!w.done)
        pthread_cond_wait(&w.is_done, &w.lock);
    pthread_mutex_unlock(&w.lock);
    return w.status;
}

static size_t lines_of(const char *path)
{
    uint8_t *text;
    size_t len, lines = 0;

    assert_ok(file_read(path, 1 << 24, &text, &len));
    for (size_t i = 0; i < len; i++)
        lines += text[i] == '\n';
    assert_true(len == 0 || text[len - 1] == '\n');
    mem_free(text);
    return lines;
}

static void *write_many(void *audit)
{
    for (int i = 0; i < 50; i++)
        if (write_and_wait(audit, "{\"n\":1}"))
            return audit;
    return NULL;
}

static uint64_t syncs_of(struct audit *audit)
{
    uint64_t syncs;
    double seconds;

    audit_count(audit, &syncs, &seconds);
    assert_true(seconds >= 0);
    return syncs;
}

static void check_every_line_is_in_the_file(const char *path, ward_audit_sync sync,
                                            uint64_t syncs_min, uint64_t syncs_max)
{
    pthread_t threads[8];
    struct audit *audit;
    unsigned before = disk_syncs();
    void *failed;

    assert_ok(audit_open(&audit, path, sync));
    assert_int_equal(mode_of(path), 0600);
    assert_ok(write_and_wait(audit, "{}"));
    assert_int_equal(lines_of(path), 1);
    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, audit), 0);
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(lines_of(path), 401);
    assert_in_range(syncs_of(audit), syncs_min, syncs_max);
    assert_int_equal(syncs_of(audit), disk_syncs() - before);
    audit_close(audit);
}

static void test_every_line_is_in_the_file_when_its_writer_goes_on(void **state)
{
    (void)state;
    check_every_line_is_in_the_file(in_folder("audit"), WARD_AUDIT_SYNC_ALWAYS, 2, 401);
    check_every_line_is_in_the_file(in_folder("second-audit"), WARD_AUDIT_SYNC_SECOND, 0, 0);
}

static void check_a_kill_leaves_whole_lines(const char *path, ward_audit_sync sync)
{
    int confirmed[2];
    struct audit *audit;
    size_t count = 0;
    char byte;
    pid_t child;

    assert_int_equal(pipe(confirmed), 0);
    child = fork();
    if (child == 0) {
        if (audit_open(&audit, path, sync))
            _exit(1);
        for (;;)
            if (write_and_wait(audit, "{\"n\":1}") || write(confirmed[1], "x", 1) != 1)
                _exit(1);
    }
    close(confirmed[1]);
    while (count < 200 && read(confirmed[0], &byte, 1) == 1)
        count++;
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    while (read(confirmed[0], &byte, 1) == 1)
        count++;
    close(confirmed[0]);
    assert_in_range(lines_of(path), count, count + 1);
}

static void test_a_kill_leaves_whole_lines_of_all_that_was_confirmed(void **state)
{
    (void)state;
    check_a_kill_leaves_whole_lines(in_folder("killed-audit"), WARD_AUDIT_SYNC_ALWAYS);
    check_a_kill_leaves_whole_lines(in_folder("killed-second-audit"), WARD_AUDIT_SYNC_SECOND);
}

static void test_a_torn_line_is_cut_off_and_a_foreign_file_left_alone(void **state)
{
    const char *path = in_folder("torn-audit"), *foreign = in_folder("foreign-audit");
    char line[2 * AUDIT_LINE_MAX];
    struct audit *audit;

    (void)state;
    put_file(path, "{\"a\":1}\n{\"b\"", 12);
    assert_ok(audit_open(&audit, path, WARD_AUDIT_SYNC_ALWAYS));
    assert_ok(write_and_wait(audit, "{\"c\":3}"));
    audit_close(audit);
    assert_int_equal(lines_of(path), 2);
    memset(line, 'x', sizeof line);
    put_file(foreign, line, sizeof line);
    assert_fails(audit_open(&audit, foreign, WARD_AUDIT_SYNC_ALWAYS), WARD_ERR_FORMAT,
                 "foreign-audit");
    assert_fails(audit_open(&audit, in_folder("no/such/folder"), WARD_AUDIT_SYNC_ALWAYS),
                 WARD_ERR_IO, "no/such");
}

static void test_a_log_that_was_moved_away_is_reopened(void **state)
{
    const char *path = in_folder("moving-audit"), *moved = in_folder("moved-audit");
    struct audit *audit;

    (void)state;
    assert_ok(audit_open(&audit, path, WARD_AUDIT_SYNC_ALWAYS));
    assert_ok(write_and_wait(audit, "{}"));
    assert_int_equal(rename(path, moved), 0);
    assert_ok(write_and_wait(audit, "{}"));
    assert_ok(audit_reopen(audit));
    assert_ok(write_and_wait(audit, "{}"));
    audit_close(audit);
    assert_int_equal(lines_of(moved), 2);
    assert_int_equal(lines_of(path), 1);
}

static void test_written_lines_are_synced_once_and_when_the_log_stops(void **state)
{
    unsigned before = disk_syncs();
    struct audit *audit;

    (void)state;
    assert_ok(audit_open(&audit, in_folder("lazy-audit"), WARD_AUDIT_SYNC_SECOND));
    assert_ok(audit_sync(audit));
    assert_int_equal(disk_syncs() - before, 0);
    assert_ok(write_and_wait(audit, "{}"));
    assert_ok(write_and_wait(audit, "{}"));
    assert_ok(audit_sync(audit));
    assert_ok(audit_sync(audit));
    assert_int_equal(disk_syncs() - before, 1);
    assert_ok(write_and_wait(audit, "{}"));
    assert_ok(audit_stop(audit));
    assert_int_equal(disk_syncs() - before, 2);
    assert_int_equal(syncs_of(audit), 2);
    audit_close(audit);
    assert_int_equal(disk_syncs() - before, 2);
}

static void test_a_file_is_synced_when_another_takes_its_place(void **state)
{
    const char *path = in_folder("leaving-audit"), *moved = in_folder("left-audit");
    unsigned before = disk_syncs();
    struct audit *audit;

    (void)state;
    assert_ok(audit_open(&audit, path, WARD_AUDIT_SYNC_SECOND));
    assert_ok(write_and_wait(audit, "{}"));
    assert_int_equal(rename(path, moved), 0);
    assert_ok(audit_reopen(audit));
    assert_int_equal(disk_syncs() - before, 1);
    assert_synced_last(moved);
    assert_ok(write_and_wait(audit, "{}"));
    audit_close(audit);
    assert_int_equal(disk_syncs() - before, 2);
    assert_synced_last(path);
}

static void *sync_it(void *audit)
{
    return audit_sync(audit) ? audit : NULL;
}

static void test_a_line_does_not_wait_for_a_sync_under_way(void **state)
{
    const char *path = in_folder("busy-audit");
    unsigned before = disk_syncs();
    struct audit *audit;
    pthread_t thread;
    void *failed;

    (void)state;
    assert_ok(audit_open(&audit, path, WARD_AUDIT_SYNC_SECOND));
    assert_ok(write_and_wait(audit, "{}"));
    disk_becomes(true, false);
    assert_int_equal(pthread_create(&thread, NULL, sync_it, audit), 0);
    disk_wait_for_sync(before + 1);
    assert_ok(write_and_wait(audit, "{}"));
    assert_int_equal(lines_of(path), 2);
    disk_becomes(false, false);
    pthread_join(thread, &failed);
    assert_null(failed);
    /* The sync may have missed the line that came meanwhile. */
    assert_ok(audit_sync(audit));
    assert_int_equal(disk_syncs() - before, 2);
    audit_close(audit);
}

static void check_lines_while_files_change(const char *path, ward_audit_sync sync)
{
    pthread_t threads[4];
    struct audit *audit;
    char moved[8][256];
    size_t lines = 0;
    void *failed;

    assert_ok(audit_open(&audit, path, sync));
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, audit), 0);
    for (int i = 0; i < 8; i++) {
        snprintf(moved[i], sizeof moved[i], "%s.%d", path, i);
        assert_int_equal(rename(path, moved[i]), 0);
        assert_ok(audit_reopen(audit));
        assert_ok(audit_sync(audit));
        assert_ok(audit_reopen(audit)); /* the same file, with lines on their way */
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    audit_close(audit);
    for (int i = 0; i < 8; i++)
        lines += lines_of(moved[i]);
    assert_int_equal(lines + lines_of(path), 4 * 50);
}

static void test_no_line_is_lost_while_files_change_and_are_synced(void **state)
{
    (void)state;
    check_lines_while_files_change(in_folder("turning-audit"), WARD_AUDIT_SYNC_ALWAYS);
    check_lines_while_files_change(in_folder("turning-second-audit"), WARD_AUDIT_SYNC_SECOND);
}

static void check_a_log_that_cannot_be_written(ward_audit_sync sync)
{
    struct audit *audit;

    assert_ok(audit_open(&audit, "/dev/full", sync));
    assert_int_equal(write_and_wait(audit, "{}"), WARD_ERR_IO);
    assert_ok(audit_sync(audit));
    assert_false(audit_is_well(audit));
    assert_ok(audit_stop(audit));
    assert_int_equal(write_and_wait(audit, "{}"), WARD_ERR_IO);
    audit_close(audit);
}

static void test_a_log_that_cannot_be_written_says_so_to_every_writer(void **state)
{
    (void)state;
    check_a_log_that_cannot_be_written(WARD_AUDIT_SYNC_ALWAYS);
    check_a_log_that_cannot_be_written(WARD_AUDIT_SYNC_SECOND);
}

static void test_a_line_that_cannot_be_synced_is_not_answered(void **state)
{
    struct audit *audit;

    (void)state;
    assert_ok(audit_open(&audit, in_folder("broken-audit"), WARD_AUDIT_SYNC_ALWAYS));
    disk_becomes(false, true);
    assert_int_equal(write_and_wait(audit, "{}"), WARD_ERR_IO);
    assert_false(audit_is_well(audit));
    assert_fails(audit_sync(audit), WARD_ERR_IO, "cannot sync");
    disk_becomes(false, false);
    assert_ok(write_and_wait(audit, "{}"));
    assert_true(audit_is_well(audit));
    audit_close(audit);
}

static void test_after_a_failed_sync_nothing_is_answered_until_one_succeeds(void **state)
{
    const char *path = in_folder("failing-audit");
    struct audit *audit;

    (void)state;
    assert_ok(audit_open(&audit, path, WARD_AUDIT_SYNC_SECOND));
    disk_becomes(false, true);
    assert_ok(write_and_wait(audit, "{}"));
    assert_true(audit_is_well(audit));
    assert_fails(audit_sync(audit), WARD_ERR_IO, "cannot sync");
    assert_false(audit_is_well(audit));
    assert_int_equal(write_and_wait(audit, "{}"), WARD_ERR_IO);
    assert_int_equal(lines_of(path), 2);
    assert_fails(audit_sync(audit), WARD_ERR_IO, "cannot sync");
    disk_becomes(false, false);
    assert_int_equal(write_and_wait(audit, "{}"), WARD_ERR_IO);
    assert_ok(audit_sync(audit));
    assert_true(audit_is_well(audit));
    assert_ok(write_and_wait(audit, "{}"));
    audit_close(audit);
}

static void test_a_failed_sync_is_told_when_the_file_is_left(void **state)
{
    const char *path = in_folder("failing-old-audit"), *moved = in_folder("failed-old-audit");
    struct audit *audit;

    (void)state;
    assert_ok(audit_open(&audit, path, WARD_AUDIT_SYNC_SECOND));
    assert_ok(write_and_wait(audit, "{}"));
    assert_int_equal(rename(path, moved), 0);
    disk_becomes(false, true);
    assert_fails(audit_reopen(audit), WARD_ERR_IO, "cannot sync");
    assert_false(audit_is_well(audit));
    disk_becomes(false, false);
    assert_ok(audit_sync(audit));
    assert_true(audit_is_well(audit));
    assert_ok(write_and_wait(audit, "{}"));
    assert_int_equal(lines_of(path), 1);
    disk_becomes(false, true);
    assert_fails(audit_stop(audit), WARD_ERR_IO, "cannot sync");
    disk_becomes(false, false);
    audit_close(audit);
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
        cmocka_unit_test(test_what_is_revoked_is_not_found),
        cmocka_unit_test(test_terms_that_cannot_be_are_refused),
        cmocka_unit_test(test_a_tokens_file_is_read_strictly),
        cmocka_unit_test(test_a_tokens_file_that_others_may_read_is_refused),
        cmocka_unit_test(test_a_token_expires_after_its_last_day),
        cmocka_unit_test(test_tokens_survive_failing_allocations),
        cmocka_unit_test(test_a_budget_holds_for_the_day_and_a_refund_gives_back),
        cmocka_unit_test(test_a_rate_is_overdrawn_once_and_then_waited_for),
        cmocka_unit_test(test_different_images_are_counted_across_restarts),
        cmocka_unit_test(test_a_meter_cut_off_by_a_crash_goes_on_and_a_foreign_file_does_not),
        cmocka_unit_test(test_every_line_is_in_the_file_when_its_writer_goes_on),
        cmocka_unit_test(test_a_kill_leaves_whole_lines_of_all_that_was_confirmed),
        cmocka_unit_test(test_a_torn_line_is_cut_off_and_a_foreign_file_left_alone),
        cmocka_unit_test(test_a_log_that_was_moved_away_is_reopened),
        cmocka_unit_test(test_written_lines_are_synced_once_and_when_the_log_stops),
        cmocka_unit_test(test_a_file_is_synced_when_another_takes_its_place),
        cmocka_unit_test(test_a_line_does_not_wait_for_a_sync_under_way),
        cmocka_unit_test(test_no_line_is_lost_while_files_change_and_are_synced),
        cmocka_unit_test(test_a_log_that_cannot_be_written_says_so_to_every_writer),
        cmocka_unit_test(test_a_line_that_cannot_be_synced_is_not_answered),
        cmocka_unit_test(test_after_a_failed_sync_nothing_is_answered_until_one_succeeds),
        cmocka_unit_test(test_a_failed_sync_is_told_when_the_file_is_left),
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
