/* The objective that trains against raw images and wrong keys, written out by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "keyed_fixture.h"
#include "protect/objective.h"
#include "protect/wrong_key.h"

enum { BATCH = 6, CLASSES = 3 };

static double probability(const float *row, int k)
{
    double sum = 0;

    for (int j = 0; j < CLASSES; j++)
        sum += exp((double)row[j]);
    return exp((double)row[k]) / sum;
}

/* KL(U || q), the mean over rows. */
static double from_uniform(const float *logits, size_t rows)
{
    double sum = 0;

    for (size_t i = 0; i < rows; i++)
        for (int k = 0; k < CLASSES; k++)
            sum -= log(CLASSES * probability(logits + i * CLASSES, k)) / CLASSES / (double)rows;
    return sum;
}

/* Cross entropy with targets at a temperature. */
static double taught(const float *logits, const float *targets, float temperature)
{
    double sum = 0;

    for (int i = 0; i < BATCH; i++) {
        float soft[CLASSES];

        for (int k = 0; k < CLASSES; k++)
            soft[k] = logits[i * CLASSES + k] / temperature;
        for (int k = 0; k < CLASSES; k++)
            sum -= (double)targets[i * CLASSES + k] * log(probability(soft, k)) / BATCH;
    }
    return sum;
}

static void check_near(const char *what, double seen, double expected)
{
    if (fabs(seen - expected) > 1e-5 * (1 + fabs(expected)))
        fail_msg("%s: %.8g, expected %.8g", what, seen, expected);
}

static void check_chance(size_t raw_rows, size_t wrong_rows, bool separates_bn)
{
    struct objective_config config = {.batch = BATCH,
                                      .raw_rows = raw_rows,
                                      .alpha = 1,
                                      .beta = 1,
                                      .wrong_rows = wrong_rows,
                                      .wrong_weight = 1,
                                      .separates_bn = separates_bn,
                                      .is_chance = true,
                                      .teacher_weight = 0.5f,
                                      .temperature = 2};
    struct net_spec spec = {
        .arch = "mlp-16x2-leaky", .channels = 2, .height = SIDE, .width = SIDE, .classes = CLASSES};
    struct plan_options options = {.bn = BN_BATCH, .gradients = PLAN_GRAD_PARAMS};
    static float x[BATCH * VALUES];
    float targets[BATCH * CLASSES];
    int32_t labels[BATCH] = {0, 1, 2, 0, 1, 2};
    struct transform_spec keyed = full();
    struct tensor_list wrong = {NULL, 0};
    struct net net = {.params = {NULL, 0}};
    struct transform t;
    const struct tensor_list *const lists[] = {&net.params, &t.params, &wrong};
    const float *logits, *raw, *wrongs;
    ward_device *device = NULL;
    struct plan *plan = NULL;
    struct objective o;
    struct graph g;

    keyed.keyed.has_front = true;
    t = transform_of(&keyed);
    graph_init(&g);
    assert_int_equal(net_init(&net, &spec, 1), WARD_OK);
    assert_int_equal(wrong_key_draw(&wrong, &t, 1, 0), WARD_OK);
    assert_int_equal(ward_device_open(&device, "ref"), WARD_OK);
    if (objective_build(&g, &spec, &keyed, &config, &o))
        fail_msg("%s", ward_error_message());
    options.outputs[options.output_count++] = o.logits;
    if (separates_bn) {
        options.outputs[options.output_count++] = o.raw_logits;
        options.outputs[options.output_count++] = o.wrong_logits;
    }
    if (plan_compile(&plan, device, &g, &options) || params_load(plan, lists, 3))
        fail_msg("%s", ward_error_message());
    fill(x, BATCH * VALUES);
    for (int i = 0; i < BATCH * CLASSES; i++)
        targets[i] = i % CLASSES == i / CLASSES % CLASSES ? 0.6f : 0.2f;
    objective_fill(&o, plan, x, labels);
    memcpy(plan_input(plan, o.targets), targets, sizeof targets);
    assert_int_equal(plan_forward(plan), WARD_OK);
    assert_int_equal(plan_backward(plan), WARD_OK);
    logits = plan_output(plan, o.logits);
    raw = separates_bn ? plan_output(plan, o.raw_logits) : logits + BATCH * CLASSES;
    wrongs = separates_bn ? plan_output(plan, o.wrong_logits) : raw + raw_rows * CLASSES;
    check_near("KL of raw images", (double)*plan_output(plan, o.loss_raw),
               from_uniform(raw, raw_rows));
    check_near("KL under a wrong key", (double)*plan_output(plan, o.loss_wrong),
               from_uniform(wrongs, wrong_rows));
    check_near("the teacher's", (double)*plan_output(plan, o.loss_teacher),
               taught(logits, targets, 2));
    plan_free(plan);
    graph_release(&g);
    net_release(&net);
    tensor_list_release(&wrong);
    transform_release(&t);
    ward_device_close(device);
}

static void the_chance_objective_is_its_formula(void **state)
{
    (void)state;
    check_chance(BATCH, BATCH, false);
    check_chance(3, 2, false);
    check_chance(3, 3, true);
    check_chance(BATCH, 2, true);
}

/* What a caller does to raw rows is done to no others. */
static void raw_rows_that_change_are_an_input_of_their_own(void **state)
{
    static const size_t rows[] = {2, BATCH};
    struct net_spec net = {
        .arch = "mlp-16x2", .channels = 2, .height = SIDE, .width = SIDE, .classes = CLASSES};
    struct transform_spec keyed = full();

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        const struct objective_config config = {.batch = BATCH,
                                                .raw_rows = rows[i / 2],
                                                .alpha = 1,
                                                .wrong_rows = rows[i / 2],
                                                .is_chance = true,
                                                .changes_raw = i % 2};
        struct objective o;
        struct graph g;

        graph_init(&g);
        assert_int_equal(objective_build(&g, &net, &keyed, &config, &o), WARD_OK);
        assert_int_equal(o.raw == o.x || o.raw == o.wrong, !config.changes_raw);
        graph_release(&g);
    }
}

static void wrong_keys_of_what_has_none_are_refused(void **state)
{
    struct objective_config config = {
        .batch = BATCH, .raw_rows = 2, .alpha = 1, .wrong_rows = 2, .is_chance = true};
    struct net_spec net = {
        .arch = "mlp-16x2", .channels = 2, .height = SIDE, .width = SIDE, .classes = CLASSES};
    struct transform_spec specs[] = {full(), bare(), full(), full()};

    (void)state;
    specs[2].method = WARD_METHOD_FIXED;
    for (size_t i = 0; i < 5; i++) {
        struct objective o = {.x = 77};
        struct graph g;

        graph_init(&g);
        config.is_chance = i != 3;
        config.wrong_rows = i == 4 ? BATCH + 1 : 2;
        assert_int_equal(objective_build(&g, &net, &specs[i % 4], &config, &o),
                         i == 0 ? WARD_OK : WARD_ERR_ARG);
        graph_release(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_chance_objective_is_its_formula),
        cmocka_unit_test(raw_rows_that_change_are_an_input_of_their_own),
        cmocka_unit_test(wrong_keys_of_what_has_none_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
