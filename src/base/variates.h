/*
 * What 32-bit numbers make. Both sources of them, rng.h for training and key/draw.h for secrets,
 * stay types of their own; what follows from a number is one idea. To change it would change what
 * seeds and keys mean: key/draw.h has it as a format.
 */
#ifndef BASE_VARIATES_H
#define BASE_VARIATES_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

/* In [0, 1), 24 bits. */
static inline float variate_uniform(uint32_t a)
{
    return (float)(a >> 8) * 0x1p-24f;
}

/* Standard normal (Box and Muller 1958). */
static inline float variate_normal(uint32_t a, uint32_t b)
{
    /* In (0, 1], so that the logarithm is finite. */
    double radius = sqrt(-2.0 * log(((double)(a >> 8) + 1.0) * 0x1p-24));
    double angle = 6.283185307179586 * (double)(b >> 8) * 0x1p-24;

    return (float)(radius * cos(angle));
}

/* In [0, n), n > 0 (Lemire, "Fast random integer generation in an interval", 2019). False if `a` is
 * one of the few that would favour a result: then another number has to be taken. */
static inline bool variate_below(uint32_t a, uint32_t n, uint32_t *out)
{
    uint64_t product = (uint64_t)a * n;

    *out = (uint32_t)(product >> 32);
    return (uint32_t)product >= (0u - n) % n;
}

#endif
