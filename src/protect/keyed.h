/*
 * The method `keyed`: what is secret and not learned follows from a key alone.
 *
 *   x   -> front    (learned)  a small convolutional network to as many features as x has values
 *       -> codebook (key)      a pattern for each image, which its signs towards a few hyperplanes
 *                              choose
 *       -> shuffle  (key)      blocks change places, and the values of each block among themselves
 *       -> negative (key)      a share of the values is mirrored at the middle of their range
 *       -> pattern  (key)      as of `fixed`
 *       -> coordinates (key)   an orthogonal matrix over all values: dense, or a cascade of rounds
 *                              of order, signs and Hadamard's matrix of blocks of 16
 *       -> residual (learned)  as `generator`
 *
 * Each part may be left out. The result has the shape of x. A wrong key is another key with the
 * same learned parameters.
 *
 * The key's part is made of tables, parameters of the graph that are never trained: orders,
 * factors, a pattern, a matrix. docs/formats.md, section 2.3, has their derivation.
 */
#ifndef PROTECT_KEYED_H
#define PROTECT_KEYED_H

#include "protect/transform.h"

/* What the names of tables start with: of the right key, which are parameters of the transform, and
 * of a wrong one. */
#define KEY_PREFIX "transform.key."
#define WRONG_PREFIX "wrong."

struct keyed_use {
    const char *tables; /* prefix of the tables */
    bool is_frozen;     /* learned parameters take no gradient */
    bool keeps_running; /* batch norm of the front updates its running statistics */
};

int keyed_build(const struct transform_spec *spec, struct graph *g, int x,
                const struct keyed_use *use);

/* Append the tables that a key gives to a list, under the prefix. WARD_ERR_NOMEM. */
WARD_CHECK ward_status keyed_tables(struct tensor_list *list, const char *prefix,
                                    const struct transform_spec *spec,
                                    const uint8_t key[TRANSFORM_SEED_LEN]);

/* Of a shuffle: how many values a block has, and which value of the image is value v of block b.
 * Blocks are counted row by row, their values in the order channel, row, column. */
size_t keyed_block_len(const struct transform_spec *spec);
size_t keyed_block_value(const struct transform_spec *spec, size_t b, size_t v);

#endif
