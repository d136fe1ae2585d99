/*
 * Stochastic gradient descent with momentum, as torch.optim.SGD computes it:
 *   g += decay * w;  v = momentum * v + g;  w -= rate * (nesterov ? g + momentum * v : v)
 * It works in place on the packed parameters of a plan.
 */
#ifndef NN_SGD_H
#define NN_SGD_H

#include "compute/plan.h"

struct sgd_config {
    float rate;
    float momentum;
    float decay;
    bool nesterov;
    bool decays_all; /* biases and batch norm as well as weights; otherwise weights only */
    /* Gradients of each group are scaled down to this L2 norm, all parameters of the group together
     * (torch.nn.utils.clip_grad_norm_); 0: never. */
    float clip_norm;
};

/* What differs for parameters whose name starts with a prefix (the transform's: "transform."). */
struct sgd_group {
    const char *prefix; /* NULL: no second group */
    float rate_factor;
    float decay;
};

/*
 * One step on all trainable parameters of the plan. *is_finite (may be NULL) is set to false if an
 * updated weight is not finite.
 */
void sgd_step(struct plan *plan, const struct sgd_config *config, const struct sgd_group *group,
              bool *is_finite);

#endif
