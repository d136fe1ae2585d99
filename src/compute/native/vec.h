/*
 * One vector of LANES floats, in the vector extension that gcc and clang share: arithmetic is
 * written once and compiles to whatever instruction set the file is compiled for. Loads and stores
 * need no alignment.
 *
 * LANES and KERNEL(name), which gives each copy of a table a name of its own, come from meson.build.
 */
#ifndef COMPUTE_NATIVE_VEC_H
#define COMPUTE_NATIVE_VEC_H

#include <string.h>

/* "extension" keeps -Wpedantic quiet about what this header is for. */
__extension__ typedef float vec __attribute__((vector_size(LANES * sizeof(float))));

__extension__ typedef int vec_mask __attribute__((vector_size(LANES * sizeof(int))));

static inline vec vec_load(const float *p)
{
    vec v;

    memcpy(&v, p, sizeof v);
    return v;
}

static inline void vec_store(float *p, vec v)
{
    memcpy(p, &v, sizeof v);
}

static inline vec vec_zero(void)
{
    return (vec){0};
}

/* Lane by lane: test > 0 ? yes : no. */
static inline vec vec_if_positive(vec test, vec yes, vec no)
{
    vec_mask m = test > vec_zero();

    return (vec)((m & (vec_mask)yes) | (~m & (vec_mask)no));
}

/* Sum of the lanes, always in the same order. */
static inline float vec_sum(vec v)
{
    float half[LANES];

    memcpy(half, &v, sizeof v);
    for (unsigned width = LANES / 2; width > 0; width /= 2)
        for (unsigned i = 0; i < width; i++)
            half[i] += half[i + width];
    return half[0];
}

#endif
