/*
 * Locking a process in, step by step. What the kernel lacks is told to `note` and done without, or
 * refused with WARD_ERR_DEVICE if is_strict. There is no way back.
 *
 *   both    lockin_begin()   no core file, no debugger, no reading of its memory by its own user
 *   guard   lockin_memory()  nothing of what follows goes to swap
 *           ... opens G, with all of the system at hand ...
 *           lockin_files(), lockin_guard()
 *   worker  ... opens F ...
 *           lockin_files()   before its threads start: they take it over
 *           ... makes threads and generated code ...
 *           lockin_worker()
 */
#ifndef GUARD_LOCKIN_H
#define GUARD_LOCKIN_H

#include <stdbool.h>

#include "base/status.h"

struct lockin {
    bool is_strict;
    void (*note)(void *context, const char *text);
    void *context;
};

/* Also ignores the signals by which a terminal or a service manager ends the serving process, which
 * ends this one. WARD_ERR_DEVICE if a debugger is attached already. */
WARD_CHECK ward_status lockin_begin(void);
WARD_CHECK ward_status lockin_memory(const struct lockin *lockin);
/* No file can be opened, no network reached (landlock), no right gained by running something. */
WARD_CHECK ward_status lockin_files(const struct lockin *lockin);
/* From now on memory cannot become code, and a system call other than receiving from `in`, sending
 * to `out` and ending kills the process. Closes the standard descriptors. */
WARD_CHECK ward_status lockin_guard(const struct lockin *lockin, int in, int out);
/* The same, but for what memory and threads need that are there already. */
WARD_CHECK ward_status lockin_worker(const struct lockin *lockin, int in, int out);

#endif
