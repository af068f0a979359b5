/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Crew: an engine, a thread for each worker, and the test's thread as control
 *
 * Contract: what goes wrong on the control side fails the test on the spot. Feeders do not assert:
 * what they sent is compared with the page at the end. Pages are read by the strict reader.
 */
#ifndef TESTS_THREADS_CREW_H
#define TESTS_THREADS_CREW_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "bacowr/aggregator.h"
#include "base/buf.h"

#define CREW_N_WORKERS  3
#define CREW_MAX_ROUTES 1024 /* more names than this are looked up again and again */

struct crew;

struct feeder {
    struct crew *crew;
    unsigned i;
    pthread_t thread;
    struct buf text;    /* of the datagram under way */
    unsigned long seed; /* of feeder_random() */
};

struct crew {
    struct bacowr *b;
    _Atomic int64_t now_ms; /* written by control */
    _Atomic unsigned n_busy;
    pthread_barrier_t barrier; /* of the feeders */
    void (*feed)(struct feeder *f);
    struct feeder feeders[CREW_N_WORKERS];
    struct buf page;
};

/* Start all feeders, each of which runs @feed once. @max_series 0: the default. */
void crew_start(struct crew *c, const char *mapping, uint64_t max_series,
                void (*feed)(struct feeder *f));

/* The same with limits of families and labels; 0: none. */
void crew_start_limited(struct crew *c, const char *mapping, uint64_t max_family,
                        uint64_t max_values, void (*feed)(struct feeder *f));

/* Is any feeder still at work? Lets others run. */
bool crew_busy(struct crew *c);

/* Wait for the feeders. The engine goes on. */
void crew_join(struct crew *c);
void crew_release(struct crew *c);

/* Control's: another mapping; @ms later; a page, made in slices of @want bytes, after each of which
 * @between (may be NULL) is called. */
void crew_map(struct crew *c, const char *mapping);
void crew_pass(struct crew *c, int64_t ms);
struct slice crew_scrape(struct crew *c, unsigned want, void (*between)(struct crew *c));

/* The value of a series on the last page; fails when there is none. */
double crew_value(struct crew *c, const char *series);

/* A feeder's: a line more for its datagram; send it. */
void feeder_line(struct feeder *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void feeder_send(struct feeder *f);

/* Send, and wait until control has let so much time pass. */
void feeder_pause(struct feeder *f, int64_t ms);
unsigned feeder_random(struct feeder *f, unsigned below);

/* What grows on a page: counters, buckets and counts. */
struct ledger {
    struct ledger_row *rows;
    size_t n_rows;
    struct buf text; /* the names in rows */
};

/* Take @page in the last one's place: no number may be below its last one, or gone. Copies. */
void ledger_turn(struct ledger *l, struct slice page);
void ledger_release(struct ledger *l);

#endif
