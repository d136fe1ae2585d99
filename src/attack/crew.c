/* Pieces of work side by side: see crew.h. */
#include "attack/crew.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/parallel.h"
#include "base/signals.h"

struct crew {
    const struct crew_task *task;
    pthread_t *workers;
    uint8_t *pieces; /* [workers][piece_len] */
    atomic_bool is_stopping;

    pthread_mutex_t lock; /* guards what follows, and the task's context */
    pthread_cond_t changed;
    size_t started, working; /* workers; those of them that have not ended */
    size_t making;           /* pieces */
    bool has_news;           /* a piece was handed in that is not saved yet */
    ward_status status;      /* the first failure */
    char message[512];
};

/* ---- a worker ---- */

/* A stop is no failure of its own: what comes first is what is told. */
static void note_failure(struct crew *crew, ward_status st)
{
    if (!crew->status) {
        crew->status = st;
        snprintf(crew->message, sizeof crew->message, "%s", ward_error_message());
    }
    atomic_store(&crew->is_stopping, true);
}

static void hand_in(struct crew *crew, void *piece, ward_status st)
{
    if (!st)
        st = crew->task->hand_in(crew->task->context, piece);
    if (st) {
        note_failure(crew, st);
        crew->task->drop(piece);
        return;
    }
    crew->has_news = true;
}

/* What waits for a piece that is made now may be taken after it. */
static bool take(struct crew *crew, void *piece)
{
    while (!atomic_load(&crew->is_stopping)) {
        memset(piece, 0, crew->task->piece_len);
        if (crew->task->take(crew->task->context, piece))
            return true;
        if (crew->making == 0)
            return false;
        pthread_cond_wait(&crew->changed, &crew->lock);
    }
    return false;
}

static void *work(void *context)
{
    struct crew *crew = context;
    void *piece;

    parallel_set_threads(crew->task->threads_each);
    pthread_mutex_lock(&crew->lock);
    piece = crew->pieces + crew->started++ * crew->task->piece_len;
    while (take(crew, piece)) {
        ward_status st;

        crew->making++;
        pthread_mutex_unlock(&crew->lock);
        st = crew->task->make(crew->task->context, piece, &crew->is_stopping);
        pthread_mutex_lock(&crew->lock);
        crew->making--;
        hand_in(crew, piece, st);
        pthread_cond_broadcast(&crew->changed);
    }
    crew->working--;
    pthread_cond_broadcast(&crew->changed);
    pthread_mutex_unlock(&crew->lock);
    return NULL;
}

/* ---- the thread that called ---- */

static void save(struct crew *crew)
{
    ward_status st;

    crew->has_news = false;
    st = crew->task->save(crew->task->context);
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
        if (!crew->task->report(crew->task->context))
            atomic_store(&crew->is_stopping, true);
        if (crew->working > 0 && !crew->has_news)
            wait(crew);
    }
    pthread_mutex_unlock(&crew->lock);
}

/* ---- the crew ---- */

static ward_status crew_open(struct crew *crew, const struct crew_task *task)
{
    pthread_condattr_t monotonic;
    ward_status st;

    *crew = (struct crew){.task = task};
    pthread_mutex_init(&crew->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&crew->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    st = mem_new(&crew->workers, task->workers, sizeof *crew->workers);
    return st ? st : mem_new(&crew->pieces, task->workers, task->piece_len);
}

static void crew_close(struct crew *crew)
{
    pthread_cond_destroy(&crew->changed);
    pthread_mutex_destroy(&crew->lock);
    mem_free(crew->workers);
    mem_free(crew->pieces);
}

static size_t start(struct crew *crew)
{
    ward_status st = WARD_OK;
    size_t count = 0;

    pthread_mutex_lock(&crew->lock);
    while (count < crew->task->workers && !st) {
        st = thread_start(&crew->workers[count], work, crew);
        count += !st;
    }
    crew->working = count;
    if (st)
        note_failure(crew, st);
    pthread_mutex_unlock(&crew->lock);
    return count;
}

ward_status crew_work(const struct crew_task *task)
{
    struct crew crew;
    size_t count;
    ward_status st = crew_open(&crew, task);

    if (!st) {
        count = start(&crew);
        attend(&crew);
        for (size_t i = 0; i < count; i++)
            pthread_join(crew.workers[i], NULL);
        st = crew.status ? ward_fail(crew.status, "%s", crew.message) : WARD_OK;
    }
    crew_close(&crew);
    return st;
}
