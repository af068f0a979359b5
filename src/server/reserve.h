/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reserve: what libuv would end the process for, if it found no memory later
 *
 * Contract: called once for a loop, before it runs.
 */
#ifndef SERVER_RESERVE_H
#define SERVER_RESERVE_H

#include <uv.h>

/*
 * Make the threads of libuv's pool. @job is borrowed until the loop has run, or ended. 0, or a
 * negative errno: -EAGAIN where a limit allows no more threads.
 */
int reserve_pool(uv_loop_t *loop, uv_work_t *job);

/* Make @loop's table large enough for descriptors below @n, or below the limit of open files. 0, or
 * a negative errno. */
int reserve_descriptors(uv_loop_t *loop, int n);

#endif
