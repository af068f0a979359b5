/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File: the whole of one in memory, bounded
 */
#ifndef SERVER_FILE_H
#define SERVER_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/*
 * Append what is in @path to @out, at most @max bytes. Only a @regular file is read without ever
 * waiting for a writer; else pipes and devices are too. 0, or a negative errno: -ENOTSUP for what
 * is no file, -EFBIG past @max.
 */
int file_read(const char *path, bool regular, size_t max, struct buf *out);

#endif
