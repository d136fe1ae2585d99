/*
 * A5, u-net: a stand-in for G of another kind than the owner's, trained through F: a small U-Net
 * (Ronneberger et al. 2015), which sees an image at its size and at half of that, and adds what it
 * makes of it. What it sees at both is added up. With labels, or without (InfoMax).
 */
#include <math.h>
#include <stdio.h>

#include "attack/search.h"

enum { WIDTH = 16, LAYERS = 5 };

static const float start = 0.1f; /* of what is added at first, as in learned-transform */

static const struct variant {
    unsigned effort; /* from which on */
    double rate;
    float leak;
} variants[] = {{1, 0.003, 0}, {2, 0.003, 0.1f}, {2, 0.001, 0}, {3, 0.01, 0}};

enum { VARIANTS = sizeof variants / sizeof variants[0] };

/* What an image is folded by to half its size; odd ones are not. */
static size_t block_of(const struct net_spec *image)
{
    return image->height % 2 == 0 && image->width % 2 == 0 ? 2 : 1;
}

/* Its convolutions: channels that go in and come out. */
struct layer {
    const char *name;
    size_t in, out;
};

static void list_layers(const struct net_spec *image, struct layer layers[LAYERS])
{
    size_t folded = block_of(image) * block_of(image);

    layers[0] = (struct layer){"transform.in", image->channels, WIDTH};
    layers[1] = (struct layer){"transform.down", folded * WIDTH, 2 * WIDTH};
    layers[2] = (struct layer){"transform.low", 2 * WIDTH, 2 * WIDTH};
    layers[3] = (struct layer){"transform.up", 2 * WIDTH, folded * WIDTH};
    layers[4] = (struct layer){"transform.out", WIDTH, image->channels};
}

static int conv(struct graph *g, int x, const struct layer *layer)
{
    const struct conv_config config = {.name = layer->name,
                                       .channels = layer->out,
                                       .kernel = 3,
                                       .stride = 1,
                                       .padding = 1,
                                       .has_bias = true};

    return graph_conv(g, x, &config);
}

static int build(const struct classifier *c, struct graph *g, int x, int *front)
{
    struct layer layers[LAYERS];
    size_t block = block_of(&c->net);
    int high, low;

    list_layers(&c->net, layers);
    high = graph_relu(g, conv(g, x, &layers[0]));
    low = graph_relu(g, conv(g, graph_space_to_depth(g, high, block), &layers[1]));
    low = graph_relu(g, conv(g, low, &layers[2]));
    low = graph_depth_to_space(g, graph_relu(g, conv(g, low, &layers[3])), block);
    *front = graph_add(g, x, conv(g, graph_add(g, high, low), &layers[4]));
    return net_build(&c->net, g, *front, c->use);
}

/* Weights as He et al. (2015), the last ones smaller; biases 0. */
static ward_status draw(const struct thief *t, uint32_t use, struct tensor_list *params)
{
    struct layer layers[LAYERS];
    struct rng rng;
    ward_status st = WARD_OK;

    list_layers(&t->network->spec, layers);
    thief_rng(t, (UINT32_C(1) << 30) + use, &rng);
    for (size_t i = 0; i < LAYERS && !st; i++) {
        const struct layer *layer = &layers[i];
        struct shape weight = shape_make(4, layer->out, layer->in, 3, 3);
        struct shape bias = shape_make(1, layer->out, 1, 1, 1);
        float deviation = sqrtf(2.0f / (9.0f * (float)layer->in)) * (i + 1 < LAYERS ? 1 : start);
        char name[TENSOR_MAX_NAME];
        struct tensor *w = NULL;

        snprintf(name, sizeof name, "%s.weight", layer->name);
        st = tensor_list_add(params, name, &weight, &w);
        for (size_t j = 0; !st && j < shape_count(&weight); j++)
            w->data[j] = deviation * rng_normal(&rng);
        snprintf(name, sizeof name, "%s.bias", layer->name);
        if (!st)
            st = tensor_list_add(params, name, &bias, NULL);
    }
    return st;
}

static ward_status try_variant(struct thief *t, const struct search_loss *loss, uint32_t number)
{
    const struct variant *v = &variants[number];
    struct tensor_list params = {NULL, 0};
    struct search s = {
        .thief = t,
        .classifier = classifier_of(&t->network->spec, NULL),
        .loss = loss,
        .trained = "transform.",
        .rate = v->rate,
        .bound = (double)NAN,
        .leak = v->leak,
    };
    ward_status st = draw(t, number, &params);

    s.classifier.build = build;
    snprintf(s.what, sizeof s.what, "width %d, rate %g%s", WIDTH, v->rate,
             v->leak > 0 ? ", leaky backward" : "");
    if (!st)
        st = thief_network(t, &params);
    if (!st)
        st = search_run(&s, &params);
    tensor_list_release(&params);
    return st;
}

static ward_status attempt(struct thief *t, const struct search_loss *loss)
{
    ward_status st = WARD_OK;

    for (uint32_t i = 0; i < VARIANTS && !st; i++)
        if (variants[i].effort <= t->budget->effort)
            st = try_variant(t, loss, i);
    return st;
}

static ward_status attempt_labelled(struct thief *t)
{
    return attempt(t, &search_labels);
}

static ward_status attempt_unlabelled(struct thief *t)
{
    return attempt(t, &search_infomax);
}

const struct raid raid_u_net_labelled = {
    .name = "u-net",
    .id = "A5",
    .knows = WARD_KNOWS_LABELLED,
    .methods = ATTACK_ALL_METHODS,
    .attempt = attempt_labelled,
};

const struct raid raid_u_net_unlabelled = {
    .name = "u-net",
    .id = "A5",
    .knows = WARD_KNOWS_UNLABELLED,
    .methods = ATTACK_ALL_METHODS,
    .attempt = attempt_unlabelled,
};
