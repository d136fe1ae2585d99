/*
 * What answers tell of the class of raw images, and of images under wrong keys, taken out of F's
 * last layer. Trained to equal probabilities, F answers them with nearly equal logits; but small
 * differences are differences: whoever has F can magnify them, and they decide which class is the
 * likeliest. They come mostly from the features that such images differ in most, which processed
 * images may need little (docs/results/locks.md). So the last layer is made anew,
 * orthogonal to the first principal axes of both (after Ravfogel et al. 2020, "Null It Out", where
 * axes are those of a classifier), to answer processed images as before, as nearly as least squares
 * can; the mean of raw features gets equal logits. What its raw answers still tell is lowered by
 * dependence.h. Nothing is promised of the features, which stay as they are.
 */
#ifndef TRAIN_ERASURE_H
#define TRAIN_ERASURE_H

#include "data/batch.h"
#include "nn/net.h"
#include "protect/transform.h"

/*
 *   share  of the axes, 0 < share <= 0.5; at least one is meant. As many again are taken out if the
 *          transform has tables that a key gives
 *
 * WARD_ERR_ARG if what a share leaves of a network's last layer has fewer inputs than classes;
 * WARD_ERR_NOMEM.
 */
WARD_CHECK ward_status erase_check(const struct net_spec *spec,
                                   const struct transform_spec *transform, double share);

struct erased {
    size_t axes;      /* of both kinds together */
    double agreement; /* the share of processed images that are given the class that they were */
    bool is_lowered;  /* the dependence was, besides */
};

/*
 * Change the last layer of a net, by up to 8,192 images of a split, drawn by the seed, unaugmented,
 * as evaluation computes with them. First come the axes of raw images; then, of what they leave of
 * images under random keys, 16 under each, those around the mean of each key's. If more than a
 * fiftieth of these images, processed, would be given another class, the strongest half of each
 * kind is taken, or half of that, and so on; at least one. The dependence is lowered by up to
 * 32,768 raw images, unless that, too, took their class from too many, or which answer is the
 * likeliest then told more of the class of these raw images. Deterministic for a device
 * and a number of threads.
 *
 * As erase_check(); WARD_ERR_NUMERIC if a feature is not finite. Then the layer may have changed.
 */
WARD_CHECK ward_status erase_axes(struct net *net, const struct transform *transform,
                                  struct ward_device *device, const struct split *images,
                                  double share, uint64_t seed, struct erased *out);

#endif
