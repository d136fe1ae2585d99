/*
 * Philox4x32-10. The seed is the key, and the rest of a stream's name lies side by side in the
 * counter, so two names that differ cannot give the same block:
 *
 *   counter[0]  purpose << 28 | block number
 *   counter[1]  step
 *   counter[2]  low half of sample
 *   counter[3]  high half of sample
 */
#include "base/rng.h"

#include <assert.h>

#include "base/variates.h"

enum { ROUNDS = 10, PURPOSE_SHIFT = 28 };

void rng_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];

    for (int i = 0; i < ROUNDS; i++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0;
        uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;

        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

void rng_init(struct rng *rng, uint64_t seed, enum rng_purpose purpose, uint64_t step,
              uint64_t sample)
{
    assert(purpose < 16 && step <= UINT32_MAX);
    *rng = (struct rng){
        .key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
        .counter = {(uint32_t)purpose << PURPOSE_SHIFT, (uint32_t)step, (uint32_t)sample,
                    (uint32_t)(sample >> 32)},
        .used = 4,
    };
}

uint32_t rng_u32(struct rng *rng)
{
    if (rng->used == 4) {
        rng_philox(rng->counter, rng->key, rng->block);
        rng->counter[0]++;
        assert((rng->counter[0] << (32 - PURPOSE_SHIFT)) != 0);
        rng->used = 0;
    }
    return rng->block[rng->used++];
}

float rng_uniform(struct rng *rng)
{
    return variate_uniform(rng_u32(rng));
}

float rng_normal(struct rng *rng)
{
    uint32_t a = rng_u32(rng), b = rng_u32(rng);

    return variate_normal(a, b);
}

uint32_t rng_below(struct rng *rng, uint32_t n)
{
    uint32_t below;

    assert(n > 0);
    while (!variate_below(rng_u32(rng), n, &below))
        ;
    return below;
}

void rng_permutation(struct rng *rng, uint32_t n, uint32_t *out)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t j = rng_below(rng, i + 1);

        if (j < i)
            out[i] = out[j];
        out[j] = i;
    }
}
