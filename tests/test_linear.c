/* Least squares, principal axes, and how alike columns are. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_test.h"
#include "tensor/linear.h"

static void assert_ok(ward_status st)
{
    if (st)
        fail_msg("%s", ward_error_message());
}

static void draw(float *values, size_t count, uint64_t sample)
{
    struct rng rng;

    rng_init(&rng, 5, RNG_TEST, 0, sample);
    for (size_t i = 0; i < count; i++)
        values[i] = rng_normal(&rng);
}

static void the_first_of_the_largest_products_is_found(void **state)
{
    static const float weight[] = {1, 0, -2, 0, 0, 3, 0, 3};

    (void)state;
    assert_int_equal(largest_product(4, 2, weight, (float[]){5, 1}), 0);
    assert_int_equal(largest_product(4, 2, weight, (float[]){-5, 1}), 1);
    assert_int_equal(largest_product(4, 2, weight, (float[]){1, 1}), 2);
    assert_int_equal(largest_product(4, 2, weight, (float[]){0, 0}), 0);
}

static void a_linear_map_is_known_from_as_many_points_as_values(void **state)
{
    enum { D = 43, M = 3, MANY = 230 };
    static float x[MANY * D], y[MANY * M], map[M * D], weight[M * D];

    (void)state;
    draw(x, MANY * D, 0);
    draw(map, M * D, 1);
    for (size_t i = 0; i < MANY * M; i++)
        for (size_t j = 0; j < D; j++)
            y[i] += map[i % M * D + j] * x[i / M * D + j];
    for (size_t n = D; n <= MANY; n += MANY - D) {
        assert_ok(linear_fit(n, D, M, x, y, 1e-9, weight));
        for (size_t i = 0; i < M * D; i++)
            if (fabsf(weight[i] - map[i]) > 1e-3f)
                fail_msg("%zu points, weight %zu: %g, expected %g", n, i, (double)weight[i],
                         (double)map[i]);
    }
}

static void a_ridge_pulls_to_zero_what_few_points_say(void **state)
{
    const float x[] = {2, 0, 1, 0}, y[] = {6, 3}; /* y = 3 x_0; x_1 never differs from 0 */
    float weight[2];

    (void)state;
    assert_ok(linear_fit(2, 2, 1, x, y, 1e-9, weight));
    assert_true(fabsf(weight[0] - 3) < 1e-4f && fabsf(weight[1]) < 1e-6f);
    assert_ok(linear_fit(2, 2, 1, x, y, 2, weight)); /* the mean square is 5 / 2 */
    assert_true(fabsf(weight[0] - 1.5f) < 1e-4f && fabsf(weight[1]) < 1e-6f);
}

static void values_that_are_not_finite_are_an_error(void **state)
{
    const float bad[] = {1, 2, 3, INFINITY}, worse[] = {1, NAN, 3, 4}, good[] = {1, 2, 3, 5};
    float weight[4], bias[2];

    (void)state;
    assert_int_equal(linear_fit(4, 1, 1, bad, good, 1e-9, weight), WARD_ERR_NUMERIC);
    assert_int_equal(affine_fit(2, 2, bad, good, 1e-9, weight, bias), WARD_ERR_NUMERIC);
    assert_int_equal(linear_fit(4, 1, 1, good, worse, 1e-9, weight), WARD_ERR_NUMERIC);
    assert_int_equal(linear_fit(2, 2, 2, good, bad, 1e-9, weight), WARD_ERR_NUMERIC);
    assert_int_equal(affine_fit(2, 2, good, worse, 1e-9, weight, bias), WARD_ERR_NUMERIC);
}

static void an_affine_map_is_known_from_one_pair_more_than_values(void **state)
{
    enum { D = 6, MANY = 30 };
    float x[MANY * D], y[MANY * D], map[D * D], shift[D], weight[D * D], bias[D];
    struct rng rng;

    (void)state;
    rng_init(&rng, 3, RNG_TEST, 0, 0);
    for (size_t i = 0; i < D * D; i++)
        map[i] = rng_normal(&rng);
    for (size_t i = 0; i < D; i++)
        shift[i] = rng_normal(&rng);
    for (size_t i = 0; i < MANY * D; i++)
        x[i] = rng_normal(&rng);
    for (size_t s = 0; s < MANY; s++)
        for (size_t i = 0; i < D; i++) {
            y[s * D + i] = shift[i];
            for (size_t j = 0; j < D; j++)
                y[s * D + i] += map[i * D + j] * x[s * D + j];
        }
    for (size_t n = D + 1; n <= MANY; n += MANY - D - 1) {
        assert_ok(affine_fit(n, D, x, y, 1e-9, weight, bias));
        for (size_t i = 0; i < D * D; i++)
            if (fabsf(weight[i] - map[i]) > 1e-3f)
                fail_msg("%zu pairs, weight %zu: %g, expected %g", n, i, (double)weight[i],
                         (double)map[i]);
        for (size_t i = 0; i < D; i++)
            assert_true(fabsf(bias[i] - shift[i]) < 1e-3f);
    }
}

static void unseen_directions_stay_as_they_are(void **state)
{
    const float x[] = {0, 5, 1, 5, 2, 5}, y[] = {1, 6, 3, 6, 5, 6}; /* 2 x + 1; x + 1 */
    float weight[4], bias[2];

    (void)state;
    assert_ok(affine_fit(3, 2, x, y, 1e-9, weight, bias));
    assert_true(fabsf(weight[0] - 2) < 1e-3f && fabsf(weight[1]) < 1e-3f);
    assert_true(fabsf(weight[2]) < 1e-3f && fabsf(weight[3] - 1) < 1e-3f);
    assert_true(fabsf(bias[0] - 1) < 1e-3f && fabsf(bias[1] - 1) < 1e-3f);
}

static void axes_come_strongest_first_and_orthonormal(void **state)
{
    enum { N = 200, D = 5, R = 3 };
    static const float spreads[D] = {0.1f, 3, 0.2f, 1, 0.5f};
    static const size_t expected[R] = {1, 3, 4};
    float x[N * D];
    double axes[R * D], strength[R];
    struct rng rng;

    (void)state;
    rng_init(&rng, 4, RNG_TEST, 0, 0);
    for (size_t i = 0; i < N * D; i++)
        x[i] = spreads[i % D] * rng_normal(&rng);
    assert_ok(principal_axes(N, D, x, R, &rng, axes, strength));
    for (size_t i = 0; i < R; i++) {
        double length = 0;

        for (size_t j = 0; j < D; j++)
            length += axes[i * D + j] * axes[i * D + j];
        if (fabs(length - 1) > 1e-9 || fabs(axes[i * D + expected[i]]) < 0.97)
            fail_msg("axis %zu: length %g, %g along %zu", i, length, axes[i * D + expected[i]],
                     expected[i]);
        assert_true(i == 0 || strength[i] <= strength[i - 1]);
    }
}

/* More values than points. */
static void few_points_have_few_axes(void **state)
{
    enum { N = 3, D = 40, R = 2 };
    float x[N * D] = {0};
    double axes[R * D], strength[R];
    struct rng rng;

    (void)state;
    rng_init(&rng, 4, RNG_TEST, 0, 0);
    x[7] = 3;
    x[D + 30] = -2;
    x[2 * D + 7] = 4;
    assert_ok(principal_axes(N, D, x, R, &rng, axes, strength));
    assert_true(fabs(fabs(axes[7]) - 1) < 1e-9 && fabs(fabs(axes[D + 30]) - 1) < 1e-9);
    assert_true(fabs(strength[0] - 5) < 1e-9 && fabs(strength[1] - 2) < 1e-9);
}

/* Features of which some are always zero, and more axes asked for than the others have. */
static void axes_that_are_not_there_are_zero(void **state)
{
    enum { N = 200, D = 64, LIVE = 20, R = 32 };
    static float x[N * D], rest[N * D];
    static double axes[R * D], strength[R];
    struct rng rng;

    (void)state;
    draw(x, N * D, 3);
    for (size_t i = 0; i < N * D; i++)
        x[i] = i % D < LIVE && x[i] > 0 ? x[i] * (float)(1 + i % D) : 0;
    memcpy(rest, x, sizeof x);
    rng_init(&rng, 4, RNG_TEST, 0, 0);
    assert_ok(principal_axes(N, D, x, R, &rng, axes, strength));
    for (size_t i = 0; i < R; i++)
        for (size_t j = 0; j <= i; j++) {
            double product = 0;

            for (size_t k = 0; k < D; k++)
                product += axes[i * D + k] * axes[j * D + k];
            if (fabs(product - (i == j && i < LIVE)) > 1e-9)
                fail_msg("axes %zu and %zu: %g", i, j, product);
        }
    assert_true(strength[LIVE - 1] > 1 && strength[LIVE] <= 0);
    assert_ok(take_out_axes(R, D, axes, N, rest));
    for (size_t i = 0; i < N * D; i++)
        assert_true(fabsf(rest[i]) < 1e-4f);
}

/* In sizes that are no multiples of what the loops take at a time. */
static void what_lies_along_axes_is_taken_out_and_the_rest_stays(void **state)
{
    enum { N = 71, D = 75, R = 37 };
    static float x[N * D], rest[N * D];
    static double axes[R * D];
    struct rng rng;

    (void)state;
    draw(x, N * D, 2);
    memcpy(rest, x, sizeof x);
    rng_init(&rng, 4, RNG_TEST, 0, 0);
    assert_ok(principal_axes(N, D, x, R, &rng, axes, NULL));
    assert_ok(take_out_axes(R, D, axes, N, rest));
    for (size_t i = 0; i < N; i++) {
        double along[R] = {0};

        for (size_t k = 0; k < R; k++) {
            double left = 0;

            for (size_t j = 0; j < D; j++) {
                along[k] += axes[k * D + j] * (double)x[i * D + j];
                left += axes[k * D + j] * (double)rest[i * D + j];
            }
            assert_true(fabs(left) < 1e-5);
        }
        for (size_t j = 0; j < D; j++) {
            double again = (double)rest[i * D + j];

            for (size_t k = 0; k < R; k++)
                again += along[k] * axes[k * D + j];
            assert_true(fabs(again - (double)x[i * D + j]) < 1e-5);
        }
    }
}

static void columns_are_alike_by_the_cosine_of_their_angle(void **state)
{
    static const float x[] = {1, 3, -2, 0, 2, 4, -4, 0, 2, 0, -4, 0};
    const double third = 11 / 15.0; /* (3 + 8) / (3 5) */
    const double expected[] = {1, third, -1, 0, third, 1, -third, 0, -1, -third, 1, 0, 0, 0, 0, 0};
    float cosines[16];
    double lengths[4];

    (void)state;
    assert_ok(column_cosines(3, 4, x, cosines, lengths));
    for (size_t i = 0; i < 16; i++)
        if (fabs((double)cosines[i] - expected[i]) > 1e-6)
            fail_msg("%zu: %g, expected %g", i, (double)cosines[i], expected[i]);
    assert_true(fabs(lengths[0] - 3) < 1e-9 && fabs(lengths[2] - 6) < 1e-9);
    assert_true(lengths[3] <= 0);
}

static ward_status attempt(void *context)
{
    const float x[] = {0, 5, 1, 5, 2, 5}, y[] = {1, 6, 3, 6, 5, 6};
    float weight[4], bias[2], cosines[4];
    double axes[4], strength[2];
    struct rng rng;
    ward_status st = linear_fit(3, 2, 2, x, y, 1e-9, weight);

    (void)context;
    rng_init(&rng, 4, RNG_TEST, 0, 0);
    if (!st)
        st = affine_fit(3, 2, x, y, 1e-9, weight, bias);
    if (!st)
        st = principal_axes(3, 2, x, 2, &rng, axes, strength);
    if (!st)
        st = column_cosines(3, 2, x, cosines, strength);
    return st ? st : take_out_axes(1, 2, axes, 1, weight);
}

static void every_failing_allocation_is_reported_and_leaks_nothing(void **state)
{
    (void)state;
    assert_true(assert_survives_failing_allocations(attempt, NULL) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_of_the_largest_products_is_found),
        cmocka_unit_test(a_linear_map_is_known_from_as_many_points_as_values),
        cmocka_unit_test(a_ridge_pulls_to_zero_what_few_points_say),
        cmocka_unit_test(values_that_are_not_finite_are_an_error),
        cmocka_unit_test(an_affine_map_is_known_from_one_pair_more_than_values),
        cmocka_unit_test(unseen_directions_stay_as_they_are),
        cmocka_unit_test(axes_come_strongest_first_and_orthonormal),
        cmocka_unit_test(few_points_have_few_axes),
        cmocka_unit_test(axes_that_are_not_there_are_zero),
        cmocka_unit_test(what_lies_along_axes_is_taken_out_and_the_rest_stays),
        cmocka_unit_test(columns_are_alike_by_the_cosine_of_their_angle),
        cmocka_unit_test(every_failing_allocation_is_reported_and_leaks_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
