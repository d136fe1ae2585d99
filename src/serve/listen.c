/* See listen.h. */
#include "serve/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"

static const char default_address[] = "127.0.0.1:8080";

enum { BACKLOG = 256, FIRST_FD = 3 };

union address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
    struct sockaddr_storage storage;
};

/* ---- systemd ---- */

/* The one socket that was handed over (sd_listen_fds(3)); -1 if none was. */
static int inherited_socket(void)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");

    if (!pid || !count || strtol(pid, NULL, 10) != (long)getpid() || strtol(count, NULL, 10) != 1)
        return -1;
    return fcntl(FIRST_FD, F_SETFD, FD_CLOEXEC) == 0 ? FIRST_FD : -1;
}

/* As sd_notify(3): a datagram to a socket file or, after "@", to an abstract name. */
void notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    union address to = {.un = {.sun_family = AF_UNIX}};
    size_t len = path ? strlen(path) : 0;
    int fd;

    if (len < 2 || len >= sizeof to.un.sun_path || !strchr("/@", path[0]))
        return;
    memcpy(to.un.sun_path, path, len);
    if (path[0] == '@')
        to.un.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL, &to.any,
                  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
    close(fd);
}

/* ---- addresses ---- */

static bool is_loopback(const union address *a)
{
    if (a->any.sa_family == AF_INET)
        return ntohl(a->in.sin_addr.s_addr) >> 24 == 127;
    return a->any.sa_family == AF_UNIX || IN6_IS_ADDR_LOOPBACK(&a->in6.sin6_addr);
}

/* What a socket turned out to be bound to. */
static ward_status describe(struct listener *l)
{
    union address a;
    socklen_t len = sizeof a;
    char host[INET6_ADDRSTRLEN];

    memset(&a, 0, sizeof a);
    if (getsockname(l->fd, &a.any, &len) != 0)
        return ward_fail(WARD_ERR_IO, "cannot use the socket: %s", strerror(errno));
    l->is_unix = a.any.sa_family == AF_UNIX;
    l->is_local = is_loopback(&a);
    if (l->is_unix)
        return mem_printf(&l->name, "unix:%.*s", (int)sizeof a.un.sun_path, a.un.sun_path);
    if (a.any.sa_family == AF_INET)
        return mem_printf(&l->name, "%s:%u", inet_ntop(AF_INET, &a.in.sin_addr, host, sizeof host),
                          ntohs(a.in.sin_port));
    return mem_printf(&l->name, "[%s]:%u", inet_ntop(AF_INET6, &a.in6.sin6_addr, host, sizeof host),
                      ntohs(a.in6.sin6_port));
}

static ward_status bind_socket(struct listener *l, const union address *a, socklen_t len,
                               const char *spec)
{
    const int yes = 1;

    l->fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->fd < 0)
        return ward_fail(WARD_ERR_IO, "cannot make a socket: %s", strerror(errno));
    setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(l->fd, &a->any, len) != 0 || listen(l->fd, BACKLOG) != 0)
        return ward_fail(WARD_ERR_IO, "cannot listen on '%s': %s", spec, strerror(errno));
    return WARD_OK;
}

/* A socket file that nobody listens on any more is left over from a kill, and removed. */
static void remove_stale(const union address *a, socklen_t len)
{
    struct stat info;
    int fd;

    if (lstat(a->un.sun_path, &info) != 0 || !S_ISSOCK(info.st_mode))
        return;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, &a->any, len) != 0 && errno == ECONNREFUSED)
        unlink(a->un.sun_path);
    if (fd >= 0)
        close(fd);
}

static ward_status open_unix(struct listener *l, const char *path)
{
    union address a = {.un = {.sun_family = AF_UNIX}};
    size_t len = strlen(path);
    ward_status st;

    if (len == 0 || len >= sizeof a.un.sun_path)
        return ward_fail(WARD_ERR_ARG, "'%s' is no path for a socket", path);
    memcpy(a.un.sun_path, path, len);
    remove_stale(&a, sizeof a.un);
    st = bind_socket(l, &a, sizeof a.un, path);
    if (!st)
        st = mem_strdup(&l->socket_path, path);
    return st;
}

/* getaddrinfo() takes any number, and of a larger one the last 16 bits. */
static bool is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");

    return digits >= 1 && digits <= 5 && !text[digits] && strtol(text, NULL, 10) <= 65535;
}

static ward_status open_inet(struct listener *l, const char *spec)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    const char *colon = strrchr(spec, ':');
    struct addrinfo *found = NULL;
    union address a;
    char *host = NULL;
    socklen_t len;
    ward_status st;

    if (!colon || colon == spec || !colon[1])
        return ward_fail(WARD_ERR_ARG, "'%s' is no ADDRESS:PORT", spec);
    st = spec[0] == '[' && colon[-1] == ']'
             ? mem_printf(&host, "%.*s", (int)(colon - spec - 2), spec + 1)
             : mem_printf(&host, "%.*s", (int)(colon - spec), spec);
    if (st)
        return st;
    if (strchr(host, ':') && spec[0] != '[')
        st = ward_fail(WARD_ERR_ARG, "'%s' needs brackets: [ADDRESS]:PORT", spec);
    else if (!is_port(colon + 1) || getaddrinfo(host, colon + 1, &hints, &found) != 0)
        st = ward_fail(WARD_ERR_ARG, "'%s' is no ADDRESS:PORT in numbers", spec);
    mem_free(host);
    if (st)
        return st;
    memcpy(&a, found->ai_addr, found->ai_addrlen);
    len = found->ai_addrlen;
    freeaddrinfo(found);
    return bind_socket(l, &a, len, spec);
}

ward_status listener_open(struct listener *out, const char *spec)
{
    struct listener l = {.fd = spec ? -1 : inherited_socket()};
    ward_status st = WARD_OK;

    if (l.fd < 0 && !spec)
        spec = default_address;
    if (l.fd < 0)
        st = strncmp(spec, "unix:", 5) == 0 ? open_unix(&l, spec + 5) : open_inet(&l, spec);
    if (!st)
        st = describe(&l);
    if (st)
        listener_close(&l);
    else
        *out = l;
    return st;
}

void listener_close(struct listener *l)
{
    if (l->socket_path)
        unlink(l->socket_path);
    if (l->fd >= 0)
        close(l->fd);
    mem_free(l->socket_path);
    mem_free(l->name);
    *l = (struct listener){.fd = -1};
}
