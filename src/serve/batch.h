/*
 * Batches made of several requests. What waits while a batch is computed makes up the next one, so
 * nobody waits for others to come: an idle server answers one image at once, a busy one in full
 * batches. The queue is bounded.
 *
 * Two threads take batches in turn, so that the guard can have one while the worker has another.
 */
#ifndef SERVE_BATCH_H
#define SERVE_BATCH_H

#include "serve/backend.h"

/* Images to be computed; kept until done() has been called, from a thread of the batcher. */
struct job {
    struct job *next;
    struct backend *backend;
    enum backend_pass pass;
    size_t n, x_len, y_len; /* images; floats of one and of its answer */
    const uint8_t *x;       /* [n, x_len] f32 of any alignment; borrowed */
    float *y;               /* [n, y_len]; borrowed */
    bool is_stranger;       /* may fill half of the queue only */
    ward_status status;     /* and its text, if it failed */
    char fault[256];
    void (*done)(struct job *job);
};

struct batch_stats {
    uint64_t batches, images; /* computed */
    size_t waiting;           /* images in the queue */
    double seconds;           /* in the backend, of all threads together */
};

struct batcher;

/* queue: images that may wait; batch: images computed at once. Owned: batcher_free(). */
WARD_CHECK ward_status batcher_start(struct batcher **out, size_t batch, size_t queue);
/* Does what waits; from then on nothing is taken. NULL, and twice, is fine. */
void batcher_stop(struct batcher *batcher);
/* Nobody may be in batcher_submit(). NULL is fine. */
void batcher_free(struct batcher *batcher);
/* False if the queue is too full; then done() is not called. A stranger's job is also taken by a
 * queue that is empty. Any thread. */
bool batcher_submit(struct batcher *batcher, struct job *job);
void batcher_count(struct batcher *batcher, struct batch_stats *stats);

#endif
