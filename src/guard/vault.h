/*
 * G where the guard keeps it: its values in guarded memory that nobody can write to any more, and
 * the few images that it is applied to in other guarded memory, both locked. The graph that
 * protect/ builds is followed step by step (step.h), by kernels that are compiled ahead of time, so
 * that no code is made while G is there, and without a system call.
 *
 * Equal, bit for bit, to what a plan of the device "cpu" computes for the same image where that
 * uses the same kernels: where the width of a generator or of a front is a multiple of 16 (without
 * AVX-512: of 8), and wherever there is neither.
 */
#ifndef GUARD_VAULT_H
#define GUARD_VAULT_H

#include "guard/step.h"
#include "protect/transform.h"

struct vault {
    struct secret values; /* what is made of the parameters; read only */
    struct secret room;   /* x, y and what lies between */
    size_t len;           /* floats of an image */
    size_t rows;          /* images that there is room for */
    float *x, *y;         /* images, and G of them; [rows, len] */
    struct step *steps;   /* in order; owned */
    size_t step_count;
    float **at; /* by node of the graph, where its value lies; owned */
    int result; /* node */
};

/*
 * Copy a transform's values; the transform itself is left to its owner to wipe.
 *
 * WARD_ERR_ARG for a transform with an operator that the guard does not know; WARD_ERR_NOMEM, also
 * if not enough memory may be locked (RLIMIT_MEMLOCK).
 */
WARD_CHECK ward_status vault_init(struct vault *vault, const struct transform *transform);
/* y = G(x) for the first n images, n <= rows. On this thread alone. */
void vault_apply(struct vault *vault, size_t n);
/* Wipes. All zero is fine. */
void vault_release(struct vault *vault);

#endif
