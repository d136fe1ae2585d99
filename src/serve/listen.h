/* Where a server listens, and what it tells systemd. */
#ifndef SERVE_LISTEN_H
#define SERVE_LISTEN_H

#include <stdbool.h>

#include "base/status.h"

struct listener {
    int fd;        /* owned: listener_close(), unless given away */
    bool is_local; /* nobody from another machine can connect */
    bool is_unix;
    char *name;        /* "127.0.0.1:8080", "[::1]:8080", "unix:PATH"; owned */
    char *socket_path; /* of a socket file that was made here; owned; NULL: none */
};

/*
 * spec as in ward_server_config. A socket that systemd hands over is taken if spec is NULL.
 * WARD_ERR_ARG for an address that is none, WARD_ERR_IO if it cannot be had.
 */
WARD_CHECK ward_status listener_open(struct listener *listener, const char *spec);
/* Removes the socket file. All zero with fd -1 is fine. */
void listener_close(struct listener *listener);

/* Tell whoever $NOTIFY_SOCKET names: "READY=1", "STOPPING=1", ... Nothing happens without it. */
void notify(const char *state);

#endif
