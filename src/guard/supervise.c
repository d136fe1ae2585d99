/*
 * The serving process' side of guard and worker: see guard.h. A thread, the keeper, starts both,
 * receives what they answer, and says what became of them. It is the thread whose end the kernel
 * ends them by, so nobody else may start them.
 *
 * Frames come back in the order in which they went out: the first of those who wait is the next to
 * be answered.
 */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "guard/process.h"
#include "guard/spawn.h"

enum { DEFAULT_TIMEOUT = 60, GRACE_MS = 2000, STEP_MS = 5, REASON_LEN = FRAME_MAX_TEXT + 256 };

enum phase { STARTING, RUNNING, OVER };

/* Somebody in guard_run(). */
struct waiter {
    struct waiter *next;
    uint64_t id;
    uint32_t count;
    float *y;
    bool is_done;
    ward_status status;
    char text[FRAME_MAX_TEXT + 1]; /* with status */
};

struct child {
    enum frame_sender kind;
    pid_t pid;     /* 0: none, or not any more */
    int ending;    /* as waitpid() tells it */
    bool was_killed; /* by us */
};

struct guard {
    struct guard_config config; /* its strings only while starting */
    pthread_t keeper;
    pthread_mutex_t sending; /* one frame at a time; taken before `lock` */
    pthread_mutex_t lock;    /* of everything below */
    pthread_cond_t changed;
    enum phase phase;
    enum guard_state state;
    bool is_stopping, is_hung;
    bool is_broken; /* a frame was sent in part: nothing may follow it */
    struct child children[2];
    pid_t shown[2]; /* for guard_describe() */
    int requests, answers;
    struct frame_ready ready, ready_guard;
    bool has_ready[FRAME_WORKER + 1];
    uint64_t last_id;
    struct waiter *first, *last;
    ward_status status; /* why it did not start, or ended */
    char reason[REASON_LEN];
};

static const char *name_of(enum frame_sender kind)
{
    return kind == FRAME_GUARD ? "guard" : "worker";
}

static void tell(const struct guard *g, const char *line)
{
    if (g->config.log)
        g->config.log(g->config.context, line);
}

static void close_pair(int pair[2])
{
    for (int i = 0; i < 2; i++)
        if (pair[i] >= 0)
            close(pair[i]);
}

/* ---- the keeper: starting ---- */

/* From pair[0] to pair[1] only. */
static ward_status one_way(int pair[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return ward_fail(WARD_ERR_IO, "cannot make a socket: %s", strerror(errno));
    shutdown(pair[0], SHUT_RD);
    return WARD_OK;
}

static ward_status start_child(struct guard *g, enum frame_sender kind, int in, int out)
{
    const struct guard_config *c = &g->config;
    struct child *child = &g->children[kind == FRAME_GUARD ? 0 : 1];
    struct process process = {.kind = kind,
                              .run = c->run,
                              .batch = c->batch,
                              .threads = c->threads,
                              .is_strict = c->is_strict};
    pid_t pid;
    ward_status st;

    if (kind == FRAME_GUARD) {
        process.identity = c->identity;
        process.tpm = c->tpm;
        process.has_passphrase = c->passphrase >= 0;
    }
    st = process_spawn(&process, in, out, kind == FRAME_GUARD ? c->passphrase : -1, &pid);
    if (st)
        return st;
    pthread_mutex_lock(&g->lock);
    *child = (struct child){.kind = kind, .pid = pid};
    g->shown[child - g->children] = pid;
    pthread_mutex_unlock(&g->lock);
    return WARD_OK;
}

/* Of each pair, this process keeps only its own end, and none of that between guard and worker. */
static ward_status start_children(struct guard *g)
{
    int requests[2] = {-1, -1}, processed[2] = {-1, -1}, answers[2] = {-1, -1};
    struct timeval limit = {.tv_sec = (time_t)g->config.timeout_s};
    ward_status st = one_way(requests);

    if (!st)
        st = one_way(processed);
    if (!st && !g->config.answers_processed)
        st = one_way(answers);
    if (!st)
        st = start_child(g, FRAME_GUARD, requests[1], processed[0]);
    if (!st && !g->config.answers_processed)
        st = start_child(g, FRAME_WORKER, processed[1], answers[0]);
    if (!st) {
        setsockopt(requests[0], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        g->requests = requests[0];
        requests[0] = -1;
        g->answers = g->config.answers_processed ? processed[1] : answers[1];
        *(g->config.answers_processed ? &processed[1] : &answers[1]) = -1;
    }
    close_pair(requests);
    close_pair(processed);
    close_pair(answers);
    return st;
}

/* ---- the keeper: receiving ---- */

static ward_status check_ready(const struct guard *g)
{
    if (g->config.answers_processed)
        return WARD_OK;
    if (strcmp(g->ready_guard.model_id, g->ready.model_id) != 0 ||
        g->ready_guard.output_len != g->ready.input_len)
        return ward_fail(WARD_ERR_IO, "'%s' changed while it was being opened", g->config.run);
    return WARD_OK;
}

static ward_status take_ready(struct guard *g, const struct frame *frame)
{
    struct frame_ready ready;
    ward_status st = frame_receive_ready(g->answers, frame, &ready);

    if (st)
        return st;
    g->has_ready[frame->id] = true;
    if (frame->id == FRAME_GUARD)
        g->ready_guard = ready;
    if (frame->id == FRAME_WORKER || g->config.answers_processed)
        g->ready = ready;
    if (!g->has_ready[FRAME_GUARD] ||
        (!g->has_ready[FRAME_WORKER] && !g->config.answers_processed))
        return WARD_OK;
    st = check_ready(g);
    if (st)
        return st;
    pthread_mutex_lock(&g->lock);
    g->phase = RUNNING;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
    return WARD_OK;
}

/* What one of the two says of its own end. The first counts: the other's follows from it. */
static ward_status take_last_words(struct guard *g, const struct frame *frame)
{
    char text[FRAME_MAX_TEXT + 1];
    ward_status st = frame_receive_text(g->answers, frame, text);

    if (!st && !g->reason[0]) {
        snprintf(g->reason, sizeof g->reason, "%s", text);
        g->status = frame->status;
    }
    return st;
}

static ward_status take_note(struct guard *g, const struct frame *frame)
{
    char text[FRAME_MAX_TEXT + 1];
    ward_status st = frame_receive_text(g->answers, frame, text);

    if (!st)
        tell(g, text);
    return st;
}

static ward_status take_answer(struct guard *g, const struct frame *frame)
{
    struct waiter *w;
    ward_status st;

    pthread_mutex_lock(&g->lock);
    w = g->first; /* stays where it is until it is answered */
    pthread_mutex_unlock(&g->lock);
    if (!w || w->id != frame->id || (frame->kind == FRAME_BATCH && w->count != frame->count))
        return ward_fail(WARD_ERR_FORMAT, "an answer that nobody waits for");
    st = frame->kind == FRAME_BATCH ? frame_receive_bytes(g->answers, w->y, frame->len)
                                    : frame_receive_text(g->answers, frame, w->text);
    if (st)
        return st;
    pthread_mutex_lock(&g->lock);
    g->first = w->next;
    g->last = g->first ? g->last : NULL;
    w->status = frame->status;
    w->is_done = true;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
    return WARD_OK;
}

/* Until the stream ends. */
static ward_status receive(struct guard *g)
{
    struct frame_limits limits;
    struct frame frame;
    ward_status st;

    for (;;) {
        limits = (struct frame_limits){g->phase == RUNNING ? g->config.batch : 0,
                                       g->ready.output_len};
        st = frame_receive(g->answers, &limits, &frame);
        if (st || frame.kind == FRAME_END)
            return st;
        if (frame.kind == FRAME_READY)
            st = g->phase == STARTING ? take_ready(g, &frame)
                                      : ward_fail(WARD_ERR_FORMAT, "ready twice");
        else if (frame.kind == FRAME_NOTE)
            st = take_note(g, &frame);
        else if (frame.id == 0)
            st = take_last_words(g, &frame);
        else
            st = take_answer(g, &frame);
        if (st)
            return st;
    }
}

/* ---- the keeper: the end ---- */

static void kill_children(struct guard *g)
{
    for (int i = 0; i < 2; i++)
        if (g->children[i].pid > 0 && !g->children[i].was_killed) {
            g->children[i].was_killed = true;
            kill(g->children[i].pid, SIGKILL);
        }
}

/* Whether all are gone. */
static bool reap(struct guard *g, int flags)
{
    bool are_gone;

    pthread_mutex_lock(&g->lock); /* so that nobody kills by a number that is free again */
    for (int i = 0; i < 2; i++) {
        struct child *c = &g->children[i];

        if (c->pid > 0 && waitpid(c->pid, &c->ending, flags) == c->pid)
            c->pid = 0;
    }
    are_gone = !g->children[0].pid && !g->children[1].pid;
    pthread_mutex_unlock(&g->lock);
    return are_gone;
}

/* They end by themselves when nobody is at the other end of a stream. */
static void end_children(struct guard *g)
{
    struct timespec step = {.tv_nsec = STEP_MS * 1000000L};

    shutdown(g->requests, SHUT_RDWR);
    shutdown(g->answers, SHUT_RDWR);
    for (int waited = 0; waited < GRACE_MS && !reap(g, WNOHANG); waited += STEP_MS)
        nanosleep(&step, NULL);
    pthread_mutex_lock(&g->lock);
    kill_children(g);
    pthread_mutex_unlock(&g->lock);
    reap(g, 0);
}

static bool is_violation(const struct child *c)
{
    return WIFSIGNALED(c->ending) && WTERMSIG(c->ending) == SIGSYS;
}

/* The one that ended first, as far as that can be told: the other one ends in good order. */
static const struct child *culprit(const struct guard *g)
{
    const struct child *found = NULL;

    for (int i = 0; i < 2; i++)
        if (is_violation(&g->children[i]))
            return &g->children[i];
    for (int i = 0; i < 2; i++)
        if (WIFSIGNALED(g->children[i].ending) && !g->children[i].was_killed)
            return &g->children[i];
    for (int i = 0; i < 2 && !found; i++)
        if (WIFEXITED(g->children[i].ending) && WEXITSTATUS(g->children[i].ending) != 0)
            found = &g->children[i];
    return found;
}

/* What g->reason is to say unless one of them has said it. */
static void judge(struct guard *g, ward_status received)
{
    const struct child *c = culprit(g);
    char *reason = g->reason;

    if (c && is_violation(c)) {
        g->state = GUARD_VIOLATED;
        snprintf(reason, REASON_LEN, "the %s was killed by the kernel for a forbidden system call "
                 "(SIGSYS)", name_of(c->kind));
    } else if (c && WIFSIGNALED(c->ending)) {
        snprintf(reason, REASON_LEN, "the %s was killed by signal %d (%s)", name_of(c->kind),
                 WTERMSIG(c->ending), strsignal(WTERMSIG(c->ending)));
    } else if (g->is_hung) {
        snprintf(reason, REASON_LEN, "guard and worker gave no answer in %u s and were killed",
                 g->config.timeout_s);
    } else if (received && !reason[0]) {
        snprintf(reason, REASON_LEN, "%s", ward_error_message());
    } else if (!reason[0]) {
        snprintf(reason, REASON_LEN, "the %s ended by itself", c ? name_of(c->kind) : "guard");
    } else {
        return;
    }
    g->status = WARD_ERR_DEVICE;
}

static void finish(struct guard *g, ward_status received)
{
    bool is_news;

    end_children(g);
    pthread_mutex_lock(&g->lock);
    g->state = GUARD_DEAD;
    judge(g, received);
    is_news = !g->is_stopping && g->phase == RUNNING;
    pthread_mutex_unlock(&g->lock);
    if (is_news)
        tell(g, g->reason);
    pthread_mutex_lock(&g->lock);
    g->phase = OVER;
    for (struct waiter *w = g->first; w; w = w->next) {
        snprintf(w->text, sizeof w->text, "%.*s", FRAME_MAX_TEXT, g->reason);
        w->status = WARD_ERR_DEVICE;
        w->is_done = true;
    }
    g->first = g->last = NULL;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

static void *keep(void *context)
{
    struct guard *g = context;
    ward_status st = start_children(g);

    if (!st)
        st = receive(g);
    else
        g->status = st;
    if (g->status && !g->reason[0])
        snprintf(g->reason, sizeof g->reason, "%s", ward_error_message());
    finish(g, st);
    return NULL;
}

/* ---- starting and stopping ---- */

static ward_status check_config(const struct guard_config *c)
{
    if (c->batch < 1 || c->batch > GUARD_MAX_BATCH)
        return ward_fail(WARD_ERR_ARG, "a guard for batches of %zu images: not in 1 to %d", c->batch,
                         GUARD_MAX_BATCH);
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

/* All signals are for other threads. */
static ward_status start_keeper(struct guard *g)
{
    sigset_t all, before;
    int reason;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    reason = pthread_create(&g->keeper, NULL, keep, g);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return reason ? ward_fail(WARD_ERR_IO, "cannot start a thread: %s", strerror(reason)) : WARD_OK;
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
    st = start_keeper(g);
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
    kill_children(g);
    pthread_mutex_unlock(&g->lock);
    pthread_join(g->keeper, NULL);
    release(g);
}

/* ---- asking ---- */

static ward_status check_input(const struct guard *g, size_t n, const float *x)
{
    if (n < 1 || n > g->config.batch)
        return ward_fail(WARD_ERR_ARG, "%zu images at once: not in 1 to %zu", n, g->config.batch);
    for (size_t i = 0; i < n * g->ready.input_len; i++)
        if (!isfinite(x[i]))
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
    struct frame frame = {.kind = FRAME_BATCH,
                          .count = w->count,
                          .len = w->count * g->ready.input_len * sizeof *x};
    ward_status st;

    pthread_mutex_lock(&g->sending);
    st = enqueue(g, w);
    frame.id = w->id;
    if (!st && (frame_send(g->requests, &frame) || frame_send_bytes(g->requests, x, frame.len))) {
        pthread_mutex_lock(&g->lock); /* the keeper will see why, or the waiter that nothing comes */
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
            kill_children(g);
        }
    }
    pthread_mutex_unlock(&g->lock);
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
    return w.status ? ward_fail(w.status, "%s", w.text) : WARD_OK;
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
