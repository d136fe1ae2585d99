/*
 * One simulated adversary: he has F and raw images, and trains a front of F, or F itself, by Adam
 * for a few steps. Or, with the other loss, the look that the owner takes at what became of F.
 */
#ifndef TRAIN_RIVAL_H
#define TRAIN_RIVAL_H

#include "nn/adam.h"
#include "nn/net.h"
#include "protect/transform.h"

enum rival_loss {
    RIVAL_LABELS,  /* cross entropy */
    RIVAL_INFOMAX, /* confident and diverse answers: needs no labels */
    RIVAL_CHANCE,  /* the owner's: KL(U || q) */
    RIVAL_REFUSED  /* the owner's: E_r */
};

struct rival_spec {
    struct net_spec net;
    struct transform_spec front; /* what is trained, while F runs as it is; baseline: F is trained,
                                    with batch norm by the batch, and dropout */
    size_t batch;
    enum rival_loss loss;
    float weight; /* of the loss */
    float leak;   /* as net_use.let_through: another backward pass through F */
};

struct rival {
    struct graph graph;
    struct plan *plan;
    struct adam adam;
    int x, labels, loss; /* nodes; labels -1: none are needed */
};

/*
 * rival is all zero; rival_close() in any case. lists: parameters of F and the front, borrowed.
 * Errors of plan_compile() and params_load(); WARD_ERR_NOMEM.
 */
WARD_CHECK ward_status rival_open(struct rival *rival, struct ward_device *device,
                                  const struct rival_spec *spec,
                                  const struct tensor_list *const *lists, size_t count);
/* Wipes. All zero is fine. */
void rival_close(struct rival *rival);

/* The loss on a batch, and its gradient in the plan; y has a label for each image. */
WARD_CHECK ward_status rival_look(struct rival *rival, const float *x, const int32_t *y,
                                  double *loss);
/* That, and a step against it. *is_finite is set to whether the loss was and all parameters are. */
WARD_CHECK ward_status rival_step(struct rival *rival, const float *x, const int32_t *y, float rate,
                                  bool *is_finite);

#endif
