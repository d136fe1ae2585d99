/*
 * Which column of F's first layer takes which raw value. Values that vary together are weighted
 * alike by a layer that was trained on them, whatever order or signs a lock gives them: columns
 * resemble each other as their values do. So the two tables of resemblances are laid over each
 * other, a quadratic assignment, which is solved roughly: by what a row holds in any order, then by
 * rounds that go by what is matched already (as Vogelstein et al. 2015, with a part of the rows).
 */
#ifndef ATTACK_V1_COLUMNS_H
#define ATTACK_V1_COLUMNS_H

#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "base/status.h"

/* Of d raw values, or of d columns. */
struct alike {
    size_t d;
    float *cosines;  /* [d, d], as column_cosines() makes them; owned */
    double *lengths; /* [d]; owned */
};

/* Of the columns of x [n, d]. alike_release(), also after a failure. WARD_ERR_NOMEM. */
WARD_CHECK ward_status alike_init(struct alike *alike, size_t n, size_t d, const float *x);
void alike_release(struct alike *alike);

/*
 * One column for each value. go_on, which may be NULL, is asked before each round.
 *
 *   column_of  [d]: each of 0 .. d - 1 once
 *   signs      [d]: 1 or -1; that all of them may be turned over is not known from this
 *
 * Memory by the square of d, and so is the work, or by the cube where many values want one column.
 * WARD_ERR_NOMEM, and what go_on answers but WARD_OK.
 */
WARD_CHECK ward_status columns_match(const struct alike *values, const struct alike *columns,
                                     struct rng *rng, ward_status (*go_on)(void *context),
                                     void *context, uint32_t *column_of, float *signs);

/* The weight of a layer [n, d] with the columns of values in the values' order: to [n, d]. */
void columns_in_order(size_t n, size_t d, const float *weight, const uint32_t *column_of,
                      const float *signs, float turned, float *to);

#endif
