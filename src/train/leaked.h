/*
 * A transform that has leaked, while its successor is trained: every other row that F is shown raw
 * is processed by it first, so that F learns to answer such images as badly as raw ones.
 */
#ifndef TRAIN_LEAKED_H
#define TRAIN_LEAKED_H

#include "nn/net.h"
#include "ward/run.h"

struct leaked {
    ward_run *run; /* owned; NULL: nothing has leaked */
    ward_session *session;
    float *images; /* of one step; owned */
    size_t rows, image;
};

/*
 * leaked is all zero. path: a run, opened with the keys (NULL: none), whose transform is for images
 * as `fits` takes them. rows: how many are processed in a step. As ward_run_open_with();
 * WARD_ERR_ARG if the run has no transform, or none for such images.
 */
WARD_CHECK ward_status leaked_init(struct leaked *leaked, ward_device *device, const char *path,
                                   ward_keys *keys, const struct net_spec *fits, size_t rows);
/* Wipes. All zero is fine. */
void leaked_release(struct leaked *leaked);

/* Of the first 2 * rows images, process the second, fourth and so on, in place. */
WARD_CHECK ward_status leaked_apply(struct leaked *leaked, float *images);

#endif
