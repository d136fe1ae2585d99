/* What the state directory has of a plan: see plan.h. */
#include <math.h>

#include "base/file.h"
#include "base/mem.h"
#include "study/plan.h"
#include "train/settings.h"

enum { FACTS_VERSION = 1, MAX_FACTS_FILE = 1 << 16, MAX_PATH = 4096 };

/* ---- runs ---- */

/* What is planned, and what the run was made with. */
static ward_status match_settings(const struct study *study, const struct study_run *run)
{
    const ward_dataset_info shape = {.input = {.channels = (unsigned)run->network->channels}};
    struct run_config stored = {.data = NULL};
    uint8_t secret[TRANSFORM_SEED_LEN];
    ward_train_config planned;
    ward_status st = run_config_read(&run->dir, &stored);

    if (!st)
        st = study_settings(study, run, secret, &planned);
    if (!st) {
        settings_resolve(&planned, &shape);
        st = settings_match(&planned, &stored.values);
        if (st)
            st = ward_fail_within(st, "'%s' is not of this plan", run->dir.path);
    }
    run_config_release(&stored);
    return st;
}

/* A file that cannot be used is as good as none: the evaluation is made again. */
static ward_status look_at_evaluation(struct study_run *run)
{
    char *path = NULL;
    bool is_there = false;
    ward_status st = file_join(&path, run->dir.path, "eval.json");

    if (!st)
        st = evaluation_read(&run->evaluation, path, &is_there);
    run->is_evaluated = !st && is_there && strcmp(run->evaluation.model_id, run->model_id) == 0;
    mem_free(path);
    return st == WARD_ERR_FORMAT ? WARD_OK : st;
}

static ward_status look_at_model(struct study_run *run)
{
    ward_run *opened = NULL;
    ward_run_info info;
    ward_status st = ward_run_open(&opened, run->dir.path);

    if (st)
        return st;
    ward_run_describe(opened, &info);
    memcpy(run->model_id, info.model_id, sizeof run->model_id);
    ward_run_close(opened);
    return look_at_evaluation(run);
}

/* Whether it is known which network a run made, be that there or not. */
static bool is_known(const struct study_run *run)
{
    return run->is_complete || run->is_recorded;
}

/* What was recorded of an earlier network counts until the one that is there is complete. */
static ward_status look_at_run(const struct study *study, struct study_run *run)
{
    bool has_settings = file_exists(run->dir.config);
    ward_status st = WARD_OK;

    history_release(&run->history);
    run->is_complete = run_dir_is_complete(&run->dir);
    run->is_begun = has_settings || file_exists(run->dir.model);
    run->is_recorded = run->is_evaluated = false;
    if (run->is_complete || has_settings)
        st = match_settings(study, run);
    if (!st)
        st = history_read(&run->history, run->dir.metrics);
    if (st)
        return st;
    return run->is_complete ? look_at_model(run) : study_look_at_record(study, run);
}

/* ---- attacks ---- */

ward_status study_attack_file(const struct study_trials *trials, char **out)
{
    const char *run = trials->run->dir.path, *attack = trials->attack->attack;

    if (trials->attack->pairs > 0)
        return mem_printf(out, "%s/attacks/%s-%g.json", run, attack, trials->attack->pairs);
    return mem_printf(out, "%s/attacks/%s.json", run, attack);
}

/* Whether the options that made a result have --key value. */
static ward_status check_option(const char *options, const char *key, json_t *value, bool *agree)
{
    char *number = NULL, *option = NULL;
    const char *found;
    ward_status st =
        value ? json_to_text(value, 0, &number) : ward_fail(WARD_ERR_NOMEM, "out of memory");

    if (!st)
        st = mem_printf(&option, " --%s %s", key, number);
    if (!st) {
        found = strstr(options, option);
        *agree = *agree && found && strchr(" ", found[strlen(option)]);
    }
    json_decref(value);
    mem_free(number);
    mem_free(option);
    return st;
}

static ward_status check_options(const char *options, const ward_attack_settings *s, bool *agree)
{
    const struct {
        unsigned use;
        const char *key;
        double real;
        uint64_t whole;
    } all[] = {
        {WARD_ATTACK_USES_SEED, "seed", (double)NAN, s->seed},
        {WARD_ATTACK_USES_PATTERN, "sigma", s->sigma, 0},
        {WARD_ATTACK_USES_PATTERN, "p", s->p, 0},
        {WARD_ATTACK_USES_PAIRS, "pairs", s->pairs, 0},
        {WARD_ATTACK_USES_FIT, "steps", (double)NAN, s->steps},
        {WARD_ATTACK_USES_FIT, "rate", s->rate, 0},
    };
    ward_status st = WARD_OK;

    for (size_t i = 0; i < sizeof all / sizeof all[0] && !st; i++)
        if (s->uses & all[i].use)
            st = check_option(options, all[i].key,
                              isnan(all[i].real) ? json_integer((json_int_t)all[i].whole)
                                                 : json_real(all[i].real),
                              agree);
    return st;
}

static ward_status match_attack(const struct study *study, const struct study_trials *trials,
                                const char *path)
{
    ward_attack_settings settings;
    bool agree = strcmp(trials->scores.attack, trials->attack->attack) == 0;
    ward_status st = study_attack_settings(study, trials, &settings);

    if (!st)
        st = check_options(trials->scores.settings, &settings, &agree);
    if (!st && !agree)
        st = ward_fail(WARD_ERR_ARG, "'%s' is not of this plan: another attack, or other settings",
                       path);
    return st;
}

/* Trials of another network are none of this one: a network that was trained again, on another
 * processor, may have come out another one. */
static ward_status sort_out(const struct study *study, struct study_trials *trials,
                            const char *path)
{
    if (strcmp(trials->scores.model_id, trials->run->model_id) == 0)
        return match_attack(study, trials, path);
    memcpy(trials->other, trials->scores.model_id, sizeof trials->other);
    attack_scores_release(&trials->scores);
    return WARD_OK;
}

static ward_status look_at_attack(const struct study *study, struct study_trials *trials)
{
    char *path = NULL;
    ward_status st = WARD_OK;

    attack_scores_release(&trials->scores);
    trials->other[0] = '\0';
    if (!is_known(trials->run))
        return WARD_OK;
    st = study_attack_file(trials, &path);
    if (!st && file_exists(path)) {
        st = attack_scores_read(&trials->scores, path);
        if (!st)
            st = sort_out(study, trials, path);
    }
    mem_free(path);
    return st;
}

/* Trials finish in any order: only a whole file has no gaps for sure. */
static bool is_whole(const struct study_trials *trials)
{
    double count = (double)trials->scores.trial_count;

    return count >= (double)trials->wanted && (count >= trials->scores.wanted || trials->is_made);
}

/* ---- figures ---- */

static ward_status take_perturbation(struct study_figure *figure, size_t i, const json_t *object)
{
    const struct study_run *run = figure->runs[i];
    const char *name, *id;
    ward_status st = json_get_string(object, "run", &name);

    if (!st)
        st = json_get_string(object, "model_id", &id);
    if (!st)
        st = json_get_real(object, "rms", &figure->rms[i]);
    if (!st)
        st = json_get_real(object, "max", &figure->max[i]);
    if (!st && (strcmp(name, run->name) != 0 || strcmp(id, run->model_id) != 0))
        st = ward_fail(WARD_ERR_FORMAT, "another network than in '%s'", run->name);
    if (!st && !(figure->rms[i] >= 0 && figure->max[i] >= figure->rms[i]))
        st = ward_fail(WARD_ERR_FORMAT, "'rms' or 'max' is not what it should be");
    return st;
}

static ward_status take_facts(struct study_figure *figure, const json_t *object)
{
    const json_t *list = json_object_get(object, "perturbations");
    uint64_t version = 0;
    ward_status st = json_get_u64(object, "format_version", INT64_MAX, &version);

    if (!st && version != FACTS_VERSION)
        st = ward_fail(WARD_ERR_FORMAT, "a version that this build cannot read");
    if (!st && json_array_size(list) != STUDY_PROTECTED)
        st = ward_fail(WARD_ERR_FORMAT, "'perturbations' is not one of each method");
    for (size_t i = 0; i < STUDY_PROTECTED && !st; i++)
        st = take_perturbation(figure, i, json_array_get(list, i));
    return st;
}

ward_status study_parse_facts(struct study_figure *figure, const char *text, size_t len)
{
    struct study_figure made = *figure;
    json_t *object = NULL;
    ward_status st = json_parse_object(&object, text, len);

    if (!st)
        st = take_facts(&made, object);
    json_decref(object);
    if (!st)
        *figure = made;
    return st;
}

/* The picture is asked for only where it could be drawn: without the networks the facts are all. */
static bool has_files(const struct study_figure *figure)
{
    bool are_known = true, are_complete = true;

    for (size_t i = 0; i < STUDY_PROTECTED; i++) {
        are_known = are_known && is_known(figure->runs[i]);
        are_complete = are_complete && figure->runs[i]->is_complete;
    }
    return are_known && file_exists(figure->facts) &&
           (!are_complete || file_exists(figure->picture));
}

/* What cannot be used, or belongs to other networks, is drawn again. */
static ward_status look_at_figure(struct study_figure *figure)
{
    uint8_t *text = NULL;
    size_t len = 0;
    ward_status st;

    figure->is_done = false;
    if (!has_files(figure))
        return WARD_OK;
    st = file_read(figure->facts, MAX_FACTS_FILE, &text, &len);
    if (!st)
        st = study_parse_facts(figure, (const char *)text, len);
    figure->is_done = !st;
    mem_free(text);
    return st == WARD_ERR_FORMAT ? WARD_OK : st;
}

static json_t *facts_object(const struct study_figure *figure)
{
    json_t *list = json_array();
    json_t *object = json_pack("{s:i, s:s, s:o}", "format_version", FACTS_VERSION, "figure",
                               figure->name, "perturbations", list);

    for (size_t i = 0; object && i < STUDY_PROTECTED; i++)
        if (json_array_append_new(list,
                                  json_pack("{s:s, s:s, s:f, s:f}", "run", figure->runs[i]->name,
                                            "model_id", figure->runs[i]->model_id, "rms",
                                            figure->rms[i], "max", figure->max[i]))) {
            json_decref(object);
            return NULL;
        }
    return object;
}

ward_status study_write_facts(const struct study_figure *figure)
{
    json_t *object = facts_object(figure);
    char *text = NULL;
    ward_status st =
        object ? json_to_text(object, 1, &text) : ward_fail(WARD_ERR_NOMEM, "out of memory");

    if (!st)
        st = study_write_text(figure->facts, text);
    json_decref(object);
    mem_free(text);
    return st;
}

/* Whether a file holds this text and a newline. */
static bool has_text(const char *path, const char *text)
{
    size_t wanted = strlen(text), len = 0;
    uint8_t *data = NULL;
    bool same = file_exists(path) && file_read(path, wanted + 1, &data, &len) == WARD_OK &&
                len == wanted + 1 && memcmp(data, text, wanted) == 0;

    mem_free(data);
    return same;
}

ward_status study_write_text(const char *path, const char *text)
{
    const struct file_piece pieces[] = {{text, strlen(text)}, {"\n", 1}};
    ward_status st = file_sweep(path);

    if (st || has_text(path, text))
        return st;
    return file_writev(path, pieces, 2, FILE_REPLACE);
}

/* ---- all of it ---- */

/* Whether this is still to be done, with the network of this run. */
static bool needs_network(const struct study *study, const struct study_item *item,
                          const struct study_run *run)
{
    const struct study_figure *figure;
    bool is_shown = false;

    if (item->kind == WARD_REPRODUCE_ATTACK)
        return study->attacks[item->at].run == run && !is_whole(&study->attacks[item->at]);
    if (item->kind != WARD_REPRODUCE_FIGURE)
        return false;
    figure = &study->figures[item->at];
    for (size_t i = 0; i < STUDY_PROTECTED; i++)
        is_shown = is_shown || figure->runs[i] == run;
    return is_shown && !figure->is_done;
}

/* A run whose network is gone is trained again only for what is still to be done with it. */
static bool is_trained(const struct study *study, const struct study_run *run)
{
    if (run->is_complete || run->is_begun || !run->is_recorded)
        return run->is_complete;
    for (size_t i = 0; i < study->item_count; i++)
        if (needs_network(study, &study->items[i], run))
            return false;
    return true;
}

/* Metrics without a network are of one that is gone. */
static double trained_share(const struct study *study, const struct study_run *run)
{
    uint8_t secret[TRANSFORM_SEED_LEN];
    ward_train_config settings;

    if (!run->is_begun || study_settings(study, run, secret, &settings))
        return 0;
    return fmin(1, run->history.iterations / (double)settings.iterations);
}

static void mark(const struct study *study, struct study_item *item)
{
    const struct study_run *run = study_item_run(study, item);
    const struct study_trials *trials;

    switch (item->kind) {
    case WARD_REPRODUCE_TRAIN:
        item->is_done = is_trained(study, run);
        item->share = trained_share(study, run);
        break;
    case WARD_REPRODUCE_EVALUATE:
        item->is_done = run->is_evaluated;
        item->share = 0;
        break;
    case WARD_REPRODUCE_ATTACK:
        trials = &study->attacks[item->at];
        item->is_done = is_whole(trials);
        item->share = fmin(1, (double)trials->scores.trial_count / (double)trials->wanted);
        break;
    case WARD_REPRODUCE_FIGURE:
        item->is_done = study->figures[item->at].is_done;
        item->share = 0;
        break;
    }
    if (item->is_done)
        item->share = 1;
}

static bool is_listed(const struct study *study, const char *data)
{
    for (size_t i = 0; i < study->missing_count; i++)
        if (strcmp(study->missing[i], data) == 0)
            return true;
    return false;
}

/* Only what is still to be done needs its data. */
static ward_status find_data(struct study *study, struct study_item *item)
{
    const char *data = study_item_run(study, item)->network->data;
    char path[MAX_PATH];
    ward_status st;

    item->is_missing = false;
    if (item->is_done)
        return WARD_OK;
    item->is_missing = is_listed(study, data);
    if (item->is_missing)
        return WARD_OK;
    st = ward_data_find(data, path, sizeof path);
    if (st != WARD_ERR_IO)
        return st;
    item->is_missing = true;
    if (study->missing_count < STUDY_DATA_SETS)
        study->missing[study->missing_count++] = data;
    return WARD_OK;
}

ward_status study_mark(struct study *study)
{
    ward_status st = WARD_OK;

    study->missing_count = 0;
    for (size_t i = 0; i < study->item_count && !st; i++) {
        mark(study, &study->items[i]);
        st = find_data(study, &study->items[i]);
    }
    return st;
}

ward_status study_look(struct study *study)
{
    ward_status st = WARD_OK;

    for (size_t i = 0; i < study->run_count && !st; i++)
        st = look_at_run(study, &study->runs[i]);
    for (size_t i = 0; i < study->trials_count && !st; i++)
        st = look_at_attack(study, &study->attacks[i]);
    for (size_t i = 0; i < study->figure_count && !st; i++)
        st = look_at_figure(&study->figures[i]);
    return st ? st : study_mark(study);
}

ward_status study_look_at(struct study *study, const struct study_item *item)
{
    ward_status st = WARD_OK;

    switch (item->kind) {
    case WARD_REPRODUCE_TRAIN:
        return study_look(study); /* all that was done to an earlier network */
    case WARD_REPRODUCE_EVALUATE: st = look_at_run(study, &study->runs[item->at]); break;
    case WARD_REPRODUCE_ATTACK: st = look_at_attack(study, &study->attacks[item->at]); break;
    case WARD_REPRODUCE_FIGURE: st = look_at_figure(&study->figures[item->at]); break;
    }
    return st ? st : study_mark(study);
}
