/* Who asks, and what for: see request.h. */
#include <gnutls/gnutls.h>
#include <string.h>
#include <strings.h>

#include "serve/request.h"

enum {
    JSON_NUMBER_MAX = 16, /* bytes of an input value in JSON, on average */
    JSON_REST_MAX = 65536 /* of all else in a request */
};

/* ---- who asks ---- */

static void identify(struct request *r)
{
    static const char scheme[] = "Bearer ";
    const char *given = request_header(r, MHD_HTTP_HEADER_AUTHORIZATION);

    if (!given || strncasecmp(given, scheme, sizeof scheme - 1) != 0)
        return;
    given += sizeof scheme - 1;
    given += strspn(given, " ");
    r->shows_token = true;
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
    const char *length = request_header(r, MHD_HTTP_HEADER_CONTENT_LENGTH);
    const char *json = request_header(r, "Inference-Header-Content-Length");
    const char *encoding = request_header(r, MHD_HTTP_HEADER_CONTENT_ENCODING);
    size_t len = 0;

    r->max = body_max(&r->served->model);
    if (encoding && strcasecmp(encoding, "identity") != 0)
        request_refuse(r, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
                       "compressed requests are not understood");
    else if (json && !request_length(json, &r->json_len))
        request_refuse(r, MHD_HTTP_BAD_REQUEST, "Inference-Header-Content-Length is no number");
    else if (length && (!request_length(length, &len) || len > r->max))
        request_refuse(r, MHD_HTTP_CONTENT_TOO_LARGE, "the request is too large");
    r->has_json_len = json != NULL;
    return !r->status;
}

static void begin_inference(struct request *r)
{
    r->is_inference = true;
    r->served = server_hold(r->server);
    /* Whoever shows a token that is not good wants other answers than a stranger's. */
    if (!r->is_known && (r->shows_token || !r->server->config.is_open))
        request_refuse(r, MHD_HTTP_UNAUTHORIZED, "a known token is needed");
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

    request_peer(r, peer);
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
        request_refuse(r, MHD_HTTP_FORBIDDEN, "metrics are for this machine");
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

void request_route(struct request *r, const char *url, const char *method)
{
    bool is_get = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    const char *rest = after_model(r, url);

    r->is_inference = rest && strcmp(rest, "/infer") == 0;
    identify(r);
    if (!has_certificate(r))
        request_refuse(r, MHD_HTTP_FORBIDDEN, "a client certificate is needed");
    else if (r->is_inference && strcmp(method, "POST") == 0)
        begin_inference(r);
    else if (r->is_inference)
        request_refuse(r, MHD_HTTP_METHOD_NOT_ALLOWED, "only POST is understood here");
    else if (!is_get)
        request_refuse(r, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET is understood here");
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
        request_refuse(r, MHD_HTTP_NOT_FOUND, "there is nothing of that name");
    if (!r->answer_json)
        r->answer_json = r->answer.len;
}
