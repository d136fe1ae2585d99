/*
 * Wrong keys, to train F against and to measure it under: other keys, and keys of which a share is
 * right. A wrong key is a list of tables like those of the right one, under WRONG_PREFIX, drawn
 * from the public stream; those of a training anew for each step.
 */
#ifndef PROTECT_WRONG_KEY_H
#define PROTECT_WRONG_KEY_H

#include "protect/transform.h"

/* Append x_p under a wrong key: transform_build() with the tables under WRONG_PREFIX, and without a
 * trace in the running statistics. */
int transform_build_wrong(const struct transform_spec *spec, struct graph *g, int x);

/*
 * The tables of the wrong key of a step in an empty list, owned: in every other step, on average,
 * those of a random key, otherwise with a quarter, a half or three quarters of the right ones'
 * entries in place. Of dense coordinates all wrong ones are the right ones with (other) rows
 * exchanged and negated; another key's would take too long. t has tables. WARD_ERR_NOMEM.
 */
WARD_CHECK ward_status wrong_key_draw(struct tensor_list *list, const struct transform *t,
                                      uint64_t seed, uint64_t step);

/*
 * The same of a key of which a share is right, from 0 to 1: of each table so many entries, drawn at
 * random, on average. The others change places among themselves if they are an order or the rows of
 * a matrix (rows are also negated, half of them), and are otherwise those of a random key, which
 * may be equal: so some of them are right by chance. Of a shuffle blocks change places, whole, and
 * values within a block, the root of the share of each being right. number, below 2^32, says which
 * key; no training draws these.
 */
WARD_CHECK ward_status wrong_key_of_share(struct tensor_list *list, const struct transform *t,
                                          float share, uint64_t seed, uint64_t number);

/* The same of a share of 0, from a stream of its own, for train/erasure.h; number is 1 or more. */
WARD_CHECK ward_status wrong_key_to_erase(struct tensor_list *list, const struct transform *t,
                                          uint64_t seed, uint64_t number);

#endif
