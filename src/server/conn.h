/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conn: one connection, of TCP or of a Unix stream socket, on its worker
 *
 * Contract: all of it runs on the worker's thread, or while that thread does not run.
 */
#ifndef SERVER_CONN_H
#define SERVER_CONN_H

#include <stdbool.h>

#include "base/slice.h"

struct worker;
struct worker_arrival;

/* A new worker has none. */
void conn_init_all(struct worker *w);

/*
 * Read lines or frames from the connection, which is taken, until its end. A failure closes it and
 * is counted; so is an arrival for which there is no room.
 */
void conn_open(struct worker *w, struct worker_arrival arrival);

/*
 * What is unfinished of each connection, while the thread does not run: @fd stays the connection's,
 * the bytes (a line without its end, or a frame's in two pieces) are borrowed during the call.
 */
typedef void (*conn_fn)(void *ctx, int fd, bool framed, struct slice first, struct slice second);
void conn_each(struct worker *w, conn_fn fn, void *ctx);

/*
 * Go on with a connection of somebody before us, which is taken; @bytes (borrowed) were read of it.
 * The thread does not run. 0 or a negative errno.
 */
int conn_adopt(struct worker *w, struct worker_arrival arrival, struct slice bytes);

/* Close every connection here, while it lives on elsewhere: what is unfinished is not fed. */
void conn_forget_all(struct worker *w);

/* At the end of each turn: those that had their share of it are read again in the next. */
void conn_next_turn(struct worker *w);

/* Now and then: who has paid for its lines is read again; while the worker drains, everybody. */
void conn_next_payment(struct worker *w);

/* End every connection: what an unfinished line holds is fed. They are freed from the loop. */
void conn_end_all(struct worker *w);

#endif
