/*
 * What the machine can do: its rate in products of large matrices, which neither memory nor the
 * overhead of calls holds back.
 */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include <stddef.h>

#include "base/status.h"

enum { MACHINE_SIZES = 3, MACHINE_MAX_RUNS = 64 };

struct machine {
    float *a, *b, *c;                                /* owned */
    double seconds[MACHINE_SIZES][MACHINE_MAX_RUNS]; /* of each run */
    size_t runs;
};

/* m is all zero; machine_release() in any case. */
WARD_CHECK ward_status machine_init(struct machine *m);
void machine_release(struct machine *m);
/* One product of each size; at most MACHINE_MAX_RUNS times. */
WARD_CHECK ward_status machine_measure(struct machine *m);
/* In 10^9 operations a second: the median of the runs of the fastest size. Sorts the runs. */
double machine_gflops(struct machine *m);

/* Sort, for medians and quartiles. */
void sort_times(double *times, size_t count);

#endif
