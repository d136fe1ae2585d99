/*
 * Whether tensors are the parameters of something: names, shapes, finite values; and their order.
 */
#ifndef MODEL_PARAMS_H
#define MODEL_PARAMS_H

#include <stdbool.h>

#include "compute/graph.h"

/*
 * Move the tensors called prefix + NAME, one for each parameter of g (only for the trainable ones
 * if is_trainable; none that is derived), from a list into an empty one, in the order of g and
 * under their bare names. WARD_ERR_FORMAT if one is missing, has another shape or a value that is
 * not finite. On failure `out` is still empty and what was moved is gone from `from`, which only
 * fits to be released.
 */
WARD_CHECK ward_status params_take(struct tensor_list *out, struct tensor_list *from,
                                   const char *prefix, const struct graph *g, bool is_trainable);
/*
 * Move the tensors whose names start with prefix into an empty list, as they are called. Their
 * shapes are the caller's to check. WARD_ERR_FORMAT if one has a value that is not finite.
 */
WARD_CHECK ward_status params_take_named(struct tensor_list *out, struct tensor_list *from,
                                         const char *prefix);
/* WARD_ERR_FORMAT names a tensor that params_take() has left over; WARD_OK if there is none. */
WARD_CHECK ward_status params_taken_all(const struct tensor_list *from);

/* WARD_ERR_NUMERIC names the first tensor with a value that is not finite. */
WARD_CHECK ward_status params_are_finite(const struct tensor_list *list);

#endif
