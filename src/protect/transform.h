/*
 * The secret transform G of Chen & Wu, section 2.3: x_p = G(x_r).
 *
 *   fixed      x + P, entries of P drawn once from {+sigma, 0, -sigma} with {p, 1 - 2p, p}
 *   learned    x + P, P trained with the network
 *   generator  x + tanh(W2 * relu(W1 * x + b1) + b2), W1 5x5 to `width` channels, W2 1x1
 *   keyed      a learned front-end, then what follows from a key alone: see keyed.h
 *
 * Everything in here is secret: it follows from the 32-byte seed and, for the trained methods, from
 * training. One file a method (fixed.c, learned.c, generator.c, keyed.c); transform.c is the table
 * of them.
 */
#ifndef PROTECT_TRANSFORM_H
#define PROTECT_TRANSFORM_H

#include <stdint.h>

#include "compute/plan.h"
#include "tensor/tensor.h"
#include "ward/method.h"

struct rng;

enum { TRANSFORM_SEED_LEN = 32, TRANSFORM_MAX_PIXELS = 1 << 24 };

/* Of the method keyed; any part may be left out. */
struct keyed_spec {
    bool has_front;
    size_t front_width; /* channels of the front's first layer, 1 .. 256 */
    ward_coordinates coordinates;
    size_t rounds;   /* cascade: 4 .. 16 */
    size_t codebook; /* bits that choose a pattern, 1 .. 64; 0: no codebook */
    size_t shuffle;  /* side of the blocks; 0: no shuffle */
    float negative;  /* share of mirrored values, 0 .. 1 */
    bool has_residual;
};

struct transform_spec {
    ward_method method; /* not WARD_METHOD_BASELINE */
    size_t channels, height, width;
    float sigma, p;         /* fixed: 0 < sigma, 0 <= p <= 0.5; keyed: sigma 0: no pattern */
    size_t generator_width; /* generator, keyed with a residual: hidden channels, 1 .. 1024 */
    /* >= 0; learned: sd of the starting pattern; generator: factor on W2, which is otherwise
     * N(0, 1 / fan_in). */
    float start;
    bool is_clamped; /* x_p is clamped to [low, high], the input's range */
    float low, high;
    struct keyed_spec keyed;
};

struct transform {
    struct transform_spec spec;
    uint8_t seed[TRANSFORM_SEED_LEN];
    struct tensor_list params; /* names start with "transform."; derived ones come last */
};

/* "none", "dense", "cascade", and back: WARD_ERR_ARG if it is none of them. */
const char *coordinates_name(ward_coordinates coordinates);
WARD_CHECK ward_status coordinates_parse(const char *name, ward_coordinates *out);

/* WARD_ERR_ARG, saying what, if a setting of the spec is out of range. */
WARD_CHECK ward_status transform_check(const struct transform_spec *spec);

/* Whether two say the same of everything; parts of `keyed` count for that method alone. */
bool transform_specs_are_equal(const struct transform_spec *a, const struct transform_spec *b);

/* Whether there are tables that a key gives, so that there are wrong keys. */
bool transform_has_tables(const struct transform_spec *spec);

/*
 * Whether a few pairs of x and x_p may be worth G. An affine one, but for a clamp, follows from one
 * pair more than an image has values, or, if it only adds a pattern, from one; a copy of a
 * generator that was fitted to one pair is nearly as good (docs/threat-model.md). A codebook is not
 * relied on: few bits make few pieces, each of them affine.
 */
bool transform_is_disclosed_by_pairs(const struct transform_spec *spec);

/*
 * Draw the starting values of G from the secret seed (key/draw.h, labels in docs/formats.md).
 * WARD_ERR_ARG if the spec is out of range; WARD_ERR_NOMEM.
 */
WARD_CHECK ward_status transform_init(struct transform *t, const struct transform_spec *spec,
                                      const uint8_t seed[TRANSFORM_SEED_LEN]);

/* The same with a seed from a public stream: for what an adversary draws. */
WARD_CHECK ward_status transform_init_public(struct transform *t, const struct transform_spec *spec,
                                             struct rng *rng);

/* Whether a parameter of that name follows from the seed alone, so that no file holds it. */
bool transform_is_derived(const char *name);
/* Append what follows from the seed alone to the parameters; spec and seed are set, and nothing of
 * it is there. WARD_ERR_NOMEM. */
WARD_CHECK ward_status transform_derive(struct transform *t);
/* The parameters that a file holds, borrowed: those that are not derived. */
struct tensor_list transform_stored(const struct transform *t);
/* Let another key take the place of the seed; what is learned stays. Methods but `keyed` have
 * nothing that follows from a key alone, and stay as they are. WARD_ERR_NOMEM: nothing changed. */
WARD_CHECK ward_status transform_set_key(struct transform *t,
                                         const uint8_t key[TRANSFORM_SEED_LEN]);

/* Wipes. An all-zero transform is fine. */
void transform_release(struct transform *t);

/* Append x_p = G(x) to g and return its node. Frozen parameters take no gradient; `fixed` never
 * does. */
int transform_build(const struct transform_spec *spec, struct graph *g, int x, bool is_frozen);

#endif
