/*
 * The recipes: complete settings of a training. "paper" is what Chen & Wu print (section 3.2); the
 * others reach about its accuracy in fewer iterations.
 */
#include <string.h>

#include "base/status.h"
#include "data/dataset.h"
#include "ward/train.h"

/* As ward_dataset_open() takes it: NAME or NAME:PATH. */
static bool is_cifar10(const char *data)
{
    const struct known_set *set = data ? known_find(data, strcspn(data, ":")) : NULL;

    return set && strcmp(set->name, "cifar10") == 0;
}

/* What all recipes share: the paper's settings, and choices where it is silent. */
static ward_train_config common(const char *data, const char *arch, ward_method method)
{
    return (ward_train_config){
        .data = data,
        .arch = arch,
        .method = method,
        .batch = 128,
        .rate = 0.1,
        .momentum = 0.9,
        .weight_decay = 5e-4,
        .decays_all = false,
        /* A larger rate overshoots, a smaller one is slow: see docs/decisions.md. */
        .transform_rate_factor = method == WARD_METHOD_GENERATOR ? 0.02 : 1,
        .teacher_weight = 1,
        .temperature = 2,
        .harden_steps = 10,
        .harden_every = 2,
        .transform_decay = 5e-4,
        .alpha = 1,
        .beta = 1,
        .gamma = 0.01,
        .raw_share = 1,
        .sigma = 0.1,
        .p = 0.2,
        .start = 0.1,
        .rate_drop_every = 10000,
        .warmup = 0.2,
        .seed = 1,
        .checkpoint_seconds = 180,
    };
}

static void set_paper(ward_train_config *config)
{
    config->iterations = 40000;
    config->schedule = WARD_SCHEDULE_STEP;
}

static void set_onecycle(ward_train_config *config, uint64_t iterations, double raw_share,
                         double raw_warmup)
{
    config->iterations = iterations;
    config->schedule = WARD_SCHEDULE_ONECYCLE;
    config->nesterov = true;
    /* Without it E_r makes networks without batch norm diverge at this rate. */
    config->clip_norm = 1;
    config->raw_share = raw_share;
    config->raw_warmup = raw_warmup;
}

/* The lock that is recommended: a front-end, a cascade, and a network without a prior. */
static void set_keyed(ward_train_config *config)
{
    if (!config->arch)
        config->arch = "mlp-1024x4-leaky";
    config->objective = WARD_OBJECTIVE_CHANCE;
    config->gamma = 0;
    config->erased_axes = 0.25;
    config->wrong_share = 0.125;
    config->wrong_weight = 1;
    config->sigma = 0;
    config->has_front = true;
    config->front_width = 16;
    config->coordinates = WARD_COORDINATES_CASCADE;
    config->rounds = 4;
}

ward_status ward_train_defaults(ward_train_config *config, const char *recipe, const char *data,
                                const char *arch, ward_method method)
{
    ward_train_config made = common(data, arch, method);

    if (strcmp(recipe, "paper") == 0) {
        made.recipe = "paper";
        set_paper(&made);
    } else if (strcmp(recipe, "fast") == 0) {
        made.recipe = "fast";
        /* 17 to 20 times through the data of the others; cifar10 still gains after that. */
        set_onecycle(&made, is_cifar10(data) ? 20000 : 8000, 0.125, 0.1);
    } else if (strcmp(recipe, "demo") == 0) {
        made.recipe = "demo";
        set_onecycle(&made, 1400, 0.25, 0.3);
    } else {
        return ward_fail(WARD_ERR_ARG, "unknown recipe '%s': paper, fast or demo", recipe);
    }
    if (method == WARD_METHOD_KEYED)
        set_keyed(&made);
    *config = made;
    return WARD_OK;
}
