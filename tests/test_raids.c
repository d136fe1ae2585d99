/*
 * Attacks of suite v1 on networks whose secrets are known. The victim is made by hand: it says
 * "bright" if the brightest pixels are above 1.1, which only processed images reach, as G adds 0.5
 * to all pixels. Images are of one grey, about 0.2 ("dark") or about 0.8. So F alone finds every
 * image dark, and whatever an attack ends with shows what it has found.
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
#include "attack/record.h"
#include "attack/redteam.h"
#include "attack/score.h"
#include "attack/search.h"
#include "attack/v1/columns.h"
#include "attack/v1/first_layer.h"
#include "base/mem.h"

#define LAMP_SIDE 8
#define LAMP_TRAIN 100
#include "attack_fixture.h"
#include "verdict_fixture.h"

static const double found = 0.95;

static atomic_bool is_stopping;

/* ---- victims ---- */

/* How F is made to stand against attacks. */
enum making {
    SOUND,
    DEAD,    /* the first layer is shut on all raw images, so that they have no gradient */
    DECOY,   /* and another unit, which no image comes near to opening, would pull the other way */
    SURE,    /* logits so large that softmax has none */
    BRITTLE, /* shut on all raw images, by less on bright ones, and what opens it counts a lot */
    RANDOM   /* random weights */
};

static void fill(struct tensor_list *params, enum making making)
{
    bool is_shut = making == DEAD || making == DECOY || making == BRITTLE;
    float shut = is_shut ? 1.0f : 0, scale = making == SURE ? 1e4f : making == BRITTLE ? 1000 : 20;

    clear(params);
    set(params, "conv1.weight", 4, 1); /* the middle of 3x3: pass the first channel on */
    set(params, "conv1.bias", 0, -shut);
    set(params, "conv2.weight", 4, 1);
    for (size_t i = 0; i < 4; i++)
        set(params, "fc1.weight", i, 0.25f); /* the first channel's 2x2 values, on average */
    set(params, "fc2.weight", 0, scale);
    set(params, "fc2.bias", 0, -scale * (making == BRITTLE ? 0.1112f : 1.1f - shut));
}

/* The second channel's way through F. */
static void add_decoy(struct tensor_list *params)
{
    set(params, "conv1.weight", 9 + 4, 1);
    set(params, "conv1.bias", 1, -30);
    set(params, "conv2.weight", (32 + 1) * 9 + 4, 1);
    for (size_t i = 0; i < 4; i++)
        set(params, "fc1.weight", (64 + 1) * 4 + i, 0.25f);
    set(params, "fc2.weight", 1, -1000);
}

static struct model victim(ward_method method, enum making making)
{
    const char *const names[] = {"bright", "dark"};
    struct net_spec spec = {"simple-cnn", 1, SIDE, SIDE, 2};
    struct model m = {.method = method};

    assert_ok(net_init(&m.net, &spec, 1));
    if (making != RANDOM)
        fill(&m.net.params, making);
    if (making == DECOY)
        add_decoy(&m.net.params);
    assert_ok(model_describe(&m, "lamps", 0.0f, 1.0f, names, 2));
    model_identify(&m);
    return m;
}

static ward_run *open_victim(ward_method method, enum making making)
{
    static unsigned next;
    char name[32];
    struct model m = victim(method, making);

    snprintf(name, sizeof name, "victim%u", next++);
    return open_run_of(&m, name);
}

/* ---- one attack ---- */

/* What a thief with so many images, and others without labels, ends with, where he chooses. */
static ward_status raid_beside(const ward_run *run, const struct raid *raid, uint64_t amount,
                               uint32_t others, const struct budget *budget,
                               ward_redteam_cell *cell)
{
    uint32_t order[2 * TRAIN];
    struct split all = {data, WARD_SPLIT_TRAIN, order, (uint32_t)amount};
    struct split besides = {data, WARD_SPLIT_TRAIN, order + amount, others};
    struct split choice = {data, WARD_SPLIT_TEST, NULL, BRIGHT + DARK};
    struct thief t = thief_of(run, &is_stopping);
    ward_status st = service_open(&t.service, run, device, 2 * TRAIN);

    t.own = &run->transform.spec;
    t.shown = raid->is_shown ? &run->transform : NULL;
    t.images = &all;
    t.unlabelled = &besides;
    t.choice = &choice;
    t.choice_count = BRIGHT + DARK;
    t.budget = budget;
    t.seed = 5;
    t.cell = cell;
    for (uint32_t i = 0; i < 2 * TRAIN; i++)
        order[i] = i / 2 + i % 2 * TRAIN; /* both classes in turn */
    *cell = (ward_redteam_cell){.attack = raid->name, .knows = raid->knows, .amount = amount};
    if (!st)
        st = raid->attempt(&t);
    if (!st)
        assert_true(t.has_offer);
    service_close(t.service);
    tensor_list_release(&t.best_params);
    return st;
}

static ward_status raid_with(const ward_run *run, const struct raid *raid, uint64_t amount,
                             const struct budget *budget, ward_redteam_cell *cell)
{
    return raid_beside(run, raid, amount, 0, budget, cell);
}

static ward_redteam_cell raided(const ward_run *run, const struct raid *raid, uint64_t amount)
{
    static const struct budget budget = {.effort = 1, .steps = 160};
    ward_redteam_cell cell;

    assert_ok(raid_with(run, raid, amount, &budget, &cell));
    return cell;
}

static void assert_finds(ward_method method, enum making making, const struct raid *raid,
                         uint64_t amount)
{
    ward_run *run = open_victim(method, making);
    ward_redteam_cell cell = raided(run, raid, amount);

    if (!(cell.choice >= found)) {
        for (size_t i = 0; i < cell.try_count; i++)
            print_message("  %s: %g\n", cell.tries[i].what, cell.tries[i].accuracy);
        fail_msg("%s with %ju images of a %s: %.3f (%s), expected %.2f", raid->name,
                 (uintmax_t)amount, ward_method_name(method), cell.choice, cell.chosen, found);
    }
    ward_run_close(run);
}

static void the_victim_is_right_only_of_processed_images(void **state)
{
    static const enum making makings[] = {SOUND, DEAD, DECOY, SURE, BRITTLE};

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        ward_run *run = open_victim(WARD_METHOD_LEARNED, makings[i]);
        ward_evaluation e;

        assert_ok(ward_evaluate(run, device, data, WARD_SPLIT_TEST, false, &e, NULL, NULL));
        if (!(e.authorised == 1.0 && e.unauthorised == dark_share))
            fail_msg("victim %zu: %g, raw %g", i, e.authorised, e.unauthorised);
        ward_evaluation_release(&e);
        ward_run_close(run);
    }
}

static void copies_fitted_to_pairs_do_what_g_does(void **state)
{
    (void)state;
    assert_finds(WARD_METHOD_GENERATOR, SOUND, &raid_pair, 40);
    assert_finds(WARD_METHOD_GENERATOR, SOUND, &raid_pair_through, 40);
    assert_finds(WARD_METHOD_GENERATOR, SOUND, &raid_other_structure, 40);
}

static void a_student_of_the_answers_needs_no_g(void **state)
{
    (void)state;
    assert_finds(WARD_METHOD_GENERATOR, SOUND, &raid_distil, 40);
    assert_finds(WARD_METHOD_GENERATOR, SOUND, &raid_extract, 40);
    assert_finds(WARD_METHOD_GENERATOR, SOUND, &raid_extract_class, 40);
}

static void one_pair_is_enough_for_a_pattern(void **state)
{
    (void)state;
    assert_finds(WARD_METHOD_FIXED, SOUND, &raid_subtract, 1);
    assert_finds(WARD_METHOD_LEARNED, SOUND, &raid_subtract, 1);
    assert_finds(WARD_METHOD_GENERATOR, SOUND, &raid_subtract, 40);
}

static void keys_are_found_by_steps_that_help(void **state)
{
    (void)state;
    assert_finds(WARD_METHOD_FIXED, SOUND, &raid_key_search, 60);
    assert_finds(WARD_METHOD_FIXED, SOUND, &raid_partial_key, 60);
}

/* So that a report can show what random keys are worth. */
static void a_key_search_says_what_each_random_key_gives(void **state)
{
    ward_run *run = open_victim(WARD_METHOD_FIXED, SOUND);
    ward_redteam_cell cell = raided(run, &raid_key_search, 60);

    (void)state;
    assert_int_equal(cell.try_count, WARD_REDTEAM_TRIES);
    assert_string_equal(cell.tries[0].what, "key 1 of 30");
    assert_string_equal(cell.tries[29].what, "key 30 of 30");
    assert_string_equal(cell.tries[30].what, "the best of 50 keys");
    ward_run_close(run);
}

/* With many images a training goes 15 times through them, whatever the budget says. */
static void students_see_all_that_they_hold(void **state)
{
    static const struct budget budget = {.effort = 1, .steps = 1};
    ward_run *run = open_victim(WARD_METHOD_GENERATOR, SOUND);
    ward_redteam_cell cell;

    (void)state;
    assert_ok(raid_with(run, &raid_distil, 100, &budget, &cell));
    if (cell.images < 15 * 100 / 2)
        fail_msg("%ju images shown, of 100", (uintmax_t)cell.images);
    ward_run_close(run);
}

/* Who holds few images has small batches of them, and more steps. */
static void a_training_may_show_as_many_images_as_the_owners(void **state)
{
    static const size_t counts[] = {1, 10, 63, 999, 1000, 6000};
    const struct budget budget = {.effort = 3, .steps = 100, .images = 1000001};
    struct budget silent = budget;

    (void)state;
    silent.images = 0;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        uint64_t shown = search_images(&budget, counts[i]);

        if (shown < budget.images || shown >= budget.images + 128)
            fail_msg("%ju images shown of %zu", (uintmax_t)shown, counts[i]);
        assert_true(search_images(&silent, counts[i]) < 128 * 1000);
    }
}

static void labels_train_a_map_of_blocks(void **state)
{
    (void)state;
    assert_finds(WARD_METHOD_GENERATOR, SOUND, &raid_block_map, 40);
}

static void a_network_of_another_kind_stands_in_for_g(void **state)
{
    (void)state;
    assert_finds(WARD_METHOD_GENERATOR, SOUND, &raid_u_net_labelled, 40);
    assert_finds(WARD_METHOD_GENERATOR, SOUND, &raid_u_net_unlabelled, 40);
}

static void answers_are_enough_to_find_a_pattern(void **state)
{
    (void)state;
    assert_finds(WARD_METHOD_LEARNED, SOUND, &raid_black_box, 40);
}

static void perturbing_does_not_keep_attacks_from_working(void **state)
{
    (void)state;
    assert_finds(WARD_METHOD_LEARNED, SOUND, &raid_perturbed, 40);
}

/* Without a single step: softplus of 10 tells bright images from dark ones where ReLUs are shut. */
static void a_lock_may_come_off_when_f_is_softened(void **state)
{
    ward_run *run = open_victim(WARD_METHOD_LEARNED, BRITTLE);
    ward_redteam_cell cell = raided(run, &raid_perturbed, 40);

    (void)state;
    assert_string_equal(cell.tries[0].what, "softened by 10");
    assert_true(cell.tries[0].accuracy >= found && cell.choice >= found);
    ward_run_close(run);
}

/* A lock of the method `keyed` without coordinates to be found: only its structure is looked at. */
static void labels_train_a_front_and_a_map_through_f(void **state)
{
    ward_run *run = open_victim(WARD_METHOD_LEARNED, SOUND);
    ward_redteam_cell cell;

    (void)state;
    run->transform.spec.method = WARD_METHOD_KEYED;
    run->transform.spec.keyed = (struct keyed_spec){.has_front = true, .front_width = 4};
    cell = raided(run, &raid_front_map_labelled, 60);
    if (!(cell.choice >= found))
        fail_msg("a front and a map: %.3f (%s)", cell.choice, cell.chosen);
    ward_run_close(run);
}

/* A batch of one image has no statistics, and a dense layer's channels have one value an image. */
static void a_dense_network_learns_from_one_pair(void **state)
{
    struct net_spec spec = {"mlp-4x1", 1, SIDE, SIDE, 2};
    ward_run *run = open_victim(WARD_METHOD_LEARNED, SOUND);
    ward_redteam_cell cell;

    (void)state;
    net_release(&run->model.net);
    assert_ok(net_init(&run->model.net, &spec, 1));
    cell = raided(run, &raid_distil, 1);
    assert_true(cell.images > 0);
    ward_run_close(run);
}

/* Orders, signs and patterns stay what a plan takes, whatever is changed. */
static void a_share_of_the_tables_of_a_key_is_still_a_key(void **state)
{
    ward_run *run = open_victim(WARD_METHOD_LEARNED, SOUND);
    struct transform_spec spec = run->transform.spec;
    struct transform learned = run->transform;
    ward_redteam_cell cell;

    (void)state;
    spec.method = WARD_METHOD_KEYED;
    spec.sigma = 0.5f;
    spec.p = 0.5f;
    spec.keyed = (struct keyed_spec){.coordinates = WARD_COORDINATES_CASCADE, .rounds = 4};
    assert_ok(transform_init(&run->transform, &spec, test_seed));
    cell = raided(run, &raid_partial_key, 60);
    assert_int_equal(cell.try_count, 10); /* five shares, each before and after */
    transform_release(&run->transform);
    run->transform = learned;
    ward_run_close(run);
}

/* ---- masked gradients ---- */

/* The best of the tries by F's own gradient, through softplus, and of the others. */
struct bests {
    double plain, soft, other;
};

static struct bests compare_tries(const ward_redteam_cell *cell)
{
    struct bests b = {0, 0, 0};

    for (size_t i = 0; i < cell->try_count; i++) {
        const ward_redteam_try *t = &cell->tries[i];
        double *best = strstr(t->what, "softplus") ? &b.soft : t->is_leaky ? &b.other : &b.plain;

        assert_true(best != &b.soft || t->is_leaky);
        *best = fmax(*best, t->accuracy);
    }
    return b;
}

static void another_backward_pass_sees_through_a_mask(void **state)
{
    static const struct {
        enum making making;
        const struct raid *raid;
    } cases[] = {{DEAD, &raid_another_backward_labelled},
                 {SURE, &raid_another_backward_unlabelled}};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        ward_run *run = open_victim(WARD_METHOD_LEARNED, cases[i].making);
        ward_redteam_cell cell = raided(run, cases[i].raid, 40);
        struct bests b = compare_tries(&cell);

        if (!(b.plain < dark_share + 0.05 && b.other >= found))
            fail_msg("victim %zu: %g by its own gradient, %g by another", i, b.plain, b.other);
        ward_run_close(run);
    }
}

/* A straight line lets the unit that is far from open speak as loudly as the one that is near. F
 * with softplus says "dark" of everything, so that what is found was measured on F itself. */
static void softplus_sees_where_straight_lines_mislead(void **state)
{
    ward_run *run = open_victim(WARD_METHOD_LEARNED, DECOY);
    ward_redteam_cell cell = raided(run, &raid_another_backward_labelled, 40);
    struct bests b = compare_tries(&cell);

    (void)state;
    if (!(fmax(b.plain, b.other) < dark_share + 0.05 && b.soft >= found))
        fail_msg("%g by its own gradient, %g by straight lines, %g through softplus", b.plain,
                 b.other, b.soft);
    ward_run_close(run);
}

static size_t relus_trained, softplus_trained;

static void count_and_build(const struct search *s, struct graph *g, struct search_nodes *n)
{
    for (size_t i = 0; i < g->node_count; i++) {
        relus_trained += g->nodes[i].kind == OP_RELU;
        softplus_trained += g->nodes[i].kind == OP_SOFTPLUS;
    }
    search_labels.build(s, g, n);
}

static ward_status attempt_softened(struct thief *t)
{
    static const struct search_loss counted = {.build = count_and_build, .takes_labels = true};
    struct search s = {.thief = t,
                       .classifier = classifier_of(&t->network->spec, NULL),
                       .loss = &counted,
                       .trained = "fc2.",
                       .rate = 0.001,
                       .bound = (double)NAN,
                       .softness = 10};
    struct tensor_list params = {NULL, 0};
    ward_status st = thief_network(t, &params);

    if (!st)
        st = search_run(&s, &params);
    tensor_list_release(&params);
    return st;
}

static const struct raid softened = {
    .name = "softened", .knows = WARD_KNOWS_LABELLED, .attempt = attempt_softened};

static void what_is_trained_is_softened(void **state)
{
    ward_run *run = open_victim(WARD_METHOD_LEARNED, SOUND);

    (void)state;
    relus_trained = softplus_trained = 0;
    assert_true(raided(run, &softened, 40).tries[0].is_leaky);
    assert_int_equal(relus_trained, 0);
    assert_int_equal(softplus_trained, 3);
    ward_run_close(run);
}

/* ---- reading answers ---- */

/* F answers 0 whatever it is shown, and the other logit differs by a millionth. */
static void answers_that_hardly_differ_are_read(void **state)
{
    struct net_spec spec = {"mlp-4x1", 1, SIDE, SIDE, 2};
    ward_run *run = open_victim(WARD_METHOD_LEARNED, SOUND);
    ward_redteam_cell cell;
    double behind = 0, features = 0;

    (void)state;
    net_release(&run->model.net);
    assert_ok(net_init(&run->model.net, &spec, 1));
    for (size_t i = 0; i < 4 * PIXELS; i++)
        set(&run->model.net.params, "fc1.weight", i, 0.1f);
    for (size_t i = 0; i < 2 * 4; i++)
        set(&run->model.net.params, "fc.weight", i, i < 4 ? 0 : 1e-6f);
    set(&run->model.net.params, "fc.bias", 0, 1);
    cell = raided(run, &raid_readout, 20);
    if (!(cell.choice >= found) || !strstr(cell.chosen, "least squares"))
        fail_msg("%.3f (%s)", cell.choice, cell.chosen);
    for (size_t i = 0; i < cell.try_count; i++)
        if (strstr(cell.tries[i].what, "a small network behind the logits"))
            behind = cell.tries[i].accuracy;
        else if (strstr(cell.tries[i].what, "a new last layer, least squares"))
            features = fmax(features, cell.tries[i].accuracy);
    if (!(behind >= found && features >= found))
        fail_msg("%.3f by a small network, %.3f from the features", behind, features);
    ward_run_close(run);
}

/* The bias of one that answers 0 whatever it is shown, little by little. */
static ward_status train_bias(struct thief *t)
{
    struct tensor_list params = {NULL, 0};
    const struct search s = {
        .thief = t,
        .what = "bias",
        .classifier = classifier_of(&t->network->spec, NULL),
        .loss = &search_labels,
        .trained = "fc.bias",
        .rate = 1e-3,
        .bound = (double)NAN,
        .temperature = 1,
    };
    ward_status st = thief_network(t, &params);

    if (!st)
        st = search_run(&s, &params);
    tensor_list_release(&params);
    return st;
}

/* It is right no more often for all of its steps, but it gets there. */
static void a_search_goes_on_while_the_loss_falls(void **state)
{
    static const struct raid raid = {
        .name = "bias", .knows = WARD_KNOWS_LABELLED, .attempt = train_bias};
    struct net_spec spec = {"mlp-4x1", 1, SIDE, SIDE, 2};
    ward_run *run = open_victim(WARD_METHOD_LEARNED, SOUND);
    ward_redteam_cell cell;

    (void)state;
    net_release(&run->model.net);
    assert_ok(net_init(&run->model.net, &spec, 1));
    for (size_t i = 0; i < 2 * 4; i++)
        set(&run->model.net.params, "fc.weight", i, 0);
    set(&run->model.net.params, "fc.bias", 0, 1);
    cell = raided(run, &raid, 20);
    assert_int_equal(cell.images, 160 * 20);
    ward_run_close(run);
}

/* ---- statistics ---- */

/* Grey, less its mean over processed images, is what tells bright from dark. */
static ward_run *open_normed(void)
{
    struct net_spec spec = {"mlp-4x1", 1, SIDE, SIDE, 2};
    ward_run *run = open_victim(WARD_METHOD_LEARNED, SOUND);
    struct tensor_list *params = &run->model.net.params;

    net_release(&run->model.net);
    assert_ok(net_init(&run->model.net, &spec, 1));
    clear(params);
    for (size_t i = 0; i < PIXELS; i++)
        set(params, "fc1.weight", i, 1.0f / PIXELS);
    set(params, "bn1.weight", 0, 1);
    set(params, "bn1.running_mean", 0, 1);
    for (size_t i = 0; i < 4; i++)
        set(params, "bn1.running_var", i, 0.09f);
    set(params, "fc.weight", 0, 40);
    set(params, "fc.bias", 0, -20);
    return run;
}

/* One labelled image alone would say nothing. Nothing is left to train, as all that goes on from
 * such statistics begins as a classifier that is right. */
static void statistics_of_all_raw_images_open_a_batch_norm(void **state)
{
    static const struct budget budget = {.effort = 1, .steps = 160};
    ward_run *run = open_normed();
    ward_redteam_cell labelled, unlabelled;

    (void)state;
    assert_true(raided(run, &raid_direct, 0).choice == dark_share);
    assert_ok(raid_beside(run, &raid_recalibrate_labelled, 1, 59, &budget, &labelled));
    assert_int_equal(labelled.try_count, 4);
    for (size_t i = 0; i < labelled.try_count; i++)
        if (!(labelled.tries[i].accuracy >= found))
            fail_msg("%s: %g", labelled.tries[i].what, labelled.tries[i].accuracy);
    assert_int_equal(labelled.images, 0);
    unlabelled = raided(run, &raid_recalibrate_unlabelled, 60);
    assert_true(unlabelled.choice >= found);
    ward_run_close(run);
}

/* The batches of the labelled one alone are of one image. */
static void images_without_labels_come_first(void **state)
{
    static const struct budget budget = {.effort = 1, .steps = 160};
    ward_run *run = open_victim(WARD_METHOD_GENERATOR, SOUND);
    ward_redteam_cell alone, beside;

    (void)state;
    assert_ok(raid_beside(run, &raid_semi_supervised, 1, 0, &budget, &alone));
    assert_ok(raid_beside(run, &raid_semi_supervised, 1, 59, &budget, &beside));
    assert_true(beside.choice >= found);
    assert_true(beside.images > 10 * alone.images);
    assert_int_equal(beside.try_count, 4);
    assert_string_equal(beside.tries[0].what, "rate 0.003");
    assert_string_equal(beside.tries[1].what, "rate 0.003, then labels");
    assert_true(beside.tries[3].is_leaky);
    ward_run_close(run);
}

static void without_batch_norm_there_is_nothing_to_recalibrate(void **state)
{
    ward_run *run = open_victim(WARD_METHOD_LEARNED, SOUND);
    ward_redteam_cell cell = raided(run, &raid_recalibrate_labelled, 40);

    (void)state;
    assert_int_equal(cell.try_count, 1);
    assert_string_equal(cell.chosen, "no batch norm");
    ward_run_close(run);
}

/* ---- alignment ---- */

/* A dense F in other coordinates: what is grey to everybody is a stripe pattern to it. */
static ward_run *open_turned(void)
{
    struct net_spec spec = {"mlp-4x1", 1, SIDE, SIDE, 2};
    ward_run *run = open_victim(WARD_METHOD_LEARNED, SOUND);

    net_release(&run->model.net);
    assert_ok(net_init(&run->model.net, &spec, 1));
    for (size_t i = 0; i < PIXELS; i++) /* orthogonal to grey */
        for (size_t o = 0; o < 4; o++)
            set(&run->model.net.params, "fc1.weight", o * PIXELS + i,
                o == 0 ? (i % 2 ? 0.125f : -0.125f) : 0);
    for (size_t o = 0; o < 2; o++)
        for (size_t i = 0; i < 4; i++)
            set(&run->model.net.params, "fc.weight", o * 4 + i, 0);
    set(&run->model.net.params, "fc.weight", 0, 4);
    set(&run->model.net.params, "fc.bias", 0, -1);
    return run;
}

static void turned_coordinates_are_found(void **state)
{
    static const struct raid *const raids[] = {
        &raid_align_labelled,
        &raid_align_unlabelled,
        &raid_match_columns_labelled,
        &raid_match_columns_unlabelled,
    };
    ward_run *run = open_turned();

    (void)state;
    for (size_t i = 0; i < sizeof raids / sizeof raids[0]; i++) {
        ward_redteam_cell cell = raided(run, raids[i], 60);
        bool has_labels = raids[i]->knows == WARD_KNOWS_LABELLED;

        /* Without labels, of two classes, nothing says which is which. */
        if (!(cell.choice >= found || (!has_labels && cell.choice <= 1 - found)))
            fail_msg("%s %zu: %g (%s)", raids[i]->name, i, cell.choice, cell.chosen);
    }
    ward_run_close(run);
}

static void a_convolution_is_aligned_as_well(void **state)
{
    (void)state;
    assert_finds(WARD_METHOD_LEARNED, SOUND, &raid_align_labelled, 60);
    assert_finds(WARD_METHOD_LEARNED, SOUND, &raid_match_columns_labelled, 60);
}

/* Every value of a block is read, and no pixel lies outside an image. */
static ward_status look_at_blocks(struct thief *t)
{
    struct align a;
    ward_status st = align_look(&a, t);

    assert_int_equal(a.block, 2);
    assert_int_equal(a.ins, 4);
    for (size_t j = 0; j < a.ins && !st; j++) {
        double squares = 0;

        for (size_t i = 0; i < a.points; i++)
            squares += (double)a.x[i * a.ins + j] * (double)a.x[i * a.ins + j];
        assert_true(squares > 0.9 * (double)a.x[0] * (double)a.x[0] * (double)a.points);
        assert_true(fabs(a.mean[j] - a.mean[0]) < 0.05);
    }
    align_close(&a);
    return st ? st : raid_align_labelled.attempt(t);
}

static void a_mixer_is_aligned_by_its_patches(void **state)
{
    static const struct raid raid = {
        .name = "look", .knows = WARD_KNOWS_LABELLED, .attempt = look_at_blocks};
    struct net_spec spec = {"mixer-2x4x1", 1, SIDE, SIDE, 2};
    ward_run *run = open_victim(WARD_METHOD_LEARNED, SOUND);
    ward_redteam_cell cell;

    (void)state;
    net_release(&run->model.net);
    assert_ok(net_init(&run->model.net, &spec, 1));
    cell = raided(run, &raid, 60);
    if (!(cell.choice >= found))
        fail_msg("%g (%s)", cell.choice, cell.chosen);
    ward_run_close(run);
}

/* Pictures of some blobs, broader and rarer to one side, and a linear layer of a few steps by
 * gradients on them, whose columns a lock has put in another order and turned over. */
enum { GRID = 12, VALUES = GRID * GRID, PICTURES = 600, UNITS = 96, STEPS = 6 };

static void draw_pictures(struct rng *rng, float *x)
{
    for (size_t n = 0; n < PICTURES; n++) {
        float *picture = x + n * VALUES;

        for (size_t blob = 0; blob < 8; blob++) {
            float down = rng_uniform(rng), right = rng_uniform(rng), light = rng_normal(rng);
            float top = GRID * down * down, left = GRID * right * sqrtf(right);
            float width = 1 + (1.5f * left + top) / GRID;

            for (size_t i = 0; i < VALUES; i++) {
                float y = (float)(i / GRID) - top, z = (float)(i % GRID) - left;

                picture[i] += light * expf(-(y * y + z * z) / (2 * width * width));
            }
        }
        for (size_t i = 0; i < VALUES; i++)
            picture[i] += 0.1f * rng_normal(rng);
    }
    for (size_t i = 0; i < VALUES; i++) {
        float mean = 0;

        for (size_t n = 0; n < PICTURES; n++)
            mean += x[n * VALUES + i] / PICTURES;
        for (size_t n = 0; n < PICTURES; n++)
            x[n * VALUES + i] -= mean;
    }
}

/* w [UNITS, VALUES] towards what random units make of the pictures. */
static void train_layer(struct rng *rng, const float *x, float *w)
{
    static float wanted[UNITS * VALUES], step[UNITS * VALUES];

    for (size_t i = 0; i < UNITS * VALUES; i++) {
        wanted[i] = rng_normal(rng);
        w[i] = 0.02f * rng_normal(rng);
    }
    for (size_t s = 0; s < STEPS; s++) {
        memset(step, 0, sizeof step);
        for (size_t n = 0; n < PICTURES; n++)
            for (size_t o = 0; o < UNITS; o++) {
                const float *picture = x + n * VALUES;
                float off = 0;

                for (size_t i = 0; i < VALUES; i++)
                    off += (wanted[o * VALUES + i] - w[o * VALUES + i]) * picture[i];
                for (size_t i = 0; i < VALUES; i++)
                    step[o * VALUES + i] += 0.01f * off * picture[i] / PICTURES;
            }
        for (size_t i = 0; i < UNITS * VALUES; i++)
            w[i] += step[i];
    }
}

/* By chance one column would be the right one. */
static void columns_are_matched_with_the_values_that_they_take(void **state)
{
    static float x[PICTURES * VALUES];
    static float w[UNITS * VALUES], locked[UNITS * VALUES], unlocked[UNITS * VALUES];
    uint32_t order[VALUES], column_of[VALUES];
    float signs[VALUES], turned[VALUES];
    struct alike values, columns;
    size_t right = 0, turned_right = 0;
    struct rng rng;

    (void)state;
    rng_init(&rng, 1, RNG_TEST, 0, 0);
    draw_pictures(&rng, x);
    train_layer(&rng, x, w);
    rng_permutation(&rng, VALUES, order);
    for (size_t i = 0; i < VALUES; i++) {
        turned[i] = rng_below(&rng, 4) ? 1.0f : -1.0f;
        for (size_t o = 0; o < UNITS; o++)
            locked[o * VALUES + order[i]] = turned[i] * w[o * VALUES + i];
    }
    columns_in_order(UNITS, VALUES, locked, order, turned, 1, unlocked);
    assert_memory_equal(unlocked, w, sizeof w);
    assert_ok(alike_init(&values, PICTURES, VALUES, x));
    assert_ok(alike_init(&columns, UNITS, VALUES, locked));
    assert_ok(columns_match(&values, &columns, &rng, NULL, NULL, column_of, signs));
    for (size_t i = 0; i < VALUES; i++) {
        right += column_of[i] == order[i];
        turned_right += column_of[i] == order[i] && signs[i] * turned[i] > 0;
    }
    if (right < VALUES / 4)
        fail_msg("%zu of %d columns are right", right, VALUES);
    if (turned_right != right && turned_right != 0)
        fail_msg("%zu of %zu signs are right", turned_right, right);
    alike_release(&values);
    alike_release(&columns);
}

/* ---- the verdict ---- */

static ward_redteam_result suite_on(enum making making, const char *only)
{
    static const ward_redteam_options nowhere = {.directory = NULL};
    ward_run *run = open_victim(WARD_METHOD_LEARNED, making);
    ward_redteam_settings s;
    ward_redteam_result r;

    ward_redteam_defaults(&s);
    s.only = only;
    assert_ok(ward_redteam(run, device, data, &s, &nowhere, &r));
    ward_run_close(run);
    return r;
}

/* The verdict on one cell of an attack. */
static ward_redteam_verdict verdict_on(enum making making, const struct raid *raid)
{
    ward_run *run = open_victim(WARD_METHOD_LEARNED, making);
    const struct record_subject subject = {.arch = run->model.net.spec.arch};
    struct record_facts facts = {.authorised = 1, .unauthorised = dark_share, .chance = 0.5};
    ward_redteam_cell cell = raided(run, raid, 40);
    ward_redteam_result r = {.test_count = BRIGHT + DARK, .cell_count = 1, .cells = &cell};
    struct split raw;

    cell.is_done = true;
    assert_ok(split_init(&raw, data, WARD_SPLIT_TEST, 0, 0));
    assert_ok(
        score_zero_gradients(device, &run->model.net, &raw, raw.count, &facts.zero_gradients));
    verdict_make(&r, &subject, &facts, &r.verdict);
    split_release(&raw);
    ward_run_close(run);
    return r.verdict;
}

static void a_masked_victim_raises_flags_and_a_sound_one_does_not(void **state)
{
    ward_redteam_verdict v = verdict_on(DEAD, &raid_another_backward_labelled);

    (void)state;
    assert_true(has_flag(&v, "no-gradient") && has_flag(&v, "masked-gradient"));
    v = verdict_on(SURE, &raid_another_backward_unlabelled);
    assert_true(has_flag(&v, "masked-gradient"));
    v = verdict_on(DECOY, &raid_another_backward_labelled);
    assert_true(has_flag(&v, "no-gradient") && has_flag(&v, "masked-gradient"));
    v = verdict_on(SOUND, &raid_another_backward_labelled);
    assert_false(has_flag(&v, "no-gradient") || has_flag(&v, "masked-gradient"));
}

static void random_weights_are_worth_nothing(void **state)
{
    ward_redteam_result r = suite_on(RANDOM, "fine-tune,universal");

    (void)state;
    assert_true(r.verdict.gain_count > 0);
    for (size_t i = 0; i < r.verdict.gain_count; i++)
        if (!(r.verdict.gains[i].advantage < 0.02))
            fail_msg("an advantage of %g with %ju images (%s)", r.verdict.gains[i].advantage,
                     (uintmax_t)r.verdict.gains[i].amount, r.verdict.gains[i].attack);
    ward_redteam_result_release(&r);
}

struct scarce {
    const ward_run *run;
    const struct raid *raid;
};

static ward_status raid_once(void *context)
{
    static const struct budget budget = {.effort = 1, .steps = 1};
    const struct scarce *s = context;
    ward_redteam_cell cell;

    return raid_with(s->run, s->raid, 2, &budget, &cell);
}

static void attacks_survive_failing_allocations(void **state)
{
    ward_run *run = open_victim(WARD_METHOD_LEARNED, SOUND), *dense = open_turned();
    struct scarce scarce[] = {
        {run, &raid_subtract},
        {run, &raid_pair_through},
        {run, &softened},
        {dense, &raid_match_columns_labelled},
    };

    (void)state;
    for (size_t i = 0; i < sizeof scarce / sizeof scarce[0]; i++)
        assert_survives_failing_allocations(raid_once, &scarce[i]);
    ward_run_close(run);
    ward_run_close(dense);
}

static void controls_do_not_count_as_attacks(void **state)
{
    for (size_t i = 0; suite_raid(i); i++)
        if (suite_raid(i)->is_shown)
            assert_true(suite_raid(i)->is_control);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_victim_is_right_only_of_processed_images),
        cmocka_unit_test(copies_fitted_to_pairs_do_what_g_does),
        cmocka_unit_test(a_student_of_the_answers_needs_no_g),
        cmocka_unit_test(one_pair_is_enough_for_a_pattern),
        cmocka_unit_test(keys_are_found_by_steps_that_help),
        cmocka_unit_test(a_key_search_says_what_each_random_key_gives),
        cmocka_unit_test(students_see_all_that_they_hold),
        cmocka_unit_test(a_training_may_show_as_many_images_as_the_owners),
        cmocka_unit_test(labels_train_a_map_of_blocks),
        cmocka_unit_test(a_network_of_another_kind_stands_in_for_g),
        cmocka_unit_test(labels_train_a_front_and_a_map_through_f),
        cmocka_unit_test(a_dense_network_learns_from_one_pair),
        cmocka_unit_test(a_share_of_the_tables_of_a_key_is_still_a_key),
        cmocka_unit_test(answers_are_enough_to_find_a_pattern),
        cmocka_unit_test(perturbing_does_not_keep_attacks_from_working),
        cmocka_unit_test(a_lock_may_come_off_when_f_is_softened),
        cmocka_unit_test(another_backward_pass_sees_through_a_mask),
        cmocka_unit_test(softplus_sees_where_straight_lines_mislead),
        cmocka_unit_test(what_is_trained_is_softened),
        cmocka_unit_test(answers_that_hardly_differ_are_read),
        cmocka_unit_test(a_search_goes_on_while_the_loss_falls),
        cmocka_unit_test(statistics_of_all_raw_images_open_a_batch_norm),
        cmocka_unit_test(images_without_labels_come_first),
        cmocka_unit_test(without_batch_norm_there_is_nothing_to_recalibrate),
        cmocka_unit_test(turned_coordinates_are_found),
        cmocka_unit_test(a_convolution_is_aligned_as_well),
        cmocka_unit_test(a_mixer_is_aligned_by_its_patches),
        cmocka_unit_test(columns_are_matched_with_the_values_that_they_take),
        cmocka_unit_test(a_masked_victim_raises_flags_and_a_sound_one_does_not),
        cmocka_unit_test(random_weights_are_worth_nothing),
        cmocka_unit_test(attacks_survive_failing_allocations),
        cmocka_unit_test(controls_do_not_count_as_attacks),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
