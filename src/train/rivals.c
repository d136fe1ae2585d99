/* Adversaries in the training loop: see rivals.h. */
#include "train/rivals.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/util.h"
#include "model/params.h"

/* Streams of a step; of the first fronts of the replay one each, of step 0. */
enum { STREAM_WHO, STREAM_FRONT, STREAM_SHOWN, STREAM_IMAGES, STREAM_FIRST };

static const float leak = 0.3f;

/* ---- who he is ---- */

/* Rates are far larger than those of an adversary who has all the time in the world. */
static const struct kind {
    int structure; /* of his front; -1: he fine-tunes F */
    enum rival_loss loss;
    double slowest, fastest; /* rates; of a pattern in widths of the range */
} kinds[] = {
    {RIVAL_PATTERN, RIVAL_LABELS, 0.01, 0.1}, {RIVAL_PATTERN, RIVAL_INFOMAX, 0.01, 0.1},
    {RIVAL_COPY, RIVAL_LABELS, 0.003, 0.03},  {RIVAL_COPY, RIVAL_INFOMAX, 0.003, 0.03},
    {-1, RIVAL_LABELS, 0.0003, 0.003},
};

enum { KINDS = sizeof kinds / sizeof kinds[0], GOES_ON = 4 };

struct person {
    const struct kind *kind;
    uint64_t number; /* of adversaries before him */
    bool is_leaky;
    bool goes_on; /* from the front that he takes the place of, not from one of his own */
    float rate;
    uint64_t masks; /* seed of his dropout */
};

static void stream(const struct rivals *r, struct rng *rng, uint64_t step, uint64_t what)
{
    rng_init(rng, r->config.images.seed, RNG_RIVAL, step, what);
}

/* Three of four go on, so that the replay has fronts that were trained for long. */
static struct person draw_person(const struct rivals *r, uint64_t step)
{
    struct person p = {.number = step / r->config.every};
    struct rng rng;
    double place;

    stream(r, &rng, step, STREAM_WHO);
    p.kind = &kinds[rng_below(&rng, KINDS)];
    p.is_leaky = rng_below(&rng, 2) == 1;
    p.goes_on = rng_below(&rng, GOES_ON) > 0;
    place = (double)rng_uniform(&rng);
    p.rate = (float)(p.kind->slowest * pow(p.kind->fastest / p.kind->slowest, place));
    if (p.kind->structure == RIVAL_PATTERN)
        p.rate *= r->config.high - r->config.low;
    p.masks = rng_u32(&rng);
    return p;
}

static struct transform_spec front_spec(const struct rivals *r, int structure)
{
    const struct rivals_config *c = &r->config;

    return (struct transform_spec){
        .method = structure == RIVAL_PATTERN ? WARD_METHOD_LEARNED : WARD_METHOD_GENERATOR,
        .channels = c->net.channels,
        .height = c->net.height,
        .width = c->net.width,
        .generator_width = c->generator_width,
        .start = structure == RIVAL_PATTERN ? 0.02f * (c->high - c->low) : 0.1f,
        .low = c->low,
        .high = c->high,
    };
}

/* ---- the replay ---- */

static void slot_name(char name[TENSOR_MAX_NAME], size_t slot, const char *param)
{
    snprintf(name, TENSOR_MAX_NAME, "rival.%zu.%.32s", slot, param);
}

static struct tensor *slot_find(const struct rivals *r, size_t slot, const char *param)
{
    char name[TENSOR_MAX_NAME];

    slot_name(name, slot, param);
    return tensor_list_find(r->replay, name);
}

static ward_status new_front(const struct rivals *r, const struct transform_spec *spec,
                             uint64_t step, uint64_t what, struct transform *out)
{
    struct rng rng;

    stream(r, &rng, step, what);
    return transform_init_public(out, spec, &rng);
}

static void copy_values(struct tensor *to, const struct tensor *from)
{
    memcpy(to->data, from->data, shape_count(&to->shape) * sizeof *to->data);
}

/* A front that nobody has trained. */
static ward_status add_slot(const struct rivals *r, struct tensor_list *list, size_t slot)
{
    const struct transform_spec spec = front_spec(r, (int)(slot / RIVAL_SLOTS));
    struct transform front = {.params = {NULL, 0}};
    ward_status st = new_front(r, &spec, 0, STREAM_FIRST + slot, &front);

    for (size_t i = 0; i < front.params.count && !st; i++) {
        const struct tensor *t = &front.params.items[i];
        char name[TENSOR_MAX_NAME];
        struct tensor *added;

        slot_name(name, slot, t->name);
        st = tensor_list_add(list, name, &t->shape, &added);
        if (!st)
            copy_values(added, t);
    }
    transform_release(&front);
    return st;
}

static ward_status check_replay(const struct tensor_list *wanted, const struct tensor_list *found)
{
    bool fits = wanted->count == found->count;

    for (size_t i = 0; i < wanted->count && fits; i++) {
        const struct tensor *t = tensor_list_find(found, wanted->items[i].name);

        fits = t && shape_equal(&t->shape, &wanted->items[i].shape);
    }
    return fits ? WARD_OK : ward_fail(WARD_ERR_FORMAT, "simulated adversaries that do not fit");
}

static ward_status open_replay(struct rivals *r)
{
    struct tensor_list made = {NULL, 0};
    ward_status st = WARD_OK;

    for (size_t slot = 0; slot < RIVAL_STRUCTURES * RIVAL_SLOTS && !st; slot++)
        st = add_slot(r, &made, slot);
    if (!st && r->replay->count > 0)
        st = check_replay(&made, r->replay);
    if (!st && r->replay->count == 0) {
        *r->replay = made;
        made = (struct tensor_list){NULL, 0};
    }
    tensor_list_release(&made);
    return st;
}

/* ---- opening ---- */

static ward_status open_front(struct rivals *r, int structure)
{
    const struct net_spec *net = &r->config.net;
    const struct transform_spec spec = front_spec(r, structure);
    struct rival_front *f = &r->fronts[structure];
    struct plan_options options = {.bn = BN_RUNNING, .is_secret = true, .output_count = 1};
    ward_status st;

    graph_init(&f->graph);
    f->x = graph_input(&f->graph, (struct dims){r->config.objective.rival_rows, net->channels,
                                                net->height, net->width});
    f->y = transform_build(&spec, &f->graph, f->x, true);
    options.outputs[0] = f->y;
    st = graph_finish(&f->graph);
    return st ? st : plan_compile(&f->plan, r->config.device, &f->graph, &options);
}

/* Images in an order of his own. */
static ward_status open_images(struct rivals *r)
{
    struct batch_source *images = &r->config.images;
    const struct net_spec *net = &r->config.net;
    ward_status st = epoch_order_init(&r->order, images->split);
    struct rng rng;

    stream(r, &rng, 0, STREAM_IMAGES);
    images->batch = (uint32_t)rival_batch(r->config.objective.batch);
    images->seed = (uint64_t)rng_u32(&rng) << 32;
    images->seed |= rng_u32(&rng);
    if (!st)
        st = mem_new(&r->x, images->batch, net->channels * net->height * net->width * sizeof *r->x);
    return st ? st : mem_new(&r->labels, images->batch, sizeof *r->labels);
}

ward_status rivals_init(struct rivals *r, const struct rivals_config *config,
                        const struct tensor_list *network, struct tensor_list *replay)
{
    ward_status st = WARD_OK;

    r->config = *config;
    r->replay = replay;
    for (int s = 0; s < RIVAL_STRUCTURES && !st; s++)
        st = open_front(r, s);
    if (!st)
        st = open_replay(r);
    if (!st)
        st = open_images(r);
    if (!st)
        st = tensor_list_copy(&r->network, network);
    return st;
}

void rivals_release(struct rivals *r)
{
    for (int s = 0; s < RIVAL_STRUCTURES; s++) {
        plan_free(r->fronts[s].plan);
        graph_release(&r->fronts[s].graph);
    }
    tensor_list_release(&r->network);
    tensor_list_release(&r->gradient);
    epoch_order_release(&r->order);
    mem_free(r->x);
    mem_free(r->labels);
    *r = (struct rivals){.replay = NULL};
}

/* ---- at work ---- */

/* Each adversary's batches follow those of the one before; the last is for the owner's look. */
static void next_images(struct rivals *r, const struct person *p, uint64_t i)
{
    const struct rivals_config *c = &r->config;

    batch_make(&c->images, &r->order, (uint32_t)(p->number * (c->steps + 1) + i), r->x, r->labels);
}

static ward_status work(struct rivals *r, const struct person *p, struct rival *rival,
                        bool *is_finite)
{
    ward_status st = WARD_OK;

    *is_finite = true;
    for (uint64_t i = 0; i < r->config.steps && !st && *is_finite; i++) {
        next_images(r, p, i);
        plan_set_step(rival->plan, p->masks, i);
        st = rival_step(rival, r->x, r->labels, p->rate, is_finite);
    }
    return st;
}

static struct rival_spec spec_of(const struct rivals *r, const struct person *p)
{
    struct rival_spec spec = {.net = r->config.net,
                              .front = {.method = WARD_METHOD_BASELINE},
                              .batch = r->config.images.batch,
                              .loss = p->kind->loss,
                              .weight = 1,
                              .leak = p->is_leaky ? leak : 0};

    if (p->kind->structure >= 0)
        spec.front = front_spec(r, p->kind->structure);
    return spec;
}

/* ---- a front ---- */

static ward_status find_front(struct rivals *r, const struct person *p, uint64_t step)
{
    const struct rival_spec spec = spec_of(r, p);
    size_t slot = (size_t)p->kind->structure * RIVAL_SLOTS + (size_t)(p->number % RIVAL_SLOTS);
    struct transform front = {.params = {NULL, 0}};
    const struct tensor_list *const lists[] = {&r->network, &front.params};
    struct rival rival = {.plan = NULL};
    bool is_finite = false;
    ward_status st = new_front(r, &spec.front, step, STREAM_FRONT, &front);

    for (size_t i = 0; i < front.params.count && !st && p->goes_on; i++)
        copy_values(&front.params.items[i], slot_find(r, slot, front.params.items[i].name));
    if (!st)
        st = rival_open(&rival, r->config.device, &spec, lists, 2);
    if (!st)
        st = work(r, p, &rival, &is_finite);
    if (!st && is_finite)
        st = params_store(rival.plan, PLAN_VALUE, &front.params);
    for (size_t i = 0; i < front.params.count && !st && is_finite; i++)
        copy_values(slot_find(r, slot, front.params.items[i].name), &front.params.items[i]);
    rival_close(&rival);
    transform_release(&front);
    return st;
}

/* ---- fine-tuning ---- */

static ward_status tune(struct rivals *r, const struct person *p, bool *is_finite)
{
    const struct rival_spec spec = spec_of(r, p);
    const struct tensor_list *const lists[] = {&r->network};
    struct rival rival = {.plan = NULL};
    ward_status st = rival_open(&rival, r->config.device, &spec, lists, 1);

    if (!st)
        st = work(r, p, &rival, is_finite);
    if (!st)
        st = params_store(rival.plan, PLAN_VALUE, &r->network);
    rival_close(&rival);
    return st;
}

/* An empty list gets a tensor for each parameter that the plan trains. */
static ward_status open_gradient(struct tensor_list *list, const struct graph *g)
{
    ward_status st = WARD_OK;

    for (size_t p = 0; p < g->param_count && !st; p++)
        if (g->params[p].is_trainable)
            st = tensor_list_add(list, g->params[p].name, &g->params[p].shape, NULL);
    return st;
}

/* By F's own backward pass, whatever the adversary's was. */
static ward_status look(struct rivals *r, const struct person *p, bool warms_up)
{
    const struct objective_config *o = &r->config.objective;
    const struct tensor_list *const lists[] = {&r->network};
    struct rival_spec spec = spec_of(r, p);
    struct rival owner = {.plan = NULL};
    ward_status st;

    spec.loss = o->is_chance || warms_up ? RIVAL_CHANCE : RIVAL_REFUSED;
    spec.weight = o->beta;
    spec.leak = 0;
    st = rival_open(&owner, r->config.device, &spec, lists, 1);
    if (!st && r->gradient.count == 0)
        st = open_gradient(&r->gradient, &owner.graph);
    if (!st) {
        next_images(r, p, r->config.steps);
        plan_set_step(owner.plan, p->masks, r->config.steps);
        st = rival_look(&owner, r->x, r->labels, &r->loss_tuned);
    }
    if (!st)
        st = params_store(owner.plan, PLAN_GRADIENT, &r->gradient);
    r->has_gradient = !st && isfinite(r->loss_tuned) && params_are_finite(&r->gradient) == WARD_OK;
    rival_close(&owner);
    return st;
}

/* ---- in a step ---- */

ward_status rivals_act(struct rivals *r, struct plan *plan, uint64_t step, bool warms_up)
{
    struct person p;
    bool is_finite = false;
    ward_status st;

    r->has_gradient = false;
    if (r->config.objective.rival_rows == 0 || step % r->config.every != 0)
        return WARD_OK;
    p = draw_person(r, step);
    st = params_store(plan, PLAN_VALUE, &r->network);
    if (!st && p.kind->structure >= 0)
        return find_front(r, &p, step);
    if (!st)
        st = tune(r, &p, &is_finite);
    return st || !is_finite ? st : look(r, &p, warms_up);
}

ward_status rivals_show(struct rivals *r, uint64_t step, const float *x, float *raw)
{
    struct rival_front *front;
    size_t slot, len;
    struct rng rng;
    ward_status st = WARD_OK;

    if (r->config.objective.rival_rows == 0)
        return WARD_OK;
    stream(r, &rng, step, STREAM_SHOWN);
    slot = rng_below(&rng, RIVAL_STRUCTURES * RIVAL_SLOTS);
    front = &r->fronts[slot / RIVAL_SLOTS];
    for (size_t p = 0; p < front->graph.param_count && !st; p++)
        st = plan_load(front->plan, p, PLAN_VALUE,
                       slot_find(r, slot, front->graph.params[p].name)->data);
    len = dims_count(graph_dims(&front->graph, front->x)) * sizeof *x;
    memcpy(plan_input(front->plan, front->x), x, len);
    if (!st)
        st = plan_forward(front->plan);
    if (!st)
        memcpy(raw, plan_output(front->plan, front->y), len);
    return st;
}

static ward_status add_to(struct plan *plan, size_t p, const struct tensor *more)
{
    size_t count = shape_count(&more->shape);
    float *sum = NULL;
    ward_status st = mem_new(&sum, count, sizeof *sum);

    if (!st)
        st = plan_store(plan, p, PLAN_GRADIENT, sum);
    for (size_t i = 0; i < count && !st; i++)
        sum[i] += more->data[i];
    if (!st)
        st = plan_load(plan, p, PLAN_GRADIENT, sum);
    mem_free(sum);
    return st;
}

ward_status rivals_add_gradient(struct rivals *r, struct plan *plan)
{
    const struct graph *g = plan_graph(plan);
    ward_status st = WARD_OK;

    for (size_t p = 0; p < g->param_count && !st && r->has_gradient; p++) {
        const struct tensor *more = tensor_list_find(&r->gradient, g->params[p].name);

        if (more)
            st = add_to(plan, p, more);
    }
    return st;
}
