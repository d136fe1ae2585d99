/*
 * The guard's protocol, as a receiver meets it from a hostile sender. The first byte says what the
 * receiver accepts; the rest is the stream.
 */
#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guard/frame.h"

enum { MAX_BATCH = 7, MAX_ITEM = 5, MAX_STREAM = 1 << 16 };

static ward_status take_payload(int fd, const struct frame *frame,
                                const struct frame_limits *limits)
{
    float items[MAX_BATCH * MAX_ITEM];
    char text[FRAME_MAX_TEXT + 1];
    struct frame_ready ready;

    switch (frame->kind) {
    case FRAME_BATCH:
        assert(frame->count <= limits->batch &&
               frame->len == frame->count * limits->item * sizeof(float));
        return frame_receive_bytes(fd, items, frame->len);
    case FRAME_READY:
        assert(frame->len == FRAME_READY_LEN);
        return frame_receive_ready(fd, frame, &ready);
    default: assert(frame->len <= FRAME_MAX_TEXT); return frame_receive_text(fd, frame, text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frame_limits limits;
    struct frame frame;
    int ends[2];

    if (size < 1 || size > MAX_STREAM || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        return 0;
    limits = (struct frame_limits){data[0] % (MAX_BATCH + 1), 1 + data[0] / 8 % MAX_ITEM};
    if (send(ends[0], data + 1, size - 1, MSG_DONTWAIT) == (ssize_t)(size - 1)) {
        shutdown(ends[0], SHUT_WR);
        while (!frame_receive(ends[1], &limits, &frame) && frame.kind != FRAME_END)
            if (take_payload(ends[1], &frame, &limits))
                break;
    }
    close(ends[0]);
    close(ends[1]);
    return 0;
}
