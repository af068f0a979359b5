/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mapping file: from a path to the engine's rules
 */
#ifndef SERVER_MAPFILE_H
#define SERVER_MAPFILE_H

#include "base/err.h"
#include "bacowr/aggregator.h"

/*
 * Read the file and put its rules in the place of those that @b has. 0; -ENOMEM, or another
 * negative errno: @e is filled in every case, and the old rules stay. Warnings go to @on_warning
 * (may be NULL).
 */
int mapfile_load(struct bacowr *b, const char *path, err_fn on_warning, void *ctx, struct err *e);

#endif
