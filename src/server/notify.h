/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notify: what the service manager is told (NOTIFY_SOCKET, WATCHDOG_USEC)
 *
 * Contract: control's. A zeroed struct tells nobody; so does one whose manager does not listen.
 */
#ifndef SERVER_NOTIFY_H
#define SERVER_NOTIFY_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

struct notify {
    struct sockaddr_un sa; /* sa_len 0: nobody is there */
    socklen_t sa_len;
    int64_t watchdog_ms; /* from one sign of life to the next; 0: none is wanted */
    int64_t next_ms;
};

/* Whom the environment names. */
void notify_init(struct notify *n);

/* The same, where another process says whom; @path as in NOTIFY_SOCKET, @watchdog_ms as above. */
void notify_init_for(struct notify *n, const char *path, int64_t watchdog_ms);

/* What NOTIFY_SOCKET said, as a string; empty: nobody is there. */
void notify_path(const struct notify *n, char out[sizeof(((struct sockaddr_un *)0)->sun_path) + 1]);

void notify_ready(const struct notify *n, const char *status);
void notify_reloading(const struct notify *n);
void notify_stopping(const struct notify *n, const char *status);

/* Another process is the server from now on. */
void notify_main_pid(const struct notify *n, pid_t pid);

/* A sign of life, when one is due. */
void notify_alive(struct notify *n, int64_t now_ms);

#endif
