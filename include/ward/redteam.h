/*
 * The red team: attacks stronger than the paper's, by one protocol, and a verdict on what a lock is
 * worth. docs/redteam.md says what each attack is and how to read the verdict.
 *
 * A suite is made of cells. A cell is an attack by an adversary who holds F and some amount of one
 * kind of knowledge; each is tried by a number of adversaries with draws of their own; with
 * "standard" those after the first train only what he has chosen. All that an adversary chooses, he
 * chooses on images set apart for that. Test images score what he has chosen.
 */
#ifndef WARD_REDTEAM_H
#define WARD_REDTEAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ward/run.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What an adversary holds beside F. */
typedef enum ward_knowledge {
    WARD_KNOWS_NOTHING,
    WARD_KNOWS_LABELLED,   /* raw images with their labels */
    WARD_KNOWS_UNLABELLED, /* raw images */
    WARD_KNOWS_PAIRS,      /* raw images and what G makes of them */
    WARD_KNOWS_QUERIES     /* raw images and what F(G(x)) answers */
} ward_knowledge;

enum { WARD_REDTEAM_TRIES = 32, WARD_REDTEAM_WORDS = 64, WARD_REDTEAM_AMOUNTS = 32 };
enum { WARD_REDTEAM_LABELLED = 8, WARD_REDTEAM_COMMIT = 48 };

/* One way that an adversary tried. */
typedef struct ward_redteam_try {
    char what[WARD_REDTEAM_WORDS]; /* "bound 0.3, rate 0.1"; of scratch "ARCH, rate ..." */
    double accuracy;               /* on the images that choices are made on */
    /* What he chooses by, the more the better: that accuracy; without labels, how confident and how
     * diverse the answers are. */
    double merit;
    double bound; /* on what is added to an image; infinite: none; NaN: nothing is bounded */
    /* By another backward pass than F's own: other slopes of ReLUs, softplus for them, or answers
     * that were made less sure before the loss. */
    bool is_leaky;
} ward_redteam_try;

/* One adversary of one cell. */
typedef struct ward_redteam_cell {
    const char *attack; /* "universal": a constant */
    const char *id;     /* "A3": of docs/redteam.md; a constant */
    ward_knowledge knows;
    uint64_t amount; /* images, pairs, queries; 0 of WARD_KNOWS_NOTHING */
    uint64_t trial;  /* from 0: which adversary */
    bool is_done;    /* otherwise there is nothing of what follows */
    double accuracy; /* on the test images, of what was chosen */
    double choice;   /* of the same, where it was chosen */
    double seconds;  /* that its thread has computed for */
    uint64_t images; /* shown to networks while fitting */
    /* Of the build that measured it, as in ward_build; "": of one that did not write it down. */
    char commit[WARD_REDTEAM_COMMIT];
    char chosen[WARD_REDTEAM_WORDS];
    size_t try_count;
    ward_redteam_try tries[WARD_REDTEAM_TRIES]; /* the best, if there were more */
} ward_redteam_cell;

typedef struct ward_redteam_settings {
    const char *budget; /* "quick", "standard" or "full" */
    uint64_t seed;      /* public: all that adversaries draw; at most 2^53 */
    uint64_t trials;    /* adversaries a cell, 1 .. 1000; 0: as the budget says */
    /* Names of attacks, separated by commas; NULL: all. The control is always there, as nothing
     * can be said without it. */
    const char *only;
    /* How many labelled images adversaries hold, ascending, 0 at the end; all 0: as the budget
     * says. More than there are come to all of them. Each attack is tried with each amount. */
    uint64_t labelled[WARD_REDTEAM_LABELLED];
    /* Adversaries hold images that F was trained on, although the run has others for them
     * (ward_train_config.splits). */
    bool holds_own;
} ward_redteam_settings;

/* "quick", seed 1, everything else left to the budget. */
WARD_API void ward_redteam_defaults(ward_redteam_settings *settings);
/* The i-th name of a budget, or of an attack of the suite; NULL past the end. */
WARD_API const char *ward_redteam_budget_name(size_t i);
WARD_API const char *ward_redteam_attack_name(size_t i);

/* ---- the verdict ---- */

/* A sign that a figure does not mean what it seems to: see docs/redteam.md. */
typedef struct ward_redteam_flag {
    const char *name; /* "masked-gradient": a constant */
    char detail[128]; /* where, in words */
} ward_redteam_flag;

/* What F is worth to a thief, at one amount of knowledge. */
typedef struct ward_redteam_gain {
    uint64_t amount;
    double best;        /* mean accuracy of the attack that is best where choices are made */
    double deviation;   /* of that accuracy over adversaries, the sample's; NaN of one */
    double highest;     /* of the luckiest of them */
    double scratch;     /* of a thief without F, with as many labelled images */
    double advantage;   /* best less scratch; fractions. NaN without a control */
    double low, high;   /* 95 %, of the advantage: over adversaries and test images; NaN of one
                           adversary */
    const char *attack; /* the best one's name, a constant */
} ward_redteam_gain;

enum { WARD_REDTEAM_FLAGS = 16 };

typedef struct ward_redteam_verdict {
    double authorised, unauthorised, chance; /* unauthorised is NaN of a baseline */
    size_t gain_count, pair_gain_count;
    ward_redteam_gain gains[WARD_REDTEAM_AMOUNTS];      /* against labelled images */
    ward_redteam_gain pair_gains[WARD_REDTEAM_AMOUNTS]; /* against pairs */
    /* The best of those who hold no labels; scratch is NaN; attack is NULL if there was none. */
    ward_redteam_gain without_labels;
    /* Labels needed to come within one point of authorised; 0: none are; the smallest amount that
     * was tried: at most so many; infinite: more than were tried. */
    double needs_attack, needs_scratch;
    /* Of the two: 1 is a perfect lock, 0 none. An upper bound where the attack needs at most so
     * many, or scratch more than were tried; NaN where the attack needs more, or scratch at most so
     * many. */
    double needs_ratio;
    bool ratio_is_bound;
    double readout; /* accuracy of the best reading of F's raw outputs, at most 100 labels */
    double readout_control; /* the same of a network with random weights; NaN: not measured */
    double from_chance;     /* |unauthorised - chance|; NaN of a baseline */
    /* Images shown by the best attack at 100 labels, over those of the owner's training; NaN: not
     * known. */
    double cost;
    /* Cells of the budget are missing, whatever was asked for, those included that need a transform
     * which is not at hand: a thief may do better. How many adversaries there are is not asked. */
    bool is_partial;
    size_t flag_count;
    ward_redteam_flag flags[WARD_REDTEAM_FLAGS];
    char sentence[512]; /* for the owner */
} ward_redteam_verdict;

typedef struct ward_redteam_result {
    ward_redteam_settings settings; /* budget is a constant; only is NULL */
    bool is_disjoint;               /* adversaries hold images that F was not trained on */
    size_t test_count, choice_count, pool_count; /* images */
    size_t cell_count;
    ward_redteam_cell *cells; /* in the order of the suite; owned */
    ward_redteam_verdict verdict;
    char *json; /* as one line: docs/formats.md; owned */
} ward_redteam_result;

/* A result that is all zero is fine. */
WARD_API void ward_redteam_result_release(ward_redteam_result *result);

/* ---- doing it ---- */

typedef struct ward_redteam_progress {
    uint64_t done, count;          /* cells times adversaries */
    const ward_redteam_cell *last; /* finished since the last call, or NULL */
    double seconds_left;           /* a rough guess; NaN: none yet */
    const char *event;             /* NULL, or one line */
} ward_redteam_progress;

/* Return false to stop: what is finished is kept. Called from the thread that called
 * ward_redteam(), several times a second; must be quick. */
typedef bool ward_redteam_callback(void *context, const ward_redteam_progress *progress);

typedef struct ward_redteam_options {
    const char *directory; /* where finished cells are kept, a file a budget; NULL: nowhere */
    bool replaces;         /* start afresh */
    ward_redteam_callback *progress; /* may be NULL */
    void *context;
} ward_redteam_options;

/*
 * Do the suite "v1" on a run. As many adversaries work side by side as there are threads
 * (ward_set_threads()), each on one thread. A cell follows from the settings and its place
 * alone; of "standard", where what the first adversary of it has chosen is kept, from that, too.
 *
 *   run, device, data, settings, options  borrowed
 *   out    written only on success; ward_redteam_result_release()
 *
 * WARD_ERR_ARG for settings out of range, or data that does not fit the run; WARD_ERR_EXISTS where
 * results of another model, of other settings or of another revision of the suite are kept;
 * WARD_ERR_STOPPED; otherwise as ward_attack().
 */
WARD_API WARD_CHECK ward_status ward_redteam(const ward_run *run, ward_device *device,
                                             const ward_dataset *data,
                                             const ward_redteam_settings *settings,
                                             const ward_redteam_options *options,
                                             ward_redteam_result *out);

#ifdef __cplusplus
}
#endif
#endif
