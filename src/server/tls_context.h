/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS, the inside: what a connection needs of its rules; private to the tls*.c files
 */
#ifndef SERVER_TLS_CONTEXT_H
#define SERVER_TLS_CONTEXT_H

#include "server/openssl.h"
#include "server/tls.h"
#include "server/tls_client.h"

SSL_CTX *tls_context(const struct tls *t); /* borrowed */
bool tls_verifies(const struct tls *t);    /* clients' certificates, where there are any */

SSL_CTX *tls_client_context(const struct tls_client *t); /* borrowed */

/* Whom the server's certificate must name, borrowed; NULL: whom one asked for. */
const char *tls_client_name(const struct tls_client *t);

#endif
