/* config.json: every setting of a training, to and from a struct. One table for both ways. */
#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"
#include "model/run_dir.h"

enum { MAX_CONFIG_FILE = 1 << 20, FORMAT_VERSION = 1 };

static const char version_key[] = "format_version";

enum kind {
    TEXT,
    OPTION,
    METHOD,
    SCHEDULE,
    OBJECTIVE,
    COORDINATES,
    U64,
    SIZE,
    REAL,
    SHARE,
    COUNT,
    FLAG,
    SEED
};

/* Settings are there always, or only where they mean something, so that the settings of a training
 * without a part do not change when that part is invented. */
enum when { ALWAYS, IF_CHANCE, IF_ERASED, IF_KEYED, IF_CODEBOOK, IF_TAUGHT, IF_HARDENED };

static const struct setting {
    const char *key;
    enum kind kind;
    size_t offset; /* in ward_train_config */
    enum when when;
} settings[] = {
#define SETTING_IF(when, kind, field)                          \
    {                                                          \
#field, kind, offsetof(ward_train_config, field), when \
    }
#define SETTING(kind, field) SETTING_IF(ALWAYS, kind, field)
    SETTING(TEXT, data),
    SETTING(TEXT, arch),
    SETTING(METHOD, method),
    SETTING(TEXT, recipe),
    SETTING(OPTION, from),
    SETTING(OPTION, from_digest),
    SETTING(U64, iterations),
    SETTING(SIZE, batch),
    SETTING(SCHEDULE, schedule),
    SETTING(REAL, rate),
    SETTING(U64, rate_drop_every),
    SETTING(REAL, warmup),
    SETTING(REAL, momentum),
    SETTING(FLAG, nesterov),
    SETTING(REAL, weight_decay),
    SETTING(FLAG, decays_all),
    SETTING(REAL, transform_rate_factor),
    SETTING(REAL, transform_decay),
    SETTING(REAL, clip_norm),
    SETTING(REAL, alpha),
    SETTING(REAL, beta),
    SETTING(REAL, gamma),
    SETTING(REAL, raw_share),
    SETTING(REAL, raw_warmup),
    SETTING(FLAG, separates_bn),
    SETTING(REAL, sigma),
    SETTING(REAL, p),
    SETTING(SIZE, generator_width),
    SETTING(REAL, start),
    SETTING(FLAG, is_clamped),
    SETTING(OPTION, splits),
    SETTING(SIZE, validation),
    SETTING(U64, validate_every),
    SETTING(U64, seed),
    SETTING(SEED, secret_seed),
    SETTING(REAL, checkpoint_seconds),
    SETTING(OPTION, owner),
    SETTING(OPTION, recipients),
    SETTING(OPTION, leaked),
    SETTING(OPTION, lock),
    SETTING_IF(IF_CHANCE, OBJECTIVE, objective),
    SETTING_IF(IF_ERASED, SHARE, erased_axes),
    SETTING_IF(IF_CHANCE, REAL, wrong_share),
    SETTING_IF(IF_CHANCE, REAL, wrong_weight),
    SETTING_IF(IF_KEYED, FLAG, has_front),
    SETTING_IF(IF_KEYED, SIZE, front_width),
    SETTING_IF(IF_KEYED, COORDINATES, coordinates),
    SETTING_IF(IF_KEYED, SIZE, rounds),
    SETTING_IF(IF_CODEBOOK, COUNT, codebook),
    SETTING_IF(IF_KEYED, SIZE, shuffle),
    SETTING_IF(IF_KEYED, REAL, negative),
    SETTING_IF(IF_KEYED, FLAG, has_residual),
    SETTING(OPTION, teacher),
    SETTING(OPTION, teacher_digest),
    SETTING(OPTION, teacher_splits),
    SETTING_IF(IF_TAUGHT, REAL, teacher_weight),
    SETTING_IF(IF_TAUGHT, REAL, temperature),
    SETTING_IF(IF_HARDENED, SHARE, harden),
    SETTING_IF(IF_HARDENED, SIZE, harden_steps),
    SETTING_IF(IF_HARDENED, U64, harden_every),
#undef SETTING
#undef SETTING_IF
};

enum { SETTING_COUNT = sizeof settings / sizeof settings[0] };

static const char *const schedules[] = {
    [WARD_SCHEDULE_STEP] = "step",
    [WARD_SCHEDULE_ONECYCLE] = "onecycle",
};

enum { SCHEDULE_COUNT = sizeof schedules / sizeof schedules[0] };

/* The paper's is the one that is not named. */
static const char chance[] = "chance";

/* Whether a setting is there, as far as settings before it tell. */
static bool applies(const struct setting *s, const ward_train_config *config)
{
    switch (s->when) {
    case ALWAYS: break;
    case IF_CHANCE: return config->objective == WARD_OBJECTIVE_CHANCE;
    case IF_ERASED: return config->erased_axes > 0;
    case IF_KEYED: return config->method == WARD_METHOD_KEYED;
    case IF_CODEBOOK: return config->method == WARD_METHOD_KEYED && config->codebook > 0;
    case IF_TAUGHT: return config->teacher != NULL;
    case IF_HARDENED: return config->harden > 0;
    }
    return true;
}

/* ---- writing ---- */

static json_t *seed_to_json(const uint8_t *seed)
{
    char text[2 * TRANSFORM_SEED_LEN + 1];

    if (!seed)
        return json_null();
    hex_encode(seed, TRANSFORM_SEED_LEN, text);
    return json_string(text);
}

static ward_status set_count(json_t *object, const char *key, uint64_t value)
{
    if (value > INT64_MAX)
        return ward_fail(WARD_ERR_ARG, "'%s' is larger than 2^63 - 1", key);
    return json_set(object, key, json_integer((json_int_t)value));
}

/* A text that is left out if there is none. */
static ward_status set_option(json_t *object, const char *key, const char *text)
{
    return text ? json_set(object, key, json_string(text)) : WARD_OK;
}

static ward_status set(json_t *object, const struct setting *s, const ward_train_config *config)
{
    const void *field = (const char *)config + s->offset;

    switch (s->kind) {
    case TEXT: return json_set(object, s->key, json_string(*(const char *const *)field));
    case OPTION: return set_option(object, s->key, *(const char *const *)field);
    case METHOD:
        return json_set(object, s->key, json_string(ward_method_name(*(const ward_method *)field)));
    case SCHEDULE:
        return json_set(object, s->key, json_string(schedules[*(const ward_schedule *)field]));
    case OBJECTIVE: return json_set(object, s->key, json_string(chance));
    case COORDINATES:
        return json_set(object, s->key,
                        json_string(coordinates_name(*(const ward_coordinates *)field)));
    case U64: return set_count(object, s->key, *(const uint64_t *)field);
    case SIZE:
    case COUNT: return set_count(object, s->key, *(const size_t *)field);
    case REAL:
    case SHARE: return json_set(object, s->key, json_real(*(const double *)field));
    case FLAG: return json_set(object, s->key, json_boolean(*(const bool *)field));
    case SEED: return json_set(object, s->key, seed_to_json(*(const uint8_t *const *)field));
    }
    return ward_fail(WARD_ERR_ARG, "unknown setting '%s'", s->key);
}

ward_status run_config_to_json(const ward_train_config *config, char **out)
{
    json_t *object = json_object();
    ward_status st = json_set(object, version_key, json_integer(FORMAT_VERSION));

    for (size_t i = 0; i < SETTING_COUNT && !st; i++)
        if (applies(&settings[i], config))
            st = set(object, &settings[i], config);
    if (!st)
        st = json_to_text(object, 2, out);
    json_decref(object);
    return st;
}

/* ---- reading ---- */

/* The string that a pointer of values will point to. */
static char **owner_of(struct run_config *config, const struct setting *s)
{
    switch (s->offset) {
    case offsetof(ward_train_config, data): return &config->data;
    case offsetof(ward_train_config, arch): return &config->arch;
    case offsetof(ward_train_config, from): return &config->from;
    case offsetof(ward_train_config, from_digest): return &config->from_digest;
    case offsetof(ward_train_config, splits): return &config->splits;
    case offsetof(ward_train_config, owner): return &config->owner;
    case offsetof(ward_train_config, recipients): return &config->recipients;
    case offsetof(ward_train_config, leaked): return &config->leaked;
    case offsetof(ward_train_config, lock): return &config->lock;
    case offsetof(ward_train_config, teacher): return &config->teacher;
    case offsetof(ward_train_config, teacher_digest): return &config->teacher_digest;
    case offsetof(ward_train_config, teacher_splits): return &config->teacher_splits;
    default: return &config->recipe;
    }
}

static ward_status get_text(const json_t *object, const struct setting *s,
                            struct run_config *config, const char **field)
{
    char **owner = owner_of(config, s);
    const char *text;
    ward_status st = json_get_string(object, s->key, &text);

    if (!st)
        st = mem_strdup(owner, text);
    if (!st)
        *field = *owner;
    return st;
}

static ward_status get_option(const json_t *object, const struct setting *s,
                              struct run_config *config, const char **field)
{
    return json_object_get(object, s->key) ? get_text(object, s, config, field) : WARD_OK;
}

static ward_status get_method(const json_t *object, const char *key, ward_method *field)
{
    const char *text;
    ward_status st = json_get_string(object, key, &text);

    if (!st && ward_method_parse(text, field))
        st = WARD_ERR_FORMAT;
    return st;
}

static ward_status get_schedule(const json_t *object, const char *key, ward_schedule *field)
{
    const char *text;
    ward_status st = json_get_string(object, key, &text);

    for (int i = 0; i < SCHEDULE_COUNT && !st; i++)
        if (strcmp(text, schedules[i]) == 0) {
            *field = (ward_schedule)i;
            return WARD_OK;
        }
    return st ? st : ward_fail(WARD_ERR_FORMAT, "'%s' is no schedule: '%.32s'", key, text);
}

static ward_status get_objective(const json_t *object, const char *key, ward_objective *field)
{
    const char *text;
    ward_status st = json_get_string(object, key, &text);

    if (!st && strcmp(text, chance) != 0)
        return ward_fail(WARD_ERR_FORMAT, "'%s' is no objective: '%.32s'", key, text);
    *field = st ? WARD_OBJECTIVE_PAPER : WARD_OBJECTIVE_CHANCE;
    return st;
}

static ward_status get_size(const json_t *object, const char *key, size_t *field)
{
    uint64_t value = 0;
    ward_status st = json_get_u64(object, key, SIZE_MAX < INT64_MAX ? SIZE_MAX : INT64_MAX, &value);

    *field = (size_t)value;
    return st;
}

static ward_status get_share(const json_t *object, const char *key, double *field)
{
    ward_status st = json_get_real(object, key, field);

    return st || *field > 0 ? st : ward_fail(WARD_ERR_FORMAT, "'%s' is not above 0", key);
}

static ward_status get_count(const json_t *object, const char *key, size_t *field)
{
    ward_status st = get_size(object, key, field);

    return st || *field > 0 ? st : ward_fail(WARD_ERR_FORMAT, "'%s' is not above 0", key);
}

static ward_status get_coordinates(const json_t *object, const char *key, ward_coordinates *field)
{
    const char *text;
    ward_status st = json_get_string(object, key, &text);

    if (!st && coordinates_parse(text, field))
        st = WARD_ERR_FORMAT;
    return st;
}

static ward_status get_seed(const json_t *object, const char *key, struct run_config *config,
                            const uint8_t **field)
{
    const json_t *value = json_object_get(object, key);
    const char *text = json_string_value(value);

    if (json_is_null(value))
        return WARD_OK;
    if (!text || strlen(text) != 2 * TRANSFORM_SEED_LEN ||
        !hex_decode(text, config->secret_seed, TRANSFORM_SEED_LEN))
        return ward_fail(WARD_ERR_FORMAT, "'%s' is missing, or neither null nor %d hex digits", key,
                         2 * TRANSFORM_SEED_LEN);
    *field = config->secret_seed;
    return WARD_OK;
}

/* Whether nothing before a setting says that it is there: it is if it is not the paper's, or is
 * above 0. */
static bool tells_itself(const struct setting *s)
{
    return s->kind == OBJECTIVE || s->kind == SHARE || s->kind == COUNT;
}

static ward_status get(const json_t *object, const struct setting *s, struct run_config *config)
{
    void *field = (char *)&config->values + s->offset;

    if (tells_itself(s) ? !json_object_get(object, s->key) : !applies(s, &config->values))
        return WARD_OK;
    switch (s->kind) {
    case TEXT: return get_text(object, s, config, field);
    case OPTION: return get_option(object, s, config, field);
    case METHOD: return get_method(object, s->key, field);
    case SCHEDULE: return get_schedule(object, s->key, field);
    case OBJECTIVE: return get_objective(object, s->key, field);
    case COORDINATES: return get_coordinates(object, s->key, field);
    case U64: return json_get_u64(object, s->key, INT64_MAX, field);
    case SIZE: return get_size(object, s->key, field);
    case REAL: return json_get_real(object, s->key, field);
    case SHARE: return get_share(object, s->key, field);
    case COUNT: return get_count(object, s->key, field);
    case FLAG: return json_get_bool(object, s->key, field);
    case SEED: return get_seed(object, s->key, config, field);
    }
    return ward_fail(WARD_ERR_FORMAT, "unknown setting '%s'", s->key);
}

/* Keys that this build knows, that have a place beside the others, and that the object has. */
static size_t known_count(const json_t *object, const ward_train_config *config)
{
    size_t count = 1; /* the version */

    for (size_t i = 0; i < SETTING_COUNT; i++)
        count += applies(&settings[i], config) && json_object_get(object, settings[i].key) != NULL;
    return count;
}

static ward_status version_check(const json_t *object)
{
    uint64_t version = 0;
    ward_status st = json_get_u64(object, version_key, INT64_MAX, &version);

    if (!st && version != FORMAT_VERSION)
        st = ward_fail(WARD_ERR_FORMAT, "settings of a version that this build cannot read");
    return st;
}

ward_status run_config_from_json(struct run_config *config, const char *text, size_t len)
{
    struct run_config made = {.data = NULL};
    json_t *object = NULL;
    ward_status st = json_parse_object(&object, text, len);

    if (st)
        return st;
    st = version_check(object);
    for (size_t i = 0; i < SETTING_COUNT && !st; i++)
        st = get(object, &settings[i], &made);
    /* What is needed was found and no key occurs twice, so a larger count means an unknown one. */
    if (!st && json_object_size(object) != known_count(object, &made.values))
        st = ward_fail(WARD_ERR_FORMAT, "a setting that this build does not know");
    if (!st) {
        *config = made;
        if (made.values.secret_seed)
            config->values.secret_seed = config->secret_seed;
        mem_wipe(&made, sizeof made);
    }
    run_config_release(&made);
    json_decref(object);
    return st;
}

void run_config_release(struct run_config *config)
{
    mem_free(config->data);
    mem_free(config->arch);
    mem_free(config->recipe);
    mem_free(config->from);
    mem_free(config->from_digest);
    mem_free(config->owner);
    mem_free(config->recipients);
    mem_free(config->leaked);
    mem_free(config->lock);
    mem_free(config->splits);
    mem_free(config->teacher);
    mem_free(config->teacher_digest);
    mem_free(config->teacher_splits);
    mem_wipe(config, sizeof *config);
}

ward_status run_config_write(const struct run_dir *dir, const ward_train_config *config)
{
    char *text = NULL;
    size_t len;
    ward_status st = run_config_to_json(config, &text);

    if (st)
        return st;
    len = strlen(text);
    text[len] = '\n'; /* in place of the NUL, so that the file ends as a text file does */
    st = file_write(dir->config, text, len + 1, FILE_SECRET | FILE_REPLACE);
    mem_wipe(text, len);
    mem_free(text);
    return st;
}

ward_status run_config_read(const struct run_dir *dir, struct run_config *config)
{
    uint8_t *data = NULL;
    size_t len = 0;
    ward_status st = file_read(dir->config, MAX_CONFIG_FILE, &data, &len);

    if (st)
        return st;
    st = run_config_from_json(config, (const char *)data, len);
    if (st)
        st = ward_fail_within(st, "'%s'", dir->config);
    mem_wipe(data, len);
    mem_free(data);
    return st;
}
