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
 * At the start, too, a thread may be refused: a container has its limit of processes, a unit its
 * TasksMax. Then abort() would leave nothing but a core. So as many threads are tried before.
 *
 * Law: nothing of it is left in the loop but the room.
 */
#include "server/reserve.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* As libuv has them; UV_THREADPOOL_SIZE in the environment is another number. */
#define POOL_THREADS     4
#define POOL_MAX_THREADS 1024
#define POOL_STACK       (8u << 20)

#define GONE_ROUNDS      200 /* of 1 ms */

static void do_nothing(uv_work_t *job)
{
    (void)job;
}

static unsigned pool_size(void)
{
    const char *text = getenv("UV_THREADPOOL_SIZE");
    int n = text != NULL ? atoi(text) : POOL_THREADS;

    if (n == 0)
        return 1;
    return n < 0 || n > POOL_MAX_THREADS ? POOL_MAX_THREADS : (unsigned)n;
}

/* The links of this folder are two, and one for each thread: 0 where there is no /proc. */
static unsigned long count_threads(void)
{
    struct stat s;

    return stat("/proc/self/task", &s) == 0 ? (unsigned long)s.st_nlink : 0;
}

/* A thread that was joined still counts against the limits until the kernel has put it away. */
static void wait_until_gone(unsigned long n_threads)
{
    const struct timespec ms = {.tv_nsec = 1000000};

    for (int i = 0; i < GONE_ROUNDS && count_threads() > n_threads; i++)
        nanosleep(&ms, NULL);
}

static void wait_to_end(void *arg)
{
    uv_sem_wait(arg);
}

/* Can the pool's threads be had, all of them at once? 0 or a negative errno. */
static int try_threads(void)
{
    const uv_thread_options_t options = {UV_THREAD_HAS_STACK_SIZE, POOL_STACK};
    unsigned long before = count_threads();
    uv_thread_t threads[POOL_MAX_THREADS];
    unsigned n = 0, wanted = pool_size();
    uv_sem_t end;
    int r = uv_sem_init(&end, 0);

    if (r != 0)
        return r;
    for (; n < wanted && r == 0; n += r == 0)
        r = uv_thread_create_ex(&threads[n], &options, wait_to_end, &end);
    for (unsigned i = 0; i < n; i++)
        uv_sem_post(&end);
    for (unsigned i = 0; i < n; i++)
        uv_thread_join(&threads[i]);
    uv_sem_destroy(&end);
    wait_until_gone(before);
    return r;
}

int reserve_pool(uv_loop_t *loop, uv_work_t *job)
{
    int r = try_threads();

    return r == 0 ? uv_queue_work(loop, job, do_nothing, NULL) : r;
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
