/* Attacks of suite v1: with pairs, keys and labels, by answers, and by statistics. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_test.h"
#include "attack/search.h"
#include "raid_fixture.h"

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
    ward_run *run = open_network("mlp-4x1");
    ward_redteam_cell cell;

    (void)state;
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

/* ---- softened ---- */

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
    ward_run *run = open_network("mlp-4x1");
    ward_redteam_cell cell;
    double behind = 0, features = 0;

    (void)state;
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
    ward_run *run = open_network("mlp-4x1");
    ward_redteam_cell cell;

    (void)state;
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
    ward_run *run = open_network("mlp-4x1");
    struct tensor_list *params = &run->model.net.params;

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

/* ---- the suite ---- */

static void attacks_survive_failing_allocations(void **state)
{
    ward_run *run = open_victim(WARD_METHOD_LEARNED, SOUND);
    struct scarce scarce[] = {
        {run, &raid_subtract},
        {run, &raid_pair_through},
        {run, &softened},
    };

    (void)state;
    for (size_t i = 0; i < sizeof scarce / sizeof scarce[0]; i++)
        assert_survives_failing_allocations(raid_once, &scarce[i]);
    ward_run_close(run);
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
        cmocka_unit_test(answers_are_enough_to_find_a_pattern),
        cmocka_unit_test(perturbing_does_not_keep_attacks_from_working),
        cmocka_unit_test(a_lock_may_come_off_when_f_is_softened),
        cmocka_unit_test(labels_train_a_front_and_a_map_through_f),
        cmocka_unit_test(a_dense_network_learns_from_one_pair),
        cmocka_unit_test(a_share_of_the_tables_of_a_key_is_still_a_key),
        cmocka_unit_test(what_is_trained_is_softened),
        cmocka_unit_test(answers_that_hardly_differ_are_read),
        cmocka_unit_test(a_search_goes_on_while_the_loss_falls),
        cmocka_unit_test(statistics_of_all_raw_images_open_a_batch_norm),
        cmocka_unit_test(images_without_labels_come_first),
        cmocka_unit_test(without_batch_norm_there_is_nothing_to_recalibrate),
        cmocka_unit_test(attacks_survive_failing_allocations),
        cmocka_unit_test(controls_do_not_count_as_attacks),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
