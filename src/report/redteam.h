/*
 * What suite v1 of the red team has found on a run, redteam/BUDGET.json: docs/formats.md, section
 * 16. The verdict is shown as it was written; this room works nothing out anew but means over
 * adversaries.
 */
#ifndef REPORT_REDTEAM_H
#define REPORT_REDTEAM_H

#include <stdbool.h>

#include "model/model.h"

enum {
    REDTEAM_NAME_LEN = 32,
    REDTEAM_DETAIL_LEN = 128,
    REDTEAM_SENTENCE_LEN = 512,
    REDTEAM_POINTS = 12,
    REDTEAM_FLAGS = 16
};

enum redteam_knowledge {
    REDTEAM_NOTHING,
    REDTEAM_LABELLED,
    REDTEAM_UNLABELLED,
    REDTEAM_PAIRS,
    REDTEAM_QUERIES,
    REDTEAM_KNOWLEDGE_COUNT
};

/* Accuracies, fractions, means over adversaries. */
struct redteam_curve {
    size_t count;
    double at[REDTEAM_POINTS]; /* ascending */
    double mean[REDTEAM_POINTS];
    double n[REDTEAM_POINTS]; /* adversaries */
};

/* One attack with one kind of knowledge, by its amount. */
struct redteam_line {
    char attack[REDTEAM_NAME_LEN], id[REDTEAM_NAME_LEN];
    enum redteam_knowledge knows;
    struct redteam_curve curve;
};

/* What F saves a thief at one amount. */
struct redteam_gain {
    double amount, best;
    double deviation, highest; /* of best, over adversaries; NaN: not written down, or of one */
    double scratch, advantage; /* NaN without a control */
    double low, high;          /* NaN without, and of one adversary */
    char attack[REDTEAM_NAME_LEN];
};

struct redteam_gains {
    size_t count;
    struct redteam_gain items[REDTEAM_POINTS]; /* ascending */
};

struct redteam_flag {
    char name[REDTEAM_NAME_LEN], detail[REDTEAM_DETAIL_LEN];
};

/* Accuracies under random draws, where choices are made. */
struct redteam_draws {
    double drawn; /* where there are more than count, those are the best */
    size_t count;
    double *accuracy; /* owned */
};

struct redteam_scores {
    char model_id[MODEL_ID_LEN + 1];
    char budget[REDTEAM_NAME_LEN];
    uint64_t seed;
    bool is_disjoint, holds_own; /* holds_own: by --own-images */
    bool is_partial;             /* cells of the budget are missing; false in earlier files */
    double test_count, choice_count;
    double authorised, unauthorised, chance, from_chance; /* NaN: none */
    double needs_attack, needs_scratch, needs_ratio;      /* labels; NaN: more than were tried */
    bool ratio_is_bound;
    double readout, readout_control, cost; /* NaN: not known */
    char without_labels[REDTEAM_NAME_LEN]; /* an attack; "": none */
    double without_labels_accuracy;
    char sentence[REDTEAM_SENTENCE_LEN];
    struct redteam_gains gains, pair_gains;
    size_t flag_count;
    struct redteam_flag flags[REDTEAM_FLAGS];
    size_t line_count;
    struct redteam_line *lines; /* in the file's order; owned */
    struct redteam_draws keys, patterns;
    /* Under keys of which a share is right, where choices are made: as they are, and improved by
     * steps that help. */
    struct redteam_curve wrong_keys, improved_keys;
};

/* Untrusted text; *out is all zero. WARD_ERR_FORMAT. */
WARD_CHECK ward_status redteam_parse(struct redteam_scores *out, const char *text, size_t len);
WARD_CHECK ward_status redteam_read(struct redteam_scores *out, const char *path);
/* All zero is fine. */
void redteam_release(struct redteam_scores *scores);

/* NULL if there is none. */
const struct redteam_line *redteam_find(const struct redteam_scores *scores, const char *attack,
                                        enum redteam_knowledge knows);
/* Lines for comparison only, and the one that everything is measured against. */
bool redteam_is_control(const struct redteam_line *line);
bool redteam_is_scratch(const struct redteam_line *line);
/* All amounts that were tried of a kind, ascending; the first REDTEAM_POINTS. Returns how many. */
size_t redteam_amounts(const struct redteam_scores *scores, enum redteam_knowledge knows,
                       double amounts[REDTEAM_POINTS]);
/* Of the line at an amount; NaN: not tried. */
double redteam_at(const struct redteam_line *line, double amount);

#endif
