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

/* For loops over constant counts, whose sums are to stay in registers. */
#define VEC_INLINE static inline __attribute__((always_inline))

/* The cache lines of len floats are on their way; they will be written too, or only read. */
static inline void vec_fetch(const float *data, size_t len)
{
    for (size_t i = 0; i < len; i += 16)
        __builtin_prefetch(data + i, 0, 2);
}

static inline void vec_fetch_to_write(const float *data, size_t len)
{
    for (size_t i = 0; i < len; i += 16)
        __builtin_prefetch(data + i, 1, 2);
}

/* Lane by lane: test ? yes : no, where test is all ones or all zeros. */
static inline vec vec_if(vec_mask test, vec yes, vec no)
{
    return (vec)((test & (vec_mask)yes) | (~test & (vec_mask)no));
}

/* Lane by lane: test > 0 ? yes : no. */
static inline vec vec_if_positive(vec test, vec yes, vec no)
{
    return vec_if(test > vec_zero(), yes, no);
}

/* Sum of the lanes, always in the same order: halves folded onto each other. */
static inline float vec_sum(vec v)
{
#if LANES == 16
    v += __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15);
    v += __builtin_shufflevector(v, v, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7);
    v += __builtin_shufflevector(v, v, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3);
    v += __builtin_shufflevector(v, v, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1);
#else
    v += __builtin_shufflevector(v, v, 4, 5, 6, 7, 4, 5, 6, 7);
    v += __builtin_shufflevector(v, v, 2, 3, 2, 3, 2, 3, 2, 3);
    v += __builtin_shufflevector(v, v, 1, 1, 1, 1, 1, 1, 1, 1);
#endif
    return v[0];
}

#endif
