/* A frame (model/frame.h) with a right check sum: a fuzzer could not guess it, and an attacker
 * would not have to. */
#ifndef FUZZ_FRAME_H
#define FUZZ_FRAME_H

#include "base/bytes.h"
#include "base/sha256.h"

/* data with its check sum behind, to be released whether or not this succeeds. */
static inline ward_status frame_of(const uint8_t *data, size_t len, struct wr *frame)
{
    uint8_t sum[SHA256_LEN];
    struct sha256 sha;

    sha256_init(&sha);
    sha256_update(&sha, data, len);
    sha256_finish(&sha, sum);
    wr_bytes(frame, data, len);
    wr_bytes(frame, sum, sizeof sum);
    return wr_finish(frame);
}

#endif
