/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Health check: see healthcheck.h
 *
 *      connect (client.c) --> request --> read until the first line is whole --> its status
 *
 * /-/ready and not /-/healthy: who asks wants to know whether lines are taken in, and a server that
 * is ending takes none.
 *
 * A server on every address is asked on 127.0.0.1: its IPv6 wildcard takes IPv4 too
 * (address_prepare()), and containers often have no ::1.
 *
 * The server's certificate is not looked at unless --http.config.file says how: it is made out to a
 * name, and asked is an address of this machine; no secret is sent. Where the server wants
 * certificates of its clients, that file has one, or it is asked on a Unix socket.
 *
 * Laws: the limit holds for the whole conversation; at most MAX_LINE bytes of an answer are kept,
 *       whatever is sent, and what is printed of them is printable.
 */
#include "server/healthcheck.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "base/num.h"
#include "conf/options.h"
#include "server/client.h"
#include "server/local.h"

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
                "address \"%s\": port 0 is a different port at each start; give the actual one",
                listen);
        return -EINVAL;
    }
    if (is_wildcard(&a))
        set_loopback(&a);
    *out = a;
    return 0;
}

/* ---- the conversation ---- */

/* The first line of the answer without its end, or less where the answer ends before. */
static int read_line(struct client *c, struct slice *out)
{
    int r = 1;

    while (r > 0 && c->text.len < MAX_LINE && slice_find(buf_slice(&c->text), '\n') == c->text.len)
        r = client_receive(c);
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

static int tell_fault(const struct client *c, const struct address *a, int r, struct err *e)
{
    const char *fault = client_tls_fault(c);

    if (r == -ECONNABORTED)
        err_set(e, NULL, 0, 0,
                "%s: TLS connection failed (%s); for a server that requires client certificates "
                "set --http.config.file, or use a Unix socket: an additional "
                "--web.listen-address=unix:PATH",
                a->text, fault ? fault : "no reason was given");
    else
        err_set(e, NULL, 0, 0, "%s: %s", a->text, uv_strerror(r));
    return r;
}

static int converse(struct client *c, const struct address *a, const struct tls_client *tls,
                    const char *host, int limit_ms, struct err *e)
{
    char shown[MAX_LINE + 1];
    struct slice first = {NULL, 0};
    int r = client_open(c, a, a->sa.ss_family != AF_UNIX ? tls : NULL, host, limit_ms);

    if (r == 0)
        r = client_send(c, slice_str(request));
    if (r == 0)
        r = read_line(c, &first);
    if (r < 0)
        return tell_fault(c, a, r, e);
    r = read_status(first);
    if (r == 200)
        return 0;
    print_safely(shown, first);
    if (r > 0)
        err_set(e, NULL, 0, 0, "%s: not ready, /-/ready returns %d", a->text, r);
    else
        err_set(e, NULL, 0, 0, "%s: the listener there does not speak HTTP: '%s'", a->text, shown);
    return r > 0 ? -EAGAIN : r;
}

int healthcheck_ask(const struct address *a, const struct tls_client *tls, const char *host,
                    int limit_ms, struct err *e)
{
    struct client c;
    int r = converse(&c, a, tls, host, limit_ms, e);

    client_close(&c);
    return r;
}
