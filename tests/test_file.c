/* Whole files in, whole files out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alloc_test.h"
#include "base/file.h"
#include "base/mem.h"

/* Each test has an empty working folder of its own. */
static int enter_folder(void **state)
{
    static char folder[32];

    strcpy(folder, "/tmp/ward-file-XXXXXX");
    *state = mkdtemp(folder);
    umask(022);
    return *state && chdir(folder) == 0 ? 0 : -1;
}

static int leave_folder(void **state)
{
    char command[64];

    snprintf(command, sizeof(command), "rm -rf '%s'", (const char *)*state);
    return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

static void assert_holds(const char *path, const char *text)
{
    uint8_t *data;
    size_t len;

    assert_int_equal(file_read(path, 1 << 20, &data, &len), WARD_OK);
    assert_string_equal((const char *)data, text);
    assert_int_equal(len, strlen(text));
    mem_free(data);
}

static size_t count_names(const char *dir)
{
    char **names;
    size_t count;

    assert_int_equal(file_list(dir, &names, &count), WARD_OK);
    file_list_free(names, count);
    return count;
}

static mode_t mode_of(const char *path)
{
    struct stat info;

    assert_int_equal(stat(path, &info), 0);
    return info.st_mode & 0777;
}

static void test_what_is_written_is_read_back(void **state)
{
    (void)state;
    assert_int_equal(file_write("a", "hello", 5, 0), WARD_OK);
    assert_holds("a", "hello");
    assert_int_equal(file_write("empty", NULL, 0, 0), WARD_OK);
    assert_holds("empty", "");
    assert_int_equal(count_names("."), 2);
}

static void test_pieces_are_written_in_a_row(void **state)
{
    const struct file_piece pieces[] = {{"ab", 2}, {NULL, 0}, {"cde", 3}};

    (void)state;
    assert_int_equal(file_writev("a", pieces, 3, 0), WARD_OK);
    assert_holds("a", "abcde");
}

static void test_secret_files_are_readable_by_the_owner_only(void **state)
{
    (void)state;
    assert_int_equal(file_write("secret", "x", 1, FILE_SECRET), WARD_OK);
    assert_int_equal(file_write("public", "x", 1, 0), WARD_OK);
    assert_int_equal(file_append("secret.log", "x", 1, FILE_SECRET), WARD_OK);
    assert_int_equal(file_append("public.log", "x", 1, 0), WARD_OK);
    assert_int_equal(mode_of("secret"), 0600);
    assert_int_equal(mode_of("public"), 0644);
    assert_int_equal(mode_of("secret.log"), 0600);
    assert_int_equal(mode_of("public.log"), 0644);
    umask(077);
    assert_int_equal(file_write("masked", "x", 1, 0), WARD_OK);
    assert_int_equal(mode_of("masked"), 0600);
    /* What was public becomes secret when it is replaced by a secret. */
    assert_int_equal(file_write("public", "x", 1, FILE_SECRET | FILE_REPLACE), WARD_OK);
    assert_int_equal(mode_of("public"), 0600);
}

static void test_a_file_is_replaced_only_if_asked(void **state)
{
    (void)state;
    assert_int_equal(file_write("a", "old", 3, 0), WARD_OK);
    assert_int_equal(file_write("a", "new", 3, 0), WARD_ERR_EXISTS);
    assert_holds("a", "old");
    assert_int_equal(file_write("a", "new", 3, FILE_REPLACE), WARD_OK);
    assert_holds("a", "new");
    assert_int_equal(count_names("."), 1);
}

static void test_a_link_to_what_is_no_file_stays(void **state)
{
    (void)state;
    assert_int_equal(symlink("/dev/null", "device"), 0);
    assert_int_equal(symlink(".", "folder"), 0);
    assert_int_equal(symlink("nothing", "nowhere"), 0);
    assert_int_equal(file_write("device", "x", 1, FILE_REPLACE), WARD_ERR_IO);
    assert_int_equal(file_write("folder", "x", 1, FILE_REPLACE), WARD_ERR_IO);
    assert_int_equal(file_write("nowhere", "new", 3, FILE_REPLACE), WARD_OK);
    assert_holds("nowhere", "new");
    assert_true(file_is_directory("folder"));
    assert_int_equal(count_names("."), 3);
}

static void test_a_file_that_appears_meanwhile_is_not_replaced(void **state)
{
    struct file_out out = {0};

    (void)state;
    assert_int_equal(file_out_open(&out, "a", 0), WARD_OK);
    assert_int_equal(file_out_write(&out, "mine", 4), WARD_OK);
    assert_int_equal(file_write("a", "theirs", 6, 0), WARD_OK);
    assert_int_equal(file_out_commit(&out), WARD_ERR_EXISTS);
    file_out_abort(&out);
    assert_holds("a", "theirs");
    assert_int_equal(count_names("."), 1);
}

static void test_an_aborted_output_leaves_nothing(void **state)
{
    struct file_out out = {0};

    (void)state;
    file_out_abort(&out);
    assert_int_equal(file_out_open(&out, "a", 0), WARD_OK);
    assert_int_equal(file_out_write(&out, "half", 4), WARD_OK);
    assert_false(file_exists("a"));
    file_out_abort(&out);
    file_out_abort(&out);
    assert_int_equal(count_names("."), 0);
}

static void test_temporaries_of_a_killed_process_are_swept_and_nothing_else(void **state)
{
    static const char *const others[] = {
        "a",        "ab.tmp-1-000000001", "a.tmp",   "b.tmp-1-000000001", "a.tmp-1-000000001.old",
        "a.tmp-me", "a.tmp-1-0000000001", "a.tmp--1"};
    const size_t count = sizeof others / sizeof others[0];
    struct file_out out = {0};
    pid_t child = fork();

    (void)state;
    if (child == 0) {
        if (!file_out_open(&out, "a", FILE_SECRET))
            raise(SIGKILL);
        _exit(1);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(file_write(others[i], "", 0, 0), WARD_OK);
    assert_int_equal(count_names("."), count + 1);
    assert_int_equal(file_sweep("a"), WARD_OK);
    assert_int_equal(count_names("."), count);
    for (size_t i = 0; i < count; i++)
        assert_true(file_exists(others[i]));
    assert_int_equal(file_sweep("nowhere/a"), WARD_ERR_IO);
}

static void test_a_committed_output_survives_an_abort(void **state)
{
    struct file_out out = {0};

    (void)state;
    assert_int_equal(file_out_open(&out, "a", 0), WARD_OK);
    assert_int_equal(file_out_write(&out, "wh", 2), WARD_OK);
    assert_int_equal(file_out_write(&out, "ole", 3), WARD_OK);
    assert_int_equal(file_out_commit(&out), WARD_OK);
    file_out_abort(&out);
    assert_holds("a", "whole");
}

static void test_folders_and_devices_are_never_replaced(void **state)
{
    (void)state;
    assert_int_equal(mkdir("folder", 0777), 0);
    assert_int_equal(file_write("folder", "x", 1, FILE_REPLACE), WARD_ERR_IO);
    assert_int_equal(mkfifo("pipe", 0666), 0);
    assert_int_equal(file_write("pipe", "x", 1, FILE_REPLACE), WARD_ERR_IO);
    assert_int_equal(count_names("."), 2);
}

static void test_a_full_disk_leaves_the_old_file_and_no_rubbish(void **state)
{
    static char text[100000];
    struct rlimit old, small;
    ward_status st;

    (void)state;
    assert_int_equal(file_write("a", "old", 3, 0), WARD_OK);
    assert_int_equal(file_append("log", "line\n", 5, 0), WARD_OK);
    /* The limit on file size fails a write as a full disk does, with another errno. */
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 5000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    st = file_write("a", text, sizeof(text), FILE_REPLACE);
    assert_int_equal(file_append("log", text, sizeof(text), 0), WARD_ERR_IO);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(st, WARD_ERR_IO);
    assert_non_null(strstr(ward_error_message(), "'log'"));
    assert_holds("a", "old");
    assert_holds("log", "line\n");
    assert_int_equal(count_names("."), 2);
}

static void assert_unreadable(const char *path, size_t max, ward_status expected)
{
    uint8_t *data = NULL;
    size_t len = 7;
    ward_status st = file_read(path, max, &data, &len);

    if (st != expected || data || len != 7 || !strstr(ward_error_message(), path))
        fail_msg("'%s': expected %s, got %s (%s)", path, ward_status_name(expected),
                 ward_status_name(st), ward_error_message());
}

static void test_what_cannot_be_read_is_named(void **state)
{
    (void)state;
    assert_int_equal(file_write("five", "12345", 5, 0), WARD_OK);
    assert_unreadable("absent", 100, WARD_ERR_IO);
    assert_unreadable("absent/deeper", 100, WARD_ERR_IO);
    assert_unreadable(".", 100, WARD_ERR_IO);
    assert_unreadable("five", 4, WARD_ERR_FORMAT);
    assert_unreadable("five", 0, WARD_ERR_FORMAT);
    assert_unreadable("/dev/zero", 200000, WARD_ERR_FORMAT);
    assert_holds("five", "12345");
}

static void *feed_pipe(void *unused)
{
    FILE *pipe = fopen("pipe", "w");

    (void)unused;
    for (int i = 0; i < 100000; i++)
        fprintf(pipe, "%d\n", i % 10);
    fclose(pipe);
    return NULL;
}

static void test_a_pipe_is_read_to_its_end(void **state)
{
    pthread_t thread;
    uint8_t *data;
    size_t len;

    (void)state;
    assert_int_equal(mkfifo("pipe", 0666), 0);
    assert_int_equal(pthread_create(&thread, NULL, feed_pipe, NULL), 0);
    assert_int_equal(file_read("pipe", 200000, &data, &len), WARD_OK);
    pthread_join(thread, NULL);
    assert_int_equal(len, 200000);
    assert_int_equal(data[0], '0');
    assert_int_equal(data[199998], '9');
    assert_int_equal(data[200000], 0);
    mem_free(data);
}

static void test_lines_are_appended_and_cut_off(void **state)
{
    (void)state;
    assert_int_equal(file_append("log", "one\n", 4, 0), WARD_OK);
    assert_int_equal(file_append("log", "two\n", 4, 0), WARD_OK);
    assert_holds("log", "one\ntwo\n");
    assert_int_equal(file_truncate("log", 9), WARD_ERR_FORMAT);
    assert_holds("log", "one\ntwo\n");
    assert_int_equal(file_truncate("log", 4), WARD_OK);
    assert_holds("log", "one\n");
    assert_int_equal(file_truncate("absent", 0), WARD_ERR_IO);
    assert_false(file_exists("absent"));
}

static void test_directories_are_made_with_their_parents(void **state)
{
    (void)state;
    assert_int_equal(file_make_directory("a/b//c/"), WARD_OK);
    assert_int_equal(file_make_directory("a/b/c"), WARD_OK);
    assert_true(file_is_directory("a/b/c"));
    assert_int_equal(file_write("file", "", 0, 0), WARD_OK);
    assert_int_equal(file_make_directory("file"), WARD_ERR_IO);
    assert_int_equal(file_make_directory("file/d"), WARD_ERR_IO);
    assert_int_equal(file_make_directory(""), WARD_ERR_IO);
    assert_false(file_is_directory("file"));
}

static void test_names_are_listed_in_order(void **state)
{
    static const char *const expected[] = {".hidden", "B", "a", "b10", "b9"};
    char **names;
    size_t count;

    (void)state;
    for (int i = 4; i >= 0; i--)
        assert_int_equal(file_write(expected[i], "", 0, 0), WARD_OK);
    assert_int_equal(file_list(".", &names, &count), WARD_OK);
    assert_int_equal(count, 5);
    for (int i = 0; i < 5; i++)
        assert_string_equal(names[i], expected[i]);
    file_list_free(names, count);
    assert_int_equal(file_list("absent", &names, &count), WARD_ERR_IO);
    assert_int_equal(file_list("a", &names, &count), WARD_ERR_IO);
}

static void test_paths_are_joined_with_one_slash(void **state)
{
    char *path;

    (void)state;
    assert_int_equal(file_join(&path, "dir", "name"), WARD_OK);
    assert_string_equal(path, "dir/name");
    mem_free(path);
    assert_int_equal(file_join(&path, "/", "name"), WARD_OK);
    assert_string_equal(path, "/name");
    mem_free(path);
}

static void test_a_directory_is_locked_by_one_at_a_time(void **state)
{
    int first = -1, second = -1;

    (void)state;
    assert_int_equal(file_lock(".", &first), WARD_OK);
    assert_int_equal(file_lock(".", &second), WARD_ERR_BUSY);
    assert_int_equal(second, -1);
    file_unlock(second);
    file_unlock(first);
    assert_int_equal(file_lock(".", &second), WARD_OK);
    file_unlock(second);
    assert_int_equal(file_lock("absent", &first), WARD_ERR_IO);
}

static ward_status write_read_list(void *unused)
{
    uint8_t *data = NULL;
    char **names = NULL;
    size_t len, count = 0;
    int lock = -1;
    ward_status st = file_make_directory("d/e");

    (void)unused;
    if (!st)
        st = file_lock("d", &lock);
    if (!st)
        st = file_write("d/e/f", "abc", 3, FILE_REPLACE);
    if (!st)
        st = file_read("d/e/f", 3, &data, &len);
    if (!st)
        st = file_list("d/e", &names, &count);
    file_unlock(lock);
    mem_free(data);
    file_list_free(names, count);
    return st;
}

static void test_every_failing_allocation_is_reported_and_leaves_no_rubbish(void **state)
{
    (void)state;
    assert_in_range(assert_survives_failing_allocations(write_read_list, NULL), 7, 30);
    assert_int_equal(count_names("d/e"), 1);
}

#define FILE_TEST(f) cmocka_unit_test_setup_teardown(f, enter_folder, leave_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST(test_what_is_written_is_read_back),
        FILE_TEST(test_pieces_are_written_in_a_row),
        FILE_TEST(test_secret_files_are_readable_by_the_owner_only),
        FILE_TEST(test_a_file_is_replaced_only_if_asked),
        FILE_TEST(test_a_link_to_what_is_no_file_stays),
        FILE_TEST(test_a_file_that_appears_meanwhile_is_not_replaced),
        FILE_TEST(test_an_aborted_output_leaves_nothing),
        FILE_TEST(test_temporaries_of_a_killed_process_are_swept_and_nothing_else),
        FILE_TEST(test_a_committed_output_survives_an_abort),
        FILE_TEST(test_folders_and_devices_are_never_replaced),
        FILE_TEST(test_a_full_disk_leaves_the_old_file_and_no_rubbish),
        FILE_TEST(test_what_cannot_be_read_is_named),
        FILE_TEST(test_a_pipe_is_read_to_its_end),
        FILE_TEST(test_lines_are_appended_and_cut_off),
        FILE_TEST(test_directories_are_made_with_their_parents),
        FILE_TEST(test_names_are_listed_in_order),
        FILE_TEST(test_paths_are_joined_with_one_slash),
        FILE_TEST(test_a_directory_is_locked_by_one_at_a_time),
        FILE_TEST(test_every_failing_allocation_is_reported_and_leaves_no_rubbish),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
