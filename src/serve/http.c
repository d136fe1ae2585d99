/*
 * The HTTP side of a server, by libmicrohttpd: who asks, what for, and the way of an inference
 * request:
 *
 *   come in -> [suspended: queue, batch, audit log] -> answered
 *
 * Who may not ask is not listened to: without a known token no body is stored.
 */
#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/signals.h"
#include "base/util.h"
#include "serve/server.h"

enum {
    CONNECTION_MEMORY = 128 * 1024, /* for headers, and for reading bodies in large pieces */
    JSON_NUMBER_MAX = 16,           /* bytes of an input value in JSON, on average */
    JSON_REST_MAX = 65536,          /* of all else in a request */
    PEER_MAX = 64
};

/* TLS 1.3 and 1.2 only. */
static const char tls_priorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";

enum stage {
    STAGE_READ,    /* the body comes in */
    STAGE_DISCARD, /* the answer is known, but the client is not done */
    STAGE_COMPUTE, /* suspended */
    STAGE_ANSWER   /* to be sent as soon as the connection goes on */
};

struct request;

struct request_note {
    struct audit_note note; /* first */
    struct request *request;
};

struct request {
    struct job job; /* first: job_done() gets its address */
    struct request_note note;
    ward_server *server;
    struct MHD_Connection *connection;
    struct connection *client;
    struct served *served; /* of an inference request; else NULL */
    enum stage stage;
    bool is_known, is_inference, is_charged;
    ward_token terms; /* if is_known */
    double begin;
    uint8_t *body;
    size_t len, room, max, json_len;
    bool has_json_len;
    struct infer_request infer;
    float *values;         /* the model's answer */
    unsigned status, wait; /* HTTP; seconds for Retry-After, 0: none */
    const char *type;
    struct wr answer;
    size_t answer_json; /* bytes of JSON before binary tensors */
};

/* ---- answering ---- */

static void set_error(struct request *r, unsigned status, const char *text)
{
    wr_release(&r->answer);
    r->answer = (struct wr)WR_INIT;
    r->status = status;
    r->type = "application/json";
    infer_write_error(&r->answer, text);
    r->answer_json = r->answer.len;
}

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
    if (r->wait) {
        snprintf(number, sizeof number, "%u", r->wait);
        add_header(response, MHD_HTTP_HEADER_RETRY_AFTER, number);
    }
    if (r->status == MHD_HTTP_UNAUTHORIZED)
        add_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer realm=\"ward\"");
    if (r->status == MHD_HTTP_METHOD_NOT_ALLOWED)
        add_header(response, MHD_HTTP_HEADER_ALLOW, r->is_inference ? "POST" : "GET, HEAD");
    if (atomic_load(&r->server->is_draining))
        add_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
}

static void count_refusal(struct request *r)
{
    struct refusals *refusals = &r->server->refusals;

    pthread_mutex_lock(&r->server->lock);
    for (size_t i = 0; i < REFUSALS; i++)
        if (refusals->status[i] == r->status || !refusals->status[i]) {
            refusals->status[i] = r->status;
            refusals->count[i]++;
            break;
        }
    pthread_mutex_unlock(&r->server->lock);
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

/* ---- the audit log ---- */

static void peer_name(const struct request *r, char name[PEER_MAX])
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info ? info->client_addr : NULL;
    const void *bytes = NULL;

    snprintf(name, PEER_MAX, "local");
    if (address && address->sa_family == AF_INET)
        bytes = &((const struct sockaddr_in *)(const void *)address)->sin_addr;
    if (address && address->sa_family == AF_INET6)
        bytes = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    if (bytes)
        inet_ntop(address->sa_family, bytes, name, PEER_MAX);
}

/* A user's name and a token's id need no escaping: see ward/serve.h. */
static void fill_note(struct request *r)
{
    struct audit_note *note = &r->note.note;
    char time[AUDIT_TIME_LEN + 1], peer[PEER_MAX], who[WARD_TOKEN_USER_MAX + 48] = "null";
    int len;

    audit_time(time);
    peer_name(r, peer);
    if (r->is_known)
        snprintf(who, sizeof who, "\"%s\",\"token\":\"%s\"", r->terms.user, r->terms.id);
    len = snprintf(note->line, sizeof note->line,
                   "{\"time\":\"%s\",\"user\":%s,\"peer\":\"%s\",\"model\":\"%s\",\"images\":%zu,"
                   "\"status\":%u,\"seconds\":%.6f}\n",
                   time, who, peer, r->served ? r->served->version : "", r->infer.count, r->status,
                   clock_seconds() - r->begin);
    note->len = (size_t)len;
}

/* What a user was refused; nobody waits for the line. */
static void log_refusal(struct request *r)
{
    struct audit_note *note = NULL;

    if (!r->server->audit)
        return;
    if (!r->is_known) {
        count_refusal(r);
        return;
    }
    fill_note(r);
    if (mem_new(&note, 1, sizeof *note))
        return;
    note->len = r->note.note.len;
    memcpy(note->line, r->note.note.line, note->len);
    audit_write(r->server->audit, note);
}

/* An error before anything was computed. */
static void refuse(struct request *r, unsigned status, const char *text)
{
    set_error(r, status, text);
    if (r->is_inference)
        log_refusal(r);
}

void http_log_refusals(struct ward_server *server)
{
    struct refusals taken;
    char time[AUDIT_TIME_LEN + 1];

    pthread_mutex_lock(&server->lock);
    taken = server->refusals;
    server->refusals = (struct refusals){.count = {0}};
    pthread_mutex_unlock(&server->lock);
    audit_time(time);
    for (size_t i = 0; server->audit && i < REFUSALS && taken.status[i]; i++) {
        struct audit_note *note = NULL;

        if (mem_new(&note, 1, sizeof *note))
            return;
        note->len = (size_t)snprintf(note->line, sizeof note->line,
                                     "{\"time\":\"%s\",\"user\":null,\"requests\":%ju,"
                                     "\"status\":%u}\n",
                                     time, (uintmax_t)taken.count[i], taken.status[i]);
        audit_write(server->audit, note);
    }
}

/* ---- computing ---- */

static void resume(struct request *r)
{
    struct ward_server *server = r->server;

    pthread_mutex_lock(&server->lock);
    r->client->since = clock_seconds();
    r->client->is_waited_for = true;
    pthread_mutex_unlock(&server->lock);
    r->stage = STAGE_ANSWER;
    MHD_resume_connection(r->connection);
}

static void take_back_charge(struct request *r)
{
    if (r->is_charged)
        accounts_refund(r->server->accounts, r->terms.user, r->infer.count);
    r->is_charged = false;
}

static void note_done(struct audit_note *note, ward_status st)
{
    struct request *r = ((struct request_note *)(void *)note)->request;

    if (st) {
        take_back_charge(r);
        set_error(r, MHD_HTTP_SERVICE_UNAVAILABLE, "the audit log cannot be written");
        r->wait = 1;
    }
    resume(r);
}

static void write_answer(struct request *r)
{
    infer_answer(&r->served->model, &r->infer, r->values, &r->answer, &r->answer_json);
    r->type = r->answer_json < r->answer.len ? "application/octet-stream" : "application/json";
}

/* A thread of the batcher is done with it. */
static void job_done(struct job *job)
{
    struct request *r = (struct request *)(void *)job;

    if (!job->status) {
        r->status = MHD_HTTP_OK;
    } else {
        take_back_charge(r);
        set_error(r,
                  job->status == WARD_ERR_NUMERIC ? MHD_HTTP_INTERNAL_SERVER_ERROR
                                                  : MHD_HTTP_SERVICE_UNAVAILABLE,
                  job->fault);
    }
    if (!r->server->audit) {
        resume(r);
        return;
    }
    fill_note(r);
    r->note.note.done = note_done;
    audit_write(r->server->audit, &r->note.note);
}

/* False after a refusal. */
static bool charge(struct request *r)
{
    const struct infer_model *m = &r->served->model;
    size_t image = m->channels * m->height * m->width * sizeof(float);

    if (!r->is_known)
        return true;
    switch (accounts_charge(r->server->accounts, &r->terms, r->infer.count, r->infer.raw, image,
                            &r->wait)) {
    case ACCOUNT_FINE: r->is_charged = true; return true;
    case ACCOUNT_TOO_FAST: refuse(r, MHD_HTTP_TOO_MANY_REQUESTS, "too many images a second"); break;
    case ACCOUNT_SPENT: refuse(r, MHD_HTTP_TOO_MANY_REQUESTS, "too many images today"); break;
    case ACCOUNT_EXHAUSTED: refuse(r, MHD_HTTP_FORBIDDEN, "too many different images"); break;
    case ACCOUNT_BROKEN:
        server_log(r->server, "cannot count the images of '%s': %s", r->terms.user,
                   ward_error_message());
        refuse(r, MHD_HTTP_SERVICE_UNAVAILABLE, "images cannot be counted");
        break;
    }
    return false;
}

static ward_status fill_job(struct request *r)
{
    const struct infer_model *m = &r->served->model;
    bool is_processed = m->outputs & INFER_PROCESSED;
    size_t image = m->channels * m->height * m->width;
    ward_status st;

    r->job.backend = r->served->backend;
    r->job.pass = is_processed ? BACKEND_TRANSFORM : r->is_known ? BACKEND_AUTHORISED : BACKEND_RAW;
    r->job.n = r->infer.count;
    r->job.x = r->infer.raw;
    r->job.x_len = image;
    r->job.y_len = is_processed ? image : m->classes;
    r->job.done = job_done;
    r->note.request = r;
    st = mem_new(&r->values, r->job.n * r->job.y_len, sizeof *r->values);
    r->job.y = r->values;
    return st;
}

/* From here to resume() the request belongs to other threads. */
static void submit(struct request *r)
{
    pthread_mutex_lock(&r->server->lock);
    r->client->is_waited_for = false;
    pthread_mutex_unlock(&r->server->lock);
    r->stage = STAGE_COMPUTE;
    MHD_suspend_connection(r->connection);
    if (batcher_submit(r->server->batcher, &r->job))
        return;
    take_back_charge(r);
    r->wait = 1;
    refuse(r, MHD_HTTP_SERVICE_UNAVAILABLE, "too many requests wait: try again");
    resume(r);
}

/* The whole request is there. True: it was suspended, and nothing of it may be touched. */
static bool infer(struct request *r)
{
    size_t json_len = r->has_json_len ? r->json_len : r->len;
    ward_status st = infer_parse(r->body, r->len, json_len, &r->served->model, &r->infer);

    if (st == WARD_ERR_FORMAT)
        refuse(r, MHD_HTTP_BAD_REQUEST, ward_error_message());
    else if (!st && !backend_is_well(r->served->backend))
        refuse(r, MHD_HTTP_SERVICE_UNAVAILABLE, "the model cannot be computed");
    else if (!st && !charge(r))
        return false;
    else if (st || fill_job(r))
        refuse(r, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory");
    if (r->status)
        return false;
    submit(r);
    return true;
}

/* ---- who asks ---- */

static const char *header(const struct request *r, const char *name)
{
    return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

/* False if there are other bytes than digits, or too many of them. */
static bool read_length(const char *text, size_t *out)
{
    size_t value = 0, digits = strspn(text, "0123456789");

    if (digits < 1 || digits > 15 || text[digits])
        return false;
    for (; *text; text++)
        value = 10 * value + (size_t)(*text - '0');
    *out = value;
    return true;
}

static void identify(struct request *r)
{
    static const char scheme[] = "Bearer ";
    const char *given = header(r, MHD_HTTP_HEADER_AUTHORIZATION);

    if (!given || strncasecmp(given, scheme, sizeof scheme - 1) != 0)
        return;
    given += sizeof scheme - 1;
    given += strspn(given, " ");
    r->is_known = server_knows(r->server, given, strlen(given), &r->terms);
}

/* Once a connection: the handshake is the library's, the judgement on the certificate is ours. */
static bool has_certificate(struct request *r)
{
    const union MHD_ConnectionInfo *info;
    unsigned faults = 1;

    if (!r->server->config.client_ca || r->client->is_verified)
        return true;
    info = MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    r->client->is_verified =
        info && info->tls_session &&
        gnutls_certificate_verify_peers2(info->tls_session, &faults) == GNUTLS_E_SUCCESS &&
        faults == 0;
    return r->client->is_verified;
}

/* ---- routes ---- */

static size_t body_max(const struct infer_model *m)
{
    return JSON_REST_MAX + JSON_NUMBER_MAX * m->images_max * m->channels * m->height * m->width;
}

/* False after a refusal. */
static bool check_body(struct request *r)
{
    const char *length = header(r, MHD_HTTP_HEADER_CONTENT_LENGTH);
    const char *json = header(r, "Inference-Header-Content-Length");
    const char *encoding = header(r, MHD_HTTP_HEADER_CONTENT_ENCODING);
    size_t len = 0;

    r->max = body_max(&r->served->model);
    if (encoding && strcasecmp(encoding, "identity") != 0)
        refuse(r, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "compressed requests are not understood");
    else if (json && !read_length(json, &r->json_len))
        refuse(r, MHD_HTTP_BAD_REQUEST, "Inference-Header-Content-Length is no number");
    else if (length && (!read_length(length, &len) || len > r->max))
        refuse(r, MHD_HTTP_CONTENT_TOO_LARGE, "the request is too large");
    r->has_json_len = json != NULL;
    return !r->status;
}

static void begin_inference(struct request *r)
{
    r->is_inference = true;
    r->served = server_hold(r->server);
    identify(r);
    if (!r->is_known && !r->server->config.is_open)
        refuse(r, MHD_HTTP_UNAUTHORIZED, "a known token is needed");
    else
        check_body(r);
}

static void answer_health(struct request *r, const char *name, bool is_fine)
{
    r->status = is_fine ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
    wr_printf(&r->answer, "{\"%s\":%s}", name, is_fine ? "true" : "false");
}

static void answer_model(struct request *r)
{
    struct served *served = server_hold(r->server);

    r->status = MHD_HTTP_OK;
    infer_write_metadata(&served->model, backend_model_id(served->backend), &r->answer);
    server_let_go(r->server, served);
}

static bool is_from_here(const struct request *r)
{
    char peer[PEER_MAX];

    peer_name(r, peer);
    return strcmp(peer, "local") == 0 || strncmp(peer, "127.", 4) == 0 ||
           strcmp(peer, "::1") == 0 || strncmp(peer, "::ffff:127.", 11) == 0;
}

static void answer_metrics(struct request *r)
{
    struct ward_server *s = r->server;
    struct metrics_more more = {.version = WARD_VERSION, .model = s->name};
    struct batch_stats stats;
    struct served *served;

    if (!is_from_here(r)) {
        refuse(r, MHD_HTTP_FORBIDDEN, "metrics are for this machine");
        return;
    }
    served = server_hold(s);
    batcher_count(s->batcher, &stats);
    more.model_id = backend_model_id(served->backend);
    more.is_ready = server_is_ready(s);
    more.waiting = stats.waiting;
    more.batches = stats.batches;
    more.batched = stats.images;
    more.compute_seconds = stats.seconds;
    if (s->audit)
        audit_count(s->audit, &more.syncs, &more.sync_seconds);
    r->status = MHD_HTTP_OK;
    r->type = "text/plain; version=0.0.4";
    metrics_write(&s->metrics, &more, &r->answer);
    server_let_go(s, served);
}

/* What follows a prefix; NULL if text does not start with it. */
static const char *after(const char *text, const char *prefix)
{
    size_t len = strlen(prefix);

    return text && strncmp(text, prefix, len) == 0 ? text + len : NULL;
}

/* What follows "/v2/models/NAME" or "/v2/models/NAME/versions/VERSION"; NULL for other models. */
static const char *after_model(struct request *r, const char *url)
{
    const char *rest = after(after(url, "/v2/models/"), r->server->name);
    const char *version = after(rest, "/versions/");
    struct served *served;

    if (!version)
        return rest;
    served = server_hold(r->server);
    rest = after(version, served->version);
    server_let_go(r->server, served);
    return rest;
}

static void route(struct request *r, const char *url, const char *method)
{
    bool is_get = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    const char *rest = after_model(r, url);

    r->is_inference = rest && strcmp(rest, "/infer") == 0;
    if (!has_certificate(r))
        refuse(r, MHD_HTTP_FORBIDDEN, "a client certificate is needed");
    else if (r->is_inference && strcmp(method, "POST") == 0)
        begin_inference(r);
    else if (r->is_inference)
        refuse(r, MHD_HTTP_METHOD_NOT_ALLOWED, "only POST is understood here");
    else if (!is_get)
        refuse(r, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET is understood here");
    else if (strcmp(url, "/v2/health/live") == 0)
        answer_health(r, "live", true);
    else if (strcmp(url, "/v2/health/ready") == 0)
        answer_health(r, "ready", server_is_ready(r->server));
    else if (strcmp(url, "/v2") == 0 || strcmp(url, "/v2/") == 0) {
        r->status = MHD_HTTP_OK;
        infer_write_server(WARD_VERSION, r->server->name, &r->answer);
    } else if (rest && strcmp(rest, "/ready") == 0)
        answer_health(r, "ready", server_is_ready(r->server));
    else if (rest && !*rest)
        answer_model(r);
    else if (strcmp(url, "/metrics") == 0)
        answer_metrics(r);
    else
        refuse(r, MHD_HTTP_NOT_FOUND, "there is nothing of that name");
    if (!r->answer_json)
        r->answer_json = r->answer.len;
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
    route(r, url, method);
    if (!r->status)
        return MHD_YES;
    /* A client that waits for leave to send its body, or would send without end, is told at once;
     * any other first sends what it has, for otherwise it might not see the answer. */
    if (header(r, MHD_HTTP_HEADER_EXPECT) || r->status == MHD_HTTP_CONTENT_TOO_LARGE)
        return send_answer(r);
    r->stage = STAGE_DISCARD;
    return MHD_YES;
}

/* A body whose length was announced gets its room at once; others grow. */
static ward_status make_room(struct request *r, size_t more)
{
    const char *length = header(r, MHD_HTTP_HEADER_CONTENT_LENGTH);
    size_t wider = max_size(2 * r->room, r->len + more), announced;
    ward_status st;

    if (r->len + more <= r->room)
        return WARD_OK;
    if (r->room == 0 && length && read_length(length, &announced))
        wider = max_size(announced, more);
    wider = min_size(wider, r->max);
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
        refuse(r, MHD_HTTP_CONTENT_TOO_LARGE, "the request is too large");
    else if (make_room(r, len))
        refuse(r, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory");
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
    if (r->stage == STAGE_READ && infer(r))
        return MHD_YES;
    if (r->stage == STAGE_ANSWER && r->status == MHD_HTTP_OK)
        write_answer(r);
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

static void on_log(void *context, const char *format, va_list arguments)
{
    char line[512];

    vsnprintf(line, sizeof line, format, arguments);
    line[strcspn(line, "\n")] = '\0';
    server_log(context, "http: %s", line);
}

/* ---- lifecycle ---- */

ward_status http_start(struct ward_server *s)
{
    const ward_server_config *c = &s->config;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC |
                     (c->certificate ? MHD_USE_TLS : 0u);
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, s->pem[0]},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, s->pem[1]},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)tls_priorities},
        {s->pem[2] ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, 0, s->pem[2]},
        {MHD_OPTION_END, 0, NULL}};
    sigset_t before;

    if (!c->certificate)
        tls[0].option = MHD_OPTION_END;
    signals_block(&before);
    s->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, on_log, s,
        MHD_OPTION_LISTEN_SOCKET, s->listener.fd, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_THREAD_POOL_SIZE,
        c->http_threads, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)max_size(c->connections, c->http_threads),
        MHD_OPTION_CONNECTION_TIMEOUT, c->seconds, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
    signals_restore(&before);
    if (!s->daemon)
        return ward_fail(WARD_ERR_IO, "cannot serve on '%s'%s", s->listener.name,
                         c->certificate ? ": are certificate and key in order?" : "");
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
