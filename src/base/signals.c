/* See signals.h. */
#include "base/signals.h"

#include <string.h>

void signals_block(sigset_t *before)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
    sigset_t blocked;

    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&blocked, faults[i]);
    pthread_sigmask(SIG_BLOCK, &blocked, before);
}

void signals_restore(const sigset_t *before)
{
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

ward_status thread_start(pthread_t *thread, void *(*run)(void *), void *context)
{
    sigset_t before;
    int error;

    signals_block(&before);
    error = pthread_create(thread, NULL, run, context);
    signals_restore(&before);
    return error ? ward_fail(WARD_ERR_IO, "cannot start a thread: %s", strerror(error)) : WARD_OK;
}
