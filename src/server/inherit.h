/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inherit: sockets that somebody else opened: the service manager, or the server before this one
 *
 * Contract: control's, before the workers run. A zeroed struct has none. A descriptor belongs to
 * the set until inherit_take() gives it away.
 */
#ifndef SERVER_INHERIT_H
#define SERVER_INHERIT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/err.h"

enum inherit_kind {
    INHERIT_UDP,
    INHERIT_TCP, /* listens, like those below */
    INHERIT_UNIXGRAM,
    INHERIT_UNIX,
    INHERIT_HTTP,
    INHERIT_CONTROL,
    INHERIT_ADMIN,
    INHERIT_N_KINDS,
};

struct inherit_socket {
    enum inherit_kind kind;
    int fd;       /* owned; -1 once it was taken */
    bool instead; /* it stands in the place of what the flags name for its kind */
    struct sockaddr_storage sa;
    socklen_t sa_len;
};

struct inherit {
    struct inherit_socket *items; /* owned */
    size_t n;
};

const char *inherit_kind_name(enum inherit_kind kind);

/*
 * Which kind of socket is @fd? HTTP has to be said: @http. 0; or -EINVAL: none that serves here,
 * with the reason in @e.
 */
int inherit_classify(int fd, bool http, enum inherit_kind *kind, struct err *e);

/*
 * Add @fd, which is taken, also on failure; it becomes non-blocking and closed on exec. 0 or a
 * negative errno.
 */
int inherit_add(struct inherit *set, int fd, enum inherit_kind kind, bool instead);

/* Does a socket stand in the place of the flags for this kind? */
bool inherit_replaces(const struct inherit *set, enum inherit_kind kind);

/* The number of sockets of @kind at @sa that are still there. Port 0 is any port of the host. */
size_t inherit_count(const struct inherit *set, enum inherit_kind kind, const struct sockaddr *sa,
                     socklen_t len);

/* The first of these, which is the caller's from now on; -1: there is none. */
int inherit_take(struct inherit *set, enum inherit_kind kind, const struct sockaddr *sa,
                 socklen_t len);

/* Close what nobody took; how many these were. Accepts a zeroed one. */
size_t inherit_release(struct inherit *set);

#endif
