/* Shares and samples: see statistics.h. */
#include "keyspace/statistics.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/mem.h"

/* ---- shares ---- */

static double not_zero(double value)
{
    return fabs(value) < 1e-300 ? 1e-300 : value;
}

/* A term of a continued fraction by the method of Lentz: the factor that it brings. */
static double term(double coefficient, double *c, double *d)
{
    *d = 1 / not_zero(1 + coefficient * *d);
    *c = not_zero(1 + coefficient / *c);
    return *c * *d;
}

/* The continued fraction of the incomplete beta function (Abramowitz and Stegun, 26.5.8). Quick
 * where x < (a + 1) / (a + b + 2): then it takes about as many terms as the root of a + b. */
static double beta_fraction(double a, double b, double x)
{
    enum { MOST = 10000 };
    double c = 1, d = 1 / not_zero(1 - (a + b) * x / (a + 1)), value = d, factor = 0;

    for (int m = 1; m <= MOST && fabs(factor - 1) > 4 * DBL_EPSILON; m++) {
        value *= term(m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)), &c, &d);
        factor = term(-(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)), &c, &d);
        value *= factor;
    }
    return value;
}

/* The regularised incomplete beta function I_x(a, b), 0 < x < 1. */
static double beta_share(double a, double b, double x)
{
    double scale = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));

    return x < (a + 1) / (a + b + 2) ? scale * beta_fraction(a, b, x) / a
                                     : 1 - scale * beta_fraction(b, a, 1 - x) / b;
}

/* The x at which I_x(a, b), which rises with x, is p. */
static double beta_quantile(double a, double b, double p)
{
    double low = 0, high = 1;

    while (high - low > 1e-12) {
        double middle = low + (high - low) / 2;

        if (beta_share(a, b, middle) < p)
            low = middle;
        else
            high = middle;
    }
    return low + (high - low) / 2;
}

double share_lower(size_t right, size_t count, double error)
{
    return right == 0 ? 0 : beta_quantile((double)right, (double)(count - right) + 1, error);
}

double share_upper(size_t right, size_t count, double error)
{
    return right == count ? 1
                          : beta_quantile((double)right + 1, (double)(count - right), 1 - error);
}

/* ---- samples ---- */

struct ranked {
    double value;
    bool is_first; /* of the first sample */
};

static int compare_values(const void *left, const void *right)
{
    double a = ((const struct ranked *)left)->value, b = ((const struct ranked *)right)->value;

    return (a > b) - (a < b);
}

/* Where the values equal to that at `first` end. */
static size_t ties_end(const struct ranked *all, size_t count, size_t first)
{
    size_t end = first + 1;

    while (end < count && !(all[end].value > all[first].value))
        end++;
    return end;
}

/* all is sorted. */
static double p_of_ranks(const struct ranked *all, size_t a_count, size_t b_count)
{
    double a = (double)a_count, b = (double)b_count, n = a + b, ranks = 0, ties = 0, variance, z;
    size_t end;

    for (size_t first = 0; first < a_count + b_count; first = end) {
        double rank, t;

        end = ties_end(all, a_count + b_count, first);
        rank = (double)(first + 1 + end) / 2; /* those of ties are averaged */
        t = (double)(end - first);
        ties += t * t * t - t;
        for (size_t i = first; i < end; i++)
            ranks += all[i].is_first ? rank : 0;
    }
    variance = a * b / 12 * (n + 1 - ties / (n * (n - 1)));
    if (!(variance > 0))
        return 1;
    z = (fabs(ranks - a * (a + 1) / 2 - a * b / 2) - 0.5) / sqrt(variance);
    return fmin(1, erfc(z / sqrt(2)));
}

ward_status mann_whitney(const double *a, size_t a_count, const double *b, size_t b_count,
                         double *p)
{
    struct ranked *all = NULL;
    ward_status st = mem_new(&all, a_count + b_count, sizeof *all);

    if (st)
        return st;
    for (size_t i = 0; i < a_count + b_count; i++)
        all[i] = (struct ranked){i < a_count ? a[i] : b[i - a_count], i < a_count};
    qsort(all, a_count + b_count, sizeof *all, compare_values);
    *p = p_of_ranks(all, a_count, b_count);
    mem_free(all);
    return WARD_OK;
}

/* ---- hits ---- */

/* The logarithm of the number of ways to choose. */
static double log_choices(size_t from, size_t chosen)
{
    return lgamma((double)from + 1) - lgamma((double)chosen + 1) -
           lgamma((double)(from - chosen) + 1);
}

double fisher_exact(size_t a_hits, size_t a_count, size_t b_hits, size_t b_count)
{
    size_t hits = a_hits + b_hits;
    double all = log_choices(a_count + b_count, hits), p = 0;

    for (size_t x = a_hits; x <= a_count && x <= hits; x++)
        p += exp(log_choices(a_count, x) + log_choices(b_count, hits - x) - all);
    return fmin(p, 1);
}

void mean_and_deviation(const double *values, size_t count, double *mean, double *deviation)
{
    double sum = 0, squares = 0;

    for (size_t i = 0; i < count; i++)
        sum += values[i];
    *mean = sum / (double)count;
    for (size_t i = 0; i < count; i++)
        squares += (values[i] - *mean) * (values[i] - *mean);
    *deviation = count > 1 ? sqrt(squares / (double)(count - 1)) : (double)NAN;
}
