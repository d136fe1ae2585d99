/* See erasure.h. */
#include "train/erasure.h"

#include <math.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/util.h"
#include "protect/wrong_key.h"
#include "tensor/linear.h"

enum { BATCH = 128, KEY_IMAGES = 16, SAMPLE = 8192 };

static const double ridge = 1e-6;    /* in units of the mean square of a feature */
static const double rounding = 1e-7; /* of the strongest axis: weaker ones are none */

/* The last layer of a network: [classes, features]. */
struct head {
    size_t classes, features, axes; /* axes: to be taken out */
    size_t weight, bias;            /* which parameters of a net they are */
};

struct erasure {
    struct head head;
    size_t n, raw, wrong; /* images: processed, raw, under wrong keys */
    float *processed;     /* features, [n, features] */
    float *refused;       /* those of raw images, then under wrong keys, [raw + wrong, features] */
    float *logits;        /* of processed images, [n, classes] */
    double *mean;         /* [features], of raw images */
    double *axes;         /* [axes, features], orthonormal */
    double *strength;     /* [axes] */
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

static ward_status erasure_open(struct erasure *e, const struct transform_spec *transform,
                                size_t images)
{
    const struct head *head = &e->head;
    ward_status st;

    e->n = e->raw = min_size(images, SAMPLE);
    if (transform_has_tables(transform))
        e->raw = e->wrong = min_size(images, SAMPLE / 2);
    st = mem_new(&e->processed, e->n * head->features, sizeof *e->processed);
    if (!st)
        st = mem_new(&e->refused, (e->raw + e->wrong) * head->features, sizeof *e->refused);
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
    if (e->refused)
        mem_wipe(e->refused, (e->raw + e->wrong) * e->head.features * sizeof *e->refused);
    mem_free(e->processed);
    mem_free(e->refused);
    mem_free(e->logits);
    mem_free(e->mean);
    mem_free(e->axes);
    mem_free(e->strength);
}

/* ---- features ---- */

/* A pass of F over images. */
struct pass {
    const struct transform *transform; /* NULL: raw images */
    bool has_wrong_key;                /* another one for each batch */
    uint64_t seed;                     /* of these, and of the order */
    size_t batch;
    struct graph graph;
    struct plan *plan;
    int x, features, logits;
    int32_t *labels; /* [batch], which nobody reads */
    struct epoch_order order;
};

static ward_status load_wrong_key(struct pass *p, uint64_t number)
{
    struct tensor_list tables = {NULL, 0};
    ward_status st = wrong_key_to_erase(&tables, p->transform, p->seed, number);

    if (!st)
        st = params_replace(p->plan, &tables);
    tensor_list_release(&tables);
    return st;
}

static ward_status load(struct pass *p, const struct net *net)
{
    const struct transform *t = p->transform;
    struct tensor_list tables = {NULL, 0};
    const struct tensor_list *const lists[] = {&net->params, t ? &t->params : NULL, &tables};
    ward_status st = WARD_OK;

    if (p->has_wrong_key)
        st = wrong_key_to_erase(&tables, t, p->seed, 1);
    if (!st)
        st = params_load(p->plan, lists, sizeof lists / sizeof lists[0]);
    tensor_list_release(&tables);
    return st;
}

static int build_transform(const struct pass *p, struct graph *g, int x)
{
    if (p->has_wrong_key)
        return transform_build_wrong(&p->transform->spec, g, x);
    return p->transform ? transform_build(&p->transform->spec, g, x, true) : x;
}

static ward_status pass_open(struct pass *p, const struct net *net, struct ward_device *device,
                             const struct split *images)
{
    struct plan_options options = {.bn = BN_RUNNING, .is_secret = p->transform != NULL};
    const struct net_spec *spec = &net->spec;
    struct graph *g = &p->graph;
    ward_status st;

    p->batch = min_size(images->count, p->has_wrong_key ? KEY_IMAGES : BATCH);
    p->x = graph_input(g, (struct dims){p->batch, spec->channels, spec->height, spec->width});
    p->logits =
        net_build(spec, g, build_transform(p, g, p->x), (struct net_use){.is_frozen = true});
    st = graph_finish(g);
    if (st)
        return st;
    p->features = net_head(g)->input[0];
    options.outputs[options.output_count++] = p->features;
    options.outputs[options.output_count++] = p->logits;
    st = plan_compile(&p->plan, device, g, &options);
    if (!st)
        st = load(p, net);
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

/* features and logits of the first n images; logits may be NULL. */
static ward_status pass_run(struct pass *p, const struct head *head, const struct split *images,
                            size_t n, float *features, float *logits)
{
    const struct batch_source source = {
        .split = images, .seed = p->seed, .batch = (uint32_t)p->batch};
    ward_status st = WARD_OK;

    for (size_t first = 0; first < n && !st; first += p->batch) {
        size_t rows = min_size(p->batch, n - first), number = first / p->batch;

        if (p->has_wrong_key)
            st = load_wrong_key(p, number + 1);
        batch_make(&source, &p->order, number, plan_input(p->plan, p->x), p->labels);
        if (!st)
            st = plan_forward(p->plan);
        if (!st)
            st = keep(p, p->features, features + first * head->features, rows, head->features);
        if (!st && logits)
            st = keep(p, p->logits, logits + first * head->classes, rows, head->classes);
    }
    return st;
}

static ward_status find_features(struct erasure *e, const struct net *net,
                                 const struct transform *transform, struct ward_device *device,
                                 const struct split *images, uint64_t seed)
{
    const struct kind {
        size_t n;
        const struct transform *transform;
        bool has_wrong_key;
        float *features, *logits;
    } kinds[] = {
        {e->raw, NULL, false, e->refused, NULL},
        {e->wrong, transform, true, e->refused + e->raw * e->head.features, NULL},
        {e->n, transform, false, e->processed, e->logits},
    };
    ward_status st = WARD_OK;

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && !st; i++) {
        const struct kind *kind = &kinds[i];
        struct pass pass = {
            .transform = kind->transform, .has_wrong_key = kind->has_wrong_key, .seed = seed};

        if (kind->n == 0)
            continue;
        graph_init(&pass.graph);
        st = pass_open(&pass, net, device, images);
        if (!st)
            st = pass_run(&pass, &e->head, images, kind->n, kind->features, kind->logits);
        pass_close(&pass);
    }
    return st;
}

/* ---- a new last layer ---- */

static void find_mean(const float *rows, size_t n, size_t d, double *mean)
{
    memset(mean, 0, d * sizeof *mean);
    for (size_t i = 0; i < n * d; i++)
        mean[i % d] += (double)rows[i] / (double)n;
}

static void subtract(float *rows, size_t n, size_t d, const double *mean)
{
    for (size_t i = 0; i < n * d; i++)
        rows[i] -= (float)mean[i % d];
}

/* What is refused, around the mean of its own kind: what all images under one key have in common
 * says nothing of their classes. What is processed, around the mean of raw images. */
static void centre(struct erasure *e)
{
    size_t d = e->head.features;

    for (size_t first = 0; first < e->wrong; first += KEY_IMAGES) {
        size_t rows = min_size(KEY_IMAGES, e->wrong - first);
        float *of_key = e->refused + (e->raw + first) * d;

        find_mean(of_key, rows, d, e->mean);
        subtract(of_key, rows, d, e->mean);
    }
    find_mean(e->refused, e->raw, d, e->mean);
    subtract(e->refused, e->raw, d, e->mean);
    subtract(e->processed, e->n, d, e->mean);
}

static ward_status find_axes(struct erasure *e, uint64_t seed)
{
    struct head *head = &e->head;
    struct rng rng;
    ward_status st;

    rng_init(&rng, seed, RNG_ERASURE, 0, 0);
    st = principal_axes(e->raw + e->wrong, head->features, e->refused, head->axes, &rng, e->axes,
                        e->strength);
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
        st = erasure_open(&e, &transform->spec, images->count);
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
