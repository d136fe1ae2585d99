/*
 * A17, align: a lock that turns images into other coordinates turns the first layer of F with them.
 * So the directions in which that layer is strongest are matched, strongest to strongest, with the
 * principal axes of raw images (or of raw patches, for a convolution). What stays open is learned
 * through F, from labels or by InfoMax: signs, order, mixing. Where a batch norm follows the layer,
 * its running mean says something of the signs, too.
 *
 * A dense layer gets a map in front: onto the axes, a small matrix that is learned, onto the layer's
 * directions. A convolution is small enough to be replaced, and learned as a whole.
 */
#include <math.h>
#include <stdio.h>

#include "attack/linear.h"
#include "attack/search.h"
#include "base/mem.h"
#include "base/util.h"

enum { POINTS = 2000, SWEEPS = 10 };

static const size_t most_axes[] = {32, 64, 200}; /* by effort */

struct align {
    struct thief *thief;
    struct graph graph;        /* of F */
    const struct op_desc *layer, *norm; /* the first with weights; the batch norm behind it or NULL */
    const char *weight_name;
    const struct tensor *weight; /* [outs, ins] */
    size_t outs, ins, points, r;
    float *x;                  /* [points, ins], around zero */
    double *mean;              /* [ins] */
    double *axes, *spread;     /* [r, ins], [r]: of images */
    double *directions;        /* [r, ins]: of the layer */
    double *seen;              /* [outs, r]: what the layer makes of its directions */
    double *signs;             /* [r] */
};

/* ---- F's first layer ---- */

static void find_layer(struct align *a)
{
    const struct graph *g = &a->graph;
    size_t at = 0;

    while (g->nodes[at].kind != OP_CONV && g->nodes[at].kind != OP_DENSE)
        at++;
    a->layer = &g->nodes[at];
    a->weight_name = g->params[a->layer->param[0]].name;
    a->weight = tensor_list_find(&a->thief->network->params, a->weight_name);
    a->outs = a->weight->shape.dim[0];
    a->ins = shape_count(&a->weight->shape) / a->outs;
    for (size_t i = at + 1; i < g->node_count && !a->norm; i++)
        if (g->nodes[i].kind == OP_BATCH_NORM && g->nodes[i].input[0] == (int)at)
            a->norm = &g->nodes[i];
}

/* ---- raw images or patches ---- */

static void cut_patch(const struct align *a, const float *image, struct rng *rng, float *out)
{
    const struct net_spec *spec = &a->thief->network->spec;
    size_t k = a->layer->kernel;
    size_t top = rng_below(rng, (uint32_t)(spec->height - k + 1));
    size_t start = rng_below(rng, (uint32_t)(spec->width - k + 1));

    for (size_t c = 0; c < spec->channels; c++)
        for (size_t i = 0; i < k; i++)
            for (size_t j = 0; j < k; j++)
                *out++ = image[(c * spec->height + top + i) * spec->width + start + j];
}

static ward_status read_points(struct align *a)
{
    const struct net_spec *spec = &a->thief->network->spec;
    const struct split *images = a->thief->images, *others = a->thief->unlabelled;
    size_t own = images->count, count = own + others->count;
    bool is_conv = a->layer->kind == OP_CONV;
    float *image = NULL;
    struct rng rng;
    ward_status st = mem_new(&image, spec->channels * spec->height * spec->width, sizeof *image);

    thief_rng(a->thief, UINT32_C(1) << 30, &rng);
    for (size_t i = 0; i < a->points && !st; i++) {
        size_t at = i % count;
        const struct split *from = at < own ? images : others;

        st = batch_read(from, at < own ? at : at - own, 1, image, NULL);
        if (!st && is_conv)
            cut_patch(a, image, &rng, a->x + i * a->ins);
        else if (!st)
            memcpy(a->x + i * a->ins, image, a->ins * sizeof *image);
    }
    mem_free(image);
    for (size_t i = 0; i < a->points * a->ins && !st; i++)
        a->mean[i % a->ins] += (double)a->x[i] / (double)a->points;
    for (size_t i = 0; i < a->points * a->ins && !st; i++)
        a->x[i] -= (float)a->mean[i % a->ins];
    return st;
}

/* ---- axes and directions ---- */

static ward_status find_axes(struct align *a)
{
    struct rng rng;
    ward_status st;

    thief_rng(a->thief, (UINT32_C(1) << 30) + 1, &rng);
    st = principal_axes(a->points, a->ins, a->x, a->r, &rng, a->axes, a->spread);
    if (!st)
        st = thief_go_on(a->thief);
    if (!st)
        st = principal_axes(a->outs, a->ins, a->weight->data, a->r, &rng, a->directions, NULL);
    for (size_t i = 0; i < a->r && !st; i++) {
        a->spread[i] /= sqrt((double)a->points);
        for (size_t o = 0; o < a->outs; o++)
            for (size_t j = 0; j < a->ins; j++)
                a->seen[o * a->r + i] +=
                    (double)a->weight->data[o * a->ins + j] * a->directions[i * a->ins + j];
    }
    return st;
}

static ward_status align_open(struct align *a, struct thief *t)
{
    ward_status st;

    *a = (struct align){.thief = t};
    graph_init(&a->graph);
    st = net_graph(&a->graph, &t->network->spec);
    if (st)
        return st;
    find_layer(a);
    a->points = a->layer->kind == OP_CONV
                    ? POINTS
                    : min_size(POINTS, t->images->count + t->unlabelled->count);
    a->r = min_size(min_size(a->ins, a->outs),
                    min_size(a->points, most_axes[t->budget->effort - 1]));
    st = mem_new(&a->x, a->points * a->ins, sizeof *a->x);
    if (!st)
        st = mem_new(&a->mean, a->ins, sizeof *a->mean);
    if (!st)
        st = mem_new(&a->axes, a->r * a->ins, sizeof *a->axes);
    if (!st)
        st = mem_new(&a->spread, a->r, sizeof *a->spread);
    if (!st)
        st = mem_new(&a->directions, a->r * a->ins, sizeof *a->directions);
    if (!st)
        st = mem_new(&a->seen, a->outs * a->r, sizeof *a->seen);
    if (!st)
        st = mem_new(&a->signs, a->r, sizeof *a->signs);
    if (!st)
        st = read_points(a);
    return st ? st : find_axes(a);
}

static void align_close(struct align *a)
{
    mem_free(a->x);
    mem_free(a->mean);
    mem_free(a->axes);
    mem_free(a->spread);
    mem_free(a->directions);
    mem_free(a->seen);
    mem_free(a->signs);
    graph_release(&a->graph);
}

/* ---- signs ---- */

static void draw_signs(struct align *a, uint32_t use)
{
    struct rng rng;

    thief_rng(a->thief, use, &rng);
    for (size_t i = 0; i < a->r; i++)
        a->signs[i] = rng_below(&rng, 2) ? 1 : -1;
}

static const float *norm_values(const struct align *a, unsigned which)
{
    const char *name = a->graph.params[a->norm->param[which]].name;

    return tensor_list_find(&a->thief->network->params, name)->data;
}

/* What axis i adds to the mean of output o, but for its sign. */
static double mean_along(const struct align *a, size_t i)
{
    double sum = 0;

    for (size_t j = 0; j < a->ins; j++)
        sum += a->axes[i * a->ins + j] * a->mean[j];
    return sum;
}

/* How far the layer's mean outputs are from the running mean behind it. */
static double misfit(const struct align *a, const double *along)
{
    const float *running = norm_values(a, 2), *variance = norm_values(a, 3);
    double sum = 0;

    for (size_t o = 0; o < a->outs; o++) {
        double off = -(double)running[o];

        for (size_t i = 0; i < a->r; i++)
            off += a->signs[i] * a->seen[o * a->r + i] * along[i];
        sum += off * off / ((double)variance[o] + (double)a->norm->epsilon);
    }
    return sum;
}

/* Turn each sign over where that brings the means nearer. */
static ward_status fit_signs(struct align *a)
{
    double *along = NULL, least;
    ward_status st = mem_new(&along, a->r, sizeof *along);

    if (st)
        return st;
    for (size_t i = 0; i < a->r; i++)
        along[i] = mean_along(a, i);
    least = misfit(a, along);
    for (unsigned sweep = 0; sweep < SWEEPS; sweep++)
        for (size_t i = 0; i < a->r; i++) {
            double now;

            a->signs[i] = -a->signs[i];
            now = misfit(a, along);
            if (now < least)
                least = now;
            else
                a->signs[i] = -a->signs[i];
        }
    mem_free(along);
    return WARD_OK;
}

/* ---- a map in front of a dense layer ---- */

struct variant {
    unsigned effort; /* from which on */
    bool has_fitted_signs, is_whitened, is_leaky;
};

static int build_front(const struct classifier *c, struct graph *g, int x, int *front)
{
    const struct net_use use = {.keeps_running = true, .relu_slope = c->relu_slope};
    struct dims d = graph_dims(g, x);

    x = graph_dense(g, x, "transform.axes", c->block, false);
    x = graph_dense(g, x, "transform.mix", c->block, false);
    x = graph_dense(g, x, "transform.directions", d.c * d.h * d.w, false);
    *front = graph_permute(g, x, NULL, d);
    return net_build(&c->net, g, *front, use);
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
        axes_bias[i] = v->has_fitted_signs ? 0 : (float)-mean_along(a, i);
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
                               const struct variant *v, uint32_t use)
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
        .leak = v->is_leaky ? 0.1f : 0,
    };
    ward_status st = WARD_OK;

    snprintf(layer, sizeof layer, "%.*s.", (int)strcspn(a->weight_name, "."), a->weight_name);
    snprintf(s.what, sizeof s.what, "%zu axes, %s signs%s%s", a->r,
             v->has_fitted_signs ? "fitted" : "drawn", v->is_whitened ? ", whitened" : "",
             v->is_leaky ? ", leaky backward" : "");
    if (!is_conv) {
        s.classifier.build = build_front;
        s.classifier.block = a->r;
    }
    draw_signs(a, use);
    if (v->has_fitted_signs)
        st = fit_signs(a);
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
        {1, false, false, false}, {1, true, false, false}, {1, false, true, true},
        {2, false, false, true},  {2, true, false, true},  {2, false, true, false},
        {2, false, false, false}, {3, false, false, false}, {3, false, true, true},
    };
    struct align a;
    ward_status st = align_open(&a, t);

    for (uint32_t i = 0; i < sizeof variants / sizeof variants[0] && !st; i++)
        if (variants[i].effort <= t->budget->effort &&
            (a.norm || !variants[i].has_fitted_signs))
            st = try_variant(&a, loss, &variants[i], i);
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
