/*
 * The joint objective of Chen & Wu, equation (3), as a graph:
 *
 *   E = alpha E_p + beta E_r + gamma |x_p - x_r|^2
 *
 *   E_p  cross entropy of F(x_p)                         (equation 1)
 *   E_r  softmax probability of the true class of F(x_r) (equation 2 as its text means it)
 *
 * or, is_chance, one that asks for less and gives less away, for F that is wrong on purpose knows
 * the label, too: with U the uniform distribution, q = softmax(F) and T_K' the transform under
 * wrong keys
 *
 *   E = alpha E_p + beta KL(U || q(x_r)) + wrong_weight KL(U || q(T_K'(x_r))) + gamma |x_p - x_r|^2
 *
 * and to either the cross entropy with a teacher's answers, both softened by a temperature T, may
 * be added, times T^2 (Hinton et al. 2015).
 *
 * Each is averaged over its rows. All rows run through F as one concatenated batch, so they share
 * batch-norm statistics, or each kind as a use of F with statistics of its own (only the processed
 * half then feeds the running statistics).
 */
#ifndef PROTECT_OBJECTIVE_H
#define PROTECT_OBJECTIVE_H

#include "base/util.h"
#include "nn/net.h"
#include "protect/transform.h"

/* Images of a step of an adversary whom the caller simulates (train/rivals.h), for a batch of F's:
 * no more than half of it, but two if it has them, which batch norm by the batch takes. */
enum { RIVAL_BATCH = 64 };

static inline size_t rival_batch(size_t batch)
{
    return min_size(RIVAL_BATCH, min_size(batch, max_size(batch / 2, 2)));
}

struct objective_config {
    size_t batch;    /* training images a step */
    size_t raw_rows; /* of which the first raw_rows are also shown raw; 0 leaves E_r out */
    float alpha, beta, gamma;
    bool has_uniform;  /* KL(U || q) of the raw images as well, at weight 0: see loss_uniform */
    bool separates_bn; /* a use of F each instead of one concatenated batch */
    bool is_chance;
    size_t wrong_rows; /* chance: images that are also shown under a wrong key, 0 .. batch */
    float wrong_weight;
    float teacher_weight; /* 0: no teacher */
    float temperature;
    size_t rival_rows; /* of the raw rows, those that the caller lets adversaries change */
    /* The caller changes raw rows, those or others: they are an input of their own, which no other
     * rows share. Needed with rival_rows. */
    bool changes_raw;
};

/* Node numbers in the graph; -1 where there is none (baseline has neither x_p nor raw rows). */
struct objective {
    int x;      /* input: raw images [batch, c, h, w] */
    int labels; /* [batch] */
    /* Input: the first raw_rows images again; x itself if that is all of them and no row is an
     * adversary's. */
    int raw;
    int raw_labels; /* theirs; labels itself if raw is x */
    int processed;  /* x_p */
    int logits;     /* [batch (+ raw_rows), k]: processed rows first; separate: processed only */
    int raw_logits; /* separate statistics: [raw_rows, k]; otherwise -1 */
    int loss_processed, loss_raw, loss_distance; /* raw: E_r or KL, as the objective has it */
    int loss_uniform; /* with has_uniform: KL(U || q) of the raw rows; its weight starts at 0 */
    int wrong;        /* input: the first wrong_rows images again; raw or x if as many */
    /* Separate statistics: [wrong_rows, k]; otherwise -1, and the last rows of logits. */
    int wrong_logits;
    int loss_wrong;
    int targets; /* input: the teacher's probabilities at that temperature [batch, k] */
    int loss_teacher;
    int rival_labels; /* of the first rival_rows raw rows; -1 unless loss_rival takes labels */
    int loss_rival;   /* loss_raw of those rows alone, at weight 0 */
};

/*
 * Build the training graph in g, which is empty. transform NULL gives the baseline: alpha times the
 * cross entropy of F(x), without raw rows. Specs have been checked (net_init, transform_check).
 * WARD_ERR_ARG for more raw or wrong rows than images, wrong keys of a transform without any, or
 * images that do not fit; WARD_ERR_NOMEM.
 */
WARD_CHECK ward_status objective_build(struct graph *g, const struct net_spec *net,
                                       const struct transform_spec *transform,
                                       const struct objective_config *config,
                                       struct objective *out);

/* Append what raw rows are trained by, whose labels are `labels` (-1: is_chance needs none): E_r,
 * or KL(U || q). Returns its node. */
int objective_raw_loss(struct graph *g, bool is_chance, int logits, int labels, size_t row0,
                       size_t rows, float weight);

/*
 * The tables of a step's wrong key, in an empty list, owned: parameters of the graph like any
 * others. None if no image is shown under one. WARD_ERR_NOMEM.
 */
WARD_CHECK ward_status objective_wrong_key(const struct objective *o, const struct transform *t,
                                           uint64_t seed, uint64_t step, struct tensor_list *out);

/* Load them into a plan whose other parameters are loaded. */
WARD_CHECK ward_status objective_load_wrong_key(const struct objective *o, struct plan *plan,
                                                const struct transform *t, uint64_t seed,
                                                uint64_t step);

/* Write a batch into all inputs of the plan that take it: x [batch, c, h, w], labels [batch]. The
 * targets are the caller's to fill in. */
void objective_fill(const struct objective *o, struct plan *plan, const float *x,
                    const int32_t *labels);

#endif
