/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tap client: the commands `tap` and `record`, which ask a running server
 *
 * Contract: memory is bounded whatever the server says; SIGINT and SIGTERM end it in order.
 */
#ifndef SERVER_TAP_CLIENT_H
#define SERVER_TAP_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "server/client.h"

struct tap_client {
    const struct client_url *url; /* borrowed, like the next */
    const struct client_identity *identity;
    const char *form;  /* as /api/v1/tap has it; borrowed */
    const char *match; /* NULL: all; borrowed */
    uint64_t rate;     /* lines a second; 0: the server's */
    int64_t limit_ms;  /* ends then; 0: when a signal or the server ends it */
    FILE *out;         /* borrowed */
    bool anew;         /* what @out holds goes when the server answers, and not before */
    FILE *progress;    /* borrowed; NULL: none is told */
};

/* 0; or a negative errno with @e filled. */
int tap_client_run(const struct tap_client *config, struct err *e);

#endif
