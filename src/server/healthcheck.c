/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Health check: see healthcheck.h
 *
 *      connect --> send the request --> read until the first line is whole --> its status
 *
 * One non-blocking socket and poll(); every wait gets what is left of one limit, so a server that
 * answers a byte at a time is as late as one that is silent. /-/ready and not /-/healthy: who asks
 * wants to know whether lines are taken in, and a server that is ending takes none.
 *
 * A server on every address is asked on 127.0.0.1: its IPv6 wildcard takes IPv4 too
 * (address_prepare()), and containers often have no ::1.
 *
 * Laws: the limit holds for the whole conversation; at most MAX_LINE bytes are read, whatever is
 *       sent.
 */
#include "server/healthcheck.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/num.h"

#define MAX_LINE 256

static const char request[] = "GET /-/ready HTTP/1.1\r\n"
                              "Host: localhost\r\n"
                              "User-Agent: bacowr-statsd-healthcheck\r\n"
                              "Connection: close\r\n"
                              "\r\n";

static bool is_wildcard(const struct address *a)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&a->sa;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&a->sa;

    if (a->sa.ss_family == AF_INET6)
        return IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr);
    return v4->sin_addr.s_addr == htonl(INADDR_ANY);
}

static void set_loopback(struct address *a)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(address_port(a))};

    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *a = (struct address){0};
    memcpy(&a->sa, &v4, sizeof v4);
    address_format((struct sockaddr *)&a->sa, a->text);
}

int healthcheck_address(struct address *out, const char *listen, struct err *e)
{
    struct address a;
    int r = address_resolve(&a, listen, e);

    if (r < 0)
        return r;
    if (address_port(&a) == 0) {
        err_set(e, NULL, 0, 0,
                "address \"%s\": port 0 is another one at each start; name the port that was given",
                listen);
        return -EINVAL;
    }
    if (is_wildcard(&a))
        set_loopback(&a);
    *out = a;
    return 0;
}

/* ---- the conversation ---- */

struct conversation {
    int fd;
    uint64_t end; /* of the limit, as uv_hrtime() counts */
};

/* Until @events or trouble. 0 or a negative errno. */
static int wait_for(const struct conversation *c, short events)
{
    for (;;) {
        struct pollfd p = {.fd = c->fd, .events = events};
        uint64_t now = uv_hrtime();
        int n = now < c->end ? poll(&p, 1, (int)((c->end - now) / 1000000) + 1) : 0;

        if (n > 0)
            return 0;
        if (n == 0)
            return -ETIMEDOUT;
        if (errno != EINTR)
            return -errno;
    }
}

static int connect_to(struct conversation *c, const struct address *a)
{
    const struct sockaddr *sa = (const struct sockaddr *)&a->sa;
    socklen_t len = sizeof(int);
    int fault = 0, r;

    c->fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return -errno;
    if (connect(c->fd, sa, address_len(sa)) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return -errno;
    r = wait_for(c, POLLOUT);
    if (r == 0 && getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &fault, &len) != 0)
        r = -errno;
    return r == 0 ? -fault : r;
}

/* It fits into the empty buffer of a new socket: in part is as wrong as not at all. */
static int send_request(const struct conversation *c)
{
    ssize_t n = send(c->fd, request, sizeof request - 1, MSG_NOSIGNAL);

    if (n < 0)
        return -errno;
    return (size_t)n == sizeof request - 1 ? 0 : -EIO;
}

/* The first line of the answer without its end, or less where the answer ends before. */
static int read_line(const struct conversation *c, char line[MAX_LINE], struct slice *out)
{
    size_t len = 0;
    int r = 0;

    while (len < MAX_LINE && !memchr(line, '\n', len)) {
        ssize_t n;

        r = wait_for(c, POLLIN);
        if (r < 0)
            return r;
        n = recv(c->fd, line + len, MAX_LINE - len, 0);
        if (n == 0)
            break;
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return -errno;
        len += n > 0 ? (size_t)n : 0;
    }
    *out = slice_of(line, len);
    out->len = slice_find(*out, '\n');
    if (out->len > 0 && out->p[out->len - 1] == '\r')
        out->len--;
    return 0;
}

/* The three digits of "HTTP/1.1 200 OK", or -EPROTO. */
static int read_status(struct slice line)
{
    uint64_t status;

    if (line.len < 12 || !slice_starts(line, SLICE_LIT("HTTP/1.")) || line.p[8] != ' ' ||
        num_parse_u64(slice_of(line.p + 9, 3), 999, &status) != 0 ||
        (line.len > 12 && line.p[12] != ' '))
        return -EPROTO;
    return (int)status;
}

static int converse(struct conversation *c, const struct address *a, struct err *e)
{
    char line[MAX_LINE];
    struct slice first = {line, 0};
    int r = connect_to(c, a);

    if (r == 0)
        r = send_request(c);
    if (r == 0)
        r = read_line(c, line, &first);
    if (r < 0) {
        err_set(e, NULL, 0, 0, "%s: %s", a->text, uv_strerror(r));
        return r;
    }
    r = read_status(first);
    if (r == 200)
        return 0;
    if (r > 0)
        err_set(e, NULL, 0, 0, "%s: not ready, /-/ready is answered with %d", a->text, r);
    else
        err_set(e, NULL, 0, 0, "%s: who listens there does not speak HTTP: '%.*s'", a->text,
                (int)first.len, first.p);
    return r > 0 ? -EAGAIN : r;
}

int healthcheck_ask(const struct address *a, int limit_ms, struct err *e)
{
    struct conversation c = {.fd = -1, .end = uv_hrtime() + (uint64_t)limit_ms * 1000000};
    int r = converse(&c, a, e);

    if (c.fd >= 0)
        close(c.fd);
    return r;
}
