/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Health check: see healthcheck.h
 *
 *      connect --> (shake hands) --> send the request --> read until the first line is whole
 *      --> its status
 *
 * One non-blocking socket and poll(); every wait gets what is left of one limit, so a server that
 * answers a byte at a time is as late as one that is silent. /-/ready and not /-/healthy: who asks
 * wants to know whether lines are taken in, and a server that is ending takes none.
 *
 * A server on every address is asked on 127.0.0.1: its IPv6 wildcard takes IPv4 too
 * (address_prepare()), and containers often have no ::1.
 *
 * The server's certificate is not looked at: it is made out to a name, and asked is an address of
 * this machine; no secret is sent. Where the server wants certificates of its clients, it is asked
 * on a Unix socket.
 *
 * Laws: the limit holds for the whole conversation; at most MAX_LINE bytes of an answer are kept,
 *       whatever is sent, and what is printed of them is printable.
 */
#include "server/healthcheck.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "base/num.h"
#include "conf/options.h"
#include "server/local.h"
#include "server/tls.h"

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

static int local_address(struct address *out, const char *path, struct err *e)
{
    struct local name;
    int r = local_resolve(&name, path, e);

    if (r < 0)
        return r;
    *out = (struct address){0};
    memcpy(&out->sa, &name.sa, sizeof name.sa);
    snprintf(out->text, sizeof out->text, OPTIONS_UNIX "%s", path);
    return 0;
}

int healthcheck_address(struct address *out, const char *listen, struct err *e)
{
    struct address a;
    int r;

    if (strncmp(listen, OPTIONS_UNIX, strlen(OPTIONS_UNIX)) == 0)
        return local_address(out, listen + strlen(OPTIONS_UNIX), e);
    r = address_resolve(&a, listen, e);

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
    uint64_t end;         /* of the limit, as uv_hrtime() counts */
    struct tls_conn *tls; /* owned; NULL: plain */
    struct buf text;      /* what the server said */
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
static int send_bytes(const struct conversation *c, struct slice bytes)
{
    ssize_t n = send(c->fd, bytes.p, bytes.len, MSG_NOSIGNAL);

    if (n < 0)
        return -errno;
    return (size_t)n == bytes.len ? 0 : -EIO;
}

static int send_cipher(const struct conversation *c)
{
    struct buf cipher = {0};
    int r = 0;

    tls_conn_flush(c->tls, &cipher);
    if (cipher.failed)
        r = -ENOMEM;
    else if (cipher.len > 0)
        r = send_bytes(c, buf_slice(&cipher));
    buf_release(&cipher);
    return r;
}

static int take_cipher(struct conversation *c, struct slice in)
{
    enum tls_outcome outcome;
    int r = tls_conn_feed(c->tls, in);

    if (r < 0)
        return r;
    outcome = tls_conn_is_open(c->tls) ? TLS_DONE : tls_conn_handshake(c->tls);
    if (outcome == TLS_DONE)
        outcome = tls_conn_read(c->tls, &c->text);
    r = send_cipher(c);
    if (outcome == TLS_FAILED)
        return -ECONNABORTED;
    return r < 0 ? r : outcome != TLS_CLOSED;
}

/* Some of what the server says. 1; 0 at its end; a negative errno. */
static int receive(struct conversation *c)
{
    char bytes[4096];
    ssize_t n;
    int r = wait_for(c, POLLIN);

    if (r < 0)
        return r;
    n = recv(c->fd, bytes, sizeof bytes, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 1 : -errno;
    if (n == 0)
        return 0;
    if (c->tls != NULL)
        return take_cipher(c, slice_of(bytes, (size_t)n));
    return buf_add(&c->text, bytes, (size_t)n) < 0 ? -ENOMEM : 1;
}

static int shake_hands(struct conversation *c)
{
    int r = tls_conn_new_client(&c->tls);

    if (r == 0) {
        tls_conn_handshake(c->tls); /* our greeting */
        r = send_cipher(c);
    }
    while (r >= 0 && !tls_conn_is_open(c->tls)) {
        r = receive(c);
        if (r == 0)
            return -ECONNRESET;
    }
    return r < 0 ? r : 0;
}

static int send_request(const struct conversation *c)
{
    if (c->tls == NULL)
        return send_bytes(c, slice_str(request));
    tls_conn_write(c->tls, slice_str(request));
    return send_cipher(c);
}

/* The first line of the answer without its end, or less where the answer ends before. */
static int read_line(struct conversation *c, struct slice *out)
{
    int r = 1;

    while (r > 0 && c->text.len < MAX_LINE && slice_find(buf_slice(&c->text), '\n') == c->text.len)
        r = receive(c);
    if (r < 0)
        return r;
    *out = buf_slice(&c->text);
    if (out->len > MAX_LINE)
        out->len = MAX_LINE;
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

/* What somebody sent, for a terminal. */
static void print_safely(char out[MAX_LINE + 1], struct slice text)
{
    size_t i = 0;

    for (; i < text.len && i < MAX_LINE; i++)
        out[i] = text.p[i] >= ' ' && text.p[i] < 0x7f ? text.p[i] : '?';
    out[i] = '\0';
}

static int tell_fault(const struct address *a, int r, struct err *e)
{
    if (r == -ECONNABORTED)
        err_set(e, NULL, 0, 0,
                "%s: no TLS connection; a server that wants certificates of its clients is asked "
                "on a Unix socket, with one more --web.listen-address=unix:PATH",
                a->text);
    else
        err_set(e, NULL, 0, 0, "%s: %s", a->text, uv_strerror(r));
    return r;
}

static int converse(struct conversation *c, const struct address *a, bool tls, struct err *e)
{
    char shown[MAX_LINE + 1];
    struct slice first = {NULL, 0};
    int r = connect_to(c, a);

    if (r == 0 && tls && a->sa.ss_family != AF_UNIX)
        r = shake_hands(c);
    if (r == 0)
        r = send_request(c);
    if (r == 0)
        r = read_line(c, &first);
    if (r < 0)
        return tell_fault(a, r, e);
    r = read_status(first);
    if (r == 200)
        return 0;
    print_safely(shown, first);
    if (r > 0)
        err_set(e, NULL, 0, 0, "%s: not ready, /-/ready is answered with %d", a->text, r);
    else
        err_set(e, NULL, 0, 0, "%s: who listens there does not speak HTTP: '%s'", a->text, shown);
    return r > 0 ? -EAGAIN : r;
}

int healthcheck_ask(const struct address *a, bool tls, int limit_ms, struct err *e)
{
    struct conversation c = {.fd = -1, .end = uv_hrtime() + (uint64_t)limit_ms * 1000000};
    int r = converse(&c, a, tls, e);

    if (c.fd >= 0)
        close(c.fd);
    tls_conn_free(c.tls);
    buf_release(&c.text);
    return r;
}
