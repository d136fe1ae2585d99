/* Training some parameters of a classifier: see search.h. */
#include "attack/search.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>

#include "attack/score.h"
#include "base/mem.h"
#include "base/util.h"
#include "nn/adam.h"

enum { BATCH = 128, SMALL_BATCH = 64, CHECKS = 10, MIN_EVERY = 10, MAX_EVERY = 200 };
enum { EPOCHS = 15, PATIENCE = 3, DROPS = 2, SHIFT = 2 };

static const double drop = 0.25;            /* of the rate, on a plateau */
static const double improvement = 0.005;    /* of the merit, in PATIENCE checks; without labels a
                                               twentieth of it will do, if that is less */
static const double fall = 0.005;           /* of the loss, as a share of itself */
static const double no_merit = -1e6;        /* of answers that are no numbers */
static const double least_deviation = 1e-6; /* of logits; less is none */

struct work {
    const struct search *s;
    struct thief *thief;
    struct tensor_list *params; /* the best so far */
    struct tensor_list now;     /* at the last check */

    struct batch_source source;
    struct epoch_order order;
    size_t batch;
    float *x; /* the input's */
    int32_t *labels;

    struct graph graph;
    struct search_nodes nodes;
    struct plan *plan;
    struct adam adam;
    struct scorer scorer;

    double rate, plateau;
    double first;       /* merit, of the first check */
    double loss;        /* of the steps since the last check, together */
    double lowest_loss; /* of a step, on average, from one check to the next */
    size_t counted;
    unsigned stale, drops;
    uint64_t steps, every;
    ward_redteam_try tried; /* the best so far */
    double deviation;       /* of the logits, before the first step */
    bool has_diverged;
};

/* ---- losses ---- */

void search_build_labels(const struct search *s, struct graph *g, struct search_nodes *n)
{
    (void)s;
    graph_cross_entropy(g, n->logits, n->labels, 0, graph_dims(g, n->x).n, 1.0f);
}

static void build_infomax(const struct search *s, struct graph *g, struct search_nodes *n)
{
    (void)s;
    graph_infomax(g, n->logits, 0, graph_dims(g, n->x).n, 1.0f);
}

const struct search_loss search_labels = {.build = search_build_labels, .takes_labels = true};
const struct search_loss search_infomax = {.build = build_infomax, .is_label_free = true};

/* ---- up to the first step ---- */

static const struct split *images_of(const struct search *s)
{
    return s->images ? s->images : s->thief->images;
}

static size_t batch_of(const struct budget *budget, size_t count)
{
    bool is_small = count < 1000 || budget->effort == 1;

    return min_size(is_small ? SMALL_BATCH : BATCH, count);
}

static uint64_t least_steps(const struct budget *budget, size_t count)
{
    uint64_t batch = batch_of(budget, count), steps = budget->steps;
    uint64_t epochs = (uint64_t)EPOCHS * count / batch;
    uint64_t owners = (budget->images + batch - 1) / batch; /* batches of few images are small */

    steps = epochs > steps ? epochs : steps;
    return owners > steps ? owners : steps;
}

static uint64_t steps_of(const struct search *s)
{
    return least_steps(s->thief->budget, images_of(s)->count) * (s->trains_network ? 2 : 1);
}

/* Steps from one look at how good it is to the next. */
static uint64_t every_of(uint64_t steps)
{
    return min_size(max_size((size_t)steps / CHECKS, MIN_EVERY), MAX_EVERY);
}

uint64_t search_images(const struct budget *budget, size_t count)
{
    uint64_t steps = least_steps(budget, count), looks = 1 + steps / every_of(steps);

    return steps * batch_of(budget, count) + looks * budget->choice;
}

static ward_status open_images(struct work *w)
{
    const struct split *images = images_of(w->s);

    w->batch = batch_of(w->thief->budget, images->count);
    w->source =
        (struct batch_source){.split = images, .seed = w->thief->seed, .batch = (uint32_t)w->batch};
    return epoch_order_init(&w->order, images);
}

/* What is not trained are constants. */
static void choose_trained(struct graph *g, const char *prefix)
{
    for (size_t p = 0; p < g->param_count; p++)
        if (strncmp(g->params[p].name, prefix, strlen(prefix)) != 0)
            g->params[p].is_trainable = false;
}

static ward_status build(struct work *w)
{
    const struct search *s = w->s;
    const struct net_spec *image = &s->classifier.net;
    const struct dims images = {w->batch, image->channels, image->height, image->width};
    struct classifier classifier = s->classifier;
    struct search_nodes *n = &w->nodes;

    classifier.use.let_through = s->leak;
    classifier.use.softness = s->softness;
    n->extra = -1;
    n->x = graph_input(&w->graph, images);
    n->labels = s->loss->takes_labels ? graph_labels(&w->graph, w->batch) : -1;
    n->logits = classifier.build(&classifier, &w->graph, n->x, &n->front);
    choose_trained(&w->graph, s->trained);
    if (s->temperature > 0)
        n->logits = graph_scale(&w->graph, n->logits, 1 / s->temperature);
    s->loss->build(s, &w->graph, n);
    return graph_finish(&w->graph);
}

static ward_status open_plan(struct work *w)
{
    /* One image has no statistics of a batch. */
    const struct plan_options options = {
        .bn = w->s->trains_network && w->batch > 1 ? BN_BATCH : BN_RUNNING,
        .has_dropout = w->s->trains_network,
        .gradients = PLAN_GRAD_PARAMS,
        .is_secret = true,
    };
    const struct tensor_list *const lists[] = {w->params};
    ward_status st = build(w);

    if (!st)
        st = plan_compile(&w->plan, w->thief->device, &w->graph, &options);
    if (!st)
        st = params_load(w->plan, lists, 1);
    if (!st)
        st = adam_init(&w->adam, w->plan);
    if (st)
        return st;
    w->x = plan_input(w->plan, w->nodes.x);
    if (w->nodes.labels >= 0) {
        w->labels = plan_labels(w->plan, w->nodes.labels);
        return WARD_OK;
    }
    return mem_new(&w->labels, w->batch, sizeof *w->labels);
}

static ward_status open_scorer(struct work *w)
{
    const struct tensor_list *const lists[] = {w->params};
    ward_status st = scorer_open(&w->scorer, w->thief->device, &w->s->classifier, w->thief->choice,
                                 w->thief->choice_count);

    if (!st)
        st = params_load(w->scorer.plan, lists, 1);
    return st ? st : tensor_list_copy(&w->now, w->params);
}

static ward_status work_open(struct work *w, const struct search *s, struct tensor_list *params)
{
    ward_status st;

    *w = (struct work){.s = s,
                       .thief = s->thief,
                       .params = params,
                       .rate = s->rate,
                       .plateau = -INFINITY,
                       .lowest_loss = INFINITY,
                       .steps = steps_of(s)};
    w->every = every_of(w->steps);
    w->tried = (ward_redteam_try){.merit = -INFINITY,
                                  .bound = s->bound,
                                  .is_leaky = s->leak > 0 || s->softness > 0 || s->temperature > 1};
    memcpy(w->tried.what, s->what, sizeof w->tried.what);
    graph_init(&w->graph);
    st = open_images(w);
    if (!st)
        st = open_plan(w);
    return st ? st : open_scorer(w);
}

static void work_close(struct work *w)
{
    if (w->nodes.labels < 0)
        mem_free(w->labels);
    scorer_release(&w->scorer);
    adam_release(&w->adam);
    plan_free(w->plan);
    graph_release(&w->graph);
    epoch_order_release(&w->order);
    tensor_list_release(&w->now);
}

/* ---- a look at how good it is ---- */

/* Copy what training changes from the plan to the scorer, and to `now`. Both graphs have the same
 * parameters in the same order, but for those that a loss may have added. */
static ward_status transfer(struct work *w)
{
    ward_status st = WARD_OK;

    for (size_t p = 0; p < w->scorer.graph.param_count && !st; p++) {
        const struct graph_param *param = &w->graph.params[p];
        struct tensor *t = tensor_list_find(&w->now, param->name);

        assert(strcmp(param->name, w->scorer.graph.params[p].name) == 0);
        if (!param->is_trainable && !(w->s->trains_network && param_role_is_buffer(param->role)))
            continue;
        st = plan_store(w->plan, p, PLAN_VALUE, t->data);
        if (!st)
            st = plan_load(w->scorer.plan, p, PLAN_VALUE, t->data);
    }
    return st;
}

static void keep(struct work *w)
{
    for (size_t i = 0; i < w->now.count; i++) {
        struct tensor *to = tensor_list_find(w->params, w->now.items[i].name);

        memcpy(to->data, w->now.items[i].data, shape_count(&to->shape) * sizeof *to->data);
    }
}

/* Lower the rate after PATIENCE checks in which nothing got better. */
static void watch_plateau(struct work *w, bool is_better)
{
    if (is_better) {
        w->stale = 0;
    } else if (++w->stale == PATIENCE) {
        w->rate *= drop;
        w->drops++;
        w->stale = 0;
    }
}

static bool is_better_merit(struct work *w, double merit)
{
    double least = improvement;

    if (w->s->loss->is_label_free)
        least = fmin(least, 0.05 * fabs(w->plateau));
    if (!(merit > w->plateau + least))
        return false;
    w->plateau = merit;
    return true;
}

/* Of the steps since the last check. */
static bool is_lower_loss(struct work *w)
{
    double loss = w->loss / (double)w->counted;
    bool is_lower = w->counted > 0 && loss < w->lowest_loss * (1 - fall);

    if (is_lower)
        w->lowest_loss = loss;
    w->loss = 0;
    w->counted = 0;
    return is_lower;
}

/* A network that answers all images nearly alike is right no more often for a while, although the
 * loss falls: as long as nothing is gained, that is progress, too. */
static bool is_better(struct work *w, double merit)
{
    bool is_lower = !w->s->loss->is_label_free && is_lower_loss(w);
    bool is_higher = is_better_merit(w, merit);
    bool has_gained = w->plateau > w->first + improvement;

    return w->s->loss->is_measure ? is_lower : is_higher || (is_lower && !has_gained);
}

static ward_status check(struct work *w)
{
    struct score score;
    double merit;
    ward_status st = transfer(w);

    if (!st)
        st = scorer_run(&w->scorer, w->thief->is_stopping, &score);
    if (st)
        return st;
    merit = w->s->loss->is_label_free && !w->s->chooses_by_accuracy
                ? score.diversity - score.entropy
                : score.accuracy;
    merit = isfinite(merit) ? merit : no_merit;
    if (isinf(w->tried.merit)) { /* nothing was tried yet */
        w->deviation = score.deviation;
        w->first = merit;
    }
    watch_plateau(w, is_better(w, merit));
    if (merit > w->tried.merit) {
        w->tried.merit = merit;
        w->tried.accuracy = score.accuracy;
        keep(w);
    }
    return WARD_OK;
}

/* ---- a step ---- */

/* Move an image of c planes by (down, right), or flip it first; what comes in is `low`. */
static void move_image(float *x, const struct net_spec *spec, int down, int right, bool flips,
                       float low, float *room)
{
    int h = (int)spec->height, w = (int)spec->width;
    size_t len = spec->channels * spec->height * spec->width;

    memcpy(room, x, len * sizeof *x);
    for (int c = 0; c < (int)spec->channels; c++)
        for (int i = 0; i < h; i++)
            for (int j = 0; j < w; j++) {
                int from_i = i - down, from_j = j - right;
                bool is_in = from_i >= 0 && from_i < h && from_j >= 0 && from_j < w;

                from_j = flips ? w - 1 - from_j : from_j;
                *x++ = is_in ? room[(c * h + from_i) * w + from_j] : low;
            }
}

static ward_status augment(const struct work *w, uint64_t step)
{
    const struct net_spec *spec = &w->s->classifier.net;
    size_t len = spec->channels * spec->height * spec->width;
    float *room = NULL;
    ward_status st = mem_new(&room, len, sizeof *room);

    for (size_t row = 0; row < w->batch && !st; row++) {
        struct rng rng;
        int down, right;

        rng_init(&rng, w->thief->seed, RNG_AUGMENT, step, row);
        down = (int)rng_below(&rng, 2 * SHIFT + 1) - SHIFT;
        right = (int)rng_below(&rng, 2 * SHIFT + 1) - SHIFT;
        move_image(w->x + row * len, spec, down, right, rng_below(&rng, 2) && w->thief->random_flip,
                   w->thief->low, room);
    }
    mem_free(room);
    return st;
}

/* The pattern in front stays within its bound. */
static void project(const struct work *w)
{
    float bound = (float)w->s->bound;

    if (!isfinite(w->s->bound))
        return;
    for (size_t p = 0; p < w->graph.param_count; p++) {
        struct plan_packed packed;

        if (w->graph.params[p].role != PARAM_SHIFT || !w->graph.params[p].is_trainable)
            continue;
        packed = plan_packed(w->plan, p);
        for (size_t i = 0; i < packed.len; i++)
            packed.value[i] = fminf(fmaxf(packed.value[i], -bound), bound);
    }
}

static void count_loss(struct work *w)
{
    for (size_t i = 0; i < w->graph.node_count; i++)
        if (op_is_loss(w->graph.nodes[i].kind))
            w->loss += (double)*plan_output(w->plan, (int)i);
    w->counted++;
}

static ward_status step(struct work *w, uint64_t number)
{
    const struct search *s = w->s;
    bool is_finite = true;
    ward_status st = thief_go_on(w->thief);

    if (st)
        return st;
    batch_make(&w->source, &w->order, number, w->x, w->labels);
    if (s->loss->fill)
        st = s->loss->fill(s, w->plan, &w->nodes, w->batch, w->x, w->labels);
    if (!st && s->augments)
        st = augment(w, number);
    plan_set_step(w->plan, w->thief->seed, number);
    if (!st)
        st = plan_forward(w->plan);
    if (!st && !s->loss->is_label_free)
        count_loss(w);
    if (!st)
        st = plan_backward(w->plan);
    if (st)
        return st;
    adam_step(&w->adam, (float)w->rate, &is_finite);
    project(w);
    w->has_diverged = !is_finite;
    w->thief->cell->images += w->batch;
    return WARD_OK;
}

/* The rate was lowered in vain, or there is nothing left to improve. */
static bool is_over(const struct work *w)
{
    return w->drops > DROPS || (!w->s->loss->is_label_free && w->tried.merit >= 1);
}

static ward_status train(struct work *w)
{
    ward_status st = check(w);

    for (uint64_t i = 1; i <= w->steps && !st && !is_over(w); i++) {
        st = step(w, i - 1);
        if (w->has_diverged)
            break;
        if (!st && (i % w->every == 0 || i == w->steps))
            st = check(w);
    }
    return st;
}

/* ---- a search, or two ---- */

static const char scaled_words[] = ", scaled", goes_on[] = ", then";

static bool begins_with(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Whoever repeats what another has chosen trains that, and what it goes on from or was begun by,
 * whose words it begins with. */
static bool is_wanted(const struct search *s)
{
    const char *chosen = s->thief->repeats, *rest;

    if (!chosen)
        return true;
    if (!begins_with(chosen, s->what))
        return false;
    rest = chosen + strlen(s->what);
    return *rest == '\0' || begins_with(rest, scaled_words) || begins_with(rest, goes_on);
}

struct found {
    double merit;     /* of the best */
    double deviation; /* of the logits at the start */
};

static ward_status search_once(const struct search *s, struct tensor_list *params,
                               struct found *found)
{
    struct work w;
    ward_status st = work_open(&w, s, params);

    if (!st)
        st = train(&w);
    if (!st)
        st = thief_offer(s->thief, &s->classifier, params, &w.tried);
    *found = (struct found){w.tried.merit, w.deviation};
    work_close(&w);
    return st;
}

/* A loss by labels hardly feels answers that differ so little; who trains all of a network lets it
 * find its own scale. */
static bool may_scale(const struct search *s)
{
    return s->loss->takes_labels && !(s->temperature > 0) && s->trained[0] != '\0';
}

/* Whether what was chosen began with this search: with its better half, which is not said. */
static bool has_begun(const struct search *s)
{
    const char *chosen = s->thief->repeats;

    return chosen && begins_with(chosen, s->what) && begins_with(chosen + strlen(s->what), goes_on);
}

static ward_status search_scaled(const struct search *plain, struct tensor_list *params,
                                 struct tensor_list *start, const struct found *found)
{
    struct search s = *plain;
    struct tensor_list other;
    struct found scaled;
    size_t len = strlen(s.what);
    ward_status st;

    s.temperature = (float)found->deviation;
    snprintf(s.what + len, sizeof s.what - len, "%s", scaled_words);
    if (!is_wanted(&s) && !has_begun(plain))
        return WARD_OK;
    st = search_once(&s, start, &scaled);
    if (st || scaled.merit <= found->merit)
        return st;
    other = *params;
    *params = *start;
    *start = other;
    return WARD_OK;
}

ward_status search_run(const struct search *search, struct tensor_list *params)
{
    struct tensor_list start = {NULL, 0};
    struct found found;
    ward_status st = WARD_OK;

    if (!is_wanted(search))
        return WARD_OK;
    if (may_scale(search))
        st = tensor_list_copy(&start, params);
    if (!st)
        st = search_once(search, params, &found);
    if (!st && may_scale(search) && found.deviation > least_deviation && found.deviation < 1)
        st = search_scaled(search, params, &start, &found);
    tensor_list_release(&start);
    return st;
}

/* ---- the head ---- */

ward_status search_head(const struct net_spec *net, char *name, size_t len)
{
    struct graph g;
    ward_status st;

    graph_init(&g);
    st = net_graph(&g, net);
    if (!st) {
        const char *weight = g.params[net_head(&g)->param[0]].name;

        snprintf(name, len, "%.*s.", (int)strcspn(weight, "."), weight);
    }
    graph_release(&g);
    return st;
}
