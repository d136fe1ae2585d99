/*
 * Linear algebra on matrices in row-major order: least squares, principal axes, and how alike
 * columns are. For a few thousand dimensions at most, on one thread.
 */
#ifndef TENSOR_LINEAR_H
#define TENSOR_LINEAR_H

#include <stddef.h>

#include "base/rng.h"
#include "base/status.h"

/*
 * y = W x, as near as n points say: by least squares with a ridge, so that directions in which x
 * has no values are answered by 0.
 *
 *   x       [n, d]
 *   y       [n, m]
 *   ridge   > 0, in units of the mean square of x
 *   weight  [m, d]
 *
 * WARD_ERR_NOMEM; WARD_ERR_NUMERIC if a value is not finite.
 */
WARD_CHECK ward_status linear_fit(size_t n, size_t d, size_t m, const float *x, const float *y,
                                  double ridge, float *weight);

/* Which of the m values of W x is the largest, the first of equal ones; weight [m, d], x [d]. */
size_t largest_product(size_t m, size_t d, const float *weight, const float *x);

/*
 * y = W x + b, as near as n pairs of d values say: y - x is fitted by least squares with a ridge,
 * so that directions in which x has no values stay as they are. Exact from d + 1 pairs on.
 *
 *   x, y    [n, d]
 *   ridge   > 0, in units of the mean variance of x
 *   weight  [d, d]
 *   bias    [d]
 *
 * WARD_ERR_NOMEM; WARD_ERR_NUMERIC if a value is not finite.
 */
WARD_CHECK ward_status affine_fit(size_t n, size_t d, const float *x, const float *y, double ridge,
                                  float *weight, float *bias);

/*
 * The first r principal axes of n points of d values around zero, the strongest first, by subspace
 * iteration: orthonormal, their signs arbitrary. Points in fewer dimensions than r have fewer axes;
 * the others are zero.
 *
 *   x         [n, d]
 *   axes      [r, d], r <= d
 *   strength  [r]: root of the sum of squares along each axis; NULL if not wanted
 *
 * WARD_ERR_NOMEM.
 */
WARD_CHECK ward_status principal_axes(size_t n, size_t d, const float *x, size_t r, struct rng *rng,
                                      double *axes, double *strength);

/*
 * How alike the columns of a matrix are: the cosine of the angle of each two, 0 with a column of
 * zeros; of points around their mean, correlations.
 *
 *   x        [n, d]
 *   cosines  [d, d]
 *   lengths  [d], of the columns
 *
 * WARD_ERR_NOMEM.
 */
WARD_CHECK ward_status column_cosines(size_t n, size_t d, const float *x, float *cosines,
                                      double *lengths);

/*
 * Take out of rows what lies along some axes.
 *
 *   axes  [r, d], orthonormal, but for some that are zero
 *   rows  [n, d], changed in place
 *
 * WARD_ERR_NOMEM.
 */
WARD_CHECK ward_status take_out_axes(size_t r, size_t d, const double *axes, size_t n, float *rows);

#endif
