/*
 * The joint objective of Chen & Wu, equation (3), as a graph:
 *
 *   E = alpha E_p + beta E_r + gamma |x_p - x_r|^2
 *
 *   E_p  cross entropy of F(x_p)                         (equation 1)
 *   E_r  softmax probability of the true class of F(x_r) (equation 2 as its text means it)
 *
 * each averaged over its rows. Both halves run through F as one concatenated batch, so they share
 * batch-norm statistics, or as two uses of F with statistics of their own (only the processed half
 * then feeds the running statistics).
 */
#ifndef PROTECT_OBJECTIVE_H
#define PROTECT_OBJECTIVE_H

#include "nn/net.h"
#include "protect/transform.h"

struct objective_config {
    size_t batch;          /* training images a step */
    size_t raw_rows;       /* of which the first raw_rows are also shown raw; 0 leaves E_r out */
    float alpha, beta, gamma;
    bool has_uniform;      /* KL(U || q) of the raw images as well, at weight 0: see loss_uniform */
    bool separates_bn;     /* two uses of F instead of one concatenated batch */
};

/* Node numbers in the graph; -1 where there is none (baseline has neither x_p nor raw rows). */
struct objective {
    int x;           /* input: raw images [batch, c, h, w] */
    int labels;      /* [batch] */
    int raw;         /* input: the first raw_rows images again; x itself if that is all of them */
    int raw_labels;  /* theirs; labels itself if that is all of them */
    int processed;   /* x_p */
    int logits;      /* [batch (+ raw_rows), k]: processed rows first; separate: processed only */
    int raw_logits;  /* separate statistics: [raw_rows, k]; otherwise -1 */
    int loss_processed, loss_raw, loss_distance;
    int loss_uniform;    /* KL from uniform of the raw rows, with has_uniform; its weight starts at 0 */
};

/*
 * Build the training graph in g, which is empty. transform NULL gives the baseline: alpha times the
 * cross entropy of F(x), without raw rows. Specs have been checked (net_init, transform_check).
 * WARD_ERR_ARG for more raw rows than images, or images that do not fit; WARD_ERR_NOMEM.
 */
WARD_CHECK ward_status objective_build(struct graph *g, const struct net_spec *net,
                                       const struct transform_spec *transform,
                                       const struct objective_config *config,
                                       struct objective *out);

/* Write a batch into all inputs of the plan that take it: x [batch, c, h, w], labels [batch]. */
void objective_fill(const struct objective *o, struct plan *plan, const float *x,
                    const int32_t *labels);

#endif
