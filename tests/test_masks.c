/* Gradients that are masked, what sees through them, and the verdict that says so. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "attack/record.h"
#include "attack/score.h"
#include "raid_fixture.h"
#include "verdict_fixture.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_backward_pass_sees_through_a_mask),
        cmocka_unit_test(softplus_sees_where_straight_lines_mislead),
        cmocka_unit_test(a_masked_victim_raises_flags_and_a_sound_one_does_not),
        cmocka_unit_test(random_weights_are_worth_nothing),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
