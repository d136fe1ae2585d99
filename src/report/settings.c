/* Settings on a page: see settings.h. */
#include "report/settings.h"

#include "base/mem.h"
#include "report/text.h"
#include "train/settings.h"

/* Methods with which a setting means something: ward train refuses it with others. */
enum {
    FOR_FIXED = 1 << WARD_METHOD_FIXED,
    FOR_GENERATOR = 1 << WARD_METHOD_GENERATOR,
    FOR_KEYED = 1 << WARD_METHOD_KEYED,
    FOR_TRAINED = 1 << WARD_METHOD_LEARNED | FOR_GENERATOR | FOR_KEYED,
    FOR_PROTECTED = FOR_FIXED | FOR_TRAINED,
    FOR_ALL = 1 << WARD_METHOD_BASELINE | FOR_PROTECTED
};

/* The options of ward train in its order; a test trains by them. */
static const struct option {
    const char *key; /* in config.json */
    const char *name;
    int methods;
    const char *words[2]; /* for false and true */
} options[] = {
    {"from", "from", FOR_ALL, {NULL}}, /* not there unless given */
    {"iterations", "iterations", FOR_ALL, {NULL}},
    {"batch", "batch", FOR_ALL, {NULL}},
    {"schedule", "schedule", FOR_ALL, {NULL}},
    {"rate", "rate", FOR_ALL, {NULL}},
    {"rate_drop_every", "rate-drop-every", FOR_ALL, {NULL}},
    {"warmup", "warmup", FOR_ALL, {NULL}},
    {"momentum", "momentum", FOR_ALL, {NULL}},
    {"nesterov", "nesterov", FOR_ALL, {"no", "yes"}},
    {"weight_decay", "weight-decay", FOR_ALL, {NULL}},
    {"decays_all", "decay-scope", FOR_ALL, {"weights", "all"}},
    {"transform_rate_factor", "transform-rate", FOR_TRAINED, {NULL}},
    {"transform_decay", "transform-decay", FOR_TRAINED, {NULL}},
    {"clip_norm", "clip-norm", FOR_ALL, {NULL}},
    {"objective", "objective", FOR_PROTECTED, {NULL}}, /* not there if it is the paper's */
    {"alpha", "alpha", FOR_ALL, {NULL}},
    {"beta", "beta", FOR_PROTECTED, {NULL}},
    {"gamma", "gamma", FOR_TRAINED, {NULL}},
    {"raw_share", "raw-share", FOR_PROTECTED, {NULL}},
    {"raw_warmup", "raw-warmup", FOR_PROTECTED, {NULL}},
    {"erased_axes", "erase-axes", FOR_PROTECTED, {NULL}}, /* not there if 0 */
    {"wrong_share", "wrong-keys", FOR_KEYED, {NULL}},
    {"wrong_weight", "wrong-weight", FOR_KEYED, {NULL}},
    {"harden", "harden", FOR_PROTECTED, {NULL}}, /* not there unless given, nor are the next two */
    {"harden_steps", "harden-steps", FOR_PROTECTED, {NULL}},
    {"harden_every", "harden-every", FOR_PROTECTED, {NULL}},
    {"teacher", "teacher", FOR_ALL, {NULL}}, /* not there unless given, nor are the next two */
    {"teacher_weight", "teacher-weight", FOR_ALL, {NULL}},
    {"temperature", "temperature", FOR_ALL, {NULL}},
    {"separates_bn", "bn", FOR_PROTECTED, {"shared", "separate"}},
    {"has_front", "front", FOR_KEYED, {"none", "conv"}},
    {"front_width", "front-width", FOR_KEYED, {NULL}},
    {"coordinates", "coordinates", FOR_KEYED, {NULL}},
    {"rounds", "rounds", FOR_KEYED, {NULL}},
    {"codebook", "codebook", FOR_KEYED, {NULL}}, /* not there if 0 */
    {"shuffle", "shuffle", FOR_KEYED, {NULL}},
    {"negative", "negative", FOR_KEYED, {NULL}},
    {"has_residual", "residual", FOR_KEYED, {"no", "yes"}},
    {"sigma", "sigma", FOR_FIXED | FOR_KEYED, {NULL}},
    {"p", "p", FOR_FIXED | FOR_KEYED, {NULL}},
    {"generator_width", "generator-width", FOR_GENERATOR | FOR_KEYED, {NULL}},
    {"start", "start", FOR_TRAINED, {NULL}},
    {"is_clamped", "clamp", FOR_PROTECTED, {"no", "yes"}},
    {"splits", "splits", FOR_ALL, {NULL}}, /* not there unless given */
    {"validation", "validation", FOR_ALL, {NULL}},
    {"validate_every", "validate-every", FOR_ALL, {NULL}},
};

enum { OPTIONS = sizeof options / sizeof options[0] };

/* The same of an option of a part of `keyed`. */
static bool has_part(const struct option *o, const ward_train_config *c)
{
    if (strcmp(o->key, "front_width") == 0)
        return c->has_front;
    if (strcmp(o->key, "rounds") == 0)
        return c->coordinates == WARD_COORDINATES_CASCADE;
    if (strcmp(o->key, "p") == 0)
        return c->sigma > 0;
    if (strcmp(o->key, "generator_width") == 0 || strcmp(o->key, "start") == 0)
        return c->has_residual;
    return strcmp(o->key, "wrong_weight") != 0 || c->wrong_share > 0;
}

/* What is meant where it is not there; NULL: nothing. */
static const char *absent_word(const struct option *o)
{
    if (strcmp(o->key, "objective") == 0)
        return "paper";
    return strcmp(o->key, "erased_axes") == 0 ? "0" : NULL;
}

/* Whether the option is there and means anything beside the others. */
static bool has_meaning(const struct option *o, const json_t *value, const ward_train_config *c)
{
    if ((!value && !absent_word(o)) || !(o->methods & 1 << c->method))
        return false;
    if (c->method == WARD_METHOD_KEYED && !has_part(o, c))
        return false;
    if (strcmp(o->key, "raw_warmup") == 0)
        return c->objective == WARD_OBJECTIVE_PAPER;
    if (strcmp(o->key, "erased_axes") == 0)
        return c->objective == WARD_OBJECTIVE_CHANCE;
    if (strcmp(o->key, "rate_drop_every") == 0)
        return c->schedule == WARD_SCHEDULE_STEP;
    if (strcmp(o->key, "warmup") == 0)
        return c->schedule == WARD_SCHEDULE_ONECYCLE;
    return strcmp(o->key, "validate_every") != 0 || c->validation > 0;
}

static ward_status to_object(const ward_train_config *config, json_t **out)
{
    ward_train_config shown = *config;
    char *text = NULL;
    ward_status st;

    shown.secret_seed = NULL;
    shown.owner = shown.recipients = shown.lock = NULL; /* whose it is is not for everyone */
    st = run_config_to_json(&shown, &text);
    if (!st)
        st = json_parse_object(out, text, strlen(text));
    mem_free(text);
    if (!st)
        json_object_del(*out, "secret_seed");
    return st;
}

static ward_status write_value(struct wr *wr, const struct option *o, const json_t *value)
{
    char *text = NULL;
    ward_status st = WARD_OK;

    if (!value) {
        wr_text(wr, absent_word(o));
    } else if (json_is_boolean(value)) {
        wr_text(wr, o->words[json_is_true(value)]);
    } else if (json_is_string(value)) {
        text_shell(wr, json_string_value(value));
    } else {
        st = json_to_text(value, 0, &text);
        if (!st && strlen(text) > 2 && strcmp(text + strlen(text) - 2, ".0") == 0)
            text[strlen(text) - 2] = '\0';
        if (!st)
            wr_text(wr, text);
        mem_free(text);
    }
    return st;
}

static ward_status write_changes(struct wr *wr, const struct settings *s,
                                 const ward_train_config *config, size_t channels)
{
    const ward_dataset_info shape = {.input = {.channels = (unsigned)channels}};
    ward_train_config defaults;
    json_t *usual = NULL;
    ward_status st =
        ward_train_defaults(&defaults, config->recipe, config->data, config->arch, config->method);

    if (!st) {
        double warmup = defaults.raw_warmup; /* of the run's objective, if that is another */

        settings_resolve(&defaults, &shape);
        defaults.raw_warmup = warmup;
        st = to_object(&defaults, &usual);
    }
    for (size_t i = 0; i < OPTIONS && !st; i++) {
        const struct option *o = &options[i];
        const json_t *value = json_object_get(s->all, o->key);
        const json_t *other = json_object_get(usual, o->key);

        if (!has_meaning(o, value, config) || (!value && !other) || json_equal(value, other))
            continue;
        wr_printf(wr, " --%s ", o->name);
        st = write_value(wr, o, value);
    }
    json_decref(usual);
    return st;
}

static ward_status take_text(struct wr *wr, ward_status st, char **out)
{
    wr_u8(wr, 0);
    if (!st)
        st = wr_finish(wr);
    if (!st) {
        *out = (char *)wr->data;
        *wr = (struct wr)WR_INIT;
    }
    wr_release(wr);
    return st;
}

static ward_status write_command(struct settings *s, const ward_train_config *config)
{
    struct wr wr = WR_INIT;

    wr_text(&wr, "ward train --data ");
    text_shell(&wr, config->data);
    wr_text(&wr, " --arch ");
    text_shell(&wr, config->arch);
    wr_printf(&wr, " --method %s --recipe ", ward_method_name(config->method));
    text_shell(&wr, config->recipe);
    wr_text(&wr, s->changes);
    return take_text(&wr, WARD_OK, &s->command);
}

static ward_status describe(struct settings *s, const ward_train_config *config, size_t channels)
{
    struct wr changes = WR_INIT;
    ward_status st;

    s->seed = config->seed;
    s->method = config->method;
    st = to_object(config, &s->all);
    if (!st)
        st = write_changes(&changes, s, config, channels);
    st = take_text(&changes, st, &s->changes);
    if (!st)
        st = mem_printf(&s->label, "%s%s", config->recipe, s->changes);
    return st ? st : write_command(s, config);
}

ward_status settings_read(struct settings *out, const struct run_dir *dir, size_t channels)
{
    struct run_config config = {.data = NULL};
    struct settings made = {.all = NULL};
    ward_status st = run_config_read(dir, &config);

    if (!st) {
        st = describe(&made, &config.values, channels);
        if (st == WARD_ERR_ARG)
            st = WARD_ERR_FORMAT; /* an unknown recipe is the file's fault */
    }
    run_config_release(&config);
    if (st)
        settings_release(&made);
    else
        *out = made;
    return st;
}

const char *settings_recipe(const struct settings *settings)
{
    return json_string_value(json_object_get(settings->all, "recipe"));
}

void settings_release(struct settings *settings)
{
    json_decref(settings->all);
    mem_free(settings->changes);
    mem_free(settings->label);
    mem_free(settings->command);
    *settings = (struct settings){.all = NULL};
}
