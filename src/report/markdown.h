/*
 * The parts of the Markdown page:
 *
 *   markdown.c          the page, and all of it but
 *   markdown_redteam.c  what the red team has found
 */
#ifndef REPORT_MARKDOWN_H
#define REPORT_MARKDOWN_H

#include "report/page.h"

/* Nothing if there was no red team. */
void markdown_redteam(struct wr *wr, const struct page *page);

/* Fractions, count >= 1, as a row of block characters, for the inside of a block of code: "pair:
 * 10.00 ▁█▂ 40.00 %, 100 trials". */
void markdown_histogram(struct wr *wr, const char *name, const double *values, size_t count,
                        const char *noun);

#endif
