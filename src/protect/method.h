/*
 * What a method of making G is to protect/transform.c. One file a method; transform.c has the table
 * of them.
 */
#ifndef PROTECT_METHOD_H
#define PROTECT_METHOD_H

#include "protect/transform.h"

struct method {
    /* WARD_ERR_ARG if the method's own fields of the spec are out of range. */
    ward_status (*check)(const struct transform_spec *spec);
    /* Append and draw the parameters; spec and seed of t are set. */
    ward_status (*init)(struct transform *t);
    /* Append G(x), not yet clamped. */
    int (*build)(const struct transform_spec *spec, struct graph *g, int x, bool is_frozen);
};

extern const struct method method_fixed;
extern const struct method method_learned;
extern const struct method method_generator;
extern const struct method method_keyed;

/* Append x + tanh(W2 * relu(W1 * x + b1) + b2), parameters NAME.conv1 and NAME.conv2. */
int method_residual(const struct transform_spec *spec, struct graph *g, int x, const char *name,
                    bool is_frozen);

/* Add a parameter to t->params with values N(0, deviation^2), drawn from t->seed under label. */
WARD_CHECK ward_status method_add_normal(struct transform *t, const char *name, struct shape shape,
                                         const char *label, float deviation);

/* An entry of a bipolar pattern, from a uniform number: sigma, 0 or -sigma with probability p,
 * 1 - 2p and p. A format: what a key draws follows from it. */
static inline float pattern_entry(const struct transform_spec *spec, float uniform)
{
    if (uniform < spec->p)
        return spec->sigma;
    return uniform < 2 * spec->p ? -spec->sigma : 0.0f;
}

/* The name and the shape of the pattern of `fixed` and `learned`. */
#define PATTERN_NAME "transform.pattern"

static inline struct shape pattern_shape(const struct transform_spec *spec)
{
    return shape_make(3, spec->channels, spec->height, spec->width, 1);
}

#endif
