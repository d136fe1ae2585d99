/* F's first layer beside raw images: see first_layer.h. */
#include "attack/v1/first_layer.h"

#include <assert.h>
#include <math.h>

#include "tensor/linear.h"
#include "base/mem.h"
#include "base/util.h"

enum { POINTS = 2000, SWEEPS = 10 };

static const size_t most_axes[] = {64, 128, 200}; /* by effort */

/* ---- F's first layer ---- */

static void find_layer(struct align *a)
{
    const struct graph *g = &a->graph;
    size_t at = 0;

    a->block = 1;
    for (; g->nodes[at].kind != OP_CONV && g->nodes[at].kind != OP_DENSE; at++)
        if (g->nodes[at].kind == OP_SPACE_TO_DEPTH)
            a->block = g->nodes[at].stride;
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

/* The values of a block stand pixel by pixel, those of a patch channel by channel. */
static void cut_patch(const struct align *a, const float *image, struct rng *rng, float *out)
{
    const struct net_spec *spec = &a->thief->network->spec;
    bool is_block = a->block > 1;
    size_t k = is_block ? a->block : a->layer->kernel;
    size_t between_pixels = is_block ? spec->channels : 1;
    size_t between_channels = is_block ? 1 : k * k;
    size_t top, start;

    assert(spec->height >= k && spec->width >= k); /* else there is no control: redteam_open() */
    top = rng_below(rng, (uint32_t)(spec->height - k + 1));
    start = rng_below(rng, (uint32_t)(spec->width - k + 1));
    for (size_t c = 0; c < spec->channels; c++)
        for (size_t i = 0; i < k; i++)
            for (size_t j = 0; j < k; j++)
                out[(i * k + j) * between_pixels + c * between_channels] =
                    image[(c * spec->height + top + i) * spec->width + start + j];
}

static ward_status read_points(struct align *a)
{
    const struct net_spec *spec = &a->thief->network->spec;
    bool is_conv = a->layer->kind == OP_CONV;
    float *image = NULL;
    struct rng rng;
    ward_status st = mem_new(&image, spec->channels * spec->height * spec->width, sizeof *image);

    thief_rng(a->thief, UINT32_C(1) << 30, &rng);
    for (size_t i = 0; i < a->points && !st; i++) {
        st = thief_raw_image(a->thief, i % thief_raw_count(a->thief), image);
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

ward_status align_look(struct align *a, struct thief *t)
{
    ward_status st;

    *a = (struct align){.thief = t};
    graph_init(&a->graph);
    st = net_graph(&a->graph, &t->network->spec);
    if (st)
        return st;
    find_layer(a);
    a->points = a->layer->kind == OP_CONV ? POINTS : min_size(POINTS, thief_raw_count(t));
    st = mem_new(&a->x, a->points * a->ins, sizeof *a->x);
    if (!st)
        st = mem_new(&a->mean, a->ins, sizeof *a->mean);
    return st ? st : read_points(a);
}

ward_status align_open(struct align *a, struct thief *t)
{
    ward_status st = align_look(a, t);

    if (st)
        return st;
    /* Around their mean, points have one axis less than there are of them. */
    a->r = min_size(min_size(a->ins, a->outs),
                    min_size(max_size(a->points - 1, 1), most_axes[t->budget->effort - 1]));
    st = mem_new(&a->axes, a->r * a->ins, sizeof *a->axes);
    if (!st)
        st = mem_new(&a->spread, a->r, sizeof *a->spread);
    if (!st)
        st = mem_new(&a->directions, a->r * a->ins, sizeof *a->directions);
    if (!st)
        st = mem_new(&a->seen, a->outs * a->r, sizeof *a->seen);
    if (!st)
        st = mem_new(&a->signs, a->r, sizeof *a->signs);
    return st ? st : find_axes(a);
}

void align_close(struct align *a)
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

void align_draw_signs(struct align *a, uint32_t use)
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

double align_mean_along(const struct align *a, size_t i)
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

ward_status align_fit_signs(struct align *a)
{
    double *along = NULL, least;
    ward_status st = mem_new(&along, a->r, sizeof *along);

    if (st)
        return st;
    for (size_t i = 0; i < a->r; i++)
        along[i] = align_mean_along(a, i);
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
