/* The optimisers against plain references, and parameters between a plan and tensors. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "nn/adam.h"
#include "nn/net.h"
#include "nn/sgd.h"
#include "ward/device.h"

/* ---- a small graph to optimise: two convolutions with a batch norm, and a dense layer ---- */

enum { ROWS = 3, CLASSES = 4 };

struct fixture {
    ward_device *device;
    struct graph graph;
    struct plan *plan;
    struct tensor_list values;
    int x, labels, loss;
};

static void fixture_graph(struct fixture *f)
{
    struct conv_config first = {.name = "transform.a",
                                .channels = 2,
                                .kernel = 3,
                                .stride = 1,
                                .padding = 1,
                                .has_bias = true};
    struct conv_config second = {.name = "b", .channels = 3, .kernel = 1, .stride = 1};
    int y;

    f->x = graph_input(&f->graph, (struct dims){ROWS, 1, 4, 4});
    f->labels = graph_labels(&f->graph, ROWS);
    y = graph_tanh(&f->graph, graph_conv(&f->graph, f->x, &first));
    y = graph_batch_norm(&f->graph, graph_conv(&f->graph, y, &second), "bn", true, false);
    y = graph_dense(&f->graph, y, "fc", CLASSES, false);
    f->loss = graph_cross_entropy(&f->graph, y, f->labels, 0, ROWS, 1.0f);
}

static void fixture_init(struct fixture *f)
{
    struct plan_options options = {.bn = BN_BATCH, .gradients = PLAN_GRAD_PARAMS};
    const struct tensor_list *list = &f->values;

    *f = (struct fixture){0};
    assert_int_equal(ward_device_open(&f->device, "ref"), WARD_OK);
    graph_init(&f->graph);
    fixture_graph(f);
    assert_int_equal(plan_compile(&f->plan, f->device, &f->graph, &options), WARD_OK);
    for (size_t p = 0; p < f->graph.param_count; p++) {
        const struct graph_param *param = &f->graph.params[p];
        struct tensor *t;

        assert_int_equal(tensor_list_add(&f->values, param->name, &param->shape, &t), WARD_OK);
        for (size_t i = 0; i < shape_count(&param->shape); i++)
            t->data[i] = 0.5f + 0.3f * sinf((float)(17 * p + i));
    }
    assert_int_equal(params_load(f->plan, &list, 1), WARD_OK);
}

static void fixture_release(struct fixture *f)
{
    plan_free(f->plan);
    graph_release(&f->graph);
    tensor_list_release(&f->values);
    ward_device_close(f->device);
}

static void fixture_run(struct fixture *f, int step)
{
    for (size_t i = 0; i < ROWS * 16; i++)
        plan_input(f->plan, f->x)[i] = cosf((float)i * 1.3f + (float)step);
    for (size_t i = 0; i < ROWS; i++)
        plan_labels(f->plan, f->labels)[i] = (int32_t)((i + (size_t)step) % CLASSES);
    assert_int_equal(plan_forward(f->plan), WARD_OK);
    assert_int_equal(plan_backward(f->plan), WARD_OK);
}

/* ---- the reference ---- */

struct reference {
    struct tensor_list value, velocity;
};

/* The rule of sgd.h, written out in double for one value. */
static void reference_update(double *w, double *v, double g, const struct sgd_config *c,
                             double rate, double decay)
{
    g += decay * *w;
    *v = (double)c->momentum * *v + g;
    *w -= rate * (c->nesterov ? g + (double)c->momentum * *v : *v);
}

static bool is_of_group(const struct graph_param *param, const struct sgd_group *group)
{
    return group && strncmp(param->name, group->prefix, strlen(group->prefix)) == 0;
}

/* What clipping scales the gradients of the group, or of all the others, by. */
static double clip_scale(struct fixture *f, const struct sgd_config *c,
                         const struct sgd_group *group, bool of_group)
{
    double sum = 0;

    for (size_t p = 0; p < f->graph.param_count; p++) {
        const struct graph_param *param = &f->graph.params[p];
        float gradient[256];

        if (!param->is_trainable || is_of_group(param, group) != of_group)
            continue;
        assert_int_equal(plan_store(f->plan, p, PLAN_GRADIENT, gradient), WARD_OK);
        for (size_t i = 0; i < shape_count(&param->shape); i++)
            sum += (double)gradient[i] * (double)gradient[i];
    }
    return c->clip_norm > 0 && sqrt(sum) > (double)c->clip_norm ? (double)c->clip_norm / sqrt(sum)
                                                                : 1;
}

static void reference_step(struct fixture *f, struct reference *r, const struct sgd_config *c,
                           const struct sgd_group *group)
{
    double network = clip_scale(f, c, group, false), transform = clip_scale(f, c, group, true);

    for (size_t p = 0; p < f->graph.param_count; p++) {
        const struct graph_param *param = &f->graph.params[p];
        bool is_group = is_of_group(param, group);
        double rate = (double)c->rate * (is_group ? (double)group->rate_factor : 1.0);
        double scale = is_group ? transform : network;
        double decay = (double)(is_group ? group->decay : c->decay);
        float gradient[256];

        if (!param->is_trainable)
            continue;
        if (!c->decays_all && param->role != PARAM_WEIGHT)
            decay = 0;
        assert_int_equal(plan_store(f->plan, p, PLAN_GRADIENT, gradient), WARD_OK);
        for (size_t i = 0; i < shape_count(&param->shape); i++) {
            double w = (double)r->value.items[p].data[i], v = (double)r->velocity.items[p].data[i];

            reference_update(&w, &v, scale * (double)gradient[i], c, rate, decay);
            r->value.items[p].data[i] = (float)w;
            r->velocity.items[p].data[i] = (float)v;
        }
    }
}

static void check_close(const struct tensor *expected, const struct tensor *seen, const char *what)
{
    for (size_t i = 0; i < shape_count(&expected->shape); i++)
        if (!(fabs((double)expected->data[i] - (double)seen->data[i]) < 2e-6))
            fail_msg("%s of %s, value %zu: expected %.8g, seen %.8g", what, expected->name, i,
                     (double)expected->data[i], (double)seen->data[i]);
}

static void check_sgd(const struct sgd_config *config, const struct sgd_group *group)
{
    struct reference r = {0};
    struct tensor_list seen = {0};
    struct fixture f;
    bool is_finite = false;

    fixture_init(&f);
    assert_int_equal(tensor_list_copy(&r.value, &f.values), WARD_OK);
    assert_int_equal(tensor_list_copy(&r.velocity, &f.values), WARD_OK);
    assert_int_equal(tensor_list_copy(&seen, &f.values), WARD_OK);
    for (size_t p = 0; p < r.velocity.count; p++)
        memset(r.velocity.items[p].data, 0,
               shape_count(&r.velocity.items[p].shape) * sizeof(float));
    for (int step = 0; step < 3; step++) {
        fixture_run(&f, step);
        reference_step(&f, &r, config, group);
        sgd_step(f.plan, config, group, &is_finite);
        assert_true(is_finite);
    }
    assert_int_equal(params_store(f.plan, PLAN_VALUE, &seen), WARD_OK);
    for (size_t p = 0; p < f.graph.param_count; p++)
        if (f.graph.params[p].is_trainable)
            check_close(&r.value.items[p], &seen.items[p], "value");
    assert_int_equal(params_store(f.plan, PLAN_VELOCITY, &seen), WARD_OK);
    for (size_t p = 0; p < f.graph.param_count; p++)
        if (f.graph.params[p].is_trainable)
            check_close(&r.velocity.items[p], &seen.items[p], "velocity");
    tensor_list_release(&r.value);
    tensor_list_release(&r.velocity);
    tensor_list_release(&seen);
    fixture_release(&f);
}

static void sgd_follows_its_rule(void **state)
{
    struct sgd_config config = {.rate = 0.1f, .momentum = 0.9f, .decay = 0.01f};

    (void)state;
    check_sgd(&config, NULL);
    config.nesterov = true;
    check_sgd(&config, NULL);
    config.decays_all = true;
    check_sgd(&config, NULL);
}

static void sgd_treats_the_transform_as_its_group_says(void **state)
{
    struct sgd_config config = {.rate = 0.1f, .momentum = 0.9f, .decay = 0.01f, .decays_all = true};
    struct sgd_group group = {.prefix = "transform.", .rate_factor = 0.25f, .decay = 0.2f};

    (void)state;
    check_sgd(&config, &group);
}

static void sgd_clips_each_group_to_its_norm(void **state)
{
    struct sgd_config config = {.rate = 0.1f, .momentum = 0.9f, .decay = 0.01f, .nesterov = true};
    struct sgd_group group = {.prefix = "transform.", .rate_factor = 0.25f, .decay = 0.2f};

    (void)state;
    config.clip_norm = 0.01f;
    check_sgd(&config, &group);
    config.clip_norm = 1e6f;
    check_sgd(&config, &group);
}

static void sgd_does_not_touch_running_statistics(void **state)
{
    struct sgd_config config = {.rate = 10.0f, .decay = 1.0f, .decays_all = true};
    struct fixture f;
    float before[3], after[3];

    (void)state;
    fixture_init(&f);
    fixture_run(&f, 0);
    for (size_t p = 0; p < f.graph.param_count; p++) {
        if (!param_role_is_buffer(f.graph.params[p].role))
            continue;
        assert_int_equal(plan_store(f.plan, p, PLAN_VALUE, before), WARD_OK);
        sgd_step(f.plan, &config, NULL, NULL);
        assert_int_equal(plan_store(f.plan, p, PLAN_VALUE, after), WARD_OK);
        assert_memory_equal(before, after, sizeof before);
    }
    fixture_release(&f);
}

static void sgd_reports_a_weight_that_is_not_finite(void **state)
{
    struct sgd_config config = {.rate = INFINITY};
    bool is_finite = true;
    struct fixture f;

    (void)state;
    fixture_init(&f);
    fixture_run(&f, 0);
    sgd_step(f.plan, &config, NULL, &is_finite);
    assert_false(is_finite);
    fixture_release(&f);
}

/* ---- adam ---- */

/* The rule of adam.h, written out in double for one value. */
static void adam_reference(double *w, double *m, double *v, double g, double rate, int t)
{
    *m = 0.9 * *m + 0.1 * g;
    *v = 0.999 * *v + 0.001 * g * g;
    *w -= rate * (*m / (1 - pow(0.9, t))) / (sqrt(*v / (1 - pow(0.999, t))) + 1e-8);
}

static void adam_follows_its_rule(void **state)
{
    double w[16][64], m[16][64] = {{0}}, v[16][64] = {{0}};
    struct adam adam;
    struct fixture f;
    bool is_finite = false;

    (void)state;
    fixture_init(&f);
    assert_int_equal(adam_init(&adam, f.plan), WARD_OK);
    assert_true(f.graph.param_count <= 16);
    for (size_t p = 0; p < f.graph.param_count; p++)
        for (size_t i = 0; i < shape_count(&f.graph.params[p].shape) && i < 64; i++)
            w[p][i] = (double)f.values.items[p].data[i];
    for (int step = 0; step < 4; step++) {
        fixture_run(&f, step);
        for (size_t p = 0; p < f.graph.param_count; p++) {
            float gradient[256];

            if (!f.graph.params[p].is_trainable)
                continue;
            assert_int_equal(plan_store(f.plan, p, PLAN_GRADIENT, gradient), WARD_OK);
            for (size_t i = 0; i < shape_count(&f.graph.params[p].shape) && i < 64; i++)
                adam_reference(&w[p][i], &m[p][i], &v[p][i], (double)gradient[i], 0.01, step + 1);
        }
        adam_step(&adam, 0.01f, &is_finite);
        assert_true(is_finite);
    }
    for (size_t p = 0; p < f.graph.param_count; p++) {
        size_t count = shape_count(&f.graph.params[p].shape);
        float seen[256];

        assert_int_equal(plan_store(f.plan, p, PLAN_VALUE, seen), WARD_OK);
        for (size_t i = 0; f.graph.params[p].is_trainable && i < count && i < 64; i++)
            if (!(fabs(w[p][i] - (double)seen[i]) < 1e-5))
                fail_msg("%s, value %zu: expected %.8g, seen %.8g", f.graph.params[p].name, i,
                         w[p][i], (double)seen[i]);
    }
    adam_release(&adam);
    adam_release(&adam);
    fixture_release(&f);
}

static void adam_reports_a_weight_that_is_not_finite(void **state)
{
    bool is_finite = true;
    struct adam adam;
    struct fixture f;

    (void)state;
    fixture_init(&f);
    assert_int_equal(adam_init(&adam, f.plan), WARD_OK);
    fixture_run(&f, 0);
    adam_step(&adam, INFINITY, &is_finite);
    assert_false(is_finite);
    adam_release(&adam);
    fixture_release(&f);
}

static void parameters_return_from_a_plan_as_they_were_loaded(void **state)
{
    struct tensor_list copy = {0};
    struct fixture f;

    (void)state;
    fixture_init(&f);
    assert_int_equal(tensor_list_copy(&copy, &f.values), WARD_OK);
    for (size_t i = 0; i < copy.count; i++)
        copy.items[i].data[0] = -99;
    assert_int_equal(params_store(f.plan, PLAN_VALUE, &copy), WARD_OK);
    for (size_t i = 0; i < copy.count; i++)
        assert_memory_equal(copy.items[i].data, f.values.items[i].data,
                            shape_count(&copy.items[i].shape) * sizeof(float));
    tensor_list_release(&copy);
    fixture_release(&f);
}

static void a_missing_parameter_or_another_shape_is_named(void **state)
{
    struct fixture f;
    struct tensor_list few = {0};
    const struct tensor_list *lists[] = {NULL, &few};

    (void)state;
    fixture_init(&f);
    assert_int_equal(params_load(f.plan, lists, 2), WARD_ERR_FORMAT);
    assert_non_null(strstr(ward_error_message(), "'transform.a.weight' is missing"));
    assert_int_equal(tensor_list_copy(&few, &f.values), WARD_OK);
    tensor_list_find(&few, "b.weight")->shape = shape_make(4, 2, 3, 1, 1);
    assert_int_equal(params_load(f.plan, lists, 2), WARD_ERR_FORMAT);
    assert_non_null(strstr(ward_error_message(), "'b.weight' has another shape"));
    tensor_list_release(&few);
    fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sgd_follows_its_rule),
        cmocka_unit_test(sgd_treats_the_transform_as_its_group_says),
        cmocka_unit_test(sgd_clips_each_group_to_its_norm),
        cmocka_unit_test(sgd_does_not_touch_running_statistics),
        cmocka_unit_test(sgd_reports_a_weight_that_is_not_finite),
        cmocka_unit_test(adam_follows_its_rule),
        cmocka_unit_test(adam_reports_a_weight_that_is_not_finite),
        cmocka_unit_test(parameters_return_from_a_plan_as_they_were_loaded),
        cmocka_unit_test(a_missing_parameter_or_another_shape_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
