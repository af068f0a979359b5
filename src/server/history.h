/* SPDX-License-Identifier: Apache-2.0 */
/*
 * History: the last five minutes of a few counts, second by second
 *
 * Contract: no clock; one thread. Memory is fixed when it is made.
 */
#ifndef SERVER_HISTORY_H
#define SERVER_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#define HISTORY_STEP_MS 1000
#define HISTORY_STEPS   300

struct history;

/* Of @n_counts numbers. 0 or -ENOMEM. */
int history_new(struct history **out, unsigned n_counts);
void history_free(struct history *h); /* accepts NULL */

/* Is it time for the next note? */
bool history_is_due(const struct history *h, int64_t now_ms);

/* @counts, each a total that only grows, as they are now. */
void history_note(struct history *h, const uint64_t *counts, int64_t now_ms);

/* The steps that are known are numbered: from first to before end. Each is what lies between two
 * notes. */
uint64_t history_first(const struct history *h);
uint64_t history_end(const struct history *h);

/* What count @i gained a second in step @step, which is known. */
double history_rate(const struct history *h, uint64_t step, unsigned i);

#endif
