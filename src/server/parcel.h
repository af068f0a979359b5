/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parcel: all that one server leaves to the next, in a file in memory
 *
 * Contract: written by the server that ends, read by the one that begins, both on one machine. Of
 * each socket: what is accounted for of the kernel's drops; of each connection: the bytes of what
 * is unfinished; each counter that is on the page; and behind them the engine's state.
 */
#ifndef SERVER_PARCEL_H
#define SERVER_PARCEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "bacowr/aggregator.h"

/* ---- writing ---- */

struct parcel {
    struct buf records;
};

void parcel_add_drops(struct parcel *p, struct slice address, unsigned index, uint32_t drops);
void parcel_add_conn(struct parcel *p, bool framed, struct slice first, struct slice second);
void parcel_add_counter(struct parcel *p, const char *name, const char *labels, double value);

/*
 * Seal the records and the engine's state up in a file: *@fd is the caller's, and nobody can change
 * it any more. No worker is fed. 0 or a negative errno. @p is released in every case.
 */
int parcel_close(struct parcel *p, struct bacowr *b, int64_t now_ms, int *fd);

/* ---- reading ---- */

/* What is in it; the texts are borrowed during the call. 0, or a negative errno, which ends it. */
struct parcel_reader {
    void *ctx;
    int (*drops)(void *ctx, struct slice address, unsigned index, uint32_t drops);
    int (*conn)(void *ctx, bool framed, struct slice bytes);
    int (*counter)(void *ctx, const char *name, const char *labels, double value);
};

/*
 * First the engine takes its state, then the records are told in their order. 0; -EPROTO: it is
 * damaged, or the state is not the engine's; or what a function answered. @report may be NULL.
 */
int parcel_open(int fd, struct bacowr *b, int64_t now_ms, const struct parcel_reader *reader,
                struct bacowr_state_report *report);

#endif
