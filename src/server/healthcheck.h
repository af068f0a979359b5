/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Health check: ask a server of this machine whether it receives
 *
 * For images that hold this binary and nothing else: no shell, no curl.
 *
 * Contract: blocking, for a process that does nothing else; no call outlasts its limit by more than
 * the resolving of a name.
 */
#ifndef SERVER_HEALTHCHECK_H
#define SERVER_HEALTHCHECK_H

#include "server/address.h"
#include "server/tls_client.h"

#define HEALTHCHECK_LIMIT_MS 3000

/*
 * Where to ask a server that listens on @listen: there, or on 127.0.0.1 if that is every address of
 * the machine; "unix:" and a path or @name is a Unix socket. 0; -EINVAL with @e filled.
 */
int healthcheck_address(struct address *out, const char *listen, struct err *e);

/*
 * Ask for /-/ready within @limit_ms, by @tls as the server at @host, or without (NULL); a Unix
 * socket never by TLS. 0 when the answer is 200; a negative errno with @e filled: -EAGAIN for
 * another status, -EPROTO for what is no HTTP.
 */
int healthcheck_ask(const struct address *a, const struct tls_client *tls, const char *host,
                    int limit_ms, struct err *e);

#endif
