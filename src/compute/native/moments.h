/* Sums for the mean and variance of a block of channels, taken while values are in the cache. */
#ifndef COMPUTE_NATIVE_MOMENTS_H
#define COMPUTE_NATIVE_MOMENTS_H

#include "compute/native/vec.h"

/*
 * Add the sums of `count` vectors and of their squares to sums[0 ..] and squares[0 ..]. Floats add
 * up differences from the first vector, doubles the rest: otherwise the variance of a channel whose
 * mean is large would drown in rounding.
 */
static inline void moments_add(const float *x, size_t count, double *sums, double *squares)
{
    vec pivot = vec_load(x), s0 = vec_zero(), s1 = vec_zero(), q0 = vec_zero(), q1 = vec_zero();
    float first[LANES], s[LANES], q[LANES];
    size_t i = 0;

    for (; i + 2 <= count; i += 2) {
        vec v0 = vec_load(x + i * LANES) - pivot, v1 = vec_load(x + (i + 1) * LANES) - pivot;

        s0 += v0;
        s1 += v1;
        q0 += v0 * v0;
        q1 += v1 * v1;
    }
    if (i < count) {
        vec v = vec_load(x + i * LANES) - pivot;

        s0 += v;
        q0 += v * v;
    }
    vec_store(first, pivot);
    vec_store(s, s0 + s1);
    vec_store(q, q0 + q1);
    for (size_t l = 0; l < LANES; l++) {
        double p = (double)first[l];

        sums[l] += (double)s[l] + (double)count * p;
        squares[l] += (double)q[l] + p * (2 * (double)s[l] + (double)count * p);
    }
}

#endif
