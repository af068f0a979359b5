/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Client: see client.h
 *
 *      connect --> (shake hands) --> client_send() --> client_receive(), ... --> client_close()
 *
 * One non-blocking socket and poll(); every wait gets what is left of one limit, so a server that
 * answers a byte at a time is as late as one that is silent.
 *
 * Laws: a password comes from a file and is overwritten when it is no longer needed; a URL that
 *       holds one is refused, for everybody can read a command line.
 *       Nothing is sent to a server before its certificate was found to be good.
 */
#include "server/client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/hostport.h"
#include "conf/options.h"
#include "server/file.h"
#include "server/healthcheck.h"
#include "server/password.h"

#define CONFIG_MAX   (1 << 20)
#define PASSWORD_MAX 4096

/* ---- whom to ask ---- */

static int refuse_url(const char *url, struct err *e, const char *remedy)
{
    err_set(e, NULL, 0, 0, "'%.200s' %s", url, remedy);
    return -EINVAL;
}

/* Colons inside brackets are an address'. */
static bool has_port(struct slice authority)
{
    size_t bracket = slice_find(authority, ']');
    struct slice rest = slice_from(authority, bracket < authority.len ? bracket : 0);

    return slice_find(rest, ':') < rest.len;
}

static bool copy_text(char *out, size_t size, struct slice text, const char *more)
{
    if (text.len + strlen(more) >= size)
        return false;
    memcpy(out, text.p, text.len);
    strcpy(out + text.len, more);
    return true;
}

static bool is_everywhere(struct slice host)
{
    return host.len == 0 || slice_eq_str(host, "0.0.0.0") || slice_eq_str(host, "::");
}

static int read_authority(struct client_url *out, const char *url, struct slice authority,
                          const char *port, struct err *e)
{
    struct slice host;
    const char *fault;
    uint16_t number;

    if (slice_find(authority, '@') < authority.len) {
        err_set(e, NULL, 0, 0,
                "--url: a password must not be on the command line; write it into a file, with "
                "basic_auth, and set --http.config.file");
        return -EINVAL;
    }
    if (authority.len == 0)
        return refuse_url(url, e, "has no host, write http://HOST:PORT");
    if (!copy_text(out->address, sizeof out->address, authority, has_port(authority) ? "" : port))
        return refuse_url(url, e, "is too long");
    fault = hostport_split(slice_str(out->address), &host, &number);
    if (fault != NULL)
        return refuse_url(url, e, fault);
    if (is_everywhere(host))
        host = SLICE_LIT("localhost");
    return copy_text(out->host, sizeof out->host, host, "") ? 0 : refuse_url(url, e, "is too long");
}

int client_url_read(struct client_url *out, const char *url, struct err *e)
{
    static const struct {
        const char *begins, *port;
        bool tls;
    } schemes[] = {{"http://", ":80", false}, {"https://", ":443", true}, {"", "", false}};
    struct client_url u = {.host = "localhost"};
    size_t i = 0, len;
    int r;

    if (strncmp(url, OPTIONS_UNIX, strlen(OPTIONS_UNIX)) == 0) {
        if (!copy_text(u.address, sizeof u.address, slice_str(url), ""))
            return refuse_url(url, e, "is too long");
        *out = u;
        return 0;
    }
    while (strncmp(url, schemes[i].begins, strlen(schemes[i].begins)) != 0)
        i++;
    len = strlen(schemes[i].begins);
    if (len == 0 && strstr(url, "://") != NULL && strchr(url, '@') == NULL)
        return refuse_url(url, e, "is not http://HOST:PORT, https://HOST:PORT or unix:PATH");
    u.tls = schemes[i].tls;
    r = read_authority(&u, url, slice_of(url + len, strcspn(url + len, len ? "/?#" : "")),
                       schemes[i].port, e);
    if (r == 0)
        *out = u;
    return r;
}

/* ---- who we are ---- */

/* Base64. */
static void add_encoded(struct buf *out, struct slice text)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < text.len; i += 3) {
        unsigned n = text.len - i < 3 ? (unsigned)(text.len - i) : 3;
        unsigned bits = 0;

        for (unsigned j = 0; j < 3; j++)
            bits = bits << 8 | (j < n ? (unsigned char)text.p[i + j] : 0);
        for (unsigned j = 0; j < 4; j++)
            buf_add_byte(out, j <= n ? letters[bits >> (18 - 6 * j) & 63] : '=');
    }
}

static void forget(struct buf *text)
{
    password_forget(text->p, text->len);
    buf_release(text);
}

static int set_authorization(struct client_identity *out, const struct client_config *c,
                             struct err *e)
{
    const struct web_text *file = &c->password_file;
    struct buf password = {0}, plain = {0}, header = {0};
    int r = file->text ? file_read(file->text, false, PASSWORD_MAX, &password) : 0;

    if (r < 0)
        return web_text_refuse(c->file, file, e, "password_file: %s: %s", file->text,
                               uv_strerror(r));
    buf_addf(&plain, "%s:", c->user.text ? c->user.text : "");
    if (file->text)
        /* White space around it is the file's, as Prometheus sees it. */
        buf_add_slice(&plain, slice_trim(buf_slice(&password)));
    else if (c->password.text)
        buf_add_str(&plain, c->password.text);
    buf_add_str(&header, "Basic ");
    add_encoded(&header, buf_slice(&plain));
    buf_add_byte(&header, '\0');
    r = plain.failed || header.failed ? -ENOMEM : 0;
    forget(&password);
    forget(&plain);
    if (r < 0)
        buf_release(&header);
    else
        out->authorization = header.p;
    return r;
}

static int load_config(struct client_config **out, const char *path, err_fn on_warning, void *ctx,
                       struct err *e)
{
    struct buf text = {0};
    int r = file_read(path, false, CONFIG_MAX, &text);

    if (r < 0)
        err_set(e, path, 0, 0, "%s; check --http.config.file", uv_strerror(r));
    else
        r = client_config_new(out, path, buf_slice(&text), on_warning, ctx, e);
    forget(&text);
    return r;
}

int client_identity_load(struct client_identity *out, const char *path, bool tls, err_fn on_warning,
                         void *ctx, struct err *e)
{
    struct client_config *c = NULL;
    int r = path != NULL ? load_config(&c, path, on_warning, ctx, e) : 0;

    *out = (struct client_identity){0};
    if (r == 0 && tls)
        r = tls_client_new(&out->tls, c, e);
    if (r == 0 && c != NULL && c->has_auth)
        r = set_authorization(out, c, e);
    if (r == -ENOMEM)
        err_set(e, path, 0, 0, "%s", uv_strerror(r));
    client_config_free(c);
    return r;
}

void client_identity_release(struct client_identity *identity)
{
    tls_client_free(identity->tls);
    if (identity->authorization != NULL)
        password_forget(identity->authorization, strlen(identity->authorization));
    free(identity->authorization);
    *identity = (struct client_identity){0};
}

/* ---- the connection ---- */

/* Until @events or trouble. 0 or a negative errno. */
static int wait_for(const struct client *c, short events)
{
    for (;;) {
        struct pollfd p = {.fd = c->fd, .events = events};
        uint64_t now = uv_hrtime();
        int n = now < c->end_ns ? poll(&p, 1, (int)((c->end_ns - now) / 1000000) + 1) : 0;

        if (n > 0)
            return 0;
        if (n == 0)
            return -ETIMEDOUT;
        if (errno != EINTR)
            return -errno;
    }
}

static int connect_to(struct client *c, const struct address *a)
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
static int send_bytes(const struct client *c, struct slice bytes)
{
    ssize_t n = send(c->fd, bytes.p, bytes.len, MSG_NOSIGNAL);

    if (n < 0)
        return -errno;
    return (size_t)n == bytes.len ? 0 : -EIO;
}

static int send_cipher(const struct client *c)
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

static int take_cipher(struct client *c, struct slice in)
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

int client_receive(struct client *c)
{
    char bytes[16384];
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

static int shake_hands(struct client *c, const struct tls_client *tls, const char *host)
{
    int r = tls_conn_new_client(&c->tls, tls, host);

    if (r == 0) {
        tls_conn_handshake(c->tls); /* our greeting */
        r = send_cipher(c);
    }
    while (r >= 0 && !tls_conn_is_open(c->tls)) {
        r = client_receive(c);
        if (r == 0)
            return -ECONNRESET;
    }
    return r < 0 ? r : 0;
}

int client_open(struct client *c, const struct address *a, const struct tls_client *tls,
                const char *host, int limit_ms)
{
    int r;

    *c = (struct client){.fd = -1, .end_ns = uv_hrtime() + (uint64_t)limit_ms * 1000000};
    r = connect_to(c, a);
    return r == 0 && tls != NULL ? shake_hands(c, tls, host) : r;
}

void client_close(struct client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    tls_conn_free(c->tls);
    buf_release(&c->text);
}

const char *client_tls_fault(const struct client *c)
{
    return c->tls != NULL ? tls_conn_fault(c->tls) : NULL;
}

int client_send(struct client *c, struct slice bytes)
{
    if (c->tls == NULL)
        return send_bytes(c, bytes);
    if (tls_conn_write(c->tls, bytes) < 0)
        return -EIO;
    return send_cipher(c);
}

/* ---- a request ---- */

int client_tell_fault(const struct client *c, const struct client_url *url, int r, struct err *e)
{
    const char *fault = client_tls_fault(c);

    if (r == -ECONNABORTED && fault != NULL)
        err_set(e, NULL, 0, 0,
                "%.200s: TLS connection failed: %s; --http.config.file sets what to trust "
                "(ca_file, server_name) and the client certificate (cert_file, key_file)",
                url->address, fault);
    else
        err_set(e, NULL, 0, 0, "%.200s: %s", url->address, uv_strerror(r));
    return r;
}

static const char *why(const struct client_url *url, const struct client_identity *identity,
                       int status, const char *absent)
{
    switch (status) {
    case 400:
        return url->tls ? "" : ": if it speaks TLS, write https:// with --url";
    case 401:
        return identity->authorization != NULL
                   ? ": the user or the password is wrong"
                   : ": it requires a password; give one with --http.config.file";
    case 403:
        return ": allowed only for clients on its machine, by its address, or with a password or a "
               "certificate";
    case 404:
        return absent;
    case 503:
        return ": its limit of clients is reached";
    default:
        return "";
    }
}

int client_tell_status(const struct client_url *url, const struct client_identity *identity,
                       int status, const char *absent, struct err *e)
{
    err_set(e, NULL, 0, 0, "%.200s: the server returns %d%s", url->address, status,
            why(url, identity, status, absent));
    return -EACCES;
}

int client_connect(struct client *c, const struct client_url *url,
                   const struct client_identity *identity, int limit_ms, struct err *e)
{
    struct address a;
    int r = healthcheck_address(&a, url->address, e);

    *c = (struct client){.fd = -1};
    if (r < 0)
        return r;
    r = client_open(c, &a, url->tls ? identity->tls : NULL, url->host, limit_ms);
    return r < 0 ? client_tell_fault(c, url, r, e) : 0;
}

int client_get(struct client *c, const struct client_url *url,
               const struct client_identity *identity, struct slice target)
{
    struct buf request = {0};
    int r;

    buf_add_str(&request, "GET ");
    buf_add_slice(&request, target);
    buf_addf(&request,
             strchr(url->host, ':') ? " HTTP/1.1\r\nHost: [%s]\r\n" : " HTTP/1.1\r\nHost: %s\r\n",
             url->host);
    if (identity->authorization != NULL)
        buf_addf(&request, "Authorization: %s\r\n", identity->authorization);
    buf_add_str(&request, "Connection: close\r\n\r\n");
    r = request.failed ? -ENOMEM : client_send(c, buf_slice(&request));
    password_forget(request.p, request.len);
    buf_release(&request);
    return r;
}
