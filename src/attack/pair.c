/*
 * Pair: the adversary holds raw training images and what G makes of them.
 *
 * Against `generator` he knows its structure, and fits a freshly drawn G' to the pairs by mean
 * squared error. One in ten of them, 1,024 at most, are held out; on these he sees how far he is,
 * lowers the rate when it stops getting better, ends when that no longer helps, and keeps the best
 * G'. F is not needed until G' is scored.
 *
 * Against `fixed` and `learned` one pair is enough: the difference is the pattern, but for what a
 * clamp has cut off.
 */
#include <math.h>

#include "attack/attack.h"
#include "base/mem.h"
#include "base/util.h"
#include "nn/adam.h"

enum { BATCH = 128, HELD_OUT = 1024, CHECK_EVERY = 200, PATIENCE = 3, DROPS = 2, MIN_STEPS = 2000 };

static const float start = 1.0f;        /* factor on the second layer of a fresh G' */
static const double drop = 0.25;        /* of the rate, on a plateau */
static const double improvement = 0.05; /* of the error, in PATIENCE checks: less is a plateau */

struct fit {
    struct attempt *attempt;
    struct transform copy;        /* G', the best so far */
    struct split train, held_out; /* borrow the pairs' index */
    struct batch_source source;
    struct epoch_order order;
    int32_t *labels; /* [batch]; not looked at */
    float *x, *y;    /* [held_out, c, h, w]: raw and processed */
    size_t batch, image_len;

    struct graph graph;
    int input, target, output;
    struct plan *plan;
    struct adam adam;

    double rate;
    double plateau;        /* the error that has to be improved on */
    unsigned stale, drops; /* checks without improvement; times that the rate was lowered */
};

/* ---- up to the first step ---- */

static ward_status draw_copy(struct fit *f)
{
    struct transform_spec spec = *f->attempt->structure;

    spec.start = start;
    return attempt_transform(f->attempt, &spec, &f->copy);
}

static void divide_pairs(struct fit *f)
{
    const struct split *all = pairs_raw(f->attempt->pairs);
    uint32_t held = (uint32_t)max_size(1, min_size(all->count / 10, HELD_OUT));

    f->held_out = f->train = *all;
    f->held_out.count = held;
    f->train.index += held;
    f->train.count -= held;
    f->batch = min_size(BATCH, f->train.count);
    f->source = (struct batch_source){
        .split = &f->train, .seed = f->attempt->trial->seed, .batch = (uint32_t)f->batch};
}

static ward_status open_pairs(struct fit *f)
{
    size_t held;
    ward_status st;

    divide_pairs(f);
    held = f->held_out.count;
    st = mem_new(&f->x, held * f->image_len, sizeof *f->x);
    if (!st)
        st = mem_new(&f->y, held * f->image_len, sizeof *f->y);
    if (!st)
        st = mem_new(&f->labels, f->batch, sizeof *f->labels);
    if (!st)
        st = batch_read(&f->held_out, 0, held, f->x, NULL);
    if (!st)
        st = pairs_process(f->attempt->pairs, held, f->x, f->y);
    return st ? st : epoch_order_init(&f->order, &f->train);
}

static ward_status open_plan(struct fit *f)
{
    const struct transform_spec *spec = &f->copy.spec;
    const struct dims images = {f->batch, spec->channels, spec->height, spec->width};
    const struct tensor_list *const lists[] = {&f->copy.params};
    struct plan_options options = {
        .gradients = PLAN_GRAD_PARAMS, .is_secret = true, .output_count = 1};
    ward_status st;

    f->input = graph_input(&f->graph, images);
    f->target = graph_input(&f->graph, images);
    f->output = transform_build(spec, &f->graph, f->input, false);
    graph_squared_distance(&f->graph, f->output, f->target, 1.0f / (float)f->image_len);
    options.outputs[0] = f->output;
    st = graph_finish(&f->graph);
    if (!st)
        st = plan_compile(&f->plan, f->attempt->device, &f->graph, &options);
    if (!st)
        st = params_load(f->plan, lists, 1);
    return st ? st : adam_init(&f->adam, f->plan);
}

static ward_status fit_open(struct fit *f, struct attempt *a)
{
    const struct net_spec *image = &a->network->spec;
    ward_status st;

    *f = (struct fit){.attempt = a,
                      .image_len = image->channels * image->height * image->width,
                      .rate = a->settings->rate,
                      .plateau = INFINITY};
    graph_init(&f->graph);
    st = draw_copy(f);
    if (!st)
        st = open_pairs(f);
    return st ? st : open_plan(f);
}

static void fit_close(struct fit *f)
{
    adam_release(&f->adam);
    plan_free(f->plan);
    graph_release(&f->graph);
    epoch_order_release(&f->order);
    if (f->y)
        mem_wipe(f->y, f->held_out.count * f->image_len * sizeof *f->y);
    mem_free(f->y);
    mem_free(f->x);
    mem_free(f->labels);
    transform_release(&f->copy);
}

/* ---- fitting ---- */

static ward_status step(struct fit *f, uint64_t number)
{
    float *x = plan_input(f->plan, f->input), *y = plan_input(f->plan, f->target);
    bool is_finite = true;
    ward_status st;

    batch_make(&f->source, &f->order, number, x, f->labels);
    st = pairs_process(f->attempt->pairs, f->batch, x, y);
    if (!st)
        st = plan_forward(f->plan);
    if (!st)
        st = plan_backward(f->plan);
    if (st)
        return st;
    adam_step(&f->adam, (float)f->rate, &is_finite);
    if (!is_finite)
        return ward_fail(WARD_ERR_NUMERIC, "fitting to pairs diverged (learning rate %g)",
                         f->attempt->settings->rate);
    return WARD_OK;
}

static double squares(const float *a, const float *b, size_t count)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return sum;
}

/* The mean squared error on the pairs held out. */
static ward_status measure(struct fit *f, double *error)
{
    size_t held = f->held_out.count, len = f->image_len;
    double sum = 0;
    ward_status st = WARD_OK;

    for (size_t done = 0; done < held && !st; done += f->batch) {
        size_t n = min_size(f->batch, held - done);

        memcpy(plan_input(f->plan, f->input), f->x + done * len, n * len * sizeof *f->x);
        st = plan_forward(f->plan);
        if (!st)
            sum += squares(plan_output(f->plan, f->output), f->y + done * len, n * len);
    }
    *error = sum / (double)(held * len);
    return st;
}

/* Lower the rate after PATIENCE checks that did not improve on the error before them. */
static void watch_plateau(struct fit *f, double error)
{
    if (error < (1 - improvement) * f->plateau) {
        f->plateau = error;
        f->stale = 0;
    } else if (++f->stale == PATIENCE) {
        f->rate *= drop;
        f->drops++;
        f->stale = 0;
    }
}

static ward_status check(struct fit *f, uint64_t steps)
{
    ward_attack_trial *trial = f->attempt->trial;
    double error;
    ward_status st = measure(f, &error);

    if (!st)
        st = attempt_note(f->attempt, steps, error);
    if (st)
        return st;
    trial->steps = steps;
    watch_plateau(f, error);
    if (trial->point_count > 1 && error >= trial->error)
        return WARD_OK;
    trial->error = error;
    return params_store(f->plan, PLAN_VALUE, &f->copy.params);
}

static bool is_over(const struct fit *f, uint64_t steps)
{
    return steps >= f->attempt->settings->steps || (f->drops > DROPS && steps >= MIN_STEPS);
}

static ward_status fit_run(struct fit *f)
{
    uint64_t steps = 0;
    ward_status st = check(f, 0);

    while (!st && !is_over(f, steps)) {
        st = attempt_go_on(f->attempt);
        if (!st)
            st = step(f, steps++);
        if (!st && (steps % CHECK_EVERY == 0 || steps == f->attempt->settings->steps))
            st = check(f, steps);
    }
    return st;
}

static ward_status attempt_fit(struct attempt *a)
{
    struct fit f;
    ward_status st = fit_open(&f, a);

    if (!st)
        st = fit_run(&f);
    if (!st)
        st = attempt_score(a, &f.copy);
    fit_close(&f);
    return st;
}

const struct attack attack_pair_fit = {
    .name = "pair",
    .note = "error is the mean squared error on pairs held out from fitting; chosen is the trial "
            "with the lowest; best is chosen on the test images, as in the paper",
    .holds = HOLDS_STRUCTURE | HOLDS_PAIRS,
    .methods = 1u << WARD_METHOD_GENERATOR,
    .uses = WARD_ATTACK_USES_TRIALS | WARD_ATTACK_USES_SEED | WARD_ATTACK_USES_PAIRS |
            WARD_ATTACK_USES_FIT,
    .trials = 100,
    .attempt = attempt_fit,
};

/* ---- subtraction ---- */

/* The pattern of a transform x + P, in place of the values it was drawn with. */
static ward_status subtract(struct attempt *a, struct transform *pattern)
{
    float *values = pattern->params.items[0].data, *x = NULL;
    size_t len = shape_count(&pattern->params.items[0].shape);
    ward_status st = mem_new(&x, len, sizeof *x);

    if (!st)
        st = batch_read(pairs_raw(a->pairs), 0, 1, x, NULL);
    if (!st)
        st = pairs_process(a->pairs, 1, x, values);
    for (size_t i = 0; i < len && !st; i++)
        values[i] -= x[i];
    mem_free(x);
    return st;
}

static ward_status attempt_subtract(struct attempt *a)
{
    struct transform_spec spec = *a->structure;
    struct transform pattern = {.params = {NULL, 0}};
    ward_status st = attempt_transform(a, &spec, &pattern);

    if (!st)
        st = subtract(a, &pattern);
    if (!st)
        st = attempt_score(a, &pattern);
    transform_release(&pattern);
    return st;
}

const struct attack attack_pair_subtract = {
    .name = "pair",
    .note = "one pair is subtracted; where the transform clamps, that pattern lacks what the clamp "
            "has cut off of that image",
    .holds = HOLDS_STRUCTURE | HOLDS_PAIRS,
    .methods = 1u << WARD_METHOD_FIXED | 1u << WARD_METHOD_LEARNED,
    .uses = WARD_ATTACK_USES_TRIALS | WARD_ATTACK_USES_SEED,
    .trials = 1,
    .pair_count = 1,
    .attempt = attempt_subtract,
};
