/* The lifecycle of a server: see ward/serve.h. */
#include "serve/server.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/signals.h"
#include "base/util.h"
#include "guard/guard.h"

void ward_server_defaults(ward_server_config *config)
{
    *config = (ward_server_config){.passphrase_fd = -1,
                                   .batch = 32,
                                   .request_max = 256,
                                   .queue = 1024,
                                   .connections = 256,
                                   .seconds = 30,
                                   .http_threads = 2};
}

void server_log(struct ward_server *server, const char *format, ...)
{
    char line[1024];
    va_list arguments;

    if (!server->config.log)
        return;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    pthread_mutex_lock(&server->log_lock);
    server->config.log(server->config.context, line);
    pthread_mutex_unlock(&server->log_lock);
}

/* Guards speak from threads of their own, and whoever listens hears one line at a time. */
static void log_for_guard(void *context, const char *line)
{
    server_log(context, "%s", line);
}

/* ---- what requests use ---- */

struct served *server_hold(struct ward_server *server)
{
    struct served *served;

    pthread_mutex_lock(&server->lock);
    served = server->served;
    served->holders++;
    pthread_mutex_unlock(&server->lock);
    return served;
}

void server_let_go(struct ward_server *server, struct served *served)
{
    bool is_last;

    if (!served)
        return;
    pthread_mutex_lock(&server->lock);
    is_last = --served->holders == 0;
    pthread_mutex_unlock(&server->lock);
    if (!is_last)
        return;
    backend_free(served->backend);
    mem_free(served);
}

bool server_knows(struct ward_server *server, const char *text, size_t len, ward_token *terms)
{
    const struct token *token;
    bool is_known;

    pthread_mutex_lock(&server->lock);
    token = tokens_find(&server->tokens, text, len);
    is_known = token && !token_has_expired(&token->terms);
    if (is_known)
        *terms = token->terms;
    pthread_mutex_unlock(&server->lock);
    return is_known;
}

bool server_is_ready(struct ward_server *server)
{
    struct served *served = server_hold(server);
    bool is_ready = backend_is_well(served->backend) && !atomic_load(&server->is_draining) &&
                    (!server->audit || audit_is_well(server->audit));

    server_let_go(server, served);
    return is_ready;
}

/* ---- settings ---- */

static bool is_within(size_t value, size_t low, size_t high)
{
    return value >= low && value <= high;
}

static ward_status check_config(const ward_server_config *c)
{
    const struct size {
        const char *name;
        size_t value, least, most;
    } sizes[] = {
        {"batch", c->batch, 1, GUARD_MAX_BATCH},
        {"request-max", c->request_max, 1, 65536},
        {"queue", c->queue, c->request_max, 1 << 24}, /* a request has to fit in */
        {"connections", c->connections, 1, 65536},
        {"per-address", c->per_address, 0, 65536},
        {"timeout", c->seconds, 1, 3600},
        {"http-threads", c->http_threads, 1, 64},
    };

    if (!c->run)
        return ward_fail(WARD_ERR_ARG, "no run to serve");
    if (!c->tokens && !c->is_open)
        return ward_fail(WARD_ERR_ARG, "without a tokens file nobody could ask anything");
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        if (!is_within(sizes[i].value, sizes[i].least, sizes[i].most))
            return ward_fail(WARD_ERR_ARG, "%s: %zu is not in %zu .. %zu", sizes[i].name,
                             sizes[i].value, sizes[i].least, sizes[i].most);
    if (!c->certificate != !c->private_key)
        return ward_fail(WARD_ERR_ARG, "a certificate and its private key belong together");
    if (c->client_ca && !c->certificate)
        return ward_fail(WARD_ERR_ARG, "clients have certificates only where the server has one");
    if (c->is_transform_only && (c->is_open || c->has_scores))
        return ward_fail(WARD_ERR_ARG, "who serves the transform alone has no other answers");
    if (c->is_transform_only && !c->meter)
        return ward_fail(WARD_ERR_ARG, "who hands out processed images has to meter them");
    if (c->meter && !c->is_transform_only)
        return ward_fail(WARD_ERR_ARG, "only processed images are metered");
    if (c->sync != WARD_AUDIT_SYNC_ALWAYS && c->sync != WARD_AUDIT_SYNC_SECOND)
        return ward_fail(WARD_ERR_ARG, "there is no such way of syncing the audit log");
    return WARD_OK;
}

/* The last part of a path, without slashes after it. */
static void base_name(const char *path, const char **begin, size_t *len)
{
    size_t end = strlen(path), from;

    while (end > 1 && path[end - 1] == '/')
        end--;
    for (from = end; from > 0 && path[from - 1] != '/'; from--)
        ;
    *begin = path + from;
    *len = end - from;
}

static ward_status set_name(struct ward_server *s)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._-";
    const char *name = s->config.name;
    size_t len = name ? strlen(name) : 0;

    if (!name)
        base_name(s->config.run, &name, &len);
    if (len < 1 || len > SERVER_NAME_MAX || strspn(name, allowed) < len ||
        strspn(name, ".") >= len) /* "." and ".." are folders in a path */
        return ward_fail(WARD_ERR_ARG, "'%.*s' cannot be a model's name in a path: give it another",
                         (int)min_size(len, SERVER_NAME_MAX), name);
    memcpy(s->name, name, len);
    return WARD_OK;
}

static ward_status read_pem(struct ward_server *s)
{
    const char *const paths[] = {s->config.certificate, s->config.private_key, s->config.client_ca};
    size_t len;
    ward_status st = WARD_OK;

    for (size_t i = 0; i < 3 && !st; i++)
        if (paths[i])
            st = file_read(paths[i], SERVER_FILE_MAX, (uint8_t **)&s->pem[i], &len);
    return st;
}

/* A token that crosses a network in the clear is everybody's. */
static ward_status check_exposure(const struct ward_server *s)
{
    if (s->listener.is_local || s->config.certificate || s->config.allows_plaintext)
        return WARD_OK;
    return ward_fail(
        WARD_ERR_ARG,
        "'%s' can be reached from other machines: that needs TLS (--cert, --key), or a "
        "proxy of your own that has it (--allow-plaintext)",
        s->listener.name);
}

static ward_status make_url(struct ward_server *s)
{
    if (s->listener.is_unix)
        return mem_strdup(&s->url, s->listener.name);
    return mem_printf(&s->url, "%s://%s", s->config.certificate ? "https" : "http",
                      s->listener.name);
}

/* ---- starting ---- */

static ward_status open_model(struct ward_server *s, struct served **out)
{
    ward_server_config config = s->config;
    struct served *served = NULL;
    ward_status st = mem_new(&served, 1, sizeof *served);

    if (st)
        return st;
    config.log = s->config.log ? log_for_guard : NULL;
    config.context = s;
    st = backend_new(&served->backend, &config, &served->model);
    if (st) {
        mem_free(served);
        return st;
    }
    served->holders = 1;
    memcpy(served->version, backend_model_id(served->backend), SERVER_VERSION_LEN);
    served->model.name = s->name;
    served->model.version = served->version;
    *out = served;
    return WARD_OK;
}

static void say_if_broken(struct ward_server *s)
{
    struct served *served = server_hold(s);
    bool is_well = backend_is_well(served->backend);

    server_let_go(s, served);
    if (!is_well && !s->said_broken)
        server_log(s, "the guard or its worker has ended: requests are refused until SIGHUP or a "
                      "restart");
    s->said_broken = !is_well;
}

static void sync_audit(struct ward_server *s)
{
    ward_status st = s->audit ? audit_sync(s->audit) : WARD_OK;

    if (st && !s->said_unsynced)
        server_log(s, "%s; requests are refused until it can", ward_error_message());
    s->said_unsynced = st != WARD_OK;
}

static void *keep(void *context)
{
    struct ward_server *s = context;
    struct timespec next;

    pthread_mutex_lock(&s->lock);
    while (!s->keeper_ends) {
        clock_gettime(CLOCK_MONOTONIC, &next);
        next.tv_sec++;
        pthread_cond_timedwait(&s->keeper_is_wanted, &s->lock, &next);
        pthread_mutex_unlock(&s->lock);
        http_reap(s);
        http_log_refusals(s);
        accounts_sync(s->accounts);
        sync_audit(s);
        say_if_broken(s);
        pthread_mutex_lock(&s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static ward_status start_keeper(struct ward_server *s)
{
    ward_status st = thread_start(&s->keeper, keep, s);

    s->has_keeper = st == WARD_OK;
    return st;
}

static void release(struct ward_server *s)
{
    if (s->has_keeper) {
        pthread_mutex_lock(&s->lock);
        s->keeper_ends = true;
        pthread_cond_signal(&s->keeper_is_wanted);
        pthread_mutex_unlock(&s->lock);
        pthread_join(s->keeper, NULL);
    }
    /* Each of the first two lets the next finish what it waits for; requests call all three. */
    batcher_stop(s->batcher);
    if (audit_stop(s->audit))
        server_log(s, "the last lines of the audit log may be lost: %s", ward_error_message());
    http_stop(s);
    batcher_free(s->batcher);
    audit_close(s->audit);
    listener_close(&s->listener);
    accounts_free(s->accounts);
    server_let_go(s, s->served);
    tokens_release(&s->tokens);
    for (size_t i = 0; i < 3; i++) {
        if (s->pem[i])
            mem_wipe(s->pem[i], strlen(s->pem[i]));
        mem_free(s->pem[i]);
    }
    mem_free(s->url);
    pthread_cond_destroy(&s->keeper_is_wanted);
    pthread_mutex_destroy(&s->log_lock);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

/* The address first, as it is the cheapest to fail; the model last, as it is the dearest. */
static ward_status start(struct ward_server *s)
{
    ward_status st = set_name(s);

    if (!st)
        st = listener_open(&s->listener, s->config.listen);
    if (!st)
        st = check_exposure(s);
    if (!st)
        st = make_url(s);
    if (!st)
        st = read_pem(s);
    if (!st && s->config.tokens)
        st = tokens_read(s->config.tokens, &s->tokens);
    if (!st)
        st = accounts_new(&s->accounts, s->config.meter);
    if (!st && s->config.audit)
        st = audit_open(&s->audit, s->config.audit, s->config.sync);
    if (!st && s->config.audit)
        st = audit_replay(s->config.audit, s->accounts);
    if (!st)
        st = open_model(s, &s->served);
    if (!st)
        st = batcher_start(&s->batcher, s->config.batch, s->config.queue);
    if (!st)
        st = http_start(s);
    return st ? st : start_keeper(s);
}

static void init_locks(struct ward_server *s)
{
    pthread_condattr_t attributes;

    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->log_lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&s->keeper_is_wanted, &attributes);
    pthread_condattr_destroy(&attributes);
}

ward_status ward_server_start(ward_server **out, const ward_server_config *config)
{
    struct ward_server *s = NULL;
    ward_status st = check_config(config);

    if (!st)
        st = mem_new(&s, 1, sizeof *s);
    if (st)
        return st;
    s->config = *config;
    s->listener.fd = -1;
    init_locks(s);
    st = start(s);
    if (st) {
        release(s);
        return st;
    }
    notify("READY=1");
    *out = s;
    return WARD_OK;
}

const char *ward_server_url(const ward_server *server)
{
    return server->url;
}

/* ---- running ---- */

static ward_status reload_tokens(struct ward_server *s)
{
    struct token_list list = {NULL, 0, NULL}, old;
    ward_status st = s->config.tokens ? tokens_read(s->config.tokens, &list) : WARD_OK;

    if (st || !s->config.tokens)
        return st;
    pthread_mutex_lock(&s->lock);
    old = s->tokens;
    s->tokens = list;
    pthread_mutex_unlock(&s->lock);
    tokens_release(&old);
    return WARD_OK;
}

/* The old model answers until the new one can; requests that have it keep it to their end. */
static ward_status reload_model(struct ward_server *s)
{
    struct served *served = NULL, *old;
    ward_status st = open_model(s, &served);

    if (st)
        return st;
    pthread_mutex_lock(&s->lock);
    old = s->served;
    s->served = served;
    pthread_mutex_unlock(&s->lock);
    server_let_go(s, old);
    return WARD_OK;
}

ward_status ward_server_reload(ward_server *server)
{
    ward_status first, st;

    notify("RELOADING=1");
    first = reload_tokens(server);
    if (first)
        server_log(server, "tokens stay as they were: %s", ward_error_message());
    st = server->audit ? audit_reopen(server->audit) : WARD_OK;
    if (st)
        server_log(server, "reopening the audit log: %s", ward_error_message());
    first = first ? first : st;
    st = reload_model(server);
    if (st)
        server_log(server, "the model stays as it was: %s", ward_error_message());
    first = first ? first : st;
    notify("READY=1");
    return first;
}

static size_t count_active(struct ward_server *s)
{
    size_t active;

    pthread_mutex_lock(&s->lock);
    active = s->active;
    pthread_mutex_unlock(&s->lock);
    return active;
}

ward_status ward_server_stop(ward_server *server, unsigned seconds)
{
    const struct timespec pause = {.tv_nsec = 20000000};
    double end;
    size_t left;

    if (!server)
        return WARD_OK;
    notify("STOPPING=1");
    atomic_store(&server->is_draining, true);
    http_quiesce(server);
    end = clock_seconds() + seconds;
    while ((left = count_active(server)) > 0 && clock_seconds() < end)
        nanosleep(&pause, NULL);
    release(server);
    return left ? ward_fail(WARD_ERR_STOPPED, "%zu requests were left without an answer", left)
                : WARD_OK;
}
