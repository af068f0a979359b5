/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors: how many there may be, and how many connections that makes
 *
 * Contract: on the control thread, once the addresses of all listeners are known.
 */
#ifndef SERVER_DESCRIPTORS_H
#define SERVER_DESCRIPTORS_H

#include <stdint.h>

#include "server/control.h"

/* How many there may be, as far as what is asked for goes. */
int descriptors_wanted(const struct server *s);

/* How many connections there may be: as asked for, or what the limit of open files allows. */
uint64_t descriptors_for_http(const struct server *s);
uint64_t descriptors_for_tcp(const struct server *s);

#endif
