/*
 * Reports: numbers and text on a page, what is read of a run, means and spreads, and that nothing
 * secret and nothing hostile gets through. Runs are made by hand, with their accuracies beside
 * them, so no data set is needed.
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
#include "report/cells.h"
#include "report/paper.h"
#include "report/plot.h"
#include "report/text.h"
#include "report_fixture.h"
#include "train/settings.h"
#include "ward/ward.h"

/* ---- text ---- */

static void assert_text(struct wr *wr, const char *expected)
{
    wr_u8(wr, 0);
    assert_ok(wr_finish(wr));
    assert_string_equal((const char *)wr->data, expected);
    wr_release(wr);
}

static void text_is_escaped_for_where_it_stands(void **state)
{
    struct wr wr = WR_INIT;

    (void)state;
    text_html(&wr, "<b a='1' c=\"2\">&");
    assert_text(&wr, "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;");
    text_markdown(&wr, "a|b`c`*d*_e_[f](<g>)!#\\");
    assert_text(&wr, "a\\|b\\`c\\`\\*d\\*\\_e\\_\\[f\\](&lt;g&gt;)\\!\\#\\\\");
    text_shell(&wr, "plain-1.0/x:y");
    assert_text(&wr, "plain-1.0/x:y");
    text_shell(&wr, "it's $(here)");
    assert_text(&wr, "'it'\\''s $(here)'");
    text_shell(&wr, "");
    assert_text(&wr, "''");
}

static void what_is_not_utf8_becomes_a_replacement(void **state)
{
    static const char *const bad[] = {"\xff",     "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                      "\xe2\x82", "\x01",     "\n",           "\x7f",
                                      "\xc2\x85"};
    static const char good[] = "\xc3\xa9\xe2\x82\xac\xf0\x9f\x99\x82";
    struct wr wr = WR_INIT;

    (void)state;
    text_html(&wr, good);
    assert_text(&wr, good);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char in[16];

        snprintf(in, sizeof in, "a%sb", bad[i]);
        text_html(&wr, in);
        wr_u8(&wr, 0);
        assert_ok(wr_finish(&wr));
        if (strstr((const char *)wr.data, bad[i]) ||
            strncmp((const char *)wr.data, "a\xef\xbf\xbd", 4) != 0)
            fail_msg("input %zu came through", i);
        wr_release(&wr);
    }
}

static void numbers_are_rounded_and_need_no_locale(void **state)
{
    static const struct {
        double v;
        unsigned digits;
        const char *text;
    } cases[] = {
        {91.325, 2, "91.33"}, {0, 2, "0.00"},        {-0.001, 2, "0.00"},       {-1.5, 0, "-2"},
        {0.05, 1, "0.1"},     {99.999, 2, "100.00"}, {1e13, 2, "\xe2\x80\x93"},
    };
    struct wr wr = WR_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        text_fixed(&wr, cases[i].v, cases[i].digits);
        assert_text(&wr, cases[i].text);
    }
    text_fixed(&wr, (double)NAN, 2);
    assert_text(&wr, "\xe2\x80\x93");
    text_signed(&wr, -0.5, 2);
    assert_text(&wr, "\xe2\x88\x92"
                     "0.50");
    text_signed(&wr, 0.5, 2);
    assert_text(&wr, "+0.50");
    text_count(&wr, 1234567);
    assert_text(&wr, "1,234,567");
    text_count(&wr, 100);
    assert_text(&wr, "100");
}

static void durations_read_well(void **state)
{
    static const struct {
        double seconds;
        const char *text;
    } cases[] = {
        {0, "0 s"},           {42.4, "42 s"},       {119.6, "2 min"},     {3569, "59 min"},
        {3599, "1 h 00 min"}, {7500, "2 h 05 min"}, {-1, "\xe2\x80\x93"},
    };
    struct wr wr = WR_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        text_duration(&wr, cases[i].seconds);
        assert_text(&wr, cases[i].text);
    }
}

/* RFC 4648, section 10. */
static void base64_is_the_standard_one(void **state)
{
    static const char *const expected[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
                                           "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    struct wr wr = WR_INIT;

    (void)state;
    for (size_t len = 0; len < sizeof expected / sizeof expected[0]; len++) {
        text_base64(&wr, (const uint8_t *)"foobar", len);
        assert_text(&wr, expected[len]);
    }
}

/* ---- numbers ---- */

static void a_spread_is_mean_and_sample_deviation(void **state)
{
    static const double values[] = {0.9, 0.92, (double)NAN, 0.94};
    struct spread s = spread_of(values, 4);

    (void)state;
    assert_int_equal(s.n, 3);
    assert_true(fabs(s.mean - 0.92) < 1e-12 && fabs(s.sd - 0.02) < 1e-12);
    s = spread_of(values, 1);
    assert_true(s.n == 1 && isnan(s.sd) && fabs(s.mean - 0.9) < 1e-12);
    assert_true(isnan(spread_of(values, 0).mean));
}

static void a_difference_is_measured_by_the_spread(void **state)
{
    (void)state;
    assert_true(fabs(score_distance(&(struct score){0.92, 0.01, 0.9}) - 2) < 1e-9);
    assert_true(isnan(score_distance(&(struct score){0.92, (double)NAN, 0.9})));
    assert_true(isnan(score_distance(&(struct score){0.92, 0.01, (double)NAN})));
    assert_true(isinf(score_distance(&(struct score){0.92, 0, 0.9})));
    assert_true(score_distance(&(struct score){0.9, 0, 0.9}) == 0);
}

static void the_papers_numbers_are_where_they_belong(void **state)
{
    struct paper_cell c = paper_accuracy("cifar10", "resnet20", WARD_METHOD_LEARNED);
    struct paper_attack a =
        paper_attack("fashion-mnist", "resnet20", WARD_METHOD_GENERATOR, "pair", 0.5);

    (void)state;
    assert_true(fabs(c.authorised - 0.9058) < 1e-9 && fabs(c.unauthorised - 0.0086) < 1e-9);
    c = paper_accuracy("mnist", "simple-cnn", WARD_METHOD_BASELINE);
    assert_true(fabs(c.authorised - 0.9912) < 1e-9 && isnan(c.unauthorised));
    assert_true(isnan(paper_accuracy("mnist", "resnet20", WARD_METHOD_FIXED).authorised));
    assert_true(fabs(a.mean - 0.7631) < 1e-9 && fabs(a.best - 0.8417) < 1e-9);
    a = paper_attack("fashion-mnist", "resnet20", WARD_METHOD_FIXED, "pair", 0.5);
    assert_true(isnan(a.mean));
}

static void every_value_is_in_a_bin(void **state)
{
    static const double spread_out[] = {0.1, 0.1001, 0.25, 0.5, 0.9999, 1};
    static const double same[] = {0.5, 0.5, 0.5};
    static const double ends[] = {0, 0, 1, 1};
    const struct {
        const double *values;
        size_t count;
    } cases[] = {{spread_out, 6}, {same, 3}, {ends, 4}, {same, 1}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bins b = bins_of(cases[i].values, cases[i].count, 24);
        size_t sum = 0;

        assert_true(b.count >= 1 && b.count <= 24 && b.width > 0);
        for (size_t k = 0; k < b.count; k++)
            sum += b.height[k];
        assert_int_equal(sum, cases[i].count);
    }
}

static void a_plot_is_finite_whatever_is_drawn(void **state)
{
    static const double wild[] = {0, 1e300, -1e300, (double)INFINITY, (double)NAN, 1e-300};
    const struct plot_line lines[] = {
        {.style = 'a', .name = "<a>", .count = 6, .x = wild, .y = wild},
        {.style = 'b', .count = 0, .x = wild, .y = wild},
        {.style = 'b', .has_dots = true, .count = 6, .x = wild, .y = wild}};
    struct wr wr = WR_INIT;

    (void)state;
    plot_lines(&wr, &(struct plot){.id = 1,
                                   .title = "t & t",
                                   .text = "d",
                                   .x_name = "x",
                                   .line_count = 3,
                                   .lines = lines});
    wr_u8(&wr, 0);
    assert_ok(wr_finish(&wr));
    assert_null(strstr((const char *)wr.data, "nan"));
    assert_null(strstr((const char *)wr.data, "inf"));
    assert_null(strstr((const char *)wr.data, "<a>"));
    assert_non_null(strstr((const char *)wr.data, "t &amp; t"));
    wr_release(&wr);
}

/* Three decades: 1, 10, 100 and 1000 are as far apart from each other. */
static void a_logarithmic_axis_has_its_ticks_at_powers_of_ten(void **state)
{
    static const double x[] = {1, 10, 1000, 0, -5}, y[] = {0.1, 0.2, 0.4, 0.9, 0.9};
    const struct plot_line lines[] = {
        {.style = 'a', .name = "upper", .has_dots = true, .count = 5, .x = x, .y = y},
        {.style = 'o', .name = "lower", .has_dots = true, .count = 3, .x = x, .y = y}};
    struct wr wr = WR_INIT;
    const char *text;

    (void)state;
    plot_lines(&wr, &(struct plot){.id = 1,
                                   .title = "t",
                                   .text = "d",
                                   .x_name = "x",
                                   .y_max = 1,
                                   .is_log = true,
                                   .has_ends = true,
                                   .line_count = 2,
                                   .lines = lines});
    wr_u8(&wr, 0);
    assert_ok(wr_finish(&wr));
    text = (const char *)wr.data;
    assert_non_null(strstr(text, ">1</text>"));
    assert_non_null(strstr(text, ">10</text>"));
    assert_non_null(strstr(text, ">100</text>"));
    assert_non_null(strstr(text, ">1,000</text>"));
    assert_non_null(strstr(text, "M44.0 "));
    assert_null(strstr(text, "nan"));
    /* Both end at one point; their names stand apart. */
    assert_non_null(strstr(text, "<g class=\"end-a\">"));
    assert_true(strncmp(strstr(text, "end-a") + 7, strstr(text, "end-o") + 7, 40) != 0);
    wr_release(&wr);
}

/* ---- whole reports ---- */

static ward_device *device;

/* What tells runs apart: F's weights, the seed, and accuracies. */
struct made_run {
    const char *name;
    ward_method method;
    uint64_t seed;
    double authorised, unauthorised;
};

static void write_evaluation(const char *run, const struct model *m, const struct made_run *r)
{
    struct evaluation e = {.count = 100,
                           .authorised = r->authorised,
                           .unauthorised = r->unauthorised,
                           .authorised_ci = {0, 1},
                           .unauthorised_ci = {0, 1}};
    char path[512];

    memcpy(e.model_id, m->id, sizeof m->id);
    snprintf(path, sizeof path, "%s/eval.json", run);
    assert_ok(evaluation_write(&e, path));
}

static void write_transform(const struct run_dir *dir, const struct model *m)
{
    struct transform t = transform_for(m);
    struct transform_owner owner = owner_of(m);

    assert_ok(transform_file_write(dir->transform, &t, &owner, NULL));
    transform_release(&t);
}

static const char *make_run(const struct made_run *r)
{
    const char *path = in_folder(r->name);
    struct model m = model_of("resnet8", r->method);
    const ward_dataset_info shape = {.input = {.channels = (unsigned)m.net.spec.channels}};
    struct run_dir dir = {.path = NULL};
    ward_train_config config;

    m.net.params.items[0].data[0] = (float)r->seed;
    model_identify(&m);
    assert_ok(ward_train_defaults(&config, "fast", "arrows", "resnet8", r->method));
    config.seed = r->seed;
    config.secret_seed = test_seed;
    settings_resolve(&config, &shape);
    assert_ok(file_make_directory(path));
    assert_ok(run_dir_init(&dir, path));
    assert_ok(model_write(dir.model, &m));
    assert_ok(run_config_write(&dir, &config));
    if (r->method != WARD_METHOD_BASELINE)
        write_transform(&dir, &m);
    write_evaluation(path, &m, r);
    run_dir_release(&dir);
    model_release(&m);
    return path;
}

/* Four runs in the folder "state": one a baseline, two of the others alike but for a seed. */
static const char *make_state(void)
{
    static const struct made_run runs[] = {
        {"state/a", WARD_METHOD_GENERATOR, 1, 0.90, 0.01},
        {"state/b", WARD_METHOD_GENERATOR, 2, 0.94, 0.03},
        {"state/c", WARD_METHOD_BASELINE, 3, 0.95, (double)NAN},
        {"state/<i>&\xff", WARD_METHOD_FIXED, 4, 0.5, 0.25},
    };

    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++)
        if (!file_exists(in_folder(runs[i].name)))
            make_run(&runs[i]);
    return in_folder("state");
}

struct notes {
    unsigned count;
    char last[512];
};

static void on_note(void *context, const char *text)
{
    struct notes *notes = context;

    notes->count++;
    snprintf(notes->last, sizeof notes->last, "%s", text);
}

static ward_report *report_of(const char *path, ward_report_format format, struct notes *notes)
{
    ward_report_options options = {.format = format, .note = on_note, .context = notes};
    ward_report *report = NULL;

    assert_ok(ward_report_new(&report, device, &path, 1, &options));
    return report;
}

static void assert_has(const ward_report *report, const char *text)
{
    if (!strstr(ward_report_text(report), text))
        fail_msg("'%s' is not on the page", text);
}

static void assert_has_not(const ward_report *report, const char *text)
{
    if (strstr(ward_report_text(report), text))
        fail_msg("'%s' is on the page", text);
}

static void runs_that_differ_in_their_seeds_are_one_line(void **state)
{
    struct notes notes = {0};
    ward_report *report;

    (void)state;
    report = report_of(make_state(), WARD_REPORT_MARKDOWN, &notes);
    assert_has(report, "| arrows, resnet8 | generator | fast | 2 | 92.00 \xc2\xb1 2.83 | "
                       "\xe2\x80\x93 |  | 2.00 \xc2\xb1 1.41 |");
    assert_has(report, "| arrows, resnet8 | baseline | fast | 1 | 95.00 |");
    assert_has(report, "Training runs: 4, in settings: 3");
    assert_int_equal(notes.count, 0);
    ward_report_free(report);
}

static void remove_in_folder(const char *name)
{
    char command[600];

    snprintf(command, sizeof command, "rm -r '%s/%s'", folder, name);
    shell(command);
}

/* The findings are of the network "state/a", and of another one in "state/b". */
static void put_findings(void)
{
    struct model m = model_of("resnet8", WARD_METHOD_GENERATOR);
    char *text;

    m.net.params.items[0].data[0] = 1;
    model_identify(&m);
    text = redteam_with(ID, m.id);
    assert_ok(file_make_directory(in_folder("state/a/redteam")));
    put_file(in_folder("state/a/redteam/quick.json"), text, strlen(text));
    assert_ok(file_make_directory(in_folder("state/b/redteam")));
    put_file(in_folder("state/b/redteam/quick-own.json"), text, strlen(text));
    mem_free(text);
    model_release(&m);
}

static size_t count_of(const char *text, const char *what)
{
    size_t count = 0;

    for (; (text = strstr(text, what)) != NULL; text++)
        count++;
    return count;
}

static void flags_stand_beside_every_figure_of_the_red_team(void **state)
{
    static const char *const md[] = {
        "## What the locks are worth",
        "**A &lt;thief&gt;.**",
        "- flag **below-chance**: 1 % \\| 10 %",
        "| 10 labelled images | universal | 75.00 | 50.00 | +25.00 | +12.50 to +37.50 |",
        "| unauthorised, distance from chance | 9.00 points |",
        "| k\\* without F | more than 100 |",
        "| ratio of the two; 1 is a perfect lock, 0 none | at most 0.325 |",
        "| A3 | universal | 75.00 | 87.50 |",
        "| C0 | scratch | 50.00 | \xe2\x80\x93 |",
        "a share of the key is right: 0 %: 10.00, 90 %: 80.00",
        "ward attack RUN --budget quick --seed 9007199254740992",
    };
    struct notes notes = {0};
    ward_report *report;
    size_t figures;

    (void)state;
    make_state();
    put_findings();
    report = report_of(in_folder("state"), WARD_REPORT_MARKDOWN, &notes);
    for (size_t i = 0; i < sizeof md / sizeof md[0]; i++)
        assert_has(report, md[i]);
    assert_int_equal(notes.count, 1);
    assert_non_null(strstr(notes.last, "another network"));
    /* The gains, the verdict, two tables of attacks, the keys. */
    assert_int_equal(count_of(ward_report_text(report), "Flags: **below-chance**"), 5);
    ward_report_free(report);

    report = report_of(in_folder("state"), WARD_REPORT_HTML, &notes);
    assert_has(report, "A &lt;thief&gt;.");
    assert_has(report, "Accuracy by labelled images, %");
    assert_has(report, "Random keys");
    assert_has(report, "Wrong keys, %");
    figures = count_of(strstr(ward_report_text(report), "id=\"redteam\""), "<svg");
    assert_true(figures >= 4);
    /* Each figure, the gains, the verdict and two tables; the list says why. */
    assert_int_equal(count_of(ward_report_text(report), "Flags: <span"), 1 + 1 + 2 + 4);
    ward_report_free(report);
    remove_in_folder("state/a/redteam");
    remove_in_folder("state/b/redteam");
}

static void a_report_shows_no_secret_and_no_markup_of_others(void **state)
{
    static const ward_report_format formats[] = {WARD_REPORT_HTML, WARD_REPORT_MARKDOWN};
    char seed[2 * TRANSFORM_SEED_LEN + 1];
    const char *folder_of_runs = make_state();

    (void)state;
    hex_encode(test_seed, TRANSFORM_SEED_LEN, seed);
    seed[16] = '\0';
    for (int i = 0; i < 2; i++) {
        struct notes notes = {0};
        ward_report *report = report_of(folder_of_runs, formats[i], &notes);

        assert_has_not(report, seed);
        assert_has_not(report, "secret_seed");
        assert_has_not(report, "image/png");
        assert_has_not(report, "<i>");
        assert_has_not(report, "\xff");
        assert_has(report, "&lt;i&gt;&amp;\xef\xbf\xbd");
        ward_report_free(report);
    }
}

static void results_of_another_network_and_second_copies_are_left_out(void **state)
{
    struct notes notes = {0};
    const char *folder_of_runs = make_state();
    char command[600];
    ward_report *report;

    (void)state;
    assert_ok(file_make_directory(in_folder("state/a/attacks")));
    put_file(in_folder("state/a/attacks/pair.json"),
             ATTACK("{}", "[{\"accuracy\": 0.5, \"seconds\": 1}]"),
             strlen(ATTACK("{}", "[{\"accuracy\": 0.5, \"seconds\": 1}]")));
    report = report_of(folder_of_runs, WARD_REPORT_HTML, &notes);
    assert_int_equal(notes.count, 1);
    assert_non_null(strstr(notes.last, "another network"));
    assert_has_not(report, "id=\"attacks\"");
    assert_has(report, "id=\"omissions\"");
    ward_report_free(report);
    remove_in_folder("state/a/attacks");

    assert_ok(file_make_directory(in_folder("state/copy")));
    snprintf(command, sizeof command, "cp '%s/state/a'/* '%s/state/copy/'", folder, folder);
    shell(command);
    notes.count = 0;
    report = report_of(folder_of_runs, WARD_REPORT_HTML, &notes);
    assert_int_equal(notes.count, 1);
    assert_non_null(strstr(notes.last, "the same network"));
    ward_report_free(report);
    remove_in_folder("state/copy");
}

static void what_holds_no_run_is_refused(void **state)
{
    ward_report_options options = {.format = WARD_REPORT_HTML};
    ward_report *const untouched = (ward_report *)&options;
    ward_report *report = untouched;
    const char *paths[] = {in_folder("nothing")};

    (void)state;
    assert_fails(ward_report_new(&report, device, paths, 1, &options), WARD_ERR_IO, "nothing");
    assert_ok(file_make_directory(paths[0]));
    assert_fails(ward_report_new(&report, device, paths, 1, &options), WARD_ERR_IO, "no run");
    assert_fails(ward_report_new(&report, device, paths, 0, &options), WARD_ERR_ARG, "no run");
    assert_ptr_equal(report, untouched);
}

static void a_report_is_written_whole_and_never_over_another(void **state)
{
    struct notes notes = {0};
    ward_report *report = report_of(make_state(), WARD_REPORT_HTML, &notes);
    const char *path = in_folder("page.html");
    uint8_t *data = NULL;
    size_t len;

    (void)state;
    assert_ok(ward_report_write(report, path, 0));
    assert_fails(ward_report_write(report, path, 0), WARD_ERR_EXISTS, "page.html");
    assert_ok(ward_report_write(report, path, WARD_REPORT_REPLACE));
    assert_ok(file_read(path, 1 << 24, &data, &len));
    assert_string_equal((const char *)data, ward_report_text(report));
    mem_free(data);
    ward_report_free(report);
}

static ward_status make_and_free(void *context)
{
    ward_report_options options = {.format = *(ward_report_format *)context};
    const char *path = in_folder("state");
    ward_report *report = NULL;
    ward_status st = ward_report_new(&report, device, &path, 1, &options);

    ward_report_free(report);
    return st;
}

static void every_failing_allocation_is_survived(void **state)
{
    ward_report_format formats[] = {WARD_REPORT_HTML, WARD_REPORT_MARKDOWN};

    (void)state;
    make_state();
    put_findings();
    for (int i = 0; i < 2; i++)
        assert_survives_failing_allocations(make_and_free, &formats[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_escaped_for_where_it_stands),
        cmocka_unit_test(what_is_not_utf8_becomes_a_replacement),
        cmocka_unit_test(numbers_are_rounded_and_need_no_locale),
        cmocka_unit_test(durations_read_well),
        cmocka_unit_test(base64_is_the_standard_one),
        cmocka_unit_test(a_spread_is_mean_and_sample_deviation),
        cmocka_unit_test(a_difference_is_measured_by_the_spread),
        cmocka_unit_test(the_papers_numbers_are_where_they_belong),
        cmocka_unit_test(every_value_is_in_a_bin),
        cmocka_unit_test(a_plot_is_finite_whatever_is_drawn),
        cmocka_unit_test(a_logarithmic_axis_has_its_ticks_at_powers_of_ten),
        cmocka_unit_test(runs_that_differ_in_their_seeds_are_one_line),
        cmocka_unit_test(flags_stand_beside_every_figure_of_the_red_team),
        cmocka_unit_test(a_report_shows_no_secret_and_no_markup_of_others),
        cmocka_unit_test(results_of_another_network_and_second_copies_are_left_out),
        cmocka_unit_test(what_holds_no_run_is_refused),
        cmocka_unit_test(a_report_is_written_whole_and_never_over_another),
        cmocka_unit_test(every_failing_allocation_is_survived),
    };
    int failed;

    if (ward_device_open(&device, "ref"))
        return 1;
    failed = cmocka_run_group_tests(tests, folder_make, folder_remove);
    ward_device_close(device);
    return failed;
}
