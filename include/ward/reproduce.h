/*
 * Reproducing the paper: the trainings behind Table 2 (four networks, four methods, several seeds),
 * the attacks of Table 3, and both cases of Figure 2, planned, done and put beside the paper's
 * numbers.
 *
 * All of it lives in a state directory: ordinary runs named RECIPE-DATA-ARCH-METHOD-SEED with their
 * evaluation and attacks in them, figures, and what follows from these: tables.json, tables.md,
 * results/RUN.json, report.html, report.md (docs/formats.md, section 8). What is done there is not
 * done again and what was stopped or killed, at whatever moment, goes on; the tables come out the
 * same.
 *
 * Results outlive networks. A run of which neither model.safetensors nor config.json is there
 * counts as trained and evaluated if results/RUN.json is about the training that is planned, and
 * attacks and figures count as far as they are about the network that it names. So networks may be
 * deleted, and results carried to another machine. A network is trained again only for attacks and
 * figures that are asked for and not finished. If it comes out another one, as on another
 * processor, it is what counts from then on: all that was found of the earlier one is made again.
 *
 * The runs can be repeated by everyone: the seed that G of a run NAME is drawn from is the SHA-256
 * of the text "ward/reproduce/v1/NAME". So they are marked as reproducible, and are no secret.
 */
#ifndef WARD_REPRODUCE_H
#define WARD_REPRODUCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ward/device.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What is to be reproduced: bits. */
enum ward_reproduce_targets {
    WARD_REPRODUCE_TABLE2 = 1,
    WARD_REPRODUCE_TABLE3 = 2,
    WARD_REPRODUCE_FIGURE2 = 4,
    WARD_REPRODUCE_ALL = 7
};

/* All zero but for targets and recipe is fine. Strings are borrowed for the call. */
typedef struct ward_reproduce_config {
    unsigned targets;
    const char *recipe; /* "paper", "fast" or "demo" */
    const char *state; /* the state directory; NULL: reproduce in the user's data folder for ward */
    /* Of each network: 1 .. seeds, at most 100; 0: 3 for simple-cnn and 2 for resnet20 on
     * Fashion-MNIST, otherwise 1. */
    uint64_t seeds;
    /* Of a training, and of fitting in an attack, at most; 0: the recipe's. Results are marked as
     * shortened, like those of `trials`. */
    uint64_t iterations;
    uint64_t trials;    /* of a repeated attack; 0: 100 */
    bool skips_missing; /* leave out what needs a data set that is not on this machine */
    /* Leave out runs, attacks on them and figures of them that lack this text in the runs' names;
     * NULL: nothing. The tables show all that the state has. */
    const char *only;
} ward_reproduce_config;

/* A plan, and how far it is done. One thread at a time. */
typedef struct ward_reproduction ward_reproduction;

/*
 * Plan, and look up what is done. Nothing is written and nothing locked.
 *
 *   out     owned: ward_reproduction_close(); written only on success
 *   device  kept; its speed is measured for about a second if the state directory does not tell it
 *
 * WARD_ERR_ARG for an unknown recipe, no or unknown targets, numbers out of range, nothing left by
 * `only`, or if the state directory has a run, an attack, or the result of a run whose network is
 * not there, with other settings than planned; WARD_ERR_FORMAT, WARD_ERR_IO if it has a damaged or
 * unreadable one; WARD_ERR_DEVICE, WARD_ERR_NOMEM.
 */
WARD_API WARD_CHECK ward_status ward_reproduction_open(ward_reproduction **out, ward_device *device,
                                                       const ward_reproduce_config *config);
/* NULL is fine. */
WARD_API void ward_reproduction_close(ward_reproduction *reproduction);

/* The state directory. */
WARD_API const char *ward_reproduction_state(const ward_reproduction *reproduction);
/* The i-th data set that is planned with and not on this machine, NULL past the end. */
WARD_API const char *ward_reproduction_missing(const ward_reproduction *reproduction, size_t i);

typedef enum ward_reproduce_kind {
    WARD_REPRODUCE_TRAIN,
    WARD_REPRODUCE_EVALUATE,
    WARD_REPRODUCE_ATTACK,
    WARD_REPRODUCE_FIGURE
} ward_reproduce_kind;

/* "train", "evaluate", "attack", "figure"; NULL for a value outside the enumeration. */
WARD_API const char *ward_reproduce_kind_name(ward_reproduce_kind kind);

typedef enum ward_reproduce_basis {
    WARD_REPRODUCE_FROM_STATE, /* from what was done here, on this device and as many threads */
    WARD_REPRODUCE_FROM_MEASUREMENT /* from a short measurement and what such work takes compared */
} ward_reproduce_basis;

/* One thing to do, after all that it needs. Strings are the reproduction's. */
typedef struct ward_reproduce_item {
    ward_reproduce_kind kind;
    const char *run;    /* the run's name; of a figure its own */
    const char *attack; /* "pair, 10 % of pairs"; NULL unless it is an attack */
    bool is_done;
    bool is_missing;            /* the data set is not on this machine */
    double share;               /* done, 0 .. 1 */
    double seconds;             /* left, by estimate; 0 if done */
    ward_reproduce_basis basis; /* of the estimate */
} ward_reproduce_item;

WARD_API size_t ward_reproduction_count(const ward_reproduction *reproduction);
/* i below ward_reproduction_count(), in the order in which they are done. */
WARD_API void ward_reproduction_item(const ward_reproduction *reproduction, size_t i,
                                     ward_reproduce_item *out);

typedef struct ward_reproduce_progress {
    size_t item;         /* which is under way */
    double share;        /* of it that is done, 0 .. 1 */
    double seconds_left; /* of all that is left, by estimate */
    const char *event;   /* NULL, or one line: "checkpoint written" */
} ward_reproduce_progress;

/* Return false to stop: ward_reproduction_run() returns WARD_ERR_STOPPED. Called often, from the
 * thread that called it; must be quick. */
typedef bool ward_reproduce_callback(void *context, const ward_reproduce_progress *progress);

typedef struct ward_reproduce_options {
    double budget; /* seconds after which to end, with what was begun saved; 0: no limit */
    ward_reproduce_callback *progress; /* may be NULL */
    void *context;
} ward_reproduce_options;

/*
 * Do what is left, and write the tables, results and (unless stopped) reports. Results and reports
 * are of the runs whose networks are there; results of others are left as they are. The state
 * directory is made if need be, and locked meanwhile. Trials on an earlier network of a run are
 * kept as NAME.json.ID, with the first 12 digits of its model_id. Data sets are checked against
 * their published sums, unless results are shortened. Figures show G; they get mode 0600.
 *
 * WARD_OK if all is done, or the budget is spent: then items are left that are neither done nor
 * missing. WARD_ERR_IO if a data set is missing and was not to be left out; WARD_ERR_EXISTS if an
 * attack there has other settings; WARD_ERR_BUSY if another process works in the state directory;
 * WARD_ERR_STOPPED; otherwise as ward_train(), ward_evaluate(), ward_attack(), ward_figure(),
 * ward_data_verify() and ward_report_new().
 */
WARD_API WARD_CHECK ward_status ward_reproduction_run(ward_reproduction *reproduction,
                                                      const ward_reproduce_options *options);

/*
 * The tables as they are now: as one line of JSON, or as Markdown.
 *
 *   out  owned: ward_string_free()
 *
 * WARD_ERR_NOMEM.
 */
WARD_API WARD_CHECK ward_status ward_reproduction_json(const ward_reproduction *reproduction,
                                                       char **out);
WARD_API WARD_CHECK ward_status ward_reproduction_markdown(const ward_reproduction *reproduction,
                                                           char **out);

#ifdef __cplusplus
}
#endif
#endif
