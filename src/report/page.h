/* What a page is made of, and the forms that it takes. All pointers are borrowed. */
#ifndef REPORT_PAGE_H
#define REPORT_PAGE_H

#include "report/cells.h"
#include "report/figure.h"
#include "report/text.h"

struct page {
    const struct runs *runs;
    const struct cells *cells;
    const struct score_table *accuracies, *attacks;
    const struct figures *figures; /* NULL: secrets are left out */
};

/* Errors stick to wr. */
void page_write_html(struct wr *wr, const struct page *page);
void page_write_markdown(struct wr *wr, const struct page *page);

/* The style sheet, line by line; ends with NULL. */
extern const char *const style_lines[];

/* ---- what both forms say ---- */

/* "Fashion-MNIST, resnet20" */
void page_group_name(struct wr *wr, const struct cell *cell, text_escape *escape);
/* Whose numbers ours stand beside. */
const char *page_paper(void);
/* The parts of a training of a run: "a1b2c3" or "a1b2c3 from 0, d4e5f6 from 300". */
enum part_field { PART_COMMIT, PART_DEVICE, PART_THREADS };
void page_parts(struct wr *wr, const struct history *history, enum part_field field,
                text_escape *escape);

/* The commands that make a cell's runs and results again, a line each. */
void page_commands(struct wr *wr, const struct cell *cell, text_escape *escape);

/* How the differences are coloured or marked: 0 no spread, 1 below one, 2 below three, 3 more. */
int page_level(const struct score *score);

/* Whether a run of the report is protected: has perturbations that could be shown. */
bool page_has_perturbations(const struct page *page);

/* "fast" of "fast --rate 0.1"; the rest begins at the return value, "" if there is none. */
const char *page_split_label(const char *label, size_t *first_len);

#endif
