/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a successor is given
 *
 * Private to the server, on the control thread: what handover.c sends in two of its steps over the
 * connection @to. Nothing of the server changes by it. Both return 0 or a negative errno.
 */
#ifndef SERVER_HANDOVER_GIVE_H
#define SERVER_HANDOVER_GIVE_H

struct server;

/* The sockets that listen, @control among them, and the end of the offer. */
int handover_give_sockets(const struct server *s, int control, int to);

/* Connections and state, while all threads stand still. */
int handover_give_all(struct server *s, int to);

#endif
