/* See erasure.h. */
#include "train/erasure.h"

#include <math.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/util.h"
#include "protect/wrong_key.h"
#include "tensor/linear.h"
#include "train/dependence.h"

enum { BATCH = 128, KEY_IMAGES = 16, SAMPLE = 8192, RAW_SAMPLE = 4 * SAMPLE };

static const double ridge = 1e-6;    /* in units of the mean square of a feature */
static const double rounding = 1e-7; /* of the strongest axis: weaker ones are none */
static const double enough = 0.98;   /* of processed images are to keep their class */

/* The last layer of a network: [classes, features]. */
struct head {
    size_t classes, features;
    size_t weight, bias; /* which parameters of a net they are */
};

/* Features of images. */
struct rows {
    size_t n;
    float *features; /* [n, features] */
};

/* Of one kind of images. */
struct axes {
    size_t count;     /* how many were found */
    double *rows;     /* [share, features], the strongest first; all of both kinds orthonormal */
    double *strength; /* [share] */
};

struct erasure {
    struct head head;
    size_t share; /* axes of each kind that are meant */
    /* Of wrong keys, if there are any, what is left of them beside the raw axes. */
    struct rows raw, wrong, processed;
    struct axes raw_axes, wrong_axes;
    int32_t *labels; /* of the raw ones */
    float *cleared;  /* processed features without axes, [n, features] */
    float *logits;   /* of processed images, [n, classes] */
    double *mean;    /* [features], of raw images */
};

static ward_status find_head(const struct net_spec *spec, struct head *out)
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
    }
    graph_release(&g);
    return st;
}

/* The head, and how many axes its features can do without. */
static ward_status find_share(struct erasure *e, const struct net_spec *spec,
                              const struct transform_spec *transform, double share)
{
    ward_status st = find_head(spec, &e->head);
    size_t axes, kinds = transform_has_tables(transform) ? 2 : 1;

    if (st)
        return st;
    e->share = max_size((size_t)llround(share * (double)e->head.features), 1);
    axes = kinds * e->share;
    if (e->head.features < e->head.classes + axes)
        return ward_fail(WARD_ERR_ARG,
                         "erased_axes: the last layer of %s has %zu inputs, too few for %zu "
                         "classes beside %zu axes",
                         spec->arch, e->head.features, e->head.classes, axes);
    return WARD_OK;
}

static ward_status rows_open(struct rows *rows, size_t n, size_t features)
{
    ward_status st = mem_new(&rows->features, n * features, sizeof *rows->features);

    if (!st)
        rows->n = n;
    return st;
}

static void rows_close(struct rows *rows, size_t features)
{
    if (rows->features)
        mem_wipe(rows->features, rows->n * features * sizeof *rows->features);
    mem_free(rows->features);
}

static ward_status axes_open(struct axes *axes, size_t share, size_t features)
{
    ward_status st = mem_new(&axes->rows, share * features, sizeof *axes->rows);

    return st ? st : mem_new(&axes->strength, share, sizeof *axes->strength);
}

/* Those of wrong keys are of images that G's front has seen. */
static void axes_close(struct axes *axes, size_t share, size_t features)
{
    if (axes->rows)
        mem_wipe(axes->rows, share * features * sizeof *axes->rows);
    mem_free(axes->rows);
    mem_free(axes->strength);
}

static ward_status erasure_open(struct erasure *e, const struct transform_spec *transform,
                                size_t images)
{
    const struct head *head = &e->head;
    size_t n = min_size(images, SAMPLE);
    ward_status st = rows_open(&e->raw, min_size(images, RAW_SAMPLE), head->features);

    if (!st)
        st = mem_new(&e->labels, e->raw.n, sizeof *e->labels);
    if (!st)
        st = axes_open(&e->raw_axes, e->share, head->features);
    if (!st && transform_has_tables(transform))
        st = rows_open(&e->wrong, n, head->features);
    if (!st && transform_has_tables(transform))
        st = axes_open(&e->wrong_axes, e->share, head->features);
    if (!st)
        st = rows_open(&e->processed, n, head->features);
    if (!st)
        st = mem_new(&e->cleared, n * head->features, sizeof *e->cleared);
    if (!st)
        st = mem_new(&e->logits, n * head->classes, sizeof *e->logits);
    return st ? st : mem_new(&e->mean, head->features, sizeof *e->mean);
}

static void erasure_close(struct erasure *e)
{
    if (e->cleared)
        mem_wipe(e->cleared, e->processed.n * e->head.features * sizeof *e->cleared);
    mem_free(e->cleared);
    rows_close(&e->raw, e->head.features);
    rows_close(&e->wrong, e->head.features);
    rows_close(&e->processed, e->head.features);
    axes_close(&e->raw_axes, e->share, e->head.features);
    axes_close(&e->wrong_axes, e->share, e->head.features);
    mem_free(e->labels);
    if (e->logits)
        mem_wipe(e->logits, e->processed.n * e->head.classes * sizeof *e->logits);
    mem_free(e->logits);
    mem_free(e->mean);
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
    int32_t *labels; /* [batch] */
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

/* All parameters; wrong tables are those of the first batch. */
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

/* Features of the first images, and their logits and labels, which may be NULL. */
static ward_status pass_run(struct pass *p, const struct head *head, const struct split *images,
                            struct rows *rows, float *logits, int32_t *labels)
{
    const struct batch_source source = {
        .split = images, .seed = p->seed, .batch = (uint32_t)p->batch};
    ward_status st = WARD_OK;

    for (size_t first = 0; first < rows->n && !st; first += p->batch) {
        size_t n = min_size(p->batch, rows->n - first), number = first / p->batch;

        if (p->has_wrong_key && number > 0)
            st = load_wrong_key(p, number + 1);
        batch_make(&source, &p->order, number, plan_input(p->plan, p->x), p->labels);
        if (!st)
            st = plan_forward(p->plan);
        if (!st)
            st = keep(p, p->features, rows->features + first * head->features, n, head->features);
        if (!st && logits)
            st = keep(p, p->logits, logits + first * head->classes, n, head->classes);
        if (!st && labels)
            memcpy(labels + first, p->labels, n * sizeof *labels);
    }
    return st;
}

static ward_status find_features(struct erasure *e, const struct net *net,
                                 const struct transform *transform, struct ward_device *device,
                                 const struct split *images, uint64_t seed)
{
    const struct kind {
        struct rows *rows;
        const struct transform *transform;
        bool has_wrong_key;
        float *logits;
        int32_t *labels;
    } kinds[] = {
        {&e->raw, NULL, false, NULL, e->labels},
        {&e->wrong, transform, true, NULL, NULL},
        {&e->processed, transform, false, e->logits, NULL},
    };
    ward_status st = WARD_OK;

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && !st; i++) {
        const struct kind *kind = &kinds[i];
        struct pass pass = {
            .transform = kind->transform, .has_wrong_key = kind->has_wrong_key, .seed = seed};

        if (kind->rows->n == 0)
            continue;
        graph_init(&pass.graph);
        st = pass_open(&pass, net, device, images);
        if (!st)
            st = pass_run(&pass, &e->head, images, kind->rows, kind->logits, kind->labels);
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

    for (size_t first = 0; first < e->wrong.n; first += KEY_IMAGES) {
        size_t n = min_size(KEY_IMAGES, e->wrong.n - first);
        float *of_key = e->wrong.features + first * d;

        find_mean(of_key, n, d, e->mean);
        subtract(of_key, n, d, e->mean);
    }
    find_mean(e->raw.features, e->raw.n, d, e->mean);
    subtract(e->raw.features, e->raw.n, d, e->mean);
    subtract(e->processed.features, e->processed.n, d, e->mean);
}

/* Take out of rows [n, features] what lies along the first `most` axes of each kind. */
static ward_status take_out(const struct erasure *e, size_t most, float *rows, size_t n)
{
    const struct axes *const kinds[] = {&e->raw_axes, &e->wrong_axes};
    ward_status st = WARD_OK;

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && !st; i++)
        st = take_out_axes(min_size(most, kinds[i]->count), e->head.features, kinds[i]->rows, n,
                           rows);
    return st;
}

/* The principal axes of rows, beside those that were found before. */
static ward_status find_axes(struct erasure *e, struct rows *rows, struct axes *axes,
                             struct rng *rng)
{
    ward_status st = take_out(e, e->share, rows->features, rows->n);
    double least;

    if (!st)
        st = principal_axes(min_size(rows->n, SAMPLE), e->head.features, rows->features, e->share,
                            rng, axes->rows, axes->strength);
    if (st)
        return st;
    least = rounding * fmax(e->raw_axes.strength[0], axes->strength[0]);
    while (axes->count < e->share && axes->strength[axes->count] > least)
        axes->count++;
    return WARD_OK;
}

static ward_status find_all_axes(struct erasure *e, uint64_t seed)
{
    struct rng rng;
    ward_status st;

    rng_init(&rng, seed, RNG_ERASURE, 0, 0);
    st = find_axes(e, &e->raw, &e->raw_axes, &rng);
    return st || e->wrong.n == 0 ? st : find_axes(e, &e->wrong, &e->wrong_axes, &rng);
}

/* No loss sees what is added to all logits alike, so nothing keeps that from telling the class. */
static void centre_over_classes(const struct head *head, float *weight)
{
    size_t k = head->classes, d = head->features;

    for (size_t j = 0; j < d; j++) {
        double sum = 0;

        for (size_t i = 0; i < k; i++)
            sum += (double)weight[i * d + j];
        for (size_t i = 0; i < k; i++)
            weight[i * d + j] -= (float)(sum / (double)k);
    }
}

/* Without the first `most` axes of each kind. */
static ward_status make_head(const struct erasure *e, size_t most, struct net *net)
{
    size_t n = e->processed.n, d = e->head.features, k = e->head.classes;
    float *weight = net->params.items[e->head.weight].data;
    ward_status st;

    memcpy(e->cleared, e->processed.features, n * d * sizeof *e->cleared);
    st = take_out(e, most, e->cleared, n);
    if (!st)
        st = linear_fit(n, d, k, e->cleared, e->logits, ridge, weight);
    if (!st)
        st = take_out(e, most, weight, k);
    if (!st)
        centre_over_classes(&e->head, weight);
    return st;
}

/* The mean of raw features gets equal logits. */
static void make_bias(const struct erasure *e, struct net *net)
{
    size_t d = e->head.features;
    const float *weight = net->params.items[e->head.weight].data;
    float *bias = net->params.items[e->head.bias].data;

    for (size_t i = 0; i < e->head.classes; i++) {
        double along = 0;

        for (size_t j = 0; j < d; j++)
            along += (double)weight[i * d + j] * e->mean[j];
        bias[i] = (float)-along;
    }
}

/* The share of processed images whose class is still the likeliest; logits are the former ones. */
static double find_agreement(const struct erasure *e, const struct net *net)
{
    const float *weight = net->params.items[e->head.weight].data;
    size_t k = e->head.classes, d = e->head.features, agreed = 0;

    for (size_t i = 0; i < e->processed.n; i++) {
        const float *logits = e->logits + i * k;
        size_t class = largest_product(k, d, weight, e->processed.features + i * d);
        bool is_likeliest = true;

        for (size_t c = 0; c < k; c++)
            is_likeliest = is_likeliest && !(logits[c] > logits[class]);
        agreed += is_likeliest;
    }
    return (double)agreed / (double)e->processed.n;
}

/* As many axes as are meant, or half of them, or a quarter, until few images change their class. */
static ward_status choose_head(const struct erasure *e, struct net *net, struct erased *out)
{
    size_t most = 2 * e->share;
    ward_status st;

    do {
        most /= 2;
        st = make_head(e, most, net);
        if (!st)
            *out = (struct erased){.axes = min_size(most, e->raw_axes.count) +
                                           min_size(most, e->wrong_axes.count),
                                   .agreement = find_agreement(e, net)};
    } while (!st && out->agreement < enough && most > 1);
    return st;
}

/* What is left of the class in raw answers, unless that costs too many processed images theirs. */
static ward_status lower_dependence(const struct erasure *e, uint64_t seed, struct net *net,
                                    struct erased *out)
{
    const struct dependence d = {.features = e->head.features,
                                 .classes = e->head.classes,
                                 .raw_count = e->raw.n,
                                 .raw = e->raw.features,
                                 .labels = e->labels,
                                 .processed_count = e->processed.n,
                                 .processed = e->processed.features};
    struct tensor *weight = &net->params.items[e->head.weight];
    size_t count = shape_count(&weight->shape);
    float *before = NULL;
    double agreement;
    ward_status st = mem_new(&before, count, sizeof *before);

    if (st)
        return st;
    memcpy(before, weight->data, count * sizeof *before);
    st = dependence_lower(&d, seed, weight->data);
    agreement = st ? 0 : find_agreement(e, net);
    out->is_lowered =
        agreement >= enough && memcmp(weight->data, before, count * sizeof *before) != 0;
    if (agreement < enough)
        memcpy(weight->data, before, count * sizeof *before);
    else
        out->agreement = agreement;
    mem_free(before);
    return st;
}

ward_status erase_check(const struct net_spec *spec, const struct transform_spec *transform,
                        double share)
{
    struct erasure e = {.share = 0};

    return find_share(&e, spec, transform, share);
}

ward_status erase_axes(struct net *net, const struct transform *transform,
                       struct ward_device *device, const struct split *images, double share,
                       uint64_t seed, struct erased *out)
{
    struct erasure e = {.share = 0};
    ward_status st = find_share(&e, &net->spec, &transform->spec, share);

    if (!st)
        st = erasure_open(&e, &transform->spec, images->count);
    if (!st)
        st = find_features(&e, net, transform, device, images, seed);
    if (!st) {
        centre(&e);
        st = find_all_axes(&e, seed);
    }
    if (!st)
        st = choose_head(&e, net, out);
    if (!st)
        st = lower_dependence(&e, seed, net, out);
    if (!st)
        make_bias(&e, net);
    erasure_close(&e);
    return st;
}
