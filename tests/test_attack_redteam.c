/* The red team: its cells, what adversaries hold, what they reach, and what the verdict says. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_test.h"
#include "attack/holdings.h"
#include "attack/record.h"
#include "attack_fixture.h"

/* ---- cells ---- */

static struct suite_plan plan_of(const char *budget, uint64_t pool)
{
    return (struct suite_plan){.budget = suite_budget(budget),
                               .trials = 2,
                               .method = WARD_METHOD_GENERATOR,
                               .has_service = true,
                               .pool = pool};
}

static void every_attack_has_cells_of_its_own(void **state)
{
    const struct suite_plan plan = plan_of("standard", 15000);
    ward_redteam_cell *cells = NULL;
    size_t count;

    (void)state;
    assert_ok(suite_cells(&plan, &cells, &count));
    for (size_t i = 0; suite_raid(i); i++) {
        size_t of_it = 0;

        for (size_t j = 0; j < count; j++)
            of_it += suite_raid_of(&cells[j]) == suite_raid(i);
        if (of_it == 0 && (suite_raid(i)->methods >> plan.method & 1))
            fail_msg("'%s' has no cell", suite_raid(i)->name);
    }
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            if (suite_raid_of(&cells[i]) == suite_raid_of(&cells[j]) &&
                cells[i].amount == cells[j].amount && cells[i].trial == cells[j].trial)
                fail_msg("'%s' at %ju comes twice", cells[i].attack, (uintmax_t)cells[i].amount);
    mem_free(cells);
}

static void every_name_of_an_attack_is_listed_once(void **state)
{
    const char *name, *other;

    (void)state;
    for (size_t i = 0; (name = ward_redteam_attack_name(i)); i++)
        for (size_t j = i + 1; (other = ward_redteam_attack_name(j)); j++)
            assert_string_not_equal(name, other);
}

static void no_cell_wants_more_than_the_pool_has(void **state)
{
    const struct suite_plan plan = plan_of("full", 50);
    ward_redteam_cell *cells = NULL;
    size_t count;

    (void)state;
    assert_ok(suite_cells(&plan, &cells, &count));
    for (size_t i = 0; i < count; i++)
        assert_true(cells[i].amount <= 50);
    mem_free(cells);
}

static void the_control_is_always_there(void **state)
{
    struct suite_plan plan = plan_of("quick", 15000);
    ward_redteam_cell *cells = NULL;
    size_t count, of_it = 0;

    (void)state;
    plan.only = "direct,universal";
    assert_ok(suite_cells(&plan, &cells, &count));
    for (size_t i = 0; i < count; i++) {
        bool is_control = strcmp(cells[i].attack, "scratch") == 0;

        of_it += is_control;
        if (!is_control && strcmp(cells[i].attack, "direct") != 0 &&
            strcmp(cells[i].attack, "universal") != 0)
            fail_msg("'%s' was not asked for", cells[i].attack);
    }
    assert_true(of_it > 0);
    mem_free(cells);
    cells = NULL;
    plan.only = "direct,nothing";
    assert_fails(suite_cells(&plan, &cells, &count), WARD_ERR_ARG, "'nothing'");
    plan.only = "";
    assert_fails(suite_cells(&plan, &cells, &count), WARD_ERR_ARG, "unknown attack");
    assert_null(cells);
}

static void without_the_transform_there_are_no_pairs(void **state)
{
    struct suite_plan plan = plan_of("full", 15000);
    ward_redteam_cell *cells = NULL;
    size_t count;

    (void)state;
    plan.has_service = false;
    assert_ok(suite_cells(&plan, &cells, &count));
    for (size_t i = 0; i < count; i++)
        assert_true(cells[i].knows < WARD_KNOWS_PAIRS);
    mem_free(cells);
}

/* ---- what adversaries hold ---- */

static bool is_in(const struct split *split, uint32_t place)
{
    for (uint32_t i = 0; i < split->count; i++)
        if (split->index[i] == place)
            return true;
    return false;
}

static void who_holds_more_holds_what_others_do(void **state)
{
    static const ward_knowledge kinds[] = {WARD_KNOWS_LABELLED, WARD_KNOWS_UNLABELLED,
                                           WARD_KNOWS_PAIRS};
    const struct budget *budget = suite_budget("quick");
    struct split pool;

    (void)state;
    assert_ok(split_share(&pool, data, SHARE_OWNER, 1));
    for (size_t k = 0; k < 3; k++) {
        const ward_redteam_cell some = {.knows = kinds[k], .amount = 10};
        const ward_redteam_cell more = {.knows = kinds[k], .amount = 30};
        struct holdings a = {.images = {.data = NULL}}, b = a, other = a;

        assert_ok(holdings_open(&a, &pool, &some, budget, 5));
        assert_ok(holdings_open(&b, &pool, &more, budget, 5));
        assert_ok(holdings_open(&other, &pool, &some, budget, 6));
        assert_true(a.images.count == 10 && b.images.count == 30);
        assert_memory_equal(a.images.index, b.images.index, 10 * sizeof *a.images.index);
        assert_memory_not_equal(a.images.index, other.images.index, 10 * sizeof *a.images.index);
        for (uint32_t i = 0; i < b.images.count; i++) {
            assert_true(is_in(&pool, b.images.index[i]));
            assert_false(is_in(&b.unlabelled, b.images.index[i]));
        }
        holdings_release(&a);
        holdings_release(&b);
        holdings_release(&other);
    }
    split_release(&pool);
}

static void labelled_images_are_drawn_evenly_from_the_classes(void **state)
{
    const ward_redteam_cell cell = {.knows = WARD_KNOWS_LABELLED, .amount = 20};
    struct holdings h = {.images = {.data = NULL}};
    int32_t labels[20];
    struct split pool;
    int of_first = 0;

    (void)state;
    assert_ok(split_share(&pool, data, SHARE_OWNER, 1));
    assert_ok(holdings_open(&h, &pool, &cell, suite_budget("quick"), 5));
    assert_ok(batch_read(&h.images, 0, 20, NULL, labels));
    for (size_t i = 0; i < 20; i++)
        of_first += labels[i] == 0;
    assert_int_equal(of_first, 10);
    holdings_release(&h);
    split_release(&pool);
}

/* ---- what adversaries reach ---- */

static ward_redteam_result red_team(const ward_run *run, const char *only,
                                    const ward_redteam_options *options)
{
    ward_redteam_settings settings;
    ward_redteam_result result;

    ward_redteam_defaults(&settings);
    settings.only = only;
    assert_ok(ward_redteam(run, device, data, &settings, options, &result));
    return result;
}

static const ward_redteam_options nowhere = {.directory = NULL};

static double best_of(const ward_redteam_result *r, const char *attack)
{
    double best = -1;

    for (size_t i = 0; i < r->cell_count; i++)
        if (r->cells[i].is_done && strcmp(r->cells[i].attack, attack) == 0)
            best = fmax(best, r->cells[i].accuracy);
    return best;
}

static bool has_flag(const ward_redteam_verdict *v, const char *name)
{
    for (size_t i = 0; i < v->flag_count; i++)
        if (strcmp(v->flags[i].name, name) == 0)
            return true;
    return false;
}

static void who_trains_through_the_network_undoes_a_pattern(void **state)
{
    ward_run *run = open_run(WARD_METHOD_LEARNED);
    ward_redteam_result r = red_team(run, "direct,universal,learned-transform", &nowhere);

    (void)state;
    assert_true(best_of(&r, "direct") == dark_share);
    if (best_of(&r, "universal") < 0.95 || best_of(&r, "learned-transform") < 0.95)
        fail_msg("expected nearly all, got %g and %g", best_of(&r, "universal"),
                 best_of(&r, "learned-transform"));
    assert_true(r.verdict.authorised == 1.0 && r.verdict.unauthorised == dark_share);
    assert_false(r.is_disjoint);
    assert_true(strstr(r.verdict.sentence, "trained on") != NULL);
    ward_redteam_result_release(&r);
    ward_redteam_result_release(&r);
    ward_run_close(run);
}

/* The same function, but dead on raw images: no gradient leads out of there. */
static ward_run *open_masked(void)
{
    const char *path = in_folder("masked");
    struct model m = handmade(WARD_METHOD_LEARNED);
    struct run_dir dir = {.path = NULL};
    ward_run *run = NULL;

    set(&m.net.params, "fc1.bias", 0, -1.0f);
    set(&m.net.params, "fc2.bias", 0, -0.1f);
    model_identify(&m);
    assert_ok(file_make_directory(path));
    assert_ok(run_dir_init(&dir, path));
    assert_ok(model_write(dir.model, &m));
    write_transform(&m, dir.transform);
    assert_ok(ward_run_open(&run, path));
    run_dir_release(&dir);
    model_release(&m);
    return run;
}

static void a_masked_gradient_raises_its_flags(void **state)
{
    ward_run *run = open_masked();
    ward_redteam_result r = red_team(run, "universal", &nowhere);

    (void)state;
    assert_true(has_flag(&r.verdict, "no-gradient"));
    if (!has_flag(&r.verdict, "masked-gradient"))
        fail_msg("no flag; best is %g", best_of(&r, "universal"));
    ward_redteam_result_release(&r);
    ward_run_close(run);
}

static void an_honest_network_raises_neither(void **state)
{
    ward_run *run = open_run(WARD_METHOD_LEARNED);
    ward_redteam_result r = red_team(run, "universal", &nowhere);

    (void)state;
    assert_false(has_flag(&r.verdict, "no-gradient"));
    assert_false(has_flag(&r.verdict, "masked-gradient"));
    ward_redteam_result_release(&r);
    ward_run_close(run);
}

static bool stop_after_two(void *context, const ward_redteam_progress *p)
{
    (void)context;
    return p->done < 2;
}

static void a_stopped_suite_goes_on_and_repeats_nothing(void **state)
{
    ward_run *run = open_run(WARD_METHOD_LEARNED);
    const ward_redteam_options stopping = {.directory = in_folder("kept"),
                                           .progress = stop_after_two};
    const ward_redteam_options going_on = {.directory = in_folder("kept")};
    ward_redteam_result whole = red_team(run, "direct,readout", &nowhere), resumed, again;
    ward_redteam_settings settings;

    (void)state;
    ward_redteam_defaults(&settings);
    settings.only = "direct,readout";
    assert_fails(ward_redteam(run, device, data, &settings, &stopping, &resumed), WARD_ERR_STOPPED,
                 "stopped with");
    resumed = red_team(run, "direct,readout", &going_on);
    again = red_team(run, "direct,readout", &going_on);
    assert_string_equal(resumed.json, again.json); /* with its seconds */
    assert_int_equal(whole.cell_count, resumed.cell_count);
    for (size_t i = 0; i < whole.cell_count; i++)
        assert_true(whole.cells[i].accuracy == resumed.cells[i].accuracy &&
                    whole.cells[i].choice == resumed.cells[i].choice);
    ward_redteam_result_release(&whole);
    ward_redteam_result_release(&resumed);
    ward_redteam_result_release(&again);
    ward_run_close(run);
}

static void settings_out_of_range_are_refused(void **state)
{
    ward_run *run = open_run(WARD_METHOD_LEARNED);
    ward_redteam_settings s;
    ward_redteam_result r;

    (void)state;
    ward_redteam_defaults(&s);
    s.budget = "huge";
    assert_fails(ward_redteam(run, device, data, &s, &nowhere, &r), WARD_ERR_ARG, "'huge'");
    ward_redteam_defaults(&s);
    s.trials = 1001;
    assert_fails(ward_redteam(run, device, data, &s, &nowhere, &r), WARD_ERR_ARG, "1001 trials");
    ward_redteam_defaults(&s);
    s.seed = (UINT64_C(1) << 53) + 1;
    assert_fails(ward_redteam(run, device, data, &s, &nowhere, &r), WARD_ERR_ARG, "seed");
    ward_run_close(run);
}

/* ---- one adversary ---- */

/* With no more than two steps a training. */
static ward_status attempt_raid(const struct raid *raid, const ward_run *run)
{
    const struct budget budget = {.name = "none", .effort = 1, .steps = 2, .unlabelled = 4};
    struct holdings holdings = {.images = {.data = NULL}};
    struct split pool = {.data = NULL};
    atomic_bool is_stopping = false;
    ward_redteam_cell cell = {.knows = raid->knows, .amount = raid->knows ? 10 : 0};
    struct thief t = thief_of(run, &is_stopping);
    ward_status st = split_share(&pool, data, SHARE_OWNER, 1);

    t.images = &holdings.images;
    t.unlabelled = &holdings.unlabelled;
    t.choice = &pool;
    t.choice_count = 5;
    t.budget = &budget;
    t.seed = 1;
    t.cell = &cell;
    if (!st)
        st = holdings_open(&holdings, &pool, &cell, &budget, 1);
    if (!st && (raid->knows == WARD_KNOWS_PAIRS || raid->knows == WARD_KNOWS_QUERIES))
        st = ward_session_new(&t.service, run, device, 5);
    if (!st)
        st = raid->attempt(&t);
    if (!st && (!t.has_offer || cell.try_count == 0))
        fail_msg("'%s' ended without an offer", raid->name);
    tensor_list_release(&t.best_params);
    ward_session_free(t.service);
    holdings_release(&holdings);
    split_release(&pool);
    return st;
}

struct occasion {
    const struct raid *raid;
    const ward_run *run;
};

static ward_status attempt_occasion(void *context)
{
    const struct occasion *o = context;

    return attempt_raid(o->raid, o->run);
}

static void an_attack_ends_with_an_offer_or_says_what_failed(void **state)
{
    static const struct raid *const raids[] = {
        &raid_direct,    &raid_readout,     &raid_readout_control,  &raid_input_only,
        &raid_universal, &raid_infomax,     &raid_learned_labelled, &raid_learned_unlabelled,
        &raid_fine_tune, &raid_recalibrate, &raid_scratch,
    };
    ward_run *run = open_run(WARD_METHOD_LEARNED);

    (void)state;
    ward_set_threads(1);
    for (size_t i = 0; i < sizeof raids / sizeof raids[0]; i++) {
        struct occasion o = {raids[i], run};

        assert_true(assert_survives_failing_allocations(attempt_occasion, &o) > 10);
    }
    ward_set_threads(2);
    ward_run_close(run);
}

/* ---- verdicts, of cells made by hand ---- */

enum { MAX_CELLS = 64 };

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
    s.result = (ward_redteam_result){.cells = s.cells, .test_count = 10000, .is_disjoint = true};
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
    c->id = suite_raid_of(c)->id;
    return c;
}

static ward_redteam_verdict verdict_of(const struct sample *s)
{
    ward_redteam_verdict v;

    verdict_make(&s->result, &s->facts, &v);
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
    assert_true(v.gains[0].low < 0.15 && v.gains[0].high > 0.15);
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
    assert_true(wide.gains[0].high - wide.gains[0].low >
                narrow.gains[0].high - narrow.gains[0].low + 0.1);
    assert_false(has_flag(&wide, "seed"));
}

static void add_try(ward_redteam_cell *c, double accuracy, double bound, bool is_leaky)
{
    c->tries[c->try_count++] = (ward_redteam_try){
        .accuracy = accuracy, .merit = accuracy, .bound = bound, .is_leaky = is_leaky};
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
    put(s, "scratch", 100, 0, 0.6);
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
    assert_true(strstr(v.sentence, "1 flag below") != NULL);
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

static const struct record_subject subject = {.model_id = "00ff",
                                              .arch = "simple-cnn",
                                              .data = "lamps",
                                              .device = "cpu",
                                              .method = WARD_METHOD_GENERATOR};

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
    c->seconds = 2.5;
    add_try(c, 0.5, INFINITY, false);
    add_try(c, 0.25, 0.125, true);
    add_try(c, 0.75, (double)NAN, false);
    put(s, "scratch", 100, 1, 0.5);
    s->result.settings = expected_result().settings;
    s->result.choice_count = 2000;
    s->result.pool_count = 15000;
    s->result.is_disjoint = false;
    verdict_make(&s->result, &s->facts, &s->result.verdict);
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
    verdict_make(&back, &facts, &back.verdict);
    assert_ok(record_to_json(&back, &subject, &facts, 0, &again));
    assert_string_equal(text, again);
    mem_free(text);
    mem_free(again);
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
        cmocka_unit_test(every_attack_has_cells_of_its_own),
        cmocka_unit_test(every_name_of_an_attack_is_listed_once),
        cmocka_unit_test(no_cell_wants_more_than_the_pool_has),
        cmocka_unit_test(the_control_is_always_there),
        cmocka_unit_test(without_the_transform_there_are_no_pairs),
        cmocka_unit_test(who_holds_more_holds_what_others_do),
        cmocka_unit_test(labelled_images_are_drawn_evenly_from_the_classes),
        cmocka_unit_test(who_trains_through_the_network_undoes_a_pattern),
        cmocka_unit_test(a_masked_gradient_raises_its_flags),
        cmocka_unit_test(an_honest_network_raises_neither),
        cmocka_unit_test(a_stopped_suite_goes_on_and_repeats_nothing),
        cmocka_unit_test(settings_out_of_range_are_refused),
        cmocka_unit_test(an_attack_ends_with_an_offer_or_says_what_failed),
        cmocka_unit_test(the_best_attack_is_the_one_chosen_not_the_one_scored),
        cmocka_unit_test(images_without_labels_count_for_who_has_as_many),
        cmocka_unit_test(needed_labels_are_interpolated_or_censored),
        cmocka_unit_test(adversaries_who_differ_widen_the_interval),
        cmocka_unit_test(nothing_unusual_raises_no_flag),
        cmocka_unit_test(each_flag_is_raised_by_what_it_is_for),
        cmocka_unit_test(a_mask_is_what_other_attacks_get_around),
        cmocka_unit_test(a_black_box_is_compared_with_the_pattern_of_the_same_adversary),
        cmocka_unit_test(a_black_box_that_only_guesses_is_not_better),
        cmocka_unit_test(without_cells_nothing_is_claimed),
        cmocka_unit_test(a_record_reads_back_as_it_was_written),
        cmocka_unit_test(a_text_that_is_no_record_is_refused_by_what_is_wrong),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
