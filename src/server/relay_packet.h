/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Relay packet: lines that go out as one datagram
 *
 * Contract: a packet holds whole lines, each with its LF, and never more than its limit. It does
 * not send: when a line does not fit, the caller sends what there is, clears, and adds again.
 */
#ifndef SERVER_RELAY_PACKET_H
#define SERVER_RELAY_PACKET_H

#include <stddef.h>

#include "base/slice.h"

enum relay_packet_outcome {
    RELAY_PACKET_E_FULL = 1, /* fits into an empty packet, not into what is left of this one */
    RELAY_PACKET_E_LONG,     /* does not fit into any */
};

struct relay_packet {
    char *p; /* owned; `limit` bytes */
    size_t limit;
    size_t len;
    unsigned n_lines;
};

/* An empty one for at most @limit bytes. 0 or -ENOMEM. */
int relay_packet_init(struct relay_packet *packet, size_t limit);
void relay_packet_release(struct relay_packet *packet); /* accepts a zeroed one */

/* Copies @line, which has no LF, and puts one behind it. 0, or an outcome: nothing has changed. */
int relay_packet_add(struct relay_packet *packet, struct slice line);
void relay_packet_clear(struct relay_packet *packet);

#endif
