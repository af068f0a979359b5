/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listen: see listen.h
 *
 * Sockets are opened on the control thread before any worker runs; what comes until then waits in
 * their buffers. Each listener is logged with the address that it got.
 *
 * Where descriptors allow fewer connections than were asked for (descriptors.c), the log says so.
 *
 * Laws: a port that is taken is an error, with any number of threads.
 *       What was opened before a failure stays for server.c to close.
 */
#include "server/listen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/descriptors.h"
#include "server/handover.h"
#include "server/start.h"

/* At the limit a TCP connection that was silent so long makes room for a new one. */
#define TCP_EVICT_MS 60000

/* ---- limits ---- */

static void log_limit(const struct server *s, const char *event, uint64_t limit, uint64_t asked)
{
    if (limit < asked)
        log_event(s->log, LOG_LEVEL_WARN, event, log_int("limit", (int64_t)limit),
                  log_str("reason", "the limit of open files (ulimit -n) allows no more"));
}

unsigned listen_http_limit(const struct server *s)
{
    uint64_t limit = descriptors_for_http(s);

    log_limit(s, "http_connections_limited", limit, s->o->web_max_connections);
    return (unsigned)limit;
}

/* ---- what was open before ---- */

static int take(struct server *s, enum inherit_kind kind, const struct address *a)
{
    const struct sockaddr *sa = (const struct sockaddr *)&a->sa;

    return inherit_take(&s->inherit, kind, sa, address_len(sa));
}

static bool has_address(const struct addresses *list, const struct address *a)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->items[i].text, a->text) == 0)
            return true;
    return false;
}

/* The addresses of inherited sockets of @kind, each once, in the place of those of the flags. */
static int replace(struct server *s, enum inherit_kind kind, struct addresses *list)
{
    struct address *items;

    if (!inherit_replaces(&s->inherit, kind))
        return 0;
    items = calloc(s->inherit.n, sizeof *items);
    if (items == NULL)
        return start_fail_step(s, "addresses", -ENOMEM);
    free(list->items);
    *list = (struct addresses){.items = items};
    for (size_t i = 0; i < s->inherit.n; i++) {
        const struct inherit_socket *from = &s->inherit.items[i];
        struct address a = {.sa = from->sa};

        address_format((struct sockaddr *)&a.sa, a.text);
        if (from->kind == kind && from->sa.ss_family != AF_UNIX && !has_address(list, &a))
            list->items[list->n++] = a;
    }
    return 0;
}

int listen_instead(struct server *s)
{
    int r;

    for (unsigned kind = 0; kind < INHERIT_N_KINDS; kind++)
        s->instead[kind] = inherit_replaces(&s->inherit, kind);
    r = replace(s, INHERIT_UDP, &s->udp);
    if (r == 0)
        r = replace(s, INHERIT_TCP, &s->tcp_addresses);
    if (inherit_replaces(&s->inherit, INHERIT_HTTP))
        s->n_web_names = 0;
    return r == 0 ? replace(s, INHERIT_HTTP, &s->web) : r;
}

int listen_rest(struct server *s)
{
    for (size_t i = 0; i < s->inherit.n; i++) {
        if (s->inherit.items[i].fd >= 0)
            log_event(s->log, LOG_LEVEL_WARN, "inherited_socket_closed",
                      log_str("kind", inherit_kind_name(s->inherit.items[i].kind)),
                      log_str("reason", "no flag has its address"));
    }
    inherit_release(&s->inherit);
    return 0;
}

/* ---- the listeners ---- */

/* What was named and not granted, or named and small, is worth a warning; what we should like to
 * have, a word. */
static void log_buffer(const struct server *s, const struct ingest *in)
{
    int64_t asked = s->o->read_buffer != 0 ? (int64_t)s->o->read_buffer : in->wanted_buffer / 2;
    char remedy[64] = "remove --statsd.read-buffer";

    if (in->granted_buffer >= in->wanted_buffer)
        return;
    if (in->granted_buffer < 2 * asked)
        snprintf(remedy, sizeof remedy, "sysctl -w net.core.rmem_max=%lld",
                 (long long)in->wanted_buffer / 2);
    log_event(s->log, s->o->read_buffer != 0 ? LOG_LEVEL_WARN : LOG_LEVEL_INFO,
              "receive_buffer_limited", log_str("address", in->address.text),
              log_int("asked", asked), log_int("granted", in->granted_buffer / 2),
              log_str("remedy", remedy));
}

static void log_udp(const struct server *s, struct ingest *const *sockets, unsigned n)
{
    const struct ingest *least = sockets[0];

    for (unsigned i = 1; i < n; i++) {
        if (sockets[i]->granted_buffer < least->granted_buffer)
            least = sockets[i];
    }
    log_event(s->log, LOG_LEVEL_INFO, "listening", log_str("transport", "udp"),
              log_str("address", sockets[0]->address.text), log_int("sockets", n),
              log_int("receive_buffer_bytes", least->granted_buffer));
    log_buffer(s, least);
}

/* The next socket of @a: an inherited one while there are any, else one of our own. */
static int open_next(struct server *s, struct address *a, unsigned index,
                     const struct ingest_config *config, struct err *e)
{
    struct worker *w = s->workers[index % s->n_workers];
    int fd = take(s, INHERIT_UDP, a);
    int r = fd >= 0 ? ingest_adopt(&s->sockets[s->n_sockets], w, fd, config, e)
                    : ingest_open(&s->sockets[s->n_sockets], w, a, config, e);

    if (r != 0)
        return r;
    *a = s->sockets[s->n_sockets]->address; /* which had no port, perhaps */
    s->sockets[s->n_sockets++]->index = index;
    return 0;
}

/* What is relayed to ourselves is relayed again: a line that goes round for ever, and counts. */
static int refuse_circle(const struct server *s, const struct address *a, struct err *e)
{
    const char *target = relay_leads_to(s->relay, a);

    if (target == NULL)
        return 0;
    err_set(e, NULL, 0, 0,
            "--statsd.relay.address: '%s' is this server itself, which listens on %s: each line "
            "would loop forever; give another server",
            target, a->text);
    return -EINVAL;
}

/*
 * One socket for each worker on @a. Inherited ones that are more than the workers are dealt out all
 * the same: each must be read from, or its part of the datagrams is lost.
 */
static int open_udp(struct server *s, struct address *a)
{
    unsigned n_inherited =
        (unsigned)inherit_count(&s->inherit, INHERIT_UDP, (struct sockaddr *)&a->sa,
                                address_len((struct sockaddr *)&a->sa));
    unsigned n = n_inherited > s->n_workers ? n_inherited : s->n_workers;
    const struct ingest_config config = {.read_buffer = s->o->read_buffer, .shared = n > 1};
    struct ingest **sockets = s->sockets + s->n_sockets;
    struct err e;
    int r = config.shared && n_inherited == 0 ? ingest_probe(a, &e) : 0;

    for (unsigned i = 0; i < n && r == 0; i++)
        r = open_next(s, a, i, &config, &e);
    if (r == 0)
        r = refuse_circle(s, a, &e);
    if (r != 0)
        return start_fail(s, r, &e);
    log_udp(s, sockets, n);
    if (config.shared && ingest_steer(sockets[0], n) != 0)
        log_event(s->log, LOG_LEVEL_WARN, "steering_refused", log_str("address", a->text),
                  log_str("effect", "lines of one host stay in order per source port only"));
    return 0;
}

int listen_udp(struct server *s)
{
    int r = 0;

    s->sockets = calloc(s->udp.n * s->n_workers + s->inherit.n + 1, sizeof *s->sockets);
    if (s->sockets == NULL)
        return start_fail_step(s, "udp", -ENOMEM);
    for (size_t i = 0; i < s->udp.n && r == 0; i++)
        r = open_udp(s, &s->udp.items[i]);
    return r;
}

/* Where it is not as the flag says; the first socket of an address speaks for all. */
static void log_gro(const struct server *s, const struct ingest *in)
{
    if (in->inlet.joined == s->o->udp_gro || in->index > 0)
        return;
    if (s->o->udp_gro)
        log_event(s->log, LOG_LEVEL_WARN, "udp_gro_refused", log_str("address", in->address.text),
                  log_str("error", uv_strerror(in->join_error)),
                  log_str("effect", "datagrams are received one by one"));
    else
        log_event(
            s->log, LOG_LEVEL_WARN, "udp_gro_kept", log_str("address", in->address.text),
            log_str("reason", "it is already enabled on the socket, where groups may be queued"),
            log_str("effect", "kernel drops are counted in groups"));
}

int listen_gro(struct server *s)
{
    int r = 0;

    for (unsigned i = 0; i < s->n_sockets && r == 0; i++) {
        r = ingest_join(s->sockets[i], s->o->udp_gro);
        log_gro(s, s->sockets[i]);
    }
    return r == 0 ? 0 : start_fail_step(s, "udp", r);
}

static int open_tcp(struct server *s, struct address *a)
{
    int fd = take(s, INHERIT_TCP, a);
    struct err e;
    int r;

    if (fd >= 0)
        address_refresh(a, fd);
    r = fd >= 0 ? tcp_listen_on(s->tcp, fd) : tcp_listen(s->tcp, a, &e);
    if (r != 0 && fd >= 0)
        address_refused(&e, "tcp", a, r);
    if (r != 0)
        return start_fail(s, r, &e);
    log_event(s->log, LOG_LEVEL_INFO, "listening", log_str("transport", "tcp"),
              log_str("address", a->text));
    return 0;
}

int listen_tcp(struct server *s)
{
    const struct tcp_config config = {
        .workers = s->workers,
        .n_workers = s->n_workers,
        .max_connections = descriptors_for_tcp(s),
        .evict_ms = TCP_EVICT_MS,
        .allow = &s->policy.tcp,
    };
    int r = tcp_new(&s->tcp, &s->loop, &config);

    if (r != 0)
        return start_fail_step(s, "tcp", r);
    log_limit(s, "tcp_connections_limited", config.max_connections, s->o->tcp_max_connections);
    for (size_t i = 0; i < s->tcp_addresses.n && r == 0; i++)
        r = open_tcp(s, &s->tcp_addresses.items[i]);
    return r;
}

/* The mode of the Unix sockets' files; one that is none is no reason to stay away, as there. */
static int unixsocket_mode(const struct server *s)
{
    const char *text = s->o->unixsocket_mode;
    int mode;

    if (local_parse_mode(text, &mode))
        return mode;
    log_event(
        s->log, LOG_LEVEL_WARN, "unixsocket_mode_ignored",
        log_str("mode", text != NULL ? text : ""),
        log_str("remedy", "write octal digits, as for chmod(1), in --statsd.unixsocket-mode"));
    return LOCAL_MODE_UMASK;
}

/* The socket of @kind that was open before, or -1; @path is the flag's, NULL: none. */
static int take_local(struct server *s, struct local *name, const char *path,
                      enum inherit_kind kind)
{
    bool instead = inherit_replaces(&s->inherit, kind);
    struct err e;
    int fd = -1;

    for (size_t i = 0; i < s->inherit.n && instead && fd < 0; i++) {
        struct inherit_socket *from = &s->inherit.items[i];

        if (from->kind == kind &&
            local_from_socket(name, (struct sockaddr *)&from->sa, from->sa_len))
            fd = inherit_take(&s->inherit, kind, (struct sockaddr *)&from->sa, from->sa_len);
    }
    if (instead || path == NULL || local_resolve(name, path, &e) != 0)
        return fd;
    fd = inherit_take(&s->inherit, kind, (struct sockaddr *)&name->sa, name->sa_len);
    if (fd >= 0)
        local_adopt(name);
    return fd;
}

/* A socket of @type at @path, named by @name from here on. */
static int bind_local(struct server *s, struct local *name, const char *path, int type, int mode,
                      int *fd)
{
    struct err e;
    int r = local_resolve(name, path, &e);

    if (r == 0)
        r = local_open(fd, name, type, mode, &e);
    if (r != 0)
        return start_fail(s, r, &e);
    if (name->mode_error != 0)
        log_event(s->log, LOG_LEVEL_WARN, "unixsocket_mode_refused", log_str("path", name->text),
                  log_str("error", uv_strerror(name->mode_error)));
    return 0;
}

/* *@fd stays -1 where none is wanted. */
static int open_local(struct server *s, struct local *name, const char *path,
                      enum inherit_kind kind, int *fd)
{
    static const int types[INHERIT_N_KINDS] = {[INHERIT_UNIXGRAM] = SOCK_DGRAM,
                                               [INHERIT_UNIX] = SOCK_STREAM,
                                               [INHERIT_CONTROL] = SOCK_SEQPACKET};
    int r = 0;

    *fd = take_local(s, name, path, kind);
    if (*fd < 0 && path != NULL)
        r = bind_local(s, name, path, types[kind],
                       kind == INHERIT_CONTROL ? 0600 : unixsocket_mode(s), fd);
    if (r == 0 && *fd >= 0)
        log_event(s->log, LOG_LEVEL_INFO, "listening",
                  log_str("transport", inherit_kind_name(kind)), log_str("address", name->text));
    return r;
}

/* One socket of each kind: datagrams are the first worker's, connections are dealt. */
int listen_unix(struct server *s)
{
    struct err e;
    int fd;
    int r = open_local(s, &s->unixgram_name, s->o->listen_unixgram, INHERIT_UNIXGRAM, &fd);

    if (r != 0)
        return r;
    if (fd >= 0 && (r = unixgram_open(&s->unixgram, s->workers[0], fd, s->o->read_buffer, &e)) != 0)
        return start_fail(s, r, &e);
    r = open_local(s, &s->unix_name, s->o->listen_unix, INHERIT_UNIX, &fd);
    if (r != 0 || fd < 0)
        return r;
    r = tcp_listen_frames(s->tcp, fd);
    return r == 0 ? 0 : start_fail_step(s, "unix", r);
}

static int open_http(struct server *s, unsigned i)
{
    struct address *a = &s->web.items[i];
    struct err e;
    int fd = take(s, INHERIT_HTTP, a);
    int r = fd >= 0 ? address_refresh(a, fd) : address_listen(&fd, a, SOMAXCONN);

    if (r == 0)
        r = http_listen_on(s->http, fd);
    if (r != 0)
        return start_fail(s, address_refused(&e, "http", a, r), &e);
    log_event(s->log, LOG_LEVEL_INFO, "listening", log_str("transport", "http"),
              log_str("address", a->text), log_str("path", s->o->telemetry_path));
    return 0;
}

/* Who may write to the file may come in; nobody is asked for a certificate there. */
static int open_http_unix(struct server *s, struct local *name)
{
    struct err e;
    int mode = LOCAL_MODE_UMASK, r = 0;
    int fd = inherit_take(&s->inherit, INHERIT_HTTP, (struct sockaddr *)&name->sa, name->sa_len);

    local_parse_mode(s->o->web_unixsocket_mode, &mode);
    if (fd >= 0)
        local_adopt(name);
    else
        r = local_open(&fd, name, SOCK_STREAM, mode, &e);
    if (r != 0)
        return start_fail(s, r, &e);
    r = http_listen_on(s->http, fd);
    if (r != 0)
        return start_fail_step(s, "http", r);
    log_event(s->log, LOG_LEVEL_INFO, "listening", log_str("transport", "http+unix"),
              log_str("address", name->text), log_str("path", s->o->telemetry_path));
    return 0;
}

int listen_http(struct server *s)
{
    int r = 0;

    for (unsigned i = 0; i < s->web.n && r == 0; i++)
        r = open_http(s, i);
    for (size_t i = 0; i < s->n_web_names && r == 0; i++)
        r = open_http_unix(s, &s->web_names[i]);
    return r;
}

static int open_admin(struct server *s, struct address *a)
{
    int fd = take(s, INHERIT_ADMIN, a);
    struct err e;
    int r = fd >= 0 ? admin_listen_on(s->admin, fd) : admin_listen(s->admin, a, &e);

    if (r != 0)
        return fd >= 0 ? start_fail_step(s, "admin", r) : start_fail(s, r, &e);
    log_event(s->log, LOG_LEVEL_INFO, "listening", log_str("transport", "admin"),
              log_str("address", a->text));
    return 0;
}

int listen_admin(struct server *s)
{
    int r = 0;

    if (s->admin_addresses.n == 0)
        return 0;
    r = admin_new(&s->admin, s);
    if (r != 0)
        return start_fail_step(s, "admin", r);
    for (size_t i = 0; i < s->admin_addresses.n && r == 0; i++)
        r = open_admin(s, &s->admin_addresses.items[i]);
    return r;
}

int listen_control(struct server *s)
{
    int fd;
    int r = open_local(s, &s->control_name, s->o->control_socket, INHERIT_CONTROL, &fd);

    if (r != 0 || fd < 0)
        return r;
    r = handover_listen(s, fd);
    return r == 0 ? 0 : start_fail_step(s, "control socket", r);
}
