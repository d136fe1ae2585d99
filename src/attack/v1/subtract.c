/*
 * A11, subtract: G read off pairs, without F. A pattern that is added falls to one pair, or to some
 * where it is clamped or noisy; an affine G of d values falls to d + 1 pairs, and fewer say what it
 * does in the directions that they show.
 */
#include <math.h>
#include <stdio.h>

#include "tensor/linear.h"
#include "attack/redteam.h"
#include "base/mem.h"
#include "base/util.h"

enum { MAX_PAIRS = 4096, MAX_VALUES = 4096 };

static const char affine[] = "transform.affine";

/* The pairs that are held, all in memory. */
struct held {
    struct thief *thief;
    size_t count, len;
    float *x, *y; /* [count, len] */
};

static ward_status held_open(struct held *h, struct thief *t)
{
    const struct net_spec *image = &t->network->spec;
    ward_status st;

    *h = (struct held){.thief = t,
                       .count = min_size(t->images->count, MAX_PAIRS),
                       .len = image->channels * image->height * image->width};
    st = mem_new(&h->x, h->count * h->len, sizeof *h->x);
    if (!st)
        st = mem_new(&h->y, h->count * h->len, sizeof *h->y);
    if (!st)
        st = batch_read(t->images, 0, h->count, h->x, NULL);
    return st ? st : thief_process(t, h->count, h->x, h->y);
}

static void held_close(struct held *h)
{
    if (h->y)
        mem_wipe(h->y, h->count * h->len * sizeof *h->y);
    mem_free(h->x);
    mem_free(h->y);
}

/* ---- patterns ---- */

static float mean_difference(const struct held *h, size_t at, size_t count)
{
    double sum = 0;

    for (size_t s = 0; s < count; s++)
        sum += (double)h->y[s * h->len + at] - (double)h->x[s * h->len + at];
    return (float)(sum / (double)count);
}

/* What a clamp has cut off of one image it has not of another. */
static float largest_difference(const struct held *h, size_t at, size_t count)
{
    float largest = 0;

    for (size_t s = 0; s < count; s++) {
        float difference = h->y[s * h->len + at] - h->x[s * h->len + at];

        if (fabsf(difference) > fabsf(largest))
            largest = difference;
    }
    return largest;
}

static ward_status try_pattern(const struct held *h, size_t count, const char *what,
                               float (*estimate)(const struct held *, size_t, size_t))
{
    struct thief *t = h->thief;
    const struct transform_spec spec = thief_pattern(t, 0);
    const struct classifier forged = classifier_of(&t->network->spec, &spec);
    struct transform pattern = {.params = {NULL, 0}};
    ward_status st = thief_transform(t, &spec, 0, &pattern);

    for (size_t i = 0; i < h->len && !st; i++)
        pattern.params.items[0].data[i] = estimate(h, i, count);
    if (!st)
        st = thief_network(t, &pattern.params);
    if (!st)
        st = thief_offer_as(t, &forged, &pattern.params, what);
    transform_release(&pattern);
    return st;
}

static ward_status try_patterns(const struct held *h)
{
    ward_status st = try_pattern(h, 1, "one pair", mean_difference);

    if (!st && h->count > 1)
        st = try_pattern(h, h->count, "mean of the pairs", mean_difference);
    if (!st && h->count > 1)
        st = try_pattern(h, h->count, "largest difference", largest_difference);
    return st;
}

/* ---- affine maps ---- */

static int build_affine(const struct classifier *c, struct graph *g, int x, int *front)
{
    struct dims d = graph_dims(g, x);

    *front = graph_permute(g, graph_dense(g, x, affine, d.c * d.h * d.w, false), NULL, d);
    return net_build(&c->net, g, *front, c->use);
}

static ward_status try_affine(const struct held *h, double ridge)
{
    struct thief *t = h->thief;
    struct shape weight = shape_make(2, h->len, h->len, 1, 1);
    struct shape bias = shape_make(1, h->len, 1, 1, 1);
    struct classifier forged = classifier_of(&t->network->spec, NULL);
    struct tensor_list params = {NULL, 0};
    char what[WARD_REDTEAM_WORDS];
    ward_status st = tensor_list_add(&params, "transform.affine.weight", &weight, NULL);

    forged.build = build_affine;
    snprintf(what, sizeof what, "affine, ridge %g", ridge);
    if (!st)
        st = tensor_list_add(&params, "transform.affine.bias", &bias, NULL);
    if (!st)
        st = affine_fit(h->count, h->len, h->x, h->y, ridge, params.items[0].data,
                        params.items[1].data);
    if (!st)
        st = thief_network(t, &params);
    if (!st)
        st = thief_offer_as(t, &forged, &params, what);
    tensor_list_release(&params);
    return st;
}

static ward_status try_affines(const struct held *h)
{
    static const double ridges[] = {1e-4, 1e-1, 1e-2};
    ward_status st = WARD_OK;

    if (h->count < 2 || h->len > MAX_VALUES)
        return WARD_OK;
    for (size_t i = 0; i < h->thief->budget->effort && !st; i++) {
        st = thief_go_on(h->thief);
        if (!st)
            st = try_affine(h, ridges[i]);
    }
    return st;
}

static ward_status attempt(struct thief *t)
{
    struct held held;
    ward_status st = held_open(&held, t);

    if (!st)
        st = try_patterns(&held);
    if (!st)
        st = try_affines(&held);
    held_close(&held);
    return st;
}

const struct raid raid_subtract = {
    .name = "subtract",
    .id = "A11",
    .knows = WARD_KNOWS_PAIRS,
    .methods = ATTACK_ALL_PROTECTED,
    .attempt = attempt,
};
