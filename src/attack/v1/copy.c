/* Copies of G, fitted to pairs: see copy.h. */
#include "attack/v1/copy.h"

#include <math.h>
#include <stdio.h>

#include "base/mem.h"

static const float block_spread = 0.02f; /* around the identity, where a map of blocks starts */

/* ---- losses ---- */

static void build_distance(const struct search *s, struct graph *g, struct search_nodes *n)
{
    const struct copy *copy = s->context;
    const struct net_spec *image = &s->classifier.net;
    size_t len = image->channels * image->height * image->width;

    n->extra = graph_input(g, graph_dims(g, n->x));
    graph_squared_distance(g, n->front, n->extra, copy->weight / (float)len);
}

static void build_through(const struct search *s, struct graph *g, struct search_nodes *n)
{
    build_distance(s, g, n);
    graph_cross_entropy(g, n->logits, n->labels, 0, graph_dims(g, n->x).n, 1.0f);
}

static ward_status fill_distance(const struct search *s, struct plan *plan,
                                 const struct search_nodes *nodes, size_t n, const float *x,
                                 int32_t *labels)
{
    (void)labels;
    return thief_process(s->thief, n, x, plan_input(plan, nodes->extra));
}

/* F's own opinion of a processed image is as good as a label. */
static ward_status fill_through(const struct search *s, struct plan *plan,
                                const struct search_nodes *nodes, size_t n, const float *x,
                                int32_t *labels)
{
    ward_status st = thief_name(s->thief, n, x, labels);

    return st ? st : fill_distance(s, plan, nodes, n, x, labels);
}

const struct search_loss copy_distance = {
    .build = build_distance, .is_measure = true, .fill = fill_distance};
const struct search_loss copy_through = {
    .build = build_through, .takes_labels = true, .fill = fill_through};

/* ---- maps of blocks ---- */

size_t copy_block(const struct net_spec *image, size_t i)
{
    static const size_t blocks[] = {4, 2, 7, 8};

    for (size_t b = 0; b < sizeof blocks / sizeof blocks[0]; b++)
        if (image->height % blocks[b] == 0 && image->width % blocks[b] == 0 && i-- == 0)
            return blocks[b];
    return 0;
}

static int build_blocks(const struct classifier *c, struct graph *g, int x, int *front)
{
    const struct conv_config map = {.name = "transform.block",
                                    .channels = c->net.channels * c->block * c->block,
                                    .kernel = 1,
                                    .stride = 1,
                                    .has_bias = true};

    x = graph_conv(g, graph_space_to_depth(g, x, c->block), &map);
    *front = graph_depth_to_space(g, x, c->block);
    return net_build(&c->net, g, *front, c->use);
}

static ward_status draw_blocks(const struct thief *t, const struct copy *copy,
                               struct tensor_list *params)
{
    size_t len = t->network->spec.channels * copy->block * copy->block;
    struct shape weight = shape_make(4, len, len, 1, 1), bias = shape_make(1, len, 1, 1, 1);
    struct tensor *w;
    struct rng rng;
    ward_status st = tensor_list_add(params, "transform.block.weight", &weight, &w);

    thief_rng(t, copy->restart, &rng);
    for (size_t i = 0; i < len * len && !st; i++)
        w->data[i] = block_spread * rng_normal(&rng) + (i % (len + 1) == 0 ? 1.0f : 0.0f);
    return st ? st : tensor_list_add(params, "transform.block.bias", &bias, NULL);
}

/* ---- one copy ---- */

static ward_status draw(const struct thief *t, const struct copy *copy, struct transform *out)
{
    const struct transform_spec spec = thief_copy(t, copy->width, 1);
    ward_status st = copy->block > 0 ? draw_blocks(t, copy, &out->params)
                                     : thief_transform(t, &spec, copy->restart, out);

    return st ? st : thief_network(t, &out->params);
}

static struct classifier classifier_for(const struct thief *t, const struct copy *copy)
{
    const struct transform_spec spec = thief_copy(t, copy->width, 1);
    struct classifier c = classifier_of(&t->network->spec, copy->block > 0 ? NULL : &spec);

    if (copy->block > 0) {
        c.build = build_blocks;
        c.block = copy->block;
    }
    return c;
}

ward_status copy_try(struct thief *t, const struct copy *copy)
{
    struct copy context = *copy;
    struct transform made = {.params = {NULL, 0}};
    struct search s = {
        .thief = t,
        .classifier = classifier_for(t, copy),
        .loss = copy->loss,
        .trained = "transform.",
        .rate = copy->rate,
        .bound = (double)NAN,
        .leak = copy->leak,
        .context = &context,
    };
    ward_status st = draw(t, copy, &made);

    snprintf(s.what, sizeof s.what, "%s %zu, rate %g, start %u%s",
             copy->block > 0 ? "blocks of" : "width", copy->block > 0 ? copy->block : copy->width,
             copy->rate, copy->restart + 1, copy->leak > 0 ? ", leaky backward" : "");
    if (!st)
        st = search_run(&s, &made.params);
    transform_release(&made);
    return st;
}
