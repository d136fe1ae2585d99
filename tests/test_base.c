/* Messages, memory, bytes, digests and threads. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <pthread.h>

#include "alloc_test.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/signals.h"
#include "base/sha256.h"
#include "base/status.h"
#include "base/util.h"

/* status */

static void test_a_failure_returns_its_status_and_keeps_its_text(void **state)
{
    (void)state;
    assert_int_equal(ward_fail(WARD_ERR_IO, "cannot read '%s': %d", "x", 7), WARD_ERR_IO);
    assert_string_equal(ward_error_message(), "cannot read 'x': 7");
}

static void test_context_is_put_in_front_of_the_text(void **state)
{
    (void)state;
    ward_fail(WARD_ERR_FORMAT, "wrong magic");
    assert_int_equal(ward_fail_within(WARD_ERR_FORMAT, "'%s'", "a.gz"), WARD_ERR_FORMAT);
    assert_string_equal(ward_error_message(), "'a.gz': wrong magic");
}

static void test_a_message_may_quote_the_message_before_it(void **state)
{
    (void)state;
    ward_fail(WARD_ERR_IO, "inner");
    ward_fail(WARD_ERR_IO, "outer, after %s", ward_error_message());
    assert_string_equal(ward_error_message(), "outer, after inner");
}

static void test_a_message_is_one_line_without_control_characters(void **state)
{
    (void)state;
    ward_fail(WARD_ERR_IO, "cannot read '%s'", "a\nb\033[2Jc\x7f");
    assert_string_equal(ward_error_message(), "cannot read 'a?b?[2Jc?'");
}

static void test_an_overlong_message_is_cut(void **state)
{
    char name[5000];

    (void)state;
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    ward_fail(WARD_ERR_IO, "%s", name);
    assert_in_range(strlen(ward_error_message()), 500, 4999);
    ward_fail_within(WARD_ERR_IO, "%s", name);
    assert_in_range(strlen(ward_error_message()), 500, 4999);
}

static void *fail_elsewhere(void *unused)
{
    (void)unused;
    assert_string_equal(ward_error_message(), "");
    ward_fail(WARD_ERR_IO, "elsewhere");
    return NULL;
}

static void test_a_message_belongs_to_its_thread(void **state)
{
    pthread_t thread;

    (void)state;
    ward_fail(WARD_ERR_IO, "here");
    assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, NULL), 0);
    pthread_join(thread, NULL);
    assert_string_equal(ward_error_message(), "here");
}

static void test_every_status_has_a_name(void **state)
{
    (void)state;
    for (int i = WARD_OK; i <= WARD_ERR_BUSY; i++)
        if (strncmp(ward_status_name((ward_status)i), "WARD_", 5) != 0)
            fail_msg("status %d is named '%s'", i, ward_status_name((ward_status)i));
    assert_string_equal(ward_status_name((ward_status)99), "unknown status");
}

/* mem */

static void test_products_and_sums_that_overflow_are_refused(void **state)
{
    size_t out = 5;

    (void)state;
    assert_true(mul_size(0, SIZE_MAX, &out));
    assert_int_equal(out, 0);
    assert_true(mul_size(SIZE_MAX, 1, &out));
    assert_true(out == SIZE_MAX);
    assert_true(mul_size((size_t)1 << 32, ((size_t)1 << 32) - 1, &out));
    out = 5;
    assert_false(mul_size((size_t)1 << 32, (size_t)1 << 32, &out));
    assert_false(mul_size(SIZE_MAX, 2, &out));
    assert_false(add_size(SIZE_MAX, 1, &out));
    assert_int_equal(out, 5);
    assert_true(add_size(SIZE_MAX - 1, 1, &out));
    assert_true(out == SIZE_MAX);
}

static void test_new_memory_is_zero_and_never_null(void **state)
{
    uint32_t *numbers = NULL;
    char *nothing = NULL;

    (void)state;
    assert_int_equal(mem_new(&numbers, 1000, sizeof(*numbers)), WARD_OK);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(numbers[i], 0);
    assert_int_equal(mem_new(&nothing, 0, 8), WARD_OK);
    assert_non_null(nothing);
    mem_free(nothing);
    mem_free(numbers);
    mem_free(NULL);
}

static void test_impossible_sizes_fail_and_leave_the_pointer(void **state)
{
    char byte;
    char *p = &byte;

    (void)state;
    assert_int_equal(mem_new(&p, SIZE_MAX / 2, 4), WARD_ERR_NOMEM);
    assert_int_equal(mem_new(&p, SIZE_MAX / 2, 1), WARD_ERR_NOMEM);
    assert_int_equal(mem_new_aligned(&p, SIZE_MAX / 2, 64), WARD_ERR_NOMEM);
    assert_ptr_equal(p, &byte);
}

static void test_resizing_keeps_old_elements_and_zeroes_new_ones(void **state)
{
    uint16_t *p = NULL;

    (void)state;
    assert_int_equal(mem_resize(&p, 0, 3, sizeof(*p)), WARD_OK);
    for (uint16_t i = 0; i < 3; i++)
        p[i] = (uint16_t)(i + 1);
    assert_int_equal(mem_resize(&p, 3, 500, sizeof(*p)), WARD_OK);
    for (uint16_t i = 0; i < 500; i++)
        assert_int_equal(p[i], i < 3 ? i + 1 : 0);
    assert_int_equal(mem_resize(&p, 500, SIZE_MAX, sizeof(*p)), WARD_ERR_NOMEM);
    assert_int_equal(p[2], 3);
    assert_int_equal(mem_resize(&p, 500, 2, sizeof(*p)), WARD_OK);
    assert_int_equal(p[1], 2);
    mem_free(p);
}

static void test_aligned_memory_is_aligned_and_zero(void **state)
{
    (void)state;
    for (size_t align = 64; align <= 4096; align *= 2) {
        unsigned char *p;

        assert_int_equal(mem_new_aligned(&p, 777, align), WARD_OK);
        if ((uintptr_t)p % align != 0)
            fail_msg("%p is not aligned to %zu", (void *)p, align);
        for (size_t i = 0; i < 777; i++)
            assert_int_equal(p[i], 0);
        mem_free(p);
    }
}

static void test_strings_are_copied_and_formatted(void **state)
{
    char *copy, *text;

    (void)state;
    assert_int_equal(mem_strdup(&copy, "ward"), WARD_OK);
    assert_int_equal(mem_printf(&text, "%s/%03d%s", copy, 7, ""), WARD_OK);
    assert_string_equal(text, "ward/007");
    mem_free(copy);
    mem_free(text);
}

static ward_status allocate_three_times(void *count)
{
    char *a = NULL, *b = NULL, *c = NULL;
    ward_status st = mem_new(&a, 10, 1);

    if (!st)
        st = mem_new_aligned(&b, 10, 64);
    if (!st)
        st = mem_strdup(&c, "c");
    (*(unsigned *)count)++;
    mem_free(a);
    mem_free(b);
    mem_free(c);
    return st;
}

static void test_the_nth_allocation_can_be_made_to_fail(void **state)
{
    unsigned attempts = 0;

    (void)state;
    assert_int_equal(assert_survives_failing_allocations(allocate_three_times, &attempts), 3);
    assert_int_equal(attempts, 4);
    mem_fail_after(0);
    assert_int_equal(allocate_three_times(&attempts), WARD_OK);
    assert_int_equal(mem_fail_after(0), 3);
}

/* bytes */

static void test_numbers_are_read_in_their_byte_order(void **state)
{
    static const uint8_t data[] = {0x01, 0, 0, 0x08, 0x03, 0x78, 0x56, 0x34, 0x12,
                                   1,    2, 3, 4,    5,    6,    7,    0xff};
    struct rd rd;

    (void)state;
    rd_init(&rd, data, sizeof(data));
    assert_int_equal(rd_u8(&rd), 1);
    assert_int_equal(rd_u32be(&rd), 0x00000803);
    assert_int_equal(rd_u32le(&rd), 0x12345678);
    assert_true(rd_u64le(&rd) == UINT64_C(0xff07060504030201));
    assert_int_equal(rd_left(&rd), 0);
    assert_false(rd.failed);
}

static void test_reading_past_the_end_fails_and_stays_put(void **state)
{
    static const uint8_t data[3] = {1, 2, 3};
    struct rd rd;

    (void)state;
    rd_init(&rd, data, sizeof(data));
    assert_int_equal(rd_u32le(&rd), 0);
    assert_true(rd.failed);
    assert_int_equal(rd_left(&rd), 3);
    assert_null(rd_bytes(&rd, SIZE_MAX));
    assert_int_equal(rd_u64le(&rd), 0);
    assert_int_equal(rd_u32be(&rd), 0);
    assert_ptr_equal(rd_bytes(&rd, 3), data);
    assert_int_equal(rd_u8(&rd), 0);
    assert_true(rd.failed);
}

static void test_an_empty_reader_reads_nothing_successfully(void **state)
{
    struct rd rd;

    (void)state;
    rd_init(&rd, NULL, 0);
    assert_non_null(rd_bytes(&rd, 0));
    assert_false(rd.failed);
    assert_null(rd_bytes(&rd, 1));
}

static void test_what_is_written_is_read_back(void **state)
{
    struct wr wr = WR_INIT;
    struct rd rd;

    (void)state;
    wr_u8(&wr, 200);
    wr_u32le(&wr, 0xdeadbeef);
    wr_u64le(&wr, UINT64_C(0x0123456789abcdef));
    wr_text(&wr, "text");
    wr_printf(&wr, "%d-%s", 42, "");
    for (int i = 0; i < 3000; i++)
        wr_bytes(&wr, "ab", 2);
    assert_int_equal(wr_finish(&wr), WARD_OK);
    assert_int_equal(wr.len, 1 + 4 + 8 + 4 + 3 + 6000);
    rd_init(&rd, wr.data, wr.len);
    assert_int_equal(rd_u8(&rd), 200);
    assert_true(rd_u32le(&rd) == 0xdeadbeef);
    assert_true(rd_u64le(&rd) == UINT64_C(0x0123456789abcdef));
    assert_memory_equal(rd_bytes(&rd, 7), "text42-", 7);
    wr_release(&wr);
    assert_null(wr.data);
    wr_release(&wr);
}

static ward_status write_much(void *unused)
{
    struct wr wr = WR_INIT;
    ward_status st;

    (void)unused;
    for (int i = 0; i < 1000; i++)
        wr_printf(&wr, "line %d\n", i);
    st = wr_finish(&wr);
    wr_release(&wr);
    return st;
}

static void test_a_writer_out_of_memory_says_so_at_the_end(void **state)
{
    (void)state;
    assert_in_range(assert_survives_failing_allocations(write_much, NULL), 2, 20);
}

/* util */

static void test_hex_digits_go_there_and_back(void **state)
{
    uint8_t data[3];
    char text[7];

    (void)state;
    hex_encode((const uint8_t[]){0x00, 0x9f, 0xff}, 3, text);
    assert_string_equal(text, "009fff");
    assert_true(hex_decode("009FfF", data, 3));
    assert_memory_equal(data, "\x00\x9f\xff", 3);
}

static void test_what_is_not_exactly_hex_is_refused(void **state)
{
    static const char *const bad[] = {"",        "0",      "00",     "009ff",
                                      "009ffff", "009ff ", "009fg0", "0x9fff"};
    uint8_t data[3];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (hex_decode(bad[i], data, 3))
            fail_msg("'%s' was taken for 3 bytes", bad[i]);
}

static void test_the_clock_goes_forward(void **state)
{
    double start = clock_seconds();

    (void)state;
    for (int i = 0; i < 1000; i++)
        assert_true(clock_seconds() >= start);
}

static void the_pace_is_of_the_last_minutes(void **state)
{
    struct pace pace;
    double now = 100, done = 0;

    (void)state;
    pace_start(&pace, now);
    assert_true(pace_rate(&pace, now, done) == 0);
    for (int second = 0; second < 300; second++) { /* 5 a second, then 2 */
        now++;
        done += second < 150 ? 5 : 2;
        if (fabs(pace_rate(&pace, now, done) - (second < 150 ? 5 : 2)) > 1e-9)
            assert_in_range(second, 150, 150 + 120);
    }
    now += 3600; /* stopped for an hour */
    assert_true(pace_rate(&pace, now, done) < 0.2);
    for (int second = 0; second < 121; second++)
        pace_rate(&pace, now += 1, done += 2);
    assert_true(fabs(pace_rate(&pace, now + 1, done + 2) - 2) < 1e-9);
}

/* sha256 */

static void test_sha256_gives_the_published_digests_however_it_is_fed(void **state)
{
    /* FIPS 180-4 examples. */
    static const char *const cases[][2] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t len = strlen(cases[i][0]);

        for (size_t cut = 0; cut <= len; cut++) {
            struct sha256 sha;
            uint8_t digest[SHA256_LEN];
            char text[2 * SHA256_LEN + 1];

            sha256_init(&sha);
            sha256_update(&sha, cases[i][0], cut);
            sha256_update(&sha, cases[i][0] + cut, len - cut);
            sha256_finish(&sha, digest);
            hex_encode(digest, sizeof(digest), text);
            assert_string_equal(text, cases[i][1]);
        }
    }
}

/* parallel */

enum { ITEMS = 1000, MOST_THREADS = 256 };

struct visit {
    unsigned times[ITEMS];
    size_t begin[MOST_THREADS], end[MOST_THREADS];
    unsigned nested_calls[MOST_THREADS];
};

static void visit_items(void *context, size_t begin, size_t end, unsigned thread)
{
    struct visit *visit = context;

    for (size_t i = begin; i < end; i++)
        visit->times[i]++;
    visit->begin[thread] = begin;
    visit->end[thread] = end;
}

static void test_every_item_is_done_once_in_contiguous_equal_ranges(void **state)
{
    static const size_t counts[] = {0, 1, 2, 3, 7, 64, 999, ITEMS};

    (void)state;
    for (unsigned threads = 1; threads <= 9; threads++) {
        parallel_set_threads(threads);
        assert_int_equal(parallel_threads(), threads);
        for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
            struct visit visit = {{0}, {0}, {0}, {0}};
            size_t parts = min_size(counts[c], threads), at = 0;

            parallel_for(counts[c], visit_items, &visit);
            for (size_t i = 0; i < ITEMS; i++)
                assert_int_equal(visit.times[i], i < counts[c]);
            for (size_t t = 0; t < parts; t++) {
                assert_int_equal(visit.begin[t], at);
                assert_in_range(visit.end[t] - at, counts[c] / parts,
                                (counts[c] + parts - 1) / parts);
                at = visit.end[t];
            }
        }
    }
    parallel_set_threads(0);
}

static void count_call(void *context, size_t begin, size_t end, unsigned thread)
{
    unsigned *calls = context;

    (void)begin, (void)end, (void)thread;
    (*calls)++;
}

static void call_nested(void *context, size_t begin, size_t end, unsigned thread)
{
    struct visit *visit = context;

    (void)begin, (void)end;
    parallel_for(100, count_call, &visit->nested_calls[thread]);
}

static void test_a_nested_call_stays_on_its_thread(void **state)
{
    struct visit visit = {{0}, {0}, {0}, {0}};

    (void)state;
    parallel_set_threads(4);
    parallel_for(4, call_nested, &visit);
    for (int t = 0; t < 4; t++)
        assert_int_equal(visit.nested_calls[t], 1);
    parallel_set_threads(0);
}

static void test_thread_counts_are_kept_within_their_range(void **state)
{
    (void)state;
    parallel_set_threads(100000);
    assert_int_equal(parallel_threads(), MOST_THREADS);
    parallel_set_threads(0);
    assert_in_range(parallel_threads(), 1, MOST_THREADS);
}

static void *own_mask(void *mask)
{
    pthread_sigmask(SIG_BLOCK, NULL, mask);
    return NULL;
}

static void test_a_thread_starts_with_signals_blocked_but_faults(void **state)
{
    sigset_t before, after, own;
    pthread_t thread;

    (void)state;
    own_mask(&before);
    assert_int_equal(thread_start(&thread, own_mask, &own), WARD_OK);
    pthread_join(thread, NULL);
    own_mask(&after);
    assert_true(sigismember(&own, SIGINT) && sigismember(&own, SIGTERM));
    assert_false(sigismember(&own, SIGSEGV) || sigismember(&own, SIGABRT));
    assert_false(sigismember(&before, SIGINT) || sigismember(&after, SIGINT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_failure_returns_its_status_and_keeps_its_text),
        cmocka_unit_test(test_context_is_put_in_front_of_the_text),
        cmocka_unit_test(test_a_message_may_quote_the_message_before_it),
        cmocka_unit_test(test_a_message_is_one_line_without_control_characters),
        cmocka_unit_test(test_an_overlong_message_is_cut),
        cmocka_unit_test(test_a_message_belongs_to_its_thread),
        cmocka_unit_test(test_every_status_has_a_name),
        cmocka_unit_test(test_products_and_sums_that_overflow_are_refused),
        cmocka_unit_test(test_new_memory_is_zero_and_never_null),
        cmocka_unit_test(test_impossible_sizes_fail_and_leave_the_pointer),
        cmocka_unit_test(test_resizing_keeps_old_elements_and_zeroes_new_ones),
        cmocka_unit_test(test_aligned_memory_is_aligned_and_zero),
        cmocka_unit_test(test_a_thread_starts_with_signals_blocked_but_faults),
        cmocka_unit_test(test_strings_are_copied_and_formatted),
        cmocka_unit_test(test_the_nth_allocation_can_be_made_to_fail),
        cmocka_unit_test(test_numbers_are_read_in_their_byte_order),
        cmocka_unit_test(test_reading_past_the_end_fails_and_stays_put),
        cmocka_unit_test(test_an_empty_reader_reads_nothing_successfully),
        cmocka_unit_test(test_what_is_written_is_read_back),
        cmocka_unit_test(test_a_writer_out_of_memory_says_so_at_the_end),
        cmocka_unit_test(test_hex_digits_go_there_and_back),
        cmocka_unit_test(test_what_is_not_exactly_hex_is_refused),
        cmocka_unit_test(test_the_clock_goes_forward),
        cmocka_unit_test(the_pace_is_of_the_last_minutes),
        cmocka_unit_test(test_sha256_gives_the_published_digests_however_it_is_fed),
        cmocka_unit_test(test_every_item_is_done_once_in_contiguous_equal_ranges),
        cmocka_unit_test(test_a_nested_call_stays_on_its_thread),
        cmocka_unit_test(test_thread_counts_are_kept_within_their_range),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
