/*
 * The guard: alone with G. It opens the transform with all of the system at hand, locks itself in,
 * and from then on only turns raw images on one stream into processed ones on another.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/parallel.h"
#include "base/util.h"
#include "guard/process.h"
#include "guard/vault.h"
#include "model/run.h"

/* ---- opening ---- */

/* Whoever is at the other end of a socket is told what to ask a person for; a file is not. */
static void say_what_is_wanted(const char *path, bool is_pin)
{
    char line[PATH_MAX + 32];
    int len = snprintf(line, sizeof line, "%s of %s\n", is_pin ? "PIN" : "passphrase", path);

    if ((size_t)len < sizeof line)
        (void)!send(GUARD_PASSPHRASE, line, (size_t)len, MSG_NOSIGNAL);
}

/* Passphrase or PIN from the descriptor, to the end of it or of its first line. */
static bool read_passphrase(void *context, const char *path, bool is_pin, char *out, size_t max,
                            size_t *len)
{
    const struct process *p = context;
    char *end = NULL;
    size_t have = 0;
    ssize_t got = 1;

    if (!p->has_passphrase)
        return false;
    say_what_is_wanted(path, is_pin);
    while (have < max && !end && got > 0) {
        got = read(GUARD_PASSPHRASE, out + have, max - have);
        end = got > 0 ? memchr(out + have, '\n', (size_t)got) : NULL;
        have += got > 0 ? (size_t)got : 0;
    }
    *len = end ? (size_t)(end - out) : have;
    return have > 0;
}

static ward_status open_run(const struct process *p, ward_run **run)
{
    const ward_keys_options options = {.identity = p->identity,
                                       .ask = read_passphrase,
                                       .context = (void *)(uintptr_t)p,
                                       .tpm = p->tpm};
    ward_keys *keys = NULL;
    ward_status st = ward_keys_new(&keys, &options);

    if (!st)
        st = ward_run_open_with(run, p->run, keys);
    ward_keys_free(keys);
    if (p->has_passphrase)
        close(GUARD_PASSPHRASE);
    return st;
}

static ward_status check_transform(const struct process *p, const ward_run *run)
{
    const struct transform_spec *spec = &run->transform.spec;

    if (!run->has_transform)
        return ward_fail(WARD_ERR_ARG, "'%s' has no transform: there is nothing to guard", p->run);
    if (p->refuses_disclosure && transform_is_disclosed_by_pairs(spec))
        return ward_fail(
            WARD_ERR_ARG,
            "a few images and their x_p are worth the transform of '%s' (method '%s'): "
            "this has to be accepted (--accept-key-disclosure)",
            p->run, ward_method_name(spec->method));
    return WARD_OK;
}

/* Of the run, only the values in the vault are left. */
static ward_status open_vault(const struct process *p, struct vault *vault,
                              struct frame_ready *ready)
{
    ward_run *run = NULL;
    ward_status st = open_run(p, &run);

    if (st)
        return st;
    st = check_transform(p, run);
    if (!st)
        st = vault_init(vault, &run->transform);
    memcpy(ready->model_id, run->model.id, sizeof ready->model_id);
    ready->input_len = ready->output_len = vault->len;
    ward_run_close(run);
    return st;
}

/* ---- serving ---- */

/* A few images at a time, so that the room for these is enough for a batch of any length. */
static ward_status pass_batch(struct vault *vault, const struct process *p,
                              const struct frame *frame)
{
    size_t done = 0;
    ward_status st = frame_send(GUARD_OUT, frame);

    while (done < frame->count && !st) {
        size_t n = min_size(vault->rows, frame->count - done);
        size_t bytes = n * vault->len * sizeof(float);

        st = frame_receive_bytes(GUARD_IN, vault->x, bytes);
        if (st)
            break;
        if (p->probe)
            p->probe(vault->x, vault->len);
        vault_apply(vault, n);
        st = frame_send_bytes(GUARD_OUT, vault->y, bytes);
        done += n;
    }
    return st;
}

static ward_status serve(struct vault *vault, const struct process *p)
{
    struct frame_limits limits = {p->batch, vault->len};
    struct frame frame;
    ward_status st;

    for (;;) {
        st = frame_receive(GUARD_IN, &limits, &frame);
        if (st || frame.kind == FRAME_END)
            return st;
        st = frame.kind == FRAME_BATCH
                 ? pass_batch(vault, p, &frame)
                 : ward_fail(WARD_ERR_FORMAT, "a frame that the guard need not accept");
        if (st)
            return st;
    }
}

/* The vault is not released: that takes system calls which are no longer allowed. Its pages end
 * with the process, and the kernel clears pages before anybody else has them. */
ward_status guard_process(const struct process *p)
{
    struct lockin lockin = process_lockin(p);
    struct frame_ready ready = {.input_len = 0};
    struct vault vault = {.len = 0};
    ward_status st = lockin_begin();

    parallel_set_threads(1);
    if (!st)
        st = lockin_memory(&lockin);
    if (!st)
        st = open_vault(p, &vault, &ready);
    if (!st)
        st = lockin_files(&lockin);
    if (!st)
        st = lockin_guard(&lockin, GUARD_IN, GUARD_OUT);
    if (!st)
        st = frame_send_ready(GUARD_OUT, FRAME_GUARD, &ready);
    return st ? st : serve(&vault, p);
}
