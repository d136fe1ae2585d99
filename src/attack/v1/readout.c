/*
 * A1, readout: F as it is, and what its answers on raw images tell all the same. Below chance it
 * knows the class and avoids it, so: the least likely class; classes renamed; a linear map of the
 * logits; a new last layer.
 */
#include <math.h>
#include <stdio.h>

#include "attack/search.h"
#include "base/mem.h"

enum { RATES = 3 };

static const double rates[RATES] = {0.01, 0.1, 0.001};

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

static ward_status try_renaming(struct thief *t, struct tensor_list *params)
{
    const struct classifier c = read_off(t);
    size_t n = t->images->count, k = t->network->spec.classes;
    float *logits = NULL, *counts = NULL;
    int32_t *labels = NULL;
    ward_status st = mem_new(&logits, n * k, sizeof *logits);

    if (!st)
        st = mem_new(&counts, k * k, sizeof *counts);
    if (!st)
        st = mem_new(&labels, n, sizeof *labels);
    if (!st)
        st = batch_read(t->images, 0, n, NULL, labels);
    if (!st)
        st = thief_answers(t, t->images, logits);
    for (size_t i = 0; i < n && !st; i++)
        counts[largest(logits + i * k, k) * k + (size_t)labels[i]]++;
    if (!st) {
        match_names(counts, k, tensor_list_find(params, "readout.weight")->data);
        st = thief_offer_as(t, &c, params, "classes renamed");
    }
    mem_free(logits);
    mem_free(counts);
    mem_free(labels);
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
            memset(params.items[i].data, 0,
                   shape_count(&params.items[i].shape) * sizeof(float));
    if (!st)
        st = search_run(&s, &params);
    tensor_list_release(&params);
    return st;
}

static ward_status probe(struct thief *t, const struct tensor_list *network)
{
    ward_status st = WARD_OK;

    for (size_t i = 0; i < t->budget->effort && i < RATES && !st; i++) {
        st = probe_logits(t, network, rates[i]);
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
    .is_cheap = true,
    .methods = ATTACK_ALL_METHODS,
    .attempt = attempt,
};

const struct raid raid_readout_control = {
    .name = "random-readout",
    .id = "A1 control",
    .knows = WARD_KNOWS_LABELLED,
    .most = 100,
    .is_control = true,
    .methods = ATTACK_ALL_METHODS,
    .attempt = attempt_control,
};
