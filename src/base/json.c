/* JSON: see json.h. */
#include "base/json.h"

#include <math.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"

ward_status json_parse_object(json_t **out, const char *text, size_t len)
{
    json_error_t error;
    json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);

    if (!json && json_error_code(&error) == json_error_out_of_memory)
        return ward_fail(WARD_ERR_NOMEM, "out of memory");
    if (!json)
        return ward_fail(WARD_ERR_FORMAT, "invalid JSON in line %d: %s", error.line, error.text);
    if (!json_is_object(json)) {
        json_decref(json);
        return ward_fail(WARD_ERR_FORMAT, "invalid JSON: not an object");
    }
    *out = json;
    return WARD_OK;
}

/*
 * The fewest digits that read back as the same double: plain "17 digits" would print 0.1 as
 * 0.10000000000000001. jansson does both conversions, for it knows about locales.
 */
static void write_real(struct wr *wr, const json_t *json)
{
    char text[64];
    size_t len = 0;

    for (unsigned digits = 15; digits <= 17; digits++) {
        json_t *back;
        bool is_same;

        len = json_dumpb(json, text, sizeof(text), JSON_ENCODE_ANY | JSON_REAL_PRECISION(digits));
        back = json_loadb(text, len, JSON_DECODE_ANY, NULL);
        is_same = json_equal(back, json);
        json_decref(back);
        if (is_same)
            break;
    }
    wr_bytes(wr, text, len);
}

static int append(const char *text, size_t len, void *wr)
{
    wr_bytes(wr, text, len);
    return ((struct wr *)wr)->status ? -1 : 0;
}

static void write_leaf(struct wr *wr, const json_t *json)
{
    if (json_is_real(json))
        write_real(wr, json);
    else if (json_dump_callback(json, append, wr, JSON_ENCODE_ANY) != 0 && !wr->status)
        wr->status = ward_fail(WARD_ERR_NOMEM, "cannot write JSON");
}

static void write_separator(struct wr *wr, bool is_first, int indent, int depth)
{
    if (!is_first)
        wr_text(wr, indent > 0 ? "," : ", ");
    if (indent > 0)
        wr_printf(wr, "\n%*s", indent * depth, "");
}

static void write_value(struct wr *wr, const json_t *json, int indent, int depth);

static void write_members(struct wr *wr, json_t *object, int indent, int depth)
{
    bool is_first = true;

    for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
        json_t *key = json_string(json_object_iter_key(at));

        write_separator(wr, is_first, indent, depth);
        if (key)
            write_leaf(wr, key);
        else if (!wr->status)
            wr->status = ward_fail(WARD_ERR_NOMEM, "out of memory");
        json_decref(key);
        wr_text(wr, ": ");
        write_value(wr, json_object_iter_value(at), indent, depth);
        is_first = false;
    }
}

/* Recursion is bounded: jansson parses at most 2048 levels, and what we build has a few. */
static void write_value(struct wr *wr, const json_t *json, int indent, int depth)
{
    bool is_array = json_is_array(json);
    size_t count = is_array ? json_array_size(json) : json_object_size(json);

    if (!is_array && !json_is_object(json)) {
        write_leaf(wr, json);
        return;
    }
    wr_text(wr, is_array ? "[" : "{");
    for (size_t i = 0; is_array && i < count; i++) {
        write_separator(wr, i == 0, indent, depth + 1);
        write_value(wr, json_array_get(json, i), indent, depth + 1);
    }
    if (!is_array)
        write_members(wr, (json_t *)json, indent, depth + 1);
    if (count > 0 && indent > 0)
        wr_printf(wr, "\n%*s", indent * depth, "");
    wr_text(wr, is_array ? "]" : "}");
}

ward_status json_to_text(const json_t *json, int indent, char **out)
{
    struct wr wr = WR_INIT;
    ward_status st;

    write_value(&wr, json, indent, 0);
    wr_u8(&wr, 0);
    st = wr_finish(&wr);
    if (!st) {
        *out = (char *)wr.data;
        wr = (struct wr)WR_INIT;
    }
    wr_release(&wr);
    return st;
}

ward_status json_set(json_t *object, const char *key, json_t *value)
{
    if (!value || json_object_set_new(object, key, value) != 0)
        return ward_fail(WARD_ERR_NOMEM, "cannot store '%s': out of memory or not representable",
                         key);
    return WARD_OK;
}

json_t *json_object_of(const struct json_member *members, size_t count)
{
    json_t *object = json_object();
    ward_status st = object ? WARD_OK : WARD_ERR_NOMEM;

    for (size_t i = 0; i < count; i++) {
        if (st)
            json_decref(members[i].value);
        else
            st = json_set(object, members[i].key, members[i].value);
    }
    if (!st)
        return object;
    json_decref(object);
    return NULL;
}

json_t *json_real_or_null(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *json_interval_or_null(double value, double low, double high)
{
    return isfinite(value) ? json_pack("[f, f]", low, high) : json_null();
}

static ward_status get(const json_t *object, const char *key, const json_t **value)
{
    *value = json_object_get(object, key);
    return *value ? WARD_OK : ward_fail(WARD_ERR_FORMAT, "'%s' is missing", key);
}

ward_status json_get_string(const json_t *object, const char *key, const char **out)
{
    const json_t *value;
    ward_status st = get(object, key, &value);

    if (st)
        return st;
    if (!json_is_string(value))
        return ward_fail(WARD_ERR_FORMAT, "'%s' is not a string", key);
    *out = json_string_value(value);
    return WARD_OK;
}

ward_status json_get_u64(const json_t *object, const char *key, uint64_t max, uint64_t *out)
{
    const json_t *value;
    ward_status st = get(object, key, &value);

    if (st)
        return st;
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return ward_fail(WARD_ERR_FORMAT, "'%s' is not a whole number from 0", key);
    if ((uint64_t)json_integer_value(value) > max)
        return ward_fail(WARD_ERR_FORMAT, "'%s' is larger than %ju", key, (uintmax_t)max);
    *out = (uint64_t)json_integer_value(value);
    return WARD_OK;
}

ward_status json_get_real(const json_t *object, const char *key, double *out)
{
    const json_t *value;
    ward_status st = get(object, key, &value);

    if (st)
        return st;
    if (!json_is_number(value) || !isfinite(json_number_value(value)))
        return ward_fail(WARD_ERR_FORMAT, "'%s' is not a number", key);
    *out = json_number_value(value);
    return WARD_OK;
}

ward_status json_get_bool(const json_t *object, const char *key, bool *out)
{
    const json_t *value;
    ward_status st = get(object, key, &value);

    if (st)
        return st;
    if (!json_is_boolean(value))
        return ward_fail(WARD_ERR_FORMAT, "'%s' is not true or false", key);
    *out = json_is_true(value);
    return WARD_OK;
}

ward_status json_get_fraction(const json_t *object, const char *key, double *out)
{
    double value = 0;
    ward_status st = json_get_real(object, key, &value);

    if (!st && !(value >= 0 && value <= 1))
        st = ward_fail(WARD_ERR_FORMAT, "'%s' is not in 0 to 1", key);
    if (!st)
        *out = value;
    return st;
}

ward_status json_get_fraction_or_null(const json_t *object, const char *key, double *out)
{
    if (!json_is_null(json_object_get(object, key)))
        return json_get_fraction(object, key, out);
    *out = (double)NAN;
    return WARD_OK;
}

ward_status json_match_string(const json_t *object, const char *key, const char *expected)
{
    const char *text = "";
    ward_status st = json_get_string(object, key, &text);

    if (!st && strcmp(text, expected) != 0)
        st = ward_fail(WARD_ERR_EXISTS, "'%s' is '%.64s' there, not '%s'", key, text, expected);
    return st;
}

ward_status json_match_u64(const json_t *object, const char *key, uint64_t expected)
{
    uint64_t value = 0;
    ward_status st = json_get_u64(object, key, INT64_MAX, &value);

    if (!st && value != expected)
        st = ward_fail(WARD_ERR_EXISTS, "'%s' is %ju there, not %ju", key, (uintmax_t)value,
                       (uintmax_t)expected);
    return st;
}

ward_status json_match_real(const json_t *object, const char *key, double expected)
{
    double value = 0;
    ward_status st = json_get_real(object, key, &value);

    if (!st && (value < expected || value > expected))
        st = ward_fail(WARD_ERR_EXISTS, "'%s' is %g there, not %g", key, value, expected);
    return st;
}
