/*
 * Whole files in, whole files out. What is written appears under its name complete or not at all:
 * a temporary in the same folder, fsync, rename, fsync of the folder.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum file_flags {
    FILE_SECRET = 1,  /* mode 0600 instead of 0644 (less the umask) */
    FILE_REPLACE = 2, /* replace what is there; without it WARD_ERR_EXISTS */
    /* With FILE_REPLACE: overwrite the bytes of what was there with zeros, under its other
     * names (hard links), too. A disk or a file system may keep them elsewhere all the same. No
     * symbolic link, and nothing that must not be written to: WARD_ERR_IO. */
    FILE_SHRED = 4
};

/*
 * Read a regular file (or a pipe) of at most max bytes. *out is owned: mem_free(). One byte past
 * the end is allocated and zero, so text can be used as a string. WARD_ERR_IO names the path;
 * WARD_ERR_FORMAT if it is larger than max.
 */
WARD_CHECK ward_status file_read(const char *path, size_t max, uint8_t **out, size_t *len);

WARD_CHECK ward_status file_write(const char *path, const void *data, size_t len, int flags);

/* One piece of file_writev(). */
struct file_piece {
    const void *data;
    size_t len;
};

/* As file_write() for several pieces in a row, without gathering them first. */
WARD_CHECK ward_status file_writev(const char *path, const struct file_piece *pieces, size_t count,
                                   int flags);

/*
 * An output too large for memory: bytes are streamed to a temporary beside path.
 * file_out_commit() renames it into place; file_out_abort() removes it (and is harmless after a
 * commit, and on an object that is all zero), so it belongs at every cleanup label.
 */
struct file_out {
    char *path;
    char *temporary;
    int fd; /* valid while temporary is not NULL */
    int flags;
};

WARD_CHECK ward_status file_out_open(struct file_out *out, const char *path, int flags);
WARD_CHECK ward_status file_out_write(struct file_out *out, const void *data, size_t len);
WARD_CHECK ward_status file_out_commit(struct file_out *out);
void file_out_abort(struct file_out *out);

/*
 * Remove the temporaries of a file that processes left behind when they were killed. Only for one
 * who keeps other writers of path away.
 */
WARD_CHECK ward_status file_sweep(const char *path);

/* Append bytes with one write() and fsync; creates the file with mode 0600 or 0644 by flags. */
WARD_CHECK ward_status file_append(const char *path, const void *data, size_t len, int flags);
/* Cut a file to len bytes; WARD_ERR_FORMAT if it is shorter. */
WARD_CHECK ward_status file_truncate(const char *path, uint64_t len);

/* Before FILE_SHRED, which would overwrite a copy that somebody has by a hard link, too:
 * WARD_ERR_IO if a regular file has another name. Nothing to say where there is none. */
WARD_CHECK ward_status file_check_names(const char *path);

bool file_exists(const char *path);
bool file_is_directory(const char *path);
/* Create a directory (mode 0777 less the umask) and its parents; fine if it is there. */
WARD_CHECK ward_status file_make_directory(const char *path);

/* "dir/name", owned. */
WARD_CHECK ward_status file_join(char **out, const char *dir, const char *name);

/*
 * "$XDG_DATA_HOME/ward/name", or below ~/.local/share; owned. It need not be there. WARD_ERR_IO if
 * the environment says neither.
 */
WARD_CHECK ward_status file_user_path(char **out, const char *name);

/*
 * The names in a directory but "." and "..", sorted bytewise. Owned: file_list_free().
 */
WARD_CHECK ward_status file_list(const char *path, char ***names, size_t *count);
void file_list_free(char **names, size_t count);

/*
 * Take the exclusive lock of a directory (flock on "dir/.lock"), so that two processes do not train
 * into one run. WARD_ERR_BUSY if another process has it. file_unlock(-1) does nothing.
 */
WARD_CHECK ward_status file_lock(const char *dir, int *fd);
void file_unlock(int fd);

#endif
