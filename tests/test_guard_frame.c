/* Frames, as good and as bad senders send them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guard/frame.h"

static const struct frame_limits limits = {4, 3};
static const struct frame_ready ready = {
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", 784, 10};

#define assert_ok(call) assert_int_equal((call), WARD_OK)

/* What is sent to [0] is received from [1]. */
static int ends[2];

static int connect_ends(void **state)
{
    (void)state;
    return socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
}

static int close_ends(void **state)
{
    (void)state;
    close(ends[0]);
    close(ends[1]);
    return 0;
}

static void test_frames_arrive_as_they_were_sent(void **state)
{
    const struct frame batch = {.kind = FRAME_BATCH, .count = 2, .id = 77, .len = 24};
    const float sent[6] = {1, 2, 3, 4, 5, 6};
    struct frame f;
    struct frame_ready r;
    char text[FRAME_MAX_TEXT + 1];
    float got[6];

    (void)state;
    assert_ok(frame_send(ends[0], &batch));
    assert_ok(frame_send_bytes(ends[0], sent, sizeof sent));
    assert_ok(frame_send_ready(ends[0], FRAME_WORKER, &ready));
    assert_ok(frame_send_text(ends[0], FRAME_FAULT, 78, WARD_ERR_NUMERIC, "not finite"));
    assert_ok(frame_send_text(ends[0], FRAME_NOTE, 0, WARD_OK, "a note"));
    shutdown(ends[0], SHUT_WR);

    assert_ok(frame_receive(ends[1], &limits, &f));
    assert_true(f.kind == FRAME_BATCH && f.count == 2 && f.id == 77 && f.len == 24);
    assert_ok(frame_receive_bytes(ends[1], got, f.len));
    assert_memory_equal(got, sent, sizeof sent);
    assert_ok(frame_receive(ends[1], &limits, &f));
    assert_true(f.kind == FRAME_READY && f.id == FRAME_WORKER);
    assert_ok(frame_receive_ready(ends[1], &f, &r));
    assert_string_equal(r.model_id, ready.model_id);
    assert_true(r.input_len == 784 && r.output_len == 10);
    assert_ok(frame_receive(ends[1], &limits, &f));
    assert_true(f.kind == FRAME_FAULT && f.id == 78 && f.status == WARD_ERR_NUMERIC);
    assert_ok(frame_receive_text(ends[1], &f, text));
    assert_string_equal(text, "not finite");
    assert_ok(frame_receive(ends[1], &limits, &f));
    assert_int_equal(f.kind, FRAME_NOTE);
    assert_ok(frame_receive_text(ends[1], &f, text));
    assert_string_equal(text, "a note");
    assert_ok(frame_receive(ends[1], &limits, &f));
    assert_int_equal(f.kind, FRAME_END);
}

static void test_a_text_that_is_too_long_is_cut(void **state)
{
    char sent[2 * FRAME_MAX_TEXT], got[FRAME_MAX_TEXT + 1];
    struct frame f;

    (void)state;
    memset(sent, 'a', sizeof sent);
    sent[sizeof sent - 1] = '\0';
    assert_ok(frame_send_text(ends[0], FRAME_NOTE, 0, WARD_OK, sent));
    assert_ok(frame_receive(ends[1], &limits, &f));
    assert_ok(frame_receive_text(ends[1], &f, got));
    assert_int_equal(strlen(got), FRAME_MAX_TEXT);
}

static void test_a_frame_beyond_the_limits_is_refused_before_its_payload_is_read(void **state)
{
    static const struct {
        const char *what;
        struct frame frame;
    } bad[] = {
        {"no frame at all", {.kind = FRAME_END}},
        {"a batch of none", {.kind = FRAME_BATCH, .id = 1}},
        {"a batch of too many", {.kind = FRAME_BATCH, .id = 1, .count = 5, .len = 60}},
        {"a batch without an id", {.kind = FRAME_BATCH, .count = 1, .len = 12}},
        {"a batch that is too short", {.kind = FRAME_BATCH, .id = 1, .count = 2, .len = 23}},
        {"a batch that is too long", {.kind = FRAME_BATCH, .id = 1, .count = 2, .len = 25}},
        {"a huge batch", {.kind = FRAME_BATCH, .id = 1, .count = 1, .len = SIZE_MAX}},
        {"a batch that failed",
         {.kind = FRAME_BATCH, .status = WARD_ERR_IO, .id = 1, .count = 1, .len = 12}},
        {"a fault that is none", {.kind = FRAME_FAULT, .id = 1}},
        {"a fault of some", {.kind = FRAME_FAULT, .status = WARD_ERR_IO, .count = 1}},
        {"a long fault", {.kind = FRAME_FAULT, .status = WARD_ERR_IO, .len = 1025}},
        {"an unknown status", {.kind = FRAME_FAULT, .status = (ward_status)(WARD_ERR_AUTH + 1)}},
        {"somebody else who is ready", {.kind = FRAME_READY, .id = 3, .len = FRAME_READY_LEN}},
        {"a short ready", {.kind = FRAME_READY, .id = 1, .len = FRAME_READY_LEN - 1}},
        {"a long note", {.kind = FRAME_NOTE, .len = 1025}},
        {"a note with an id", {.kind = FRAME_NOTE, .id = 1, .len = 1}},
        {"an unknown kind", {.kind = (enum frame_kind)(FRAME_NOTE + 1)}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct frame before = {.kind = FRAME_NOTE, .id = 4711};
        struct frame f = before;

        assert_ok(frame_send(ends[0], &bad[i].frame));
        if (frame_receive(ends[1], &limits, &f) != WARD_ERR_FORMAT)
            fail_msg("%s was not refused", bad[i].what);
        assert_memory_equal(&f, &before, sizeof f);
    }
}

static void test_without_limits_there_are_no_batches(void **state)
{
    const struct frame batch = {.kind = FRAME_BATCH, .count = 1, .id = 1};
    const struct frame_limits none = {0, 0};
    struct frame f;

    (void)state;
    assert_ok(frame_send(ends[0], &batch));
    assert_int_equal(frame_receive(ends[1], &none, &f), WARD_ERR_FORMAT);
}

static void test_a_stream_may_end_between_frames_only(void **state)
{
    char text[FRAME_MAX_TEXT + 1];
    struct frame f;

    for (size_t len = 1; len < FRAME_HEADER_LEN + 6; len++) {
        uint8_t bytes[FRAME_HEADER_LEN + 6];

        assert_ok(frame_send_text(ends[0], FRAME_NOTE, 0, WARD_OK, "a note"));
        assert_ok(frame_receive_bytes(ends[1], bytes, sizeof bytes));
        assert_ok(frame_send_bytes(ends[0], bytes, len));
        shutdown(ends[0], SHUT_WR);
        if (len < FRAME_HEADER_LEN) {
            assert_int_equal(frame_receive(ends[1], &limits, &f), WARD_ERR_FORMAT);
        } else {
            assert_ok(frame_receive(ends[1], &limits, &f));
            assert_int_equal(frame_receive_text(ends[1], &f, text), WARD_ERR_FORMAT);
        }
        close_ends(state);
        assert_int_equal(connect_ends(state), 0);
    }
}

static void test_no_control_character_reaches_a_log(void **state)
{
    static const char *const bad[] = {"two\nlines", "\033[2J", "\177", "tab\there"};
    char text[FRAME_MAX_TEXT + 1];
    struct frame f;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_ok(frame_send_text(ends[0], FRAME_NOTE, 0, WARD_OK, bad[i]));
        assert_ok(frame_receive(ends[1], &limits, &f));
        assert_int_equal(frame_receive_text(ends[1], &f, text), WARD_ERR_FORMAT);
    }
}

static void test_a_closed_end_is_a_failure_and_no_signal(void **state)
{
    const struct frame note = {.kind = FRAME_NOTE};

    (void)state;
    close(ends[1]);
    assert_int_equal(frame_send(ends[0], &note), WARD_ERR_IO);
    ends[1] = dup(ends[0]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, connect_ends, close_ends)
    const struct CMUnitTest tests[] = {
        TEST(test_frames_arrive_as_they_were_sent),
        TEST(test_a_text_that_is_too_long_is_cut),
        TEST(test_a_frame_beyond_the_limits_is_refused_before_its_payload_is_read),
        TEST(test_without_limits_there_are_no_batches),
        TEST(test_a_stream_may_end_between_frames_only),
        TEST(test_no_control_character_reaches_a_log),
        TEST(test_a_closed_end_is_a_failure_and_no_signal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
