/* See net.h. */
#include "net/net.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

enum { REDIRECTS_MAX = 5, CONNECT_SECONDS = 20, STALL_SECONDS = 30 };

struct net {
    CURL *curl;
};

/* A request under way. */
struct transfer {
    const struct net_request *request;
    struct net_answer answer;
    ward_status status; /* of what our own callbacks met */
};

ward_status net_open(struct net **out)
{
    struct net *net = NULL;
    ward_status st = mem_new(&net, 1, sizeof *net);

    if (st)
        return st;
    if (curl_global_init(CURL_GLOBAL_DEFAULT)) {
        mem_free(net);
        return ward_fail(WARD_ERR_NOMEM, "out of memory");
    }
    net->curl = curl_easy_init();
    if (!net->curl) {
        net_close(net);
        return ward_fail(WARD_ERR_NOMEM, "out of memory");
    }
    *out = net;
    return WARD_OK;
}

void net_close(struct net *net)
{
    if (!net)
        return;
    curl_easy_cleanup(net->curl);
    curl_global_cleanup();
    mem_free(net);
}

static size_t on_data(char *data, size_t elem, size_t count, void *context)
{
    struct transfer *t = context;
    size_t len = elem * count;

    t->status = t->request->take(t->request->context, data, len);
    return t->status ? 0 : len;
}

/* Header lines end with CR LF, so that the number ends before the line does. */
static size_t on_header(char *line, size_t elem, size_t count, void *context)
{
    static const char wanted[] = "Inference-Header-Content-Length:";
    struct transfer *t = context;
    size_t len = elem * count, at = sizeof wanted - 1;

    if (len > at + 2 && strncasecmp(line, wanted, at) == 0 && line[len - 1] == '\n') {
        uint64_t value = 0;

        for (; line[at] == ' '; at++)
            ;
        for (; line[at] >= '0' && line[at] <= '9' && value < UINT64_MAX / 20; at++)
            value = 10 * value + (uint64_t)(line[at] - '0');
        t->answer.json_len = value;
    }
    return len;
}

static int on_progress(void *context, curl_off_t total, curl_off_t done, curl_off_t up_total,
                       curl_off_t up_done)
{
    struct transfer *t = context;

    (void)up_total;
    (void)up_done;
    if (t->request->progress(t->request->context, (uint64_t)done, (uint64_t)total))
        return 0;
    t->status = ward_fail(WARD_ERR_STOPPED, "the transfer was stopped");
    return 1;
}

static void set_trust(CURL *curl, const struct net_request *q)
{
    if (q->ca)
        curl_easy_setopt(curl, CURLOPT_CAINFO, q->ca);
    if (q->certificate)
        curl_easy_setopt(curl, CURLOPT_SSLCERT, q->certificate);
    if (q->private_key)
        curl_easy_setopt(curl, CURLOPT_SSLKEY, q->private_key);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
}

static void set_public(CURL *curl)
{
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https,file");
}

static void set_options(CURL *curl, struct transfer *t, struct curl_slist *headers, char *text)
{
    const struct net_request *q = t->request;

    curl_easy_setopt(curl, CURLOPT_URL, q->url);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, text);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, t);
    if (q->is_public)
        set_public(curl);
    else
        curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    if (q->socket_path)
        curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, q->socket_path);
    if (q->seconds) {
        curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)q->seconds);
    } else {
        curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)STALL_SECONDS);
    }
    if (q->body) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, q->body);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body_len);
    }
    if (q->progress) {
        curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
        curl_easy_setopt(curl, CURLOPT_XFERINFODATA, t);
    }
    set_trust(curl, q);
}

static ward_status list_headers(const struct net_request *q, struct curl_slist **out)
{
    for (size_t i = 0; i < NET_HEADERS_MAX && q->headers[i]; i++) {
        struct curl_slist *longer = curl_slist_append(*out, q->headers[i]);

        if (!longer)
            return ward_fail(WARD_ERR_NOMEM, "out of memory");
        *out = longer;
    }
    return WARD_OK;
}

ward_status net_ask(struct net *net, const struct net_request *request, struct net_answer *answer)
{
    struct transfer t = {.request = request, .answer = {.json_len = UINT64_MAX}};
    struct curl_slist *headers = NULL;
    char text[CURL_ERROR_SIZE] = "";
    long status = 0;
    CURLcode code;
    ward_status st = list_headers(request, &headers);

    if (!st) {
        set_options(net->curl, &t, headers, text);
        code = curl_easy_perform(net->curl);
        st = t.status;
        if (!st && code != CURLE_OK)
            st = ward_fail(WARD_ERR_IO, "%s", text[0] ? text : curl_easy_strerror(code));
    }
    if (!st) {
        curl_easy_getinfo(net->curl, CURLINFO_RESPONSE_CODE, &status);
        t.answer.status = (unsigned)status;
        *answer = t.answer;
    }
    curl_easy_reset(net->curl); /* it has addresses of what ends here, and may write there later */
    curl_slist_free_all(headers);
    return st;
}
