/*
 * Trials side by side. Each worker is a thread of its own that computes on one thread: that keeps
 * all of them busy where one small trial could not, and a trial does not depend on how many there
 * are. The thread that called waits, writes the file after each trial, and tells the caller.
 */
#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "attack/campaign.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/signals.h"
#include "base/util.h"
#include "model/run.h"

struct crew {
    struct campaign *campaign;
    unsigned threads_each;
    size_t count; /* of workers */
    pthread_t *workers;
    atomic_bool is_stopping;

    pthread_mutex_t lock; /* guards what follows, and the campaign's result */
    pthread_cond_t changed;
    uint64_t next;      /* no trial below it is left to take */
    size_t working;     /* workers that have not ended */
    bool has_news;      /* a trial was finished that is not in the file yet */
    uint64_t finished;  /* by this crew */
    double seconds;     /* that those took, together */
    ward_status status; /* the first failure */
    char message[512];
};

/* ---- a trial ---- */

static ward_status make_trial(const struct campaign *c, atomic_bool *is_stopping,
                              ward_attack_trial *trial)
{
    const struct model *m = &c->run->model;
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
    ward_status st = WARD_OK;

    if (c->attack->holds & HOLDS_PAIRS)
        st = pairs_open(&a.pairs, c->run, c->device, c->data, c->result.pair_count, trial->seed);
    if (!st)
        st = c->attack->attempt(&a);
    assert(st || a.is_scored);
    pairs_close(a.pairs);
    trial->seconds = clock_seconds() - begin;
    return st;
}

/* ---- a worker ---- */

static bool take(struct crew *crew, uint64_t *number)
{
    const ward_attack_result *result = &crew->campaign->result;

    while (crew->next < result->settings.trials && result_has(result, crew->next))
        crew->next++;
    if (crew->next >= result->settings.trials || atomic_load(&crew->is_stopping))
        return false;
    *number = crew->next++;
    return true;
}

/* A stop is no failure of its own: what comes first is what is told. */
static void note_failure(struct crew *crew, ward_status st)
{
    if (!crew->status) {
        crew->status = st;
        snprintf(crew->message, sizeof crew->message, "%s", ward_error_message());
    }
    atomic_store(&crew->is_stopping, true);
}

static void hand_in(struct crew *crew, ward_attack_trial *trial, ward_status st)
{
    double seconds = trial->seconds;

    if (!st)
        st = result_add(&crew->campaign->result, trial);
    if (st) {
        note_failure(crew, st);
        trial_release(trial);
        return;
    }
    crew->has_news = true;
    crew->finished++;
    crew->seconds += seconds;
}

static void *work(void *context)
{
    struct crew *crew = context;
    uint64_t number;

    parallel_set_threads(crew->threads_each);
    pthread_mutex_lock(&crew->lock);
    while (take(crew, &number)) {
        ward_attack_trial trial = {.number = number};
        ward_status st;

        trial.seed = trial_seed(crew->campaign->result.settings.seed, number);
        pthread_mutex_unlock(&crew->lock);
        st = make_trial(crew->campaign, &crew->is_stopping, &trial);
        pthread_mutex_lock(&crew->lock);
        hand_in(crew, &trial, st);
        pthread_cond_signal(&crew->changed);
    }
    crew->working--;
    pthread_cond_signal(&crew->changed);
    pthread_mutex_unlock(&crew->lock);
    return NULL;
}

/* ---- the thread that called ---- */

static uint64_t count_done(const ward_attack_result *result)
{
    uint64_t done = 0;

    for (size_t i = 0; i < result->trial_count; i++)
        done += result->trials[i].number < result->settings.trials;
    return done;
}

/* Under the lock, which is let go of while the caller is told. */
static void report(struct crew *crew)
{
    const ward_attack_options *options = crew->campaign->options;
    const ward_attack_settings *settings = &crew->campaign->result.settings;
    uint64_t done = count_done(&crew->campaign->result);
    double each = crew->finished > 0 ? crew->seconds / (double)crew->finished : (double)NAN;
    ward_attack_progress progress = {
        .settings = settings,
        .done = done,
        .trials = settings->trials,
        .seconds_a_trial = each / (double)crew->count,
        .seconds_left = each * (double)(settings->trials - done) / (double)crew->count,
    };

    if (!options->progress)
        return;
    pthread_mutex_unlock(&crew->lock);
    if (!options->progress(options->context, &progress))
        atomic_store(&crew->is_stopping, true);
    pthread_mutex_lock(&crew->lock);
}

static void save(struct crew *crew)
{
    ward_status st;

    crew->has_news = false;
    st = campaign_save(crew->campaign);
    if (st)
        note_failure(crew, st);
}

/* For a change, or a fifth of a second. */
static void wait(struct crew *crew)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += 200000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_cond_timedwait(&crew->changed, &crew->lock, &until);
}

static void attend(struct crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    while (crew->working > 0 || crew->has_news) {
        if (crew->has_news)
            save(crew);
        report(crew);
        if (crew->working > 0 && !crew->has_news)
            wait(crew);
    }
    pthread_mutex_unlock(&crew->lock);
}

/* ---- the crew ---- */

static ward_status crew_open(struct crew *crew, struct campaign *c)
{
    uint64_t left = c->result.settings.trials - count_done(&c->result);
    unsigned threads = parallel_threads();
    pthread_condattr_t monotonic;
    bool shares = c->attack->uses & WARD_ATTACK_USES_TRIALS;

    *crew = (struct crew){.campaign = c,
                          .threads_each = shares ? 1 : threads,
                          .count = shares && left > 1 ? min_size(threads, (size_t)left) : 1};
    pthread_mutex_init(&crew->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&crew->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return mem_new(&crew->workers, crew->count, sizeof *crew->workers);
}

static void crew_close(struct crew *crew)
{
    pthread_cond_destroy(&crew->changed);
    pthread_mutex_destroy(&crew->lock);
    mem_free(crew->workers);
}

/* Signals are for the program's own threads, so workers start with all of them blocked. */
static size_t start(struct crew *crew)
{
    sigset_t before;
    size_t started = 0;
    int error = 0;

    signals_block(&before);
    pthread_mutex_lock(&crew->lock);
    while (started < crew->count && !error) {
        error = pthread_create(&crew->workers[started], NULL, work, crew);
        started += !error;
    }
    crew->working = started;
    if (error)
        note_failure(crew, ward_fail(WARD_ERR_IO, "cannot start a thread: %s", strerror(error)));
    pthread_mutex_unlock(&crew->lock);
    signals_restore(&before);
    return started;
}

static ward_status outcome(const struct crew *crew)
{
    const ward_attack_result *result = &crew->campaign->result;
    uint64_t done = count_done(result);

    if (crew->status && crew->status != WARD_ERR_STOPPED)
        return ward_fail(crew->status, "%s", crew->message);
    if (done < result->settings.trials)
        return ward_fail(WARD_ERR_STOPPED, "stopped after %ju of %ju trials of '%s'",
                         (uintmax_t)done, (uintmax_t)result->settings.trials,
                         crew->campaign->attack->name);
    return WARD_OK;
}

ward_status campaign_work(struct campaign *c)
{
    struct crew crew;
    size_t started;
    ward_status st = crew_open(&crew, c);

    if (!st) {
        started = start(&crew);
        attend(&crew);
        for (size_t i = 0; i < started; i++)
            pthread_join(crew.workers[i], NULL);
        st = outcome(&crew);
    }
    crew_close(&crew);
    return st;
}
