/*
 * MLP-Mixer (Tolstikhin et al. 2021): "mixer-PxCxD" cuts an image into patches of P x P, each of
 * which becomes C values (a token), and has D blocks that mix by dense layers between the tokens,
 * for each channel alike, and between the channels, for each token alike. What is mixed is added to
 * what was there. The mean of the tokens goes to the classes.
 *
 * Batch norm and a (leaky) ReLU stand where the paper has layer norm and GELU, and both hidden
 * layers are twice as wide as what they mix. Every layer is a 1x1 convolution: the first of the
 * values of a patch as channels, those that mix tokens of the tokens as channels.
 */
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "nn/arch.h"

enum { MAX_PATCH = 32, MAX_CHANNELS = 2048, MAX_DEPTH = 16, WIDENING = 2 };

struct mixer {
    size_t patch, channels, depth; /* patch 0: none */
};

/* Written without leading zeros, so that each has one name. */
static struct mixer mixer_of(const char *name)
{
    struct mixer m;
    char again[64];

    if (sscanf(name, "mixer-%2zux%4zux%2zu", &m.patch, &m.channels, &m.depth) != 3 || m.patch < 1 ||
        m.patch > MAX_PATCH || m.channels < 1 || m.channels > MAX_CHANNELS || m.depth < 1 ||
        m.depth > MAX_DEPTH)
        return (struct mixer){0, 0, 0};
    snprintf(again, sizeof again, "mixer-%zux%zux%zu", m.patch, m.channels, m.depth);
    return strcmp(name, again) == 0 ? m : (struct mixer){0, 0, 0};
}

static bool has_name(const char *name)
{
    return mixer_of(name).patch > 0;
}

/* ---- tokens as channels ---- */

/* [n, c, s, s] -> [n, s s, c, 1]. */
static int tokens_first(struct graph *g, int x)
{
    struct dims d = graph_dims(g, x);

    x = graph_space_to_depth(g, x, d.h);
    return graph_permute(g, x, NULL, (struct dims){d.n, d.h * d.w, d.c, 1});
}

/* Its inverse. */
static int channels_first(struct graph *g, int x, size_t side)
{
    struct dims d = graph_dims(g, x);

    x = graph_permute(g, x, NULL, (struct dims){d.n, d.c * d.h, 1, 1});
    return graph_depth_to_space(g, x, side);
}

/* ---- blocks ---- */

struct block {
    size_t index;
    const struct arch_use *use;
};

static int layer(struct graph *g, int x, const struct block *b, const char *part, size_t width)
{
    char name[TENSOR_MAX_NAME];
    struct conv_config config = {.name = name,
                                 .channels = width,
                                 .kernel = 1,
                                 .stride = 1,
                                 .has_bias = true,
                                 .is_frozen = b->use->net.is_frozen};

    snprintf(name, sizeof name, "blocks.%zu.%s", b->index, part);
    return graph_conv(g, x, &config);
}

/* Two dense layers over the channels of x, as many in the end as at first. */
static int mix(struct graph *g, int x, const struct block *b, const char *first, const char *second)
{
    size_t width = graph_dims(g, x).c;
    int y = layer(g, x, b, first, WIDENING * width);

    return layer(g, arch_activation(g, y, b->use), b, second, width);
}

static int norm(struct graph *g, int x, const struct block *b, const char *part)
{
    char name[TENSOR_MAX_NAME];

    snprintf(name, sizeof name, "blocks.%zu.%s", b->index, part);
    return graph_batch_norm(g, x, name, b->use->net.keeps_running, b->use->net.is_frozen);
}

static int mixer_block(struct graph *g, int x, const struct block *b)
{
    size_t side = graph_dims(g, x).h;
    int y = tokens_first(g, norm(g, x, b, "norm1"));

    y = channels_first(g, mix(g, y, b, "mlp_tokens.fc1", "mlp_tokens.fc2"), side);
    x = graph_add(g, y, x);
    y = norm(g, x, b, "norm2");
    return graph_add(g, mix(g, y, b, "mlp_channels.fc1", "mlp_channels.fc2"), x);
}

static int build(const char *name, size_t classes, struct graph *g, int x,
                 const struct arch_use *use)
{
    struct mixer m = mixer_of(name);
    struct dims in = graph_dims(g, x);
    struct conv_config stem = {.name = "stem",
                               .channels = m.channels,
                               .kernel = 1,
                               .stride = 1,
                               .has_bias = true,
                               .is_frozen = use->net.is_frozen};

    if (!g->status && (in.h != in.w || in.h % m.patch != 0))
        g->status = ward_fail(WARD_ERR_ARG, "patches of %zu x %zu are not a square of %zu x %zu",
                              m.patch, m.patch, in.h, in.w);
    x = graph_conv(g, graph_space_to_depth(g, x, m.patch), &stem);
    for (size_t i = 0; i < m.depth; i++)
        x = mixer_block(g, x, &(struct block){i, use});
    x = graph_batch_norm(g, x, "norm", use->net.keeps_running, use->net.is_frozen);
    return graph_dense(g, graph_global_avg_pool(g, x), "fc", classes, use->net.is_frozen);
}

const struct arch arch_mixer = {"mixer-PATCHxCHANNELSxDEPTH", has_name, build};
