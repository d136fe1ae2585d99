/*
 * A named array of float32: what networks and transforms are made of, and what weight files hold.
 * Storage only; no mathematics.
 */
#ifndef TENSOR_TENSOR_H
#define TENSOR_TENSOR_H

#include <stddef.h>

#include "base/status.h"

enum { TENSOR_MAX_RANK = 4, TENSOR_MAX_NAME = 64 };

struct shape {
    unsigned rank;               /* 0 (a scalar) to 4 */
    size_t dim[TENSOR_MAX_RANK]; /* unused ones are 1 */
};

struct shape shape_make(unsigned rank, size_t d0, size_t d1, size_t d2, size_t d3);
/* Product of the dimensions; dimensions of trusted shapes only (untrusted: mul_size). */
size_t shape_count(const struct shape *shape);
int shape_equal(const struct shape *a, const struct shape *b);

struct tensor {
    char name[TENSOR_MAX_NAME];
    struct shape shape;
    float *data; /* shape_count() values, row-major, owned */
};

/* A list that owns its tensors. All zero is an empty list. */
struct tensor_list {
    struct tensor *items;
    size_t count;
};

/*
 * Append a zeroed tensor; *out (may be NULL) is valid until the next append. name must be shorter
 * than TENSOR_MAX_NAME and new to the list.
 */
WARD_CHECK ward_status tensor_list_add(struct tensor_list *list, const char *name,
                                       const struct shape *shape, struct tensor **out);
/* NULL if there is none of that name. */
struct tensor *tensor_list_find(const struct tensor_list *list, const char *name);
/* Copy all tensors of src into an empty list. */
WARD_CHECK ward_status tensor_list_copy(struct tensor_list *dst, const struct tensor_list *src);
/* Wipes the values, frees, and leaves an empty list. */
void tensor_list_release(struct tensor_list *list);

#endif
