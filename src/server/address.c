/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses: see address.h
 *
 *      host      :  port
 *      [  v6  ]  :  port
 *                   ^ decimal digits only: service names differ between machines
 *
 * The last colon splits, so a host with a colon of its own must be in brackets. The empty host
 * becomes "::" with IPV6_V6ONLY cleared, one socket for both families; on a system without IPv6 it
 * becomes 0.0.0.0. An operator who wants IPv4 alone writes 0.0.0.0.
 */
#include "server/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"

static int parse_port(struct slice text, uint16_t *out)
{
    uint64_t port;

    if (num_parse_u64(text, UINT16_MAX, &port) != 0)
        return ADDRESS_E_PORT;
    *out = (uint16_t)port;
    return 0;
}

/* What stands between the brackets, or the text itself when it has neither brackets nor colons. */
static int parse_host(struct slice text, struct slice *out)
{
    bool bracketed = text.len >= 2 && text.p[0] == '[' && text.p[text.len - 1] == ']';
    struct slice inner = bracketed ? slice_of(text.p + 1, text.len - 2) : text;

    if (slice_find(inner, '[') < inner.len || slice_find(inner, ']') < inner.len)
        return ADDRESS_E_BRACKETS;
    if (bracketed ? inner.len == 0 : slice_find(inner, ':') < inner.len)
        return ADDRESS_E_BRACKETS;
    *out = inner;
    return 0;
}

int address_split(struct slice text, struct slice *host, uint16_t *port)
{
    const char *colon = text.len ? memrchr(text.p, ':', text.len) : NULL;
    struct slice inner;
    uint16_t number;
    int r;

    if (colon == NULL)
        return ADDRESS_E_NO_PORT;
    if (text.p[text.len - 1] == ']')
        return ADDRESS_E_NO_PORT; /* the colon is one of the address's own */

    r = parse_host(slice_of(text.p, (size_t)(colon - text.p)), &inner);
    if (r != 0)
        return r;
    r = parse_port(slice_from(text, (size_t)(colon - text.p) + 1), &number);
    if (r != 0)
        return r;
    *host = inner;
    *port = number;
    return 0;
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

/* 0 or one of getaddrinfo()'s codes. */
static int look_up(struct address *a, struct slice host)
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
    memcpy(&a->sa, choose(list)->ai_addr, choose(list)->ai_addrlen);
    freeaddrinfo(list);
    return 0;
}

static const char *remedy(int outcome)
{
    switch (outcome) {
    case ADDRESS_E_NO_PORT:
        return "no port: write host:port or :port, like 127.0.0.1:8125";
    case ADDRESS_E_BRACKETS:
        return "brackets belong around an IPv6 address and nothing else, like [::1]:8125";
    default:
        return "the port is not a decimal number from 0 to 65535";
    }
}

int address_resolve(struct address *out, const char *text, struct err *e)
{
    struct address a = {0};
    struct slice host;
    uint16_t port;
    int r;

    r = address_split(slice_str(text), &host, &port);
    if (r != 0) {
        err_set(e, NULL, 0, 0, "address \"%s\": %s", text, remedy(r));
        return -EINVAL;
    }
    if (host.len == 0) {
        set_wildcard(&a);
    } else {
        r = look_up(&a, host);
        if (r != 0) {
            err_set(e, NULL, 0, 0, "address \"%s\": cannot resolve \"%.*s\": %s", text,
                    (int)host.len, host.p, gai_strerror(r));
            return -EINVAL;
        }
    }
    address_set_port((struct sockaddr *)&a.sa, port);
    address_format((struct sockaddr *)&a.sa, a.text);
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

    if (sa->sa_family == AF_INET6) {
        format_v6((const struct sockaddr_in6 *)sa, out);
        return;
    }
    inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
    snprintf(out, ADDRESS_TEXT_MAX, "%s:%u", host, ntohs(v4->sin_port));
}

socklen_t address_len(const struct sockaddr *sa)
{
    return sa->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

void address_set_port(struct sockaddr *sa, uint16_t port)
{
    if (sa->sa_family == AF_INET6)
        ((struct sockaddr_in6 *)sa)->sin6_port = htons(port);
    else
        ((struct sockaddr_in *)sa)->sin_port = htons(port);
}

int address_prepare(const struct address *a, int fd)
{
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&a->sa;
    int off = 0;

    if (a->sa.ss_family != AF_INET6 || !IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr))
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
