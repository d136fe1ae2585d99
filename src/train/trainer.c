/*
 * The loop. A step is a function of the parameters, the velocities and the step's number alone:
 * batches and dropout masks are named by (seed, step). So a training that goes on from a checkpoint
 * makes the same bytes as one that was never stopped.
 */
#include "train/trainer.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/util.h"
#include "train/schedule.h"
#include "train/settings.h"

enum { LOG_EVERY = 100 };

/* ---- talking ---- */

static double raw_or_none(const struct trainer *t, double value)
{
    return t->objective.raw >= 0 ? value : -1;
}

/* Tell the caller where the training is; it may ask to stop. */
static void report(struct trainer *t, const char *event)
{
    struct measure mean = metrics_mean(&t->metrics);
    uint64_t iterations = t->config.values.iterations, done = t->saved.step - t->first_step;
    double speed = pace_rate(&t->pace, clock_seconds(), (double)done);
    ward_train_progress progress = {
        .iteration = t->saved.step,
        .iterations = iterations,
        .loss_processed = mean.loss_processed,
        .loss_raw = raw_or_none(t, mean.loss_raw),
        .loss_wrong = t->objective.wrong >= 0 ? mean.loss_wrong : -1,
        .accuracy_processed = mean.accuracy_processed,
        .accuracy_raw = raw_or_none(t, mean.accuracy_raw),
        .validation_processed = t->metrics.validation_processed,
        .validation_raw = t->metrics.validation_raw,
        .images_per_second = speed * (double)t->config.values.batch,
        .seconds_left = speed > 0 ? (double)(iterations - t->saved.step) / speed : 0,
        .event = event,
    };

    if (t->options->progress && !t->options->progress(t->options->context, &progress))
        t->is_stopping = true;
}

/* Of a run that has no more to do, only the number of iterations is known here. */
static void report_complete(struct trainer *t)
{
    metrics_init(&t->metrics);
    t->objective.raw = t->objective.wrong = -1;
    t->saved.step = t->first_step = t->config.values.iterations;
    report(t, "the run is complete");
}

static void report_start(struct trainer *t)
{
    char text[64];

    if (!t->is_resumed) {
        report(t, NULL);
        return;
    }
    snprintf(text, sizeof text, "resumed at iteration %" PRIu64, t->saved.step);
    report(t, text);
}

/* ---- a step ---- */

static ward_status refuse_numbers(const struct trainer *t, const char *what, double rate)
{
    return ward_fail(WARD_ERR_NUMERIC, "%s not finite at iteration %" PRIu64 " (learning rate %g)",
                     what, t->saved.step + 1, rate);
}

static ward_status update(struct trainer *t, double rate)
{
    struct sgd_config sgd;
    struct sgd_group transform;
    bool is_finite = true;

    settings_sgd(&t->config.values, rate, &sgd, &transform);
    sgd_step(t->plan, &sgd, &transform, &is_finite);
    return is_finite ? WARD_OK : refuse_numbers(t, "a weight is", rate);
}

/* While the raw images warm up, the distance from uniform takes the place of E_r. */
static void weigh_raw(struct trainer *t)
{
    float beta = (float)t->config.values.beta;
    bool warms_up = schedule_warms_raw(&t->config.values, t->saved.step);

    if (t->objective.loss_uniform < 0)
        return;
    plan_set_weight(t->plan, t->objective.loss_uniform, warms_up ? beta : 0);
    plan_set_weight(t->plan, t->objective.loss_raw, warms_up ? 0 : beta);
}

/* The first raw rows are an adversary's; a leaked transform has every other of the rest. */
static ward_status oppose(struct trainer *t, const float *x)
{
    ward_status st;

    if (t->objective.loss_rival < 0)
        return WARD_OK;
    st = rivals_act(&t->rivals, t->plan, t->saved.step,
                    schedule_warms_raw(&t->config.values, t->saved.step));
    return st ? st
              : rivals_show(&t->rivals, t->saved.step, x, plan_input(t->plan, t->objective.raw));
}

static ward_status step(struct trainer *t)
{
    double rate = schedule_rate(&t->config.values, t->saved.step);
    struct measure measure;
    const int32_t *labels;
    const float *x;
    ward_status st;

    loader_next(t->loader, &x, &labels);
    objective_fill(&t->objective, t->plan, x, labels);
    if (t->leaked.run) {
        st = leaked_apply(&t->leaked, plan_input(t->plan, t->objective.raw));
        if (st)
            return st;
    }
    st = oppose(t, x);
    if (st)
        return st;
    plan_set_step(t->plan, t->config.values.seed, t->saved.step);
    weigh_raw(t);
    st = objective_load_wrong_key(&t->objective, t->plan, &t->saved.transform,
                                  t->config.values.seed, t->saved.step);
    if (!st && t->objective.targets >= 0)
        st = teacher_answer(&t->teacher, x, plan_input(t->plan, t->objective.targets));
    if (!st)
        st = plan_forward(t->plan);
    if (st)
        return st;
    measure = measure_step(t->plan, &t->objective);
    if (t->rivals.has_gradient)
        measure.loss_tuned = t->rivals.loss_tuned;
    if (!measure_is_finite(&measure))
        return refuse_numbers(t, "the loss is", rate);
    st = plan_backward(t->plan);
    if (!st)
        st = rivals_add_gradient(&t->rivals, t->plan);
    if (!st)
        st = update(t, rate);
    if (st)
        return st;
    metrics_add(&t->metrics, &measure);
    t->saved.step++;
    return WARD_OK;
}

/* ---- between steps ---- */

static bool is_last(const struct trainer *t)
{
    return t->saved.step == t->config.values.iterations;
}

static bool is_validation_due(const struct trainer *t)
{
    uint64_t every = t->config.values.validate_every;

    return t->held_out.count > 0 && (is_last(t) || (every > 0 && t->saved.step % every == 0));
}

ward_status trainer_validate(struct trainer *t)
{
    struct metrics *m = &t->metrics;

    return validator_run(&t->validator, &t->saved.net.params,
                         t->saved.has_transform ? &t->saved.transform.params : NULL,
                         &m->validation_processed, &m->validation_raw);
}

static ward_status validate(struct trainer *t)
{
    ward_status st = trainer_collect(t);

    return st ? st : trainer_validate(t);
}

static ward_status follow_up(struct trainer *t)
{
    bool validates = is_validation_due(t);
    ward_status st = validates ? validate(t) : WARD_OK;

    if (!st && (validates || is_last(t) || t->saved.step % LOG_EVERY == 0))
        st = trainer_log(t, validates);
    if (st)
        return st;
    report(t, NULL);
    if (is_last(t) || clock_seconds() - t->last_checkpoint < t->config.values.checkpoint_seconds)
        return WARD_OK;
    st = trainer_checkpoint(t);
    if (!st)
        report(t, "checkpoint written");
    return st;
}

static ward_status stop(struct trainer *t)
{
    ward_status st = trainer_checkpoint(t);

    return st ? st
              : ward_fail(WARD_ERR_STOPPED, "stopped at iteration %" PRIu64 " of %" PRIu64,
                          t->saved.step, t->config.values.iterations);
}

/* Of images that F was trained on: others may lose more. */
static void report_erasure(struct trainer *t)
{
    char event[128];

    snprintf(event, sizeof event,
             "erased: %zu axes%s; %.2f %% of processed training images keep their class",
             t->erased.axes, t->erased.is_lowered ? ", and dependence lowered" : "",
             100 * t->erased.agreement);
    report(t, event);
}

static ward_status run(struct trainer *t)
{
    bool erases = t->config.values.erased_axes > 0;
    ward_status st;

    t->first_step = t->saved.step;
    t->seconds_before = t->metrics.seconds;
    t->start = t->last_checkpoint = clock_seconds();
    pace_start(&t->pace, t->start);
    st = trainer_log_part(t);
    if (!st)
        report_start(t);
    while (!st && !is_last(t) && !t->is_stopping) {
        st = step(t);
        if (!st)
            st = follow_up(t);
    }
    if (!st && !is_last(t))
        return stop(t);
    if (!st && erases)
        report(t, "erasing what raw answers tell of the class");
    if (!st)
        st = trainer_finish(t);
    if (!st && erases)
        report_erasure(t);
    return st;
}

ward_status ward_train(ward_device *device, const ward_train_config *config,
                       const ward_train_options *options)
{
    struct trainer t;
    ward_status st = trainer_open(&t, device, config, options);

    if (!st && t.is_complete)
        report_complete(&t);
    else if (!st)
        st = run(&t);
    trainer_close(&t);
    return st;
}
