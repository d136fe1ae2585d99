/* The attacks of the paper, on the network of attack_fixture.h. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_test.h"
#include "attack/campaign.h"
#include "attack_fixture.h"
#include "base/json.h"
#include "base/mem.h"

static const ward_attack_options nowhere = {.directory = NULL};

static ward_attack_result attack_with(const ward_run *run, const ward_attack_settings *settings,
                                      const ward_attack_options *options)
{
    ward_attack_result result;

    assert_ok(ward_attack(run, device, data, settings, options, &result));
    return result;
}

static ward_attack_settings settings_of(const ward_run *run, const char *attack)
{
    ward_attack_settings settings;

    assert_ok(ward_attack_defaults(&settings, attack, run));
    return settings;
}

/* A few trials whose accuracies differ: few entries of a pattern are positive. */
static ward_attack_settings patterns(const ward_run *run, uint64_t trials)
{
    ward_attack_settings s = settings_of(run, "input-only");

    s.trials = trials;
    s.sigma = 0.32; /* a bright lamp of 0.78 or more is then seen */
    s.p = 0.05;
    return s;
}

static void assert_same_trials(const ward_attack_result *a, const ward_attack_result *b)
{
    assert_int_equal(a->trial_count, b->trial_count);
    for (size_t i = 0; i < a->trial_count; i++) {
        const ward_attack_trial *s = &a->trials[i], *t = &b->trials[i];

        if (s->number != t->number || s->seed != t->seed || s->accuracy < t->accuracy ||
            s->accuracy > t->accuracy || s->steps != t->steps || s->error < t->error ||
            s->error > t->error)
            fail_msg("trial %zu: %ju %ju %g %ju %g, and %ju %ju %g %ju %g", i, s->number, s->seed,
                     s->accuracy, s->steps, s->error, t->number, t->seed, t->accuracy, t->steps,
                     t->error);
    }
}

/* ---- what each attack reaches ---- */

static void direct_piracy_is_the_unauthorised_accuracy(void **state)
{
    ward_run *run = open_run(WARD_METHOD_LEARNED);
    ward_attack_settings s = settings_of(run, "direct");
    ward_attack_result r = attack_with(run, &s, &nowhere);

    (void)state;
    assert_int_equal(r.trial_count, 1);
    assert_true(r.mean == dark_share && r.best == dark_share && r.unauthorised == dark_share);
    assert_true(r.authorised == 1.0 && r.chance == 0.5 && r.count == BRIGHT + DARK);
    assert_true(isnan(r.sd) && isnan(r.chosen) && r.pair_count == 0);
    ward_attack_result_release(&r);
    ward_attack_result_release(&r);
    ward_run_close(run);
}

static void direct_piracy_of_a_baseline_is_its_own_accuracy(void **state)
{
    ward_run *run = open_run(WARD_METHOD_BASELINE);
    ward_attack_settings s = settings_of(run, "direct");
    ward_attack_result r = attack_with(run, &s, &nowhere);

    (void)state;
    assert_true(r.mean == dark_share && r.authorised == dark_share && isnan(r.unauthorised));
    ward_attack_result_release(&r);
    ward_run_close(run);
}

static void one_pair_undoes_a_pattern(void **state)
{
    static const ward_method methods[] = {WARD_METHOD_FIXED, WARD_METHOD_LEARNED};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        ward_run *run = open_run(methods[i]);
        ward_attack_settings s = settings_of(run, "pair");
        ward_attack_result r = attack_with(run, &s, &nowhere);

        assert_int_equal(r.trial_count, 1);
        assert_int_equal(r.pair_count, 1);
        assert_true(r.mean == 1.0);
        ward_attack_result_release(&r);
        ward_run_close(run);
    }
}

static void random_patterns_are_as_strong_as_sigma_says(void **state)
{
    ward_run *run = open_run(WARD_METHOD_FIXED);
    ward_attack_settings s = settings_of(run, "input-only");
    ward_attack_result r;

    (void)state;
    assert_true(s.trials == 100 && s.sigma == 0.1 && s.p == 0.2);
    s.trials = 3;
    r = attack_with(run, &s, &nowhere); /* 0.83 + 0.1 is not above 1.1 */
    assert_true(r.mean == dark_share && r.sd == 0.0);
    ward_attack_result_release(&r);
    s.sigma = 0.5; /* one positive entry is enough, and of 16 entries all are in 1 case of 65,536 */
    s.p = 0.5;
    r = attack_with(run, &s, &nowhere);
    assert_true(r.mean == 1.0);
    ward_attack_result_release(&r);
    ward_run_close(run);
}

static void a_copy_fitted_to_pairs_does_what_the_generator_does(void **state)
{
    ward_run *run = open_run(WARD_METHOD_GENERATOR);
    ward_attack_settings s = settings_of(run, "pair");
    ward_attack_result r;

    (void)state;
    s.trials = 2;
    s.steps = 600;
    s.pairs = 0.5;
    r = attack_with(run, &s, &nowhere);
    assert_int_equal(r.pair_count, TRAIN); /* half of both classes */
    for (size_t i = 0; i < 2; i++) {
        const ward_attack_trial *t = &r.trials[i];
        double lowest = t->curve[0].error;

        assert_int_equal(t->curve[0].step, 0);
        assert_int_equal(t->curve[t->point_count - 1].step, t->steps);
        for (size_t j = 0; j < t->point_count; j++)
            lowest = fmin(lowest, t->curve[j].error);
        assert_true(t->error == lowest);
        if (!(t->error < 1e-3 && t->error < t->curve[0].error / 100 && t->accuracy == 1.0))
            fail_msg("error %g at first, %g in the end; accuracy %g", t->curve[0].error, t->error,
                     t->accuracy);
    }
    assert_true(r.trials[0].curve[0].error != r.trials[1].curve[0].error); /* fresh ones each */
    assert_true(r.chosen == 1.0);
    ward_attack_result_release(&r);
    ward_run_close(run);
}

/* ---- what a trial depends on ---- */

static void a_trial_follows_from_the_seed_and_its_number_alone(void **state)
{
    static const unsigned threads[] = {1, 3};
    ward_run *run = open_run(WARD_METHOD_FIXED);
    ward_attack_settings s = patterns(run, 7);
    ward_attack_result first = attack_with(run, &s, &nowhere);

    (void)state;
    assert_true(first.sd > 0);
    for (size_t i = 0; i < 2; i++) {
        ward_attack_result r;

        ward_set_threads(threads[i]);
        r = attack_with(run, &s, &nowhere);
        assert_same_trials(&first, &r);
        ward_attack_result_release(&r);
    }
    ward_set_threads(2);
    ward_attack_result_release(&first);
    ward_run_close(run);
}

static void other_seeds_share_no_trial(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 4; seed++)
        for (uint64_t i = 0; i < 50; i++)
            for (uint64_t j = 0; j < 50; j++) {
                assert_true(trial_seed(seed, i) != trial_seed(seed + 1, j));
                assert_true(i == j || trial_seed(seed, i) != trial_seed(seed, j));
                assert_true(trial_seed(seed, i) < UINT64_C(1) << 53);
            }
}

/* ---- stopping, and going on ---- */

struct stopper {
    uint64_t after; /* trials */
    char event[64];
};

static bool stop_after(void *context, const ward_attack_progress *p)
{
    struct stopper *stopper = context;

    if (p->event)
        snprintf(stopper->event, sizeof stopper->event, "%s", p->event);
    return p->done < stopper->after;
}

static void a_stopped_attack_goes_on_as_if_undisturbed(void **state)
{
    ward_run *run = open_run(WARD_METHOD_GENERATOR);
    ward_attack_settings s = settings_of(run, "pair");
    ward_attack_result whole, r = {.count = 0};
    struct stopper stopper = {.after = 1};
    ward_attack_options kept = {
        .directory = in_folder("stopped"), .progress = stop_after, .context = &stopper};

    (void)state;
    s.trials = 8;
    s.steps = 250;
    whole = attack_with(run, &s, &nowhere);
    assert_fails(ward_attack(run, device, data, &s, &kept, &r), WARD_ERR_STOPPED, "of 8 trials");
    assert_int_equal(r.count, 0);
    assert_true(file_exists(in_folder("stopped/pair-1.json")));
    stopper = (struct stopper){.after = 100};
    r = attack_with(run, &s, &kept);
    assert_non_null(strstr(stopper.event, "there already"));
    assert_same_trials(&whole, &r);
    assert_true(r.mean == whole.mean && r.authorised == 1.0);
    ward_attack_result_release(&r);
    ward_attack_result_release(&whole);
    ward_run_close(run);
}

static void an_attack_can_be_stopped_before_its_first_trial(void **state)
{
    ward_run *run = open_run(WARD_METHOD_FIXED);
    ward_attack_settings s = settings_of(run, "input-only");
    struct stopper stopper = {.after = 0};
    ward_attack_options kept = {
        .directory = in_folder("early"), .progress = stop_after, .context = &stopper};
    ward_attack_result r;

    (void)state;
    assert_fails(ward_attack(run, device, data, &s, &kept, &r), WARD_ERR_STOPPED, "stopped");
    assert_false(file_exists(in_folder("early/input-only.json")));
    ward_run_close(run);
}

static void more_trials_are_added_and_fewer_are_taken_from_what_is_there(void **state)
{
    ward_run *run = open_run(WARD_METHOD_FIXED);
    ward_attack_settings s = patterns(run, 4);
    ward_attack_options kept = {.directory = in_folder("more")};
    ward_attack_result four = attack_with(run, &s, &kept), six, two;

    (void)state;
    s.trials = 6;
    six = attack_with(run, &s, &kept);
    for (size_t i = 0; i < 4; i++) /* not made again: even the time is the same */
        assert_true(six.trials[i].seconds == four.trials[i].seconds);
    s.trials = 2;
    two = attack_with(run, &s, &kept);
    assert_int_equal(two.trial_count, 2);
    assert_true(two.trials[1].seconds == four.trials[1].seconds);
    s.trials = 6;
    ward_attack_result_release(&two);
    two = attack_with(run, &s, &kept);
    assert_true(two.trials[5].seconds == six.trials[5].seconds);
    ward_attack_result_release(&two);
    ward_attack_result_release(&four);
    ward_attack_result_release(&six);
    ward_run_close(run);
}

static void other_settings_are_refused_unless_replacing(void **state)
{
    ward_run *run = open_run(WARD_METHOD_FIXED), *other = open_run(WARD_METHOD_LEARNED);
    ward_attack_settings s = patterns(run, 2);
    ward_attack_options kept = {.directory = in_folder("other")};
    ward_attack_result r = attack_with(run, &s, &kept);

    (void)state;
    ward_attack_result_release(&r);
    assert_fails(ward_attack(other, device, data, &s, &kept, &r), WARD_ERR_EXISTS, "'model_id'");
    s.seed = 2;
    assert_fails(ward_attack(run, device, data, &s, &kept, &r), WARD_ERR_EXISTS, "'seed' is 1");
    s.sigma = 0.2;
    s.seed = 1;
    assert_fails(ward_attack(run, device, data, &s, &kept, &r), WARD_ERR_EXISTS,
                 "other/input-only.json': 'sigma' is 0.32");
    kept.replaces = true;
    r = attack_with(run, &s, &kept);
    ward_attack_result_release(&r);
    kept.replaces = false;
    r = attack_with(run, &s, &kept);
    ward_attack_result_release(&r);
    ward_run_close(run);
    ward_run_close(other);
}

static void a_reference_is_taken_over(void **state)
{
    ward_run *run = open_run(WARD_METHOD_FIXED);
    ward_attack_settings s = settings_of(run, "direct");
    const ward_attack_result earlier = {.authorised = 0.75, .unauthorised = 0.25};
    ward_attack_result r = attack_with(run, &s, &(ward_attack_options){.reference = &earlier});

    (void)state;
    assert_true(r.authorised == 0.75 && r.unauthorised == 0.25 && r.mean == dark_share);
    ward_attack_result_release(&r);
    ward_run_close(run);
}

static void a_directory_in_use_is_refused(void **state)
{
    ward_run *run = open_run(WARD_METHOD_FIXED);
    ward_attack_settings s = settings_of(run, "direct");
    ward_attack_options kept = {.directory = in_folder("locked")};
    ward_attack_result r;
    int lock = -1;

    (void)state;
    assert_ok(file_make_directory(kept.directory));
    assert_ok(file_lock(kept.directory, &lock));
    assert_fails(ward_attack(run, device, data, &s, &kept, &r), WARD_ERR_BUSY, "in use");
    file_unlock(lock);
    ward_run_close(run);
}

/* ---- what makes no sense ---- */

static void attacks_that_make_no_sense_are_refused(void **state)
{
    ward_run *base = open_run(WARD_METHOD_BASELINE), *bare = NULL;
    ward_attack_settings s;

    (void)state;
    assert_fails(ward_attack_defaults(&s, "pair", base), WARD_ERR_ARG, "'baseline'");
    assert_fails(ward_attack_defaults(&s, "input-only", base), WARD_ERR_ARG, "'baseline'");
    assert_fails(ward_attack_defaults(&s, "magic", base), WARD_ERR_ARG, "unknown attack 'magic'");
    ward_run_close(open_run(WARD_METHOD_GENERATOR));
    assert_ok(ward_run_open(&bare, in_folder("generator/model.safetensors")));
    assert_fails(ward_attack_defaults(&s, "pair", bare), WARD_ERR_ARG, "needs the run's transform");
    assert_ok(ward_attack_defaults(&s, "input-only", bare));
    ward_run_close(bare);
    ward_run_close(base);
}

static void settings_out_of_range_are_refused(void **state)
{
    ward_run *run = open_run(WARD_METHOD_GENERATOR);
    ward_attack_result r;

    (void)state;
#define REFUSES(attack, field, value, text)                                                 \
    do {                                                                                    \
        ward_attack_settings s = settings_of(run, attack);                                  \
        s.field = value;                                                                    \
        assert_fails(ward_attack(run, device, data, &s, &nowhere, &r), WARD_ERR_ARG, text); \
    } while (0)
    REFUSES("direct", trials, 2, "one trial");
    REFUSES("pair", trials, 0, "0 trials");
    REFUSES("pair", trials, 100001, "100001 trials");
    REFUSES("pair", seed, UINT64_MAX, "seed");
    REFUSES("pair", pairs, 0, "pairs");
    REFUSES("pair", pairs, 1.01, "pairs");
    REFUSES("pair", pairs, (double)NAN, "pairs");
    REFUSES("pair", steps, 0, "steps");
    REFUSES("pair", rate, 0, "rate");
    REFUSES("pair", rate, (double)INFINITY, "rate");
    REFUSES("input-only", sigma, -0.1, "sigma");
    REFUSES("input-only", p, 0.6, "p of 0.6");
#undef REFUSES
    ward_run_close(run);
}

static void the_papers_suite_leaves_out_what_makes_no_sense(void **state)
{
    static const struct {
        ward_method method;
        const char *attacks;
    } expected[] = {
        {WARD_METHOD_BASELINE, "direct"},
        {WARD_METHOD_FIXED, "direct input-only pair"},
        {WARD_METHOD_LEARNED, "direct input-only pair"},
        {WARD_METHOD_GENERATOR, "direct input-only pair:0.1 pair:0.5 pair:1"},
    };
    ward_attack_settings s;
    bool is_there = true;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        ward_run *run = open_run(expected[i].method);
        char seen[256] = "";

        for (size_t j = 0;; j++) {
            size_t len = strlen(seen);

            assert_ok(ward_attack_suite(&s, "paper", j, run, &is_there));
            if (!is_there)
                break;
            snprintf(seen + len, sizeof seen - len, "%s%s", len ? " " : "", s.attack);
            len = strlen(seen);
            if (s.uses & WARD_ATTACK_USES_PAIRS)
                snprintf(seen + len, sizeof seen - len, ":%g", s.pairs);
        }
        assert_string_equal(seen, expected[i].attacks);
        assert_fails(ward_attack_suite(&s, "none", 0, run, &is_there), WARD_ERR_ARG, "'none'");
        ward_run_close(run);
    }
}

static void names_are_listed_once(void **state)
{
    (void)state;
    assert_string_equal(ward_attack_name(0), "direct");
    assert_string_equal(ward_attack_name(1), "input-only");
    assert_string_equal(ward_attack_name(2), "pair");
    assert_null(ward_attack_name(3));
    assert_string_equal(ward_attack_suite_name(0), "paper");
    assert_null(ward_attack_suite_name(1));
}

/* ---- the result as text ---- */

static void add_trial(ward_attack_result *r, uint64_t number, double accuracy, double error)
{
    ward_attack_trial t = {.number = number,
                           .seed = trial_seed(r->settings.seed, number),
                           .accuracy = accuracy,
                           .seconds = 1.5,
                           .steps = 300,
                           .error = error};

    assert_ok(mem_new(&t.curve, 2, sizeof *t.curve));
    t.point_count = 2;
    t.curve[0] = (ward_attack_point){0, 0.5};
    t.curve[1] = (ward_attack_point){300, error};
    assert_ok(result_add(r, &t));
}

static const struct subject subject = {.model_id = "00ff",
                                       .arch = "simple-cnn",
                                       .data = "lamps",
                                       .device = "cpu",
                                       .method = WARD_METHOD_GENERATOR,
                                       .count = 80,
                                       .classes = 2};

static ward_attack_result expected_result(void)
{
    return (ward_attack_result){.settings = {.attack = "pair",
                                             .uses = WARD_ATTACK_USES_TRIALS |
                                                     WARD_ATTACK_USES_SEED |
                                                     WARD_ATTACK_USES_PAIRS | WARD_ATTACK_USES_FIT,
                                             .trials = 5,
                                             .seed = 1,
                                             .pairs = 0.5,
                                             .steps = 1000,
                                             .rate = 0.01},
                                .chance = 0.5,
                                .count = 80,
                                .pair_count = 40,
                                .note = "a note"};
}

/* Trials come in any order. */
static ward_attack_result sample_result(void)
{
    ward_attack_result r = expected_result();

    r.authorised = 0.9;
    r.unauthorised = (double)NAN;
    add_trial(&r, 4, 0.7, 0.03);
    add_trial(&r, 0, 0.5, 0.02);
    add_trial(&r, 1, 0.3, 0.01);
    result_finish(&r);
    return r;
}

static void mean_spread_best_and_chosen_are_as_worked_out(void **state)
{
    ward_attack_result r = sample_result();

    (void)state;
    assert_true(fabs(r.mean - 0.5) < 1e-12 && fabs(r.sd - 0.2) < 1e-12);
    assert_true(r.best == 0.7 && r.chosen == 0.3);
    assert_true(r.trials[0].number == 0 && r.trials[1].number == 1 && r.trials[2].number == 4);
    assert_true(result_has(&r, 4) && !result_has(&r, 2));
    result_cut(&r, 1);
    result_finish(&r);
    assert_true(r.trial_count == 1 && isnan(r.sd) && r.mean == 0.5);
    ward_attack_result_release(&r);
}

static void a_result_reads_back_as_it_was_written(void **state)
{
    ward_attack_result r = sample_result(), back = expected_result();
    char *text = NULL, *again = NULL;

    (void)state;
    assert_ok(result_to_json(&r, &subject, 1, &text));
    assert_ok(result_from_json(&back, &subject, text, strlen(text)));
    assert_same_trials(&r, &back);
    assert_ok(result_to_json(&back, &subject, 1, &again));
    assert_string_equal(text, again);
    mem_free(text);
    mem_free(again);
    ward_attack_result_release(&r);
    ward_attack_result_release(&back);
}

/* Replaces the first occurrence of a text by another in a valid result; the outcome is owned. */
static char *changed(const char *from, const char *to)
{
    ward_attack_result r = sample_result();
    char *text = NULL, *made = NULL, *at;

    assert_ok(result_to_json(&r, &subject, 0, &text));
    at = strstr(text, from);
    if (!at)
        fail_msg("'%s' is not in %s", from, text);
    assert_ok(mem_printf(&made, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from)));
    mem_free(text);
    ward_attack_result_release(&r);
    return made;
}

static void a_text_that_is_no_result_is_refused_by_what_is_wrong(void **state)
{
    static const struct {
        const char *from, *to;
        ward_status status;
        const char *message;
    } cases[] = {
        {"{\"format_version\"", "[\"format_version\"", WARD_ERR_FORMAT, "invalid JSON"},
        {"\"format_version\": 1", "\"format_version\": 2", WARD_ERR_FORMAT, "version"},
        {"\"attack\": \"pair\"", "\"attack\": \"direct\"", WARD_ERR_EXISTS, "'attack'"},
        {"\"attack\": \"pair\"", "\"attack\": 1", WARD_ERR_FORMAT, "'attack'"},
        {"\"attack\": \"pair\"", "\"other\": \"pair\"", WARD_ERR_FORMAT, "'attack' is missing"},
        {"\"attack\"", "\"new\": 1, \"attack\"", WARD_ERR_FORMAT, "other keys"},
        {"\"attack\"", "\"attack\": \"pair\", \"attack\"", WARD_ERR_FORMAT, "duplicate"},
        {"00ff", "00fe", WARD_ERR_EXISTS, "'model_id'"},
        {"lamps", "lights", WARD_ERR_EXISTS, "'data'"},
        {"\"test\"", "\"train\"", WARD_ERR_EXISTS, "'split'"},
        {"\"cpu\"", "\"ref\"", WARD_ERR_EXISTS, "'device'"},
        {"\"count\": 80", "\"count\": 81", WARD_ERR_EXISTS, "'count'"},
        {"\"count\": 80", "\"count\": -1", WARD_ERR_FORMAT, "'count'"},
        {"\"pair_count\": 40", "\"pair_count\": 41", WARD_ERR_EXISTS, "'pair_count'"},
        {"\"seed\": 1,", "\"seed\": 2,", WARD_ERR_EXISTS, "'seed'"},
        {"\"pairs\": 0.5", "\"pairs\": 0.25", WARD_ERR_EXISTS, "'pairs'"},
        {"\"pairs\": 0.5", "\"pairs\": 0.5, \"sigma\": 1", WARD_ERR_FORMAT, "a setting"},
        {"\"settings\": {", "\"settings\": 3, \"x\": {", WARD_ERR_FORMAT, "keys"},
        {"\"trials\": 5", "\"trials\": 100001", WARD_ERR_FORMAT, "'trials'"},
        {"\"rate\": 0.01", "\"rate\": \"x\"", WARD_ERR_FORMAT, "'rate'"},
        {"\"authorised\": 0.9", "\"authorised\": 1.5", WARD_ERR_FORMAT, "'authorised'"},
        {"\"authorised\": 0.9", "\"authorised\": true", WARD_ERR_FORMAT, "'authorised'"},
        {"\"mean\": 0.5", "\"mean\": 0.6", WARD_ERR_FORMAT, "'mean' is not that of the trials"},
        {"\"mean\": 0.5", "\"mean\": null", WARD_ERR_FORMAT, "'mean'"},
        {"\"chosen\": 0.3", "\"chosen\": 0.7", WARD_ERR_FORMAT, "'chosen'"},
        {"\"note\": \"a note\"", "\"note\": null", WARD_ERR_FORMAT, "'note'"},
        {"\"trials\": [{", "\"trials\": [3, {", WARD_ERR_FORMAT, "other keys"},
        {"\"trial\": 0", "\"trial\": 2", WARD_ERR_FORMAT, "seed of trial 2"},
        {"\"trial\": 0", "\"trial\": -1", WARD_ERR_FORMAT, "'trial'"},
        {"\"accuracy\": 0.5", "\"accuracy\": 1.01", WARD_ERR_FORMAT, "'accuracy'"},
        {"\"seconds\": 1.5", "\"hours\": 1.5", WARD_ERR_FORMAT, "'seconds'"},
        {"\"steps\": 300", "\"steps\": 299", WARD_ERR_FORMAT, "do not ascend"},
        {"\"curve\": [[0, 0.5]", "\"curve\": [[300, 0.5]", WARD_ERR_FORMAT, "do not ascend"},
        {"\"curve\": [[0, 0.5]", "\"curve\": [[0]", WARD_ERR_FORMAT, "'curve'"},
        {"\"curve\": [[0, 0.5]", "\"curve\": [[0, -1]", WARD_ERR_FORMAT, "'curve'"},
        {"\"curve\": [[0, 0.5]", "\"curve\": [7", WARD_ERR_FORMAT, "'curve'"},
        {"\"error\": 0.02", "\"error\": -0.02", WARD_ERR_FORMAT, "'error'"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ward_attack_result r = expected_result();
        char *text = changed(cases[i].from, cases[i].to);
        ward_status st = result_from_json(&r, &subject, text, strlen(text));

        if (st != cases[i].status || !strstr(ward_error_message(), cases[i].message))
            fail_msg("%s for %s: expected %s with '%s', got %s (%s)", cases[i].to, cases[i].from,
                     ward_status_name(cases[i].status), cases[i].message, ward_status_name(st),
                     ward_error_message());
        assert_true(r.trial_count == 0 && !r.trials);
        mem_free(text);
    }
}

static void a_cut_off_text_is_refused(void **state)
{
    ward_attack_result r = expected_result();
    char *text = changed("pair", "pair");
    size_t len = strlen(text);

    (void)state;
    for (size_t cut = 0; cut < len; cut++)
        assert_fails(result_from_json(&r, &subject, text, cut), WARD_ERR_FORMAT, "JSON");
    assert_ok(result_from_json(&r, &subject, text, len));
    ward_attack_result_release(&r);
    mem_free(text);
}

static void a_damaged_file_is_named(void **state)
{
    ward_run *run = open_run(WARD_METHOD_FIXED);
    ward_attack_settings s = settings_of(run, "direct");
    ward_attack_options kept = {.directory = in_folder("damaged")};
    ward_attack_result r;

    (void)state;
    assert_ok(file_make_directory(kept.directory));
    put_file(in_folder("damaged/direct.json"), "{}", 2);
    assert_fails(ward_attack(run, device, data, &s, &kept, &r), WARD_ERR_FORMAT,
                 "damaged/direct.json");
    kept.replaces = true;
    r = attack_with(run, &s, &kept);
    ward_attack_result_release(&r);
    ward_run_close(run);
}

/* ---- failures ---- */

struct attempted {
    const ward_run *run;
    ward_attack_settings settings;
};

static ward_status attack_once(void *context)
{
    const struct attempted *a = context;
    ward_attack_options kept = {.directory = in_folder("failing"), .replaces = true};
    ward_attack_result r = {.count = 0};
    ward_status st = ward_attack(a->run, device, data, &a->settings, &kept, &r);

    ward_attack_result_release(&r);
    return st;
}

static void every_failing_allocation_is_reported(void **state)
{
    ward_run *run = open_run(WARD_METHOD_GENERATOR);
    struct attempted a = {run, settings_of(run, "pair")};

    (void)state;
    a.settings.trials = 1;
    a.settings.steps = 1;
    a.settings.pairs = 0.05;
    assert_true(assert_survives_failing_allocations(attack_once, &a) > 50);
    ward_run_close(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(direct_piracy_is_the_unauthorised_accuracy),
        cmocka_unit_test(direct_piracy_of_a_baseline_is_its_own_accuracy),
        cmocka_unit_test(one_pair_undoes_a_pattern),
        cmocka_unit_test(random_patterns_are_as_strong_as_sigma_says),
        cmocka_unit_test(a_copy_fitted_to_pairs_does_what_the_generator_does),
        cmocka_unit_test(a_trial_follows_from_the_seed_and_its_number_alone),
        cmocka_unit_test(other_seeds_share_no_trial),
        cmocka_unit_test(a_stopped_attack_goes_on_as_if_undisturbed),
        cmocka_unit_test(an_attack_can_be_stopped_before_its_first_trial),
        cmocka_unit_test(more_trials_are_added_and_fewer_are_taken_from_what_is_there),
        cmocka_unit_test(other_settings_are_refused_unless_replacing),
        cmocka_unit_test(a_reference_is_taken_over),
        cmocka_unit_test(a_directory_in_use_is_refused),
        cmocka_unit_test(attacks_that_make_no_sense_are_refused),
        cmocka_unit_test(settings_out_of_range_are_refused),
        cmocka_unit_test(the_papers_suite_leaves_out_what_makes_no_sense),
        cmocka_unit_test(names_are_listed_once),
        cmocka_unit_test(mean_spread_best_and_chosen_are_as_worked_out),
        cmocka_unit_test(a_result_reads_back_as_it_was_written),
        cmocka_unit_test(a_text_that_is_no_result_is_refused_by_what_is_wrong),
        cmocka_unit_test(a_cut_off_text_is_refused),
        cmocka_unit_test(a_damaged_file_is_named),
        cmocka_unit_test(every_failing_allocation_is_reported),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
