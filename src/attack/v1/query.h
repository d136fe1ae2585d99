/*
 * What attacks that only ask F have in common: its loss on some labelled images behind a pattern or
 * another transform, by its answers and without any gradient.
 */
#ifndef ATTACK_V1_QUERY_H
#define ATTACK_V1_QUERY_H

#include "attack/redteam.h"

struct query {
    struct thief *thief;
    struct classifier classifier;
    struct batch_source source;
    struct epoch_order order;
    struct graph graph;
    struct plan *plan;
    int x, logits;
    size_t batch, classes;
    float *images;   /* the input's */
    int32_t *labels; /* [batch] */
};

/* On so many images at a time, or all if the thief holds fewer. All parameters of the network are
 * F's. query_close(), also after a failure. */
WARD_CHECK ward_status query_open(struct query *query, struct thief *thief,
                                  const struct transform_spec *transform, size_t batch);
void query_close(struct query *query);
/* Go on to the images of a step. */
void query_images(struct query *query, uint64_t step);
/* The mean cross entropy with the transform whose parameters these are; infinite if it is not
 * finite. */
WARD_CHECK ward_status query_loss(struct query *query, const struct tensor_list *transform,
                                  double *out);
/* Offer the transform in front of F. */
WARD_CHECK ward_status query_offer(struct query *query, const struct tensor_list *transform,
                                   const char *what);

#endif
