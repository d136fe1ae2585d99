/* What the verdict says of cells made by hand, and what is kept of them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "attack/record.h"
#include "base/mem.h"
#include "model_fixture.h"
#include "verdict_fixture.h"

/* ---- cells ---- */

enum { MAX_CELLS = 64 };

static const struct record_subject subject = {.model_id = "00ff",
                                              .arch = "simple-cnn",
                                              .data = "lamps",
                                              .device = "cpu",
                                              .method = WARD_METHOD_GENERATOR};

struct sample {
    ward_redteam_cell cells[MAX_CELLS];
    ward_redteam_result result;
    struct record_facts facts;
};

static struct sample *sample_new(void)
{
    static struct sample s;

    s = (struct sample){
        .facts = {.authorised = 0.9, .unauthorised = 0.1, .chance = 0.1, .training = 1000}};
    s.result = (ward_redteam_result){.settings = {.budget = "quick"},
                                     .cells = s.cells,
                                     .test_count = 10000,
                                     .is_disjoint = true};
    return &s;
}

static ward_redteam_cell *put(struct sample *s, const char *attack, uint64_t amount, uint64_t trial,
                              double accuracy)
{
    ward_redteam_cell *c = &s->cells[s->result.cell_count++];

    *c = (ward_redteam_cell){.attack = attack,
                             .knows = WARD_KNOWS_LABELLED,
                             .amount = amount,
                             .trial = trial,
                             .is_done = true,
                             .accuracy = accuracy,
                             .choice = accuracy,
                             .images = 500};
    if (strcmp(attack, "direct") == 0)
        c->knows = WARD_KNOWS_NOTHING;
    else if (strcmp(attack, "infomax") == 0)
        c->knows = WARD_KNOWS_UNLABELLED;
    else if (strcmp(attack, "distil") == 0)
        c->knows = WARD_KNOWS_PAIRS;
    else if (strcmp(attack, "extract") == 0)
        c->knows = WARD_KNOWS_QUERIES;
    c->id = suite_raid_of(c)->id;
    return c;
}

static ward_redteam_verdict verdict_of(const struct sample *s)
{
    ward_redteam_verdict v;

    verdict_make(&s->result, &subject, &s->facts, &v);
    return v;
}

static bool is_near(double a, double b)
{
    return fabs(a - b) < 1e-9;
}

static void the_best_attack_is_the_one_chosen_not_the_one_scored(void **state)
{
    struct sample *s = sample_new();
    ward_redteam_verdict v;

    (void)state;
    put(s, "universal", 100, 0, 0.8)->choice = 0.7;
    put(s, "fine-tune", 100, 0, 0.75)->choice = 0.71;
    put(s, "scratch", 100, 0, 0.6);
    v = verdict_of(s);
    assert_int_equal(v.gain_count, 1);
    assert_string_equal(v.gains[0].attack, "fine-tune");
    assert_true(is_near(v.gains[0].advantage, 0.15) && is_near(v.gains[0].scratch, 0.6));
    assert_true(isnan(v.gains[0].low) && isnan(v.gains[0].high)); /* of one adversary */
    assert_true(isnan(v.gains[0].deviation) && is_near(v.gains[0].highest, 0.75));
    assert_true(is_near(v.cost, 0.5));
    assert_true(strstr(v.sentence, "100 labelled images reaches 75.0 % (fine-tune); without your "
                                   "model, 60.0 %") != NULL);
}

static void images_without_labels_count_for_who_has_as_many(void **state)
{
    struct sample *s = sample_new();
    ward_redteam_verdict v;

    (void)state;
    put(s, "universal", 10, 0, 0.3);
    put(s, "universal", 100, 0, 0.4);
    put(s, "infomax", 100, 0, 0.8);
    put(s, "direct", 0, 0, 0.35);
    v = verdict_of(s);
    assert_string_equal(v.gains[0].attack, "direct");
    assert_string_equal(v.gains[1].attack, "infomax");
    assert_true(isnan(v.gains[1].advantage));
    assert_string_equal(v.without_labels.attack, "infomax");
}

static void needed_labels_are_interpolated_or_censored(void **state)
{
    struct sample *s = sample_new();
    ward_redteam_verdict v;

    (void)state;
    put(s, "universal", 10, 0, 0.80);
    put(s, "universal", 100, 0, 0.98);
    put(s, "universal", 1000, 0, 0.99);
    put(s, "scratch", 10, 0, 0.4);
    put(s, "scratch", 100, 0, 0.6);
    put(s, "scratch", 1000, 0, 0.8);
    v = verdict_of(s); /* wanted is 0.89, half way from 0.80 to 0.98 */
    assert_true(is_near(v.needs_attack, 10 * sqrt(10)) && isinf(v.needs_scratch));
    assert_true(v.ratio_is_bound && is_near(v.needs_ratio, sqrt(10) / 100));
    s->cells[5].accuracy = 1.18;
    v = verdict_of(s);
    assert_true(is_near(v.needs_scratch, 100 * sqrt(10)) && !v.ratio_is_bound);
    assert_true(is_near(v.needs_ratio, 0.1));
    s->facts.authorised = 1.5;
    v = verdict_of(s);
    assert_true(isinf(v.needs_attack) && isnan(v.needs_ratio));
}

static void what_the_smallest_amount_reaches_is_at_most_needed(void **state)
{
    struct sample *s = sample_new();
    ward_redteam_verdict v;

    (void)state;
    put(s, "universal", 10, 0, 0.95);
    put(s, "universal", 100, 0, 0.96);
    put(s, "scratch", 10, 0, 0.4);
    put(s, "scratch", 100, 0, 0.6);
    v = verdict_of(s);
    assert_true(is_near(v.needs_attack, 10) && v.ratio_is_bound && is_near(v.needs_ratio, 0.1));
    s->cells[3].accuracy = 1.38; /* 0.89 half way */
    v = verdict_of(s);
    assert_true(v.ratio_is_bound && is_near(v.needs_ratio, 10 / (10 * sqrt(10))));
    put(s, "direct", 0, 0, 0.9);
    v = verdict_of(s);
    assert_true(v.needs_attack <= 0 && v.needs_ratio <= 0 && !v.ratio_is_bound);
    s->cells[2].accuracy = 0.9;
    v = verdict_of(s);
    assert_true(isnan(v.needs_ratio));
}

static void adversaries_who_differ_widen_the_interval(void **state)
{
    struct sample *s = sample_new();
    ward_redteam_verdict narrow, wide;

    (void)state;
    for (uint64_t t = 0; t < 3; t++) {
        put(s, "universal", 100, t, 0.8);
        put(s, "scratch", 100, t, 0.6);
    }
    narrow = verdict_of(s);
    s->cells[0].accuracy = 0.77;
    s->cells[2].accuracy = 0.83;
    wide = verdict_of(s);
    assert_true(is_near(narrow.gains[0].advantage, 0.2) && is_near(wide.gains[0].advantage, 0.2));
    assert_true(narrow.gains[0].low < 0.2 && narrow.gains[0].high > 0.2);
    assert_true(wide.gains[0].high - wide.gains[0].low >
                narrow.gains[0].high - narrow.gains[0].low + 0.1);
    assert_false(has_flag(&wide, "seed"));
    assert_true(is_near(narrow.gains[0].deviation, 0) && is_near(narrow.gains[0].highest, 0.8));
    assert_true(is_near(wide.gains[0].deviation, 0.03) && is_near(wide.gains[0].highest, 0.83));
}

static void a_part_of_the_suite_is_called_one(void **state)
{
    static const char words[] = " Not all attacks were done: a thief may do better.";
    struct sample *s = sample_new();
    ward_redteam_verdict v;

    (void)state;
    put(s, "universal", 100, 0, 0.8);
    v = verdict_of(s);
    assert_true(!v.is_partial && !strstr(v.sentence, words));
    s->facts.is_partial = true;
    s->facts.zero_gradients = 0.8; /* raises a flag, of which the sentence speaks before */
    v = verdict_of(s);
    assert_true(v.is_partial && v.flag_count == 1);
    assert_string_equal(v.sentence + strlen(v.sentence) - strlen(words), words);
}

static void add_try(ward_redteam_cell *c, double accuracy, double bound, bool is_leaky)
{
    c->tries[c->try_count++] = (ward_redteam_try){
        .accuracy = accuracy, .merit = accuracy, .bound = bound, .is_leaky = is_leaky};
}

/* A cell of scratch that has tried one architecture. */
static ward_redteam_cell *add_scratch(struct sample *s, uint64_t amount, uint64_t trial,
                                      const char *arch, double accuracy)
{
    ward_redteam_cell *c = put(s, "scratch", amount, trial, accuracy);

    add_try(c, accuracy, (double)NAN, false);
    snprintf(c->tries[0].what, sizeof c->tries[0].what, "%s, rate 0.001", arch);
    return c;
}

static void nothing_unusual_raises_no_flag(void **state)
{
    struct sample *s = sample_new();
    ward_redteam_cell *c = put(s, "universal", 100, 0, 0.8);
    ward_redteam_verdict v;

    (void)state;
    add_try(c, 0.8, INFINITY, false);
    add_try(c, 0.8, INFINITY, true);
    add_try(c, 0.7, 0.1, false);
    put(s, "universal", 10, 0, 0.6);
    put(s, "fine-tune", 100, 0, 0.7);
    put(s, "scratch", 10, 0, 0.5);
    put(s, "scratch", 100, 0, 0.6);
    v = verdict_of(s);
    assert_int_equal(v.flag_count, 0);
}

static void each_flag_is_raised_by_what_it_is_for(void **state)
{
    struct sample *s;
    ward_redteam_cell *c;
    ward_redteam_verdict v;

    (void)state;
    s = sample_new();
    s->facts.unauthorised = 0.02;
    v = verdict_of(s);
    assert_true(v.flag_count == 1 && has_flag(&v, "below-chance"));

    s = sample_new();
    s->facts.zero_gradients = 0.8;
    v = verdict_of(s);
    assert_true(v.flag_count == 1 && has_flag(&v, "no-gradient"));

    s = sample_new();
    put(s, "universal", 10, 0, 0.2);
    put(s, "universal", 100, 0, 0.6);
    v = verdict_of(s);
    assert_true(v.flag_count == 1 && has_flag(&v, "jump"));

    s = sample_new();
    put(s, "fine-tune", 100, 0, 0.5);
    add_scratch(s, 100, 0, "simple-cnn", 0.6);
    v = verdict_of(s);
    assert_true(v.flag_count == 1 && has_flag(&v, "dead-network"));

    s = sample_new();
    c = put(s, "universal", 100, 0, 0.8);
    add_try(c, 0.6, INFINITY, false);
    add_try(c, 0.8, 0.1, false);
    v = verdict_of(s);
    assert_true(v.flag_count == 1 && has_flag(&v, "bound"));

    s = sample_new();
    c = put(s, "universal", 100, 0, 0.8);
    add_try(c, 0.3, INFINITY, false);
    add_try(c, 0.8, INFINITY, true);
    v = verdict_of(s);
    assert_true(v.flag_count == 1 && has_flag(&v, "masked-gradient"));

    s = sample_new();
    put(s, "universal", 100, 0, 0.8);
    put(s, "universal", 100, 1, 0.6);
    v = verdict_of(s);
    assert_true(v.flag_count == 1 && has_flag(&v, "seed"));
    assert_true(strstr(v.sentence, "1 flag was raised: read it") != NULL);
}

/* Guesses scatter by the number of images, and whole classes of images together. */
static void below_chance_is_more_than_either_scatter(void **state)
{
    static const struct {
        double unauthorised, chance;
        size_t images; /* standard errors: 0.3 points for 10,000, 3 for 100 */
        bool is_below;
    } cases[] = {
        {0.0859, 0.1, 10000, false},  {0.081, 0.1, 10000, false},    {0.079, 0.1, 10000, true},
        {0.05, 0.1, 100, false},      {0.005, 0.1, 100, true},       {0.15, 0.1, 10000, false},
        {0.0079, 0.01, 100000, true}, {0.0081, 0.01, 100000, false}, /* 100 classes */
        {0.479, 0.5, 10000, true},    {0.481, 0.5, 10000, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sample *s = sample_new();
        ward_redteam_verdict v;

        s->facts.unauthorised = cases[i].unauthorised;
        s->facts.chance = cases[i].chance;
        s->result.test_count = cases[i].images;
        v = verdict_of(s);
        if (has_flag(&v, "below-chance") != cases[i].is_below)
            fail_msg("%g of %zu images, chance %g", cases[i].unauthorised, cases[i].images,
                     cases[i].chance);
    }
}

static void a_jump_is_what_scratch_does_not_rise_by(void **state)
{
    static const struct {
        const char *attack;        /* by who holds labels, pairs, answers, images without labels */
        double rise, scratch_rise; /* NaN: scratch has not that amount */
        bool is_jump;
    } cases[] = {
        {"universal", 0.50, 0.25, false},       {"universal", 0.50, 0.15, true},
        {"universal", 0.50, (double)NAN, true}, {"universal", 0.25, (double)NAN, false},
        {"universal", 0.25, -0.10, false},      {"distil", 0.50, 0.25, false},
        {"extract", 0.50, 0.25, false},         {"infomax", 0.50, 0.25, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sample *s = sample_new();
        ward_redteam_verdict v;

        put(s, cases[i].attack, 10, 0, 0.4);
        put(s, cases[i].attack, 100, 0, 0.4 + cases[i].rise);
        put(s, "scratch", 10, 0, 0.5);
        if (!isnan(cases[i].scratch_rise))
            put(s, "scratch", 100, 0, 0.5 + cases[i].scratch_rise);
        v = verdict_of(s);
        if (has_flag(&v, "jump") != cases[i].is_jump || v.flag_count > 1)
            fail_msg("%s by %g, scratch by %g: %zu flags", cases[i].attack, cases[i].rise,
                     cases[i].scratch_rise, v.flag_count);
    }
}

static void a_jump_tells_what_scratch_rose_by(void **state)
{
    struct sample *s = sample_new();
    ward_redteam_verdict v;

    (void)state;
    put(s, "universal", 10, 0, 0.2);
    put(s, "universal", 100, 0, 0.8);
    put(s, "scratch", 10, 0, 0.55);
    v = verdict_of(s);
    assert_string_equal(v.flags[0].detail, "universal: 20.0 % at 10, 80.0 % at 100");
    put(s, "scratch", 100, 0, 0.6);
    v = verdict_of(s);
    assert_string_equal(v.flags[0].detail,
                        "universal: 20.0 % at 10, 80.0 % at 100; scratch 55.0 and 60.0 %");
}

/* F is a simple-cnn here. */
static void a_start_is_compared_with_its_own_architecture_from_nothing(void **state)
{
    static const struct {
        const char *arch; /* that scratch tried, beside another at 0.9 */
        double from_f, from_nothing;
        bool is_dead;
    } cases[] = {
        {"simple-cnn", 0.70, 0.71, false},     {"simple-cnn", 0.70, 0.73, true},
        {"simple-cnn-leaky", 0.5, 0.9, false}, {"simple", 0.5, 0.9, false},
        {"not simple-cnn", 0.5, 0.9, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sample *s = sample_new();
        ward_redteam_verdict v;

        put(s, "fine-tune", 100, 0, 0.6)->choice = cases[i].from_f;
        add_try(add_scratch(s, 100, 0, cases[i].arch, cases[i].from_nothing), 0.9, (double)NAN,
                false);
        snprintf(s->cells[1].tries[1].what, WARD_REDTEAM_WORDS, "resnet20, rate 0.001");
        v = verdict_of(s);
        if (has_flag(&v, "dead-network") != cases[i].is_dead || v.flag_count > 1)
            fail_msg("%s: %g from F, %g from nothing: %zu flags", cases[i].arch, cases[i].from_f,
                     cases[i].from_nothing, v.flag_count);
    }
}

static void starts_are_compared_for_adversaries_who_did_both(void **state)
{
    struct sample *s = sample_new();
    ward_redteam_verdict v;

    (void)state;
    for (uint64_t t = 0; t < 2; t++)
        put(s, "fine-tune", 100, t, 0.6);
    add_scratch(s, 100, 1, "simple-cnn", 0.65);
    add_scratch(s, 10, 0, "simple-cnn", 0.9); /* with other images */
    s->cells[0].choice = 0.64;                /* of one who did not try from nothing */
    v = verdict_of(s);
    assert_true(v.flag_count == 1 && has_flag(&v, "dead-network"));
    assert_non_null(strstr(v.flags[0].detail, "gives 60.0 %, simple-cnn from nothing 65.0 %"));
    add_scratch(s, 100, 0, "simple-cnn", 0.6); /* means of 62 and 62.5 */
    v = verdict_of(s);
    assert_int_equal(v.flag_count, 0);
}

/* What does without F's gradient must also be better than guessing, which is 0.1. */
static void a_mask_is_what_other_attacks_get_around(void **state)
{
    static const struct {
        const char *attack;  /* beside a pattern trained by F's own gradient */
        double plain, other; /* where choices are made */
        bool is_leaky, is_masked;
    } cases[] = {
        {"black-box", 0.3, 0.4, false, true},          {"black-box", 0.3, 0.34, false, false},
        {"black-box", 0.02, 0.12, false, false},       {"black-box", 0.02, 0.2, false, true},
        {"another-backward", 0.3, 0.4, true, true},    {"another-backward", 0.3, 0.34, true, false},
        {"another-backward", 0.02, 0.12, true, false}, {"another-backward", 0.02, 0.2, true, true},
        {"perturbed", 0.3, 0.9, false, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sample *s = sample_new();
        ward_redteam_verdict v;

        add_try(put(s, "universal", 100, 0, 0.5), cases[i].plain, INFINITY, false);
        add_try(put(s, cases[i].attack, 100, 0, 0.5), cases[i].other, (double)NAN,
                cases[i].is_leaky);
        v = verdict_of(s);
        if (has_flag(&v, "masked-gradient") != cases[i].is_masked || v.flag_count > 1)
            fail_msg("%s: %g by the gradient, %g without: %zu flags", cases[i].attack,
                     cases[i].plain, cases[i].other, v.flag_count);
    }
}

static void a_black_box_is_compared_with_the_pattern_of_the_same_adversary(void **state)
{
    struct sample *s = sample_new();
    ward_redteam_verdict v;

    (void)state;
    add_try(put(s, "universal", 100, 0, 0.5), 0.3, INFINITY, false);
    add_try(put(s, "universal", 100, 1, 0.5), 0.5, INFINITY, false);
    add_try(put(s, "black-box", 100, 1, 0.5), 0.5, (double)NAN, false);
    v = verdict_of(s);
    assert_int_equal(v.flag_count, 0);
    add_try(put(s, "black-box", 100, 0, 0.5), 0.5, (double)NAN, false);
    v = verdict_of(s);
    assert_true(v.flag_count == 1 && has_flag(&v, "masked-gradient"));
}

/* With standard, those after the first train only what did best for him. */
static void only_who_has_tried_everything_finds_a_mask(void **state)
{
    struct sample *s = sample_new();
    ward_redteam_verdict v;

    (void)state;
    add_try(put(s, "fine-tune", 100, 1, 0.5), 0.3, (double)NAN, false);
    add_try(put(s, "another-backward", 100, 1, 0.5), 0.5, (double)NAN, true);
    v = verdict_of(s);
    assert_true(has_flag(&v, "masked-gradient"));
    s->result.settings.budget = "standard";
    v = verdict_of(s);
    assert_false(has_flag(&v, "masked-gradient"));
    s->cells[0].trial = s->cells[1].trial = 0;
    v = verdict_of(s);
    assert_true(has_flag(&v, "masked-gradient"));
}

static void a_black_box_that_only_guesses_is_not_better(void **state)
{
    struct sample *s = sample_new();
    ward_redteam_verdict v;

    (void)state;
    put(s, "universal", 100, 0, 0.02);
    put(s, "black-box", 100, 0, 0.11);
    v = verdict_of(s);
    assert_int_equal(v.flag_count, 0);
    s->cells[1].accuracy = 0.2;
    v = verdict_of(s);
    assert_true(v.flag_count == 1 && has_flag(&v, "black-box-better"));
}

static void without_cells_nothing_is_claimed(void **state)
{
    ward_redteam_verdict v = verdict_of(sample_new());

    (void)state;
    assert_true(v.gain_count == 0 && isinf(v.needs_attack) && isnan(v.needs_ratio));
    assert_true(isnan(v.readout) && isnan(v.cost) && strstr(v.sentence, "Not enough") != NULL);
}

/* ---- files ---- */

/* Without cells. */
static ward_redteam_result expected_result(void)
{
    return (ward_redteam_result){.settings = {.budget = "quick", .seed = 3},
                                 .test_count = 10000,
                                 .choice_count = 2000,
                                 .pool_count = 15000};
}

static char *sample_text(void)
{
    struct sample *s = sample_new();
    ward_redteam_cell *c;
    char *text = NULL;

    c = put(s, "universal", 100, 1, 0.75);
    snprintf(c->chosen, sizeof c->chosen, "bound none");
    snprintf(c->commit, sizeof c->commit, "0123456789ab-dirty");
    c->seconds = 2.5;
    add_try(c, 0.5, INFINITY, false);
    add_try(c, 0.25, 0.125, true);
    add_try(c, 0.75, (double)NAN, false);
    put(s, "scratch", 100, 1, 0.5);
    s->result.settings = expected_result().settings;
    s->result.choice_count = 2000;
    s->result.pool_count = 15000;
    s->result.is_disjoint = false;
    verdict_make(&s->result, &subject, &s->facts, &s->result.verdict);
    assert_ok(record_to_json(&s->result, &subject, &s->facts, 0, &text));
    return text;
}

static void a_record_reads_back_as_it_was_written(void **state)
{
    ward_redteam_result back = expected_result();
    struct record_facts facts = {.chance = 0.1, .training = 1000};
    char *text = sample_text(), *again = NULL;

    (void)state;
    assert_ok(record_from_json(&back, &subject, &facts, text, strlen(text)));
    verdict_make(&back, &subject, &facts, &back.verdict);
    assert_ok(record_to_json(&back, &subject, &facts, 0, &again));
    assert_string_equal(text, again);
    mem_free(text);
    mem_free(again);
    ward_redteam_result_release(&back);
}

/* Builds before cells had commits wrote records, too. */
static void a_cell_without_a_commit_is_read(void **state)
{
    ward_redteam_result back = expected_result();
    struct record_facts facts = {.chance = 0.1, .training = 1000};
    char *text = sample_text();
    static const char commit[] = "\"commit\": \"0123456789ab-dirty\", ";
    char *at = strstr(text, commit);

    (void)state;
    assert_non_null(at);
    memmove(at, at + strlen(commit), strlen(at + strlen(commit)) + 1);
    assert_ok(record_from_json(&back, &subject, &facts, text, strlen(text)));
    assert_string_equal(back.cells[0].commit, "");
    assert_string_equal(back.cells[0].chosen, "bound none");
    mem_free(text);
    ward_redteam_result_release(&back);
}

static void a_text_that_is_no_record_is_refused_by_what_is_wrong(void **state)
{
    static const struct {
        const char *from, *to;
        ward_status status;
        const char *message;
    } cases[] = {
        {"{\"suite\"", "[\"suite\"", WARD_ERR_FORMAT, "invalid JSON"},
        {"\"format_version\": 1", "\"format_version\": 2", WARD_ERR_FORMAT, "version"},
        {"\"suite\": \"v1\"", "\"suite\": \"v2\"", WARD_ERR_EXISTS, "'suite'"},
        {"\"revision\": 2, ", "", WARD_ERR_EXISTS, "'revision' is 1 there, not 2"},
        {"\"revision\": 2", "\"revision\": 3", WARD_ERR_EXISTS, "'revision' is 3 there, not 2"},
        {"\"revision\": 2", "\"revision\": -2", WARD_ERR_FORMAT, "'revision'"},
        {"\"budget\": \"quick\"", "\"budget\": \"full\"", WARD_ERR_EXISTS, "'budget'"},
        {"\"seed\": 3", "\"seed\": 4", WARD_ERR_EXISTS, "'seed'"},
        {"00ff", "00fe", WARD_ERR_EXISTS, "'model_id'"},
        {"\"lamps\"", "\"lights\"", WARD_ERR_EXISTS, "'data'"},
        {"\"cpu\"", "\"ref\"", WARD_ERR_EXISTS, "'device'"},
        {"\"generator\"", "\"fixed\"", WARD_ERR_EXISTS, "'method'"},
        {"\"test_count\": 10000", "\"test_count\": 1", WARD_ERR_EXISTS, "'test_count'"},
        {"\"choice_count\": 2000", "\"choice_count\": 1", WARD_ERR_EXISTS, "'choice_count'"},
        {"\"pool_count\": 15000", "\"pool_count\": 1", WARD_ERR_EXISTS, "'pool_count'"},
        {"\"is_disjoint\": false", "\"is_disjoint\": true", WARD_ERR_EXISTS, "'is_disjoint'"},
        {"\"authorised\": 0.9", "\"authorised\": 1.9", WARD_ERR_FORMAT, "'authorised'"},
        {"\"zero_gradients\": 0.0", "\"zero_gradients\": -1", WARD_ERR_FORMAT, "'zero_gradients'"},
        {"\"attacks\": [", "\"others\": [", WARD_ERR_FORMAT, "'attacks'"},
        {"\"attacks\": [{", "\"attacks\": [7, {", WARD_ERR_FORMAT, "other keys"},
        {"\"id\": \"A3\"", "\"id\": \"A4\"", WARD_ERR_EXISTS, "'id'"},
        {"\"attack\": \"universal\", \"id\"", "\"attack\": \"none\", \"id\"", WARD_ERR_FORMAT,
         "does not know: 'none'"},
        {"\"knows\": \"labelled\"", "\"knows\": \"pairs\"", WARD_ERR_FORMAT, "does not know"},
        {"\"knows\": \"labelled\"", "\"knows\": \"all\"", WARD_ERR_FORMAT, "no knowledge: 'all'"},
        {"\"amount\": 100", "\"amount\": -100", WARD_ERR_FORMAT, "'amount'"},
        {"\"trial\": 1", "\"trial\": 1000", WARD_ERR_FORMAT, "'trial'"},
        {"\"accuracy\": 0.75, \"choice\"", "\"accuracy\": 7, \"choice\"", WARD_ERR_FORMAT,
         "'accuracy'"},
        {"\"choice\": 0.75", "\"choice\": 7", WARD_ERR_FORMAT, "'choice'"},
        {"\"seconds\": 2.5", "\"hours\": 2.5", WARD_ERR_FORMAT, "'seconds'"},
        {"\"images\": 500", "\"images\": 5.5", WARD_ERR_FORMAT, "'images'"},
        {"\"commit\": \"0123456789ab-dirty\"", "\"commit\": null", WARD_ERR_FORMAT, "'commit'"},
        {"\"commit\": \"0123456789ab-dirty\"",
         "\"commit\": \"0123456789012345678901234567890123456789012345678\"", WARD_ERR_FORMAT,
         "'commit' is too long"},
        {"\"commit\": \"0123456789ab-dirty\"", "\"author\": \"0123456789ab\"", WARD_ERR_FORMAT,
         "other keys"},
        {"\"chosen\": \"bound none\"", "\"chosen\": 1", WARD_ERR_FORMAT, "'chosen'"},
        {"\"chosen\": \"bound none\"",
         "\"chosen\": \"0123456789012345678901234567890123456789012345678901234567890123\"",
         WARD_ERR_FORMAT, "too long"},
        {"\"tries\": [{", "\"tries\": [7, {", WARD_ERR_FORMAT, "a try"},
        {"\"tries\": [{", "\"tries\": 7, \"x\": [{", WARD_ERR_FORMAT, "other keys"},
        {"\"bound\": \"none\"", "\"bound\": \"some\"", WARD_ERR_FORMAT, "'bound'"},
        {"\"bound\": 0.125", "\"bound\": -0.5", WARD_ERR_FORMAT, "'bound'"},
        {"\"is_leaky\": true", "\"is_leaky\": 1", WARD_ERR_FORMAT, "'is_leaky'"},
        {"\"attack\": \"scratch\", \"id\": \"C0\"", "\"attack\": \"universal\", \"id\": \"A3\"",
         WARD_ERR_FORMAT, "twice"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ward_redteam_result r = expected_result();
        struct record_facts facts = {.chance = 0.1};
        char *text = sample_text(), *made = NULL, *at = strstr(text, cases[i].from);
        ward_status st;

        if (!at)
            fail_msg("'%s' is not in %s", cases[i].from, text);
        assert_ok(mem_printf(&made, "%.*s%s%s", (int)(at - text), text, cases[i].to,
                             at + strlen(cases[i].from)));
        st = record_from_json(&r, &subject, &facts, made, strlen(made));
        if (st != cases[i].status || !strstr(ward_error_message(), cases[i].message))
            fail_msg("%s for %s: expected %s with '%s', got %s (%s)", cases[i].to, cases[i].from,
                     ward_status_name(cases[i].status), cases[i].message, ward_status_name(st),
                     ward_error_message());
        mem_free(text);
        mem_free(made);
        ward_redteam_result_release(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_attack_is_the_one_chosen_not_the_one_scored),
        cmocka_unit_test(images_without_labels_count_for_who_has_as_many),
        cmocka_unit_test(needed_labels_are_interpolated_or_censored),
        cmocka_unit_test(what_the_smallest_amount_reaches_is_at_most_needed),
        cmocka_unit_test(adversaries_who_differ_widen_the_interval),
        cmocka_unit_test(a_part_of_the_suite_is_called_one),
        cmocka_unit_test(nothing_unusual_raises_no_flag),
        cmocka_unit_test(each_flag_is_raised_by_what_it_is_for),
        cmocka_unit_test(below_chance_is_more_than_either_scatter),
        cmocka_unit_test(a_jump_is_what_scratch_does_not_rise_by),
        cmocka_unit_test(a_jump_tells_what_scratch_rose_by),
        cmocka_unit_test(a_start_is_compared_with_its_own_architecture_from_nothing),
        cmocka_unit_test(starts_are_compared_for_adversaries_who_did_both),
        cmocka_unit_test(a_mask_is_what_other_attacks_get_around),
        cmocka_unit_test(a_black_box_is_compared_with_the_pattern_of_the_same_adversary),
        cmocka_unit_test(only_who_has_tried_everything_finds_a_mask),
        cmocka_unit_test(a_black_box_that_only_guesses_is_not_better),
        cmocka_unit_test(without_cells_nothing_is_claimed),
        cmocka_unit_test(a_record_reads_back_as_it_was_written),
        cmocka_unit_test(a_cell_without_a_commit_is_read),
        cmocka_unit_test(a_text_that_is_no_record_is_refused_by_what_is_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
