/* Reading the audit log again, for the day's budgets: see audit.h. */
#include "serve/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "key/grants.h"
#include "serve/reader.h"

struct entry {
    struct span time, user;
    uint64_t images, status;
};

static bool read_entry(const char *line, size_t len, struct entry *e)
{
    struct reader r;
    struct span key;

    *e = (struct entry){.images = 0};
    reader_init(&r, line, len);
    if (!reader_open(&r, '{'))
        return false;
    while (reader_key(&r, &key)) {
        if (span_is(key, "time"))
            reader_string(&r, &e->time);
        else if (span_is(key, "user") && reader_peek(&r) == '"')
            reader_string(&r, &e->user);
        else if (span_is(key, "images"))
            reader_count(&r, UINT32_MAX, &e->images);
        else if (span_is(key, "status"))
            reader_count(&r, 999, &e->status);
        else
            reader_skip(&r);
    }
    return reader_is_done(&r) && e->time.text;
}

ward_status audit_replay_text(const char *text, size_t len, const char *day,
                              struct accounts *accounts)
{
    ward_status st = WARD_OK;

    /* Backwards, as today is at the end of what may be years. */
    while (len > 0 && !st) {
        size_t begin = len - 1;
        char user[WARD_TOKEN_USER_MAX + 1] = "";
        struct entry e;

        while (begin > 0 && text[begin - 1] != '\n')
            begin--;
        if (read_entry(text + begin, len - begin, &e)) {
            if (e.time.len < DATE_LEN || memcmp(e.time.text, day, DATE_LEN) < 0)
                break;
            if (e.status == 200 && e.images && e.user.len && e.user.len < sizeof user &&
                memcmp(e.time.text, day, DATE_LEN) == 0) {
                memcpy(user, e.user.text, e.user.len);
                st = accounts_add(accounts, user, e.images);
            }
        }
        len = begin;
    }
    return st;
}

ward_status audit_replay(const char *path, struct accounts *accounts)
{
    char day[DATE_LEN + 1];
    struct stat info;
    void *text;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ward_status st = WARD_OK;

    if (fd < 0)
        return errno == ENOENT
                   ? WARD_OK
                   : ward_fail(WARD_ERR_IO, "cannot read '%s': %s", path, strerror(errno));
    date_today(day);
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0) {
        text = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (text == MAP_FAILED) {
            st = ward_fail(WARD_ERR_IO, "cannot read '%s': %s", path, strerror(errno));
        } else {
            st = audit_replay_text(text, (size_t)info.st_size, day, accounts);
            munmap(text, (size_t)info.st_size);
        }
    }
    close(fd);
    return st;
}
