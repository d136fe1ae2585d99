/*
 * What all keys that are tried came to, before it is summarised. The keys stand in one order: the
 * right one, random ones, those with a wrong bit (bit by bit, the lowest of the first byte first),
 * and those of which a share is right, share by share.
 */
#ifndef KEYSPACE_SURVEY_H
#define KEYSPACE_SURVEY_H

#include "base/util.h"
#include "keyspace/probe.h"
#include "ward/keyspace.h"

enum { BITS = 8 * TRANSFORM_SEED_LEN };

struct survey {
    const ward_run *run;           /* kept */
    const ward_dataset *data;      /* kept */
    ward_keyspace_options options; /* without zeros that stand for something else */
    struct probe probe;
    double *accuracy; /* [survey_keys()], owned */
    size_t done;
    struct pace pace;
};

static inline size_t survey_keys(const struct survey *s)
{
    return 1 + s->options.keys + BITS + WARD_KEYSPACE_SHARES * s->options.partial_keys;
}

/* Accuracies of random keys, of those with a wrong bit, and of a share. */
static inline const double *survey_random(const struct survey *s)
{
    return s->accuracy + 1;
}

static inline const double *survey_one_bit(const struct survey *s)
{
    return survey_random(s) + s->options.keys;
}

static inline const double *survey_partial(const struct survey *s, size_t share)
{
    return survey_one_bit(s) + BITS + share * s->options.partial_keys;
}

/* As one line of JSON: docs/formats.md. Owned: mem_free(). */
WARD_CHECK ward_status survey_to_json(const struct survey *s, const ward_keyspace_result *result,
                                      char **out);

#endif
