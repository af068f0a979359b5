/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identities: the workers' identities, brought to the control thread piece by piece
 *
 * Contract: control's. One reader at a time, and one piece under way. A worker copies between two
 * turns of its loop; nobody waits for it.
 */
#ifndef SERVER_IDENTITIES_H
#define SERVER_IDENTITIES_H

#include <stdbool.h>
#include <uv.h>

#include "base/slice.h"
#include "server/worker.h"

struct identities;

/* 0 or a negative errno. The loop and the workers are borrowed. */
int identities_new(struct identities **out, uv_loop_t *loop, struct worker *const *workers,
                   unsigned n_workers);

/* No worker runs any more; the loop closes the handle. Accepts NULL. */
void identities_close(struct identities *i);
void identities_free(struct identities *i); /* after the loop has ended; accepts NULL */

/* Begin with the first worker; @done is called on the loop for each piece. 0; -EBUSY: somebody
 * reads already, or a worker is still at what the last one left. */
int identities_begin(struct identities *i, void (*done)(void *ctx), void *ctx);

/* Have the next piece copied; not while one is under way. */
void identities_ask(struct identities *i);

/* The piece, until the next is asked for; was it the last? were all copied? */
struct slice identities_piece(const struct identities *i);
bool identities_ended(const struct identities *i);
bool identities_complete(const struct identities *i);

/* The reader leaves: no more calls. */
void identities_leave(struct identities *i);

#endif
