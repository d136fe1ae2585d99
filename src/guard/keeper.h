/*
 * The keeper: the thread of the serving process that starts guard and worker, receives what they
 * answer, and says what became of them. It is the thread whose end the kernel ends them by, so
 * nobody else may start them. The rest of guard.h, which others call, is supervise.c.
 */
#ifndef GUARD_KEEPER_H
#define GUARD_KEEPER_H

#include <pthread.h>

#include "guard/process.h"

enum { GUARD_REASON_LEN = FRAME_MAX_TEXT + 256 };

enum phase { STARTING, RUNNING, OVER };

/*
 * Somebody in guard_run(). Frames come back in the order in which they went out: the first of those
 * who wait is the next to be answered.
 */
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
    pid_t pid;       /* 0: none, or not any more */
    int ending;      /* as waitpid() tells it */
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
    char reason[GUARD_REASON_LEN];
};

/* The thread's work, from STARTING to OVER; context is a struct guard. */
void *guard_keep(void *context);
/* Under the lock: kill what is still there. */
void guard_kill(struct guard *guard);

#endif
