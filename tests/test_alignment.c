/* First layers that are aligned or matched with images, in whatever coordinates they are. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_test.h"
#include "attack/v1/columns.h"
#include "attack/v1/first_layer.h"
#include "raid_fixture.h"

/* ---- alignment ---- */

/* A dense F in other coordinates: what is grey to everybody is a stripe pattern to it. */
static ward_run *open_turned(void)
{
    ward_run *run = open_network("mlp-4x1");

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
    ward_run *run = open_network("mixer-2x4x1");
    ward_redteam_cell cell;

    (void)state;
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

static void matching_survives_failing_allocations(void **state)
{
    ward_run *run = open_turned();
    struct scarce scarce = {run, &raid_match_columns_labelled};

    (void)state;
    assert_survives_failing_allocations(raid_once, &scarce);
    ward_run_close(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turned_coordinates_are_found),
        cmocka_unit_test(a_convolution_is_aligned_as_well),
        cmocka_unit_test(a_mixer_is_aligned_by_its_patches),
        cmocka_unit_test(columns_are_matched_with_the_values_that_they_take),
        cmocka_unit_test(matching_survives_failing_allocations),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
