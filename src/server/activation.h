/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Activation: sockets that the service manager opened (LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES)
 *
 * Contract: called once, at start, on the only thread there is.
 */
#ifndef SERVER_ACTIVATION_H
#define SERVER_ACTIVATION_H

#include "base/err.h"
#include "server/inherit.h"

/*
 * Add what was passed to this process to @set. A socket whose name begins with "http" is the web
 * interface's. The variables are taken out of the environment, so that no child believes them. 0;
 * or a negative errno with @e filled: one of them serves nothing here.
 */
int activation_read(struct inherit *set, struct err *e);

#endif
