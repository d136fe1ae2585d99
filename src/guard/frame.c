/* Frames on a socket: see frame.h and docs/formats.md, section 18. */
#include "guard/frame.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/util.h"

static const uint8_t magic[4] = {'W', 'G', 'F', '1'};

/* ---- sending ---- */

ward_status frame_send_bytes(int fd, const void *data, size_t len)
{
    const uint8_t *bytes = data;

    while (len > 0) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return ward_fail(WARD_ERR_IO, "cannot send a frame: %s", strerror(errno));
        bytes += sent;
        len -= (size_t)sent;
    }
    return WARD_OK;
}

static void put_le(uint8_t *to, uint64_t value, size_t len)
{
    for (size_t i = 0; i < len; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

ward_status frame_send(int fd, const struct frame *f)
{
    uint8_t header[FRAME_HEADER_LEN];

    memcpy(header, magic, sizeof magic);
    put_le(header + 4, (uint64_t)f->kind, 4);
    put_le(header + 8, (uint64_t)f->status, 4);
    put_le(header + 12, f->count, 4);
    put_le(header + 16, f->id, 8);
    put_le(header + 24, f->len, 8);
    return frame_send_bytes(fd, header, sizeof header);
}

ward_status frame_send_text(int fd, enum frame_kind kind, uint64_t id, ward_status status,
                            const char *text)
{
    struct frame frame = {
        .kind = kind, .status = status, .id = id, .len = min_size(strlen(text), FRAME_MAX_TEXT)};
    ward_status st = frame_send(fd, &frame);

    return st ? st : frame_send_bytes(fd, text, frame.len);
}

ward_status frame_send_ready(int fd, enum frame_sender sender, const struct frame_ready *ready)
{
    struct frame frame = {.kind = FRAME_READY, .id = sender, .len = FRAME_READY_LEN};
    uint8_t payload[FRAME_READY_LEN];
    ward_status st = frame_send(fd, &frame);

    memcpy(payload, ready->model_id, FRAME_ID_LEN);
    put_le(payload + FRAME_ID_LEN, ready->input_len, 4);
    put_le(payload + FRAME_ID_LEN + 4, ready->output_len, 4);
    return st ? st : frame_send_bytes(fd, payload, sizeof payload);
}

/* ---- receiving ---- */

/* Fewer than len only at the end of the stream. */
static ward_status receive(int fd, void *data, size_t len, size_t *received)
{
    uint8_t *bytes = data;
    size_t have = 0;

    while (have < len) {
        ssize_t got = recv(fd, bytes + have, len - have, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno != ECONNRESET)
            return ward_fail(WARD_ERR_IO, "cannot receive a frame: %s", strerror(errno));
        if (got <= 0)
            break;
        have += (size_t)got;
    }
    *received = have;
    return WARD_OK;
}

ward_status frame_receive_bytes(int fd, void *data, size_t len)
{
    size_t received = 0;
    ward_status st = receive(fd, data, len, &received);

    if (!st && received < len)
        st = ward_fail(WARD_ERR_FORMAT, "a stream ends in the middle of a frame");
    return st;
}

/* The three numbers that a kind does not use are zero. */
static bool is_acceptable(const struct frame *f, const struct frame_limits *limits)
{
    switch (f->kind) {
    case FRAME_BATCH:
        return f->status == WARD_OK && f->id > 0 && f->count > 0 && f->count <= limits->batch &&
               f->len == f->count * limits->item * sizeof(float);
    case FRAME_FAULT:
        return f->status > WARD_OK && f->status <= WARD_ERR_AUTH && f->count == 0 &&
               f->len <= FRAME_MAX_TEXT;
    case FRAME_READY:
        return f->status == WARD_OK && f->count == 0 && f->len == FRAME_READY_LEN &&
               (f->id == FRAME_GUARD || f->id == FRAME_WORKER);
    case FRAME_NOTE:
        return f->status == WARD_OK && f->count == 0 && f->id == 0 && f->len <= FRAME_MAX_TEXT;
    default: return false;
    }
}

static ward_status parse(const uint8_t header[FRAME_HEADER_LEN], const struct frame_limits *limits,
                         struct frame *frame)
{
    struct rd rd;
    uint32_t kind, status;
    struct frame f;

    rd_init(&rd, header + sizeof magic, FRAME_HEADER_LEN - sizeof magic);
    kind = rd_u32le(&rd);
    status = rd_u32le(&rd);
    f.kind = kind <= FRAME_NOTE ? (enum frame_kind)kind : FRAME_END;
    f.status = status <= WARD_ERR_AUTH ? (ward_status)status : WARD_OK;
    f.count = rd_u32le(&rd);
    f.id = rd_u64le(&rd);
    f.len = rd_u64le(&rd);
    if (memcmp(header, magic, sizeof magic) != 0 || status > WARD_ERR_AUTH ||
        !is_acceptable(&f, limits))
        return ward_fail(WARD_ERR_FORMAT, "a frame that nobody may send");
    *frame = f;
    return WARD_OK;
}

ward_status frame_receive(int fd, const struct frame_limits *limits, struct frame *frame)
{
    uint8_t header[FRAME_HEADER_LEN];
    size_t received = 0;
    ward_status st = receive(fd, header, sizeof header, &received);

    if (st)
        return st;
    if (received == 0) {
        *frame = (struct frame){.kind = FRAME_END};
        return WARD_OK;
    }
    if (received < sizeof header)
        return ward_fail(WARD_ERR_FORMAT, "a stream ends in the middle of a frame");
    return parse(header, limits, frame);
}

ward_status frame_receive_text(int fd, const struct frame *frame, char text[FRAME_MAX_TEXT + 1])
{
    ward_status st = frame_receive_bytes(fd, text, frame->len);

    if (st)
        return st;
    for (size_t i = 0; i < frame->len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return ward_fail(WARD_ERR_FORMAT, "a text with control characters in a frame");
    text[frame->len] = '\0';
    return WARD_OK;
}

ward_status frame_receive_ready(int fd, const struct frame *frame, struct frame_ready *ready)
{
    uint8_t payload[FRAME_READY_LEN], digest[FRAME_ID_LEN / 2];
    struct frame_ready r;
    struct rd rd;
    ward_status st = frame_receive_bytes(fd, payload, frame->len);

    if (st)
        return st;
    memcpy(r.model_id, payload, FRAME_ID_LEN);
    r.model_id[FRAME_ID_LEN] = '\0';
    rd_init(&rd, payload + FRAME_ID_LEN, FRAME_READY_LEN - FRAME_ID_LEN);
    r.input_len = rd_u32le(&rd);
    r.output_len = rd_u32le(&rd);
    if (!hex_decode(r.model_id, digest, sizeof digest) || r.input_len == 0 || r.output_len == 0)
        return ward_fail(WARD_ERR_FORMAT, "a frame that nobody may send");
    *ready = r;
    return WARD_OK;
}
