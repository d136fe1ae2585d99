/*
 * Draws that G is made of. They follow from a 32-byte secret seed alone, so one who knows the data,
 * the recipe and the public seed cannot repeat them, while the seed's holder can, on any machine.
 * Another type than struct rng, so that the two cannot be mixed up.
 *
 * Derivation, byte by byte:
 *
 *   key[32]    BLAKE2b with 32 bytes of output, keyed with the seed (32 bytes), of the label's
 *              bytes (ASCII, without a final NUL); no salt, no personalisation
 *   stream     ChaCha20 (RFC 8439) under that key, nonce of 12 zero bytes, block counter from 0
 *   u32        the next 4 bytes of the stream, little-endian
 *   uniform    (u32 >> 8) / 2^24
 *   normal     from two u32, a then b, in double, rounded to float:
 *              sqrt(-2 ln(((a >> 8) + 1) / 2^24)) * cos(2 pi (b >> 8) / 2^24)
 *   below n    u32 again while (u32 * n mod 2^32) < 2^32 mod n, then floor(u32 * n / 2^32)
 *
 * Streams of different labels are independent. A label names a use and its version, such as
 * "ward/fixed/pattern/v1", and is never reused for another.
 */
#ifndef KEY_DRAW_H
#define KEY_DRAW_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum { DRAW_SEED_LEN = 32, DRAW_BUFFER_LEN = 512 };

/* Secret: draw_release() wipes it. One thread at a time. */
struct draw {
    uint8_t key[32];
    uint8_t buffer[DRAW_BUFFER_LEN];
    size_t used;     /* bytes of buffer already handed out */
    uint64_t blocks; /* of 64 bytes, already put into buffer; at most 2^32 */
};

/* seed and label are borrowed for the call. WARD_ERR_DEVICE if libsodium cannot start. */
WARD_CHECK ward_status draw_init(struct draw *draw, const uint8_t seed[DRAW_SEED_LEN],
                                 const char *label);
uint32_t draw_u32(struct draw *draw);
/* Uniform in [0, 1), 24 bits. */
float draw_uniform(struct draw *draw);
/* Standard normal. */
float draw_normal(struct draw *draw);
/* Uniform in [0, n), without bias; n > 0. */
uint32_t draw_below(struct draw *draw, uint32_t n);
/* Fine for an all-zero struct and twice. */
void draw_release(struct draw *draw);

#endif
