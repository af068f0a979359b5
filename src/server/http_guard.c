/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP guard: who may do and see what
 *
 * A browser on the operator's machine is inside every firewall, and any page that it shows can make
 * it send requests. Two ways lead from a foreign page to this server:
 *
 *      by our address     fetch("http://127.0.0.1:9102/-/quit", {method: "POST"}): it cannot read
 *                         the answer, but the request is there. Browsers tell with `Origin` whose
 *                         page asks, so one that is not ours is refused.
 *      by its own name    the page's host name is made to lead to 127.0.0.1 after it was loaded
 *                         (DNS rebinding): now the page is "ours" and may read too. `Host` is then
 *                         the page's name, so a name that is not ours is refused. An address
 *                         cannot be made to lead elsewhere; it is always good.
 *
 * Our names are localhost, those in --web.listen-address, the machine's, and --web.allowed-host's.
 * Ports are not compared with ours, since they are mapped; host and port of Origin are compared
 * with those of Host.
 *
 * A GET that wants no answer (an image, a frame, a fetch() without CORS) has no Origin. What it can
 * do is to occupy us: a page is work, a tap stays. Browsers say with Sec-Fetch-Site that another
 * site's page asks, so where an answer costs something it gets none; links may be followed.
 *
 * What senders sent and their addresses are for who is on this machine. A proxy beside us would
 * make everybody look as if he were, so a request that was forwarded is nobody's on this machine.
 *
 * With a web configuration others may see them too: who came in by a password (http_enter.c), or by
 * a client certificate, which was looked at before the first request, by the rules of then.
 *
 * Law: a request that is refused is answered with constants; nothing of it is echoed.
 */
#include "server/http_conn.h"

#include <assert.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

/* Longest address as text. */
#define ADDRESS_MAX 64

static const char bad_host[] =
    "403 Forbidden: the request's Host is not a name of this server; use an address, localhost or "
    "a name given with --web.allowed-host\n";
static const char bad_origin[] =
    "403 Forbidden: the request comes from a page of another site (Origin)\n";
static const char bad_site[] = "403 Forbidden: a page of another site asks (Sec-Fetch-Site); "
                               "follow a link or use an address\n";

/* ---- on this machine ---- */

struct ip http_guard_peer(int fd)
{
    struct sockaddr_storage peer;
    socklen_t len = sizeof peer;
    struct ip ip = {0};

    if (getpeername(fd, (struct sockaddr *)&peer, &len) == 0)
        ip_of(&ip, (struct sockaddr *)&peer);
    if (ip.high != 0)
        ip.low = 0;
    return ip;
}

bool http_guard_is_local(int fd)
{
    struct sockaddr_storage peer = {0};
    socklen_t len = sizeof peer;
    struct ip ip;

    if (getpeername(fd, (struct sockaddr *)&peer, &len) < 0)
        return false;
    return peer.ss_family == AF_UNIX ||
           (ip_of(&ip, (struct sockaddr *)&peer) && ip_is_loopback(ip));
}

/* ---- names ---- */

struct authority {
    struct slice host; /* without brackets, nor the dot at its end */
    struct slice port; /* empty: none */
    bool bracketed;
};

/* Cut "host:port", "[v6]:port"; the port may be missing. False: it is no such thing. */
static bool cut_authority(struct slice text, struct authority *out)
{
    struct authority a = {.bracketed = text.len > 0 && text.p[0] == '['};
    size_t end = slice_find(text, a.bracketed ? ']' : ':');
    struct slice rest;

    a.host = a.bracketed ? slice_of(text.p + 1, end - 1) : slice_of(text.p, end);
    if (a.bracketed && end++ == text.len)
        return false;
    rest = slice_from(text, end);
    if (rest.len > 0 && rest.p[0] != ':')
        return false;
    a.port = rest.len > 0 ? slice_from(rest, 1) : rest;
    for (size_t i = 0; i < a.port.len; i++) {
        if (a.port.p[i] < '0' || a.port.p[i] > '9')
            return false;
    }
    if (a.host.len > 0 && a.host.p[a.host.len - 1] == '.')
        a.host.len--;
    *out = a;
    return a.host.len > 0;
}

static bool same_name(struct slice a, struct slice b)
{
    return a.len == b.len && strncasecmp(a.p, b.p, a.len) == 0;
}

static bool is_address(const struct authority *a)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    char text[ADDRESS_MAX];

    if (a->host.len >= sizeof text)
        return false;
    memcpy(text, a->host.p, a->host.len);
    text[a->host.len] = '\0';
    return inet_pton(a->bracketed ? AF_INET6 : AF_INET, text, bytes) == 1;
}

static bool is_ours(const struct http *h, const struct authority *a)
{
    const struct options_list *hosts = h->config.hosts;

    if (is_address(a) || same_name(a->host, SLICE_LIT("localhost")))
        return true;
    for (size_t i = 0; hosts != NULL && i < hosts->n; i++) {
        if (same_name(a->host, slice_str(hosts->items[i])))
            return true;
    }
    return false;
}

static bool host_is_ours(const struct http_conn *c, struct authority *out)
{
    return cut_authority(request_host(&c->request), out) && is_ours(c->http, out);
}

/* Is the page at @origin ("http://host:port") one of the server that it asks at @host? */
static bool same_origin(struct slice origin, const struct authority *host)
{
    bool tls = slice_starts(origin, SLICE_LIT("https://"));
    struct slice usual = tls ? SLICE_LIT("443") : SLICE_LIT("80");
    struct authority page;

    if (!tls && !slice_starts(origin, SLICE_LIT("http://")))
        return false; /* "null" too */
    if (!cut_authority(slice_from(origin, tls ? 8 : 7), &page))
        return false;
    return page.bracketed == host->bracketed && same_name(page.host, host->host) &&
           slice_eq(page.port.len ? page.port : usual, host->port.len ? host->port : usual);
}

/* ---- the questions ---- */

static bool forbid(struct http_conn *c, struct slice why)
{
    c->http->stats.forbidden++;
    http_conn_answer(c, &(struct http_answer){.status = 403, .body = why});
    return false;
}

bool http_may_change(struct http_conn *c)
{
    struct authority host;

    if (!host_is_ours(c, &host))
        return forbid(c, slice_str(bad_host));
    if (c->request.has_origin && !same_origin(request_origin(&c->request), &host))
        return forbid(c, slice_str(bad_origin));
    return true;
}

bool http_may_cost(struct http_conn *c)
{
    return !request_is_for_another_page(&c->request) || forbid(c, slice_str(bad_site));
}

bool http_may_read(struct http_conn *c)
{
    struct authority host = {0};
    bool ours = host_is_ours(c, &host);

    if (c->local && !ours)
        return forbid(c, slice_str(bad_host));
    if (c->request.has_origin && !same_origin(request_origin(&c->request), &host))
        return forbid(c, slice_str(bad_origin));
    return http_may_cost(c);
}

/* By a certificate, and by the rules that still hold. */
static bool is_verified(const struct http_conn *c)
{
    return c->tls && c->generation == c->http->generation && tls_conn_is_verified(c->tls);
}

bool http_may_see_senders(const struct http_conn *c)
{
    struct authority host;

    if (c->known || is_verified(c))
        return true;
    return c->local && !c->request.forwarded && host_is_ours(c, &host);
}
