/* Being a guard or a worker: arguments in, exit status out. See process.h. */
#include "guard/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ward/guard.h"

/* ---- arguments ---- */

/* The first is what `ps` shows; a person's first argument never looks like the second. */
static const char *const names[] = {[FRAME_GUARD] = "ward: guard", [FRAME_WORKER] = "ward: worker"};
static const char *const marks[] = {[FRAME_GUARD] = "@guard", [FRAME_WORKER] = "@worker"};

static const char *text_of(const char *value)
{
    return value ? value : "";
}

void process_format(const struct process *p, struct process_arguments *out)
{
    size_t i = 0;

    snprintf(out->batch, sizeof out->batch, "%zu", p->batch);
    snprintf(out->threads, sizeof out->threads, "%u", p->threads);
    out->argv[i++] = names[p->kind];
    out->argv[i++] = marks[p->kind];
    out->argv[i++] = p->run;
    out->argv[i++] = text_of(p->identity);
    out->argv[i++] = text_of(p->tpm);
    out->argv[i++] = out->batch;
    out->argv[i++] = out->threads;
    out->argv[i++] = p->is_strict ? "strict" : "";
    out->argv[i++] = p->has_passphrase ? "passphrase" : "";
    out->argv[i++] = p->refuses_disclosure ? "no disclosure" : "";
    out->argv[i] = NULL;
}

static const char *value_of(const char *text)
{
    return text[0] ? text : NULL;
}

bool process_parse(int argc, char **argv, struct process *out)
{
    bool is_guard = argc > 1 && strcmp(argv[1], marks[FRAME_GUARD]) == 0;
    unsigned long batch;

    if (argc != PROCESS_ARGUMENTS || (!is_guard && strcmp(argv[1], marks[FRAME_WORKER]) != 0))
        return false;
    batch = strtoul(argv[5], NULL, 10);
    if (batch < 1 || batch > GUARD_MAX_BATCH)
        return false;
    *out = (struct process){.kind = is_guard ? FRAME_GUARD : FRAME_WORKER,
                            .run = argv[2],
                            .identity = value_of(argv[3]),
                            .tpm = value_of(argv[4]),
                            .batch = batch,
                            .threads = (unsigned)strtoul(argv[6], NULL, 10),
                            .is_strict = argv[7][0] != '\0',
                            .has_passphrase = argv[8][0] != '\0',
                            .refuses_disclosure = argv[9][0] != '\0'};
    return true;
}

/* ---- notes ---- */

static void send_note(void *context, const char *text)
{
    const struct process *p = context;
    char line[FRAME_MAX_TEXT];

    snprintf(line, sizeof line, "%s: %s", p->kind == FRAME_GUARD ? "guard" : "worker", text);
    (void)!frame_send_text(GUARD_OUT, FRAME_NOTE, 0, WARD_OK, line);
}

struct lockin process_lockin(const struct process *process)
{
    return (struct lockin){
        .is_strict = process->is_strict, .note = send_note, .context = (void *)(uintptr_t)process};
}

/* ---- entering ---- */

void process_enter(int argc, char **argv, void (*probe)(const float *x, size_t len))
{
    struct process p;
    ward_status st;

    if (!process_parse(argc, argv, &p))
        return;
    p.probe = probe;
    st = p.kind == FRAME_GUARD ? guard_process(&p) : worker_process(&p);
    if (st)
        (void)!frame_send_text(GUARD_OUT, FRAME_FAULT, 0, st, ward_error_message());
    /* Not by _exit(), in which sanitizers look for leaks with calls that are no longer allowed. */
    syscall(SYS_exit_group, st ? EXIT_FAILURE : EXIT_SUCCESS);
}

void ward_guard_enter(int argc, char **argv)
{
    process_enter(argc, argv, NULL);
}
