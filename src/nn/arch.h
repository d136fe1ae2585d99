/*
 * What an architecture is to nn/net.c: how it recognises its names, and the function that builds
 * it. One file an architecture; nn/net.c has the table of them, and takes "-leaky" off the names.
 */
#ifndef NN_ARCH_H
#define NN_ARCH_H

#include "nn/net.h"

struct arch_use {
    struct net_use net;
    float slope; /* of activations where x <= 0; 0: ReLU */
};

struct arch {
    const char *form; /* of its names, for messages */
    bool (*has_name)(const char *name);
    /* As net_build(); name is one of its names. */
    int (*build)(const char *name, size_t classes, struct graph *g, int x,
                 const struct arch_use *use);
};

/* A leaky ReLU is a share of its input and a ReLU of the rest. */
static inline int arch_soft_activation(struct graph *g, int x, const struct arch_use *use)
{
    int y = graph_softplus(g, x, use->net.softness);

    if (use->slope <= 0)
        return y;
    return graph_add(g, graph_scale(g, x, use->slope), graph_scale(g, y, 1 - use->slope));
}

/* What stands in an architecture where the papers have a ReLU. */
static inline int arch_activation(struct graph *g, int x, const struct arch_use *use)
{
    float backward_slope = use->slope + use->net.let_through * (1 - use->slope);

    if (use->net.softness > 0)
        return arch_soft_activation(g, x, use);
    return use->slope > 0 ? graph_leaky_relu_bpda(g, x, use->slope, backward_slope)
                          : graph_relu_bpda(g, x, backward_slope);
}

extern const struct arch arch_simple_cnn;
extern const struct arch arch_resnet;
extern const struct arch arch_mlp;
extern const struct arch arch_mixer;

#endif
