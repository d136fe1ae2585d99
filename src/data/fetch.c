/* Downloads. What comes is checked against its pin before it gets its name. */
#include "base/file.h"
#include "base/mem.h"
#include "data/dataset.h"
#include "net/net.h"

enum { MAX_DOWNLOAD = 1 << 29 };

struct download {
    const char *name;
    char *url;
    char *path;
    struct file_out file;
    uint64_t len;
    ward_status status; /* of taking what came */
    ward_data_progress *progress;
    void *context;
};

static ward_status take(void *context, const void *data, size_t len)
{
    struct download *d = context;

    d->len += len;
    if (d->len > MAX_DOWNLOAD)
        d->status =
            ward_fail(WARD_ERR_FORMAT, "'%s' is larger than %d bytes", d->url, MAX_DOWNLOAD);
    else
        d->status = file_out_write(&d->file, data, len);
    return d->status;
}

static bool report(void *context, uint64_t done, uint64_t total)
{
    struct download *d = context;

    return !d->progress(d->context, d->name, done, total);
}

static ward_status transfer(struct net *net, struct download *d)
{
    const struct net_request request = {.url = d->url,
                                        .is_public = true,
                                        .take = take,
                                        .progress = d->progress ? report : NULL,
                                        .context = d};
    struct net_answer answer;
    ward_status st = net_ask(net, &request, &answer);

    if (st == WARD_ERR_STOPPED)
        return ward_fail(st, "fetching '%s' was stopped", d->url);
    if (st != WARD_ERR_IO || d->status)
        return st;
    return ward_fail(st, "cannot fetch '%s': %s; get it elsewhere and put it at '%s'", d->url,
                     ward_error_message(), d->path);
}

/* A file that is there already is kept if it is the right one, and never overwritten. */
static ward_status keep(const struct known_set *set, size_t i, const char *path)
{
    ward_status st = data_verify_file(set, i, path);

    if (st == WARD_ERR_FORMAT)
        return ward_fail(WARD_ERR_EXISTS, "'%s' is there but not the published file; move it away",
                         path);
    return st;
}

static ward_status fetch_file(struct net *net, const struct known_set *set, size_t i,
                              struct download *d)
{
    ward_status st;

    if (file_exists(d->path))
        return keep(set, i, d->path);
    st = file_out_open(&d->file, d->path, 0);
    if (!st)
        st = transfer(net, d);
    if (!st) {
        st = data_verify_file(set, i, d->file.temporary);
        if (st == WARD_ERR_FORMAT)
            st = ward_fail(st, "what came from '%s' is not the published file", d->url);
    }
    if (!st)
        st = file_out_commit(&d->file);
    file_out_abort(&d->file);
    return st;
}

static ward_status fetch_all(struct net *net, const struct known_set *set, const char *url,
                             const char *directory, ward_data_progress *progress, void *context)
{
    size_t count = 0;
    ward_status st = WARD_OK;

    while (count < KNOWN_MAX_FILES && set->file[count].name)
        count++;
    for (size_t i = 0; !st && i < (set->archive ? 1 : count); i++) {
        struct download d = {.progress = progress, .context = context};
        char *name = NULL;

        st = set->archive ? mem_strdup(&name, set->archive)
                          : mem_printf(&name, "%s.gz", set->file[i].name);
        if (!st)
            st = mem_printf(&d.url, "%s%s", url, name);
        if (!st)
            st = file_join(&d.path, directory, name);
        d.name = name;
        if (!st)
            st = fetch_file(net, set, i, &d);
        mem_free(d.url);
        mem_free(d.path);
        mem_free(name);
    }
    return st;
}

ward_status data_fetch(const struct known_set *set, const char *url, const char *directory,
                       ward_data_progress *progress, void *context)
{
    struct net *net = NULL;
    char *folder = NULL;
    ward_status st;

    st = directory ? mem_strdup(&folder, directory) : user_folder(set, &folder);
    if (!st)
        st = file_make_directory(folder);
    if (!st)
        st = net_open(&net);
    if (!st)
        st = fetch_all(net, set, url, folder, progress, context);
    net_close(net);
    mem_free(folder);
    return st;
}

ward_status ward_data_fetch(const char *name, const char *directory, ward_data_progress *progress,
                            void *context)
{
    const struct known_set *set;
    ward_status st = known_named(name, &set);

    return st ? st : data_fetch(set, set->url, directory, progress, context);
}
