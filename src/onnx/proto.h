/*
 * The wire format of protocol buffers, as much of it as ONNX needs: fields in, fields out. A
 * message is a row of fields; what their numbers mean is onnx/schema.h's.
 *
 * Reading copies nothing and takes untrusted bytes. Writing goes into memory that is wiped, since
 * what is written may be the secret transform; a generated library's copies would not be.
 */
#ifndef ONNX_PROTO_H
#define ONNX_PROTO_H

#include "base/bytes.h"

enum proto_type { PROTO_VARINT = 0, PROTO_FIXED64 = 1, PROTO_BYTES = 2, PROTO_FIXED32 = 5 };

struct proto_field {
    uint32_t number;
    enum proto_type type;
    uint64_t value;      /* of a number, as its bits */
    const uint8_t *data; /* of PROTO_BYTES: len bytes within the message */
    size_t len;
};

/* The next field; false at the end, and for what is no field (then rd->failed is set). */
bool proto_next(struct rd *rd, struct proto_field *field);
/* A bare varint, as a packed list has them; 0 and rd->failed if there is none. */
uint64_t proto_varint(struct rd *rd);

/* Append a field. Errors stick to the output. */
void proto_put_int(struct wr *wr, uint32_t number, uint64_t value);
void proto_put_float(struct wr *wr, uint32_t number, float value);
void proto_put_bytes(struct wr *wr, uint32_t number, const void *data, size_t len);
void proto_put_text(struct wr *wr, uint32_t number, const char *text);
/* A message as a field of another; it is released, and its error goes over. */
void proto_put_message(struct wr *wr, uint32_t number, struct wr *message);

#endif
