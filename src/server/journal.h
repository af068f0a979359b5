/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Journal: the lines of the log that tell a run: how it starts, what goes wrong, how it ends
 *
 * Contract: all of it is called on the control thread.
 */
#ifndef SERVER_JOURNAL_H
#define SERVER_JOURNAL_H

#include <stdint.h>

struct server;

/* Before anything is opened. */
void journal_starting(struct server *s);

/* Everything listens: what, where, with which buffers, rules and limits, in one line. */
void journal_ready(const struct server *s);

/* Rare faults, each at most once a minute, with how often it happened since it was last told. */
void journal_tick(struct server *s, int64_t now_ms);

/* The threads have ended: the totals of the run, in one line. */
void journal_stopped(const struct server *s);

#endif
