/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replace: the server that takes over from a running one (--replace)
 *
 * Contract: steps of server_start(), on the control thread, before its loop runs. 0; or a negative
 * errno, the reason logged: the running server goes on. Nothing at all without --replace.
 */
#ifndef SERVER_REPLACE_H
#define SERVER_REPLACE_H

#include "server/control.h"

/* Ask for its sockets: they are in s->inherit. Is nobody there, this is an ordinary start. */
int replace_ask(struct server *s);

/* All listens: take its state and connections. From its last word on the sockets are ours. */
int replace_take(struct server *s);

/* The threads run: it may go. */
int replace_tell(struct server *s);

#endif
