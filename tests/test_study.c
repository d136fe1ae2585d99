/*
 * Reproducing the paper: what is planned and in which order, what follows from results, and, with
 * pictures of 8 x 8 and trainings of three steps, that a state directory is trusted as far as it
 * may be and no further.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_test.h"
#include "base/util.h"
#include "report/paper.h"
#include "study_fixture.h"

/* ---- plans ---- */

static size_t count_items(const struct study *study, ward_reproduce_kind kind)
{
    size_t count = 0;

    for (size_t i = 0; i < study->item_count; i++)
        count += study->items[i].kind == kind;
    return count;
}

static void each_target_plans_what_it_needs(void **state)
{
    static const struct {
        unsigned target;
        size_t train, evaluate, attack, figure;
    } cases[] = {
        {WARD_REPRODUCE_TABLE2, 4 * (1 + 3 + 2 + 1), 28, 0, 0},
        {WARD_REPRODUCE_TABLE3, 3, 3, 3 + 3 + 2 + 3, 0},
        {WARD_REPRODUCE_FIGURE2, 6, 6, 0, 2},
        {WARD_REPRODUCE_ALL, 28, 28, 11, 2},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct study study = plan_of(cases[i].target);

        assert_int_equal(count_items(&study, WARD_REPRODUCE_TRAIN), cases[i].train);
        assert_int_equal(count_items(&study, WARD_REPRODUCE_EVALUATE), cases[i].evaluate);
        assert_int_equal(count_items(&study, WARD_REPRODUCE_ATTACK), cases[i].attack);
        assert_int_equal(count_items(&study, WARD_REPRODUCE_FIGURE), cases[i].figure);
        study_release(&study);
    }
}

/* The place of an item; the number of items if there is none. */
static size_t place_of(const struct study *study, ward_reproduce_kind kind,
                       const struct study_run *run)
{
    size_t i = 0;

    while (i < study->item_count &&
           (study->items[i].kind != kind || &study->runs[study->items[i].at] != run))
        i++;
    return i;
}

static void what_an_item_needs_comes_before_it(void **state)
{
    struct study study = plan_of(WARD_REPRODUCE_ALL);

    (void)state;
    for (size_t i = 0; i < study.item_count; i++) {
        const struct study_item *item = &study.items[i];
        const struct study_run *run = study_item_run(&study, item);

        if (item->kind == WARD_REPRODUCE_TRAIN)
            continue;
        assert_true(place_of(&study, WARD_REPRODUCE_TRAIN, run) < i);
        for (int j = 0; item->kind == WARD_REPRODUCE_FIGURE && j < STUDY_PROTECTED; j++)
            assert_true(place_of(&study, WARD_REPRODUCE_TRAIN, study.figures[item->at].runs[j]) <
                        i);
        if (item->kind == WARD_REPRODUCE_ATTACK)
            assert_true(place_of(&study, WARD_REPRODUCE_EVALUATE, run) < i);
    }
    study_release(&study);
}

static void names_of_runs_are_unlike_each_other_and_say_what_they_are(void **state)
{
    struct study study = plan_of(WARD_REPRODUCE_ALL);

    (void)state;
    assert_string_equal(study.runs[0].name, "fast-mnist-simple-cnn-baseline-1");
    for (size_t i = 0; i < study.run_count; i++)
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(study.runs[i].name, study.runs[j].name);
    study_release(&study);
}

/* As `printf ward/reproduce/v1/fast-mnist-simple-cnn-fixed-1 | sha256sum` prints it. */
static const char fixed_seed[] = "b2f3bafe1de5f612493b440ee1eb9aaf5661a694527423e399066527ddd41f9e";

static void a_secret_seed_follows_from_the_name_of_its_run(void **state)
{
    struct study study = plan_of(WARD_REPRODUCE_ALL);
    uint8_t secret[TRANSFORM_SEED_LEN];
    ward_train_config config;
    char hex[2 * TRANSFORM_SEED_LEN + 1];

    (void)state;
    assert_string_equal(study.runs[1].name, "fast-mnist-simple-cnn-fixed-1");
    assert_ok(study_settings(&study, &study.runs[1], secret, &config));
    assert_ptr_equal(config.secret_seed, secret);
    hex_encode(secret, sizeof secret, hex);
    assert_string_equal(hex, fixed_seed);
    assert_ok(study_settings(&study, &study.runs[0], secret, &config));
    assert_null(config.secret_seed); /* a baseline */
    study_release(&study);
}

static void refuses(ward_reproduce_config config, const char *text)
{
    struct study study = {.device = NULL};

    assert_fails(study_plan(&study, device, &config), WARD_ERR_ARG, text);
    study_release(&study);
}

static void plans_out_of_range_are_refused(void **state)
{
    const ward_reproduce_config good = config_of(WARD_REPRODUCE_ALL, "x");
    ward_reproduce_config c = good;

    (void)state;
    c.targets = 0;
    refuses(c, "nothing");
    c.targets = 8;
    refuses(c, "unknown");
    c = good;
    c.recipe = "slow";
    refuses(c, "slow");
    c = good;
    c.seeds = 101;
    refuses(c, "101");
    c = good;
    c.trials = 100001;
    refuses(c, "100001");
}

static ward_status plan_and_print(void *context)
{
    const ward_reproduce_config config = config_of(WARD_REPRODUCE_TABLE3, "/nonexistent/state");
    struct study study = {.device = NULL};
    char *json = NULL, *markdown = NULL;
    ward_status st = study_plan(&study, context, &config);

    if (!st)
        st = tables_json(&study, 0, &json);
    if (!st)
        st = tables_markdown(&study, &markdown);
    mem_free(json);
    mem_free(markdown);
    study_release(&study);
    return st;
}

static void running_out_of_memory_is_reported(void **state)
{
    (void)state;
    assert_true(assert_survives_failing_allocations(plan_and_print, device) > 50);
}

/* ---- tables ---- */

static void set(struct study_run *run, double authorised, double unauthorised)
{
    run->is_complete = run->is_evaluated = true;
    run->evaluation.authorised = authorised;
    run->evaluation.unauthorised = unauthorised;
}

/* Every run as good as the paper's, but nobody gets more than 1 % without G. */
static struct study good_study(void)
{
    struct study study = plan_of(WARD_REPRODUCE_ALL);

    for (size_t i = 0; i < study.run_count; i++) {
        struct study_run *run = &study.runs[i];
        double base =
            paper_accuracy(run->network->data, run->network->arch, WARD_METHOD_BASELINE).authorised;

        set(run, base, run->method == WARD_METHOD_BASELINE ? (double)NAN : 0.01);
    }
    return study;
}

static void means_are_over_the_seeds_that_are_evaluated(void **state)
{
    struct study study = plan_of(WARD_REPRODUCE_ALL);
    const struct study_network *network = study_network(1);
    struct study_cell cell;

    (void)state;
    set(run_of(&study, "fast-fashion-mnist-simple-cnn-learned-1"), 0.90, 0.02);
    set(run_of(&study, "fast-fashion-mnist-simple-cnn-learned-3"), 0.94, 0.04);
    cell = study_cell_of(&study, network, WARD_METHOD_LEARNED);
    assert_int_equal(cell.n, 2);
    assert_int_equal(cell.wanted, 3);
    assert_true(fabs(cell.authorised.mean - 0.92) < 1e-12);
    assert_true(fabs(cell.authorised.sd - 0.04 / sqrt(2)) < 1e-12);
    assert_true(fabs(cell.authorised.paper - 0.9206) < 1e-12);
    assert_true(fabs(cell.unauthorised.mean - 0.03) < 1e-12);
    cell = study_cell_of(&study, network, WARD_METHOD_FIXED);
    assert_int_equal(cell.n, 0);
    assert_true(isnan(cell.authorised.mean) && isnan(cell.authorised.sd));
    study_release(&study);
}

static struct study_bar bar_of(const struct study *study, int i)
{
    struct study_bar bars[STUDY_BARS];

    study_bars(study, bars);
    return bars[i];
}

enum { BELOW_PAPER, BELOW_BASELINE, UNAUTHORISED, DIRECT, REPEATED };

static void bars_hold_only_when_every_number_is_there_and_meets_them(void **state)
{
    struct study study = good_study();
    struct study_run *run = run_of(&study, "fast-cifar10-resnet20-learned-1");
    struct study_bar bar;

    (void)state;
    bar = bar_of(&study, BELOW_PAPER);
    assert_int_equal(bar.count, 16);
    assert_int_equal(study_bar_verdict(&bar), STUDY_HOLDS);
    run->is_evaluated = false;
    bar = bar_of(&study, BELOW_PAPER);
    assert_int_equal(bar.known, 15);
    assert_int_equal(study_bar_verdict(&bar), STUDY_UNKNOWN);
    set(run, 0.9058 - 0.0051, 0.031);
    bar = bar_of(&study, BELOW_PAPER);
    assert_int_equal(study_bar_verdict(&bar), STUDY_FAILS);
    assert_string_equal(bar.where, "cifar10 resnet20 learned");
    bar = bar_of(&study, UNAUTHORISED);
    assert_int_equal(bar.count, 12);
    assert_int_equal(study_bar_verdict(&bar), STUDY_FAILS);
    set(run, 0.9058 - 0.0049, 0.030);
    assert_int_equal(bar_of(&study, BELOW_PAPER).held, 16);
    assert_int_equal(bar_of(&study, UNAUTHORISED).held, 12);
    study_release(&study);
}

static void a_difference_to_the_baseline_is_excused_by_the_spread_over_seeds(void **state)
{
    struct study study = good_study();
    struct study_run *first = run_of(&study, "fast-fashion-mnist-resnet20-generator-1");
    struct study_run *second = run_of(&study, "fast-fashion-mnist-resnet20-generator-2");

    (void)state;
    /* 0.4 points below the baseline of 92.63 %, first without a spread, then with a standard error
     * of 0.2 points or a little more. */
    set(first, 0.9223, 0.01);
    set(second, 0.9223, 0.01);
    assert_int_equal(bar_of(&study, BELOW_BASELINE).held, 7);
    set(first, 0.9223 + 0.0021, 0.01);
    set(second, 0.9223 - 0.0021, 0.01);
    assert_int_equal(bar_of(&study, BELOW_BASELINE).held, 8);
    study_release(&study);
}

static void an_attack_far_from_the_papers_is_marked(void **state)
{
    struct study study = good_study();
    struct study_trials *trials = &study.attacks[3];
    double accuracy[100];
    struct study_row row;

    (void)state;
    assert_string_equal(trials->attack->attack, "input-only");
    assert_int_equal(trials->run->method, WARD_METHOD_FIXED);
    assert_int_equal(bar_of(&study, REPEATED).known, 0);
    for (int i = 0; i < 100; i++)
        accuracy[i] = i % 2 ? 0.60 : 0.64;
    trials->scores.accuracy = accuracy;
    trials->scores.trial_count = 100;
    row = study_row_of(trials);
    assert_true(fabs(row.accuracy.mean - 0.62) < 1e-12 && fabs(row.best - 0.64) < 1e-12);
    assert_true(fabs(row.paper_best - 0.7896) < 1e-12);
    assert_false(row.is_far); /* 66.23 - 62 */
    for (int i = 0; i < 100; i++)
        accuracy[i] -= 0.01;
    assert_true(study_row_of(trials).is_far);
    assert_int_equal(bar_of(&study, REPEATED).held, 1);
    trials->scores.trial_count = 99;
    assert_int_equal(bar_of(&study, REPEATED).known, 0);
    trials->scores = (struct attack_scores){.trial_count = 0};
    study_release(&study);
}

/* ---- a state directory ---- */

static void a_stopped_reproduction_goes_on_to_the_same_tables(void **state)
{
    const ward_reproduce_config config = small(WARD_REPRODUCE_TABLE3);
    char *whole, *stopped;
    size_t left, stops = 0;
    ward_status st;

    (void)state;
    assert_ok(work(&config, 0, 0, &left));
    assert_int_equal(left, 0);
    whole = text_of("state/tables.json");
    shell("exec rm -r \"$WARD_DATA\"/../state");
    do {
        st = work(&config, 3 + stops, 0, &left);
        stops++;
        if (st && st != WARD_ERR_STOPPED)
            assert_ok(st);
        if (stops > 200)
            fail_msg("no end after %zu stops", stops);
    } while (st);
    assert_true(stops > 4);
    stopped = text_of("state/tables.json");
    assert_string_equal(whole, stopped);
    mem_free(whole);
    mem_free(stopped);
}

static void a_budget_ends_without_failure_and_leaves_the_rest(void **state)
{
    const ward_reproduce_config config = small(WARD_REPRODUCE_FIGURE2);
    size_t left;

    (void)state;
    assert_ok(work(&config, 0, 1e-9, &left));
    assert_int_equal(left,
                     7); /* three trainings and evaluations, one figure; the rest is missing */
    assert_ok(work(&config, 0, 0, &left));
    assert_int_equal(left, 0);
    assert_int_equal(mode_of(in_folder("state/fast-figure2a-fashion-mnist-simple-cnn.png")), 0600);
}

static void a_missing_data_set_is_refused_unless_it_may_be_left_out(void **state)
{
    ward_reproduce_config config = small(WARD_REPRODUCE_FIGURE2);
    ward_reproduction *r = NULL;
    const ward_reproduce_options options = {.budget = 0};

    (void)state;
    config.skips_missing = false;
    assert_ok(ward_reproduction_open(&r, device, &config));
    assert_string_equal(ward_reproduction_missing(r, 0), "cifar10");
    assert_null(ward_reproduction_missing(r, 1));
    assert_fails(ward_reproduction_run(r, &options), WARD_ERR_IO, "cifar10");
    ward_reproduction_close(r);
}

static void unshortened_results_need_the_published_images(void **state)
{
    ward_reproduce_config config = config_of(WARD_REPRODUCE_TABLE3, in_folder("other"));
    size_t left;

    (void)state;
    assert_fails(work(&config, 0, 0, &left), WARD_ERR_FORMAT, "fashion-mnist");
    assert_false(file_exists(in_folder("other/fast-fashion-mnist-resnet20-fixed-1")));
}

static void one_process_at_a_time_works_in_a_state_directory(void **state)
{
    const ward_reproduce_config config = small(WARD_REPRODUCE_TABLE3);
    size_t left;
    int lock = -1;

    (void)state;
    assert_ok(file_lock(state_path(), &lock));
    assert_fails(work(&config, 0, 0, &left), WARD_ERR_BUSY, "another process");
    file_unlock(lock);
}

static void runs_and_attacks_with_other_settings_are_refused(void **state)
{
    ward_reproduce_config config = small(WARD_REPRODUCE_TABLE3);
    char *attack = text_of("state/fast-fashion-mnist-resnet20-fixed-1/attacks/input-only.json");
    char *at = strstr(attack, "\"sigma\": 0.1");
    size_t left;

    (void)state;
    config.iterations = 4;
    assert_fails(work(&config, 0, 0, &left), WARD_ERR_ARG, "not of this plan");
    config.iterations = 3;
    assert_non_null(at);
    memcpy(at, "\"sigma\": 0.2", 12);
    put_file(in_folder("state/fast-fashion-mnist-resnet20-fixed-1/attacks/input-only.json"), attack,
             strlen(attack));
    assert_fails(work(&config, 0, 0, &left), WARD_ERR_ARG, "input-only.json");
    memcpy(at, "\"sigma\": 0.1", 12);
    put_file(in_folder("state/fast-fashion-mnist-resnet20-fixed-1/attacks/input-only.json"), attack,
             strlen(attack));
    assert_ok(work(&config, 0, 0, &left));
    mem_free(attack);
}

static void what_can_be_made_again_is_when_it_is_damaged(void **state)
{
    static const char *const files[] = {"state/fast-fashion-mnist-resnet20-fixed-1/eval.json",
                                        "state/fast-figure2a-fashion-mnist-simple-cnn.json",
                                        "state/tables.json"};
    const ward_reproduce_config config = small(WARD_REPRODUCE_TABLE3 | WARD_REPRODUCE_FIGURE2);
    size_t left;

    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char *before = text_of(files[i]), *after;

        put_file(in_folder(files[i]), before, strlen(before) / 2);
        assert_ok(work(&config, 0, 0, &left));
        assert_int_equal(left, 0);
        after = text_of(files[i]);
        assert_string_equal(before, after);
        mem_free(before);
        mem_free(after);
    }
}

static void bad_facts_of_a_figure_are_refused_and_change_nothing(void **state)
{
    static char name[] = "run";
    const struct study_run run = {.name = name, .model_id = "0f"};
    const struct study_figure before = {.runs = {&run, &run, &run}};
#define ONE "{\"run\": \"run\", \"model_id\": \"0f\", \"rms\": 0.01, \"max\": 0.1}"
#define FACTS(version, list) "{\"format_version\": " version ", \"perturbations\": " list "}"
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        FACTS("2", "[" ONE "," ONE "," ONE "]"),
        FACTS("1", ONE),
        FACTS("1", "[" ONE "," ONE "]"),
        FACTS("1", "[" ONE "," ONE "," ONE "," ONE "]"),
        FACTS("1", "[" ONE "," ONE ", {}]"),
        FACTS("1", "[" ONE "," ONE ", 1]"),
        FACTS("1", "[" ONE "," ONE
                   ", {\"run\": \"run\", \"model_id\": \"0e\", \"rms\": 0.01, \"max\": 0.1}]"),
        FACTS("1", "[" ONE "," ONE
                   ", {\"run\": \"ran\", \"model_id\": \"0f\", \"rms\": 0.01, \"max\": 0.1}]"),
        FACTS("1", "[" ONE "," ONE
                   ", {\"run\": \"run\", \"model_id\": \"0f\", \"rms\": 0.2, \"max\": 0.1}]"),
        FACTS("1", "[" ONE "," ONE
                   ", {\"run\": \"run\", \"model_id\": \"0f\", \"rms\": -1, \"max\": 0.1}]"),
    };
    static const char good[] = FACTS("1", "[" ONE "," ONE "," ONE "]");
    struct study_figure figure = before;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (study_parse_facts(&figure, bad[i], strlen(bad[i])) != WARD_ERR_FORMAT)
            fail_msg("accepted: %s", bad[i]);
        assert_memory_equal(&figure, &before, sizeof figure);
    }
    assert_ok(study_parse_facts(&figure, good, strlen(good)));
    assert_true(figure.max[2] > 0.09 && figure.max[2] < 0.11);
#undef ONE
#undef FACTS
}

static void more_trials_are_added_to_those_that_are_there(void **state)
{
    static const char *const wanted[] = {"\"trials_wanted\": 2", "\"trials_wanted\": 3"};
    ward_reproduce_config config = small(WARD_REPRODUCE_TABLE3);
    size_t left;

    (void)state;
    for (uint64_t trials = 3; trials >= 2; trials--) { /* then the first two again */
        config.trials = trials;
        assert_ok(work(&config, 0, 0, &left));
        assert_int_equal(left, 0);
        assert_says("state/tables.json", wanted[trials - 2]);
        assert_says("state/tables.json", trials == 3 ? "\"trials\": 3" : "\"trials\": 2");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_target_plans_what_it_needs),
        cmocka_unit_test(what_an_item_needs_comes_before_it),
        cmocka_unit_test(names_of_runs_are_unlike_each_other_and_say_what_they_are),
        cmocka_unit_test(a_secret_seed_follows_from_the_name_of_its_run),
        cmocka_unit_test(plans_out_of_range_are_refused),
        cmocka_unit_test(running_out_of_memory_is_reported),
        cmocka_unit_test(means_are_over_the_seeds_that_are_evaluated),
        cmocka_unit_test(bars_hold_only_when_every_number_is_there_and_meets_them),
        cmocka_unit_test(a_difference_to_the_baseline_is_excused_by_the_spread_over_seeds),
        cmocka_unit_test(an_attack_far_from_the_papers_is_marked),
        cmocka_unit_test(a_stopped_reproduction_goes_on_to_the_same_tables),
        cmocka_unit_test(a_budget_ends_without_failure_and_leaves_the_rest),
        cmocka_unit_test(a_missing_data_set_is_refused_unless_it_may_be_left_out),
        cmocka_unit_test(unshortened_results_need_the_published_images),
        cmocka_unit_test(one_process_at_a_time_works_in_a_state_directory),
        cmocka_unit_test(runs_and_attacks_with_other_settings_are_refused),
        cmocka_unit_test(what_can_be_made_again_is_when_it_is_damaged),
        cmocka_unit_test(bad_facts_of_a_figure_are_refused_and_change_nothing),
        cmocka_unit_test(more_trials_are_added_to_those_that_are_there),
    };

    return cmocka_run_group_tests_name("study", tests, open_all, close_all);
}
