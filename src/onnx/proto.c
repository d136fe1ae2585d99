/* The wire format of protocol buffers: see proto.h. */
#include "onnx/proto.h"

#include <string.h>

enum { TYPE_BITS = 3, GROUP_BITS = 7, MAX_VARINT = 10 };

uint64_t proto_varint(struct rd *rd)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < MAX_VARINT; i++) {
        uint8_t byte = rd_u8(rd);

        if (rd->failed)
            return 0;
        value |= (uint64_t)(byte & 0x7f) << GROUP_BITS * i;
        if (!(byte & 0x80))
            return value;
    }
    rd->failed = true;
    return 0;
}

static void read_bytes(struct rd *rd, struct proto_field *field)
{
    uint64_t len = proto_varint(rd);

    if (len > rd_left(rd)) {
        rd->failed = true;
        return;
    }
    field->len = (size_t)len;
    field->data = rd_bytes(rd, field->len);
}

bool proto_next(struct rd *rd, struct proto_field *field)
{
    uint64_t tag;

    if (rd->failed || rd_left(rd) == 0)
        return false;
    tag = proto_varint(rd);
    if (tag >> TYPE_BITS == 0 || tag >> TYPE_BITS > UINT32_MAX)
        rd->failed = true;
    *field = (struct proto_field){.number = (uint32_t)(tag >> TYPE_BITS),
                                  .type = (enum proto_type)(tag & ((1u << TYPE_BITS) - 1))};
    switch (field->type) {
    case PROTO_VARINT: field->value = proto_varint(rd); break;
    case PROTO_FIXED64: field->value = rd_u64le(rd); break;
    case PROTO_FIXED32: field->value = rd_u32le(rd); break;
    case PROTO_BYTES: read_bytes(rd, field); break;
    default: rd->failed = true; break; /* groups, which nothing has written for twenty years */
    }
    return !rd->failed;
}

static void put_varint(struct wr *wr, uint64_t value)
{
    while (value >= 0x80) {
        wr_u8(wr, (uint8_t)(value | 0x80));
        value >>= GROUP_BITS;
    }
    wr_u8(wr, (uint8_t)value);
}

static void put_tag(struct wr *wr, uint32_t number, enum proto_type type)
{
    put_varint(wr, (uint64_t)number << TYPE_BITS | (uint64_t)type);
}

void proto_put_int(struct wr *wr, uint32_t number, uint64_t value)
{
    put_tag(wr, number, PROTO_VARINT);
    put_varint(wr, value);
}

void proto_put_float(struct wr *wr, uint32_t number, float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    put_tag(wr, number, PROTO_FIXED32);
    wr_u32le(wr, bits);
}

void proto_put_bytes(struct wr *wr, uint32_t number, const void *data, size_t len)
{
    put_tag(wr, number, PROTO_BYTES);
    put_varint(wr, len);
    wr_bytes(wr, data, len);
}

void proto_put_text(struct wr *wr, uint32_t number, const char *text)
{
    proto_put_bytes(wr, number, text, strlen(text));
}

void proto_put_message(struct wr *wr, uint32_t number, struct wr *message)
{
    if (message->status && !wr->status)
        wr->status = message->status;
    proto_put_bytes(wr, number, message->data, message->len);
    wr_release(message);
}
