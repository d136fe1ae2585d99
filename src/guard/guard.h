/*
 * F(G(x)) by two processes, so that who takes in requests holds neither G nor a processed image,
 * and nobody but the guard a raw image beside its processed one:
 *
 *   this process --x_r--> guard, holds G --x_p--> worker, runs F --answers--> this process
 *
 * Each arrow is a one-way stream of frames (frame.h). Guard and worker are the program itself, run
 * again (ward/guard.h), locked in (lockin.h) before they take the first image, and they end with
 * the process that started them. Several batches may be on their way at once: while the worker has
 * one, the guard does the next.
 *
 * Without a worker, for users who run F themselves, the guard answers with x_p.
 *
 * What dies stays dead: when one of the two ends, however it does, the other is ended, too, all who
 * wait get WARD_ERR_DEVICE, and so do all later calls. Nothing is started again by itself; who
 * wants that makes another guard and frees this one. (Not after GUARD_VIOLATED: a process that held
 * G did what it must not.)
 */
#ifndef GUARD_GUARD_H
#define GUARD_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/status.h"

struct guard;

enum { GUARD_MAX_BATCH = 1024 };

/* Everything is borrowed for the call of guard_start(), but log and context, which are kept. */
struct guard_config {
    const char *run;      /* a run's directory, with a transform */
    const char *identity; /* key file that opens it; NULL: those of ward_key_default_path() */
    const char *tpm;      /* see ward_keys_options */
    /* Descriptor that the guard reads the passphrase or PIN from, up to its end or the end of the
     * first line; -1: none. Through a socket it says what it needs before, in a line: "passphrase
     * of FILE" or "PIN of FILE". */
    int passphrase;
    size_t batch;           /* images a call at most, 1 .. GUARD_MAX_BATCH */
    unsigned threads;       /* the worker's; 0: one a core. The guard has one */
    unsigned timeout_s;     /* an answer that takes longer means that one of the two hangs; 0: 60 */
    bool is_strict;         /* refuse to start if the kernel lacks any of the protections */
    bool answers_processed; /* no worker: answers are x_p */
    bool refuses_disclosure; /* if transform_is_disclosed_by_pairs() */
    /* One line, without an end, about what a person should know: what is degraded, who died. Called
     * from any thread, one at a time. May be NULL. */
    void (*log)(void *context, const char *line);
    void *context;
};

/*
 * Start both and wait until they are locked in and ready; opening G may take as long as a
 * passphrase does (seconds).
 *
 *   out  owned: guard_stop()
 *
 * WARD_ERR_AUTH if the identity does not open G, and whatever else ward_run_open_with() says;
 * WARD_ERR_ARG if the run has no transform, or one that is refused; WARD_ERR_DEVICE if a protection
 * is missing and is_strict; WARD_ERR_IO if a process cannot be started; WARD_ERR_NOMEM, also if G
 * is larger than what the guard may lock in memory (RLIMIT_MEMLOCK).
 */
WARD_CHECK ward_status guard_start(struct guard **out, const struct guard_config *config);
/*
 * Let both finish what they have, and end them. Nobody may be in guard_run(). NULL is fine.
 */
void guard_stop(struct guard *guard);

/* What is answered. Strings live as long as the guard. */
struct guard_info {
    const char *model_id; /* hex; guard and worker have seen the same */
    size_t input_len;     /* floats of an image: channels * height * width */
    size_t output_len;    /* floats of an answer: classes, or input_len if answers_processed */
    size_t batch;
    pid_t guard, worker; /* worker 0 without one. For measuring; do not wait for them */
};

void guard_describe(const struct guard *guard, struct guard_info *info);

/*
 * Answers to n images, as ward_session_predict() gives them: probabilities [n, classes], equal to
 * its bit for bit; or x_p.
 *
 *   n  1 .. batch
 *   x  [n, c, h, w] in the run's range
 *   y  [n, output_len]; unspecified after a failure
 *
 * Any number of threads at once; two or more keep guard and worker busy at the same time. Waits.
 *
 * WARD_ERR_ARG if a value of x is not finite; WARD_ERR_NUMERIC if a result is not: other batches
 * are not concerned. WARD_ERR_DEVICE if guard or worker is dead, or hung and was killed.
 */
WARD_CHECK ward_status guard_run(struct guard *guard, size_t n, const float *x, float *y);

enum guard_state {
    GUARD_READY,
    GUARD_DEAD,    /* a process ended, or was killed */
    GUARD_VIOLATED /* ... by the kernel, for a system call that it has no use for */
};

/* Any thread. Cheap: for health checks. */
enum guard_state guard_state(struct guard *guard);

#endif
