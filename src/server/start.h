/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start: from options to a server whose loop can run
 *
 * Private to the server.
 */
#ifndef SERVER_START_H
#define SERVER_START_H

#include "base/err.h"
#include "server/control.h"

/* Start everything. 0; or a negative errno, the reason logged: server.c releases what there is. */
int server_start(struct server *s);

/* ---- for the steps: log why, and return @r ---- */

int start_fail(const struct server *s, int r, const struct err *e);
int start_fail_step(const struct server *s, const char *what, int r);

#endif
