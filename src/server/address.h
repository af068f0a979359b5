/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses: host:port as an operator writes it, to what can be bound
 *
 * Contract: names are resolved once, when asked; resolving blocks, so it is done before any loop
 * runs. Where a name has addresses of both families the first IPv4 one is taken, as
 * statsd_exporter does.
 */
#ifndef SERVER_ADDRESS_H
#define SERVER_ADDRESS_H

#include <stdbool.h>
#include <netdb.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"

/* Room for "[v6%scope]:port" or "unix:" and a path, and its NUL. */
#define ADDRESS_TEXT_MAX 128

struct address {
    struct sockaddr_storage sa;
    char text[ADDRESS_TEXT_MAX]; /* as address_format() writes it */
};

/*
 * Read and resolve @text. An empty host is every address of this machine, IPv6 and IPv4 on one
 * socket where the system has IPv6. 0; -EINVAL with @e filled: it names the word and the remedy.
 */
int address_resolve(struct address *out, const char *text, struct err *e);

/* The address that address_resolve() takes of @list (of getaddrinfo(), not empty), with @port. */
void address_from_list(struct address *out, const struct addrinfo *list, uint16_t port);

/* "127.0.0.1:8125", "[::1]:8125", "unix:/path"; always NUL-terminated. */
void address_format(const struct sockaddr *sa, char out[ADDRESS_TEXT_MAX]);

socklen_t address_len(const struct sockaddr *sa);
uint16_t address_port(const struct address *a);

/*
 * Does a socket on @a receive all that one on @b would? The same address does, and of the same port
 * a wildcard, that of IPv6 for both families. Port 0 is another one each time.
 */
bool address_covers(const struct address *a, const struct address *b);

/* Does what is sent to @a stay on this machine, whichever it is? The wildcard is itself then. */
bool address_stays_here(const struct address *a);

/*
 * Before a bind: let a socket of the IPv6 wildcard take IPv4 too, whatever the system's default
 * is. 0 or a negative errno.
 */
int address_prepare(const struct address *a, int fd);

/* After a bind to port 0: learn the port. 0 or a negative errno. */
int address_refresh(struct address *a, int fd);

/* Bind @fd and learn the port, if it was 0. 0 or a negative errno. */
int address_bind(struct address *a, int fd);

/*
 * *@out: a TCP socket that listens on @a, which learns its port, and does not block. 0 or a
 * negative errno.
 */
int address_listen(int *out, struct address *a, int backlog);

/* Fill @e: listening on @a failed with @r, which is returned. @transport: "udp", "tcp", "http". */
int address_refused(struct err *e, const char *transport, const struct address *a, int r);

#endif
