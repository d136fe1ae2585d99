/* Plans: what every device promises beyond the values that the operator test compares. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <signal.h>
#include <sys/time.h>
#include <cmocka.h>

#include "alloc_test.h"
#include "base/mem.h"
#include "base/rng.h"
#include "compute/device.h"
#include "plan_fixture.h"

/* ---- devices ---- */

static void test_an_unknown_device_is_refused_by_name(void **state)
{
    ward_device *const untouched = (ward_device *)state;
    ward_device *device = untouched;

    assert_int_equal(ward_device_open(&device, "abacus"), WARD_ERR_ARG);
    assert_ptr_equal(device, untouched);
    assert_non_null(strstr(ward_error_message(), "abacus"));
}

static void has_a_name_and_a_summary(const char *name)
{
    ward_device *device = NULL;

    assert_int_equal(ward_device_open(&device, name), WARD_OK);
    assert_string_equal(ward_device_name(device), name);
    assert_true(strlen(ward_device_summary(device)) > 0);
    ward_device_close(device);
}

static void test_listed_devices_open_and_tell_about_themselves(void **state)
{
    (void)state;
    assert_non_null(ward_device_list(0));
    assert_null(ward_device_list(100));
    on_every_device(has_a_name_and_a_summary);
    ward_device_close(NULL);
}

/* ---- what is refused ---- */

static void refuses_a_label_out_of_range(const char *device)
{
    static const int32_t bad[] = {-1, 4, INT32_MAX, INT32_MIN};
    struct fixture f;
    int labels;

    setup(&f, device, (struct dims){3, 4, 1, 1});
    labels = graph_labels(&f.graph, 2);
    graph_cross_entropy(&f.graph, f.x, labels, 1, 2, 1);
    compile(&f);
    assert_int_equal(plan_forward(f.plan), WARD_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[64];

        snprintf(text, sizeof text, "label %ld in row 1 is not in [0, 4)", (long)bad[i]);
        plan_labels(f.plan, labels)[1] = bad[i];
        assert_int_equal(plan_forward(f.plan), WARD_ERR_ARG);
        assert_string_equal(ward_error_message(), text);
    }
    plan_labels(f.plan, labels)[1] = 3;
    assert_int_equal(plan_forward(f.plan), WARD_OK);
    teardown(&f);
}

static void test_a_label_out_of_range_is_refused_with_its_row(void **state)
{
    (void)state;
    on_every_device(refuses_a_label_out_of_range);
}

static void refuses_gradients_without_a_loss(const char *device)
{
    struct plan *const untouched = (struct plan *)&device;
    struct fixture f;

    setup(&f, device, (struct dims){2, 3, 4, 4});
    keep(&f, graph_relu(&f.graph, f.x));
    f.options.gradients = PLAN_GRAD_INPUTS;
    f.plan = untouched;
    assert_int_equal(plan_compile(&f.plan, f.device, &f.graph, &f.options), WARD_ERR_ARG);
    assert_ptr_equal(f.plan, untouched);
    f.plan = NULL;
    teardown(&f);
}

static void test_gradients_of_nothing_are_refused(void **state)
{
    (void)state;
    on_every_device(refuses_gradients_without_a_loss);
}

static void refuses_the_variance_of_one_value(const char *device)
{
    struct fixture f;

    setup(&f, device, (struct dims){1, 3, 1, 1});
    keep(&f, graph_batch_norm(&f.graph, f.x, "bn", true, false));
    f.options.bn = BN_BATCH;
    assert_int_equal(plan_compile(&f.plan, f.device, &f.graph, &f.options), WARD_ERR_ARG);
    f.options.bn = BN_RUNNING;
    compile(&f);
    teardown(&f);
}

static void test_batch_norm_by_one_value_is_refused(void **state)
{
    (void)state;
    on_every_device(refuses_the_variance_of_one_value);
}

/* ---- parameters ---- */

static void gives_parameters_back(const char *device)
{
    float in[10 * 3 * 3 * 3], out[10 * 3 * 3 * 3];
    struct plan_packed packed;
    struct fixture f;

    struct conv_config config = {
        .name = "a", .channels = 10, .kernel = 3, .stride = 1, .padding = 1};
    int y;

    setup(&f, device, (struct dims){1, 3, 8, 8});
    y = graph_conv(&f.graph, f.x, &config);
    config.name = "b";
    config.channels = 3;
    config.is_frozen = true;
    graph_squared_distance(&f.graph, f.x, graph_conv(&f.graph, y, &config), 1);
    f.options.gradients = PLAN_GRAD_PARAMS;
    compile(&f);
    for (size_t p = 0; p < 2; p++) {
        for (size_t i = 0; i < sizeof in / sizeof in[0]; i++)
            in[i] = (float)(i + p * 1000);
        assert_int_equal(plan_load(f.plan, p, PLAN_VALUE, in), WARD_OK);
        assert_int_equal(plan_store(f.plan, p, PLAN_VALUE, out), WARD_OK);
        assert_memory_equal(in, out, sizeof in);
    }
    assert_int_equal(plan_store(f.plan, 0, PLAN_VELOCITY, out), WARD_OK);
    assert_true(out[0] == 0 && out[269] == 0);
    assert_int_equal(plan_load(f.plan, 0, PLAN_VELOCITY, in), WARD_OK);
    assert_int_equal(plan_store(f.plan, 0, PLAN_VELOCITY, out), WARD_OK);
    assert_memory_equal(in, out, sizeof in);
    packed = plan_packed(f.plan, 0);
    assert_true(packed.value && packed.gradient && packed.velocity && packed.len >= 270);
    packed = plan_packed(f.plan, 1);
    assert_null(packed.gradient);
    teardown(&f);
}

static void test_parameters_come_back_as_they_went_in(void **state)
{
    (void)state;
    on_every_device(gives_parameters_back);
}

static ward_status compile_something(void *context)
{
    const struct fixture *f = context;
    struct plan *plan = NULL;
    ward_status st = plan_compile(&plan, f->device, &f->graph, &f->options);

    plan_free(plan);
    return st;
}

static void survives_failing_allocations(const char *device)
{
    struct fixture f;
    int x;

    setup(&f, device, (struct dims){2, 3, 8, 8});
    x = graph_conv(
        &f.graph, f.x,
        &(struct conv_config){.name = "c", .channels = 16, .kernel = 3, .stride = 1, .padding = 1});
    x = graph_relu(&f.graph, graph_batch_norm(&f.graph, x, "bn", true, false));
    x = graph_dropout(&f.graph, graph_dense(&f.graph, x, "fc", 10, false), 0.5f);
    graph_cross_entropy(&f.graph, x, graph_labels(&f.graph, 2), 0, 2, 1);
    graph_infomax(&f.graph, x, 0, 2, 1);
    f.options.gradients = PLAN_GRAD_PARAMS | PLAN_GRAD_INPUTS;
    f.options.bn = BN_BATCH;
    f.options.has_dropout = f.options.is_secret = true;
    keep(&f, x);
    assert_true(assert_survives_failing_allocations(compile_something, &f) > 0);
    teardown(&f);
}

static void test_running_out_of_memory_is_reported(void **state)
{
    (void)state;
    on_every_device(survives_failing_allocations);
    plan_free(NULL);
}

/* ---- evaluation ---- */

/* The small network of images of 3 x 8 x 8, whose first dense layer has more weights than a slice
 * of a batch should read; what is kept lies before and behind it. */
static void build_small_network(struct fixture *f)
{
    struct conv_config conv = {
        .name = "conv", .channels = 32, .kernel = 3, .stride = 1, .padding = 1, .has_bias = true};
    int y = graph_relu(&f->graph, graph_conv(&f->graph, f->x, &conv));

    y = graph_max_pool(&f->graph, y, 2);
    keep(f, y);
    y = graph_relu(&f->graph, graph_dense(&f->graph, y, "fc1", 550, false));
    keep(f, y);
    y = graph_dropout(&f->graph, y, 0.5f);
    keep(f, graph_dense(&f->graph, y, "fc2", 10, false));
}

static void load_random(struct fixture *f)
{
    for (size_t p = 0; p < f->graph.param_count; p++) {
        size_t count = shape_count(&f->graph.params[p].shape);
        float *values = NULL, *stored = NULL;
        struct rng rng;

        assert_int_equal(mem_new(&values, count, sizeof *values), WARD_OK);
        assert_int_equal(mem_new(&stored, count, sizeof *stored), WARD_OK);
        rng_init(&rng, 1, RNG_TEST, 1, p);
        for (size_t i = 0; i < count; i++)
            values[i] = 0.1f * (rng_uniform(&rng) - 0.5f);
        assert_int_equal(plan_load(f->plan, p, PLAN_VALUE, values), WARD_OK);
        assert_int_equal(plan_store(f->plan, p, PLAN_VALUE, stored), WARD_OK);
        assert_memory_equal(values, stored, count * sizeof *values);
        mem_free(values);
        mem_free(stored);
    }
}

static void evaluate(struct fixture *f, const char *device, size_t rows)
{
    struct rng rng;

    setup(f, device, (struct dims){rows, 3, 8, 8});
    build_small_network(f);
    compile(f);
    load_random(f);
    rng_init(&rng, 1, RNG_TEST, 0, 0);
    for (size_t i = 0; i < rows * 3 * 8 * 8; i++)
        plan_input(f->plan, f->x)[i] = rng_uniform(&rng);
    assert_int_equal(plan_forward(f->plan), WARD_OK);
}

static void agrees_whatever_the_batch(const char *device)
{
    static const size_t batches[] = {1, 2, 5, 31, 33, 64};
    struct fixture should, is;

    evaluate(&should, "ref", 64);
    for (size_t b = 0; b < sizeof batches / sizeof batches[0]; b++) {
        evaluate(&is, device, batches[b]);
        for (size_t k = 0; k < is.options.output_count; k++) {
            int node = is.options.outputs[k];

            assert_near(device, plan_output(is.plan, node), plan_output(should.plan, node),
                        dims_count(graph_dims(&is.graph, node)));
        }
        teardown(&is);
    }
    teardown(&should);
}

static void test_an_evaluated_image_does_not_depend_on_its_batch(void **state)
{
    (void)state;
    on_every_device(agrees_whatever_the_batch);
}

static void count_node(void *context, const struct plan_step *step)
{
    struct plan_passes *seconds = context;

    seconds[step->node] = step->seconds;
}

static void test_an_evaluation_profiles_the_layers_before_and_behind_many_weights(void **state)
{
    struct plan_passes seconds[16] = {{0, 0}};
    struct fixture f;
    const struct op_desc *nodes;

    (void)state;
    evaluate(&f, "cpu", 64);
    nodes = f.graph.nodes;
    assert_int_equal(plan_profile(f.plan), WARD_OK);
    assert_int_equal(plan_forward(f.plan), WARD_OK);
    plan_describe(f.plan, count_node, seconds);
    for (size_t i = 0; i < f.graph.node_count; i++)
        if (nodes[i].kind == OP_CONV || nodes[i].kind == OP_DENSE)
            assert_true(seconds[i].forward > 0);
        else if (nodes[i].kind == OP_INPUT || nodes[i].kind == OP_RELU)
            assert_true(seconds[i].forward <= 0);
    teardown(&f);
}

static void test_an_evaluation_that_runs_out_of_memory_is_reported(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f, "cpu", (struct dims){64, 3, 8, 8});
    build_small_network(&f);
    f.options.is_secret = true;
    assert_true(assert_survives_failing_allocations(compile_something, &f) > 0);
    teardown(&f);
}

/* ---- signals ---- */

static volatile sig_atomic_t ticks;

static void tick(int signal)
{
    (void)signal;
    ticks = ticks + 1;
}

/*
 * A handler on a thread inside oneDNN's generated code would break the heap (base/signals.h). With
 * a timer of a millisecond a pass of several would see several ticks; one may come when it returns.
 */
static void test_no_signal_handler_runs_inside_a_pass_of_the_cpu(void **state)
{
    struct itimerval every = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART}, before;
    struct conv_config conv = {.name = "a", .channels = 64, .kernel = 3, .stride = 1, .padding = 1};
    double longest = 0;
    struct fixture f;
    int most = 0;

    (void)state;
    setup(&f, "cpu", (struct dims){64, 64, 28, 28});
    keep(&f, graph_conv(&f.graph, f.x, &conv));
    compile(&f);
    sigaction(SIGALRM, &action, &before);
    setitimer(ITIMER_REAL, &every, NULL);
    for (int run = 0; run < 20; run++) {
        double begin = clock_seconds();

        ticks = 0;
        assert_int_equal(plan_forward(f.plan), WARD_OK);
        most = ticks > most ? ticks : most;
        longest = fmax(longest, clock_seconds() - begin);
    }
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &before, NULL);
    if (most > 2)
        fail_msg("%d handlers ran in a pass of at most %.1f ms", most, 1e3 * longest);
    teardown(&f);
}

/* ---- profiles ---- */

/* Two convolutions of 2 x 3 x 4 x 4 images; the first takes no gradient with respect to x. */
static void setup_convolutions(struct fixture *f, const char *device)
{
    struct conv_config a = {.name = "a", .channels = 8, .kernel = 3, .stride = 1, .padding = 1};
    struct conv_config b = {.name = "b", .channels = 5, .kernel = 1, .stride = 1};
    int y;

    setup(f, device, (struct dims){2, 3, 4, 4});
    y = graph_conv(&f->graph, graph_relu(&f->graph, graph_conv(&f->graph, f->x, &a)), &b);
    y = graph_dense(&f->graph, y, "c", 4, false);
    graph_cross_entropy(&f->graph, y, graph_labels(&f->graph, 2), 0, 2, 1);
    f->options.gradients = PLAN_GRAD_PARAMS;
    compile(f);
}

static void counts_operations(const char *device)
{
    const double a = 2.0 * 2 * 16 * 8 * 27, b = 2.0 * 2 * 16 * 5 * 8, c = 2.0 * 2 * 4 * 80;
    struct plan_passes flops;
    struct fixture f;

    setup_convolutions(&f, device);
    flops = plan_flops(f.plan);
    if (flops.forward != a + b + c || flops.backward != a + 2 * b + 2 * c)
        fail_msg("%s: expected %g and %g operations, got %g and %g", device, a + b + c,
                 a + 2 * b + 2 * c, flops.forward, flops.backward);
    teardown(&f);
}

static void test_operations_are_those_of_the_gradients_that_are_needed(void **state)
{
    (void)state;
    on_every_device(counts_operations);
}

static void add_step(void *context, const struct plan_step *step)
{
    struct plan_step *sum = context;

    assert_true(strlen(step->name) > 0 && strlen(step->implementation) > 0);
    assert_true(step->seconds.forward >= 0 && step->seconds.backward >= 0);
    sum->seconds.forward += step->seconds.forward;
    sum->seconds.backward += step->seconds.backward;
    sum->flops.forward += step->flops.forward;
    sum->flops.backward += step->flops.backward;
}

static struct plan_step run_and_describe(struct fixture *f)
{
    struct plan_step sum = {.node = -1};

    assert_int_equal(plan_forward(f->plan), WARD_OK);
    assert_int_equal(plan_backward(f->plan), WARD_OK);
    plan_describe(f->plan, add_step, &sum);
    return sum;
}

static void profiles_when_asked(const char *device)
{
    struct plan_passes flops;
    struct plan_step off, on;
    struct fixture f;

    setup_convolutions(&f, device);
    flops = plan_flops(f.plan);
    off = run_and_describe(&f);
    assert_int_equal(plan_profile(f.plan), WARD_OK);
    on = run_and_describe(&f);
    if (off.seconds.forward > 0 || off.seconds.backward > 0)
        fail_msg("%s: time was counted though nobody asked", device);
    if (!(on.seconds.forward > 0 && on.seconds.backward > 0))
        fail_msg("%s: no time was counted", device);
    assert_true(on.flops.forward == flops.forward && on.flops.backward == flops.backward);
    teardown(&f);
}

static void test_steps_have_names_operations_and_time_once_it_is_asked_for(void **state)
{
    (void)state;
    on_every_device(profiles_when_asked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_unknown_device_is_refused_by_name),
        cmocka_unit_test(test_listed_devices_open_and_tell_about_themselves),
        cmocka_unit_test(test_a_label_out_of_range_is_refused_with_its_row),
        cmocka_unit_test(test_gradients_of_nothing_are_refused),
        cmocka_unit_test(test_batch_norm_by_one_value_is_refused),
        cmocka_unit_test(test_parameters_come_back_as_they_went_in),
        cmocka_unit_test(test_running_out_of_memory_is_reported),
        cmocka_unit_test(test_operations_are_those_of_the_gradients_that_are_needed),
        cmocka_unit_test(test_steps_have_names_operations_and_time_once_it_is_asked_for),
        cmocka_unit_test(test_an_evaluated_image_does_not_depend_on_its_batch),
        cmocka_unit_test(test_an_evaluation_profiles_the_layers_before_and_behind_many_weights),
        cmocka_unit_test(test_an_evaluation_that_runs_out_of_memory_is_reported),
        cmocka_unit_test(test_no_signal_handler_runs_inside_a_pass_of_the_cpu),
    };

    return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
