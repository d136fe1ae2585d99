/* The audit log of a server: what an answer waits for, and what is left after a kill, a full disk,
 * a failed sync, a change of files. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "model_fixture.h"
#include "serve/audit.h"

/* ---- a disk ---- */

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
    put_file(path, "{\"a\":1}\n{\"ti", 12);
    assert_ok(audit_open(&audit, path, WARD_AUDIT_SYNC_ALWAYS));
    assert_ok(write_and_wait(audit, "{\"c\":3}"));
    audit_close(audit);
    assert_int_equal(lines_of(path), 2);
    memset(line, 'x', sizeof line);
    put_file(foreign, line, sizeof line);
    assert_fails(audit_open(&audit, foreign, WARD_AUDIT_SYNC_ALWAYS), WARD_ERR_FORMAT,
                 "foreign-audit");
    put_file(foreign, "a note", 6);
    assert_fails(audit_open(&audit, foreign, WARD_AUDIT_SYNC_ALWAYS), WARD_ERR_FORMAT,
                 "foreign-audit");
    assert_ok(file_truncate(foreign, 6)); /* which says so of a shorter one */
    put_file(path, "{\"a\":1}\n\0\0", 10);
    assert_ok(audit_open(&audit, path, WARD_AUDIT_SYNC_ALWAYS));
    audit_close(audit);
    assert_int_equal(lines_of(path), 1);
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

static void test_a_file_is_the_log_of_one_at_a_time(void **state)
{
    const char *path = in_folder("own-audit"), *next = in_folder("next-audit");
    struct audit *audit, *other;

    (void)state;
    assert_ok(audit_open(&audit, path, WARD_AUDIT_SYNC_ALWAYS));
    assert_fails(audit_open(&other, path, WARD_AUDIT_SYNC_ALWAYS), WARD_ERR_BUSY,
                 "own-audit' is the audit log of another server");
    assert_ok(audit_reopen(audit)); /* it still is its own */
    assert_fails(audit_open(&other, path, WARD_AUDIT_SYNC_ALWAYS), WARD_ERR_BUSY, "another");
    assert_ok(audit_open(&other, next, WARD_AUDIT_SYNC_ALWAYS));
    assert_int_equal(rename(next, path), 0);
    assert_fails(audit_reopen(audit), WARD_ERR_BUSY, "another");
    audit_close(other);
    assert_ok(audit_reopen(audit));
    assert_ok(write_and_wait(audit, "{}"));
    assert_int_equal(lines_of(path), 1);
    audit_close(audit);
    assert_ok(audit_open(&audit, path, WARD_AUDIT_SYNC_ALWAYS));
    audit_close(audit);
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
    assert_false(audit_is_well(audit));
    assert_fails(audit_sync(audit), WARD_ERR_IO, "cannot be written"); /* and is tried again */
    assert_true(audit_is_well(audit));
    assert_ok(audit_sync(audit));
    assert_int_equal(write_and_wait(audit, "{}"), WARD_ERR_IO);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_line_is_in_the_file_when_its_writer_goes_on),
        cmocka_unit_test(test_a_kill_leaves_whole_lines_of_all_that_was_confirmed),
        cmocka_unit_test(test_a_torn_line_is_cut_off_and_a_foreign_file_left_alone),
        cmocka_unit_test(test_a_log_that_was_moved_away_is_reopened),
        cmocka_unit_test(test_a_file_is_the_log_of_one_at_a_time),
        cmocka_unit_test(test_written_lines_are_synced_once_and_when_the_log_stops),
        cmocka_unit_test(test_a_file_is_synced_when_another_takes_its_place),
        cmocka_unit_test(test_a_line_does_not_wait_for_a_sync_under_way),
        cmocka_unit_test(test_no_line_is_lost_while_files_change_and_are_synced),
        cmocka_unit_test(test_a_log_that_cannot_be_written_says_so_to_every_writer),
        cmocka_unit_test(test_a_line_that_cannot_be_synced_is_not_answered),
        cmocka_unit_test(test_after_a_failed_sync_nothing_is_answered_until_one_succeeds),
        cmocka_unit_test(test_a_failed_sync_is_told_when_the_file_is_left),
    };

    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
