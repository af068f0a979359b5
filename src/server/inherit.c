/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inherit: see inherit.h
 *
 * Sockets come without a word about what they are for, so they are known by what they are: family,
 * type, and the address they are bound to. A listener that wants an address asks here first, and
 * binds only what nobody has left it. So a socket that two processes share, one after the other,
 * never has a moment in which it does not exist.
 *
 * Laws: a descriptor is closed by the set or by who took it, never by both.
 *       Sockets of one address are given away in the order in which they came, so that the second
 *       socket of an address stays the second.
 */
#include "server/inherit.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *inherit_kind_name(enum inherit_kind kind)
{
    static const char *const names[INHERIT_N_KINDS] = {"udp",  "tcp",     "unixgram", "unix",
                                                       "http", "control", "admin"};

    return names[kind];
}

/* ---- what it is ---- */

static int option(int fd, int name)
{
    int value = -1;
    socklen_t len = sizeof value;

    return getsockopt(fd, SOL_SOCKET, name, &value, &len) == 0 ? value : -1;
}

static int refuse(struct err *e, int fd, const char *what)
{
    err_set(e, NULL, 0, 0, "descriptor %d, which was passed to the server, is %s", fd, what);
    return -EINVAL;
}

int inherit_classify(int fd, bool http, enum inherit_kind *kind, struct err *e)
{
    int domain = option(fd, SO_DOMAIN), type = option(fd, SO_TYPE);
    bool is_ip = domain == AF_INET || domain == AF_INET6;

    if (domain < 0)
        return refuse(e, fd, "not a socket");
    if (!is_ip && domain != AF_UNIX)
        return refuse(e, fd, "not an IP or Unix socket");
    if (type == SOCK_DGRAM && !http) {
        *kind = is_ip ? INHERIT_UDP : INHERIT_UNIXGRAM;
        return 0;
    }
    if (type != SOCK_STREAM)
        return refuse(e, fd,
                      http ? "named http, but not a stream socket" : "of an unsupported type");
    if (http && !is_ip)
        return refuse(e, fd, "named http, but not a TCP socket");
    if (option(fd, SO_ACCEPTCONN) != 1)
        return refuse(e, fd, "not a listening socket; in a socket unit, write Accept=no");
    *kind = http ? INHERIT_HTTP : is_ip ? INHERIT_TCP : INHERIT_UNIX;
    return 0;
}

/* ---- the set ---- */

static int prepare(struct inherit_socket *s)
{
    int flags = fcntl(s->fd, F_GETFL);

    s->sa_len = sizeof s->sa;
    if (flags < 0 || fcntl(s->fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
        fcntl(s->fd, F_SETFD, FD_CLOEXEC) != 0 ||
        getsockname(s->fd, (struct sockaddr *)&s->sa, &s->sa_len) != 0)
        return -errno;
    return 0;
}

int inherit_add(struct inherit *set, int fd, enum inherit_kind kind, bool instead)
{
    struct inherit_socket s = {.kind = kind, .fd = fd, .instead = instead};
    struct inherit_socket *items = realloc(set->items, (set->n + 1) * sizeof *items);
    int r = -ENOMEM;

    if (items != NULL) {
        set->items = items;
        r = prepare(&s);
    }
    if (r != 0) {
        close(fd);
        return r;
    }
    set->items[set->n++] = s;
    return 0;
}

bool inherit_replaces(const struct inherit *set, enum inherit_kind kind)
{
    for (size_t i = 0; i < set->n; i++)
        if (set->items[i].kind == kind && set->items[i].instead)
            return true;
    return false;
}

/* ---- by address ---- */

static bool same_v4(const struct sockaddr_in *a, const struct sockaddr_in *b)
{
    return a->sin_addr.s_addr == b->sin_addr.s_addr &&
           (b->sin_port == 0 || a->sin_port == b->sin_port);
}

static bool same_v6(const struct sockaddr_in6 *a, const struct sockaddr_in6 *b)
{
    return memcmp(&a->sin6_addr, &b->sin6_addr, sizeof a->sin6_addr) == 0 &&
           a->sin6_scope_id == b->sin6_scope_id &&
           (b->sin6_port == 0 || a->sin6_port == b->sin6_port);
}

/* A path may come with a NUL at its end or without. An abstract name is all of its bytes. */
static bool same_name(const struct inherit_socket *s, const struct sockaddr *sa, socklen_t len)
{
    const char *mine = ((const struct sockaddr *)&s->sa)->sa_data, *theirs = sa->sa_data;
    size_t n_mine = s->sa_len - sizeof sa->sa_family, n_theirs = len - sizeof sa->sa_family;

    if (n_mine > 0 && mine[0] != '\0') {
        n_mine = strnlen(mine, n_mine);
        n_theirs = strnlen(theirs, n_theirs);
    }
    return n_mine == n_theirs && memcmp(mine, theirs, n_mine) == 0;
}

static bool is_at(const struct inherit_socket *s, const struct sockaddr *sa, socklen_t len)
{
    if (s->sa.ss_family != sa->sa_family)
        return false;
    switch (sa->sa_family) {
    case AF_INET:
        return same_v4((const struct sockaddr_in *)&s->sa, (const struct sockaddr_in *)sa);
    case AF_INET6:
        return same_v6((const struct sockaddr_in6 *)&s->sa, (const struct sockaddr_in6 *)sa);
    case AF_UNIX:
        return same_name(s, sa, len);
    default:
        return false;
    }
}

static bool fits(const struct inherit_socket *s, enum inherit_kind kind, const struct sockaddr *sa,
                 socklen_t len)
{
    return s->fd >= 0 && s->kind == kind && is_at(s, sa, len);
}

size_t inherit_count(const struct inherit *set, enum inherit_kind kind, const struct sockaddr *sa,
                     socklen_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < set->n; i++)
        n += fits(&set->items[i], kind, sa, len);
    return n;
}

int inherit_take(struct inherit *set, enum inherit_kind kind, const struct sockaddr *sa,
                 socklen_t len)
{
    for (size_t i = 0; i < set->n; i++) {
        struct inherit_socket *s = &set->items[i];
        int fd = s->fd;

        if (!fits(s, kind, sa, len))
            continue;
        s->fd = -1;
        return fd;
    }
    return -1;
}

size_t inherit_release(struct inherit *set)
{
    size_t n = 0;

    for (size_t i = 0; i < set->n; i++) {
        if (set->items[i].fd < 0)
            continue;
        close(set->items[i].fd);
        n++;
    }
    free(set->items);
    *set = (struct inherit){0};
    return n;
}
