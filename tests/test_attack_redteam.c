/* The red team: its cells, what adversaries hold, and what they reach. */
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
#include "data/dataset.h"
#include "verdict_fixture.h"

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

/* With one label of each pair, too, but only where anybody holds pairs. */
static void the_control_has_as_many_labels_as_others_have_labels_or_pairs(void **state)
{
    static const struct {
        const char *only;
        uint64_t amounts[6];
    } cases[] = {{"universal", {10, 100}},
                 {"infomax", {10, 100}},
                 {"subtract", {10, 100, 1, 785}},
                 {"universal,pair", {10, 100, 1, 785}}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct suite_plan plan = plan_of("quick", 15000);
        ward_redteam_cell *cells = NULL;
        size_t count, found = 0;

        plan.trials = 1;
        plan.only = cases[i].only;
        assert_ok(suite_cells(&plan, &cells, &count));
        for (size_t j = 0; j < count; j++)
            if (suite_raid_of(&cells[j]) == &raid_scratch)
                assert_int_equal(cells[j].amount, cases[i].amounts[found++]);
        assert_int_equal(cases[i].amounts[found], 0);
        mem_free(cells);
    }
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

static bool has_attack(const struct suite_plan *plan, const char *name)
{
    ward_redteam_cell *cells = NULL;
    size_t count;
    bool is_found = false;

    assert_ok(suite_cells(plan, &cells, &count));
    for (size_t i = 0; i < count; i++)
        is_found = is_found || strcmp(cells[i].attack, name) == 0;
    mem_free(cells);
    return is_found;
}

static void where_nothing_follows_from_a_key_none_is_searched_for(void **state)
{
    struct suite_plan plan = plan_of("quick", 15000);

    (void)state;
    plan.method = WARD_METHOD_KEYED;
    assert_true(has_attack(&plan, "key-search") && has_attack(&plan, "partial-key"));
    plan.is_keyless = true;
    assert_false(has_attack(&plan, "key-search") || has_attack(&plan, "partial-key"));
    assert_true(has_attack(&plan, "front-map"));
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

/* Scratch with as many labels is what both are measured against. */
static void pairs_are_of_the_images_that_others_have_labels_of(void **state)
{
    const ward_redteam_cell labelled = {.knows = WARD_KNOWS_LABELLED, .amount = 12};
    const ward_redteam_cell pairs = {.knows = WARD_KNOWS_PAIRS, .amount = 12};
    struct holdings a = {.images = {.data = NULL}}, b = a;
    struct split pool;

    (void)state;
    assert_ok(split_share(&pool, data, SHARE_OWNER, 1));
    assert_ok(holdings_open(&a, &pool, &labelled, suite_budget("quick"), 5));
    assert_ok(holdings_open(&b, &pool, &pairs, suite_budget("quick"), 5));
    assert_int_equal(a.images.count, b.images.count);
    assert_memory_equal(a.images.index, b.images.index, 12 * sizeof *a.images.index);
    holdings_release(&a);
    holdings_release(&b);
    split_release(&pool);
}

static void only_who_holds_labels_has_other_images_too(void **state)
{
    static const ward_knowledge kinds[] = {WARD_KNOWS_LABELLED, WARD_KNOWS_UNLABELLED,
                                           WARD_KNOWS_PAIRS, WARD_KNOWS_QUERIES};
    struct split pool;

    (void)state;
    assert_ok(split_share(&pool, data, SHARE_OWNER, 1));
    for (size_t i = 0; i < 4; i++) {
        const ward_redteam_cell cell = {.knows = kinds[i], .amount = 10};
        struct holdings h = {.images = {.data = NULL}};

        assert_ok(holdings_open(&h, &pool, &cell, suite_budget("quick"), 5));
        assert_int_equal(h.images.count, 10);
        assert_int_equal(h.unlabelled.count, i == 0 ? pool.count - 10 : 0);
        holdings_release(&h);
    }
    split_release(&pool);
}

/* Of four bright images in five: labels are wanted of both alike, and the rest is as it comes. */
static void images_without_labels_are_not_picked_by_their_class(void **state)
{
    const struct budget budget = {.unlabelled = 20};
    const ward_redteam_cell cell = {.knows = WARD_KNOWS_LABELLED, .amount = 4};
    struct holdings h = {.images = {.data = NULL}};
    uint32_t index[50];
    const struct split pool = {data, WARD_SPLIT_TRAIN, index, 50};
    int32_t labels[20];
    int dark = 0;

    (void)state;
    for (uint32_t i = 0; i < 50; i++)
        index[i] = i < 40 ? i : TRAIN + i - 40;
    assert_ok(holdings_open(&h, &pool, &cell, &budget, 5));
    assert_ok(batch_read(&h.unlabelled, 0, 20, NULL, labels));
    for (size_t i = 0; i < 20; i++)
        dark += labels[i] == 1;
    if (dark < 1 || dark > 8)
        fail_msg("%d of 20 are dark", dark);
    holdings_release(&h);
}

/* A data set may be stored class by class, as folders are. */
static void choices_are_made_on_all_classes(void **state)
{
    enum { MANY = 20000 };
    ward_run *run = open_run(WARD_METHOD_LEARNED);
    struct ward_dataset many = *data;
    const ward_redteam_options no_folder = {.directory = NULL};
    ward_redteam_settings settings;
    ward_redteam_result result;

    (void)state;
    many.info.train_count = many.part[WARD_SPLIT_TRAIN].count = MANY;
    assert_ok(mem_new(&many.part[WARD_SPLIT_TRAIN].pixels, MANY, PIXELS));
    assert_ok(mem_new(&many.part[WARD_SPLIT_TRAIN].labels, MANY, sizeof(uint16_t)));
    for (size_t i = MANY / 2; i < MANY; i++)
        many.part[WARD_SPLIT_TRAIN].labels[i] = 1;
    ward_redteam_defaults(&settings);
    settings.only = "direct";
    assert_ok(ward_redteam(run, device, &many, &settings, &no_folder, &result));
    for (size_t i = 0; i < result.cell_count; i++)
        if (strcmp(result.cells[i].attack, "direct") == 0)
            assert_float_equal(result.cells[i].choice, 0.5, 0.1); /* all images are named dark */
    mem_free(many.part[WARD_SPLIT_TRAIN].pixels);
    mem_free(many.part[WARD_SPLIT_TRAIN].labels);
    ward_redteam_result_release(&result);
    ward_run_close(run);
}

static void offer(struct thief *t, double merit, bool is_leaky)
{
    const struct classifier classifier = {.block = 0};
    const struct tensor_list none = {NULL, 0};
    const ward_redteam_try tried = {
        .what = "offered", .merit = merit, .accuracy = merit, .is_leaky = is_leaky};

    assert_ok(thief_offer(t, &classifier, &none, &tried));
}

/* Or the sign of a masked gradient would be lost where it is clearest. */
static void the_best_try_by_either_gradient_is_kept(void **state)
{
    ward_redteam_cell cell = {.try_count = 0};
    struct thief t = {.cell = &cell};

    (void)state;
    for (int i = 0; i < 10; i++)
        offer(&t, i == 4 ? 0.2 : 0.1, false);
    for (int i = 0; i < 2 * WARD_REDTEAM_TRIES; i++)
        offer(&t, 0.5 + 0.001 * i, true);
    assert_int_equal(cell.try_count, WARD_REDTEAM_TRIES);
    for (size_t i = 0, plain = 0; i < cell.try_count; i++) {
        plain += !cell.tries[i].is_leaky;
        if (i + 1 == cell.try_count)
            assert_int_equal(plain, 1);
        if (!cell.tries[i].is_leaky)
            assert_true(cell.tries[i].merit == 0.2);
    }
    offer(&t, 0.3, false); /* worse than all but the one that it takes the place of */
    for (size_t i = 0; i < cell.try_count; i++)
        assert_true(cell.tries[i].is_leaky || cell.tries[i].merit == 0.3);
    tensor_list_release(&t.best_params);
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

/* A network whose logits are those of another, times a power of two, which costs no precision. */
static ward_run *open_scaled(float scale)
{
    struct model m = handmade(WARD_METHOD_LEARNED);
    char name[32];

    set(&m.net.params, "fc2.weight", 0, scale);
    set(&m.net.params, "fc2.bias", 0, -1.1f * scale);
    model_identify(&m);
    snprintf(name, sizeof name, "scaled-%g", (double)scale);
    return open_run_of(&m, name);
}

static double scaled_try(const ward_redteam_cell *c)
{
    for (size_t i = 0; i < c->try_count; i++)
        if (strstr(c->tries[i].what, ", scaled"))
            return c->tries[i].accuracy;
    fail_msg("'%s' at %ju was not scaled", c->attack, (uintmax_t)c->amount);
    return -1;
}

static void answers_are_no_harder_to_use_for_being_small(void **state)
{
    ward_run *plain = open_scaled(1), *small = open_scaled(1.0f / 4096);
    ward_redteam_result a = red_team(plain, "universal", &nowhere);
    ward_redteam_result b = red_team(small, "universal", &nowhere);

    (void)state;
    assert_true(best_of(&a, "universal") > 0.95 && best_of(&b, "universal") > 0.95);
    for (uint64_t i = 0; i < a.cell_count; i++)
        if (strcmp(a.cells[i].attack, "universal") == 0)
            assert_true(scaled_try(&a.cells[i]) == scaled_try(&b.cells[i]));
    ward_redteam_result_release(&a);
    ward_redteam_result_release(&b);
    ward_run_close(plain);
    ward_run_close(small);
}

/* Parameters all zero let no gradient through, whatever is read from the last layer. */
static ward_run *open_start(const char *arch, bool is_dead)
{
    const char *const names[] = {"bright", "dark"};
    struct net_spec spec = {"", 1, SIDE, SIDE, 2};
    struct model m = {.method = WARD_METHOD_LEARNED};
    char name[64];

    snprintf(spec.arch, sizeof spec.arch, "%s", arch);
    snprintf(name, sizeof name, "%s-%d", arch, is_dead);
    assert_ok(net_init(&m.net, &spec, 1));
    if (is_dead)
        clear(&m.net.params);
    assert_ok(model_describe(&m, "lamps", 0.0f, 1.0f, names, 2));
    model_identify(&m);
    return open_run_of(&m, name);
}

static void a_dead_network_raises_its_flag_and_a_random_one_does_not(void **state)
{
    static const char *const archs[] = {"simple-cnn", "mlp-32x2"};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        const bool is_dead = i % 2;
        ward_run *run = open_start(archs[i / 2], is_dead);
        ward_redteam_result r = red_team(run, "fine-tune", &nowhere);

        if (has_flag(&r.verdict, "dead-network") != is_dead)
            fail_msg("%s %s: fine-tuning gives %g, scratch %g", is_dead ? "dead" : "random",
                     archs[i / 2], best_of(&r, "fine-tune"), best_of(&r, "scratch"));
        ward_redteam_result_release(&r);
        ward_run_close(run);
    }
}

/* How long it will take is known once a cell has been finished. */
static bool stop_after_two(void *context, const ward_redteam_progress *p)
{
    (void)context;
    assert_true(p->done == 0 ? isnan(p->seconds_left) : p->seconds_left > 0);
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

/* By a build that says otherwise, say: what follows these words first begins with #. */
static void write_otherwise(const char *path, const char *before)
{
    uint8_t *text = NULL;
    size_t len = 0;
    char *at;

    assert_ok(file_read(path, 1 << 20, &text, &len));
    at = strstr((char *)text, before);
    assert_non_null(at);
    at[strlen(before)] = '#';
    assert_ok(file_write(path, text, len, FILE_REPLACE));
    mem_free(text);
}

static void a_finished_suite_is_judged_anew_and_so_is_its_file(void **state)
{
    ward_run *run = open_run(WARD_METHOD_LEARNED);
    const ward_redteam_options options = {.directory = in_folder("judged")};
    ward_redteam_result first = red_team(run, "direct", &options), again;
    uint8_t *text = NULL;
    size_t len = 0;

    (void)state;
    write_otherwise(in_folder("judged/quick.json"), "\"sentence\": \"");
    again = red_team(run, "direct", &options);
    assert_string_equal(first.json, again.json);
    assert_ok(file_read(in_folder("judged/quick.json"), 1 << 20, &text, &len));
    assert_null(strchr((char *)text, '#'));
    mem_free(text);
    ward_redteam_result_release(&first);
    ward_redteam_result_release(&again);
    ward_run_close(run);
}

/* Kept as if it had been done, but for so many cells at the end. */
static void write_done(const ward_run *run, const ward_redteam_result *like, size_t missing,
                       const char *path)
{
    const struct record_subject subject = {.model_id = run->model.id,
                                           .arch = run->model.net.spec.arch,
                                           .data = "lamps",
                                           .device = ward_device_name(device),
                                           .method = run->model.method};
    const struct record_facts facts = {.authorised = 1, .unauthorised = 0.5, .chance = 0.5};
    const struct suite_plan plan = {.budget = suite_budget("quick"),
                                    .trials = 1,
                                    .method = run->model.method,
                                    .has_service = run->has_transform,
                                    .pool = like->pool_count};
    ward_redteam_result r = *like;
    char *text = NULL;

    r.cells = NULL;
    assert_ok(suite_cells(&plan, &r.cells, &r.cell_count));
    for (size_t i = 0; i + missing < r.cell_count; i++)
        r.cells[i].is_done = true;
    assert_ok(record_to_json(&r, &subject, &facts, 0, &text));
    assert_ok(file_write(path, text, strlen(text), FILE_REPLACE));
    mem_free(text);
    mem_free(r.cells);
}

static void a_suite_is_whole_once_all_cells_of_its_budget_are_there(void **state)
{
    ward_run *run = open_run(WARD_METHOD_LEARNED);
    const ward_redteam_options options = {.directory = in_folder("whole")};
    ward_redteam_result part = red_team(run, "direct", &options), r;

    (void)state;
    assert_true(part.verdict.is_partial && strstr(part.json, "\"complete\": false"));
    write_done(run, &part, 0, in_folder("whole/quick.json"));
    r = red_team(run, "direct", &options); /* asks for a part, but finds all */
    assert_true(!r.verdict.is_partial && strstr(r.json, "\"complete\": true"));
    ward_redteam_result_release(&r);
    write_done(run, &part, 1, in_folder("whole/quick.json"));
    r = red_team(run, "direct", &options);
    assert_true(r.verdict.is_partial); /* the last of the control is for who holds pairs */
    ward_redteam_result_release(&r);
    run->has_transform = false;
    write_done(run, &part, 0, in_folder("whole/quick.json"));
    r = red_team(run, "direct", &options);
    assert_true(r.verdict.is_partial); /* all that can be done, but no pairs */
    ward_redteam_result_release(&r);
    ward_redteam_result_release(&part);
    ward_run_close(run);
}

/* ---- adversaries who repeat what the first one chose ---- */

static ward_redteam_result repeat(const ward_run *run, const char *only, uint64_t trials,
                                  const ward_redteam_options *options)
{
    ward_redteam_settings s;
    ward_redteam_result result;

    ward_redteam_defaults(&s);
    s.budget = "standard";
    s.only = only;
    s.trials = trials;
    s.labelled[0] = 10;
    assert_ok(ward_redteam(run, device, data, &s, options, &result));
    return result;
}

static const ward_redteam_cell *cell_at(const ward_redteam_result *r, const char *attack,
                                        uint64_t trial)
{
    for (size_t i = 0; i < r->cell_count; i++)
        if (strcmp(r->cells[i].attack, attack) == 0 && r->cells[i].trial == trial)
            return &r->cells[i];
    fail_msg("no cell of '%s'", attack);
    return NULL;
}

static void with_standard_others_train_what_did_best_for_the_first(void **state)
{
    static const char *const names[] = {"universal", "fine-tune", "scratch"};
    ward_run *run = open_run(WARD_METHOD_LEARNED);
    ward_redteam_result r = repeat(run, "universal,fine-tune", 3, &nowhere);

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        const ward_redteam_cell *first = cell_at(&r, names[i], 0);

        assert_true(first->try_count > 2);
        for (uint64_t trial = 1; trial < 3; trial++) {
            const ward_redteam_cell *other = cell_at(&r, names[i], trial);

            if (other->try_count >= first->try_count)
                fail_msg("%zu tries of '%s'", other->try_count, names[i]);
            for (size_t j = 0; j < other->try_count; j++)
                assert_memory_equal(other->tries[j].what, first->chosen,
                                    strlen(other->tries[j].what));
        }
    }
    ward_redteam_result_release(&r);
    ward_run_close(run);
}

static void who_finds_no_such_choice_tries_everything(void **state)
{
    ward_run *run = open_run(WARD_METHOD_LEARNED);
    const ward_redteam_options options = {.directory = in_folder("repeated")};
    ward_redteam_result one = repeat(run, "universal", 1, &options), two;

    (void)state;
    write_otherwise(in_folder("repeated/standard.json"), "\"chosen\": \"");
    two = repeat(run, "universal", 2, &options);
    assert_true(cell_at(&two, "universal", 0)->chosen[0] == '#');
    assert_int_equal(cell_at(&two, "universal", 1)->try_count,
                     cell_at(&one, "universal", 0)->try_count);
    ward_redteam_result_release(&one);
    ward_redteam_result_release(&two);
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
    ward_redteam_defaults(&s);
    s.labelled[0] = s.labelled[1] = 20;
    assert_fails(ward_redteam(run, device, data, &s, &nowhere, &r), WARD_ERR_ARG, "20, 20");
    s.labelled[1] = 0;
    s.labelled[2] = 30; /* behind the end */
    assert_fails(ward_redteam(run, device, data, &s, &nowhere, &r), WARD_ERR_ARG, "0, 30");
    ward_run_close(run);
}

/* ---- the service ---- */

enum { ASKED = 7, ROOM = 5 };

static void ask(struct service *service, enum pass pass, size_t n, const float *x,
                const float *expected, size_t len)
{
    float y[ASKED * PIXELS];

    assert_ok(service_run(service, pass, n, x, y));
    assert_memory_equal(y, expected, n * len * sizeof *y);
}

/* Once G is taken away, only what is kept can be answered. */
static void what_was_answered_once_is_not_computed_again(void **state)
{
    static const size_t again[] = {4, 0, 1, 1, 3, 2, 0};
    float x[ASKED * PIXELS], y[ASKED * PIXELS], shuffled[ASKED * PIXELS], expected[ASKED * PIXELS];
    ward_run *run = open_run(WARD_METHOD_GENERATOR);
    ward_session *session;
    struct service *service;

    (void)state;
    for (size_t i = 0; i < ASKED * PIXELS; i++)
        x[i] = (float)(i / PIXELS) / 10 + (float)(i % PIXELS) / 100;
    assert_ok(ward_session_new(&session, run, device, ASKED));
    assert_ok(service_open(&service, run, device, ROOM));
    for (int pass = PASS_AUTHORISED; pass <= PASS_TRANSFORM; pass++) {
        size_t len = session_result_len(session, (enum pass)pass);

        run->has_transform = true;
        assert_ok(session_run(session, (enum pass)pass, ASKED, x, y));
        ask(service, (enum pass)pass, 2, x, y, len);
        ask(service, (enum pass)pass, ASKED, x, y, len);
        run->has_transform = false;
        for (size_t i = 0; i < ASKED; i++) {
            memcpy(shuffled + i * PIXELS, x + again[i] * PIXELS, PIXELS * sizeof *x);
            memcpy(expected + i * len, y + again[i] * len, len * sizeof *y);
        }
        ask(service, (enum pass)pass, ASKED, shuffled, expected, len);
        assert_int_equal(service_run(service, (enum pass)pass, 1, x + ROOM * PIXELS, y),
                         WARD_ERR_ARG);
    }
    service_close(service);
    ward_session_free(session);
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
        st = service_open(&t.service, run, device, 5);
    if (!st)
        st = raid->attempt(&t);
    if (!st && (!t.has_offer || cell.try_count == 0))
        fail_msg("'%s' ended without an offer", raid->name);
    tensor_list_release(&t.best_params);
    service_close(t.service);
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
        &raid_direct,
        &raid_readout,
        &raid_readout_control,
        &raid_input_only,
        &raid_universal,
        &raid_infomax,
        &raid_learned_labelled,
        &raid_learned_unlabelled,
        &raid_fine_tune,
        &raid_recalibrate_labelled,
        &raid_recalibrate_unlabelled,
        &raid_scratch,
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_attack_has_cells_of_its_own),
        cmocka_unit_test(every_name_of_an_attack_is_listed_once),
        cmocka_unit_test(no_cell_wants_more_than_the_pool_has),
        cmocka_unit_test(the_control_is_always_there),
        cmocka_unit_test(the_control_has_as_many_labels_as_others_have_labels_or_pairs),
        cmocka_unit_test(without_the_transform_there_are_no_pairs),
        cmocka_unit_test(where_nothing_follows_from_a_key_none_is_searched_for),
        cmocka_unit_test(who_holds_more_holds_what_others_do),
        cmocka_unit_test(labelled_images_are_drawn_evenly_from_the_classes),
        cmocka_unit_test(pairs_are_of_the_images_that_others_have_labels_of),
        cmocka_unit_test(only_who_holds_labels_has_other_images_too),
        cmocka_unit_test(images_without_labels_are_not_picked_by_their_class),
        cmocka_unit_test(choices_are_made_on_all_classes),
        cmocka_unit_test(the_best_try_by_either_gradient_is_kept),
        cmocka_unit_test(who_trains_through_the_network_undoes_a_pattern),
        cmocka_unit_test(a_masked_gradient_raises_its_flags),
        cmocka_unit_test(an_honest_network_raises_neither),
        cmocka_unit_test(answers_are_no_harder_to_use_for_being_small),
        cmocka_unit_test(a_dead_network_raises_its_flag_and_a_random_one_does_not),
        cmocka_unit_test(a_stopped_suite_goes_on_and_repeats_nothing),
        cmocka_unit_test(a_finished_suite_is_judged_anew_and_so_is_its_file),
        cmocka_unit_test(a_suite_is_whole_once_all_cells_of_its_budget_are_there),
        cmocka_unit_test(with_standard_others_train_what_did_best_for_the_first),
        cmocka_unit_test(who_finds_no_such_choice_tries_everything),
        cmocka_unit_test(settings_out_of_range_are_refused),
        cmocka_unit_test(what_was_answered_once_is_not_computed_again),
        cmocka_unit_test(an_attack_ends_with_an_offer_or_says_what_failed),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
