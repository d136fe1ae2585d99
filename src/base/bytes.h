/*
 * Bounded reading of untrusted bytes, and growing output. A reader never reads past its end: a
 * failed read sets `failed`, returns zero and leaves the position alone, so that a parser may read
 * a whole header and check once.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct rd {
    const uint8_t *data; /* borrowed */
    size_t len;
    size_t pos;
    bool failed;
};

void rd_init(struct rd *rd, const void *data, size_t len);
size_t rd_left(const struct rd *rd);
uint8_t rd_u8(struct rd *rd);
uint32_t rd_u32be(struct rd *rd);
uint32_t rd_u32le(struct rd *rd);
uint64_t rd_u64le(struct rd *rd);
/* A pointer into the data, len bytes long, or NULL (and failed) if fewer are left. */
const uint8_t *rd_bytes(struct rd *rd, size_t len);

/* A growing byte string. Errors stick: wr_finish() reports them. */
struct wr {
    uint8_t *data;
    size_t len;
    size_t cap;
    ward_status status;
};

#define WR_INIT             \
    {                       \
        NULL, 0, 0, WARD_OK \
    }

void wr_bytes(struct wr *wr, const void *data, size_t len);
void wr_u8(struct wr *wr, uint8_t v);
void wr_u32le(struct wr *wr, uint32_t v);
void wr_u64le(struct wr *wr, uint64_t v);
void wr_text(struct wr *wr, const char *text);
void wr_printf(struct wr *wr, const char *format, ...) BASE_PRINTF(2, 3);
/* The first failure, if any; the bytes stay owned by wr. */
WARD_CHECK ward_status wr_finish(struct wr *wr);
/* Wipes, then frees. */
void wr_release(struct wr *wr);

#endif
