/*
 * A matrix product by oneDNN: the measure of what this machine can do (bench/), and nothing that a
 * network is computed with.
 */
#ifndef COMPUTE_ONEDNN_GEMM_H
#define COMPUTE_ONEDNN_GEMM_H

#include <stddef.h>

#include "base/status.h"

/* c = a b, all [n, n]; on as many threads as parallel_for(). WARD_ERR_DEVICE, WARD_ERR_NOMEM. */
WARD_CHECK ward_status dnn_gemm(size_t n, const float *a, const float *b, float *c);

#endif
