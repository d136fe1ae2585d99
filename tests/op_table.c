#include "op_table.h"

/*
 * Tolerances. Devices add up in float, "ref" in double. A sum of K float products of one size is
 * off by about sqrt(K) 2^-24 of its terms' norm, so by 1e-6 for K = 600 and 4e-6 for the longest
 * sums here (weight gradients over 128 x 28 x 28 are not in the table). Values that passed through
 * several layers add the errors of each, and batch norm divides by a standard deviation.
 */
#define TOL_ELEMENT 1e-6 /* a few roundings an element; tanh and exp of float accuracy */
#define TOL_SUM 1e-5     /* one sum of up to 2000 products */
#define TOL_NORM 3e-5    /* batch norm: sums of squares, differences of sums in its gradient */
#define TOL_DEEP 3e-5    /* several of those in a row */

/* ---- builders ---- */

static void keep(struct op_case *c, int node)
{
    c->outputs[c->output_count++] = node;
}

/* Compare y, and let a gradient of a few units flow into it: a squared distance to a target. */
static void probe(struct op_case *c, int y)
{
    int target = graph_input(&c->graph, graph_dims(&c->graph, y));

    keep(c, y);
    graph_squared_distance(&c->graph, y, target, 0.5f);
}

static int conv(struct graph *g, int x, const char *name, size_t channels, size_t kernel)
{
    return graph_conv(g, x,
                      &(struct conv_config){.name = name,
                                            .channels = channels,
                                            .kernel = kernel,
                                            .stride = 1,
                                            .padding = kernel / 2,
                                            .has_bias = true});
}

/* Without bias, as before a batch norm. */
static int conv_plain(struct graph *g, int x, const char *name, size_t channels, size_t stride)
{
    return graph_conv(
        g, x,
        &(struct conv_config){
            .name = name, .channels = channels, .kernel = 3, .stride = stride, .padding = 1});
}

static int conv_of_row(struct graph *g, int x, const struct op_row *row, bool has_bias)
{
    return graph_conv(g, x,
                      &(struct conv_config){.name = "conv",
                                            .channels = row->channels,
                                            .kernel = row->kernel,
                                            .stride = row->stride,
                                            .padding = row->padding,
                                            .has_bias = has_bias});
}

static void build_conv(struct op_case *c, const struct op_row *row)
{
    probe(c, conv_of_row(&c->graph, graph_input(&c->graph, row->in), row, true));
}

static void build_conv_no_bias(struct op_case *c, const struct op_row *row)
{
    probe(c, conv_of_row(&c->graph, graph_input(&c->graph, row->in), row, false));
}

/* Between two others, so in the device's own layout on both sides. */
static void build_conv_inside(struct op_case *c, const struct op_row *row)
{
    struct graph *g = &c->graph;
    int x = conv(g, graph_input(g, row->in), "before", row->in.c, 1);

    probe(c, conv(g, conv_of_row(g, x, row, true), "after", 3, 1));
}

static void build_conv_relu(struct op_case *c, const struct op_row *row)
{
    struct graph *g = &c->graph;

    probe(c, graph_relu(g, conv_of_row(g, graph_input(g, row->in), row, true)));
}

/* With a ReLU of its own, in the device's layout. */
static void build_conv_relu_twice(struct op_case *c, const struct op_row *row)
{
    struct graph *g = &c->graph;
    int x = graph_relu(g, conv(g, graph_input(g, row->in), "before", row->in.c, 1));

    probe(c, conv(g, graph_relu(g, conv_of_row(g, x, row, true)), "after", 3, 1));
}

static void build_conv_leaky(struct op_case *c, const struct op_row *row)
{
    struct graph *g = &c->graph;

    probe(c, graph_leaky_relu(g, conv_of_row(g, graph_input(g, row->in), row, true), 0.2f));
}

static void build_conv_tanh(struct op_case *c, const struct op_row *row)
{
    struct graph *g = &c->graph;

    probe(c, graph_tanh(g, conv_of_row(g, graph_input(g, row->in), row, true)));
}

static void build_conv_frozen(struct op_case *c, const struct op_row *row)
{
    struct graph *g = &c->graph;
    int x = conv(g, graph_input(g, row->in), "before", 10, 3);

    x = graph_conv(g, x,
                   &(struct conv_config){.name = "conv",
                                         .channels = 16,
                                         .kernel = 3,
                                         .stride = 1,
                                         .has_bias = true,
                                         .is_frozen = true});
    probe(c, conv(g, graph_relu(g, x), "after", 3, 1));
}

static void build_bn(struct op_case *c, const struct op_row *row)
{
    probe(c, graph_batch_norm(&c->graph, graph_input(&c->graph, row->in), "bn", true, false));
}

static void build_bn_relu(struct op_case *c, const struct op_row *row)
{
    struct graph *g = &c->graph;

    probe(c, graph_relu(g, graph_batch_norm(g, graph_input(g, row->in), "bn", true, false)));
}

static void build_bn_frozen(struct op_case *c, const struct op_row *row)
{
    struct graph *g = &c->graph;
    int x = conv_plain(g, graph_input(g, row->in), "conv", 16, 1);

    probe(c, graph_relu(g, graph_batch_norm(g, x, "bn", false, true)));
}

static int conv_bn(struct graph *g, int x, const char *names[2], size_t channels, size_t stride)
{
    return graph_batch_norm(g, conv_plain(g, x, names[0], channels, stride), names[1], true, false);
}

static const char *stem_names[2] = {"conv1", "bn1"};
static const char *block_names[2][2] = {{"block.conv1", "block.bn1"}, {"block.conv2", "block.bn2"}};

static void build_conv_bn(struct op_case *c, const struct op_row *row)
{
    struct graph *g = &c->graph;

    probe(c, conv_bn(g, graph_input(g, row->in), stem_names, row->channels, row->stride));
}

static void build_conv_bn_relu(struct op_case *c, const struct op_row *row)
{
    struct graph *g = &c->graph;
    int x = conv_bn(g, graph_input(g, row->in), stem_names, row->channels, row->stride);

    probe(c, graph_relu(g, x));
}

/* A stem and one residual block, whose input has two uses; a shortcut where the stride is 2. */
static void build_block(struct op_case *c, const struct op_row *row)
{
    struct graph *g = &c->graph;
    int x = graph_relu(g, conv_bn(g, graph_input(g, row->in), stem_names, 16, 1));
    int y = graph_relu(g, conv_bn(g, x, block_names[0], row->channels, row->stride));

    y = conv_bn(g, y, block_names[1], row->channels, 1);
    if (row->stride > 1)
        x = graph_shortcut(g, x, row->channels, row->stride);
    probe(c, graph_relu(g, graph_add(g, y, x)));
}

static void build_block_to_logits(struct op_case *c, const struct op_row *row)
{
    struct graph *g = &c->graph;
    int x = graph_relu(g, conv_bn(g, graph_input(g, row->in), stem_names, 16, 1));
    int y = graph_relu(g, conv_bn(g, x, block_names[0], 16, 1));

    y = graph_relu(g, graph_add(g, conv_bn(g, y, block_names[1], 16, 1), x));
    y = graph_dense(g, graph_global_avg_pool(g, y), "fc", 10, false);
    keep(c, y);
    graph_cross_entropy(g, y, graph_labels(g, row->in.n), 0, row->in.n, 1);
}

static void build_relu(struct op_case *c, const struct op_row *row)
{
    probe(c, graph_relu(&c->graph, graph_input(&c->graph, row->in)));
}

static void build_leaky(struct op_case *c, const struct op_row *row)
{
    probe(c, graph_leaky_relu(&c->graph, graph_input(&c->graph, row->in), 0.3f));
}

static void build_tanh(struct op_case *c, const struct op_row *row)
{
    probe(c, graph_tanh(&c->graph, graph_input(&c->graph, row->in)));
}

static void build_softplus(struct op_case *c, const struct op_row *row)
{
    probe(c, graph_softplus(&c->graph, graph_input(&c->graph, row->in), row->beta));
}

/* A leaky one in the middle, in the device's layout: what goes into it has three uses. */
static void build_conv_softplus(struct op_case *c, const struct op_row *row)
{
    struct graph *g = &c->graph;
    int x = conv(g, graph_input(g, row->in), "before", row->channels, 3);
    int y = graph_add(g, graph_scale(g, x, 0.1f),
                      graph_scale(g, graph_softplus(g, x, row->beta), 0.9f));

    probe(c, conv(g, graph_max_pool(g, graph_add(g, x, y), 2), "after", 3, 1));
}

static void build_clamp(struct op_case *c, const struct op_row *row)
{
    probe(c, graph_clamp(&c->graph, graph_input(&c->graph, row->in), -0.5f, 0.25f));
}

static void build_max_pool(struct op_case *c, const struct op_row *row)
{
    probe(c, graph_max_pool(&c->graph, graph_input(&c->graph, row->in), row->kernel));
}

static void build_conv_relu_pool(struct op_case *c, const struct op_row *row)
{
    struct graph *g = &c->graph;
    int x = graph_relu(g, conv(g, graph_input(g, row->in), "conv1", row->channels, 3));

    x = graph_max_pool(g, x, 2);
    x = graph_relu(g, conv(g, x, "conv2", row->channels, 3));
    probe(c, graph_max_pool(g, x, 2));
}

static void build_gap(struct op_case *c, const struct op_row *row)
{
    probe(c, graph_global_avg_pool(&c->graph, graph_input(&c->graph, row->in)));
}

static void build_dense(struct op_case *c, const struct op_row *row)
{
    probe(c, graph_dense(&c->graph, graph_input(&c->graph, row->in), "fc", row->channels, false));
}

/* Features in the device's layout have to be flattened in row-major NCHW order. */
static void build_conv_dense(struct op_case *c, const struct op_row *row)
{
    struct graph *g = &c->graph;
    int x = graph_relu(g, conv(g, graph_input(g, row->in), "conv", row->channels, 3));

    probe(c, graph_dense(g, x, "fc", 10, false));
}

static void build_dropout(struct op_case *c, const struct op_row *row)
{
    probe(c, graph_dropout(&c->graph, graph_input(&c->graph, row->in), 0.3f));
}

static void build_add(struct op_case *c, const struct op_row *row)
{
    struct graph *g = &c->graph;
    int a = graph_input(g, row->in);

    probe(c, graph_add(g, a, graph_input(g, row->in)));
}

/* One value with three uses, two of them in one operator. */
static void build_fan_out(struct op_case *c, const struct op_row *row)
{
    struct graph *g = &c->graph;
    int x = conv(g, graph_input(g, row->in), "conv", row->in.c, 3);

    probe(c, graph_add(g, graph_tanh(g, x), graph_add(g, x, x)));
}

static void build_shortcut(struct op_case *c, const struct op_row *row)
{
    struct graph *g = &c->graph;

    probe(c, graph_shortcut(g, graph_input(g, row->in), row->channels, row->stride));
}

static void build_scale_shift(struct op_case *c, const struct op_row *row)
{
    struct graph *g = &c->graph;

    probe(c, graph_scale_shift(g, graph_input(g, row->in), "shift", 0.7f, false));
}

static void build_scale(struct op_case *c, const struct op_row *row)
{
    probe(c, graph_scale(&c->graph, graph_input(&c->graph, row->in), 0.25f));
}

/* stride: the block */
static void build_space_to_depth(struct op_case *c, const struct op_row *row)
{
    probe(c, graph_space_to_depth(&c->graph, graph_input(&c->graph, row->in), row->stride));
}

static void build_depth_to_space(struct op_case *c, const struct op_row *row)
{
    probe(c, graph_depth_to_space(&c->graph, graph_input(&c->graph, row->in), row->stride));
}

/* The same linear map of every block, in front of a convolution. */
static void build_block_map(struct op_case *c, const struct op_row *row)
{
    struct graph *g = &c->graph;
    int x = graph_space_to_depth(g, graph_input(g, row->in), row->stride);

    x = graph_depth_to_space(g, conv(g, x, "map", graph_dims(g, x).c, 1), row->stride);
    keep(c, x);
    probe(c, graph_relu(g, conv(g, x, "conv", row->channels, 3)));
}

static void build_concat(struct op_case *c, const struct op_row *row)
{
    struct graph *g = &c->graph;
    struct dims one = {1, row->in.c, row->in.h, row->in.w};
    int a = graph_input(g, row->in);

    probe(c, graph_concat(g, a, graph_input(g, one)));
}

static void build_cross_entropy(struct op_case *c, const struct op_row *row)
{
    struct graph *g = &c->graph;
    int x = graph_input(g, row->in);

    graph_cross_entropy(g, x, graph_labels(g, row->in.n), 0, row->in.n, 1.5f);
}

static void build_true_probability(struct op_case *c, const struct op_row *row)
{
    struct graph *g = &c->graph;
    int x = graph_input(g, row->in);

    graph_true_probability(g, x, graph_labels(g, row->in.n), 0, row->in.n, 1.5f);
}

static void build_kl_uniform(struct op_case *c, const struct op_row *row)
{
    graph_kl_uniform(&c->graph, graph_input(&c->graph, row->in), 0, row->in.n, 1.5f);
}

static void build_infomax(struct op_case *c, const struct op_row *row)
{
    graph_infomax(&c->graph, graph_input(&c->graph, row->in), 0, row->in.n, 1.5f);
}

static void build_soft_cross_entropy(struct op_case *c, const struct op_row *row)
{
    struct graph *g = &c->graph;
    int x = graph_input(g, row->in);

    graph_soft_cross_entropy(g, x, graph_input(g, row->in), 0, row->in.n, 1.5f);
}

static void build_squared_distance(struct op_case *c, const struct op_row *row)
{
    struct graph *g = &c->graph;
    int a = graph_input(g, row->in);

    graph_squared_distance(g, a, graph_input(g, row->in), 0.01f);
}

static void build_permute(struct op_case *c, const struct op_row *row)
{
    probe(c, graph_permute(&c->graph, graph_input(&c->graph, row->in), "order", row->in));
}

/* To a column of values and back. */
static void build_reshape(struct op_case *c, const struct op_row *row)
{
    struct graph *g = &c->graph;
    struct dims column = {row->in.n, row->in.c * row->in.h * row->in.w, 1, 1};
    int x = graph_permute(g, graph_input(g, row->in), NULL, column);

    keep(c, x);
    probe(c, graph_permute(g, x, "order", row->in));
}

static void build_multiply(struct op_case *c, const struct op_row *row)
{
    probe(c, graph_multiply(&c->graph, graph_input(&c->graph, row->in), "factor"));
}

static void build_hadamard(struct op_case *c, const struct op_row *row)
{
    probe(c, graph_hadamard(&c->graph, graph_input(&c->graph, row->in)));
}

/* A front-end's features in secret coordinates. */
static void build_coordinates(struct op_case *c, const struct op_row *row)
{
    struct graph *g = &c->graph;
    int x = graph_tanh(g, conv(g, graph_input(g, row->in), "conv1", 16, 5));
    struct dims d = graph_dims(g, x), column = {d.n, 16 * d.h * d.w, 1, 1};
    struct conv_config last = {.name = "conv2", .channels = 16, .kernel = 1, .stride = 1};

    x = graph_permute(g, graph_conv(g, x, &last), NULL, column);
    x = graph_batch_norm(g, x, "bn", true, true);
    for (int round = 0; round < 2; round++) {
        x = graph_multiply(g, graph_permute(g, x, round ? "order2" : "order1", column),
                           round ? "factor2" : "factor1");
        x = graph_hadamard(g, x);
    }
    keep(c, x);
    x = graph_permute(g, x, NULL, (struct dims){d.n, 1, 4 * d.h, 4 * d.w});
    keep(c, x);
    x = graph_dense(g, x, "fc", 10, false);
    graph_cross_entropy(g, x, graph_labels(g, d.n), 0, d.n, 1);
}

/* exp() of such logits overflows a float unless the maximum is taken out first. */
static void build_large_logits(struct op_case *c, const struct op_row *row)
{
    struct graph *g = &c->graph;
    int labels = graph_labels(g, row->in.n);
    int x = graph_scale_shift(g, graph_input(g, row->in), "shift", 200, false);

    graph_cross_entropy(g, x, labels, 0, row->in.n, 1);
    graph_true_probability(g, x, labels, 0, row->in.n, 1);
    graph_kl_uniform(g, x, 0, row->in.n, 0.1f);
    graph_infomax(g, x, 0, row->in.n, 1);
    graph_soft_cross_entropy(g, x, graph_input(g, row->in), 0, row->in.n, 0.1f);
}

/* Losses on overlapping rows of the same logits, one row in none of them. */
static void build_row_ranges(struct op_case *c, const struct op_row *row)
{
    struct graph *g = &c->graph;
    int x = graph_dense(g, graph_input(g, row->in), "fc", 7, false);

    keep(c, x);
    graph_cross_entropy(g, x, graph_labels(g, 2), 0, 2, 1);
    graph_true_probability(g, x, graph_labels(g, 3), 1, 3, 2);
    graph_kl_uniform(g, x, 3, 1, 0.5f);
    graph_infomax(g, x, 1, 3, 2);
    graph_soft_cross_entropy(g, x, graph_input(g, (struct dims){2, 7, 1, 1}), 2, 2, 1);
}

/* The end of the small network: pool, dense, ReLU, dropout, dense. */
static void build_tail(struct op_case *c, const struct op_row *row)
{
    struct graph *g = &c->graph;
    int x = graph_max_pool(g, graph_relu(g, conv(g, graph_input(g, row->in), "conv", 16, 3)), 2);

    x = graph_dropout(g, graph_relu(g, graph_dense(g, x, "fc1", 32, false)), 0.5f);
    x = graph_dense(g, x, "fc2", 10, false);
    keep(c, x);
    graph_cross_entropy(g, x, graph_labels(g, row->in.n), 0, row->in.n, 1);
}

static int generator(struct graph *g, int x, size_t width)
{
    int y = graph_relu(g, conv(g, x, "g.conv1", width, 5));

    return graph_add(g, x, graph_tanh(g, conv(g, y, "g.conv2", graph_dims(g, x).c, 1)));
}

static void build_generator(struct op_case *c, const struct op_row *row)
{
    int x = graph_input(&c->graph, row->in);

    probe(c, generator(&c->graph, x, row->channels));
}

static void build_clamped_generator(struct op_case *c, const struct op_row *row)
{
    struct graph *g = &c->graph;

    probe(c, graph_clamp(g, generator(g, graph_input(g, row->in), row->channels), -0.8f, 0.8f));
}

static int small_net(struct graph *g, int x, bool keeps_running)
{
    x = graph_batch_norm(g, conv_plain(g, x, "f.conv", 16, 1), "f.bn", keeps_running, false);
    x = graph_max_pool(g, graph_relu(g, x), 2);
    return graph_dense(g, x, "f.fc", 10, false);
}

/* The paper's objective: processed and raw rows as one batch through one F. */
static void build_paired(struct op_case *c, const struct op_row *row)
{
    struct graph *g = &c->graph;
    size_t n = row->in.n;
    int x = graph_input(g, row->in), labels = graph_labels(g, n);
    int processed = generator(g, x, row->channels);
    int logits = small_net(g, graph_concat(g, processed, x), true);

    keep(c, processed);
    keep(c, logits);
    graph_cross_entropy(g, logits, labels, 0, n, 1);
    graph_true_probability(g, logits, labels, n, n, 1);
    graph_squared_distance(g, processed, x, 0.01f);
}

/* The same with two uses of F, which share parameters but not batch statistics. */
static void build_two_uses(struct op_case *c, const struct op_row *row)
{
    struct graph *g = &c->graph;
    size_t n = row->in.n;
    int x = graph_input(g, row->in), labels = graph_labels(g, n);
    int processed = graph_scale_shift(g, x, "shift", 1, false);
    int logits = small_net(g, processed, true), raw_logits = small_net(g, x, false);

    keep(c, logits);
    keep(c, raw_logits);
    graph_cross_entropy(g, logits, labels, 0, n, 1);
    graph_true_probability(g, raw_logits, labels, 0, n, 1);
}

/* ---- the table ---- */

#define CONV(n, ic, h, oc, k, s, p)                                              \
    .in = {n, ic, h, h}, .channels = oc, .kernel = k, .stride = s, .padding = p, \
    .tolerance = TOL_SUM
#define BLOCK(n, ic, h, oc, s) .in = {n, ic, h, h}, .channels = oc, .stride = s
#define DIMS(n, c, h) .in = {n, c, h, h}

const struct op_row op_rows[] = {
    {"conv 1x1 3-16", build_conv, CONV(2, 3, 7, 16, 1, 1, 0)},
    {"conv 1x1 16-1", build_conv, CONV(2, 16, 14, 1, 1, 1, 0)},
    {"conv 1x1 64-3", build_conv, CONV(1, 64, 7, 3, 1, 1, 0)},
    {"conv 1x1 32-13", build_conv, CONV(2, 32, 5, 13, 1, 1, 0)},
    {"conv 1x1 16-8, few pixels", build_conv, CONV(3, 16, 2, 8, 1, 1, 0)},
    {"conv 1x1 10-16", build_conv, CONV(2, 10, 6, 16, 1, 1, 0)},
    {"conv 1x1 16-32 stride 2", build_conv, CONV(2, 16, 14, 32, 1, 2, 0)},
    {"conv 3x3 1-32", build_conv, CONV(2, 1, 28, 32, 3, 1, 1)},
    {"conv 3x3 3-16", build_conv, CONV(1, 3, 28, 16, 3, 1, 1)},
    {"conv 3x3 10-17", build_conv, CONV(5, 10, 7, 17, 3, 1, 1)},
    {"conv 3x3 17-10", build_conv, CONV(2, 17, 14, 10, 3, 1, 1)},
    {"conv 3x3 16-16", build_conv, CONV(2, 16, 14, 16, 3, 1, 1)},
    {"conv 3x3 32-64", build_conv, CONV(2, 32, 7, 64, 3, 1, 1)},
    {"conv 3x3 64-64", build_conv, CONV(1, 64, 7, 64, 3, 1, 1)},
    {"conv 3x3 1-1", build_conv, CONV(5, 1, 7, 1, 3, 1, 1)},
    {"conv 3x3 no padding", build_conv, CONV(2, 3, 14, 16, 3, 1, 0)},
    {"conv 3x3 padding 2", build_conv, CONV(2, 3, 7, 16, 3, 1, 2)},
    {"conv 3x3 16-32 stride 2", build_conv_no_bias, CONV(2, 16, 14, 32, 3, 2, 1)},
    {"conv 3x3 17-3 stride 2 no padding", build_conv, CONV(2, 17, 7, 3, 3, 2, 0)},
    {"conv 3x3 64-64 stride 2 odd", build_conv_no_bias, CONV(1, 64, 7, 64, 3, 2, 1)},
    {"conv 5x5 1-16", build_conv, CONV(2, 1, 28, 16, 5, 1, 2)},
    {"conv 5x5 3-64", build_conv, CONV(2, 3, 14, 64, 5, 1, 2)},
    {"conv 5x5 10-16 no padding", build_conv, CONV(1, 10, 7, 16, 5, 1, 0)},
    {"conv 5x5 3-10 stride 2", build_conv, CONV(5, 3, 14, 10, 5, 2, 2)},
    {"conv inside 3x3 16-32", build_conv_inside, CONV(2, 16, 14, 32, 3, 1, 1)},
    {"conv inside 3x3 48-16", build_conv_inside, CONV(5, 48, 5, 16, 3, 1, 1)},
    {"conv inside 3x3 16-48 at 28", build_conv_inside, CONV(1, 16, 28, 48, 3, 1, 1)},
    {"conv inside 3x3 16-16 at 3", build_conv_inside, CONV(2, 16, 3, 16, 3, 1, 1)},
    {"conv inside 3x3 16-16 at 2", build_conv_inside, CONV(2, 16, 2, 16, 3, 1, 1)},
    {"conv inside 3x3 32-16 long", build_conv_inside, .in = {2, 32, 4, 33}, .channels = 16,
     .kernel = 3, .stride = 1, .padding = 1, .tolerance = TOL_SUM},
    {"conv relu 16-32 inside", build_conv_relu_twice, CONV(2, 16, 9, 32, 3, 1, 1)},
    {"conv inside 3x3 17-10", build_conv_inside, CONV(2, 17, 7, 10, 3, 1, 1)},
    {"conv inside 1x1 3-1", build_conv_inside, CONV(5, 3, 7, 1, 1, 1, 0)},
    {"conv relu 1-32", build_conv_relu, CONV(2, 1, 14, 32, 3, 1, 1)},
    {"conv relu 16-17", build_conv_relu, CONV(2, 16, 7, 17, 3, 1, 1)},
    {"conv leaky relu", build_conv_leaky, CONV(2, 3, 14, 16, 3, 1, 1)},
    {"conv tanh", build_conv_tanh, CONV(2, 16, 14, 3, 1, 1, 0)},
    {"conv frozen", build_conv_frozen, DIMS(2, 3, 7), .tolerance = TOL_DEEP},

    {"batch norm 1", build_bn, DIMS(5, 1, 7), .tolerance = TOL_NORM},
    {"batch norm 17", build_bn, DIMS(2, 17, 7), .tolerance = TOL_NORM},
    {"batch norm 64", build_bn, DIMS(1, 64, 14), .tolerance = TOL_NORM},
    {"batch norm relu 16", build_bn_relu, DIMS(2, 16, 14), .tolerance = TOL_NORM},
    {"batch norm relu 10", build_bn_relu, DIMS(5, 10, 7), .tolerance = TOL_NORM},
    {"batch norm frozen", build_bn_frozen, DIMS(2, 3, 14), .tolerance = TOL_NORM},
    {"conv batch norm 16", build_conv_bn, BLOCK(2, 3, 14, 16, 1), .tolerance = TOL_NORM},
    {"conv batch norm relu 32", build_conv_bn_relu, BLOCK(2, 16, 14, 32, 2), .tolerance = TOL_NORM},
    {"conv batch norm relu 17", build_conv_bn_relu, BLOCK(5, 1, 7, 17, 1), .tolerance = TOL_NORM},
    {"residual block", build_block, BLOCK(2, 3, 14, 16, 1), .tolerance = TOL_DEEP},
    {"residual block odd", build_block, BLOCK(5, 1, 7, 16, 1), .tolerance = TOL_DEEP},
    {"residual block stride 2", build_block, BLOCK(2, 3, 14, 32, 2), .tolerance = TOL_DEEP},
    {"residual block stride 2 odd", build_block, BLOCK(2, 3, 7, 32, 2), .tolerance = TOL_DEEP},
    {"residual block to logits", build_block_to_logits, DIMS(5, 3, 7), .tolerance = TOL_DEEP},

    {"relu", build_relu, DIMS(2, 3, 7), .tolerance = TOL_ELEMENT},
    {"leaky relu", build_leaky, DIMS(2, 17, 7), .tolerance = TOL_ELEMENT},
    {"tanh", build_tanh, DIMS(5, 3, 7), .tolerance = TOL_ELEMENT},
    {"softplus", build_softplus, DIMS(5, 3, 7), .beta = 1, .tolerance = TOL_ELEMENT},
    {"softplus 16 of beta 10", build_softplus, DIMS(2, 16, 7), .beta = 10,
     .tolerance = TOL_ELEMENT},
    {"softplus near a ReLU", build_softplus, DIMS(5, 17, 7), .beta = 2000,
     .tolerance = TOL_ELEMENT},
    {"softplus near a line", build_softplus, DIMS(2, 3, 14), .beta = 0.1f,
     .tolerance = TOL_ELEMENT},
    {"softplus at 0", build_softplus, DIMS(2, 17, 7), .beta = 4, .tolerance = TOL_ELEMENT,
     .is_stepped = true},
    {"conv softplus 16", build_conv_softplus, BLOCK(2, 3, 14, 16, 1), .beta = 1,
     .tolerance = TOL_DEEP},
    {"conv softplus 10", build_conv_softplus, BLOCK(5, 16, 7, 10, 1), .beta = 10,
     .tolerance = TOL_DEEP},
    {"clamp", build_clamp, DIMS(5, 3, 7), .tolerance = TOL_ELEMENT},
    {"clamp at its limits", build_clamp, DIMS(2, 17, 7), .tolerance = TOL_ELEMENT,
     .is_stepped = true},
    {"max pool 2", build_max_pool, DIMS(2, 16, 14), .kernel = 2, .tolerance = TOL_ELEMENT},
    {"max pool 2 odd", build_max_pool, DIMS(2, 3, 7), .kernel = 2, .tolerance = TOL_ELEMENT},
    {"max pool 3", build_max_pool, DIMS(5, 17, 14), .kernel = 3, .tolerance = TOL_ELEMENT},
    {"max pool ties", build_max_pool, DIMS(2, 10, 14), .kernel = 2, .tolerance = TOL_ELEMENT,
     .is_stepped = true},
    {"conv relu pool twice 32", build_conv_relu_pool, BLOCK(2, 1, 28, 32, 1),
     .tolerance = TOL_DEEP},
    {"conv relu pool twice 10", build_conv_relu_pool, BLOCK(5, 3, 14, 10, 1),
     .tolerance = TOL_DEEP},
    {"global average pool 7", build_gap, DIMS(2, 64, 7), .tolerance = TOL_SUM},
    {"global average pool 14", build_gap, DIMS(5, 17, 14), .tolerance = TOL_SUM},

    {"dense 64-10", build_dense, DIMS(5, 64, 1), .channels = 10, .tolerance = TOL_SUM},
    {"dense 490-17", build_dense, DIMS(2, 10, 7), .channels = 17, .tolerance = TOL_SUM},
    {"dense 300-70 of 23 rows", build_dense, DIMS(23, 12, 5), .channels = 70, .tolerance = TOL_SUM},
    {"dense 300-70 of 40 rows", build_dense, DIMS(40, 12, 5), .channels = 70, .tolerance = TOL_SUM},
    {"dense 784-20 of 33 rows", build_dense, DIMS(33, 16, 7), .channels = 20, .tolerance = TOL_SUM},
    {"dense 3-1", build_dense, DIMS(1, 3, 1), .channels = 1, .tolerance = TOL_SUM},
    {"conv dense 16", build_conv_dense, BLOCK(2, 3, 7, 16, 1), .tolerance = TOL_DEEP},
    {"conv dense 10", build_conv_dense, BLOCK(5, 1, 7, 10, 1), .tolerance = TOL_DEEP},
    {"dropout", build_dropout, DIMS(5, 17, 7), .tolerance = TOL_ELEMENT},
    {"dropout 32", build_dropout, DIMS(2, 32, 7), .tolerance = TOL_ELEMENT},
    {"add", build_add, DIMS(2, 17, 7), .tolerance = TOL_ELEMENT},
    {"fan-out", build_fan_out, DIMS(2, 10, 7), .tolerance = TOL_SUM},
    {"shortcut 16-32 stride 2", build_shortcut, BLOCK(2, 16, 14, 32, 2), .tolerance = TOL_ELEMENT},
    {"shortcut 32-64 odd", build_shortcut, BLOCK(1, 32, 7, 64, 2), .tolerance = TOL_ELEMENT},
    {"shortcut 3-5 stride 1", build_shortcut, BLOCK(2, 3, 7, 5, 1), .tolerance = TOL_ELEMENT},
    {"scale shift", build_scale_shift, DIMS(5, 3, 7), .tolerance = TOL_ELEMENT},
    {"scale", build_scale, DIMS(5, 17, 7), .tolerance = TOL_ELEMENT},
    {"space to depth 1-16", build_space_to_depth, DIMS(2, 1, 28), .stride = 4,
     .tolerance = TOL_ELEMENT},
    {"space to depth 16-64", build_space_to_depth, DIMS(5, 16, 6), .stride = 2,
     .tolerance = TOL_ELEMENT},
    {"space to depth 5-45 long", build_space_to_depth, .in = {2, 5, 6, 9}, .stride = 3,
     .tolerance = TOL_ELEMENT},
    {"depth to space 16-1", build_depth_to_space, DIMS(2, 16, 7), .stride = 4,
     .tolerance = TOL_ELEMENT},
    {"depth to space 64-16", build_depth_to_space, DIMS(5, 64, 3), .stride = 2,
     .tolerance = TOL_ELEMENT},
    {"depth to space 45-5 long", build_depth_to_space, .in = {2, 45, 2, 3}, .stride = 3,
     .tolerance = TOL_ELEMENT},
    {"block map grey", build_block_map, BLOCK(2, 1, 28, 32, 4), .tolerance = TOL_DEEP},
    {"block map", build_block_map, BLOCK(5, 3, 16, 16, 4), .tolerance = TOL_DEEP},
    {"permute plain", build_permute, DIMS(2, 3, 7), .tolerance = TOL_ELEMENT},
    {"permute 16", build_permute, DIMS(5, 16, 6), .tolerance = TOL_ELEMENT},
    {"reshape 16", build_reshape, DIMS(5, 16, 6), .tolerance = TOL_ELEMENT},
    {"reshape 1", build_reshape, DIMS(2, 1, 14), .tolerance = TOL_ELEMENT},
    {"multiply", build_multiply, DIMS(2, 3, 7), .tolerance = TOL_ELEMENT},
    {"multiply 16", build_multiply, DIMS(5, 16, 6), .tolerance = TOL_ELEMENT},
    {"hadamard", build_hadamard, DIMS(2, 1, 28), .tolerance = TOL_ELEMENT},
    {"hadamard 48", build_hadamard, DIMS(5, 48, 5), .tolerance = TOL_ELEMENT},
    {"hadamard column", build_hadamard, DIMS(5, 64, 1), .tolerance = TOL_ELEMENT},
    {"secret coordinates", build_coordinates, DIMS(5, 1, 12), .tolerance = TOL_DEEP},
    {"concat", build_concat, DIMS(2, 3, 7), .tolerance = TOL_ELEMENT},

    {"cross entropy", build_cross_entropy, DIMS(5, 10, 1), .tolerance = TOL_ELEMENT},
    {"cross entropy 17", build_cross_entropy, DIMS(1, 17, 1), .tolerance = TOL_ELEMENT},
    {"true probability", build_true_probability, DIMS(5, 10, 1), .tolerance = TOL_ELEMENT},
    {"kl uniform", build_kl_uniform, DIMS(2, 10, 1), .tolerance = TOL_ELEMENT},
    {"infomax", build_infomax, DIMS(5, 10, 1), .tolerance = TOL_ELEMENT},
    {"infomax 17", build_infomax, DIMS(2, 17, 1), .tolerance = TOL_ELEMENT},
    {"soft cross entropy", build_soft_cross_entropy, DIMS(5, 10, 1), .tolerance = TOL_ELEMENT},
    {"squared distance", build_squared_distance, DIMS(5, 3, 7), .tolerance = TOL_SUM},
    /* logits near 200 have an ulp of 1.5e-5, which is the relative error of their exponentials */
    {"large logits", build_large_logits, DIMS(5, 10, 1), .tolerance = TOL_DEEP},
    {"losses on ranges of rows", build_row_ranges, DIMS(5, 16, 1), .tolerance = TOL_SUM},

    {"tail of simple-cnn", build_tail, DIMS(5, 3, 14), .tolerance = TOL_DEEP},
    {"generator 16", build_generator, DIMS(2, 1, 14), .channels = 16, .tolerance = TOL_DEEP},
    {"generator 64", build_generator, DIMS(2, 3, 7), .channels = 64, .tolerance = TOL_DEEP},
    {"generator clamped", build_clamped_generator, DIMS(5, 3, 7), .channels = 16,
     .tolerance = TOL_DEEP},
    {"paired", build_paired, DIMS(2, 3, 14), .channels = 16, .tolerance = TOL_DEEP},
    {"paired grey", build_paired, DIMS(5, 1, 7), .channels = 10, .tolerance = TOL_DEEP},
    {"two uses of one network", build_two_uses, DIMS(5, 3, 7), .tolerance = TOL_DEEP},

    {"conv 3x3 16-16 at 28", build_conv_inside, CONV(256, 16, 28, 16, 3, 1, 1), .is_large = true},
    {"conv 3x3 32-32 at 14", build_conv_inside, CONV(256, 32, 14, 32, 3, 1, 1), .is_large = true},
    {"conv 3x3 64-64 at 7", build_conv_inside, CONV(256, 64, 7, 64, 3, 1, 1), .is_large = true},
    {"conv relu pool twice at 28", build_conv_relu_pool, BLOCK(256, 1, 28, 32, 1),
     .is_large = true},
    {"residual block at 28", build_block, BLOCK(256, 3, 28, 16, 1), .is_large = true},
    {"residual block stride 2 at 28", build_block, BLOCK(256, 3, 28, 32, 2), .is_large = true},
    {"generator 16 at 28", build_generator, DIMS(128, 1, 28), .channels = 16, .is_large = true},
    {"generator 64 at 28", build_generator, DIMS(128, 3, 28), .channels = 64, .is_large = true},
};

const size_t op_row_count = sizeof op_rows / sizeof op_rows[0];
