/* Lowering what a last layer's answers tell of the class, and what stays as it was. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_test.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "train/dependence.h"

enum { FEATURES = 40, CLASSES = 3, RAW = 2500, PROCESSED = 500, MEAN = 12, SPREAD = 20 };

static float raw[RAW * FEATURES], processed[PROCESSED * FEATURES];
static int32_t labels[RAW];

static const struct dependence sample = {.features = FEATURES,
                                         .classes = CLASSES,
                                         .raw_count = RAW,
                                         .raw = raw,
                                         .labels = labels,
                                         .processed_count = PROCESSED,
                                         .processed = processed};

/* Of raw images, one feature has another mean for each class, and many have another deviation.
 * Processed images differ in the first ten features, and hardly in the others. */
static int make_sample(void **state)
{
    struct rng rng;

    (void)state;
    rng_init(&rng, 1, RNG_TEST, 0, 0);
    for (size_t s = 0; s < RAW; s++) {
        labels[s] = (int32_t)rng_below(&rng, CLASSES);
        for (size_t i = 0; i < FEATURES; i++) {
            float spread = i < 10 ? 0.1f : i < SPREAD ? 1 : 0.5f + 0.5f * (float)labels[s];

            raw[s * FEATURES + i] = spread * rng_normal(&rng);
        }
        raw[s * FEATURES + MEAN] += 3 * (float)(labels[s] - 1);
    }
    for (size_t i = 0; i < PROCESSED * FEATURES; i++)
        processed[i] = (i % FEATURES < 10 ? 100 : 0.01f) * rng_normal(&rng);
    return 0;
}

static void draw_weight(float weight[CLASSES * FEATURES])
{
    struct rng rng;

    rng_init(&rng, 2, RNG_TEST, 0, 0);
    for (size_t i = 0; i < CLASSES * FEATURES; i++)
        weight[i] = 0.1f * rng_normal(&rng);
    for (size_t i = 0; i < FEATURES; i++) {
        float mean = (weight[i] + weight[FEATURES + i] + weight[2 * FEATURES + i]) / CLASSES;

        for (size_t c = 0; c < CLASSES; c++)
            weight[c * FEATURES + i] -= mean;
    }
}

static double answer(const float *weight, const float *row)
{
    double sum = 0;

    for (size_t i = 0; i < FEATURES; i++)
        sum += (double)weight[i] * (double)row[i];
    return sum;
}

/* How far apart the classes' means are, in deviations, and their deviations, as logarithms. */
static void compare_classes(const float weight[CLASSES * FEATURES], double *means, double *spreads)
{
    *means = *spreads = 0;
    for (size_t k = 0; k < CLASSES; k++) {
        double mean[CLASSES] = {0}, square[CLASSES] = {0}, count[CLASSES] = {0};

        for (size_t s = 0; s < RAW; s++) {
            double y = answer(weight + k * FEATURES, raw + s * FEATURES);

            mean[labels[s]] += y;
            square[labels[s]] += y * y;
            count[labels[s]]++;
        }
        for (size_t c = 0; c < CLASSES; c++) {
            mean[c] /= count[c];
            square[c] = sqrt(square[c] / count[c] - mean[c] * mean[c]);
        }
        *means = fmax(*means, fabs(mean[0] - mean[2]) / square[1]);
        *spreads = fmax(*spreads, fabs(log(square[0] / square[2])));
    }
}

static void classes_look_alike_afterwards(void **state)
{
    float weight[CLASSES * FEATURES];
    double means[2], spreads[2];

    (void)state;
    draw_weight(weight);
    compare_classes(weight, &means[0], &spreads[0]);
    assert_int_equal(dependence_lower(&sample, 1, weight), WARD_OK);
    compare_classes(weight, &means[1], &spreads[1]);
    if (!(means[0] > 0.2 && spreads[0] > 0.2))
        fail_msg("means %.3f, deviations %.3f", means[0], spreads[0]);
    if (!(means[1] < means[0] / 3 && spreads[1] < spreads[0] / 3))
        fail_msg("means %.3f, then %.3f; deviations %.3f, then %.3f", means[0], means[1],
                 spreads[0], spreads[1]);
}

static double told(const float weight[CLASSES * FEATURES])
{
    double nats = NAN;

    assert_int_equal(dependence_told(&sample, weight, &nats), WARD_OK);
    return nats;
}

/* 0 of answers without the class; log 3 where the largest is the class's own. */
static void what_the_largest_answer_tells_is_known_of_known_answers(void **state)
{
    float weight[CLASSES * FEATURES] = {0};
    double share[CLASSES] = {0}, entropy = 0;
    struct dependence known = sample;
    float features[RAW * FEATURES] = {0};
    double nats;

    (void)state;
    assert_true(fabs(told(weight)) < 1e-9);
    known.raw = features;
    for (size_t c = 0; c < CLASSES; c++)
        weight[c * FEATURES + (c + 1) % CLASSES] = 1e-6f; /* another class, but always the same */
    for (size_t s = 0; s < RAW; s++) {
        features[s * FEATURES + (size_t)labels[s]] = 1;
        share[labels[s]] += 1.0 / RAW;
    }
    for (size_t c = 0; c < CLASSES; c++)
        entropy -= share[c] * log(share[c]);
    assert_int_equal(dependence_told(&known, weight, &nats), WARD_OK);
    assert_true(fabs(nats - entropy) < 1e-9);
}

/* A few images of another size have nearly all of the variance. The answers to the others tell
 * nothing, so no change is any better. */
static void a_change_that_tells_more_is_not_made(void **state)
{
    float weight[CLASSES * FEATURES], changed[CLASSES * FEATURES];
    double before;

    draw_weight(weight);
    before = told(weight);
    assert_int_equal(dependence_lower(&sample, 1, weight), WARD_OK);
    assert_true(told(weight) < before / 2);

    draw_weight(weight);
    for (size_t c = 0; c < CLASSES; c++)
        for (size_t i = 0; i < FEATURES; i++)
            if (i == MEAN || i >= SPREAD)
                weight[c * FEATURES + i] = 0;
    for (size_t i = 0; i < 3 * FEATURES; i++)
        raw[i] *= 1e5f;
    memcpy(changed, weight, sizeof changed);
    assert_true(told(weight) < 0.003);
    assert_int_equal(dependence_lower(&sample, 1, changed), WARD_OK);
    assert_memory_equal(changed, weight, sizeof changed);
    make_sample(state);
}

static void answers_to_processed_images_stay(void **state)
{
    float before[CLASSES * FEATURES], after[CLASSES * FEATURES];
    double moved = 0, size = 0;

    (void)state;
    draw_weight(before);
    draw_weight(after);
    assert_int_equal(dependence_lower(&sample, 1, after), WARD_OK);
    for (size_t s = 0; s < PROCESSED; s++)
        for (size_t k = 0; k < CLASSES; k++) {
            const float *row = processed + s * FEATURES;
            double was = answer(before + k * FEATURES, row);

            moved += pow(answer(after + k * FEATURES, row) - was, 2);
            size += was * was;
        }
    if (!(moved < 0.01 * size))
        fail_msg("%.3g of the squares", moved / size);
    for (size_t i = 0; i < FEATURES; i++)
        assert_true(fabsf(after[i] + after[FEATURES + i] + after[2 * FEATURES + i]) < 1e-5f);
}

static void threads_and_repeats_make_no_difference(void **state)
{
    float one[CLASSES * FEATURES], two[CLASSES * FEATURES], other[CLASSES * FEATURES];
    unsigned threads = parallel_threads();

    (void)state;
    draw_weight(one);
    draw_weight(two);
    draw_weight(other);
    parallel_set_threads(1);
    assert_int_equal(dependence_lower(&sample, 1, one), WARD_OK);
    parallel_set_threads(2);
    assert_int_equal(dependence_lower(&sample, 1, two), WARD_OK);
    parallel_set_threads(threads);
    assert_memory_equal(one, two, sizeof one);
    assert_int_equal(dependence_lower(&sample, 2, other), WARD_OK);
    assert_memory_not_equal(one, other, sizeof one);
}

static void too_few_images_change_nothing(void **state)
{
    float weight[CLASSES * FEATURES], before[CLASSES * FEATURES];
    struct dependence few = sample;

    (void)state;
    draw_weight(weight);
    draw_weight(before);
    few.raw_count = 40;
    assert_int_equal(dependence_lower(&few, 1, weight), WARD_OK);
    assert_memory_equal(weight, before, sizeof weight);
}

static ward_status lower_once(void *context)
{
    float weight[CLASSES * FEATURES];
    struct dependence some = sample;

    (void)context;
    draw_weight(weight);
    some.raw_count = 60;
    return dependence_lower(&some, 1, weight);
}

static void every_failing_allocation_is_reported_and_leaks_nothing(void **state)
{
    (void)state;
    assert_true(assert_survives_failing_allocations(lower_once, NULL) > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_look_alike_afterwards),
        cmocka_unit_test(what_the_largest_answer_tells_is_known_of_known_answers),
        cmocka_unit_test(a_change_that_tells_more_is_not_made),
        cmocka_unit_test(answers_to_processed_images_stay),
        cmocka_unit_test(threads_and_repeats_make_no_difference),
        cmocka_unit_test(too_few_images_change_nothing),
        cmocka_unit_test(every_failing_allocation_is_reported_and_leaks_nothing),
    };

    return cmocka_run_group_tests(tests, make_sample, NULL);
}
