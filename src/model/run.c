/* Opening a run: F, and G if it is there and belongs to F. */
#include "model/run.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "model/run_dir.h"
#include "protect/objective.h"

static bool transform_fits(const struct ward_run *run)
{
    const struct transform_spec *t = &run->transform.spec;
    const struct net_spec *n = &run->model.net.spec;

    return t->method == run->model.method && t->channels == n->channels && t->height == n->height &&
           t->width == n->width && t->low == run->model.low && t->high == run->model.high;
}

static ward_status open_transform(struct ward_run *run, const char *path, ward_keys *keys)
{
    ward_status st = transform_file_read(path, run->model.id, keys, &run->transform, &run->owner);

    if (st)
        return st;
    run->has_transform = true;
    if (strcmp(run->owner.model_id, run->model.id) != 0 || !transform_fits(run))
        return ward_fail(WARD_ERR_FORMAT, "'%s' belongs to another model", path);
    return WARD_OK;
}

/* How often F is shown an image of a batch: processed, raw, and under a wrong key. */
static double rows_an_image(const ward_train_config *c)
{
    double raw = c->method == WARD_METHOD_BASELINE ? 0 : c->raw_share;
    double wrong = c->objective == WARD_OBJECTIVE_CHANCE ? c->wrong_share : 0;

    return 1 + fmin(fmax(raw, 0), 1) + fmin(fmax(wrong, 0), 1);
}

/* What the adversaries that it simulates show F, but for the owner's look at what became of it. */
static double rivals_images(const ward_train_config *c)
{
    if (!(c->harden > 0) || c->harden_every == 0)
        return 0;
    return ceil((double)c->iterations / (double)c->harden_every) * (double)c->harden_steps *
           (double)rival_batch(c->batch);
}

uint64_t run_images_shown(const ward_train_config *c)
{
    double owner = (double)c->iterations * (double)c->batch * rows_an_image(c);

    return (uint64_t)fmin(owner + rivals_images(c), 1e18);
}

/* Neither F nor what it was made from has seen what was set apart, as far as is known. */
static bool has_shares(const ward_train_config *c)
{
    return c->splits && !c->from && (!c->teacher || c->teacher_splits);
}

static ward_status open_training(struct ward_run *run, const struct run_dir *dir)
{
    struct run_config config = {.data = NULL};
    const ward_train_config *c = &config.values;
    ward_status st = run_config_read(dir, &config);

    if (!st)
        run->training = (struct run_training){
            .is_known = true,
            .has_shares = has_shares(c),
            .seed = c->seed,
            .images = run_images_shown(c),
        };
    run_config_release(&config);
    return st;
}

static ward_status open_directory(struct ward_run *run, const char *path, ward_keys *keys)
{
    struct run_dir dir = {.path = NULL};
    ward_status st = run_dir_init(&dir, path);

    if (st)
        return st;
    if (!file_exists(dir.model) && file_exists(dir.checkpoint))
        st = ward_fail(WARD_ERR_IO, "'%s' holds a training that is not complete: resume it first",
                       path);
    else
        st = model_read(dir.model, &run->model);
    if (!st && run->model.method != WARD_METHOD_BASELINE && file_exists(dir.transform))
        st = open_transform(run, dir.transform, keys);
    if (!st && file_exists(dir.config))
        st = open_training(run, &dir);
    run_dir_release(&dir);
    return st;
}

ward_status ward_run_open_with(ward_run **out, const char *path, ward_keys *keys)
{
    struct ward_run *run = NULL;
    ward_status st = mem_new(&run, 1, sizeof *run);

    if (st)
        return st;
    if (file_is_directory(path))
        st = open_directory(run, path, keys);
    else
        st = model_read(path, &run->model);
    if (st)
        ward_run_close(run);
    else
        *out = run;
    return st;
}

ward_status ward_run_open(ward_run **out, const char *path)
{
    return ward_run_open_with(out, path, NULL);
}

void ward_run_close(ward_run *run)
{
    if (!run)
        return;
    transform_release(&run->transform);
    model_release(&run->model);
    mem_free(run);
}

void ward_run_describe(const ward_run *run, ward_run_info *info)
{
    const struct net_spec *spec = &run->model.net.spec;

    *info = (ward_run_info){
        .arch = spec->arch,
        .method = run->model.method,
        .data = run->model.data,
        .channels = spec->channels,
        .height = spec->height,
        .width = spec->width,
        .low = run->model.low,
        .high = run->model.high,
        .classes = spec->classes,
        .class_names = (const char *const *)run->model.class_names,
        .model_id = run->model.id,
        .has_transform = run->has_transform,
        .is_reproducible = run->has_transform && run->owner.is_reproducible,
    };
}
