/*
 * Frames: what the serving process, the guard and the worker say to each other over stream sockets,
 * one way each. docs/formats.md has them byte by byte. Every length is checked before anything is
 * received by it, for each end takes the other for hostile.
 */
#ifndef GUARD_FRAME_H
#define GUARD_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum frame_kind {
    FRAME_END = 0,   /* never sent: the stream ended between two frames */
    FRAME_BATCH = 1, /* id, count; payload: count images or answers, float32 */
    FRAME_FAULT = 2, /* id, status; payload: text. The batch failed; id 0: the start did */
    FRAME_READY = 3, /* id: enum frame_sender; payload: struct frame_ready */
    FRAME_NOTE = 4   /* payload: text for the log */
};

enum frame_sender { FRAME_GUARD = 1, FRAME_WORKER = 2 };

enum { FRAME_HEADER_LEN = 32, FRAME_READY_LEN = 72, FRAME_ID_LEN = 64, FRAME_MAX_TEXT = 1024 };

struct frame {
    enum frame_kind kind;
    ward_status status; /* WARD_OK but in a fault */
    uint32_t count;     /* 0 but in a batch */
    uint64_t id;        /* a batch's: from 1 on */
    size_t len;         /* bytes of payload that follow */
};

/* What a receiver accepts in a batch. */
struct frame_limits {
    size_t batch; /* items at most; 0: no batches yet */
    size_t item;  /* floats of each */
};

struct frame_ready {
    char model_id[FRAME_ID_LEN + 1]; /* hex */
    size_t input_len, output_len;    /* floats */
};

/*
 * Send a header; its payload follows by frame_send_bytes(). WARD_ERR_IO if the other end is gone,
 * or does not take it in time where the socket has a time limit. Raises no SIGPIPE.
 */
WARD_CHECK ward_status frame_send(int fd, const struct frame *frame);
WARD_CHECK ward_status frame_send_bytes(int fd, const void *data, size_t len);
/* Whole frames. A text that is too long is cut. */
WARD_CHECK ward_status frame_send_text(int fd, enum frame_kind kind, uint64_t id,
                                       ward_status status, const char *text);
WARD_CHECK ward_status frame_send_ready(int fd, enum frame_sender sender,
                                        const struct frame_ready *ready);

/*
 * Receive a header; WARD_ERR_FORMAT for one that the receiver need not accept, WARD_ERR_IO if the
 * system says so. Afterwards exactly frame->len bytes are to be received, and len is what the kind
 * and the limits allow.
 */
WARD_CHECK ward_status frame_receive(int fd, const struct frame_limits *limits,
                                     struct frame *frame);
/* WARD_ERR_FORMAT if the stream ends before. */
WARD_CHECK ward_status frame_receive_bytes(int fd, void *data, size_t len);
/* The payload of a fault or a note; WARD_ERR_FORMAT if there are control characters in it. */
WARD_CHECK ward_status frame_receive_text(int fd, const struct frame *frame,
                                          char text[FRAME_MAX_TEXT + 1]);
WARD_CHECK ward_status frame_receive_ready(int fd, const struct frame *frame,
                                           struct frame_ready *ready);

#endif
