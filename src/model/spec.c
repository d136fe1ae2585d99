/* Specifications as JSON: see spec.h. */
#include "model/spec.h"

#include <string.h>

enum { MAX_CHANNELS = 64, MAX_SIDE = 16384, MAX_PIXELS = 1 << 24, MAX_WIDTH = 1 << 20 };

ward_status spec_shape_check(size_t channels, size_t height, size_t width)
{
    if (channels < 1 || channels > MAX_CHANNELS || height < 1 || height > MAX_SIDE || width < 1 ||
        width > MAX_SIDE || channels * height * width > MAX_PIXELS)
        return ward_fail(WARD_ERR_FORMAT, "images of %zu x %zu x %zu are too large", channels,
                         height, width);
    return WARD_OK;
}

ward_status spec_set_arch(struct net_spec *spec, const char *arch)
{
    if (strlen(arch) >= sizeof spec->arch)
        return ward_fail(WARD_ERR_FORMAT, "unknown architecture");
    memcpy(spec->arch, arch, strlen(arch) + 1);
    return WARD_OK;
}

/* One member of a specification; exactly one pointer is set. */
struct field {
    const char *key;
    bool is_optional; /* a count that is not there if it is 0 */
    size_t *count;
    float *number;
    bool *flag;
    ward_coordinates *coordinates;
};

static ward_status get_coordinates(const json_t *object, const char *key, ward_coordinates *out)
{
    const char *text;
    ward_status st = json_get_string(object, key, &text);

    return st ? st : coordinates_parse(text, out);
}

static ward_status field_set(json_t *object, const struct field *f)
{
    if (f->is_optional && *f->count == 0)
        return WARD_OK;
    if (f->count)
        return json_set(object, f->key, json_integer((json_int_t)*f->count));
    if (f->number)
        return json_set(object, f->key, json_real((double)*f->number));
    if (f->coordinates)
        return json_set(object, f->key, json_string(coordinates_name(*f->coordinates)));
    return json_set(object, f->key, json_boolean(*f->flag));
}

static ward_status field_get(const json_t *object, const struct field *f)
{
    uint64_t count = 0;
    double number = 0;
    ward_status st;

    if (f->is_optional && !json_object_get(object, f->key))
        return WARD_OK;
    if (f->count) {
        st = json_get_u64(object, f->key, MAX_WIDTH, &count);
        *f->count = (size_t)count;
    } else if (f->number) {
        st = json_get_real(object, f->key, &number);
        *f->number = (float)number;
    } else if (f->coordinates) {
        st = get_coordinates(object, f->key, f->coordinates);
    } else {
        st = json_get_bool(object, f->key, f->flag);
    }
    return st;
}

static ward_status fields_get(const json_t *object, const struct field *fields, size_t count)
{
    ward_status st = WARD_OK;

    if (!json_is_object(object))
        return ward_fail(WARD_ERR_FORMAT, "a description is not a JSON object");
    for (size_t i = 0; i < count && !st; i++)
        st = field_get(object, &fields[i]);
    return st;
}

/* {"key": "name", and the fields} */
static ward_status object_new(const char *key, const char *name, const struct field *fields,
                              size_t count, json_t **out)
{
    json_t *object = json_object();
    ward_status st = json_set(object, key, json_string(name));

    for (size_t i = 0; i < count && !st; i++)
        st = field_set(object, &fields[i]);
    if (st)
        json_decref(object);
    else
        *out = object;
    return st;
}

enum { NET_FIELDS = 4, TRANSFORM_FIELDS = 10, KEYED_FIELDS = 8 };

static void net_fields(struct net_spec *spec, struct field fields[NET_FIELDS])
{
    const struct field table[NET_FIELDS] = {
        {.key = "channels", .count = &spec->channels},
        {.key = "height", .count = &spec->height},
        {.key = "width", .count = &spec->width},
        {.key = "classes", .count = &spec->classes},
    };

    memcpy(fields, table, sizeof table);
}

ward_status net_spec_to_json(const struct net_spec *spec, json_t **out)
{
    struct net_spec copy = *spec;
    struct field fields[NET_FIELDS];

    net_fields(&copy, fields);
    return object_new("architecture", spec->arch, fields, NET_FIELDS, out);
}

ward_status net_spec_from_json(const json_t *json, struct net_spec *out)
{
    struct net_spec spec = {{0}, 0, 0, 0, 0};
    struct field fields[NET_FIELDS];
    const char *arch;
    ward_status st;

    net_fields(&spec, fields);
    st = fields_get(json, fields, NET_FIELDS);
    if (!st)
        st = json_get_string(json, "architecture", &arch);
    if (!st)
        st = spec_set_arch(&spec, arch);
    if (!st)
        st = spec_shape_check(spec.channels, spec.height, spec.width);
    if (!st)
        *out = spec;
    return st;
}

static void transform_fields(struct transform_spec *spec, struct field fields[TRANSFORM_FIELDS])
{
    const struct field table[TRANSFORM_FIELDS] = {
        {.key = "channels", .count = &spec->channels},
        {.key = "height", .count = &spec->height},
        {.key = "width", .count = &spec->width},
        {.key = "sigma", .number = &spec->sigma},
        {.key = "p", .number = &spec->p},
        {.key = "generator_width", .count = &spec->generator_width},
        {.key = "start", .number = &spec->start},
        {.key = "is_clamped", .flag = &spec->is_clamped},
        {.key = "low", .number = &spec->low},
        {.key = "high", .number = &spec->high},
    };

    memcpy(fields, table, sizeof table);
}

static void keyed_fields(struct keyed_spec *spec, struct field fields[KEYED_FIELDS])
{
    const struct field table[KEYED_FIELDS] = {
        {.key = "has_front", .flag = &spec->has_front},
        {.key = "front_width", .count = &spec->front_width},
        {.key = "coordinates", .coordinates = &spec->coordinates},
        {.key = "rounds", .count = &spec->rounds},
        {.key = "codebook", .is_optional = true, .count = &spec->codebook},
        {.key = "shuffle", .count = &spec->shuffle},
        {.key = "negative", .number = &spec->negative},
        {.key = "has_residual", .flag = &spec->has_residual},
    };

    memcpy(fields, table, sizeof table);
}

/* What only `keyed` has follows the others. */
static size_t all_fields(struct transform_spec *spec, ward_method method,
                         struct field fields[TRANSFORM_FIELDS + KEYED_FIELDS])
{
    transform_fields(spec, fields);
    if (method != WARD_METHOD_KEYED)
        return TRANSFORM_FIELDS;
    keyed_fields(&spec->keyed, fields + TRANSFORM_FIELDS);
    return TRANSFORM_FIELDS + KEYED_FIELDS;
}

ward_status transform_spec_to_json(const struct transform_spec *spec, json_t **out)
{
    struct transform_spec copy = *spec;
    struct field fields[TRANSFORM_FIELDS + KEYED_FIELDS];
    size_t count = all_fields(&copy, spec->method, fields);

    return object_new("method", ward_method_name(spec->method), fields, count, out);
}

ward_status transform_spec_from_json(const json_t *json, struct transform_spec *out)
{
    struct transform_spec spec = {.channels = 0};
    struct field fields[TRANSFORM_FIELDS + KEYED_FIELDS];
    const char *method;
    ward_status st;

    if (!json_is_object(json))
        return ward_fail(WARD_ERR_FORMAT, "a description is not a JSON object");
    st = json_get_string(json, "method", &method);
    if (!st)
        st = ward_method_parse(method, &spec.method);
    if (!st)
        st = fields_get(json, fields, all_fields(&spec, spec.method, fields));
    if (!st)
        st = spec_shape_check(spec.channels, spec.height, spec.width);
    if (!st)
        st = transform_check(&spec);
    if (!st)
        *out = spec;
    return st == WARD_ERR_ARG ? WARD_ERR_FORMAT : st;
}

ward_status spec_transform_graph(struct graph *g, const struct transform_spec *spec)
{
    struct dims image = {1, spec->channels, spec->height, spec->width};

    transform_build(spec, g, graph_input(g, image), false);
    return graph_finish(g);
}
