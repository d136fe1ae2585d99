/*
 * Both networks as a whole, in the paper's objective, against an independent implementation: the
 * numbers in goldens/ were computed in double by PyTorch (tools/goldens.py). What that draws by
 * formula is drawn here again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <math.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "compute/device.h"
#include "protect/objective.h"

enum { SAMPLES = 4, ROWS = 2, CLASSES = 10, INPUT_STREAM = 1000 };

/* Of one tensor: sum, Euclidean norm, and the elements (2 i + 1) / 8 of the way through. */
struct golden {
    const char *name;
    size_t count;
    double sum, norm;
    double sample[SAMPLES];
};

#include "goldens/resnet20.h"
#include "goldens/simple_cnn.h"

struct expected {
    const char *arch;
    size_t channels, generator_width;
    const double *logits, *evaluated, *losses;
    const struct golden *gradients; /* of the input, then of the trainable parameters in order */
    size_t gradient_count;
    const struct golden *buffers; /* running statistics after one step, in order */
    size_t buffer_count;
    double tolerance;
};

static const struct expected simple_cnn = {"simple-cnn",
                                           1,
                                           16,
                                           simple_cnn_logits,
                                           simple_cnn_evaluated,
                                           simple_cnn_losses,
                                           simple_cnn_gradients,
                                           sizeof simple_cnn_gradients /
                                               sizeof simple_cnn_gradients[0],
                                           NULL,
                                           0,
                                           1e-5};

static const struct expected resnet20 = {"resnet20",
                                         3,
                                         64,
                                         resnet20_logits,
                                         resnet20_evaluated,
                                         resnet20_losses,
                                         resnet20_gradients,
                                         sizeof resnet20_gradients / sizeof resnet20_gradients[0],
                                         resnet20_buffers,
                                         sizeof resnet20_buffers / sizeof resnet20_buffers[0],
                                         1e-5};

/* ---- the formula ---- */

static double uniform(uint32_t stream, uint32_t index)
{
    uint32_t h = index + stream * 0x9e3779b1u;

    h = (h ^ h >> 16) * 0x7feb352du;
    h = (h ^ h >> 15) * 0x846ca68bu;
    h ^= h >> 16;
    return (double)(h >> 8) / 0x1p24;
}

static void draw(float *values, size_t count, uint32_t stream, double low, double high)
{
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(low + (high - low) * uniform(stream, (uint32_t)i));
}

static void draw_param(float *values, size_t p, const struct graph_param *param)
{
    size_t count = shape_count(&param->shape);
    double fan_in = (double)(count / param->shape.dim[0]), bound = sqrt(6 / fan_in);

    switch (param->role) {
    case PARAM_WEIGHT: draw(values, count, (uint32_t)p, -bound, bound); return;
    case PARAM_BN_SCALE:
    case PARAM_RUNNING_VAR: draw(values, count, (uint32_t)p, 0.8, 1.2); return;
    case PARAM_BIAS:
    case PARAM_BN_SHIFT:
    case PARAM_RUNNING_MEAN:
    case PARAM_SHIFT:
    case PARAM_ORDER:
    case PARAM_FACTOR: break;
    }
    draw(values, count, (uint32_t)p, -0.1, 0.1);
}

/* ---- comparisons ---- */

struct check {
    const struct expected *expected;
    double worst;
    char where[TENSOR_MAX_NAME + 32];
};

static void note(struct check *check, const char *name, const char *what, double error)
{
    if (error <= check->worst)
        return;
    check->worst = error;
    snprintf(check->where, sizeof check->where, "%s of %s", what, name);
}

/* The difference as a share of the largest value there should be. */
static void check_values(struct check *check, const char *name, const float *is,
                         const double *should, size_t count)
{
    double largest = 0;

    for (size_t i = 0; i < count; i++)
        largest = fmax(largest, fabs(should[i]));
    for (size_t i = 0; i < count; i++)
        note(check, name, "a value", fabs((double)is[i] - should[i]) / largest);
}

/* Differences as shares of the norm: rounding adds up over a sum as it does over a norm. */
static void check_tensor(struct check *check, const char *name, const float *is,
                         const struct golden *golden, size_t count)
{
    double sum = 0, norm = 0;

    assert_string_equal(name, golden->name);
    assert_int_equal(count, golden->count);
    for (size_t i = 0; i < count; i++) {
        sum += (double)is[i];
        norm += (double)is[i] * (double)is[i];
    }
    note(check, name, "the sum", fabs(sum - golden->sum) / sqrt((double)count) / golden->norm);
    note(check, name, "the norm", fabs(sqrt(norm) - golden->norm) / golden->norm);
    for (size_t i = 0; i < SAMPLES; i++)
        note(check, name, "a sample",
             fabs((double)is[count * (2 * i + 1) / (2 * SAMPLES)] - golden->sample[i]) /
                 golden->norm);
}

/* ---- the networks ---- */

static void must(ward_status st)
{
    if (st)
        fail_msg("%s: %s", ward_status_name(st), ward_error_message());
}

static void build(struct graph *g, const struct expected *e, struct objective *o)
{
    struct net_spec net = {.channels = e->channels, .height = 28, .width = 28, .classes = CLASSES};
    struct transform_spec transform = {.method = WARD_METHOD_GENERATOR,
                                       .channels = e->channels,
                                       .height = 28,
                                       .width = 28,
                                       .generator_width = e->generator_width};
    struct objective_config config = {
        .batch = ROWS, .raw_rows = ROWS, .alpha = 1, .beta = 1, .gamma = 0.01f};

    snprintf(net.arch, sizeof net.arch, "%s", e->arch);
    must(objective_build(g, &net, &transform, &config, o));
}

static void load(struct plan *plan)
{
    const struct graph *g = plan_graph(plan);

    for (size_t p = 0; p < g->param_count; p++) {
        float *values = NULL;

        must(mem_new(&values, shape_count(&g->params[p].shape), sizeof *values));
        draw_param(values, p, &g->params[p]);
        must(plan_load(plan, p, PLAN_VALUE, values));
        mem_free(values);
    }
}

static void run(struct plan *plan, const struct objective *o)
{
    static const int32_t labels[ROWS] = {3, 7};
    size_t count = dims_count(graph_dims(plan_graph(plan), o->x));
    float *x = NULL;

    must(mem_new(&x, count, sizeof *x));
    draw(x, count, INPUT_STREAM, 0, 1);
    objective_fill(o, plan, x, labels);
    mem_free(x);
    must(plan_forward(plan));
}

static void check_part(struct check *check, struct plan *plan, size_t p, enum plan_part part,
                       const struct golden *golden)
{
    const struct graph_param *param = &plan_graph(plan)->params[p];
    size_t count = shape_count(&param->shape);
    float *values = NULL;

    must(mem_new(&values, count, sizeof *values));
    must(plan_store(plan, p, part, values));
    check_tensor(check, param->name, values, golden, count);
    mem_free(values);
}

static void check_step(struct check *check, struct plan *plan, const struct objective *o)
{
    const struct expected *e = check->expected;
    const struct graph *g = plan_graph(plan);
    const int losses[] = {o->loss_processed, o->loss_raw, o->loss_distance};
    size_t gradient = 0, buffer = 0;

    check_values(check, "the logits", plan_output(plan, o->logits), e->logits, 2 * ROWS * CLASSES);
    for (size_t i = 0; i < 3; i++)
        check_values(check, "a loss", plan_output(plan, losses[i]), &e->losses[i], 1);
    must(plan_backward(plan));
    check_tensor(check, "input", plan_input_gradient(plan, o->x), &e->gradients[gradient++],
                 dims_count(graph_dims(g, o->x)));
    for (size_t p = 0; p < g->param_count; p++)
        if (g->params[p].is_trainable)
            check_part(check, plan, p, PLAN_GRADIENT, &e->gradients[gradient++]);
        else
            check_part(check, plan, p, PLAN_VALUE, &e->buffers[buffer++]);
    assert_int_equal(gradient, e->gradient_count);
    assert_int_equal(buffer, e->buffer_count);
}

static void check_device(const char *name, const struct expected *expected)
{
    struct check check = {.expected = expected};
    struct plan_options options = {
        .bn = BN_BATCH, .output_count = 1, .gradients = PLAN_GRAD_PARAMS | PLAN_GRAD_INPUTS};
    ward_device *device = NULL;
    struct plan *plan = NULL;
    struct objective o;
    struct graph g;

    graph_init(&g);
    build(&g, expected, &o);
    must(ward_device_open(&device, name));
    options.outputs[0] = o.logits;
    must(plan_compile(&plan, device, &g, &options));
    load(plan);
    run(plan, &o);
    check_step(&check, plan, &o);
    plan_free(plan);

    options.bn = BN_RUNNING;
    options.gradients = PLAN_GRAD_NONE;
    must(plan_compile(&plan, device, &g, &options));
    load(plan);
    run(plan, &o);
    check_values(&check, "the evaluated logits", plan_output(plan, o.logits), expected->evaluated,
                 2 * ROWS * CLASSES);
    plan_free(plan);
    graph_release(&g);
    ward_device_close(device);

    print_message("# %s on %s: at most %.1e, in %s\n", expected->arch, name, check.worst,
                  check.where);
    if (!(check.worst <= expected->tolerance))
        fail_msg("%s on %s: %s differs by %.2g, allowed %.2g", expected->arch, name, check.where,
                 check.worst, expected->tolerance);
}

static void test_simple_cnn_is_pytorchs_on_every_device(void **state)
{
    (void)state;
    for (size_t i = 0; ward_device_list(i); i++)
        check_device(ward_device_list(i), &simple_cnn);
}

static void test_resnet20_is_pytorchs_on_every_device(void **state)
{
    (void)state;
    for (size_t i = 0; ward_device_list(i); i++)
        check_device(ward_device_list(i), &resnet20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_simple_cnn_is_pytorchs_on_every_device),
        cmocka_unit_test(test_resnet20_is_pytorchs_on_every_device),
    };

    return cmocka_run_group_tests_name("goldens", tests, NULL, NULL);
}
