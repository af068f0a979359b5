/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mapping files: from paths to rules
 *
 * A path is a file's or a directory's, and a directory stands for its *.yml and *.yaml files in
 * byte order of their names; hidden ones and subdirectories are left out.
 */
#ifndef SERVER_MAPFILE_H
#define SERVER_MAPFILE_H

#include "base/err.h"
#include "bacowr/aggregator.h"
#include "conf/options.h"

#define MAPFILE_MAX_FILES 256
#define MAPFILE_MAX_BYTES (16u << 20) /* of all of them; the YAML reader takes as much of one */

enum mapfile_kind {
    MAPFILE_REGULAR, /* a file, which can be read again and never keeps the reader waiting */
    MAPFILE_ANY,     /* a pipe too, where it is named: /dev/stdin, a FIFO */
};

/*
 * Read the files of @paths and load their rules as one list, aside from any engine; any thread may.
 * 0; -ENOMEM, or another negative errno: @e is filled in every case. Warnings go to @on_warning
 * (may be NULL).
 */
int mapfile_load(struct bacowr_mapping **out, const struct options_list *paths,
                 enum mapfile_kind kind, err_fn on_warning, void *ctx, struct err *e);

/*
 * Append the files that @path stands for: itself unless it is a directory. 0; -ENOMEM, or another
 * negative errno: @e is filled in every case.
 */
int mapfile_list(struct options_list *files, const char *path, struct err *e);

/* How messages about all of @paths, at least one, name them: "a.yml and 2 more". */
void mapfile_label(const struct options_list *paths, char *out, size_t cap);

#endif
