/* The keeper of guard and worker: see keeper.h. */
#include "guard/keeper.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guard/spawn.h"

enum { GRACE_MS = 2000, STEP_MS = 5 };

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

/* ---- starting ---- */

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
        process.refuses_disclosure = c->refuses_disclosure;
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

/* ---- receiving ---- */

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
    if (!g->has_ready[FRAME_GUARD] || (!g->has_ready[FRAME_WORKER] && !g->config.answers_processed))
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
        limits =
            (struct frame_limits){g->phase == RUNNING ? g->config.batch : 0, g->ready.output_len};
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

/* ---- the end ---- */

void guard_kill(struct guard *g)
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
    guard_kill(g);
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
        snprintf(reason, GUARD_REASON_LEN,
                 "the %s was killed by the kernel for a forbidden system call "
                 "(SIGSYS)",
                 name_of(c->kind));
    } else if (c && WIFSIGNALED(c->ending)) {
        snprintf(reason, GUARD_REASON_LEN, "the %s was killed by signal %d (%s)", name_of(c->kind),
                 WTERMSIG(c->ending), strsignal(WTERMSIG(c->ending)));
    } else if (g->is_hung) {
        snprintf(reason, GUARD_REASON_LEN,
                 "guard and worker gave no answer in %u s and were killed", g->config.timeout_s);
    } else if (received && !reason[0]) {
        snprintf(reason, GUARD_REASON_LEN, "%s", ward_error_message());
    } else if (!reason[0]) {
        snprintf(reason, GUARD_REASON_LEN, "the %s ended by itself",
                 c ? name_of(c->kind) : "guard");
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

void *guard_keep(void *context)
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
