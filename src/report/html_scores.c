/* The tables beside the paper's: see html.h. */
#include "report/html.h"

#include <math.h>
#include <string.h>

static const double percent = 100;

/* What the two tables have of their own. */
struct table_words {
    const char *id, *title, *caption, *head, *detail, *left, *right, *n;
    bool has_best; /* right is the best of some: a spread to measure by, but none of its own */
};

static void open_scores(struct wr *wr, const struct table_words *w, bool has_spread)
{
    wr_printf(wr, "<h2 id=\"%s\">%s</h2>\n<table class=\"scores%s\" role=\"table\">\n<caption>%s",
              w->id, w->title, has_spread ? " spread" : "", w->caption);
    wr_text(wr, "</caption>\n<thead role=\"rowgroup\">\n<tr role=\"row\">");
    wr_printf(wr,
              "<td colspan=\"3\" role=\"cell\"></td><th class=\"span\" colspan=\"3\" "
              "scope=\"colgroup\" role=\"columnheader\"><span>%s</span></th><th class=\"span\" "
              "colspan=\"3\" scope=\"colgroup\" role=\"columnheader\"><span>%s</span></th></tr>\n",
              w->left, w->right);
    wr_text(wr, "<tr role=\"row\">");
    wr_printf(wr,
              "<th scope=\"col\" role=\"columnheader\">%s</th><th scope=\"col\" "
              "role=\"columnheader\">%s</th><th class=\"num\" scope=\"col\" "
              "role=\"columnheader\">%s</th>",
              w->head, w->detail, w->n);
    for (int i = 0; i < 2; i++)
        wr_printf(wr,
                  "<th class=\"num ours%s\" scope=\"col\" role=\"columnheader\">ours</th>"
                  "<th class=\"num\" scope=\"col\" role=\"columnheader\">paper</th>"
                  "<th class=\"num\" scope=\"col\" role=\"columnheader\">difference</th>",
                  i && w->has_best ? " bare" : "");
    wr_text(wr, "</tr>\n</thead>\n");
}

static void write_difference(struct wr *wr, const struct score *s, const char *side)
{
    double difference = s->ours - s->paper, distance = fabs(score_distance(s));
    int level = page_level(s);

    if (!isfinite(difference)) {
        wr_text(wr, "<td class=\"num none\" role=\"cell\"></td>");
        return;
    }
    wr_printf(wr, "<td class=\"num diff %s\" role=\"cell\"><span class=\"chip ", side);
    if (level)
        wr_printf(wr, "%c%d\">", difference < 0 ? 'l' : 'h', level);
    else
        wr_text(wr, "plain\">");
    text_signed(wr, percent * difference, 2);
    if (isfinite(distance)) {
        wr_text(wr, " <small>");
        text_fixed(wr, distance, 1);
        wr_text(wr, " sd</small>");
    }
    wr_text(wr, "</span></td>");
}

/* side: "left" or "right". */
static void write_score(struct wr *wr, const struct score *s, const char *side, const char *name,
                        bool has_spread)
{
    if (!isfinite(s->ours)) {
        for (int i = 0; i < 3; i++)
            wr_text(wr, "<td class=\"num none\" role=\"cell\"></td>");
        return;
    }
    wr_printf(wr, "<td class=\"num ours %s\" role=\"cell\" data-label=\"%s\">", side, name);
    html_percent(wr, s->ours);
    if (has_spread) {
        wr_text(wr, "<span class=\"sd\">");
        if (isfinite(s->sd)) {
            wr_text(wr, " \xc2\xb1 ");
            html_percent(wr, s->sd);
        }
        wr_text(wr, "</span>");
    }
    wr_printf(wr, "</td><td class=\"num paper %s%s\" role=\"cell\" data-label=\"paper\">", side,
              isfinite(s->paper) ? "" : " none");
    html_percent(wr, s->paper);
    wr_text(wr, "</td>");
    write_difference(wr, s, side);
}

static void write_row(const struct html *h, const struct score_row *row,
                      const struct table_words *w, bool has_spread)
{
    static const struct score nothing = {(double)NAN, (double)NAN, (double)NAN};
    struct wr *wr = h->wr;

    wr_printf(wr,
              "<tr role=\"row\"><th class=\"head\" scope=\"row\" role=\"rowheader\"><a "
              "href=\"#cell-%zu\">",
              html_cell_number(h, row->cell));
    text_html(wr, row->head);
    wr_text(wr, "</a></th><td class=\"detail\" role=\"cell\">");
    html_label(wr, row->detail);
    wr_printf(wr, "</td><td class=\"num n\" role=\"cell\" data-label=\"%s\">", w->n);
    text_count(wr, row->n);
    if (row->n < row->wanted) {
        wr_text(wr, " of ");
        text_count(wr, row->wanted);
    }
    wr_text(wr, "</td>");
    write_score(wr, &row->left, "left", w->left, has_spread);
    write_score(wr, row->has_right ? &row->right : &nothing, "right", w->right,
                has_spread && !w->has_best);
    wr_text(wr, "</tr>\n");
}

static void write_scores(const struct html *h, const struct score_table *table,
                         const struct table_words *w)
{
    bool has_spread = score_table_has_spread(table);
    struct wr *wr = h->wr;

    open_scores(wr, w, has_spread);
    for (size_t i = 0; i < table->count; i++) {
        if (i == 0 || !cells_are_alike(table->rows[i - 1].cell, table->rows[i].cell)) {
            wr_printf(wr,
                      "%s<tbody role=\"rowgroup\">\n<tr class=\"group\" role=\"row\"><th "
                      "colspan=\"9\" scope=\"rowgroup\" role=\"rowheader\">",
                      i ? "</tbody>\n" : "");
            page_group_name(wr, table->rows[i].cell, text_html);
            wr_text(wr, "</th></tr>\n");
        }
        write_row(h, &table->rows[i], w, has_spread);
    }
    wr_text(wr, "</tbody>\n</table>\n");
}

static void write_key(struct wr *wr, const char *spread)
{
    static const char *const names[] = {"below 1", "1 to 3", "above 3"};

    wr_printf(wr,
              "<p class=\"key\"><span>Difference to the paper in points; colour: its size in "
              "standard deviations over %s.</span>",
              spread);
    for (int i = 0; i < 3; i++)
        wr_printf(wr, "<span class=\"chip h%d\">higher, %s</span>", i + 1, names[i]);
    for (int i = 0; i < 3; i++)
        wr_printf(wr, "<span class=\"chip l%d\">lower, %s</span>", i + 1, names[i]);
    wr_text(wr, "<span>No colour: no spread to measure by.</span></p>\n");
}

static bool has_disputed_cell(const struct page *page)
{
    for (size_t i = 0; i < page->cells->count; i++) {
        const struct report_run *r = page->cells->items[i].runs;

        if (r->method == WARD_METHOD_FIXED && strcmp(r->data, "cifar10") == 0)
            return true;
    }
    return false;
}

void html_accuracies(struct html *h)
{
    static const struct table_words words = {
        "accuracy",
        "Accuracy",
        "On test images, in percent, beside the paper\xe2\x80\x99s Table\xc2\xa0"
        "2. Authorised: "
        "of F(G(x)), with the secret transform. Unauthorised: of F(x), with a copy of the "
        "network alone. A baseline has no transform.",
        "Method",
        "Recipe",
        "Authorised",
        "Unauthorised",
        "seeds",
        false};

    write_scores(h, h->page->accuracies, &words);
    write_key(h->wr, "seeds");
    if (has_disputed_cell(h->page))
        wr_text(h->wr, "<p class=\"soft\">fixed on CIFAR-10: the paper\xe2\x80\x99s table has "
                       "89.73, its text 90.84.</p>\n");
}

void html_attacks(struct html *h)
{
    static const struct table_words words = {
        "attacks",
        "Attacks",
        "Accuracy on test images that an adversary reaches without the transform, in percent, "
        "beside the paper\xe2\x80\x99s Table\xc2\xa0"
        "3. The best trial is chosen on the test "
        "images, as in the paper: no adversary could.",
        "Attack",
        "Method, recipe",
        "Mean",
        "Best",
        "trials",
        true};

    if (h->page->attacks->count == 0)
        return;
    write_scores(h, h->page->attacks, &words);
    write_key(h->wr, "trials");
}
