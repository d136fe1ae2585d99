/* Ctrl-C and SIGTERM ask long work to stop cleanly; a second one ends the process at once. */
#ifndef CLI_STOP_H
#define CLI_STOP_H

#include <stdbool.h>

/* From here on, SIGINT and SIGTERM are requests to stop. */
void stop_catch_signals(void);
/* Whether one has come. */
bool stop_is_asked(void);

#endif
