/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names: who sent the datagrams that a worker receives
 *
 * Contract: the worker's thread, and control before it runs. The kernel writes the address of a
 * sender behind its message only where it is asked to, and that costs; so it is asked where senders
 * matter (gate.h), and for an hour after something was refused.
 */
#ifndef SERVER_NAMES_H
#define SERVER_NAMES_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/cidr.h"

/* As many as a worker has messages. */
#define NAMES_MAX 64

struct worker;

struct names {
    bool on;
    struct sockaddr_in6 of[NAMES_MAX]; /* of a worker's messages, joined or not; IPv4 fits too */
};

/* Ask for them from now on, or not any more. */
void names_turn(struct worker *w, bool on);

/* Let the kernel write, or not, the names of the first @n messages (again). */
void names_arm(struct names *names, struct mmsghdr *messages, unsigned n);

/* The sender of what was last received as message @i. False: it has no address. */
bool names_ip(const struct names *names, unsigned i, struct ip *out);

/* To be called now and then: ask or not, as refusals come. */
void names_follow(struct worker *w, int64_t now_ms);

#endif
