/* What a training writes: see trainer.h. */
#include "base/mem.h"
#include "base/util.h"
#include "model/model.h"
#include "train/erasure.h"
#include "train/schedule.h"
#include "train/trainer.h"
#include "ward/version.h"

ward_status trainer_collect(struct trainer *t)
{
    ward_status st = params_store(t->plan, PLAN_VALUE, &t->saved.net.params);

    if (!st)
        st = params_store(t->plan, PLAN_VELOCITY, &t->saved.velocity);
    if (!st && t->saved.has_transform)
        st = params_store(t->plan, PLAN_VALUE, &t->saved.transform.params);
    if (!st && t->saved.has_transform)
        st = params_store(t->plan, PLAN_VELOCITY, &t->saved.transform_velocity);
    return st;
}

ward_status trainer_checkpoint(struct trainer *t)
{
    json_t *state = NULL;
    ward_status st = trainer_collect(t);

    t->metrics.seconds = t->seconds_before + clock_seconds() - t->start;
    if (!st)
        st = metrics_to_json(&t->metrics, &state);
    if (st)
        return st;
    json_decref(t->saved.state);
    t->saved.state = state;
    st = checkpoint_write(t->dir.checkpoint, &t->saved, trainer_seal(t));
    t->last_checkpoint = clock_seconds();
    return st;
}

/* ---- metrics.jsonl ---- */

/* {"iteration": ..., "seconds": ...}, owned. */
static ward_status line_new(const struct trainer *t, json_t **out)
{
    json_t *line = json_object();
    double seconds = t->seconds_before + clock_seconds() - t->start;
    ward_status st = json_set(line, "iteration", json_integer((json_int_t)t->saved.step));

    if (!st)
        st = json_set(line, "seconds", json_real(seconds));
    if (st)
        json_decref(line);
    else
        *out = line;
    return st;
}

ward_status trainer_log_part(struct trainer *t)
{
    const ward_build *build = ward_build_info();
    json_t *line = NULL;
    ward_status st = line_new(t, &line);

    if (st)
        return st;
    st = json_set(line, "version", json_string(build->version));
    if (!st)
        st = json_set(line, "commit", json_string(build->commit));
    if (!st)
        st = json_set(line, "device", json_string(ward_device_name(t->device)));
    if (!st)
        st = json_set(line, "summary", json_string(ward_device_summary(t->device)));
    if (!st)
        st = json_set(line, "threads", json_integer((json_int_t)ward_threads()));
    if (!st)
        st = run_metrics_append(&t->dir, line, &t->saved.metrics_len);
    json_decref(line);
    return st;
}

static ward_status describe_validation(const struct trainer *t, json_t *line)
{
    const struct metrics *m = &t->metrics;
    ward_status st;

    st = json_set(line, "validation_processed", json_real(m->validation_processed));
    if (!st && trainer_has_transform(t))
        st = json_set(line, "validation_raw", json_real(m->validation_raw));
    return st;
}

ward_status trainer_log(struct trainer *t, bool validated)
{
    json_t *line = NULL;
    ward_status st = line_new(t, &line);

    if (st)
        return st;
    st = json_set(line, "rate", json_real(schedule_rate(&t->config.values, t->saved.step - 1)));
    if (!st)
        st = metrics_describe(&t->metrics, &t->objective, line);
    if (!st && validated)
        st = describe_validation(t, line);
    if (!st)
        st = run_metrics_append(&t->dir, line, &t->saved.metrics_len);
    json_decref(line);
    return st;
}

static ward_status describe_erasure(const struct trainer *t, json_t *line)
{
    ward_status st = json_set(line, "erased", json_integer((json_int_t)t->erased.axes));

    if (!st)
        st = json_set(line, "erased_agreement", json_real(t->erased.agreement));
    return st ? st : json_set(line, "erased_lowered", json_boolean(t->erased.is_lowered));
}

static ward_status log_completion(struct trainer *t, const char *model_id)
{
    json_t *line = NULL;
    ward_status st = line_new(t, &line);

    if (st)
        return st;
    st = json_set(line, "model_id", json_string(model_id));
    if (!st && t->config.values.erased_axes > 0)
        st = describe_erasure(t, line);
    if (!st && trainer_validates_again(t))
        st = describe_validation(t, line);
    if (!st)
        st = run_metrics_append(&t->dir, line, &t->saved.metrics_len);
    json_decref(line);
    return st;
}

/* ---- the results ---- */

ward_status trainer_describe(const struct trainer *t, struct model *m)
{
    const ward_dataset_info *info = ward_dataset_get_info(t->data);
    const char **names = NULL;
    ward_status st = mem_new(&names, info->classes, sizeof *names);

    if (st)
        return st;
    for (unsigned k = 0; k < info->classes; k++)
        names[k] = ward_dataset_class_name(t->data, k);
    st = model_describe(m, info->name, info->input.low, info->input.high, names, info->classes);
    mem_free(names);
    return st;
}

/* The checkpoint of the last step comes first: from it, all that follows can be written again. */
ward_status trainer_finish(struct trainer *t)
{
    struct transform_owner owner = {.is_reproducible = t->saved.is_reproducible};
    struct model m = {.method = t->config.values.method};
    ward_status st = trainer_checkpoint(t);

    if (!st && t->config.values.erased_axes > 0)
        st = erase_axes(&t->saved.net, &t->saved.transform, t->device, &t->train,
                        t->config.values.erased_axes, t->config.values.seed, &t->erased);
    if (!st && trainer_validates_again(t))
        st = trainer_validate(t);
    if (!st)
        st = trainer_describe(t, &m);
    if (st)
        goto done;
    m.net = t->saved.net;
    model_identify(&m);
    memcpy(owner.model_id, m.id, sizeof owner.model_id);
    st = model_write(t->dir.model, &m);
    if (!st && t->saved.has_transform)
        st = transform_file_write(t->dir.transform, &t->saved.transform, &owner, trainer_seal(t));
    if (!st)
        st = log_completion(t, m.id);
    if (!st)
        st = run_dir_remove_checkpoint(&t->dir);
done:
    m.net = (struct net){.params = {NULL, 0}}; /* the checkpoint's */
    model_release(&m);
    return st;
}
