/*
 * Plots as inline SVG. Colours are the page's: lines and bars carry the classes a, b, c and o, to
 * which the style sheet gives a colour each for light and dark; lines differ in their dashes, too.
 * o is for lines that stay in the background.
 */
#ifndef REPORT_PLOT_H
#define REPORT_PLOT_H

#include <stdbool.h>

#include "base/bytes.h"

struct plot_line {
    char style;       /* 'a', 'b', 'c' or 'o' */
    const char *name; /* written beside the title, or at the line's end; NULL: not */
    bool has_dots;    /* dots instead of a line; with names at their ends, dots on a line */
    size_t count;
    const double *x, *y; /* [count], borrowed; points with a NaN are left out */
};

struct plot {
    unsigned id;       /* of the plot on its page */
    const char *title; /* plain text, shown above */
    const char *text;  /* what a reader who does not see it is told; plain text */
    const char *x_name;
    double y_max;    /* at least; 0: by the data */
    bool is_percent; /* y are fractions, shown as percent */
    bool is_log;     /* x, which then is above 0, by its logarithm */
    bool has_ends;   /* names stand at the ends of their lines, for which the plot gets higher */
    size_t line_count;
    const struct plot_line *lines;
};

/* Lines over a common axis. Errors stick to wr. */
void plot_lines(struct wr *wr, const struct plot *plot);

struct histogram {
    unsigned id;
    const char *title, *text;
    size_t count;
    const double *values; /* fractions, count >= 1 */
    double mean;
    double paper; /* marked if not NaN */
};

void plot_histogram(struct wr *wr, const struct histogram *histogram);

/* Bins of equal width over the values: at most `most`. For histograms in any form. */
struct bins {
    double low, width;
    size_t count;
    size_t height[24];
    size_t highest;
};

struct bins bins_of(const double *values, size_t count, size_t most);

#endif
