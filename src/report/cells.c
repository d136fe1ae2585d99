/* Runs that differ in their seeds only: see cells.h. */
#include "report/cells.h"

#include <math.h>

#include "base/mem.h"
#include "report/paper.h"

struct spread spread_of(const double *values, size_t count)
{
    struct spread s = {0, (double)NAN, (double)NAN};
    double sum = 0, squares = 0;

    for (size_t i = 0; i < count; i++)
        if (isfinite(values[i])) {
            sum += values[i];
            s.n++;
        }
    if (s.n > 0)
        s.mean = sum / (double)s.n;
    for (size_t i = 0; i < count; i++)
        if (isfinite(values[i]))
            squares += (values[i] - s.mean) * (values[i] - s.mean);
    if (s.n > 1)
        s.sd = sqrt(squares / (double)(s.n - 1));
    return s;
}

bool cells_are_alike(const struct cell *a, const struct cell *b)
{
    return strcmp(a->runs->data, b->runs->data) == 0 && strcmp(a->runs->arch, b->runs->arch) == 0;
}

const char *data_title(const char *data)
{
    static const char *const titles[][2] = {
        {"mnist", "MNIST"}, {"fashion-mnist", "Fashion-MNIST"}, {"cifar10", "CIFAR-10"}};

    for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++)
        if (strcmp(data, titles[i][0]) == 0)
            return titles[i][1];
    return data;
}

static bool belong_together(const struct report_run *a, const struct report_run *b)
{
    return strcmp(a->data, b->data) == 0 && strcmp(a->arch, b->arch) == 0 &&
           a->method == b->method && strcmp(a->settings.label, b->settings.label) == 0;
}

/* ---- attacks ---- */

static bool is_same_attack(const struct attack_scores *a, const struct attack_scores *b)
{
    return strcmp(a->alike, b->alike) == 0;
}

static int attack_order(const struct attack_scores *a)
{
    static const char *const names[] = {"direct", "input-only", "pair"};
    int i = 0;

    while (i < 3 && strcmp(a->attack, names[i]) != 0)
        i++;
    return i;
}

static int compare_attacks(const void *left, const void *right)
{
    const struct attack_scores *a = ((const struct cell_attack *)left)->first;
    const struct attack_scores *b = ((const struct cell_attack *)right)->first;
    int order = attack_order(a) - attack_order(b);

    if (!order)
        order = strcmp(a->attack, b->attack);
    if (order || !isfinite(a->pairs) || !isfinite(b->pairs))
        return order;
    return a->pairs < b->pairs ? -1 : a->pairs > b->pairs;
}

static ward_status add_trials(struct cell_attack *to, const struct attack_scores *from)
{
    ward_status st =
        mem_resize(&to->accuracy, to->count, to->count + from->trial_count, sizeof(double));

    if (st)
        return st;
    memcpy(to->accuracy + to->count, from->accuracy, from->trial_count * sizeof(double));
    to->count += from->trial_count;
    to->wanted += from->wanted;
    to->sources++;
    to->seconds += from->seconds;
    return WARD_OK;
}

static ward_status add_attack(struct cell *cell, const struct attack_scores *from)
{
    size_t at = 0;
    ward_status st = WARD_OK;

    while (at < cell->attack_count && !is_same_attack(cell->attacks[at].first, from))
        at++;
    if (at == cell->attack_count) {
        st = mem_resize(&cell->attacks, at, at + 1, sizeof *cell->attacks);
        if (st)
            return st;
        cell->attacks[at].first = from;
        cell->attack_count++;
    }
    return add_trials(&cell->attacks[at], from);
}

static ward_status gather_attacks(struct cell *cell)
{
    ward_status st = WARD_OK;

    for (size_t i = 0; i < cell->count; i++)
        for (size_t j = 0; j < cell->runs[i].attack_count && !st; j++)
            st = add_attack(cell, &cell->runs[i].attacks[j]);
    for (size_t i = 0; i < cell->attack_count; i++) {
        struct cell_attack *a = &cell->attacks[i];

        a->spread = spread_of(a->accuracy, a->count);
        for (size_t j = 0; j < a->count; j++)
            a->best = fmax(a->best, a->accuracy[j]);
    }
    if (cell->attack_count > 1)
        qsort(cell->attacks, cell->attack_count, sizeof *cell->attacks, compare_attacks);
    return st;
}

/* ---- cells ---- */

static ward_status summarise(struct cell *cell)
{
    double *values = NULL;
    ward_status st = mem_new(&values, 2 * cell->count, sizeof *values);

    if (st)
        return st;
    for (size_t i = 0; i < cell->count; i++) {
        const struct report_run *r = &cell->runs[i];

        values[i] = r->is_evaluated ? r->evaluation.authorised : (double)NAN;
        values[cell->count + i] = r->is_evaluated ? r->evaluation.unauthorised : (double)NAN;
    }
    cell->authorised = spread_of(values, cell->count);
    cell->unauthorised = spread_of(values + cell->count, cell->count);
    mem_free(values);
    return gather_attacks(cell);
}

ward_status cells_make(struct cells *out, const struct runs *runs)
{
    struct cells made = {.count = 0};
    ward_status st = mem_new(&made.items, runs->count, sizeof *made.items);

    for (size_t i = 0; i < runs->count && !st; i++) {
        if (i == 0 || !belong_together(&runs->items[i - 1], &runs->items[i]))
            made.items[made.count++].runs = &runs->items[i];
        made.items[made.count - 1].count++;
    }
    for (size_t i = 0; i < made.count && !st; i++)
        st = summarise(&made.items[i]);
    if (st)
        cells_release(&made);
    else
        *out = made;
    return st;
}

void cells_release(struct cells *cells)
{
    for (size_t i = 0; i < cells->count; i++) {
        for (size_t j = 0; j < cells->items[i].attack_count; j++)
            mem_free(cells->items[i].attacks[j].accuracy);
        mem_free(cells->items[i].attacks);
    }
    mem_free(cells->items);
    *cells = (struct cells){.count = 0};
}

/* ---- tables ---- */

double score_distance(const struct score *score)
{
    double difference = score->ours - score->paper;
    const double equal = 1e-12;

    if (!isfinite(difference) || !isfinite(score->sd))
        return (double)NAN;
    if (fabs(difference) < equal)
        return 0;
    return difference / score->sd; /* infinite if all seeds agree */
}

static ward_status add_row(struct score_table *table, struct score_row *row)
{
    ward_status st = mem_resize(&table->rows, table->count, table->count + 1, sizeof *table->rows);

    if (st) {
        mem_free(row->head);
        mem_free(row->detail);
        return st;
    }
    table->rows[table->count++] = *row;
    return WARD_OK;
}

static size_t count_evaluated(const struct cell *cell)
{
    size_t count = 0;

    for (size_t i = 0; i < cell->count; i++)
        count += cell->runs[i].is_evaluated;
    return count;
}

static ward_status add_accuracy(struct score_table *table, const struct cell *cell)
{
    const struct report_run *r = cell->runs;
    struct paper_cell paper = paper_accuracy(r->data, r->arch, r->method);
    struct score_row row = {
        .cell = cell,
        .n = (double)count_evaluated(cell),
        .wanted = (double)cell->count,
        .has_right = r->method != WARD_METHOD_BASELINE,
        .left = {cell->authorised.mean, cell->authorised.sd, paper.authorised},
        .right = {cell->unauthorised.mean, cell->unauthorised.sd, paper.unauthorised},
    };
    ward_status st = mem_strdup(&row.head, ward_method_name(r->method));

    if (!st)
        st = mem_strdup(&row.detail, r->settings.label);
    if (st)
        mem_free(row.head);
    return st ? st : add_row(table, &row);
}

/* "pair, 10 %" */
static ward_status name_attack(char **out, const struct attack_scores *a)
{
    const double percent = 100, tenths = 1000;

    if (!isfinite(a->pairs))
        return mem_strdup(out, a->attack);
    if (a->pairs * tenths < 1)
        return mem_printf(out, "%s, few pairs", a->attack);
    return mem_printf(out, "%s, %.3g %% of the pairs", a->attack, percent * a->pairs);
}

static ward_status add_attack_row(struct score_table *table, const struct cell *cell,
                                  const struct cell_attack *a)
{
    const struct report_run *r = cell->runs;
    struct paper_attack paper =
        paper_attack(r->data, r->arch, r->method, a->first->attack, a->first->pairs);
    struct score_row row = {
        .cell = cell,
        .n = (double)a->count,
        .wanted = a->wanted,
        .has_right = a->count > 1 || isfinite(paper.best),
        .left = {a->spread.mean, a->spread.sd, paper.mean},
        .right = {a->best, a->spread.sd, paper.best},
    };
    ward_status st = name_attack(&row.head, a->first);

    if (!st)
        st = mem_printf(&row.detail, "%s, %s", ward_method_name(r->method), r->settings.label);
    if (st)
        mem_free(row.head);
    return st ? st : add_row(table, &row);
}

ward_status score_table_accuracies(struct score_table *out, const struct cells *cells)
{
    struct score_table made = {.count = 0};
    ward_status st = WARD_OK;

    for (size_t i = 0; i < cells->count && !st; i++)
        st = add_accuracy(&made, &cells->items[i]);
    if (st)
        score_table_release(&made);
    else
        *out = made;
    return st;
}

ward_status score_table_attacks(struct score_table *out, const struct cells *cells)
{
    struct score_table made = {.count = 0};
    ward_status st = WARD_OK;

    for (size_t i = 0; i < cells->count; i++)
        for (size_t j = 0; j < cells->items[i].attack_count && !st; j++)
            st = add_attack_row(&made, &cells->items[i], &cells->items[i].attacks[j]);
    if (st)
        score_table_release(&made);
    else
        *out = made;
    return st;
}

void score_table_release(struct score_table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        mem_free(table->rows[i].head);
        mem_free(table->rows[i].detail);
    }
    mem_free(table->rows);
    *table = (struct score_table){.count = 0};
}

bool score_table_has_spread(const struct score_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        if (isfinite(table->rows[i].left.sd))
            return true;
    return false;
}
