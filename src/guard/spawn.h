/* Starting this program again as a guard or a worker. */
#ifndef GUARD_SPAWN_H
#define GUARD_SPAWN_H

#include <sys/types.h>

#include "guard/process.h"

/*
 * The new process ends when the calling *thread* does. It has three descriptors: what it receives
 * from, what it sends to, and, unless it is -1, where a passphrase comes from; besides, standard
 * error until it is locked in. Of the environment it has what names the user's data folder.
 * WARD_ERR_IO, WARD_ERR_NOMEM.
 */
WARD_CHECK ward_status process_spawn(const struct process *process, int in, int out, int passphrase,
                                     pid_t *pid);

#endif
