/*
 * Times one training step of the paper's objective (forward, backward, SGD) on the cpu device.
 *
 *   step ARCH METHOD [--shape CxHxW] [--batch N] [--seconds S] [--warmup W] [--profile]
 *
 * Prints one JSON line with the median and the quartiles over all steps after the warm-up; with
 * --profile also a line an operator: seconds a step, name, implementation.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parallel.h"
#include "base/rng.h"
#include "base/util.h"
#include "nn/net.h"
#include "nn/sgd.h"
#include "protect/objective.h"
#include "ward/device.h"

struct settings {
    const char *arch, *method;
    unsigned channels, height, width;
    size_t batch;
    double seconds, warmup;
    bool has_profile;
};

struct bench {
    struct graph graph;
    struct objective objective;
    struct net net;
    struct transform transform;
    struct plan *plan;
    ward_device *device;
};

static int fail(const char *text)
{
    fprintf(stderr, "step: %s\n", text);
    return 1;
}

static bool parse(int argc, char **argv, struct settings *s)
{
    if (argc < 3)
        return false;
    *s = (struct settings){argv[1], argv[2], 1, 28, 28, 128, 5, 1, false};
    for (int i = 3; i < argc; i++) {
        bool has_value = i + 1 < argc;

        if (!strcmp(argv[i], "--profile"))
            s->has_profile = true;
        else if (!strcmp(argv[i], "--shape") && has_value &&
                 sscanf(argv[i + 1], "%ux%ux%u", &s->channels, &s->height, &s->width) == 3)
            i++;
        else if (!strcmp(argv[i], "--batch") && has_value)
            s->batch = strtoul(argv[++i], NULL, 10);
        else if (!strcmp(argv[i], "--seconds") && has_value)
            s->seconds = strtod(argv[++i], NULL);
        else if (!strcmp(argv[i], "--warmup") && has_value)
            s->warmup = strtod(argv[++i], NULL);
        else
            return false;
    }
    return s->batch > 0;
}

static ward_status build(struct bench *b, const struct settings *s)
{
    struct objective_config objective = {.batch = s->batch,
                                         .raw_rows = s->batch,
                                         .alpha = 1,
                                         .beta = 1,
                                         .gamma = 0.01f};
    struct net_spec net = {.channels = s->channels, .height = s->height, .width = s->width,
                           .classes = 10};
    struct transform_spec transform = {.channels = s->channels, .height = s->height,
                                       .width = s->width, .sigma = 0.1f, .p = 0.2f,
                                       .generator_width = s->channels > 1 ? 64 : 16, .start = 0.1f};
    struct plan_options options = {.bn = BN_BATCH, .has_dropout = true,
                                   .gradients = PLAN_GRAD_PARAMS};
    const uint8_t seed[TRANSFORM_SEED_LEN] = {1};
    const struct tensor_list *lists[2] = {&b->net.params, &b->transform.params};
    bool is_protected;
    ward_status st = ward_method_parse(s->method, &transform.method);

    if (st)
        return st;
    is_protected = transform.method != WARD_METHOD_BASELINE;
    if (!is_protected)
        objective.raw_rows = 0;
    snprintf(net.arch, sizeof net.arch, "%s", s->arch);
    st = net_init(&b->net, &net, 1);
    if (!st && is_protected)
        st = transform_init(&b->transform, &transform, seed);
    if (!st)
        st = objective_build(&b->graph, &net, is_protected ? &transform : NULL, &objective,
                             &b->objective);
    if (!st)
        st = ward_device_open(&b->device, "cpu");
    options.outputs[options.output_count++] = b->objective.logits;
    if (!st)
        st = plan_compile(&b->plan, b->device, &b->graph, &options);
    return st ? st : params_load(b->plan, lists, 2);
}

static void fill(struct bench *b)
{
    struct dims d = graph_dims(&b->graph, b->objective.x);
    float *x = plan_input(b->plan, b->objective.x);
    int32_t *labels = plan_labels(b->plan, b->objective.labels);
    struct rng rng;

    rng_init(&rng, 1, RNG_TEST, 0, 0);
    for (size_t i = 0; i < dims_count(d); i++)
        x[i] = rng_uniform(&rng);
    for (size_t i = 0; i < d.n; i++)
        labels[i] = (int32_t)rng_below(&rng, 10);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void print_operator(void *context, const struct plan_step *step)
{
    fprintf(stderr, "%9.3f ms  %-20s %s\n",
            1e3 * (step->seconds.forward + step->seconds.backward) / *(double *)context,
            step->name, step->implementation);
}

int main(int argc, char **argv)
{
    enum { MAX_STEPS = 100000 };
    const struct sgd_config sgd = {.rate = 1e-3f, .momentum = 0.9f, .decay = 5e-4f};
    static double times[MAX_STEPS];
    struct bench b = {0};
    struct settings s;
    size_t count = 0, all = 0;
    double start, macs;

    if (!parse(argc, argv, &s))
        return fail("usage: step ARCH METHOD [--shape CxHxW] [--batch N] [--seconds S] "
                    "[--warmup W] [--profile]");
    graph_init(&b.graph);
    if (build(&b, &s))
        return fail(ward_error_message());
    fill(&b);
    if (s.has_profile && plan_profile(b.plan))
        return fail(ward_error_message());
    start = clock_seconds();
    while (count < MAX_STEPS && (count < 3 || clock_seconds() - start < s.warmup + s.seconds)) {
        double begin = clock_seconds();

        plan_set_step(b.plan, 1, all++);
        if (plan_forward(b.plan) || plan_backward(b.plan))
            return fail(ward_error_message());
        sgd_step(b.plan, &sgd, NULL, NULL);
        if (begin - start >= s.warmup)
            times[count++] = clock_seconds() - begin;
    }
    qsort(times, count, sizeof *times, compare);
    macs = graph_macs(&b.graph);
    printf("{\"arch\":\"%s\",\"method\":\"%s\",\"batch\":%zu,\"threads\":%u,\"steps\":%zu,"
           "\"median_ms\":%.3f,\"q1_ms\":%.3f,\"q3_ms\":%.3f,\"gflops\":%.1f,\"plan_mib\":%.1f}\n",
           s.arch, s.method, s.batch, parallel_threads(), count, 1e3 * times[count / 2],
           1e3 * times[count / 4], 1e3 * times[count * 3 / 4], 6e-9 * macs / times[count / 2],
           (double)plan_memory(b.plan) / 1048576);
    if (s.has_profile) {
        double steps = (double)all;

        plan_describe(b.plan, print_operator, &steps);
    }
    plan_free(b.plan);
    graph_release(&b.graph);
    net_release(&b.net);
    transform_release(&b.transform);
    ward_device_close(b.device);
    return 0;
}
