/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS of a client: see tls_client.h
 *
 * TLS 1.2 and 1.3, with what OpenSSL holds to be good. A certificate that is given as an authority
 * is believed whether it signs others or not, as Go does it: so the server's own will do. The name
 * it must have is the one that was asked, unless the configuration says another.
 *
 * Law: what is not verified was said to be so, by the configuration or the caller.
 */
#include "server/tls_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/tls_context.h"
#include "server/tls_pem.h"

struct tls_client {
    SSL_CTX *ctx;
    char *name; /* NULL: the one that is asked */
};

void tls_client_free(struct tls_client *t)
{
    if (t == NULL)
        return;
    SSL_CTX_free(t->ctx);
    free(t->name);
    free(t);
}

SSL_CTX *tls_client_context(const struct tls_client *t)
{
    return t->ctx;
}

const char *tls_client_name(const struct tls_client *t)
{
    return t->name;
}

int tls_client_new_blind(struct tls_client **out, struct err *e)
{
    struct tls_client *t;
    int r = openssl_open(NULL, e);

    if (r < 0)
        return r;
    t = calloc(1, sizeof *t);
    if (t != NULL)
        t->ctx = SSL_CTX_new(TLS_client_method());
    if (t == NULL || t->ctx == NULL) {
        tls_client_free(t);
        return -ENOMEM;
    }
    SSL_CTX_set_min_proto_version(t->ctx, TLS1_2_VERSION);
    SSL_CTX_set_default_passwd_cb(t->ctx, tls_no_passphrase);
    *out = t;
    return 0;
}

static int believe(SSL_CTX *ctx, const struct client_config *c, struct err *e)
{
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_PARTIAL_CHAIN);
    if (c == NULL || (c->ca.text == NULL && c->ca_file.text == NULL)) {
        SSL_CTX_set_default_verify_paths(ctx); /* without them nobody is believed */
        return 0;
    }
    return tls_pem_ca(ctx,
                      &(struct tls_pem){.config = c->file,
                                        .text = &c->ca,
                                        .file = &c->ca_file,
                                        .text_key = "ca",
                                        .file_key = "ca_file"},
                      e);
}

static int show(SSL_CTX *ctx, const struct client_config *c, struct err *e)
{
    const struct tls_pem cert = {c->file, &c->cert, &c->cert_file, "cert", "cert_file"};
    const struct tls_pem key = {c->file, &c->key, &c->key_file, "key", "key_file"};
    int r = tls_pem_chain(ctx, &cert, e);

    return r == 0 ? tls_pem_key(ctx, &key, e) : r;
}

static int configure(struct tls_client *t, const struct client_config *c, struct err *e)
{
    int r = c != NULL && c->skip_verify ? 0 : believe(t->ctx, c, e);

    if (r == 0 && c != NULL && (c->cert.text != NULL || c->cert_file.text != NULL))
        r = show(t->ctx, c, e);
    if (r == 0 && c != NULL && c->server_name.text != NULL) {
        t->name = strdup(c->server_name.text);
        r = t->name != NULL ? 0 : -ENOMEM;
    }
    return r;
}

int tls_client_new(struct tls_client **out, const struct client_config *c, struct err *e)
{
    struct tls_client *t;
    int r = tls_client_new_blind(&t, e);

    if (r < 0)
        return r;
    r = configure(t, c, e);
    if (r < 0) {
        tls_client_free(t);
        return r;
    }
    *out = t;
    return 0;
}
