/*
 * How long the rest takes. Work is counted in units: the time of one training step of simple-cnn on
 * grey images without a transform, on all threads. How many units a piece of work has is about the
 * same on every machine; how long a unit is tells what was done in the state directory, or else a
 * short measurement.
 */
#include <math.h>
#include <string.h>

#include "study/plan.h"
#include "ward/bench.h"

/*
 * Units, from trainings, attacks and benchmarks with 1 and 2 threads on a processor with AVX-512:
 * of a step of resnet20; of what a generator adds to a step, and of a step of fitting one to pairs,
 * for each 16 of its channels; of a forward pass, relative to a step; of a figure, for each channel
 * of an image. Fitting takes about so many steps until it ends.
 */
static const double resnet_step = 3.2, generator_step = 0.45, fit_step = 0.2,
                    forward_share = 1.0 / 3, figure_units = 60, fit_steps = 5000;
static const double test_batches = 10000.0 / 128;
static const double grey_width = 1, colour_width = 4; /* of a generator, in 16 channels */

static double network_step(const struct study_network *network)
{
    return network->arch[0] == 'r' ? resnet_step : 1;
}

static double generator_width(const struct study_run *run)
{
    if (run->method != WARD_METHOD_GENERATOR)
        return 0;
    return run->network->channels == 1 ? grey_width : colour_width;
}

/* ---- work, in units ---- */

static double step_units(const struct study_run *run, const ward_train_config *settings)
{
    double shown = run->method == WARD_METHOD_BASELINE ? 1 : 1 + settings->raw_share;

    return network_step(run->network) * shown + generator_step * generator_width(run);
}

static double trial_units(const struct study *study, const struct study_trials *trials)
{
    double steps = study->iterations ? fmin((double)study->iterations, fit_steps) : fit_steps;
    double score = network_step(trials->run->network) * test_batches * forward_share;

    return trials->attack->pairs > 0 ? score + steps * fit_step * generator_width(trials->run)
                                     : score;
}

/* Of the whole item, done or not. */
static double item_units(const struct study *study, const struct study_item *item,
                         const ward_train_config *settings)
{
    const struct study_run *run = study_item_run(study, item);
    double passes = run->method == WARD_METHOD_BASELINE ? 1 : 2;

    switch (item->kind) {
    case WARD_REPRODUCE_TRAIN: return (double)settings->iterations * step_units(run, settings);
    case WARD_REPRODUCE_EVALUATE:
        return passes * network_step(run->network) * test_batches * forward_share;
    case WARD_REPRODUCE_ATTACK:
        return (double)study->attacks[item->at].wanted *
               trial_units(study, &study->attacks[item->at]);
    case WARD_REPRODUCE_FIGURE: return figure_units * (double)run->network->channels;
    }
    return 0;
}

/* ---- the length of a unit ---- */

/* Whether a run was trained on this device, on as many threads as there are now. */
static bool is_comparable(const struct study *study, const struct history *h)
{
    for (size_t i = 0; i < h->part_count; i++)
        if (strcmp(h->parts[i].summary, ward_device_summary(study->device)) != 0 ||
            h->parts[i].threads < ward_threads() || h->parts[i].threads > ward_threads())
            return false;
    return h->part_count > 0 && h->iterations > 0 && h->seconds > 0;
}

/* How well one run tells of another: 0: not at all. */
static int likeness(const struct study_run *a, const struct study_run *b)
{
    if (a->network == b->network)
        return a->method == b->method ? 4 : 3;
    return strcmp(a->network->arch, b->network->arch) == 0 ? 2 : 1;
}

/* Seconds of a unit by the trainings that are most like a run; 0 without any. */
static double unit_of_state(const struct study *study, const struct study_run *like)
{
    double seconds = 0, units = 0;
    int best = 0;

    for (size_t i = 0; i < study->run_count; i++) {
        const struct study_run *run = &study->runs[i];
        uint8_t secret[TRANSFORM_SEED_LEN];
        ward_train_config settings;

        if (likeness(run, like) < best || !is_comparable(study, &run->history) ||
            study_settings(study, run, secret, &settings))
            continue;
        if (likeness(run, like) > best)
            seconds = units = 0;
        best = likeness(run, like);
        seconds += run->history.seconds;
        units += run->history.iterations * step_units(run, &settings);
    }
    return units > 0 ? seconds / units : 0;
}

static ward_status measure_unit(struct study *study)
{
    ward_bench_config config;
    ward_bench_result result;
    ward_status st;

    if (study->measured_unit > 0)
        return WARD_OK;
    ward_bench_defaults(&config, WARD_BENCH_TRAIN, "simple-cnn", WARD_METHOD_BASELINE);
    config.seconds = 0; /* three steps */
    st = ward_bench(study->device, &config, &result, NULL, NULL);
    if (!st)
        study->measured_unit = 1e-3 * result.median_ms;
    return st;
}

/* Seconds of one trial by those that are finished, of this attack or of its kind; 0 without any. */
static double trial_of_state(const struct study *study, const struct study_trials *like)
{
    double seconds = like->scores.seconds, count = (double)like->scores.trial_count;

    for (size_t i = 0; i < study->trials_count && !(count > 0); i++) {
        const struct study_trials *t = &study->attacks[i];

        if (strcmp(t->attack->attack, like->attack->attack) == 0 &&
            t->attack->is_repeated == like->attack->is_repeated) {
            seconds = t->scores.seconds;
            count = (double)t->scores.trial_count;
        }
    }
    return count > 0 ? seconds / count : 0;
}

/* ---- items ---- */

static ward_status estimate(struct study *study, struct study_item *item)
{
    const struct study_run *run = study_item_run(study, item);
    double unit = unit_of_state(study, run), trial = 0, whole;
    uint8_t secret[TRANSFORM_SEED_LEN];
    ward_train_config settings;
    ward_status st = study_settings(study, run, secret, &settings);

    item->basis = WARD_REPRODUCE_FROM_STATE;
    if (item->kind == WARD_REPRODUCE_ATTACK && study->attacks[item->at].attack->is_repeated)
        trial = trial_of_state(study, &study->attacks[item->at]) / (double)ward_threads();
    if (!st && !(unit > 0) && !(trial > 0)) {
        item->basis = WARD_REPRODUCE_FROM_MEASUREMENT;
        st = measure_unit(study);
        unit = study->measured_unit;
    }
    if (st)
        return st;
    whole = trial > 0 ? trial * (double)study->attacks[item->at].wanted
                      : unit * item_units(study, item, &settings);
    item->seconds = (1 - item->share) * whole;
    return WARD_OK;
}

ward_status study_estimate(struct study *study)
{
    ward_status st = WARD_OK;

    for (size_t i = 0; i < study->item_count && !st; i++) {
        study->items[i].seconds = 0;
        if (!study->items[i].is_done)
            st = estimate(study, &study->items[i]);
    }
    return st;
}
