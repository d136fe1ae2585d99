/* The way of a request: its refusal, its line in the audit log, the queue. See request.h. */
#include "serve/request.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "base/util.h"

/* ---- headers and addresses ---- */

const char *request_header(const struct request *r, const char *name)
{
    return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

/* False if there are other bytes than digits, or too many of them. */
bool request_length(const char *text, size_t *out)
{
    size_t value = 0, digits = strspn(text, "0123456789");

    if (digits < 1 || digits > 15 || text[digits])
        return false;
    for (; *text; text++)
        value = 10 * value + (size_t)(*text - '0');
    *out = value;
    return true;
}

void request_peer(const struct request *r, char name[PEER_MAX])
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

/* ---- refusing, and the audit log ---- */

static void set_error(struct request *r, unsigned status, const char *text)
{
    wr_release(&r->answer);
    r->answer = (struct wr)WR_INIT;
    r->status = status;
    r->type = "application/json";
    infer_write_error(&r->answer, text);
    r->answer_json = r->answer.len;
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

/* A user's name and a token's id need no escaping: see ward/serve.h. */
static void fill_note(struct request *r)
{
    struct audit_note *note = &r->note.note;
    char time[AUDIT_TIME_LEN + 1], peer[PEER_MAX], who[WARD_TOKEN_USER_MAX + 48] = "null";
    int len;

    audit_time(time);
    request_peer(r, peer);
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
void request_refuse(struct request *r, unsigned status, const char *text)
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
        accounts_refund(r->server->accounts, r->terms.user, r->infer.count, r->day);
    r->is_charged = false;
}

static void note_done(struct audit_note *note, ward_status st)
{
    struct request *r = ((struct request_note *)(void *)note)->request;

    if (st) {
        take_back_charge(r);
        set_error(r, MHD_HTTP_SERVICE_UNAVAILABLE, "the audit log cannot be written");
    }
    resume(r);
}

void request_write_answer(struct request *r)
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
                            &r->wait, &r->day)) {
    case ACCOUNT_FINE: r->is_charged = true; return true;
    case ACCOUNT_TOO_FAST:
        request_refuse(r, MHD_HTTP_TOO_MANY_REQUESTS, "too many images a second");
        break;
    case ACCOUNT_SPENT:
        request_refuse(r, MHD_HTTP_TOO_MANY_REQUESTS, "too many images today");
        break;
    case ACCOUNT_EXHAUSTED:
        request_refuse(r, MHD_HTTP_FORBIDDEN, "too many different images");
        break;
    case ACCOUNT_BROKEN:
        server_log(r->server, "cannot count the images of '%s': %s", r->terms.user,
                   ward_error_message());
        request_refuse(r, MHD_HTTP_SERVICE_UNAVAILABLE, "images cannot be counted");
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
    r->job.is_stranger = !r->is_known;
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
    request_refuse(r, MHD_HTTP_SERVICE_UNAVAILABLE, "too many requests wait: try again");
    resume(r);
}

/* The whole request is there. True: it was suspended, and nothing of it may be touched. */
bool request_infer(struct request *r)
{
    size_t json_len = r->has_json_len ? r->json_len : r->len;
    ward_status st = infer_parse(r->body, r->len, json_len, &r->served->model, &r->infer);

    if (st == WARD_ERR_FORMAT)
        request_refuse(r, MHD_HTTP_BAD_REQUEST, ward_error_message());
    else if (!st && !backend_is_well(r->served->backend))
        request_refuse(r, MHD_HTTP_SERVICE_UNAVAILABLE, "the model cannot be computed");
    else if (!st && !charge(r))
        return false;
    else if (st)
        request_refuse(r, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory");
    else if (fill_job(r)) {
        take_back_charge(r);
        request_refuse(r, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory");
    }
    if (r->status)
        return false;
    submit(r);
    return true;
}
