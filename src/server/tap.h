/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tap: some of the lines that come in, for who watches
 *
 * Contract: a reader opens a tap with a filter and takes what the workers kept for it, oldest first
 * of each worker. A worker looks at one word for each batch; only while somebody taps does it do
 * more. Memory is fixed: TAP_ROOM bytes for each reader and worker, had while the reader is there.
 * What finds no room, or is over the budget, is counted and left out; no worker waits.
 */
#ifndef SERVER_TAP_H
#define SERVER_TAP_H

#include <stdbool.h>
#include <stdint.h>

#include "bacowr/aggregator.h"
#include "base/relaxed.h"
#include "base/slice.h"

#define TAP_MAX       4            /* readers at the same time */
#define TAP_ROOM      (256 * 1024) /* of a reader, in each worker */
#define TAP_LINE_MAX  8192         /* a longer line is left out */
#define TAP_MATCH_MAX 256
#define TAP_MAX_RATE  1000000

struct tap;
struct tap_lane; /* a worker's */

struct tap_filter {
    uint64_t rate; /* lines a second of all workers; 0: as many as there is room for */
    size_t match_len;
    char match[TAP_MATCH_MAX]; /* pieces that a line has in this order, with '*' between them */
};

struct tap_line {
    int64_t at_ns; /* as uv_hrtime() counts */
    bool first;    /* of those that were taken of its datagram */
    struct slice text;
};

/* 0 or -ENOMEM. */
int tap_new(struct tap **out, unsigned n_workers);
void tap_free(struct tap *t); /* the workers have ended; accepts NULL */
struct tap_lane *tap_lane(struct tap *t, unsigned worker);

/* Does @line have what @match (see struct tap_filter) asks for? */
bool tap_matches(struct slice match, struct slice line);

/* ---- the control thread's side ---- */

/* Copies @filter. The reader's number; -EBUSY: there are TAP_MAX; -ENOMEM. */
int tap_open(struct tap *t, const struct tap_filter *filter);
void tap_close(struct tap *t, int reader);

/*
 * Hand the lines that @reader has not had yet to @fn, at most @max of them, and none after one for
 * which it returns false; the text is borrowed for the call. @skipped: lines that were left out
 * since the last call. How many were handed.
 */
unsigned tap_read(struct tap *t, int reader, unsigned max,
                  bool (*fn)(void *ctx, const struct tap_line *line), void *ctx, uint64_t *skipped);

/* Since the start: lines handed to readers, and those left out. */
void tap_totals(const struct tap *t, uint64_t *told, uint64_t *skipped);
unsigned tap_n_readers(const struct tap *t);

/* ---- the worker's side ---- */

struct tap_switch {
    relaxed_u32 readers; /* written by control; how many there are */
};

static inline bool tap_is_on(const struct tap_lane *lane)
{
    /* A hint: who sees it late takes a batch less or looks once in vain. */
    return relaxed_load(&((const struct tap_switch *)lane)->readers) != 0;
}

/* Keep what readers want of @batch. */
void tap_take(struct tap_lane *lane, const struct bacowr_datagram *batch, unsigned n);

#endif
