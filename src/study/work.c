/* Doing what is left of a plan, item by item: see plan.h. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"
#include "study/plan.h"
#include "study/tables.h"
#include "ward/report.h"

enum { SESSION_BATCH = 256 };

struct work {
    struct study *study;
    const ward_reproduce_options *options;
    double begin;
    size_t item; /* which is under way */
    double rest; /* seconds of all after it, by estimate */
    bool is_spent, is_stopped;
    uint64_t done_when_spent; /* steps or trials of the item; UINT64_MAX: the budget is not spent */
    const char *data_name;    /* of what is open */
    ward_dataset *data;       /* owned */
};

/* ---- talking, and stopping ---- */

static bool is_over_budget(const struct work *w)
{
    double budget = w->options->budget;

    return budget > 0 && clock_seconds() - w->begin >= budget;
}

/* share and seconds_left are of this item. False if it is to be stopped. */
static bool tell(struct work *w, double share, double seconds_left, const char *event)
{
    const struct study_item *item = &w->study->items[w->item];
    ward_reproduce_progress progress = {.item = w->item, .share = share, .event = event};

    if (!isfinite(seconds_left)) /* as estimated, less what is done since */
        seconds_left = item->share < 1 ? item->seconds * (1 - share) / (1 - item->share) : 0;
    progress.seconds_left = w->rest + seconds_left;
    if (w->options->progress && !w->options->progress(w->options->context, &progress))
        w->is_stopped = true;
    return !w->is_stopped;
}

/* Whether an item is to end because the budget is spent. One more step or trial is waited for, so
 * that even a budget shorter than that gets on. */
static bool is_enough(struct work *w, uint64_t done)
{
    if (!is_over_budget(w))
        return false;
    if (w->done_when_spent == UINT64_MAX)
        w->done_when_spent = done;
    w->is_spent = w->is_spent || done > w->done_when_spent;
    return w->is_spent;
}

static bool on_training(void *context, const ward_train_progress *p)
{
    return tell(context, (double)p->iteration / (double)p->iterations,
                p->images_per_second > 0 ? p->seconds_left : (double)NAN, p->event) &&
           !is_enough(context, p->iteration);
}

static bool on_attack(void *context, const ward_attack_progress *p)
{
    return tell(context, (double)p->done / (double)p->trials, p->seconds_left, p->event) &&
           (p->event || !is_enough(context, p->done));
}

/* Nothing of an evaluation is kept before its end, which is near: the budget can wait. */
static bool on_images(void *context, size_t done, size_t count)
{
    return tell(context, (double)done / (double)count, (double)NAN, NULL);
}

static bool on_report(void *context, const char *run, size_t done, size_t count)
{
    (void)run;
    (void)done;
    (void)count;
    return tell(context, 1, 0, NULL);
}

/* ---- data ---- */

static ward_status open_data(struct work *w, const char *name)
{
    ward_dataset *data = NULL;
    ward_status st;

    if (w->data_name && strcmp(w->data_name, name) == 0)
        return WARD_OK;
    st = ward_dataset_open(&data, name);
    if (st)
        return st;
    ward_dataset_free(w->data);
    w->data = data;
    w->data_name = name;
    return WARD_OK;
}

/* A table to be cited is of the published images. */
static ward_status verify_data(struct work *w)
{
    const struct study_network *network;
    ward_status st = WARD_OK;

    for (size_t i = 0; (network = study_network(i)) && !st; i++) {
        bool is_needed = false,
             is_repeated = i > 0 && strcmp(study_network(i - 1)->data, network->data) == 0;

        for (size_t j = 0; j < w->study->item_count; j++) {
            const struct study_item *item = &w->study->items[j];

            is_needed = is_needed ||
                        (!item->is_done && !item->is_missing &&
                         strcmp(study_item_run(w->study, item)->network->data, network->data) == 0);
        }
        if (is_needed && !is_repeated)
            st = ward_data_verify(network->data);
    }
    return st;
}

/* ---- trainings, evaluations ---- */

static ward_status train(struct work *w, const struct study_run *run)
{
    /* What is left of a network that is gone, such as its transform, is replaced. */
    const ward_train_options options = {.out = run->dir.path,
                                        .is_resumed = true,
                                        .replaces = !run->is_begun,
                                        .progress = on_training,
                                        .context = w};
    uint8_t secret[TRANSFORM_SEED_LEN];
    ward_train_config config;
    ward_status st = study_settings(w->study, run, secret, &config);

    return st ? st : ward_train(w->study->device, &config, &options);
}

static ward_status evaluate(struct work *w, const struct study_run *run)
{
    struct evaluation kept = {.count = 0};
    ward_evaluation e = {.count = 0};
    ward_run *opened = NULL;
    char *path = NULL;
    ward_status st = open_data(w, run->network->data);

    if (!st)
        st = file_join(&path, run->dir.path, "eval.json");
    if (!st)
        st = file_sweep(path);
    if (!st)
        st = ward_run_open(&opened, run->dir.path);
    if (!st)
        st = ward_evaluate(opened, w->study->device, w->data, WARD_SPLIT_TEST, false, &e, on_images,
                           w);
    if (!st) {
        kept = (struct evaluation){.count = (double)e.count,
                                   .authorised = e.authorised,
                                   .unauthorised = e.unauthorised,
                                   .authorised_ci = e.authorised_ci,
                                   .unauthorised_ci = e.unauthorised_ci};
        memcpy(kept.model_id, run->model_id, sizeof kept.model_id);
        st = evaluation_write(&kept, path);
    }
    ward_evaluation_release(&e);
    ward_run_close(opened);
    mem_free(path);
    return st;
}

/* ---- attacks ---- */

/* Hours of work may be in trials of another network, so they are kept, under a name that nobody
 * takes for that of a result. */
static ward_status set_aside(struct work *w, const struct study_trials *trials)
{
    char *path = NULL, *kept = NULL, *event = NULL;
    ward_status st = study_attack_file(trials, &path);

    if (!st)
        st = mem_printf(&kept, "%s.%.12s", path, trials->other);
    if (!st)
        st = mem_printf(&event, "trials of another network are kept as '%s'", kept);
    if (!st && rename(path, kept) != 0)
        st = ward_fail(WARD_ERR_IO, "cannot rename '%s': %s", path, strerror(errno));
    if (!st && !tell(w, 0, (double)NAN, event))
        st = ward_fail(WARD_ERR_STOPPED, "the attack was stopped");
    mem_free(path);
    mem_free(kept);
    mem_free(event);
    return st;
}

static ward_status attack(struct work *w, struct study_trials *trials)
{
    const struct study_run *run = trials->run;
    const ward_attack_result reference = {.authorised = run->evaluation.authorised,
                                          .unauthorised = run->evaluation.unauthorised};
    ward_attack_options options = {
        .reference = run->is_evaluated ? &reference : NULL, .progress = on_attack, .context = w};
    ward_attack_result result = {.count = 0};
    ward_attack_settings settings;
    ward_run *opened = NULL;
    char *directory = NULL;
    ward_status st = open_data(w, run->network->data);

    if (!st && trials->other[0])
        st = set_aside(w, trials);
    if (!st)
        st = file_join(&directory, run->dir.path, "attacks");
    if (!st)
        st = ward_run_open(&opened, run->dir.path);
    if (!st)
        st = study_attack_settings(w->study, trials, &settings);
    options.directory = directory;
    if (!st)
        st = ward_attack(opened, w->study->device, w->data, &settings, &options, &result);
    trials->is_made = !st;
    ward_attack_result_release(&result);
    ward_run_close(opened);
    mem_free(directory);
    return st;
}

/* ---- figures ---- */

/* The first test image of each class: x [*n, image]. */
static ward_status first_images(const ward_dataset *data, size_t len, float *x, size_t *n)
{
    const ward_dataset_info *info = ward_dataset_get_info(data);
    size_t count = 0;
    ward_status st = WARD_OK;

    for (unsigned k = 0; k < info->classes && !st; k++) {
        int32_t label = -1;
        size_t at = 0;

        for (; at < info->test_count && !st; at++) {
            st = ward_dataset_read(data, WARD_SPLIT_TEST, at, 1, NULL, &label);
            if (label == (int32_t)k)
                break;
        }
        if (!st && at < info->test_count)
            st = ward_dataset_read(data, WARD_SPLIT_TEST, at, 1, x + len * count++, NULL);
    }
    *n = count;
    return st;
}

/* Root mean square and maximum of G(x) - x over all values of the test images. */
static ward_status measure(struct work *w, const ward_run *run, size_t len, double *rms,
                           double *max)
{
    size_t count = ward_dataset_get_info(w->data)->test_count;
    ward_session *session = NULL;
    float *x = NULL, *y = NULL;
    double sum = 0, most = 0;
    ward_status st = ward_session_new(&session, run, w->study->device, SESSION_BATCH);

    if (!st)
        st = mem_new(&x, SESSION_BATCH * len, sizeof *x);
    if (!st)
        st = mem_new(&y, SESSION_BATCH * len, sizeof *y);
    for (size_t done = 0; done < count && !st; done += SESSION_BATCH) {
        size_t n = min_size(SESSION_BATCH, count - done);

        st = ward_dataset_read(w->data, WARD_SPLIT_TEST, done, n, x, NULL);
        if (!st)
            st = ward_session_transform(session, n, x, y);
        for (size_t i = 0; i < n * len && !st; i++) {
            double difference = (double)y[i] - (double)x[i];

            sum += difference * difference;
            most = fmax(most, fabs(difference));
        }
        if (!st && !tell(w, 0, (double)NAN, NULL))
            st = ward_fail(WARD_ERR_STOPPED, "the figure was stopped");
    }
    if (!st) {
        *rms = sqrt(sum / ((double)count * (double)len));
        *max = most;
    }
    if (y)
        mem_wipe(y, SESSION_BATCH * len * sizeof *y);
    mem_free(x);
    mem_free(y);
    ward_session_free(session);
    return st;
}

static ward_status draw(struct work *w, const ward_run *const *runs, size_t len,
                        const struct study_figure *figure)
{
    ward_image sheet = {.pixels = NULL};
    float *x = NULL;
    size_t n = 0;
    ward_status st = mem_new(&x, (size_t)ward_dataset_get_info(w->data)->classes * len, sizeof *x);

    if (!st)
        st = first_images(w->data, len, x, &n);
    if (!st)
        st = ward_figure(runs, STUDY_PROTECTED, w->study->device, n, x, &sheet);
    if (!st)
        st = file_sweep(figure->picture);
    if (!st)
        st = ward_image_write(&sheet, figure->picture, WARD_IMAGE_SECRET | WARD_IMAGE_REPLACE);
    ward_image_release(&sheet);
    mem_free(x);
    return st;
}

static ward_status make_figure(struct work *w, struct study_figure *figure)
{
    ward_run *runs[STUDY_PROTECTED] = {NULL};
    const ward_input *input;
    size_t len = 0;
    ward_status st = open_data(w, figure->network->data);

    if (!st) {
        input = &ward_dataset_get_info(w->data)->input;
        len = (size_t)input->channels * input->height * input->width;
    }
    for (size_t i = 0; i < STUDY_PROTECTED && !st; i++)
        st = ward_run_open(&runs[i], figure->runs[i]->dir.path);
    for (size_t i = 0; i < STUDY_PROTECTED && !st; i++)
        st = measure(w, runs[i], len, &figure->rms[i], &figure->max[i]);
    if (!st)
        st = draw(w, (const ward_run *const *)runs, len, figure);
    if (!st)
        st = study_write_facts(figure); /* last: without it the figure is drawn again */
    for (size_t i = 0; i < STUDY_PROTECTED; i++)
        ward_run_close(runs[i]);
    return st;
}

/* ---- afterwards ---- */

static ward_status write_tables(const struct study *study)
{
    static const char *const names[] = {"tables.json", "tables.md"};
    ward_status st = study_write_results(study);

    for (int i = 0; i < 2 && !st; i++) {
        char *path = NULL, *text = NULL;

        st = file_join(&path, study->state, names[i]);
        if (!st)
            st = i == 0 ? tables_json(study, 1, &text) : tables_markdown(study, &text);
        if (!st)
            st = study_write_text(path, text);
        mem_free(path);
        mem_free(text);
    }
    return st;
}

static ward_status write_report(struct work *w, ward_report_format format, const char *name)
{
    const ward_report_options options = {.format = format, .progress = on_report, .context = w};
    const char *state = w->study->state;
    ward_report *report = NULL;
    char *path = NULL;
    ward_status st = file_join(&path, state, name);

    if (!st)
        st = ward_report_new(&report, w->study->device, &state, 1, &options);
    if (!st)
        st = file_sweep(path);
    if (!st)
        st = ward_report_write(report, path, WARD_REPORT_REPLACE);
    ward_report_free(report);
    mem_free(path);
    return st;
}

/* Of the runs whose networks are there, if there is one. */
static ward_status write_reports(struct work *w)
{
    bool is_one = false;
    ward_status st;

    for (size_t i = 0; i < w->study->run_count; i++)
        is_one = is_one || (w->study->runs[i].is_complete && w->study->runs[i].is_evaluated);
    if (!is_one)
        return WARD_OK;
    st = write_report(w, WARD_REPORT_HTML, "report.html");
    return st ? st : write_report(w, WARD_REPORT_MARKDOWN, "report.md");
}

/* ---- the plan ---- */

static ward_status do_item(struct work *w, const struct study_item *item)
{
    switch (item->kind) {
    case WARD_REPRODUCE_TRAIN: return train(w, &w->study->runs[item->at]);
    case WARD_REPRODUCE_EVALUATE: return evaluate(w, &w->study->runs[item->at]);
    case WARD_REPRODUCE_ATTACK: return attack(w, &w->study->attacks[item->at]);
    case WARD_REPRODUCE_FIGURE: return make_figure(w, &w->study->figures[item->at]);
    }
    return WARD_OK;
}

static double seconds_after(const struct study *study, size_t i)
{
    double seconds = 0;

    for (i++; i < study->item_count; i++)
        if (!study->items[i].is_missing)
            seconds += study->items[i].seconds;
    return seconds;
}

static ward_status do_next(struct work *w)
{
    struct study *study = w->study;
    ward_status st;

    w->rest = seconds_after(study, w->item);
    w->done_when_spent = UINT64_MAX;
    w->is_spent = is_over_budget(w);
    if (w->is_spent || !tell(w, study->items[w->item].share, (double)NAN, NULL))
        return ward_fail(WARD_ERR_STOPPED, "the reproduction was stopped");
    st = do_item(w, &study->items[w->item]);
    if (!st)
        st = study_look_at(study, &study->items[w->item]);
    if (!st)
        st = study_estimate(study);
    return st ? st : write_tables(study);
}

/* From the beginning after each training: a network that came out other than the one that was there
 * before it may need others again that are gone, for a figure of all of them. */
static ward_status do_all(struct work *w)
{
    ward_status st = WARD_OK;

    while (w->item < w->study->item_count && !st) {
        const struct study_item *item = &w->study->items[w->item];
        bool is_left = !item->is_done && !item->is_missing;
        bool is_training = item->kind == WARD_REPRODUCE_TRAIN;

        if (is_left)
            st = do_next(w);
        if (!st)
            w->item = is_left && is_training ? 0 : w->item + 1;
    }
    return st;
}

/* After a budget is spent: an item may be done in part. */
static ward_status take_stock(struct study *study)
{
    ward_status st = study_look(study);

    if (!st)
        st = study_estimate(study);
    return st ? st : write_tables(study);
}

ward_status study_work(struct study *study, const ward_reproduce_options *options)
{
    struct work w = {.study = study, .options = options, .begin = clock_seconds()};
    ward_status st = study_is_shortened(study) ? WARD_OK : verify_data(&w);

    if (!st)
        st = write_tables(study);
    if (!st)
        st = do_all(&w);
    if (w.item == study->item_count && w.item > 0)
        w.item--; /* what follows is no item of its own */
    if (st == WARD_ERR_STOPPED && !w.is_stopped)
        st = take_stock(study);
    if (!st)
        st = write_reports(&w);
    ward_dataset_free(w.data);
    return st;
}
