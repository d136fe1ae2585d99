/* The trials of a campaign, side by side: see campaign.h. */
#include <assert.h>
#include <math.h>

#include "attack/campaign.h"
#include "attack/crew.h"
#include "base/parallel.h"
#include "base/util.h"
#include "model/run.h"

struct work {
    struct campaign *campaign;
    size_t workers;
    uint64_t next;     /* no trial below it is left to take */
    uint64_t finished; /* by this crew */
    double seconds;    /* that those took, together */
};

/* ---- a trial ---- */

static ward_status open_pairs(const struct campaign *c, uint64_t seed, struct split *raw,
                              struct pairs **out)
{
    ward_status st;

    if (!(c->attack->holds & HOLDS_PAIRS))
        return WARD_OK;
    st = pairs_choose(raw, c->data, c->result.pair_count, seed);
    return st ? st : pairs_open(out, c->run, c->device, raw);
}

static ward_status make(void *context, void *piece, const atomic_bool *is_stopping)
{
    const struct campaign *c = ((struct work *)context)->campaign;
    const struct model *m = &c->run->model;
    ward_attack_trial *trial = piece;
    struct split raw = {.data = NULL};
    struct attempt a = {
        .settings = &c->result.settings,
        .device = c->device,
        .network = &m->net,
        .method = m->method,
        .low = m->low,
        .high = m->high,
        .structure = c->attack->holds & HOLDS_STRUCTURE ? &c->run->transform.spec : NULL,
        .trial = trial,
        .data = c->data,
        .is_stopping = is_stopping,
    };
    double begin = clock_seconds();
    ward_status st = open_pairs(c, trial->seed, &raw, &a.pairs);

    if (!st)
        st = c->attack->attempt(&a);
    assert(st || a.is_scored);
    pairs_close(a.pairs);
    split_release(&raw);
    trial->seconds = clock_seconds() - begin;
    return st;
}

/* ---- the crew's errands ---- */

static bool take(void *context, void *piece)
{
    struct work *w = context;
    const ward_attack_result *result = &w->campaign->result;
    ward_attack_trial *trial = piece;

    while (w->next < result->settings.trials && result_has(result, w->next))
        w->next++;
    if (w->next >= result->settings.trials)
        return false;
    trial->number = w->next++;
    trial->seed = trial_seed(result->settings.seed, trial->number);
    return true;
}

static ward_status hand_in(void *context, void *piece)
{
    struct work *w = context;
    double seconds = ((ward_attack_trial *)piece)->seconds;
    ward_status st = result_add(&w->campaign->result, piece);

    if (!st) {
        w->finished++;
        w->seconds += seconds;
    }
    return st;
}

static void drop(void *piece)
{
    trial_release(piece);
}

static ward_status save(void *context)
{
    return campaign_save(((struct work *)context)->campaign);
}

static uint64_t count_done(const ward_attack_result *result)
{
    uint64_t done = 0;

    for (size_t i = 0; i < result->trial_count; i++)
        done += result->trials[i].number < result->settings.trials;
    return done;
}

static bool report(void *context)
{
    const struct work *w = context;
    const ward_attack_options *options = w->campaign->options;
    const ward_attack_settings *settings = &w->campaign->result.settings;
    uint64_t done = count_done(&w->campaign->result);
    double each = w->finished > 0 ? w->seconds / (double)w->finished : (double)NAN;
    ward_attack_progress progress = {
        .settings = settings,
        .done = done,
        .trials = settings->trials,
        .seconds_a_trial = each / (double)w->workers,
        .seconds_left = each * (double)(settings->trials - done) / (double)w->workers,
    };

    return !options->progress || options->progress(options->context, &progress);
}

ward_status campaign_work(struct campaign *c)
{
    const ward_attack_result *result = &c->result;
    uint64_t left = result->settings.trials - count_done(result), done;
    bool shares = c->attack->uses & WARD_ATTACK_USES_TRIALS;
    unsigned threads = parallel_threads();
    struct work w = {.campaign = c,
                     .workers = shares && left > 1 ? min_size(threads, (size_t)left) : 1};
    const struct crew_task task = {
        .context = &w,
        .workers = w.workers,
        .threads_each = shares ? 1 : threads,
        .piece_len = sizeof(ward_attack_trial),
        .take = take,
        .make = make,
        .hand_in = hand_in,
        .drop = drop,
        .save = save,
        .report = report,
    };
    ward_status st = crew_work(&task);

    done = count_done(result);
    if (st && st != WARD_ERR_STOPPED)
        return st;
    if (done < result->settings.trials)
        return ward_fail(WARD_ERR_STOPPED, "stopped after %ju of %ju trials of '%s'",
                         (uintmax_t)done, (uintmax_t)result->settings.trials, c->attack->name);
    return WARD_OK;
}
