/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Relay packet: see relay_packet.h
 *
 *      a.b:1|c LF c.d:2|g LF            room
 *      `------- len -------'`---- limit - len ----'
 *
 * A line needs its own bytes and one for the LF, so the longest that can go out is limit - 1 bytes.
 * That is judged before what the packet holds already: a line that is too long never costs the
 * lines before it their place in a fuller datagram.
 *
 * Law: len <= limit, and a packet that is not empty ends with an LF.
 */
#include "server/relay_packet.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int relay_packet_init(struct relay_packet *packet, size_t limit)
{
    char *p = malloc(limit);

    if (p == NULL)
        return -ENOMEM;
    *packet = (struct relay_packet){.p = p, .limit = limit};
    return 0;
}

void relay_packet_release(struct relay_packet *packet)
{
    free(packet->p);
    *packet = (struct relay_packet){0};
}

int relay_packet_add(struct relay_packet *packet, struct slice line)
{
    assert(packet->len <= packet->limit);
    if (line.len >= packet->limit)
        return RELAY_PACKET_E_LONG;
    if (line.len >= packet->limit - packet->len)
        return RELAY_PACKET_E_FULL;
    if (line.len > 0)
        memcpy(packet->p + packet->len, line.p, line.len);
    packet->p[packet->len + line.len] = '\n';
    packet->len += line.len + 1;
    packet->n_lines++;
    return 0;
}

void relay_packet_clear(struct relay_packet *packet)
{
    packet->len = 0;
    packet->n_lines = 0;
}
