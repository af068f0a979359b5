/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replay: the command that sends what was recorded
 *
 * Contract: a line of the input is read, sent and forgotten: memory is bounded whatever the input's
 * size. Captures are told by their first line; any other input is lines, a datagram each.
 */
#ifndef SERVER_REPLAY_H
#define SERVER_REPLAY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

struct replay {
    FILE *in;       /* borrowed */
    const char *to; /* HOST:PORT; borrowed */
    bool tcp;       /* else UDP */
    double speed;   /* times as fast as it was recorded; 0: as fast as it goes */
    FILE *progress; /* borrowed */
};

/* A plain line comes so long after the one before, at speed 1. */
#define REPLAY_STEP_NS 1000000

/* 0; or a negative errno with @e filled. */
int replay_run(const struct replay *config, struct err *e);

/* "2", "0.5" or "max" (0). False: it is neither. */
bool replay_read_speed(const char *text, double *speed);

#endif
