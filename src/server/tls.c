/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS: certificates and rules; see tls.h
 *
 * What is spoken: TLS 1.2 with forward secrecy and authenticated encryption (the file may name
 * other suites), and TLS 1.3. No renegotiation, no compression, no tickets and no cache: a session
 * that comes back would be let in by what was verified before the rules changed, and Prometheus
 * keeps its connections.
 *
 * Client certificates have one callback for all five policies: verify the chain or not, then look
 * for a name in client_allowed_sans. A name is compared byte by byte with those of its kind in the
 * certificate, without wildcards.
 *
 * Law: a message names the place in the web configuration.
 */
#include "server/tls.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>

#include "server/tls_context.h"
#include "server/tls_pem.h"

#define DEFAULT_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"

struct tls {
    unsigned n_owners;
    SSL_CTX *ctx;
    enum web_client_auth client_auth;
    char **sans; /* owned, each */
    size_t n_sans;
};

/* ---- life ---- */

struct tls *tls_share(struct tls *t)
{
    t->n_owners++;
    return t;
}

void tls_release(struct tls *t)
{
    if (t == NULL || --t->n_owners > 0)
        return;
    SSL_CTX_free(t->ctx);
    for (size_t i = 0; i < t->n_sans; i++)
        free(t->sans[i]);
    free(t->sans);
    free(t);
}

SSL_CTX *tls_context(const struct tls *t)
{
    return t->ctx;
}

bool tls_verifies(const struct tls *t)
{
    return t->client_auth >= WEB_CLIENT_VERIFY_IF_GIVEN;
}

/* ---- certificates and keys ---- */

static int use_all(SSL_CTX *ctx, const struct web_config *c, struct err *e)
{
    const struct tls_pem cert = {c->file, &c->cert, &c->cert_file, "cert", "cert_file"};
    const struct tls_pem key = {c->file, &c->key, &c->key_file, "key", "key_file"};
    const struct tls_pem ca = {c->file, &c->client_ca, &c->client_ca_file, "client_ca",
                               "client_ca_file"};
    int r = tls_pem_chain(ctx, &cert, e);

    if (r == 0)
        r = tls_pem_key(ctx, &key, e);
    if (r == 0 && (c->client_ca.text != NULL || c->client_ca_file.text != NULL))
        r = tls_pem_ca(ctx, &ca, e);
    return r;
}

/* ---- client certificates ---- */

/* A name as Go writes it: addresses as text, the rest as it stands in the certificate. */
static bool name_is(const GENERAL_NAME *name, const char *wanted)
{
    char text[INET6_ADDRSTRLEN];
    const ASN1_STRING *s;

    switch (name->type) {
    case GEN_DNS:
    case GEN_EMAIL:
    case GEN_URI:
        s = name->d.ia5;
        return (size_t)ASN1_STRING_length(s) == strlen(wanted) &&
               memcmp(ASN1_STRING_get0_data(s), wanted, strlen(wanted)) == 0;
    case GEN_IPADD:
        s = name->d.iPAddress;
        if (ASN1_STRING_length(s) != 4 && ASN1_STRING_length(s) != 16)
            return false;
        return inet_ntop(ASN1_STRING_length(s) == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(s),
                         text, sizeof text) != NULL &&
               strcmp(text, wanted) == 0;
    default:
        return false;
    }
}

static bool has_allowed_name(const struct tls *t, X509 *cert)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    bool found = false;

    for (int i = 0; !found && i < sk_GENERAL_NAME_num(names); i++) {
        for (size_t j = 0; !found && j < t->n_sans; j++)
            found = name_is(sk_GENERAL_NAME_value(names, i), t->sans[j]);
    }
    GENERAL_NAMES_free(names);
    return found;
}

static int verify(X509_STORE_CTX *store, void *arg)
{
    const struct tls *t = arg;

    if (tls_verifies(t) && X509_verify_cert(store) != 1)
        return 0;
    if (!tls_verifies(t))
        X509_STORE_CTX_set_error(store, X509_V_OK);
    if (t->n_sans > 0 && !has_allowed_name(t, X509_STORE_CTX_get0_cert(store))) {
        X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
        return 0;
    }
    return 1;
}

static int set_client_auth(struct tls *t, const struct web_config *c)
{
    static const int modes[] = {
        [WEB_CLIENT_NONE] = SSL_VERIFY_NONE,
        [WEB_CLIENT_REQUEST] = SSL_VERIFY_PEER,
        [WEB_CLIENT_REQUIRE_ANY] = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
        [WEB_CLIENT_VERIFY_IF_GIVEN] = SSL_VERIFY_PEER,
        [WEB_CLIENT_REQUIRE_AND_VERIFY] = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
    };

    t->client_auth = c->client_auth;
    t->sans = calloc(c->client_sans.n + 1, sizeof *t->sans);
    if (t->sans == NULL)
        return -ENOMEM;
    for (; t->n_sans < c->client_sans.n; t->n_sans++) {
        t->sans[t->n_sans] = strdup(c->client_sans.items[t->n_sans].text);
        if (t->sans[t->n_sans] == NULL)
            return -ENOMEM;
    }
    SSL_CTX_set_verify(t->ctx, modes[c->client_auth], NULL);
    SSL_CTX_set_cert_verify_callback(t->ctx, verify, t);
    return 0;
}

/* ---- the rules ---- */

/* HTTP/1.1 of what the client offers; who offers only others is told so at once. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *in, unsigned in_len, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1\x08http/1.0";
    unsigned char *chosen;

    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof ours - 1, in, in_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static int join(struct buf *out, const struct web_texts *texts,
                const char *(*translate)(const char *))
{
    for (size_t i = 0; i < texts->n; i++) {
        if (i > 0)
            buf_add_byte(out, ':');
        buf_add_str(out, translate ? translate(texts->items[i].text) : texts->items[i].text);
    }
    return buf_add_byte(out, '\0');
}

static int set_suites(SSL_CTX *ctx, const struct web_config *c, struct err *e)
{
    struct buf ciphers = {0}, curves = {0};
    int r = 0;

    if (join(&ciphers, &c->ciphers, OPENSSL_cipher_name) < 0 || join(&curves, &c->curves, NULL) < 0)
        r = -ENOMEM;
    else if (SSL_CTX_set_cipher_list(ctx, c->ciphers.n ? ciphers.p : DEFAULT_CIPHERS) != 1)
        r = web_text_refuse(c->file, c->ciphers.n ? &c->ciphers.items[0] : NULL, e,
                            "cipher_suites: this system's OpenSSL has none of them (%s)",
                            tls_reason());
    else if (c->curves.n > 0 && SSL_CTX_set1_groups_list(ctx, curves.p) != 1)
        r = web_text_refuse(c->file, &c->curves.items[0], e,
                            "curve_preferences: this system's OpenSSL does not have them (%s)",
                            tls_reason());
    buf_release(&ciphers);
    buf_release(&curves);
    return r;
}

static void set_rules(SSL_CTX *ctx, const struct web_config *c)
{
    uint64_t options = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET;

    if (c->prefer_server_ciphers)
        options |= SSL_OP_CIPHER_SERVER_PREFERENCE;
    SSL_CTX_set_options(ctx, options);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ctx, 0);
    SSL_CTX_set_min_proto_version(ctx, c->tls12 ? TLS1_2_VERSION : TLS1_3_VERSION);
    SSL_CTX_set_max_proto_version(ctx, c->tls13 ? TLS1_3_VERSION : TLS1_2_VERSION);
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
    SSL_CTX_set_default_passwd_cb(ctx, tls_no_passphrase);
}

int tls_new(struct tls **out, const struct web_config *c, struct err *e)
{
    struct tls *t = calloc(1, sizeof *t);
    int r = openssl_open(c->file, e);

    assert(c->has_tls);
    if (t == NULL || r < 0) {
        free(t);
        return r < 0 ? r : -ENOMEM;
    }
    t->n_owners = 1;
    t->ctx = SSL_CTX_new(TLS_server_method());
    r = -ENOMEM;
    if (t->ctx != NULL) {
        set_rules(t->ctx, c);
        r = set_suites(t->ctx, c, e);
    }
    if (r == 0)
        r = set_client_auth(t, c);
    if (r == 0)
        r = use_all(t->ctx, c, e);
    if (r < 0) {
        tls_release(t);
        return r;
    }
    *out = t;
    return 0;
}
