/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watch: tells when a mapping file has changed
 *
 * Contract: all of it is called on the control thread.
 */
#ifndef SERVER_WATCH_H
#define SERVER_WATCH_H

#include <uv.h>

#include "conf/options.h"

struct watch;

struct watch_config {
    uv_loop_t *loop;                  /* borrowed, like all below: they outlive the struct */
    const struct options_list *paths; /* of files and directories, as mapfile.h has them */

    void *ctx;
    void (*changed)(void *ctx); /* they are not as they were, and have been still for a second */
};

/*
 * Look at the files now, and once a second from the loop's start on: what is loaded after this call
 * is never older than what was seen. 0 or -ENOMEM.
 */
int watch_new(struct watch **out, const struct watch_config *config);

void watch_stop(
    struct watch *w); /* no more calls; the loop ends the look under way; NULL is fine */
void watch_free(struct watch *w); /* after the loop has ended; accepts NULL */

#endif
