/* Downloads. What comes is checked against its pin before it gets its name. */
#include <curl/curl.h>

#include "base/file.h"
#include "base/mem.h"
#include "data/dataset.h"

enum { MAX_DOWNLOAD = 1 << 29, MAX_REDIRECTS = 5, CONNECT_SECONDS = 20, STALL_SECONDS = 30 };

struct download {
    const char *name;
    char *url;
    char *path;
    struct file_out file;
    uint64_t len;
    ward_status status; /* of what our own callbacks met */
    ward_data_progress *progress;
    void *context;
};

static size_t on_data(char *data, size_t elem, size_t count, void *context)
{
    struct download *d = context;
    size_t len = elem * count;

    d->len += len;
    if (d->len > MAX_DOWNLOAD)
        d->status =
            ward_fail(WARD_ERR_FORMAT, "'%s' is larger than %d bytes", d->url, MAX_DOWNLOAD);
    else
        d->status = file_out_write(&d->file, data, len);
    return d->status ? 0 : len;
}

static int on_progress(void *context, curl_off_t total, curl_off_t done, curl_off_t up_total,
                       curl_off_t up_done)
{
    struct download *d = context;

    (void)up_total;
    (void)up_done;
    if (!d->progress(d->context, d->name, (uint64_t)done, (uint64_t)total))
        return 0;
    d->status = ward_fail(WARD_ERR_STOPPED, "fetching '%s' was stopped", d->url);
    return 1;
}

static void set_options(CURL *curl, struct download *d, char *text)
{
    curl_easy_setopt(curl, CURLOPT_URL, d->url);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, text);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)MAX_REDIRECTS);
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https,file");
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)STALL_SECONDS);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, d);
    if (d->progress) {
        curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
        curl_easy_setopt(curl, CURLOPT_XFERINFODATA, d);
    }
}

static ward_status transfer(struct download *d)
{
    char text[CURL_ERROR_SIZE] = "";
    CURL *curl = curl_easy_init();
    CURLcode code;

    if (!curl)
        return ward_fail(WARD_ERR_NOMEM, "out of memory");
    set_options(curl, d, text);
    code = curl_easy_perform(curl);
    curl_easy_cleanup(curl);
    if (d->status || code == CURLE_OK)
        return d->status;
    return ward_fail(WARD_ERR_IO, "cannot fetch '%s': %s; get it elsewhere and put it at '%s'",
                     d->url, text[0] ? text : curl_easy_strerror(code), d->path);
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

static ward_status fetch_file(const struct known_set *set, size_t i, struct download *d)
{
    ward_status st;

    if (file_exists(d->path))
        return keep(set, i, d->path);
    st = file_out_open(&d->file, d->path, 0);
    if (!st)
        st = transfer(d);
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

static ward_status fetch_all(const struct known_set *set, const char *url, const char *directory,
                             ward_data_progress *progress, void *context)
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
            st = fetch_file(set, i, &d);
        mem_free(d.url);
        mem_free(d.path);
        mem_free(name);
    }
    return st;
}

ward_status data_fetch(const struct known_set *set, const char *url, const char *directory,
                       ward_data_progress *progress, void *context)
{
    char *folder = NULL;
    ward_status st;

    st = directory ? mem_strdup(&folder, directory) : user_folder(set, &folder);
    if (!st)
        st = file_make_directory(folder);
    if (!st && curl_global_init(CURL_GLOBAL_DEFAULT))
        st = ward_fail(WARD_ERR_NOMEM, "out of memory");
    if (!st) {
        st = fetch_all(set, url, folder, progress, context);
        curl_global_cleanup();
    }
    mem_free(folder);
    return st;
}

ward_status ward_data_fetch(const char *name, const char *directory, ward_data_progress *progress,
                            void *context)
{
    const struct known_set *set = known_find(name, strlen(name));

    if (!set)
        return ward_fail(WARD_ERR_ARG,
                         "unknown data set '%s': the names are mnist, fashion-mnist, "
                         "cifar10",
                         name);
    return data_fetch(set, set->url, directory, progress, context);
}
