/* What this build is. */
#ifndef WARD_VERSION_H
#define WARD_VERSION_H

#include "ward/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ward_build {
    const char *version; /* "0.1.0" */
    const char *commit;  /* git commit the library was built from, "unknown" outside git */
    const char *compiler;
    const char *cpu_features; /* of this machine: "avx2 fma avx sse4.1", as far as they are used */
    const char *libraries;    /* that it was built with: "dnnl/2.6.3 jansson/2.14 ..." */
} ward_build;

/* All strings are constants. */
WARD_API const ward_build *ward_build_info(void);

#ifdef __cplusplus
}
#endif
#endif
