/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notify: see notify.h
 *
 * The protocol of sd_notify(3) is a datagram of VARIABLE=VALUE lines to a Unix socket. That is less
 * code than a test for the library that has it, and the server needs none of what else libsystemd
 * brings: so it is written by hand.
 *
 * Nothing is awaited and nothing can fail: a manager whose socket is full or gone misses a word,
 * and the server goes on. Where a watchdog is armed, it hears twice in its time; control tells it
 * only while every ingest thread turns (control.c), so a server that stands still is noticed.
 *
 * Law: no word is longer than MESSAGE_MAX.
 */
#include "server/notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/num.h"
#include "base/slice.h"

#define MESSAGE_MAX 512

void notify_init_for(struct notify *n, const char *path, int64_t watchdog_ms)
{
    size_t len = strlen(path);

    *n = (struct notify){0};
    /* A path or, with '@', an abstract name; the manager of a virtual machine is not served. */
    if ((path[0] != '/' && path[0] != '@') || len < 2 || len >= sizeof n->sa.sun_path)
        return;
    n->sa.sun_family = AF_UNIX;
    memcpy(n->sa.sun_path, path, len);
    if (path[0] == '@')
        n->sa.sun_path[0] = '\0';
    n->sa_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    n->watchdog_ms = watchdog_ms;
}

void notify_init(struct notify *n)
{
    const char *path = getenv("NOTIFY_SOCKET"), *usec = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");
    uint64_t us = 0, whom = (uint64_t)getpid();

    if (pid != NULL && num_parse_u64(slice_str(pid), UINT32_MAX, &whom) != 0)
        whom = 0;
    if (usec == NULL || num_parse_u64(slice_str(usec), INT64_MAX, &us) != 0 ||
        whom != (uint64_t)getpid())
        us = 0;
    notify_init_for(n, path != NULL ? path : "", us >= 2000 ? (int64_t)(us / 2000) : us > 0);
}

void notify_path(const struct notify *n, char out[sizeof(((struct sockaddr_un *)0)->sun_path) + 1])
{
    size_t head = offsetof(struct sockaddr_un, sun_path);
    size_t len = n->sa_len > head ? n->sa_len - head : 0;

    memcpy(out, n->sa.sun_path, len);
    out[len] = '\0';
    if (len > 0 && out[0] == '\0')
        out[0] = '@';
}

static void tell(const struct notify *n, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void tell(const struct notify *n, const char *format, ...)
{
    char text[MESSAGE_MAX];
    va_list args;
    int len, fd;

    if (n->sa_len == 0)
        return;
    va_start(args, format);
    len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (len > 0)
        sendto(fd, text, len < MESSAGE_MAX ? (size_t)len : MESSAGE_MAX - 1, MSG_NOSIGNAL,
               (const struct sockaddr *)&n->sa, n->sa_len);
    close(fd);
}

void notify_ready(const struct notify *n, const char *status)
{
    tell(n, "READY=1\nSTATUS=%s\n", status);
}

void notify_reloading(const struct notify *n)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    tell(n, "RELOADING=1\nMONOTONIC_USEC=%lld\nSTATUS=Loading the mapping.\n",
         (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
}

void notify_stopping(const struct notify *n, const char *status)
{
    tell(n, "STOPPING=1\nSTATUS=%s\n", status);
}

void notify_main_pid(const struct notify *n, pid_t pid)
{
    tell(n, "MAINPID=%lld\nSTATUS=Handed over.\n", (long long)pid);
}

void notify_alive(struct notify *n, int64_t now_ms)
{
    if (n->watchdog_ms == 0 || now_ms < n->next_ms)
        return;
    n->next_ms = now_ms + n->watchdog_ms;
    tell(n, "WATCHDOG=1\n");
}
