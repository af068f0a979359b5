/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Client: one connection to a server, by TLS or not, and who we are there
 *
 * Contract: blocking, for a process that does nothing else; the limit holds for all waiting but the
 * resolving of a name.
 */
#ifndef SERVER_CLIENT_H
#define SERVER_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "server/address.h"
#include "server/tls_client.h"

/* ---- whom to ask ---- */

#define CLIENT_NAME_MAX 256

struct client_url {
    bool tls;
    char host[CLIENT_NAME_MAX]; /* whom a certificate must name; localhost of a Unix socket */
    char address[CLIENT_NAME_MAX + 8]; /* host:port, or unix: and a path or @name */
};

/*
 * Read http://HOST[:PORT], https://HOST[:PORT], HOST:PORT or unix:PATH; what follows a host is left
 * out. 0; -EINVAL with @e filled.
 */
int client_url_read(struct client_url *out, const char *url, struct err *e);

/* ---- who we are ---- */

struct client_identity {
    struct tls_client *tls; /* owned; NULL: none is spoken */
    char *authorization;    /* owned: what stands behind the header's colon; NULL: nothing */
};

/*
 * As the client configuration at @path says (NULL: nobody, who believes the system's authorities),
 * for TLS or not. Opens the files that it names for it. Warnings go to @on_warning (may be NULL).
 * 0; or a negative errno with @e filled. client_identity_release() in every case.
 */
int client_identity_load(struct client_identity *out, const char *path, bool tls, err_fn on_warning,
                         void *ctx, struct err *e);
void client_identity_release(struct client_identity *identity);

/* ---- the connection ---- */

struct client {
    int fd;
    uint64_t end_ns;      /* of the limit, as uv_hrtime() counts */
    struct tls_conn *tls; /* owned; NULL: plain */
    struct buf text;      /* owned: what the server said; the caller takes from it */
};

/*
 * Connect to @a, by @tls to the server at @host if it is not NULL. 0; or a negative errno:
 * -ECONNABORTED when TLS fails. client_close() in every case.
 */
int client_open(struct client *c, const struct address *a, const struct tls_client *tls,
                const char *host, int limit_ms);
void client_close(struct client *c);

/* What went wrong with TLS, static; or NULL. */
const char *client_tls_fault(const struct client *c);

/* A request, which fits into the empty buffer of a new socket. 0 or a negative errno. */
int client_send(struct client *c, struct slice bytes);

/* Wait for some of what it says. 1, perhaps with nothing; 0 at its end; or a negative errno. */
int client_receive(struct client *c);

/* ---- a request ---- */

/* Connect to the server at @url. 0; or a negative errno with @e filled. client_close() in every
 * case. */
int client_connect(struct client *c, const struct client_url *url,
                   const struct client_identity *identity, int limit_ms, struct err *e);

/* Ask it for @target, path and query; it closes after its answer. 0 or a negative errno. */
int client_get(struct client *c, const struct client_url *url,
               const struct client_identity *identity, struct slice target);

/* Fill @e: talking to it ended with @r, which is returned. */
int client_tell_fault(const struct client *c, const struct client_url *url, int r, struct err *e);

/* Fill @e: it answered @status; @absent is what 404 means. Returns -EACCES. */
int client_tell_status(const struct client_url *url, const struct client_identity *identity,
                       int status, const char *absent, struct err *e);

#endif
