/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hand-over, the wire: messages with descriptors between two servers on one machine
 *
 * Contract: blocks only where it says so. Both sides are of one user, and check that; what is
 * malformed is refused all the same.
 */
#ifndef SERVER_HANDOVER_WIRE_H
#define SERVER_HANDOVER_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

/* Raised whenever a message or the parcel changes: two servers of different numbers refuse. */
#define HANDOVER_VERSION  1

#define HANDOVER_MAX_FDS  64
#define HANDOVER_MAX_TEXT 1024

enum handover_kind {
    HANDOVER_HELLO,    /* new: I want to take over; `number` is HANDOVER_VERSION */
    HANDOVER_REFUSE,   /* either: no, and why */
    HANDOVER_SOCKETS,  /* old: listening sockets; the text has a byte for each, its kind */
    HANDOVER_OFFER,    /* old: these were all; the text is NOTIFY_SOCKET, `number` its watchdog */
    HANDOVER_PREPARED, /* new: all is open and loaded, stop now */
    HANDOVER_CONNS,    /* old: connections, in the parcel's order */
    HANDOVER_PARCEL,   /* old: the parcel, a file in memory; nothing is read any more */
    HANDOVER_MERGED,   /* new: I have it all */
    HANDOVER_COMMIT,   /* old: read */
    HANDOVER_RUNNING,  /* new: I do */
    HANDOVER_N_KINDS,
};

/* Set in the byte of a socket that stands in the place of what the flags name. */
#define HANDOVER_INSTEAD 0x80

struct handover_message {
    enum handover_kind kind;
    uint64_t number;
    unsigned n_fds;
    int fds[HANDOVER_MAX_FDS]; /* received: owned by the caller */
    unsigned len;
    char text[HANDOVER_MAX_TEXT];
};

/* A message with @text, cut where it is too long. */
void handover_fill(struct handover_message *m, enum handover_kind kind, struct slice text);

/* Never blocks: 0; or a negative errno, -EAGAIN if there is no room. */
int handover_send(int fd, const struct handover_message *m);

/* Never blocks: 0; -EAGAIN: nothing is there; -EPIPE: the end; -EPROTO: malformed. */
int handover_recv(int fd, struct handover_message *m);

/* Waits for a message for so long: as handover_recv(), -ETIMEDOUT instead of -EAGAIN. */
int handover_wait(int fd, struct handover_message *m, int64_t timeout_ms);

void handover_close_fds(struct handover_message *m);

/* Is who is at the other end of the same user as this process? Its process: *@pid. */
bool handover_peer_is_ours(int fd, int *pid);

#endif
