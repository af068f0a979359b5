/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conn: one TCP connection on its worker
 *
 * Contract: all of it runs on the worker's thread, or while that thread does not run.
 */
#ifndef SERVER_CONN_H
#define SERVER_CONN_H

struct worker;

/* Read lines from @fd, which is taken, until its end. A failure closes it and is counted. */
void conn_open(struct worker *w, int fd);

/* End every connection: what an unfinished line holds is fed. They are freed from the loop. */
void conn_end_all(struct worker *w);

#endif
