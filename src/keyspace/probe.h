/*
 * F behind G with tables that are exchanged: compiled once, and asked how often it is right. What
 * comes before the tables, the front, is the same under every key, and computed once.
 */
#ifndef KEYSPACE_PROBE_H
#define KEYSPACE_PROBE_H

#include "compute/plan.h"
#include "data/batch.h"
#include "model/run.h"

/* All zero is empty. */
struct probe {
    size_t count, len; /* images, values of one */
    float *values;     /* [count, len]: images, behind the front if there is one */
    int32_t *labels;   /* [count] */
    size_t batch, classes;
    struct graph graph; /* of what comes after the front */
    struct plan *plan;
    int x, logits;
    /* Asked after each batch; false: stop. */
    bool (*go_on)(void *context);
    void *context;
};

/*
 * Of a run whose transform has tables, on some test images of a data set that fits, 1 or more,
 * evenly spread over all. tables: those that it begins with, under WRONG_PREFIX. The caller owns
 * the probe even after a failure: probe_release().
 */
WARD_CHECK ward_status probe_open(struct probe *probe, const ward_run *run, ward_device *device,
                                  const ward_dataset *data, size_t images,
                                  const struct tensor_list *tables);
void probe_release(struct probe *probe);

/* How many of the images F gets right behind these tables. WARD_ERR_STOPPED. */
WARD_CHECK ward_status probe_count(struct probe *probe, const struct tensor_list *tables,
                                   size_t *right);

#endif
