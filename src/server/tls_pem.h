/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PEM: certificates and keys of a configuration, for OpenSSL; private to the tls*.c files
 */
#ifndef SERVER_TLS_PEM_H
#define SERVER_TLS_PEM_H

#include "base/err.h"
#include "conf/web_config.h"
#include "server/openssl.h"

/* One of two keys of a configuration: the text itself, or the file that has it. */
struct tls_pem {
    const char *config; /* the configuration's name, for messages */
    const struct web_text *text, *file;
    const char *text_key, *file_key;
};

/* Each opens what @from names. 0; -ENOMEM; -EINVAL with @e filled, with the place. */
int tls_pem_chain(SSL_CTX *ctx, const struct tls_pem *from, struct err *e);
int tls_pem_key(SSL_CTX *ctx, const struct tls_pem *from, struct err *e);
int tls_pem_ca(SSL_CTX *ctx, const struct tls_pem *from, struct err *e);

/* OpenSSL's last word on what went wrong, static, and forget the rest. */
const char *tls_reason(void);

/* Nobody is asked for a passphrase. */
int tls_no_passphrase(char *buf, int size, int writing, void *ctx);

#endif
