/* Secret draws, guarded memory, and the system's randomness. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alloc_test.h"
#include "base/util.h"
#include "key/draw.h"
#include "key/secret.h"

static void count_up(uint8_t seed[DRAW_SEED_LEN])
{
    for (int i = 0; i < DRAW_SEED_LEN; i++)
        seed[i] = (uint8_t)i;
}

/* The numbers come from a program in another language that follows the derivation in key/draw.h. */
static void test_draws_follow_the_written_derivation(void **state)
{
    enum { WORDS = 320 };
    uint8_t seed[DRAW_SEED_LEN];
    uint32_t words[WORDS];
    struct draw draw;

    (void)state;
    count_up(seed);
    assert_int_equal(draw_init(&draw, seed, "ward/test/v1"), WARD_OK);
    for (int i = 0; i < WORDS; i++)
        words[i] = draw_u32(&draw);
    assert_true(words[0] == 0x95362d20 && words[1] == 0xc7eaf2cf);
    assert_true(words[2] == 0x560281ff && words[3] == 0xadfc46e1);
    /* Across the first refill of the buffer, and the last word of block 19. */
    assert_true(words[126] == 0x2273ce00 && words[127] == 0xfffdf4ec);
    assert_true(words[128] == 0x09531306 && words[129] == 0xd4edd5bf);
    assert_true(words[319] == 0x9447cb11);

    assert_int_equal(draw_init(&draw, seed, "ward/test/v1"), WARD_OK);
    assert_true(fabs((double)draw_uniform(&draw) - 0.5828579068183899) < 1e-7);
    assert_int_equal(draw_init(&draw, seed, "ward/test/v1"), WARD_OK);
    assert_true(fabs((double)draw_normal(&draw) - 0.2006509391159215) < 1e-7);
    draw_release(&draw);
}

static void test_each_bit_of_the_seed_and_each_label_gives_another_stream(void **state)
{
    uint8_t seed[DRAW_SEED_LEN] = {0};
    uint32_t first[DRAW_SEED_LEN * 8 + 2];
    struct draw draw;
    unsigned n = 0;

    (void)state;
    for (unsigned bit = 0; bit < DRAW_SEED_LEN * 8; bit++) {
        seed[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_int_equal(draw_init(&draw, seed, "ward/test/v1"), WARD_OK);
        first[n++] = draw_u32(&draw);
        seed[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    assert_int_equal(draw_init(&draw, seed, "ward/test/v1"), WARD_OK);
    first[n++] = draw_u32(&draw);
    assert_int_equal(draw_init(&draw, seed, "ward/test/v2"), WARD_OK);
    first[n++] = draw_u32(&draw);
    for (unsigned i = 0; i < n; i++)
        for (unsigned j = i + 1; j < n; j++)
            if (first[i] == first[j])
                fail_msg("streams %u and %u begin with the same word", i, j);
}

static void test_draws_have_the_distributions_they_promise(void **state)
{
    enum { N = 100000 };
    uint8_t seed[DRAW_SEED_LEN];
    unsigned thirds[3] = {0};
    double uniform = 0, normal = 0, square = 0;
    struct draw draw;

    (void)state;
    count_up(seed);
    assert_int_equal(draw_init(&draw, seed, "ward/test/v1"), WARD_OK);
    for (int i = 0; i < N; i++) {
        double u = (double)draw_uniform(&draw), x = (double)draw_normal(&draw);

        assert_true(u >= 0 && u < 1 && isfinite(x));
        uniform += u;
        normal += x;
        square += x * x;
        thirds[draw_below(&draw, 3)]++;
    }
    /* Four standard errors each. */
    assert_true(fabs(uniform / N - 0.5) < 0.0037);
    assert_true(fabs(normal / N) < 0.0127);
    assert_true(fabs(square / N - 1) < 0.018);
    for (int i = 0; i < 3; i++)
        assert_in_range(thirds[i], N / 3 - 600, N / 3 + 600);
    for (int i = 0; i < 100; i++)
        assert_int_equal(draw_below(&draw, 1), 0);
}

static void test_released_draws_are_wiped(void **state)
{
    static const struct draw zero;
    uint8_t seed[DRAW_SEED_LEN];
    struct draw draw;

    (void)state;
    count_up(seed);
    assert_int_equal(draw_init(&draw, seed, "ward/test/v1"), WARD_OK);
    draw_u32(&draw);
    draw_release(&draw);
    assert_memory_equal(&draw, &zero, sizeof(draw));
    draw_release(&draw);
}

static void test_random_bytes_do_not_repeat(void **state)
{
    uint8_t a[32] = {0}, b[32] = {0}, zero[32] = {0};

    (void)state;
    assert_int_equal(key_random(a, sizeof(a)), WARD_OK);
    assert_int_equal(key_random(b, sizeof(b)), WARD_OK);
    assert_memory_not_equal(a, b, sizeof(a));
    assert_memory_not_equal(a, zero, sizeof(a));
}

static void *start(void *unused)
{
    (void)unused;
    return (void *)(intptr_t)key_start();
}

static void test_the_folder_starts_from_any_number_of_threads(void **state)
{
    pthread_t threads[8];

    (void)state;
    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, start, NULL), 0);
    for (int i = 0; i < 8; i++) {
        void *st;

        pthread_join(threads[i], &st);
        assert_int_equal((intptr_t)st, WARD_OK);
    }
}

static void test_a_secret_can_be_written_and_released_twice(void **state)
{
    struct secret secret = SECRET_INIT, empty = SECRET_INIT;

    (void)state;
    secret_release(&secret);
    assert_int_equal(secret_init(&secret, 1000), WARD_OK);
    assert_int_equal(secret.len, 1000);
    memset(secret.data, 0xa5, secret.len);
    secret_release(&secret);
    assert_null(secret.data);
    assert_int_equal(secret.len, 0);
    secret_release(&secret);
    assert_int_equal(secret_init(&empty, 0), WARD_OK);
    secret_release(&empty);
}

enum { SURVIVED = 0, OTHER_FAULT = 3, NO_USER = 4 };

static int exit_status_of(void (*child)(void))
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        const struct rlimit no_core = {0, 0};

        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGSEGV, SIG_DFL);
        child();
        _exit(SURVIVED);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void write_past_the_end(void)
{
    struct secret secret = SECRET_INIT;

    fclose(stderr);
    if (secret_init(&secret, 100))
        _exit(SURVIVED);
    ((volatile uint8_t *)secret.data)[secret.len] = 1;
}

static void test_one_byte_past_the_end_of_a_secret_is_fatal(void **state)
{
    (void)state;
    assert_int_not_equal(exit_status_of(write_past_the_end), SURVIVED);
}

#ifndef __SANITIZE_ADDRESS__ /* which turns mlock() into a call that does nothing */
/* The limit binds ordinary users only, so the child becomes one if it is root. */
static void lock_beyond_the_limit(void)
{
    const struct rlimit limit = {64 * 1024, 64 * 1024};
    struct secret secret = SECRET_INIT;

    if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0 ||
        (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)))
        _exit(NO_USER);
    if (secret_init(&secret, 1000) != WARD_OK)
        _exit(OTHER_FAULT);
    secret_release(&secret);
    if (secret_init(&secret, 1000000) != WARD_ERR_NOMEM || secret.data ||
        !strstr(ward_error_message(), "RLIMIT_MEMLOCK"))
        _exit(OTHER_FAULT);
}

static void test_a_secret_that_cannot_be_locked_is_refused(void **state)
{
    (void)state;
    int status = exit_status_of(lock_beyond_the_limit);

    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == NO_USER)
        skip();
    assert_int_equal(WEXITSTATUS(status), SURVIVED);
}
#endif

static ward_status allocate_two_secrets(void *unused)
{
    struct secret a = SECRET_INIT, b = SECRET_INIT;
    ward_status st = secret_init(&a, 10);

    (void)unused;
    if (!st)
        st = secret_init(&b, 10);
    secret_release(&b);
    secret_release(&a);
    return st;
}

static void test_failing_allocation_of_a_secret_is_reported(void **state)
{
    (void)state;
    assert_int_equal(assert_survives_failing_allocations(allocate_two_secrets, NULL), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_draws_follow_the_written_derivation),
        cmocka_unit_test(test_each_bit_of_the_seed_and_each_label_gives_another_stream),
        cmocka_unit_test(test_draws_have_the_distributions_they_promise),
        cmocka_unit_test(test_released_draws_are_wiped),
        cmocka_unit_test(test_random_bytes_do_not_repeat),
        cmocka_unit_test(test_the_folder_starts_from_any_number_of_threads),
        cmocka_unit_test(test_a_secret_can_be_written_and_released_twice),
        cmocka_unit_test(test_one_byte_past_the_end_of_a_secret_is_fatal),
#ifndef __SANITIZE_ADDRESS__
        cmocka_unit_test(test_a_secret_that_cannot_be_locked_is_refused),
#endif
        cmocka_unit_test(test_failing_allocation_of_a_secret_is_reported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
