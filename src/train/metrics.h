/*
 * The numbers that a training shows: of one step, their running means, and the lines of
 * metrics.jsonl. Nothing here influences the training.
 */
#ifndef TRAIN_METRICS_H
#define TRAIN_METRICS_H

#include "base/json.h"
#include "protect/objective.h"

/* Of one step, or means of steps; what a baseline has not is 0. */
struct measure {
    double loss_processed, loss_raw, loss_wrong, distance;
    double loss_rival;                       /* what is in loss_raw of adversaries' rows */
    double loss_tuned;                       /* of a step: negative if there is none */
    double accuracy_processed, accuracy_raw; /* fractions */
};

/* All zero to begin with, but for the validation. Part of a checkpoint. */
struct metrics {
    double weight;       /* of all steps so far in sum: nearly 1 after a few hundred */
    double tuned_weight; /* of those with a loss_tuned */
    struct measure sum;  /* weighted, recent steps most */
    double validation_processed, validation_raw; /* fractions; negative: none */
    double seconds;                              /* of training, over all its parts */
};

void metrics_init(struct metrics *m);
/* Read off the last forward pass of a plan compiled from the objective. */
struct measure measure_step(struct plan *plan, const struct objective *objective);
/* Whether all losses are finite. */
bool measure_is_finite(const struct measure *measure);

void metrics_add(struct metrics *m, const struct measure *step);
struct measure metrics_mean(const struct metrics *m);

/* Rows of logits [rows, classes] whose largest value is that of their label; those with a value
 * that is not finite are wrong. */
size_t count_correct(const float *logits, const int32_t *labels, size_t rows, size_t classes);

/* As an object in a checkpoint, exactly. *out is owned; what is read has been checked. */
WARD_CHECK ward_status metrics_to_json(const struct metrics *m, json_t **out);
WARD_CHECK ward_status metrics_from_json(struct metrics *m, const json_t *object);

/* Set in `line` the running means, without those that a baseline has not. */
WARD_CHECK ward_status metrics_describe(const struct metrics *m, const struct objective *objective,
                                        json_t *line);

#endif
