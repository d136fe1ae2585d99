/* Plots: see plot.h. */
#include "report/plot.h"

#include <math.h>
#include <string.h>

#include "base/util.h"
#include "report/text.h"

/* In units of the drawing, about pixels. */
static const double width = 360, height = 216, left = 44, right = 336, top = 30, bottom = 180;

enum { TICKS = 4, MAX_POINTS = 600, BINS = 24 };

/* Where values are on the drawing. */
struct axes {
    double x_low, x_high, y_high;
};

static double place_x(const struct axes *a, double x)
{
    return left + (right - left) * (x - a->x_low) / (a->x_high - a->x_low);
}

static double place_y(const struct axes *a, double y)
{
    return bottom - (bottom - top) * fmin(y / a->y_high, 1);
}

/* 1, 2 or 5 times a power of ten: the smallest step that covers `range` in at most `count`. */
static double nice_step(double range, double count)
{
    static const double steps[] = {1, 2, 5};
    double power = pow(10, floor(log10(range / count)));

    for (;; power *= 10)
        for (int i = 0; i < 3; i++)
            if (steps[i] * power * count >= range * (1 - 1e-9))
                return steps[i] * power;
}

static void attribute(struct wr *wr, const char *name, double v)
{
    wr_printf(wr, " %s=\"", name);
    text_fixed(wr, v, 1);
    wr_text(wr, "\"");
}

static void label(struct wr *wr, double x, double y, const char *anchor, const char *text)
{
    wr_text(wr, "<text");
    attribute(wr, "x", x);
    attribute(wr, "y", y);
    wr_printf(wr, " text-anchor=\"%s\">", anchor);
    text_html(wr, text);
    wr_text(wr, "</text>");
}

static void line(struct wr *wr, const char *style, double x1, double y1, double x2, double y2)
{
    wr_printf(wr, "<line class=\"%s\"", style);
    attribute(wr, "x1", x1);
    attribute(wr, "y1", y1);
    attribute(wr, "x2", x2);
    attribute(wr, "y2", y2);
    wr_text(wr, "/>");
}

static void begin(struct wr *wr, unsigned id, const char *title, const char *text)
{
    wr_printf(wr,
              "<svg class=\"plot\" viewBox=\"0 0 %d %d\" role=\"img\" "
              "aria-labelledby=\"p%u-t p%u-d\"><title id=\"p%u-t\">",
              (int)width, (int)height, id, id, id);
    text_html(wr, title);
    wr_printf(wr, "</title><desc id=\"p%u-d\">", id);
    text_html(wr, text);
    wr_text(wr, "</desc><g aria-hidden=\"true\"><text class=\"name\" x=\"0\" y=\"14\">");
    text_html(wr, title);
    wr_text(wr, "</text>");
}

static void end(struct wr *wr, const char *x_name)
{
    wr_text(wr, "<g class=\"axis\">");
    label(wr, right, height - 4, "end", x_name);
    wr_text(wr, "</g></g></svg>\n");
}

/* How many digits tell steps apart. */
static unsigned digits_of(double step)
{
    double digits = ceil(-log10(step) - 1e-9);

    return digits > 0 ? (unsigned)fmin(digits, 9) : 0;
}

static void tick_y(struct wr *wr, const struct axes *a, double y, double shown, unsigned digits)
{
    double at = place_y(a, y);

    line(wr, y > 0 ? "grid" : "base", left, at, right, at);
    wr_text(wr, "<text");
    attribute(wr, "x", left - 6);
    attribute(wr, "y", at + 4);
    wr_text(wr, " text-anchor=\"end\">");
    if (digits == 0)
        text_count(wr, shown);
    else
        text_fixed(wr, shown, digits);
    wr_text(wr, "</text>");
}

/* The axes' end is a tick. */
static void draw_y(struct wr *wr, struct axes *a, bool is_percent, double smallest)
{
    double factor = is_percent ? 100 : 1;
    double step = fmax(nice_step(factor * a->y_high, TICKS), smallest);
    double count = ceil(factor * a->y_high / step - 1e-6);

    a->y_high = count * step / factor;
    wr_text(wr, "<g class=\"axis\">");
    for (double i = 0; i <= count; i++)
        tick_y(wr, a, i * step / factor, i * step, digits_of(step));
    wr_text(wr, "</g>");
}

static void draw_x(struct wr *wr, const struct axes *a, double factor)
{
    double range = factor * (a->x_high - a->x_low), step = nice_step(range, TICKS);
    unsigned digits = digits_of(step);

    wr_text(wr, "<g class=\"axis\">");
    for (double i = ceil(factor * a->x_low / step - 1e-9);
         i * step <= factor * a->x_high * (1 + 1e-9); i++) {
        double at = place_x(a, i * step / factor);

        line(wr, "base", at, bottom, at, bottom + 4);
        wr_text(wr, "<text");
        attribute(wr, "x", at);
        attribute(wr, "y", bottom + 17);
        wr_text(wr, " text-anchor=\"middle\">");
        if (digits == 0)
            text_count(wr, i * step);
        else
            text_fixed(wr, i * step, digits);
        wr_text(wr, "</text>");
    }
    wr_text(wr, "</g>");
}

/* ---- lines ---- */

static bool is_point(const struct plot_line *l, size_t i)
{
    return isfinite(l->x[i]) && isfinite(l->y[i]);
}

static struct axes axes_of(const struct plot *p)
{
    struct axes a = {0, 0, p->y_max};

    for (size_t k = 0; k < p->line_count; k++)
        for (size_t i = 0; i < p->lines[k].count; i++)
            if (is_point(&p->lines[k], i)) {
                a.x_high = fmax(a.x_high, p->lines[k].x[i]);
                a.y_high = fmax(a.y_high, p->lines[k].y[i]);
            }
    /* What is drawn stays finite whatever a file says. */
    a.x_high = fmin(fmax(a.x_high, 1), 1e12);
    a.y_high = a.y_high > 0 ? fmin(fmax(a.y_high, 1e-9), 1e12) : 1;
    return a;
}

static void draw_dot(struct wr *wr, char style, double x, double y)
{
    wr_printf(wr, "<circle class=\"%c\"", style);
    attribute(wr, "cx", x);
    attribute(wr, "cy", y);
    wr_text(wr, " r=\"2.4\"/>");
}

static void draw_dots(struct wr *wr, const struct axes *a, const struct plot_line *l)
{
    for (size_t i = 0; i < l->count; i++)
        if (is_point(l, i))
            draw_dot(wr, l->style, place_x(a, l->x[i]), place_y(a, l->y[i]));
}

static void draw_path(struct wr *wr, const struct axes *a, const struct plot_line *l)
{
    size_t step = l->count / MAX_POINTS + 1;
    bool is_first = true;

    wr_printf(wr, "<path class=\"%c\" d=\"", l->style);
    for (size_t i = 0; i < l->count; i += step) {
        if (!is_point(l, i))
            continue;
        wr_text(wr, is_first ? "M" : "L");
        text_fixed(wr, place_x(a, l->x[i]), 1);
        wr_text(wr, " ");
        text_fixed(wr, place_y(a, l->y[i]), 1);
        is_first = false;
    }
    wr_text(wr, "\"/>");
}

/* About the width of a name in a wide typeface, so that what is drawn before it stays clear. */
static double width_of(const char *name)
{
    const double narrow = 4.4, usual = 7.2, wide = 11.2;
    double sum = 0;

    for (; *name; name++)
        sum += strchr("mw", *name) ? wide : strchr(" 'filrt", *name) ? narrow : usual;
    return sum;
}

/* A row of names with a piece of their line each, at the title's right. */
static void draw_key(struct wr *wr, const struct plot *p)
{
    const double sample = 18, gap = 12;
    double x = width;

    for (size_t k = p->line_count; k-- > 0;) {
        const struct plot_line *l = &p->lines[k];

        if (!l->name)
            continue;
        label(wr, x, 14, "end", l->name);
        x -= width_of(l->name) + sample + 4;
        if (l->has_dots)
            draw_dot(wr, l->style, x + sample / 2, 10);
        else
            line(wr, (const char[]){l->style, '\0'}, x, 10, x + sample, 10);
        x -= gap;
    }
}

void plot_lines(struct wr *wr, const struct plot *plot)
{
    struct axes a = axes_of(plot);

    begin(wr, plot->id, plot->title, plot->text);
    draw_y(wr, &a, plot->is_percent, 0);
    draw_x(wr, &a, 1);
    for (size_t k = 0; k < plot->line_count; k++) {
        if (plot->lines[k].has_dots)
            draw_dots(wr, &a, &plot->lines[k]);
        else
            draw_path(wr, &a, &plot->lines[k]);
    }
    draw_key(wr, plot);
    end(wr, plot->x_name);
}

/* ---- histograms ---- */

struct bins bins_of(const double *values, size_t count, size_t most)
{
    struct bins b = {.low = 1, .count = 1};
    const double narrowest = 0.0001; /* a hundredth of a point: one image of 10,000 */
    double high = 0;

    for (size_t i = 0; i < count; i++) {
        b.low = fmin(b.low, values[i]);
        high = fmax(high, values[i]);
    }
    /* Two bins less, as both ends may cut one. */
    b.width = nice_step(fmax(high - b.low, narrowest), (double)min_size(most, BINS) - 2);
    b.low = b.width * floor(b.low / b.width + 1e-9);
    for (size_t i = 0; i < count; i++) {
        size_t at = (size_t)fmin(floor((values[i] - b.low) / b.width + 1e-9), BINS - 1);

        b.count = max_size(b.count, at + 1);
        b.highest = max_size(b.highest, ++b.height[at]);
    }
    return b;
}

static void draw_bars(struct wr *wr, const struct axes *a, const struct bins *b)
{
    for (size_t i = 0; i < b->count; i++) {
        double x = place_x(a, b->low + (double)i * b->width);
        double y = place_y(a, (double)b->height[i]);

        if (b->height[i] == 0)
            continue;
        wr_text(wr, "<rect class=\"a\"");
        attribute(wr, "x", x + 0.5);
        attribute(wr, "y", y);
        attribute(wr, "width", fmax(place_x(a, b->low + (double)(i + 1) * b->width) - x - 1, 1));
        attribute(wr, "height", bottom - y);
        wr_text(wr, "/>");
    }
}

static void mark(struct wr *wr, const struct axes *a, const char *style, double x)
{
    line(wr, style, place_x(a, x), top - 6, place_x(a, x), bottom);
}

void plot_histogram(struct wr *wr, const struct histogram *h)
{
    struct bins b = bins_of(h->values, h->count, BINS);
    struct axes a = {b.low, b.low + (double)b.count * b.width, (double)b.highest};
    const struct plot_line key[] = {{.style = 'b', .name = "mean"},
                                    {.style = 'c', .name = "paper's mean"}};
    bool has_paper = isfinite(h->paper);

    if (has_paper) { /* with a little room beside it */
        a.x_low = fmin(a.x_low, fmax(h->paper - b.width, 0));
        a.x_high = fmax(a.x_high, h->paper + b.width);
    }
    begin(wr, h->id, h->title, h->text);
    draw_y(wr, &a, false, 1); /* trials are whole */
    draw_x(wr, &a, 100);
    draw_bars(wr, &a, &b);
    mark(wr, &a, "b", h->mean);
    if (has_paper)
        mark(wr, &a, "c", h->paper);
    draw_key(wr, &(struct plot){.line_count = has_paper ? 2 : 1, .lines = key});
    end(wr, "accuracy, %");
}
