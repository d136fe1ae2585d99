/*
 * What was found of a network outlives it: a state directory in which networks are gone, and what
 * brings them back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_test.h"
#include "study_fixture.h"

#define FIXED "fast-fashion-mnist-resnet20-fixed-1"
#define RECORD "state/results/" FIXED ".json"
#define FIGURE "state/fast-figure2a-fashion-mnist-simple-cnn"

/* ---- fixtures ---- */

static void in_shell(const char *commands)
{
    char line[512];

    snprintf(line, sizeof line, "cd \"$WARD_DATA\"/.. && %s", commands);
    shell(line);
}

/* All that can be done with Fashion-MNIST, in the directory "whole". */
static int make_whole(void **state)
{
    ward_reproduce_config config;
    size_t left;

    if (open_all(state))
        return -1;
    config = small(WARD_REPRODUCE_ALL);
    assert_ok(work(&config, 0, 0, &left));
    assert_int_equal(left, 0);
    in_shell("mv state whole");
    return 0;
}

static int restore(void **state)
{
    (void)state;
    in_shell("rm -rf state && cp -a whole state");
    return 0;
}

static void forget_networks(void)
{
    in_shell("rm state/*/model.safetensors state/*/config.json");
}

static void assert_as_whole(const char *file)
{
    char command[256];

    snprintf(command, sizeof command, "cmp 'state/%s' 'whole/%s'", file, file);
    in_shell(command);
}

static struct study study_of(const ward_reproduce_config *config)
{
    struct study study = {.device = NULL};

    assert_ok(study_plan(&study, device, config));
    assert_ok(study_look(&study));
    return study;
}

static const struct study_item *training_of(const struct study *study, const char *name)
{
    for (size_t i = 0; i < study->item_count; i++)
        if (study->items[i].kind == WARD_REPRODUCE_TRAIN &&
            strcmp(study_item_run(study, &study->items[i])->name, name) == 0)
            return &study->items[i];
    fail_msg("'%s' is not to be trained", name);
    return NULL;
}

static size_t trainings_left(const ward_reproduce_config *config)
{
    struct study study = study_of(config);
    size_t left = 0;

    for (size_t i = 0; i < study.item_count; i++)
        left += study.items[i].kind == WARD_REPRODUCE_TRAIN && !study.items[i].is_done &&
                !study.items[i].is_missing;
    study_release(&study);
    return left;
}

static void assert_all_is_done(const ward_reproduce_config *config)
{
    size_t left;

    assert_ok(work(config, 0, 0, &left));
    assert_int_equal(left, 0);
}

/* The tables of three trials an attack, where no network was ever gone, in "expected.json". */
static void expect_more_trials(void)
{
    ward_reproduce_config config = small(WARD_REPRODUCE_TABLE3);

    config.trials = 3;
    assert_all_is_done(&config);
    in_shell("mv state/tables.json expected.json && rm -r state && cp -a whole state");
}

/* ---- without networks ---- */

static void results_count_without_their_networks_and_stay_as_they_are(void **state)
{
    const ward_reproduce_config config = small(WARD_REPRODUCE_ALL);

    (void)state;
    forget_networks();
    in_shell("rm state/*/metrics.jsonl state/report.html state/tables.json " FIGURE ".png");
    assert_int_equal(trainings_left(&config), 0);
    assert_all_is_done(&config);
    assert_as_whole("tables.json");
    assert_as_whole("tables.md");
    in_shell("diff -r whole/results state/results");
    assert_false(file_exists(in_folder("state/" FIXED "/model.safetensors")));
    assert_false(file_exists(in_folder(FIGURE ".png")));
    assert_false(file_exists(in_folder("state/report.html"))); /* of no network */
}

static void a_report_is_of_the_networks_that_are_there(void **state)
{
    const ward_reproduce_config config = small(WARD_REPRODUCE_TABLE2);

    (void)state;
    in_shell("rm state/report.md state/" FIXED "/*.*"); /* attacks/ stays */
    assert_all_is_done(&config);
    assert_as_whole("tables.json");
    in_shell("grep -q resnet20-learned-1 state/report.md && ! grep -q " FIXED " state/report.md");
}

static void a_network_is_trained_again_only_for_what_is_still_done_with_it(void **state)
{
    ward_reproduce_config config = small(WARD_REPRODUCE_TABLE3 | WARD_REPRODUCE_TABLE2);
    struct study study;

    (void)state;
    expect_more_trials();
    forget_networks(); /* metrics and transforms are left, of a network that is gone */
    config.trials = 3;
    study = study_of(&config);
    assert_false(training_of(&study, FIXED)->is_done);
    assert_false(training_of(&study, FIXED)->share > 0);
    assert_true(training_of(&study, "fast-fashion-mnist-resnet20-baseline-1")->is_done);
    study_release(&study);
    assert_int_equal(trainings_left(&config), 3);
    config.targets = WARD_REPRODUCE_TABLE2;
    assert_int_equal(trainings_left(&config), 0);
    config.targets = WARD_REPRODUCE_TABLE3;
    assert_all_is_done(&config);
    assert_as_whole(FIXED "/model.safetensors");
    assert_as_whole(FIXED "/transform.ward");
    assert_false(
        file_exists(in_folder("state/fast-fashion-mnist-simple-cnn-fixed-1/model.safetensors")));
    in_shell("cmp state/tables.json expected.json");
}

static void results_count_while_their_network_is_trained_again(void **state)
{
    const ward_reproduce_config config = small(WARD_REPRODUCE_TABLE2);
    struct study study;
    struct study_run *run;

    (void)state;
    in_shell("rm state/" FIXED "/model.safetensors"); /* the settings are there: it is begun */
    study = study_of(&config);
    run = run_of(&study, FIXED);
    assert_true(run->is_begun && run->is_recorded && run->is_evaluated && !run->is_complete);
    assert_int_equal(run->evaluation.count, 20);
    assert_int_equal(study.attacks[0].scores.trial_count, 1);
    assert_false(training_of(&study, FIXED)->is_done);
    study_release(&study);
    assert_all_is_done(&config);
    assert_as_whole(FIXED "/model.safetensors");
    assert_as_whole("tables.json");
}

/* ---- figures ---- */

static void a_figure_without_networks_needs_its_numbers_but_no_picture(void **state)
{
    const ward_reproduce_config config = small(WARD_REPRODUCE_FIGURE2);

    (void)state;
    in_shell("rm " FIGURE ".png"); /* with networks it is drawn again */
    assert_all_is_done(&config);
    assert_as_whole("fast-figure2a-fashion-mnist-simple-cnn.png");
    in_shell("rm " FIGURE ".png state/fast-fashion-mnist-simple-cnn-learned-1/model.safetensors "
             "state/fast-fashion-mnist-simple-cnn-learned-1/config.json");
    assert_int_equal(trainings_left(&config), 0);
    assert_all_is_done(&config);
    assert_false(file_exists(in_folder(FIGURE ".png")));
    in_shell("rm " FIGURE ".json");
    assert_int_equal(trainings_left(&config), 1);
    assert_all_is_done(&config);
    assert_as_whole("fast-figure2a-fashion-mnist-simple-cnn.json");
    assert_as_whole("fast-figure2a-fashion-mnist-simple-cnn.png");
}

/* ---- other networks ---- */

static void trials_of_another_network_are_kept_aside_and_made_again(void **state)
{
    const ward_reproduce_config config = small(WARD_REPRODUCE_TABLE3);

    (void)state;
    in_shell("sed -i 's/\"model_id\": \".*\"/\"model_id\": \"'$(printf %064d 7)'\"/' state/" FIXED
             "/attacks/input-only.json && cp state/" FIXED "/attacks/input-only.json other");
    assert_all_is_done(&config);
    assert_as_whole("tables.json");
    in_shell("cmp other state/" FIXED "/attacks/input-only.json.000000000000");
}

static void an_attack_under_the_name_of_another_is_refused(void **state)
{
    const ward_reproduce_config config = small(WARD_REPRODUCE_TABLE3);
    size_t left;

    (void)state;
    forget_networks();
    in_shell("cd state/" FIXED "/attacks && cp pair.json direct.json");
    assert_fails(work(&config, 0, 0, &left), WARD_ERR_ARG, "direct.json");
}

/* As if all that is known of a run were of a network trained on another processor. */
static void let_be_of_another_network(const char *run)
{
    char command[256];

    snprintf(
        command, sizeof command,
        "id=$(sed -n 's/.*\"model_id\": \"\\(.*\\)\".*/\\1/p' state/results/%s.json) && sed -i "
        "s/$id/$(printf %%064d 7)/ state/results/*.json state/*/attacks/*.json state/*.json",
        run);
    in_shell(command);
}

static void what_was_found_of_a_network_that_came_out_another_one_is_made_again(void **state)
{
    ward_reproduce_config config = small(WARD_REPRODUCE_TABLE3);

    (void)state;
    expect_more_trials();
    let_be_of_another_network(FIXED);
    forget_networks();
    assert_int_equal(trainings_left(&config), 0);
    config.trials = 3;
    assert_all_is_done(&config);
    assert_true(file_exists(in_folder("state/" FIXED "/attacks/direct.json.000000000000")));
    in_shell("cmp state/tables.json expected.json");
}

static void a_network_that_came_out_another_one_brings_back_those_it_is_shown_with(void **state)
{
    const ward_reproduce_config config = small(WARD_REPRODUCE_FIGURE2);

    (void)state;
    let_be_of_another_network("fast-fashion-mnist-simple-cnn-generator-1");
    forget_networks();
    in_shell("r=fast-fashion-mnist-simple-cnn-generator-1; cp whole/$r/config.json state/$r");
    assert_int_equal(trainings_left(&config), 1); /* the one that is begun, and the last of three */
    assert_all_is_done(&config);
    assert_as_whole("fast-figure2a-fashion-mnist-simple-cnn.json");
    assert_as_whole("tables.json");
}

/* ---- records ---- */

/* The text with the first `old` in it replaced, owned; takes the text over. */
static char *replaced(char *text, const char *old, const char *new)
{
    const char *at = strstr(text, old);
    char *made = NULL;

    if (!at)
        fail_msg("'%s' is not in %s", old, text);
    assert_ok(mem_printf(&made, "%.*s%s%s", (int)(at - text), text, new, at + strlen(old)));
    mem_free(text);
    return made;
}

static void a_record_of_something_else_is_refused_and_changes_nothing(void **state)
{
    static const struct {
        const char *old, *new;
        ward_status status;
        const char *says;
    } cases[] = {
        {"\"name\": \"fast", "\"name\": \"slow", WARD_ERR_EXISTS, "'name'"},
        {"\"seed\": 1", "\"seed\": 2", WARD_ERR_EXISTS, "'seed' is 2 there, not 1"},
        {"\"iterations\": 3", "\"iterations\": 4", WARD_ERR_EXISTS,
         "'iterations' is 4 there, not 3"},
        {"\"iterations\": 3", "\"iterations\": \"3\"", WARD_ERR_FORMAT, "'iterations'"},
        {"\"iterations\": 3,", "", WARD_ERR_FORMAT, "'iterations' is missing"},
        {"\"is_shortened\": true", "\"is_shortened\": false", WARD_ERR_EXISTS, "'is_shortened'"},
        {"\"is_shortened\": true", "\"is_shortened\": 1", WARD_ERR_FORMAT, "'is_shortened'"},
        {"--recipe fast", "--recipe demo", WARD_ERR_EXISTS, "'command'"},
        {"\"command\"", "\"commando\"", WARD_ERR_FORMAT, "'command' is missing"},
        {"\"evaluation\"", "\"examination\"", WARD_ERR_FORMAT, "'evaluation'"},
        {"\"evaluation\": {", "\"evaluation\": [{}], \"x\": {", WARD_ERR_FORMAT, "'evaluation'"},
        {"\"split\": \"test\"", "\"split\": \"train\"", WARD_ERR_FORMAT, "'split'"},
        {"\"count\": 20", "\"count\": -20", WARD_ERR_FORMAT, "'count'"},
        {"\"authorised\": 0", "\"authorised\": 1000", WARD_ERR_FORMAT, "'authorised'"},
        {"\"authorised\": 0", "\"authorised\": null, \"x\": 0", WARD_ERR_FORMAT, "'fixed'"},
        {"\"unauthorised\": 0", "\"unauthorised\": null, \"x\": 0", WARD_ERR_FORMAT, "'fixed'"},
        {"\"ci95\": {", "\"ci95\": {}, \"x\": {", WARD_ERR_FORMAT, "'ci95'"},
        {"\"model_id\": \"", "\"model_id\": \"0", WARD_ERR_FORMAT, "'model_id'"},
        {"{", "[", WARD_ERR_FORMAT, "JSON"},
        {"\"attacks\"", "", WARD_ERR_FORMAT, "JSON"},
    };
    const ward_reproduce_config config = small(WARD_REPRODUCE_TABLE2);
    struct study study = {.device = NULL};
    struct study_run *run, before;

    (void)state;
    assert_ok(study_plan(&study, device, &config));
    run = run_of(&study, FIXED);
    before = *run;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text = replaced(text_of(RECORD), cases[i].old, cases[i].new);

        assert_fails(study_parse_record(&study, run, text, strlen(text)), cases[i].status,
                     cases[i].says);
        assert_memory_equal(run, &before, sizeof before);
        mem_free(text);
    }
    study_release(&study);
}

static void a_baseline_has_one_accuracy(void **state)
{
    const ward_reproduce_config config = small(WARD_REPRODUCE_TABLE2);
    char *text = text_of("state/results/fast-fashion-mnist-resnet20-baseline-1.json");
    struct study study = {.device = NULL};
    struct study_run *run;

    (void)state;
    assert_ok(study_plan(&study, device, &config));
    run = run_of(&study, "fast-fashion-mnist-resnet20-baseline-1");
    assert_ok(study_parse_record(&study, run, text, strlen(text)));
    assert_true(run->is_recorded && run->is_evaluated);
    text = replaced(text, "\"unauthorised\": null", "\"unauthorised\": 0.5");
    text = replaced(text, "\"unauthorised\": null", "\"unauthorised\": [0, 1]");
    assert_fails(study_parse_record(&study, run, text, strlen(text)), WARD_ERR_FORMAT,
                 "'baseline'");
    mem_free(text);
    study_release(&study);
}

static void a_record_that_cannot_be_used_is_named_and_not_passed_over(void **state)
{
    ward_reproduce_config config = small(WARD_REPRODUCE_TABLE2);
    char *record = text_of(RECORD);
    size_t left;

    (void)state;
    put_file(in_folder(RECORD), record, strlen(record) / 2);
    assert_all_is_done(&config); /* of a network that is there it is written anew */
    assert_says(RECORD, record);
    forget_networks();
    put_file(in_folder(RECORD), record, strlen(record) / 2);
    assert_fails(work(&config, 0, 0, &left), WARD_ERR_FORMAT,
                 FIXED ".json' cannot be used (without");
    put_file(in_folder(RECORD), record, strlen(record));
    config.iterations = 4;
    assert_fails(work(&config, 0, 0, &left), WARD_ERR_ARG, "is not of this plan (without");
    config.iterations = 3;
    in_shell("rm " RECORD); /* then, as the message says */
    assert_int_equal(trainings_left(&config), 1);
    mem_free(record);
}

static ward_status look(void *context)
{
    struct study study = {.device = NULL};
    ward_status st = study_plan(&study, device, context);

    if (!st)
        st = study_look(&study);
    if (!st)
        assert_true(run_of(&study, FIXED)->is_recorded);
    study_release(&study);
    return st;
}

static void running_out_of_memory_while_reading_records_is_reported(void **state)
{
    ward_reproduce_config config = small(WARD_REPRODUCE_TABLE2);

    (void)state;
    forget_networks();
    assert_true(assert_survives_failing_allocations(look, &config) > 100);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup(test, restore)
    const struct CMUnitTest tests[] = {
        TEST(results_count_without_their_networks_and_stay_as_they_are),
        TEST(a_report_is_of_the_networks_that_are_there),
        TEST(a_network_is_trained_again_only_for_what_is_still_done_with_it),
        TEST(results_count_while_their_network_is_trained_again),
        TEST(a_figure_without_networks_needs_its_numbers_but_no_picture),
        TEST(trials_of_another_network_are_kept_aside_and_made_again),
        TEST(an_attack_under_the_name_of_another_is_refused),
        TEST(what_was_found_of_a_network_that_came_out_another_one_is_made_again),
        TEST(a_network_that_came_out_another_one_brings_back_those_it_is_shown_with),
        TEST(a_record_of_something_else_is_refused_and_changes_nothing),
        TEST(a_baseline_has_one_accuracy),
        TEST(a_record_that_cannot_be_used_is_named_and_not_passed_over),
        TEST(running_out_of_memory_while_reading_records_is_reported),
    };
#undef TEST

    return cmocka_run_group_tests_name("recorded", tests, make_whole, close_all);
}
