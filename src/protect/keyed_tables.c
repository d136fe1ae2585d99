/*
 * The tables that a key gives: docs/formats.md, section 2.3, word by word. Each comes from a stream
 * of its own, so parts can be left out without changing the others.
 */
#include <math.h>
#include <stdio.h>

#include "base/mem.h"
#include "key/draw.h"
#include "protect/keyed.h"
#include "protect/method.h"

struct maker {
    struct tensor_list *list;
    const char *prefix;
    const struct transform_spec *spec;
    const uint8_t *key;
};

/* A zeroed table, and the stream that it is drawn from. */
static ward_status begin(const struct maker *m, const char *name, struct shape shape,
                         const char *label, struct tensor **table, struct draw *draw)
{
    char full[TENSOR_MAX_NAME];
    ward_status st;

    snprintf(full, sizeof full, "%s%s", m->prefix, name);
    st = tensor_list_add(m->list, full, &shape, table);
    return st ? st : draw_init(draw, m->key, label);
}

static size_t value_count(const struct transform_spec *spec)
{
    return spec->channels * spec->height * spec->width;
}

static struct shape image_shape(const struct transform_spec *spec)
{
    return shape_make(3, spec->channels, spec->height, spec->width, 1);
}

static struct shape column_shape(const struct transform_spec *spec)
{
    return shape_make(3, value_count(spec), 1, 1, 1);
}

/* The bias of a dense layer whose weights are a table: zeros. */
static ward_status add_bias(const struct maker *m, const char *name, size_t count)
{
    struct shape line = shape_make(1, count, 1, 1, 1);
    char full[TENSOR_MAX_NAME];

    snprintf(full, sizeof full, "%s%s", m->prefix, name);
    return tensor_list_add(m->list, full, &line, NULL);
}

/* Fisher-Yates from the end. */
static void draw_order(struct draw *draw, size_t count, float *order)
{
    for (size_t i = 0; i < count; i++)
        order[i] = (float)i;
    for (size_t i = count; i-- > 1;) {
        size_t j = draw_below(draw, (uint32_t)i + 1);
        float kept = order[i];

        order[i] = order[j];
        order[j] = kept;
    }
}

/* ---- codebook ---- */

/* Rows of normal values times a factor, and no bias. */
static ward_status make_normal(const struct maker *m, const char *layer, size_t rows,
                               size_t columns, float factor)
{
    char name[32], label[64];
    struct tensor *table;
    struct draw draw;
    ward_status st;

    snprintf(name, sizeof name, "codebook.%s.weight", layer);
    snprintf(label, sizeof label, "ward/keyed/codebook/%s/v1", layer);
    st = begin(m, name, shape_make(2, rows, columns, 1, 1), label, &table, &draw);
    if (st)
        return st;
    for (size_t i = 0; i < rows * columns; i++)
        table->data[i] = factor * draw_normal(&draw);
    draw_release(&draw);
    snprintf(name, sizeof name, "codebook.%s.bias", layer);
    return add_bias(m, name, rows);
}

/* Values of an image are about 1 in size. So are those of the patterns; what hyperplanes see is
 * STEEP in size, most of it where tanh is flat. */
static ward_status make_codebook(const struct maker *m)
{
    enum { STEEP = 16 };
    size_t bits = m->spec->keyed.codebook, len = value_count(m->spec);
    ward_status st = make_normal(m, "sides", bits, len, (float)(STEEP / sqrt((double)len)));

    return st ? st : make_normal(m, "patterns", len, bits, (float)(1 / sqrt((double)bits)));
}

/* ---- shuffle ---- */

size_t keyed_block_len(const struct transform_spec *spec)
{
    return spec->channels * spec->keyed.shuffle * spec->keyed.shuffle;
}

size_t keyed_block_value(const struct transform_spec *spec, size_t b, size_t v)
{
    size_t side = spec->keyed.shuffle, across = spec->width / side;
    size_t h = b / across * side + v / side % side, w = b % across * side + v % side;

    return (v / (side * side) * spec->height + h) * spec->width + w;
}

static ward_status make_shuffle(const struct maker *m)
{
    size_t len = keyed_block_len(m->spec), blocks = value_count(m->spec) / len;
    struct tensor *table;
    struct draw draw = {.used = 0};
    float *order = NULL;
    ward_status st = mem_new(&order, blocks + len, sizeof *order);

    if (!st)
        st = begin(m, "shuffle", image_shape(m->spec), "ward/keyed/shuffle/v1", &table, &draw);
    if (!st)
        draw_order(&draw, blocks, order);
    for (size_t b = 0; b < blocks && !st; b++) {
        draw_order(&draw, len, order + blocks);
        for (size_t v = 0; v < len; v++)
            table->data[keyed_block_value(m->spec, b, v)] =
                (float)keyed_block_value(m->spec, (size_t)order[b], (size_t)order[blocks + v]);
    }
    if (order)
        mem_wipe(order, (blocks + len) * sizeof *order);
    mem_free(order);
    draw_release(&draw);
    return st;
}

/* ---- negative and pattern ---- */

static ward_status make_negative(const struct maker *m)
{
    struct tensor *table;
    struct draw draw;
    ward_status st =
        begin(m, "negative", image_shape(m->spec), "ward/keyed/negative/v1", &table, &draw);

    if (st)
        return st;
    for (size_t i = 0; i < value_count(m->spec); i++)
        table->data[i] = draw_uniform(&draw) < m->spec->keyed.negative ? -1.0f : 1.0f;
    draw_release(&draw);
    return WARD_OK;
}

/* Of a front's features the middle is zero. */
static float twice_the_middle(const struct transform_spec *spec)
{
    return spec->keyed.has_front ? 0 : spec->low + spec->high;
}

/* What is negative is mirrored at zero; the pattern moves it to where it belongs. */
static ward_status make_pattern(const struct maker *m)
{
    char name[TENSOR_MAX_NAME];
    const struct tensor *negative;
    struct tensor *table;
    struct draw draw;
    ward_status st =
        begin(m, "pattern", image_shape(m->spec), "ward/keyed/pattern/v1", &table, &draw);

    if (st)
        return st;
    snprintf(name, sizeof name, "%snegative", m->prefix);
    negative = tensor_list_find(m->list, name);
    for (size_t i = 0; i < value_count(m->spec); i++) {
        table->data[i] = pattern_entry(m->spec, draw_uniform(&draw));
        if (negative && negative->data[i] < 0)
            table->data[i] += twice_the_middle(m->spec);
    }
    draw_release(&draw);
    return WARD_OK;
}

/* ---- coordinates ---- */

static double dot(const double *a, const double *b, size_t count)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

/* Modified Gram-Schmidt over the rows. In double its error is far below a float's. */
static void orthogonalise(double *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        double *row = rows + i * count, length = sqrt(dot(row, row, count));

        for (size_t k = 0; k < count; k++)
            row[k] /= length;
        for (size_t j = i + 1; j < count; j++) {
            double *next = rows + j * count, along = dot(row, next, count);

            for (size_t k = 0; k < count; k++)
                next[k] -= along * row[k];
        }
    }
}

static ward_status make_dense(const struct maker *m)
{
    size_t count = value_count(m->spec);
    struct shape square = shape_make(2, count, count, 1, 1);
    struct tensor *table;
    struct draw draw = {.used = 0};
    double *rows = NULL;
    ward_status st = mem_new(&rows, count * count, sizeof *rows);

    if (!st)
        st = begin(m, "dense.weight", square, "ward/keyed/dense/v1", &table, &draw);
    if (!st) {
        for (size_t i = 0; i < count * count; i++)
            rows[i] = (double)draw_normal(&draw);
        orthogonalise(rows, count);
        for (size_t i = 0; i < count * count; i++)
            table->data[i] = (float)rows[i];
    }
    if (!st)
        st = add_bias(m, "dense.bias", count);
    if (rows)
        mem_wipe(rows, count * count * sizeof *rows);
    mem_free(rows);
    draw_release(&draw);
    return st;
}

static void draw_signs(struct draw *draw, size_t count, float *signs)
{
    for (size_t i = 0; i < count; i++)
        signs[i] = draw_u32(draw) & 1 ? -1.0f : 1.0f;
}

/* The table `what` of a round. */
static ward_status make_round(const struct maker *m, size_t round, const char *what,
                              void (*fill)(struct draw *draw, size_t count, float *values))
{
    char name[32], label[64];
    struct tensor *table;
    struct draw draw;
    ward_status st;

    snprintf(name, sizeof name, "%s%zu", what, round);
    snprintf(label, sizeof label, "ward/keyed/cascade/%zu/%s/v1", round, what);
    st = begin(m, name, column_shape(m->spec), label, &table, &draw);
    if (st)
        return st;
    fill(&draw, value_count(m->spec), table->data);
    draw_release(&draw);
    return WARD_OK;
}

static ward_status make_cascade(const struct maker *m)
{
    ward_status st = WARD_OK;

    for (size_t round = 1; round <= m->spec->keyed.rounds && !st; round++) {
        st = make_round(m, round, "order", draw_order);
        if (!st)
            st = make_round(m, round, "signs", draw_signs);
    }
    return st;
}

ward_status keyed_tables(struct tensor_list *list, const char *prefix,
                         const struct transform_spec *spec, const uint8_t key[TRANSFORM_SEED_LEN])
{
    const struct maker maker = {list, prefix, spec, key};
    const struct keyed_spec *k = &spec->keyed;
    ward_status st = WARD_OK;

    if (k->codebook > 0)
        st = make_codebook(&maker);
    if (!st && k->shuffle > 0)
        st = make_shuffle(&maker);
    if (!st && k->negative > 0)
        st = make_negative(&maker);
    if (!st && (k->negative > 0 || spec->sigma > 0))
        st = make_pattern(&maker);
    if (!st && k->coordinates == WARD_COORDINATES_DENSE)
        st = make_dense(&maker);
    if (!st && k->coordinates == WARD_COORDINATES_CASCADE)
        st = make_cascade(&maker);
    return st;
}
