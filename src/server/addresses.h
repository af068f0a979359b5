/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses: what the flags name, resolved
 *
 * Private to the server.
 */
#ifndef SERVER_ADDRESSES_H
#define SERVER_ADDRESSES_H

#include "server/control.h"

/* Resolve what is listened on, which blocks. 0; or a negative errno, the reason logged. */
int addresses_resolve(struct server *s);

#endif
