/* The sheets of the paper's Figure 2, and how strong perturbations are. Secret: they show G. */
#ifndef REPORT_FIGURE_H
#define REPORT_FIGURE_H

#include "base/bytes.h"
#include "report/cells.h"

enum { FIGURE_MAX_RUNS = 8, FIGURE_MAX_ROWS = 10 };

/* One run of each protected cell of a data set, an architecture and a recipe. */
struct figure {
    const struct cell *cell; /* the first of them; borrowed */
    size_t count;
    const struct report_run *runs[FIGURE_MAX_RUNS]; /* borrowed */
    double rms[FIGURE_MAX_RUNS];                    /* of x_p - x_r over some test images */
    double largest[FIGURE_MAX_RUNS];                /* its largest absolute value */
    struct wr png;
};

struct figures {
    size_t count;
    struct figure *items; /* owned */
    size_t images;        /* that rms and largest are of, at most */
};

/* *out is all zero. A figure that cannot be drawn becomes an omission of runs. */
WARD_CHECK ward_status figures_make(struct figures *out, const struct cells *cells,
                                    struct runs *runs, ward_device *device,
                                    const ward_report_options *options, struct data_keeper *keeper);
/* Wipes. All zero is fine. */
void figures_release(struct figures *figures);

#endif
