/* A running server from the inside: what its lifecycle (server.c) and HTTP side share. */
#ifndef SERVE_SERVER_H
#define SERVE_SERVER_H

#include <pthread.h>
#include <stdatomic.h>

#include "serve/audit.h"
#include "serve/batch.h"
#include "serve/listen.h"
#include "serve/metrics.h"
#include "serve/tokens.h"

enum { SERVER_NAME_MAX = 63, SERVER_VERSION_LEN = 12, SERVER_FILE_MAX = 1 << 20 };

/* A model being served. Requests hold on to theirs, so another can take its place at any time. */
struct served {
    size_t holders; /* under the server's lock */
    struct backend *backend;
    struct infer_model model;
    char version[SERVER_VERSION_LEN + 1]; /* the first digits of model_id */
};

/* Requests that were refused to nobody in particular, to be logged together. */
enum { REFUSALS = 10 };

struct refusals {
    unsigned status[REFUSALS];
    uint64_t count[REFUSALS];
};

struct connection {
    struct connection *next, **place; /* in the server's list, under its lock */
    int fd;
    double since;       /* what the client is waited for since */
    bool is_waited_for; /* false while the server computes */
    bool is_verified;   /* its certificate */
};

struct MHD_Daemon;

struct ward_server {
    ward_server_config config;
    char name[SERVER_NAME_MAX + 1];
    char *url;
    struct listener listener;
    char *pem[3]; /* certificate, key, client CA; owned, wiped */
    struct MHD_Daemon *daemon;
    pthread_t starter;
    char fault[256]; /* why the daemon does not start; "": not known */

    pthread_mutex_t lock;
    struct served *served;
    struct token_list tokens;
    struct refusals refusals;
    struct connection *connections;
    size_t active; /* requests not yet answered */

    struct accounts *accounts;
    struct audit *audit; /* NULL: none */
    struct batcher *batcher;
    struct metrics metrics;
    atomic_bool is_draining;

    pthread_t keeper;
    pthread_cond_t keeper_is_wanted; /* with the lock */
    bool has_keeper, keeper_ends;
    bool said_broken, said_unsynced;
    pthread_mutex_t log_lock;
};

void server_log(struct ward_server *server, const char *format, ...) BASE_PRINTF(2, 3);
/* The model of the moment; to be given back. */
struct served *server_hold(struct ward_server *server);
void server_let_go(struct ward_server *server, struct served *served);
/* A copy of what a known, unexpired token allows; false if there is no such token. */
bool server_knows(struct ward_server *server, const char *token, size_t len, ward_token *terms);
bool server_is_ready(struct ward_server *server);

/* The HTTP side. */
WARD_CHECK ward_status http_start(struct ward_server *server);
/* Take no more connections. */
void http_quiesce(struct ward_server *server);
void http_stop(struct ward_server *server);
/* Close connections whose clients are too slow. */
void http_reap(struct ward_server *server);
/* Log what was refused since the last call. */
void http_log_refusals(struct ward_server *server);

#endif
