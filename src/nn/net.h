/*
 * Networks: a named architecture, and the parameters of one instance of it.
 *
 * An architecture is a function that builds a graph; a net is that function's name, its input and
 * the values of its parameters. Training, evaluation and every attack put the same net into graphs
 * of their own (net_build) and compile those.
 */
#ifndef NN_NET_H
#define NN_NET_H

#include <stdint.h>

#include "compute/plan.h"
#include "tensor/tensor.h"

struct net_spec {
    /*
     * "simple-cnn"; "resnetN" for N = 6n + 2, 8 .. 1202; "mlp-WIDTHxDEPTH", and
     * "mlp-WIDTHxDEPTH-residual", 1 .. 8192, 1 .. 16; "mixer-PATCHxCHANNELSxDEPTH", 1 .. 32,
     * 1 .. 2048, 1 .. 16, of square images that its patches fill; any with "-leaky" after it:
     * leaky ReLU, slope 0.1, for ReLU.
     */
    char arch[32];
    size_t channels, height, width; /* of an input image */
    size_t classes;                 /* 2 .. 1000 */
};

struct net {
    struct net_spec spec;
    struct tensor_list params; /* in the order of the graph; PyTorch's names and layouts */
};

/*
 * Check a spec and initialise: weights N(0, 2 / fan_in) for convolutions (He et al. 2015) and
 * uniform +-1/sqrt(fan_in) for dense layers, biases zero, batch norm 1, 0, 0, 1.
 * Draws come from (seed, RNG_INIT, parameter). WARD_ERR_ARG for an unknown architecture or an input
 * too small for it, WARD_ERR_NOMEM. net_release() on any net that is all zero or initialised.
 */
WARD_CHECK ward_status net_init(struct net *net, const struct net_spec *spec, uint64_t seed);
void net_release(struct net *net);

struct net_use {
    bool keeps_running; /* batch norm updates its running statistics in this use */
    bool is_frozen;     /* parameters take no gradient */
    /* Above 0: another backward pass, which lets through so much of the gradient that a ReLU, or a
     * leaky one, withholds where x <= 0; 1: all of it. Values stay as they are. */
    float let_through;
    /* Above 0: a softened copy, to train through, with softplus of this beta for each ReLU, and
     * s x + (1 - s) softplus(x) for a leaky one of slope s; let_through is not read. */
    float softness;
};

/*
 * Append the network to g on node x ([n, channels, height, width]) and return the logits
 * [n, classes, 1, 1]. Called twice on one graph, both uses share their parameters.
 */
int net_build(const struct net_spec *spec, struct graph *g, int x, struct net_use use);

/*
 * Check a spec and put the graph of one image into an initialised, empty g: its parameters are
 * those of every net of that spec. WARD_ERR_ARG as net_init(), WARD_ERR_NOMEM.
 */
WARD_CHECK ward_status net_graph(struct graph *g, const struct net_spec *spec);

/* The last layer of a network that a finished graph ends with: the dense one that makes the logits,
 * from features. */
const struct op_desc *net_head(const struct graph *g);

/*
 * Copy parameters between tensors and a plan, by name: every graph parameter that the list has.
 * params_load: WARD_ERR_FORMAT if a graph parameter is in none of the count lists (a list may be
 * NULL) or has another shape. params_replace: those of the list, the others stay. params_store
 * writes only into tensors that the graph has.
 */
WARD_CHECK ward_status params_load(struct plan *plan, const struct tensor_list *const *lists,
                                   size_t count);
WARD_CHECK ward_status params_replace(struct plan *plan, const struct tensor_list *list);
WARD_CHECK ward_status params_store(struct plan *plan, enum plan_part part,
                                    struct tensor_list *list);

#endif
