/*
 * A request: what is asked for, and by whom (route.c), and the way of an inference (request.c):
 *
 *   come in -> [suspended: queue, batch, audit log] -> answered
 *
 * Who may not ask is not listened to: without a known token no body is stored, unless anybody may.
 */
#ifndef SERVE_REQUEST_H
#define SERVE_REQUEST_H

#include <microhttpd.h>

#include "serve/server.h"

enum { PEER_MAX = 64 };

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
    bool shows_token, is_known, is_inference, is_charged;
    ward_token terms; /* if is_known */
    int64_t day;      /* if is_charged: see accounts_charge() */
    double begin;
    uint8_t *body;
    size_t len, room, max, json_len;
    bool has_json_len;
    struct infer_request infer;
    float *values;         /* the model's answer */
    unsigned status, wait; /* HTTP; seconds for Retry-After, 0: none, or 1 of a 503 */
    const char *type;
    struct wr answer;
    size_t answer_json; /* bytes of JSON before binary tensors */
};

/* An error before anything was computed: the answer, and a line in the audit log. */
void request_refuse(struct request *r, unsigned status, const char *text);
/* What the client asks for: an answer (status is set), or an inference whose body is wanted. */
void request_route(struct request *r, const char *url, const char *method);
/* The whole body is there. True: it was suspended, and nothing of it may be touched until it comes
 * back in STAGE_ANSWER. False: the answer is known. */
bool request_infer(struct request *r);
/* From the model's results. */
void request_write_answer(struct request *r);

/* NULL: there is none. */
const char *request_header(const struct request *r, const char *name);
/* A header of digits; false if there are other bytes, or too many. */
bool request_length(const char *text, size_t *out);
/* The client's address, or "local". */
void request_peer(const struct request *r, char name[PEER_MAX]);

#endif
