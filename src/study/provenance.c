/* results/RUN.json: what a run came to, and how it came about. docs/formats.md, section 8. */
#include <math.h>

#include "base/file.h"
#include "base/mem.h"
#include "study/tables.h"

static json_t *evaluation_object(const struct evaluation *e)
{
    return json_pack(
        "{s:s, s:I, s:o, s:o, s:{s:o, s:o}, s:s}", "split", "test", "count", (json_int_t)e->count,
        "authorised", json_real_or_null(e->authorised), "unauthorised",
        json_real_or_null(e->unauthorised), "ci95", "authorised",
        json_interval_or_null(e->authorised, e->authorised_ci.low, e->authorised_ci.high),
        "unauthorised",
        json_interval_or_null(e->unauthorised, e->unauthorised_ci.low, e->unauthorised_ci.high),
        "model_id", e->model_id);
}

static json_t *device(const struct history_part *part)
{
    return json_sprintf("%s: %s", part->device, part->summary);
}

static json_t *parts_array(const struct history *h)
{
    json_t *array = json_array();

    for (size_t i = 0; i < h->part_count; i++) {
        const struct history_part *p = &h->parts[i];

        if (json_array_append_new(array, json_pack("{s:I, s:s, s:s, s:o, s:I}", "iteration",
                                                   (json_int_t)p->iteration, "version", p->version,
                                                   "commit", p->commit, "device", device(p),
                                                   "threads", (json_int_t)p->threads))) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *attacks_array(const struct study *study, const struct study_run *run)
{
    json_t *array = json_array();

    for (size_t i = 0; i < study->trials_count; i++) {
        struct study_row row = study_row_of(&study->attacks[i]);

        if (row.trials->run != run || row.n == 0)
            continue;
        if (json_array_append_new(
                array, json_pack("{s:s, s:i, s:f, s:o, s:f, s:o, s:f}", "options",
                                 row.trials->scores.settings, "trials", (int)row.n, "mean",
                                 row.accuracy.mean, "sd", json_real_or_null(row.accuracy.sd),
                                 "best", row.best, "chosen", json_real_or_null(row.chosen),
                                 "seconds", row.trials->scores.seconds))) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

ward_status study_command(const struct study *study, const struct study_run *run, char **out)
{
    const bool is_baseline = run->method == WARD_METHOD_BASELINE;
    char *seed = NULL, *iterations = NULL;
    ward_status st =
        mem_printf(&seed, "printf ward/reproduce/v1/%s | sha256sum | cut -c-64 | ", run->name);

    if (!st)
        st = mem_printf(&iterations, " --iterations %ju", (uintmax_t)study->iterations);
    if (!st)
        st = mem_printf(out,
                        "%sward train --data %s --arch %s --method %s --recipe %s%s --seed %ju%s "
                        "--out %s",
                        is_baseline ? "" : seed, run->network->data, run->network->arch,
                        ward_method_name(run->method), study->recipe,
                        study->iterations ? iterations : "", (uintmax_t)run->seed,
                        is_baseline ? "" : " --secret-seed -", run->name);
    mem_free(seed);
    mem_free(iterations);
    return st;
}

static json_t *result_object(const struct study *study, const struct study_run *run,
                             const char *command, uint64_t iterations)
{
    const struct history *h = &run->history;
    const struct history_part *first = h->part_count > 0 ? &h->parts[0] : NULL;

    return json_pack("{s:s, s:s, s:I, s:I, s:b, s:s?, s:o, s:o, s:f, s:o, s:o, s:o}", "name",
                     run->name, "command", command, "seed", (json_int_t)run->seed, "iterations",
                     (json_int_t)iterations, "is_shortened", study_is_shortened(study), "commit",
                     first ? first->commit : NULL, "device", first ? device(first) : json_null(),
                     "threads", first ? json_integer((json_int_t)first->threads) : json_null(),
                     "train_seconds", h->seconds, "parts", parts_array(h), "evaluation",
                     evaluation_object(&run->evaluation), "attacks", attacks_array(study, run));
}

static ward_status write_result(const struct study *study, const struct study_run *run,
                                const char *folder)
{
    char *path = NULL, *command = NULL, *text = NULL;
    uint8_t secret[TRANSFORM_SEED_LEN];
    ward_train_config settings;
    json_t *object = NULL;
    ward_status st = mem_printf(&path, "%s/%s.json", folder, run->name);

    if (!st)
        st = study_command(study, run, &command);
    if (!st)
        st = study_settings(study, run, secret, &settings);
    if (!st)
        object = result_object(study, run, command, settings.iterations);
    if (!st)
        st = object ? json_to_text(object, 1, &text) : ward_fail(WARD_ERR_NOMEM, "out of memory");
    if (!st)
        st = study_write_text(path, text);
    json_decref(object);
    mem_free(text);
    mem_free(command);
    mem_free(path);
    return st;
}

ward_status study_write_results(const struct study *study)
{
    char *folder = NULL;
    ward_status st = file_join(&folder, study->state, "results");

    if (!st)
        st = file_make_directory(folder);
    for (size_t i = 0; i < study->run_count && !st; i++)
        if (study->runs[i].is_complete && study->runs[i].is_evaluated)
            st = write_result(study, &study->runs[i], folder);
    mem_free(folder);
    return st;
}
