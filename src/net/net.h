/*
 * HTTP from the client's side, by libcurl: the only way in which the library asks other machines
 * for anything.
 */
#ifndef NET_NET_H
#define NET_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* Connections that are kept for the next request. One thread at a time. */
struct net;

/* WARD_ERR_NOMEM. Owned: net_close(). */
WARD_CHECK ward_status net_open(struct net **out);
void net_close(struct net *net);

enum { NET_HEADERS_MAX = 8 };

/* Everything is borrowed for the call. */
struct net_request {
    const char *url;
    const char *socket_path;              /* a unix socket to go by; NULL: the network */
    const char *headers[NET_HEADERS_MAX]; /* "Name: value", up to the first NULL */
    const void *body;                     /* POST; NULL: GET */
    size_t body_len;
    const char *ca, *certificate, *private_key; /* PEM files; NULL: the system's, none, none */
    unsigned seconds;                           /* for all of it; 0: as long as something comes */
    /* A published file: follow up to 5 redirections, and take a status of 400 and more for a
     * failure; "file:" will do, too. */
    bool is_public;
    /* Takes the answer's body piece by piece; a status ends the transfer and is returned. */
    ward_status (*take)(void *context, const void *data, size_t len);
    /* May be NULL; false ends the transfer with WARD_ERR_STOPPED. total is 0 if it is not known. */
    bool (*progress)(void *context, uint64_t done, uint64_t total);
    void *context;
};

struct net_answer {
    unsigned status;   /* HTTP's; 0 of a file */
    uint64_t json_len; /* Inference-Header-Content-Length; UINT64_MAX if there is none */
};

/*
 * WARD_ERR_IO, with a text that says what failed but not where, if there was no whole answer;
 * WARD_ERR_STOPPED; or what take() says.
 */
WARD_CHECK ward_status net_ask(struct net *net, const struct net_request *request,
                               struct net_answer *answer);

#endif
