/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses: see address.h
 *
 * What is written is cut in base/hostport.c; here it is resolved, prepared for a bind, and written
 * back. The empty host becomes "::" with IPV6_V6ONLY cleared, one socket for both families; on a
 * system without IPv6 it becomes 0.0.0.0. An operator who wants IPv4 alone writes 0.0.0.0.
 *
 * A bind that fails is told the same way for every transport, with what mostly lies behind it.
 */
#include "server/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "base/cidr.h"
#include "base/hostport.h"

static void set_port(struct sockaddr *sa, uint16_t port)
{
    if (sa->sa_family == AF_INET6)
        ((struct sockaddr_in6 *)sa)->sin6_port = htons(port);
    else
        ((struct sockaddr_in *)sa)->sin_port = htons(port);
}

static bool has_ipv6(void)
{
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return false;
    close(fd);
    return true;
}

static void set_wildcard(struct address *a)
{
    if (has_ipv6()) {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&a->sa;

        v6->sin6_family = AF_INET6;
        v6->sin6_addr = in6addr_any;
    } else {
        struct sockaddr_in *v4 = (struct sockaddr_in *)&a->sa;

        v4->sin_family = AF_INET;
        v4->sin_addr.s_addr = htonl(INADDR_ANY);
    }
}

/* The first IPv4 address of the list, else its first address. */
static const struct addrinfo *choose(const struct addrinfo *list)
{
    for (const struct addrinfo *i = list; i != NULL; i = i->ai_next) {
        if (i->ai_family == AF_INET)
            return i;
    }
    return list;
}

void address_from_list(struct address *out, const struct addrinfo *list, uint16_t port)
{
    const struct addrinfo *chosen = choose(list);

    *out = (struct address){0};
    memcpy(&out->sa, chosen->ai_addr, chosen->ai_addrlen);
    set_port((struct sockaddr *)&out->sa, port);
    address_format((struct sockaddr *)&out->sa, out->text);
}

/* 0 or one of getaddrinfo()'s codes. */
static int look_up(struct address *a, struct slice host, uint16_t port)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM};
    struct addrinfo *list;
    char name[256];
    int r;

    if (host.len >= sizeof name)
        return EAI_NONAME;
    memcpy(name, host.p, host.len);
    name[host.len] = '\0';

    r = getaddrinfo(name, NULL, &hints, &list);
    if (r != 0)
        return r;
    address_from_list(a, list, port);
    freeaddrinfo(list);
    return 0;
}

int address_resolve(struct address *out, const char *text, struct err *e)
{
    struct address a = {0};
    struct slice host;
    uint16_t port;
    const char *fault = hostport_split(slice_str(text), &host, &port);

    if (fault != NULL) {
        err_set(e, NULL, 0, 0, "address \"%s\" %s", text, fault);
        return -EINVAL;
    }
    if (host.len == 0) {
        set_wildcard(&a);
        set_port((struct sockaddr *)&a.sa, port);
        address_format((struct sockaddr *)&a.sa, a.text);
    } else {
        int r = look_up(&a, host, port);

        if (r != 0) {
            err_set(e, NULL, 0, 0, "address \"%s\": cannot resolve \"%.*s\": %s", text,
                    (int)host.len, host.p, gai_strerror(r));
            return -EINVAL;
        }
    }
    *out = a;
    return 0;
}

static void format_v6(const struct sockaddr_in6 *v6, char out[ADDRESS_TEXT_MAX])
{
    char host[INET6_ADDRSTRLEN] = "?";
    char scope[IF_NAMESIZE] = "";

    inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
    if (v6->sin6_scope_id != 0)
        if_indextoname(v6->sin6_scope_id, scope);
    snprintf(out, ADDRESS_TEXT_MAX, "[%s%s%s]:%u", host, scope[0] ? "%" : "", scope,
             ntohs(v6->sin6_port));
}

void address_format(const struct sockaddr *sa, char out[ADDRESS_TEXT_MAX])
{
    char host[INET_ADDRSTRLEN] = "?";
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)sa;

    if (sa->sa_family == AF_UNIX) {
        const char *path = ((const struct sockaddr_un *)sa)->sun_path;

        snprintf(out, ADDRESS_TEXT_MAX, "unix:%s%s", *path ? "" : "@", *path ? path : path + 1);
        return;
    }
    if (sa->sa_family == AF_INET6) {
        format_v6((const struct sockaddr_in6 *)sa, out);
        return;
    }
    inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
    snprintf(out, ADDRESS_TEXT_MAX, "%s:%u", host, ntohs(v4->sin_port));
}

/* An abstract name begins with a NUL; ours have no other. */
static socklen_t local_len(const struct sockaddr_un *sa)
{
    size_t abstract = sa->sun_path[0] == '\0' ? 1 : 0;
    size_t len = abstract + strlen(sa->sun_path + abstract) + (abstract ? 0 : 1);

    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

socklen_t address_len(const struct sockaddr *sa)
{
    if (sa->sa_family == AF_UNIX)
        return local_len((const struct sockaddr_un *)sa);
    return sa->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

uint16_t address_port(const struct address *a)
{
    if (a->sa.ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)&a->sa)->sin6_port);
    return ntohs(((const struct sockaddr_in *)&a->sa)->sin_port);
}

static bool is_wildcard(const struct address *a)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&a->sa;

    if (a->sa.ss_family == AF_INET6)
        return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)&a->sa)->sin6_addr);
    return v4->sin_addr.s_addr == htonl(INADDR_ANY);
}

bool address_stays_here(const struct address *a)
{
    struct ip ip;

    return is_wildcard(a) || (ip_of(&ip, (const struct sockaddr *)&a->sa) && ip_is_loopback(ip));
}

bool address_covers(const struct address *a, const struct address *b)
{
    if (address_port(a) == 0 || address_port(a) != address_port(b))
        return false;
    if (is_wildcard(a))
        return a->sa.ss_family == AF_INET6 || b->sa.ss_family == AF_INET;
    return strcmp(a->text, b->text) == 0;
}

int address_prepare(const struct address *a, int fd)
{
    int off = 0;

    if (a->sa.ss_family != AF_INET6 || !is_wildcard(a))
        return 0;
    return setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) == 0 ? 0 : -errno;
}

int address_refresh(struct address *a, int fd)
{
    struct sockaddr_storage sa = {0};
    socklen_t len = sizeof sa;

    if (getsockname(fd, (struct sockaddr *)&sa, &len) != 0)
        return -errno;
    a->sa = sa;
    address_format((struct sockaddr *)&a->sa, a->text);
    return 0;
}

int address_bind(struct address *a, int fd)
{
    const struct sockaddr *sa = (const struct sockaddr *)&a->sa;

    return bind(fd, sa, address_len(sa)) == 0 ? address_refresh(a, fd) : -errno;
}

/* What mostly lies behind a failed bind, or "". */
static const char *bind_remedy(bool udp, int r)
{
    switch (r) {
    case -EADDRINUSE:
        return udp ? "; another process listens there, see ss -lunp"
                   : "; another process listens there, see ss -ltnp";
    case -EACCES:
        return "; ports below 1024 need root or CAP_NET_BIND_SERVICE";
    case -EADDRNOTAVAIL:
        return "; no interface of this machine has the address, see ip addr";
    default:
        return "";
    }
}

int address_listen(int *out, struct address *a, int backlog)
{
    int fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const struct sockaddr *sa = (const struct sockaddr *)&a->sa;
    int on = 1;
    int r;

    if (fd < 0)
        return -errno;
    r = address_prepare(a, fd);
    if (r != 0)
        goto fail;
    /* For TCP this only lets us return to a port whose old connections still linger. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, sa, address_len(sa)) != 0 || listen(fd, backlog) != 0) {
        r = -errno;
        goto fail;
    }
    r = address_refresh(a, fd);
    if (r != 0)
        goto fail;
    *out = fd;
    return 0;

fail:
    close(fd);
    return r;
}

int address_refused(struct err *e, const char *transport, const struct address *a, int r)
{
    err_set(e, NULL, 0, 0, "cannot listen on %s %s: %s%s", transport, a->text, uv_strerror(r),
            bind_remedy(strcmp(transport, "udp") == 0, r));
    return r;
}
