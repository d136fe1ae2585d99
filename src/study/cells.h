/*
 * What the paper's experiments consist of. The numbers that it prints for them are in
 * report/paper.h.
 */
#ifndef STUDY_CELLS_H
#define STUDY_CELLS_H

#include <stdbool.h>
#include <stddef.h>

#include "ward/method.h"

enum { STUDY_METHODS = WARD_METHOD_GENERATOR + 1, STUDY_PROTECTED = STUDY_METHODS - 1 };

/* A column of Table 2, trained with every method. */
struct study_network {
    const char *data, *arch;
    size_t channels;  /* of an image */
    unsigned seeds;   /* by default, fixed beforehand */
    bool is_attacked; /* the network of Table 3, its first seed */
    char figure;      /* the case of Figure 2 that shows it, its first seed; 0: none */
};

/* The i-th network, NULL past the end. */
const struct study_network *study_network(size_t i);

/*
 * An attack of Table 3; against `fixed` and `learned` also the subtraction of one pair, of which
 * the text says that it breaks them.
 */
struct study_attack {
    const char *attack; /* as ward_attack_defaults() takes it */
    double pairs;       /* the share of training pairs; 0: means nothing here */
    unsigned methods;   /* 1 << ward_method of each that it is made against */
    bool is_repeated;   /* in several trials: as many as are asked for */
    const char *title;
};

/* The i-th attack, NULL past the end. */
const struct study_attack *study_attack(size_t i);

/* How often the paper repeats a repeated attack. */
enum { STUDY_TRIALS = 100 };

#endif
