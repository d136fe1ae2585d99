/* What the red team has found, as Markdown: see markdown.h. */
#include "report/markdown.h"

#include <math.h>

static void write_percent(struct wr *wr, double fraction)
{
    text_fixed(wr, 100 * fraction, 2);
}

/* "Flags: below-chance, jump": beside every figure. */
static void write_flag_names(struct wr *wr, const struct redteam_scores *s)
{
    wr_text(wr, s->flag_count > 0 ? "Flags: " : "No flag was raised.");
    for (size_t i = 0; i < s->flag_count; i++)
        wr_printf(wr, "%s**%s**", i ? ", " : "", s->flags[i].name);
}

static void write_flags(struct wr *wr, const struct redteam_scores *s)
{
    for (size_t i = 0; i < s->flag_count; i++) {
        wr_printf(wr, "- flag **%s**: ", s->flags[i].name);
        text_markdown(wr, s->flags[i].detail);
        wr_text(wr, "\n");
    }
    wr_text(wr, s->flag_count > 0 ? "\n" : "No flag was raised.\n\n");
}

/* ---- tables ---- */

static void write_gain(struct wr *wr, const struct redteam_gain *g, enum redteam_knowledge knows)
{
    wr_text(wr, "| ");
    page_amount(wr, g->amount, knows);
    wr_printf(wr, " | %s | ", g->attack);
    write_percent(wr, g->best);
    page_gain_spread(wr, g);
    wr_text(wr, " | ");
    write_percent(wr, g->scratch);
    wr_text(wr, " | ");
    text_signed(wr, 100 * g->advantage, 2);
    wr_text(wr, " | ");
    page_gain_interval(wr, g);
    wr_text(wr, " |\n");
}

static void write_gains(struct wr *wr, const struct redteam_scores *s)
{
    if (s->gains.count + s->pair_gains.count == 0)
        return;
    wr_text(wr, "| a thief holds | his best attack | reaches | scratch | Adv | 95 % |\n"
                "|--:|---|--:|--:|--:|--:|\n");
    for (size_t i = 0; i < s->gains.count; i++)
        write_gain(wr, &s->gains.items[i], REDTEAM_LABELLED);
    for (size_t i = 0; i < s->pair_gains.count; i++)
        write_gain(wr, &s->pair_gains.items[i], REDTEAM_PAIRS);
    wr_text(wr, "\n");
    write_flag_names(wr, s);
    wr_text(wr, "\n\n");
}

static void write_figures(struct wr *wr, const struct redteam_scores *s)
{
    wr_text(wr, "| figure | value |\n|---|--:|\n");
    for (size_t i = 0; page_figure_name(i); i++) {
        wr_text(wr, "| ");
        text_markdown(wr, page_figure_name(i));
        wr_text(wr, " | ");
        page_figure_value(wr, s, i, text_markdown);
        wr_text(wr, " |\n");
    }
    wr_text(wr, "\n");
    write_flag_names(wr, s);
    wr_text(wr, "\n\n");
}

static void write_line(struct wr *wr, const struct redteam_line *l, const double *amounts,
                       size_t count)
{
    wr_text(wr, "| ");
    text_markdown(wr, l->id);
    wr_printf(wr, " | %s |", l->attack);
    for (size_t i = 0; i < count; i++) {
        wr_text(wr, " ");
        write_percent(wr, redteam_at(l, amounts[i]));
        wr_text(wr, " |");
    }
    wr_text(wr, "\n");
}

/* Accuracy against the amount, for every attack of a kind. */
static void write_lines(struct wr *wr, const struct redteam_scores *s, enum redteam_knowledge knows)
{
    double amounts[REDTEAM_POINTS];
    size_t count = redteam_amounts(s, knows, amounts);

    if (count == 0)
        return;
    wr_printf(wr, "| | with F%s%s |", knows ? " and so many " : " alone", page_knowledge(knows));
    for (size_t i = 0; i < count; i++) {
        wr_text(wr, " ");
        if (knows)
            text_count(wr, amounts[i]);
        wr_text(wr, " |");
    }
    wr_text(wr, "\n|---|---|");
    for (size_t i = 0; i < count; i++)
        wr_text(wr, "--:|");
    wr_text(wr, "\n");
    for (size_t i = 0; i < s->line_count; i++)
        if (s->lines[i].knows == knows)
            write_line(wr, &s->lines[i], amounts, count);
    wr_text(wr, "\n");
    write_flag_names(wr, s);
    wr_text(wr, "\n\n");
}

/* ---- keys ---- */

static void write_draws(struct wr *wr, const struct redteam_draws *d, const char *name)
{
    if (d->count > 1)
        markdown_histogram(wr, name, d->accuracy, d->count,
                           d->drawn > (double)d->count ? "draws, the best of more" : "draws");
}

static void write_shares(struct wr *wr, const struct redteam_curve *c, const char *name)
{
    for (size_t i = 0; i < c->count; i++) {
        wr_text(wr, i ? ", " : name);
        text_fixed(wr, 100 * c->at[i], 0);
        wr_text(wr, " %: ");
        write_percent(wr, c->mean[i]);
    }
    wr_text(wr, c->count > 0 ? "\n" : "");
}

static void write_keys(struct wr *wr, const struct redteam_scores *s)
{
    if (s->keys.count < 2 && s->patterns.count < 2 && s->wrong_keys.count == 0)
        return;
    wr_text(wr, "```\n");
    write_draws(wr, &s->keys, "random keys");
    write_draws(wr, &s->patterns, "random patterns");
    write_shares(wr, &s->wrong_keys, "a share of the key is right: ");
    write_shares(wr, &s->improved_keys, "the same, improved: ");
    wr_text(wr, "```\n\n");
    write_flag_names(wr, s);
    wr_text(wr, "\n\n");
}

/* ---- a result ---- */

static void write_result(struct wr *wr, const struct report_run *r, const struct redteam_scores *s)
{
    wr_text(wr, "### ");
    page_redteam_title(wr, r, text_markdown);
    wr_printf(wr, ", %s\n\n**", s->budget);
    text_markdown(wr, s->sentence);
    wr_text(wr, "**\n\n");
    write_flags(wr, s);
    write_gains(wr, s);
    write_figures(wr, s);
    for (int i = 0; i < REDTEAM_KNOWLEDGE_COUNT; i++)
        write_lines(wr, s, (enum redteam_knowledge)i);
    write_keys(wr, s);
    page_redteam_basis(wr, s);
    wr_text(wr, "\n\n```sh\n");
    page_redteam_command(wr, s);
    wr_text(wr, "\n```\n\n");
}

void markdown_redteam(struct wr *wr, const struct page *page)
{
    if (!page_has_redteam(page))
        return;
    wr_text(wr, "## What the locks are worth\n\n");
    wr_text(wr, page_redteam_words);
    wr_text(wr, "\n\n");
    for (size_t i = 0; i < page->runs->count; i++)
        for (size_t j = 0; j < page->runs->items[i].redteam_count; j++)
            write_result(wr, &page->runs->items[i], &page->runs->items[i].redteams[j]);
}
