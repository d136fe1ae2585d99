/*
 * Serving a run holds G in a process of its own, and F in another. Both are the serving program
 * itself, started once more: so its main() calls ward_guard_enter(argc, argv) before it looks at
 * its arguments or starts anything. docs/threat-model.md says what this keeps from whom.
 */
#ifndef WARD_GUARD_H
#define WARD_GUARD_H

#include "ward/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Does nothing in a process that a person started. In one that the library has started, it does
 * that process' work and ends it: it returns neither to main() nor through what atexit() has.
 */
WARD_API void ward_guard_enter(int argc, char **argv);

#ifdef __cplusplus
}
#endif
#endif
