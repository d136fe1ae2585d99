/*
 * The images that an adversary holds. Adversaries of one trial number hold the same ones whatever
 * their attack is, and those who hold more hold all that the others do.
 */
#ifndef ATTACK_HOLDINGS_H
#define ATTACK_HOLDINGS_H

#include "attack/redteam.h"

struct holdings {
    struct split images;     /* as many as the cell says */
    struct split unlabelled; /* others, of those who hold labels; otherwise empty */
};

/* The seed of all draws of an adversary. */
uint64_t holdings_seed(uint64_t seed, uint64_t trial);

/*
 * Out of a pool. Labelled images are drawn so that classes are as frequent as each other: whoever
 * pays for labels sees to that. Pairs are of the same images, so that one control serves for both.
 * holdings_release(), also after a failure.
 */
WARD_CHECK ward_status holdings_open(struct holdings *out, const struct split *pool,
                                     const ward_redteam_cell *cell, const struct budget *budget,
                                     uint64_t seed);
void holdings_release(struct holdings *holdings);

#endif
