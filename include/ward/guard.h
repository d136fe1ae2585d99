/*
 * Serving a run holds G in a process of its own, and F in another. Both are the serving program
 * itself, started once more: so its main() begins with
 *
 *     int code;
 *
 *     if (ward_guard_enter(argc, argv, &code))
 *         return code;
 *
 * before it looks at its arguments or starts anything. docs/threat-model.md says what this keeps
 * from whom.
 */
#ifndef WARD_GUARD_H
#define WARD_GUARD_H

#include <stdbool.h>

#include "ward/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * False if this process was started by a person. In one that the library has started: do its work
 * to the end, write the exit status to *code and return true.
 */
WARD_API bool ward_guard_enter(int argc, char **argv, int *code);

#ifdef __cplusplus
}
#endif
#endif
