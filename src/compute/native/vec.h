/*
 * One vector of LANES floats, in the vector extension that gcc and clang share: arithmetic is
 * written once and compiles to whatever instruction set the file is compiled for. Loads and stores
 * need no alignment.
 *
 * LANES and KERNEL(name), which gives each copy of a table its own name, come from meson.build.
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

/*
 * fold_K(u, v): sums of neighbouring groups of K lanes, those of u first. Folding vectors pair by
 * pair, and the results again, leaves the sum of each of LANES vectors in a lane of one.
 */
#if LANES == 16
static inline vec fold_8(vec u, vec v)
{
    return __builtin_shufflevector(u, v, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
           __builtin_shufflevector(u, v, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30,
                                   31);
}

static inline vec fold_4(vec u, vec v)
{
    return __builtin_shufflevector(u, v, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27) +
           __builtin_shufflevector(u, v, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30,
                                   31);
}

static inline vec fold_2(vec u, vec v)
{
    return __builtin_shufflevector(u, v, 0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29) +
           __builtin_shufflevector(u, v, 2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30,
                                   31);
}

static inline vec fold_1(vec u, vec v)
{
    return __builtin_shufflevector(u, v, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28,
                                   30) +
           __builtin_shufflevector(u, v, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
}
#else
static inline vec fold_4(vec u, vec v)
{
    return __builtin_shufflevector(u, v, 0, 1, 2, 3, 8, 9, 10, 11) +
           __builtin_shufflevector(u, v, 4, 5, 6, 7, 12, 13, 14, 15);
}

static inline vec fold_2(vec u, vec v)
{
    return __builtin_shufflevector(u, v, 0, 1, 4, 5, 8, 9, 12, 13) +
           __builtin_shufflevector(u, v, 2, 3, 6, 7, 10, 11, 14, 15);
}

static inline vec fold_1(vec u, vec v)
{
    return __builtin_shufflevector(u, v, 0, 2, 4, 6, 8, 10, 12, 14) +
           __builtin_shufflevector(u, v, 1, 3, 5, 7, 9, 11, 13, 15);
}
#endif

/* Lane i of the result is the sum of the lanes of v[i]. */
static inline vec vec_sums(const vec v[LANES])
{
    vec f[LANES];
    size_t count = LANES / 2;

    for (size_t i = 0; i < LANES; i++)
        f[i] = v[i];
#if LANES == 16
    for (size_t i = 0; i < count; i++)
        f[i] = fold_8(f[2 * i], f[2 * i + 1]);
    count /= 2;
#endif
    for (size_t i = 0; i < count; i++)
        f[i] = fold_4(f[2 * i], f[2 * i + 1]);
    for (size_t i = 0; i < count / 2; i++)
        f[i] = fold_2(f[2 * i], f[2 * i + 1]);
    return fold_1(f[0], f[1]);
}

/*
 * turn_K(u, v): of each two neighbouring groups of K lanes, the second of u changes places with the
 * first of v. Done for each K to all vectors that are K apart, that turns rows of a square into
 * columns.
 */
#if LANES == 16
static inline void turn_8(vec *u, vec *v)
{
    vec low =
        __builtin_shufflevector(*u, *v, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);

    *v = __builtin_shufflevector(*u, *v, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30,
                                 31);
    *u = low;
}

static inline void turn_4(vec *u, vec *v)
{
    vec low =
        __builtin_shufflevector(*u, *v, 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27);

    *v =
        __builtin_shufflevector(*u, *v, 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31);
    *u = low;
}

static inline void turn_2(vec *u, vec *v)
{
    vec low =
        __builtin_shufflevector(*u, *v, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);

    *v =
        __builtin_shufflevector(*u, *v, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
    *u = low;
}

static inline void turn_1(vec *u, vec *v)
{
    vec low =
        __builtin_shufflevector(*u, *v, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30);

    *v = __builtin_shufflevector(*u, *v, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31);
    *u = low;
}
#else
static inline void turn_4(vec *u, vec *v)
{
    vec low = __builtin_shufflevector(*u, *v, 0, 1, 2, 3, 8, 9, 10, 11);

    *v = __builtin_shufflevector(*u, *v, 4, 5, 6, 7, 12, 13, 14, 15);
    *u = low;
}

static inline void turn_2(vec *u, vec *v)
{
    vec low = __builtin_shufflevector(*u, *v, 0, 1, 8, 9, 4, 5, 12, 13);

    *v = __builtin_shufflevector(*u, *v, 2, 3, 10, 11, 6, 7, 14, 15);
    *u = low;
}

static inline void turn_1(vec *u, vec *v)
{
    vec low = __builtin_shufflevector(*u, *v, 0, 8, 2, 10, 4, 12, 6, 14);

    *v = __builtin_shufflevector(*u, *v, 1, 9, 3, 11, 5, 13, 7, 15);
    *u = low;
}
#endif

#define VEC_TURN(v, k)                                \
    for (size_t turned = 0; turned < LANES; turned++) \
        if (!(turned & (k)))                          \
    turn_##k(&(v)[turned], &(v)[turned + (k)])

/* Lane i of v[j] changes places with lane j of v[i]. */
VEC_INLINE void vec_turn(vec v[LANES])
{
#if LANES == 16
    VEC_TURN(v, 8);
#endif
    VEC_TURN(v, 4);
    VEC_TURN(v, 2);
    VEC_TURN(v, 1);
}

#endif
