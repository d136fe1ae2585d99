/*
 * JSON through jansson, the only way it enters the library: strict parsing (duplicate keys and
 * trailing text refused), floats printed so that they read back the same.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* Parse len bytes of an object. *out is owned: json_decref(). WARD_ERR_FORMAT says the line. */
WARD_CHECK ward_status json_parse_object(json_t **out, const char *text, size_t len);

/* Compact (indent 0) or indented text with a sorted-as-inserted key order; owned: mem_free(). */
WARD_CHECK ward_status json_to_text(const json_t *json, int indent, char **out);

/*
 * Set object[key]; steals value. A NULL value (jansson's way to say out of memory) gives
 * WARD_ERR_NOMEM, so json_set(o, "k", json_real(x)) needs no check in between.
 */
WARD_CHECK ward_status json_set(json_t *object, const char *key, json_t *value);

/* An object of members, in their order; steals their values. NULL if out of memory, as jansson. */
struct json_member {
    const char *key;
    json_t *value;
};
json_t *json_object_of(const struct json_member *members, size_t count);
#define JSON_OBJECT_OF(members) json_object_of(members, sizeof members / sizeof members[0])

/* A number, or null for NaN and the infinities, which are no numbers of JSON. */
json_t *json_real_or_null(double value);

/* [low, high] around a value, or null where there is no value. */
json_t *json_interval_or_null(double value, double low, double high);

/*
 * Read object[key] with its type and range checked; WARD_ERR_FORMAT names the key. Out-values are
 * written only on success. Strings are borrowed from the object.
 */
WARD_CHECK ward_status json_get_string(const json_t *object, const char *key, const char **out);
WARD_CHECK ward_status json_get_u64(const json_t *object, const char *key, uint64_t max,
                                    uint64_t *out);
WARD_CHECK ward_status json_get_real(const json_t *object, const char *key, double *out);
WARD_CHECK ward_status json_get_bool(const json_t *object, const char *key, bool *out);

/* A number in 0 to 1; the other takes null, too, and gives NaN for it. */
WARD_CHECK ward_status json_get_fraction(const json_t *object, const char *key, double *out);
WARD_CHECK ward_status json_get_fraction_or_null(const json_t *object, const char *key,
                                                 double *out);

/* Read object[key] and compare: WARD_ERR_EXISTS, naming the key and both, where it is another. */
WARD_CHECK ward_status json_match_string(const json_t *object, const char *key,
                                         const char *expected);
WARD_CHECK ward_status json_match_u64(const json_t *object, const char *key, uint64_t expected);
WARD_CHECK ward_status json_match_real(const json_t *object, const char *key, double expected);

#endif
