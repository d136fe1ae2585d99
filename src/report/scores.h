/*
 * What was measured on a run: eval.json, which this room keeps in it, and the results of attacks,
 * attacks/NAME.json. docs/formats.md, sections 6 and 7. Both are bound to a network by model_id.
 */
#ifndef REPORT_SCORES_H
#define REPORT_SCORES_H

#include <stdbool.h>

#include "base/json.h"
#include "model/model.h"
#include "ward/run.h"

/* Of any result: WARD_ERR_FORMAT for another 'format_version', and for no 'model_id'. */
WARD_CHECK ward_status scores_check_version(const json_t *object, uint64_t known);
WARD_CHECK ward_status scores_get_id(const json_t *object, char out[MODEL_ID_LEN + 1]);

/* Accuracies on the test images, as fractions; NaN: none. */
struct evaluation {
    char model_id[MODEL_ID_LEN + 1];
    double count; /* images */
    double authorised, unauthorised;
    ward_interval authorised_ci, unauthorised_ci; /* where the accuracy is not NaN */
};

/* Untrusted text. WARD_ERR_FORMAT. */
WARD_CHECK ward_status evaluation_parse(struct evaluation *out, const char *text, size_t len);
/* The same of an object that is part of another file, whose version speaks for it. */
WARD_CHECK ward_status evaluation_from_json(struct evaluation *out, const json_t *object);
/* *is_there is false if the file is not there; then *out is untouched. */
WARD_CHECK ward_status evaluation_read(struct evaluation *out, const char *path, bool *is_there);
/* Replaces what is there. Public. */
WARD_CHECK ward_status evaluation_write(const struct evaluation *evaluation, const char *path);

enum { ATTACK_NAME_LEN = 32, ATTACK_CURVES = 12 };

/* The error of fitting in the course of one trial. */
struct attack_curve {
    size_t count;
    double *step, *error; /* count of each; owned, one block */
};

struct attack_scores {
    char attack[ATTACK_NAME_LEN]; /* "pair" */
    char model_id[MODEL_ID_LEN + 1];
    double pairs;   /* the share of training images of which pairs are held; NaN: none */
    double wanted;  /* trials that were asked for; fewer may be finished */
    double seconds; /* of all trials */
    double chosen;  /* accuracy of the trial that the adversary can choose; NaN: none */
    size_t trial_count;
    double *accuracy;   /* [trial_count], fractions; owned */
    size_t curve_count; /* at most ATTACK_CURVES: the first ones */
    struct attack_curve curves[ATTACK_CURVES];
    char *settings; /* options of ward attack that make it again: "--attack pair ..."; owned */
    char *alike;    /* the same but for trials and seed: attacks of one kind have one; owned */
};

enum { SCORES_MAX_FILE = 1 << 28 }; /* bytes */

/* Untrusted text; *out is all zero. WARD_ERR_FORMAT. */
WARD_CHECK ward_status attack_scores_parse(struct attack_scores *out, const char *text, size_t len);
WARD_CHECK ward_status attack_scores_read(struct attack_scores *out, const char *path);
/* All zero is fine. */
void attack_scores_release(struct attack_scores *scores);

#endif
