/*
 * The runs of a report and all that is shown of them. Nothing secret stays here: runs are opened,
 * read and closed again.
 */
#ifndef REPORT_RUNS_H
#define REPORT_RUNS_H

#include "report/history.h"
#include "report/redteam.h"
#include "report/scores.h"
#include "report/settings.h"
#include "ward/report.h"

struct report_run {
    char *path;        /* as it was named; owned */
    char *data, *arch; /* owned */
    ward_method method;
    char model_id[MODEL_ID_LEN + 1];
    bool has_transform;   /* G is there */
    bool is_reproducible; /* G was drawn from a seed given by hand */
    struct settings settings;
    struct history history;
    bool is_evaluated;
    struct evaluation evaluation;
    size_t attack_count;
    struct attack_scores *attacks; /* owned */
    size_t redteam_count;
    struct redteam_scores *redteams; /* one a budget; owned */
};

/* What could not be shown, and why: a run, its accuracy, or a result. */
struct omission {
    char *path, *reason; /* owned */
};

struct runs {
    size_t count;
    struct report_run *items; /* owned; by data, architecture, recipe, method, settings, seed */
    size_t omission_count;
    struct omission *omissions; /* owned */
};

/* One data set, opened when it is first asked for and kept while the same is asked for again. */
struct data_keeper {
    const char *given;  /* ward_report_options.data */
    char *spec;         /* of what is open; owned */
    ward_dataset *data; /* owned */
};

/*
 * The data set of a run: the one given if it bears the run's name, otherwise what it was trained
 * on. *out is borrowed from the keeper.
 */
WARD_CHECK ward_status data_keeper_open(struct data_keeper *keeper, const struct report_run *run,
                                        const ward_dataset **out);
/* All zero is fine. */
void data_keeper_release(struct data_keeper *keeper);

/*
 * Collect runs: each path is one, or a directory of runs. Evaluates on the test images what has not
 * been, and keeps that in the run. *out is all zero. WARD_ERR_IO if no path holds a run that can be
 * shown; WARD_ERR_STOPPED; WARD_ERR_NOMEM; what else goes wrong with a run is an omission.
 */
WARD_CHECK ward_status runs_collect(struct runs *out, ward_device *device, const char *const *paths,
                                    size_t count, const ward_report_options *options,
                                    struct data_keeper *keeper);
/* All zero is fine. */
void runs_release(struct runs *runs);

/* Add an omission with the text of the last error, and tell options->note. */
WARD_CHECK ward_status runs_omit(struct runs *runs, const char *path,
                                 const ward_report_options *options);

#endif
