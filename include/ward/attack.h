/*
 * Attacking a run: what somebody who holds F, and more or less besides, reaches without G. The
 * attacks are the paper's (Chen & Wu, section 4, Table 3):
 *
 *   "direct"      F on raw images
 *   "input-only"  the adversary knows how patterns of method `fixed` are drawn, and adds one of
 *                 his own draw to every raw image
 *   "pair"        the adversary holds pairs of raw and processed training images. Against
 *                 `generator` he knows the structure of G and fits a fresh one to them; against
 *                 `fixed` and `learned` he takes the difference of one pair
 *
 * An attack is made of trials. A trial follows from the attack's settings and its own number alone:
 * not from other trials, threads, or when it is made.
 */
#ifndef WARD_ATTACK_H
#define WARD_ATTACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ward/run.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What of the settings an attack takes: bits. */
enum ward_attack_uses {
    WARD_ATTACK_USES_TRIALS = 1, /* otherwise there is one and the same trial */
    WARD_ATTACK_USES_SEED = 2,
    WARD_ATTACK_USES_PATTERN = 4, /* sigma and p */
    WARD_ATTACK_USES_PAIRS = 8,
    WARD_ATTACK_USES_FIT = 16 /* steps and rate */
};

/* Fill it with ward_attack_defaults(), then change what is wanted. */
typedef struct ward_attack_settings {
    const char *attack; /* a name; borrowed, or a constant of the library */
    unsigned uses;      /* of ward_attack_uses; what is not used is ignored */
    uint64_t trials;    /* 1 .. 100,000 */
    uint64_t seed;      /* public: all that the adversary draws; at most 2^53 */
    double sigma, p;    /* of the patterns that he adds: entries are sigma (above 0) and -sigma with
                           probability p (0 .. 0.5) each, otherwise 0 */
    double pairs;       /* the share of the training images of which he holds pairs, above 0 .. 1 */
    uint64_t steps;     /* of fitting, at most; 1 .. 10,000,000. It ends earlier on a plateau */
    double rate;        /* learning rate of fitting, above 0 */
} ward_attack_settings;

/* The i-th name of an attack, NULL past the end. */
WARD_API const char *ward_attack_name(size_t i);

/*
 * Fill in an attack's settings for a run; the paper's, or, where it is silent, our own.
 *
 * WARD_ERR_ARG for an unknown name, an attack that makes no sense against the run's method, or one
 * that needs G, which makes the pairs, where G is missing.
 */
WARD_API WARD_CHECK ward_status ward_attack_defaults(ward_attack_settings *settings,
                                                     const char *attack, const ward_run *run);

/*
 * Fill in the settings of the i-th attack of a suite, among those that are possible on this run.
 *
 *   suite     "paper": direct, input-only, and pair (on `generator` with 10, 50 and 100 % of pairs)
 *   settings  untouched past the end
 *   is_there  false past the end
 *
 * WARD_ERR_ARG for an unknown suite.
 */
WARD_API WARD_CHECK ward_status ward_attack_suite(ward_attack_settings *settings, const char *suite,
                                                  size_t i, const ward_run *run, bool *is_there);
/* The i-th name of a suite, NULL past the end. */
WARD_API const char *ward_attack_suite_name(size_t i);

/* What the adversary saw while he fitted: the error after so many steps. */
typedef struct ward_attack_point {
    uint64_t step;
    double error;
} ward_attack_point;

typedef struct ward_attack_trial {
    uint64_t number; /* from 0 */
    uint64_t seed;   /* of all its draws; follows from the attack's seed and the number */
    double accuracy; /* on the test images, a fraction */
    double seconds;  /* of one thread; of an attack with one trial only: of all threads */
    uint64_t steps;  /* of fitting; 0: there was none, nor is there what follows */
    double error;    /* mean squared error on pairs held out from fitting, the lowest one: that of
                        the G' that was kept */
    size_t point_count;
    ward_attack_point *curve; /* [point_count] errors on those pairs while he fitted; owned */
} ward_attack_trial;

typedef struct ward_attack_result {
    ward_attack_settings settings; /* settings.attack is a constant */
    /* Of the trials' accuracies; sd is the sample's, NaN of one trial. best is chosen by the test
     * images, as in the paper: no adversary could. */
    double mean, sd, best;
    /* The accuracy of the trial whose error is lowest, which the adversary can choose; NaN without
     * fitting. */
    double chosen;
    double authorised; /* of the run, on the same images: see ward_evaluation */
    double unauthorised;
    double chance;
    size_t count;      /* test images */
    size_t pair_count; /* pairs that the adversary holds, 0: none */
    size_t trial_count;
    ward_attack_trial *trials; /* in order of their numbers; owned */
    const char *note;          /* how to read it, a constant */
    char *json;                /* the same as one line of JSON: docs/formats.md; owned */
} ward_attack_result;

/* A result that is all zero is fine. */
WARD_API void ward_attack_result_release(ward_attack_result *result);

typedef struct ward_attack_progress {
    const ward_attack_settings *settings;
    uint64_t done, trials;  /* of this attack */
    double seconds_a_trial; /* with those side by side that there are; NaN: not known yet */
    double seconds_left;    /* NaN: not known yet */
    const char *event;      /* NULL, or one line: "12 trials are there already" */
} ward_attack_progress;

/* Return false to stop: finished trials are kept and ward_attack() returns WARD_ERR_STOPPED. Called
 * from the thread that called ward_attack(), several times a second. */
typedef bool ward_attack_callback(void *context, const ward_attack_progress *progress);

typedef struct ward_attack_options {
    /* Where finished trials are kept, one file an attack, so that an attack that was stopped or
     * killed goes on; created. NULL: nowhere. */
    const char *directory;
    bool replaces; /* start afresh where a file is there already */
    /* An earlier result of the same run and data, whose authorised and unauthorised are taken over;
     * NULL: they are measured. */
    const ward_attack_result *reference;
    ward_attack_callback *progress; /* may be NULL */
    void *context;
} ward_attack_options;

/*
 * Attack a run, and measure on the test images of a data set. As many trials run side by side as
 * there are threads (ward_set_threads()), each on one thread; the only trial of an attack that has
 * but one gets all threads.
 *
 * Nothing that gives G away is written or returned; a fitted G' is wiped when its trial ends.
 *
 *   run, device, data, settings, options  borrowed
 *   out                                   written only on success; free with
 *                                         ward_attack_result_release()
 *
 * WARD_ERR_ARG as ward_attack_defaults(), for settings out of range, or data that does not fit the
 * run; WARD_ERR_EXISTS the file of this attack holds trials of other settings or another model;
 * WARD_ERR_BUSY another process works in the directory; WARD_ERR_STOPPED; WARD_ERR_NUMERIC;
 * WARD_ERR_IO; WARD_ERR_FORMAT the file is damaged; WARD_ERR_NOMEM; WARD_ERR_DEVICE.
 */
WARD_API WARD_CHECK ward_status ward_attack(const ward_run *run, ward_device *device,
                                            const ward_dataset *data,
                                            const ward_attack_settings *settings,
                                            const ward_attack_options *options,
                                            ward_attack_result *out);

#ifdef __cplusplus
}
#endif
#endif
