/*
 * What the cells of a suite come to, in two files: verdict.c works out the figures, flags.c the
 * signs that a figure does not mean what it seems to. These are the questions that both ask.
 */
#ifndef ATTACK_VERDICT_H
#define ATTACK_VERDICT_H

#include "attack/record.h"

enum { FEW_LABELS = 100 };

/* What adversaries of an attack reached at an amount, those that are done. */
struct mean {
    double accuracy, choice, low, high, images; /* low, high: the range of the accuracies */
    size_t count;
};

/* Whether the cell is done, and of that. */
bool cell_is_of(const ward_redteam_cell *cell, const char *attack, ward_knowledge knows,
                uint64_t amount);
/* For comparison only, never an attack. */
bool cell_is_control(const ward_redteam_cell *cell);

/* Over all adversaries of the cell's attack, with its knowledge and amount. */
struct mean cells_mean(const ward_redteam_result *result, const ward_redteam_cell *like);
/* The first that cell_is_of(); NULL: none. */
const ward_redteam_cell *cells_find(const ward_redteam_result *result, const char *attack,
                                    ward_knowledge knows, uint64_t amount);
/* Of a thief without F, with as many labelled images; NULL: none. */
const ward_redteam_cell *cells_scratch(const ward_redteam_result *result, uint64_t amount);
/* The attack that a thief would keep: the best where choices are made. NULL if none was done. */
const ward_redteam_cell *cells_best(const ward_redteam_result *result, ward_knowledge knows,
                                    uint64_t amount);

static inline double percent(double fraction)
{
    return 100 * fraction;
}

/* Raise all flags of a verdict whose figures are known. */
void flags_raise(const ward_redteam_result *result, const struct record_subject *subject,
                 const struct record_facts *facts, ward_redteam_verdict *verdict);

#endif
