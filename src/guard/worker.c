/*
 * The worker: runs F on processed images and never sees a raw one. F is public, so its memory holds
 * no secret but x_p. It makes all its threads and all generated code before it locks itself in.
 */
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/parallel.h"
#include "guard/process.h"
#include "model/run.h"

/* A batch goes to the smallest session that takes it, as a session always computes all its rows. */
enum { SESSIONS = 6, GROWTH = 4 };

/* How long a thread may go on before it is another's turn, ns: 0.1 to 100 ms are allowed. */
enum { SLICE = 20000000 };

/* struct sched_attr of sched_setattr(2), which Debian 12's C library lacks. */
struct scheduling {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

struct worker {
    ward_run *run;
    ward_device *device;
    size_t input, classes;
    struct {
        size_t batch;
        ward_session *session;
    } sessions[SESSIONS];
    size_t session_count;
    float *x, *probabilities; /* of one batch */
};

/* ---- opening ---- */

/*
 * Who asks for long slices has a late deadline: server and guard, whose steps are short, are let in
 * first, while shares of the cores stay the same. Threads made later take it over. Linux before
 * 6.12 ignores it, and no answer depends on it.
 */
static void take_long_slices(void)
{
    struct scheduling s = {.size = sizeof s};

    if (syscall(SYS_sched_getattr, 0, &s, sizeof s, 0) != 0 || s.policy != SCHED_OTHER)
        return;
    s.runtime = SLICE;
    syscall(SYS_sched_setattr, 0, &s, 0);
}

/* The bare network: without the transform, even if it were readable. */
static ward_status open_network(struct worker *w, const struct process *p)
{
    char *path = NULL;
    ward_run_info info;
    ward_status st = mem_printf(&path, "%s/model.safetensors", p->run);

    if (!st)
        st = ward_run_open(&w->run, path);
    mem_free(path);
    if (st)
        return st;
    ward_run_describe(w->run, &info);
    w->input = info.channels * info.height * info.width;
    w->classes = info.classes;
    st = mem_new(&w->x, p->batch * w->input, sizeof *w->x);
    return st ? st : mem_new(&w->probabilities, p->batch * w->classes, sizeof *w->probabilities);
}

/* The first run of a session makes its plan and, in oneDNN, code. */
static ward_status add_session(struct worker *w, size_t batch)
{
    ward_session **session = &w->sessions[w->session_count].session;
    ward_status st = ward_session_new(session, w->run, w->device, batch);

    w->sessions[w->session_count++].batch = batch;
    for (int i = 0; i < 2 && !st; i++)
        st = ward_session_predict(*session, batch, w->x, true, w->probabilities);
    return st;
}

static ward_status open_sessions(struct worker *w, const struct process *p)
{
    ward_status st = ward_device_open(&w->device, "cpu");

    for (size_t batch = 1; batch < p->batch && !st; batch *= GROWTH)
        if (w->session_count < SESSIONS - 1)
            st = add_session(w, batch);
    return st ? st : add_session(w, p->batch);
}

/* ---- serving ---- */

static ward_status answer(struct worker *w, const struct frame *frame)
{
    struct frame reply = *frame;
    size_t i = 0;
    ward_status st = frame_receive_bytes(GUARD_IN, w->x, frame->len);

    if (st)
        return st;
    while (w->sessions[i].batch < frame->count)
        i++;
    st = ward_session_predict(w->sessions[i].session, frame->count, w->x, true, w->probabilities);
    mem_wipe(w->x, frame->len);
    if (st)
        return frame_send_text(GUARD_OUT, FRAME_FAULT, frame->id, st, ward_error_message());
    reply.len = frame->count * w->classes * sizeof(float);
    st = frame_send(GUARD_OUT, &reply);
    return st ? st : frame_send_bytes(GUARD_OUT, w->probabilities, reply.len);
}

/* What the guard has to say to the serving process. */
static ward_status relay(const struct frame *frame)
{
    char text[FRAME_MAX_TEXT + 1];
    struct frame_ready ready;
    ward_status st;

    if (frame->kind == FRAME_READY) {
        st = frame_receive_ready(GUARD_IN, frame, &ready);
        return st ? st : frame_send_ready(GUARD_OUT, FRAME_GUARD, &ready);
    }
    st = frame_receive_text(GUARD_IN, frame, text);
    return st ? st : frame_send_text(GUARD_OUT, frame->kind, frame->id, frame->status, text);
}

static ward_status serve(struct worker *w, const struct process *p)
{
    struct frame_limits limits = {p->batch, w->input};
    struct frame frame;
    ward_status st;

    for (;;) {
        st = frame_receive(GUARD_IN, &limits, &frame);
        if (st || frame.kind == FRAME_END)
            return st;
        st = frame.kind == FRAME_BATCH ? answer(w, &frame) : relay(&frame);
        if (st)
            return st;
    }
}

ward_status worker_process(const struct process *p)
{
    struct lockin lockin = process_lockin(p);
    struct worker w = {.run = NULL};
    struct frame_ready ready = {.input_len = 0};
    ward_status st = lockin_begin();

    take_long_slices();
    parallel_set_threads(p->threads);
    if (!st)
        st = open_network(&w, p);
    if (!st)
        st = lockin_files(&lockin);
    if (!st)
        st = open_sessions(&w, p);
    if (!st)
        st = lockin_worker(&lockin, GUARD_IN, GUARD_OUT);
    if (!st) {
        memcpy(ready.model_id, w.run->model.id, sizeof ready.model_id);
        ready.input_len = w.input;
        ready.output_len = w.classes;
        st = frame_send_ready(GUARD_OUT, FRAME_WORKER, &ready);
    }
    return st ? st : serve(&w, p);
}
