/* Linear algebra: see linear.h. Inner loops run along rows, and add. */
#include "tensor/linear.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/util.h"

enum {
    ITERATIONS = 40,
    GROUP = 8, /* rows whose sum is kept in a register */
    TILE = 32  /* rows that stay in cache while others pass by */
};

/* to += factor row. */
static void add_row(double *restrict to, const double *restrict row, double factor, size_t len)
{
    for (size_t i = 0; i < len; i++)
        to[i] += factor * row[i];
}

/* to += factors [count] rows [count, stride], one after the other, the first len values of each.
 * For eight at a time the sum stays in a register; the order of additions is the same. */
static void add_rows(double *restrict to, const double *restrict factors, size_t count,
                     const double *restrict rows, size_t stride, size_t len)
{
    size_t s = 0;

    for (; s + GROUP <= count; s += GROUP)
        for (size_t i = 0; i < len; i++) {
            const double *row = rows + s * stride + i;
            double sum = to[i];

            for (size_t k = 0; k < GROUP; k++)
                sum += factors[s + k] * row[k * stride];
            to[i] = sum;
        }
    for (; s < count; s++)
        add_row(to, rows + s * stride, factors[s], len);
}

/* Four sums side by side, as each addition waits for the one before it. */
static double dot(const double *a, const double *b, size_t len)
{
    double sum[4] = {0};
    size_t i = 0;

    for (; i + 4 <= len; i += 4)
        for (size_t j = 0; j < 4; j++)
            sum[j] += a[i + j] * b[i + j];
    for (; i < len; i++)
        sum[0] += a[i] * b[i];
    return sum[0] + sum[1] + (sum[2] + sum[3]);
}

/* ---- symmetric systems ---- */

/* out [d, d] = A^T A for A [n, d]; the lower half of it. */
static void gram(size_t n, size_t d, const double *a, double *out)
{
    double factors[TILE];

    memset(out, 0, d * d * sizeof *out);
    for (size_t first = 0; first < n; first += TILE) {
        size_t count = min_size(TILE, n - first);

        for (size_t i = 0; i < d; i++) {
            for (size_t s = 0; s < count; s++)
                factors[s] = a[(first + s) * d + i];
            add_rows(out + i * d, factors, count, a + first * d, d, i + 1);
        }
    }
}

/* L L^T = A in place, in the lower half. */
static ward_status cholesky(size_t n, double *a)
{
    for (size_t i = 0; i < n; i++) {
        double *row = a + i * n;

        for (size_t j = 0; j < i; j++)
            row[j] = (row[j] - dot(row, a + j * n, j)) / a[j * n + j];
        row[i] -= dot(row, row, i);
        if (!(row[i] > 0) || !isfinite(row[i]))
            return ward_fail(WARD_ERR_NUMERIC, "least squares: the matrix is singular");
        row[i] = sqrt(row[i]);
    }
    return WARD_OK;
}

static void divide_row(double *row, double by, size_t len)
{
    for (size_t i = 0; i < len; i++)
        row[i] /= by;
}

/* B [n, m] := (L L^T)^-1 B. */
static void solve(size_t n, const double *l, size_t m, double *b)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++)
            add_row(b + i * m, b + j * m, -l[i * n + j], m);
        divide_row(b + i * m, l[i * n + i], m);
    }
    for (size_t i = n; i-- > 0;) {
        for (size_t j = i + 1; j < n; j++)
            add_row(b + i * m, b + j * m, -l[j * n + i], m);
        divide_row(b + i * m, l[i * n + i], m);
    }
}

/* The ridge, on the diagonal. */
static void add_ridge(size_t n, double *a, double ridge)
{
    double trace = 0;

    for (size_t i = 0; i < n; i++)
        trace += a[i * n + i];
    for (size_t i = 0; i < n; i++)
        a[i * n + i] += ridge * trace / (double)n + 1e-12;
}

/* ---- least squares ---- */

struct fit {
    size_t n, d, m;
    double *x, *y;  /* [n, d], [n, m] */
    double *turned; /* [d, n]: x^T */
    double *square; /* [n, n] or [d, d], whichever is smaller */
    double *map;    /* [d, m]: y^T = map^T x^T */
};

static ward_status fit_open(struct fit *f, size_t n, size_t d, size_t m)
{
    size_t least = min_size(n, d);
    ward_status st;

    *f = (struct fit){.n = n, .d = d, .m = m};
    st = mem_new(&f->x, n * d, sizeof *f->x);
    if (!st)
        st = mem_new(&f->y, n * m, sizeof *f->y);
    if (!st)
        st = mem_new(&f->turned, n * d, sizeof *f->turned);
    if (!st)
        st = mem_new(&f->square, least * least, sizeof *f->square);
    return st ? st : mem_new(&f->map, d * m, sizeof *f->map);
}

static void close_array(double *values, size_t count)
{
    if (values)
        mem_wipe(values, count * sizeof *values);
    mem_free(values);
}

/* x and y may be of processed images, and the map a secret transform. */
static void fit_close(struct fit *f)
{
    size_t least = min_size(f->n, f->d);

    close_array(f->x, f->n * f->d);
    close_array(f->y, f->n * f->m);
    close_array(f->turned, f->n * f->d);
    close_array(f->square, least * least);
    close_array(f->map, f->d * f->m);
}

/* map = X^T Y of the rows of y. */
static void project_back(struct fit *f)
{
    for (size_t i = 0; i < f->d; i++)
        for (size_t s = 0; s < f->n; s++)
            add_row(f->map + i * f->m, f->y + s * f->m, f->turned[i * f->n + s], f->m);
}

/* The matrix is x's, so that what y has shows in the map only. */
static ward_status check_finite(const double *map, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(map[i]))
            return ward_fail(WARD_ERR_NUMERIC, "least squares: a value is not finite");
    return WARD_OK;
}

/* (X^T X + ridge)^-1 X^T Y, or the same as X^T (X X^T + ridge)^-1 Y. */
static ward_status find_map(struct fit *f, double ridge)
{
    bool is_wide = f->n <= f->d;
    size_t size = is_wide ? f->n : f->d;
    ward_status st;

    for (size_t i = 0; i < f->n * f->d; i++)
        f->turned[i % f->d * f->n + i / f->d] = f->x[i];
    if (is_wide)
        gram(f->d, f->n, f->turned, f->square);
    else
        gram(f->n, f->d, f->x, f->square);
    add_ridge(size, f->square, is_wide ? ridge * (double)f->n / (double)f->d : ridge);
    st = cholesky(size, f->square);
    if (st)
        return st;
    if (is_wide)
        solve(size, f->square, f->m, f->y);
    project_back(f);
    if (!is_wide)
        solve(size, f->square, f->m, f->map);
    return check_finite(f->map, f->d * f->m);
}

ward_status linear_fit(size_t n, size_t d, size_t m, const float *x, const float *y, double ridge,
                       float *weight)
{
    struct fit f;
    ward_status st = fit_open(&f, n, d, m);

    for (size_t i = 0; i < n * d && !st; i++)
        f.x[i] = (double)x[i];
    for (size_t i = 0; i < n * m && !st; i++)
        f.y[i] = (double)y[i];
    if (!st)
        st = find_map(&f, ridge);
    for (size_t i = 0; i < m * d && !st; i++)
        weight[i] = (float)f.map[i % d * m + i / d];
    fit_close(&f);
    return st;
}

/* x and y - x, both less their means [d], which are zero so far. */
static void centre(struct fit *f, const float *x, const float *y, double *mean_x, double *mean_y)
{
    for (size_t i = 0; i < f->n * f->d; i++) {
        mean_x[i % f->d] += (double)x[i] / (double)f->n;
        mean_y[i % f->d] += ((double)y[i] - (double)x[i]) / (double)f->n;
    }
    for (size_t i = 0; i < f->n * f->d; i++) {
        f->x[i] = (double)x[i] - mean_x[i % f->d];
        f->y[i] = (double)y[i] - (double)x[i] - mean_y[i % f->d];
    }
}

size_t largest_product(size_t m, size_t d, const float *weight, const float *x)
{
    double largest = -INFINITY;
    size_t at = 0;

    for (size_t i = 0; i < m; i++) {
        double sum = 0;

        for (size_t j = 0; j < d; j++)
            sum += (double)weight[i * d + j] * (double)x[j];
        if (sum > largest) {
            largest = sum;
            at = i;
        }
    }
    return at;
}

ward_status affine_fit(size_t n, size_t d, const float *x, const float *y, double ridge,
                       float *weight, float *bias)
{
    double *means = NULL; /* [2, d] */
    struct fit f;
    ward_status st = fit_open(&f, n, d, d);

    if (!st)
        st = mem_new(&means, 2 * d, sizeof *means);
    if (!st) {
        centre(&f, x, y, means, means + d);
        st = find_map(&f, ridge);
    }
    for (size_t i = 0; i < d && !st; i++) {
        double b = means[d + i];

        for (size_t j = 0; j < d; j++) {
            weight[i * d + j] = (float)(f.map[j * d + i] + (i == j ? 1 : 0));
            b -= f.map[j * d + i] * means[j];
        }
        bias[i] = (float)b;
    }
    close_array(means, 2 * d);
    fit_close(&f);
    return st;
}

/* ---- principal axes ---- */

/* Of a row, when what others span is taken out of it: less is rounding. */
static const double least_left = 1e-14;

/* Rows made orthonormal, one after the other. Of a row that lies in what those before it span
 * nothing is left but rounding, whose direction may be one of theirs: it becomes zero. */
static void orthonormalise(size_t r, size_t d, double *rows)
{
    for (size_t i = 0; i < r; i++) {
        double *row = rows + i * d, before = sqrt(dot(row, row, d)), left;

        for (unsigned twice = 0; twice < 2; twice++)
            for (size_t j = 0; j < i; j++)
                add_row(row, rows + j * d, -dot(row, rows + j * d, d), d);
        left = sqrt(dot(row, row, d));
        if (left <= least_left * before)
            memset(row, 0, d * sizeof *row);
        else
            divide_row(row, left, d);
    }
}

struct cloud {
    size_t n, d;
    double *points; /* [n, d] */
    double *square; /* [d, d] X^T X, where that is smaller; NULL: it is not */
};

static ward_status cloud_open(struct cloud *c, size_t n, size_t d, const float *x)
{
    ward_status st = mem_new(&c->points, n * d, sizeof *c->points);

    for (size_t i = 0; i < n * d && !st; i++)
        c->points[i] = (double)x[i];
    if (st || n <= d)
        return st;
    st = mem_new(&c->square, d * d, sizeof *c->square);
    if (st)
        return st;
    gram(n, d, c->points, c->square);
    for (size_t i = 0; i < d; i++)
        for (size_t j = i + 1; j < d; j++)
            c->square[i * d + j] = c->square[j * d + i];
    return WARD_OK;
}

/* Points may be of processed images. */
static void cloud_close(struct cloud *c)
{
    close_array(c->points, c->n * c->d);
    close_array(c->square, c->d * c->d);
}

/* next = axes X^T X. Each row of that is read once for a group of axes, which stay in cache. */
static void iterate(const struct cloud *c, size_t r, const double *axes, double *next)
{
    size_t d = c->d;

    memset(next, 0, r * d * sizeof *next);
    if (c->square) {
        for (size_t first = 0; first < r; first += TILE)
            for (size_t j = 0; j < d; j += TILE)
                for (size_t i = first; i < min_size(r, first + TILE); i++)
                    add_rows(next + i * d, axes + i * d + j, min_size(TILE, d - j),
                             c->square + j * d, d, d);
        return;
    }
    for (size_t s = 0; s < c->n; s++)
        for (size_t i = 0; i < r; i++)
            add_row(next + i * d, c->points + s * d, dot(axes + i * d, c->points + s * d, d), d);
}

static void swap_rows(double *a, double *b, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        double kept = a[i];

        a[i] = b[i];
        b[i] = kept;
    }
}

static double strength_of(const struct cloud *c, const double *axis)
{
    double sum = 0;

    for (size_t s = 0; s < c->n; s++) {
        double along = dot(axis, c->points + s * c->d, c->d);

        sum += along * along;
    }
    return sqrt(sum);
}

/* The strongest first: iteration leaves neighbours of nearly one strength in any order. */
static void sort_axes(size_t r, size_t d, double *axes, double *strength)
{
    for (size_t i = 0; i < r; i++)
        for (size_t j = i + 1; j < r; j++)
            if (strength[j] > strength[i]) {
                swap_rows(strength + i, strength + j, 1);
                swap_rows(axes + i * d, axes + j * d, d);
            }
}

ward_status principal_axes(size_t n, size_t d, const float *x, size_t r, struct rng *rng,
                           double *axes, double *strength)
{
    struct cloud cloud = {.n = n, .d = d};
    double *next = NULL, *found = NULL;
    ward_status st = cloud_open(&cloud, n, d, x);

    if (!st)
        st = mem_new(&next, r * d, sizeof *next);
    if (!st)
        st = mem_new(&found, r, sizeof *found);
    for (size_t i = 0; i < r * d && !st; i++)
        axes[i] = (double)rng_normal(rng);
    for (unsigned i = 0; i < ITERATIONS && !st; i++) {
        orthonormalise(r, d, axes);
        iterate(&cloud, r, axes, next);
        memcpy(axes, next, r * d * sizeof *axes);
    }
    if (!st) {
        orthonormalise(r, d, axes);
        for (size_t i = 0; i < r; i++)
            found[i] = strength_of(&cloud, axes + i * d);
        sort_axes(r, d, axes, found);
    }
    if (!st && strength)
        memcpy(strength, found, r * sizeof *strength);
    cloud_close(&cloud);
    close_array(next, r * d);
    mem_free(found);
    return st;
}

/* ---- what lies along axes ---- */

/* Of one row; count <= TILE. */
static void take_out(size_t count, size_t d, const double *axes, double *row)
{
    double along[TILE];

    for (size_t i = 0; i < count; i++)
        along[i] = -dot(axes + i * d, row, d);
    add_rows(row, along, count, axes, d, d);
}

ward_status take_out_axes(size_t r, size_t d, const double *axes, size_t n, float *rows)
{
    double *tile = NULL; /* [TILE, d] */
    ward_status st = mem_new(&tile, TILE * d, sizeof *tile);

    if (st)
        return st;
    for (size_t first = 0; first < n; first += TILE) {
        size_t count = min_size(TILE, n - first);
        float *given = rows + first * d;

        for (size_t i = 0; i < count * d; i++)
            tile[i] = (double)given[i];
        for (size_t a = 0; a < r; a += TILE)
            for (size_t i = 0; i < count; i++)
                take_out(min_size(TILE, r - a), d, axes + a * d, tile + i * d);
        for (size_t i = 0; i < count * d; i++)
            given[i] = (float)tile[i];
    }
    mem_wipe(tile, TILE * d * sizeof *tile); /* rows may be of processed images */
    mem_free(tile);
    return WARD_OK;
}

/* ---- columns beside each other ---- */

ward_status column_cosines(size_t n, size_t d, const float *x, float *cosines, double *lengths)
{
    double *points = NULL, *square = NULL;
    ward_status st = mem_new(&points, n * d, sizeof *points);

    if (!st)
        st = mem_new(&square, d * d, sizeof *square);
    for (size_t i = 0; i < n * d && !st; i++)
        points[i] = (double)x[i];
    if (!st)
        gram(n, d, points, square);
    for (size_t i = 0; i < d && !st; i++)
        lengths[i] = sqrt(square[i * d + i]);
    for (size_t i = 0; i < d && !st; i++)
        for (size_t j = 0; j <= i; j++) {
            double both = lengths[i] * lengths[j];
            double cosine = both > 0 ? square[i * d + j] / both : 0;

            cosines[i * d + j] = cosines[j * d + i] = (float)cosine;
        }
    mem_free(points);
    mem_free(square);
    return st;
}
