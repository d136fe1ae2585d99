/* Classifiers measured on images: how often they are right, and how much they seem to know. */
#ifndef ATTACK_SCORE_H
#define ATTACK_SCORE_H

#include "attack/attack.h"

struct score {
    double accuracy;
    double entropy;   /* mean of the answers' entropies, nats */
    double diversity; /* entropy of the mean answer, nats */
    double deviation; /* of the logits from their mean over the classes */
};

/* The squares of an image's logits less their mean, summed over the classes. */
double logits_squares(const float *logits, size_t classes);

/* A classifier compiled for some images. All zero is empty. */
struct scorer {
    const struct split *images; /* kept */
    size_t count, batch, classes;
    struct graph graph;
    struct plan *plan; /* its parameters are the caller's to load */
    int x, logits;
    int32_t *labels; /* [batch] */
};

/* The first count images, at least 1. Batch norm goes by the running statistics. The caller owns
 * the scorer even after a failure: scorer_release(). */
WARD_CHECK ward_status scorer_open(struct scorer *scorer, struct ward_device *device,
                                   const struct classifier *classifier, const struct split *images,
                                   size_t count);
/* All zero is fine. */
void scorer_release(struct scorer *scorer);

/* Logits that are not finite are wrong answers, not failures: an adversary may well get there.
 * WARD_ERR_STOPPED once is_stopping is set. */
WARD_CHECK ward_status scorer_run(struct scorer *scorer, const atomic_bool *is_stopping,
                                  struct score *out);

/* The share of a split's first count images on which the gradient of a network's loss by the image
 * is all zero: whoever goes by it gets nowhere. */
WARD_CHECK ward_status score_zero_gradients(struct ward_device *device, const struct net *net,
                                            const struct split *images, size_t count, double *out);

#endif
