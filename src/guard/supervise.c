/* The serving process' side of guard and worker, as others call it: see guard.h. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/signals.h"
#include "base/util.h"
#include "guard/keeper.h"

enum { DEFAULT_TIMEOUT = 60 };

/* ---- starting and stopping ---- */

static ward_status check_config(const struct guard_config *c)
{
    if (c->batch < 1 || c->batch > GUARD_MAX_BATCH)
        return ward_fail(WARD_ERR_ARG, "a guard for batches of %zu images: not in 1 to %d",
                         c->batch, GUARD_MAX_BATCH);
    return WARD_OK;
}

static void init_locks(struct guard *g)
{
    pthread_condattr_t attributes;

    pthread_mutex_init(&g->sending, NULL);
    pthread_mutex_init(&g->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&g->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

static void release(struct guard *g)
{
    if (g->requests >= 0)
        close(g->requests);
    if (g->answers >= 0)
        close(g->answers);
    pthread_cond_destroy(&g->changed);
    pthread_mutex_destroy(&g->lock);
    pthread_mutex_destroy(&g->sending);
    mem_free(g);
}

ward_status guard_start(struct guard **out, const struct guard_config *config)
{
    struct guard *g = NULL;
    ward_status st = check_config(config);

    if (!st)
        st = mem_new(&g, 1, sizeof *g);
    if (st)
        return st;
    g->config = *config;
    g->config.timeout_s = config->timeout_s > 0 ? config->timeout_s : DEFAULT_TIMEOUT;
    g->requests = g->answers = -1;
    init_locks(g);
    st = thread_start(&g->keeper, guard_keep, g);
    if (st) {
        release(g);
        return st;
    }
    pthread_mutex_lock(&g->lock);
    while (g->phase == STARTING)
        pthread_cond_wait(&g->changed, &g->lock);
    pthread_mutex_unlock(&g->lock);
    if (g->phase == RUNNING) {
        *out = g;
        return WARD_OK;
    }
    pthread_join(g->keeper, NULL);
    st = ward_fail(g->status, "%s", g->reason);
    release(g);
    return st;
}

static struct timespec seconds_from_now(unsigned seconds)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += (time_t)seconds;
    return at;
}

void guard_stop(struct guard *g)
{
    struct timespec deadline;
    int late = 0;

    if (!g)
        return;
    deadline = seconds_from_now(g->config.timeout_s);
    pthread_mutex_lock(&g->lock);
    g->is_stopping = true;
    shutdown(g->requests, SHUT_WR);
    while (g->phase != OVER && !late)
        late = pthread_cond_timedwait(&g->changed, &g->lock, &deadline);
    guard_kill(g);
    pthread_mutex_unlock(&g->lock);
    pthread_join(g->keeper, NULL);
    release(g);
}

/* ---- asking ---- */

static ward_status check_input(const struct guard *g, size_t n, const float *x)
{
    if (n < 1 || n > g->config.batch)
        return ward_fail(WARD_ERR_ARG, "%zu images at once: not in 1 to %zu", n, g->config.batch);
    if (!all_finite(x, n * g->ready.input_len))
        return ward_fail(WARD_ERR_ARG, "a value of the input is not finite");
    return WARD_OK;
}

static ward_status dead(const struct guard *g)
{
    return ward_fail(WARD_ERR_DEVICE, "%s", g->reason);
}

static ward_status enqueue(struct guard *g, struct waiter *w)
{
    ward_status st = WARD_OK;

    pthread_mutex_lock(&g->lock);
    if (g->phase != RUNNING) {
        st = dead(g);
    } else if (g->is_broken) {
        st = ward_fail(WARD_ERR_DEVICE, "the guard takes no more images");
    } else {
        w->id = ++g->last_id;
        *(g->last ? &g->last->next : &g->first) = w;
        g->last = w;
    }
    pthread_mutex_unlock(&g->lock);
    return st;
}

static ward_status ask(struct guard *g, struct waiter *w, const float *x)
{
    struct frame frame = {
        .kind = FRAME_BATCH, .count = w->count, .len = w->count * g->ready.input_len * sizeof *x};
    ward_status st;

    pthread_mutex_lock(&g->sending);
    st = enqueue(g, w);
    frame.id = w->id;
    if (!st && (frame_send(g->requests, &frame) || frame_send_bytes(g->requests, x, frame.len))) {
        pthread_mutex_lock(
            &g->lock); /* the keeper will see why, or the waiter that nothing comes */
        g->is_broken = true;
        shutdown(g->requests, SHUT_WR);
        pthread_mutex_unlock(&g->lock);
    }
    pthread_mutex_unlock(&g->sending);
    return st;
}

/* Whoever has asked stays in the queue until the keeper answers, if only with bad news. */
static void wait_for(struct guard *g, struct waiter *w)
{
    struct timespec deadline = seconds_from_now(g->config.timeout_s);

    pthread_mutex_lock(&g->lock);
    while (!w->is_done) {
        if (g->is_hung)
            pthread_cond_wait(&g->changed, &g->lock);
        else if (pthread_cond_timedwait(&g->changed, &g->lock, &deadline) == ETIMEDOUT) {
            g->is_hung = true;
            guard_kill(g);
        }
    }
    pthread_mutex_unlock(&g->lock);
}

/* The worker has looked at its answers; at what the guard itself answers nobody has. */
static ward_status check_output(const struct guard *g, size_t n, const float *y)
{
    if (g->config.answers_processed && !all_finite(y, n * g->ready.output_len))
        return ward_fail(WARD_ERR_NUMERIC, "a processed image is not finite");
    return WARD_OK;
}

ward_status guard_run(struct guard *g, size_t n, const float *x, float *y)
{
    struct waiter w = {.count = (uint32_t)n, .y = y};
    ward_status st = check_input(g, n, x);

    if (!st)
        st = ask(g, &w, x);
    if (st)
        return st;
    wait_for(g, &w);
    return w.status ? ward_fail(w.status, "%s", w.text) : check_output(g, n, y);
}

void guard_describe(const struct guard *g, struct guard_info *info)
{
    *info = (struct guard_info){
        .model_id = g->ready.model_id,
        .input_len = g->ready.input_len,
        .output_len = g->ready.output_len,
        .batch = g->config.batch,
        .guard = g->shown[0],
        .worker = g->shown[1],
    };
}

enum guard_state guard_state(struct guard *g)
{
    enum guard_state state;

    pthread_mutex_lock(&g->lock);
    state = g->state;
    pthread_mutex_unlock(&g->lock);
    return state;
}
