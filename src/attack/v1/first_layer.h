/*
 * F's first layer, beside raw images: the directions in which the one is strongest, and the
 * principal axes of the others.
 */
#ifndef ATTACK_V1_FIRST_LAYER_H
#define ATTACK_V1_FIRST_LAYER_H

#include "attack/redteam.h"

struct align {
    struct thief *thief;
    struct graph graph;                 /* of F */
    const struct op_desc *layer, *norm; /* the first with weights; its batch norm or NULL */
    size_t block; /* the side of the blocks whose values are the channels of a 1x1 layer; or 1 */
    const char *weight_name;
    const struct tensor *weight; /* [outs, ins] */
    size_t outs, ins, points, r;
    float *x;              /* [points, ins]: images or patches, around zero */
    double *mean;          /* [ins]: theirs */
    double *axes, *spread; /* [r, ins], [r]: their axes, deviations along them */
    double *directions;    /* [r, ins]: of the layer */
    double *seen;          /* [outs, r]: what the layer makes of its directions */
    double *signs;         /* [r]: 1 or -1, of each axis along its direction */
};

/* Without what has r in it. align_close(), also after a failure. */
WARD_CHECK ward_status align_look(struct align *align, struct thief *thief);
/* With axes and directions, too, that many as the budget says. align_close() as well. */
WARD_CHECK ward_status align_open(struct align *align, struct thief *thief);
void align_close(struct align *align);

void align_draw_signs(struct align *align, uint32_t use);
/* Turn each sign over where that brings the mean of what the layer makes of images nearer to the
 * running mean of the batch norm behind it, which is there. WARD_ERR_NOMEM. */
WARD_CHECK ward_status align_fit_signs(struct align *align);
/* Where the mean of the images lies along axis i. */
double align_mean_along(const struct align *align, size_t i);

#endif
