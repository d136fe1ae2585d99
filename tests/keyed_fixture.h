/*
 * Transforms of method `keyed` on small images, by a key that is known. Include after cmocka.h.
 */
#ifndef KEYED_FIXTURE_H
#define KEYED_FIXTURE_H

#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "nn/net.h"
#include "protect/keyed.h"
#include "transform_fixture.h"

enum { SIDE = 8, VALUES = 2 * SIDE * SIDE };

static inline void count_up(uint8_t key[TRANSFORM_SEED_LEN])
{
    for (int i = 0; i < TRANSFORM_SEED_LEN; i++)
        key[i] = (uint8_t)i;
}

/* Images of 2 x 8 x 8 in [-1, 3], without any part. */
static inline struct transform_spec bare(void)
{
    return (struct transform_spec){.method = WARD_METHOD_KEYED,
                                   .channels = 2,
                                   .height = SIDE,
                                   .width = SIDE,
                                   .p = 0.2f,
                                   .generator_width = 4,
                                   .start = 1,
                                   .low = -1,
                                   .high = 3,
                                   .keyed = {.front_width = 4, .rounds = 4}};
}

/* With every part but a front. */
static inline struct transform_spec full(void)
{
    struct transform_spec spec = bare();

    spec.sigma = 0.5f;
    spec.keyed.codebook = 6;
    spec.keyed.shuffle = 4;
    spec.keyed.negative = 0.25f;
    spec.keyed.coordinates = WARD_COORDINATES_CASCADE;
    return spec;
}

static inline struct transform transform_of(const struct transform_spec *spec)
{
    uint8_t key[TRANSFORM_SEED_LEN];
    struct transform t = {.params = {NULL, 0}};

    count_up(key);
    if (transform_init(&t, spec, key))
        fail_msg("%s", ward_error_message());
    return t;
}

static inline const float *table_of(const struct tensor_list *list, const char *prefix,
                                    const char *name)
{
    char full_name[TENSOR_MAX_NAME];
    const struct tensor *t;

    snprintf(full_name, sizeof full_name, "%s%s", prefix, name);
    t = tensor_list_find(list, full_name);
    if (!t)
        fail_msg("no '%s'", full_name);
    return t->data;
}

/* Zeros, whatever the key is. */
static inline bool is_bias(const struct tensor *table)
{
    return table->shape.rank == 1;
}

static inline void fill(float *x, size_t count)
{
    struct rng rng;

    rng_init(&rng, 3, RNG_TEST, 0, 0);
    for (size_t i = 0; i < count; i++)
        x[i] = rng_normal(&rng);
}

/* Of the blocks of 4 x 4 that `full` shuffles, the one of value i. */
static inline size_t block_of(size_t i)
{
    return i / SIDE % SIDE / 4 * 2 + i % SIDE / 4;
}

#endif
