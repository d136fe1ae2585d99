/*
 * What an architecture is to nn/net.c: how it recognises its names, and the function that builds
 * it. One file an architecture; nn/net.c has the table of them.
 */
#ifndef NN_ARCH_H
#define NN_ARCH_H

#include "nn/net.h"

struct arch {
    const char *name; /* for lists and help */
    bool (*has_name)(const char *name);
    /* As net_build(); spec->arch is one of its names. */
    int (*build)(const struct net_spec *spec, struct graph *g, int x, struct net_use use);
};

extern const struct arch arch_simple_cnn;
extern const struct arch arch_resnet;

#endif
