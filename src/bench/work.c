/* See work.h. */
#include "bench/work.h"

#include <math.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/util.h"
#include "model/spec.h"
#include "train/settings.h"

enum { CLASSES = 10, SEED = 1 };

static bool has_transform(const struct work *w)
{
    return w->config.method != WARD_METHOD_BASELINE;
}

/* ---- settings ---- */

/* The images as a data set of that shape would describe them. */
static ward_dataset_info describe_images(const struct work *w)
{
    const ward_bench_config *c = &w->config;

    return (ward_dataset_info){.classes = CLASSES,
                               .input = {.channels = (unsigned)c->channels,
                                         .height = (unsigned)c->height,
                                         .width = (unsigned)c->width,
                                         .low = 0,
                                         .high = 1}};
}

static ward_status resolve(struct work *w)
{
    const ward_bench_config *c = &w->config;
    const char *arch = c->work == WARD_BENCH_TRANSFORM ? "" : c->arch;
    ward_dataset_info images;
    ward_status st = WARD_OK;

    if (spec_shape_check(c->channels, c->height, c->width))
        st = ward_fail(WARD_ERR_ARG, "no network takes images of %zu x %zu x %zu", c->channels,
                       c->height, c->width);
    if (!st && !(c->seconds >= 0 && isfinite(c->seconds)))
        st = ward_fail(WARD_ERR_ARG, "%g is not a number of seconds to measure for", c->seconds);
    if (!st && c->work == WARD_BENCH_TRANSFORM && !has_transform(w))
        st = ward_fail(WARD_ERR_ARG, "a baseline has no transform");
    if (!st)
        st = ward_train_defaults(&w->settings, "paper", "", arch, c->method);
    if (st)
        return st;
    w->settings.batch = c->batch;
    w->settings.raw_share = c->raw_share;
    images = describe_images(w);
    settings_resolve(&w->settings, &images);
    return settings_check(&w->settings);
}

/* ---- weights and images ---- */

static ward_status draw_networks(struct work *w)
{
    const uint8_t seed[TRANSFORM_SEED_LEN] = {SEED};
    ward_dataset_info images = describe_images(w);
    struct net_spec net;
    struct transform_spec transform;
    ward_status st = WARD_OK;

    settings_net(&w->settings, &images, &net);
    settings_transform(&w->settings, &images, &transform);
    w->run.model.method = w->config.method;
    w->run.has_transform = has_transform(w);
    if (w->config.work == WARD_BENCH_TRANSFORM)
        w->run.model.net.spec = net;
    else
        st = net_init(&w->run.model.net, &net, SEED);
    if (!st && has_transform(w))
        st = transform_init(&w->run.transform, &transform, seed);
    return st;
}

static ward_status draw_batch(struct work *w)
{
    size_t n = w->config.batch, len = w->config.channels * w->config.height * w->config.width;
    struct rng rng;
    ward_status st = mem_new(&w->x, n, len * sizeof *w->x);

    if (!st)
        st = mem_new(&w->y, n, max_size(len, CLASSES) * sizeof *w->y);
    if (!st)
        st = mem_new(&w->labels, n, sizeof *w->labels);
    rng_init(&rng, SEED, RNG_TEST, 0, 0);
    for (size_t i = 0; i < n * len && !st; i++)
        w->x[i] = rng_uniform(&rng);
    for (size_t i = 0; i < n && !st; i++)
        w->labels[i] = (int32_t)rng_below(&rng, CLASSES);
    return st;
}

/* ---- opening ---- */

static ward_status load_step(struct work *w)
{
    struct tensor_list wrong = {NULL, 0};
    const struct tensor_list *const lists[] = {&w->run.model.net.params, &w->run.transform.params,
                                               &wrong};
    ward_status st = objective_wrong_key(&w->objective, &w->run.transform, SEED, 0, &wrong);

    if (!st)
        st = params_load(w->step, lists, 3);
    tensor_list_release(&wrong);
    return st;
}

static ward_status open_step(struct work *w)
{
    const struct transform_spec *g = has_transform(w) ? &w->run.transform.spec : NULL;
    struct plan_options options = {
        .bn = BN_BATCH, .has_dropout = true, .gradients = PLAN_GRAD_PARAMS};
    struct objective_config config;
    ward_status st;

    /* Not the recipe's rate, so that the weights stay finite however long this goes on. */
    settings_sgd(&w->settings, 1e-4, &w->sgd, &w->group);
    settings_objective(&w->settings, &config);
    st = objective_build(&w->graph, &w->run.model.net.spec, g, &config, &w->objective);
    if (st)
        return st;
    options.outputs[options.output_count++] = w->objective.logits;
    st = plan_compile(&w->step, w->device, &w->graph, &options);
    return st ? st : load_step(w);
}

static ward_status open_session(struct work *w)
{
    w->pass = w->config.work == WARD_BENCH_TRANSFORM ? PASS_TRANSFORM
              : has_transform(w)                     ? PASS_AUTHORISED
                                                     : PASS_RAW;
    return ward_session_new(&w->session, &w->run, w->device, w->config.batch);
}

ward_status work_open(struct work *w, ward_device *device, const ward_bench_config *config)
{
    ward_status st;

    w->device = device;
    w->config = *config;
    graph_init(&w->graph);
    st = resolve(w);
    if (!st)
        st = draw_networks(w);
    if (!st)
        st = draw_batch(w);
    if (!st)
        st = config->work == WARD_BENCH_TRAIN ? open_step(w) : open_session(w);
    return st;
}

void work_close(struct work *w)
{
    plan_free(w->step);
    ward_session_free(w->session);
    graph_release(&w->graph);
    net_release(&w->run.model.net);
    transform_release(&w->run.transform);
    mem_free(w->x);
    mem_free(w->y);
    mem_free(w->labels);
}

/* ---- running ---- */

static ward_status run_step(struct work *w)
{
    bool is_finite = true;
    double begin;
    ward_status st =
        objective_load_wrong_key(&w->objective, w->step, &w->run.transform, SEED, w->steps);

    if (st)
        return st;
    objective_fill(&w->objective, w->step, w->x, w->labels);
    plan_set_step(w->step, SEED, w->steps++);
    st = plan_forward(w->step);
    if (!st)
        st = plan_backward(w->step);
    if (st)
        return st;
    begin = w->is_profiled ? clock_seconds() : 0;
    sgd_step(w->step, &w->sgd, &w->group, &is_finite);
    if (w->is_profiled)
        w->update_seconds += clock_seconds() - begin;
    return is_finite ? WARD_OK : ward_fail(WARD_ERR_NUMERIC, "a weight is not finite");
}

ward_status work_run(struct work *w)
{
    return w->step ? run_step(w) : session_run(w->session, w->pass, w->config.batch, w->x, w->y);
}

struct plan *work_plan(const struct work *w)
{
    return w->step ? w->step : session_plan(w->session, w->pass);
}

void work_profile_updates(struct work *w)
{
    w->is_profiled = w->step != NULL;
}
