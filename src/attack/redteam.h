/*
 * What an attack of the red team is to the rest of this room: one file an attack in v1/, one line
 * in suite.c.
 *
 *   suite.c    the table of attacks, the budgets, the cells they come to
 *   redteam.c  doing them: what adversaries hold, the file, the crew
 *   thief.c    one adversary at work: draws, what he offers, what he is scored by
 *   search.c   what most attacks do: train some parameters of a classifier, keep the best
 *   record.c   results to and from JSON
 *   verdict.c  what the cells come to
 *   flags.c    signs that this does not mean what it seems to
 *
 * The room keeps these promises for every attack, so that none has to make them itself:
 *  - a thief sees what his knowledge says and nothing else of the run;
 *  - of all that he offers, the one that does best by his own choice is scored on the test images,
 *    once, after he has ended;
 *  - a cell is a function of the settings and its place, and, where the budget says that others
 *    repeat, of what the first adversary has chosen in the same place.
 */
#ifndef ATTACK_REDTEAM_H
#define ATTACK_REDTEAM_H

#include "attack/attack.h"
#include "attack/service.h"
#include "ward/redteam.h"

enum { SUITE_AMOUNTS = WARD_REDTEAM_LABELLED };

/* How much work a thief may put into it. */
struct budget {
    const char *name;
    unsigned effort;   /* 1 .. 3: how many variants he tries */
    uint64_t steps;    /* of one training, at most: see search_run() */
    uint64_t images;   /* that one training may show, also in more steps; 0: not said */
    uint64_t trials;   /* adversaries a cell */
    bool repeats;      /* those after the first train only what did best for him */
    size_t choice;     /* images that choices are made on, at most */
    size_t unlabelled; /* images without labels for those who hold labels, too; at most */
    uint64_t amounts[WARD_KNOWS_QUERIES + 1][SUITE_AMOUNTS]; /* ascending; 0 ends; SUITE_ALL: all */
};

enum { SUITE_ALL = 1 << 30 };

struct thief;

/* A line of the suite. Lines of one name are one attack with different knowledge. */
struct raid {
    const char *name, *id;
    ward_knowledge knows;
    uint64_t least, most; /* amounts that make sense; most 0: any */
    bool is_control;      /* for comparison: never counts as an attack */
    bool needs_own;       /* goes by what G is made of, which a run without G does not say */
    bool needs_key;       /* goes by what follows from G's key */
    bool is_shown;        /* the thief is shown G; only of a control */
    unsigned methods;     /* 1 << ward_method of each that it makes sense against */
    /* Ends with one or more offers, or with a failure. Releases all it has made. */
    ward_status (*attempt)(struct thief *thief);
};

extern const struct raid raid_direct, raid_readout, raid_readout_control, raid_input_only,
    raid_universal, raid_infomax, raid_learned_labelled, raid_learned_unlabelled, raid_fine_tune,
    raid_recalibrate_labelled, raid_recalibrate_unlabelled, raid_pair, raid_pair_through,
    raid_distil, raid_subtract, raid_other_structure, raid_block_map, raid_front_map_labelled,
    raid_front_map_pairs, raid_key_search, raid_partial_key, raid_black_box,
    raid_another_backward_labelled, raid_another_backward_unlabelled, raid_extract,
    raid_extract_class, raid_align_labelled, raid_align_unlabelled, raid_perturbed,
    raid_u_net_labelled, raid_u_net_unlabelled, raid_match_columns_labelled,
    raid_match_columns_unlabelled, raid_semi_supervised, raid_scratch;

/* The i-th line; NULL past the end. */
const struct raid *suite_raid(size_t i);
/* NULL if there is none of that name. */
const struct budget *suite_budget(const char *name);

/* What a suite is made of, for a run. */
struct suite_plan {
    const struct budget *budget;
    uint64_t trials;
    const char *only; /* as ward_redteam_settings has it */
    ward_method method;
    bool has_service; /* G is there, to make pairs and answers with */
    bool is_keyless;  /* as far as is known, nothing of G follows from a key */
    uint64_t pool;    /* images that knowledge is taken from */
};

/* The cells, none of them done; owned: mem_free(). WARD_ERR_ARG if `only` names no attack. */
WARD_CHECK ward_status suite_cells(const struct suite_plan *plan, ward_redteam_cell **out,
                                   size_t *count);
/* The line that a cell is of. */
const struct raid *suite_raid_of(const ward_redteam_cell *cell);

/* Whether a try of raid_scratch trained this architecture: its words say so, also in old files. */
bool scratch_is_of(const ward_redteam_try *tried, const char *arch);

/* ---- one adversary ---- */

struct thief {
    struct ward_device *device;
    const struct net *network; /* F */
    ward_method method;
    float low, high;                  /* range of input values */
    struct transform_spec structure;  /* of G, which is no secret; of a baseline: a usual one */
    const struct transform_spec *own; /* G's own, without its values; NULL: G is not there */
    const struct transform *shown;    /* G; NULL unless the line says so */
    const struct split *images;       /* what his knowledge is of; NULL: nothing */
    const struct split *unlabelled;   /* others, label-free; none unless he holds labels */
    const struct split *choice;       /* what he chooses on */
    size_t choice_count;              /* the first so many of it */
    bool random_flip;                 /* whether flipping an image keeps its class */
    const struct budget *budget;
    const char *repeats; /* what the first adversary has chosen; NULL: he tries everything */
    uint64_t seed;       /* of all his draws */
    const atomic_bool *is_stopping;
    ward_redteam_cell *cell;
    /* The room's own: */
    struct service *service; /* NULL unless he holds pairs or may ask */
    struct classifier best;  /* what he has offered, and did best */
    struct tensor_list best_params;
    double best_merit;
    bool has_offer;
};

/* A draw of its own for each use: use < 2^31. */
void thief_rng(const struct thief *thief, uint32_t use, struct rng *rng);
/* A transform of the thief's own draw; transform_release(). */
WARD_CHECK ward_status thief_transform(const struct thief *thief, const struct transform_spec *spec,
                                       uint32_t use, struct transform *out);
/* One pattern for all images, x + P, as method `learned` has it; P starts with that deviation. */
struct transform_spec thief_pattern(const struct thief *thief, float start);
/* Another G of the owner's architecture, or wider; start is the factor on its second layer. */
struct transform_spec thief_copy(const struct thief *thief, size_t width, float start);
/* New networks that a thief trains: the small one that does well with few images, one of F's
 * architecture, and on colour images a deep one, which does better with many. */
enum thief_net { NET_USUAL, NET_OWN, NET_DEEP };

/* Whether there is such a one that is none of those before it. */
bool thief_has_net(const struct thief *thief, enum thief_net net);
struct net_spec thief_net_spec(const struct thief *thief, enum thief_net net);
/* WARD_ERR_ARG: images are too small for one of them. WARD_ERR_NOMEM. */
WARD_CHECK ward_status thief_nets_check(const struct thief *thief);

/* Add a copy of F's parameters to a list. */
WARD_CHECK ward_status thief_network(const struct thief *thief, struct tensor_list *params);
/* Move all tensors of a list into another. */
WARD_CHECK ward_status params_append(struct tensor_list *to, const struct tensor_list *from);
/* A layer "readout" that changes nothing, added to a list. */
WARD_CHECK ward_status thief_readout(const struct thief *thief, struct tensor_list *params);

/* The raw images that he holds, with labels and without: how many, and the i-th, [c, h, w]; those
 * that his cell is of come first. */
size_t thief_raw_count(const struct thief *thief);
WARD_CHECK ward_status thief_raw_image(const struct thief *thief, size_t i, float *x);

/* WARD_ERR_STOPPED once the work is to be given up; to be asked at every step. */
WARD_CHECK ward_status thief_go_on(const struct thief *thief);

/* Logits of F's architecture with some parameters on the images of a split, [count, classes]. */
WARD_CHECK ward_status thief_answers(struct thief *thief, const struct tensor_list *params,
                                     const struct split *images, float *logits);
/* The same of what its last layer takes, [count, columns of that layer's weight]. */
WARD_CHECK ward_status thief_features(struct thief *thief, const struct tensor_list *params,
                                      const struct split *images, float *features);

/* What G makes of n of the images that he holds pairs of; both [n, c, h, w]. */
WARD_CHECK ward_status thief_process(struct thief *thief, size_t n, const float *x, float *y);
/* The authorised service's logits on n images, [n, classes]. */
WARD_CHECK ward_status thief_ask(struct thief *thief, size_t n, const float *x, float *logits);
/* The class that it finds in each of them. */
WARD_CHECK ward_status thief_name(struct thief *thief, size_t n, const float *x, int32_t *classes);

/*
 * Offer a classifier that was measured on the images for choices: kept if its merit is the highest
 * so far. The try is recorded. params has all parameters, and is copied.
 */
WARD_CHECK ward_status thief_offer(struct thief *thief, const struct classifier *classifier,
                                   const struct tensor_list *params, const ward_redteam_try *tried);
/* Measure it by how often it is right, and offer it under some words. */
WARD_CHECK ward_status thief_offer_as(struct thief *thief, const struct classifier *classifier,
                                      const struct tensor_list *params, const char *what);

#endif
