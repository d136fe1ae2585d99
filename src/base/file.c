/* Files whole in and whole out: see file.h. */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h> /* renameat2 */
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/util.h"

enum { FIRST_READ = 64 * 1024, NAME_ATTEMPTS = 100, LARGEST_WRITE = 1 << 30 };

static ward_status io_error(const char *verb, const char *path)
{
    return ward_fail(WARD_ERR_IO, "cannot %s '%s': %s", verb, path, strerror(errno));
}

static int open_retrying(const char *path, int flags, mode_t mode)
{
    int fd;

    do
        fd = open(path, flags | O_CLOEXEC, mode);
    while (fd < 0 && errno == EINTR);
    return fd;
}

static mode_t creation_mode(int flags)
{
    return flags & FILE_SECRET ? 0600 : 0644;
}

/* Larger by wiped copying, not realloc(): what is read may be secret. */
static ward_status enlarge(uint8_t **data, size_t len, size_t old_cap, size_t cap)
{
    uint8_t *larger;
    ward_status st = mem_new(&larger, cap, 1);

    if (st)
        return st;
    memcpy(larger, *data, len);
    mem_wipe(*data, old_cap);
    mem_free(*data);
    *data = larger;
    return WARD_OK;
}

static ward_status too_large(const char *path, size_t max)
{
    return ward_fail(WARD_ERR_FORMAT, "'%s' is larger than %zu bytes", path, max);
}

/* Reads to the end of fd; a regular file's length is only a hint, for it may be growing. */
static ward_status read_all(int fd, const char *path, size_t hint, size_t max, uint8_t **out,
                            size_t *out_len)
{
    size_t cap = min_size(max_size(hint, 1), max) + 2;
    size_t len = 0;
    uint8_t *data = NULL;
    ward_status st = mem_new(&data, cap, 1);

    while (!st) {
        ssize_t got = read(fd, data + len, min_size(cap - 1 - len, LARGEST_WRITE));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            st = io_error("read", path);
        if (got <= 0)
            break;
        len += (size_t)got;
        if (len > max) {
            st = too_large(path, max);
        } else if (len == cap - 1) {
            size_t wider = cap - 2 > max / 2 ? max + 2 : 2 * cap;

            st = enlarge(&data, len, cap, wider);
            cap = st ? cap : wider;
        }
    }
    if (!st) {
        memset(data + len, 0, cap - len);
        *out = data;
        *out_len = len;
        data = NULL;
    }
    if (data)
        mem_wipe(data, cap);
    mem_free(data);
    return st;
}

ward_status file_read(const char *path, size_t max, uint8_t **out, size_t *len)
{
    struct stat info;
    size_t hint = FIRST_READ;
    ward_status st = WARD_OK;
    int fd = open_retrying(path, O_RDONLY, 0);

    if (fd < 0)
        return io_error("open", path);
    max = min_size(max, SIZE_MAX / 4);
    if (fstat(fd, &info) != 0)
        st = io_error("read", path);
    else if (S_ISDIR(info.st_mode))
        st = ward_fail(WARD_ERR_IO, "cannot read '%s': it is a directory", path);
    else if (S_ISREG(info.st_mode) && (uintmax_t)info.st_size > max)
        st = too_large(path, max);
    else if (S_ISREG(info.st_mode))
        hint = (size_t)info.st_size;
    if (!st)
        st = read_all(fd, path, hint, max, out, len);
    close(fd);
    return st;
}

static ward_status write_all(int fd, const char *path, const void *data, size_t len)
{
    const uint8_t *at = data;

    while (len > 0) {
        ssize_t done = write(fd, at, min_size(len, LARGEST_WRITE));

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return io_error("write", path);
        at += done;
        len -= (size_t)done;
    }
    return WARD_OK;
}

static ward_status parent_directory(char **out, const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return mem_strdup(out, ".");
    if (slash == path)
        return mem_strdup(out, "/");
    return mem_printf(out, "%.*s", (int)min_size((size_t)(slash - path), INT_MAX), path);
}

/* Makes a rename in path's folder survive a loss of power. */
static ward_status sync_parent(const char *path)
{
    char *dir = NULL;
    int fd;
    ward_status st = parent_directory(&dir, path);

    if (st)
        return st;
    fd = open_retrying(dir, O_RDONLY | O_DIRECTORY, 0);
    /* Some file systems cannot sync a folder and say EINVAL: nothing more can be done there. */
    if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL))
        st = io_error("sync", dir);
    if (fd >= 0)
        close(fd);
    mem_free(dir);
    return st;
}

/* A name beside path that is free; opened exclusively, so that a planted link is not followed. */
static ward_status open_temporary(struct file_out *out)
{
    for (unsigned attempt = 0; attempt < NAME_ATTEMPTS; attempt++) {
        struct timespec now;
        char *name;
        ward_status st;

        clock_gettime(CLOCK_REALTIME, &now);
        st = mem_printf(&name, "%s.tmp-%ld-%09ld", out->path, (long)getpid(),
                        (now.tv_nsec + (long)attempt) % 1000000000L);
        if (st)
            return st;
        out->fd = open_retrying(name, O_WRONLY | O_CREAT | O_EXCL, creation_mode(out->flags));
        if (out->fd >= 0) {
            out->temporary = name;
            return WARD_OK;
        }
        mem_free(name);
        if (errno != EEXIST)
            break;
    }
    return io_error("create", out->path);
}

/* Renaming over a device or a directory, or a link to one, /dev/stdout say, would destroy it or
 * fail late. */
static ward_status check_destination(const char *path, int flags)
{
    struct stat info;

    if (lstat(path, &info) != 0)
        return WARD_OK;
    if (!(flags & FILE_REPLACE))
        return ward_fail(WARD_ERR_EXISTS, "'%s' exists already", path);
    if (S_ISLNK(info.st_mode) && stat(path, &info) != 0)
        return WARD_OK; /* leads nowhere */
    if (!S_ISREG(info.st_mode))
        return ward_fail(WARD_ERR_IO, "cannot replace '%s': not a regular file", path);
    return WARD_OK;
}

ward_status file_out_open(struct file_out *out, const char *path, int flags)
{
    struct file_out fresh = {.flags = flags, .fd = -1};
    ward_status st = check_destination(path, flags);

    if (!st)
        st = mem_strdup(&fresh.path, path);
    if (!st)
        st = open_temporary(&fresh);
    if (st) {
        mem_free(fresh.path);
        return st;
    }
    *out = fresh;
    return WARD_OK;
}

ward_status file_out_write(struct file_out *out, const void *data, size_t len)
{
    return write_all(out->fd, out->path, data, len);
}

static ward_status move_into_place(const struct file_out *out)
{
    ward_status st;

    if (!(out->flags & FILE_REPLACE)) {
        if (renameat2(AT_FDCWD, out->temporary, AT_FDCWD, out->path, RENAME_NOREPLACE) == 0)
            return WARD_OK;
        if (errno == EEXIST)
            return ward_fail(WARD_ERR_EXISTS, "'%s' exists already", out->path);
        /* EINVAL: this file system cannot; the check below leaves a small gap. */
        if (errno != EINVAL && errno != ENOSYS)
            return io_error("write", out->path);
    }
    st = check_destination(out->path, out->flags);
    if (st)
        return st;
    return rename(out->temporary, out->path) == 0 ? WARD_OK : io_error("write", out->path);
}

/* What is about to be replaced, if its bytes are to be overwritten then; -1 if there is nothing. */
static ward_status open_replaced(const struct file_out *out, int *fd)
{
    *fd = -1;
    if (!(out->flags & FILE_SHRED))
        return WARD_OK;
    *fd = open_retrying(out->path, O_WRONLY | O_NOFOLLOW, 0);
    if (*fd >= 0 || errno == ENOENT)
        return WARD_OK;
    if (errno == ELOOP)
        return ward_fail(WARD_ERR_IO, "'%s' is a symbolic link: name the file that it leads to",
                         out->path);
    return io_error("overwrite", out->path);
}

/* Root replaces a file for whoever it belongs to. */
static ward_status keep_owner(const struct file_out *out)
{
    struct stat info;

    if (geteuid() != 0 || lstat(out->path, &info) != 0 || !S_ISREG(info.st_mode))
        return WARD_OK;
    return fchown(out->fd, info.st_uid, info.st_gid) == 0 ? WARD_OK : io_error("write", out->path);
}

/* After the new file is in place, so that a kill in between loses neither. */
static ward_status shred(int fd, const char *path)
{
    static const uint8_t zeros[4096];
    struct stat info;
    ward_status st = WARD_OK;

    if (fstat(fd, &info) != 0)
        st = io_error("overwrite", path);
    for (off_t left = st ? 0 : info.st_size; left > 0 && !st; left -= (off_t)sizeof zeros)
        st = write_all(fd, path, zeros, min_size((size_t)left, sizeof zeros));
    if (!st && fsync(fd) != 0 && errno != EINVAL)
        st = io_error("overwrite", path);
    return st;
}

static ward_status replace(const struct file_out *out)
{
    int replaced;
    ward_status st = open_replaced(out, &replaced);

    if (!st && out->flags & FILE_REPLACE)
        st = keep_owner(out);
    if (!st)
        st = move_into_place(out);
    if (!st && replaced >= 0)
        st = shred(replaced, out->path);
    if (replaced >= 0)
        close(replaced);
    return st;
}

ward_status file_out_commit(struct file_out *out)
{
    ward_status st;

    if (fsync(out->fd) != 0 && errno != EINVAL)
        return io_error("write", out->path);
    st = replace(out);
    if (st)
        return st;
    mem_free(out->temporary);
    out->temporary = NULL;
    if (close(out->fd) != 0)
        st = io_error("write", out->path);
    if (!st)
        st = sync_parent(out->path);
    mem_free(out->path);
    *out = (struct file_out){0};
    return st;
}

void file_out_abort(struct file_out *out)
{
    if (out->temporary) {
        close(out->fd);
        unlink(out->temporary);
    }
    mem_free(out->temporary);
    mem_free(out->path);
    *out = (struct file_out){0};
}

ward_status file_writev(const char *path, const struct file_piece *pieces, size_t count, int flags)
{
    struct file_out out = {0};
    ward_status st = file_out_open(&out, path, flags);

    for (size_t i = 0; i < count && !st; i++)
        st = file_out_write(&out, pieces[i].data, pieces[i].len);
    if (!st)
        st = file_out_commit(&out);
    file_out_abort(&out);
    return st;
}

ward_status file_write(const char *path, const void *data, size_t len, int flags)
{
    const struct file_piece piece = {data, len};

    return file_writev(path, &piece, 1, flags);
}

/* On a full disk the part that fitted is cut off again, so that no half line stays behind. */
ward_status file_append(const char *path, const void *data, size_t len, int flags)
{
    struct stat before;
    ssize_t done;
    ward_status st = WARD_OK;
    int fd = open_retrying(path, O_WRONLY | O_APPEND | O_CREAT, creation_mode(flags));

    if (fd < 0)
        return io_error("open", path);
    if (fstat(fd, &before) != 0) {
        st = io_error("write", path);
        goto done;
    }
    do
        done = write(fd, data, len);
    while (done < 0 && errno == EINTR);
    if (done < 0) {
        st = io_error("write", path);
    } else if ((size_t)done < len) {
        errno = ENOSPC;
        st = io_error("write", path);
        if (ftruncate(fd, before.st_size) != 0)
            st = ward_fail(WARD_ERR_IO, "'%s' is cut short: %s", path, strerror(errno));
    } else if (fsync(fd) != 0 && errno != EINVAL) {
        st = io_error("write", path);
    }
done:
    if (close(fd) != 0 && !st)
        st = io_error("write", path);
    return st;
}

ward_status file_truncate(const char *path, uint64_t len)
{
    struct stat info;
    ward_status st = WARD_OK;
    int fd = open_retrying(path, O_WRONLY, 0);

    if (fd < 0)
        return io_error("open", path);
    if (fstat(fd, &info) != 0)
        st = io_error("truncate", path);
    else if ((uint64_t)info.st_size < len)
        st = ward_fail(WARD_ERR_FORMAT, "'%s' has %jd bytes, not at least %ju", path,
                       (intmax_t)info.st_size, (uintmax_t)len);
    else if (ftruncate(fd, (off_t)len) != 0 || fsync(fd) != 0)
        st = io_error("truncate", path);
    close(fd);
    return st;
}

ward_status file_check_names(const char *path)
{
    struct stat info;

    if (lstat(path, &info) == 0 && S_ISREG(info.st_mode) && info.st_nlink > 1)
        return ward_fail(WARD_ERR_IO, "'%s' has another name (a hard link): remove one of them",
                         path);
    return WARD_OK;
}

bool file_exists(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0;
}

bool file_is_directory(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static ward_status make_one_directory(const char *path)
{
    if (mkdir(path, 0777) == 0 || file_is_directory(path))
        return WARD_OK;
    return io_error("create directory", path);
}

ward_status file_make_directory(const char *path)
{
    char *copy;
    ward_status st = mem_strdup(&copy, path);

    if (st)
        return st;
    for (char *p = copy; *p && !st; p++) {
        if (p == copy || *p != '/')
            continue;
        *p = '\0';
        st = make_one_directory(copy);
        *p = '/';
    }
    if (!st)
        st = make_one_directory(path);
    mem_free(copy);
    return st;
}

ward_status file_join(char **out, const char *dir, const char *name)
{
    size_t len = strlen(dir);

    return mem_printf(out, len > 0 && dir[len - 1] == '/' ? "%s%s" : "%s/%s", dir, name);
}

ward_status file_user_path(char **out, const char *name)
{
    const char *data = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");

    if (data && data[0] == '/')
        return mem_printf(out, "%s/ward/%s", data, name);
    if (home && home[0] == '/')
        return mem_printf(out, "%s/.local/share/ward/%s", home, name);
    return ward_fail(WARD_ERR_IO, "no data folder: neither XDG_DATA_HOME nor HOME is set");
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static ward_status list_append(char ***names, size_t *count, size_t *cap, const char *name)
{
    ward_status st = WARD_OK;

    if (*count == *cap) {
        size_t wider = max_size(16, *cap * 2);

        st = mem_resize(names, *cap, wider, sizeof(**names));
        if (st)
            return st;
        *cap = wider;
    }
    st = mem_strdup(&(*names)[*count], name);
    if (!st)
        (*count)++;
    return st;
}

ward_status file_list(const char *path, char ***names, size_t *count)
{
    char **list = NULL;
    size_t n = 0, cap = 0;
    ward_status st = mem_new(&list, 0, sizeof(*list));
    DIR *dir = opendir(path);

    if (!st && !dir)
        st = io_error("list", path);
    while (!st) {
        const struct dirent *entry;

        errno = 0;
        entry = readdir(dir);
        if (!entry && errno != 0)
            st = io_error("list", path);
        if (!entry)
            break;
        if (!is_dots(entry->d_name))
            st = list_append(&list, &n, &cap, entry->d_name);
    }
    if (!st) {
        qsort(list, n, sizeof(*list), compare_names);
        *names = list;
        *count = n;
        list = NULL;
        n = 0;
    }
    if (dir)
        closedir(dir);
    file_list_free(list, n);
    return st;
}

void file_list_free(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        mem_free(names[i]);
    mem_free(names);
}

ward_status file_lock(const char *dir, int *fd)
{
    char *path;
    int lock;
    ward_status st = file_join(&path, dir, ".lock");

    if (st)
        return st;
    lock = open_retrying(path, O_RDWR | O_CREAT, 0600);
    if (lock < 0)
        st = io_error("open", path);
    else if (flock(lock, LOCK_EX | LOCK_NB) != 0)
        st = errno == EWOULDBLOCK
                 ? ward_fail(WARD_ERR_BUSY, "'%s' is in use by another process", dir)
                 : io_error("lock", path);
    if (st && lock >= 0)
        close(lock);
    if (!st)
        *fd = lock;
    mem_free(path);
    return st;
}

void file_unlock(int fd)
{
    if (fd >= 0)
        close(fd);
}

/* Whether open_temporary() gives such names for the file called base. */
static bool is_temporary(const char *name, const char *base)
{
    static const char digits[] = "0123456789", mark[] = ".tmp-";
    size_t len = strlen(base), process;

    if (strncmp(name, base, len) != 0 || strncmp(name + len, mark, strlen(mark)) != 0)
        return false;
    name += len + strlen(mark);
    process = strspn(name, digits);
    name += process;
    return process > 0 && name[0] == '-' && strlen(name + 1) == 9 && strspn(name + 1, digits) == 9;
}

ward_status file_sweep(const char *path)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    size_t count = 0;
    char *dir = NULL, *stale = NULL, **names = NULL;
    ward_status st =
        mem_printf(&dir, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");

    if (!st)
        st = file_list(dir, &names, &count);
    for (size_t i = 0; i < count && !st; i++) {
        if (!is_temporary(names[i], base))
            continue;
        st = file_join(&stale, dir, names[i]);
        if (!st && unlink(stale) != 0 && errno != ENOENT)
            st = io_error("remove", stale);
        mem_free(stale);
        stale = NULL;
    }
    file_list_free(names, count);
    mem_free(dir);
    return st;
}
