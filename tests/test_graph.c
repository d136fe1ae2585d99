/* Building graphs: shapes, names, and what is refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "alloc_test.h"
#include "compute/backend.h"

static void assert_dims(struct dims is, size_t n, size_t c, size_t h, size_t w)
{
    if (is.n != n || is.c != c || is.h != h || is.w != w)
        fail_msg("expected %zu x %zu x %zu x %zu, got %zu x %zu x %zu x %zu", n, c, h, w, is.n,
                 is.c, is.h, is.w);
}

static int conv(struct graph *g, int x, const char *name, size_t channels, size_t kernel,
                size_t stride, size_t padding)
{
    return graph_conv(g, x,
                      &(struct conv_config){.name = name,
                                            .channels = channels,
                                            .kernel = kernel,
                                            .stride = stride,
                                            .padding = padding,
                                            .has_bias = true});
}

static void test_every_operator_has_the_shape_of_its_definition(void **state)
{
    struct graph g;
    int x;

    (void)state;
    graph_init(&g);
    x = graph_input(&g, (struct dims){2, 16, 15, 14});
    assert_dims(graph_dims(&g, x), 2, 16, 15, 14);
    assert_dims(graph_dims(&g, graph_labels(&g, 7)), 7, 1, 1, 1);
    assert_dims(graph_dims(&g, conv(&g, x, "a", 3, 3, 1, 1)), 2, 3, 15, 14);
    assert_dims(graph_dims(&g, conv(&g, x, "b", 3, 5, 2, 2)), 2, 3, 8, 7);
    assert_dims(graph_dims(&g, conv(&g, x, "c", 3, 3, 2, 0)), 2, 3, 7, 6);
    assert_dims(graph_dims(&g, graph_batch_norm(&g, x, "bn", true, false)), 2, 16, 15, 14);
    assert_dims(graph_dims(&g, graph_max_pool(&g, x, 2)), 2, 16, 7, 7);
    assert_dims(graph_dims(&g, graph_global_avg_pool(&g, x)), 2, 16, 1, 1);
    assert_dims(graph_dims(&g, graph_dense(&g, x, "fc", 10, false)), 2, 10, 1, 1);
    assert_dims(graph_dims(&g, graph_dropout(&g, x, 0)), 2, 16, 15, 14);
    assert_dims(graph_dims(&g, graph_shortcut(&g, x, 32, 2)), 2, 32, 8, 7);
    assert_dims(graph_dims(&g, graph_concat(&g, x, x)), 4, 16, 15, 14);
    assert_dims(graph_dims(&g, graph_relu_bpda(&g, x, 0.1f)), 2, 16, 15, 14);
    assert_dims(graph_dims(&g, graph_softplus(&g, x, 10)), 2, 16, 15, 14);
    assert_dims(graph_dims(&g, graph_scale(&g, x, 0.5f)), 2, 16, 15, 14);
    assert_dims(graph_dims(&g, graph_space_to_depth(&g, x, 1)), 2, 16, 15, 14);
    assert_dims(graph_dims(&g, graph_space_to_depth(&g, graph_depth_to_space(&g, x, 2), 2)), 2, 16,
                15, 14);
    assert_dims(graph_dims(&g, graph_space_to_depth(&g, graph_max_pool(&g, x, 5), 1)), 2, 16, 3, 2);
    assert_dims(graph_dims(&g, graph_depth_to_space(&g, x, 4)), 2, 1, 60, 56);
    assert_dims(graph_dims(&g, graph_squared_distance(&g, x, x, 1)), 1, 1, 1, 1);
    x = graph_dense(&g, x, "logits", 10, false);
    assert_dims(graph_dims(&g, graph_infomax(&g, x, 1, 1, 1)), 1, 1, 1, 1);
    assert_dims(graph_dims(&g, graph_soft_cross_entropy(&g, x, x, 0, 2, 1)), 1, 1, 1, 1);
    assert_dims(graph_dims(&g, -1), 0, 0, 0, 0);
    assert_int_equal(graph_finish(&g), WARD_OK);
    graph_release(&g);
}

static void test_parameters_have_pytorch_names_and_layouts(void **state)
{
    static const char *const names[] = {
        "conv.weight",     "conv.bias",      "bn.weight", "bn.bias",
        "bn.running_mean", "bn.running_var", "fc.weight", "fc.bias",
    };
    struct shape weight = shape_make(4, 8, 3, 5, 5), dense = shape_make(2, 10, 8 * 28 * 28, 1, 1);
    struct graph g;
    int x;

    (void)state;
    graph_init(&g);
    x = conv(&g, graph_input(&g, (struct dims){1, 3, 28, 28}), "conv", 8, 5, 1, 2);
    graph_dense(&g, graph_batch_norm(&g, x, "bn", true, false), "fc", 10, false);
    assert_int_equal(graph_finish(&g), WARD_OK);
    assert_int_equal(g.param_count, 8);
    for (size_t i = 0; i < g.param_count; i++) {
        assert_string_equal(g.params[i].name, names[i]);
        assert_int_equal(g.params[i].is_trainable, !param_role_is_buffer(g.params[i].role));
    }
    assert_true(shape_equal(&g.params[0].shape, &weight));
    assert_true(shape_equal(&g.params[6].shape, &dense));
    graph_release(&g);
}

static void test_one_name_is_one_parameter(void **state)
{
    struct graph g;
    int x, a, b;

    (void)state;
    graph_init(&g);
    x = graph_input(&g, (struct dims){1, 3, 8, 8});
    a = conv(&g, x, "conv", 3, 3, 1, 1);
    b = conv(&g, a, "conv", 3, 3, 1, 1);
    assert_int_equal(graph_finish(&g), WARD_OK);
    assert_int_equal(g.param_count, 2);
    assert_int_equal(g.nodes[a].param[0], g.nodes[b].param[0]);
    assert_int_equal(g.nodes[a].param[1], g.nodes[b].param[1]);
    graph_release(&g);
}

static void test_multiply_adds_are_counted_by_definition(void **state)
{
    struct graph g;

    (void)state;
    graph_init(&g);
    graph_dense(&g, conv(&g, graph_input(&g, (struct dims){2, 3, 8, 8}), "c", 4, 3, 1, 1), "fc", 10,
                false);
    assert_true(graph_macs(&g) == 2 * (4 * 8 * 8) * (3 * 3 * 3) + 2 * 10 * (4 * 8 * 8));
    graph_release(&g);
}

/* ---- what is refused ---- */

static char long_name[2 * TENSOR_MAX_NAME];

static void bad_kernel(struct graph *g, int x)
{
    conv(g, x, "c", 3, 9, 1, 0);
}
static void bad_stride(struct graph *g, int x)
{
    conv(g, x, "c", 3, 3, 0, 1);
}
static void bad_padding(struct graph *g, int x)
{
    conv(g, x, "c", 3, 3, 1, 3);
}
static void bad_channels(struct graph *g, int x)
{
    conv(g, x, "c", 0, 3, 1, 1);
}
static void bad_name(struct graph *g, int x)
{
    conv(g, x, long_name, 3, 3, 1, 1);
}
static void bad_pool(struct graph *g, int x)
{
    graph_max_pool(g, x, 9);
}
static void bad_rate(struct graph *g, int x)
{
    graph_dropout(g, x, 1);
}
static void bad_beta(struct graph *g, int x)
{
    graph_softplus(g, x, 0);
}
static void bad_negative_beta(struct graph *g, int x)
{
    graph_softplus(g, x, -1);
}
static void bad_infinite_beta(struct graph *g, int x)
{
    graph_softplus(g, x, INFINITY);
}
static void bad_undefined_beta(struct graph *g, int x)
{
    graph_softplus(g, x, NAN);
}
static void bad_slope(struct graph *g, int x)
{
    graph_leaky_relu(g, x, -0.5f);
}
static void bad_full_slope(struct graph *g, int x)
{
    graph_leaky_relu_bpda(g, x, 1, 0);
}
static void bad_undefined_slope(struct graph *g, int x)
{
    graph_leaky_relu(g, x, NAN);
}
static void bad_clamp(struct graph *g, int x)
{
    graph_clamp(g, x, 1, -1);
}
static void bad_shortcut(struct graph *g, int x)
{
    graph_shortcut(g, x, 6, 2);
}
static void bad_narrow(struct graph *g, int x)
{
    graph_shortcut(g, x, 1, 1);
}
static void bad_add(struct graph *g, int x)
{
    graph_add(g, x, graph_max_pool(g, x, 2));
}
static void bad_concat(struct graph *g, int x)
{
    graph_concat(g, x, graph_max_pool(g, x, 2));
}
static void bad_operand(struct graph *g, int x)
{
    graph_relu(g, graph_squared_distance(g, x, x, 1));
}
static void bad_empty(struct graph *g, int x)
{
    (void)x;
    graph_input(g, (struct dims){0, 3, 8, 8});
}
static void bad_huge(struct graph *g, int x)
{
    (void)x;
    graph_input(g, (struct dims){SIZE_MAX / 4, 2, 2, 1});
}
static void bad_logits(struct graph *g, int x)
{
    graph_cross_entropy(g, x, graph_labels(g, 2), 0, 2, 1);
}
static void bad_rows(struct graph *g, int x)
{
    x = graph_dense(g, x, "fc", 10, false);
    graph_cross_entropy(g, x, graph_labels(g, 2), 1, 2, 1);
}
static void bad_labels(struct graph *g, int x)
{
    x = graph_dense(g, x, "fc", 10, false);
    graph_cross_entropy(g, x, graph_labels(g, 1), 0, 2, 1);
}
static void bad_targets(struct graph *g, int x)
{
    graph_soft_cross_entropy(g, graph_dense(g, x, "fc", 10, false), x, 0, 2, 1);
}
static void bad_target_rows(struct graph *g, int x)
{
    x = graph_dense(g, x, "fc", 10, false);
    graph_soft_cross_entropy(g, x, x, 0, 1, 1);
}
static void bad_infomax(struct graph *g, int x)
{
    graph_infomax(g, x, 0, 2, 1);
}
static void bad_blocks(struct graph *g, int x)
{
    graph_space_to_depth(g, x, 3);
}
static void bad_no_blocks(struct graph *g, int x)
{
    graph_space_to_depth(g, x, 0);
}
static void bad_depth(struct graph *g, int x)
{
    graph_depth_to_space(g, x, 2);
}
static void bad_huge_blocks(struct graph *g, int x)
{
    graph_depth_to_space(g, x, (size_t)1 << (sizeof(size_t) * 4));
}
static void bad_permute(struct graph *g, int x)
{
    graph_permute(g, x, NULL, (struct dims){2, 4, 8, 8});
}
static void bad_hadamard(struct graph *g, int x)
{
    graph_hadamard(g, graph_max_pool(g, x, 3));
}
static void bad_reuse(struct graph *g, int x)
{
    conv(g, conv(g, x, "c", 4, 3, 1, 1), "c", 4, 3, 1, 1);
}
static void bad_freeze(struct graph *g, int x)
{
    graph_scale_shift(g, x, "s", 1, true);
    graph_scale_shift(g, x, "s", 1, false);
}

static void test_what_does_not_fit_is_refused_with_a_message(void **state)
{
    static const struct {
        void (*build)(struct graph *g, int x);
        const char *says;
    } bad[] = {
        {bad_kernel, "Conv of kernel 9, stride 1, padding 0 does not fit 2 x 3 x 8 x 8"},
        {bad_stride, "Conv of kernel 3, stride 0"},
        {bad_padding, "padding 3"},
        {bad_channels, "is empty or too large"},
        {bad_name, "too long"},
        {bad_pool, "MaxPool of kernel 9"},
        {bad_rate, "dropout rate 1 is not in [0, 1)"},
        {bad_beta, "softplus needs a positive beta, not 0"},
        {bad_negative_beta, "softplus needs a positive beta, not -1"},
        {bad_infinite_beta, "softplus needs a positive beta, not inf"},
        {bad_undefined_beta, "softplus needs a positive beta, not "},
        {bad_slope, "leaky ReLU needs a slope in [0, 1), not -0.5"},
        {bad_full_slope, "leaky ReLU needs a slope in [0, 1), not 1"},
        {bad_undefined_slope, "leaky ReLU needs a slope in [0, 1), not "},
        {bad_clamp, "cannot clamp to [1, -1]"},
        {bad_shortcut, "no shortcut from 3 to 6 channels with stride 2"},
        {bad_narrow, "no shortcut from 3 to 1 channels"},
        {bad_add, "Add needs two operands of one shape, not 2 x 3 x 8 x 8 and 2 x 3 x 4 x 4"},
        {bad_concat, "cannot join rows of 2 x 3 x 8 x 8 and of 2 x 3 x 4 x 4"},
        {bad_operand, "Relu cannot be applied to the output of SquaredDistance"},
        {bad_empty, "is empty or too large"},
        {bad_huge, "is empty or too large"},
        {bad_logits, "CrossEntropy over rows 0 to 2 does not fit logits 2 x 3 x 8 x 8"},
        {bad_rows, "CrossEntropy over rows 1 to 3 does not fit logits 2 x 10 x 1 x 1"},
        {bad_labels, "CrossEntropy over 2 rows needs that many labels"},
        {bad_targets, "SoftCrossEntropy needs targets of 2 x 10 x 1 x 1, not 2 x 3 x 8 x 8"},
        {bad_target_rows, "SoftCrossEntropy needs targets of 1 x 10 x 1 x 1, not 2 x 10 x 1 x 1"},
        {bad_infomax, "InfoMax over rows 0 to 2 does not fit logits 2 x 3 x 8 x 8"},
        {bad_blocks, "SpaceToDepth by blocks of 3 x 3 does not fit 2 x 3 x 8 x 8"},
        {bad_no_blocks, "SpaceToDepth by blocks of 0 x 0"},
        {bad_depth, "DepthToSpace by blocks of 2 x 2 does not fit 2 x 3 x 8 x 8"},
        {bad_huge_blocks, "DepthToSpace by blocks of"},
        {bad_permute, "the values of 2 x 3 x 8 x 8 cannot become 2 x 4 x 8 x 8"},
        {bad_hadamard, "Hadamard of 2 x 3 x 2 x 2: the values do not come in blocks of 16"},
        {bad_reuse, "parameter 'c.weight' is used twice, differently"},
        {bad_freeze, "parameter 's' is used twice, differently"},
    };

    (void)state;
    memset(long_name, 'n', sizeof long_name - 1);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct graph g;
        int x;

        graph_init(&g);
        x = graph_input(&g, (struct dims){2, 3, 8, 8});
        bad[i].build(&g, x);
        if (graph_finish(&g) != WARD_ERR_ARG || !strstr(ward_error_message(), bad[i].says))
            fail_msg("expected '%s', got %s '%s'", bad[i].says, ward_status_name(graph_finish(&g)),
                     ward_error_message());
        graph_release(&g);
    }
}

static void test_the_first_failure_sticks(void **state)
{
    struct graph g;
    size_t count;
    int x;

    (void)state;
    graph_init(&g);
    x = graph_dropout(&g, graph_input(&g, (struct dims){1, 1, 4, 4}), 2);
    count = g.node_count;
    assert_int_equal(x, -1);
    x = graph_relu(&g, graph_batch_norm(&g, conv(&g, x, "c", 3, 3, 1, 1), "bn", true, false));
    x = graph_add(&g, graph_max_pool(&g, x, 2), graph_tanh(&g, graph_leaky_relu(&g, x, 0.1f)));
    x = graph_dense(&g, graph_concat(&g, x, graph_shortcut(&g, x, 8, 2)), "fc", 10, false);
    x = graph_scale_shift(&g, graph_global_avg_pool(&g, x), "s", 1, false);
    x = graph_depth_to_space(&g, graph_space_to_depth(&g, graph_scale(&g, x, 2), 2), 2);
    x = graph_softplus(&g, graph_relu_bpda(&g, x, 0.1f), 1);
    assert_int_equal(graph_cross_entropy(&g, x, graph_labels(&g, 1), 0, 1, 1), -1);
    assert_int_equal(graph_true_probability(&g, x, -1, 0, 1, 1), -1);
    assert_int_equal(graph_kl_uniform(&g, x, 0, 1, 1), -1);
    assert_int_equal(graph_infomax(&g, x, 0, 1, 1), -1);
    assert_int_equal(graph_soft_cross_entropy(&g, x, x, 0, 1, 1), -1);
    assert_int_equal(graph_squared_distance(&g, x, x, 1), -1);
    assert_int_equal(graph_param(&g, "p", PARAM_BIAS, true, shape_make(1, 1, 1, 1, 1)), -1);
    assert_int_equal(g.node_count, count);
    assert_int_equal(graph_finish(&g), WARD_ERR_ARG);
    assert_string_equal(ward_error_message(), "dropout rate 2 is not in [0, 1)");
    graph_release(&g);
}

static ward_status build_something(void *context)
{
    struct graph g;
    ward_status st;
    int x;

    (void)context;
    graph_init(&g);
    x = conv(&g, graph_input(&g, (struct dims){1, 3, 8, 8}), "c", 4, 3, 1, 1);
    graph_dense(&g, graph_batch_norm(&g, x, "bn", true, false), "fc", 10, false);
    st = graph_finish(&g);
    graph_release(&g);
    return st;
}

static void test_running_out_of_memory_is_reported(void **state)
{
    (void)state;
    assert_true(assert_survives_failing_allocations(build_something, NULL) > 0);
}

/* ---- which gradients are needed ---- */

static void test_gradients_are_needed_between_what_is_wanted_and_a_loss(void **state)
{
    struct plan_options options = {.gradients = PLAN_GRAD_PARAMS};
    struct graph g;
    bool *needs = NULL;
    int x, frozen, trained, loss, behind;

    (void)state;
    graph_init(&g);
    x = graph_input(&g, (struct dims){2, 3, 8, 8});
    frozen = graph_scale_shift(&g, x, "frozen", 1, true);
    trained = graph_scale_shift(&g, frozen, "trained", 1, false);
    loss = graph_squared_distance(&g, trained, x, 1);
    behind = graph_relu(&g, trained);
    assert_int_equal(graph_finish(&g), WARD_OK);

    assert_int_equal(graph_needs_gradient(&g, &options, &needs), WARD_OK);
    assert_false(needs[x] || needs[frozen] || needs[behind]);
    assert_true(needs[trained] && needs[loss]);
    mem_free(needs);

    options.gradients = PLAN_GRAD_INPUTS;
    assert_int_equal(graph_needs_gradient(&g, &options, &needs), WARD_OK);
    assert_true(needs[x] && needs[frozen] && needs[trained] && needs[loss]);
    assert_false(needs[behind]);
    mem_free(needs);
    graph_release(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_operator_has_the_shape_of_its_definition),
        cmocka_unit_test(test_parameters_have_pytorch_names_and_layouts),
        cmocka_unit_test(test_one_name_is_one_parameter),
        cmocka_unit_test(test_multiply_adds_are_counted_by_definition),
        cmocka_unit_test(test_what_does_not_fit_is_refused_with_a_message),
        cmocka_unit_test(test_the_first_failure_sticks),
        cmocka_unit_test(test_running_out_of_memory_is_reported),
        cmocka_unit_test(test_gradients_are_needed_between_what_is_wanted_and_a_loss),
    };

    return cmocka_run_group_tests_name("graph", tests, NULL, NULL);
}
