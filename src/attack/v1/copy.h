/* What attacks on pairs have in common: a copy of G, of any structure, fitted to them. */
#ifndef ATTACK_V1_COPY_H
#define ATTACK_V1_COPY_H

#include "attack/search.h"

/* To what G makes of the images (A8); to that, and to what F says of it (A9). */
extern const struct search_loss copy_distance;
extern const struct search_loss copy_through;

/* A copy to be fitted. */
struct copy {
    const struct search_loss *loss; /* one of those above, or any that needs no context */
    size_t width;                   /* of a copy with G's architecture */
    size_t block; /* or, not 0: a linear map of blocks of so many pixels on a side */
    double rate;
    float weight; /* of the mean squared error */
    uint32_t restart;
    float leak; /* as struct search has it */
};

/* Draw it, fit it, offer it. */
WARD_CHECK ward_status copy_try(struct thief *thief, const struct copy *copy);

/* The i-th size of blocks that images of this size are made of; 0 past the end. */
size_t copy_block(const struct net_spec *image, size_t i);

#endif
