/*
 * The audit log: who asked when for how many images, and what became of it; never an image, an
 * answer or a token. docs/formats.md, section 14.
 *
 * A line is in the file before its request is answered, so it outlives every process; and on the
 * disk, with WARD_AUDIT_SYNC_ALWAYS, so it outlives the machine. Lines that wait together are
 * written and synced together: the disk bounds how long one waits, not how many there are a second.
 * With WARD_AUDIT_SYNC_SECOND none waits for the disk: whoever holds the log calls audit_sync().
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
    /*
     * WARD_ERR_IO: do not answer. It may be in the file all the same, where a sync has failed.
     * NULL: nobody waits; the note is mem_free()d.
     */
    void (*done)(struct audit_note *note, ward_status status);
};

/*
 * Made with mode 0600 if it is not there, and locked. A last line that was cut off is removed: its
 * request was never answered, or the machine died before a sync. WARD_ERR_BUSY: another log has the
 * file; WARD_ERR_IO; WARD_ERR_FORMAT: it is something else; WARD_ERR_NOMEM.
 */
WARD_CHECK ward_status audit_open(struct audit **out, const char *path, ward_audit_sync sync);
/* Write what waits, and sync; what comes later fails. WARD_ERR_IO: the last lines are not on the
 * disk. NULL, and twice, is fine. */
ward_status audit_stop(struct audit *audit);
/* Nobody may be in another function of the log. NULL is fine. */
void audit_close(struct audit *audit);
/*
 * Go on in the file that the path names now, after it has been moved away, and sync the one that
 * is left; nothing, where that is the same. As audit_open(): it cannot be opened, and the log goes
 * on in the old one; or, WARD_ERR_IO, the new one is taken but the last lines of the old one are
 * not on the disk.
 */
WARD_CHECK ward_status audit_reopen(struct audit *audit);

/* Any thread. */
void audit_write(struct audit *audit, struct audit_note *note);
/*
 * Sync what is written but not synced, or could not be: nothing, mostly, with
 * WARD_AUDIT_SYNC_ALWAYS. To be called once a second; lines are written meanwhile. After
 * WARD_ERR_IO every line is written, but done() says WARD_ERR_IO, until a sync succeeds. Or
 * WARD_ERR_IO, once, if the last line could not be written: then the log is taken for well until
 * the next line shows how it is.
 */
WARD_CHECK ward_status audit_sync(struct audit *audit);
/* Whether the last write and the last sync succeeded. */
bool audit_is_well(struct audit *audit);
/* How many syncs there were, and the seconds that they took. */
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
