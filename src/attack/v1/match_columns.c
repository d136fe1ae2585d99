/*
 * A17, match-columns: a lock that gives the values of an image another order, or other signs, gives
 * them to the columns of F's first layer. So each raw value gets the column that resembles the
 * others as it does (columns.h), and the layer is put together again in the order of raw values; of
 * a convolution, in that of the values of a patch. What stays open is learned through F, from
 * labels or by InfoMax: a scale and a shift for each value of the image, or the whole layer, as a
 * lock may mix values, too.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "attack/search.h"
#include "attack/v1/columns.h"
#include "attack/v1/first_layer.h"
#include "base/mem.h"

enum { MOST_COLUMNS = 4096 }; /* tables of more would take gigabytes */

static const float slope = 0.1f; /* of shut ReLUs, in another backward pass */

struct matched {
    struct align layer;
    uint32_t *column_of; /* [ins] */
    float *signs;        /* [ins] */
};

static const struct variant {
    unsigned effort; /* from which on */
    bool learns_layer;
    float turned; /* all signs, which may as well be the others: 1 or -1 */
    double rate;
} variants[] = {
    {1, false, 1, 0.003}, {1, false, -1, 0.003}, {1, true, 1, 3e-4}, {1, true, -1, 3e-4},
    {3, false, 1, 0.01},  {3, false, -1, 0.01},  {3, true, 1, 1e-3}, {3, true, -1, 1e-3},
};

/* ---- columns ---- */

static ward_status go_on(void *thief)
{
    return thief_go_on(thief);
}

static ward_status match(struct matched *m)
{
    const struct align *a = &m->layer;
    struct alike values = {.d = 0}, columns = {.d = 0};
    struct rng rng;
    ward_status st = mem_new(&m->column_of, a->ins, sizeof *m->column_of);

    thief_rng(a->thief, (UINT32_C(1) << 30) + 2, &rng);
    if (!st)
        st = mem_new(&m->signs, a->ins, sizeof *m->signs);
    if (!st)
        st = alike_init(&values, a->points, a->ins, a->x);
    if (!st)
        st = alike_init(&columns, a->outs, a->ins, a->weight->data);
    if (!st)
        st = columns_match(&values, &columns, &rng, go_on, a->thief, m->column_of, m->signs);
    alike_release(&values);
    alike_release(&columns);
    return st;
}

static ward_status put_together(const struct matched *m, float turned, struct tensor_list *params)
{
    const struct align *a = &m->layer;
    ward_status st = thief_network(a->thief, params);

    if (!st)
        columns_in_order(a->outs, a->ins, a->weight->data, m->column_of, m->signs, turned,
                         tensor_list_find(params, a->weight_name)->data);
    return st;
}

/* ---- a scale and a shift for each value ---- */

/* Batch norm has both, a channel each. Its statistics stay 0 and 1. */
static int build_front(const struct classifier *c, struct graph *g, int x, int *front)
{
    struct dims image = graph_dims(g, x);
    struct dims values = {image.n, image.c * image.h * image.w, 1, 1};

    x = graph_permute(g, x, NULL, values);
    x = graph_batch_norm(g, x, "transform.scale", false, false);
    *front = graph_permute(g, x, NULL, image);
    return net_build(&c->net, g, *front, c->use);
}

static ward_status add_scale(const struct thief *t, struct tensor_list *params)
{
    static const struct {
        const char *name;
        float value;
    } parts[] = {{"transform.scale.weight", 1},
                 {"transform.scale.bias", 0},
                 {"transform.scale.running_mean", 0},
                 {"transform.scale.running_var", 1}};
    const struct net_spec *image = &t->network->spec;
    size_t count = image->channels * image->height * image->width;
    struct shape shape = shape_make(1, count, 1, 1, 1);
    ward_status st = WARD_OK;

    for (size_t p = 0; p < sizeof parts / sizeof parts[0] && !st; p++) {
        struct tensor *added;

        st = tensor_list_add(params, parts[p].name, &shape, &added);
        for (size_t i = 0; i < count && !st; i++)
            added->data[i] = parts[p].value;
    }
    return st;
}

/* ---- all of it ---- */

static ward_status try_variant(const struct matched *m, const struct search_loss *loss,
                               const struct variant *v, float leak)
{
    struct thief *t = m->layer.thief;
    const char *weight = m->layer.weight_name;
    char layer[TENSOR_MAX_NAME];
    struct tensor_list params = {NULL, 0};
    struct search s = {
        .thief = t,
        .classifier = classifier_of(&t->network->spec, NULL),
        .loss = loss,
        .trained = v->learns_layer ? layer : "transform.",
        .rate = v->rate,
        .bound = (double)NAN,
        .leak = leak,
    };
    ward_status st = put_together(m, v->turned, &params);

    snprintf(layer, sizeof layer, "%.*s.", (int)strcspn(weight, "."), weight);
    snprintf(s.what, sizeof s.what, "%s, rate %g%s%s",
             v->learns_layer ? "the layer" : "scale, shift", v->rate,
             v->turned < 0 ? ", turned over" : "", leak > 0 ? ", leaky backward" : "");
    if (!v->learns_layer) {
        s.classifier.build = build_front;
        if (!st)
            st = add_scale(t, &params);
    }
    if (!st)
        st = search_run(&s, &params);
    tensor_list_release(&params);
    return st;
}

static ward_status try_variants(struct matched *m, const struct search_loss *loss)
{
    const unsigned effort = m->layer.thief->budget->effort;
    ward_status st = match(m);

    for (size_t i = 0; i < sizeof variants / sizeof variants[0] && !st; i++) {
        const struct variant *v = &variants[i];

        if (v->effort > effort)
            continue;
        st = try_variant(m, loss, v, 0);
        if (!st && effort > 1)
            st = try_variant(m, loss, v, slope);
    }
    return st;
}

static ward_status offer_network(struct thief *t, const char *what)
{
    const struct classifier c = classifier_of(&t->network->spec, NULL);
    struct tensor_list params = {NULL, 0};
    ward_status st = thief_network(t, &params);

    if (!st)
        st = thief_offer_as(t, &c, &params, what);
    tensor_list_release(&params);
    return st;
}

static ward_status attempt(struct thief *t, const struct search_loss *loss)
{
    struct matched m = {.column_of = NULL};
    ward_status st = align_look(&m.layer, t);

    if (!st)
        st = m.layer.ins > MOST_COLUMNS ? offer_network(t, "as it is: too many values to match")
                                        : try_variants(&m, loss);
    align_close(&m.layer);
    mem_free(m.column_of);
    mem_free(m.signs);
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

const struct raid raid_match_columns_labelled = {
    .name = "match-columns",
    .id = "A17",
    .knows = WARD_KNOWS_LABELLED,
    .methods = ATTACK_ALL_METHODS,
    .attempt = attempt_labelled,
};

const struct raid raid_match_columns_unlabelled = {
    .name = "match-columns",
    .id = "A17",
    .knows = WARD_KNOWS_UNLABELLED,
    .methods = ATTACK_ALL_METHODS,
    .attempt = attempt_unlabelled,
};
