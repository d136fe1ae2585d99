/* Architectures: the networks of their names, initial values, and what is trained through them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nn/adam.h"
#include "nn/net.h"
#include "ward/device.h"

static struct net_spec spec_of(const char *arch, size_t c, size_t h, size_t w, size_t k)
{
    struct net_spec spec = {.channels = c, .height = h, .width = w, .classes = k};

    snprintf(spec.arch, sizeof spec.arch, "%s", arch);
    return spec;
}

static struct net net_of(const char *arch, size_t c, size_t h, size_t w, size_t k, uint64_t seed)
{
    struct net_spec spec = spec_of(arch, c, h, w, k);
    struct net net = {0};
    ward_status st = net_init(&net, &spec, seed);

    if (st)
        fail_msg("%s on %zux%zux%zu: %s", arch, c, h, w, ward_error_message());
    return net;
}

static int is_buffer_name(const char *name)
{
    return strstr(name, ".running_") != NULL;
}

static size_t value_count(const struct net *net, int of_buffers)
{
    size_t count = 0;

    for (size_t i = 0; i < net->params.count; i++)
        if (is_buffer_name(net->params.items[i].name) == of_buffers)
            count += shape_count(&net->params.items[i].shape);
    return count;
}

static void check_shape(const struct net *net, const char *name, struct shape expected)
{
    const struct tensor *t = tensor_list_find(&net->params, name);

    if (!t)
        fail_msg("no parameter %s", name);
    if (!shape_equal(&t->shape, &expected))
        fail_msg("%s: rank %u, %zu x %zu x %zu x %zu", name, t->shape.rank, t->shape.dim[0],
                 t->shape.dim[1], t->shape.dim[2], t->shape.dim[3]);
}

static void simple_cnn_has_the_sizes_of_the_papers_table(void **state)
{
    static const char *const names[] = {"conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias",
                                        "fc1.weight",   "fc1.bias",   "fc2.weight",   "fc2.bias"};
    struct net net = net_of("simple-cnn", 1, 28, 28, 10, 1);

    (void)state;
    assert_int_equal(net.params.count, 8);
    for (size_t i = 0; i < 8; i++)
        assert_string_equal(net.params.items[i].name, names[i]);
    check_shape(&net, "conv1.weight", shape_make(4, 32, 1, 3, 3));
    check_shape(&net, "conv2.weight", shape_make(4, 64, 32, 3, 3));
    check_shape(&net, "fc1.weight", shape_make(2, 1024, 64 * 7 * 7, 1, 1));
    check_shape(&net, "fc2.weight", shape_make(2, 10, 1024, 1, 1));
    assert_int_equal(value_count(&net, 0), 320 + 18496 + 3212288 + 10250);
    net_release(&net);
}

static void resnet20_has_the_parameters_of_its_definition(void **state)
{
    struct net net = net_of("resnet20", 3, 28, 28, 10, 1);
    /* Convolutions of the stem and the three stages, scale and shift of 19 batch norms, fc. */
    size_t conv = 9 * (3 * 16 + 6 * 16 * 16 + 16 * 32 + 5 * 32 * 32 + 32 * 64 + 5 * 64 * 64);
    size_t norm = 2 * (7 * 16 + 6 * 32 + 6 * 64);

    (void)state;
    assert_int_equal(value_count(&net, 0), conv + norm + 64 * 10 + 10);
    assert_int_equal(value_count(&net, 0), 269722);
    assert_int_equal(value_count(&net, 1), norm);
    assert_int_equal(net.params.count, 19 + 19 * 4 + 2);
    check_shape(&net, "conv1.weight", shape_make(4, 16, 3, 3, 3));
    check_shape(&net, "bn1.running_mean", shape_make(1, 16, 1, 1, 1));
    check_shape(&net, "layer1.0.conv1.weight", shape_make(4, 16, 16, 3, 3));
    check_shape(&net, "layer2.0.conv1.weight", shape_make(4, 32, 16, 3, 3));
    check_shape(&net, "layer3.2.bn2.weight", shape_make(1, 64, 1, 1, 1));
    check_shape(&net, "fc.weight", shape_make(2, 10, 64, 1, 1));
    net_release(&net);
}

static void resnet20_on_grey_images_costs_the_operations_of_its_definition(void **state)
{
    struct net_spec spec = spec_of("resnet20", 1, 28, 28, 10);
    double stage1 = 28.0 * 28 * 9 * (16 * 1 + 6 * 16 * 16);
    double stage2 = 14.0 * 14 * 9 * (16 * 32 + 5 * 32 * 32);
    double stage3 = 7.0 * 7 * 9 * (32 * 64 + 5 * 64 * 64);
    struct graph g;

    (void)state;
    graph_init(&g);
    net_build(&spec, &g, graph_input(&g, (struct dims){1, 1, 28, 28}), (struct net_use){0});
    assert_int_equal(graph_finish(&g), WARD_OK);
    assert_true(graph_macs(&g) == stage1 + stage2 + stage3 + 640);
    graph_release(&g);
}

static void every_depth_of_6n_plus_2_is_a_network_and_no_other(void **state)
{
    static const char *const good[] = {"resnet8", "resnet14", "resnet20", "resnet56", "resnet110"};
    static const char *const bad[] = {"resnet",     "resnet2",   "resnet7",    "resnet21",
                                      "resnet020",  "resnet20 ", "resnet+20",  "ResNet20",
                                      "resnet1208", "",          "simple-cnn2"};

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct net net = net_of(good[i], 1, 8, 8, 2, 1);
        size_t depth = (size_t)atoi(good[i] + 6);

        assert_int_equal(net.params.count, 5 * (depth - 1) + 2);
        net_release(&net);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct net_spec spec = spec_of(bad[i], 1, 8, 8, 2);
        struct net net = {0};

        if (net_init(&net, &spec, 1) != WARD_ERR_ARG)
            fail_msg("'%s' was accepted", bad[i]);
        assert_null(net.params.items);
    }
}

static void images_too_small_and_odd_class_counts_are_refused_by_name(void **state)
{
    static const size_t classes[] = {0, 1, 1001};
    struct net_spec spec = spec_of("simple-cnn", 1, 3, 28, 10);
    struct net net = {0};

    (void)state;
    assert_int_equal(net_init(&net, &spec, 1), WARD_ERR_ARG);
    assert_non_null(strstr(ward_error_message(), "simple-cnn does not take images of 1 x 3 x 28"));
    for (size_t i = 0; i < 3; i++) {
        spec = spec_of("simple-cnn", 1, 28, 28, classes[i]);
        assert_int_equal(net_init(&net, &spec, 1), WARD_ERR_ARG);
    }
}

static void an_unknown_architecture_is_told_the_known_ones(void **state)
{
    struct net_spec spec = spec_of("vgg", 3, 8, 8, 4);
    struct net net = {0};

    (void)state;
    assert_int_equal(net_init(&net, &spec, 1), WARD_ERR_ARG);
    assert_string_equal(ward_error_message(),
                        "unknown architecture 'vgg': known are simple-cnn, resnetN with "
                        "N = 6n + 2, mlp-WIDTHxDEPTH, mixer-PATCHxCHANNELSxDEPTH");
}

static void an_mlp_has_the_layers_of_its_name(void **state)
{
    struct net net = net_of("mlp-48x3-residual", 1, 8, 8, 10, 1);

    (void)state;
    check_shape(&net, "fc1.weight", shape_make(2, 48, 64, 1, 1));
    check_shape(&net, "bn1.running_var", shape_make(1, 48, 1, 1, 1));
    check_shape(&net, "fc3.weight", shape_make(2, 48, 48, 1, 1));
    check_shape(&net, "fc.weight", shape_make(2, 10, 48, 1, 1));
    assert_int_equal(net.params.count, 3 * 6 + 2);
    net_release(&net);
}

static void a_mixer_has_the_layers_of_its_name(void **state)
{
    struct net net = net_of("mixer-2x48x3", 3, 8, 8, 10, 1);

    (void)state;
    check_shape(&net, "stem.weight", shape_make(4, 48, 12, 1, 1));
    check_shape(&net, "blocks.0.norm1.running_var", shape_make(1, 48, 1, 1, 1));
    check_shape(&net, "blocks.0.mlp_tokens.fc1.weight", shape_make(4, 32, 16, 1, 1));
    check_shape(&net, "blocks.2.mlp_tokens.fc2.bias", shape_make(1, 16, 1, 1, 1));
    check_shape(&net, "blocks.2.mlp_channels.fc1.weight", shape_make(4, 96, 48, 1, 1));
    check_shape(&net, "fc.weight", shape_make(2, 10, 48, 1, 1));
    assert_int_equal(net.params.count, 2 + 3 * 16 + 4 + 2);
    net_release(&net);
}

static void a_mixer_takes_squares_that_its_patches_fill(void **state)
{
    static const struct {
        const char *arch;
        size_t height, width;
        const char *fault;
    } bad[] = {
        {"mixer-3x8x1", 8, 8, "patches of 3 x 3 are not a square of 8 x 8"},
        {"mixer-4x8x1", 8, 16, "patches of 4 x 4 are not a square of 8 x 16"},
        {"mixer-16x8x1", 8, 8, "patches of 16 x 16 are not a square of 8 x 8"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct net_spec spec = spec_of(bad[i].arch, 1, bad[i].height, bad[i].width, 10);
        struct net net = {0};

        assert_int_equal(net_init(&net, &spec, 1), WARD_ERR_ARG);
        assert_non_null(strstr(ward_error_message(), bad[i].fault));
        assert_non_null(strstr(ward_error_message(), "does not take images of"));
    }
}

static void a_mixer_of_another_name_is_none(void **state)
{
    static const char *const bad[] = {"mixer",          "mixer-4",       "mixer-4x8",
                                      "mixer-0x8x1",    "mixer-33x8x1",  "mixer-4x0x1",
                                      "mixer-4x2049x1", "mixer-4x8x0",   "mixer-4x8x17",
                                      "mixer-04x8x1",   "mixer-4x8x1x1", "mixer-4x8x1 "};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct net_spec spec = spec_of(bad[i], 1, 64, 64, 2);
        struct net net = {0};

        if (net_init(&net, &spec, 1) != WARD_ERR_ARG)
            fail_msg("'%s' was accepted", bad[i]);
    }
}

static size_t nodes_of(const struct graph *g, enum op_kind kind)
{
    size_t count = 0;

    for (size_t i = 0; i < g->node_count; i++)
        count += g->nodes[i].kind == kind;
    return count;
}

static size_t kind_count(const char *arch, enum op_kind kind)
{
    struct net_spec spec = spec_of(arch, 1, 8, 8, 10);
    struct graph g;
    size_t count;

    graph_init(&g);
    assert_int_equal(net_graph(&g, &spec), WARD_OK);
    count = nodes_of(&g, kind);
    graph_release(&g);
    return count;
}

static void a_residual_mlp_adds_every_layer_but_the_first(void **state)
{
    (void)state;
    assert_int_equal(kind_count("mlp-16x4", OP_ADD), 0);
    assert_int_equal(kind_count("mlp-16x4-residual", OP_ADD), 3);
}

static void a_leaky_name_has_leaky_activations_and_the_same_parameters(void **state)
{
    static const char *const names[][2] = {{"simple-cnn", "simple-cnn-leaky"},
                                           {"resnet14", "resnet14-leaky"},
                                           {"mlp-16x2", "mlp-16x2-leaky"},
                                           {"mixer-4x8x2", "mixer-4x8x2-leaky"}};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct net plain = net_of(names[i][0], 1, 8, 8, 10, 1);
        struct net leaky = net_of(names[i][1], 1, 8, 8, 10, 1);

        assert_true(kind_count(names[i][0], OP_RELU) > 0);
        assert_int_equal(kind_count(names[i][0], OP_LEAKY_RELU), 0);
        assert_int_equal(kind_count(names[i][1], OP_RELU), 0);
        assert_int_equal(kind_count(names[i][1], OP_LEAKY_RELU), kind_count(names[i][0], OP_RELU));
        assert_int_equal(plain.params.count, leaky.params.count);
        for (size_t p = 0; p < plain.params.count; p++)
            assert_memory_equal(plain.params.items[p].data, leaky.params.items[p].data,
                                shape_count(&plain.params.items[p].shape) * sizeof(float));
        net_release(&plain);
        net_release(&leaky);
    }
}

static void an_mlp_of_another_name_is_none(void **state)
{
    static const char *const bad[] = {"mlp",
                                      "mlp-",
                                      "mlp-16",
                                      "mlp-16x0",
                                      "mlp-0x2",
                                      "mlp-016x2",
                                      "mlp-16x2 ",
                                      "mlp-16x17",
                                      "mlp-8193x2",
                                      "mlp-16x2-leaky-leaky",
                                      "mlp-16x2-residua",
                                      "mlp-16x2-leaky-residual",
                                      "-leaky",
                                      "mlp--16x2"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct net_spec spec = spec_of(bad[i], 1, 8, 8, 2);
        struct net net = {0};

        if (net_init(&net, &spec, 1) != WARD_ERR_ARG)
            fail_msg("'%s' was accepted", bad[i]);
    }
}

static void equal_seeds_give_equal_values_and_others_do_not(void **state)
{
    struct net a = net_of("resnet8", 1, 8, 8, 3, 7), b = net_of("resnet8", 1, 8, 8, 3, 7);
    struct net c = net_of("resnet8", 1, 8, 8, 3, 8);

    (void)state;
    for (size_t i = 0; i < a.params.count; i++) {
        size_t len = shape_count(&a.params.items[i].shape) * sizeof(float);

        assert_memory_equal(a.params.items[i].data, b.params.items[i].data, len);
        if (a.params.items[i].shape.rank > 1)
            assert_memory_not_equal(a.params.items[i].data, c.params.items[i].data, len);
    }
    net_release(&a);
    net_release(&b);
    net_release(&c);
}

static void initial_values_have_the_spread_that_the_header_states(void **state)
{
    struct net net = net_of("simple-cnn", 1, 28, 28, 10, 3);
    const struct tensor *conv = tensor_list_find(&net.params, "conv2.weight");
    const struct tensor *dense = tensor_list_find(&net.params, "fc1.weight");
    double sum = 0, square = 0, high = 0;
    size_t count = shape_count(&conv->shape);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        sum += (double)conv->data[i];
        square += (double)conv->data[i] * (double)conv->data[i];
    }
    /* Six standard errors of 18,432 draws of N(0, 2 / 288). */
    assert_true(fabs(sum / (double)count) < 6 * sqrt(2.0 / 288 / (double)count));
    assert_true(fabs(square / (double)count / (2.0 / 288) - 1) < 6 * sqrt(2.0 / (double)count));
    for (size_t i = 0; i < shape_count(&dense->shape); i++)
        high = fmax(high, fabs((double)dense->data[i]));
    assert_true(high <= 1 / 56.0 + 1e-7 && high > 0.999 / 56.0);
    net_release(&net);
}

static void two_uses_of_a_network_share_their_parameters(void **state)
{
    struct net_spec spec = spec_of("resnet8", 1, 8, 8, 3);
    struct graph g;
    size_t once;
    int x;

    (void)state;
    graph_init(&g);
    x = graph_input(&g, (struct dims){2, 1, 8, 8});
    net_build(&spec, &g, x, (struct net_use){.keeps_running = true});
    once = g.param_count;
    net_build(&spec, &g, x, (struct net_use){.keeps_running = false});
    assert_int_equal(graph_finish(&g), WARD_OK);
    assert_int_equal(g.param_count, once);
    graph_release(&g);
}

/* ---- through a network that is given ---- */

enum { IMAGES = 2, PIXELS = 8 * 8, GIVEN_CLASSES = 3 };

/* A pattern added to the images in front of a network whose parameters are constants. */
struct probe {
    ward_device *device;
    struct graph graph;
    struct plan *plan;
    struct tensor_list pattern;
    int logits;
};

static void probe_init(struct probe *p, const char *device, const struct net *net,
                       struct net_use use)
{
    struct plan_options options = {.gradients = PLAN_GRAD_PARAMS, .output_count = 1};
    const struct tensor_list *const lists[] = {&net->params, &p->pattern};
    struct shape shape = shape_make(3, 1, 8, 8, 1);
    int x, labels;

    *p = (struct probe){0};
    use.is_frozen = true;
    assert_int_equal(ward_device_open(&p->device, device), WARD_OK);
    assert_int_equal(tensor_list_add(&p->pattern, "pattern", &shape, NULL), WARD_OK);
    graph_init(&p->graph);
    x = graph_input(&p->graph, (struct dims){IMAGES, 1, 8, 8});
    p->logits =
        net_build(&net->spec, &p->graph, graph_scale_shift(&p->graph, x, "pattern", 1, false), use);
    labels = graph_labels(&p->graph, IMAGES);
    graph_cross_entropy(&p->graph, p->logits, labels, 0, IMAGES, 1);
    options.outputs[0] = p->logits;
    assert_int_equal(plan_compile(&p->plan, p->device, &p->graph, &options), WARD_OK);
    assert_int_equal(params_load(p->plan, lists, 2), WARD_OK);
    for (size_t i = 0; i < IMAGES * PIXELS; i++)
        plan_input(p->plan, x)[i] = cosf((float)(i * i));
    plan_labels(p->plan, labels)[1] = 1;
    assert_int_equal(plan_forward(p->plan), WARD_OK);
    assert_int_equal(plan_backward(p->plan), WARD_OK);
}

static void probe_release(struct probe *p)
{
    plan_free(p->plan);
    graph_release(&p->graph);
    tensor_list_release(&p->pattern);
    ward_device_close(p->device);
}

static double gradient_norm(const struct probe *p)
{
    float gradient[PIXELS];
    double sum = 0;

    for (size_t i = 0; i < p->graph.param_count; i++)
        if (p->graph.params[i].is_trainable) {
            assert_string_equal(p->graph.params[i].name, "pattern");
            assert_int_equal(plan_store(p->plan, i, PLAN_GRADIENT, gradient), WARD_OK);
        }
    for (size_t i = 0; i < PIXELS; i++)
        sum += (double)gradient[i] * (double)gradient[i];
    return sqrt(sum);
}

static const char *const given_archs[] = {"simple-cnn", "resnet8"};

static void a_pattern_in_front_of_a_frozen_network_is_trained_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct net net = net_of(given_archs[i / 2], 1, 8, 8, GIVEN_CLASSES, 5);
        struct tensor_list after = {0};
        struct adam adam = {0};
        struct probe p;
        double sum = 0;

        probe_init(&p, ward_device_list(i % 2), &net, (struct net_use){0});
        assert_true(gradient_norm(&p) > 0);
        assert_int_equal(adam_init(&adam, p.plan), WARD_OK);
        assert_int_equal(adam.count, PIXELS);
        adam_step(&adam, 0.01f, NULL);
        assert_int_equal(tensor_list_copy(&after, &net.params), WARD_OK);
        assert_int_equal(params_store(p.plan, PLAN_VALUE, &after), WARD_OK);
        assert_int_equal(params_store(p.plan, PLAN_VALUE, &p.pattern), WARD_OK);
        for (size_t j = 0; j < after.count; j++)
            assert_memory_equal(after.items[j].data, net.params.items[j].data,
                                shape_count(&after.items[j].shape) * sizeof(float));
        for (size_t j = 0; j < PIXELS; j++)
            sum += fabs((double)p.pattern.items[0].data[j]);
        assert_true(sum > 0);
        adam_release(&adam);
        tensor_list_release(&after);
        probe_release(&p);
        net_release(&net);
    }
}

/* The first ReLUs are off for every image, so nothing behind them depends on it. */
static void a_slope_of_relus_changes_gradients_and_no_value(void **state)
{
    static const char *const first_bias[] = {"conv1.bias", "bn1.bias"};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct net net = net_of(given_archs[i / 2], 1, 8, 8, GIVEN_CLASSES, 5);
        struct tensor *bias = tensor_list_find(&net.params, first_bias[i / 2]);
        struct probe plain, leaky;

        for (size_t j = 0; j < shape_count(&bias->shape); j++)
            bias->data[j] = -1000;
        probe_init(&plain, ward_device_list(i % 2), &net, (struct net_use){0});
        probe_init(&leaky, ward_device_list(i % 2), &net, (struct net_use){.let_through = 0.1f});
        assert_memory_equal(plan_output(plain.plan, plain.logits),
                            plan_output(leaky.plan, leaky.logits),
                            IMAGES * GIVEN_CLASSES * sizeof(float));
        assert_true(gradient_norm(&plain) <= 0 && gradient_norm(&leaky) > 0);
        for (size_t j = 0; j < leaky.graph.node_count; j++)
            if (leaky.graph.nodes[j].kind == OP_RELU)
                assert_true(leaky.graph.nodes[j].backward_slope > 0);
        probe_release(&plain);
        probe_release(&leaky);
        net_release(&net);
    }
}

/* Half of what a leaky ReLU withholds is 0.45 beside its slope of 0.1. */
static void a_leaky_network_has_another_backward_pass_too(void **state)
{
    static const char *const names[] = {"simple-cnn-leaky", "resnet8-leaky", "mlp-16x2-leaky",
                                        "mixer-2x8x2-leaky"};

    (void)state;
    for (size_t i = 0; i < 8; i++) {
        struct net net = net_of(names[i / 2], 1, 8, 8, GIVEN_CLASSES, 5);
        struct probe plain, other;
        size_t leaky = 0;

        probe_init(&plain, ward_device_list(i % 2), &net, (struct net_use){0});
        probe_init(&other, ward_device_list(i % 2), &net, (struct net_use){.let_through = 0.5f});
        assert_memory_equal(plan_output(plain.plan, plain.logits),
                            plan_output(other.plan, other.logits),
                            IMAGES * GIVEN_CLASSES * sizeof(float));
        assert_true(fabs(gradient_norm(&plain) - gradient_norm(&other)) > 1e-3);
        for (size_t j = 0; j < other.graph.node_count; j++) {
            const struct op_desc *node = &other.graph.nodes[j];

            if (node->kind != OP_LEAKY_RELU)
                continue;
            leaky++;
            assert_true(fabsf(node->slope - 0.1f) < 1e-6f);
            assert_true(fabsf(node->backward_slope - 0.55f) < 1e-6f);
        }
        assert_true(leaky > 0);
        probe_release(&plain);
        probe_release(&other);
        net_release(&net);
    }
}

/* Largest difference of the logits of two probes. */
static double logits_apart(struct probe *a, struct probe *b)
{
    const float *x = plan_output(a->plan, a->logits), *y = plan_output(b->plan, b->logits);
    double most = 0;

    for (size_t i = 0; i < IMAGES * GIVEN_CLASSES; i++)
        most = fmax(most, fabs((double)x[i] - (double)y[i]));
    return most;
}

static void a_softened_network_has_the_parameters_but_no_relu(void **state)
{
    static const char *const names[] = {"simple-cnn",       "resnet8",       "mlp-16x2",
                                        "simple-cnn-leaky", "resnet8-leaky", "mlp-16x2-leaky"};

    (void)state;
    for (size_t i = 0; i < 12; i++) {
        struct net net = net_of(names[i / 2], 1, 8, 8, GIVEN_CLASSES, 5);
        enum op_kind kind = i < 6 ? OP_RELU : OP_LEAKY_RELU;
        struct probe plain, soft, hard;

        probe_init(&plain, ward_device_list(i % 2), &net, (struct net_use){0});
        probe_init(&soft, ward_device_list(i % 2), &net, (struct net_use){.softness = 1});
        probe_init(&hard, ward_device_list(i % 2), &net, (struct net_use){.softness = 1e5f});
        assert_int_equal(nodes_of(&soft.graph, kind), 0);
        assert_int_equal(nodes_of(&soft.graph, OP_SOFTPLUS), nodes_of(&plain.graph, kind));
        assert_int_equal(soft.graph.param_count, plain.graph.param_count);
        for (size_t p = 0; p < plain.graph.param_count; p++)
            assert_string_equal(soft.graph.params[p].name, plain.graph.params[p].name);
        if (!(logits_apart(&plain, &soft) > 1e-3 && logits_apart(&plain, &hard) < 1e-4))
            fail_msg("%s: %g apart, near a ReLU %g", names[i / 2], logits_apart(&plain, &soft),
                     logits_apart(&plain, &hard));
        probe_release(&plain);
        probe_release(&soft);
        probe_release(&hard);
        net_release(&net);
    }
}

/* The first ReLUs are off for every image, but not so far that softplus is 0, too. */
static void a_softened_network_has_a_gradient_where_relus_are_shut(void **state)
{
    static const char *const first_bias[] = {"conv1.bias", "bn1.bias"};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct net net = net_of(given_archs[i / 2], 1, 8, 8, GIVEN_CLASSES, 5);
        struct tensor *bias = tensor_list_find(&net.params, first_bias[i / 2]);
        struct probe plain, soft;

        for (size_t j = 0; j < shape_count(&bias->shape); j++)
            bias->data[j] = -20;
        probe_init(&plain, ward_device_list(i % 2), &net, (struct net_use){0});
        probe_init(&soft, ward_device_list(i % 2), &net, (struct net_use){.softness = 1});
        assert_true(gradient_norm(&plain) <= 0 && gradient_norm(&soft) > 0);
        probe_release(&plain);
        probe_release(&soft);
        net_release(&net);
    }
}

/* ---- a mixer by loops ---- */

enum { SIDE = 2, TOKENS = SIDE * SIDE, WIDTH = 3, MIXED = 2 };

static const float *value_of(const struct net *net, const char *name)
{
    const struct tensor *t = tensor_list_find(&net->params, name);

    assert_non_null(t);
    return t->data;
}

/* outs x ins weights, and a bias. */
static void dense_by_loops(const struct net *net, const char *part, size_t outs, size_t ins,
                           const double *x, double *y)
{
    char name[TENSOR_MAX_NAME + 8];
    const float *weight, *bias;

    snprintf(name, sizeof name, "%s.weight", part);
    weight = value_of(net, name);
    snprintf(name, sizeof name, "%s.bias", part);
    bias = value_of(net, name);
    for (size_t o = 0; o < outs; o++) {
        y[o] = (double)bias[o];
        for (size_t i = 0; i < ins; i++)
            y[o] += (double)weight[o * ins + i] * x[i];
    }
}

/* Two dense layers with a leaky ReLU between, of count values. */
static void mix_by_loops(const struct net *net, const char *part, size_t count, const double *x,
                         double *y)
{
    char name[TENSOR_MAX_NAME];
    double hidden[MIXED * TOKENS];

    snprintf(name, sizeof name, "blocks.0.mlp_%s.fc1", part);
    dense_by_loops(net, name, MIXED * count, count, x, hidden);
    for (size_t i = 0; i < MIXED * count; i++)
        hidden[i] *= hidden[i] > 0 ? 1 : 0.1;
    snprintf(name, sizeof name, "blocks.0.mlp_%s.fc2", part);
    dense_by_loops(net, name, count, MIXED * count, hidden, y);
}

/* Of running statistics as they are at first: 0 and 1. */
static const double norm_factor = 0.999995000037;

/* "mixer-2x3x1-leaky" on a grey image of 4 x 4. */
static void mixer_by_loops(const struct net *net, const float *image, double *logits)
{
    double x[TOKENS][WIDTH], in[2 * TOKENS], out[2 * TOKENS], pooled[WIDTH] = {0};

    for (size_t t = 0; t < TOKENS; t++) {
        for (size_t i = 0; i < 4; i++)
            in[i] = (double)image[(t / SIDE * 2 + i / 2) * 4 + t % SIDE * 2 + i % 2];
        dense_by_loops(net, "stem", WIDTH, 4, in, x[t]);
    }
    for (size_t c = 0; c < WIDTH; c++) {
        for (size_t t = 0; t < TOKENS; t++)
            in[t] = norm_factor * x[t][c];
        mix_by_loops(net, "tokens", TOKENS, in, out);
        for (size_t t = 0; t < TOKENS; t++)
            x[t][c] += out[t];
    }
    for (size_t t = 0; t < TOKENS; t++) {
        for (size_t c = 0; c < WIDTH; c++)
            in[c] = norm_factor * x[t][c];
        mix_by_loops(net, "channels", WIDTH, in, out);
        for (size_t c = 0; c < WIDTH; c++)
            pooled[c] += norm_factor * (x[t][c] + out[c]) / TOKENS;
    }
    dense_by_loops(net, "fc", 2, WIDTH, pooled, logits);
}

static void a_mixer_gives_what_loops_give(void **state)
{
    struct net net = net_of("mixer-2x3x1-leaky", 1, 4, 4, 2, 4);

    (void)state;
    for (size_t i = 0; i < net.params.count; i++) /* no bias of zero */
        if (strstr(net.params.items[i].name, ".bias") && !strstr(net.params.items[i].name, "norm"))
            for (size_t k = 0; k < shape_count(&net.params.items[i].shape); k++)
                net.params.items[i].data[k] = 0.25f * (float)(k + i % 3);
    for (size_t device = 0; device < 2; device++) {
        struct plan_options options = {.output_count = 1};
        const struct tensor_list *const lists[] = {&net.params};
        ward_device *opened;
        struct graph g;
        struct plan *plan;
        double wanted[2];
        int x, logits;

        graph_init(&g);
        x = graph_input(&g, (struct dims){1, 1, 4, 4});
        logits = net_build(&net.spec, &g, x, (struct net_use){0});
        options.outputs[0] = logits;
        assert_int_equal(ward_device_open(&opened, ward_device_list(device)), WARD_OK);
        assert_int_equal(plan_compile(&plan, opened, &g, &options), WARD_OK);
        assert_int_equal(params_load(plan, lists, 1), WARD_OK);
        for (size_t i = 0; i < 16; i++)
            plan_input(plan, x)[i] = cosf((float)(i * i));
        mixer_by_loops(&net, plan_input(plan, x), wanted);
        assert_int_equal(plan_forward(plan), WARD_OK);
        for (size_t k = 0; k < 2; k++)
            assert_true(fabs((double)plan_output(plan, logits)[k] - wanted[k]) < 1e-5);
        plan_free(plan);
        ward_device_close(opened);
        graph_release(&g);
    }
    net_release(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(simple_cnn_has_the_sizes_of_the_papers_table),
        cmocka_unit_test(resnet20_has_the_parameters_of_its_definition),
        cmocka_unit_test(an_mlp_has_the_layers_of_its_name),
        cmocka_unit_test(a_residual_mlp_adds_every_layer_but_the_first),
        cmocka_unit_test(a_leaky_name_has_leaky_activations_and_the_same_parameters),
        cmocka_unit_test(an_mlp_of_another_name_is_none),
        cmocka_unit_test(a_mixer_has_the_layers_of_its_name),
        cmocka_unit_test(a_mixer_takes_squares_that_its_patches_fill),
        cmocka_unit_test(a_mixer_of_another_name_is_none),
        cmocka_unit_test(a_mixer_gives_what_loops_give),
        cmocka_unit_test(resnet20_on_grey_images_costs_the_operations_of_its_definition),
        cmocka_unit_test(every_depth_of_6n_plus_2_is_a_network_and_no_other),
        cmocka_unit_test(images_too_small_and_odd_class_counts_are_refused_by_name),
        cmocka_unit_test(an_unknown_architecture_is_told_the_known_ones),
        cmocka_unit_test(equal_seeds_give_equal_values_and_others_do_not),
        cmocka_unit_test(initial_values_have_the_spread_that_the_header_states),
        cmocka_unit_test(two_uses_of_a_network_share_their_parameters),
        cmocka_unit_test(a_pattern_in_front_of_a_frozen_network_is_trained_alone),
        cmocka_unit_test(a_slope_of_relus_changes_gradients_and_no_value),
        cmocka_unit_test(a_leaky_network_has_another_backward_pass_too),
        cmocka_unit_test(a_softened_network_has_the_parameters_but_no_relu),
        cmocka_unit_test(a_softened_network_has_a_gradient_where_relus_are_shut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
