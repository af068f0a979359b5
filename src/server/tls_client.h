/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS of a client: whom it believes, and who it is
 *
 * Contract: as tls.h; for processes that ask a server and end.
 */
#ifndef SERVER_TLS_CLIENT_H
#define SERVER_TLS_CLIENT_H

#include "base/err.h"
#include "conf/client_config.h"
#include "server/tls.h"

struct tls_client;

/*
 * Certificates and rules as @c says, which is borrowed during the call; NULL: the system's
 * authorities. Opens files. 0; -ENOMEM; -EINVAL or -ENOENT (no OpenSSL) with @e filled.
 */
int tls_client_new(struct tls_client **out, const struct client_config *c, struct err *e);

/* Likewise, for who asks his own machine: every server is believed. */
int tls_client_new_blind(struct tls_client **out, struct err *e);
void tls_client_free(struct tls_client *t); /* accepts NULL */

/* The client's side of a connection to the server at @host, a name or an address. 0 or -ENOMEM. */
int tls_conn_new_client(struct tls_conn **out, const struct tls_client *t, const char *host);

#endif
