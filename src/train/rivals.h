/*
 * Adversaries in the training loop (--harden): every few steps one is simulated against F as it is,
 * and F is trained against what he finds.
 *
 * He knows F, raw training images and, as a kind says, their labels; never G nor the key:
 *
 *   a pattern for all images, or a copy of the method `generator`, as a front of F, with labels or
 *   without (A3, A4 and A5 of docs/redteam.md); or fine-tuning of all of F, with labels (A6)
 *
 * In half of the cases his backward pass is another than F's (A15). Fronts go into a replay of past
 * ones, in turn; of the raw rows of each step the first ones are processed by one of these, so that
 * the raw term of the objective refuses them. Against fine-tuning, the gradient of the raw term at
 * the parameters that it led to is added to that at F's own: first order, no derivative goes
 * through his steps. F's batch-norm statistics do not change by any of it.
 *
 * All that is drawn is named by (seed, step), and the replay is part of a checkpoint.
 */
#ifndef TRAIN_RIVALS_H
#define TRAIN_RIVALS_H

#include "data/batch.h"
#include "protect/objective.h"
#include "train/rival.h"

enum {
    RIVAL_SLOTS = 4,   /* of the replay, for each of the structures */
    RIVAL_PATTERN = 0, /* structures of fronts */
    RIVAL_COPY,
    RIVAL_STRUCTURES
};

struct rivals_config {
    struct ward_device *device; /* kept */
    struct net_spec net;
    struct objective_config objective; /* rival_rows of it, and its raw term */
    struct batch_source images;        /* of the training: seed, crop and flip; its split is kept */
    size_t generator_width;
    float low, high; /* range of images */
    uint64_t steps;  /* an adversary's */
    uint64_t every;  /* steps of the training from one to the next */
};

/* Runs a front alone. */
struct rival_front {
    struct graph graph;
    struct plan *plan;
    int x, y;
};

struct rivals {
    struct rivals_config config; /* rival_rows 0: there are none, and nothing below is there */
    struct tensor_list *replay;  /* kept: fronts, "rival.SLOT.transform...", patterns first */
    struct tensor_list network;  /* F as the last adversary had it, or made it */
    struct tensor_list gradient; /* what the fine-tuned F says to F's parameters */
    bool has_gradient;           /* in this step */
    double loss_tuned;           /* the raw term there */
    struct epoch_order order;
    float *x;
    int32_t *labels;
    struct rival_front fronts[RIVAL_STRUCTURES];
};

/*
 * r is all zero; rivals_release() in any case.
 *
 *   network  F's parameters, borrowed: their names and shapes
 *   replay   kept; empty for a new training: then it gets fronts that nobody has trained
 *
 * WARD_ERR_FORMAT if a replay that is there does not fit; errors of plan_compile(); WARD_ERR_NOMEM.
 */
WARD_CHECK ward_status rivals_init(struct rivals *r, const struct rivals_config *config,
                                   const struct tensor_list *network, struct tensor_list *replay);
/* Wipes. All zero is fine, as for the functions below, which then do nothing. */
void rivals_release(struct rivals *r);

/* At the beginning of a step: simulate an adversary against the F of the plan, if one is due.
 * warms_up: the raw term is KL(U || q) whatever the objective says. One who diverges leaves
 * nothing. */
WARD_CHECK ward_status rivals_act(struct rivals *r, struct plan *plan, uint64_t step,
                                  bool warms_up);
/* Process the first rows of a batch x by a front of the replay, into `raw`. */
WARD_CHECK ward_status rivals_show(struct rivals *r, uint64_t step, const float *x, float *raw);
/* Add what a fine-tuned F said in this step to the gradient of the plan. */
WARD_CHECK ward_status rivals_add_gradient(struct rivals *r, struct plan *plan);

#endif
