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
    uv_loop_t *loop;                  /* borrowed, outlives the struct */
    const struct options_list *paths; /* copied; files and directories, as mapfile.h has them */

    void *ctx;
    void (*changed)(void *ctx); /* they are not as they were, and have been still for a second */
};

/*
 * Look at the files now, and once a second from the loop's start on: what is loaded after this call
 * is never older than what was seen. 0 or -ENOMEM.
 */
int watch_new(struct watch **out, const struct watch_config *config);

/*
 * Look at @paths (copied) from the next look on; nothing is done if they are those looked at
 * already. Else they are taken for changed, since nobody has seen them before. 0 or -ENOMEM.
 */
int watch_set(struct watch *w, const struct options_list *paths);

void watch_stop(
    struct watch *w); /* no more calls; the loop ends the look under way; NULL is fine */
void watch_free(struct watch *w); /* after the loop has ended; accepts NULL */

#endif
