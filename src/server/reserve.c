/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reserve: see reserve.h
 *
 * libuv answers two failures by abort(). The threads of its pool are made with the first job, which
 * is a reload, hours after the start. And a loop's table of what is watched grows with the highest
 * descriptor, which is a connection at a busy moment. Memory may be short then, and no allocation
 * that fails after the start may end the process. So both are had at the start: the pool does a job
 * of nothing, and the loop watches a descriptor with a high number for a moment.
 *
 * Law: nothing of it is left in the loop but the room.
 */
#include "server/reserve.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

static void do_nothing(uv_work_t *job)
{
    (void)job;
}

int reserve_pool(uv_loop_t *loop, uv_work_t *job)
{
    return uv_queue_work(loop, job, do_nothing, NULL);
}

/* A descriptor of our own with the number @n, or the highest that may be. */
static int open_high(int n)
{
    struct rlimit limit;
    int fd = eventfd(0, EFD_CLOEXEC);
    int high;

    if (fd < 0)
        return -errno;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur <= (rlim_t)n)
        n = (int)limit.rlim_cur - 1;
    high = fcntl(fd, F_DUPFD_CLOEXEC, n);
    if (high < 0)
        return fd; /* somebody has the highest: then the table is, or will be, as large */
    close(fd);
    return high;
}

static void on_event(uv_poll_t *handle, int status, int events)
{
    (void)handle;
    (void)status;
    (void)events;
}

static void on_closed(uv_handle_t *handle)
{
    *(bool *)handle->data = true;
}

int reserve_descriptors(uv_loop_t *loop, int n)
{
    int fd = open_high(n);
    bool closed = false;
    uv_poll_t handle;
    int r;

    if (fd < 0)
        return fd;
    r = uv_poll_init(loop, &handle, fd);
    if (r == 0) {
        r = uv_poll_start(&handle, UV_READABLE, on_event);
        handle.data = &closed;
        uv_close((uv_handle_t *)&handle, on_closed);
        uv_run(loop, UV_RUN_NOWAIT);
        assert(closed);
        (void)closed;
    }
    close(fd);
    return r;
}
