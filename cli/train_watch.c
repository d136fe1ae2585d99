/* What a training says: see train_watch.h. */
#include "train_watch.h"

#include <inttypes.h>
#include <math.h>

#include "json.h"
#include "stop.h"

void watch_init(struct watch *watch, const struct cli *cli)
{
    *watch = (struct watch){.cli = cli, .last = {.validation_processed = -1, .validation_raw = -1}};
    progress_init(&watch->progress, cli);
}

/* ---- while it runs ---- */

static bool same(double a, double b)
{
    return !(a < b) && !(a > b);
}

/* "0.301/0.012", or "0.301" without raw images. */
static void format_pair(char *text, size_t len, int digits, double processed, double raw)
{
    if (isfinite(raw) && raw >= 0)
        snprintf(text, len, "%.*f/%.*f", digits, processed, digits, raw);
    else
        snprintf(text, len, "%.*f", digits, processed);
}

static bool has_wrong_keys(const ward_train_progress *p)
{
    return p->loss_wrong >= 0;
}

/* A third one, of images under wrong keys, takes the place of a digit each. */
static void format_loss(char *text, size_t len, const ward_train_progress *p)
{
    char pair[32];

    format_pair(pair, sizeof(pair), has_wrong_keys(p) ? 2 : 3, p->loss_processed, p->loss_raw);
    if (has_wrong_keys(p))
        snprintf(text, len, "%s/%.2f", pair, p->loss_wrong);
    else
        snprintf(text, len, "%s", pair);
}

static void explain(struct watch *watch, const ward_train_progress *p)
{
    if (has_wrong_keys(p))
        progress_note(&watch->progress, "loss: processed/raw/wrong-key images; accuracy: "
                                        "processed/raw");
    else if (isfinite(p->accuracy_raw) && p->accuracy_raw >= 0)
        progress_note(&watch->progress, "loss and accuracy: processed/raw images");
}

/* Fits 80 columns. */
static void draw(struct watch *watch, const ward_train_progress *p)
{
    char left[32], loss[48], accuracy[48];

    if (!watch->has_drawn)
        explain(watch, p);
    watch->has_drawn = true;
    progress_time(left, sizeof(left), p->seconds_left);
    format_loss(loss, sizeof(loss), p);
    format_pair(accuracy, sizeof(accuracy), 1, 100 * p->accuracy_processed, 100 * p->accuracy_raw);
    progress_draw(&watch->progress,
                  "%" PRIu64 "/%" PRIu64 "  loss %s  accuracy %s %%  %.0f images/s  %s left",
                  p->iteration, p->iterations, loss, accuracy, p->images_per_second, left);
}

static void note_validation(struct watch *watch, const ward_train_progress *p)
{
    char accuracy[48], line[128];

    format_pair(accuracy, sizeof(accuracy), 2, 100 * p->validation_processed,
                100 * p->validation_raw);
    snprintf(line, sizeof(line), "iteration %" PRIu64 ": validation accuracy %s %%", p->iteration,
             accuracy);
    progress_note(&watch->progress, line);
}

bool watch_progress(void *context, const ward_train_progress *p)
{
    struct watch *watch = context;
    bool is_new = p->validation_processed >= 0 &&
                  !(same(p->validation_processed, watch->last.validation_processed) &&
                    same(p->validation_raw, watch->last.validation_raw));

    watch->last = *p;
    watch->has_trained = watch->has_trained || (!p->event && p->iteration > 0);
    if (p->event)
        progress_note(&watch->progress, p->event);
    if (is_new)
        note_validation(watch, p);
    if (!p->event && p->iteration && progress_is_due(&watch->progress))
        draw(watch, p);
    return !stop_is_asked();
}

/* ---- afterwards ---- */

static void add_value(struct js *js, const char *key, double value)
{
    js_real(js, key, value < 0 ? NAN : value);
}

static void add_pair(struct js *js, const char *key, double processed, double raw)
{
    js_object(js, key);
    add_value(js, "processed", processed);
    add_value(js, "raw", raw);
    js_end(js);
}

static void print_json(const char *out, const ward_train_progress *p, double seconds)
{
    struct js js;

    js_begin(&js, stdout);
    js_text(&js, "run", out);
    js_count(&js, "iterations", p->iteration);
    js_real(&js, "seconds", seconds);
    js_object(&js, "loss");
    add_value(&js, "processed", p->loss_processed);
    add_value(&js, "raw", p->loss_raw);
    add_value(&js, "wrong", p->loss_wrong);
    js_end(&js);
    add_pair(&js, "accuracy", p->accuracy_processed, p->accuracy_raw);
    add_pair(&js, "validation", p->validation_processed, p->validation_raw);
    js_finish(&js);
}

static void print_result(const char *out, const ward_train_progress *p, double seconds)
{
    char took[32];

    progress_time(took, sizeof(took), seconds);
    printf("%s: %" PRIu64 " iterations in %s\n", out, p->iteration, took);
    if (p->validation_processed >= 0 && p->validation_raw >= 0)
        printf("validation: authorised %.2f %%, unauthorised %.2f %%\n",
               100 * p->validation_processed, 100 * p->validation_raw);
    else if (p->validation_processed >= 0)
        printf("validation: %.2f %%\n", 100 * p->validation_processed);
    printf("next: ward eval %s\n", out);
}

void watch_print(const struct watch *watch, const char *out, double seconds)
{
    ward_train_progress last = watch->last;

    if (!watch->has_trained) /* it was complete already: nothing was measured */
        last.loss_processed = last.loss_wrong = last.accuracy_processed = -1;
    if (cli_has(watch->cli, CLI_JSON))
        print_json(out, &last, seconds);
    else
        print_result(out, &last, seconds);
}
