/*
 * Talk while something runs: one line that is drawn over on a terminal, otherwise a plain line
 * about every ten seconds; nothing with -q. All on stderr.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "cli.h"

struct progress {
    bool is_quiet, is_terminal;
    double next; /* when the next line is due */
    int drawn;   /* columns of the line that stands on the terminal */
};

void progress_init(struct progress *p, const struct cli *cli);
/* True if a line is due; then the caller draws one. Cheap enough to ask after every step. */
bool progress_is_due(struct progress *p);
/* At most one terminal line; longer text is cut. */
void progress_draw(struct progress *p, const char *format, ...) CLI_PRINTF(2, 3);
/* A line that stays. */
void progress_note(struct progress *p, const char *text);
/* Takes the drawn line away. */
void progress_finish(struct progress *p);

/* "1:02:03" or "4:05" into text. */
void progress_time(char *text, size_t len, double seconds);
/* For ward_evaluate(); context is a struct progress. */
bool progress_images(void *context, size_t done, size_t count);

#endif
