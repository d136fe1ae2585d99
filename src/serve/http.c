/*
 * The HTTP side of a server, by libmicrohttpd: connections, bodies as they come in, answers as they
 * go out. What is answered is found out by request.h.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "base/signals.h"
#include "base/util.h"
#include "serve/request.h"

enum { CONNECTION_MEMORY = 128 * 1024 }; /* for headers, and for reading bodies in large pieces */

/* TLS 1.3 and 1.2 only. */
static const char tls_priorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";

/* ---- answering ---- */

static void free_answer(void *data)
{
    mem_free(data);
}

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
    (void)!MHD_add_response_header(response, name, value);
}

static void add_headers(const struct request *r, struct MHD_Response *response)
{
    char number[24];

    add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, r->type);
    add_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (r->answer_json < r->answer.len) {
        snprintf(number, sizeof number, "%zu", r->answer_json);
        add_header(response, "Inference-Header-Content-Length", number);
    }
    /* What is amiss for a 503 may be over in a moment. */
    if (r->wait || r->status == MHD_HTTP_SERVICE_UNAVAILABLE) {
        snprintf(number, sizeof number, "%u", r->wait ? r->wait : 1);
        add_header(response, MHD_HTTP_HEADER_RETRY_AFTER, number);
    }
    if (r->status == MHD_HTTP_UNAUTHORIZED)
        add_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer realm=\"ward\"");
    if (r->status == MHD_HTTP_METHOD_NOT_ALLOWED)
        add_header(response, MHD_HTTP_HEADER_ALLOW, r->is_inference ? "POST" : "GET, HEAD");
    /* Whoever has no token could hold a place by asking now and then how the server is. */
    if (!r->is_known || atomic_load(&r->server->is_draining))
        add_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
}

/* The answer's bytes go to the library, which frees them. */
static enum MHD_Result send_answer(struct request *r)
{
    struct MHD_Response *response;
    enum MHD_Result result;

    if (wr_finish(&r->answer)) {
        wr_release(&r->answer);
        return MHD_NO;
    }
    response = MHD_create_response_from_buffer_with_free_callback(r->answer.len, r->answer.data,
                                                                  free_answer);
    if (!response)
        return MHD_NO;
    add_headers(r, response);
    r->answer = (struct wr)WR_INIT;
    metrics_answer(&r->server->metrics, r->status);
    if (r->is_inference && r->status == MHD_HTTP_OK)
        metrics_request(&r->server->metrics, clock_seconds() - r->begin, r->infer.count);
    result = MHD_queue_response(r->connection, r->status, response);
    MHD_destroy_response(response);
    return result;
}

/* ---- the library's callbacks ---- */

static enum MHD_Result begin(ward_server *server, struct MHD_Connection *connection,
                             const char *url, const char *method, void **state)
{
    struct connection *client =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    struct request *r = NULL;

    if (!client || mem_new(&r, 1, sizeof *r))
        return MHD_NO;
    *state = r;
    r->server = server;
    r->connection = connection;
    r->type = "application/json";
    r->begin = clock_seconds();
    r->client = client;
    pthread_mutex_lock(&server->lock);
    server->active++;
    r->client->since = r->begin;
    pthread_mutex_unlock(&server->lock);
    request_route(r, url, method);
    if (!r->status)
        return MHD_YES;
    /* A client that waits for leave to send its body, or would send without end, is told at once;
     * any other first sends what it has, for otherwise it might not see the answer. */
    if (request_header(r, MHD_HTTP_HEADER_EXPECT) || r->status == MHD_HTTP_CONTENT_TOO_LARGE)
        return send_answer(r);
    r->stage = STAGE_DISCARD;
    return MHD_YES;
}

/* Room grows with what came in, not with what was announced, which costs a client nothing. */
static ward_status make_room(struct request *r, size_t more)
{
    size_t wider = min_size(max_size(2 * r->room, r->len + more), r->max);
    ward_status st;

    if (r->len + more <= r->room)
        return WARD_OK;
    st = mem_resize(&r->body, r->room, wider, 1);
    if (!st)
        r->room = wider;
    return st;
}

static enum MHD_Result take_body(struct request *r, const char *data, size_t len)
{
    if (r->stage == STAGE_DISCARD)
        return MHD_YES;
    if (len > r->max - r->len)
        request_refuse(r, MHD_HTTP_CONTENT_TOO_LARGE, "the request is too large");
    else if (make_room(r, len))
        request_refuse(r, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory");
    if (r->status) {
        r->stage = STAGE_DISCARD;
        return MHD_YES;
    }
    memcpy(r->body + r->len, data, len);
    r->len += len;
    return MHD_YES;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *len, void **state)
{
    struct request *r = *state;

    (void)version;
    if (!r)
        return begin(context, connection, url, method, state);
    if (*len > 0) {
        enum MHD_Result result = take_body(r, data, *len);

        *len = 0;
        return result;
    }
    if (r->stage == STAGE_READ && request_infer(r))
        return MHD_YES;
    if (r->stage == STAGE_ANSWER && r->status == MHD_HTTP_OK)
        request_write_answer(r);
    return send_answer(r);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
    struct request *r = *state;
    ward_server *server = context;

    (void)connection;
    (void)code;
    if (!r)
        return;
    infer_release(&r->infer);
    mem_free(r->body);
    mem_free(r->values);
    wr_release(&r->answer);
    server_let_go(server, r->served);
    pthread_mutex_lock(&server->lock);
    server->active--;
    r->client->since = clock_seconds();
    pthread_mutex_unlock(&server->lock);
    mem_free(r);
    *state = NULL;
}

static void on_connection(void *context, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    ward_server *server = context;
    struct connection *c = *socket_context;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        if (mem_new(&c, 1, sizeof *c))
            return;
        c->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        c->since = clock_seconds();
        c->is_waited_for = true;
        pthread_mutex_lock(&server->lock);
        c->next = server->connections;
        c->place = &server->connections;
        if (c->next)
            c->next->place = &c->next;
        server->connections = c;
        pthread_mutex_unlock(&server->lock);
        atomic_fetch_add(&server->metrics.connections, 1);
        *socket_context = c;
    } else if (c) {
        pthread_mutex_lock(&server->lock);
        *c->place = c->next;
        if (c->next)
            c->next->place = c->place;
        pthread_mutex_unlock(&server->lock);
        atomic_fetch_sub(&server->metrics.connections, 1);
        mem_free(c);
        *socket_context = NULL;
    }
}

/*
 * The library's own time limit starts anew with each byte, so a client that sends one now and then
 * could stay for ever. The descriptor is closed only after on_connection() took it off the list.
 */
void http_reap(struct ward_server *server)
{
    double latest = clock_seconds() - server->config.seconds;

    pthread_mutex_lock(&server->lock);
    for (struct connection *c = server->connections; c; c = c->next)
        if (c->is_waited_for && c->since < latest) {
            shutdown(c->fd, SHUT_RDWR);
            atomic_fetch_add(&server->metrics.cut_off, 1);
            c->since = clock_seconds();
        }
    pthread_mutex_unlock(&server->lock);
}

/* The first word of whoever starts the daemon. What its threads say is of clients' connections:
 * strangers could fill a log with it. */
static void on_log(void *context, const char *format, va_list arguments)
{
    struct ward_server *s = context;

    if (!pthread_equal(pthread_self(), s->starter) || s->fault[0])
        return;
    vsnprintf(s->fault, sizeof s->fault, format, arguments);
    s->fault[strcspn(s->fault, "\n")] = '\0';
    if (s->fault[0] && s->fault[strlen(s->fault) - 1] == '.')
        s->fault[strlen(s->fault) - 1] = '\0';
}

/* ---- lifecycle ---- */

ward_status http_start(struct ward_server *s)
{
    const ward_server_config *c = &s->config;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC |
                     MHD_USE_ERROR_LOG | (c->certificate ? MHD_USE_TLS : 0u);
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, s->pem[0]},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, s->pem[1]},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)tls_priorities},
        {s->pem[2] ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, 0, s->pem[2]},
        {MHD_OPTION_END, 0, NULL}};
    sigset_t before;

    if (!c->certificate)
        tls[0].option = MHD_OPTION_END;
    s->starter = pthread_self();
    signals_block(&before);
    s->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, on_log, s,
        MHD_OPTION_LISTEN_SOCKET, s->listener.fd, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_THREAD_POOL_SIZE,
        c->http_threads, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)max_size(c->connections, c->http_threads),
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)c->per_address, MHD_OPTION_CONNECTION_TIMEOUT,
        c->seconds, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
    signals_restore(&before);
    if (!s->daemon)
        return ward_fail(WARD_ERR_IO, "cannot serve on '%s'%s%s%s", s->listener.name,
                         s->fault[0] ? ": " : "", s->fault,
                         c->certificate ? "; are certificate and key in order?" : "");
    s->listener.fd = -1; /* the daemon's now */
    return WARD_OK;
}

/* The socket stays open for whoever hands it over, but is not listened to. */
void http_quiesce(struct ward_server *s)
{
    MHD_socket fd = MHD_quiesce_daemon(s->daemon);

    if (fd != MHD_INVALID_SOCKET)
        s->listener.fd = fd;
}

void http_stop(struct ward_server *s)
{
    if (s->daemon)
        MHD_stop_daemon(s->daemon);
    s->daemon = NULL;
}
