/*
 * The audit log: who asked when for how many images, and what became of it; never an image, an
 * answer or a token. docs/formats.md, section 14.
 *
 * A line is on the disk before its request is answered. Lines that wait together are written and
 * synced together, so the disk bounds how long one waits, not how many there are a second.
 */
#ifndef SERVE_AUDIT_H
#define SERVE_AUDIT_H

#include "base/status.h"
#include "serve/accounts.h"

enum { AUDIT_LINE_MAX = 512 };

struct audit;

/* A line on its way; kept until done() has been called, from a thread of the log. */
struct audit_note {
    struct audit_note *next;
    char line[AUDIT_LINE_MAX]; /* with its newline */
    size_t len;
    void (*done)(struct audit_note *note,
                 ward_status status); /* WARD_ERR_IO: it is not on the disk.
                                                                   NULL: nobody waits; the note is
                                                                   mem_free()d */
};

/* Made with mode 0600 if it is not there. A last line that was cut off is removed: its request was
 * never answered. */
WARD_CHECK ward_status audit_open(struct audit **out, const char *path);
/* Write what waits; what comes later fails. NULL, and twice, is fine. */
void audit_stop(struct audit *audit);
/* Nobody may be in audit_write(). NULL is fine. */
void audit_close(struct audit *audit);
/* Go on in the file that the path names now: after it has been moved away. */
WARD_CHECK ward_status audit_reopen(struct audit *audit);

/* Any thread. */
void audit_write(struct audit *audit, struct audit_note *note);
/* Whether the last write succeeded. */
bool audit_is_well(struct audit *audit);
/* How often, and for how many seconds, the disk was waited for. */
void audit_count(struct audit *audit, uint64_t *syncs, double *seconds);

/* "2026-11-23T17:00:00.123Z" */
enum { AUDIT_TIME_LEN = 24 };
void audit_time(char text[AUDIT_TIME_LEN + 1]);

/* Charge users with what the log says they were served today. A log that is not there is empty. */
WARD_CHECK ward_status audit_replay(const char *path, struct accounts *accounts);
/* The same from a log's bytes; lines that are none are passed over. */
WARD_CHECK ward_status audit_replay_text(const char *text, size_t len, const char *day,
                                         struct accounts *accounts);

#endif
