/* Bounded reading and growing output: see bytes.h. */
#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/util.h"

void rd_init(struct rd *rd, const void *data, size_t len)
{
    *rd = (struct rd){.data = data, .len = len};
}

size_t rd_left(const struct rd *rd)
{
    return rd->len - rd->pos;
}

const uint8_t *rd_bytes(struct rd *rd, size_t len)
{
    static const uint8_t nothing[1];
    const uint8_t *at;

    if (rd_left(rd) < len) {
        rd->failed = true;
        return NULL;
    }
    at = rd->data ? rd->data + rd->pos : nothing;
    rd->pos += len;
    return at;
}

uint8_t rd_u8(struct rd *rd)
{
    const uint8_t *p = rd_bytes(rd, 1);

    return p ? p[0] : 0;
}

static uint32_t load_u32le(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint32_t rd_u32be(struct rd *rd)
{
    const uint8_t *p = rd_bytes(rd, 4);

    return p ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3] : 0;
}

uint32_t rd_u32le(struct rd *rd)
{
    const uint8_t *p = rd_bytes(rd, 4);

    return p ? load_u32le(p) : 0;
}

uint64_t rd_u64le(struct rd *rd)
{
    const uint8_t *p = rd_bytes(rd, 8);

    return p ? load_u32le(p) | (uint64_t)load_u32le(p + 4) << 32 : 0;
}

/* A fresh block instead of realloc(), which could leave a copy of a secret in freed memory. */
static ward_status grow(struct wr *wr, size_t need)
{
    uint8_t *data;
    size_t cap = wr->cap > SIZE_MAX / 2 ? need : max_size(need, wr->cap * 2);
    ward_status st = mem_new(&data, max_size(cap, 256), 1);

    if (st)
        return st;
    if (wr->len > 0)
        memcpy(data, wr->data, wr->len);
    if (wr->data)
        mem_wipe(wr->data, wr->cap);
    mem_free(wr->data);
    wr->data = data;
    wr->cap = max_size(cap, 256);
    return WARD_OK;
}

/* Room for len more bytes and a NUL that is not counted. */
static bool reserve(struct wr *wr, size_t len)
{
    size_t need;

    if (wr->status)
        return false;
    if (!add_size(wr->len, len, &need) || !add_size(need, 1, &need))
        wr->status = ward_fail(WARD_ERR_NOMEM, "out of memory (%zu bytes)", SIZE_MAX);
    else if (need > wr->cap)
        wr->status = grow(wr, need);
    return wr->status == WARD_OK;
}

void wr_bytes(struct wr *wr, const void *data, size_t len)
{
    if (len == 0 || !reserve(wr, len))
        return;
    memcpy(wr->data + wr->len, data, len);
    wr->len += len;
}

void wr_u8(struct wr *wr, uint8_t v)
{
    wr_bytes(wr, &v, 1);
}

void wr_u32le(struct wr *wr, uint32_t v)
{
    const uint8_t bytes[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16),
                              (uint8_t)(v >> 24)};

    wr_bytes(wr, bytes, sizeof(bytes));
}

void wr_u64le(struct wr *wr, uint64_t v)
{
    wr_u32le(wr, (uint32_t)v);
    wr_u32le(wr, (uint32_t)(v >> 32));
}

void wr_text(struct wr *wr, const char *text)
{
    wr_bytes(wr, text, strlen(text));
}

void wr_printf(struct wr *wr, const char *format, ...)
{
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0 && !wr->status)
        wr->status = ward_fail(WARD_ERR_ARG, "cannot format a text");
    if (len < 0 || !reserve(wr, (size_t)len))
        return;
    va_start(args, format);
    vsnprintf((char *)wr->data + wr->len, (size_t)len + 1, format, args);
    va_end(args);
    wr->len += (size_t)len;
}

ward_status wr_finish(struct wr *wr)
{
    return wr->status;
}

void wr_release(struct wr *wr)
{
    if (wr->data)
        mem_wipe(wr->data, wr->cap);
    mem_free(wr->data);
    *wr = (struct wr)WR_INIT;
}
