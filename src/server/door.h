/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Door: the web configuration as it is in force, its certificates loaded
 */
#ifndef SERVER_DOOR_H
#define SERVER_DOOR_H

#include "base/err.h"
#include "conf/options.h"
#include "conf/web_config.h"
#include "server/tls.h"

struct door {
    struct web_config *config; /* owned */
    struct tls *tls;           /* NULL: plain HTTP */
};

/*
 * Read the web configuration @path, and what it names; any thread may. The names of all files that
 * decide about it are appended to @files (may be NULL), also on failure. 0; or a negative errno
 * with @e filled in every case. Warnings go to @on_warning (may be NULL).
 */
int door_load(struct door **out, struct options_list *files, const char *path, err_fn on_warning,
              void *ctx, struct err *e);
void door_free(struct door *d); /* accepts NULL */

/* As door_load() does: the files that decide, as far as @path can be read. 0 or -ENOMEM. */
int door_list(struct options_list *files, const char *path);

/* Only what stands in the file itself, for who does not serve. As door_load() otherwise. */
int door_read(struct web_config **out, const char *path, err_fn on_warning, void *ctx,
              struct err *e);

#endif
