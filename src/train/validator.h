/*
 * Accuracy on images that training does not see: a plan of its own with F twice, on processed and
 * on raw images, batch norm by the running statistics, no dropout.
 */
#ifndef TRAIN_VALIDATOR_H
#define TRAIN_VALIDATOR_H

#include "data/batch.h"
#include "nn/net.h"
#include "protect/transform.h"

struct validator {
    const struct split *split; /* kept */
    struct graph graph;
    struct plan *plan;
    int x;
    int logits, raw_logits; /* raw: -1 for a baseline */
    int32_t *labels;        /* of one batch */
};

/* transform is NULL for a baseline. validator_release() on any that is all zero or initialised. */
WARD_CHECK ward_status validator_init(struct validator *v, struct ward_device *device,
                                      const struct net_spec *net,
                                      const struct transform_spec *transform,
                                      const struct split *split);
void validator_release(struct validator *v);

/* Fractions of the split that F classifies correctly with these parameters; *raw is negative for a
 * baseline. transform may be NULL. */
WARD_CHECK ward_status validator_run(struct validator *v, const struct tensor_list *net,
                                     const struct tensor_list *transform, double *processed,
                                     double *raw);

#endif
