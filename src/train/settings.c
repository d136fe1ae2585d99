/* Settings of a training: see settings.h. */
#include "train/settings.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/util.h"
#include "data/batch.h"
#include "model/run_dir.h"

enum { MAX_BATCH = 65536 };
enum { MIN_RIVAL_STEPS = 5, MAX_RIVAL_STEPS = 20 };

/* Philox streams are named by 32 bits of the step (base/rng.h). */
static const uint64_t max_iterations = UINT32_MAX;

static ward_status check_range(const char *name, double value, double low, double high)
{
    if (value >= low && value <= high)
        return WARD_OK;
    return ward_fail(WARD_ERR_ARG, "%s is %g: not in %g to %.10g", name, value, low, high);
}

/* 0 to 1, without 1. */
static ward_status check_below_one(const char *name, double value)
{
    if (value >= 0 && value < 1)
        return WARD_OK;
    return ward_fail(WARD_ERR_ARG, "%s is %g: not in 0 to less than 1", name, value);
}

static ward_status check_numbers(const ward_train_config *c)
{
    const double large = 1e6;
    const struct {
        const char *name;
        double value, low, high;
    } ranges[] = {
        {"batch", (double)c->batch, 1, MAX_BATCH},
        {"iterations", (double)c->iterations, 1, (double)max_iterations},
        {"rate", c->rate, 0, large},
        {"weight_decay", c->weight_decay, 0, large},
        {"transform_rate_factor", c->transform_rate_factor, 0, large},
        {"transform_decay", c->transform_decay, 0, large},
        {"clip_norm", c->clip_norm, 0, large},
        {"alpha", c->alpha, 0, large},
        {"beta", c->beta, 0, large},
        {"gamma", c->gamma, 0, large},
        {"raw_share", c->raw_share, 0, 1},
        {"raw_warmup", c->raw_warmup, 0, 1},
        {"erased_axes", c->erased_axes, 0, 0.5},
        {"wrong_share", c->wrong_share, 0, 1},
        {"wrong_weight", c->wrong_weight, 0, large},
        {"harden", c->harden, 0, 1},
        {"negative", c->negative, 0, 1},
        {"teacher_weight", c->teacher_weight, 0, large},
        {"checkpoint_seconds", c->checkpoint_seconds, 0, DBL_MAX},
    };
    ward_status st = check_below_one("warmup", c->warmup);

    if (!st)
        st = check_below_one("momentum", c->momentum);
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges && !st; i++)
        st = check_range(ranges[i].name, ranges[i].value, ranges[i].low, ranges[i].high);
    return st;
}

static bool is_digest(const char *text)
{
    uint8_t sum[SHA256_LEN];

    return strlen(text) == ORIGIN_DIGEST_LEN && hex_decode(text, sum, sizeof sum);
}

static ward_status check_objective(const ward_train_config *c)
{
    if (c->objective != WARD_OBJECTIVE_PAPER && c->objective != WARD_OBJECTIVE_CHANCE)
        return ward_fail(WARD_ERR_ARG, "unknown objective %d", (int)c->objective);
    if (c->objective == WARD_OBJECTIVE_PAPER && c->wrong_share > 0)
        return ward_fail(WARD_ERR_ARG, "wrong_share means nothing with objective paper");
    if (c->erased_axes > 0 &&
        (c->objective == WARD_OBJECTIVE_PAPER || c->method == WARD_METHOD_BASELINE))
        return ward_fail(WARD_ERR_ARG,
                         "erased_axes means nothing with objective paper or without a transform");
    if ((int)c->coordinates < WARD_COORDINATES_NONE || c->coordinates > WARD_COORDINATES_CASCADE)
        return ward_fail(WARD_ERR_ARG, "unknown coordinates %d", (int)c->coordinates);
    if (c->teacher_digest && !is_digest(c->teacher_digest))
        return ward_fail(WARD_ERR_ARG, "teacher_digest is not %d hex digits", ORIGIN_DIGEST_LEN);
    if (c->teacher && !(c->temperature >= 0.1 && c->temperature <= 1000))
        return ward_fail(WARD_ERR_ARG, "temperature of %g: not in 0.1 to 1000", c->temperature);
    return WARD_OK;
}

static size_t raw_rows(const ward_train_config *config)
{
    return (size_t)llround(config->raw_share * (double)config->batch);
}

static ward_status check_harden(const ward_train_config *c)
{
    if (!(c->harden > 0))
        return WARD_OK;
    if (c->method == WARD_METHOD_BASELINE || raw_rows(c) == 0)
        return ward_fail(WARD_ERR_ARG, "harden needs raw images to be shown");
    if (c->harden_steps < MIN_RIVAL_STEPS || c->harden_steps > MAX_RIVAL_STEPS)
        return ward_fail(WARD_ERR_ARG, "harden_steps is %zu: not in %d to %d", c->harden_steps,
                         MIN_RIVAL_STEPS, MAX_RIVAL_STEPS);
    return c->harden_every > 0 ? WARD_OK : ward_fail(WARD_ERR_ARG, "harden_every is 0");
}

ward_status settings_check(const ward_train_config *config)
{
    ward_status st;

    if (!config->data || !config->arch || !config->recipe)
        return ward_fail(WARD_ERR_ARG, "data, arch and recipe must all be set");
    if (strlen(config->arch) >= sizeof((struct net_spec *)NULL)->arch)
        return ward_fail(WARD_ERR_ARG, "unknown architecture '%s'", config->arch);
    if (config->from_digest && !is_digest(config->from_digest))
        return ward_fail(WARD_ERR_ARG, "from_digest is not %d hex digits", ORIGIN_DIGEST_LEN);
    if (config->splits && strcmp(config->splits, SPLITS_REDTEAM) != 0)
        return ward_fail(WARD_ERR_ARG, "unknown splits '%s'", config->splits);
    if (config->splits && config->validation > 0)
        return ward_fail(WARD_ERR_ARG, "validation of the owner's does not go with splits");
    if (!ward_method_name(config->method))
        return ward_fail(WARD_ERR_ARG, "unknown method %d", (int)config->method);
    if (config->owner && (config->secret_seed || config->method == WARD_METHOD_BASELINE))
        return ward_fail(WARD_ERR_ARG, "there is nothing to seal: no transform, or no secret one");
    if (config->schedule != WARD_SCHEDULE_STEP && config->schedule != WARD_SCHEDULE_ONECYCLE)
        return ward_fail(WARD_ERR_ARG, "unknown schedule %d", (int)config->schedule);
    if (config->schedule == WARD_SCHEDULE_STEP && config->rate_drop_every == 0)
        return ward_fail(WARD_ERR_ARG, "rate_drop_every is 0");
    st = check_objective(config);
    if (!st)
        st = check_numbers(config);
    return st ? st : check_harden(config);
}

void settings_resolve(ward_train_config *config, const ward_dataset_info *data)
{
    if (config->generator_width == 0)
        config->generator_width = data->input.channels == 1 ? 16 : 64;
    if (config->objective == WARD_OBJECTIVE_CHANCE)
        config->raw_warmup = 0;
}

/* Name the first key of one object that the other has not, or not with the same value. */
static ward_status match_objects(json_t *given, json_t *stored)
{
    const char *key;
    json_t *value;

    json_object_foreach(given, key, value)
        if (!json_equal(value, json_object_get(stored, key)))
            return ward_fail(WARD_ERR_ARG, "cannot resume with another '%s' than the run's", key);
    return WARD_OK;
}

static ward_status to_object(const ward_train_config *config, json_t **out)
{
    char *text = NULL;
    ward_status st = run_config_to_json(config, &text);

    if (!st)
        st = json_parse_object(out, text, strlen(text));
    if (text)
        mem_wipe(text, strlen(text));
    mem_free(text);
    return st;
}

static bool seeds_match(const ward_train_config *given, const ward_train_config *stored)
{
    return !given->secret_seed ||
           (stored->secret_seed &&
            memcmp(given->secret_seed, stored->secret_seed, TRANSFORM_SEED_LEN) == 0);
}

ward_status settings_match(const ward_train_config *given, const ward_train_config *stored)
{
    ward_train_config a = *given, b = *stored;
    json_t *given_object = NULL, *stored_object = NULL;
    ward_status st;

    if (!seeds_match(given, stored))
        return ward_fail(WARD_ERR_ARG, "cannot resume with another secret seed than the run's");
    if (given->recipients &&
        (!stored->recipients || strcmp(given->recipients, stored->recipients) != 0))
        return ward_fail(WARD_ERR_ARG, "cannot resume for other users than the run's: their right "
                                       "is given and taken by ward key");
    a.secret_seed = b.secret_seed = NULL;
    a.checkpoint_seconds = b.checkpoint_seconds;
    a.owner = b.owner; /* who may open it is the run's */
    a.recipients = b.recipients;
    if (!a.from_digest)
        a.from_digest = b.from_digest;
    if (!a.lock)
        a.lock = b.lock;
    if (!a.teacher_digest)
        a.teacher_digest = b.teacher_digest;
    a.teacher_splits = b.teacher_splits;
    st = to_object(&a, &given_object);
    if (!st)
        st = to_object(&b, &stored_object);
    /* Both ways, for some settings are left out where there is none. */
    if (!st)
        st = match_objects(given_object, stored_object);
    if (!st)
        st = match_objects(stored_object, given_object);
    json_decref(given_object);
    json_decref(stored_object);
    return st;
}

/* Where a file lies, what a teacher had seen, who may open the run and how often it is saved change
 * nothing of it. */
ward_status settings_digest(const ward_train_config *config, const ward_dataset_info *data,
                            char digest[ORIGIN_DIGEST_LEN + 1])
{
    ward_train_config c = *config;
    uint8_t sum[SHA256_LEN];
    struct sha256 sha;
    char *text = NULL;
    ward_status st;

    c.data = data->name;
    c.from = c.from_digest;
    c.teacher = c.teacher_digest;
    c.teacher_splits = NULL;
    c.owner = c.recipients = c.lock = NULL;
    c.secret_seed = NULL;
    c.checkpoint_seconds = 0;
    st = run_config_to_json(&c, &text);
    if (st)
        return st;
    sha256_init(&sha);
    sha256_update(&sha, text, strlen(text));
    sha256_finish(&sha, sum);
    hex_encode(sum, sizeof sum, digest);
    mem_free(text);
    return WARD_OK;
}

void settings_net(const ward_train_config *config, const ward_dataset_info *data,
                  struct net_spec *out)
{
    *out = (struct net_spec){.channels = data->input.channels,
                             .height = data->input.height,
                             .width = data->input.width,
                             .classes = data->classes};
    snprintf(out->arch, sizeof out->arch, "%s", config->arch);
}

void settings_transform(const ward_train_config *config, const ward_dataset_info *data,
                        struct transform_spec *out)
{
    *out = (struct transform_spec){
        .method = config->method,
        .channels = data->input.channels,
        .height = data->input.height,
        .width = data->input.width,
        .sigma = (float)config->sigma,
        .p = (float)config->p,
        .generator_width = config->generator_width,
        .start = (float)config->start,
        .is_clamped = config->is_clamped,
        .low = data->input.low,
        .high = data->input.high,
        .keyed = {.has_front = config->has_front,
                  .front_width = config->front_width,
                  .coordinates = config->coordinates,
                  .rounds = config->rounds,
                  .codebook = config->codebook,
                  .shuffle = config->shuffle,
                  .negative = (float)config->negative,
                  .has_residual = config->has_residual},
    };
}

/* If any, then at least two: the transform may have batch norm. */
static size_t wrong_rows(const ward_train_config *config)
{
    size_t rows = (size_t)llround(config->wrong_share * (double)config->batch);

    return config->wrong_share > 0 ? min_size(max_size(rows, 2), config->batch) : 0;
}

/* If any, then at least one. */
static size_t rival_rows(const ward_train_config *config)
{
    size_t raw = raw_rows(config);
    size_t rows = (size_t)llround(config->harden * (double)raw);

    return config->harden > 0 ? min_size(max_size(rows, 1), raw) : 0;
}

void settings_objective(const ward_train_config *config, struct objective_config *out)
{
    *out = (struct objective_config){
        .batch = config->batch,
        .raw_rows = raw_rows(config),
        .alpha = (float)config->alpha,
        .beta = (float)config->beta,
        .gamma = (float)config->gamma,
        .has_uniform = config->raw_warmup > 0,
        .separates_bn = config->separates_bn,
        .is_chance = config->objective == WARD_OBJECTIVE_CHANCE,
        .wrong_rows = wrong_rows(config),
        .wrong_weight = (float)config->wrong_weight,
        .teacher_weight = config->teacher ? (float)config->teacher_weight : 0,
        .temperature = (float)config->temperature,
        .rival_rows = rival_rows(config),
        .changes_raw = config->leaked || rival_rows(config) > 0,
    };
}

void settings_sgd(const ward_train_config *config, double rate, struct sgd_config *sgd,
                  struct sgd_group *group)
{
    *sgd = (struct sgd_config){
        .rate = (float)rate,
        .momentum = (float)config->momentum,
        .decay = (float)config->weight_decay,
        .nesterov = config->nesterov,
        .decays_all = config->decays_all,
        .clip_norm = (float)config->clip_norm,
    };
    *group = (struct sgd_group){
        .prefix = "transform.",
        .rate_factor = (float)config->transform_rate_factor,
        .decay = (float)config->transform_decay,
    };
}
