/* Plots: see plot.h. */
#include "report/plot.h"

#include <math.h>
#include <string.h>

#include "base/util.h"
#include "report/text.h"

/* In units of the drawing, about pixels. */
static const double width = 360, left = 44, usual_right = 336, top = 30, usual_bottom = 180;
static const double foot = 36; /* for the horizontal axis */

enum { TICKS = 4, MAX_POINTS = 600, BINS = 24, MAX_ENDS = 32 };

/* Where values are on the drawing. */
struct axes {
    double x_low, x_high, y_high;
    double right, bottom;
    bool is_log;
};

static double place_x(const struct axes *a, double x)
{
    double share = a->is_log ? log(x / a->x_low) / log(a->x_high / a->x_low)
                             : (x - a->x_low) / (a->x_high - a->x_low);

    return left + (a->right - left) * share;
}

static double place_y(const struct axes *a, double y)
{
    return a->bottom - (a->bottom - top) * fmin(y / a->y_high, 1);
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

static void begin(struct wr *wr, const struct axes *a, unsigned id, const char *title,
                  const char *text)
{
    wr_printf(wr,
              "<svg class=\"plot\" viewBox=\"0 0 %d %d\" role=\"img\" "
              "aria-labelledby=\"p%u-t p%u-d\"><title id=\"p%u-t\">",
              (int)width, (int)(a->bottom + foot), id, id, id);
    text_html(wr, title);
    wr_printf(wr, "</title><desc id=\"p%u-d\">", id);
    text_html(wr, text);
    wr_text(wr, "</desc><g aria-hidden=\"true\"><text class=\"name\" x=\"0\" y=\"14\">");
    text_html(wr, title);
    wr_text(wr, "</text>");
}

static void end(struct wr *wr, const struct axes *a, const char *x_name)
{
    wr_text(wr, "<g class=\"axis\">");
    label(wr, a->right, a->bottom + foot - 4, "end", x_name);
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

    line(wr, y > 0 ? "grid" : "base", left, at, a->right, at);
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

static void tick_x(struct wr *wr, const struct axes *a, double x, double shown, unsigned digits)
{
    double at = place_x(a, x);

    line(wr, "base", at, a->bottom, at, a->bottom + 4);
    wr_text(wr, "<text");
    attribute(wr, "x", at);
    attribute(wr, "y", a->bottom + 17);
    wr_text(wr, " text-anchor=\"middle\">");
    if (digits == 0)
        text_count(wr, shown);
    else
        text_fixed(wr, shown, digits);
    wr_text(wr, "</text>");
}

/* At powers of ten. */
static void draw_decades(struct wr *wr, const struct axes *a)
{
    const double nearly = 1e-9;
    double low = ceil(log10(a->x_low) - nearly), high = floor(log10(a->x_high) + nearly);
    double step = ceil(fmax(high - low, 1) / TICKS);

    for (double i = low; i <= high; i += step)
        tick_x(wr, a, pow(10, i), pow(10, i), i < 0 ? (unsigned)-i : 0);
}

static void draw_x(struct wr *wr, const struct axes *a, double factor)
{
    double range = factor * (a->x_high - a->x_low), step = nice_step(range, TICKS);
    unsigned digits = digits_of(step);

    wr_text(wr, "<g class=\"axis\">");
    if (a->is_log)
        draw_decades(wr, a);
    else
        for (double i = ceil(factor * a->x_low / step - 1e-9);
             i * step <= factor * a->x_high * (1 + 1e-9); i++)
            tick_x(wr, a, i * step / factor, i * step, digits);
    wr_text(wr, "</g>");
}

/* ---- lines ---- */

static bool is_point(const struct plot *p, const struct plot_line *l, size_t i)
{
    return isfinite(l->x[i]) && isfinite(l->y[i]) && (!p->is_log || l->x[i] > 0);
}

/* What is drawn stays finite whatever a file says. */
static void limit_axes(struct axes *a)
{
    const double largest = 1e12, smallest = 1e-3, around = 3;

    a->y_high = a->y_high > 0 ? fmin(fmax(a->y_high, 1e-9), largest) : 1;
    if (!a->is_log) {
        a->x_low = 0;
        a->x_high = fmin(fmax(a->x_high, 1), largest);
        return;
    }
    a->x_low = fmin(fmax(a->x_low, smallest), largest);
    a->x_high = fmin(fmax(a->x_high, a->x_low), largest);
    if (a->x_high < around * a->x_low) {
        a->x_low /= around;
        a->x_high *= around;
    }
}

static struct axes axes_of(const struct plot *p)
{
    struct axes a = {.x_low = INFINITY,
                     .y_high = p->y_max,
                     .right = usual_right,
                     .bottom = usual_bottom,
                     .is_log = p->is_log};

    for (size_t k = 0; k < p->line_count; k++)
        for (size_t i = 0; i < p->lines[k].count; i++)
            if (is_point(p, &p->lines[k], i)) {
                a.x_low = fmin(a.x_low, p->lines[k].x[i]);
                a.x_high = fmax(a.x_high, p->lines[k].x[i]);
                a.y_high = fmax(a.y_high, p->lines[k].y[i]);
            }
    limit_axes(&a);
    return a;
}

static void draw_dot(struct wr *wr, char style, double x, double y)
{
    wr_printf(wr, "<circle class=\"%c\"", style);
    attribute(wr, "cx", x);
    attribute(wr, "cy", y);
    wr_text(wr, " r=\"2.4\"/>");
}

static void draw_dots(struct wr *wr, const struct axes *a, const struct plot *p,
                      const struct plot_line *l)
{
    for (size_t i = 0; i < l->count; i++)
        if (is_point(p, l, i))
            draw_dot(wr, l->style, place_x(a, l->x[i]), place_y(a, l->y[i]));
}

static void draw_path(struct wr *wr, const struct axes *a, const struct plot *p,
                      const struct plot_line *l)
{
    size_t step = l->count / MAX_POINTS + 1;
    bool is_first = true;

    wr_printf(wr, "<path class=\"%c\" d=\"", l->style);
    for (size_t i = 0; i < l->count; i += step) {
        if (!is_point(p, l, i))
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

/* ---- names at the ends of lines ---- */

static const double name_height = 13, gap = 14;

struct line_end {
    const struct plot_line *line;
    double x, y;   /* of the last point */
    double wanted; /* of the name */
};

/* The ends of lines with a name, from top to bottom. */
static size_t find_ends(const struct plot *p, const struct axes *a, struct line_end *ends)
{
    size_t count = 0;

    for (size_t k = 0; k < p->line_count && count < MAX_ENDS; k++) {
        const struct plot_line *l = &p->lines[k];
        size_t last = l->count, at = count;
        double y;

        while (last > 0 && !is_point(p, l, last - 1))
            last--;
        if (!l->name || last == 0)
            continue;
        y = place_y(a, l->y[last - 1]);
        for (; at > 0 && ends[at - 1].y > y; at--)
            ends[at] = ends[at - 1];
        ends[at] = (struct line_end){l, place_x(a, l->x[last - 1]), y, y};
        count++;
    }
    return count;
}

/* Apart from each other: downwards as far as needed, then up again from the bottom. */
static void spread_ends(const struct axes *a, struct line_end *ends, size_t count)
{
    double limit = a->bottom;

    for (size_t i = 1; i < count; i++)
        ends[i].wanted = fmax(ends[i].wanted, ends[i - 1].wanted + name_height);
    for (size_t i = count; i-- > 0; limit = ends[i].wanted - name_height)
        ends[i].wanted = fmin(ends[i].wanted, limit);
}

static void draw_ends(struct wr *wr, const struct plot *p, const struct axes *a)
{
    struct line_end ends[MAX_ENDS];
    size_t count = find_ends(p, a, ends);

    spread_ends(a, ends, count);
    for (size_t i = 0; i < count; i++) {
        line(wr, "lead", ends[i].x + 3, ends[i].y, a->right + gap - 3, ends[i].wanted);
        wr_printf(wr, "<g class=\"end-%c\">", ends[i].line->style);
        label(wr, a->right + gap, ends[i].wanted + 4, "start", ends[i].line->name);
        wr_text(wr, "</g>");
    }
}

/* Room for the names: at the right for the longest, and below each other for all. */
static void make_room(const struct plot *p, struct axes *a)
{
    double longest = 0, count = 0;

    for (size_t k = 0; k < p->line_count; k++)
        if (p->lines[k].name) {
            longest = fmax(longest, width_of(p->lines[k].name));
            count++;
        }
    a->right = fmax(width - longest - gap, 2 * left);
    a->bottom = fmax(usual_bottom, top + name_height * fmin(count, MAX_ENDS));
}

void plot_lines(struct wr *wr, const struct plot *plot)
{
    struct axes a = axes_of(plot);

    if (plot->has_ends)
        make_room(plot, &a);
    begin(wr, &a, plot->id, plot->title, plot->text);
    draw_y(wr, &a, plot->is_percent, 0);
    draw_x(wr, &a, 1);
    if (plot->has_ends)
        draw_ends(wr, plot, &a);
    for (size_t k = 0; k < plot->line_count; k++) {
        if (!plot->lines[k].has_dots || plot->has_ends)
            draw_path(wr, &a, plot, &plot->lines[k]);
        if (plot->lines[k].has_dots)
            draw_dots(wr, &a, plot, &plot->lines[k]);
    }
    if (!plot->has_ends)
        draw_key(wr, plot);
    end(wr, &a, plot->x_name);
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
        attribute(wr, "height", a->bottom - y);
        wr_text(wr, "/>");
    }
}

static void mark(struct wr *wr, const struct axes *a, const char *style, double x)
{
    line(wr, style, place_x(a, x), top - 6, place_x(a, x), a->bottom);
}

void plot_histogram(struct wr *wr, const struct histogram *h)
{
    struct bins b = bins_of(h->values, h->count, BINS);
    struct axes a = {.x_low = b.low,
                     .x_high = b.low + (double)b.count * b.width,
                     .y_high = (double)b.highest,
                     .right = usual_right,
                     .bottom = usual_bottom};
    const struct plot_line key[] = {{.style = 'b', .name = "mean"},
                                    {.style = 'c', .name = "paper's mean"}};
    bool has_paper = isfinite(h->paper);

    if (has_paper) { /* with a little room beside it */
        a.x_low = fmin(a.x_low, fmax(h->paper - b.width, 0));
        a.x_high = fmax(a.x_high, h->paper + b.width);
    }
    begin(wr, &a, h->id, h->title, h->text);
    draw_y(wr, &a, false, 1); /* trials are whole */
    draw_x(wr, &a, 100);
    draw_bars(wr, &a, &b);
    mark(wr, &a, "b", h->mean);
    if (has_paper)
        mark(wr, &a, "c", h->paper);
    draw_key(wr, &(struct plot){.line_count = has_paper ? 2 : 1, .lines = key});
    end(wr, &a, "accuracy, %");
}
