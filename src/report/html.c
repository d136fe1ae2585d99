/*
 * The page as one HTML file that loads nothing: styles inside, plots as SVG, pictures as data. Its
 * own content security policy forbids the rest. Roles are written out, as tables lose theirs where
 * the style sheet lays them out as blocks.
 */
#include "report/html.h"

#include <string.h>

#include "base/util.h"
#include "ward/version.h"

/* ---- small things ---- */

void html_percent(struct wr *wr, double fraction)
{
    text_fixed(wr, 100 * fraction, 2);
}

void html_counted(struct wr *wr, size_t count, const char *one, const char *more)
{
    text_count(wr, (double)count);
    wr_printf(wr, " %s", count == 1 ? one : more);
}

/* The first len bytes of a label, which is short. */
static void write_part(struct wr *wr, const char *text, size_t len)
{
    char part[256];

    len = min_size(len, sizeof part - 1);
    memcpy(part, text, len);
    part[len] = '\0';
    text_html(wr, part);
}

/* Each option keeps together when lines are broken. */
static void write_options(struct wr *wr, const char *options)
{
    wr_text(wr, " <span class=\"options\">");
    while (*options) {
        const char *next = strstr(options, " --");
        size_t len = next ? (size_t)(next - options) : strlen(options);

        wr_text(wr, "<code>");
        write_part(wr, options, len);
        wr_text(wr, "</code> ");
        options += next ? len + 1 : len;
    }
    wr_text(wr, "</span>");
}

void html_label(struct wr *wr, const char *label)
{
    size_t len;
    const char *options = page_split_label(label, &len);

    write_part(wr, label, len);
    if (*options)
        write_options(wr, options);
}

size_t html_cell_number(const struct html *h, const struct cell *cell)
{
    return (size_t)(cell - h->page->cells->items) + 1;
}

/* ---- figure 2 ---- */

static void write_strengths(struct wr *wr, const struct figure *f)
{
    wr_text(wr, "<table class=\"list\" role=\"table\"><thead role=\"rowgroup\"><tr role=\"row\">"
                "<th scope=\"col\" role=\"columnheader\">Method</th><th scope=\"col\" "
                "role=\"columnheader\">Recipe</th><th class=\"num\" scope=\"col\" "
                "role=\"columnheader\">RMS</th><th class=\"num\" scope=\"col\" "
                "role=\"columnheader\">Largest</th></tr></thead>\n<tbody role=\"rowgroup\">\n");
    for (size_t i = 0; i < f->count; i++) {
        wr_printf(wr,
                  "<tr role=\"row\"><th scope=\"row\" role=\"rowheader\">%s</th><td "
                  "class=\"detail wide\" role=\"cell\" data-label=\"recipe\">",
                  ward_method_name(f->runs[i]->method));
        html_label(wr, f->runs[i]->settings.label);
        wr_text(wr, "</td><td class=\"num\" role=\"cell\" data-label=\"RMS\">");
        text_fixed(wr, f->rms[i], 4);
        wr_text(wr, "</td><td class=\"num\" role=\"cell\" data-label=\"largest\">");
        text_fixed(wr, f->largest[i], 4);
        wr_text(wr, "</td></tr>\n");
    }
    wr_text(wr, "</tbody></table>\n");
}

static void write_sheet(struct wr *wr, const struct figure *f)
{
    wr_text(wr, "<h3>");
    page_group_name(wr, f->cell, text_html);
    wr_printf(wr, ": %s", settings_recipe(&f->cell->runs->settings));
    wr_text(wr, "</h3>\n<figure><img class=\"sheet\" alt=\"A row an image of each class: the raw "
                "image, then for each run the processed image and its perturbation times five.\" "
                "src=\"data:image/png;base64,");
    text_base64(wr, f->png.data, f->png.len);
    wr_text(wr, "\">\n<figcaption>Raw test images; then, in the order below, processed images and "
                "their perturbations times five on grey.</figcaption></figure>\n");
    write_strengths(wr, f);
}

static void write_figures(const struct html *h)
{
    const struct figures *figures = h->page->figures;

    if (!page_has_perturbations(h->page))
        return;
    wr_text(h->wr, "<h2 id=\"perturbations\">Perturbations</h2>\n");
    if (!figures) {
        wr_text(h->wr, "<p>Left out: pictures of processed images and perturbations (the "
                       "paper\xe2\x80\x99s Figure\xc2\xa0"
                       "2) give the secret transform away. "
                       "<code>ward report --include-secret</code> shows them.</p>\n");
        return;
    }
    wr_printf(h->wr,
              "<p>The paper\xe2\x80\x99s Figure\xc2\xa0"
              "2. Strengths are of G(x) "
              "\xe2\x88\x92 x over up to %zu test images, in units of the input.</p>\n",
              figures->images);
    for (size_t i = 0; i < figures->count; i++)
        write_sheet(h->wr, &figures->items[i]);
}

/* ---- the page ---- */

static void write_head(struct wr *wr, const struct page *page)
{
    const ward_build *build = ward_build_info();

    wr_text(wr, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                "style-src 'unsafe-inline'; img-src data:\">\n"
                "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                "<meta name=\"color-scheme\" content=\"light dark\">\n");
    wr_printf(wr, "<meta name=\"generator\" content=\"ward %s %s\">\n<title>", build->version,
              build->commit);
    html_counted(wr, page->runs->count, "protected network", "networks");
    wr_text(wr, " \xc2\xb7 ward report</title>\n<style>\n");
    for (size_t i = 0; style_lines[i]; i++)
        wr_printf(wr, "%s\n", style_lines[i]);
    wr_text(wr, "</style>\n</head>\n<body>\n");
}

static void write_contents(struct wr *wr, const struct page *page)
{
    wr_text(wr, "<nav aria-label=\"Contents\"><ul><li><a href=\"#accuracy\">Accuracy</a></li>");
    if (page->attacks->count > 0)
        wr_text(wr, "<li><a href=\"#attacks\">Attacks</a></li>");
    if (page_has_redteam(page))
        wr_text(wr, "<li><a href=\"#redteam\">What the locks are worth</a></li>");
    if (page_has_perturbations(page))
        wr_text(wr, "<li><a href=\"#perturbations\">Perturbations</a></li>");
    wr_text(wr, "<li><a href=\"#runs\">Runs</a></li>");
    if (page->runs->omission_count > 0)
        wr_text(wr, "<li><a href=\"#omissions\">Left out</a></li>");
    wr_text(wr, "</ul></nav>\n");
}

static void write_opening(struct wr *wr, const struct page *page)
{
    wr_text(wr, "<header>\n<h1>Networks that need a secret transform</h1>\n<p>");
    html_counted(wr, page->runs->count, "training run", "training runs");
    wr_text(wr, " in ");
    html_counted(wr, page->cells->count, "setting", "settings");
    wr_text(wr,
            ", beside the numbers of Chen and Wu, <cite>Protect Your Deep Neural Networks from "
            "Piracy</cite> (WIFS 2018). Runs that differ in their seeds only stand in one line, "
            "with mean and standard deviation.</p>\n");
    write_contents(wr, page);
    if (page->figures)
        wr_text(wr, "<p class=\"alert\" role=\"note\"><strong>Secret.</strong> This page shows "
                    "perturbations, which give the transforms away. Keep it from whoever may have "
                    "the networks. It was written with mode 0600.</p>\n");
    wr_text(wr, "</header>\n<main>\n");
}

static void write_omissions(struct wr *wr, const struct runs *runs)
{
    if (runs->omission_count == 0)
        return;
    wr_text(wr, "<h2 id=\"omissions\">Left out</h2>\n<ul>\n");
    for (size_t i = 0; i < runs->omission_count; i++) {
        wr_text(wr, "<li><code>");
        text_html(wr, runs->omissions[i].path);
        wr_text(wr, "</code>: ");
        text_html(wr, runs->omissions[i].reason);
        wr_text(wr, "</li>\n");
    }
    wr_text(wr, "</ul>\n");
}

void page_write_html(struct wr *wr, const struct page *page)
{
    const ward_build *build = ward_build_info();
    struct html h = {wr, page, 0};

    write_head(wr, page);
    write_opening(wr, page);
    html_accuracies(&h);
    html_attacks(&h);
    html_redteam(&h);
    write_figures(&h);
    wr_text(wr, "<h2 id=\"runs\">Runs</h2>\n<p>Curves are running means over about a hundred "
                "training steps; a line a seed.</p>\n");
    for (size_t i = 0; i < page->cells->count; i++)
        html_cell(&h, &page->cells->items[i]);
    write_omissions(wr, page->runs);
    wr_printf(wr, "</main>\n<footer>Made by ward %s, commit %s.</footer>\n</body>\n</html>\n",
              build->version, build->commit);
}
