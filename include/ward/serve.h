/*
 * Serving a run to others: tokens that say who may ask, a server that speaks the Open Inference
 * Protocol (version 2) over HTTP, and its client.
 */
#ifndef WARD_SERVE_H
#define WARD_SERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ward/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- tokens ---- */

enum { WARD_TOKEN_ID_LEN = 8, WARD_TOKEN_USER_MAX = 63 };

/* What a token allows its user. Zero stands for no limit. */
typedef struct ward_token {
    char id[WARD_TOKEN_ID_LEN + 1];     /* names the token in lists; does not give it away */
    char user[WARD_TOKEN_USER_MAX + 1]; /* 1 to 63 of letters, digits, ".", "_", "@", "-" */
    uint64_t rate;                      /* images a second, at most 1,000,000,000 like the others */
    uint64_t budget;                    /* images a day (UTC) */
    uint64_t distinct;                  /* different images whose x_p is handed out, ever */
    char expires[11];                   /* the last day, "2027-01-31" (UTC); "" for never */
} ward_token;

/*
 * Make a token and add its digest to a file (mode 0600), which is made if it is not there.
 *
 *   path   borrowed
 *   terms  borrowed; its id is not looked at
 *   token  receives the token's text, which is kept nowhere else; owned: ward_string_free()
 *
 * WARD_ERR_ARG for a user or terms that cannot be; WARD_ERR_BUSY while another process changes
 * the file; WARD_ERR_IO, also if it is a symbolic link, or others may use it; WARD_ERR_FORMAT,
 * WARD_ERR_NOMEM; WARD_ERR_DEVICE without a source of randomness.
 */
WARD_API WARD_CHECK ward_status ward_token_new(const char *path, const ward_token *terms,
                                               char **token);
/* In the order of the file. Owned: ward_tokens_free(). WARD_ERR_IO, also if others may use the
 * file; WARD_ERR_FORMAT, WARD_ERR_NOMEM. */
WARD_API WARD_CHECK ward_status ward_token_list(const char *path, ward_token **out, size_t *count);
/* NULL is fine. */
WARD_API void ward_tokens_free(ward_token *tokens);
/* Remove the token of that id, or all tokens of that user; count receives how many. WARD_ERR_ARG if
 * there is none; WARD_ERR_BUSY while another process changes the file; WARD_ERR_IO, also if it is a
 * symbolic link; otherwise as ward_token_list(). */
WARD_API WARD_CHECK ward_status ward_token_revoke(const char *path, const char *id_or_user,
                                                  size_t *count);

/* ---- the server ---- */

/*
 * When an answer leaves, its line in the audit log is in the file: no process that dies, even by
 * kill -9, takes one with it. This says what a machine that dies takes. While the log cannot be
 * written or synced, requests are refused and the server is not ready.
 */
typedef enum ward_audit_sync {
    WARD_AUDIT_SYNC_ALWAYS, /* nothing, if its disk keeps its word: answers wait until their lines
                               are synced */
    WARD_AUDIT_SYNC_SECOND  /* the lines since the last finished sync began, those of about a
                               second, more if the disk is slow to sync: while there is something
                               to sync, the file is synced once a second, and no answer waits */
} ward_audit_sync;

/*
 * A line for people: what the server did or met. Never holds a token, an image or an answer. May be
 * called from any thread, one at a time.
 */
typedef void ward_server_log(void *context, const char *line);

typedef struct ward_server_config {
    const char *run; /* a run's directory, or a baseline's model.safetensors */
    /* Key file that opens a sealed transform; NULL: those of ward_key_default_path(). */
    const char *identity;
    /* Its first line is the key file's passphrase or PIN; NULL: none. Read by the guard, not by the
     * server, and again for each reload. */
    const char *passphrase_file;
    /* The same from a descriptor, once; -1: none. If it is a socket, the guard sends a line before
     * it reads: "passphrase of FILE" or "PIN of FILE". */
    int passphrase_fd;
    const char *tpm; /* see ward_keys_options */
    /* Of the model in paths: 1 to 63 of letters, digits, ".", "_", "-"; NULL: the last part of
     * `run`. */
    const char *name;
    /* "ADDRESS:PORT" ("[::1]:8080"; port 0: a free one) or "unix:PATH"; NULL: the socket that
     * systemd hands over, or 127.0.0.1:8080. */
    const char *listen;
    bool allows_plaintext;   /* listen beyond this machine without TLS */
    const char *certificate; /* PEM files; NULL: no TLS */
    const char *private_key;
    const char *client_ca;   /* only clients with a certificate of it; NULL: any */
    const char *tokens;      /* NULL: nobody has one */
    bool is_open;            /* without a token the answer is F(x_r), not 401 */
    bool has_scores;         /* answers have all probabilities, not only the first class */
    bool is_transform_only;  /* answer with x_p, not with F(x_p) */
    bool accepts_disclosure; /* do it even where a few x_p beside their x_r are worth G */
    /* Folder that keeps count of different images for each user; needed by is_transform_only, and
     * this server's alone. Each user who has sent one takes a descriptor until the server ends: see
     * RLIMIT_NOFILE. */
    const char *meter;
    const char *audit;    /* file of one JSON object a line, this server's alone; NULL: none */
    ward_audit_sync sync; /* of `audit` */
    bool is_strict;       /* refuse to start where the kernel cannot lock the guard in */
    size_t batch;         /* images computed at once, 1 .. 1024 */
    size_t request_max;   /* images a request may have, 1 .. 65536 */
    /* Images that may wait; at least request_max. Strangers (is_open) may have half of it; a
     * request of theirs is also taken when nothing waits. */
    size_t queue;
    size_t connections; /* at once, 1 .. 65536 */
    /* Connections of one IP address at once, at most 65536; 0: no limit. IPv6 addresses are
     * compared whole, although whoever has one mostly has all of its /64. */
    size_t per_address;
    /* For a request to come in, and for its answer to be taken; 1 .. 3600. */
    unsigned seconds;
    unsigned http_threads; /* 1 .. 64 */
    unsigned threads;      /* to compute with; 0: one a core */
    ward_server_log *log;  /* NULL: silence */
    void *context;
} ward_server_config;

/* No strings and no flags; batches of 32, 256 images a request, 1024 that wait, 256 connections, 30
 * seconds, 2 threads for HTTP and one a core to compute with. */
WARD_API void ward_server_defaults(ward_server_config *config);

/* A running server. Its functions may be called from one thread at a time. */
typedef struct ward_server ward_server;

/*
 * Start a server; it serves from threads of its own when this returns. Block the signals that the
 * caller waits for before, as threads inherit the mask. main() must have called ward_guard_enter()
 * (ward/guard.h) before anything else: guard and worker are the caller's program, started again.
 *
 *   out     owned: ward_server_stop()
 *   config  copied, but not what it points to: strings and context stay valid until
 *           ward_server_stop(). Start from ward_server_defaults(): a passphrase_fd of 0 is a
 *           descriptor
 *
 * WARD_ERR_ARG for settings that contradict each other or are out of range; WARD_ERR_AUTH for a
 * transform that the keys do not open; WARD_ERR_IO if the address, a file or a process cannot be
 * had; WARD_ERR_BUSY if another server counts in the folder of meters or writes the audit log;
 * WARD_ERR_FORMAT, WARD_ERR_DEVICE, WARD_ERR_NOMEM.
 */
WARD_API WARD_CHECK ward_status ward_server_start(ward_server **out,
                                                  const ward_server_config *config);
/* Where it listens: "http://127.0.0.1:8080", "unix:PATH". Valid as long as the server. */
WARD_API const char *ward_server_url(const ward_server *server);
/*
 * Read tokens and model again and reopen the audit log. What cannot be read stays as it was, and
 * the first failure is returned; errors as ward_server_start().
 */
WARD_API WARD_CHECK ward_status ward_server_reload(ward_server *server);
/*
 * Take no more connections, answer what has been asked for up to `seconds`, and end. Frees the
 * server. NULL is fine. WARD_ERR_STOPPED if requests were left without an answer.
 */
WARD_API ward_status ward_server_stop(ward_server *server, unsigned seconds);

/* ---- the client ---- */

typedef struct ward_remote_options {
    const char *token_file;  /* its first line is the token; mode 0600; NULL: without */
    const char *ca;          /* PEM file of who may have signed the server's certificate; NULL: the
                                system's */
    const char *certificate; /* the client's own, PEM; NULL: none */
    const char *private_key;
    unsigned seconds; /* a request may take; 0: 60 */
} ward_remote_options;

/* A server's model. One thread at a time. */
typedef struct ward_remote ward_remote;

typedef struct ward_remote_info {
    const char *name, *model_id;
    size_t channels, height, width;
    float low, high;
    size_t classes;
    const char *const *class_names;
    bool has_scores, is_transform_only;
    bool is_baseline; /* without G, for holders of a token, too */
} ward_remote_info;

/*
 * Ask a server what it serves.
 *
 *   out      owned: ward_remote_close()
 *   url      "http://HOST:PORT" or "https://HOST:PORT", if the server has one model only, or with
 *            "/v2/models/NAME"; "unix:PATH"
 *   options  borrowed; all zero is fine
 *
 * WARD_ERR_ARG for another url; WARD_ERR_IO if it cannot be reached or refuses for now (status 429,
 * 503), or if others may use the token's file; WARD_ERR_AUTH for status 401 or 403: a token or
 * certificate that it does not take, a limit for good; WARD_ERR_FORMAT if it is no ward server;
 * WARD_ERR_NOMEM.
 */
WARD_API WARD_CHECK ward_status ward_remote_open(ward_remote **out, const char *url,
                                                 const ward_remote_options *options);
/* Wipes the token. NULL is fine. */
WARD_API void ward_remote_close(ward_remote *remote);
/* Borrowed from the remote. */
WARD_API void ward_remote_describe(const ward_remote *remote, ward_remote_info *info);
/*
 * The most probable class of each of n images [n, channels, height, width] in [low, high], n of any
 * size, and, unless `scores` is NULL, probabilities [n, classes]. WARD_ERR_ARG if the server has
 * other answers; otherwise as ward_remote_open(). Results of a call that fails may be partly
 * written.
 */
WARD_API WARD_CHECK ward_status ward_remote_predict(ward_remote *remote, size_t n, const float *x,
                                                    uint32_t *classes, float *scores);
/* y = G(x), of a server that does only that; y may be x. WARD_ERR_NUMERIC if y is not finite;
 * otherwise as ward_remote_predict(). */
WARD_API WARD_CHECK ward_status ward_remote_transform(ward_remote *remote, size_t n, const float *x,
                                                      float *y);

#ifdef __cplusplus
}
#endif
#endif
