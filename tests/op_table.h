/*
 * The table that the operator test walks: operators alone, and the small subgraphs that a device
 * may fuse. A row says how to build a graph and how far a device may be from "ref".
 */
#ifndef TESTS_OP_TABLE_H
#define TESTS_OP_TABLE_H

#include "compute/plan.h"

struct op_case {
    struct graph graph;
    int outputs[PLAN_MAX_OUTPUTS]; /* values that are compared; losses always are */
    size_t output_count;
};

struct op_row;
typedef void op_builder(struct op_case *c, const struct op_row *row);

struct op_row {
    const char *name;
    op_builder *build;
    struct dims in;
    size_t channels, kernel, stride, padding; /* where the builder has a use for them */
    float beta;                               /* softplus */
    /* Largest |device - ref| allowed, as a share of the largest |ref| of the same tensor. */
    double tolerance;
    bool is_stepped; /* inputs are multiples of 0.5: ties everywhere, so no finite differences */
    bool is_large;   /* for --speed only */
};

extern const struct op_row op_rows[];
extern const size_t op_row_count;

#endif
