/*
 * One training under way, and what its files need of each other:
 *
 *   open.c     everything up to the first step: settings, data, networks, plans, a checkpoint
 *   save.c     what is written while and after it runs
 *   trainer.c  the loop, and ward_train()
 *
 * What is saved lives in struct checkpoint; between checkpoints the plan holds newer values of the
 * parameters and velocities.
 */
#ifndef TRAIN_TRAINER_H
#define TRAIN_TRAINER_H

#include "base/util.h"
#include "data/batch.h"
#include "key/seal.h"
#include "model/checkpoint.h"
#include "model/run_dir.h"
#include "protect/objective.h"
#include "train/erasure.h"
#include "train/leaked.h"
#include "train/metrics.h"
#include "train/rivals.h"
#include "train/teacher.h"
#include "train/validator.h"
#include "ward/train.h"

struct trainer {
    ward_device *device;               /* borrowed */
    const ward_train_options *options; /* borrowed */
    struct run_config config;          /* resolved; strings are borrowed or its own */
    struct run_dir dir;
    int lock;         /* of the directory; -1: none */
    bool is_resumed;  /* the directory held a run to go on with */
    bool is_complete; /* that run has no more to do: nothing below is there */

    ward_dataset *data;
    struct split train, held_out;
    struct checkpoint saved;
    struct grant_list grants; /* whom G will be sealed to besides the owner */
    struct seal seal;         /* of G's files; if is_sealed */
    bool is_sealed;
    struct net origin; /* what F goes on from; all zero if from nothing */
    struct graph graph;
    struct objective objective;
    struct plan *plan;
    struct validator validator; /* all zero without validation */
    struct teacher teacher;     /* all zero without */
    struct leaked leaked;       /* all zero unless a transform has leaked */
    struct rivals rivals;       /* all zero unless adversaries are simulated */
    struct loader *loader;

    struct erased erased; /* what was, once the last step is done */
    struct metrics metrics;
    uint64_t first_step;           /* of this part of the training */
    double seconds_before;         /* of the parts before */
    double start, last_checkpoint; /* clock_seconds() */
    struct pace pace;              /* of the steps of this part */
    bool is_stopping;              /* the callback asked for it */
};

/* trainer_close() in any case. Nothing has been written if this fails before a lock is held. */
WARD_CHECK ward_status trainer_open(struct trainer *t, ward_device *device,
                                    const ward_train_config *config,
                                    const ward_train_options *options);
void trainer_close(struct trainer *t);

/* To whom files that hold G are sealed; NULL: to none. */
static inline const struct seal *trainer_seal(const struct trainer *t)
{
    return t->is_sealed ? &t->seal : NULL;
}

static inline bool trainer_has_transform(const struct trainer *t)
{
    return t->config.values.method != WARD_METHOD_BASELINE;
}

/* Whether the network that is written is not that of the last step, and images are held out. */
static inline bool trainer_validates_again(const struct trainer *t)
{
    return t->config.values.erased_axes > 0 && t->held_out.count > 0;
}

/* Copy parameters and velocities out of the plan into t->saved. */
WARD_CHECK ward_status trainer_collect(struct trainer *t);
/* Write a checkpoint of the steps done. */
WARD_CHECK ward_status trainer_checkpoint(struct trainer *t);
/* Append the line that starts a part of the training: what trains from here on. */
WARD_CHECK ward_status trainer_log_part(struct trainer *t);
/* Append a line of running means to metrics.jsonl; with the last validation if `validated`. */
WARD_CHECK ward_status trainer_log(struct trainer *t, bool validated);
/* Measure t->saved on the images held out. */
WARD_CHECK ward_status trainer_validate(struct trainer *t);
/* Names and range of the data set, as the network's file is going to have them. WARD_ERR_ARG if it
 * cannot have them. */
WARD_CHECK ward_status trainer_describe(const struct trainer *t, struct model *m);
/* Write the results and remove the checkpoint. A kill at any moment of it can be resumed. */
WARD_CHECK ward_status trainer_finish(struct trainer *t);

#endif
