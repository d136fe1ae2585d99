/*
 * Devices: what computes.
 *
 *   "ref"  plain C loops with double accumulators: the definition of every operator, slow
 *   "cpu"  oneDNN and the library's own kernels, chosen by what the processor has (AVX-512, AVX2)
 */
#ifndef WARD_DEVICE_H
#define WARD_DEVICE_H

#include <stddef.h>

#include "ward/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ward_device ward_device;

/*
 * Open a device.
 *
 *   out   receives the device, owned: ward_device_close(); it must outlive what was made on it
 *   name  "ref" or "cpu"; NULL means "cpu"
 *
 * Threads: a device may be shared. WARD_ERR_ARG for an unknown name, WARD_ERR_NOMEM,
 * WARD_ERR_DEVICE if this machine cannot open it.
 */
WARD_API WARD_CHECK ward_status ward_device_open(ward_device **out, const char *name);

/* NULL is fine. */
WARD_API void ward_device_close(ward_device *device);

/* "ref" or "cpu". */
WARD_API const char *ward_device_name(const ward_device *device);
/* For people, one line: library versions, instruction sets in use. Valid as long as the device. */
WARD_API const char *ward_device_summary(const ward_device *device);

/* The i-th device of this build, NULL past the end. */
WARD_API const char *ward_device_list(size_t i);

/*
 * Threads for computations started from the calling thread: 1 .. 256, more count as 256; 0 means
 * what OMP_NUM_THREADS says, or else one for each core that the process may use, which is the
 * default. Results are reproducible for the same number of threads.
 */
WARD_API void ward_set_threads(unsigned threads);
/* How many that are: never 0. */
WARD_API unsigned ward_threads(void);

#ifdef __cplusplus
}
#endif
#endif
