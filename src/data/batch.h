/*
 * What training draws from a data set: splits, the order of samples, crops and flips. Everything
 * follows from (seed, step) alone, so a resumed run or another thread makes the same batches.
 */
#ifndef DATA_BATCH_H
#define DATA_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "ward/data.h"

/* Some images of a data set, in a fixed order. */
struct split {
    const ward_dataset *data; /* kept */
    ward_split kind;
    uint32_t *index; /* [count] positions in the stored part; NULL: all in order */
    uint32_t count;
};

/*
 * The training images less the held-out ones (WARD_SPLIT_TRAIN), the held-out ones
 * (WARD_SPLIT_VALIDATION), or the test images.
 *
 *   out       released with split_release(); written only on success
 *   data      kept
 *   held_out  how many training images are held out for validation; fewer than there are
 *   seed      which ones: the same (seed, held_out) always gives the same; both kinds list theirs
 *             in ascending order
 *
 * WARD_ERR_ARG if too many are held out, or the validation split would be empty; WARD_ERR_NOMEM.
 */
WARD_CHECK ward_status split_init(struct split *out, const ward_dataset *data, ward_split kind,
                                  uint64_t seed, size_t held_out);
void split_release(struct split *split);

/* The name of the division below, as settings have it. */
#define SPLITS_REDTEAM "redteam"

/*
 * Training images divided between an owner and those who attack him: a tenth, 4,000 at most, for an
 * adversary to make his choices on, a quarter for him to take what he holds from, and the rest for
 * the owner to train on.
 */
enum share { SHARE_OWNER, SHARE_POOL, SHARE_CHOICE };

/*
 *   out   split_release(); in ascending order; written only on success
 *   data  kept
 *   seed  which ones: the same always gives the same
 *
 * WARD_ERR_ARG if a share would be empty; WARD_ERR_NOMEM.
 */
WARD_CHECK ward_status split_share(struct split *out, const ward_dataset *data, enum share share,
                                   uint64_t seed);

/*
 * Read split images [first, first + count) as in testing: centre crop, no flip.
 *
 *   x  [count, c, h, w] in the data set's range; NULL if not wanted
 *   y  [count]; NULL if not wanted
 *
 * WARD_ERR_ARG past the end.
 */
WARD_CHECK ward_status batch_read(const struct split *split, size_t first, size_t count, float *x,
                                  int32_t *y);

/* All that a training batch depends on besides the step. */
struct batch_source {
    const struct split *split; /* kept */
    uint64_t seed;
    uint32_t batch; /* images a step, >= 1 */
    bool random_crop;
    bool random_flip;
};

/* A cache of one epoch's order: changes how long batch_make() takes, never what it makes. */
struct epoch_order {
    uint32_t *order; /* [count] */
    uint64_t epoch;  /* the one in order; UINT64_MAX: none yet */
};

WARD_CHECK ward_status epoch_order_init(struct epoch_order *order, const struct split *split);
void epoch_order_release(struct epoch_order *order);

/*
 * Make the batch of a step: images [step * batch, (step + 1) * batch) of the endless row of
 * epochs, each a permutation of the split, so a batch may run over an epoch's end.
 *
 *   order  made for this source's split; one thread
 *   x      [batch, c, h, w]
 *   y      [batch]
 */
void batch_make(const struct batch_source *source, struct epoch_order *order, uint64_t step,
                float *x, int32_t *y);

/*
 * A second thread that makes batches ahead of the steps. Same bytes as batch_make().
 */
struct loader;

/*
 * Start making batches from first_step on.
 *
 *   out     owned: loader_close(), at any time
 *   source  copied; what it points to is kept
 *
 * WARD_ERR_NOMEM, WARD_ERR_IO if no thread can be started.
 */
WARD_CHECK ward_status loader_open(struct loader **out, const struct batch_source *source,
                                   uint64_t first_step);

/*
 * The next batch, waiting for it if need be. x ([batch, c, h, w], 64-byte aligned) and y ([batch])
 * are borrowed until the next call or loader_close(). One thread.
 */
void loader_next(struct loader *loader, const float **x, const int32_t **y);

/* Stops the thread and waits for it. NULL is fine. */
void loader_close(struct loader *loader);

#endif
