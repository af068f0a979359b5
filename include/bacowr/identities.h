/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identities: what senders send, as the workers remember it, and what the rules make of it
 *
 * Contract: a worker's thread copies its identities, piece by piece, between two batches; the
 * control thread tells of the copies in lines of JSON. Nothing is done for a line that is fed. An
 * identity is a name and all behind the value, as they arrived; one that was not met for a minute
 * or some is forgotten. Keys of JSON objects are only added, never renamed or taken away.
 */
#ifndef BACOWR_IDENTITIES_H
#define BACOWR_IDENTITIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bacowr/aggregator.h"

/* Of the lines of JSON. */
#define BACOWR_IDENTITIES_FORMAT 1u

/* A piece holds at least one identity. */
#define BACOWR_IDENTITIES_PIECE  32768u

/* How far the copying of a worker's identities has come. Zeroed at its beginning. */
struct bacowr_identities_walk {
    uint64_t at, n_resizes;
    unsigned n_restarts; /* the table got another size: identities may come twice */
    bool ended;
    bool cut; /* it began anew too often: some may be missing */
};

/*
 * Copy the next identities of @w to @room, BACOWR_IDENTITIES_PIECE bytes: how many bytes it took,
 * perhaps none. To be called by the thread that feeds @w, not from within that.
 */
size_t bacowr_identities_copy(struct bacowr_worker *w, struct bacowr_identities_walk *walk,
                              char *room);

/* ---- the control thread's side ---- */

struct bacowr_identities;

/* Begin to tell, by the rules in force now, which are kept until the end. 0 or -ENOMEM. */
int bacowr_identities_new(struct bacowr_identities **out, struct bacowr *b);
void bacowr_identities_free(struct bacowr_identities *t); /* accepts NULL */

/*
 * Append the first line; lines of a piece, which is cut by what was told: a bounded step; the last
 * line. 0 or -ENOMEM.
 */
int bacowr_identities_head(struct bacowr_identities *t, struct buf *out);
int bacowr_identities_tell(struct bacowr_identities *t, struct slice *piece, struct buf *out);
int bacowr_identities_tail(struct bacowr_identities *t, bool complete, struct buf *out);

#endif
