/*
 * Networks without a spatial prior, for images whose values stand in no order: "mlp-WIDTHxDEPTH" is
 * so many dense layers of a width, each with batch norm, an activation and dropout, and one to the
 * classes. With "-residual" every layer but the first is added to its input.
 */
#include <stdio.h>
#include <string.h>

#include "nn/arch.h"

enum { MAX_WIDTH = 8192, MAX_DEPTH = 16 };

static const float dropout = 0.3f;

struct mlp {
    size_t width, depth; /* width 0: none */
    bool is_residual;
};

/* Written without leading zeros, so that each has one name. */
static struct mlp mlp_of(const char *name)
{
    struct mlp m = {0, 0, strlen(name) > 9 && strcmp(name + strlen(name) - 9, "-residual") == 0};
    char again[64];

    if (sscanf(name, "mlp-%5zux%2zu", &m.width, &m.depth) != 2 || m.width < 1 ||
        m.width > MAX_WIDTH || m.depth < 1 || m.depth > MAX_DEPTH)
        return (struct mlp){0, 0, false};
    snprintf(again, sizeof again, "mlp-%zux%zu%s", m.width, m.depth,
             m.is_residual ? "-residual" : "");
    return strcmp(name, again) == 0 ? m : (struct mlp){0, 0, false};
}

static bool has_name(const char *name)
{
    return mlp_of(name).width > 0;
}

static int layer(struct graph *g, int x, size_t number, size_t width, const struct arch_use *use)
{
    char dense[TENSOR_MAX_NAME], norm[TENSOR_MAX_NAME];

    snprintf(dense, sizeof dense, "fc%zu", number);
    snprintf(norm, sizeof norm, "bn%zu", number);
    x = graph_dense(g, x, dense, width, use->net.is_frozen);
    x = graph_batch_norm(g, x, norm, use->net.keeps_running, use->net.is_frozen);
    return graph_dropout(g, arch_activation(g, x, use), dropout);
}

static int build(const char *name, size_t classes, struct graph *g, int x,
                 const struct arch_use *use)
{
    struct mlp m = mlp_of(name);

    for (size_t i = 1; i <= m.depth; i++) {
        int y = layer(g, x, i, m.width, use);

        x = m.is_residual && i > 1 ? graph_add(g, x, y) : y;
    }
    return graph_dense(g, x, "fc", classes, use->net.is_frozen);
}

const struct arch arch_mlp = {"mlp-WIDTHxDEPTH", has_name, build};
