/*
 * Residual networks for small images (He et al. 2016, section 4.2): a 3x3 convolution to 16
 * channels, three stages of n basic blocks at 16, 32 and 64 channels, and a dense layer on the
 * global average: 6n + 2 layers. Shortcuts have no parameters (option A). Parameter names are
 * torchvision's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/arch.h"

enum { STAGES = 3, MAX_DEPTH = 1202 };

/* n of a name "resnetN" with N = 6n + 2, written without leading zeros; 0 if it is none. */
static size_t blocks_of(const char *name)
{
    char again[32];
    unsigned long depth;

    if (strncmp(name, "resnet", 6) != 0)
        return 0;
    depth = strtoul(name + 6, NULL, 10);
    if (depth < 8 || depth > MAX_DEPTH || depth % 6 != 2)
        return 0;
    snprintf(again, sizeof again, "resnet%lu", depth);
    return strcmp(name, again) == 0 ? (depth - 2) / 6 : 0;
}

static bool has_name(const char *name)
{
    return blocks_of(name) > 0;
}

struct block {
    size_t stage, index; /* named "layerSTAGE.INDEX", stage from 1 */
    size_t channels, stride;
};

/* Batch norm of a 3x3 convolution, the which-th of the block. */
static int conv_norm(struct graph *g, int x, const struct block *b, size_t which, size_t stride,
                     const struct arch_use *use)
{
    char conv[TENSOR_MAX_NAME], norm[TENSOR_MAX_NAME];
    struct conv_config config = {.name = conv,
                                 .channels = b->channels,
                                 .kernel = 3,
                                 .stride = stride,
                                 .padding = 1,
                                 .is_frozen = use->net.is_frozen};

    snprintf(conv, sizeof conv, "layer%zu.%zu.conv%zu", b->stage, b->index, which);
    snprintf(norm, sizeof norm, "layer%zu.%zu.bn%zu", b->stage, b->index, which);
    x = graph_conv(g, x, &config);
    return graph_batch_norm(g, x, norm, use->net.keeps_running, use->net.is_frozen);
}

static int basic_block(struct graph *g, int x, const struct block *b, const struct arch_use *use)
{
    bool changes = graph_dims(g, x).c != b->channels || b->stride != 1;
    /* Before the second batch norm, so that a device can fuse the sum into that. */
    int shortcut = changes ? graph_shortcut(g, x, b->channels, b->stride) : x;
    int y = arch_activation(g, conv_norm(g, x, b, 1, b->stride, use), use);

    y = conv_norm(g, y, b, 2, 1, use);
    return arch_activation(g, graph_add(g, y, shortcut), use);
}

static int build(const char *name, size_t classes, struct graph *g, int x,
                 const struct arch_use *use)
{
    size_t blocks = blocks_of(name);
    struct conv_config stem = {.name = "conv1",
                               .channels = 16,
                               .kernel = 3,
                               .stride = 1,
                               .padding = 1,
                               .is_frozen = use->net.is_frozen};

    x = graph_conv(g, x, &stem);
    x = graph_batch_norm(g, x, "bn1", use->net.keeps_running, use->net.is_frozen);
    x = arch_activation(g, x, use);
    for (size_t stage = 0; stage < STAGES; stage++)
        for (size_t i = 0; i < blocks; i++) {
            struct block b = {stage + 1, i, (size_t)16 << stage, stage > 0 && i == 0 ? 2 : 1};

            x = basic_block(g, x, &b, use);
        }
    return graph_dense(g, graph_global_avg_pool(g, x), "fc", classes, use->net.is_frozen);
}

const struct arch arch_resnet = {"resnetN with N = 6n + 2", has_name, build};
