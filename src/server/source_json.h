/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources as JSON: what all workers know of senders, in one
 */
#ifndef SERVER_SOURCE_JSON_H
#define SERVER_SOURCE_JSON_H

#include "base/buf.h"
#include "server/worker.h"

/* The most senders that are told of, of each kind. */
#define SOURCE_JSON_MAX 100

/*
 * Append an object with the largest senders of the @n workers, which run or do not. 0 or -ENOMEM.
 * docs/sources.md describes it.
 */
int source_json(struct buf *out, struct worker *const *workers, unsigned n, int64_t now_ms);

#endif
