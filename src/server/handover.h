/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hand-over: the server that is replaced
 *
 * Private to the server, on the control thread. replace.h is the other side, handover_wire.h what
 * they say to each other.
 */
#ifndef SERVER_HANDOVER_H
#define SERVER_HANDOVER_H

#include <stdbool.h>
#include <stdint.h>

struct server;
struct handover;

/* Wait for a successor on @fd, a Unix socket that listens; it is taken, also on failure. */
int handover_listen(struct server *s, int fd);

/* Ten times a second: once everything is handed over, the end of what is left. */
void handover_tick(struct server *s, int64_t now_ms);

/*
 * The server shall end. True: go ahead, and whatever was begun is taken back; false: a successor
 * may be reading already, and the end comes when that is known.
 */
bool handover_allows_quit(struct server *s);

/* Is there a successor that asks, or has asked? */
bool handover_is_on(const struct server *s);

/* Is somebody else the server, so that nothing may be drained, removed or saved any more? */
bool handover_is_done(const struct server *s);

void handover_close(struct server *s); /* freed from the loop */

#endif
