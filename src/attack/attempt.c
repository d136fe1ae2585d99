/* What the room gives to every attempt: draws, the stop signal, the score. See attack.h. */
#include <assert.h>

#include "attack/attack.h"
#include "base/mem.h"
#include "base/util.h"
#include "train/metrics.h"

enum { SCORE_BATCH = 200, FIRST_USE = 1, TRANSFORM_USE = 0 };

/* ---- draws ---- */

void attempt_rng(const struct attempt *attempt, uint32_t use, struct rng *rng)
{
    /* Step 0 is what the trials' seeds themselves are drawn from. */
    rng_init(rng, attempt->trial->seed, RNG_ATTACK, (uint64_t)use + FIRST_USE, 0);
}

ward_status attempt_transform(const struct attempt *attempt, const struct transform_spec *spec,
                              struct transform *out)
{
    uint8_t seed[TRANSFORM_SEED_LEN];
    struct rng rng;

    attempt_rng(attempt, TRANSFORM_USE, &rng);
    for (size_t i = 0; i < sizeof seed; i++)
        seed[i] = (uint8_t)rng_u32(&rng);
    return transform_init(out, spec, seed);
}

/* ---- while it runs ---- */

ward_status attempt_go_on(const struct attempt *attempt)
{
    if (atomic_load(attempt->is_stopping))
        return ward_fail(WARD_ERR_STOPPED, "the attack was stopped");
    return WARD_OK;
}

ward_status attempt_note(struct attempt *attempt, uint64_t step, double error)
{
    ward_attack_trial *t = attempt->trial;
    ward_status st = mem_resize(&t->curve, t->point_count, t->point_count + 1, sizeof *t->curve);

    if (st)
        return st;
    t->curve[t->point_count++] = (ward_attack_point){step, error};
    return WARD_OK;
}

/* ---- the score ---- */

static int build_behind(const struct classifier *c, struct graph *g, int x)
{
    const struct net_use use = {.keeps_running = false, .is_frozen = true};

    if (c->transform)
        x = transform_build(c->transform, g, x, true);
    return net_build(c->net, g, x, use);
}

struct classifier classifier_of(const struct net *net, const struct transform *transform)
{
    return (struct classifier){.build = build_behind,
                               .net = &net->spec,
                               .transform = transform ? &transform->spec : NULL,
                               .params = {&net->params, transform ? &transform->params : NULL}};
}

/* A classifier compiled for scoring. */
struct scorer {
    struct split test;
    size_t batch, classes;
    struct graph graph;
    struct plan *plan;
    int x, logits;
    int32_t *labels; /* [batch] */
};

static void scorer_close(struct scorer *s)
{
    mem_free(s->labels);
    plan_free(s->plan);
    graph_release(&s->graph);
    split_release(&s->test);
}

static ward_status scorer_open(struct scorer *s, const struct attempt *a,
                               const struct classifier *classifier)
{
    const struct net_spec *image = &a->network->spec;
    struct plan_options options = {.bn = BN_RUNNING, .is_secret = true, .output_count = 1};
    ward_status st = split_init(&s->test, a->data, WARD_SPLIT_TEST, 0, 0);

    if (st)
        return st;
    s->batch = min_size(SCORE_BATCH, s->test.count);
    s->x = graph_input(&s->graph,
                       (struct dims){s->batch, image->channels, image->height, image->width});
    s->logits = classifier->build(classifier, &s->graph, s->x);
    options.outputs[0] = s->logits;
    st = graph_finish(&s->graph);
    s->classes = graph_dims(&s->graph, s->logits).c;
    if (!st)
        st = plan_compile(&s->plan, a->device, &s->graph, &options);
    if (!st)
        st = params_load(s->plan, classifier->params, 2);
    if (!st)
        st = mem_new(&s->labels, s->batch, sizeof *s->labels);
    return st;
}

/* Logits that are not finite are wrong answers, not failures: an adversary may well get there. */
static ward_status count_right(struct scorer *s, const struct attempt *a, size_t *right)
{
    ward_status st = WARD_OK;

    for (size_t done = 0; done < s->test.count && !st; done += s->batch) {
        size_t n = min_size(s->batch, s->test.count - done);

        st = attempt_go_on(a);
        if (!st)
            st = batch_read(&s->test, done, n, plan_input(s->plan, s->x), s->labels);
        if (!st)
            st = plan_forward(s->plan);
        if (!st)
            *right += count_correct(plan_output(s->plan, s->logits), s->labels, n, s->classes);
    }
    return st;
}

ward_status attempt_score(struct attempt *attempt, const struct classifier *classifier)
{
    struct scorer s = {.plan = NULL};
    size_t right = 0;
    ward_status st;

    assert(!attempt->is_scored);
    attempt->is_scored = true;
    graph_init(&s.graph);
    st = scorer_open(&s, attempt, classifier);
    if (!st)
        st = count_right(&s, attempt, &right);
    if (!st)
        attempt->trial->accuracy = (double)right / (double)s.test.count;
    scorer_close(&s);
    return st;
}
