/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capture: the format that `record` writes, read line by line: docs/tap.md
 *
 *      # bacowr-statsd capture 1
 *      1763858442.123456 + api.jobs:1|c        the first line of a datagram
 *      1763858442.123456 & api.rows:7|c        a further one
 *      # 12 lines skipped
 */
#ifndef SERVER_CAPTURE_H
#define SERVER_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

/* Does @line begin a capture? 1; 0: it does not; -EPROTONOSUPPORT: one of another version. */
int capture_begins(struct slice line);

struct capture_record {
    int64_t at_ns; /* since 1970 */
    bool first;    /* of its datagram */
    struct slice text;
};

/* A line behind that. 1; 0: a remark, or empty; -EBADMSG: it is none of a capture. */
int capture_read(struct slice line, struct capture_record *out);

#endif
