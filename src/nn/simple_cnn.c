/*
 * The small network of Chen & Wu, Table 1: two convolutions, each followed by a max pool that
 * halves the image, and two dense layers. The table's sizes imply "same" padding.
 */
#include <string.h>

#include "nn/arch.h"

static bool has_name(const char *name)
{
    return strcmp(name, "simple-cnn") == 0;
}

static int conv_block(struct graph *g, int x, const char *name, size_t channels,
                      const struct arch_use *use)
{
    struct conv_config config = {.name = name,
                                 .channels = channels,
                                 .kernel = 3,
                                 .stride = 1,
                                 .padding = 1,
                                 .has_bias = true,
                                 .is_frozen = use->net.is_frozen};

    x = graph_conv(g, x, &config);
    return graph_max_pool(g, arch_activation(g, x, use), 2);
}

static int build(const char *name, size_t classes, struct graph *g, int x,
                 const struct arch_use *use)
{
    (void)name;
    x = conv_block(g, x, "conv1", 32, use);
    x = conv_block(g, x, "conv2", 64, use);
    x = arch_activation(g, graph_dense(g, x, "fc1", 1024, use->net.is_frozen), use);
    x = graph_dropout(g, x, 0.5f);
    return graph_dense(g, x, "fc2", classes, use->net.is_frozen);
}

const struct arch arch_simple_cnn = {"simple-cnn", has_name, build};
