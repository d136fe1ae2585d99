/*
 * What the key of a `keyed` run is worth by itself: how accurate F is under keys that are wrong.
 *
 *   random   keys drawn at random: does any of them unlock F?
 *   one bit  the right key with one of its 256 bits wrong: do they look like random ones?
 *   partial  of each table that the key gives so large a share is right: where does F begin to
 *            answer? No 32 bytes give such tables; it is how a search that improves its guess step
 *            by step would approach the right ones
 *
 * A key unlocks F if its accuracy, as measured, lies above twice chance; with two classes, above
 * halfway between chance and 1. On few images some keys reach that by luck. None among n random
 * keys bounds the share of those that unlock, and says nothing about attacks that do not guess
 * keys: for these see ward/redteam.h.
 */
#ifndef WARD_KEYSPACE_H
#define WARD_KEYSPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ward/run.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { WARD_KEYSPACE_SHARES = 12 }; /* 0, 0.1 .. 0.9, 0.95, 0.99 */

/* Keys of one kind, accuracies as fractions. */
typedef struct ward_keyspace_keys {
    size_t count;
    double mean, sd; /* the sample's; sd is NaN of one key */
    double best;
    ward_interval best_ci; /* Clopper-Pearson, of this key alone: not of being the best of many */
    size_t unlocks;        /* how many unlock F */
    double bound;          /* with 95 % confidence at most this share of such keys unlocks F: the
                              upper bound of Clopper and Pearson, one-sided; of one-bit keys, which
                              are all there are, the share itself */
} ward_keyspace_keys;

typedef struct ward_keyspace_result {
    size_t count; /* test images */
    uint64_t seed;
    double chance, threshold;    /* above which an accuracy unlocks */
    double authorised;           /* under the right key */
    ward_interval authorised_ci; /* Clopper-Pearson, 95 % */
    ward_keyspace_keys random, one_bit;
    /* Of the two-sided test of Mann and Whitney that the accuracies of both kinds come from one
     * distribution. */
    double one_bit_p;
    /* Of Fisher's exact test, one-sided, that keys with a wrong bit unlock no more often than
     * random ones: the test above hardly sees a few, as where a byte of the key is ignored. */
    double one_bit_unlocks_p;
    double share[WARD_KEYSPACE_SHARES]; /* of each table that is right */
    ward_keyspace_keys partial[WARD_KEYSPACE_SHARES];
    char *json; /* the same and every accuracy as one line of JSON: docs/formats.md; owned */
} ward_keyspace_result;

/* A result that is all zero is fine. */
WARD_API void ward_keyspace_result_release(ward_keyspace_result *result);

typedef struct ward_keyspace_progress {
    size_t done, keys; /* of all kinds */
    double keys_per_second;
    double seconds_left; /* NaN: not known yet */
} ward_keyspace_progress;

typedef struct ward_keyspace_options {
    size_t keys;         /* random ones, 1 .. 1,000,000; 0: 1,000 */
    size_t images;       /* of the test split, evenly spread over it; 0: all */
    size_t partial_keys; /* of each share, 1 .. 1,000; 0: 10 */
    uint64_t seed;       /* public: which keys are drawn; at most 2^53 */
    /* May be NULL. Called from this thread, after each batch of images; false: stop. */
    bool (*progress)(void *context, const ward_keyspace_progress *progress);
    void *context;
} ward_keyspace_options;

/*
 * Measure it on the test images of a data set that fits the run.
 *
 *   run, device, data, options  borrowed
 *   out                         written only on success; ward_keyspace_result_release()
 *
 * WARD_ERR_ARG for a run whose method is not keyed or whose G is missing, one with nothing that
 * follows from its key, more images than there are, or data that does not fit; WARD_ERR_STOPPED;
 * WARD_ERR_NOMEM; WARD_ERR_DEVICE.
 */
WARD_API WARD_CHECK ward_status ward_keyspace(const ward_run *run, ward_device *device,
                                              const ward_dataset *data,
                                              const ward_keyspace_options *options,
                                              ward_keyspace_result *out);

#ifdef __cplusplus
}
#endif
#endif
