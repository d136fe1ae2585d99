/*
 * Reports: what trainings and attacks came to, beside the paper's numbers, as one page.
 */
#ifndef WARD_REPORT_H
#define WARD_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "ward/device.h"
#include "ward/key.h"
#include "ward/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ward_report_format {
    WARD_REPORT_HTML, /* one file that needs nothing else: no script, no request */
    WARD_REPORT_MARKDOWN
} ward_report_format;

typedef struct ward_report_options {
    ward_report_format format;
    bool includes_secret; /* pictures of perturbations, which give G away */
    const char *data; /* a data set as ward_dataset_open() takes it, for the runs that were trained
                         on one of its name; NULL: each run's own */
    /* May be NULL: called while a run is evaluated; false stops (WARD_ERR_STOPPED). */
    bool (*progress)(void *context, const char *run, size_t done, size_t count);
    /* May be NULL: one line about something that is left out. */
    void (*note)(void *context, const char *text);
    void *context;
    ward_keys *keys; /* to open sealed runs with; NULL: none. Borrowed */
} ward_report_options;

enum ward_report_flags {
    WARD_REPORT_REPLACE = 1 /* overwrite what is there */
};

/* A finished page. Immutable. */
typedef struct ward_report ward_report;

/*
 * Make a report of runs.
 *
 *   out      receives the report, owned: ward_report_free(); written only on success
 *   paths    count runs, or directories of runs; borrowed
 *   options  borrowed; all zero is fine
 *
 * Runs that differ in their seeds only are shown as one: mean and standard deviation. A run that
 * was not evaluated on the test images is evaluated, and the accuracies are kept in the run
 * (eval.json). Results of attacks are read from attacks/NAME.json in the run, and those of suite v1
 * from redteam/BUDGET.json. What is missing or damaged is left out, and the page says so.
 *
 * The secret seed, transforms and processed images never get into a report, but for the pictures
 * that includes_secret asks for.
 *
 * WARD_ERR_IO if a path is no directory or holds no run, or no run can be shown; WARD_ERR_ARG for
 * no path; WARD_ERR_STOPPED; WARD_ERR_NOMEM.
 */
WARD_API WARD_CHECK ward_status ward_report_new(ward_report **out, ward_device *device,
                                                const char *const *paths, size_t count,
                                                const ward_report_options *options);
/* Wipes. NULL is fine. */
WARD_API void ward_report_free(ward_report *report);

/* The page, UTF-8 with a NUL behind it; valid as long as the report. */
WARD_API const char *ward_report_text(const ward_report *report);

/*
 * Write the page to a file, whole or not at all; mode 0600 if it includes secrets.
 *
 *   flags  of ward_report_flags
 *
 * WARD_ERR_EXISTS, WARD_ERR_IO, WARD_ERR_NOMEM.
 */
WARD_API WARD_CHECK ward_status ward_report_write(const ward_report *report, const char *path,
                                                  int flags);

#ifdef __cplusplus
}
#endif
#endif
