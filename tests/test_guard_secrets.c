/*
 * Where G and processed images are while a run is served, and where they are not: found by
 * searching the memory of all three processes. That takes root, as the guard's own user may not
 * read it; what root is needed for is skipped without.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "base/util.h"
#include "guard_fixture.h"

enum { IMAGES = 6, NOBODY = 65534, NEEDLE_MAX = 64 * sizeof(float), NEEDLES = 32 };

/* ---- a serving process, whose memory nobody but itself has written ---- */

static const char serving[] = "@serve"; /* test_guard_secrets @serve RUN */

/* Has IMAGES images answered, from the first to the last, tells its pids and waits for the end of
 * its input. Exec'ed, so that its memory holds nothing of the test's. */
static int serve(const char *path)
{
    struct guard_config config = config_of(path, 4);
    struct guard *guard = NULL;
    struct guard_info info;
    float *x = NULL, *y = NULL;
    char end;
    ward_status st = guard_start(&guard, &config);

    if (st) {
        fprintf(stderr, "%s\n", ward_error_message());
        return 1;
    }
    guard_describe(guard, &info);
    x = make_images(IMAGES, info.input_len);
    if (mem_new(&y, 4 * info.output_len, sizeof *y))
        return 1;
    for (size_t i = 0; i < IMAGES && !st; i += 3)
        st = guard_run(guard, 3, x + i * info.input_len, y);
    if (st || write(STDOUT_FILENO, &info, sizeof info) != sizeof info)
        return 1;
    while (read(STDIN_FILENO, &end, 1) > 0)
        continue;
    guard_stop(guard);
    mem_free(x);
    mem_free(y);
    return 0;
}

struct server {
    pid_t pid;
    int in, out;
    struct guard_info info; /* pids only */
};

/* Root of a container may lack what it takes to look into processes that are closed to others. */
static bool may_look_anywhere(void)
{
    return geteuid() == 0 && prctl(PR_CAPBSET_READ, CAP_SYS_PTRACE, 0, 0, 0) == 1;
}

/* As nobody if this is root and that is asked for. */
static struct server server_start(const char *path, bool as_nobody)
{
    int in[2], out[2];
    struct server s;

    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    s.pid = fork();
    if (s.pid == 0) {
        if (as_nobody && geteuid() == 0 && (setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
            _exit(1);
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        execl("/proc/self/exe", "server", serving, path, (char *)NULL);
        _exit(1);
    }
    close(in[0]);
    close(out[1]);
    s.in = in[1];
    s.out = out[0];
    if (read(s.out, &s.info, sizeof s.info) != sizeof s.info)
        fail_msg("the server did not start");
    return s;
}

static void server_end(struct server *s)
{
    int status;

    close(s->in);
    close(s->out);
    assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void give_folder_to(unsigned user)
{
    char command[128];

    snprintf(command, sizeof command, "chown -R %u '%s'", user, folder);
    if (geteuid() == 0)
        shell(command);
}

/* ---- searching ---- */

/* Floats in a row that occur nowhere by chance. */
struct needles {
    uint8_t bytes[NEEDLES][NEEDLE_MAX];
    size_t len[NEEDLES];
    size_t count;
};

static void add_bytes(struct needles *n, const float *row, size_t len)
{
    assert_true(n->count < NEEDLES && len * sizeof *row <= NEEDLE_MAX);
    memcpy(n->bytes[n->count], row, len * sizeof *row);
    n->len[n->count++] = len * sizeof *row;
}

/* Four of many different floats. */
static void add_needle(struct needles *n, const float *four)
{
    for (int i = 0; i < 4; i++)
        assert_true(four[i] != 0 && (i == 0 || four[i] != four[i - 1]));
    add_bytes(n, four, 4);
}

/* Some from a row of floats, its first and last among them. */
static void add_row(struct needles *n, const float *row, size_t len)
{
    for (size_t i = 0; i < 5; i++)
        add_needle(n, row + i * (len - 4) / 4);
}

static size_t count_in(const struct needles *n, const uint8_t *data, size_t len)
{
    size_t found = 0;

    for (size_t i = 0; i < n->count; i++)
        found += memmem(data, len, n->bytes[i], n->len[i]) != NULL;
    return found;
}

/* Piece by piece, each with the end of the one before. Returns bytes read. */
static size_t search_region(const struct needles *n, int memory, size_t begin, size_t end,
                            size_t *found)
{
    static uint8_t piece[1 << 20];
    size_t bytes = 0;

    for (size_t at = begin; at < end; at += sizeof piece - NEEDLE_MAX) {
        ssize_t got = pread(memory, piece, min_size(sizeof piece, end - at), (off_t)at);

        if (got <= 0)
            break;
        *found += count_in(n, piece, (size_t)got);
        bytes += (size_t)got;
    }
    return bytes;
}

enum where { ANYWHERE, UNGUARDED };

/* Guarded memory alone is left out of core dumps. Sanitizers' own is too large to be looked at. */
static bool is_searched(const char *flags, size_t len, enum where where)
{
    return len < (size_t)1 << 32 && !strstr(flags, " io ") &&
           (where == ANYWHERE || !strstr(flags, " dd "));
}

/* In a process' memory, also where it may not read itself. */
static size_t count_in_process(const struct needles *n, pid_t pid, enum where where)
{
    static const char label[] = "VmFlags:";
    char path[64], line[512];
    size_t found = 0, bytes = 0, len = 0, begin = 0, from, to;
    FILE *maps;
    int memory;

    snprintf(path, sizeof path, "/proc/%ld/mem", (long)pid);
    memory = open(path, O_RDONLY | O_CLOEXEC);
    snprintf(path, sizeof path, "/proc/%ld/smaps", (long)pid);
    maps = fopen(path, "r");
    if (memory < 0 || !maps)
        fail_msg("cannot read the memory of process %ld", (long)pid);
    while (fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%zx-%zx ", &from, &to) == 2) {
            begin = from;
            len = to - from;
        } else if (strncmp(line, label, strlen(label)) == 0 && is_searched(line, len, where)) {
            bytes += search_region(n, memory, begin, begin + len, &found);
        }
    }
    fclose(maps);
    close(memory);
    assert_true(bytes > 1 << 20);
    return found;
}

static void assert_absent(const char *what, const struct needles *n, const char *where, pid_t pid)
{
    size_t found = count_in_process(n, pid, ANYWHERE);

    if (found > 0)
        fail_msg("%s is in the memory of the %s, %zu times", what, where, found);
}

static void assert_present(const char *what, const struct needles *n, const char *where, pid_t pid)
{
    if (count_in_process(n, pid, ANYWHERE) == 0)
        fail_msg("%s is not in the memory of the %s: the search finds nothing", what, where);
}

/* In no other memory of the guard. */
static void assert_guarded(const char *what, const struct needles *n, pid_t pid)
{
    size_t found = count_in_process(n, pid, UNGUARDED);

    if (found > 0)
        fail_msg("%s is in memory of the guard that is not guarded, %zu times", what, found);
}

static void assert_complete(const char *what, const struct needles *n, pid_t pid)
{
    size_t found = count_in_process(n, pid, ANYWHERE);

    if (found < n->count)
        fail_msg("%s: %zu of %zu pieces are in the memory of the guard", what, found, n->count);
}

/* Of the run that the fixture makes, and of the images that the server asks about. */
struct secrets {
    struct needles transform, tables, raw, processed, difference;
};

/* Weights, as they are in the file and as kernels want them: channels next to each other. */
static void add_transform(struct secrets *s, const struct transform *t)
{
    const struct tensor *w = &t->params.items[0];

    add_row(&s->transform, w->data, shape_count(&w->shape));
    if (w->shape.rank == 4) {
        size_t apart = w->shape.dim[1] * w->shape.dim[2] * w->shape.dim[3];
        float four[4];

        for (size_t tap = 0; tap < 10; tap += 3) {
            for (size_t i = 0; i < 4; i++)
                four[i] = w->data[i * apart + tap];
            add_needle(&s->transform, four);
        }
    }
}

/* What follows from the key. Signs and the like are two numbers only, so that it takes many. */
static void add_tables(struct secrets *s, const struct transform *t)
{
    for (size_t i = 0; i < t->params.count; i++) {
        const struct tensor *table = &t->params.items[i];

        if (transform_is_derived(table->name))
            add_bytes(&s->tables, table->data, min_size(shape_count(&table->shape), 64));
    }
}

static void secrets_of(struct secrets *s, const char *path, size_t len)
{
    ward_run *run = NULL;
    ward_device *device = NULL;
    ward_session *session = NULL;
    float *x = make_images(IMAGES, len), *y = NULL;

    *s = (struct secrets){.raw = {.count = 0}};
    assert_ok(mem_new(&y, IMAGES * len, sizeof *y));
    assert_ok(ward_run_open(&run, path));
    assert_ok(ward_device_open(&device, "cpu"));
    assert_ok(ward_session_new(&session, run, device, IMAGES));
    assert_ok(ward_session_transform(session, IMAGES, x, y));
    add_transform(s, &run->transform);
    add_tables(s, &run->transform);
    for (size_t i = 0; i < IMAGES; i += IMAGES - 1) { /* the first and the last */
        add_row(&s->raw, x + i * len, len);
        add_row(&s->processed, y + i * len, len);
    }
    for (size_t i = 0; i < IMAGES * len; i++)
        y[i] -= x[i];
    for (size_t i = 0; i < IMAGES; i += IMAGES - 1)
        add_row(&s->difference, y + i * len, len);
    ward_session_free(session);
    ward_device_close(device);
    ward_run_close(run);
    mem_free(x);
    mem_free(y);
}

static void check_memory(const char *name, const struct wanted *w)
{
    const char *path = make_run(name, w, NULL);
    struct server server;
    struct secrets s;

    secrets_of(&s, path, w->channels * w->side * w->side);
    server = server_start(path, false);
    assert_present("a raw image", &s.raw, "server", server.pid);
    assert_absent("G", &s.transform, "server", server.pid);
    assert_absent("what follows from the key", &s.tables, "server", server.pid);
    assert_absent("a processed image", &s.processed, "server", server.pid);
    assert_absent("x_p - x_r", &s.difference, "server", server.pid);
    assert_present("a processed image", &s.processed, "worker", server.info.worker);
    assert_absent("G", &s.transform, "worker", server.info.worker);
    assert_absent("what follows from the key", &s.tables, "worker", server.info.worker);
    assert_absent("a raw image", &s.raw, "worker", server.info.worker);
    assert_absent("x_p - x_r", &s.difference, "worker", server.info.worker);
    assert_present("G", &s.transform, "guard", server.info.guard);
    assert_complete("what follows from the key", &s.tables, server.info.guard);
    assert_guarded("G", &s.transform, server.info.guard);
    assert_guarded("what follows from the key", &s.tables, server.info.guard);
    assert_guarded("a raw image", &s.raw, server.info.guard);
    assert_guarded("a processed image", &s.processed, server.info.guard);
    assert_present("a processed image", &s.processed, "guard", server.info.guard);
    server_end(&server);
}

static void test_G_is_in_no_memory_but_the_guards_and_no_process_else_has_a_pair(void **state)
{
    static const struct wanted runs[] = {
        {"simple-cnn", WARD_METHOD_LEARNED, 1, 12, 0, false, 0},
        {"resnet20", WARD_METHOD_GENERATOR, 3, 12, 16, false, 0},
        {"simple-cnn", WARD_METHOD_KEYED, 1, 12, 16, false, 0},
    };

    (void)state;
    if (!may_look_anywhere())
        skip();
    check_memory("learned", &runs[0]);
    check_memory("generator", &runs[1]);
    check_memory("keyed", &runs[2]);
}

/* ---- what others of the same user can do ---- */

/* In a process of its own; 0 if nothing can be read. */
static int spy_on(pid_t pid)
{
    char path[64], byte;
    struct iovec here = {&byte, 1}, there = {(void *)(uintptr_t)0x400000, 1};
    static const char *const files[] = {"mem", "environ", "maps", "fd", "io"};
    int spied = 0;

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        int fd;

        snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, files[i]);
        fd = open(path, O_RDONLY);
        spied |= fd >= 0 && (read(fd, &byte, 1) == 1 || i == 0 || errno == EISDIR) ? 1 << i : 0;
    }
    spied |= process_vm_readv(pid, &here, 1, &there, 1, 0) >= 0 || errno != EPERM ? 64 : 0;
    spied |= ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0 ? 128 : 0;
    return spied;
}

static int spy_as_nobody(pid_t pid)
{
    pid_t spy = fork();
    int status;

    if (spy == 0) {
        if (geteuid() == 0 && (setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
            _exit(255);
        _exit(spy_on(pid));
    }
    assert_int_equal(waitpid(spy, &status, 0), spy);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static bool may_debug_each_other(void)
{
    FILE *file = fopen("/proc/sys/kernel/yama/ptrace_scope", "r");
    int scope = file ? fgetc(file) : '0';

    if (file)
        fclose(file);
    return scope == '0';
}

static void test_another_process_of_the_same_user_reads_nothing_of_guard_and_worker(void **state)
{
    const char *path = make_run("spied", &small, NULL);
    struct server server;

    (void)state;
    give_folder_to(NOBODY);
    server = server_start(path, true);
    if (may_debug_each_other()) /* else the spies below are no test */
        assert_int_not_equal(spy_as_nobody(server.pid), 0);
    assert_int_equal(spy_as_nobody(server.info.guard), 0);
    assert_int_equal(spy_as_nobody(server.info.worker), 0);
    server_end(&server);
    give_folder_to(0);
}

/* ---- what the system says of them ---- */

#ifdef __SANITIZE_ADDRESS__ /* whose mlock() does nothing */
static const bool has_locked_memory = false;
#else
static const bool has_locked_memory = true;
#endif

static char *read_proc(pid_t pid, const char *name)
{
    char path[64];
    uint8_t *text = NULL;
    size_t len;

    snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, name);
    assert_ok(file_read(path, 1 << 20, &text, &len));
    for (size_t i = 0; i < len; i++)
        text[i] = text[i] ? text[i] : ' ';
    return (char *)text;
}

static void assert_says(pid_t pid, const char *name, const char *text, bool wanted)
{
    char *all = read_proc(pid, name);

    if ((strstr(all, text) != NULL) != wanted)
        fail_msg("'%s' is %s /proc/PID/%s:\n%s", text, wanted ? "not in" : "in", name, all);
    mem_free(all);
}

static size_t descriptors_of(pid_t pid)
{
    char path[64];
    size_t count = 0;
    DIR *folder_of_them;

    snprintf(path, sizeof path, "/proc/%ld/fd", (long)pid);
    folder_of_them = opendir(path);
    assert_non_null(folder_of_them);
    for (const struct dirent *e = readdir(folder_of_them); e; e = readdir(folder_of_them))
        count += e->d_name[0] != '.';
    closedir(folder_of_them);
    return count;
}

static void check_process(pid_t pid, bool is_guard)
{
    assert_says(pid, "status", "NoNewPrivs:\t1", true);
    assert_says(pid, "status", "Seccomp:\t2", true);
    assert_says(pid, "limits", "Max core file size        0                    0", true);
    assert_says(pid, "environ", "WARD_TEST_SECRET", false);
    if (is_guard) {
        assert_says(pid, "status", "Threads:\t1", true);
        assert_says(pid, "status", "VmLck:\t       0 kB", !has_locked_memory);
    }
    assert_int_equal(descriptors_of(pid), 2);
}

static void test_both_are_locked_in_with_two_descriptors_and_a_clean_environment(void **state)
{
    struct server server;

    (void)state;
    if (!may_look_anywhere())
        skip();
    setenv("WARD_TEST_SECRET", "1", 1);
    server = server_start(make_run("locked", &small, NULL), false);
    assert_says(server.pid, "environ", "WARD_TEST_SECRET", true);
    check_process(server.info.guard, true);
    check_process(server.info.worker, false);
    server_end(&server);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_G_is_in_no_memory_but_the_guards_and_no_process_else_has_a_pair),
        cmocka_unit_test(test_another_process_of_the_same_user_reads_nothing_of_guard_and_worker),
        cmocka_unit_test(test_both_are_locked_in_with_two_descriptors_and_a_clean_environment),
    };

    process_enter(argc, argv, NULL);
    if (argc == 3 && strcmp(argv[1], serving) == 0)
        return serve(argv[2]);
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
