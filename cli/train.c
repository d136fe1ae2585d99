/*
 * ward train: settings from the recipe and the command line, and a training with them.
 *
 * Every setting of ward_train_config stands once in the table below: what kind of value it is,
 * where it goes and with which methods it means anything.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "keys.h"
#include "secret_seed.h"
#include "stop.h"
#include "train_watch.h"

enum option_key {
    OPT_DATA = CLI_LONG,
    OPT_ARCH,
    OPT_METHOD,
    OPT_RECIPE,
    OPT_FROM,
    OPT_RESUME,
    OPT_ITERATIONS,
    OPT_BATCH,
    OPT_SCHEDULE,
    OPT_RATE,
    OPT_RATE_DROP,
    OPT_WARMUP,
    OPT_MOMENTUM,
    OPT_NESTEROV,
    OPT_WEIGHT_DECAY,
    OPT_DECAY_SCOPE,
    OPT_TRANSFORM_RATE,
    OPT_TRANSFORM_DECAY,
    OPT_ALPHA,
    OPT_BETA,
    OPT_GAMMA,
    OPT_RAW_SHARE,
    OPT_RAW_WARMUP,
    OPT_CLIP_NORM,
    OPT_BN,
    OPT_SIGMA,
    OPT_P,
    OPT_GENERATOR_WIDTH,
    OPT_START,
    OPT_CLAMP,
    OPT_OBJECTIVE,
    OPT_ERASE_AXES,
    OPT_WRONG_KEYS,
    OPT_WRONG_WEIGHT,
    OPT_HARDEN,
    OPT_HARDEN_STEPS,
    OPT_HARDEN_EVERY,
    OPT_FRONT,
    OPT_FRONT_WIDTH,
    OPT_COORDINATES,
    OPT_ROUNDS,
    OPT_CODEBOOK,
    OPT_SHUFFLE,
    OPT_NEGATIVE,
    OPT_RESIDUAL,
    OPT_TEACHER,
    OPT_TEACHER_WEIGHT,
    OPT_TEMPERATURE,
    OPT_SPLITS,
    OPT_VALIDATION,
    OPT_VALIDATE_EVERY,
    OPT_SEED,
    OPT_SECRET_SEED,
    OPT_LOCK_KEY,
    OPT_CHECKPOINT_SECONDS
};

static const struct cli_option options[] = {
    {OPT_DATA, "data", "DATA", "the data set: NAME, NAME:PATH or PATH"},
    {OPT_ARCH, "arch", "NAME",
     "simple-cnn, resnetN with N = 6n + 2, such as resnet20,\n"
     "mlp-WIDTHxDEPTH or mlp-WIDTHxDEPTH-residual,\n"
     "mixer-PATCHxCHANNELSxDEPTH; after any\n"
     "-leaky: leaky ReLU. With keyed [mlp-1024x4-leaky]"},
    {OPT_METHOD, "method", "NAME", "baseline, fixed, learned, generator or keyed"},
    {OPT_RECIPE, "recipe", "NAME", "where other settings come from: paper, fast or demo [fast]"},
    {OPT_FROM, "from", "FILE",
     "go on from a network that is there: an ONNX file, a\n"
     "model.safetensors or a run; --arch may then be left out"},
    {'o', "out", "RUN", "the directory to write the run to"},
    {OPT_RESUME, "resume", NULL, "continue a stopped training, with the settings stored in RUN"},
    {CLI_FORCE, "force", NULL, "start afresh where a run is already"},
    {OPT_ITERATIONS, "iterations", "N", "steps (for cifar10, fast has 20000)"},
    {OPT_BATCH, "batch", "N", "training images a step"},
    {OPT_SCHEDULE, "schedule", "NAME", "of the learning rate: step or onecycle"},
    {OPT_RATE, "rate", "X", "learning rate: at the start (step), at the peak (onecycle)"},
    {OPT_RATE_DROP, "rate-drop-every", "N", "step: the rate is divided by 10 every N steps"},
    {OPT_WARMUP, "warmup", "X", "onecycle: share of the steps in which the rate rises"},
    {OPT_MOMENTUM, "momentum", "X", "of stochastic gradient descent"},
    {OPT_NESTEROV, "nesterov", "YES|NO", "Nesterov's momentum: yes or no"},
    {OPT_WEIGHT_DECAY, "weight-decay", "X", "of the network F"},
    {OPT_DECAY_SCOPE, "decay-scope", "NAME", "what decays: weights, or all parameters"},
    {OPT_TRANSFORM_RATE, "transform-rate", "X", "the transform G's learning rate, times F's"},
    {OPT_TRANSFORM_DECAY, "transform-decay", "X", "weight decay of G"},
    {OPT_CLIP_NORM, "clip-norm", "X", "largest norm of F's gradients, and of G's; 0: any"},
    {OPT_OBJECTIVE, "objective", "NAME",
     "what raw images are to get: paper (wrong answers) or\n"
     "chance (equal probabilities)"},
    {OPT_ALPHA, "alpha", "X", "weight of the loss on processed images"},
    {OPT_BETA, "beta", "X", "weight of the loss on raw images"},
    {OPT_GAMMA, "gamma", "X", "weight of the distance between the two"},
    {OPT_RAW_SHARE, "raw-share", "X", "share of each batch that is also shown raw, 0 .. 1"},
    {OPT_RAW_WARMUP, "raw-warmup", "X",
     "share of the first steps in which raw images are to\n"
     "get equal probabilities, not wrong ones"},
    {OPT_ERASE_AXES, "erase-axes", "X",
     "chance: at the end, make the last layer blind to this\n"
     "share of the axes in which raw images, and images\n"
     "under wrong keys, differ, 0 .. 0.5, or to the first of\n"
     "them if too many images would change their class; and\n"
     "lower how its raw answers depend on the class"},
    {OPT_WRONG_KEYS, "wrong-keys", "X",
     "keyed, chance: share of each batch that is also shown\n"
     "under a wrong key, 0 .. 1"},
    {OPT_WRONG_WEIGHT, "wrong-weight", "X", "keyed, chance: weight of the loss on these"},
    {OPT_HARDEN, "harden", "X",
     "simulate adversaries, and show this share of the raw\n"
     "images as they make them, 0 .. 1"},
    {OPT_HARDEN_STEPS, "harden-steps", "N", "with --harden: an adversary's steps, 5 .. 20"},
    {OPT_HARDEN_EVERY, "harden-every", "N", "with --harden: steps from one to the next"},
    {OPT_TEACHER, "teacher", "RUN",
     "learn the answers of this run's network as well, the\n"
     "owner's baseline"},
    {OPT_TEACHER_WEIGHT, "teacher-weight", "X", "weight of that loss"},
    {OPT_TEMPERATURE, "temperature", "X", "that softens the teacher's answers and F's"},
    {OPT_BN, "bn", "NAME",
     "batch-norm statistics of processed and raw images:\n"
     "shared or separate"},
    {OPT_FRONT, "front", "NAME", "keyed: a learned front-end: none or conv"},
    {OPT_FRONT_WIDTH, "front-width", "N", "keyed: channels of its first layer, 1 .. 256"},
    {OPT_COORDINATES, "coordinates", "NAME",
     "keyed: secret orthogonal coordinates: none, dense or\n"
     "cascade"},
    {OPT_ROUNDS, "rounds", "N", "keyed: of the cascade, 4 .. 16"},
    {OPT_CODEBOOK, "codebook", "N",
     "keyed: bits that choose a pattern for each image, 1 .. 64;\n"
     "0: none"},
    {OPT_SHUFFLE, "shuffle", "N", "keyed: shuffle blocks of N x N; 0: none"},
    {OPT_NEGATIVE, "negative", "X", "keyed: share of values that are mirrored, 0 .. 1"},
    {OPT_RESIDUAL, "residual", "YES|NO", "keyed: a generator after the rest"},
    {OPT_SIGMA, "sigma", "X", "fixed, keyed: size of the pattern's entries"},
    {OPT_P, "p", "X", "fixed, keyed: share of +sigma, and of -sigma"},
    {OPT_GENERATOR_WIDTH, "generator-width", "N",
     "generator, residual: hidden channels; 0: 16, or 64\n"
     "for colour"},
    {OPT_START, "start", "X",
     "learned: standard deviation of the first pattern;\n"
     "generator, residual: factor on its last layer's first\n"
     "weights"},
    {OPT_CLAMP, "clamp", "YES|NO", "clamp processed images to the range of the input"},
    {OPT_SPLITS, "splits", "NAME",
     "redteam: train on 65 % of the training images, and leave\n"
     "the rest to the adversaries of ward attack"},
    {OPT_VALIDATION, "validation", "N", "training images held out for validation"},
    {OPT_VALIDATE_EVERY, "validate-every", "N", "steps between validations; 0: at the end only"},
    {OPT_SEED, "seed", "N", "public seed of weights, order, augmentation and dropout"},
    {OPT_SECRET_SEED, "secret-seed", "FILE",
     "32 bytes, or 64 hex digits, that G is drawn from (-: standard\n"
     "input); marks the run as not secret [from the system]"},
    {OPT_LOCK_KEY, "lock-key", "FILE",
     "keyed: the lock key that G follows from, made by ward key\n"
     "[from the system]"},
    {OPT_CHECKPOINT_SECONDS, "checkpoint-seconds", "X", "time between checkpoints"},
    CLI_OPTION_RECIPIENT(
        "seal G to this user, too: a public key, or a file that holds\none; may be repeated"),
    CLI_OPTIONS_KEYS,
    CLI_OPTION_DEVICE,
    CLI_OPTION_THREADS,
    CLI_OPTION_JSON,
    CLI_OPTION_QUIET,
    CLI_OPTION_HELP,
    CLI_OPTION_END,
};

/* Methods with which a setting means something. */
enum {
    FOR_FIXED = 1 << WARD_METHOD_FIXED,
    FOR_GENERATOR = 1 << WARD_METHOD_GENERATOR,
    FOR_KEYED = 1 << WARD_METHOD_KEYED,
    FOR_TRAINED = 1 << WARD_METHOD_LEARNED | FOR_GENERATOR | FOR_KEYED,
    FOR_PROTECTED = FOR_FIXED | FOR_TRAINED,
    FOR_ALL = 1 << WARD_METHOD_BASELINE | FOR_PROTECTED
};

static const char *const yes_words[] = {"no", "yes", NULL};
static const char *const bn_words[] = {"shared", "separate", NULL};
static const char *const scope_words[] = {"weights", "all", NULL};
static const char *const schedule_words[] = {"step", "onecycle", NULL};
static const char *const objective_words[] = {"paper", "chance", NULL};
static const char *const front_words[] = {"none", "conv", NULL};
static const char *const coordinates_words[] = {"none", "dense", "cascade", NULL};

static const struct setting {
    int key;
    enum { AS_U64, AS_SIZE, AS_REAL, AS_BOOL, AS_SCHEDULE, AS_OBJECTIVE, AS_COORDINATES } kind;
    size_t offset;
    int methods;
    const char *const *words; /* of AS_BOOL (false, true) and of enumerations */
} settings[] = {
#define AT(member) offsetof(ward_train_config, member)
    {OPT_ITERATIONS, AS_U64, AT(iterations), FOR_ALL, NULL},
    {OPT_BATCH, AS_SIZE, AT(batch), FOR_ALL, NULL},
    {OPT_SCHEDULE, AS_SCHEDULE, AT(schedule), FOR_ALL, schedule_words},
    {OPT_RATE, AS_REAL, AT(rate), FOR_ALL, NULL},
    {OPT_RATE_DROP, AS_U64, AT(rate_drop_every), FOR_ALL, NULL},
    {OPT_WARMUP, AS_REAL, AT(warmup), FOR_ALL, NULL},
    {OPT_MOMENTUM, AS_REAL, AT(momentum), FOR_ALL, NULL},
    {OPT_NESTEROV, AS_BOOL, AT(nesterov), FOR_ALL, yes_words},
    {OPT_WEIGHT_DECAY, AS_REAL, AT(weight_decay), FOR_ALL, NULL},
    {OPT_DECAY_SCOPE, AS_BOOL, AT(decays_all), FOR_ALL, scope_words},
    {OPT_TRANSFORM_RATE, AS_REAL, AT(transform_rate_factor), FOR_TRAINED, NULL},
    {OPT_TRANSFORM_DECAY, AS_REAL, AT(transform_decay), FOR_TRAINED, NULL},
    {OPT_CLIP_NORM, AS_REAL, AT(clip_norm), FOR_ALL, NULL},
    {OPT_OBJECTIVE, AS_OBJECTIVE, AT(objective), FOR_PROTECTED, objective_words},
    {OPT_ALPHA, AS_REAL, AT(alpha), FOR_ALL, NULL},
    {OPT_BETA, AS_REAL, AT(beta), FOR_PROTECTED, NULL},
    {OPT_GAMMA, AS_REAL, AT(gamma), FOR_TRAINED, NULL},
    {OPT_RAW_SHARE, AS_REAL, AT(raw_share), FOR_PROTECTED, NULL},
    {OPT_RAW_WARMUP, AS_REAL, AT(raw_warmup), FOR_PROTECTED, NULL},
    {OPT_ERASE_AXES, AS_REAL, AT(erased_axes), FOR_PROTECTED, NULL},
    {OPT_WRONG_KEYS, AS_REAL, AT(wrong_share), FOR_KEYED, NULL},
    {OPT_WRONG_WEIGHT, AS_REAL, AT(wrong_weight), FOR_KEYED, NULL},
    {OPT_HARDEN, AS_REAL, AT(harden), FOR_PROTECTED, NULL},
    {OPT_HARDEN_STEPS, AS_SIZE, AT(harden_steps), FOR_PROTECTED, NULL},
    {OPT_HARDEN_EVERY, AS_U64, AT(harden_every), FOR_PROTECTED, NULL},
    {OPT_TEACHER_WEIGHT, AS_REAL, AT(teacher_weight), FOR_ALL, NULL},
    {OPT_TEMPERATURE, AS_REAL, AT(temperature), FOR_ALL, NULL},
    {OPT_BN, AS_BOOL, AT(separates_bn), FOR_PROTECTED, bn_words},
    {OPT_FRONT, AS_BOOL, AT(has_front), FOR_KEYED, front_words},
    {OPT_FRONT_WIDTH, AS_SIZE, AT(front_width), FOR_KEYED, NULL},
    {OPT_COORDINATES, AS_COORDINATES, AT(coordinates), FOR_KEYED, coordinates_words},
    {OPT_ROUNDS, AS_SIZE, AT(rounds), FOR_KEYED, NULL},
    {OPT_CODEBOOK, AS_SIZE, AT(codebook), FOR_KEYED, NULL},
    {OPT_SHUFFLE, AS_SIZE, AT(shuffle), FOR_KEYED, NULL},
    {OPT_NEGATIVE, AS_REAL, AT(negative), FOR_KEYED, NULL},
    {OPT_RESIDUAL, AS_BOOL, AT(has_residual), FOR_KEYED, yes_words},
    {OPT_SIGMA, AS_REAL, AT(sigma), FOR_FIXED | FOR_KEYED, NULL},
    {OPT_P, AS_REAL, AT(p), FOR_FIXED | FOR_KEYED, NULL},
    {OPT_GENERATOR_WIDTH, AS_SIZE, AT(generator_width), FOR_GENERATOR | FOR_KEYED, NULL},
    {OPT_START, AS_REAL, AT(start), FOR_TRAINED, NULL},
    {OPT_CLAMP, AS_BOOL, AT(is_clamped), FOR_PROTECTED, yes_words},
    {OPT_VALIDATION, AS_SIZE, AT(validation), FOR_ALL, NULL},
    {OPT_VALIDATE_EVERY, AS_U64, AT(validate_every), FOR_ALL, NULL},
    {OPT_SEED, AS_U64, AT(seed), FOR_ALL, NULL},
    {OPT_CHECKPOINT_SECONDS, AS_REAL, AT(checkpoint_seconds), FOR_ALL, NULL},
#undef AT
};

enum { SETTINGS = sizeof(settings) / sizeof(settings[0]) };

static const char *const recipes[] = {"paper", "fast", "demo"};

enum { RECIPES = sizeof(recipes) / sizeof(recipes[0]) };

static void format_setting(const struct setting *s, const ward_train_config *config, char *text,
                           size_t len)
{
    const void *at = (const char *)config + s->offset;

    switch (s->kind) {
    case AS_U64: snprintf(text, len, "%" PRIu64, *(const uint64_t *)at); break;
    case AS_SIZE: snprintf(text, len, "%zu", *(const size_t *)at); break;
    case AS_REAL: snprintf(text, len, "%g", *(const double *)at); break;
    case AS_BOOL: snprintf(text, len, "%s", s->words[*(const bool *)at]); break;
    case AS_SCHEDULE: snprintf(text, len, "%s", s->words[*(const ward_schedule *)at]); break;
    case AS_OBJECTIVE: snprintf(text, len, "%s", s->words[*(const ward_objective *)at]); break;
    case AS_COORDINATES: snprintf(text, len, "%s", s->words[*(const ward_coordinates *)at]); break;
    }
}

enum { DEFAULT_LEN = 32 };

static bool default_of(const struct setting *s, const char *recipe, ward_method method,
                       char text[DEFAULT_LEN])
{
    ward_train_config config;

    if (ward_train_defaults(&config, recipe, NULL, "simple-cnn", method))
        return false;
    format_setting(s, &config, text, DEFAULT_LEN);
    return true;
}

/* ", keyed 0" where a method's default is another than what was printed. */
static void print_other(FILE *out, const struct setting *s, ward_method method, const char *printed)
{
    char text[DEFAULT_LEN];

    if (s->methods >> method & 1 && default_of(s, "fast", method, text) &&
        strcmp(text, printed) != 0)
        fprintf(out, ", %s %s", ward_method_name(method), text);
}

/* " [0.9]"; or " [paper 40000, fast 8000, demo 1400]", " [0.01, keyed 0]" where recipes or methods
 * differ. */
static void print_default(FILE *out, int key)
{
    char text[RECIPES][DEFAULT_LEN];

    for (size_t i = 0; i < SETTINGS; i++) {
        const struct setting *s = &settings[i];

        if (s->key != key)
            continue;
        for (size_t r = 0; r < RECIPES; r++)
            if (!default_of(s, recipes[r],
                            s->methods == FOR_KEYED ? WARD_METHOD_KEYED : WARD_METHOD_GENERATOR,
                            text[r]))
                return;
        if (strcmp(text[0], text[1]) == 0 && strcmp(text[0], text[2]) == 0)
            fprintf(out, " [%s", text[0]);
        else
            fprintf(out, "\n%28s[%s %s, %s %s, %s %s", "", recipes[0], text[0], recipes[1], text[1],
                    recipes[2], text[2]);
        print_other(out, s, WARD_METHOD_LEARNED, text[1]);
        print_other(out, s, WARD_METHOD_KEYED, text[1]);
        fputs("]", out);
        return;
    }
}

static const struct cli_command command = {
    .name = "train",
    .operands = "--data DATA --arch NAME --method NAME --out RUN [options]\n"
                "       ward train --data DATA --method keyed --out RUN [options]\n"
                "       ward train --from FILE --data DATA --method NAME --out RUN [options]\n"
                "       ward train --resume --out RUN",
    .text = "Train a network F that works only on images processed by a secret transform G,\n"
            "and write both to the directory RUN. Ctrl-C stops it with a checkpoint.\n"
            "In brackets: defaults, for simple-cnn with method generator.",
    .options = options,
    .operands_max = 0,
    .print_default = print_default,
};

/* ---- settings ---- */

static bool take_setting(const struct cli *cli, const struct setting *s, ward_train_config *config)
{
    void *at = (char *)config + s->offset;
    uint64_t count = 0;
    size_t word = 0;

    if (s->words && !cli_word(cli, s->key, s->words, &word))
        return false;
    switch (s->kind) {
    case AS_U64: return cli_count(cli, s->key, 0, UINT64_MAX, at);
    case AS_SIZE:
        if (!cli_count(cli, s->key, 0, SIZE_MAX, &count))
            return false;
        *(size_t *)at = (size_t)count;
        break;
    case AS_REAL: return cli_real(cli, s->key, at);
    case AS_BOOL: *(bool *)at = word; break;
    case AS_SCHEDULE: *(ward_schedule *)at = (ward_schedule)word; break;
    case AS_OBJECTIVE: *(ward_objective *)at = (ward_objective)word; break;
    case AS_COORDINATES: *(ward_coordinates *)at = (ward_coordinates)word; break;
    }
    return true;
}

static int take_settings(const struct cli *cli, ward_train_config *config)
{
    for (size_t i = 0; i < SETTINGS; i++) {
        const struct setting *s = &settings[i];

        if (!cli_has(cli, s->key))
            continue;
        if (!(s->methods & 1 << config->method))
            return cli_usage(cli, "--%s means nothing with method %s", cli_name(cli, s->key),
                             ward_method_name(config->method));
        if (!take_setting(cli, s, config))
            return CLI_USAGE;
    }
    return CLI_RUN;
}

/* Defaults that another setting leaves without a meaning. */
static void drop_defaults(const struct cli *cli, ward_train_config *config)
{
    bool has_tables = config->coordinates != WARD_COORDINATES_NONE || config->codebook > 0 ||
                      config->shuffle > 0 || config->negative > 0 || config->sigma > 0;

    if (config->objective != WARD_OBJECTIVE_CHANCE && !cli_has(cli, OPT_ERASE_AXES))
        config->erased_axes = 0;
    if ((config->objective != WARD_OBJECTIVE_CHANCE || !has_tables) &&
        !cli_has(cli, OPT_WRONG_KEYS))
        config->wrong_share = 0;
}

/* Options that mean nothing unless another one says so. */
static int check_parts(const struct cli *cli, const ward_train_config *config)
{
    bool is_chance = config->objective == WARD_OBJECTIVE_CHANCE;
    bool is_keyed = config->method == WARD_METHOD_KEYED;
    bool has_cascade = config->coordinates == WARD_COORDINATES_CASCADE;
    const struct {
        int key;
        bool has_meaning;
        const char *needs;
    } parts[] = {
        {OPT_RAW_WARMUP, !is_chance, "objective paper"},
        {OPT_ERASE_AXES, is_chance, "objective chance"},
        {OPT_WRONG_KEYS, is_chance, "objective chance"},
        {OPT_WRONG_WEIGHT, is_chance && config->wrong_share > 0, "--wrong-keys"},
        {OPT_FRONT_WIDTH, config->has_front, "front conv"},
        {OPT_ROUNDS, has_cascade, "coordinates cascade"},
        {OPT_GENERATOR_WIDTH, !is_keyed || config->has_residual, "--residual yes"},
        {OPT_START, !is_keyed || config->has_residual, "--residual yes"},
        {OPT_P, !is_keyed || config->sigma > 0, "--sigma"},
        {OPT_HARDEN_STEPS, config->harden > 0, "--harden"},
        {OPT_HARDEN_EVERY, config->harden > 0, "--harden"},
        {OPT_TEACHER_WEIGHT, config->teacher != NULL, "--teacher"},
        {OPT_TEMPERATURE, config->teacher != NULL, "--teacher"},
    };

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (cli_has(cli, parts[i].key) && !parts[i].has_meaning)
            return cli_usage(cli, "--%s means nothing without %s", cli_name(cli, parts[i].key),
                             parts[i].needs);
    return CLI_RUN;
}

/* What the table cannot say: settings that contradict other settings. */
static int check_settings(const struct cli *cli, const ward_train_config *config)
{
    if (config->schedule != WARD_SCHEDULE_STEP && cli_has(cli, OPT_RATE_DROP))
        return cli_usage(cli, "--rate-drop-every means nothing with schedule onecycle");
    if (config->schedule != WARD_SCHEDULE_ONECYCLE && cli_has(cli, OPT_WARMUP))
        return cli_usage(cli, "--warmup means nothing with schedule step");
    if (!config->validation && cli_has(cli, OPT_VALIDATE_EVERY))
        return cli_usage(cli, "--validate-every means nothing without --validation");
    if (config->splits && strcmp(config->splits, "redteam") != 0)
        return cli_usage(cli, "--splits is redteam, or left out");
    if (config->splits && config->validation)
        return cli_usage(cli, "--validation does not go with --splits");
    if (config->method == WARD_METHOD_BASELINE && cli_has(cli, OPT_SECRET_SEED))
        return cli_usage(cli, "--secret-seed means nothing with method baseline");
    if (config->method != WARD_METHOD_KEYED && cli_has(cli, OPT_LOCK_KEY))
        return cli_usage(cli, "--lock-key means nothing with method %s",
                         ward_method_name(config->method));
    if (cli_has(cli, OPT_LOCK_KEY) && cli_has(cli, OPT_SECRET_SEED))
        return cli_usage(cli, "--lock-key and --secret-seed contradict each other");
    if (config->method == WARD_METHOD_BASELINE && cli_has(cli, CLI_RECIPIENT))
        return cli_usage(cli, "--recipient means nothing with method baseline");
    if (cli_has(cli, OPT_SECRET_SEED) && cli_has(cli, CLI_RECIPIENT))
        return cli_usage(cli, "--recipient means nothing with --secret-seed: there is no secret");
    return CLI_RUN;
}

static int configure(const struct cli *cli, ward_train_config *config)
{
    static const int needed[] = {OPT_DATA, OPT_METHOD};
    const char *recipe = cli_has(cli, OPT_RECIPE) ? cli_text(cli, OPT_RECIPE) : "fast";
    ward_method method;
    ward_status st;
    int code;

    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
        if (!cli_has(cli, needed[i]))
            return cli_usage(cli, "--%s is missing", cli_name(cli, needed[i]));
    st = ward_method_parse(cli_text(cli, OPT_METHOD), &method);
    if (!st)
        st = ward_train_defaults(config, recipe, cli_text(cli, OPT_DATA), cli_text(cli, OPT_ARCH),
                                 method);
    if (st)
        return cli_failed(cli, st);
    if (cli_has(cli, OPT_FROM) && !cli_has(cli, OPT_ARCH))
        config->arch = NULL;
    else if (!config->arch)
        return cli_usage(cli, "--arch is missing");
    config->from = cli_text(cli, OPT_FROM);
    config->splits = cli_text(cli, OPT_SPLITS);
    config->teacher = cli_text(cli, OPT_TEACHER);
    code = take_settings(cli, config);
    if (code == CLI_RUN) {
        drop_defaults(cli, config);
        code = check_parts(cli, config);
    }
    return code == CLI_RUN ? check_settings(cli, config) : code;
}

/* The first option given that describes a training; NULL if none was. */
static const char *first_setting(const struct cli *cli)
{
    static const int others[] = {OPT_DATA,   OPT_ARCH,    OPT_METHOD,      OPT_RECIPE,   OPT_FROM,
                                 OPT_SPLITS, OPT_TEACHER, OPT_SECRET_SEED, CLI_RECIPIENT};

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (cli_has(cli, others[i]))
            return cli_name(cli, others[i]);
    for (size_t i = 0; i < SETTINGS; i++)
        if (cli_has(cli, settings[i].key))
            return cli_name(cli, settings[i].key);
    return NULL;
}

/* ---- the training ---- */

static ward_status find_owner(void *context, char **public_key)
{
    return keys_owner_public(((const struct watch *)context)->cli, public_key);
}

static int run(const struct cli *cli, ward_device *device, const ward_train_config *config,
               ward_keys *keys, ward_keys *lock)
{
    const char *out = cli_text(cli, 'o');
    struct watch watch;
    ward_train_options train = {.out = out,
                                .is_resumed = cli_has(cli, OPT_RESUME),
                                .replaces = cli_has(cli, CLI_FORCE),
                                .progress = watch_progress,
                                .context = &watch,
                                .keys = keys,
                                .lock = lock,
                                .owner = find_owner};
    time_t start = time(NULL);
    ward_status st;

    watch_init(&watch, cli);
    stop_catch_signals();
    st = ward_train(device, config, &train);
    progress_finish(&watch.progress);
    if (st == WARD_ERR_STOPPED)
        return cli_error(cli, "stopped; continue with: ward train --resume --out %s", out);
    if (st == WARD_ERR_EXISTS)
        return cli_error(cli, "%s; --resume goes on with it, --force starts afresh",
                         ward_error_message());
    if (st)
        return cli_failed(cli, st);
    watch_print(&watch, out, difftime(time(NULL), start));
    return CLI_DONE;
}

/* Method keyed has an architecture of its own. */
static bool is_keyed(const struct cli *cli)
{
    return strcmp(cli_text(cli, OPT_METHOD), ward_method_name(WARD_METHOD_KEYED)) == 0;
}

static int check_command_line(const struct cli *cli)
{
    const char *setting = first_setting(cli);

    if (!cli_has(cli, 'o'))
        return cli_usage(cli, "--out is missing");
    if (!cli_has(cli, OPT_RESUME))
        return CLI_RUN;
    if (cli_has(cli, CLI_FORCE))
        return cli_usage(cli, "--resume and --force contradict each other");
    if (setting && !(cli_has(cli, OPT_DATA) && cli_has(cli, OPT_METHOD) &&
                     (cli_has(cli, OPT_ARCH) || cli_has(cli, OPT_FROM) || is_keyed(cli))))
        return cli_usage(cli,
                         "--resume takes its settings from the run: leave out --%s, or repeat "
                         "them all",
                         setting);
    return CLI_RUN;
}

int cmd_train(int argc, char **argv)
{
    struct cli cli;
    ward_device *device = NULL;
    ward_keys *keys = NULL, *lock = NULL;
    char *recipients = NULL;
    ward_train_config config;
    struct secret_seed seed = {{0}};
    bool is_configured;
    int code = cli_parse(&cli, &command, argc, argv);

    if (code == CLI_RUN)
        code = check_command_line(&cli);
    if (code != CLI_RUN)
        return code;
    is_configured = first_setting(&cli) || !cli_has(&cli, OPT_RESUME);
    if (is_configured)
        code = configure(&cli, &config);
    if (code == CLI_RUN && cli_has(&cli, OPT_SECRET_SEED)) {
        code = secret_seed_read(&cli, cli_text(&cli, OPT_SECRET_SEED), &seed);
        config.secret_seed = seed.bytes;
    }
    if (code == CLI_RUN)
        code = cli_open_device(&cli, &device);
    if (code == CLI_RUN && is_configured) {
        code = keys_recipients(&cli, &recipients);
        config.recipients = recipients;
    }
    if (code == CLI_RUN)
        code = keys_open(&cli, &keys);
    if (code == CLI_RUN && cli_has(&cli, OPT_LOCK_KEY))
        code = keys_open_file(&cli, cli_text(&cli, OPT_LOCK_KEY), &lock);
    if (code == CLI_RUN)
        code = run(&cli, device, is_configured ? &config : NULL, keys, lock);
    ward_keys_free(lock);
    ward_keys_free(keys);
    free(recipients);
    ward_device_close(device);
    secret_seed_wipe(&seed);
    return code;
}
