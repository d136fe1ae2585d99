/* Counters in Prometheus' text format, version 0.0.4. Nothing in them names a user. Any thread. */
#ifndef SERVE_METRICS_H
#define SERVE_METRICS_H

#include <stdatomic.h>

#include "base/bytes.h"

enum { METRICS_STATUSES = 14, METRICS_BUCKETS = 14 };

/* All zero to begin with. */
struct metrics {
    atomic_ullong answers[METRICS_STATUSES];    /* by HTTP status: see metrics.c */
    atomic_ullong images;                       /* answered with 200 */
    atomic_ullong seconds[METRICS_BUCKETS + 1]; /* requests by duration; the last: longer */
    atomic_ullong nanoseconds, requests;        /* of all inference requests, and how many */
    atomic_ullong cut_off;                      /* connections closed for being too slow */
    atomic_llong connections;                   /* now */
};

/* What is measured elsewhere and only passed on. */
struct metrics_more {
    const char *version, *model, *model_id;
    bool is_ready;
    size_t waiting;            /* images in the queue */
    uint64_t batches, batched; /* batches, and images in them */
    double compute_seconds;
    uint64_t syncs; /* of the audit log */
    double sync_seconds;
};

void metrics_answer(struct metrics *metrics, unsigned status);
void metrics_request(struct metrics *metrics, double seconds, size_t images);
void metrics_write(struct metrics *metrics, const struct metrics_more *more, struct wr *out);

#endif
