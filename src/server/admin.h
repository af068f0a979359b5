/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Admin: the management port of Etsy's statsd, for what was written to talk to it
 *
 * A line of TCP is a command: help, stats, counters, health and so on; docs/admin.md has them all.
 * What there is to tell of a server is told by HTTP; this port is for runbooks, checks of load
 * balancers and graphs that know 8126, and is off by default.
 *
 * Contract: the control thread's. Bounded: connections, bytes of a line, silence (each by a flag),
 * and the time of an answer, which is made and sent in slices. What changes something needs
 * --web.enable-lifecycle. All but admin_new() and what listens accept NULL: there is no such port.
 */
#ifndef SERVER_ADMIN_H
#define SERVER_ADMIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "server/address.h"

struct admin;
struct server;

struct admin_stats {
    uint64_t connections; /* served */
    uint64_t refused;     /* at the limit */
    uint64_t evicted;     /* silent ones that made room for others */
    uint64_t timeouts;    /* silent for long */
    uint64_t cut;         /* answers that were not taken in time */
    uint64_t commands;
    uint64_t errors; /* of these: unknown, not allowed; and lines that are: */
    uint64_t too_long;
    uint64_t let_go; /* series */
    uint64_t open;
};

/* 0 or -ENOMEM. @s is borrowed, its loop runs until admin_close() has done its work. */
int admin_new(struct admin **out, struct server *s);

/*
 * Bind and listen on @a, which learns its port; connections wait until admin_start(). 0, or a
 * negative errno with @e filled.
 */
int admin_listen(struct admin *a, struct address *address, struct err *e);

/* As admin_listen() on @fd, a TCP socket that listens. @fd is taken, also on failure. */
int admin_listen_on(struct admin *a, int fd);

/* Listener @i's socket, borrowed; -1: there are no more. */
int admin_listener_fd(const struct admin *a, unsigned i);

/* Accept connections, and go on with those there are. */
void admin_start(struct admin *a);

/* Accept none and begin no answer until admin_start(); who asks meanwhile waits. */
void admin_hold(struct admin *a);

/* Now and then: notes when lines came in, and lets listeners try again that could not accept. */
void admin_tick(struct admin *a, int64_t now_ms);

/* Zeroes for NULL. */
struct admin_stats admin_read_stats(const struct admin *a);

/* Close all; @a is freed from the loop once its handles are closed. */
void admin_close(struct admin *a);

#endif
