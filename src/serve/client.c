/* The client: see ward/serve.h. Tensors go in binary, both ways. */
#include <math.h>
#include <stdio.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/util.h"
#include "net/net.h"
#include "serve/reply.h"
#include "serve/tokens.h"

enum {
    SECONDS = 60,
    CHUNK = 256,            /* images a request at most */
    SMALL_ANSWER = 1 << 22, /* metadata, errors, the JSON before tensors */
    FILE_MAX_LEN = 4096
};

struct ward_remote {
    struct net *net;
    char *base;          /* "https://HOST:PORT" */
    char *socket_path;   /* NULL: the network */
    const char *name;    /* one of the two, in messages */
    char *model_url;     /* BASE/v2/models/NAME */
    char *authorization; /* a header line; wiped; NULL: none */
    char *files[3];      /* CA, certificate, key; NULL where not given */
    unsigned seconds;
    json_t *metadata;
    struct remote_model model;
};

/* ---- asking ---- */

struct answer {
    struct wr body;
    size_t max;
};

static ward_status take(void *context, const void *data, size_t len)
{
    struct answer *a = context;

    if (len > a->max - a->body.len)
        return ward_fail(WARD_ERR_FORMAT, "the server's answer is too long");
    wr_bytes(&a->body, data, len);
    return a->body.status;
}

/* What the server says went wrong, or that it said nothing of use. */
static ward_status refusal(const struct ward_remote *r, unsigned status, const struct wr *body)
{
    ward_status st = status == 401 || status == 403 ? WARD_ERR_AUTH : WARD_ERR_IO;
    const char *text = "no reason given";
    json_t *object = NULL;

    if (json_parse_object(&object, (const char *)body->data, body->len) == WARD_OK &&
        json_get_string(object, "error", &text))
        text = "no reason given";
    st = ward_fail(st, "'%s' refuses with status %u: %s", r->name, status, text);
    json_decref(object);
    return st;
}

/* body may be NULL: GET. answer->body is to be released in any case. */
static ward_status ask(struct ward_remote *r, const char *url, const struct wr *body,
                       const char *json_len, struct answer *answer, size_t *answer_json)
{
    struct net_request q = {.url = url,
                            .socket_path = r->socket_path,
                            .ca = r->files[0],
                            .certificate = r->files[1],
                            .private_key = r->files[2],
                            .seconds = r->seconds,
                            .take = take,
                            .context = answer};
    struct net_answer got;
    size_t n = 0;
    ward_status st;

    if (r->authorization)
        q.headers[n++] = r->authorization;
    if (body) {
        q.body = body->data;
        q.body_len = body->len;
        q.headers[n++] = "Content-Type: application/octet-stream";
        q.headers[n++] = "Expect:";
        q.headers[n++] = json_len;
    }
    st = net_ask(r->net, &q, &got);
    if (st == WARD_ERR_IO)
        return ward_fail_within(st, "cannot ask '%s'", r->name);
    if (st)
        return ward_fail_within(st, "'%s'", r->name);
    if (got.status != 200)
        return refusal(r, got.status, &answer->body);
    *answer_json = got.json_len < answer->body.len ? (size_t)got.json_len : answer->body.len;
    return WARD_OK;
}

static ward_status get(struct ward_remote *r, const char *url, json_t **out)
{
    struct answer answer = {WR_INIT, SMALL_ANSWER};
    size_t len;
    ward_status st = ask(r, url, NULL, NULL, &answer, &len);

    if (!st) {
        st = json_parse_object(out, (const char *)answer.body.data, answer.body.len);
        if (st == WARD_ERR_FORMAT)
            st = ward_fail(st, "'%s' is no ward server: %s", r->name, ward_error_message());
    }
    wr_release(&answer.body);
    return st;
}

/* ---- opening ---- */

static ward_status read_token(struct ward_remote *r, const char *path)
{
    uint8_t *text = NULL;
    size_t len, end;
    ward_status st = tokens_check_mode(path);

    if (!st)
        st = file_read(path, FILE_MAX_LEN, &text, &len);
    if (st)
        return st;
    end = strcspn((char *)text, "\r\n");
    if (end != TOKEN_TEXT_LEN)
        st = ward_fail(WARD_ERR_FORMAT, "the first line of '%s' is no token", path);
    else
        st = mem_printf(&r->authorization, "Authorization: Bearer %.*s", (int)end, text);
    mem_wipe(text, len);
    mem_free(text);
    return st;
}

static ward_status copy_options(struct ward_remote *r, const ward_remote_options *o)
{
    const char *const paths[] = {o->ca, o->certificate, o->private_key};
    ward_status st = WARD_OK;

    r->seconds = o->seconds ? o->seconds : SECONDS;
    for (size_t i = 0; i < 3 && !st; i++)
        if (paths[i])
            st = mem_strdup(&r->files[i], paths[i]);
    if (!st && o->token_file)
        st = read_token(r, o->token_file);
    return st;
}

/* The model's name, if the address does not say it. */
static ward_status find_model(struct ward_remote *r)
{
    json_t *server = NULL;
    const char *name;
    char *url = NULL;
    ward_status st = mem_printf(&url, "%s/v2", r->base);

    if (!st)
        st = get(r, url, &server);
    if (!st) {
        st = json_get_string(json_object_get(server, "parameters"), "model", &name);
        if (st)
            st = ward_fail(WARD_ERR_FORMAT,
                           "'%s' does not say which model it has: name it with "
                           "/v2/models/NAME",
                           r->name);
        else
            st = mem_printf(&r->model_url, "%s/v2/models/%s", r->base, name);
    }
    json_decref(server);
    mem_free(url);
    return st;
}

static ward_status read_url(struct ward_remote *r, const char *url)
{
    const char *host = strstr(url, "://"), *path;
    size_t len = strlen(url);
    ward_status st;

    if (strncmp(url, "unix:", 5) == 0) {
        st = mem_strdup(&r->socket_path, url + 5);
        return st ? st : mem_strdup(&r->base, "http://localhost");
    }
    if (!host || (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0))
        return ward_fail(WARD_ERR_ARG, "'%s' is no http://, https:// or unix: address", url);
    while (len > 0 && url[len - 1] == '/')
        len--;
    path = strchr(host + 3, '/');
    if (!path || path >= url + len)
        return mem_printf(&r->base, "%.*s", (int)len, url);
    if (strncmp(path, "/v2/models/", 11) != 0)
        return ward_fail(WARD_ERR_ARG, "'%s' has a path that is not /v2/models/NAME", url);
    st = mem_printf(&r->base, "%.*s", (int)(path - url), url);
    return st ? st : mem_printf(&r->model_url, "%.*s", (int)len, url);
}

static ward_status describe(struct ward_remote *r)
{
    ward_status st = reply_model(r->metadata, &r->model);

    r->model.images_max = min_size(r->model.images_max, CHUNK);
    return st ? ward_fail_within(st, "the metadata of '%s'", r->model_url) : WARD_OK;
}

ward_status ward_remote_open(ward_remote **out, const char *url, const ward_remote_options *options)
{
    struct ward_remote *r = NULL;
    ward_status st = mem_new(&r, 1, sizeof *r);

    if (st)
        return st;
    st = copy_options(r, options);
    if (!st)
        st = read_url(r, url);
    if (!st)
        st = net_open(&r->net);
    r->name = r->socket_path ? r->socket_path : r->base;
    if (!st && !r->model_url)
        st = find_model(r);
    if (!st)
        st = get(r, r->model_url, &r->metadata);
    if (!st)
        st = describe(r);
    if (st)
        ward_remote_close(r);
    else
        *out = r;
    return st;
}

void ward_remote_close(ward_remote *r)
{
    if (!r)
        return;
    net_close(r->net);
    if (r->authorization)
        mem_wipe(r->authorization, strlen(r->authorization));
    mem_free(r->authorization);
    for (size_t i = 0; i < 3; i++)
        mem_free(r->files[i]);
    remote_model_release(&r->model);
    json_decref(r->metadata);
    mem_free(r->base);
    mem_free(r->socket_path);
    mem_free(r->model_url);
    mem_free(r);
}

void ward_remote_describe(const ward_remote *remote, ward_remote_info *info)
{
    *info = remote->model.info;
}

/* ---- inference ---- */

static size_t image_len(const struct ward_remote *r)
{
    return r->model.info.channels * r->model.info.height * r->model.info.width;
}

/* names of outputs, all wanted in binary; up to the first NULL. */
static void write_request(const struct ward_remote *r, size_t n, const float *x,
                          const char *const *names, struct wr *out, size_t *json_len)
{
    size_t len = n * image_len(r) * sizeof *x;

    wr_printf(out,
              "{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[%zu,%zu,%zu,%zu],"
              "\"parameters\":{\"binary_data_size\":%zu}}],\"outputs\":[",
              n, r->model.info.channels, r->model.info.height, r->model.info.width, len);
    for (size_t i = 0; names[i]; i++)
        wr_printf(out, "%s{\"name\":\"%s\",\"parameters\":{\"binary_data\":true}}", i ? "," : "",
                  names[i]);
    wr_text(out, "]}");
    *json_len = out->len;
    wr_bytes(out, x, len);
}

static ward_status parse_answer(const struct ward_remote *r, const struct answer *answer,
                                size_t json_len, json_t **out)
{
    ward_status st = json_parse_object(out, (const char *)answer->body.data, json_len);

    return st ? ward_fail_within(st, "the answer of '%s'", r->name) : WARD_OK;
}

/* One request; the outputs' bytes go to `to`, lens of each. */
static ward_status infer(struct ward_remote *r, size_t n, const float *x, const char *const *names,
                         const size_t *lens, void *const *to)
{
    struct answer answer = {WR_INIT, SMALL_ANSWER};
    struct wr request = WR_INIT;
    char *url = NULL, header[64];
    json_t *object = NULL;
    size_t json_len, at = 0, total = 0;
    ward_status st = mem_printf(&url, "%s/infer", r->model_url);

    for (size_t i = 0; names[i]; i++)
        total += lens[i];
    answer.max += total;
    write_request(r, n, x, names, &request, &json_len);
    snprintf(header, sizeof header, "Inference-Header-Content-Length: %zu", json_len);
    if (!st)
        st = wr_finish(&request);
    if (!st)
        st = ask(r, url, &request, header, &answer, &at);
    if (!st)
        st = parse_answer(r, &answer, at, &object);
    if (!st && (!reply_announces(object, names, lens) || answer.body.len - at != total))
        st = ward_fail(WARD_ERR_FORMAT, "'%s' answers what was not asked", r->name);
    for (size_t i = 0; !st && names[i]; at += lens[i], i++)
        memcpy(to[i], answer.body.data + at, lens[i]);
    json_decref(object);
    wr_release(&answer.body);
    wr_release(&request);
    mem_free(url);
    return st;
}

static ward_status predict_some(struct ward_remote *r, size_t n, const float *x, uint64_t *wide,
                                uint32_t *classes, float *scores)
{
    const char *const names[] = {"class", scores ? "scores" : NULL, NULL};
    const size_t lens[] = {n * sizeof *wide, n * r->model.info.classes * sizeof *scores};
    void *const to[] = {wide, scores};
    ward_status st = infer(r, n, x, names, lens, to);

    for (size_t i = 0; i < n && !st; i++) {
        if (wide[i] >= r->model.info.classes)
            st = ward_fail(WARD_ERR_FORMAT, "'%s' answers with class %ju of %zu", r->name,
                           (uintmax_t)wide[i], r->model.info.classes);
        classes[i] = (uint32_t)wide[i];
    }
    return st;
}

ward_status ward_remote_predict(ward_remote *r, size_t n, const float *x, uint32_t *classes,
                                float *scores)
{
    uint64_t *wide = NULL;
    ward_status st;

    if (r->model.info.is_transform_only)
        return ward_fail(WARD_ERR_ARG, "'%s' transforms images, it does not classify them",
                         r->name);
    if (scores && !r->model.info.has_scores)
        return ward_fail(WARD_ERR_ARG, "'%s' does not tell probabilities", r->name);
    st = mem_new(&wide, r->model.images_max, sizeof *wide);
    for (size_t at = 0, some; at < n && !st; at += some) {
        some = min_size(n - at, r->model.images_max);
        st = predict_some(r, some, x + at * image_len(r), wide, classes + at,
                          scores ? scores + at * r->model.info.classes : NULL);
    }
    mem_free(wide);
    return st;
}

ward_status ward_remote_transform(ward_remote *r, size_t n, const float *x, float *y)
{
    const char *const names[] = {"processed", NULL};
    ward_status st = WARD_OK;

    if (!r->model.info.is_transform_only)
        return ward_fail(WARD_ERR_ARG,
                         "'%s' classifies images, it does not hand out processed ones", r->name);
    for (size_t at = 0, some; at < n && !st; at += some) {
        size_t len;
        void *to = y + at * image_len(r);

        some = min_size(n - at, r->model.images_max);
        len = some * image_len(r) * sizeof *y;
        st = infer(r, some, x + at * image_len(r), names, &len, &to);
        for (size_t i = 0; i < some * image_len(r) && !st; i++)
            if (!isfinite(y[at * image_len(r) + i]))
                st =
                    ward_fail(WARD_ERR_NUMERIC, "'%s' answers with numbers that are none", r->name);
    }
    return st;
}
