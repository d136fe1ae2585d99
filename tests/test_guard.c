/* Guard and worker as the serving process has them: what they answer, and how they end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "base/mem.h"
#include "base/parallel.h"
#include "guard_fixture.h"

enum { BATCH = 20, LINES = 16 };

static const float forbidden = 4096.0f; /* an image that starts with it makes the guard misbehave */

static void misbehave(const float *x, size_t len)
{
    (void)len;
    if (x[0] == forbidden)
        (void)syscall(SYS_getppid);
}

/* What the guard's owner was told. */
struct told {
    char lines[LINES][256];
    size_t count;
};

static void note(void *context, const char *line)
{
    struct told *told = context;

    if (told->count < LINES)
        snprintf(told->lines[told->count++], sizeof told->lines[0], "%s", line);
}

static void assert_told(const struct told *told, const char *text)
{
    for (size_t i = 0; i < told->count; i++)
        if (strstr(told->lines[i], text))
            return;
    fail_msg("no line with '%s' among %zu; the last: %s", text, told->count,
             told->count ? told->lines[told->count - 1] : "none");
}

static struct guard *start(const char *run, size_t batch)
{
    struct guard_config config = config_of(run, batch);
    struct guard *guard = NULL;

    assert_ok(guard_start(&guard, &config));
    return guard;
}

/* No child is left, neither running nor to be waited for. */
static void assert_alone(void)
{
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* ---- answers ---- */

/* What ward predict computes: a session of as many images as there are, up to its batch. */
static void expect_on(unsigned threads, const char *path, size_t n, const float *x,
                      bool wants_processed, float *y)
{
    ward_run *run = NULL;
    ward_device *device = NULL;
    ward_session *session = NULL;

    parallel_set_threads(threads);
    assert_ok(ward_run_open(&run, path));
    assert_ok(ward_device_open(&device, "cpu"));
    assert_ok(ward_session_new(&session, run, device, n));
    assert_ok(wants_processed ? ward_session_transform(session, n, x, y)
                              : ward_session_predict(session, n, x, false, y));
    ward_session_free(session);
    ward_device_close(device);
    ward_run_close(run);
}

static void expect(const char *path, size_t n, const float *x, bool wants_processed, float *y)
{
    expect_on(1, path, n, x, wants_processed, y);
}

static void assert_same(const char *what, size_t n, size_t count, const float *got,
                        const float *wanted)
{
    for (size_t i = 0; i < count; i++)
        if (memcmp(&got[i], &wanted[i], sizeof *got) != 0)
            fail_msg("%s, %zu images: value %zu is %.9g, expected %.9g", what, n, i, (double)got[i],
                     (double)wanted[i]);
}

static void check_answers(const char *path, const char *what, size_t len, bool wants_processed)
{
    static const size_t counts[] = {1, 2, 5, 16, 17, BATCH};
    struct guard_config config = config_of(path, BATCH);
    struct guard *guard = NULL;
    struct guard_info info;
    float *x = make_images(BATCH, len), *y = NULL, *wanted = NULL;

    config.answers_processed = wants_processed;
    assert_ok(guard_start(&guard, &config));
    guard_describe(guard, &info);
    assert_int_equal(info.input_len, len);
    assert_ok(mem_new(&y, BATCH * info.output_len, sizeof *y));
    assert_ok(mem_new(&wanted, BATCH * info.output_len, sizeof *y));
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        expect(path, counts[i], x, wants_processed, wanted);
        assert_ok(guard_run(guard, counts[i], x, y));
        assert_same(what, counts[i], counts[i] * info.output_len, y, wanted);
    }
    guard_stop(guard);
    mem_free(x);
    mem_free(y);
    mem_free(wanted);
}

static void test_answers_equal_those_of_predict_bit_for_bit(void **state)
{
    static const struct wanted runs[] = {
        {"simple-cnn", WARD_METHOD_GENERATOR, 1, 28, 16, false, 0},
        {"resnet20", WARD_METHOD_GENERATOR, 3, 28, 64, false, 0},
        {"simple-cnn", WARD_METHOD_FIXED, 1, 28, 0, true, 0},
        {"resnet20", WARD_METHOD_LEARNED, 3, 28, 0, false, 0},
        {"simple-cnn", WARD_METHOD_GENERATOR, 3, 12, 32, true, 0},
        {"simple-cnn", WARD_METHOD_KEYED, 1, 28, 16, false, 0},
        {"resnet20", WARD_METHOD_KEYED, 3, 8, 0, true, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        const struct wanted *w = &runs[i];
        char name[32];

        snprintf(name, sizeof name, "equal-%zu", i);
        check_answers(make_run(name, w, NULL), name, w->channels * w->side * w->side, false);
        check_answers(in_folder(name), name, w->channels * w->side * w->side, true);
    }
    assert_alone();
}

/* So many that teams of several sizes come about, and threads end and are made again. */
static void test_a_worker_of_many_threads_is_not_killed_for_having_them(void **state)
{
    static const struct wanted deep = {"resnet20", WARD_METHOD_GENERATOR, 3, 20, 16, false, 0};
    struct guard_config config = config_of(make_run("many", &deep, NULL), BATCH);
    struct guard *guard = NULL;
    float *x = make_images(BATCH, 3 * 20 * 20), y[BATCH * 3], wanted[BATCH * 3];

    (void)state;
    config.threads = 5;
    assert_ok(guard_start(&guard, &config));
    for (size_t i = 0; i < 2 * BATCH; i++) {
        size_t n = 1 + i * 7 % BATCH;

        assert_ok(guard_run(guard, n, x, y));
        if (i >= 6)
            continue;
        expect_on(5, config.run, n, x, false, wanted);
        assert_same("five threads", n, n * 3, y, wanted);
    }
    guard_stop(guard);
    mem_free(x);
    parallel_set_threads(1);
}

/* Its convolutions are oneDNN's elsewhere. */
static void test_a_generator_of_any_width_is_applied(void **state)
{
    static const struct wanted narrow = {"simple-cnn", WARD_METHOD_GENERATOR, 1, 8, 5, false, 0};
    const char *path = make_run("narrow", &narrow, NULL);
    struct guard_config config = config_of(path, 2);
    struct guard *guard = NULL;
    float *x = make_images(2, 64), y[2 * 64], wanted[2 * 64];

    (void)state;
    config.answers_processed = true;
    assert_ok(guard_start(&guard, &config));
    expect(path, 2, x, true, wanted);
    assert_ok(guard_run(guard, 2, x, y));
    for (size_t i = 0; i < 2 * 64; i++)
        if (fabsf(y[i] - wanted[i]) > 1e-6f)
            fail_msg("value %zu is %.9g, expected %.9g", i, (double)y[i], (double)wanted[i]);
    guard_stop(guard);
    mem_free(x);
}

struct asker {
    pthread_t thread;
    struct guard *guard;
    const float *x, *wanted; /* of BATCH images */
    size_t first;
    int failed, wrong;
};

static void *ask_often(void *context)
{
    struct asker *a = context;
    float y[4 * 3];

    for (size_t i = 0; i < 60; i++) {
        size_t n = 1 + i % 4, at = (a->first + i) % (BATCH - 4);

        if (guard_run(a->guard, n, a->x + at * 64, y))
            a->failed++;
        else if (memcmp(y, a->wanted + at * 3, n * 3 * sizeof *y) != 0)
            a->wrong++;
    }
    return NULL;
}

static void test_each_of_many_threads_gets_its_own_answers(void **state)
{
    const char *path = make_run("threads", &small, NULL);
    struct guard *guard = start(path, 4);
    struct asker askers[6];
    float *x = make_images(BATCH, 64), wanted[BATCH * 3];

    (void)state;
    expect(path, BATCH, x, false, wanted);
    for (size_t i = 0; i < 6; i++) {
        askers[i] = (struct asker){.guard = guard, .x = x, .wanted = wanted, .first = 3 * i};
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask_often, &askers[i]), 0);
    }
    for (size_t i = 0; i < 6; i++) {
        pthread_join(askers[i].thread, NULL);
        assert_int_equal(askers[i].failed, 0);
        assert_int_equal(askers[i].wrong, 0);
    }
    guard_stop(guard);
    mem_free(x);
    assert_alone();
}

static void test_what_cannot_be_computed_is_refused_and_the_next_is_not(void **state)
{
    struct guard *guard = start(make_run("refused", &small, NULL), 4);
    float *x = make_images(5, 64), y[4 * 3];

    (void)state;
    assert_fails(guard_run(guard, 0, x, y), WARD_ERR_ARG, "not in 1 to 4");
    assert_fails(guard_run(guard, 5, x, y), WARD_ERR_ARG, "not in 1 to 4");
    x[70] = NAN;
    assert_fails(guard_run(guard, 2, x, y), WARD_ERR_ARG, "not finite");
    assert_ok(guard_run(guard, 1, x, y));
    guard_stop(guard);
    mem_free(x);
}

static void test_an_answer_that_is_not_finite_is_a_failure_of_its_batch_only(void **state)
{
    static const struct wanted overflowing = {.arch = "simple-cnn",
                                              .method = WARD_METHOD_LEARNED,
                                              .channels = 1,
                                              .side = 8,
                                              .gain = 1e38f};
    struct guard *guard = start(make_run("overflow", &overflowing, NULL), 4);
    float *x = make_images(1, 64), y[3];

    (void)state;
    for (size_t i = 0; i < 64; i++)
        x[i] *= 1e6f;
    for (int i = 0; i < 3; i++)
        assert_fails(guard_run(guard, 1, x, y), WARD_ERR_NUMERIC, "not finite");
    assert_int_equal(guard_state(guard), GUARD_READY);
    guard_stop(guard);
    mem_free(x);
}

/* ---- opening ---- */

static void test_what_cannot_be_opened_is_said(void **state)
{
    static const struct wanted baseline = {"simple-cnn", WARD_METHOD_BASELINE, 1, 8, 0, false, 0};
    struct guard_config config = config_of(make_run("baseline", &baseline, NULL), 4);
    struct guard *guard = NULL;

    (void)state;
    assert_fails(guard_start(&guard, &config), WARD_ERR_ARG, "nothing to guard");
    config.run = in_folder("no-run");
    assert_fails(guard_start(&guard, &config), WARD_ERR_IO, "no-run");
    config.run = make_run("cut", &small, NULL);
    put_file(in_folder("cut/transform.ward"), "WARD", 4);
    assert_fails(guard_start(&guard, &config), WARD_ERR_FORMAT, "cut/transform.ward");
    config.batch = 0;
    assert_fails(guard_start(&guard, &config), WARD_ERR_ARG, "not in 1 to 1024");
    assert_null(guard);
    assert_alone();
}

static void test_a_transform_that_pairs_give_away_is_refused_if_that_is_asked_for(void **state)
{
    static const struct wanted affine = {"simple-cnn", WARD_METHOD_KEYED, 1, 8, 0, false, 0};
    static const struct wanted generator = {
        "simple-cnn", WARD_METHOD_GENERATOR, 1, 8, 16, false, 0};
    static const struct wanted other = {"simple-cnn", WARD_METHOD_KEYED, 1, 8, 16, false, 0};
    struct guard_config config = config_of(make_run("affine", &affine, NULL), 4);
    struct guard *guard = NULL;

    (void)state;
    config.answers_processed = config.refuses_disclosure = true;
    assert_fails(guard_start(&guard, &config), WARD_ERR_ARG, "(method 'keyed')");
    config.run = make_run("learned", &small, NULL);
    assert_fails(guard_start(&guard, &config), WARD_ERR_ARG, "(method 'learned')");
    config.run = make_run("generator", &generator, NULL);
    assert_fails(guard_start(&guard, &config), WARD_ERR_ARG, "(method 'generator')");
    config.run = make_run("not-affine", &other, NULL);
    assert_ok(guard_start(&guard, &config));
    guard_stop(guard);
    assert_alone();
}

static int pipe_with(const char *text)
{
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], text, strlen(text)), (ssize_t)strlen(text));
    close(ends[1]);
    return ends[0];
}

static void test_running_out_of_memory_starts_nothing(void **state)
{
    struct guard_config config = config_of(make_run("memory", &small, NULL), 4);
    struct guard *guard = NULL;
    ward_status st = WARD_ERR_NOMEM;
    unsigned long n;

    (void)state;
    for (n = 1; st == WARD_ERR_NOMEM && n < 100; n++) {
        mem_fail_after(n);
        st = guard_start(&guard, &config);
        mem_fail_after(0);
        if (st == WARD_ERR_NOMEM)
            assert_alone();
    }
    assert_int_equal(st, WARD_OK);
    assert_true(n > 3);
    guard_stop(guard);
}

/* Answers what a test asks for. */
static bool know(void *context, const char *path, bool is_pin, char *out, size_t max, size_t *len)
{
    (void)path;
    (void)is_pin;
    *len = strlen(context);
    memcpy(out, context, *len < max ? *len : max);
    return true;
}

/* What the guard says through a socket before it reads the answer. */
static void check_question(struct guard_config config, const char *answer)
{
    struct guard *guard = NULL;
    char wanted[512], said[512] = "";
    int ends[2];

    snprintf(wanted, sizeof wanted, "passphrase of %s\n", config.identity);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(send(ends[1], answer, strlen(answer), 0), (ssize_t)strlen(answer));
    config.passphrase = ends[0];
    assert_ok(guard_start(&guard, &config));
    assert_true(recv(ends[1], said, sizeof said - 1, MSG_DONTWAIT) > 0);
    assert_string_equal(said, wanted);
    guard_stop(guard);
    close(ends[1]);
    assert_int_equal(guard_start(&guard, &config), WARD_ERR_AUTH); /* nobody answers any more */
    close(ends[0]);
}

static void test_a_passphrase_from_a_descriptor_opens_what_is_sealed(void **state)
{
    static char passphrase[] = "open sesame";
    static const struct {
        const char *text;
        ward_status status;
    } tries[] = {{"open sesame\n", WARD_OK},
                 {"open sesame", WARD_OK},
                 {"shut sesame\n", WARD_ERR_AUTH},
                 {"", WARD_ERR_AUTH}};
    const ward_key_options protection = {.protection = WARD_PROTECT_PASSPHRASE,
                                         .passphrase = passphrase,
                                         .passphrase_len = strlen(passphrase),
                                         .memory_mib = 1,
                                         .passes = 1};
    const char *path = make_run("sealed", &small, NULL), *identity = in_folder("owner.key");
    const ward_keys_options options = {.identity = identity, .ask = know, .context = passphrase};
    struct guard_config config = config_of(path, 4);
    struct guard *guard = NULL;
    ward_keys *keys = NULL;

    (void)state;
    assert_ok(ward_key_new(identity, WARD_KEY_OWNER, &protection, NULL));
    assert_ok(ward_keys_new(&keys, &options));
    assert_ok(ward_run_seal(path, keys, NULL, NULL));
    ward_keys_free(keys);
    config.identity = identity;
    assert_int_equal(guard_start(&guard, &config), WARD_ERR_AUTH);
    for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
        ward_status st;

        config.passphrase = pipe_with(tries[i].text);
        st = guard_start(&guard, &config);
        if (st != tries[i].status)
            fail_msg("'%s': expected %s, got %s (%s)", tries[i].text,
                     ward_status_name(tries[i].status), ward_status_name(st), ward_error_message());
        if (!st)
            guard_stop(guard);
        close(config.passphrase);
    }
    check_question(config, "open sesame\n");
}

/* ---- arguments ---- */

static void test_what_a_process_is_told_arrives(void **state)
{
    static const struct process told[] = {
        {.kind = FRAME_GUARD,
         .run = "a run",
         .identity = "a.key",
         .tpm = "device:/dev/tpm0",
         .batch = 32,
         .threads = 2,
         .is_strict = true,
         .refuses_disclosure = true},
        {.kind = FRAME_WORKER, .run = "", .batch = GUARD_MAX_BATCH, .has_passphrase = true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++) {
        struct process_arguments arguments;
        struct process got;
        char *argv[PROCESS_ARGUMENTS];

        process_format(&told[i], &arguments);
        memcpy(argv, arguments.argv, sizeof argv);
        assert_true(process_parse(PROCESS_ARGUMENTS, argv, &got));
        assert_true(got.kind == told[i].kind && got.batch == told[i].batch &&
                    got.threads == told[i].threads && got.is_strict == told[i].is_strict &&
                    got.has_passphrase == told[i].has_passphrase &&
                    got.refuses_disclosure == told[i].refuses_disclosure);
        assert_string_equal(got.run, told[i].run);
        assert_true(got.identity ? strcmp(got.identity, told[i].identity) == 0 && got.tpm
                                 : !told[i].identity && !told[i].tpm);
    }
}

static void test_a_persons_arguments_are_left_alone(void **state)
{
    static char words[][8] = {"ward", "eval", "@guard", "x", "", "", "0", "1", "", "", ""};
    char *eval[] = {words[0], words[1], words[2], NULL};
    char *none[] = {words[0], NULL};
    char *bare[] = {words[0], words[2], NULL};
    char *empty_batch[] = {words[0], words[2], words[3], words[4],  words[5], words[6],
                           words[7], words[8], words[9], words[10], NULL};
    struct process p;

    (void)state;
    assert_false(process_parse(3, eval, &p));
    assert_false(process_parse(1, none, &p));
    assert_false(process_parse(2, bare, &p));
    assert_false(process_parse(PROCESS_ARGUMENTS, empty_batch, &p));
}

/* ---- ends ---- */

static void test_a_forbidden_system_call_ends_the_guard_for_good(void **state)
{
    struct told told = {.count = 0};
    struct guard_config config = config_of(make_run("forbidden", &small, NULL), 4);
    struct guard *guard = NULL;
    float *x = make_images(1, 64), y[3];

    (void)state;
    config.log = note;
    config.context = &told;
    assert_ok(guard_start(&guard, &config));
    assert_ok(guard_run(guard, 1, x, y));
    x[0] = forbidden;
    assert_fails(guard_run(guard, 1, x, y), WARD_ERR_DEVICE, "forbidden system call");
    assert_int_equal(guard_state(guard), GUARD_VIOLATED);
    x[0] = 0;
    for (int i = 0; i < 3; i++)
        assert_fails(guard_run(guard, 1, x, y), WARD_ERR_DEVICE, "forbidden system call");
    assert_told(&told, "the guard was killed by the kernel");
    assert_alone();
    guard_stop(guard);
    mem_free(x);
}

static void wait_for_state(struct guard *guard, enum guard_state wanted)
{
    struct timespec step = {.tv_nsec = 5000000};

    for (int i = 0; i < 1000 && guard_state(guard) != wanted; i++)
        nanosleep(&step, NULL);
    assert_int_equal(guard_state(guard), wanted);
}

static void check_kill(const char *path, bool is_worker, const char *text)
{
    struct guard *guard = start(path, 4);
    struct guard_info info;
    float *x = make_images(1, 64), y[3];

    guard_describe(guard, &info);
    assert_ok(guard_run(guard, 1, x, y));
    assert_int_equal(kill(is_worker ? info.worker : info.guard, SIGKILL), 0);
    wait_for_state(guard, GUARD_DEAD);
    assert_fails(guard_run(guard, 1, x, y), WARD_ERR_DEVICE, text);
    assert_alone();
    guard_stop(guard);
    mem_free(x);
}

static void test_a_killed_process_takes_the_other_with_it(void **state)
{
    const char *path = make_run("killed", &small, NULL);

    (void)state;
    check_kill(path, false, "the guard was killed by signal 9");
    check_kill(path, true, "the worker was killed by signal 9");
}

static void test_a_process_that_hangs_is_ended(void **state)
{
    struct guard_config config = config_of(make_run("hung", &small, NULL), 4);
    struct guard *guard = NULL;
    struct guard_info info;
    float *x = make_images(1, 64), y[3];

    (void)state;
    config.timeout_s = 1;
    assert_ok(guard_start(&guard, &config));
    guard_describe(guard, &info);
    kill(info.worker, SIGSTOP);
    assert_fails(guard_run(guard, 1, x, y), WARD_ERR_DEVICE, "no answer in 1 s");
    assert_int_equal(guard_state(guard), GUARD_DEAD);
    guard_stop(guard);
    mem_free(x);
    assert_alone();
}

/* Whatever was on its way, whoever dies: right answers or a clean failure, and nothing is left. */
static void test_kills_at_any_moment_end_in_clean_failures(void **state)
{
    enum { KILLS = 12 };
    const char *path = make_run("kills", &small, NULL);
    float *x = make_images(BATCH, 64), wanted[BATCH * 3];
    struct rng rng;

    (void)state;
    expect(path, BATCH, x, false, wanted);
    rng_init(&rng, 5, RNG_TEST, 1, 0);
    for (int i = 0; i < KILLS; i++) {
        struct guard *guard = start(path, 4);
        struct guard_info info;
        struct asker askers[2];
        struct timespec moment = {.tv_nsec = (long)rng_below(&rng, 3000000)};

        guard_describe(guard, &info);
        for (size_t t = 0; t < 2; t++) {
            askers[t] = (struct asker){.guard = guard, .x = x, .wanted = wanted, .first = t};
            assert_int_equal(pthread_create(&askers[t].thread, NULL, ask_often, &askers[t]), 0);
        }
        nanosleep(&moment, NULL);
        kill(i % 2 ? info.worker : info.guard, SIGKILL);
        for (size_t t = 0; t < 2; t++) {
            pthread_join(askers[t].thread, NULL);
            assert_int_equal(askers[t].wrong, 0);
        }
        wait_for_state(guard, GUARD_DEAD);
        guard_stop(guard);
        assert_alone();
    }
    mem_free(x);
}

static void test_both_end_with_the_process_that_started_them(void **state)
{
    const char *path = make_run("orphans", &small, NULL);
    struct guard_info info = {.guard = 0};
    int ends[2], status;
    pid_t server;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    server = fork();
    if (server == 0) {
        struct guard_config config = config_of(path, 4);
        struct guard *guard = NULL;

        if (guard_start(&guard, &config))
            _exit(1);
        guard_describe(guard, &info);
        if (write(ends[1], &info, sizeof info) != sizeof info)
            _exit(1);
        for (;;)
            pause();
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &info, sizeof info), sizeof info);
    assert_int_equal(kill(info.guard, 0), 0);
    kill(server, SIGKILL);
    waitpid(server, &status, 0);
    for (int i = 0; i < 1000 && (kill(info.guard, 0) == 0 || kill(info.worker, 0) == 0); i++)
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    assert_int_not_equal(kill(info.guard, 0), 0);
    assert_int_not_equal(kill(info.worker, 0), 0);
    close(ends[0]);
}

static void test_complete_protections_can_be_insisted_on(void **state)
{
    struct told told = {.count = 0};
    struct guard_config config = config_of(make_run("strict", &small, NULL), 4);
    struct guard *guard = NULL;
    ward_status st;

    (void)state;
    config.log = note;
    config.context = &told;
    assert_ok(guard_start(&guard, &config));
    guard_stop(guard);
    config.is_strict = true;
    st = guard_start(&guard, &config);
    if (told.count == 0)
        assert_int_equal(st, WARD_OK);
    else
        assert_int_equal(st, WARD_ERR_DEVICE);
    if (!st)
        guard_stop(guard);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_equal_those_of_predict_bit_for_bit),
        cmocka_unit_test(test_a_worker_of_many_threads_is_not_killed_for_having_them),
        cmocka_unit_test(test_a_generator_of_any_width_is_applied),
        cmocka_unit_test(test_each_of_many_threads_gets_its_own_answers),
        cmocka_unit_test(test_what_cannot_be_computed_is_refused_and_the_next_is_not),
        cmocka_unit_test(test_an_answer_that_is_not_finite_is_a_failure_of_its_batch_only),
        cmocka_unit_test(test_what_cannot_be_opened_is_said),
        cmocka_unit_test(test_a_transform_that_pairs_give_away_is_refused_if_that_is_asked_for),
        cmocka_unit_test(test_running_out_of_memory_starts_nothing),
        cmocka_unit_test(test_a_passphrase_from_a_descriptor_opens_what_is_sealed),
        cmocka_unit_test(test_what_a_process_is_told_arrives),
        cmocka_unit_test(test_a_persons_arguments_are_left_alone),
        cmocka_unit_test(test_a_forbidden_system_call_ends_the_guard_for_good),
        cmocka_unit_test(test_a_killed_process_takes_the_other_with_it),
        cmocka_unit_test(test_a_process_that_hangs_is_ended),
        cmocka_unit_test(test_kills_at_any_moment_end_in_clean_failures),
        cmocka_unit_test(test_both_end_with_the_process_that_started_them),
        cmocka_unit_test(test_complete_protections_can_be_insisted_on),
    };

    process_enter(argc, argv, misbehave);
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
