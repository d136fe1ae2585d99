/*
 * What most attacks do: train some parameters of a classifier with Adam on the images that are
 * held, look now and then how good it is on the images for choices, keep the best, lower the rate
 * on a plateau, and give up when that no longer helps.
 */
#ifndef ATTACK_SEARCH_H
#define ATTACK_SEARCH_H

#include "attack/redteam.h"

/* Nodes of the graph that is trained. */
struct search_nodes {
    int x;      /* input: images */
    int labels; /* theirs; -1 unless the loss takes labels */
    int front;  /* what goes into the network */
    int logits;
    int extra; /* an input of the loss's own; -1: none */
};

struct search;

/* What is minimised. */
struct search_loss {
    /* Append the losses, and an input of its own if it needs one. */
    void (*build)(const struct search *search, struct graph *g, struct search_nodes *nodes);
    bool takes_labels;
    bool is_label_free; /* then the thief chooses by how confident and diverse the answers are */
    /* How long it is trained goes by the loss alone, not by how good the classifier is; what is
     * kept is the best classifier, as always. */
    bool is_measure;
    /* Fill in extra, or change the labels, of n images as they are held, which are augmented after
     * that; NULL: nothing to do. */
    ward_status (*fill)(const struct search *search, struct plan *plan,
                        const struct search_nodes *nodes, size_t n, const float *x,
                        int32_t *labels);
};

/* Cross entropy with the labels. */
void search_build_labels(const struct search *search, struct graph *g, struct search_nodes *nodes);

extern const struct search_loss search_labels;  /* that, with the images' own */
extern const struct search_loss search_infomax; /* confident and diverse answers */

struct search {
    struct thief *thief;
    char what[WARD_REDTEAM_WORDS]; /* words for the try */
    struct classifier classifier;
    const struct search_loss *loss;
    const struct split *images; /* NULL: those that the thief holds */
    const char *trained;        /* the parameters whose names start with it; "": all */
    double rate;
    double bound; /* on the entries of a pattern in front; infinite: none; NaN: none there */
    /* Batch norm by the batch (of two images or more), dropout, and twice the steps. */
    bool trains_network;
    bool augments;            /* shifts by up to two pixels; flips where they keep the class */
    bool chooses_by_accuracy; /* even if the loss is label-free */
    float leak;               /* as net_use.let_through: another backward pass through F */
    /* Above 0: F is softened by this beta (see struct net_use) where parameters are trained, but
     * neither where they are chosen nor in what is offered; leak is not read. */
    float softness;
    /* That the logits are divided by before the loss. 0: by nothing; and then, where they deviate
     * so little from their mean over the classes that a loss by labels hardly feels it, less than
     * 1, once more from the same start by that. Not where all of the classifier is trained, as it
     * finds its own scale. */
    float temperature;
    void *context; /* of the loss */
};

/*
 * From params, which has all parameters of the classifier, and ends with the best found, which is
 * also offered. A training that diverges ends there; that is no failure. It takes as many steps as
 * the budget says, or as many as show the budget's images, or 15 times through those that are held,
 * whichever is more; where the network is trained it may take twice as many, whether it starts as F
 * or from nothing, so that no attack is given less than the control.
 */
WARD_CHECK ward_status search_run(const struct search *search, struct tensor_list *params);

/* How many images a search with `count` of them, 1 or more, goes through where it has all its steps
 * and leaves the network as it is: to train, and to see how it does. */
uint64_t search_images(const struct budget *budget, size_t count);

/* What the parameters of the network's last layer, which makes the logits, start with: "fc2.".
 * WARD_ERR_NOMEM. */
WARD_CHECK ward_status search_head(const struct net_spec *net, char *name, size_t len);

#endif
