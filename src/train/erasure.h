/*
 * What raw images' answers tell of their class, taken out of F's last layer. Trained to equal
 * probabilities, F answers raw images with nearly equal logits; but small differences are
 * differences, and a linear map of the logits, however small they are, may read the class from
 * them. On the images that are averaged no such map does better than a constant where the mean
 * logits are the same for all classes (Belrose et al. 2023, "LEACE", section 3), and the mean
 * logits of a class are the last layer's answer to the mean of its features. So the weights are
 * projected onto what is orthogonal to the differences of these means (after Ravfogel et al. 2020,
 * "Null It Out"). The mean logits of all raw images stay what they are. Nothing is promised of
 * readings that are not linear, nor of the features, which stay as they are.
 */
#ifndef TRAIN_ERASURE_H
#define TRAIN_ERASURE_H

#include "data/batch.h"
#include "nn/net.h"

/* WARD_ERR_ARG if the last layer of a network has fewer inputs than twice the classes: too little
 * would be left of it. WARD_ERR_NOMEM. */
WARD_CHECK ward_status erase_check(const struct net_spec *spec);

/*
 * Change the last layer of a net, by all images of a split, raw and unaugmented, as evaluation
 * computes with them. Deterministic for a device and a number of threads.
 *
 * As erase_check(); WARD_ERR_NUMERIC if a feature is not finite.
 */
WARD_CHECK ward_status erase_classes(struct net *net, struct ward_device *device,
                                     const struct split *images);

#endif
