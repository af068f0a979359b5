/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP over TLS: the same bytes, encrypted
 *
 *      read --> handshake not done: a step of it, in this connection's turn
 *           `-> done: decrypted --> http_conn_take()
 *      http_conn_write() --> encrypted as a whole --> one write
 *
 * A step of the handshake is up to some milliseconds of arithmetic, so it is done in a turn, by
 * addresses (http_turn.c): a flood of handshakes slows those of its own address down, pages by one
 * step a slice, and the loop looks at everything else in between.
 *
 * What TLS itself has to say (its part of the handshake, a 100, the end) is written while nothing
 * is read, and reading goes on afterwards. So there is one write at a time here too, and a client
 * that does not read gets no further.
 *
 * Laws: a connection holds, besides what it holds without TLS, what one read of ciphertext makes,
 *       and one slice encrypted.
 *       While an answer is made nothing of TLS's own is on its way.
 */
#include "server/http_conn.h"

#include <assert.h>
#include <errno.h>

int http_tls_begin(struct http_conn *c, struct tls *t)
{
    return tls_conn_new(&c->tls, t);
}

/* ---- writing ---- */

static uv_buf_t cipher_of(const struct http_conn *c)
{
    return uv_buf_init(c->cipher.p, (unsigned)c->cipher.len);
}

int http_tls_encrypt(struct http_conn *c, const uv_buf_t *bufs, unsigned n, uv_buf_t *out)
{
    buf_clear(&c->cipher);
    for (unsigned i = 0; i < n; i++) {
        if (tls_conn_write(c->tls, slice_of(bufs[i].base, bufs[i].len)) < 0)
            return -EIO;
    }
    tls_conn_flush(c->tls, &c->cipher);
    *out = cipher_of(c);
    return c->cipher.failed ? -ENOMEM : 0;
}

static void on_said(uv_write_t *write, int status)
{
    struct http_conn *c = write->data;

    c->saying = false;
    if (c->state == HTTP_CONN_ENDED)
        return;
    if (status < 0)
        http_conn_end(c, false);
    else
        http_conn_read_on(c);
}

void http_tls_say(struct http_conn *c, struct slice text)
{
    uv_buf_t buf;

    if (c->saying)
        return; /* a 100: there was nothing else to say */
    assert(c->state != HTTP_CONN_ANSWERING);
    buf_clear(&c->cipher);
    tls_conn_write(c->tls, text);
    tls_conn_flush(c->tls, &c->cipher);
    buf = cipher_of(c);
    if (c->cipher.failed) {
        http_conn_end(c, false);
    } else if (c->cipher.len == 0) {
        http_conn_read_on(c);
    } else if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, on_said) < 0) {
        http_conn_end(c, false);
    } else {
        http_conn_read_off(c);
        c->saying = true;
    }
}

/* ---- reading ---- */

/* It cannot go on: say why, as far as TLS has words for it, and end. */
static void fail(struct http_conn *c)
{
    c->http->stats.tls_failures++;
    if (c->state == HTTP_CONN_READING)
        http_conn_linger(c);
    else
        http_conn_end(c, false);
}

static void go_on(struct http_conn *c, enum tls_outcome outcome)
{
    if (outcome == TLS_FAILED)
        fail(c);
    else if (c->state == HTTP_CONN_READING && outcome == TLS_CLOSED)
        http_conn_eof(c);
    else if (c->state == HTTP_CONN_READING)
        http_tls_say(c, SLICE_LIT(""));
    else if (outcome == TLS_CLOSED)
        c->keep_alive = false; /* it waits for its answer, and for nothing behind it */
}

static void decrypt(struct http_conn *c)
{
    struct buf text = {0};
    enum tls_outcome outcome = tls_conn_read(c->tls, &text);

    if (text.len > 0)
        http_conn_take(c, buf_slice(&text));
    buf_release(&text);
    if (c->state != HTTP_CONN_ENDED && c->state != HTTP_CONN_LINGERING)
        go_on(c, outcome);
}

static void shake_hands(struct http_conn *c)
{
    enum tls_outcome outcome = tls_conn_handshake(c->tls);

    if (outcome == TLS_DONE) {
        c->http->stats.tls_handshakes++;
        decrypt(c);
    } else {
        go_on(c, outcome);
    }
}

/* A client that does not know: in plain text, which is what it reads. */
static void tell_plain(struct http_conn *c)
{
    char text[] = "HTTP/1.1 400 Bad Request\r\n"
                  "Content-Type: text/plain; charset=utf-8\r\n"
                  "Content-Length: 44\r\n"
                  "Connection: close\r\n"
                  "\r\n"
                  "this server speaks HTTPS here: use https://\n";
    uv_buf_t buf = uv_buf_init(text, sizeof text - 1);

    c->http->stats.tls_failures++;
    uv_try_write((uv_stream_t *)&c->tcp, &buf, 1); /* a courtesy */
    tls_conn_free(c->tls);
    c->tls = NULL;
    http_conn_linger(c);
}

void http_tls_read(struct http_conn *c, struct slice in)
{
    http_conn_read_off(c);
    if (!c->greeted && in.p[0] >= 'A' && in.p[0] <= 'Z') {
        tell_plain(c);
        return;
    }
    c->greeted = true;
    if (tls_conn_feed(c->tls, in) < 0)
        http_conn_end(c, false);
    else if (tls_conn_is_open(c->tls))
        decrypt(c);
    else
        http_turn_shake(c, shake_hands);
}
