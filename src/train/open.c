/*
 * Everything up to the first step. A new training is set up whole before anything is written, so
 * that settings or data that do not work leave no directory behind.
 */
#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"
#include "key/grants.h"
#include "key/secret.h"
#include "nn/calibrate.h"
#include "train/erasure.h"
#include "train/lock.h"
#include "train/origin.h"
#include "train/settings.h"
#include "train/trainer.h"

/* Of large images fewer: together they give each channel as many values. */
enum { CALIBRATION_IMAGES = 512, CALIBRATION_PIXELS = 1 << 22 };

/* ---- settings ---- */

/* The settings of the run that is there, under its lock. */
static ward_status take_stored(struct trainer *t)
{
    ward_status st = file_lock(t->dir.path, &t->lock);

    if (!st)
        st = run_dir_sweep(&t->dir);
    if (!st)
        st = run_config_read(&t->dir, &t->config);
    if (!st)
        t->is_complete = run_dir_is_complete(&t->dir);
    return st;
}

static ward_status refuse_used(const struct trainer *t)
{
    if (run_dir_is_used(&t->dir) && !t->options->replaces)
        return ward_fail(WARD_ERR_EXISTS, "'%s' already holds a run", t->dir.path);
    return WARD_OK;
}

/* Which file was read is kept with the settings; it must be the one that they name, if they do. */
static ward_status note_digest(const char *path, const char *found, char **owned,
                               const char **setting)
{
    ward_status st;

    if (*setting && strcmp(*setting, found) != 0)
        return ward_fail(WARD_ERR_FORMAT, "'%s' has changed: the settings name another", path);
    if (*setting)
        return WARD_OK;
    st = mem_strdup(owned, found);
    *setting = *owned;
    return st;
}

/* Read what F goes on from, if it does. */
static ward_status open_origin(struct trainer *t)
{
    ward_train_config *c = &t->config.values;
    struct model found = {.data = NULL};
    char digest[ORIGIN_DIGEST_LEN + 1];
    ward_status st;

    if (!c->from || t->origin.spec.classes > 0)
        return WARD_OK;
    st = origin_read(c->from, &found, digest);
    if (st)
        return st;
    t->origin = found.net;
    found.net = (struct net){.params = {NULL, 0}};
    model_release(&found);
    if (!c->arch)
        c->arch = t->origin.spec.arch;
    return note_digest(c->from, digest, &t->config.from_digest, &c->from_digest);
}

static ward_status take_given(struct trainer *t, const ward_train_config *config)
{
    ward_status st;

    if (!config)
        return ward_fail(WARD_ERR_IO, "'%s' holds no run to resume", t->dir.path);
    t->config.values = *config;
    st = refuse_used(t);
    return st ? st : open_origin(t);
}

/* Compare what the caller gives with the run that is resumed. */
static ward_status match_given(const struct trainer *t, const ward_train_config *config)
{
    ward_train_config given = *config;
    ward_status st;

    if (!given.arch && given.from)
        given.arch = t->config.values.arch;
    st = settings_check(&given);
    if (st)
        return st;
    settings_resolve(&given, ward_dataset_get_info(t->data));
    return settings_match(&given, &t->config.values);
}

static ward_status open_settings(struct trainer *t, const ward_train_config *config)
{
    ward_status st;

    st = run_dir_init(&t->dir, t->options->out);
    if (st)
        return st;
    t->is_resumed = t->options->is_resumed && file_exists(t->dir.config);
    st = t->is_resumed ? take_stored(t) : take_given(t, config);
    if (!st)
        st = settings_check(&t->config.values);
    return st;
}

/* ---- sealing ---- */

static ward_status take_recipients(struct trainer *t, const char *keys)
{
    ward_status st = WARD_OK;

    while (*keys && !st) {
        size_t len = strcspn(keys, " ");
        struct public_key user;
        bool is_new;

        st = public_key_parse(keys, len, &user);
        if (!st)
            st = grants_add(&t->grants, user.x25519, NULL, &is_new);
        keys += len + (keys[len] == ' ');
    }
    return st;
}

static ward_status open_seal(struct trainer *t)
{
    const ward_train_config *c = &t->config.values;
    ward_status st;

    if (!c->owner)
        return c->recipients ? ward_fail(WARD_ERR_ARG, "recipients, but no owner to seal it")
                             : WARD_OK;
    st = public_key_parse(c->owner, strlen(c->owner), &t->seal.owner);
    if (!st && t->seal.owner.type != WARD_KEY_OWNER)
        st = ward_fail(WARD_ERR_ARG, "a run is sealed to an owner's key, and that is a user's");
    if (!st && c->recipients)
        st = take_recipients(t, c->recipients);
    t->seal.grants = &t->grants;
    t->is_sealed = true;
    return st;
}

/* An owner that the settings do not name is asked for last: it may have to be made. */
static ward_status ask_owner(struct trainer *t)
{
    ward_train_config *c = &t->config.values;
    ward_status st;

    if (c->owner || !t->options->owner || c->secret_seed || !trainer_has_transform(t))
        return WARD_OK;
    st = t->options->owner(t->options->context, &t->config.owner);
    c->owner = t->config.owner;
    return st;
}

/* ---- data ---- */

static ward_status open_data(struct trainer *t)
{
    ward_train_config *c = &t->config.values;
    ward_status st = ward_dataset_open(&t->data, c->data);

    if (st)
        return st;
    settings_resolve(c, ward_dataset_get_info(t->data));
    if (c->splits)
        return split_share(&t->train, t->data, SHARE_OWNER, c->seed);
    st = split_init(&t->train, t->data, WARD_SPLIT_TRAIN, c->seed, c->validation);
    if (!st && c->validation > 0)
        st = split_init(&t->held_out, t->data, WARD_SPLIT_VALIDATION, c->seed, c->validation);
    return st;
}

/* Names that no file can have are found before the training, not after it. */
static ward_status check_names(const struct trainer *t)
{
    struct model m = {.data = NULL};
    ward_status st = trainer_describe(t, &m);

    model_release(&m);
    return st ? ward_fail_within(st, "'%s'", ward_dataset_get_info(t->data)->path) : WARD_OK;
}

/* ---- the teacher ---- */

/* Which images the teacher has seen is known when it is read first, and kept from then on. */
static ward_status note_splits(struct trainer *t)
{
    ward_train_config *c = &t->config.values;
    bool is_known = false;
    ward_status st = WARD_OK;

    if (!t->is_resumed && c->splits)
        st = teacher_has_splits(&t->teacher, c, &is_known);
    if (!st && is_known)
        c->teacher_splits = c->splits;
    return st;
}

static ward_status open_teacher(struct trainer *t)
{
    ward_train_config *c = &t->config.values;
    char digest[ORIGIN_DIGEST_LEN + 1];
    ward_status st;

    if (!t->is_resumed)
        c->teacher_splits = NULL;
    if (!c->teacher)
        return WARD_OK;
    st = teacher_init(&t->teacher, t->device, c->teacher, t->data, c->batch, (float)c->temperature,
                      digest);
    if (!st)
        st = note_digest(c->teacher, digest, &t->config.teacher_digest, &c->teacher_digest);
    return st ? st : note_splits(t);
}

/* ---- state ---- */

static ward_status key_of_lock(const struct trainer *t, uint8_t key[TRANSFORM_SEED_LEN])
{
    char settings[ORIGIN_DIGEST_LEN + 1];
    ward_status st = settings_digest(&t->config.values, ward_dataset_get_info(t->data), settings);

    return st ? st : lock_derive(t->options->lock, &t->saved.net.spec, settings, key);
}

static ward_status new_transform(struct trainer *t)
{
    const uint8_t *given = t->config.values.secret_seed;
    uint8_t seed[TRANSFORM_SEED_LEN];
    struct transform_spec spec;
    ward_status st = WARD_OK;

    settings_transform(&t->config.values, ward_dataset_get_info(t->data), &spec);
    t->saved.has_transform = true;
    t->saved.is_reproducible = given != NULL;
    if (given)
        memcpy(seed, given, sizeof seed);
    else if (t->config.values.lock)
        st = key_of_lock(t, seed);
    else
        st = key_random(seed, sizeof seed);
    if (!st)
        st = transform_init(&t->saved.transform, &spec, seed);
    if (!st)
        st = transform_velocities(&t->saved.transform_velocity, &spec);
    mem_wipe(seed, sizeof seed);
    return st;
}

static struct batch_source source_of(const struct trainer *t, size_t batch)
{
    const ward_dataset_info *info = ward_dataset_get_info(t->data);

    return (struct batch_source){.split = &t->train,
                                 .seed = t->config.values.seed,
                                 .batch = (uint32_t)batch,
                                 .random_crop = info->random_crop,
                                 .random_flip = info->random_flip};
}

/* Batch norm that the file had folded away starts from statistics of training images. */
static ward_status calibrate(struct trainer *t)
{
    const struct net_spec *spec = &t->saved.net.spec;
    size_t pixels = spec->height * spec->width;
    size_t count = min_size(CALIBRATION_IMAGES, max_size(CALIBRATION_PIXELS / pixels, 1));
    struct batch_source source = source_of(t, count);
    struct epoch_order order = {.order = NULL};
    int32_t labels[CALIBRATION_IMAGES];
    float *images = NULL;
    ward_status st = epoch_order_init(&order, &t->train);

    if (!st)
        st = mem_new(&images, spec->channels * pixels, count * sizeof *images);
    if (!st) {
        batch_make(&source, &order, 0, images, labels);
        st = net_calibrate(&t->saved.net, t->device, count, images);
    }
    mem_free(images);
    epoch_order_release(&order);
    return st;
}

static bool specs_are_equal(const struct net_spec *a, const struct net_spec *b)
{
    return strcmp(a->arch, b->arch) == 0 && a->classes == b->classes &&
           a->channels == b->channels && a->height == b->height && a->width == b->width;
}

static ward_status take_origin(struct trainer *t, const struct net_spec *wanted)
{
    const struct net_spec *found = &t->origin.spec;
    bool is_neutral = false;
    ward_status st = open_origin(t);

    if (st)
        return st;
    if (!specs_are_equal(found, wanted))
        return ward_fail(WARD_ERR_ARG,
                         "'%s' is %s for %zu x %zu x %zu in %zu classes; needed is %s for "
                         "%zu x %zu x %zu in %zu",
                         t->config.values.from, found->arch, found->channels, found->height,
                         found->width, found->classes, wanted->arch, wanted->channels,
                         wanted->height, wanted->width, wanted->classes);
    t->saved.net = t->origin;
    t->origin.params = (struct tensor_list){NULL, 0};
    st = net_is_neutral(&t->saved.net, &is_neutral);
    return st || !is_neutral ? st : calibrate(t);
}

static ward_status new_state(struct trainer *t)
{
    struct net_spec spec;
    ward_status st;

    settings_net(&t->config.values, ward_dataset_get_info(t->data), &spec);
    if (t->config.values.from)
        st = take_origin(t, &spec);
    else
        st = net_init(&t->saved.net, &spec, t->config.values.seed);
    if (!st)
        st = net_velocities(&t->saved.velocity, &spec);
    if (!st && trainer_has_transform(t))
        st = new_transform(t);
    metrics_init(&t->metrics);
    return st;
}

static ward_status refuse_checkpoint(const struct trainer *t)
{
    return ward_fail(WARD_ERR_FORMAT, "'%s' does not fit the settings and the data of its run",
                     t->dir.checkpoint);
}

/* The specs that follow from settings and data must be the ones of the checkpoint. */
static ward_status check_stored_state(const struct trainer *t)
{
    const ward_dataset_info *info = ward_dataset_get_info(t->data);
    struct transform_spec g;
    struct net_spec f;

    settings_net(&t->config.values, info, &f);
    settings_transform(&t->config.values, info, &g);
    if (!specs_are_equal(&f, &t->saved.net.spec) || t->saved.step > t->config.values.iterations ||
        t->saved.has_transform != trainer_has_transform(t))
        return refuse_checkpoint(t);
    if (t->saved.has_transform && !transform_specs_are_equal(&g, &t->saved.transform.spec))
        return refuse_checkpoint(t);
    return WARD_OK;
}

static ward_status stored_state(struct trainer *t)
{
    ward_status st = checkpoint_read(t->dir.checkpoint, t->options->keys, &t->saved);

    if (!st)
        st = check_stored_state(t);
    if (st)
        return st;
    st = metrics_from_json(&t->metrics, t->saved.state);
    return st ? ward_fail_within(st, "cannot use '%s'", t->dir.checkpoint) : WARD_OK;
}

/* ---- plans ---- */

static ward_status open_plan(struct trainer *t)
{
    const struct transform_spec *g = trainer_has_transform(t) ? &t->saved.transform.spec : NULL;
    struct plan_options options = {
        .bn = BN_BATCH, .has_dropout = true, .gradients = PLAN_GRAD_PARAMS, .is_secret = g != NULL};
    struct objective_config config;
    ward_status st;

    settings_objective(&t->config.values, &config);
    if (t->config.values.erased_axes > 0) {
        st = erase_check(&t->saved.net.spec, g, t->config.values.erased_axes);
        if (st)
            return st;
    }
    st = objective_build(&t->graph, &t->saved.net.spec, g, &config, &t->objective);
    if (st)
        return st;
    options.outputs[options.output_count++] = t->objective.logits;
    if (t->objective.raw_logits >= 0)
        options.outputs[options.output_count++] = t->objective.raw_logits;
    st = plan_compile(&t->plan, t->device, &t->graph, &options);
    if (!st && t->held_out.count > 0)
        st = validator_init(&t->validator, t->device, &t->saved.net.spec, g, &t->held_out);
    return st;
}

static ward_status load_velocities(struct trainer *t)
{
    ward_status st = WARD_OK;

    for (size_t p = 0; p < t->graph.param_count && !st; p++) {
        const char *name = t->graph.params[p].name;
        const struct tensor *v = tensor_list_find(&t->saved.velocity, name);

        if (!v)
            v = tensor_list_find(&t->saved.transform_velocity, name);
        if (t->graph.params[p].is_trainable && v)
            st = plan_load(t->plan, p, PLAN_VELOCITY, v->data);
    }
    return st;
}

static ward_status load_state(struct trainer *t)
{
    struct tensor_list wrong = {NULL, 0};
    const struct tensor_list *const lists[] = {&t->saved.net.params, &t->saved.transform.params,
                                               &wrong};
    ward_status st = objective_wrong_key(&t->objective, &t->saved.transform, t->config.values.seed,
                                         t->saved.step, &wrong);

    if (!st)
        st = params_load(t->plan, lists, 3);
    if (!st)
        st = load_velocities(t);
    tensor_list_release(&wrong);
    return st;
}

static ward_status open_leaked(struct trainer *t)
{
    const ward_train_config *c = &t->config.values;
    size_t raw_rows;

    if (!c->leaked)
        return WARD_OK;
    raw_rows = t->objective.raw >= 0 ? graph_dims(&t->graph, t->objective.raw).n : 0;
    if (raw_rows < 2)
        return ward_fail(WARD_ERR_ARG,
                         "for a leaked transform, two rows at least have to be shown raw");
    return leaked_init(&t->leaked, t->device, c->leaked, t->options->keys, &t->saved.net.spec,
                       raw_rows / 2);
}

static ward_status open_rivals(struct trainer *t)
{
    const ward_train_config *c = &t->config.values;
    const ward_input *input = &ward_dataset_get_info(t->data)->input;
    struct rivals_config config = {.device = t->device,
                                   .net = t->saved.net.spec,
                                   .images = source_of(t, c->batch),
                                   .generator_width = c->generator_width,
                                   .low = input->low,
                                   .high = input->high,
                                   .steps = c->harden_steps,
                                   .every = c->harden_every};
    ward_status st;

    settings_objective(c, &config.objective);
    if (config.objective.rival_rows == 0)
        return t->saved.rivals.count == 0 ? WARD_OK : refuse_checkpoint(t);
    st = rivals_init(&t->rivals, &config, &t->saved.net.params, &t->saved.rivals);
    return st == WARD_ERR_FORMAT ? refuse_checkpoint(t) : st;
}

/* ---- the directory ---- */

/* Settings that a file cannot hold are refused before a run that is replaced is removed. */
static ward_status check_writable(const struct trainer *t)
{
    char *text = NULL;
    ward_status st = run_config_to_json(&t->config.values, &text);

    if (text)
        mem_wipe(text, strlen(text));
    mem_free(text);
    return st;
}

static ward_status create_directory(struct trainer *t)
{
    ward_status st = check_writable(t);

    if (!st)
        st = file_make_directory(t->dir.path);
    if (!st)
        st = file_lock(t->dir.path, &t->lock);
    if (!st)
        st = refuse_used(t); /* another process may have been faster */
    if (!st)
        st = run_dir_clear(&t->dir);
    if (!st)
        st = run_config_write(&t->dir, &t->config.values);
    return st;
}

static ward_status open_loader(struct trainer *t)
{
    struct batch_source source = source_of(t, t->config.values.batch);

    return loader_open(&t->loader, &source, t->saved.step);
}

ward_status trainer_open(struct trainer *t, ward_device *device, const ward_train_config *config,
                         const ward_train_options *options)
{
    ward_status st;

    *t = (struct trainer){.device = device, .options = options, .lock = -1};
    graph_init(&t->graph);
    st = open_settings(t, config);
    if (!st)
        st = open_data(t);
    if (!st && t->is_resumed && config)
        st = match_given(t, config);
    if (st || t->is_complete)
        return st;
    st = check_names(t);
    if (!st)
        st = lock_note(options->lock, &t->config, t->is_resumed);
    if (!st)
        st = open_teacher(t);
    if (st)
        return st;
    st = t->is_resumed && file_exists(t->dir.checkpoint) ? stored_state(t) : new_state(t);
    if (!st)
        st = open_plan(t);
    if (!st)
        st = open_leaked(t);
    if (!st)
        st = open_rivals(t);
    if (!st)
        st = load_state(t);
    if (!st && !t->is_resumed)
        st = ask_owner(t);
    if (!st)
        st = open_seal(t);
    if (!st && !t->is_resumed)
        st = create_directory(t);
    if (!st)
        st = run_metrics_cut(&t->dir, t->saved.metrics_len);
    if (!st)
        st = open_loader(t);
    return st;
}

void trainer_close(struct trainer *t)
{
    loader_close(t->loader);
    validator_release(&t->validator);
    leaked_release(&t->leaked);
    rivals_release(&t->rivals);
    teacher_release(&t->teacher);
    plan_free(t->plan);
    graph_release(&t->graph);
    checkpoint_release(&t->saved);
    grants_release(&t->grants);
    net_release(&t->origin);
    split_release(&t->train);
    split_release(&t->held_out);
    ward_dataset_free(t->data);
    file_unlock(t->lock);
    run_dir_release(&t->dir);
    run_config_release(&t->config);
    *t = (struct trainer){.lock = -1};
}
