/* Wrong keys: see wrong_key.h. */
#include "protect/wrong_key.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/rng.h"
#include "protect/keyed.h"

int transform_build_wrong(const struct transform_spec *spec, struct graph *g, int x)
{
    struct keyed_use use = {WRONG_PREFIX, false, false};

    assert(transform_has_tables(spec));
    x = keyed_build(spec, g, x, &use);
    return spec->is_clamped ? graph_clamp(g, x, spec->low, spec->high) : x;
}

/* ---- what is wrong about a key ---- */

struct mistake {
    enum rng_purpose purpose;
    uint64_t seed, step;
    float share; /* of the entries that are right */
};

/* Purposes of the streams of a step. */
enum { STREAM_KEY, STREAM_IMAGE, STREAM_TABLE };

static float draw_share(struct rng *rng)
{
    return rng_below(rng, 2) == 1 ? 0.25f * (float)(1 + rng_below(rng, 3)) : 0;
}

static void stream(const struct mistake *m, struct rng *rng, uint64_t purpose, uint64_t number)
{
    rng_init(rng, m->seed, m->purpose, m->step, number << 8 | purpose);
}

/* ---- tables ---- */

/* The numbers of the entries that change; the caller frees. */
static ward_status draw_changed(const struct mistake *m, struct rng *rng, size_t count,
                                uint32_t **changed, uint32_t *changed_count)
{
    ward_status st = mem_new(changed, count, sizeof **changed);

    *changed_count = 0;
    for (size_t i = 0; i < count && !st; i++)
        if (rng_uniform(rng) >= m->share)
            (*changed)[(*changed_count)++] = (uint32_t)i;
    return st;
}

/* Some entries of an order change places. */
static ward_status mix_order(const struct mistake *m, struct rng *rng, size_t len, float *order)
{
    uint32_t *changed = NULL, count;
    ward_status st = draw_changed(m, rng, len, &changed, &count);

    for (uint32_t i = st ? 0 : count; i-- > 1;) {
        uint32_t j = rng_below(rng, i + 1);
        float kept = order[changed[i]];

        order[changed[i]] = order[changed[j]];
        order[changed[j]] = kept;
    }
    mem_free(changed);
    return st;
}

static void count_up(size_t len, float *order)
{
    for (size_t i = 0; i < len; i++)
        order[i] = (float)i;
}

/* Some blocks change places, whole, and in each block some values. A value is right if both its
 * block and its place there are: the share is a product. */
static ward_status mix_shuffle(const struct mistake *m, struct rng *rng,
                               const struct transform_spec *spec, struct tensor *wrong)
{
    struct mistake both = *m;
    size_t count = shape_count(&wrong->shape), len = keyed_block_len(spec), blocks = count / len;
    float *right = NULL, *order, *inside;
    ward_status st = mem_new(&right, count + blocks + len, sizeof *right);

    if (st)
        return st;
    both.share = sqrtf(m->share);
    order = right + count;
    inside = order + blocks;
    memcpy(right, wrong->data, count * sizeof *right);
    count_up(blocks, order);
    st = mix_order(&both, rng, blocks, order);
    for (size_t b = 0; b < blocks && !st; b++) {
        count_up(len, inside);
        st = mix_order(&both, rng, len, inside);
        for (size_t v = 0; v < len && !st; v++)
            wrong->data[keyed_block_value(spec, b, v)] =
                right[keyed_block_value(spec, (size_t)order[b], (size_t)inside[v])];
    }
    mem_wipe(right, count * sizeof *right);
    mem_free(right);
    return st;
}

static void exchange_rows(float *a, float *b, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        float kept = a[i];

        a[i] = b[i];
        b[i] = kept;
    }
}

static void negate(float *values, size_t len)
{
    for (size_t i = 0; i < len; i++)
        values[i] = -values[i];
}

/* Some rows of a matrix change places and signs, so it stays orthogonal. */
static ward_status mix_rows(const struct mistake *m, struct rng *rng, struct tensor *wrong)
{
    size_t len = wrong->shape.dim[1];
    uint32_t *changed = NULL, count;
    ward_status st = draw_changed(m, rng, wrong->shape.dim[0], &changed, &count);

    for (uint32_t i = st ? 0 : count; i-- > 0;) {
        uint32_t j = rng_below(rng, i + 1);

        if (i != j)
            exchange_rows(wrong->data + changed[i] * len, wrong->data + changed[j] * len, len);
        if (rng_u32(rng) & 1)
            negate(wrong->data + changed[i] * len, len);
    }
    mem_free(changed);
    return st;
}

/* Entry by entry, the right one's or the other's. */
static void mix_entries(const struct mistake *m, struct rng *rng, const struct tensor *other,
                        struct tensor *wrong)
{
    for (size_t i = 0; i < shape_count(&wrong->shape); i++)
        if (rng_uniform(rng) >= m->share)
            wrong->data[i] = other->data[i];
}

static bool is_named(const char *name, const char *start)
{
    return strncmp(name + strlen(WRONG_PREFIX), start, strlen(start)) == 0;
}

/* `wrong` holds the right table, number `number`. What is negative goes with its part of the
 * pattern. */
static ward_status mix(const struct mistake *m, const struct transform_spec *spec, size_t number,
                       const struct tensor *other, struct tensor *wrong)
{
    bool is_image = is_named(wrong->name, "negative") || is_named(wrong->name, "pattern");
    struct rng rng;

    stream(m, &rng, is_image ? STREAM_IMAGE : STREAM_TABLE, is_image ? 0 : number);
    if (is_named(wrong->name, "dense"))
        return wrong->shape.rank == 2 ? mix_rows(m, &rng, wrong) : WARD_OK;
    if (is_named(wrong->name, "shuffle"))
        return mix_shuffle(m, &rng, spec, wrong);
    if (is_named(wrong->name, "order"))
        return mix_order(m, &rng, shape_count(&wrong->shape), wrong->data);
    mix_entries(m, &rng, other, wrong);
    return WARD_OK;
}

static ward_status copy_right(struct tensor_list *list, const struct transform *t)
{
    ward_status st = WARD_OK;

    for (size_t i = 0; i < t->params.count && !st; i++) {
        const struct tensor *right = &t->params.items[i];
        char name[TENSOR_MAX_NAME];
        struct tensor *copy;

        if (!transform_is_derived(right->name))
            continue;
        snprintf(name, sizeof name, "%s%.48s", WRONG_PREFIX, right->name + strlen(KEY_PREFIX));
        st = tensor_list_add(list, name, &right->shape, &copy);
        if (!st)
            memcpy(copy->data, right->data, shape_count(&right->shape) * sizeof(float));
    }
    return st;
}

/* The tables of another key; dense coordinates take too long for every step, and need none. */
static ward_status draw_other(struct tensor_list *list, const struct transform *t, struct rng *rng)
{
    struct transform_spec spec = t->spec;
    uint8_t key[TRANSFORM_SEED_LEN];

    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)rng_below(rng, 256);
    if (spec.keyed.coordinates == WARD_COORDINATES_DENSE)
        spec.keyed.coordinates = WARD_COORDINATES_NONE;
    return keyed_tables(list, WRONG_PREFIX, &spec, key);
}

/* rng goes on where the mistake was drawn from. */
static ward_status make(struct tensor_list *list, const struct transform *t,
                        const struct mistake *m, struct rng *rng)
{
    struct tensor_list wrong = {NULL, 0}, other = {NULL, 0};
    ward_status st;

    assert(transform_has_tables(&t->spec));
    st = draw_other(&other, t, rng);
    if (!st)
        st = copy_right(&wrong, t);
    for (size_t i = 0; i < wrong.count && !st; i++)
        st = mix(m, &t->spec, i, tensor_list_find(&other, wrong.items[i].name), &wrong.items[i]);
    if (!st) {
        *list = wrong;
        wrong = (struct tensor_list){NULL, 0};
    }
    tensor_list_release(&wrong);
    tensor_list_release(&other);
    return st;
}

ward_status wrong_key_draw(struct tensor_list *list, const struct transform *t, uint64_t seed,
                           uint64_t step)
{
    struct mistake mistake = {RNG_WRONG_KEY, seed, step, 0};
    struct rng rng;

    stream(&mistake, &rng, STREAM_KEY, 0);
    mistake.share = draw_share(&rng);
    return make(list, t, &mistake, &rng);
}

static ward_status draw_of_share(struct tensor_list *list, const struct transform *t,
                                 const struct mistake *mistake)
{
    struct rng rng;

    stream(mistake, &rng, STREAM_KEY, 0);
    return make(list, t, mistake, &rng);
}

ward_status wrong_key_of_share(struct tensor_list *list, const struct transform *t, float share,
                               uint64_t seed, uint64_t number)
{
    return draw_of_share(list, t, &(struct mistake){RNG_KEYSPACE, seed, number, share});
}

ward_status wrong_key_to_erase(struct tensor_list *list, const struct transform *t, uint64_t seed,
                               uint64_t number)
{
    return draw_of_share(list, t, &(struct mistake){RNG_ERASURE, seed, number, 0});
}
