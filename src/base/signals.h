/*
 * Keeping signal handlers away from generated code.
 *
 * Kernels that oneDNN generates use the stack pointer for data of their own. A handler that runs on
 * a thread in the middle of one gets its frame written wherever that points, which is the heap:
 * this was seen as a broken heap after a Ctrl-C. So no handler may run on a thread that runs such a
 * kernel, nor on a thread of the pool, which takes over the mask of the thread that starts it.
 */
#ifndef BASE_SIGNALS_H
#define BASE_SIGNALS_H

#include <pthread.h>
#include <signal.h>

#include "base/status.h"

/* Block all signals but those of a fault in the code itself, for the calling thread. */
void signals_block(sigset_t *before);
void signals_restore(const sigset_t *before);

/* Start a thread that has them blocked from its first moment on. WARD_ERR_IO: there is none. */
WARD_CHECK ward_status thread_start(pthread_t *thread, void *(*run)(void *), void *context);

#endif
