/* A piece of work to measure: random weights and images, but the plans that do it in earnest. */
#ifndef BENCH_WORK_H
#define BENCH_WORK_H

#include "model/run.h"
#include "nn/sgd.h"
#include "protect/objective.h"
#include "ward/bench.h"
#include "ward/train.h"

struct work {
    ward_device *device; /* kept */
    ward_bench_config config;
    ward_train_config settings;
    ward_run run; /* F, for a transform its shape only, and G */
    float *x, *y; /* a batch of images; what comes out */
    int32_t *labels;

    /* Training. */
    struct graph graph;
    struct objective objective;
    struct plan *step;
    struct sgd_config sgd;
    struct sgd_group group;
    uint64_t steps;
    bool is_profiled;
    double update_seconds;

    ward_session *session; /* otherwise */
    enum pass pass;
};

/* w is all zero; work_close() in any case. */
WARD_CHECK ward_status work_open(struct work *w, ward_device *device,
                                 const ward_bench_config *config);
void work_close(struct work *w);

/* Do it once. */
WARD_CHECK ward_status work_run(struct work *w);
/* What it is computed by; only after work_run(). */
struct plan *work_plan(const struct work *w);
/* Count the time of updates from now on. */
void work_profile_updates(struct work *w);

#endif
