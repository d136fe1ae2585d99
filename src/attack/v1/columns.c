/* Columns of F's first layer beside raw values: see columns.h. */
#include "attack/v1/columns.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/util.h"
#include "tensor/linear.h"

enum { QUANTILES = 16, FEATURES = QUANTILES + 1, ANCHORS = 192, TURNS = 60 };
/* Fewer rounds with large tables, or they would take minutes. */
enum { ROUNDS = 60, MOST_ENTRIES = 100000000 };

/* ---- resemblances ---- */

ward_status alike_init(struct alike *a, size_t n, size_t d, const float *x)
{
    ward_status st;

    *a = (struct alike){.d = d};
    st = mem_new(&a->cosines, d * d, sizeof *a->cosines);
    if (!st)
        st = mem_new(&a->lengths, d, sizeof *a->lengths);
    return st ? st : column_cosines(n, d, x, a->cosines, a->lengths);
}

void alike_release(struct alike *a)
{
    mem_free(a->cosines);
    mem_free(a->lengths);
    *a = (struct alike){.d = 0};
}

/* ---- one matching ---- */

struct match {
    size_t d;
    float *values, *columns; /* [d, d]: absolute cosines less their mean, 0 with itself */
    float *score;            /* [d, d]: of each value with each column */
    uint32_t *column_of;     /* [d] */
    struct rng *rng;
};

static ward_status open_table(float **out, const struct alike *a)
{
    size_t d = a->d;
    double mean = 0;
    ward_status st = mem_new(out, d * d, sizeof **out);

    for (size_t i = 0; i < d * d && !st; i++)
        if (i % (d + 1) != 0) {
            (*out)[i] = fabsf(a->cosines[i]);
            mean += (double)(*out)[i];
        }
    for (size_t i = 0; i < d * d && !st; i++)
        if (i % (d + 1) != 0)
            (*out)[i] -= (float)(mean / (double)(d * (d - 1)));
    return st;
}

/* ---- by what a row holds ---- */

static int compare(const void *left, const void *right)
{
    float a = *(const float *)left, b = *(const float *)right;

    return (a > b) - (a < b);
}

/* Around zero, with deviation 1, so that a scale that differs does not matter. */
static void standardise(size_t d, size_t feature, float *features)
{
    double sum = 0, squares = 0, deviation;

    for (size_t i = 0; i < d; i++) {
        double value = (double)features[i * FEATURES + feature];

        sum += value;
        squares += value * value;
    }
    sum /= (double)d;
    deviation = sqrt(fmax(squares / (double)d - sum * sum, 0)) + 1e-12;
    for (size_t i = 0; i < d; i++)
        features[i * FEATURES + feature] =
            (float)(((double)features[i * FEATURES + feature] - sum) / deviation);
}

/* The largest resemblances of each, more of them where they are large, and how long it is itself:
 * [d, FEATURES]. */
static ward_status describe(const float *table, const struct alike *a, float **out)
{
    size_t d = a->d;
    float *row = NULL;
    ward_status st = mem_new(out, d * FEATURES, sizeof **out);

    if (!st)
        st = mem_new(&row, d, sizeof *row);
    for (size_t i = 0; i < d && !st; i++) {
        memcpy(row, table + i * d, d * sizeof *row);
        qsort(row, d, sizeof *row, compare);
        for (size_t q = 0; q < QUANTILES; q++)
            (*out)[i * FEATURES + q] =
                row[d - 1 - (d - 1) * q * q / ((QUANTILES - 1) * (QUANTILES - 1))];
        (*out)[i * FEATURES + QUANTILES] = (float)log(a->lengths[i] + 1e-6);
    }
    for (size_t q = 0; q < FEATURES && !st; q++)
        standardise(d, q, *out);
    mem_free(row);
    return st;
}

static void score_features(struct match *m, const float *values, const float *columns)
{
    for (size_t i = 0; i < m->d; i++)
        for (size_t c = 0; c < m->d; c++) {
            float sum = 0;

            for (size_t q = 0; q < FEATURES; q++) {
                float off = values[i * FEATURES + q] - columns[c * FEATURES + q];

                sum -= off * off;
            }
            m->score[i * m->d + c] = sum;
        }
}

/* ---- one column for each ---- */

/* Whose best column is taken looks for another only when it is his turn: what he had is no less
 * than what he will find. */
struct claim {
    float score;
    uint32_t column;
};

static struct claim best_free(const float *scores, const bool *is_taken, size_t d)
{
    struct claim best = {-INFINITY, (uint32_t)d};

    for (uint32_t c = 0; c < d; c++)
        if (!is_taken[c] && (best.column == d || scores[c] > best.score))
            best = (struct claim){scores[c], c};
    return best;
}

/* The best pair of those that are left, again and again. */
static ward_status assign(struct match *m)
{
    struct claim *claims = NULL;
    bool *is_taken = NULL, *is_done = NULL;
    ward_status st = mem_new(&claims, m->d, sizeof *claims);

    if (!st)
        st = mem_new(&is_taken, m->d, sizeof *is_taken);
    if (!st)
        st = mem_new(&is_done, m->d, sizeof *is_done);
    for (size_t i = 0; i < m->d && !st; i++)
        claims[i] = best_free(m->score + i * m->d, is_taken, m->d);
    for (size_t left = m->d; left > 0 && !st;) {
        size_t at = m->d;

        for (size_t i = 0; i < m->d; i++)
            if (!is_done[i] && (at == m->d || claims[i].score > claims[at].score))
                at = i;
        if (is_taken[claims[at].column]) {
            claims[at] = best_free(m->score + at * m->d, is_taken, m->d);
            continue;
        }
        m->column_of[at] = claims[at].column;
        is_done[at] = is_taken[claims[at].column] = true;
        left--;
    }
    mem_free(claims);
    mem_free(is_taken);
    mem_free(is_done);
    return st;
}

static ward_status match_rows(struct match *m, const struct alike *values,
                              const struct alike *columns)
{
    float *of_values = NULL, *of_columns = NULL;
    ward_status st = describe(m->values, values, &of_values);

    if (!st)
        st = describe(m->columns, columns, &of_columns);
    if (!st) {
        score_features(m, of_values, of_columns);
        st = assign(m);
    }
    mem_free(of_values);
    mem_free(of_columns);
    return st;
}

/* ---- by what is matched already ---- */

/* How well the tables lie over each other. */
static double agreement(const struct match *m)
{
    double sum = 0;

    for (size_t i = 0; i < m->d; i++) {
        const float *row = m->columns + m->column_of[i] * m->d;

        for (size_t j = 0; j < m->d; j++)
            sum += (double)(m->values[i * m->d + j] * row[m->column_of[j]]);
    }
    return sum;
}

static void add_row(float *restrict to, const float *restrict row, float factor, size_t len)
{
    for (size_t i = 0; i < len; i++)
        to[i] += factor * row[i];
}

/* A value and a column go together whose resemblances to some matched ones do: others each round.
 * Divided by how large they are, or a column that is like all others would suit everybody. */
static ward_status score_anchors(struct match *m)
{
    size_t d = m->d, count = min_size(d, ANCHORS);
    uint32_t *order = NULL;
    float *squares = NULL;
    ward_status st = mem_new(&order, d, sizeof *order);

    if (!st)
        st = mem_new(&squares, d, sizeof *squares);
    if (!st) {
        rng_permutation(m->rng, (uint32_t)d, order);
        memset(m->score, 0, d * d * sizeof *m->score);
    }
    for (size_t k = 0; k < count && !st; k++) {
        const float *row = m->columns + m->column_of[order[k]] * d;

        for (size_t i = 0; i < d; i++)
            add_row(m->score + i * d, row, m->values[i * d + order[k]], d);
        for (size_t c = 0; c < d; c++)
            squares[c] += row[c] * row[c];
    }
    for (size_t i = 0; i < d && !st; i++) {
        float own = 1e-12f;

        for (size_t k = 0; k < count; k++)
            own += m->values[i * d + order[k]] * m->values[i * d + order[k]];
        for (size_t c = 0; c < d; c++)
            m->score[i * d + c] /= sqrtf(own * (squares[c] + 1e-12f));
    }
    mem_free(order);
    mem_free(squares);
    return st;
}

/* The best of all rounds is kept. */
static ward_status refine(struct match *m, ward_status (*go_on)(void *context), void *context)
{
    uint32_t *best = NULL;
    size_t rounds = min_size(ROUNDS, MOST_ENTRIES / (m->d * m->d));
    double highest = agreement(m);
    ward_status st = mem_new(&best, m->d, sizeof *best);

    if (!st)
        memcpy(best, m->column_of, m->d * sizeof *best);
    for (size_t round = 0; round < rounds && !st; round++) {
        double found;

        st = go_on ? go_on(context) : WARD_OK;
        if (!st)
            st = score_anchors(m);
        if (!st)
            st = assign(m);
        if (st)
            break;
        found = agreement(m);
        if (found <= highest)
            continue;
        highest = found;
        memcpy(best, m->column_of, m->d * sizeof *best);
    }
    if (!st)
        memcpy(m->column_of, best, m->d * sizeof *best);
    mem_free(best);
    return st;
}

/* ---- signs ---- */

/* Where two values vary against each other but their columns do not, one of the two is turned over:
 * signs as the leading eigenvector of the products has them, by the power method. */
static ward_status find_signs(const struct alike *values, const struct alike *columns,
                              struct rng *rng, const uint32_t *column_of, float *signs)
{
    size_t d = values->d;
    double *now = NULL, *next = NULL, *swap, length;
    ward_status st = mem_new(&now, d, sizeof *now);

    if (!st)
        st = mem_new(&next, d, sizeof *next);
    for (size_t i = 0; i < d && !st; i++)
        now[i] = (double)rng_normal(rng);
    for (unsigned turn = 0; turn < TURNS && !st; turn++) {
        length = 1e-30;
        for (size_t i = 0; i < d; i++) {
            const float *row = columns->cosines + column_of[i] * d;

            next[i] = 0;
            for (size_t j = 0; j < d; j++)
                next[i] += (double)(values->cosines[i * d + j] * row[column_of[j]]) * now[j];
            length += next[i] * next[i];
        }
        for (size_t i = 0; i < d; i++)
            next[i] /= sqrt(length);
        swap = now;
        now = next;
        next = swap;
    }
    for (size_t i = 0; i < d && !st; i++)
        signs[i] = now[i] < 0 ? -1.0f : 1.0f;
    mem_free(now);
    mem_free(next);
    return st;
}

/* ---- all of it ---- */

ward_status columns_match(const struct alike *values, const struct alike *columns, struct rng *rng,
                          ward_status (*go_on)(void *context), void *context, uint32_t *column_of,
                          float *signs)
{
    struct match m = {.d = values->d, .column_of = column_of, .rng = rng};
    ward_status st = open_table(&m.values, values);

    if (!st)
        st = open_table(&m.columns, columns);
    if (!st)
        st = mem_new(&m.score, m.d * m.d, sizeof *m.score);
    if (!st)
        st = match_rows(&m, values, columns);
    if (!st)
        st = refine(&m, go_on, context);
    if (!st)
        st = find_signs(values, columns, rng, column_of, signs);
    mem_free(m.values);
    mem_free(m.columns);
    mem_free(m.score);
    return st;
}

void columns_in_order(size_t n, size_t d, const float *weight, const uint32_t *column_of,
                      const float *signs, float turned, float *to)
{
    for (size_t o = 0; o < n; o++)
        for (size_t i = 0; i < d; i++)
            to[o * d + i] = turned * signs[i] * weight[o * d + column_of[i]];
}
