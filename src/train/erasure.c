/* See erasure.h. */
#include "train/erasure.h"

#include <math.h>

#include "base/mem.h"
#include "base/util.h"

enum { BATCH = 200 };

static const double rounding = 1e-6; /* of the longest difference: shorter ones are none */

struct erasure {
    struct graph graph;
    struct plan *plan;
    int x, features_node;
    size_t batch, classes, features;
    const char *weight, *bias; /* of the last layer */
    int32_t *labels;           /* [batch] */
    double *sums;              /* [classes + 1, features]: of each class, of all */
    size_t *counts;            /* [classes + 1] */
};

/* The graph, and where in it the last layer is. */
static ward_status build(struct erasure *e, const struct net_spec *spec)
{
    struct net_use use = {.is_frozen = true};
    const struct op_desc *last;
    struct dims in;
    ward_status st;

    e->x =
        graph_input(&e->graph, (struct dims){e->batch, spec->channels, spec->height, spec->width});
    net_build(spec, &e->graph, e->x, use);
    st = graph_finish(&e->graph);
    if (st)
        return st;
    last = net_head(&e->graph);
    e->features_node = last->input[0];
    e->weight = e->graph.params[last->param[0]].name;
    e->bias = e->graph.params[last->param[1]].name;
    in = graph_dims(&e->graph, e->features_node);
    e->features = in.c * in.h * in.w;
    e->classes = spec->classes;
    if (e->features < 2 * e->classes)
        return ward_fail(
            WARD_ERR_ARG,
            "erases_classes: the last layer of %s has %zu inputs, too few for %zu classes",
            spec->arch, e->features, e->classes);
    return WARD_OK;
}

static ward_status erasure_open(struct erasure *e, const struct net *net,
                                struct ward_device *device, size_t images)
{
    const struct tensor_list *const lists[] = {&net->params};
    struct plan_options options = {.bn = BN_RUNNING, .output_count = 1};
    ward_status st;

    *e = (struct erasure){.batch = min_size(images, BATCH)};
    graph_init(&e->graph);
    st = build(e, &net->spec);
    options.outputs[0] = e->features_node;
    if (!st)
        st = plan_compile(&e->plan, device, &e->graph, &options);
    if (!st)
        st = params_load(e->plan, lists, 1);
    if (!st)
        st = mem_new(&e->labels, e->batch, sizeof *e->labels);
    if (!st)
        st = mem_new(&e->sums, (e->classes + 1) * e->features, sizeof *e->sums);
    return st ? st : mem_new(&e->counts, e->classes + 1, sizeof *e->counts);
}

static void erasure_close(struct erasure *e)
{
    mem_free(e->counts);
    mem_free(e->sums);
    mem_free(e->labels);
    plan_free(e->plan);
    graph_release(&e->graph);
}

/* ---- means ---- */

static void add(struct erasure *e, size_t group, const float *features)
{
    double *sum = e->sums + group * e->features;

    for (size_t j = 0; j < e->features; j++)
        sum[j] += (double)features[j];
    e->counts[group]++;
}

static ward_status find_means(struct erasure *e, const struct split *images)
{
    ward_status st = WARD_OK;

    for (size_t first = 0; first < images->count && !st; first += e->batch) {
        size_t rows = min_size(e->batch, images->count - first);
        const float *features;

        st = batch_read(images, first, rows, plan_input(e->plan, e->x), e->labels);
        if (!st)
            st = plan_forward(e->plan);
        features = st ? NULL : plan_output(e->plan, e->features_node);
        for (size_t i = 0; i < rows && !st; i++) {
            add(e, (size_t)e->labels[i], features + i * e->features);
            add(e, e->classes, features + i * e->features);
        }
    }
    for (size_t i = 0; i < (e->classes + 1) * e->features && !st; i++) {
        e->sums[i] /= (double)max_size(e->counts[i / e->features], 1);
        if (!isfinite(e->sums[i]))
            st = ward_fail(WARD_ERR_NUMERIC, "features of raw images are not finite");
    }
    return st;
}

/* ---- what is orthogonal to their differences ---- */

static double dot(const double *a, const double *b, size_t len)
{
    double sum = 0;

    for (size_t i = 0; i < len; i++)
        sum += a[i] * b[i];
    return sum;
}

/* Take out of v what lies along unit vector u. */
static void take_out(double *v, const double *u, size_t len)
{
    double along = dot(v, u, len);

    for (size_t i = 0; i < len; i++)
        v[i] -= along * u[i];
}

/* In place of the means of classes: an orthonormal basis of their differences from that of all.
 * Returns how many vectors it has. Gram and Schmidt, each twice for the rounding. */
static size_t find_basis(struct erasure *e)
{
    size_t len = e->features, count = 0;
    const double *all = e->sums + e->classes * len;
    double longest = 0;

    for (size_t k = 0; k < e->classes; k++) {
        double *v = e->sums + k * len;

        for (size_t j = 0; j < len; j++)
            v[j] = e->counts[k] > 0 ? v[j] - all[j] : 0;
        longest = fmax(longest, sqrt(dot(v, v, len)));
    }
    for (size_t k = 0; k < e->classes; k++) {
        double *v = e->sums + k * len, *u = e->sums + count * len, length;

        for (size_t i = 0; i < 2 * count; i++)
            take_out(v, e->sums + i % count * len, len);
        length = sqrt(dot(v, v, len));
        if (length <= rounding * longest)
            continue;
        for (size_t j = 0; j < len; j++)
            u[j] = v[j] / length;
        count++;
    }
    return count;
}

static ward_status project(const struct erasure *e, size_t basis, struct net *net)
{
    float *weight = tensor_list_find(&net->params, e->weight)->data;
    float *bias = tensor_list_find(&net->params, e->bias)->data;
    const double *all = e->sums + e->classes * e->features;
    double *row = NULL;
    ward_status st = mem_new(&row, e->features, sizeof *row);

    for (size_t k = 0; k < e->classes && !st; k++) {
        float *w = weight + k * e->features;
        double shift = 0;

        for (size_t j = 0; j < e->features; j++)
            row[j] = (double)w[j];
        for (size_t i = 0; i < basis; i++)
            take_out(row, e->sums + i * e->features, e->features);
        for (size_t j = 0; j < e->features; j++) {
            shift += ((double)w[j] - row[j]) * all[j];
            w[j] = (float)row[j];
        }
        bias[k] += (float)shift;
    }
    mem_free(row);
    return st;
}

ward_status erase_check(const struct net_spec *spec)
{
    struct erasure e = {.batch = 1};
    ward_status st;

    graph_init(&e.graph);
    st = build(&e, spec);
    erasure_close(&e);
    return st;
}

ward_status erase_classes(struct net *net, struct ward_device *device, const struct split *images)
{
    struct erasure e;
    ward_status st = erasure_open(&e, net, device, images->count);

    if (!st)
        st = find_means(&e, images);
    if (!st)
        st = project(&e, find_basis(&e), net);
    erasure_close(&e);
    return st;
}
