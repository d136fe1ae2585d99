/* One adversary at work: see redteam.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "attack/redteam.h"
#include "attack/score.h"
#include "base/mem.h"
#include "base/util.h"
#include "model/run.h"

/* The uses below it are the room's own: which images, and in which order. */
enum { FIRST_USE = 16 };

/* ---- draws ---- */

void thief_rng(const struct thief *thief, uint32_t use, struct rng *rng)
{
    rng_init(rng, thief->seed, RNG_ATTACK, (uint64_t)use + FIRST_USE, 0);
}

ward_status thief_transform(const struct thief *thief, const struct transform_spec *spec,
                            uint32_t use, struct transform *out)
{
    struct rng rng;

    thief_rng(thief, use, &rng);
    return transform_init_public(out, spec, &rng);
}

struct transform_spec thief_pattern(const struct thief *thief, float start)
{
    const struct net_spec *image = &thief->network->spec;

    return (struct transform_spec){.method = WARD_METHOD_LEARNED,
                                   .channels = image->channels,
                                   .height = image->height,
                                   .width = image->width,
                                   .start = start,
                                   .low = thief->low,
                                   .high = thief->high};
}

struct transform_spec thief_copy(const struct thief *thief, size_t width, float start)
{
    struct transform_spec spec = thief->structure;

    spec.method = WARD_METHOD_GENERATOR;
    spec.generator_width = width;
    spec.start = start;
    spec.is_clamped = false;
    return spec;
}

/* ---- parameters ---- */

ward_status params_append(struct tensor_list *to, const struct tensor_list *from)
{
    ward_status st = WARD_OK;

    for (size_t i = 0; i < from->count && !st; i++) {
        const struct tensor *t = &from->items[i];
        struct tensor *added;

        st = tensor_list_add(to, t->name, &t->shape, &added);
        if (!st)
            memcpy(added->data, t->data, shape_count(&t->shape) * sizeof *t->data);
    }
    return st;
}

static const char *const net_archs[] = {[NET_USUAL] = "simple-cnn", [NET_DEEP] = "resnet20"};

bool thief_has_net(const struct thief *thief, enum thief_net net)
{
    const struct net_spec *own = &thief->network->spec;

    if (net == NET_OWN)
        return strcmp(own->arch, net_archs[NET_USUAL]) != 0;
    return net == NET_USUAL || (own->channels > 1 && strcmp(own->arch, net_archs[NET_DEEP]) != 0);
}

struct net_spec thief_net_spec(const struct thief *thief, enum thief_net net)
{
    struct net_spec spec = thief->network->spec;

    if (net != NET_OWN)
        snprintf(spec.arch, sizeof spec.arch, "%s", net_archs[net]);
    return spec;
}

ward_status thief_nets_check(const struct thief *thief)
{
    ward_status st = WARD_OK;

    for (int net = NET_USUAL; net <= NET_DEEP && !st; net++) {
        const struct net_spec spec = thief_net_spec(thief, (enum thief_net)net);
        struct graph g;

        graph_init(&g);
        if (thief_has_net(thief, (enum thief_net)net))
            st = net_graph(&g, &spec);
        graph_release(&g);
    }
    return st;
}

ward_status thief_network(const struct thief *thief, struct tensor_list *params)
{
    return params_append(params, &thief->network->params);
}

ward_status thief_readout(const struct thief *thief, struct tensor_list *params)
{
    size_t k = thief->network->spec.classes;
    struct shape weight = shape_make(2, k, k, 1, 1), bias = shape_make(1, k, 1, 1, 1);
    struct tensor *t;
    ward_status st = tensor_list_add(params, "readout.weight", &weight, &t);

    for (size_t i = 0; i < k && !st; i++)
        t->data[i * k + i] = 1;
    return st ? st : tensor_list_add(params, "readout.bias", &bias, NULL);
}

/* ---- images ---- */

size_t thief_raw_count(const struct thief *thief)
{
    return thief->images->count + thief->unlabelled->count;
}

ward_status thief_raw_image(const struct thief *thief, size_t i, float *x)
{
    size_t own = thief->images->count;

    return i < own ? batch_read(thief->images, i, 1, x, NULL)
                   : batch_read(thief->unlabelled, i - own, 1, x, NULL);
}

/* ---- while he works ---- */

ward_status thief_go_on(const struct thief *thief)
{
    if (atomic_load(thief->is_stopping))
        return ward_fail(WARD_ERR_STOPPED, "the attack was stopped");
    return WARD_OK;
}

static ward_status read_answers(struct thief *thief, struct scorer *s, float *logits)
{
    ward_status st = WARD_OK;

    for (size_t done = 0; done < s->count && !st; done += s->batch) {
        size_t n = min_size(s->batch, s->count - done);

        st = thief_go_on(thief);
        if (!st)
            st = batch_read(s->images, done, n, plan_input(s->plan, s->x), NULL);
        if (!st)
            st = plan_forward(s->plan);
        if (!st)
            memcpy(logits + done * s->classes, plan_output(s->plan, s->logits),
                   n * s->classes * sizeof *logits);
    }
    return st;
}

static ward_status read_outputs(struct thief *thief, const struct classifier *classifier,
                                const struct tensor_list *params, const struct split *images,
                                float *out)
{
    const struct tensor_list *const lists[] = {params};
    struct scorer scorer = {.plan = NULL};
    ward_status st = scorer_open(&scorer, thief->device, classifier, images, images->count);

    if (!st)
        st = params_load(scorer.plan, lists, 1);
    if (!st)
        st = read_answers(thief, &scorer, out);
    scorer_release(&scorer);
    return st;
}

ward_status thief_answers(struct thief *thief, const struct tensor_list *params,
                          const struct split *images, float *logits)
{
    const struct classifier stolen = classifier_of(&thief->network->spec, NULL);

    return read_outputs(thief, &stolen, params, images, logits);
}

static int build_features(const struct classifier *c, struct graph *g, int x, int *front)
{
    int logits = net_build(&c->net, g, x, c->use);

    *front = x;
    return logits < 0 ? logits : g->nodes[logits].input[0];
}

ward_status thief_features(struct thief *thief, const struct tensor_list *params,
                           const struct split *images, float *features)
{
    struct classifier stolen = classifier_of(&thief->network->spec, NULL);

    stolen.build = build_features;
    return read_outputs(thief, &stolen, params, images, features);
}

ward_status thief_process(struct thief *thief, size_t n, const float *x, float *y)
{
    return service_run(thief->service, PASS_TRANSFORM, n, x, y);
}

ward_status thief_ask(struct thief *thief, size_t n, const float *x, float *logits)
{
    return service_run(thief->service, PASS_AUTHORISED, n, x, logits);
}

ward_status thief_name(struct thief *thief, size_t n, const float *x, int32_t *classes)
{
    size_t k = thief->network->spec.classes;
    float *logits = NULL;
    ward_status st = mem_new(&logits, n * k, sizeof *logits);

    if (!st)
        st = thief_ask(thief, n, x, logits);
    for (size_t i = 0; i < n && !st; i++) {
        const float *row = logits + i * k;
        int32_t best = 0;

        for (size_t j = 1; j < k; j++)
            if (row[j] > row[best])
                best = (int32_t)j;
        classes[i] = best;
    }
    mem_free(logits);
    return st;
}

/* ---- offers ---- */

/* The best try by F's own gradient, or by another: which of the cell's, or try_count. */
static size_t best_by(const ward_redteam_cell *cell, bool is_leaky)
{
    size_t best = cell->try_count;

    for (size_t i = 0; i < cell->try_count; i++)
        if (cell->tries[i].is_leaky == is_leaky &&
            (best == cell->try_count || cell->tries[i].merit > cell->tries[best].merit))
            best = i;
    return best;
}

/* Of more tries than there is room for, the best stay, and the best by either gradient: they are
 * what a masked gradient is known by. */
static void record(ward_redteam_cell *cell, const ward_redteam_try *tried)
{
    size_t kept[] = {best_by(cell, false), best_by(cell, true)};
    size_t rival = kept[tried->is_leaky], worst = cell->try_count;
    bool leads = rival == cell->try_count || tried->merit > cell->tries[rival].merit;

    if (cell->try_count < WARD_REDTEAM_TRIES) {
        cell->tries[cell->try_count++] = *tried;
        return;
    }
    if (leads)
        kept[tried->is_leaky] = cell->try_count;
    for (size_t i = 0; i < cell->try_count; i++)
        if (i != kept[0] && i != kept[1] &&
            (worst == cell->try_count || cell->tries[i].merit < cell->tries[worst].merit))
            worst = i;
    if (leads || tried->merit > cell->tries[worst].merit)
        cell->tries[worst] = *tried;
}

ward_status thief_offer(struct thief *thief, const struct classifier *classifier,
                        const struct tensor_list *params, const ward_redteam_try *tried)
{
    struct tensor_list copy = {NULL, 0};
    ward_status st;

    record(thief->cell, tried);
    if (thief->has_offer && !(tried->merit > thief->best_merit))
        return WARD_OK;
    st = tensor_list_copy(&copy, params);
    if (st) {
        tensor_list_release(&copy);
        return st;
    }
    tensor_list_release(&thief->best_params);
    thief->best_params = copy;
    thief->best = *classifier;
    thief->best_merit = tried->merit;
    thief->has_offer = true;
    thief->cell->choice = tried->accuracy;
    snprintf(thief->cell->chosen, sizeof thief->cell->chosen, "%s", tried->what);
    return WARD_OK;
}

ward_status thief_offer_as(struct thief *thief, const struct classifier *classifier,
                           const struct tensor_list *params, const char *what)
{
    const struct tensor_list *const lists[] = {params};
    ward_redteam_try tried = {.bound = (double)NAN};
    struct scorer scorer = {.plan = NULL};
    struct score score = {0};
    ward_status st =
        scorer_open(&scorer, thief->device, classifier, thief->choice, thief->choice_count);

    if (!st)
        st = params_load(scorer.plan, lists, 1);
    if (!st)
        st = scorer_run(&scorer, thief->is_stopping, &score);
    if (!st) {
        snprintf(tried.what, sizeof tried.what, "%s", what);
        tried.accuracy = tried.merit = score.accuracy;
        st = thief_offer(thief, classifier, params, &tried);
    }
    scorer_release(&scorer);
    return st;
}
