/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources: who sends how much, in a table of fixed size
 *
 * Contract: one thread adds, any other may read meanwhile. A source's weight is what ranks it:
 * lines, or what the caller likes better. It is exact while the table has room, and never too low:
 * the true one is between weight - error and weight. The other counts begin when the source comes
 * into the table, so they are never too high.
 */
#ifndef SERVER_SOURCE_H
#define SERVER_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cidr.h"

struct sources;

struct source_counts {
    uint64_t datagrams; /* taken in */
    uint64_t bytes;     /* of them, or of a stream */
    uint64_t bad;       /* lines and samples refused */
    uint64_t series;    /* that it made */
    uint64_t limited;   /* datagrams refused for its rate; of a stream: pauses */
};

struct source {
    struct ip ip;
    uint64_t weight;
    uint64_t error;
    struct source_counts counts;
    int64_t last_ms;
};

/* Room for @n sources at least, above 0. 0 or -ENOMEM. @seed: random. */
int sources_new(struct sources **out, uint64_t n, uint64_t seed);
void sources_free(struct sources *s); /* accepts NULL */

/* Add to what is known of @ip. */
void sources_add(struct sources *s, struct ip ip, uint64_t weight,
                 const struct source_counts *counts, int64_t now_ms);

/* ---- any thread ---- */

unsigned sources_capacity(const struct sources *s);

unsigned sources_n(const struct sources *s); /* in the table */

/* How many sources lost their place to another. */
uint64_t sources_n_replaced(const struct sources *s);

/* The source in place @i below the capacity; false when there is none, or it is just changing. */
bool sources_read(const struct sources *s, unsigned i, struct source *out);

/* Is @ip in the table? */
bool sources_knows(const struct sources *s, struct ip ip);

/* The most that @ip, or anybody, can have weighed that is not in the table. */
uint64_t sources_missed(const struct sources *s, struct ip ip);
uint64_t sources_missed_most(const struct sources *s);

#endif
