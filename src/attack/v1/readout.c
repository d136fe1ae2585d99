/*
 * A1, readout: F as it is, and what its answers on raw images tell all the same. Below chance it
 * knows the class and avoids it, so: the least likely class; classes renamed; a linear map of the
 * logits, by least squares (however small they are) and by gradients; a small network behind them,
 * for what is not linear; a new last layer, by least squares and by gradients.
 */
#include <math.h>
#include <stdio.h>

#include "tensor/linear.h"
#include "attack/search.h"
#include "base/mem.h"

enum { RATES = 3, RIDGES = 3, FEATURE_RIDGES = 4, HIDDEN = 64 };

static const double rates[RATES] = {0.01, 0.1, 0.001};
static const double ridges[RIDGES] = {1e-3, 1e-1, 1e-6};
static const double feature_ridges[FEATURE_RIDGES] = {1e-2, 1e-1, 1, 10}; /* there are many */

static struct classifier read_off(const struct thief *t)
{
    struct classifier c = classifier_of(&t->network->spec, NULL);

    c.has_readout = true;
    return c;
}

/* ---- without training ---- */

static ward_status try_least_likely(struct thief *t, struct tensor_list *params)
{
    const struct classifier c = read_off(t);
    struct tensor *weight = tensor_list_find(params, "readout.weight");

    for (size_t i = 0; i < shape_count(&weight->shape); i++)
        weight->data[i] = -weight->data[i];
    return thief_offer_as(t, &c, params, "the least likely class");
}

static size_t largest(const float *values, size_t count)
{
    size_t best = 0;

    for (size_t i = 1; i < count; i++)
        if (values[i] > values[best])
            best = i;
    return best;
}

/* Name one answer after one class at a time, the most frequent pair of them first. */
static void match_names(float *counts, size_t k, float *weight)
{
    memset(weight, 0, k * k * sizeof *weight);
    for (size_t i = 0; i < k; i++) {
        size_t at = largest(counts, k * k), answer = at / k, label = at % k;

        weight[label * k + answer] = 1;
        for (size_t j = 0; j < k; j++)
            counts[answer * k + j] = counts[j * k + label] = -1;
    }
}

/* What his images are answered, and their labels. */
struct answers {
    size_t n, k;
    float *logits;   /* [n, k] */
    int32_t *labels; /* [n] */
};

static ward_status answers_get(struct thief *t, const struct tensor_list *network,
                               struct answers *a)
{
    ward_status st;

    *a = (struct answers){.n = t->images->count, .k = t->network->spec.classes};
    st = mem_new(&a->logits, a->n * a->k, sizeof *a->logits);
    if (!st)
        st = mem_new(&a->labels, a->n, sizeof *a->labels);
    if (!st)
        st = batch_read(t->images, 0, a->n, NULL, a->labels);
    return st ? st : thief_answers(t, network, t->images, a->logits);
}

static void answers_release(struct answers *a)
{
    mem_free(a->logits);
    mem_free(a->labels);
}

static ward_status try_renaming(struct thief *t, struct tensor_list *params)
{
    const struct classifier c = read_off(t);
    struct answers a;
    float *counts = NULL;
    ward_status st = answers_get(t, &t->network->params, &a);

    if (!st)
        st = mem_new(&counts, a.k * a.k, sizeof *counts);
    for (size_t i = 0; i < a.n && !st; i++)
        counts[largest(a.logits + i * a.k, a.k) * a.k + (size_t)a.labels[i]]++;
    if (!st) {
        match_names(counts, a.k, tensor_list_find(params, "readout.weight")->data);
        st = thief_offer_as(t, &c, params, "classes renamed");
    }
    mem_free(counts);
    answers_release(&a);
    return st;
}

static ward_status try_untrained(struct thief *t)
{
    struct tensor_list params = {NULL, 0};
    ward_status st = thief_network(t, &params);

    if (!st)
        st = thief_readout(t, &params);
    if (!st)
        st = try_least_likely(t, &params);
    if (!st)
        st = try_renaming(t, &params);
    tensor_list_release(&params);
    return st;
}

/* ---- probes ---- */

/* However little the answers differ, and whatever from. */
static ward_status fit_logits(struct thief *t, const struct answers *a, double ridge,
                              struct tensor_list *params)
{
    const struct classifier c = read_off(t);
    char what[64];
    float *wanted = NULL; /* [n, k]: 1 for the class of the image */
    ward_status st = mem_new(&wanted, a->n * a->k, sizeof *wanted);

    for (size_t i = 0; i < a->n && !st; i++)
        wanted[i * a->k + (size_t)a->labels[i]] = 1;
    if (!st)
        st = affine_fit(a->n, a->k, a->logits, wanted, ridge,
                        tensor_list_find(params, "readout.weight")->data,
                        tensor_list_find(params, "readout.bias")->data);
    snprintf(what, sizeof what, "a map of the logits, least squares, ridge %g", ridge);
    if (!st)
        st = thief_offer_as(t, &c, params, what);
    mem_free(wanted);
    return st == WARD_ERR_NUMERIC ? WARD_OK : st; /* answers that are no numbers say nothing */
}

static ward_status solve_logits(struct thief *t, const struct tensor_list *network)
{
    struct tensor_list params = {NULL, 0};
    struct answers a;
    ward_status st = answers_get(t, network, &a);

    if (!st)
        st = params_append(&params, network);
    if (!st)
        st = thief_readout(t, &params);
    for (size_t i = 0; i < RIDGES && !st; i++)
        st = fit_logits(t, &a, ridges[i], &params);
    tensor_list_release(&params);
    answers_release(&a);
    return st;
}

static ward_status probe_logits(struct thief *t, const struct tensor_list *network, double rate)
{
    struct search s = {.thief = t,
                       .classifier = read_off(t),
                       .loss = &search_labels,
                       .trained = "readout",
                       .rate = rate,
                       .bound = (double)NAN};
    struct tensor_list params = {NULL, 0};
    ward_status st = params_append(&params, network);

    snprintf(s.what, sizeof s.what, "a map of the logits, rate %g", rate);
    if (!st)
        st = thief_readout(t, &params);
    if (!st)
        st = search_run(&s, &params);
    tensor_list_release(&params);
    return st;
}

/* ---- a small network behind the logits ---- */

static int build_behind(const struct classifier *c, struct graph *g, int x, int *front)
{
    *front = x;
    x = net_build(&c->net, g, x, c->use);
    x = graph_relu(g, graph_dense(g, x, "readout.hidden", HIDDEN, false));
    return graph_dense(g, x, "readout.out", c->net.classes, false);
}

/* Its first layer sees the logits around their mean and as far apart in each direction, however
 * small they are. */
static ward_status draw_hidden(struct thief *t, const struct answers *a, float *weight, float *bias)
{
    double *axes = NULL, *strength = NULL, *mean = NULL;
    float *x = NULL;
    struct rng rng;
    size_t k = a->k;
    ward_status st = mem_new(&axes, k * k, sizeof *axes);

    thief_rng(t, UINT32_C(1) << 30, &rng);
    if (!st)
        st = mem_new(&strength, k, sizeof *strength);
    if (!st)
        st = mem_new(&mean, k, sizeof *mean);
    if (!st)
        st = mem_new(&x, a->n * k, sizeof *x);
    for (size_t i = 0; i < a->n * k && !st; i++)
        mean[i % k] += (double)a->logits[i] / (double)a->n;
    for (size_t i = 0; i < a->n * k && !st; i++)
        x[i] = (float)((double)a->logits[i] - mean[i % k]);
    if (!st)
        st = principal_axes(a->n, k, x, k, &rng, axes, strength);
    for (size_t h = 0; h < HIDDEN && !st; h++)
        for (size_t i = 0; i < k; i++) {
            double spread = fmax(strength[i], 1e-4 * strength[0]) / sqrt((double)a->n) + 1e-12;
            double factor = (double)rng_normal(&rng) * sqrt(2 / (double)k) / spread;

            for (size_t j = 0; j < k; j++) {
                weight[h * k + j] += (float)(factor * axes[i * k + j]);
                bias[h] -= (float)(factor * axes[i * k + j] * mean[j]);
            }
        }
    mem_free(x);
    mem_free(mean);
    mem_free(strength);
    mem_free(axes);
    return st;
}

static ward_status draw_behind(struct thief *t, const struct answers *a, struct tensor_list *params)
{
    const struct shape shapes[] = {shape_make(2, HIDDEN, a->k, 1, 1),
                                   shape_make(1, HIDDEN, 1, 1, 1),
                                   shape_make(2, a->k, HIDDEN, 1, 1), shape_make(1, a->k, 1, 1, 1)};
    static const char *const names[] = {"readout.hidden.weight", "readout.hidden.bias",
                                        "readout.out.weight", "readout.out.bias"};
    float *values[4];
    struct rng rng;
    ward_status st = WARD_OK;

    for (size_t i = 0; i < 4 && !st; i++) {
        struct tensor *added;

        st = tensor_list_add(params, names[i], &shapes[i], &added);
        values[i] = st ? NULL : added->data;
    }
    if (!st)
        st = draw_hidden(t, a, values[0], values[1]);
    thief_rng(t, (UINT32_C(1) << 30) + 1, &rng);
    for (size_t i = 0; i < a->k * HIDDEN && !st; i++)
        values[2][i] = rng_normal(&rng) / sqrtf(HIDDEN);
    return st;
}

static bool are_finite(const struct answers *a)
{
    for (size_t i = 0; i < a->n * a->k; i++)
        if (!isfinite(a->logits[i]))
            return false;
    return true;
}

static ward_status probe_behind(struct thief *t, const struct tensor_list *network, double rate)
{
    struct search s = {.thief = t,
                       .classifier = classifier_of(&t->network->spec, NULL),
                       .loss = &search_labels,
                       .trained = "readout.",
                       .rate = rate,
                       .bound = (double)NAN};
    struct tensor_list params = {NULL, 0};
    struct answers a;
    ward_status st = answers_get(t, network, &a);

    s.classifier.build = build_behind;
    snprintf(s.what, sizeof s.what, "a small network behind the logits, rate %g", rate);
    if (!st)
        st = params_append(&params, network);
    if (!st && are_finite(&a)) {
        st = draw_behind(t, &a, &params);
        if (!st)
            st = search_run(&s, &params);
    }
    tensor_list_release(&params);
    answers_release(&a);
    return st;
}

/* ---- features ---- */

/* His images as F's last layer sees them, each value around its mean and as far from it, and what
 * that layer is to answer. */
struct features {
    size_t n, d, k;
    float *x;            /* [n, d] */
    float *y;            /* [n, k]: 1 for the class of the image, less the mean */
    float *map;          /* [k, d] */
    double *mean, *size; /* [d]: of what x was */
    double *share;       /* [k]: of the classes */
};

static ward_status features_open(struct features *f, size_t n, const struct shape *head)
{
    ward_status st;

    *f = (struct features){.n = n, .d = head->dim[1], .k = head->dim[0]};
    st = mem_new(&f->x, f->n * f->d, sizeof *f->x);
    if (!st)
        st = mem_new(&f->y, f->n * f->k, sizeof *f->y);
    if (!st)
        st = mem_new(&f->map, f->k * f->d, sizeof *f->map);
    if (!st)
        st = mem_new(&f->mean, f->d, sizeof *f->mean);
    if (!st)
        st = mem_new(&f->size, f->d, sizeof *f->size);
    return st ? st : mem_new(&f->share, f->k, sizeof *f->share);
}

static void features_close(struct features *f)
{
    mem_free(f->x);
    mem_free(f->y);
    mem_free(f->map);
    mem_free(f->mean);
    mem_free(f->size);
    mem_free(f->share);
}

static void standardise(struct features *f)
{
    for (size_t i = 0; i < f->n * f->d; i++)
        f->mean[i % f->d] += (double)f->x[i] / (double)f->n;
    for (size_t i = 0; i < f->n * f->d; i++)
        f->size[i % f->d] += pow((double)f->x[i] - f->mean[i % f->d], 2) / (double)f->n;
    for (size_t j = 0; j < f->d; j++)
        f->size[j] = f->size[j] > 0 ? sqrt(f->size[j]) : 1;
    for (size_t i = 0; i < f->n * f->d; i++)
        f->x[i] = (float)(((double)f->x[i] - f->mean[i % f->d]) / f->size[i % f->d]);
}

static ward_status features_read(struct features *f, struct thief *t,
                                 const struct tensor_list *network)
{
    int32_t *labels = NULL;
    ward_status st = mem_new(&labels, f->n, sizeof *labels);

    if (!st)
        st = batch_read(t->images, 0, f->n, NULL, labels);
    if (!st)
        st = thief_features(t, network, t->images, f->x);
    for (size_t i = 0; i < f->n && !st; i++)
        f->share[labels[i]] += 1 / (double)f->n;
    for (size_t i = 0; i < f->n * f->k && !st; i++)
        f->y[i] = (float)((labels[i / f->k] == (int32_t)(i % f->k)) - f->share[i % f->k]);
    mem_free(labels);
    if (!st)
        standardise(f);
    return st;
}

static ward_status fit_features(struct thief *t, struct features *f, double ridge,
                                struct tensor *weight, struct tensor *bias,
                                const struct tensor_list *params)
{
    const struct classifier c = classifier_of(&t->network->spec, NULL);
    char what[64];
    ward_status st = linear_fit(f->n, f->d, f->k, f->x, f->y, ridge, f->map);

    for (size_t i = 0; i < f->k && !st; i++) {
        double at_mean = 0;

        for (size_t j = 0; j < f->d; j++) {
            double w = (double)f->map[i * f->d + j] / f->size[j];

            weight->data[i * f->d + j] = (float)w;
            at_mean += w * f->mean[j];
        }
        bias->data[i] = (float)(f->share[i] - at_mean);
    }
    snprintf(what, sizeof what, "a new last layer, least squares, ridge %g", ridge);
    if (!st)
        st = thief_offer_as(t, &c, params, what);
    return st == WARD_ERR_NUMERIC ? WARD_OK : st; /* as fit_logits() */
}

static struct tensor *find_param(const struct tensor_list *params, const char *prefix,
                                 const char *name)
{
    char full[TENSOR_MAX_NAME + 8];

    snprintf(full, sizeof full, "%s%s", prefix, name);
    return tensor_list_find(params, full);
}

/* However large or small they are; gradients take long where they differ in that. */
static ward_status solve_features(struct thief *t, const struct tensor_list *network)
{
    struct tensor_list params = {NULL, 0};
    struct features f = {.n = 0};
    char head[TENSOR_MAX_NAME];
    struct tensor *weight = NULL, *bias = NULL;
    ward_status st = search_head(&t->network->spec, head, sizeof head);

    if (!st)
        st = params_append(&params, network);
    if (!st) {
        weight = find_param(&params, head, "weight");
        bias = find_param(&params, head, "bias");
        st = features_open(&f, t->images->count, &weight->shape);
    }
    if (!st)
        st = features_read(&f, t, network);
    for (size_t i = 0; i < FEATURE_RIDGES && !st; i++)
        st = fit_features(t, &f, feature_ridges[i], weight, bias, &params);
    features_close(&f);
    tensor_list_release(&params);
    return st;
}

static ward_status probe_features(struct thief *t, const struct tensor_list *network, double rate)
{
    char head[TENSOR_MAX_NAME];
    struct search s = {.thief = t,
                       .classifier = classifier_of(&t->network->spec, NULL),
                       .loss = &search_labels,
                       .trained = head,
                       .rate = rate,
                       .bound = (double)NAN};
    struct tensor_list params = {NULL, 0};
    ward_status st = search_head(&t->network->spec, head, sizeof head);

    snprintf(s.what, sizeof s.what, "a new last layer, rate %g", rate);
    if (!st)
        st = params_append(&params, network);
    for (size_t i = 0; i < params.count && !st; i++)
        if (strncmp(params.items[i].name, head, strlen(head)) == 0)
            memset(params.items[i].data, 0, shape_count(&params.items[i].shape) * sizeof(float));
    if (!st)
        st = search_run(&s, &params);
    tensor_list_release(&params);
    return st;
}

static ward_status probe(struct thief *t, const struct tensor_list *network)
{
    ward_status st = solve_logits(t, network);

    if (!st)
        st = solve_features(t, network);
    for (size_t i = 0; i < t->budget->effort && i < RATES && !st; i++) {
        st = probe_logits(t, network, rates[i]);
        if (!st)
            st = probe_behind(t, network, rates[i]);
        if (!st)
            st = probe_features(t, network, rates[i]);
    }
    return st;
}

static ward_status attempt(struct thief *t)
{
    ward_status st = try_untrained(t);

    return st ? st : probe(t, &t->network->params);
}

/* A network of the same shape that knows nothing: its features give something away, too. */
static ward_status attempt_control(struct thief *t)
{
    struct net net = {.params = {NULL, 0}};
    ward_status st = net_init(&net, &t->network->spec, t->seed);

    if (!st)
        st = probe(t, &net.params);
    net_release(&net);
    return st;
}

const struct raid raid_readout = {
    .name = "readout",
    .id = "A1",
    .knows = WARD_KNOWS_LABELLED,
    .methods = ATTACK_ALL_METHODS,
    .attempt = attempt,
};

const struct raid raid_readout_control = {
    .name = "random-readout",
    .id = "A1 control",
    .knows = WARD_KNOWS_LABELLED,
    .most = 1000,
    .is_control = true,
    .methods = ATTACK_ALL_METHODS,
    .attempt = attempt_control,
};
