/* See audit.h. */
#include "serve/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/signals.h"
#include "base/util.h"

struct audit {
    ward_audit_sync sync;
    char *path; /* owned */
    pthread_t thread;
    /* Who writes and who syncs share it, so that neither waits for the other; who puts another
     * file in the place of this one has it alone. Taken before the other lock. */
    pthread_rwlock_t file_lock;
    int fd;

    pthread_mutex_t lock; /* of all that follows */
    pthread_cond_t is_wanted;
    struct audit_note *first, **last; /* waiting */
    bool is_closing;
    bool is_unsynced; /* lines were written since a sync began, or it failed */
    bool has_failed_write, has_failed_sync; /* the last one */
    uint64_t syncs;
    double seconds;
};

/* ---- the file ---- */

/* Or what a loss of power may have left of one: zeros. */
static bool is_start_of_line(const char *text, size_t len)
{
    static const char start[] = "{\"time\":\"";

    return len == 0 || !text[0] || memcmp(text, start, min_size(len, sizeof start - 1)) == 0;
}

/* Past the last newline; a log's lines are short, so the end of the file suffices. Another file,
 * named by mistake, stays as it is. */
static ward_status cut_torn_line(const char *path, int fd)
{
    char tail[AUDIT_LINE_MAX];
    off_t len = lseek(fd, 0, SEEK_END);
    size_t want = (size_t)len < sizeof tail ? (size_t)len : sizeof tail, keep;

    if (len < 0 || pread(fd, tail, want, len - (off_t)want) != (ssize_t)want)
        return ward_fail(WARD_ERR_IO, "cannot read '%s': %s", path, strerror(errno));
    for (keep = want; keep > 0 && tail[keep - 1] != '\n'; keep--)
        ;
    if (keep == 0 && want == sizeof tail)
        return ward_fail(WARD_ERR_FORMAT, "'%s' is not an audit log: a line is too long", path);
    if (!is_start_of_line(tail + keep, want - keep))
        return ward_fail(WARD_ERR_FORMAT, "'%s' is not an audit log: it ends in something else",
                         path);
    return keep == want ? WARD_OK : file_truncate(path, (uint64_t)len - (want - keep));
}

/* A server that starts would cut off a line that another is writing. Where a file system has no
 * locks, nothing keeps it from that. */
static ward_status lock_file(const char *path, int fd)
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
        return WARD_OK;
    return ward_fail(WARD_ERR_BUSY, "'%s' is the audit log of another server", path);
}

static ward_status open_file(const char *path, int *out)
{
    int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    struct stat info;
    ward_status st = WARD_OK;

    if (fd < 0 || fstat(fd, &info) != 0)
        st = ward_fail(WARD_ERR_IO, "cannot open '%s': %s", path, strerror(errno));
    else if (S_ISREG(info.st_mode))
        st = lock_file(path, fd);
    if (!st && S_ISREG(info.st_mode))
        st = cut_torn_line(path, fd);
    if (!st)
        *out = fd;
    else if (fd >= 0)
        close(fd);
    return st;
}

/* All or, on a full disk, nothing: a line that is cut off would hide the next one. */
static ward_status put(int fd, const struct wr *wr)
{
    off_t before = lseek(fd, 0, SEEK_END);
    size_t done = 0;

    if (wr->status)
        return wr->status;
    while (done < wr->len) {
        ssize_t n = write(fd, wr->data + done, wr->len - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            ward_fail(WARD_ERR_IO, "cannot write the audit log: %s", strerror(errno));
            if (done > 0 && before >= 0 && ftruncate(fd, before) != 0)
                ward_fail(WARD_ERR_IO, "the audit log is cut short: %s", strerror(errno));
            return WARD_ERR_IO;
        }
        done += (size_t)n;
    }
    return WARD_OK;
}

/* ---- syncing ---- */

/* Pipes and the like cannot be synced and say EINVAL or EROFS: there is no more to be done. */
static ward_status sync_file(struct audit *audit, int fd)
{
    double begin = clock_seconds();
    ward_status st = WARD_OK;

    if (fdatasync(fd) != 0 && errno != EINVAL && errno != EROFS)
        st = ward_fail(WARD_ERR_IO, "cannot sync the audit log: %s", strerror(errno));
    pthread_mutex_lock(&audit->lock);
    audit->has_failed_sync = st != WARD_OK;
    audit->is_unsynced |= audit->has_failed_sync;
    audit->syncs++;
    audit->seconds += clock_seconds() - begin;
    pthread_mutex_unlock(&audit->lock);
    return st;
}

/* Before the sync, not after it: it need not see what is written meanwhile. */
static bool take_unsynced(struct audit *audit)
{
    bool is_unsynced;

    pthread_mutex_lock(&audit->lock);
    is_unsynced = audit->is_unsynced;
    audit->is_unsynced = false;
    pthread_mutex_unlock(&audit->lock);
    return is_unsynced;
}

static ward_status sync_now(struct audit *audit)
{
    ward_status st = WARD_OK;

    pthread_rwlock_rdlock(&audit->file_lock);
    if (take_unsynced(audit))
        st = sync_file(audit, audit->fd);
    pthread_rwlock_unlock(&audit->file_lock);
    return st;
}

ward_status audit_sync(struct audit *audit)
{
    ward_status st = sync_now(audit);
    bool has_failed_write;

    pthread_mutex_lock(&audit->lock);
    has_failed_write = audit->has_failed_write;
    audit->has_failed_write = false;
    pthread_mutex_unlock(&audit->lock);
    if (st || !has_failed_write)
        return st;
    return ward_fail(WARD_ERR_IO, "the audit log cannot be written");
}

/* ---- the thread ---- */

static void finish(struct audit_note *note, ward_status st)
{
    while (note) {
        struct audit_note *next = note->next;

        if (note->done)
            note->done(note, st);
        else
            mem_free(note);
        note = next;
    }
}

/* Their requests wait for no sync of their own, so the last one stands for it. */
static ward_status leave_unsynced(struct audit *audit)
{
    bool has_failed_sync;

    pthread_mutex_lock(&audit->lock);
    audit->is_unsynced = true;
    has_failed_sync = audit->has_failed_sync;
    pthread_mutex_unlock(&audit->lock);
    return has_failed_sync ? ward_fail(WARD_ERR_IO, "the audit log cannot be synced") : WARD_OK;
}

/* As far as their requests wait for it: into the file, or onto the disk. */
static ward_status write_lines(struct audit *audit, const struct wr *wr)
{
    ward_status st;

    pthread_rwlock_rdlock(&audit->file_lock);
    st = put(audit->fd, wr);
    pthread_mutex_lock(&audit->lock);
    audit->has_failed_write = st != WARD_OK;
    pthread_mutex_unlock(&audit->lock);
    if (!st && audit->sync == WARD_AUDIT_SYNC_ALWAYS)
        st = sync_file(audit, audit->fd);
    else if (!st)
        st = leave_unsynced(audit);
    pthread_rwlock_unlock(&audit->file_lock);
    return st;
}

/* With the lock held; gives it up while it writes. */
static void write_waiting(struct audit *audit)
{
    struct audit_note *notes = audit->first;
    struct wr wr = WR_INIT;
    ward_status st;

    audit->first = NULL;
    audit->last = &audit->first;
    pthread_mutex_unlock(&audit->lock);
    for (const struct audit_note *note = notes; note; note = note->next)
        wr_bytes(&wr, note->line, note->len);
    st = write_lines(audit, &wr);
    wr_release(&wr);
    finish(notes, st);
    pthread_mutex_lock(&audit->lock);
}

static void *serve_notes(void *context)
{
    struct audit *audit = context;

    pthread_mutex_lock(&audit->lock);
    while (audit->first || !audit->is_closing) {
        if (audit->first)
            write_waiting(audit);
        else
            pthread_cond_wait(&audit->is_wanted, &audit->lock);
    }
    pthread_mutex_unlock(&audit->lock);
    return NULL;
}

static void release(struct audit *audit)
{
    if (audit->fd >= 0)
        close(audit->fd);
    pthread_cond_destroy(&audit->is_wanted);
    pthread_mutex_destroy(&audit->lock);
    pthread_rwlock_destroy(&audit->file_lock);
    mem_free(audit->path);
    mem_free(audit);
}

ward_status audit_open(struct audit **out, const char *path, ward_audit_sync sync)
{
    struct audit *audit = NULL;
    ward_status st = mem_new(&audit, 1, sizeof *audit);

    if (st)
        return st;
    audit->sync = sync;
    audit->fd = -1;
    audit->last = &audit->first;
    pthread_rwlock_init(&audit->file_lock, NULL);
    pthread_mutex_init(&audit->lock, NULL);
    pthread_cond_init(&audit->is_wanted, NULL);
    st = mem_strdup(&audit->path, path);
    if (!st)
        st = open_file(path, &audit->fd);
    if (!st)
        st = thread_start(&audit->thread, serve_notes, audit);
    if (st)
        release(audit);
    else
        *out = audit;
    return st;
}

ward_status audit_stop(struct audit *audit)
{
    if (!audit || audit->is_closing)
        return WARD_OK;
    pthread_mutex_lock(&audit->lock);
    audit->is_closing = true;
    pthread_cond_signal(&audit->is_wanted);
    pthread_mutex_unlock(&audit->lock);
    pthread_join(audit->thread, NULL);
    return sync_now(audit);
}

void audit_close(struct audit *audit)
{
    if (!audit)
        return;
    audit_stop(audit);
    release(audit);
}

static bool is_file_at(const char *path, int fd)
{
    struct stat now, named;

    return fstat(fd, &now) == 0 && stat(path, &named) == 0 && now.st_dev == named.st_dev &&
           now.st_ino == named.st_ino;
}

ward_status audit_reopen(struct audit *audit)
{
    int fd = -1, old = -1;
    bool is_unsynced = false;
    ward_status st = WARD_OK;

    pthread_rwlock_wrlock(&audit->file_lock);
    if (!is_file_at(audit->path, audit->fd))
        st = open_file(audit->path, &fd);
    if (fd >= 0) {
        old = audit->fd;
        audit->fd = fd;
        is_unsynced = take_unsynced(audit);
    }
    pthread_rwlock_unlock(&audit->file_lock);
    if (is_unsynced)
        st = sync_file(audit, old);
    if (old >= 0)
        close(old);
    return st;
}

void audit_write(struct audit *audit, struct audit_note *note)
{
    bool is_late;

    note->next = NULL;
    pthread_mutex_lock(&audit->lock);
    is_late = audit->is_closing;
    if (!is_late) {
        *audit->last = note;
        audit->last = &note->next;
        pthread_cond_signal(&audit->is_wanted);
    }
    pthread_mutex_unlock(&audit->lock);
    if (is_late)
        finish(note, ward_fail(WARD_ERR_IO, "the audit log is closed"));
}

bool audit_is_well(struct audit *audit)
{
    bool is_well;

    pthread_mutex_lock(&audit->lock);
    is_well = !audit->has_failed_write && !audit->has_failed_sync;
    pthread_mutex_unlock(&audit->lock);
    return is_well;
}

void audit_count(struct audit *audit, uint64_t *syncs, double *seconds)
{
    pthread_mutex_lock(&audit->lock);
    *syncs = audit->syncs;
    *seconds = audit->seconds;
    pthread_mutex_unlock(&audit->lock);
}

void audit_time(char text[AUDIT_TIME_LEN + 1])
{
    struct timespec now;
    struct tm utc;
    char whole[64];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(whole, sizeof whole, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(whole + AUDIT_TIME_LEN - 5, 16, ".%03uZ", (unsigned)(now.tv_nsec / 1000000) % 1000);
    memcpy(text, whole, AUDIT_TIME_LEN + 1);
}
