/* Collecting the runs of a report: see runs.h. */
#include "report/runs.h"

#include <math.h>
#include <stdio.h>

#include "base/file.h"
#include "base/mem.h"

/* A collection under way. */
struct collector {
    struct runs *runs;
    ward_device *device;
    const ward_report_options *options;
    struct data_keeper *keeper;
    size_t found; /* runs, shown or not */
};

/* What ends a report, where other failures only leave something out. */
static bool is_fatal(ward_status st)
{
    return st == WARD_ERR_NOMEM || st == WARD_ERR_STOPPED;
}

ward_status runs_omit(struct runs *runs, const char *path, const ward_report_options *options)
{
    struct omission made = {.path = NULL};
    char *line = NULL;
    ward_status st = mem_strdup(&made.reason, ward_error_message());

    if (!st)
        st = mem_strdup(&made.path, path);
    if (!st && options->note)
        st = mem_printf(&line, "%s: %s", path, made.reason);
    if (!st)
        st = mem_resize(&runs->omissions, runs->omission_count, runs->omission_count + 1,
                        sizeof made);
    if (!st) {
        runs->omissions[runs->omission_count++] = made;
        made = (struct omission){.path = NULL};
        if (options->note)
            options->note(options->context, line);
    }
    mem_free(made.path);
    mem_free(made.reason);
    mem_free(line);
    return st;
}

/* ---- data ---- */

static ward_status keep(struct data_keeper *keeper, const char *spec)
{
    char *name = NULL;
    ward_dataset *data = NULL;
    ward_status st;

    if (keeper->spec && strcmp(keeper->spec, spec) == 0)
        return WARD_OK;
    st = ward_dataset_open(&data, spec);
    if (!st)
        st = mem_strdup(&name, spec);
    if (st) {
        ward_dataset_free(data);
        return st;
    }
    data_keeper_release(keeper);
    keeper->spec = name;
    keeper->data = data;
    return WARD_OK;
}

static bool is_named(const struct data_keeper *keeper, const char *name)
{
    return strcmp(ward_dataset_get_info(keeper->data)->name, name) == 0;
}

ward_status data_keeper_open(struct data_keeper *keeper, const struct report_run *run,
                             const ward_dataset **out)
{
    const char *spec = json_string_value(json_object_get(run->settings.all, "data"));
    ward_status st;

    if (keeper->given) {
        st = keep(keeper, keeper->given);
        if (st)
            return st;
        if (is_named(keeper, run->data)) {
            *out = keeper->data;
            return WARD_OK;
        }
    }
    st = keep(keeper, spec ? spec : run->data);
    if (!st && !is_named(keeper, run->data))
        st = ward_fail(WARD_ERR_ARG, "'%s' is not the data set '%s'", keeper->spec, run->data);
    if (!st)
        *out = keeper->data;
    return st;
}

void data_keeper_release(struct data_keeper *keeper)
{
    mem_free(keeper->spec);
    ward_dataset_free(keeper->data);
    keeper->spec = NULL;
    keeper->data = NULL;
}

/* ---- evaluation ---- */

struct watch {
    const ward_report_options *options;
    const char *path;
};

static bool on_progress(void *context, size_t done, size_t count)
{
    const struct watch *watch = context;

    return watch->options->progress(watch->options->context, watch->path, done, count);
}

static ward_status measure(const struct collector *c, const ward_run *run, struct report_run *r)
{
    struct watch watch = {c->options, r->path};
    const ward_dataset *data;
    ward_evaluation e = {.count = 0};
    ward_status st = data_keeper_open(c->keeper, r, &data);

    if (!st)
        st = ward_evaluate(run, c->device, data, WARD_SPLIT_TEST, false, &e,
                           c->options->progress ? on_progress : NULL, &watch);
    if (st)
        return st;
    r->is_evaluated = true;
    r->evaluation = (struct evaluation){.count = (double)e.count,
                                        .authorised = e.authorised,
                                        .unauthorised = e.unauthorised,
                                        .authorised_ci = e.authorised_ci,
                                        .unauthorised_ci = e.unauthorised_ci};
    memcpy(r->evaluation.model_id, r->model_id, sizeof r->model_id);
    ward_evaluation_release(&e);
    return WARD_OK;
}

/* Without G the authorised accuracy is not known: such a result is not kept for who has G. */
static bool is_whole(const struct report_run *r)
{
    return isfinite(r->evaluation.authorised);
}

static ward_status evaluate(const struct collector *c, const ward_run *run, struct report_run *r)
{
    char *path = NULL;
    bool is_there = false;
    ward_status st = file_join(&path, r->path, "eval.json");

    if (!st)
        st = evaluation_read(&r->evaluation, path, &is_there);
    if (!is_fatal(st) && (st || !is_there || strcmp(r->evaluation.model_id, r->model_id) != 0)) {
        st = measure(c, run, r);
        if (!st && is_whole(r))
            st = evaluation_write(&r->evaluation, path);
    }
    r->is_evaluated = r->is_evaluated || !st;
    mem_free(path);
    return st;
}

/* ---- attacks ---- */

static bool ends_in_json(const char *name)
{
    const char *dot = strrchr(name, '.');

    return name[0] != '.' && dot && strcmp(dot, ".json") == 0;
}

static ward_status add_attack(struct report_run *r, const char *path)
{
    struct attack_scores scores = {.trial_count = 0};
    ward_status st = attack_scores_read(&scores, path);

    if (!st && strcmp(scores.model_id, r->model_id) != 0)
        st = ward_fail(WARD_ERR_FORMAT, "'%s' is of another network", path);
    if (!st && scores.trial_count > 0)
        st = mem_resize(&r->attacks, r->attack_count, r->attack_count + 1, sizeof scores);
    if (!st && scores.trial_count > 0) {
        r->attacks[r->attack_count++] = scores;
        scores = (struct attack_scores){.trial_count = 0};
    }
    attack_scores_release(&scores);
    return st;
}

static ward_status add_redteam(struct report_run *r, const char *path)
{
    struct redteam_scores scores = {.line_count = 0};
    ward_status st = redteam_read(&scores, path);

    if (!st && strcmp(scores.model_id, r->model_id) != 0)
        st = ward_fail(WARD_ERR_FORMAT, "'%s' is of another network", path);
    if (!st && scores.line_count > 0)
        st = mem_resize(&r->redteams, r->redteam_count, r->redteam_count + 1, sizeof scores);
    if (!st && scores.line_count > 0) {
        r->redteams[r->redteam_count++] = scores;
        scores = (struct redteam_scores){.line_count = 0};
    }
    redteam_release(&scores);
    return st;
}

/* Add the results in a folder of the run, each by `add`. */
static ward_status collect_folder(const struct collector *c, struct report_run *r, const char *name,
                                  ward_status (*add)(struct report_run *r, const char *path))
{
    char *folder = NULL;
    char **names = NULL;
    size_t count = 0;
    ward_status st = file_join(&folder, r->path, name);

    if (!st && file_is_directory(folder))
        st = file_list(folder, &names, &count);
    if (st && !is_fatal(st))
        st = runs_omit(c->runs, folder ? folder : r->path, c->options);
    for (size_t i = 0; i < count && !st; i++) {
        char *path = NULL;

        if (!ends_in_json(names[i]))
            continue;
        st = file_join(&path, folder, names[i]);
        if (!st)
            st = add(r, path);
        if (st && !is_fatal(st))
            st = runs_omit(c->runs, path ? path : folder, c->options);
        mem_free(path);
    }
    if (names)
        file_list_free(names, count);
    mem_free(folder);
    return st;
}

static ward_status collect_attacks(const struct collector *c, struct report_run *r)
{
    ward_status st = collect_folder(c, r, "attacks", add_attack);

    return st ? st : collect_folder(c, r, "redteam", add_redteam);
}

/* ---- runs ---- */

static void run_release(struct report_run *r)
{
    for (size_t i = 0; i < r->attack_count; i++)
        attack_scores_release(&r->attacks[i]);
    mem_free(r->attacks);
    for (size_t i = 0; i < r->redteam_count; i++)
        redteam_release(&r->redteams[i]);
    mem_free(r->redteams);
    history_release(&r->history);
    settings_release(&r->settings);
    mem_free(r->path);
    mem_free(r->data);
    mem_free(r->arch);
    *r = (struct report_run){.path = NULL};
}

static ward_status describe(struct report_run *r, const ward_run *run, const struct run_dir *dir)
{
    ward_run_info info;
    ward_status st = mem_strdup(&r->path, dir->path);

    ward_run_describe(run, &info);
    r->method = info.method;
    r->has_transform = info.has_transform;
    r->is_reproducible = info.is_reproducible;
    snprintf(r->model_id, sizeof r->model_id, "%s", info.model_id);
    if (!st)
        st = mem_strdup(&r->data, info.data);
    if (!st)
        st = mem_strdup(&r->arch, info.arch);
    if (!st)
        st = settings_read(&r->settings, dir, info.channels);
    if (!st)
        st = history_read(&r->history, dir->metrics);
    if (!st && r->settings.method != info.method)
        st = ward_fail(WARD_ERR_FORMAT, "'%s' has settings of another method", dir->config);
    return st;
}

/* Two copies of one run are not two samples of a spread. */
static ward_status check_new(const struct runs *runs, const struct report_run *r)
{
    for (size_t i = 0; i < runs->count; i++)
        if (strcmp(runs->items[i].model_id, r->model_id) == 0)
            return ward_fail(WARD_ERR_EXISTS, "the same network as in '%s'", runs->items[i].path);
    return WARD_OK;
}

static ward_status open_complete(ward_run **out, const struct run_dir *dir, ward_keys *keys)
{
    if (!run_dir_is_complete(dir))
        return ward_fail(WARD_ERR_IO, "the training is not complete");
    return ward_run_open_with(out, dir->path, keys);
}

/* Accuracies and attacks that are missing leave gaps in a run that is shown. */
static ward_status measure_all(const struct collector *c, const ward_run *run, struct report_run *r)
{
    ward_status st = evaluate(c, run, r);

    if (st && !is_fatal(st))
        st = runs_omit(c->runs, r->path, c->options);
    return st ? st : collect_attacks(c, r);
}

static ward_status add_run(const struct collector *c, const struct run_dir *dir)
{
    struct report_run made = {.path = NULL};
    ward_run *run = NULL;
    ward_status st = open_complete(&run, dir, c->options->keys);

    if (!st)
        st = describe(&made, run, dir);
    if (!st)
        st = check_new(c->runs, &made);
    if (st && !is_fatal(st)) {
        st = runs_omit(c->runs, dir->path, c->options);
        goto done;
    }
    if (!st)
        st = measure_all(c, run, &made);
    if (!st)
        st = mem_resize(&c->runs->items, c->runs->count, c->runs->count + 1, sizeof made);
    if (!st) {
        c->runs->items[c->runs->count++] = made;
        made = (struct report_run){.path = NULL};
    }
done:
    run_release(&made);
    ward_run_close(run);
    return st;
}

/* A path that is a run; *is_run says whether it was. */
static ward_status try_run(struct collector *c, const char *path, bool *is_run)
{
    struct run_dir dir = {.path = NULL};
    ward_status st = run_dir_init(&dir, path);

    *is_run = !st && run_dir_is_used(&dir);
    if (*is_run) {
        c->found++;
        st = add_run(c, &dir);
    }
    run_dir_release(&dir);
    return st;
}

static ward_status try_children(struct collector *c, const char *folder)
{
    char **names = NULL;
    size_t count = 0;
    ward_status st = file_list(folder, &names, &count);

    for (size_t i = 0; i < count && !st; i++) {
        char *path = NULL;
        bool is_run;

        st = file_join(&path, folder, names[i]);
        if (!st && file_is_directory(path))
            st = try_run(c, path, &is_run);
        mem_free(path);
    }
    if (names)
        file_list_free(names, count);
    return st;
}

static ward_status collect_path(struct collector *c, const char *path)
{
    size_t before = c->found;
    bool is_run = false;
    ward_status st = WARD_OK;

    if (!file_is_directory(path))
        return ward_fail(WARD_ERR_IO, "'%s' is not a directory", path);
    st = try_run(c, path, &is_run);
    if (!st && !is_run)
        st = try_children(c, path);
    if (!st && c->found == before)
        st = ward_fail(WARD_ERR_IO, "'%s' holds no run", path);
    return st;
}

/* ---- order ---- */

static int data_order(const char *data)
{
    int i = 0;

    while (ward_data_name((size_t)i) && strcmp(ward_data_name((size_t)i), data) != 0)
        i++;
    return i;
}

static int recipe_order(const struct report_run *r)
{
    static const char *const recipes[] = {"paper", "fast", "demo"};
    int i = 0;

    while (i < 3 && strcmp(settings_recipe(&r->settings), recipes[i]) != 0)
        i++;
    return i;
}

static int compare(const void *left, const void *right)
{
    const struct report_run *a = left, *b = right;
    int order = data_order(a->data) - data_order(b->data);

    if (!order)
        order = strcmp(a->data, b->data);
    if (!order) /* simple-cnn before resnet20 */
        order = strcmp(b->arch, a->arch);
    if (!order)
        order = recipe_order(a) - recipe_order(b);
    if (!order)
        order = (int)a->method - (int)b->method;
    if (!order)
        order = strcmp(a->settings.label, b->settings.label);
    if (!order && a->settings.seed != b->settings.seed)
        order = a->settings.seed < b->settings.seed ? -1 : 1;
    return order ? order : strcmp(a->path, b->path);
}

ward_status runs_collect(struct runs *out, ward_device *device, const char *const *paths,
                         size_t count, const ward_report_options *options,
                         struct data_keeper *keeper)
{
    struct collector c = {out, device, options, keeper, 0};
    ward_status st = WARD_OK;

    for (size_t i = 0; i < count && !st; i++)
        st = collect_path(&c, paths[i]);
    if (!st && out->count == 0 && out->omission_count > 0)
        st = ward_fail(WARD_ERR_IO, "no run can be shown: '%s': %s", out->omissions[0].path,
                       out->omissions[0].reason);
    if (!st && out->count == 0)
        st = ward_fail(WARD_ERR_ARG, "a report of no run");
    if (st) {
        runs_release(out);
        return st;
    }
    qsort(out->items, out->count, sizeof *out->items, compare);
    return WARD_OK;
}

void runs_release(struct runs *runs)
{
    for (size_t i = 0; i < runs->count; i++)
        run_release(&runs->items[i]);
    for (size_t i = 0; i < runs->omission_count; i++) {
        mem_free(runs->omissions[i].path);
        mem_free(runs->omissions[i].reason);
    }
    mem_free(runs->items);
    mem_free(runs->omissions);
    *runs = (struct runs){.count = 0};
}
