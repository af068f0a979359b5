/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS connection: see tls.h
 *
 *      socket --tls_conn_feed()--> in --SSL--> tls_conn_read() --> plain text
 *      socket <--tls_conn_flush()-- out <--SSL-- tls_conn_write() <-- plain text
 *
 * `in` and `out` are memory. All of `in` is taken by the next read, but for less than a record that
 * is not whole yet; `out` holds what one write makes of its text, or what the handshake answers to
 * one piece of `in`. So both are bounded by what the caller gives at a time.
 *
 * Law: OpenSSL's queue of errors is the thread's; whatever may put something there is called with
 *      an empty one and leaves an empty one.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "server/tls_context.h"

/* The text of one record. */
#define READ_SIZE 16384

struct tls_conn {
    struct tls *rules; /* shared; NULL: the client's side */
    SSL *ssl;          /* owns both BIOs */
    BIO *in, *out;
    const char *fault; /* static */
    bool failed;
};

void tls_conn_free(struct tls_conn *c)
{
    if (c == NULL)
        return;
    SSL_free(c->ssl);
    tls_release(c->rules);
    free(c);
}

/* Under @ctx, whichever side that is. */
static int open_conn(struct tls_conn *c, SSL_CTX *ctx)
{
    c->ssl = ctx != NULL ? SSL_new(ctx) : NULL;
    c->in = BIO_new(BIO_s_mem());
    c->out = BIO_new(BIO_s_mem());
    if (c->ssl == NULL || c->in == NULL || c->out == NULL) {
        BIO_free(c->in);
        BIO_free(c->out);
        ERR_clear_error();
        return -ENOMEM;
    }
    BIO_set_mem_eof_return(c->in, -1); /* an empty one is not the end */
    SSL_set_bio(c->ssl, c->in, c->out);
    return 0;
}

int tls_conn_new(struct tls_conn **out, struct tls *t)
{
    struct tls_conn *c = calloc(1, sizeof *c);

    if (c == NULL)
        return -ENOMEM;
    c->rules = tls_share(t);
    if (open_conn(c, tls_context(t)) < 0) {
        tls_conn_free(c);
        return -ENOMEM;
    }
    SSL_set_accept_state(c->ssl);
    *out = c;
    return 0;
}

/* Whom the certificate must name; a name is told to the server too, which may have several. */
static bool set_host(SSL *ssl, const char *host)
{
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1)
        return true;
    ERR_clear_error();
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

int tls_conn_new_client(struct tls_conn **out, const struct tls_client *t, const char *host)
{
    struct tls_conn *c = calloc(1, sizeof *c);
    int r = c != NULL ? open_conn(c, tls_client_context(t)) : -ENOMEM;

    if (r == 0 && !set_host(c->ssl, tls_client_name(t) ? tls_client_name(t) : host)) {
        ERR_clear_error();
        r = -ENOMEM;
    }
    if (r < 0) {
        tls_conn_free(c);
        return r;
    }
    SSL_set_connect_state(c->ssl);
    *out = c;
    return 0;
}

int tls_conn_feed(struct tls_conn *c, struct slice in)
{
    assert(in.len <= INT_MAX);
    return BIO_write(c->in, in.p, (int)in.len) == (int)in.len ? 0 : -ENOMEM;
}

static const char *find_fault(const struct tls_conn *c)
{
    long verified = SSL_get_verify_result(c->ssl);

    if (verified != X509_V_OK && !SSL_is_server(c->ssl) &&
        SSL_get_verify_mode(c->ssl) != SSL_VERIFY_NONE)
        return X509_verify_cert_error_string(verified);
    return ERR_reason_error_string(ERR_peek_error());
}

/* What a call that gave @r says; a failure is for good. */
static enum tls_outcome outcome_of(struct tls_conn *c, int r)
{
    int error = SSL_get_error(c->ssl, r);
    bool failed = error != SSL_ERROR_WANT_READ && error != SSL_ERROR_ZERO_RETURN;

    if (failed) {
        c->failed = true;
        c->fault = find_fault(c);
    }
    ERR_clear_error();
    if (failed)
        return TLS_FAILED;
    return error == SSL_ERROR_WANT_READ ? TLS_MORE : TLS_CLOSED;
}

enum tls_outcome tls_conn_handshake(struct tls_conn *c)
{
    int r = c->failed ? 0 : SSL_do_handshake(c->ssl);

    if (c->failed)
        return TLS_FAILED;
    return r == 1 ? TLS_DONE : outcome_of(c, r);
}

bool tls_conn_is_open(const struct tls_conn *c)
{
    return SSL_is_init_finished(c->ssl);
}

enum tls_outcome tls_conn_read(struct tls_conn *c, struct buf *out)
{
    int r;

    if (c->failed)
        return TLS_FAILED;
    do {
        if (buf_reserve(out, READ_SIZE) < 0)
            return TLS_FAILED;
        r = SSL_read(c->ssl, out->p + out->len, READ_SIZE);
        out->len += r > 0 ? (size_t)r : 0;
    } while (r > 0);
    return outcome_of(c, r);
}

int tls_conn_write(struct tls_conn *c, struct slice in)
{
    if (c->failed)
        return -EIO;
    if (in.len == 0)
        return 0;
    assert(in.len <= INT_MAX);
    if (SSL_write(c->ssl, in.p, (int)in.len) == (int)in.len)
        return 0;
    ERR_clear_error();
    c->failed = true;
    return -EIO;
}

void tls_conn_shutdown(struct tls_conn *c)
{
    if (c->failed || !SSL_is_init_finished(c->ssl))
        return;
    SSL_shutdown(c->ssl);
    ERR_clear_error();
}

void tls_conn_flush(struct tls_conn *c, struct buf *out)
{
    char *p;
    long len = BIO_get_mem_data(c->out, &p);

    if (len > 0)
        buf_add(out, p, (size_t)len);
    (void)BIO_reset(c->out);
}

const char *tls_conn_fault(const struct tls_conn *c)
{
    return c->fault;
}

bool tls_conn_is_verified(const struct tls_conn *c)
{
    return c->rules != NULL && tls_verifies(c->rules) &&
           SSL_get0_peer_certificate(c->ssl) != NULL && SSL_get_verify_result(c->ssl) == X509_V_OK;
}
