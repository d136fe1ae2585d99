/* What the red team has found: see html.h. */
#include "report/html.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/plot.h"

enum { MAX_LINES = 32 };

/* ---- flags ---- */

/* Beside every figure. */
static void write_flag_names(struct wr *wr, const struct redteam_scores *s)
{
    wr_text(wr, s->flag_count > 0 ? " Flags:" : " No flag was raised.");
    for (size_t i = 0; i < s->flag_count; i++)
        wr_printf(wr, " <span class=\"chip l2\">%s</span>", s->flags[i].name);
}

static void write_flags(struct wr *wr, const struct redteam_scores *s)
{
    if (s->flag_count == 0) {
        wr_text(wr, "<p class=\"soft\">No flag was raised.</p>\n");
        return;
    }
    wr_text(wr, "<ul class=\"flags\">\n");
    for (size_t i = 0; i < s->flag_count; i++) {
        wr_printf(wr, "<li><span class=\"chip l2\">%s</span> ", s->flags[i].name);
        text_html(wr, s->flags[i].detail);
        wr_text(wr, "</li>\n");
    }
    wr_text(wr, "</ul>\n");
}

/* ---- tables ---- */

/* The caption is to follow. */
static void open_table(struct wr *wr)
{
    wr_text(wr, "<table class=\"list\" role=\"table\"><caption>");
}

static void open_head(struct wr *wr, const char *first)
{
    wr_printf(wr,
              "</caption><thead role=\"rowgroup\"><tr role=\"row\"><th scope=\"col\" "
              "role=\"columnheader\">%s</th>",
              first);
}

static void open_column(struct wr *wr, bool is_number)
{
    wr_printf(wr, "<th%s scope=\"col\" role=\"columnheader\">", is_number ? " class=\"num\"" : "");
}

static void open_body(struct wr *wr)
{
    wr_text(wr, "</tr></thead>\n<tbody role=\"rowgroup\">\n");
}

static void close_table(struct wr *wr)
{
    wr_text(wr, "</tbody></table>\n");
}

static void write_number(struct wr *wr, const char *name, double fraction)
{
    wr_printf(wr, "<td class=\"num%s\" role=\"cell\" data-label=\"%s\">",
              isfinite(fraction) ? "" : " none", name);
    if (isfinite(fraction))
        html_percent(wr, fraction);
    wr_text(wr, "</td>");
}

static void write_reached(struct wr *wr, const struct redteam_gain *g)
{
    wr_text(wr, "<td class=\"num\" role=\"cell\" data-label=\"reaches\">");
    html_percent(wr, g->best);
    wr_text(wr, "<small>");
    page_gain_spread(wr, g);
    wr_text(wr, "</small></td>");
}

static void write_gain(struct wr *wr, const struct redteam_gain *g, enum redteam_knowledge knows)
{
    bool has_control = isfinite(g->advantage), has_interval = isfinite(g->low);

    wr_text(wr, "<tr role=\"row\"><th scope=\"row\" role=\"rowheader\">");
    page_amount(wr, g->amount, knows);
    wr_printf(wr, "</th><td class=\"wide\" role=\"cell\" data-label=\"best attack\">%s</td>",
              g->attack);
    write_reached(wr, g);
    write_number(wr, "scratch", g->scratch);
    wr_printf(wr, "<td class=\"num%s\" role=\"cell\" data-label=\"Adv\"><strong>",
              has_control ? "" : " none");
    if (has_control)
        text_signed(wr, 100 * g->advantage, 2);
    wr_printf(wr, "</strong></td><td class=\"num%s\" role=\"cell\" data-label=\"95 %%\">",
              has_interval ? "" : " none");
    if (has_interval)
        page_gain_interval(wr, g);
    wr_text(wr, "</td></tr>\n");
}

static void write_gains(struct wr *wr, const struct redteam_scores *s)
{
    static const char *const columns[] = {"Reaches", "Scratch", "Adv", "95 %"};

    if (s->gains.count + s->pair_gains.count == 0)
        return;
    open_table(wr);
    wr_text(wr,
            "Accuracies in percent, what is reached with its deviation over adversaries and the "
            "best of them, Adv in points with its 95 % interval; of one adversary there is "
            "neither.");
    write_flag_names(wr, s);
    open_head(wr, "A thief holds");
    open_column(wr, false);
    wr_text(wr, "Best attack</th>");
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
        open_column(wr, true);
        wr_printf(wr, "%s</th>", columns[i]);
    }
    open_body(wr);
    for (size_t i = 0; i < s->gains.count; i++)
        write_gain(wr, &s->gains.items[i], REDTEAM_LABELLED);
    for (size_t i = 0; i < s->pair_gains.count; i++)
        write_gain(wr, &s->pair_gains.items[i], REDTEAM_PAIRS);
    close_table(wr);
}

static void write_figures(struct wr *wr, const struct redteam_scores *s)
{
    wr_text(wr, "<p class=\"soft\">Verdict.");
    write_flag_names(wr, s);
    wr_text(wr, "</p>\n<dl class=\"figures\">\n");
    for (size_t i = 0; page_figure_name(i); i++) {
        wr_text(wr, "<div><dt>");
        text_html(wr, page_figure_name(i));
        wr_text(wr, "</dt><dd>");
        page_figure_value(wr, s, i, text_html);
        wr_text(wr, "</dd></div>\n");
    }
    wr_text(wr, "</dl>\n");
}

static void write_line(struct wr *wr, const struct redteam_line *l, const double *amounts,
                       size_t count)
{
    wr_text(wr, "<tr role=\"row\"><th scope=\"row\" role=\"rowheader\">");
    wr_printf(wr, "%s <small>", l->attack);
    text_html(wr, l->id);
    wr_text(wr, "</small></th>");
    for (size_t i = 0; i < count; i++) {
        char name[32] = "accuracy";

        if (amounts[i] > 0)
            snprintf(name, sizeof name, "%.0f", amounts[i]);
        write_number(wr, name, redteam_at(l, amounts[i]));
    }
    wr_text(wr, "</tr>\n");
}

static void write_lines(struct wr *wr, const struct redteam_scores *s, enum redteam_knowledge knows)
{
    double amounts[REDTEAM_POINTS];
    size_t count = redteam_amounts(s, knows, amounts);

    if (count == 0)
        return;
    open_table(wr);
    wr_printf(wr, "Accuracy in percent with F%s%s.", knows ? " and so many " : " alone",
              page_knowledge(knows));
    write_flag_names(wr, s);
    open_head(wr, "Attack");
    for (size_t i = 0; i < count; i++) {
        open_column(wr, true);
        if (knows)
            text_count(wr, amounts[i]);
        wr_text(wr, "</th>");
    }
    open_body(wr);
    for (size_t i = 0; i < s->line_count; i++)
        if (s->lines[i].knows == knows)
            write_line(wr, &s->lines[i], amounts, count);
    close_table(wr);
}

/* ---- accuracy against the amount ---- */

/* Lines of a plot in the making, those in the background first. */
struct drawing {
    struct plot_line lines[MAX_LINES];
    size_t count;
    struct redteam_curve scratch;
    double ends[2], authorised[2]; /* a level line */
};

static void draw(struct drawing *d, char style, const char *name, const struct redteam_curve *c)
{
    if (d->count < MAX_LINES && c->count > 0)
        d->lines[d->count++] = (struct plot_line){.style = style,
                                                  .name = name,
                                                  .has_dots = true,
                                                  .count = c->count,
                                                  .x = c->at,
                                                  .y = c->mean};
}

/* Whether it is the best attack at some amount. */
static bool is_best(const struct redteam_line *l, const struct redteam_gains *gains)
{
    for (size_t i = 0; i < gains->count; i++)
        if (strcmp(gains->items[i].attack, l->attack) == 0 &&
            isfinite(redteam_at(l, gains->items[i].amount)))
            return true;
    return false;
}

static void draw_attacks(struct drawing *d, const struct redteam_scores *s,
                         enum redteam_knowledge knows, bool are_best)
{
    const struct redteam_gains *gains = knows == REDTEAM_PAIRS ? &s->pair_gains : &s->gains;

    for (size_t i = 0; i < s->line_count; i++) {
        const struct redteam_line *l = &s->lines[i];

        if (l->knows == knows && !redteam_is_control(l) && is_best(l, gains) == are_best)
            draw(d, are_best ? 'a' : 'o', l->attack, &l->curve);
    }
}

/* The control at the same amounts: of labelled images, as it always holds these. */
static void draw_scratch(struct drawing *d, const struct redteam_scores *s, const double *amounts,
                         size_t count)
{
    const struct redteam_line *scratch = redteam_find(s, "scratch", REDTEAM_LABELLED);

    for (size_t i = 0; i < count && scratch; i++) {
        d->scratch.at[i] = amounts[i];
        d->scratch.mean[i] = redteam_at(scratch, amounts[i]);
        d->scratch.count++;
    }
    draw(d, 'c', "scratch", &d->scratch);
}

static void draw_authorised(struct drawing *d, const struct redteam_scores *s, double low,
                            double high)
{
    const double around = 3; /* a single amount */

    d->ends[0] = low < high ? low : low / around;
    d->ends[1] = low < high ? high : high * around;
    d->authorised[0] = d->authorised[1] = s->authorised;
    if (isfinite(s->authorised) && d->count < MAX_LINES)
        d->lines[d->count++] = (struct plot_line){
            .style = 'b', .name = "authorised", .count = 2, .x = d->ends, .y = d->authorised};
}

static void write_plot(struct html *h, const struct redteam_scores *s, enum redteam_knowledge knows)
{
    struct drawing d = {.count = 0};
    double amounts[REDTEAM_POINTS];
    size_t count = redteam_amounts(s, knows, amounts);
    char title[64];

    draw_attacks(&d, s, knows, false);
    if (count == 0 || amounts[0] <= 0)
        return;
    draw_authorised(&d, s, amounts[0], amounts[count - 1]);
    if (knows != REDTEAM_UNLABELLED)
        draw_scratch(&d, s, amounts, count);
    draw_attacks(&d, s, knows, true);
    snprintf(title, sizeof title, "Accuracy by %s, %%", page_knowledge(knows));
    wr_text(h->wr, "<figure>");
    plot_lines(h->wr, &(struct plot){.id = ++h->plots,
                                     .title = title,
                                     .text = "Accuracy on test images of each attack by what the "
                                             "thief holds, on a logarithmic axis, beside the "
                                             "control. The table below has the numbers.",
                                     .x_name = page_knowledge(knows),
                                     .y_max = 1,
                                     .is_percent = true,
                                     .is_log = true,
                                     .has_ends = true,
                                     .line_count = d.count,
                                     .lines = d.lines});
    wr_text(h->wr, "<figcaption>");
    write_flag_names(h->wr, s);
    wr_text(h->wr, "</figcaption></figure>\n");
}

/* ---- keys ---- */

static void write_draws(struct html *h, const struct redteam_scores *s,
                        const struct redteam_draws *d, const char *title, const char *noun)
{
    struct spread spread = spread_of(d->accuracy, d->count);

    if (d->count < 2)
        return;
    wr_text(h->wr, "<figure>");
    plot_histogram(h->wr, &(struct histogram){.id = ++h->plots,
                                              .title = title,
                                              .text = "Histogram of the accuracies under random "
                                                      "draws, where choices are made.",
                                              .count = d->count,
                                              .values = d->accuracy,
                                              .mean = spread.mean,
                                              .paper = (double)NAN});
    wr_text(h->wr, "<figcaption>");
    text_count(h->wr, (double)d->count);
    wr_printf(h->wr, " %s", noun);
    if (d->drawn > (double)d->count) {
        wr_text(h->wr, ", the best of ");
        text_count(h->wr, d->drawn);
    }
    wr_text(h->wr, ", on images that choices are made on.");
    write_flag_names(h->wr, s);
    wr_text(h->wr, "</figcaption></figure>\n");
}

/* From shares to percent; what all of the key gives is known. */
static struct redteam_curve complete(const struct redteam_scores *s, const struct redteam_curve *c)
{
    struct redteam_curve made = *c;

    for (size_t i = 0; i < made.count; i++)
        made.at[i] *= 100;
    if (made.count < REDTEAM_POINTS && isfinite(s->authorised)) {
        made.at[made.count] = 100;
        made.mean[made.count++] = s->authorised;
    }
    return made;
}

static void write_shares(struct html *h, const struct redteam_scores *s)
{
    const struct redteam_curve wrong = complete(s, &s->wrong_keys);
    const struct redteam_curve improved = complete(s, &s->improved_keys);
    const struct plot_line lines[] = {
        {.style = 'b', .name = "as it is", .count = wrong.count, .x = wrong.at, .y = wrong.mean},
        {.style = 'a',
         .name = "improved",
         .count = improved.count,
         .x = improved.at,
         .y = improved.mean}};

    if (s->wrong_keys.count == 0)
        return;
    wr_text(h->wr, "<figure>");
    plot_lines(h->wr, &(struct plot){.id = ++h->plots,
                                     .title = "Wrong keys, %",
                                     .text = "Accuracy by how much of the key is right, as it is "
                                             "and after steps that improve it.",
                                     .x_name = "% of the key that is right",
                                     .y_max = 1,
                                     .is_percent = true,
                                     .line_count = 2,
                                     .lines = lines});
    wr_text(h->wr, "<figcaption>Somebody was shown so much of the key; on images that choices are "
                   "made on, and for all of the key on test images.");
    write_flag_names(h->wr, s);
    wr_text(h->wr, "</figcaption></figure>\n");
}

/* ---- a result ---- */

static void write_plots(struct html *h, const struct redteam_scores *s)
{
    wr_text(h->wr, "<div class=\"plots big\">\n");
    for (int i = REDTEAM_LABELLED; i < REDTEAM_KNOWLEDGE_COUNT; i++)
        write_plot(h, s, (enum redteam_knowledge)i);
    write_draws(h, s, &s->keys, "Random keys", "keys drawn as the owner's was");
    write_draws(h, s, &s->patterns, "Random patterns", "patterns drawn as method fixed draws them");
    write_shares(h, s);
    wr_text(h->wr, "</div>\n");
}

static void write_result(struct html *h, const struct report_run *r, const struct redteam_scores *s)
{
    struct wr *wr = h->wr;

    wr_text(wr, "<section>\n<h3>");
    page_redteam_title(wr, r, text_html);
    wr_printf(wr, ", %s</h3>\n<p class=\"verdict\">", s->budget);
    text_html(wr, s->sentence);
    wr_text(wr, "</p>\n");
    write_flags(wr, s);
    write_gains(wr, s);
    write_figures(wr, s);
    write_plots(h, s);
    wr_text(wr, "<details><summary>All attacks</summary>\n");
    for (int i = 0; i < REDTEAM_KNOWLEDGE_COUNT; i++)
        write_lines(wr, s, (enum redteam_knowledge)i);
    wr_text(wr, "</details>\n<p class=\"soft\">");
    page_redteam_basis(wr, s);
    wr_text(wr, "</p>\n<pre><code>");
    page_redteam_command(wr, s);
    wr_text(wr, "</code></pre>\n</section>\n");
}

void html_redteam(struct html *h)
{
    if (!page_has_redteam(h->page))
        return;
    wr_text(h->wr, "<h2 id=\"redteam\">What the locks are worth</h2>\n<p>");
    wr_text(h->wr, page_redteam_words);
    wr_text(h->wr, "</p>\n");
    for (size_t i = 0; i < h->page->runs->count; i++)
        for (size_t j = 0; j < h->page->runs->items[i].redteam_count; j++)
            write_result(h, &h->page->runs->items[i], &h->page->runs->items[i].redteams[j]);
}
