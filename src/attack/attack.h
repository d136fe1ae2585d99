/*
 * What an attack is to the rest of this room. One file an attack; table.c lists them.
 *
 * The room keeps three promises for every attack, so that none has to make them itself:
 *  - an attack sees what its adversary holds and nothing else of the run (struct attempt);
 *  - test images serve to score what an attempt ends with, once, and for nothing else: all that an
 *    adversary chooses, he chooses on what he holds;
 *  - a trial is a function of the settings and its number.
 */
#ifndef ATTACK_ATTACK_H
#define ATTACK_ATTACK_H

#include <stdatomic.h>

#include "base/rng.h"
#include "data/batch.h"
#include "nn/net.h"
#include "protect/transform.h"
#include "ward/attack.h"

/* What an adversary holds, beside F: bits. */
enum attack_holds {
    HOLDS_STRUCTURE = 1, /* which network G is, without its values */
    HOLDS_PAIRS = 2      /* pairs of raw and processed training images */
};

enum { ATTACK_ALL_METHODS = 0x1f, ATTACK_ALL_PROTECTED = 0x1e };

struct attempt;

struct attack {
    const char *name;  /* two attacks may share one if no method has both */
    const char *note;  /* how to read its result: one sentence */
    unsigned holds;    /* enum attack_holds */
    unsigned methods;  /* 1 << ward_method of each that it makes sense against */
    unsigned uses;     /* enum ward_attack_uses */
    uint64_t trials;   /* by default */
    size_t pair_count; /* of an adversary who holds so many pairs; 0: the share in the settings */
    /* Ends with attempt_score(), or with a failure. Releases all it has made. */
    ward_status (*attempt)(struct attempt *attempt);
};

extern const struct attack attack_direct;
extern const struct attack attack_input_only;
extern const struct attack attack_pair_fit;
extern const struct attack attack_pair_subtract;

/* WARD_ERR_ARG as ward_attack_defaults(). */
WARD_CHECK ward_status attack_find(const struct attack **out, const char *name,
                                   const ward_run *run);

/* As ward_attack_defaults(), for whoever knows the run's method but need not have its files. */
WARD_CHECK ward_status attack_defaults(ward_attack_settings *settings, const char *name,
                                       ward_method method);

/* Images that do not fit would be read past the network's inputs. WARD_ERR_ARG. */
WARD_CHECK ward_status run_fits(const ward_run *run, const ward_dataset *data);

/* One trial under way: what the adversary sees, and what he ends with. */
struct attempt {
    const ward_attack_settings *settings;
    struct ward_device *device;
    const struct net *network; /* F */
    ward_method method;
    float low, high;                        /* range of input values */
    const struct transform_spec *structure; /* of G; NULL unless held */
    struct pairs *pairs;                    /* NULL unless held */
    ward_attack_trial *trial;               /* number and seed are set */
    /* The room's own: */
    const ward_dataset *data;
    const atomic_bool *is_stopping;
    bool is_scored;
};

/* A draw of its own for each use in a trial: use < 2^32. */
void attempt_rng(const struct attempt *attempt, uint32_t use, struct rng *rng);
/* A transform of the adversary's own draw; transform_release(). */
WARD_CHECK ward_status attempt_transform(const struct attempt *attempt,
                                         const struct transform_spec *spec, struct transform *out);
/* WARD_ERR_STOPPED once the trial is to be given up; to be asked at every step. */
WARD_CHECK ward_status attempt_go_on(const struct attempt *attempt);
/* Append a point to the trial's curve. */
WARD_CHECK ward_status attempt_note(struct attempt *attempt, uint64_t step, double error);

/*
 * A function from raw images to logits: a network, with something in front of it or behind it, or
 * both. A plain value; its parameters are kept beside it.
 */
struct classifier {
    /* Append it to g behind node x and return the logits' node; *front receives what goes into the
     * network. All parameters take gradients. */
    int (*build)(const struct classifier *classifier, struct graph *g, int x, int *front);
    struct net_spec net;
    struct transform_spec transform; /* in front of it; method baseline: nothing */
    bool has_readout;                /* behind it a dense layer "readout", classes to classes */
    size_t block;                    /* for a build of an attack's own */
    struct net_use use;              /* of the network */
};

/* A network behind a transform (or, NULL, behind nothing). */
struct classifier classifier_of(const struct net_spec *net, const struct transform_spec *transform);

/* Set the trial's accuracy: on the test images, of F behind a transform (or, NULL, behind nothing).
 * Once an attempt. */
WARD_CHECK ward_status attempt_score(struct attempt *attempt, const struct transform *front);

/* ---- pairs ---- */

/* The pairs that an adversary holds. Processed images are made when they are asked for. One
 * thread. */
struct pairs;

/* How many of so many training images a share comes to: at least 2. */
size_t pairs_count(double share, size_t images);

/*
 * Which training images they are of, a trial's seed says: the first count of a permutation of all.
 * split_release(). WARD_ERR_ARG if there are not so many.
 */
WARD_CHECK ward_status pairs_choose(struct split *out, const ward_dataset *data, size_t count,
                                    uint64_t seed);
/* run, device and raw, the raw images, are kept. */
WARD_CHECK ward_status pairs_open(struct pairs **out, const ward_run *run, ward_device *device,
                                  const struct split *raw);
void pairs_close(struct pairs *pairs);
/* The raw images of all pairs, in random order. */
const struct split *pairs_raw(const struct pairs *pairs);
/* The processed images that belong to n raw ones, both [n, c, h, w]. */
WARD_CHECK ward_status pairs_process(struct pairs *pairs, size_t n, const float *x, float *y);

#endif
