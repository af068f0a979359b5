/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mapping file: from a path to rules
 */
#ifndef SERVER_MAPFILE_H
#define SERVER_MAPFILE_H

#include "base/err.h"
#include "bacowr/aggregator.h"

enum mapfile_kind {
    MAPFILE_REGULAR, /* a file, which can be read again and never keeps the reader waiting */
    MAPFILE_ANY,     /* a pipe too: /dev/stdin, a FIFO */
};

/*
 * Read the file and load its rules, aside from any engine; any thread may. 0; -ENOMEM, or another
 * negative errno: @e is filled in every case. Warnings go to @on_warning (may be NULL).
 */
int mapfile_load(struct bacowr_mapping **out, const char *path, enum mapfile_kind kind,
                 err_fn on_warning, void *ctx, struct err *e);

#endif
