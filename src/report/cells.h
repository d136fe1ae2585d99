/*
 * Cells of the tables: runs that differ in their seeds only, with mean and spread, beside the
 * paper's number.
 */
#ifndef REPORT_CELLS_H
#define REPORT_CELLS_H

#include "report/runs.h"

/* Of n fractions. */
struct spread {
    size_t n;
    double mean, sd; /* NaN of none; sd is the sample's, NaN of one */
};

/* Values that are NaN are not counted. */
struct spread spread_of(const double *values, size_t count);

/* Trials of one attack on all runs of a cell. */
struct cell_attack {
    const struct attack_scores *first; /* of the first run: name, pairs, curves; borrowed */
    size_t sources;                    /* runs that it was made on */
    double wanted, seconds;            /* trials asked for; of the finished ones */
    size_t count;
    double *accuracy; /* [count]; owned */
    struct spread spread;
    double best;
};

struct cell {
    const struct report_run *runs; /* count of them, borrowed */
    size_t count;
    struct spread authorised, unauthorised;
    size_t attack_count;
    struct cell_attack *attacks; /* owned; in the paper's order */
};

struct cells {
    size_t count;
    struct cell *items; /* owned */
};

/* runs: sorted, kept. *out is all zero. */
WARD_CHECK ward_status cells_make(struct cells *out, const struct runs *runs);
/* All zero is fine. */
void cells_release(struct cells *cells);

/* Whether both are of one data set and architecture. */
bool cells_are_alike(const struct cell *a, const struct cell *b);
/* "Fashion-MNIST", or the name as it is. */
const char *data_title(const char *data);

/* One number beside the paper's, all fractions; NaN: none. */
struct score {
    double ours, sd, paper;
};

/* How far ours is from the paper's, in units of the spread; NaN if there is none. */
double score_distance(const struct score *score);

/* A line of a table. */
struct score_row {
    const struct cell *cell;
    char *head;    /* "generator", "pair, 10 %"; owned */
    char *detail;  /* the recipe; or method and recipe; owned */
    double n;      /* seeds, trials */
    double wanted; /* trials asked for; n where there are no more */
    bool has_right;
    struct score left, right; /* authorised and unauthorised; mean and best */
};

struct score_table {
    size_t count;
    struct score_row *rows; /* owned */
};

/* Table 2 and Table 3. cells is kept; *out is all zero. */
WARD_CHECK ward_status score_table_accuracies(struct score_table *out, const struct cells *cells);
WARD_CHECK ward_status score_table_attacks(struct score_table *out, const struct cells *cells);
/* All zero is fine. */
void score_table_release(struct score_table *table);
/* Whether a number of the table has a spread. */
bool score_table_has_spread(const struct score_table *table);

#endif
