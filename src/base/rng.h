/*
 * Counter-based random numbers for training (Philox4x32-10: Salmon et al., "Parallel random
 * numbers: as easy as 1, 2, 3", SC 2011). A stream is named by (seed, purpose, step, sample), so a
 * resumed run, another thread or another process draws the same numbers without any state.
 *
 * Not for secrets. What G is made of comes from key/draw.h, another type on purpose.
 */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stdint.h>

/* What a stream is for; part of its name, so two uses never share numbers. Never renumber; < 16. */
enum rng_purpose {
    RNG_INIT = 1,       /* initial weights of F; step: parameter number */
    RNG_SHUFFLE = 2,    /* order of samples; step: epoch */
    RNG_AUGMENT = 3,    /* crop and flip; step, sample */
    RNG_DROPOUT = 4,    /* step: training step, sample: node << 32 | row */
    RNG_SPLIT = 5,      /* which training images are held out */
    RNG_TEST = 6,       /* free for tests and benchmarks */
    RNG_ATTACK = 7,     /* an adversary's: step: which use, sample: the trial or 0 */
    RNG_WRONG_KEY = 8,  /* wrong keys to train against; step: training step, sample: which part */
    RNG_KEYSPACE = 9,   /* wrong keys to measure F under; step: which one, sample: which part */
    RNG_RIVAL = 10,     /* a simulated adversary's; step: training step, sample: what for */
    RNG_ERASURE = 11,   /* step 0: where a search for principal axes starts; others: wrong keys */
    RNG_DEPENDENCE = 12 /* step 0: where axes and a change start; others: waves of a step before */
};

struct rng {
    uint32_t key[2];
    uint32_t counter[4];
    uint32_t block[4];
    unsigned used; /* words of block already handed out */
};

/*
 * step < 2^32, and a stream has 2^30 - 4 words. Within that, streams of different names share no
 * block, by construction.
 */
void rng_init(struct rng *rng, uint64_t seed, enum rng_purpose purpose, uint64_t step,
              uint64_t sample);
uint32_t rng_u32(struct rng *rng);
/* Uniform in [0, 1), 24 bits. */
float rng_uniform(struct rng *rng);
/* Standard normal (Box-Muller on two draws). */
float rng_normal(struct rng *rng);
/* Uniform in [0, n), without bias; n > 0. */
uint32_t rng_below(struct rng *rng, uint32_t n);
/* A permutation of 0..n-1 (Fisher-Yates). */
void rng_permutation(struct rng *rng, uint32_t n, uint32_t *out);

/* The bare block function, for kernels and test vectors. */
void rng_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

#endif
