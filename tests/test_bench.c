/* Benchmarks: that what is reported adds up. Nothing here depends on how fast anything is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <math.h>
#include <string.h>
#include <cmocka.h>

#include "alloc_test.h"
#include "bench/machine.h"
#include "compute/onednn/gemm.h"
#include "ward/bench.h"

static ward_device *device;

static int open_device(void **state)
{
    (void)state;
    ward_set_threads(1);
    return ward_device_open(&device, "cpu") ? -1 : 0;
}

static int close_device(void **state)
{
    (void)state;
    ward_device_close(device);
    return 0;
}

/* As short as can be: two images of 1 x 8 x 8. */
static ward_bench_config small(ward_bench_work work, const char *arch, ward_method method)
{
    ward_bench_config config;

    ward_bench_defaults(&config, work, arch, method);
    config.height = config.width = 8;
    config.batch = 2;
    config.seconds = 0;
    return config;
}

static ward_bench_result measure(const ward_bench_config *config)
{
    ward_bench_result result;
    ward_status st = ward_bench(device, config, &result, NULL, NULL);

    if (st)
        fail_msg("%s: %s", ward_status_name(st), ward_error_message());
    return result;
}

static void assert_close(const char *what, double is, double should)
{
    if (!(fabs(is - should) <= 1e-9 * fabs(should)))
        fail_msg("%s: expected %.12g, got %.12g", what, should, is);
}

static void check_result(const ward_bench_config *config, const ward_bench_result *r)
{
    assert_true(r->repeats >= 3);
    assert_int_equal(r->threads, 1);
    assert_true(r->low_ms > 0 && r->low_ms <= r->median_ms && r->median_ms <= r->high_ms);
    assert_close("images", r->images_per_s, 1e3 * (double)config->batch / r->median_ms);
    assert_close("rate", r->gflops, 1e3 * r->gflop / r->median_ms);
    assert_close("share", r->share, r->gflops / r->sgemm_gflops);
    assert_true(r->sgemm_gflops > 0 && isfinite(r->sgemm_gflops));
    assert_true(r->peak_rss_mib > 1);
}

static void test_every_work_and_method_adds_up(void **state)
{
    (void)state;
    for (int work = WARD_BENCH_TRAIN; work <= WARD_BENCH_TRANSFORM; work++)
        for (int method = WARD_METHOD_BASELINE; method <= WARD_METHOD_KEYED; method++) {
            ward_bench_config config =
                small((ward_bench_work)work, "simple-cnn", (ward_method)method);
            ward_bench_result result;

            if (work == WARD_BENCH_TRANSFORM && method == WARD_METHOD_BASELINE)
                continue;
            result = measure(&config);
            check_result(&config, &result);
        }
}

/* By hand, for one image of 1 x 8 x 8: two 3 x 3 convolutions, each followed by a pool, two dense
 * layers; the generator's 5 x 5 to 16 channels and its 1 x 1 back. */
static const double conv1 = 64.0 * 32 * 9, conv2 = 16.0 * 64 * 32 * 9, dense1 = 256.0 * 1024,
                    dense2 = 1024.0 * 10, g1 = 64.0 * 16 * 25, g2 = 64.0 * 16;

static void test_operations_are_counted_by_definition(void **state)
{
    const double f = conv1 + conv2 + dense1 + dense2, g = g1 + g2;
    const struct {
        ward_bench_work work;
        ward_method method;
        double raw_share, macs; /* an image */
    } cases[] = {
        {WARD_BENCH_INFER, WARD_METHOD_BASELINE, 1, f},
        {WARD_BENCH_INFER, WARD_METHOD_GENERATOR, 1, f + g},
        {WARD_BENCH_TRANSFORM, WARD_METHOD_GENERATOR, 1, g},
        {WARD_BENCH_TRANSFORM, WARD_METHOD_LEARNED, 1, 0},
        {WARD_BENCH_TRAIN, WARD_METHOD_BASELINE, 1, 3 * f - conv1},
        {WARD_BENCH_TRAIN, WARD_METHOD_GENERATOR, 1, 2 * 3 * f + 3 * g - g1},
        {WARD_BENCH_TRAIN, WARD_METHOD_GENERATOR, 0.5, 1.5 * 3 * f + 3 * g - g1},
        {WARD_BENCH_TRAIN, WARD_METHOD_GENERATOR, 0, 3 * f + 3 * g - g1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ward_bench_config config = small(cases[i].work, "simple-cnn", cases[i].method);
        char what[32];

        config.raw_share = cases[i].raw_share;
        snprintf(what, sizeof what, "case %zu", i);
        assert_close(what, measure(&config).gflop, 2e-9 * cases[i].macs * (double)config.batch);
    }
}

struct sum {
    double ms, gflop;
    bool has_sgd, has_rest, has_layer;
};

static void add_step(void *context, const ward_bench_step *step)
{
    struct sum *sum = context;

    assert_true(step->forward_ms >= 0 && step->backward_ms >= 0);
    sum->ms += step->forward_ms + step->backward_ms;
    sum->gflop += step->forward_gflop + step->backward_gflop;
    sum->has_sgd = sum->has_sgd || strcmp(step->name, "SGD") == 0;
    sum->has_rest = sum->has_rest || strcmp(step->name, "rest") == 0;
    if (strcmp(step->layer, "transform.conv1") == 0)
        sum->has_layer = strlen(step->implementation) > 0;
}

static void test_a_profile_accounts_for_all_operations_and_all_time(void **state)
{
    (void)state;
    for (int work = WARD_BENCH_TRAIN; work <= WARD_BENCH_TRANSFORM; work++) {
        ward_bench_config config = small((ward_bench_work)work, "resnet8", WARD_METHOD_GENERATOR);
        ward_bench_result result;
        struct sum sum = {.ms = 0};

        assert_int_equal(ward_bench(device, &config, &result, add_step, &sum), WARD_OK);
        assert_close("operations", sum.gflop, result.gflop);
        assert_true(sum.ms > 0);
        assert_true(sum.has_rest && sum.has_layer);
        assert_int_equal(sum.has_sgd, work == WARD_BENCH_TRAIN);
    }
}

static void refuses(ward_bench_config config, const char *text)
{
    ward_bench_result result, untouched;

    memset(&result, 0x5a, sizeof result);
    memcpy(&untouched, &result, sizeof result);
    assert_int_equal(ward_bench(device, &config, &result, NULL, NULL), WARD_ERR_ARG);
    if (!strstr(ward_error_message(), text))
        fail_msg("'%s' is not in: %s", text, ward_error_message());
    assert_memory_equal(&result, &untouched, sizeof result);
}

static void test_settings_out_of_range_are_refused(void **state)
{
    const ward_bench_config good = small(WARD_BENCH_TRAIN, "simple-cnn", WARD_METHOD_GENERATOR);
    ward_bench_config c;

    (void)state;
    refuses(small(WARD_BENCH_TRANSFORM, NULL, WARD_METHOD_BASELINE), "baseline");
    refuses(small(WARD_BENCH_INFER, "vgg", WARD_METHOD_BASELINE), "vgg");
    refuses(small(WARD_BENCH_INFER, NULL, WARD_METHOD_BASELINE), "arch");
    refuses(small(WARD_BENCH_TRAIN, "simple-cnn", (ward_method)77), "77");
    c = good;
    c.batch = 0;
    refuses(c, "batch");
    c = good;
    c.batch = 65537;
    refuses(c, "batch");
    c = good;
    c.raw_share = 1.5;
    refuses(c, "raw_share");
    c = good;
    c.seconds = (double)NAN;
    refuses(c, "seconds");
    c = good;
    c.height = 0;
    refuses(c, "1 x 0 x 8");
    c = good;
    c.channels = c.height = c.width = SIZE_MAX;
    refuses(c, "no network");
}

static ward_status attempt(void *context)
{
    ward_bench_result result;

    return ward_bench(device, context, &result, NULL, NULL);
}

static void test_running_out_of_memory_is_reported(void **state)
{
    ward_bench_config config = small(WARD_BENCH_TRANSFORM, NULL, WARD_METHOD_LEARNED);

    (void)state;
    assert_true(assert_survives_failing_allocations(attempt, &config) > 5);
}

static void test_the_product_of_matrices_is_one(void **state)
{
    const float a[] = {1, 2, 3, 4}, b[] = {5, 6, 7, 8}, expected[] = {19, 22, 43, 50};
    float c[4];

    (void)state;
    assert_int_equal(dnn_gemm(2, a, b, c), WARD_OK);
    assert_memory_equal(c, expected, sizeof c);
}

static void test_the_machines_rate_is_the_median_of_the_fastest_size(void **state)
{
    /* The first size at 1, 2 and 4 times 10^9 operations a second; the others slower. */
    static struct machine m = {.runs = 3};
    const double operations = 2.0 * 1024 * 1024 * 1024;

    (void)state;
    for (size_t run = 0; run < 3; run++) {
        m.seconds[0][run] = operations / 1e9 / (double)(1 << (2 - run));
        m.seconds[1][run] = m.seconds[2][run] = 1e3;
    }
    assert_close("rate", machine_gflops(&m), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_work_and_method_adds_up),
        cmocka_unit_test(test_operations_are_counted_by_definition),
        cmocka_unit_test(test_a_profile_accounts_for_all_operations_and_all_time),
        cmocka_unit_test(test_settings_out_of_range_are_refused),
        cmocka_unit_test(test_running_out_of_memory_is_reported),
        cmocka_unit_test(test_the_product_of_matrices_is_one),
        cmocka_unit_test(test_the_machines_rate_is_the_median_of_the_fastest_size),
    };

    return cmocka_run_group_tests_name("bench", tests, open_device, close_device);
}
