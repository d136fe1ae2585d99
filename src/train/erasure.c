/* See erasure.h. */
#include "train/erasure.h"

#include <math.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/util.h"
#include "tensor/linear.h"

enum { BATCH = 128, SAMPLE = 8192 };

static const double ridge = 1e-6;    /* in units of the mean square of a feature */
static const double rounding = 1e-7; /* of the strongest axis: weaker ones are none */

/* The last layer of a network: [classes, features]. */
struct head {
    size_t classes, features, axes; /* axes: to be taken out */
    size_t weight, bias;            /* which parameters of a net they are */
};

struct erasure {
    struct head head;
    size_t n;
    float *raw, *processed; /* features, [n, features] */
    float *logits;          /* of processed images, [n, classes] */
    double *mean;           /* [features], of raw images */
    double *axes;           /* [axes, features], orthonormal */
    double *strength;       /* [axes] */
};

static ward_status find_head(const struct net_spec *spec, double share, struct head *out)
{
    struct graph g;
    ward_status st;

    graph_init(&g);
    st = net_graph(&g, spec);
    if (!st) {
        const struct op_desc *last = net_head(&g);
        struct dims in = graph_dims(&g, last->input[0]);

        *out = (struct head){.classes = spec->classes,
                             .features = in.c * in.h * in.w,
                             .weight = (size_t)last->param[0],
                             .bias = (size_t)last->param[1]};
        out->axes = max_size((size_t)llround(share * (double)out->features), 1);
        if (out->features < out->classes + out->axes)
            st = ward_fail(WARD_ERR_ARG,
                           "erased_axes: the last layer of %s has %zu inputs, too few for %zu "
                           "classes beside %zu axes",
                           spec->arch, out->features, out->classes, out->axes);
    }
    graph_release(&g);
    return st;
}

static ward_status erasure_open(struct erasure *e, size_t images)
{
    const struct head *head = &e->head;
    ward_status st;

    e->n = min_size(images, SAMPLE);
    st = mem_new(&e->raw, e->n * head->features, sizeof *e->raw);
    if (!st)
        st = mem_new(&e->processed, e->n * head->features, sizeof *e->processed);
    if (!st)
        st = mem_new(&e->logits, e->n * head->classes, sizeof *e->logits);
    if (!st)
        st = mem_new(&e->mean, head->features, sizeof *e->mean);
    if (!st)
        st = mem_new(&e->axes, head->axes * head->features, sizeof *e->axes);
    return st ? st : mem_new(&e->strength, head->axes, sizeof *e->strength);
}

static void erasure_close(struct erasure *e)
{
    if (e->processed)
        mem_wipe(e->processed, e->n * e->head.features * sizeof *e->processed);
    mem_free(e->raw);
    mem_free(e->processed);
    mem_free(e->logits);
    mem_free(e->mean);
    mem_free(e->axes);
    mem_free(e->strength);
}

/* ---- features ---- */

/* A pass of F over images, processed unless the transform is NULL. */
struct pass {
    struct graph graph;
    struct plan *plan;
    int x, features, logits;
    size_t batch;
    int32_t *labels; /* [batch], which nobody reads */
    struct epoch_order order;
};

static ward_status pass_open(struct pass *p, const struct net *net,
                             const struct transform *transform, struct ward_device *device,
                             const struct split *images)
{
    const struct tensor_list *const lists[] = {&net->params, transform ? &transform->params : NULL};
    struct plan_options options = {.bn = BN_RUNNING, .is_secret = transform != NULL};
    const struct net_spec *spec = &net->spec;
    int processed;
    ward_status st;

    *p = (struct pass){.batch = min_size(images->count, BATCH)};
    graph_init(&p->graph);
    p->x =
        graph_input(&p->graph, (struct dims){p->batch, spec->channels, spec->height, spec->width});
    processed = transform ? transform_build(&transform->spec, &p->graph, p->x, true) : p->x;
    p->logits = net_build(spec, &p->graph, processed, (struct net_use){.is_frozen = true});
    st = graph_finish(&p->graph);
    if (st)
        return st;
    p->features = net_head(&p->graph)->input[0];
    options.outputs[options.output_count++] = p->features;
    options.outputs[options.output_count++] = p->logits;
    st = plan_compile(&p->plan, device, &p->graph, &options);
    if (!st)
        st = params_load(p->plan, lists, 2);
    if (!st)
        st = mem_new(&p->labels, p->batch, sizeof *p->labels);
    return st ? st : epoch_order_init(&p->order, images);
}

static void pass_close(struct pass *p)
{
    epoch_order_release(&p->order);
    mem_free(p->labels);
    plan_free(p->plan);
    graph_release(&p->graph);
}

static ward_status keep(const struct pass *p, int node, float *to, size_t rows, size_t len)
{
    const float *values = plan_output(p->plan, node);

    for (size_t i = 0; i < rows * len; i++) {
        if (!isfinite(values[i]))
            return ward_fail(WARD_ERR_NUMERIC, "features of the last layer are not finite");
        to[i] = values[i];
    }
    return WARD_OK;
}

/* features and logits of e->n images; logits may be NULL. */
static ward_status run(const struct erasure *e, struct pass *p, const struct split *images,
                       uint64_t seed, float *features, float *logits)
{
    const struct batch_source source = {.split = images, .seed = seed, .batch = (uint32_t)p->batch};
    size_t d = e->head.features, k = e->head.classes;
    ward_status st = WARD_OK;

    for (size_t first = 0; first < e->n && !st; first += p->batch) {
        size_t rows = min_size(p->batch, e->n - first);

        batch_make(&source, &p->order, first / p->batch, plan_input(p->plan, p->x), p->labels);
        st = plan_forward(p->plan);
        if (!st)
            st = keep(p, p->features, features + first * d, rows, d);
        if (!st && logits)
            st = keep(p, p->logits, logits + first * k, rows, k);
    }
    return st;
}

static ward_status find_features(struct erasure *e, const struct net *net,
                                 const struct transform *transform, struct ward_device *device,
                                 const struct split *images, uint64_t seed)
{
    struct pass pass;
    ward_status st = pass_open(&pass, net, NULL, device, images);

    if (!st)
        st = run(e, &pass, images, seed, e->raw, NULL);
    pass_close(&pass);
    if (st)
        return st;
    st = pass_open(&pass, net, transform, device, images);
    if (!st)
        st = run(e, &pass, images, seed, e->processed, e->logits);
    pass_close(&pass);
    return st;
}

/* ---- a new last layer ---- */

/* Both kinds of features, less the mean of the raw ones. */
static void centre(struct erasure *e)
{
    size_t d = e->head.features;

    for (size_t i = 0; i < e->n * d; i++)
        e->mean[i % d] += (double)e->raw[i] / (double)e->n;
    for (size_t i = 0; i < e->n * d; i++) {
        e->raw[i] -= (float)e->mean[i % d];
        e->processed[i] -= (float)e->mean[i % d];
    }
}

static ward_status find_axes(struct erasure *e, uint64_t seed)
{
    struct head *head = &e->head;
    struct rng rng;
    ward_status st;

    rng_init(&rng, seed, RNG_ERASURE, 0, 0);
    st = principal_axes(e->n, head->features, e->raw, head->axes, &rng, e->axes, e->strength);
    while (!st && head->axes > 0 && e->strength[head->axes - 1] <= rounding * e->strength[0])
        head->axes--;
    return st;
}

/* Take out of rows [n, features] what lies along the axes. */
static void take_out_axes(const struct erasure *e, float *rows, size_t n)
{
    size_t d = e->head.features;

    for (size_t i = 0; i < n * e->head.axes; i++) {
        float *row = rows + i / e->head.axes * d;
        const double *axis = e->axes + i % e->head.axes * d;
        double along = 0;

        for (size_t j = 0; j < d; j++)
            along += (double)row[j] * axis[j];
        for (size_t j = 0; j < d; j++)
            row[j] -= (float)(along * axis[j]);
    }
}

static ward_status make_head(const struct erasure *e, struct net *net)
{
    size_t d = e->head.features, k = e->head.classes;
    float *weight = net->params.items[e->head.weight].data;
    float *bias = net->params.items[e->head.bias].data;
    ward_status st = linear_fit(e->n, d, k, e->processed, e->logits, ridge, weight);

    if (st)
        return st;
    take_out_axes(e, weight, k);
    for (size_t i = 0; i < k; i++) {
        double along = 0;

        for (size_t j = 0; j < d; j++)
            along += (double)weight[i * d + j] * e->mean[j];
        bias[i] = (float)-along;
    }
    return WARD_OK;
}

ward_status erase_check(const struct net_spec *spec, double share)
{
    struct head head;

    return find_head(spec, share, &head);
}

ward_status erase_axes(struct net *net, const struct transform *transform,
                       struct ward_device *device, const struct split *images, double share,
                       uint64_t seed)
{
    struct erasure e = {.n = 0};
    ward_status st = find_head(&net->spec, share, &e.head);

    if (!st)
        st = erasure_open(&e, images->count);
    if (!st)
        st = find_features(&e, net, transform, device, images, seed);
    if (!st) {
        centre(&e);
        st = find_axes(&e, seed);
    }
    if (!st) {
        take_out_axes(&e, e.processed, e.n);
        st = make_head(&e, net);
    }
    erasure_close(&e);
    return st;
}
