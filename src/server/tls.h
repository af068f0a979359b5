/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS: certificates and rules, and connections under them
 *
 * Contract: knows no sockets: ciphertext goes in and comes out as bytes, so everything around it
 * stays as it is without TLS. A struct tls is made on any thread and from then on used, shared and
 * given back on one. OpenSSL is known to the tls*.c files only.
 */
#ifndef SERVER_TLS_H
#define SERVER_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "conf/web_config.h"

struct tls;

/*
 * Certificates, keys and rules as @c says, which is borrowed during the call and has_tls. Opens
 * files. 0; -ENOMEM; -EINVAL or -ENOENT (no OpenSSL) with @e filled, with the place in @c.
 */
int tls_new(struct tls **out, const struct web_config *c, struct err *e);
struct tls *tls_share(struct tls *t); /* one more owner */
void tls_release(struct tls *t);      /* one less; accepts NULL */

/* ---- connections ---- */

struct tls_conn;

enum tls_outcome {
    TLS_DONE,
    TLS_MORE,   /* needs more of the client's bytes */
    TLS_CLOSED, /* the client has said that it is done */
    TLS_FAILED, /* no more bytes will do; what is to be sent may hold an alert */
};

/* The server's side of a connection, under @t, which it shares. 0 or -ENOMEM. */
int tls_conn_new(struct tls_conn **out, struct tls *t);
void tls_conn_free(struct tls_conn *c); /* accepts NULL */

/* Give it ciphertext, which is copied. 0 or -ENOMEM. */
int tls_conn_feed(struct tls_conn *c, struct slice in);

/* Go on with the handshake: a millisecond of work at some of its steps. */
enum tls_outcome tls_conn_handshake(struct tls_conn *c);
bool tls_conn_is_open(const struct tls_conn *c); /* the handshake is done */

/* Append what the client said to @out. Never TLS_DONE. */
enum tls_outcome tls_conn_read(struct tls_conn *c, struct buf *out);

/* Encrypt @in, which is borrowed during the call. 0 or -EIO. */
int tls_conn_write(struct tls_conn *c, struct slice in);
void tls_conn_shutdown(struct tls_conn *c); /* say that nothing more will come */

/* Ciphertext to be sent is moved to the end of @out; a failure shows there. */
void tls_conn_flush(struct tls_conn *c, struct buf *out);

/* Why TLS failed, static; NULL: it did not, or nobody said. */
const char *tls_conn_fault(const struct tls_conn *c);

/* Has the client shown a certificate that was verified? */
bool tls_conn_is_verified(const struct tls_conn *c);

#endif
