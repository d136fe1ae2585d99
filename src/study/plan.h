/*
 * The plan of a reproduction: every run of Table 2, every attack of Table 3, both figures, what is
 * known of each, and in which order the ones that are asked for are done.
 *
 *   plan.c        names and order
 *   state.c       what the state directory has of them
 *   recorded.c    what it has of runs whose networks are gone
 *   estimate.c    how long the rest takes
 *   work.c        doing one
 *   tables.c      what they come to
 *   provenance.c  how a run came about, for results/RUN.json
 */
#ifndef STUDY_PLAN_H
#define STUDY_PLAN_H

#include "model/run_dir.h"
#include "report/history.h"
#include "report/scores.h"
#include "study/cells.h"
#include "ward/attack.h"
#include "ward/reproduce.h"

enum { STUDY_DATA_SETS = 4 }; /* at most */

/* A training. */
struct study_run {
    const struct study_network *network;
    ward_method method;
    uint64_t seed;
    char *name; /* RECIPE-DATA-ARCH-METHOD-SEED; owned */
    struct run_dir dir;
    /* Of the state: */
    bool is_complete; /* the network is there, finished */
    bool is_begun;    /* model.safetensors or config.json is there */
    bool is_recorded; /* not complete, but results/RUN.json says what an earlier network came to */
    bool is_evaluated;
    char model_id[MODEL_ID_LEN + 1]; /* if complete or recorded */
    struct evaluation evaluation;    /* if evaluated */
    struct history history;
};

/* Accuracies of an attack's first trials, as many as are wanted. */
struct study_trials {
    const struct study_run *run; /* kept */
    const struct study_attack *attack;
    uint64_t wanted;
    /* Of the state: */
    struct attack_scores scores;  /* trial_count 0: none */
    bool is_made;                 /* by this process: there is no gap in them */
    char other[MODEL_ID_LEN + 1]; /* the network that the file is about, if it is another; or "" */
};

/* A case of Figure 2. */
struct study_figure {
    const struct study_network *network;
    const struct study_run *runs[STUDY_PROTECTED]; /* kept; in the order of the methods */
    char *name, *picture, *facts;                  /* the last two are paths; owned */
    /* Of the state: */
    bool is_done;
    double rms[STUDY_PROTECTED], max[STUDY_PROTECTED]; /* of the perturbations */
};

/* One thing to do. */
struct study_item {
    ward_reproduce_kind kind;
    size_t at; /* in runs, trials or figures */
    bool is_done, is_missing;
    double share, seconds;
    ward_reproduce_basis basis;
};

struct study {
    ward_device *device; /* kept */
    unsigned targets;
    char *recipe, *state;        /* owned */
    uint64_t iterations, trials; /* 0: not shortened */
    bool skips_missing;
    const char *only; /* borrowed while planning */
    size_t run_count, trials_count, figure_count, item_count;
    struct study_run *runs; /* owned, like: */
    struct study_trials *attacks;
    struct study_figure *figures;
    struct study_item *items;
    size_t missing_count;
    const char *missing[STUDY_DATA_SETS]; /* constants */
    double measured_unit;                 /* estimate.c: seconds; 0: not measured yet */
};

/* *study is all zero; the state is not looked at. */
WARD_CHECK ward_status study_plan(struct study *study, ward_device *device,
                                  const ward_reproduce_config *config);
/* All zero is fine. */
void study_release(struct study *study);

bool study_is_shortened(const struct study *study);

/* The settings that a run is trained with: strings are borrowed from the study, the seed that G is
 * drawn from (not of a baseline) goes to *secret. */
WARD_CHECK ward_status study_settings(const struct study *study, const struct study_run *run,
                                      uint8_t secret[TRANSFORM_SEED_LEN], ward_train_config *out);
WARD_CHECK ward_status study_attack_settings(const struct study *study,
                                             const struct study_trials *trials,
                                             ward_attack_settings *out);

/* The run that an item is about; of a figure the first. */
const struct study_run *study_item_run(const struct study *study, const struct study_item *item);

/* ---- state.c ---- */

/* Look up everything. Nothing is written. */
WARD_CHECK ward_status study_look(struct study *study);
/* Look up again what doing this item may have changed. */
WARD_CHECK ward_status study_look_at(struct study *study, const struct study_item *item);
/* Bring done, share and missing of all items up to date. */
WARD_CHECK ward_status study_mark(struct study *study);
/* The name of a run's file: RUN/attacks/NAME.json, owned. */
WARD_CHECK ward_status study_attack_file(const struct study_trials *trials, char **out);
/*
 * Take the size of a figure's perturbations from untrusted text. WARD_ERR_FORMAT if it is not about
 * the networks that its runs made; *figure is then as it was.
 */
WARD_CHECK ward_status study_parse_facts(struct study_figure *figure, const char *text, size_t len);
/* Write them. */
WARD_CHECK ward_status study_write_facts(const struct study_figure *figure);
/* A text into a file that everyone may read, in place of what is there; the same is left alone. */
WARD_CHECK ward_status study_write_text(const char *path, const char *text);

/* ---- recorded.c ---- */

/*
 * Take what a run came to from untrusted text. WARD_ERR_EXISTS if it is not about the training that
 * is planned, WARD_ERR_FORMAT; *run is then as it was.
 */
WARD_CHECK ward_status study_parse_record(const struct study *study, struct study_run *run,
                                          const char *text, size_t len);
/* The same of results/RUN.json, if that is there; WARD_ERR_ARG in place of WARD_ERR_EXISTS. */
WARD_CHECK ward_status study_look_at_record(const struct study *study, struct study_run *run);

/* ---- estimate.c ---- */

/* Estimate the seconds that each item still takes; may measure the device. */
WARD_CHECK ward_status study_estimate(struct study *study);

/* ---- work.c ---- */

/* As ward_reproduction_run(), under the lock of the state directory. */
WARD_CHECK ward_status study_work(struct study *study, const ward_reproduce_options *options);

/* ---- provenance.c ---- */

/* The command that makes a run again, its secret seed included; owned: mem_free(). */
WARD_CHECK ward_status study_command(const struct study *study, const struct study_run *run,
                                     char **out);
/* Write results/RUN.json of every run that is evaluated. Of a run whose network is gone the file is
 * all that there is: it is left as it is. */
WARD_CHECK ward_status study_write_results(const struct study *study);

#endif
