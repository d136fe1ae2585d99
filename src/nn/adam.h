/*
 * Adam (Kingma and Ba 2015), as torch.optim.Adam computes it without decay:
 *   m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
 *   w -= rate * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon)
 * with b1 0.9, b2 0.999, epsilon 1e-8. It works in place on the packed parameters of a plan, whose
 * velocities are m. On one thread: it is meant for small networks.
 */
#ifndef NN_ADAM_H
#define NN_ADAM_H

#include "compute/plan.h"

struct adam {
    struct plan *plan; /* kept */
    float *squares;    /* v, of all trainable parameters in a row */
    size_t count;
    uint64_t step; /* t: steps made */
};

/* The velocities of the plan are zero. adam_release() on any that is all zero or initialised. */
WARD_CHECK ward_status adam_init(struct adam *adam, struct plan *plan);
/* Wipes. */
void adam_release(struct adam *adam);

/* One step by the gradients of the last backward pass. *is_finite (may be NULL) is set to whether
 * all updated weights are finite. */
void adam_step(struct adam *adam, float rate, bool *is_finite);

#endif
