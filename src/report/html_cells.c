/* The section of each setting: see html.h. */
#include "report/html.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/mem.h"
#include "report/plot.h"

/* ---- plots ---- */

enum { MAX_LINES = 64 };

/* Curves of all runs of a cell, in one plot. */
struct curves {
    struct plot_line lines[MAX_LINES];
    size_t count;
    double *values; /* owned */
};

struct curve_style {
    enum history_curve curve;
    char style;
    const char *name;
    bool has_dots;
};

static bool has_curve(const struct history *h, enum history_curve curve)
{
    for (size_t i = 0; i < h->point_count; i++)
        if (isfinite(h->points[i].value[curve]))
            return true;
    return false;
}

static void add_curve(struct curves *c, const struct history *h, const struct curve_style *style,
                      double *values)
{
    struct plot_line *line = &c->lines[c->count++];

    for (size_t i = 0; i < h->point_count; i++) {
        values[i] = h->points[i].iteration;
        values[h->point_count + i] = h->points[i].value[style->curve];
    }
    *line = (struct plot_line){.style = style->style,
                               .name = style->name,
                               .has_dots = style->has_dots,
                               .count = h->point_count,
                               .x = values,
                               .y = values + h->point_count};
}

static ward_status curves_make(struct curves *out, const struct cell *cell,
                               const struct curve_style *styles, size_t style_count)
{
    struct curves made = {.count = 0};
    size_t total = 0;
    double *next;
    ward_status st;

    for (size_t i = 0; i < cell->count; i++)
        total += cell->runs[i].history.point_count;
    st = mem_new(&made.values, 2 * style_count * total, sizeof(double));
    if (st)
        return st;
    next = made.values;
    for (size_t k = 0; k < style_count; k++) {
        struct curve_style style = styles[k];

        for (size_t i = 0; i < cell->count && made.count < MAX_LINES; i++) {
            const struct history *history = &cell->runs[i].history;

            if (!has_curve(history, style.curve))
                continue;
            add_curve(&made, history, &style, next);
            next += 2 * history->point_count;
            style.name = NULL; /* the key has each name once */
        }
    }
    *out = made;
    return WARD_OK;
}

static void write_curves(struct html *h, const struct cell *cell, const struct plot *like,
                         const struct curve_style *styles, size_t style_count)
{
    struct curves curves = {.count = 0};
    struct plot plot = *like;
    ward_status st = curves_make(&curves, cell, styles, style_count);

    plot.id = ++h->plots;
    plot.x_name = "iterations";
    plot.lines = curves.lines;
    plot.line_count = curves.count;
    if (st && !h->wr->status)
        h->wr->status = st;
    if (!st && plot.line_count > 0) {
        wr_text(h->wr, "<figure>");
        plot_lines(h->wr, &plot);
        wr_text(h->wr, "</figure>\n");
    }
    mem_free(curves.values);
}

static void write_training(struct html *h, const struct cell *cell)
{
    static const struct curve_style accuracy[] = {
        {CURVE_ACCURACY, 'a', "processed", false},
        {CURVE_ACCURACY_RAW, 'b', "raw", false},
        {CURVE_VALIDATION, 'a', "held out", true},
        {CURVE_VALIDATION_RAW, 'b', NULL, true},
    };
    static const struct curve_style loss[] = {
        {CURVE_LOSS, 'a', "processed", false},
        {CURVE_LOSS_RAW, 'b', "raw", false},
    };
    static const struct curve_style distance[] = {{CURVE_DISTANCE, 'a', NULL, false}};

    write_curves(h, cell,
                 &(struct plot){.title = "Accuracy, %",
                                .text = "Running mean of the accuracy on training batches, on "
                                        "processed and on raw images, by iteration.",
                                .y_max = 1,
                                .is_percent = true},
                 accuracy, sizeof accuracy / sizeof accuracy[0]);
    write_curves(h, cell,
                 &(struct plot){.title = "Loss",
                                .text = "Running mean of the losses on processed images (cross "
                                        "entropy) and on raw images (probability of the true "
                                        "class), by iteration."},
                 loss, sizeof loss / sizeof loss[0]);
    write_curves(h, cell,
                 &(struct plot){.title = "Perturbation, squared norm",
                                .text = "Running mean of the squared distance of processed from "
                                        "raw images, by iteration."},
                 distance, 1);
}

static void write_histogram(struct html *h, const struct cell_attack *a,
                            const struct score_row *row)
{
    struct wr *wr = h->wr;

    wr_text(wr, "<figure>");
    plot_histogram(wr, &(struct histogram){.id = ++h->plots,
                                           .title = row->head,
                                           .text = "Histogram of the accuracies of all trials of "
                                                   "this attack.",
                                           .count = a->count,
                                           .values = a->accuracy,
                                           .mean = a->spread.mean,
                                           .paper = row->left.paper});
    wr_text(wr, "<figcaption>");
    html_counted(wr, a->count, "trial", "trials");
    wr_text(wr, " in ");
    text_duration(wr, a->seconds);
    wr_text(wr, " of one thread; mean ");
    html_percent(wr, a->spread.mean);
    wr_text(wr, ", best ");
    html_percent(wr, a->best);
    if (a->sources == 1 && isfinite(a->first->chosen)) {
        wr_text(wr, ", chosen by the adversary\xe2\x80\x99s own error ");
        html_percent(wr, a->first->chosen);
    }
    wr_text(wr, "</figcaption></figure>\n");
}

static void write_fit(struct html *h, const struct attack_scores *a, const char *head)
{
    struct plot_line lines[ATTACK_CURVES];
    char title[128];

    snprintf(title, sizeof title, "%s: error of fit", head);

    for (size_t i = 0; i < a->curve_count; i++)
        lines[i] = (struct plot_line){.style = 'a',
                                      .count = a->curves[i].count,
                                      .x = a->curves[i].step,
                                      .y = a->curves[i].error};
    wr_text(h->wr, "<figure>");
    plot_lines(h->wr, &(struct plot){.id = ++h->plots,
                                     .title = title,
                                     .text = "Mean squared error of the fitted transform on pairs "
                                             "held out from fitting, by step, of the first trials.",
                                     .x_name = "steps",
                                     .line_count = a->curve_count,
                                     .lines = lines});
    wr_text(h->wr, "<figcaption>on pairs held out from fitting; the first ");
    html_counted(h->wr, a->curve_count, "trial", "trials");
    wr_text(h->wr, "</figcaption></figure>\n");
}

/* The rows of a cell's attacks stand in a row of the table, in the cell's order. */
static const struct score_row *first_row(const struct html *h, const struct cell *cell)
{
    const struct score_row *row = h->page->attacks->rows;

    while (row->cell != cell)
        row++;
    return row;
}

static void write_trials(struct html *h, const struct cell *cell)
{
    const struct score_row *rows;

    if (cell->attack_count == 0)
        return;
    rows = first_row(h, cell);
    wr_text(h->wr, "<div class=\"plots\">\n");
    for (size_t i = 0; i < cell->attack_count; i++)
        if (cell->attacks[i].count > 1)
            write_histogram(h, &cell->attacks[i], &rows[i]);
    for (size_t i = 0; i < cell->attack_count; i++)
        if (cell->attacks[i].first->curve_count > 0)
            write_fit(h, cell->attacks[i].first, rows[i].head);
    wr_text(h->wr, "</div>\n");
}

/* ---- runs ---- */

static void write_measured(struct wr *wr, const char *name, double accuracy, ward_interval ci)
{
    wr_printf(wr, "<td class=\"num%s\" role=\"cell\" data-label=\"%s\">",
              isfinite(accuracy) ? "" : " none", name);
    if (isfinite(accuracy)) {
        html_percent(wr, accuracy);
        wr_text(wr, " <small>");
        html_percent(wr, ci.low);
        wr_text(wr, "\xe2\x80\x93");
        html_percent(wr, ci.high);
        wr_text(wr, "</small>");
    }
    wr_text(wr, "</td>");
}

static void write_run(struct wr *wr, const struct report_run *r)
{
    const double none = (double)NAN;
    const struct evaluation *e = &r->evaluation;

    wr_printf(wr, "<tr role=\"row\"><th scope=\"row\" role=\"rowheader\">seed %" PRIu64 "</th>",
              r->settings.seed);
    write_measured(wr, "authorised", r->is_evaluated ? e->authorised : none, e->authorised_ci);
    write_measured(wr, "unauthorised", r->is_evaluated ? e->unauthorised : none,
                   e->unauthorised_ci);
    wr_text(wr, "<td class=\"num\" role=\"cell\" data-label=\"training\">");
    text_duration(wr, r->history.seconds);
    wr_text(wr, "</td><td role=\"cell\" data-label=\"device\">");
    page_parts(wr, &r->history, PART_DEVICE, text_html);
    if (r->history.part_count > 0) {
        wr_text(wr, " <small>\xc3\x97 ");
        page_parts(wr, &r->history, PART_THREADS, text_html);
        wr_text(wr, "</small>");
    }
    wr_text(wr, "</td><td role=\"cell\" data-label=\"commit\"><code>");
    page_parts(wr, &r->history, PART_COMMIT, text_html);
    wr_text(wr, "</code></td><td class=\"wide\" role=\"cell\" data-label=\"directory\"><code>");
    text_html(wr, r->path);
    wr_text(wr, "</code></td></tr>\n");
}

static void write_runs(struct wr *wr, const struct cell *cell)
{
    static const char *const columns[][2] = {
        {"", "Run"},    {"num", "Authorised"}, {"num", "Unauthorised"}, {"num", "Training"},
        {"", "Device"}, {"", "Commit"},        {"", "Directory"},
    };

    wr_text(wr, "<table class=\"list\" role=\"table\"><caption>Runs; accuracies in percent, with "
                "95 % intervals</caption><thead role=\"rowgroup\"><tr role=\"row\">");
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
        wr_printf(wr, "<th class=\"%s\" scope=\"col\" role=\"columnheader\">%s</th>", columns[i][0],
                  columns[i][1]);
    wr_text(wr, "</tr></thead>\n<tbody role=\"rowgroup\">\n");
    for (size_t i = 0; i < cell->count; i++)
        write_run(wr, &cell->runs[i]);
    wr_text(wr, "</tbody></table>\n");
}

/* What the devices of a cell's runs are, each once. */
static void write_devices(struct wr *wr, const struct cell *cell)
{
    const char *last = NULL;

    for (size_t i = 0; i < cell->count; i++) {
        const struct history *h = &cell->runs[i].history;

        for (size_t j = 0; j < h->part_count; j++) {
            if (last && strcmp(last, h->parts[j].summary) == 0)
                continue;
            last = h->parts[j].summary;
            wr_text(wr, "<p class=\"soft\">");
            text_html(wr, h->parts[j].device);
            wr_text(wr, ": ");
            text_html(wr, last);
            wr_text(wr, "</p>\n");
        }
    }
}

static void write_settings(struct wr *wr, const struct cell *cell)
{
    static const char *const left_out[] = {"format_version", "seed", "checkpoint_seconds"};
    const char *key;
    json_t *value;

    wr_text(wr, "<details><summary>Settings</summary>\n<dl>\n");
    json_object_foreach(cell->runs->settings.all, key, value) {
        char *text = NULL;
        bool is_shown = true;

        for (size_t i = 0; i < sizeof left_out / sizeof left_out[0]; i++)
            is_shown = is_shown && strcmp(key, left_out[i]) != 0;
        if (!is_shown)
            continue;
        wr_printf(wr, "<div><dt>%s</dt><dd>", key);
        if (json_is_string(value))
            text_html(wr, json_string_value(value));
        else if (json_to_text(value, 0, &text) == WARD_OK)
            text_html(wr, text);
        else if (!wr->status)
            wr->status = WARD_ERR_NOMEM;
        mem_free(text);
        wr_text(wr, "</dd></div>\n");
    }
    wr_text(wr, "</dl></details>\n");
}

/* A line that is escaped already; each option keeps together when it is broken. */
static void write_command(struct wr *wr, const char *line)
{
    const char *next;

    wr_text(wr, "<code><span>");
    for (; (next = strstr(line, " --")) != NULL; line = next + 1) {
        wr_bytes(wr, line, (size_t)(next - line));
        wr_text(wr, "</span> <span>");
    }
    wr_text(wr, line);
    wr_text(wr, "</span></code>");
}

static void write_commands(struct wr *wr, const struct cell *cell)
{
    struct wr lines = WR_INIT;
    char *line, *end;

    page_commands(&lines, cell, text_html);
    wr_u8(&lines, 0);
    wr_text(wr, "<h4>Commands</h4>\n<pre>");
    if (!wr->status)
        wr->status = wr_finish(&lines);
    for (line = (char *)lines.data; !lines.status && *line; line = end + 1) {
        end = strchr(line, '\n');
        *end = '\0';
        write_command(wr, line);
    }
    wr_text(wr, "</pre>\n");
    wr_release(&lines);
}

static void write_notes(struct wr *wr, const struct cell *cell)
{
    bool is_given = false;

    for (size_t i = 0; i < cell->count; i++)
        is_given = is_given || cell->runs[i].is_reproducible;
    if (is_given)
        wr_text(wr, "<p class=\"soft\">Where a secret seed was given by hand, the transform can be "
                    "made again and does not count as secret.</p>\n");
    else if (cell->runs->method != WARD_METHOD_BASELINE)
        wr_text(wr, "<p class=\"soft\">The transform is drawn from the system\xe2\x80\x99s "
                    "randomness: the same command makes another one.</p>\n");
}

void html_cell(struct html *h, const struct cell *cell)
{
    struct wr *wr = h->wr;

    wr_printf(wr, "<section>\n<h3 id=\"cell-%zu\">", html_cell_number(h, cell));
    page_group_name(wr, cell, text_html);
    wr_printf(wr, ": %s, ", ward_method_name(cell->runs->method));
    html_label(wr, cell->runs->settings.label);
    wr_text(wr, "</h3>\n<div class=\"plots\">\n");
    write_training(h, cell);
    wr_text(wr, "</div>\n");
    write_trials(h, cell);
    write_runs(wr, cell);
    write_devices(wr, cell);
    write_settings(wr, cell);
    write_commands(wr, cell);
    write_notes(wr, cell);
    wr_text(wr, "</section>\n");
}
