/* SPDX-License-Identifier: Apache-2.0 */
/*
 * API: the documents below /api/v1/, as docs/api.md describes them
 *
 *      api.c         the table; what the engine tells, and of senders
 *      api_status.c  status and rates: the server itself
 *      api_identities.c  what is sent, and its series, line by line
 */
#ifndef SERVER_API_H
#define SERVER_API_H

#include "base/buf.h"
#include "server/history.h"
#include "server/http.h"

struct server;

/* For struct http_config; their ctx is the struct server. */
extern const struct http_doc api_docs[];

/* What the history of a server is made of. Its first counts are the engine's totals. */
unsigned api_n_counts(void);
void api_read_counts(const struct server *s, uint64_t *counts);

/* ---- api_status.c ---- */

int api_status(void *ctx, const struct http_ask *ask, void **state, struct buf *out);
int api_rates(void *ctx, const struct http_ask *ask, void **state, struct buf *out);

/* ---- api_identities.c ---- */

int api_identities(void *ctx, const struct http_ask *ask, void **state, struct buf *out);
void api_identities_end(void *state);

#endif
