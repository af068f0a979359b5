/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conn: one connection, of TCP or of a Unix stream socket, on its worker
 *
 * Contract: all of it runs on the worker's thread, or while that thread does not run.
 */
#ifndef SERVER_CONN_H
#define SERVER_CONN_H

struct worker;
struct worker_arrival;

/* A new worker has none. */
void conn_init_all(struct worker *w);

/*
 * Read lines or frames from the connection, which is taken, until its end. A failure closes it and
 * is counted; so is an arrival for which there is no room.
 */
void conn_open(struct worker *w, struct worker_arrival arrival);

/* At the end of each turn: those that had their share of it are read again in the next. */
void conn_next_turn(struct worker *w);

/* Now and then: who has paid for its lines is read again; while the worker drains, everybody. */
void conn_next_payment(struct worker *w);

/* End every connection: what an unfinished line holds is fed. They are freed from the loop. */
void conn_end_all(struct worker *w);

#endif
