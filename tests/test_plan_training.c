/* What a plan does in training: running statistics, dropout, gradients. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <math.h>
#include <cmocka.h>

#include "base/rng.h"
#include "compute/device.h"
#include "plan_fixture.h"

/* ---- batch norm's running statistics ---- */

static void load(struct fixture *f, size_t p, float value)
{
    assert_int_equal(plan_load(f->plan, p, PLAN_VALUE, &value), WARD_OK);
}

static void assert_param(struct fixture *f, size_t p, float should)
{
    float is;

    assert_int_equal(plan_store(f->plan, p, PLAN_VALUE, &is), WARD_OK);
    assert_near(f->graph.params[p].name, &is, &should, 1);
}

/* Scale 1, shift 0, running mean 10, running variance 20. */
static void setup_batch_norm(struct fixture *f, const char *device, enum bn_mode mode, bool keeps)
{
    static const float start[] = {1, 0, 10, 20};

    setup(f, device, (struct dims){2, 1, 1, 2});
    keep(f, graph_batch_norm(&f->graph, f->x, "bn", keeps, false));
    f->options.bn = mode;
    compile(f);
    for (size_t p = 0; p < 4; p++)
        load(f, p, start[p]);
}

/* Mean 3, biased variance 5, unbiased 20/3. */
static const float batch[] = {0, 2, 4, 6};
/* Mean 7, unbiased variance 0. */
static const float flat_batch[] = {7, 7, 7, 7};

static void follows_the_batch(const char *device)
{
    static const float expected[] = {-1.3416395f, -0.4472132f, 0.4472132f, 1.3416395f};
    struct fixture f;

    setup_batch_norm(&f, device, BN_BATCH, true);
    fill(&f, batch);
    assert_int_equal(plan_forward(f.plan), WARD_OK);
    assert_near("normalised", plan_output(f.plan, f.options.outputs[0]), expected, 4);
    assert_param(&f, 2, 0.9f * 10 + 0.1f * 3);
    assert_param(&f, 3, 0.9f * 20 + 0.1f * 20 / 3);
    teardown(&f);
}

static void test_training_moves_running_statistics_as_pytorch_does(void **state)
{
    (void)state;
    on_every_device(follows_the_batch);
}

static void leaves_statistics_alone(const char *device)
{
    struct fixture f;

    setup_batch_norm(&f, device, BN_BATCH, false);
    fill(&f, batch);
    assert_int_equal(plan_forward(f.plan), WARD_OK);
    assert_param(&f, 2, 10);
    assert_param(&f, 3, 20);
    teardown(&f);
    setup_batch_norm(&f, device, BN_RUNNING, true);
    fill(&f, batch);
    assert_int_equal(plan_forward(f.plan), WARD_OK);
    assert_near("normalised", plan_output(f.plan, f.options.outputs[0]),
                (const float[]){-2.2360674f, -1.7888539f, -1.3416404f, -0.8944270f}, 4);
    assert_param(&f, 2, 10);
    assert_param(&f, 3, 20);
    teardown(&f);
}

static void test_running_statistics_stay_where_the_node_or_the_mode_says_so(void **state)
{
    (void)state;
    on_every_device(leaves_statistics_alone);
}

static void averages_over_runs(const char *device)
{
    struct fixture f;

    setup_batch_norm(&f, device, BN_RECALIBRATE, true);
    fill(&f, batch);
    assert_int_equal(plan_forward(f.plan), WARD_OK);
    assert_param(&f, 2, 3);
    assert_param(&f, 3, 20.0f / 3);
    assert_int_equal(plan_forward(f.plan), WARD_OK);
    fill(&f, flat_batch);
    assert_int_equal(plan_forward(f.plan), WARD_OK);
    assert_param(&f, 2, 13.0f / 3);
    assert_param(&f, 3, 40.0f / 9);
    teardown(&f);
}

static void test_recalibration_is_the_plain_average_over_runs(void **state)
{
    (void)state;
    on_every_device(averages_over_runs);
}

/* ---- dropout ---- */

enum { ROWS = 4, FEATURES = 1000 };

static void run_dropout(struct fixture *f, uint64_t seed, uint64_t step, float *out)
{
    plan_set_step(f->plan, seed, step);
    assert_int_equal(plan_forward(f->plan), WARD_OK);
    memcpy(out, plan_output(f->plan, f->options.outputs[0]), ROWS * FEATURES * sizeof *out);
}

static bool are_equal(const float *a, const float *b, size_t count)
{
    return memcmp(a, b, count * sizeof *a) == 0;
}

static void draws_masks_by_name(const char *device)
{
    static float ones[ROWS * FEATURES], first[ROWS * FEATURES], second[ROWS * FEATURES];
    size_t zeros = 0;
    struct fixture f;

    for (size_t i = 0; i < ROWS * FEATURES; i++)
        ones[i] = 1;
    setup(&f, device, (struct dims){ROWS, FEATURES, 1, 1});
    keep(&f, graph_dropout(&f.graph, f.x, 0.2f));
    f.options.has_dropout = true;
    compile(&f);
    fill(&f, ones);
    run_dropout(&f, 1, 5, first);
    for (size_t i = 0; i < ROWS * FEATURES; i++) {
        zeros += first[i] == 0;
        assert_true(first[i] == 0 || fabsf(first[i] - 1.25f) < 1e-6f);
    }
    assert_in_range(zeros, 700, 900); /* expected 800, four standard deviations are 101 */
    assert_false(are_equal(first, first + FEATURES, FEATURES));
    run_dropout(&f, 1, 6, second);
    assert_false(are_equal(first, second, ROWS * FEATURES));
    run_dropout(&f, 2, 5, second);
    assert_false(are_equal(first, second, ROWS * FEATURES));
    run_dropout(&f, 1, 5, second);
    assert_true(are_equal(first, second, ROWS * FEATURES));
    teardown(&f);
}

static void test_dropout_masks_depend_on_seed_step_and_row_only(void **state)
{
    (void)state;
    on_every_device(draws_masks_by_name);
}

/* ---- gradients ---- */

/* The values y of a ReLU, leaky if slope is not 0, and the gradient before it of (y - 1)^2 / 2. */
static void passes_below_zero(const char *device, float slope, float backward_slope, const float *y,
                              const float *gradient)
{
    static const float x[] = {-2, 0, 1, 3};
    struct fixture f;
    int one, relu;

    setup(&f, device, (struct dims){1, 4, 1, 1});
    one = graph_input(&f.graph, (struct dims){1, 4, 1, 1});
    relu = slope > 0 ? graph_leaky_relu_bpda(&f.graph, f.x, slope, backward_slope)
                     : graph_relu_bpda(&f.graph, f.x, backward_slope);
    keep(&f, relu);
    graph_squared_distance(&f.graph, relu, one, 0.5f);
    f.options.gradients = PLAN_GRAD_INPUTS;
    compile(&f);
    fill(&f, x);
    for (int i = 0; i < 4; i++)
        plan_input(f.plan, one)[i] = 1;
    assert_int_equal(plan_forward(f.plan), WARD_OK);
    assert_int_equal(plan_backward(f.plan), WARD_OK);
    assert_near("value", plan_output(f.plan, relu), y, 4);
    assert_near("gradient", plan_input_gradient(f.plan, f.x), gradient, 4);
    teardown(&f);
}

static void passes_a_tenth(const char *device)
{
    passes_below_zero(device, 0, 0.1f, (const float[]){0, 0, 1, 3},
                      (const float[]){-0.1f, -0.1f, 0, 2});
}

static void passes_half_of_a_leaky_one(const char *device)
{
    passes_below_zero(device, 0.2f, 0.5f, (const float[]){-0.4f, 0, 1, 3},
                      (const float[]){-0.7f, -0.5f, 0, 2});
}

static void test_a_relu_may_have_another_backward_pass(void **state)
{
    (void)state;
    on_every_device(passes_a_tenth);
    on_every_device(passes_half_of_a_leaky_one);
}

/* Where exp(beta x) overflows, or has no part in the sum, softplus is a ReLU. Far below 0 there is
 * still a gradient. */
static void is_right_of_extremes(const char *device)
{
    static const float x[] = {-3e38f, -1000, -30, 0, 30, 1e6f, 3e38f};
    static const float target[] = {-1, -1, -1, -1, 29, 999999, 3e38f};
    const float y[] = {0, 0, 0, logf(2) / 2, 30, 1e6f, 3e38f};
    const float gradient[] = {0, 0, 0, (1 + logf(2) / 2) / 2, 1, 1, 0}, least = expf(-60);
    struct fixture f;
    int other, soft;

    setup(&f, device, (struct dims){1, 7, 1, 1});
    other = graph_input(&f.graph, (struct dims){1, 7, 1, 1});
    soft = graph_softplus(&f.graph, f.x, 2);
    keep(&f, soft);
    graph_squared_distance(&f.graph, soft, other, 0.5f);
    f.options.gradients = PLAN_GRAD_INPUTS;
    compile(&f);
    fill(&f, x);
    memcpy(plan_input(f.plan, other), target, sizeof target);
    assert_int_equal(plan_forward(f.plan), WARD_OK);
    assert_int_equal(plan_backward(f.plan), WARD_OK);
    assert_near("value", plan_output(f.plan, soft), y, 7);
    assert_near("gradient", plan_input_gradient(f.plan, f.x), gradient, 7);
    assert_near("far below", &(const float){plan_input_gradient(f.plan, f.x)[2] / least},
                &(const float){1}, 1);
    fill(&f, (const float[7]){(float)NAN});
    assert_int_equal(plan_forward(f.plan), WARD_OK);
    assert_true(isnan(plan_output(f.plan, soft)[0]));
    teardown(&f);
}

static void test_softplus_of_extremes_is_finite_and_a_nan_stays_one(void **state)
{
    (void)state;
    on_every_device(is_right_of_extremes);
}

/* Two rows sure of a class each are all that the loss wants; two rows sure of one class tell
 * nothing, and the third class, which none has, has no part in it. */
static void is_finite_for_certain_rows(const char *device)
{
    static const float apart[] = {4000, 0, -4000, 0, 4000, -4000};
    static const float alike[] = {4000, 0, -4000, 4000, 0, -4000}, zero[6] = {0};
    struct fixture f;
    int loss;

    setup(&f, device, (struct dims){2, 3, 1, 1});
    loss = graph_infomax(&f.graph, f.x, 0, 2, 1);
    f.options.gradients = PLAN_GRAD_INPUTS;
    compile(&f);
    for (int i = 0; i < 2; i++) {
        fill(&f, i ? alike : apart);
        assert_int_equal(plan_forward(f.plan), WARD_OK);
        assert_int_equal(plan_backward(f.plan), WARD_OK);
        assert_near("infomax", plan_output(f.plan, loss), &(const float){i ? 0 : -logf(2)}, 1);
        assert_near("gradient", plan_input_gradient(f.plan, f.x), zero, 6);
    }
    teardown(&f);
}

static void test_infomax_of_certain_rows_is_finite(void **state)
{
    (void)state;
    on_every_device(is_finite_for_certain_rows);
}

/* Targets that are one class each. */
static void equals_cross_entropy(const char *device)
{
    static const float x[] = {0.5f, -1, 2, 0, 3, -2, 1, 1, 1}, hard[] = {0, 0, 1, 1, 0, 0};
    float gradient[9];
    struct fixture f;
    int targets, labels, soft, loss;

    setup(&f, device, (struct dims){3, 3, 1, 1});
    targets = graph_input(&f.graph, (struct dims){2, 3, 1, 1});
    labels = graph_labels(&f.graph, 2);
    soft = graph_soft_cross_entropy(&f.graph, f.x, targets, 1, 2, 1);
    loss = graph_cross_entropy(&f.graph, f.x, labels, 1, 2, 0);
    f.options.gradients = PLAN_GRAD_INPUTS;
    compile(&f);
    fill(&f, x);
    memcpy(plan_input(f.plan, targets), hard, sizeof hard);
    plan_labels(f.plan, labels)[0] = 2;
    plan_labels(f.plan, labels)[1] = 0;
    assert_int_equal(plan_forward(f.plan), WARD_OK);
    assert_near("loss", plan_output(f.plan, soft), plan_output(f.plan, loss), 1);
    assert_int_equal(plan_backward(f.plan), WARD_OK);
    memcpy(gradient, plan_input_gradient(f.plan, f.x), sizeof gradient);
    plan_set_weight(f.plan, soft, 0);
    plan_set_weight(f.plan, loss, 1);
    assert_int_equal(plan_forward(f.plan), WARD_OK);
    assert_int_equal(plan_backward(f.plan), WARD_OK);
    assert_near("gradient", gradient, plan_input_gradient(f.plan, f.x), 9);
    teardown(&f);
}

static void test_soft_cross_entropy_with_one_class_a_row_is_cross_entropy(void **state)
{
    (void)state;
    on_every_device(equals_cross_entropy);
}

static void moves_blocks_as_onnx(const char *device)
{
    static const float x[] = {0, 1, 2,  3,  4,  5,  6,  7, /* channel 0: 2 x 4 */
                              8, 9, 10, 11, 12, 13, 14, 15};
    static const float deep[] = {0, 2, 8, 10, 1, 3, 9, 11, 4, 6, 12, 14, 5, 7, 13, 15};
    struct fixture f;
    int depth;

    setup(&f, device, (struct dims){1, 2, 2, 4});
    depth = graph_space_to_depth(&f.graph, f.x, 2);
    keep(&f, depth);
    keep(&f, graph_depth_to_space(&f.graph, depth, 2));
    compile(&f);
    fill(&f, x);
    assert_int_equal(plan_forward(f.plan), WARD_OK);
    assert_near("depth", plan_output(f.plan, depth), deep, 16);
    assert_near("space again", plan_output(f.plan, f.options.outputs[1]), x, 16);
    teardown(&f);
}

static void test_pixels_of_blocks_become_channels_in_onnx_order(void **state)
{
    (void)state;
    on_every_device(moves_blocks_as_onnx);
}

static void follows_loss_weights(const char *device)
{
    static const float x[] = {1, 2}, full[] = {2, 4}, half[] = {1, 2};
    struct fixture f;
    int zero, unused, loss;

    setup(&f, device, (struct dims){1, 2, 1, 1});
    zero = graph_input(&f.graph, (struct dims){1, 2, 1, 1});
    unused = graph_input(&f.graph, (struct dims){1, 2, 1, 1});
    keep(&f, graph_relu(&f.graph, unused));
    loss = graph_squared_distance(&f.graph, f.x, zero, 1);
    f.options.gradients = PLAN_GRAD_INPUTS;
    compile(&f);
    fill(&f, x);
    for (int i = 0; i < 2; i++) { /* twice: a backward pass replaces the last one's gradients */
        assert_int_equal(plan_forward(f.plan), WARD_OK);
        assert_int_equal(plan_backward(f.plan), WARD_OK);
        assert_near("gradient", plan_input_gradient(f.plan, f.x), full, 2);
    }
    plan_set_weight(f.plan, loss, 0.5f);
    assert_int_equal(plan_forward(f.plan), WARD_OK);
    assert_int_equal(plan_backward(f.plan), WARD_OK);
    assert_near("gradient at half the weight", plan_input_gradient(f.plan, f.x), half, 2);
    assert_near("loss", plan_output(f.plan, loss), &(const float){5}, 1);
    assert_near("gradient of what no loss depends on", plan_input_gradient(f.plan, unused),
                (const float[]){0, 0}, 2);
    teardown(&f);
}

static void takes_orders_only(const char *device)
{
    static const float bad[][4] = {{0, 1, 2, 2}, {0, 1, 2, 4}, {-1, 1, 2, 3}, {0, 1, NAN, 3}};
    static const float good[4] = {3, 1, 0, 2}, x[4] = {10, 11, 12, 13};
    struct fixture f;
    int y;

    setup(&f, device, (struct dims){1, 1, 2, 2});
    y = graph_permute(&f.graph, f.x, "order", (struct dims){1, 4, 1, 1});
    keep(&f, y);
    compile(&f);
    for (size_t b = 0; b < sizeof bad / sizeof bad[0]; b++)
        assert_int_equal(plan_load(f.plan, 0, PLAN_VALUE, bad[b]), WARD_ERR_FORMAT);
    assert_int_equal(plan_load(f.plan, 0, PLAN_VALUE, good), WARD_OK);
    fill(&f, x);
    assert_int_equal(plan_forward(f.plan), WARD_OK);
    assert_near("y", plan_output(f.plan, y), (const float[]){13, 11, 10, 12}, 4);
    teardown(&f);
}

static void test_an_order_that_is_none_is_refused(void **state)
{
    (void)state;
    on_every_device(takes_orders_only);
}

static void test_gradients_follow_the_weights_of_the_losses(void **state)
{
    (void)state;
    on_every_device(follows_loss_weights);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_training_moves_running_statistics_as_pytorch_does),
        cmocka_unit_test(test_running_statistics_stay_where_the_node_or_the_mode_says_so),
        cmocka_unit_test(test_recalibration_is_the_plain_average_over_runs),
        cmocka_unit_test(test_dropout_masks_depend_on_seed_step_and_row_only),
        cmocka_unit_test(test_a_relu_may_have_another_backward_pass),
        cmocka_unit_test(test_softplus_of_extremes_is_finite_and_a_nan_stays_one),
        cmocka_unit_test(test_infomax_of_certain_rows_is_finite),
        cmocka_unit_test(test_soft_cross_entropy_with_one_class_a_row_is_cross_entropy),
        cmocka_unit_test(test_pixels_of_blocks_become_channels_in_onnx_order),
        cmocka_unit_test(test_an_order_that_is_none_is_refused),
        cmocka_unit_test(test_gradients_follow_the_weights_of_the_losses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
