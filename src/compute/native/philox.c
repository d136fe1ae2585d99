/* Random words for dropout: Philox4x32-10 (base/rng.h), sixteen blocks at once. */
#include "compute/native/tables.h"

#include "base/util.h"
#include "compute/native/vec.h"

enum { ROUNDS = 10, BLOCKS = 16 };

/* Words of 32 bits, as products have 64. */
__extension__ typedef uint64_t vec_wide __attribute__((vector_size(BLOCKS * sizeof(uint64_t))));

static void words(const struct rng *stream, size_t first, size_t count, uint32_t *out)
{
    const uint64_t low = UINT32_MAX;
    const vec_wide zero = {0};

    for (size_t done = 0; done < count; done += 4 * BLOCKS) {
        uint64_t k0 = stream->key[0], k1 = stream->key[1];
        vec_wide c0 = zero, c1 = zero + stream->counter[1], c2 = zero + stream->counter[2];
        vec_wide c3 = zero + stream->counter[3];
        uint32_t made[BLOCKS][4];

        for (size_t l = 0; l < BLOCKS; l++)
            c0[l] = (uint32_t)(stream->counter[0] + (first + done) / 4 + l);
        for (int i = 0; i < ROUNDS; i++) {
            vec_wide p0 = c0 * 0xD2511F53u, p1 = c2 * 0xCD9E8D57u;

            c0 = (p1 >> 32) ^ c1 ^ k0;
            c1 = p1 & low;
            c2 = (p0 >> 32) ^ c3 ^ k1;
            c3 = p0 & low;
            k0 = (k0 + 0x9E3779B9u) & low;
            k1 = (k1 + 0xBB67AE85u) & low;
        }
        for (size_t l = 0; l < BLOCKS; l++) {
            made[l][0] = (uint32_t)c0[l];
            made[l][1] = (uint32_t)c1[l];
            made[l][2] = (uint32_t)c2[l];
            made[l][3] = (uint32_t)c3[l];
        }
        memcpy(out + done, made, min_size(count - done, 4 * BLOCKS) * sizeof *out);
    }
}

const struct random_kernels KERNEL(random_kernels) = {words};
