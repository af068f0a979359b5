/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listen: the server's sockets
 *
 * Contract: steps of server_start(), on the control thread. 0; or a negative errno, the reason
 * logged.
 */
#ifndef SERVER_LISTEN_H
#define SERVER_LISTEN_H

#include <stdint.h>

#include "server/control.h"

/* Where inherited sockets stand in the flags' place, their addresses are the addresses. */
int listen_instead(struct server *s);

/* One socket for each worker on each address. */
int listen_udp(struct server *s);

/* After replace_take(): until then another server may read from the same sockets, without a thought
 * of groups. */
int listen_gro(struct server *s);

/* After listen_udp(): its sockets count among the descriptors. Makes s->tcp. */
int listen_tcp(struct server *s);

/* One of each kind, if asked for: datagrams are the first worker's, connections are dealt. */
int listen_unix(struct server *s);

/* On all addresses; s->http is made before. */
int listen_http(struct server *s);

/* Of the admin port, if asked for. Before start_self(). */
int listen_admin(struct server *s);

/* The socket on which the next process asks, if asked for. */
int listen_control(struct server *s);

/* Last: inherited sockets that nobody wanted are closed. */
int listen_rest(struct server *s);

/* HTTP connections: as asked for, or what the descriptors allow, and that is logged. */
unsigned listen_http_limit(const struct server *s);

#endif
