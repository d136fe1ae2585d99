/*
 * Guard and worker from their own side: how they are told what to do, and what they do. The serving
 * process' side is supervise.c.
 *
 * Both receive frames from GUARD_IN and send frames to GUARD_OUT. Nothing secret is in argv or in
 * the environment; a passphrase comes through GUARD_PASSPHRASE.
 */
#ifndef GUARD_PROCESS_H
#define GUARD_PROCESS_H

#include "guard/frame.h"
#include "guard/guard.h"
#include "guard/lockin.h"

enum { GUARD_IN = 3, GUARD_OUT = 4, GUARD_PASSPHRASE = 5 };

struct process {
    enum frame_sender kind;
    const char *run, *identity, *tpm; /* borrowed; NULL: none */
    size_t batch;
    unsigned threads;
    bool is_strict, has_passphrase, refuses_disclosure;
    /* Called with raw images before G is applied, at least the first of a batch; for tests of what
     * must not happen. May be NULL. */
    void (*probe)(const float *x, size_t len);
};

enum { PROCESS_ARGUMENTS = 10, PROCESS_ARGUMENT_ROOM = 24 };

/* argv of a process, ended by NULL, and room for the numbers in it. Points into *process. */
struct process_arguments {
    const char *argv[PROCESS_ARGUMENTS + 1];
    char batch[PROCESS_ARGUMENT_ROOM], threads[PROCESS_ARGUMENT_ROOM];
};

void process_format(const struct process *process, struct process_arguments *out);
/* False if argv is not of such a process. */
bool process_parse(int argc, char **argv, struct process *out);

/* As ward_guard_enter(). */
void process_enter(int argc, char **argv, void (*probe)(const float *x, size_t len));

/* What the process does, to the end of its work. What it fails with is told to the serving process
 * by the caller. */
WARD_CHECK ward_status guard_process(const struct process *process);
WARD_CHECK ward_status worker_process(const struct process *process);

/* Sends notes down the stream; those that do not arrive are nobody's loss. */
struct lockin process_lockin(const struct process *process);

#endif
