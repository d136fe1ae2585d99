/*
 * The statistics of counting right answers: exact bounds on a share, whether two samples come from
 * one distribution, and whether one has more hits than the other.
 */
#ifndef KEYSPACE_STATISTICS_H
#define KEYSPACE_STATISTICS_H

#include <stddef.h>

#include "base/status.h"

/*
 * Clopper and Pearson 1934: the smallest and the largest share under which `right` of `count` is
 * not less likely than `error` on that side. right <= count, count >= 1, 0 < error < 1. A 95 %
 * interval takes an error of 0.025 on either side.
 */
double share_lower(size_t right, size_t count, double error);
double share_upper(size_t right, size_t count, double error);

/*
 * The two-sided p-value of the test of Mann and Whitney 1947, by the normal approximation with
 * corrections for ties and continuity, which wants some tens of values in each sample. Both are
 * borrowed and not empty. 1 if all values are equal. WARD_ERR_NOMEM.
 */
WARD_CHECK ward_status mann_whitney(const double *a, size_t a_count, const double *b,
                                    size_t b_count, double *p);

/*
 * The one-sided p-value of Fisher's exact test (1935): how likely it is that of a_hits + b_hits
 * hits, which fall on a_count + b_count cases at random, a_hits or more fall on the first a_count.
 * Hits are not more than cases.
 */
double fisher_exact(size_t a_hits, size_t a_count, size_t b_hits, size_t b_count);

/* Mean and the sample's standard deviation, NaN of one value. count >= 1. */
void mean_and_deviation(const double *values, size_t count, double *mean, double *deviation);

#endif
