/*
 * The table of methods, and what all transforms have in common: the range of their settings, where
 * their secret values come from, and the clamp at their end.
 */
#include "protect/transform.h"

#include <assert.h>
#include <math.h>

#include "base/mem.h"
#include "base/rng.h"
#include "key/draw.h"
#include "protect/keyed.h"
#include "protect/method.h"

static_assert((int)TRANSFORM_SEED_LEN == (int)DRAW_SEED_LEN, "G is drawn from one whole seed");

enum { METHOD_COUNT = WARD_METHOD_KEYED + 1 };

static const struct {
    const char *name;
    const struct method *method; /* NULL: no transform */
} methods[METHOD_COUNT] = {
    [WARD_METHOD_BASELINE] = {"baseline", NULL},
    [WARD_METHOD_FIXED] = {"fixed", &method_fixed},
    [WARD_METHOD_LEARNED] = {"learned", &method_learned},
    [WARD_METHOD_GENERATOR] = {"generator", &method_generator},
    [WARD_METHOD_KEYED] = {"keyed", &method_keyed},
};

static bool method_is_known(ward_method method)
{
    return (int)method >= 0 && (int)method < METHOD_COUNT;
}

const char *ward_method_name(ward_method method)
{
    return method_is_known(method) ? methods[method].name : NULL;
}

ward_status ward_method_parse(const char *name, ward_method *out)
{
    for (int i = 0; i < METHOD_COUNT; i++)
        if (strcmp(name, methods[i].name) == 0) {
            *out = (ward_method)i;
            return WARD_OK;
        }
    return ward_fail(WARD_ERR_ARG,
                     "unknown method '%s': baseline, fixed, learned, generator or keyed", name);
}

static const char *const coordinates[] = {
    [WARD_COORDINATES_NONE] = "none",
    [WARD_COORDINATES_DENSE] = "dense",
    [WARD_COORDINATES_CASCADE] = "cascade",
};

const char *coordinates_name(ward_coordinates c)
{
    return coordinates[c];
}

ward_status coordinates_parse(const char *name, ward_coordinates *out)
{
    for (size_t i = 0; i < sizeof coordinates / sizeof coordinates[0]; i++)
        if (strcmp(name, coordinates[i]) == 0) {
            *out = (ward_coordinates)i;
            return WARD_OK;
        }
    return ward_fail(WARD_ERR_ARG, "unknown coordinates '%.32s': none, dense or cascade", name);
}

static bool keyed_specs_are_equal(const struct keyed_spec *a, const struct keyed_spec *b)
{
    return a->has_front == b->has_front && a->front_width == b->front_width &&
           a->coordinates == b->coordinates && a->rounds == b->rounds &&
           a->codebook == b->codebook && a->shuffle == b->shuffle && a->negative == b->negative &&
           a->has_residual == b->has_residual;
}

bool transform_specs_are_equal(const struct transform_spec *a, const struct transform_spec *b)
{
    return a->method == b->method && a->channels == b->channels && a->height == b->height &&
           a->width == b->width && a->sigma == b->sigma && a->p == b->p &&
           a->generator_width == b->generator_width && a->start == b->start &&
           a->is_clamped == b->is_clamped && a->low == b->low && a->high == b->high &&
           (a->method != WARD_METHOD_KEYED || keyed_specs_are_equal(&a->keyed, &b->keyed));
}

ward_status transform_check(const struct transform_spec *spec)
{
    size_t count;

    if (!method_is_known(spec->method) || !methods[spec->method].method)
        return ward_fail(WARD_ERR_ARG, "method %d has no transform", (int)spec->method);
    if (spec->channels == 0 || !mul_size(spec->channels, spec->height, &count) ||
        !mul_size(count, spec->width, &count) || count == 0 || count > TRANSFORM_MAX_PIXELS)
        return ward_fail(WARD_ERR_ARG, "no transform of images of %zu x %zu x %zu", spec->channels,
                         spec->height, spec->width);
    if (!isfinite(spec->start) || spec->start < 0)
        return ward_fail(WARD_ERR_ARG, "start of %g: not a finite number from 0",
                         (double)spec->start);
    if (spec->is_clamped &&
        !(isfinite(spec->low) && isfinite(spec->high) && spec->low < spec->high))
        return ward_fail(WARD_ERR_ARG, "cannot clamp to [%g, %g]", (double)spec->low,
                         (double)spec->high);
    return methods[spec->method].method->check(spec);
}

bool transform_has_tables(const struct transform_spec *spec)
{
    const struct keyed_spec *k = &spec->keyed;

    return spec->method == WARD_METHOD_KEYED &&
           (k->codebook > 0 || k->shuffle > 0 || k->negative > 0 || spec->sigma > 0 ||
            k->coordinates != WARD_COORDINATES_NONE);
}

bool transform_is_disclosed_by_pairs(const struct transform_spec *spec)
{
    return spec->method != WARD_METHOD_KEYED ||
           (!spec->keyed.has_front && !spec->keyed.has_residual);
}

ward_status transform_init(struct transform *t, const struct transform_spec *spec,
                           const uint8_t seed[TRANSFORM_SEED_LEN])
{
    struct transform made = {.spec = *spec};
    ward_status st = transform_check(spec);

    if (st)
        return st;
    memcpy(made.seed, seed, TRANSFORM_SEED_LEN);
    st = methods[spec->method].method->init(&made);
    if (st)
        goto done;

    *t = made;
    mem_wipe(&made, sizeof made);
done:
    transform_release(&made);
    return st;
}

ward_status transform_init_public(struct transform *t, const struct transform_spec *spec,
                                  struct rng *rng)
{
    uint8_t seed[TRANSFORM_SEED_LEN];

    for (size_t i = 0; i < sizeof seed; i++)
        seed[i] = (uint8_t)rng_u32(rng);
    return transform_init(t, spec, seed);
}

ward_status method_add_normal(struct transform *t, const char *name, struct shape shape,
                              const char *label, float deviation)
{
    struct tensor *tensor;
    struct draw draw;
    ward_status st = tensor_list_add(&t->params, name, &shape, &tensor);

    if (!st)
        st = draw_init(&draw, t->seed, label);
    if (st)
        return st;
    for (size_t i = 0; i < shape_count(&shape); i++)
        tensor->data[i] = deviation * draw_normal(&draw);
    draw_release(&draw);
    return WARD_OK;
}

/* ---- what follows from the seed alone ---- */

bool transform_is_derived(const char *name)
{
    return strncmp(name, KEY_PREFIX, strlen(KEY_PREFIX)) == 0;
}

ward_status transform_derive(struct transform *t)
{
    return t->spec.method == WARD_METHOD_KEYED
               ? keyed_tables(&t->params, KEY_PREFIX, &t->spec, t->seed)
               : WARD_OK;
}

struct tensor_list transform_stored(const struct transform *t)
{
    struct tensor_list stored = t->params;

    while (stored.count > 0 && transform_is_derived(stored.items[stored.count - 1].name))
        stored.count--;
    return stored;
}

ward_status transform_set_key(struct transform *t, const uint8_t key[TRANSFORM_SEED_LEN])
{
    struct tensor_list tables = {NULL, 0};
    ward_status st = WARD_OK;

    if (t->spec.method == WARD_METHOD_KEYED)
        st = keyed_tables(&tables, KEY_PREFIX, &t->spec, key);
    for (size_t i = 0; i < tables.count && !st; i++) {
        struct tensor *table = tensor_list_find(&t->params, tables.items[i].name);

        memcpy(table->data, tables.items[i].data, shape_count(&table->shape) * sizeof(float));
    }
    if (!st && t->spec.method == WARD_METHOD_KEYED)
        memcpy(t->seed, key, sizeof t->seed);
    tensor_list_release(&tables);
    return st;
}

void transform_release(struct transform *t)
{
    tensor_list_release(&t->params);
    mem_wipe(t, sizeof *t);
}

int transform_build(const struct transform_spec *spec, struct graph *g, int x, bool is_frozen)
{
    assert(method_is_known(spec->method) && methods[spec->method].method);
    x = methods[spec->method].method->build(spec, g, x, is_frozen);
    return spec->is_clamped ? graph_clamp(g, x, spec->low, spec->high) : x;
}
