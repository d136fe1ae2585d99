/*
 * How a training went: metrics.jsonl, read back. A line that a kill left half written at the end of
 * the file is left out; keys that are not known are ignored.
 */
#ifndef REPORT_HISTORY_H
#define REPORT_HISTORY_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

enum history_curve {
    CURVE_ACCURACY,
    CURVE_ACCURACY_RAW,
    CURVE_LOSS,
    CURVE_LOSS_RAW,
    CURVE_DISTANCE,
    CURVE_VALIDATION,
    CURVE_VALIDATION_RAW,
    CURVE_COUNT
};

struct history_point {
    double iteration;
    double value[CURVE_COUNT]; /* as in the file; NaN: none */
};

/* From which iteration on a training went on what. */
struct history_part {
    double iteration;
    double threads;
    char *version, *commit, *device, *summary; /* owned */
};

struct history {
    size_t point_count;
    struct history_point *points; /* owned */
    size_t part_count;
    struct history_part *parts; /* owned */
    double iterations, seconds; /* of the last line; 0 without one */
};

enum { HISTORY_MAX_FILE = 1 << 26 }; /* bytes */

/* Untrusted text. *out is all zero. WARD_ERR_FORMAT names the line. */
WARD_CHECK ward_status history_parse(struct history *out, const char *text, size_t len);
/* A file that is not there is an empty history. */
WARD_CHECK ward_status history_read(struct history *out, const char *path);
/* All zero is fine. */
void history_release(struct history *history);

#endif
