/*
 * NumPy arrays, written row by row, so that an array may be larger than memory.
 */
#ifndef WARD_NPY_H
#define WARD_NPY_H

#include <stddef.h>
#include <stdint.h>

#include "ward/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An array being written. One thread at a time. */
typedef struct ward_npy ward_npy;

typedef enum ward_npy_type {
    WARD_NPY_FLOAT32, /* "<f4": images, [n, channels, height, width] */
    WARD_NPY_INT64,   /* "<i8": labels, [n] */
    WARD_NPY_UINT8    /* "|u1": images rounded to 8 bits */
} ward_npy_type;

enum ward_npy_flags {
    WARD_NPY_SECRET = 1, /* mode 0600: for processed images */
    WARD_NPY_REPLACE = 2 /* overwrite what is there */
};

enum { WARD_NPY_MAX_RANK = 4 };

/*
 * Start an array. The file appears under its name only when ward_npy_close() succeeds.
 *
 *   out    receives the array, owned: ward_npy_close() or ward_npy_discard()
 *   path   borrowed
 *   shape  rank numbers, 1 to WARD_NPY_MAX_RANK of them; borrowed
 *   flags  of ward_npy_flags
 *
 * WARD_ERR_ARG for another rank or an impossible size, WARD_ERR_EXISTS, WARD_ERR_IO,
 * WARD_ERR_NOMEM.
 */
WARD_API WARD_CHECK ward_status ward_npy_open(ward_npy **out, const char *path, ward_npy_type type,
                                              const size_t *shape, size_t rank, int flags);

/* Append count values in row-major order. WARD_ERR_ARG if the array is of another type or would
 * have too many, WARD_ERR_IO. */
WARD_API WARD_CHECK ward_status ward_npy_add_floats(ward_npy *npy, const float *values,
                                                    size_t count);
WARD_API WARD_CHECK ward_status ward_npy_add_labels(ward_npy *npy, const int32_t *values,
                                                    size_t count);
WARD_API WARD_CHECK ward_status ward_npy_add_bytes(ward_npy *npy, const uint8_t *values,
                                                   size_t count);

/* Put the file in place and free npy, whether that succeeds or not. WARD_ERR_ARG if values are
 * missing (then there is no file), WARD_ERR_EXISTS, WARD_ERR_IO. */
WARD_API WARD_CHECK ward_status ward_npy_close(ward_npy *npy);
/* Write nothing and free npy. NULL is fine. */
WARD_API void ward_npy_discard(ward_npy *npy);

#ifdef __cplusplus
}
#endif
#endif
