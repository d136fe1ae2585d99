/*
 * SHA-256 (FIPS 180-4) of public bytes: data files, model digests. Not written to hide what it
 * hashes: secrets go through key/.
 */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_LEN = 32 };

struct sha256 {
    uint32_t state[8];
    uint64_t len;      /* bytes taken so far */
    uint8_t block[64]; /* the unfinished block */
};

void sha256_init(struct sha256 *sha);
void sha256_update(struct sha256 *sha, const void *data, size_t len);
/* The digest; sha must be initialised again before further use. */
void sha256_finish(struct sha256 *sha, uint8_t out[SHA256_LEN]);

#endif
