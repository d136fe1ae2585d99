/*
 * Pieces of work side by side. Each worker is a thread of its own that computes on one thread: that
 * keeps all of them busy where one small piece could not, and a piece does not depend on how many
 * there are. The thread that called waits, saves after each piece, and tells the caller.
 */
#ifndef ATTACK_CREW_H
#define ATTACK_CREW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

struct crew_task {
    void *context;
    size_t workers; /* at least 1 */
    unsigned threads_each;
    size_t piece_len; /* bytes of a piece; it starts as zeros */

    /* All but make() are never called at the same time. */
    /* Fill in which one; false: none is left that need not wait for one that is made now. */
    bool (*take)(void *context, void *piece);
    ward_status (*make)(void *context, void *piece, const atomic_bool *is_stopping);
    ward_status (*hand_in)(void *context, void *piece); /* takes over what it holds on success */
    void (*drop)(void *piece);                          /* release what it holds */
    ward_status (*save)(void *context);                 /* after one or more were handed in */
    bool (*report)(void *context);                      /* several times a second; false: stop */
};

/* Until none is left, or something fails: then the first failure, as which a stop counts. */
WARD_CHECK ward_status crew_work(const struct crew_task *task);

#endif
