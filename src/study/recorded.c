/*
 * What is known of runs whose networks are not there: results/RUN.json, read back. docs/formats.md,
 * section 8. Such a file may come from another machine, so it is believed only if it says that it
 * is about the very training that is planned.
 */
#include <math.h>

#include "base/file.h"
#include "base/mem.h"
#include "study/plan.h"

enum { MAX_RECORD_FILE = 1 << 24 };

/* ---- what it is about ---- */

static ward_status match_length(const struct study *study, const struct study_run *run,
                                const json_t *object)
{
    uint8_t secret[TRANSFORM_SEED_LEN];
    ward_train_config planned;
    bool is_shortened;
    ward_status st = study_settings(study, run, secret, &planned);

    if (!st)
        st = json_match_u64(object, "iterations", planned.iterations);
    if (!st)
        st = json_get_bool(object, "is_shortened", &is_shortened);
    if (!st && is_shortened != study_is_shortened(study))
        st = ward_fail(WARD_ERR_EXISTS, "'is_shortened' is %s there, not %s",
                       is_shortened ? "true" : "false", is_shortened ? "false" : "true");
    return st;
}

static ward_status match_command(const struct study *study, const struct study_run *run,
                                 const json_t *object)
{
    const char *command;
    char *planned = NULL;
    ward_status st = json_get_string(object, "command", &command);

    if (!st)
        st = study_command(study, run, &planned);
    if (!st && strcmp(command, planned) != 0)
        st = ward_fail(WARD_ERR_EXISTS, "'command' makes another run");
    mem_free(planned);
    return st;
}

/* The command last: of all differences it is the one that says least. */
static ward_status match_plan(const struct study *study, const struct study_run *run,
                              const json_t *object)
{
    ward_status st = json_match_string(object, "name", run->name);

    if (!st)
        st = json_match_u64(object, "seed", run->seed);
    if (!st)
        st = match_length(study, run, object);
    return st ? st : match_command(study, run, object);
}

/* ---- what it came to ---- */

static ward_status take_evaluation(struct study_run *run, const json_t *object)
{
    struct evaluation e;
    ward_status st = evaluation_from_json(&e, object);
    bool is_baseline = run->method == WARD_METHOD_BASELINE;

    if (!st && (isnan(e.authorised) || (isnan(e.unauthorised) != 0) != is_baseline))
        st = ward_fail(WARD_ERR_FORMAT, "not the accuracies of method '%s'",
                       ward_method_name(run->method));
    if (st)
        return ward_fail_within(st, "'evaluation'");
    run->evaluation = e;
    memcpy(run->model_id, e.model_id, sizeof run->model_id);
    run->is_recorded = run->is_evaluated = true;
    return WARD_OK;
}

ward_status study_parse_record(const struct study *study, struct study_run *run, const char *text,
                               size_t len)
{
    json_t *object = NULL;
    ward_status st = json_parse_object(&object, text, len);

    if (!st)
        st = match_plan(study, run, object);
    if (!st)
        st = take_evaluation(run, json_object_get(object, "evaluation"));
    json_decref(object);
    return st;
}

/* Hours of training are at stake, so a file that cannot be used is not passed over. */
ward_status study_look_at_record(const struct study *study, struct study_run *run)
{
    uint8_t *text = NULL;
    char *path = NULL;
    size_t len = 0;
    ward_status st = mem_printf(&path, "%s/results/%s.json", study->state, run->name);

    if (st || !file_exists(path))
        goto done;
    st = file_read(path, MAX_RECORD_FILE, &text, &len);
    if (!st)
        st = study_parse_record(study, run, (const char *)text, len);
    if (st == WARD_ERR_EXISTS) /* as for a run with other settings */
        st = ward_fail_within(WARD_ERR_ARG,
                              "'%s' is not of this plan (without it the run is trained)", path);
    else if (st == WARD_ERR_FORMAT)
        st = ward_fail_within(st, "'%s' cannot be used (without it the run is trained)", path);
done:
    mem_free(text);
    mem_free(path);
    return st;
}
