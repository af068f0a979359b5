/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PEM: see tls_pem.h
 *
 * A text may hold several certificates, one behind the other. What stands between them is passed
 * over, as everywhere; what begins like a certificate and is none is a mistake, wherever it stands.
 *
 * Laws: a key with a passphrase is refused; nobody is asked at a terminal.
 *       A message names the place in the configuration, and never what is in a key. A text is
 *       overwritten before it is given back.
 */
#include "server/tls_pem.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "server/file.h"

#define PEM_MAX (1 << 20)

/* ---- faults ---- */

const char *tls_reason(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_last_error());

    ERR_clear_error();
    return text != NULL ? text : "OpenSSL gives no reason";
}

static const char *file_fault(int r)
{
    switch (-r) {
    case ENOENT:
        return "no such file; a relative path starts from the directory of the configuration";
    case EACCES:
        return "permission denied; give this user permission to read it";
    case ENOTSUP:
        return "this is not a regular file";
    case EFBIG:
        return "this is larger than 1 MiB, so not a certificate";
    default:
        return strerror(-r);
    }
}

/* ---- certificates and keys ---- */

/* The text that @from names, or its file's. */
struct source {
    const struct tls_pem *from;
    const struct web_text *place;
    const char *key; /* in the configuration */
    struct buf text;
};

static int source_open(struct source *s, const struct tls_pem *from, struct err *e)
{
    bool from_file = from->file->text != NULL;
    int r;

    *s = (struct source){.from = from,
                         .place = from_file ? from->file : from->text,
                         .key = from_file ? from->file_key : from->text_key};
    if (from->text->text != NULL && from_file)
        return web_text_refuse(from->config, from->file, e,
                               "%s and %s are both given; leave one out", from->text_key,
                               from->file_key);
    if (!from_file)
        return buf_add_str(&s->text, from->text->text);
    r = file_read(from->file->text, true, PEM_MAX, &s->text);
    if (r == 0)
        return 0;
    buf_release(&s->text);
    return r == -ENOMEM ? r
                        : web_text_refuse(from->config, from->file, e, "%s: %s: %s", s->key,
                                          from->file->text, file_fault(r));
}

static int source_refuse(const struct source *s, struct err *e, const char *text)
{
    return web_text_refuse(s->from->config, s->place, e, "%s: %s (%s)", s->key, text, tls_reason());
}

static BIO *source_bio(const struct source *s)
{
    return BIO_new_mem_buf(s->text.p, (int)s->text.len);
}

/* Did the last read find nothing more, and nothing wrong? */
static bool is_end(void)
{
    unsigned long error = ERR_peek_last_error();

    return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

/* The first certificate is ours, those behind it lead to the authority. */
static int use_chain(SSL_CTX *ctx, const struct source *s, struct err *e)
{
    BIO *bio = source_bio(s);
    X509 *x = bio ? PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL) : NULL;
    int r = 0;

    if (x == NULL || SSL_CTX_use_certificate(ctx, x) != 1)
        r = source_refuse(s, e,
                          "this is not a usable certificate; expected PEM text, BEGIN CERTIFICATE");
    X509_free(x);
    while (r == 0 && (x = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        if (SSL_CTX_add0_chain_cert(ctx, x) != 1) {
            X509_free(x);
            r = source_refuse(s, e, "a certificate after the first cannot be used");
        }
    }
    if (r == 0 && !is_end())
        r = source_refuse(s, e, "a certificate after the first cannot be read");
    ERR_clear_error();
    BIO_free(bio);
    return r;
}

int tls_no_passphrase(char *buf, int size, int writing, void *ctx)
{
    (void)buf;
    (void)size;
    (void)writing;
    (void)ctx;
    return -1;
}

static int use_key(SSL_CTX *ctx, const struct source *s, struct err *e)
{
    BIO *bio = source_bio(s);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, tls_no_passphrase, NULL) : NULL;
    int r = 0;

    if (key == NULL)
        r = source_refuse(
            s, e, "this is not a readable private key; expected PEM text without a passphrase");
    else if (SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1)
        r = source_refuse(s, e, "the key does not belong to the certificate; give a matching pair");
    EVP_PKEY_free(key);
    BIO_free(bio);
    return r;
}

/* Whom client certificates may come from, in the store and told to clients. */
static int use_ca(SSL_CTX *ctx, const struct source *s, struct err *e)
{
    BIO *bio = source_bio(s);
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    int r = 0;
    int n = 0;
    X509 *x;

    while (r == 0 && bio && (x = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL)) != NULL) {
        if (X509_STORE_add_cert(store, x) != 1 || SSL_CTX_add_client_CA(ctx, x) != 1)
            r = source_refuse(s, e, "a certificate cannot be used");
        X509_free(x);
        n++;
    }
    if (r == 0 && n > 0 && !is_end())
        r = source_refuse(s, e, "a certificate after the first cannot be read");
    if (r == 0 && n == 0)
        r = source_refuse(s, e, "it has no certificate; expected PEM text, BEGIN CERTIFICATE");
    ERR_clear_error();
    BIO_free(bio);
    return r;
}

static int use(SSL_CTX *ctx, const struct tls_pem *from,
               int (*put)(SSL_CTX *ctx, const struct source *s, struct err *e), struct err *e)
{
    struct source s;
    int r = source_open(&s, from, e);

    if (r < 0)
        return r;
    r = put(ctx, &s, e);
    explicit_bzero(s.text.p, s.text.len);
    buf_release(&s.text);
    return r;
}

int tls_pem_chain(SSL_CTX *ctx, const struct tls_pem *from, struct err *e)
{
    return use(ctx, from, use_chain, e);
}

int tls_pem_key(SSL_CTX *ctx, const struct tls_pem *from, struct err *e)
{
    return use(ctx, from, use_key, e);
}

int tls_pem_ca(SSL_CTX *ctx, const struct tls_pem *from, struct err *e)
{
    return use(ctx, from, use_ca, e);
}
