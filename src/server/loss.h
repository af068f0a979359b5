/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loss: what a socket received and lost in the last minute
 *
 * Contract: no clock and no I/O. A zeroed struct has seen nothing. One thread.
 */
#ifndef SERVER_LOSS_H
#define SERVER_LOSS_H

#include <stdint.h>

#define LOSS_WINDOW_MS 60000
#define LOSS_STEP_MS   5000
#define LOSS_N_SLOTS   (LOSS_WINDOW_MS / LOSS_STEP_MS)

struct loss_count {
    uint64_t received;
    uint64_t lost;
};

struct loss {
    struct loss_count slots[LOSS_N_SLOTS]; /* totals at the beginning of each step; a ring */
    unsigned n;                            /* slots with something in them */
    unsigned next;                         /* the one to be written next: the oldest, once full */
    int64_t next_ms;                       /* when */
    struct loss_count now;                 /* the totals when last told */
};

/* @total is what was received and lost since the beginning, at @now_ms. */
void loss_note(struct loss *l, struct loss_count total, int64_t now_ms);

/* What was received and lost since the oldest slot: a minute, a step more or less. */
struct loss_count loss_recent(const struct loss *l);

/* The part of all that was lost, 0 to 1; of nothing, nothing is lost. */
double loss_ratio(struct loss_count c);

#endif
