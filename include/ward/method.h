/* The methods of making the secret transform: Chen & Wu, section 2.3. */
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
    WARD_METHOD_GENERATOR  /* a small trained network: a pattern for each input */
} ward_method;

/* "baseline", "fixed", "learned", "generator"; NULL for a value outside the enumeration. */
WARD_API const char *ward_method_name(ward_method method);
/* The method of that name. WARD_ERR_ARG if there is none. */
WARD_API WARD_CHECK ward_status ward_method_parse(const char *name, ward_method *out);

#ifdef __cplusplus
}
#endif
#endif
