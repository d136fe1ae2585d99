/*
 * A5 against a lock with secret coordinates: a front-end like G's, and any linear map of all its
 * values in the place of what follows from the key, trained through F with labels; and (A12) with
 * pairs. Then F itself along with them, as a thief need not keep it.
 */
#include <math.h>
#include <stdio.h>

#include "attack/v1/copy.h"

enum { MAX_VALUES = 4096 };

static const struct variant {
    unsigned effort; /* from which on */
    double rate;
    bool trains_all; /* F, too */
    float leak;
} variants[] = {
    {1, 1e-3, false, 0}, {1, 1e-3, true, 0},     {2, 3e-4, false, 0},
    {2, 3e-4, true, 0},  {2, 1e-3, false, 0.1f}, {3, 3e-3, false, 0},
};

enum { VARIANTS = sizeof variants / sizeof variants[0] };

/* G's, without anything that a key gives. */
static struct transform_spec front_of(const struct thief *t)
{
    struct transform_spec spec = *t->own;

    spec.sigma = 0;
    spec.is_clamped = false;
    spec.keyed = (struct keyed_spec){.has_front = t->own->keyed.has_front,
                                     .front_width = t->own->keyed.front_width};
    return spec;
}

static int build(const struct classifier *c, struct graph *g, int x, int *front)
{
    struct dims d = graph_dims(g, x);

    x = transform_build(&c->transform, g, x, false);
    x = graph_dense(g, x, "transform.map", d.c * d.h * d.w, false);
    *front = graph_permute(g, x, NULL, d);
    return net_build(&c->net, g, *front, c->use);
}

/* About orthogonal, as what it stands for is. */
static ward_status draw_map(const struct thief *t, size_t len, struct tensor_list *params)
{
    struct shape weight = shape_make(2, len, len, 1, 1), bias = shape_make(1, len, 1, 1, 1);
    struct tensor *w;
    struct rng rng;
    ward_status st = tensor_list_add(params, "transform.map.weight", &weight, &w);

    thief_rng(t, UINT32_C(1) << 30, &rng);
    for (size_t i = 0; i < len * len && !st; i++)
        w->data[i] = rng_normal(&rng) / sqrtf((float)len);
    return st ? st : tensor_list_add(params, "transform.map.bias", &bias, NULL);
}

static ward_status try_variant(struct thief *t, const struct search_loss *loss,
                               const struct variant *v, uint32_t use)
{
    const struct transform_spec spec = front_of(t);
    struct copy context = {.weight = 10};
    struct transform made = {.params = {NULL, 0}};
    struct search s = {
        .thief = t,
        .classifier = classifier_of(&t->network->spec, &spec),
        .loss = loss,
        .trained = v->trains_all ? "" : "transform.",
        .rate = v->rate,
        .bound = (double)NAN,
        .trains_network = true,
        .augments = loss == &search_labels,
        .leak = v->leak,
        .context = &context,
    };
    ward_status st = thief_transform(t, &spec, use, &made);

    s.classifier.build = build;
    snprintf(s.what, sizeof s.what, "%s, rate %g%s",
             v->trains_all ? "a front, a map and all" : "a front and a map", v->rate,
             v->leak > 0 ? ", leaky backward" : "");
    if (!st)
        st = draw_map(t, spec.channels * spec.height * spec.width, &made.params);
    if (!st)
        st = thief_network(t, &made.params);
    if (!st)
        st = search_run(&s, &made.params);
    transform_release(&made);
    return st;
}

static ward_status attempt(struct thief *t, const struct search_loss *loss)
{
    const struct classifier stolen = classifier_of(&t->network->spec, NULL);
    ward_status st = WARD_OK;

    if (t->own->channels * t->own->height * t->own->width > MAX_VALUES)
        return thief_offer_as(t, &stolen, &t->network->params, "too many values for a map");
    for (uint32_t i = 0; i < VARIANTS && !st; i++)
        if (variants[i].effort <= t->budget->effort)
            st = try_variant(t, loss, &variants[i], i);
    return st;
}

static ward_status attempt_labelled(struct thief *t)
{
    return attempt(t, &search_labels);
}

static ward_status attempt_pairs(struct thief *t)
{
    return attempt(t, &copy_through);
}

const struct raid raid_front_map_labelled = {
    .name = "front-map",
    .id = "A5",
    .knows = WARD_KNOWS_LABELLED,
    .needs_own = true,
    .methods = 1u << WARD_METHOD_KEYED,
    .attempt = attempt_labelled,
};

const struct raid raid_front_map_pairs = {
    .name = "front-map",
    .id = "A12",
    .knows = WARD_KNOWS_PAIRS,
    .needs_own = true,
    .methods = 1u << WARD_METHOD_KEYED,
    .attempt = attempt_pairs,
};
