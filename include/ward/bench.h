/*
 * How fast this machine does the work that ward is for, and how near that is to what it can do at
 * all: its rate in large matrix products (sgemm), measured in the same run, in turn with the work.
 */
#ifndef WARD_BENCH_H
#define WARD_BENCH_H

#include <stddef.h>

#include "ward/device.h"
#include "ward/method.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ward_bench_work {
    WARD_BENCH_TRAIN,    /* one step of training: forward, backward, update of F and G; objective
                            and optimiser are those of recipe "paper" */
    WARD_BENCH_INFER,    /* F(G(x)), up to the logits; F(x) for a baseline */
    WARD_BENCH_TRANSFORM /* G(x) */
} ward_bench_work;

/* Weights and images are drawn at random: time does not depend on them. */
typedef struct ward_bench_config {
    ward_bench_work work;
    const char *arch; /* of F, borrowed for the call; not used by WARD_BENCH_TRANSFORM */
    ward_method method;
    size_t channels, height, width; /* of an image; there are ten classes */
    size_t batch;                   /* images at a time, 1 .. 65536 */
    double raw_share; /* training: share of the batch that is also shown raw, 0 .. 1 */
    /* To measure for, after a warm-up of a fifth of that; >= 0. The work is repeated at least three
     * times, however long that takes. */
    double seconds;
} ward_bench_config;

/* Images of 1 x 28 x 28, batches of 128 for training and 256 otherwise, all of a batch shown raw,
 * as in the paper; five seconds. */
WARD_API void ward_bench_defaults(ward_bench_config *config, ward_bench_work work, const char *arch,
                                  ward_method method);

typedef struct ward_bench_result {
    size_t repeats;
    unsigned threads;
    double median_ms;       /* of one repeat */
    double low_ms, high_ms; /* its quartiles */
    double images_per_s;    /* batch / median */
    /* Of one repeat: two operations for each multiply-add of convolutions and dense layers by their
     * definition, however they are computed; gradients that nobody needs are not counted. */
    double gflop;
    double gflops;       /* gflop / median, a second */
    double sgemm_gflops; /* of the size of matrices that is fastest here: median of its runs */
    double share;        /* gflops / sgemm_gflops */
    /* The most memory this process has held, before sgemm was measured: of this work, if the
     * process did nothing larger. NaN if unknown. */
    double peak_rss_mib;
} ward_bench_result;

/* One operator with what is fused into it; all strings are borrowed for the call. */
typedef struct ward_bench_step {
    const char *name;           /* "Conv"; "SGD"; "rest": whatever is in no operator */
    const char *layer;          /* name of its parameters, "layer1.0.conv1"; "" if it has none */
    const char *implementation; /* "jit:avx512_core +relu | ...": forward, gradients */
    double forward_ms, backward_ms;       /* mean over repeats; "SGD" and "rest" are in forward */
    double forward_gflop, backward_gflop; /* of one repeat, as above */
} ward_bench_step;

typedef void ward_bench_visit(void *context, const ward_bench_step *step);

/*
 * Measure one piece of work on as many threads as ward_threads().
 *
 *   device  borrowed
 *   out     written only on success, before visit is called
 *   visit   NULL, or told of each operator in the order of execution when all is measured and
 *           nothing can fail any more; reading the clock for it costs the work some microseconds
 *
 * WARD_ERR_ARG for settings out of range or that do not go together, such as a baseline's
 * transform; WARD_ERR_DEVICE, WARD_ERR_NOMEM.
 */
WARD_API WARD_CHECK ward_status ward_bench(ward_device *device, const ward_bench_config *config,
                                           ward_bench_result *out, ward_bench_visit *visit,
                                           void *context);

#ifdef __cplusplus
}
#endif
#endif
