/* See machine.h. */
#include "bench/machine.h"

#include <assert.h>
#include <math.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/util.h"
#include "compute/onednn/gemm.h"

static const size_t sizes[MACHINE_SIZES] = {1024, 1536, 2048}; /* the largest last */

static ward_status new_matrix(float **out, uint64_t number)
{
    size_t count = sizes[MACHINE_SIZES - 1] * sizes[MACHINE_SIZES - 1];
    ward_status st = mem_new_aligned(out, count * sizeof **out, 64);
    struct rng rng;

    rng_init(&rng, 1, RNG_TEST, 1, number);
    for (size_t i = 0; i < count && !st; i++)
        (*out)[i] = rng_uniform(&rng);
    return st;
}

ward_status machine_init(struct machine *m)
{
    ward_status st = new_matrix(&m->a, 0);

    if (!st)
        st = new_matrix(&m->b, 1);
    return st ? st : new_matrix(&m->c, 2);
}

void machine_release(struct machine *m)
{
    mem_free(m->a);
    mem_free(m->b);
    mem_free(m->c);
}

ward_status machine_measure(struct machine *m)
{
    ward_status st = WARD_OK;

    assert(m->runs < MACHINE_MAX_RUNS);
    for (size_t i = 0; i < MACHINE_SIZES && !st; i++) {
        double begin = clock_seconds();

        st = dnn_gemm(sizes[i], m->a, m->b, m->c);
        m->seconds[i][m->runs] = clock_seconds() - begin;
    }
    m->runs++;
    return st;
}

double machine_gflops(struct machine *m)
{
    double best = 0;

    for (size_t i = 0; i < MACHINE_SIZES; i++) {
        double n = (double)sizes[i];

        sort_times(m->seconds[i], m->runs);
        best = fmax(best, 2e-9 * n * n * n / m->seconds[i][m->runs / 2]);
    }
    return best;
}

static int compare_times(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

void sort_times(double *times, size_t count)
{
    qsort(times, count, sizeof *times, compare_times);
}
