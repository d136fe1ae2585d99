/*
 * The small network of Chen & Wu, Table 1: two convolutions, each followed by a max pool that
 * halves the image, and two dense layers. The table's sizes imply padding that keeps height and width.
 */
#include <string.h>

#include "nn/arch.h"

static bool has_name(const char *name)
{
    return strcmp(name, arch_simple_cnn.name) == 0;
}

static int conv_block(struct graph *g, int x, const char *name, size_t channels,
                      struct net_use use)
{
    struct conv_config config = {.name = name, .channels = channels, .kernel = 3, .stride = 1,
                                 .padding = 1, .has_bias = true, .is_frozen = use.is_frozen};

    x = graph_conv(g, x, &config);
    return graph_max_pool(g, graph_relu_bpda(g, x, use.relu_slope), 2);
}

static int build(const struct net_spec *spec, struct graph *g, int x, struct net_use use)
{
    x = conv_block(g, x, "conv1", 32, use);
    x = conv_block(g, x, "conv2", 64, use);
    x = graph_relu_bpda(g, graph_dense(g, x, "fc1", 1024, use.is_frozen), use.relu_slope);
    x = graph_dropout(g, x, 0.5f);
    return graph_dense(g, x, "fc2", spec->classes, use.is_frozen);
}

const struct arch arch_simple_cnn = {"simple-cnn", has_name, build};
