/*
 * What the runs and attacks of a plan come to, beside the paper's numbers, and whether that is good
 * enough. Everything here follows from what is in the state directory, and from nothing else: not
 * from times, or from how often the work was stopped.
 */
#ifndef STUDY_TABLES_H
#define STUDY_TABLES_H

#include "study/plan.h"

/* Fractions; NaN: none. */
struct study_number {
    double mean, sd; /* sd is the sample's: NaN of one */
    double paper;
};

/* Of Table 2: a network trained with a method, over its seeds. */
struct study_cell {
    const struct study_network *network;
    ward_method method;
    size_t n, wanted; /* seeds that are evaluated; that are planned */
    struct study_number authorised, unauthorised;
};

struct study_cell study_cell_of(const struct study *study, const struct study_network *network,
                                ward_method method);

/* Of Table 3. */
struct study_row {
    const struct study_trials *trials;
    size_t n; /* trials that are finished, at most as many as wanted */
    struct study_number accuracy;
    double best, paper_best;
    double chosen; /* by what the adversary sees while fitting; only of all trials */
    bool is_far;   /* from the paper's mean: to be explained */
};

struct study_row study_row_of(const struct study_trials *trials);

enum study_verdict { STUDY_UNKNOWN, STUDY_HOLDS, STUDY_FAILS };

/* Something that is asked of the results. */
struct study_bar {
    const char *text;
    size_t count, known, held; /* numbers that it is about; measured; that meet it */
    double slack;              /* of the one that is nearest to failing, or fails most; NaN: none */
    char where[96];            /* which that is */
};

enum { STUDY_BARS = 8 };

enum study_verdict study_bar_verdict(const struct study_bar *bar);
void study_bars(const struct study *study, struct study_bar bars[STUDY_BARS]);

/* Owned: mem_free(). */
WARD_CHECK ward_status tables_json(const struct study *study, int indent, char **out);
WARD_CHECK ward_status tables_markdown(const struct study *study, char **out);

/* ours - paper's; NaN if either is. */
double study_difference(const struct study_number *number);

#endif
