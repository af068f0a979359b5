/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS, the inside: what a connection needs of its rules; private to the tls*.c files
 */
#ifndef SERVER_TLS_CONTEXT_H
#define SERVER_TLS_CONTEXT_H

#include "server/openssl.h"
#include "server/tls.h"

SSL_CTX *tls_context(const struct tls *t); /* borrowed */
bool tls_verifies(const struct tls *t);    /* clients' certificates, where there are any */

#endif
