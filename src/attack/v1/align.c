/*
 * A17, align: a lock that turns images into other coordinates turns the first layer of F with
 * them. So the directions in which that layer is strongest are matched, strongest to strongest,
 * with the principal axes of raw images (or of raw patches, for a convolution). What stays open is
 * learned through F, from labels or by InfoMax: signs, order, mixing. Where a batch norm follows
 * the layer, its running mean says something of the signs, too.
 *
 * A dense layer gets a map in front: onto the axes, a small matrix that is learned, onto the
 * layer's directions. A convolution is small enough to be replaced, and learned as a whole.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "attack/search.h"
#include "attack/v1/first_layer.h"

static const float slope = 0.1f; /* of shut ReLUs, in another backward pass */

/* ---- a map in front of a dense layer ---- */

struct variant {
    unsigned effort; /* from which on */
    bool has_fitted_signs, is_whitened;
};

static int build_front(const struct classifier *c, struct graph *g, int x, int *front)
{
    struct dims d = graph_dims(g, x);

    x = graph_dense(g, x, "transform.axes", c->block, false);
    x = graph_dense(g, x, "transform.mix", c->block, false);
    x = graph_dense(g, x, "transform.directions", d.c * d.h * d.w, false);
    *front = graph_permute(g, x, NULL, d);
    return net_build(&c->net, g, *front, c->use);
}

static ward_status add_dense(struct tensor_list *params, const char *name, size_t outs, size_t ins,
                             float **weight, float **bias)
{
    char full[TENSOR_MAX_NAME];
    struct shape w = shape_make(2, outs, ins, 1, 1), b = shape_make(1, outs, 1, 1, 1);
    struct tensor *t;
    ward_status st;

    snprintf(full, sizeof full, "%s.weight", name);
    st = tensor_list_add(params, full, &w, &t);
    if (st)
        return st;
    *weight = t->data;
    snprintf(full, sizeof full, "%s.bias", name);
    st = tensor_list_add(params, full, &b, &t);
    if (!st)
        *bias = t->data;
    return st;
}

static ward_status fill_front(const struct align *a, const struct variant *v,
                              struct tensor_list *params)
{
    float *axes, *axes_bias, *mix, *directions, *unused;
    ward_status st = add_dense(params, "transform.axes", a->r, a->ins, &axes, &axes_bias);

    if (!st)
        st = add_dense(params, "transform.mix", a->r, a->r, &mix, &unused);
    if (!st)
        st = add_dense(params, "transform.directions", a->ins, a->r, &directions, &unused);
    for (size_t i = 0; i < a->r && !st; i++) {
        axes_bias[i] = v->has_fitted_signs ? 0 : (float)-align_mean_along(a, i);
        mix[i * a->r + i] =
            (float)(v->is_whitened ? a->signs[i] / fmax(a->spread[i], 1e-6) : a->signs[i]);
        for (size_t j = 0; j < a->ins; j++) {
            axes[i * a->ins + j] = (float)a->axes[i * a->ins + j];
            directions[j * a->r + i] = (float)a->directions[i * a->ins + j];
        }
    }
    return st ? st : thief_network(a->thief, params);
}

/* ---- a convolution replaced ---- */

static ward_status fill_layer(const struct align *a, const struct variant *v,
                              struct tensor_list *params)
{
    ward_status st = thief_network(a->thief, params);
    float *weight = st ? NULL : tensor_list_find(params, a->weight_name)->data;

    for (size_t o = 0; o < a->outs && !st; o++)
        for (size_t j = 0; j < a->ins; j++) {
            double sum = 0;

            for (size_t i = 0; i < a->r; i++)
                sum += a->signs[i] * a->seen[o * a->r + i] * a->axes[i * a->ins + j] /
                       (v->is_whitened ? fmax(a->spread[i], 1e-6) : 1);
            weight[o * a->ins + j] = (float)sum;
        }
    return st;
}

/* ---- all of it ---- */

static ward_status try_variant(struct align *a, const struct search_loss *loss,
                               const struct variant *v, uint32_t use, float leak)
{
    const bool is_conv = a->layer->kind == OP_CONV;
    char layer[TENSOR_MAX_NAME];
    struct tensor_list params = {NULL, 0};
    struct search s = {
        .thief = a->thief,
        .classifier = classifier_of(&a->thief->network->spec, NULL),
        .loss = loss,
        .trained = is_conv ? layer : "transform.mix",
        .rate = 0.003,
        .bound = (double)NAN,
        .leak = leak,
    };
    ward_status st = WARD_OK;

    snprintf(layer, sizeof layer, "%.*s.", (int)strcspn(a->weight_name, "."), a->weight_name);
    snprintf(s.what, sizeof s.what, "%zu axes, %s signs%s%s", a->r,
             v->has_fitted_signs ? "fitted" : "drawn", v->is_whitened ? ", whitened" : "",
             leak > 0 ? ", leaky backward" : "");
    if (!is_conv) {
        s.classifier.build = build_front;
        s.classifier.block = a->r;
    }
    align_draw_signs(a, use);
    if (v->has_fitted_signs)
        st = align_fit_signs(a);
    if (!st)
        st = is_conv ? fill_layer(a, v, &params) : fill_front(a, v, &params);
    if (!st)
        st = search_run(&s, &params);
    tensor_list_release(&params);
    return st;
}

static ward_status attempt(struct thief *t, const struct search_loss *loss)
{
    static const struct variant variants[] = {
        {1, false, false}, {1, true, false},  {1, false, true}, {2, false, false},
        {2, true, true},   {3, false, false}, {3, false, true}, {3, false, false},
    };
    struct align a;
    ward_status st = align_open(&a, t);

    for (uint32_t i = 0; i < sizeof variants / sizeof variants[0] && !st; i++) {
        const struct variant *v = &variants[i];

        if (v->effort > t->budget->effort || (v->has_fitted_signs && !a.norm))
            continue;
        st = try_variant(&a, loss, v, i, 0);
        if (!st && t->budget->effort > 1)
            st = try_variant(&a, loss, v, i, slope);
    }
    align_close(&a);
    return st;
}

static ward_status attempt_labelled(struct thief *t)
{
    return attempt(t, &search_labels);
}

static ward_status attempt_unlabelled(struct thief *t)
{
    return attempt(t, &search_infomax);
}

const struct raid raid_align_labelled = {
    .name = "align",
    .id = "A17",
    .knows = WARD_KNOWS_LABELLED,
    .methods = ATTACK_ALL_METHODS,
    .attempt = attempt_labelled,
};

const struct raid raid_align_unlabelled = {
    .name = "align",
    .id = "A17",
    .knows = WARD_KNOWS_UNLABELLED,
    .methods = ATTACK_ALL_METHODS,
    .attempt = attempt_unlabelled,
};
