/*
 * G(x) = x + tanh(W2 * relu(W1 * x + b1) + b2): a pattern for each image, made by a convolution of
 * 5x5 to a few hidden channels and one of 1x1 back.
 */
#include <math.h>
#include <stdio.h>

#include "protect/method.h"

enum { KERNEL = 5, MAX_WIDTH = 1024 };

static ward_status check(const struct transform_spec *spec)
{
    if (spec->generator_width < 1 || spec->generator_width > MAX_WIDTH)
        return ward_fail(WARD_ERR_ARG, "generator width of %zu: not in 1 to %d",
                         spec->generator_width, MAX_WIDTH);
    return WARD_OK;
}

static ward_status add_zeros(struct transform *t, const char *name, size_t count)
{
    struct shape shape = shape_make(1, count, 1, 1, 1);

    return tensor_list_add(&t->params, name, &shape, NULL);
}

static ward_status init(struct transform *t)
{
    size_t c = t->spec.channels, width = t->spec.generator_width;
    float in1 = (float)(c * KERNEL * KERNEL), in2 = (float)width;
    ward_status st;

    st = method_add_normal(t, "transform.conv1.weight", shape_make(4, width, c, KERNEL, KERNEL),
                           "ward/generator/conv1/v1", sqrtf(2.0f / in1));
    if (!st)
        st = add_zeros(t, "transform.conv1.bias", width);
    if (!st)
        st = method_add_normal(t, "transform.conv2.weight", shape_make(4, c, width, 1, 1),
                               "ward/generator/conv2/v1", t->spec.start * sqrtf(1.0f / in2));
    if (!st)
        st = add_zeros(t, "transform.conv2.bias", c);
    return st;
}

int method_residual(const struct transform_spec *spec, struct graph *g, int x, const char *name,
                    bool is_frozen)
{
    char first[TENSOR_MAX_NAME], last[TENSOR_MAX_NAME];
    struct conv_config conv1 = {.name = first,
                                .channels = spec->generator_width,
                                .kernel = KERNEL,
                                .stride = 1,
                                .padding = KERNEL / 2,
                                .has_bias = true,
                                .is_frozen = is_frozen};
    struct conv_config conv2 = {.name = last,
                                .channels = spec->channels,
                                .kernel = 1,
                                .stride = 1,
                                .has_bias = true,
                                .is_frozen = is_frozen};
    int y;

    snprintf(first, sizeof first, "%s.conv1", name);
    snprintf(last, sizeof last, "%s.conv2", name);
    y = graph_relu(g, graph_conv(g, x, &conv1));
    y = graph_tanh(g, graph_conv(g, y, &conv2));
    return graph_add(g, x, y);
}

static int build(const struct transform_spec *spec, struct graph *g, int x, bool is_frozen)
{
    return method_residual(spec, g, x, "transform", is_frozen);
}

const struct method method_generator = {check, init, build};
