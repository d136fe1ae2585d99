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

/* ---- the red team ---- */

/* Whether a run of the report was attacked by suite v1. */
bool page_has_redteam(const struct page *page);
/* What the section is about, without markup. */
extern const char page_redteam_words[];
/* "Fashion-MNIST, simple-cnn: generator, fast, seed 1" */
void page_redteam_title(struct wr *wr, const struct report_run *run, text_escape *escape);
/* Of a kind of knowledge: "labelled images"; "" of none. */
const char *page_knowledge(enum redteam_knowledge knows);
/* "100 labelled images", "1 pair" */
void page_amount(struct wr *wr, double amount, enum redteam_knowledge knows);
/* The i-th figure of a verdict; NULL past the end. */
const char *page_figure_name(size_t i);
void page_figure_value(struct wr *wr, const struct redteam_scores *scores, size_t i,
                       text_escape *escape);
/* "+13.39 to +15.53" */
void page_gain_interval(struct wr *wr, const struct redteam_gain *gain);
/* " ± 1.25, best 76.10"; nothing of one adversary. */
void page_gain_spread(struct wr *wr, const struct redteam_gain *gain);
/* What was measured, in a sentence; and the command that goes on with it. */
void page_redteam_basis(struct wr *wr, const struct redteam_scores *scores);
void page_redteam_command(struct wr *wr, const struct redteam_scores *scores);

/* ---- small things ---- */

/* How the differences are coloured or marked: 0 no spread, 1 below one, 2 below three, 3 more. */
int page_level(const struct score *score);

/* Whether a run of the report is protected: has perturbations that could be shown. */
bool page_has_perturbations(const struct page *page);

/* "fast" of "fast --rate 0.1"; the rest begins at the return value, "" if there is none. */
const char *page_split_label(const char *label, size_t *first_len);

#endif
