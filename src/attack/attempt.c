/* What the room gives to every attempt: draws, the stop signal, the score. See attack.h. */
#include <assert.h>

#include "attack/score.h"
#include "base/mem.h"
#include "model/run.h"

enum { FIRST_USE = 1, TRANSFORM_USE = 0 };

/* ---- before it ---- */

ward_status run_fits(const ward_run *run, const ward_dataset *data)
{
    const ward_dataset_info *info = ward_dataset_get_info(data);
    ward_status st = run_check_data(run, info);

    if (st)
        return st;
    if (info->test_count == 0)
        return ward_fail(WARD_ERR_ARG, "'%s' has no test images", info->name);
    return WARD_OK;
}

/* ---- draws ---- */

void attempt_rng(const struct attempt *attempt, uint32_t use, struct rng *rng)
{
    /* Step 0 is what the trials' seeds themselves are drawn from. */
    rng_init(rng, attempt->trial->seed, RNG_ATTACK, (uint64_t)use + FIRST_USE, 0);
}

ward_status attempt_transform(const struct attempt *attempt, const struct transform_spec *spec,
                              struct transform *out)
{
    struct rng rng;

    attempt_rng(attempt, TRANSFORM_USE, &rng);
    return transform_init_public(out, spec, &rng);
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

ward_status attempt_score(struct attempt *attempt, const struct transform *front)
{
    const struct net *net = attempt->network;
    const struct classifier whole = classifier_of(&net->spec, front ? &front->spec : NULL);
    const struct tensor_list *const lists[] = {&net->params, front ? &front->params : NULL};
    struct split test = {.data = NULL};
    struct scorer scorer = {.plan = NULL};
    struct score score;
    ward_status st = split_init(&test, attempt->data, WARD_SPLIT_TEST, 0, 0);

    assert(!attempt->is_scored);
    attempt->is_scored = true;
    if (!st)
        st = scorer_open(&scorer, attempt->device, &whole, &test, test.count);
    if (!st)
        st = params_load(scorer.plan, lists, 2);
    if (!st)
        st = scorer_run(&scorer, attempt->is_stopping, &score);
    if (!st)
        attempt->trial->accuracy = score.accuracy;
    scorer_release(&scorer);
    split_release(&test);
    return st;
}
