/*
 * The page as Markdown: the same tables, with curves and histograms as rows of block characters.
 */
#include <inttypes.h>
#include <math.h>

#include "base/mem.h"
#include "base/util.h"
#include "report/markdown.h"
#include "report/plot.h"
#include "ward/version.h"

static const double percent = 100;

static void write_percent(struct wr *wr, double fraction)
{
    text_fixed(wr, percent * fraction, 2);
}

/* ---- the tables beside the paper's ---- */

/* "91.32 ± 0.11 | 91.82 | −0.50 (4.5 sd) |" */
static void write_score(struct wr *wr, const struct score *s, bool shows_sd)
{
    double difference = s->ours - s->paper, distance = fabs(score_distance(s));

    write_percent(wr, s->ours);
    if (shows_sd && isfinite(s->sd)) {
        wr_text(wr, " \xc2\xb1 ");
        write_percent(wr, s->sd);
    }
    wr_text(wr, " | ");
    write_percent(wr, s->paper);
    wr_text(wr, " | ");
    if (isfinite(difference))
        text_signed(wr, percent * difference, 2);
    if (isfinite(difference) && isfinite(distance)) {
        wr_text(wr, " (");
        text_fixed(wr, distance, 1);
        wr_text(wr, " sd)");
    }
    wr_text(wr, " |");
}

static void write_row(struct wr *wr, const struct score_row *row, bool right_has_sd)
{
    static const struct score nothing = {(double)NAN, (double)NAN, (double)NAN};

    wr_text(wr, "| ");
    page_group_name(wr, row->cell, text_markdown);
    wr_text(wr, " | ");
    text_markdown(wr, row->head);
    wr_text(wr, " | ");
    text_markdown(wr, row->detail);
    wr_text(wr, " | ");
    text_count(wr, row->n);
    if (row->n < row->wanted) {
        wr_text(wr, " of ");
        text_count(wr, row->wanted);
    }
    wr_text(wr, " | ");
    write_score(wr, &row->left, true);
    wr_text(wr, " ");
    write_score(wr, row->has_right ? &row->right : &nothing, right_has_sd);
    wr_text(wr, "\n");
}

static void write_accuracies(struct wr *wr, const struct score_table *table)
{
    wr_text(wr, "## Accuracy\n\nOn test images, in percent, beside the paper's Table 2. "
                "Authorised: of F(G(x)), with the secret transform.\nUnauthorised: of F(x), with a "
                "copy of the network alone. In brackets: the difference in standard deviations "
                "over\nseeds.\n\n"
                "| | method | recipe | seeds | authorised | paper | difference | unauthorised | "
                "paper | difference |\n|---|---|---|--:|--:|--:|--:|--:|--:|--:|\n");
    for (size_t i = 0; i < table->count; i++)
        write_row(wr, &table->rows[i], true);
    wr_text(wr, "\n");
}

static void write_attacks(struct wr *wr, const struct score_table *table)
{
    if (table->count == 0)
        return;
    wr_text(wr, "## Attacks\n\nAccuracy on test images that an adversary reaches without the "
                "transform, in percent, beside the paper's\nTable 3. The best trial is chosen on "
                "the test images, as in the paper: no adversary could.\n\n"
                "| | attack | method, recipe | trials | mean | paper | difference | best | paper "
                "| difference |\n|---|---|---|--:|--:|--:|--:|--:|--:|--:|\n");
    for (size_t i = 0; i < table->count; i++)
        write_row(wr, &table->rows[i], false);
    wr_text(wr, "\n");
}

/* ---- figure 2 ---- */

static void write_sheet(struct wr *wr, const struct figure *f)
{
    wr_text(wr, "### ");
    page_group_name(wr, f->cell, text_markdown);
    wr_printf(wr, ": %s", settings_recipe(&f->cell->runs->settings));
    wr_text(wr, "\n\n![raw image, then for each run the processed image and its perturbation "
                "times five](data:image/png;base64,");
    text_base64(wr, f->png.data, f->png.len);
    wr_text(wr, ")\n\n| method | recipe | RMS | largest |\n|---|---|--:|--:|\n");
    for (size_t i = 0; i < f->count; i++) {
        wr_printf(wr, "| %s | ", ward_method_name(f->runs[i]->method));
        text_markdown(wr, f->runs[i]->settings.label);
        wr_text(wr, " | ");
        text_fixed(wr, f->rms[i], 4);
        wr_text(wr, " | ");
        text_fixed(wr, f->largest[i], 4);
        wr_text(wr, " |\n");
    }
    wr_text(wr, "\n");
}

static void write_figures(struct wr *wr, const struct page *page)
{
    if (!page_has_perturbations(page))
        return;
    wr_text(wr, "## Perturbations\n\n");
    if (!page->figures) {
        wr_text(wr, "Left out: pictures of processed images and perturbations give the secret "
                    "transform away. `ward report\n--include-secret` shows them.\n\n");
        return;
    }
    wr_printf(wr,
              "The paper's Figure 2. Strengths are of G(x) - x over up to %zu test images, in "
              "units of the input.\n\n",
              page->figures->images);
    for (size_t i = 0; i < page->figures->count; i++)
        write_sheet(wr, &page->figures->items[i]);
}

/* ---- curves and histograms ---- */

enum { BARS = 24 };

static void write_bar(struct wr *wr, double height)
{
    static const char *const bars[] = {" ",
                                       "\xe2\x96\x81",
                                       "\xe2\x96\x82",
                                       "\xe2\x96\x83",
                                       "\xe2\x96\x84",
                                       "\xe2\x96\x85",
                                       "\xe2\x96\x86",
                                       "\xe2\x96\x87",
                                       "\xe2\x96\x88"};

    wr_text(wr, bars[(size_t)lrint(8 * fmin(fmax(height, 0), 1))]);
}

/* A curve as bars, with its first and its last value. */
static void write_curve(struct wr *wr, const struct history *h, enum history_curve curve,
                        const char *name, double factor)
{
    double first = (double)NAN, last = first, highest = 0;
    size_t bars = min_size(BARS, h->point_count);

    for (size_t i = 0; i < h->point_count; i++) {
        double v = h->points[i].value[curve];

        if (!isfinite(v))
            continue;
        first = isfinite(first) ? first : v;
        last = v;
        highest = fmax(highest, v);
    }
    if (!isfinite(first))
        return;
    wr_printf(wr, "%-28s", name);
    for (size_t i = 0; i < bars; i++) {
        double v = h->points[i * h->point_count / bars].value[curve];

        write_bar(wr, isfinite(v) && highest > 0 ? v / highest : 0);
    }
    wr_text(wr, "  ");
    text_fixed(wr, factor * first, 3);
    wr_text(wr, " .. ");
    text_fixed(wr, factor * last, 3);
    wr_text(wr, "\n");
}

void markdown_histogram(struct wr *wr, const char *name, const double *values, size_t count,
                        const char *noun)
{
    struct bins b = bins_of(values, count, BARS);

    text_plain(wr, name);
    wr_text(wr, ": ");
    write_percent(wr, b.low);
    wr_text(wr, " ");
    for (size_t i = 0; i < b.count; i++)
        write_bar(wr, (double)b.height[i] / (double)b.highest);
    wr_text(wr, " ");
    write_percent(wr, b.low + (double)b.count * b.width);
    wr_text(wr, " %, ");
    text_count(wr, (double)count);
    wr_printf(wr, " %s\n", noun);
}

static void write_curves(struct wr *wr, const struct page *page, const struct cell *cell)
{
    size_t attack = 0;

    wr_text(wr, "```\n");
    for (size_t i = 0; i < cell->count; i++) {
        const struct history *h = &cell->runs[i].history;

        wr_printf(wr, "seed %" PRIu64 ", ", cell->runs[i].settings.seed);
        text_count(wr, h->iterations);
        wr_text(wr, " iterations\n");
        write_curve(wr, h, CURVE_ACCURACY, "accuracy on processed, %", percent);
        write_curve(wr, h, CURVE_ACCURACY_RAW, "accuracy on raw, %", percent);
        write_curve(wr, h, CURVE_VALIDATION, "held out, processed, %", percent);
        write_curve(wr, h, CURVE_VALIDATION_RAW, "held out, raw, %", percent);
        write_curve(wr, h, CURVE_LOSS, "loss on processed", 1);
        write_curve(wr, h, CURVE_LOSS_RAW, "loss on raw", 1);
        write_curve(wr, h, CURVE_DISTANCE, "perturbation, squared norm", 1);
    }
    for (size_t i = 0; i < page->attacks->count; i++)
        if (page->attacks->rows[i].cell == cell) {
            if (cell->attacks[attack].count > 1)
                markdown_histogram(wr, page->attacks->rows[i].head, cell->attacks[attack].accuracy,
                                   cell->attacks[attack].count, "trials");
            attack++;
        }
    wr_text(wr, "```\n\n");
}

/* ---- runs ---- */

static void write_run(struct wr *wr, const struct report_run *r)
{
    const double none = (double)NAN;

    wr_printf(wr, "| %" PRIu64 " | ", r->settings.seed);
    write_percent(wr, r->is_evaluated ? r->evaluation.authorised : none);
    wr_text(wr, " | ");
    write_percent(wr, r->is_evaluated ? r->evaluation.unauthorised : none);
    wr_text(wr, " | ");
    text_duration(wr, r->history.seconds);
    wr_text(wr, " | ");
    page_parts(wr, &r->history, PART_DEVICE, text_markdown);
    wr_text(wr, " | ");
    page_parts(wr, &r->history, PART_THREADS, text_markdown);
    wr_text(wr, " | ");
    page_parts(wr, &r->history, PART_COMMIT, text_markdown);
    wr_text(wr, " | ");
    text_markdown(wr, r->path);
    wr_text(wr, " |\n");
}

static void write_settings(struct wr *wr, const struct cell *cell)
{
    char *text = NULL;
    json_t *shown = json_copy(cell->runs->settings.all);
    ward_status st = shown ? WARD_OK : ward_fail(WARD_ERR_NOMEM, "out of memory");

    json_object_del(shown, "format_version");
    json_object_del(shown, "seed");
    json_object_del(shown, "checkpoint_seconds");
    if (!st)
        st = json_to_text(shown, 2, &text);
    if (!st) {
        wr_text(wr, "```json\n");
        wr_text(wr, text); /* UTF-8, and no string of it holds a line break */
        wr_text(wr, "\n```\n\n");
    } else if (!wr->status) {
        wr->status = st;
    }
    mem_free(text);
    json_decref(shown);
}

static void write_cell(struct wr *wr, const struct page *page, const struct cell *cell)
{
    wr_text(wr, "### ");
    page_group_name(wr, cell, text_markdown);
    wr_printf(wr, ": %s, ", ward_method_name(cell->runs->method));
    text_markdown(wr, cell->runs->settings.label);
    wr_text(wr, "\n\n| seed | authorised | unauthorised | training | device | threads | commit | "
                "directory |\n|--:|--:|--:|--:|---|--:|---|---|\n");
    for (size_t i = 0; i < cell->count; i++)
        write_run(wr, &cell->runs[i]);
    wr_text(wr, "\n");
    write_curves(wr, page, cell);
    wr_text(wr, "```sh\n");
    page_commands(wr, cell, text_plain);
    wr_text(wr, "```\n\n");
    write_settings(wr, cell);
}

/* ---- the page ---- */

static void write_omissions(struct wr *wr, const struct runs *runs)
{
    if (runs->omission_count == 0)
        return;
    wr_text(wr, "## Left out\n\n");
    for (size_t i = 0; i < runs->omission_count; i++) {
        wr_text(wr, "- ");
        text_markdown(wr, runs->omissions[i].path);
        wr_text(wr, ": ");
        text_markdown(wr, runs->omissions[i].reason);
        wr_text(wr, "\n");
    }
    wr_text(wr, "\n");
}

void page_write_markdown(struct wr *wr, const struct page *page)
{
    const ward_build *build = ward_build_info();

    wr_text(wr, "# Networks that need a secret transform\n\n");
    if (page->figures)
        wr_text(wr, "**Secret.** This file shows perturbations, which give the transforms away. "
                    "Keep it from whoever may have\nthe networks. It was written with mode "
                    "0600.\n\n");
    wr_printf(wr,
              "Training runs: %zu, in settings: %zu; beside the numbers of %s.\n"
              "Runs that differ in their seeds only stand in one line, with mean and standard "
              "deviation.\n\n",
              page->runs->count, page->cells->count, page_paper());
    write_accuracies(wr, page->accuracies);
    write_attacks(wr, page->attacks);
    markdown_redteam(wr, page);
    write_figures(wr, page);
    wr_text(wr, "## Runs\n\n");
    for (size_t i = 0; i < page->cells->count; i++)
        write_cell(wr, page, &page->cells->items[i]);
    write_omissions(wr, page->runs);
    wr_printf(wr, "Made by ward %s, commit %s.\n", build->version, build->commit);
}
