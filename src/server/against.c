/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Against: see against.h
 *
 *      server --client.c, reply.c--> bytes -\
 *      file --fread--> bytes ---------------> lines --> bacowr_shadow_line()
 *
 * What is wrong with a line is told with its number, in a file or of an answer alike.
 *
 * Laws: a line is held, and no longer one than LINE_MAX_BYTES; nothing else.
 */
#include "server/against.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "base/buf.h"
#include "conf/options.h"
#include "server/client.h"
#include "server/reply.h"

/* An identity is 4096 bytes, its labels are 8192, and in JSON a byte may be six; settings have
 * lists of bounds. */
#define LINE_MAX_BYTES (1u << 20)

/* A server that has nothing to say for so long is gone. */
#define SILENCE_MS     10000

struct reading {
    struct bacowr_shadow *shadow;
    const char *source;
    struct buf line;
    unsigned number;
    err_fn on_warning;
    struct err *e;
};

static int end_line(struct reading *r)
{
    struct err e = {.text = ""};
    int rc;

    r->number++;
    rc = r->line.failed ? -ENOMEM : bacowr_shadow_line(r->shadow, buf_slice(&r->line), &e);
    if (rc != 0)
        err_set(r->e, r->source, r->number, 0, "%s", rc == -EINVAL ? e.text : uv_strerror(rc));
    buf_clear(&r->line);
    return rc;
}

static int take(void *ctx, struct slice bytes)
{
    struct reading *r = ctx;

    while (bytes.len > 0) {
        size_t n = slice_find(bytes, '\n');
        bool ends = n < bytes.len;
        int rc;

        if (r->line.len + n > LINE_MAX_BYTES) {
            err_set(r->e, r->source, r->number + 1, 0,
                    "this line is too long for a response of /api/v1/identities");
            return -EINVAL;
        }
        buf_add_slice(&r->line, slice_of(bytes.p, n));
        bytes = slice_from(bytes, ends ? n + 1 : n);
        rc = ends ? end_line(r) : 0;
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int read_stream(struct reading *r, FILE *in)
{
    char bytes[65536];
    size_t n;
    int rc = 0;

    while (rc == 0 && (n = fread(bytes, 1, sizeof bytes, in)) > 0)
        rc = take(r, slice_of(bytes, n));
    if (rc == 0 && ferror(in)) {
        rc = -EIO;
        err_set(r->e, r->source, 0, 0, "%s", uv_strerror(rc));
    }
    return rc;
}

static int read_file(struct reading *r)
{
    FILE *in = fopen(r->source, "re");
    int rc;

    if (in == NULL) {
        rc = -errno;
        err_set(r->e, NULL, 0, 0, "%.200s: %s; a server is named as http://HOST:PORT or unix:PATH",
                r->source, uv_strerror(rc));
        return rc;
    }
    rc = read_stream(r, in);
    fclose(in);
    return rc;
}

static bool is_server(const char *source)
{
    return strncmp(source, "http://", 7) == 0 || strncmp(source, "https://", 8) == 0 ||
           strncmp(source, OPTIONS_UNIX, strlen(OPTIONS_UNIX)) == 0;
}

/* ---- a server ---- */

static int receive(struct reading *r, struct client *c, struct reply *reply)
{
    int got, rc;

    do {
        c->end_ns = uv_hrtime() + SILENCE_MS * 1000000ull;
        got = client_receive(c);
        rc = got < 0 ? got : reply_take(reply, buf_slice(&c->text), take, r);
        buf_clear(&c->text);
    } while (rc == 0 && got > 0);
    if (rc == 0)
        rc = reply_is_whole(reply) ? 0 : -ECONNRESET;
    return rc == -ENODATA ? 0 : rc;
}

static int tell(struct reading *r, const struct client *c, const struct client_url *url,
                const struct client_identity *identity, int rc)
{
    if (rc > 0)
        return client_tell_status(url, identity, rc,
                                  ": its version does not support /api/v1/identities", r->e);
    if (rc == 0 || r->e->text[0] != '\0') /* a line was no good */
        return rc;
    if (rc != -ECONNRESET)
        return client_tell_fault(c, url, rc, r->e);
    err_set(r->e, NULL, 0, 0, "%.200s: the response was truncated", r->source);
    return rc;
}

static int ask(struct reading *r, const struct client_url *url,
               const struct client_identity *identity)
{
    struct client c;
    struct reply reply = {0};
    int rc = client_connect(&c, url, identity, SILENCE_MS, r->e);

    if (rc == 0) {
        rc = client_get(&c, url, identity, SLICE_LIT("/api/v1/identities"));
        if (rc == 0)
            rc = receive(r, &c, &reply);
        rc = tell(r, &c, url, identity, rc);
    }
    client_close(&c);
    reply_release(&reply);
    return rc;
}

static int read_server(struct reading *r, const char *http_config)
{
    struct client_identity identity = {0};
    struct client_url url;
    int rc = client_url_read(&url, r->source, r->e);

    if (rc == 0)
        rc = client_identity_load(&identity, http_config, url.tls, r->on_warning, NULL, r->e);
    if (rc == 0)
        rc = ask(r, &url, &identity);
    client_identity_release(&identity);
    return rc;
}

/* ---- the whole ---- */

int against_read(struct bacowr_shadow *s, const char *source, const char *http_config,
                 err_fn on_warning, struct err *e)
{
    struct reading r = {.shadow = s, .source = source, .on_warning = on_warning, .e = e};
    struct err fault = {.text = ""};
    int rc;

    e->text[0] = '\0';
    if (is_server(source))
        rc = read_server(&r, http_config);
    else if (strcmp(source, "-") == 0)
        rc = read_stream(&r, stdin);
    else
        rc = read_file(&r);
    if (rc == 0 && r.line.len > 0)
        rc = end_line(&r);
    if (rc == 0) {
        rc = bacowr_shadow_end(s, &fault);
        if (rc != 0)
            err_set(e, NULL, 0, 0, "%.200s: %s", source,
                    rc == -EINVAL ? fault.text : uv_strerror(rc));
    }
    buf_release(&r.line);
    return rc;
}
