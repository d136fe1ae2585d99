/*
 * How much the answers of a last layer depend on the class, and how to lower that. A thief may
 * magnify answers however small they are, so what counts is not their size. The measure is the
 * Hilbert-Schmidt independence criterion (Gretton et al. 2005) of whitened answers and classes: it
 * is 0 where all classes have one distribution of answers, in any of their moments. Its Gaussian
 * kernels are random Fourier features (Rahimi and Recht 2007), drawn anew for each step, of three
 * widths.
 */
#ifndef TRAIN_DEPENDENCE_H
#define TRAIN_DEPENDENCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum { DEPENDENCE_CLASSES = 100 }; /* of more nothing is lowered */

/* Borrowed. */
struct dependence {
    size_t features, classes;
    size_t raw_count;
    const float *raw;      /* [raw_count, features], around their mean */
    const int32_t *labels; /* [raw_count], of the raw ones, in random order */
    size_t processed_count;
    const float *processed; /* [processed_count, features], around the mean of the raw ones */
};

/* What of raw images is told by which answer is the largest, however small all of them are: the
 * mutual information of that and the class, in nats. WARD_ERR_NOMEM. */
WARD_CHECK ward_status dependence_told(const struct dependence *d, const float *weight,
                                       double *out);

/*
 * Add to the weight of a last layer what lowers the dependence of its answers to raw images, by
 * Adam. It is orthogonal to the first principal axes of processed images, a sixteenth of the
 * features, and is kept small along the others in the measure in which they differ there: so
 * answers to processed images stay nearly as they are. What is added has mean 0
 * over the classes.
 *
 *   weight  [classes, features]
 *
 * Deterministic for any number of threads. Nothing is done if there are too few features or images
 * for the classes, nor if dependence_told() would not be less: where few images have nearly all of
 * the variance that answers are measured in, the criterion does not see what is done to the others.
 * WARD_ERR_NOMEM.
 */
WARD_CHECK ward_status dependence_lower(const struct dependence *d, uint64_t seed, float *weight);

#endif
