/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No port: datagrams that came to this machine for UDP ports where nobody listens
 *
 * Somebody who sends to the wrong port is not heard, so no server can count him; but the kernel
 * does. Its count is of the network namespace, so of a whole machine or container, and of all who
 * send to it: it is a hint and is told as one.
 */
#ifndef SERVER_NO_PORT_H
#define SERVER_NO_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct no_port {
    bool known; /* the kernel tells */
    uint64_t before;
    uint64_t n; /* since then, when it was last read */
};

/* Count from now on. */
void no_port_begin(struct no_port *n);

/* How many since then; 0 where it is not known. Reads two files under /proc; what it told last if
 * they cannot be read, or say less: it never falls. */
uint64_t no_port_count(struct no_port *n);

/* The count in the text of /proc/net/snmp; in that of snmp6. False: it is not in there. */
bool no_port_in_snmp(struct slice text, uint64_t *out);
bool no_port_in_snmp6(struct slice text, uint64_t *out);

#endif
