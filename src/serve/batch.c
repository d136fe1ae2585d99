/* See batch.h. */
#include "serve/batch.h"

#include <pthread.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/signals.h"
#include "base/util.h"

enum { THREADS = 2 };

struct batcher {
    pthread_mutex_t lock;
    pthread_cond_t is_wanted;
    pthread_t threads[THREADS];
    size_t started;
    size_t batch, queue;
    struct job *first, **last; /* waiting */
    bool is_stopping;
    struct batch_stats stats;
};

/* The buffers of a thread, grown to what was needed so far. */
struct room {
    float *x, *y;
    size_t x_len, y_len;
};

/* ---- one batch ---- */

static bool fits_with(const struct job *first, const struct job *job)
{
    return job->backend == first->backend && job->pass == first->pass;
}

/* Takes jobs from the queue that can be computed together, at most `batch` images unless the first
 * alone has more. */
static struct job *take_jobs(struct batcher *b)
{
    struct job *jobs = b->first, *last = jobs;
    size_t n = jobs->n;

    while (last->next && fits_with(jobs, last->next) && n + last->next->n <= b->batch) {
        last = last->next;
        n += last->n;
    }
    b->first = last->next;
    if (!b->first)
        b->last = &b->first;
    last->next = NULL;
    b->stats.waiting -= n;
    return jobs;
}

static ward_status grow(float **values, size_t *len, size_t want)
{
    float *wider = NULL;
    ward_status st;

    if (want <= *len)
        return WARD_OK;
    st = mem_new(&wider, want, sizeof *wider);
    if (st)
        return st;
    mem_free(*values);
    *values = wider;
    *len = want;
    return WARD_OK;
}

static void fail_job(struct job *job, ward_status st)
{
    job->status = st;
    snprintf(job->fault, sizeof job->fault, "%s", st ? ward_error_message() : "");
}

/* A job that is larger than a batch, or alone. */
static ward_status run_one(struct batcher *b, struct room *room, struct job *job)
{
    ward_status st = grow(&room->x, &room->x_len, min_size(job->n, b->batch) * job->x_len);

    for (size_t at = 0, n; at < job->n && !st; at += n) {
        n = min_size(job->n - at, b->batch);
        memcpy(room->x, job->x + at * job->x_len * sizeof(float), n * job->x_len * sizeof(float));
        st = backend_run(job->backend, job->pass, n, room->x, job->y + at * job->y_len);
    }
    fail_job(job, st);
    return st;
}

static ward_status run_together(struct room *room, struct job *jobs, size_t n)
{
    size_t x_len = jobs->x_len, y_len = jobs->y_len, at = 0;
    ward_status st = grow(&room->x, &room->x_len, n * x_len);

    if (!st)
        st = grow(&room->y, &room->y_len, n * y_len);
    for (struct job *job = jobs; job && !st; at += job->n, job = job->next)
        memcpy(room->x + at * x_len, job->x, job->n * x_len * sizeof(float));
    if (!st)
        st = backend_run(jobs->backend, jobs->pass, n, room->x, room->y);
    at = 0;
    for (struct job *job = jobs; job; at += job->n, job = job->next) {
        if (!st)
            memcpy(job->y, room->y + at * y_len, job->n * y_len * sizeof(float));
        fail_job(job, st);
    }
    return st;
}

/* Who shares a batch does not share a fault. */
static void run_jobs(struct batcher *b, struct room *room, struct job *jobs, size_t n)
{
    if (jobs->next && run_together(room, jobs, n) != WARD_ERR_NUMERIC)
        return;
    for (struct job *job = jobs; job; job = job->next)
        (void)!run_one(b, room, job);
}

/* ---- threads ---- */

static void do_batch(struct batcher *b, struct room *room)
{
    struct job *jobs = take_jobs(b);
    double begin = clock_seconds();
    size_t n = 0;

    if (b->first)
        pthread_cond_signal(&b->is_wanted);
    pthread_mutex_unlock(&b->lock);
    for (const struct job *job = jobs; job; job = job->next)
        n += job->n;
    run_jobs(b, room, jobs, n);
    begin = clock_seconds() - begin;
    while (jobs) {
        struct job *next = jobs->next;

        jobs->done(jobs);
        jobs = next;
    }
    pthread_mutex_lock(&b->lock);
    b->stats.batches++;
    b->stats.images += n;
    b->stats.seconds += begin;
}

static void *serve_jobs(void *context)
{
    struct batcher *b = context;
    struct room room = {NULL, NULL, 0, 0};

    pthread_mutex_lock(&b->lock);
    while (b->first || !b->is_stopping) {
        if (b->first)
            do_batch(b, &room);
        else
            pthread_cond_wait(&b->is_wanted, &b->lock);
    }
    pthread_mutex_unlock(&b->lock);
    mem_free(room.x);
    mem_free(room.y);
    return NULL;
}

static ward_status start_threads(struct batcher *b)
{
    ward_status st = WARD_OK;

    while (b->started < THREADS && !st) {
        st = thread_start(&b->threads[b->started], serve_jobs, b);
        b->started += !st;
    }
    return st;
}

ward_status batcher_start(struct batcher **out, size_t batch, size_t queue)
{
    struct batcher *b = NULL;
    ward_status st = mem_new(&b, 1, sizeof *b);

    if (st)
        return st;
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->is_wanted, NULL);
    b->batch = batch;
    b->queue = queue;
    b->last = &b->first;
    st = start_threads(b);
    if (st)
        batcher_free(b);
    else
        *out = b;
    return st;
}

void batcher_stop(struct batcher *b)
{
    if (!b)
        return;
    pthread_mutex_lock(&b->lock);
    b->is_stopping = true;
    pthread_cond_broadcast(&b->is_wanted);
    pthread_mutex_unlock(&b->lock);
    for (size_t i = 0; i < b->started; i++)
        pthread_join(b->threads[i], NULL);
    b->started = 0;
}

void batcher_free(struct batcher *b)
{
    if (!b)
        return;
    batcher_stop(b);
    pthread_cond_destroy(&b->is_wanted);
    pthread_mutex_destroy(&b->lock);
    mem_free(b);
}

static bool has_place(const struct batcher *b, const struct job *job)
{
    size_t after = b->stats.waiting + job->n;

    if (job->is_stranger && b->stats.waiting > 0)
        return after <= b->queue / 2;
    return after <= b->queue;
}

bool batcher_submit(struct batcher *b, struct job *job)
{
    bool is_taken;

    job->next = NULL;
    pthread_mutex_lock(&b->lock);
    is_taken = !b->is_stopping && has_place(b, job);
    if (is_taken) {
        *b->last = job;
        b->last = &job->next;
        b->stats.waiting += job->n;
        pthread_cond_signal(&b->is_wanted);
    }
    pthread_mutex_unlock(&b->lock);
    return is_taken;
}

void batcher_count(struct batcher *b, struct batch_stats *stats)
{
    pthread_mutex_lock(&b->lock);
    *stats = b->stats;
    pthread_mutex_unlock(&b->lock);
}
