/* The methods of making the secret transform: Chen & Wu, section 2.3, and one with a key. */
#ifndef WARD_METHOD_H
#define WARD_METHOD_H

#include "ward/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ward_method {
    WARD_METHOD_BASELINE,  /* no transform, no protection: for comparison */
    WARD_METHOD_FIXED,     /* a bipolar pattern, drawn once a model */
    WARD_METHOD_LEARNED,   /* one trained pattern for all inputs */
    WARD_METHOD_GENERATOR, /* a small trained network: a pattern for each input */
    WARD_METHOD_KEYED      /* a small trained network, and coordinates that follow from a key */
} ward_method;

/* The secret orthogonal coordinates of WARD_METHOD_KEYED. */
typedef enum ward_coordinates {
    WARD_COORDINATES_NONE,
    WARD_COORDINATES_DENSE,  /* any orthogonal matrix over all values, at most 1,024 of them */
    WARD_COORDINATES_CASCADE /* rounds of an order, signs, and Hadamard's matrix of 16 values */
} ward_coordinates;

/* "baseline", "fixed", "learned", "generator" or "keyed"; NULL for any other value. */
WARD_API const char *ward_method_name(ward_method method);
/* The method of that name. WARD_ERR_ARG if there is none. */
WARD_API WARD_CHECK ward_status ward_method_parse(const char *name, ward_method *out);

#ifdef __cplusplus
}
#endif
#endif
