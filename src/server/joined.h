/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Joined: messages that may hold several datagrams (UDP_GRO), and how they come apart
 *
 * Contract: control asks a socket for such messages and makes the room for them, one for all the
 * sockets of a worker; the worker's thread receives into it and takes them apart. Messages of other
 * sockets are taken apart likewise, into themselves.
 */
#ifndef SERVER_JOINED_H
#define SERVER_JOINED_H

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "bacowr/aggregator.h"
#include "server/worker.h"

/* Each is up to 64 KiB, so fewer of them are received in a call: a megabyte. */
#define JOINED_N_MESSAGES 16

/* The kernel's word on a message, with room for what else a socket's opener may have asked for. */
#define JOINED_WORD_ROOM  256

struct joined {
    struct mmsghdr messages[JOINED_N_MESSAGES];
    alignas(struct cmsghdr) char words[JOINED_N_MESSAGES][JOINED_WORD_ROOM];
};

/* Does the kernel join @fd's datagrams? */
bool joined_is_on(int fd);

/* From now on it may. 0 or a negative errno: before Linux 5.0 it cannot. */
int joined_turn_on(int fd);

/* Messages, one for each of the first rooms. 0 or -ENOMEM. */
int joined_new(struct joined **out, struct iovec rooms[JOINED_N_MESSAGES]);
void joined_free(struct joined *j); /* accepts NULL */

/* Let the kernel write its word on the first @n messages (again). */
void joined_arm(struct joined *j, unsigned n);

/* ---- taking apart ---- */

/* Datagrams in the order in which they came, and the number of the message that each was in. */
struct joined_batch {
    unsigned n;
    unsigned n_truncated;
    uint64_t bytes;
    struct bacowr_datagram datagrams[WORKER_N_CHUNKS];
    uint8_t messages[WORKER_N_CHUNKS];
};

/* Where the walk over @n messages is; it begins with zeros behind @n. */
struct joined_walk {
    struct mmsghdr *messages;
    unsigned n;
    unsigned i;
    size_t at;   /* of message i */
    size_t size; /* of its datagrams, while @at is above 0 */
};

/* The next datagrams. False: there are no more. */
bool joined_next(struct joined_walk *walk, struct joined_batch *out);

/* @n messages, at most WORKER_N_CHUNKS, that are a datagram each: of a socket that never joins. */
void joined_singles(const struct mmsghdr *messages, unsigned n, struct joined_batch *out);

#endif
