/*
 * The parts of the HTML page:
 *
 *   html.c         the page around them, and the pictures of perturbations
 *   html_scores.c  the tables beside the paper's
 *   html_redteam.c what the red team has found
 *   html_cells.c   the section of each setting: curves, trials, runs, commands
 */
#ifndef REPORT_HTML_H
#define REPORT_HTML_H

#include "report/page.h"

/* A page being written. */
struct html {
    struct wr *wr;
    const struct page *page;
    unsigned plots; /* so far, for their ids */
};

void html_accuracies(struct html *h);
/* Nothing if there was no attack. */
void html_attacks(struct html *h);
/* Nothing if there was no red team. */
void html_redteam(struct html *h);
void html_cell(struct html *h, const struct cell *cell);

/* ---- small things ---- */

/* 91.32 of 0.9132 */
void html_percent(struct wr *wr, double fraction);
/* "3 runs" */
void html_counted(struct wr *wr, size_t count, const char *one, const char *more);
/* "fast", then options as code. */
void html_label(struct wr *wr, const char *label);
/* Of the cell's section, from 1. */
size_t html_cell_number(const struct html *h, const struct cell *cell);

#endif
