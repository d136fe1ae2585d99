/* What a report reads of runs: histories, evaluations, attacks, findings of the red team, whole and
 * damaged. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "report/cells.h"
#include "report/redteam.h"
#include "report_fixture.h"

/* ---- what is read ---- */

static void a_history_has_points_and_parts_and_no_torn_line(void **state)
{
    static const char text[] =
        "{\"iteration\": 0, \"seconds\": 0.5, \"version\": \"1\", \"commit\": \"c\", "
        "\"device\": \"cpu\", \"summary\": \"s\", \"threads\": 2}\n"
        "{\"iteration\": 100, \"seconds\": 3, \"loss_processed\": 1.5, \"accuracy_raw\": 0.25}\n"
        "{\"iteration\": 100, \"seconds\": 4, \"model_id\": \"x\"}\n"
        "{\"iteration\": 200, \"sec";
    struct history h = {.point_count = 0};

    (void)state;
    assert_ok(history_parse(&h, text, sizeof text - 1));
    assert_int_equal(h.point_count, 1);
    assert_int_equal(h.part_count, 1);
    assert_string_equal(h.parts[0].commit, "c");
    assert_true(h.points[0].value[CURVE_LOSS] == 1.5);
    assert_true(h.points[0].value[CURVE_ACCURACY_RAW] == 0.25);
    assert_true(isnan(h.points[0].value[CURVE_DISTANCE]));
    assert_true(h.seconds == 4 && h.iterations == 100);
    history_release(&h);
}

static void a_damaged_history_is_refused_with_its_line(void **state)
{
    static const char *const bad[] = {
        "x\n",
        "[]\n",
        "{\"iteration\": 1}\n",
        "{\"iteration\": 1, \"seconds\": -1}\n",
        "{\"iteration\": \"1\", \"seconds\": 1}\n",
        "{\"iteration\": 1, \"seconds\": 1, \"distance\": \"far\"}\n",
        "{\"iteration\": 1, \"seconds\": 1, \"commit\": 5, \"threads\": 1}\n",
    };
    char text[256];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct history h = {.point_count = 0};

        snprintf(text, sizeof text, "{\"iteration\": 0, \"seconds\": 1}\n%s", bad[i]);
        assert_fails(history_parse(&h, text, strlen(text)), WARD_ERR_FORMAT, "line 2");
    }
}

static void an_evaluation_is_read_back_as_written(void **state)
{
    struct evaluation e = {.model_id = ID,
                           .count = 10000,
                           .authorised = 0.9132,
                           .unauthorised = (double)NAN,
                           .authorised_ci = {0.9075, 0.9186}};
    struct evaluation back;
    const char *path = in_folder("eval.json");
    bool is_there;

    (void)state;
    assert_ok(evaluation_read(&back, path, &is_there));
    assert_false(is_there);
    assert_ok(evaluation_write(&e, path));
    assert_int_equal(mode_of(path) & 0600, 0600);
    assert_ok(evaluation_read(&back, path, &is_there));
    assert_true(is_there);
    assert_string_equal(back.model_id, ID);
    assert_true(back.authorised == e.authorised && isnan(back.unauthorised));
    assert_true(back.authorised_ci.low == e.authorised_ci.low && back.count == 10000);
}

static void damaged_evaluations_are_refused(void **state)
{
    static const char *const bad[] = {
        "{}",
        "{\"format_version\": 2}",
        "{\"format_version\": 1, \"model_id\": \"" ID "\", \"split\": \"train\"}",
        "{\"format_version\": 1, \"model_id\": \"0\", \"split\": \"test\"}",
        "{\"format_version\": 1, \"model_id\": \"" ID "\", \"split\": \"test\", \"count\": 1, "
        "\"authorised\": 1.5, \"unauthorised\": null}",
        "{\"format_version\": 1, \"model_id\": \"" ID "\", \"split\": \"test\", \"count\": 1, "
        "\"authorised\": 0.5, \"unauthorised\": null, \"ci95\": {\"authorised\": [1, 0]}}",
        "{\"format_version\": 1, \"model_id\": \"" ID "\", \"split\": \"test\", \"count\": -1, "
        "\"authorised\": null, \"unauthorised\": null}",
        "{\"format_version\": 1, \"model_id\": \"" ID "\", \"split\": \"test\", \"count\": 1e300, "
        "\"authorised\": null, \"unauthorised\": null}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct evaluation e;

        assert_fails(evaluation_parse(&e, bad[i], strlen(bad[i])), WARD_ERR_FORMAT, "");
    }
}

static void an_attack_has_its_trials_and_the_options_that_make_it_again(void **state)
{
    static const char text[] =
        ATTACK("{\"trials\": 100, \"seed\": 7, \"pairs\": 0.1}",
               "[{\"accuracy\": 0.5, \"seconds\": 2, \"curve\": [[0, 1.5], [10, 0.5]]},"
               " {\"accuracy\": 0.75, \"seconds\": 3}]");
    struct attack_scores a = {.trial_count = 0};

    (void)state;
    assert_ok(attack_scores_parse(&a, text, sizeof text - 1));
    assert_string_equal(a.attack, "pair");
    assert_string_equal(a.settings, "--attack pair --trials 100 --seed 7 --pairs 0.1");
    assert_int_equal(a.trial_count, 2);
    assert_true(a.accuracy[1] == 0.75 && a.seconds == 5 && a.wanted == 100 && a.pairs == 0.1);
    assert_int_equal(a.curve_count, 1);
    assert_true(a.curves[0].count == 2 && a.curves[0].error[1] == 0.5);
    attack_scores_release(&a);
}

static void damaged_attacks_are_refused(void **state)
{
    static const char *const bad[] = {
        "{}",
        ATTACK("{}", "{}"),
        ATTACK("[]", "[]"),
        ATTACK("{\"pairs\": 2}", "[]"),
        ATTACK("{\"pairs; rm\": 1}", "[]"),
        ATTACK("{\"note\": \"$(rm)\"}", "[]"),
        ATTACK("{}", "[{\"accuracy\": 1.5, \"seconds\": 1}]"),
        ATTACK("{}", "[{\"accuracy\": 0.5}]"),
        ATTACK("{}", "[{\"accuracy\": 0.5, \"seconds\": 1, \"curve\": [[1]]}]"),
        ATTACK("{}", "[{\"accuracy\": 0.5, \"seconds\": 1, \"curve\": [[0, -1]]}]"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct attack_scores a = {.trial_count = 0};

        assert_fails(attack_scores_parse(&a, bad[i], strlen(bad[i])), WARD_ERR_FORMAT, "");
    }
}

/* ---- what the red team has found ---- */

static void what_the_red_team_found_is_read_as_means_over_adversaries(void **state)
{
    struct redteam_scores s = {.line_count = 0};
    double amounts[REDTEAM_POINTS];
    const struct redteam_line *l;

    (void)state;
    assert_ok(redteam_parse(&s, redteam_text, sizeof redteam_text - 1));
    assert_true(s.seed == UINT64_C(1) << 53 && s.needs_attack == 32.5 && isnan(s.needs_scratch));
    assert_int_equal(s.gains.count, 2);
    assert_true(s.gains.items[0].scratch == 0.5 && s.gains.items[0].high == 0.375);
    assert_true(isnan(s.gains.items[1].advantage) && isnan(s.gains.items[1].scratch));
    assert_string_equal(s.flags[0].name, "below-chance");
    l = redteam_find(&s, "universal", REDTEAM_LABELLED);
    assert_non_null(l);
    assert_true(l->curve.count == 2 && l->curve.at[0] == 10 && l->curve.n[0] == 2);
    assert_true(redteam_at(l, 10) == 0.75 && redteam_at(l, 100) == 0.875);
    assert_true(isnan(redteam_at(l, 50)) && !redteam_is_control(l));
    assert_null(redteam_find(&s, "universal", REDTEAM_PAIRS));
    assert_int_equal(redteam_amounts(&s, REDTEAM_LABELLED, amounts), 2);
    assert_int_equal(redteam_amounts(&s, REDTEAM_QUERIES, amounts), 0);
    redteam_release(&s);
}

/* Builds before did not say so. */
static void a_spread_and_a_missing_part_are_read_where_they_are_written(void **state)
{
    struct redteam_scores s = {.line_count = 0};
    char *text = redteam_with("\"accuracy\": 0.75}, ",
                              "\"accuracy\": 0.75, \"sd\": 0.25, \"highest\": 0.875}, ");

    (void)state;
    assert_ok(redteam_parse(&s, text, strlen(text)));
    assert_true(s.gains.items[0].deviation == 0.25 && s.gains.items[0].highest == 0.875);
    assert_true(isnan(s.gains.items[1].deviation) && isnan(s.gains.items[1].highest));
    assert_false(s.is_partial);
    redteam_release(&s);
    mem_free(text);
    text = redteam_with("\"sentence\"", "\"complete\": false, \"sentence\"");
    assert_ok(redteam_parse(&s, text, strlen(text)));
    assert_true(s.is_partial);
    redteam_release(&s);
    mem_free(text);
}

static void single_tries_tell_of_keys(void **state)
{
    struct redteam_scores s = {.line_count = 0};

    (void)state;
    assert_ok(redteam_parse(&s, redteam_text, sizeof redteam_text - 1));
    assert_true(s.keys.count == 2 && s.keys.drawn == 2 && s.keys.accuracy[1] == 0.3);
    assert_true(s.patterns.count == 2 && s.patterns.drawn == 72);
    assert_true(s.wrong_keys.count == 2 && s.wrong_keys.at[1] == 0.9 &&
                s.wrong_keys.mean[1] == 0.8);
    assert_true(s.improved_keys.count == 1 && s.improved_keys.mean[0] == 0.2);
    redteam_release(&s);
}

static void damaged_findings_are_refused(void **state)
{
    static const struct {
        const char *from, *to, *message;
    } cases[] = {
        {"\"suite\": \"v1\"", "\"suite\": \"v9\"", "'v9'"},
        {"\"format_version\": 1", "\"format_version\": 2", "version"},
        {"\"model_id\": \"0", "\"model_id\": \"x", "'model_id'"},
        {"\"budget\": \"quick\"", "\"budget\": \"<b>\"", "'budget'"},
        {"9007199254740992", "9007199254740993", "'seed'"},
        {"\"is_disjoint\": true", "\"is_disjoint\": 1", "'is_disjoint'"},
        {"\"test_count\": 10000", "\"test_count\": -1", "'test_count'"},
        {"\"authorised\": 0.9", "\"authorised\": 1.1", "'authorised'"},
        {"\"kstar_attack\": 32.5", "\"kstar_attack\": -1", "'kstar_attack'"},
        {"\"cost\": 0.25", "\"cost\": \"1\"", "'cost'"},
        {"\"kstar_ratio_is_bound\": true", "\"other\": true", "'kstar_ratio_is_bound'"},
        {"\"without_labels\": null", "\"without_labels\": 1", "'attack'"},
        {"\"sentence\": \"A", "\"complete\": 1, \"sentence\": \"A", "'complete'"},
        {"\"accuracy\": 0.75}", "\"accuracy\": 0.75, \"sd\": -1}", "'sd'"},
        {"\"accuracy\": 0.75}", "\"accuracy\": 0.75, \"highest\": 2}", "'highest'"},
        {"\"sentence\": \"A", "\"sentence\": [\"A\"], \"x\": \"A", "'sentence'"},
        {"\"best\": {", "\"best\": 1, \"x\": {", "'best'"},
        {"\"10\": {\"attack\"", "\"ten\": {\"attack\"", "ascending"},
        {"\"10\": {\"attack\"", "\"1000\": {\"attack\"", "advantage"},
        {"\"100\": {\"attack\"", "\"5\": {\"attack\"", "ascending"},
        {"\"attack\": \"universal\"", "\"attack\": \"uni versal\"", "'attack'"},
        {"\"adv\": {\"10\": 0.25", "\"adv\": {\"10\": 30", "-20 to 20"},
        {"\"adv\": {\"10\": 0.25", "\"adv\": {\"11\": 0.25", "-20 to 20"},
        {"[0.125, 0.375]", "[0.375, 0.125]", "interval"},
        {"[0.125, 0.375]", "[0.375]", "interval"},
        {"\"best_pairs\": {}", "\"best_pairs\": []", "'best_pairs'"},
        {"\"flags\": [{", "\"flags\": [7, {", "'flag'"},
        {"\"flag\": \"below-chance\"", "\"flag\": \"below chance\"", "'flag'"},
        {"1 % | 10 %",
         "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
         "890123456789012345678901234567890123456789",
         "too long"},
        {"\"attacks\": [", "\"attacks\": 1, \"x\": [", "'attacks'"},
        {"\"attacks\": [", "\"attacks\": [7, ", "cell 1"},
        {"\"knows\": \"labelled\"", "\"knows\": \"all\"", "'all'"},
        {"\"amount\": 100", "\"amount\": 0.5", "'amount'"},
        {"\"accuracy\": 0.875, \"tries\"", "\"accuracy\": 2, \"tries\"", "'accuracy'"},
        {"\"tries\": []", "\"tries\": {}", "'tries'"},
        {"\"what\": \"pattern 1 of 72\"", "\"what\": 1", "'what'"},
        {"\"what\": \"key 1 of 2\", \"accuracy\": 0.1", "\"what\": \"key 1 of 2\"", "'accuracy'"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text = redteam_with(cases[i].from, cases[i].to);
        struct redteam_scores s = {.line_count = 0};
        ward_status st = redteam_parse(&s, text, strlen(text));

        if (st != WARD_ERR_FORMAT || !strstr(ward_error_message(), cases[i].message))
            fail_msg("%s: expected '%s', got %s (%s)", cases[i].to, cases[i].message,
                     ward_status_name(st), ward_error_message());
        assert_true(s.line_count == 0 && !s.lines);
        mem_free(text);
    }
}

static void words_that_are_no_key_are_no_draw(void **state)
{
    static const char *const words[] = {"key 1 of", "key 0 of 2",   "key 3 of 2",    "key 1 of 2 ",
                                        "keys",     "key -1 of -1", "monkey 1 of 2", ""};

    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        struct redteam_scores s = {.line_count = 0};
        char *text = redteam_with("key 1 of 2", words[i]);

        assert_ok(redteam_parse(&s, text, strlen(text)));
        if (s.keys.count != 1)
            fail_msg("'%s' counts as a key", words[i]);
        redteam_release(&s);
        mem_free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_history_has_points_and_parts_and_no_torn_line),
        cmocka_unit_test(a_damaged_history_is_refused_with_its_line),
        cmocka_unit_test(an_evaluation_is_read_back_as_written),
        cmocka_unit_test(damaged_evaluations_are_refused),
        cmocka_unit_test(an_attack_has_its_trials_and_the_options_that_make_it_again),
        cmocka_unit_test(damaged_attacks_are_refused),
        cmocka_unit_test(what_the_red_team_found_is_read_as_means_over_adversaries),
        cmocka_unit_test(a_spread_and_a_missing_part_are_read_where_they_are_written),
        cmocka_unit_test(single_tries_tell_of_keys),
        cmocka_unit_test(damaged_findings_are_refused),
        cmocka_unit_test(words_that_are_no_key_are_no_draw),
    };

    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
