/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notes: what a worker remembers of lines that went wrong, or past all rules
 *
 * Contract: a worker writes its own, control reads all of them at any time. Memory is fixed, and so
 * is the work: of each reason a few lines are kept, then one a second; the rest is only counted,
 * elsewhere. Nothing here is called for a line that reaches its series by a known route.
 */
#ifndef ENGINE_NOTES_H
#define ENGINE_NOTES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cidr.h"
#include "base/slice.h"
#include "bacowr/aggregator.h"
#include "bacowr/statsd.h"

struct notes;
struct bacowr_worker;

/* Why: one of enum statsd_reason, or one of these. */
enum refusal {
    REFUSAL_EMPTY_NAME = STATSD_N_REASONS,
    REFUSAL_NEGATIVE,
    REFUSAL_NOT_FINITE,
    REFUSAL_LIMIT, /* + enum limit */
    REFUSAL_FAMILY_LIMIT,
    REFUSAL_LABEL_LIMIT,
    REFUSAL_TOO_COMPLEX,
    REFUSAL_TOO_LONG,
    REFUSAL_NO_MEMORY,
    REFUSAL_CONFLICT,
    N_REFUSALS,
};

/* Lines of a reason that are kept; names that no rule takes; bytes of each. */
#define NOTES_PER_REFUSAL 4
#define NOTES_UNMAPPED    32
#define NOTES_LINE_MAX    240u
#define NOTES_NAME_MAX    120u

/* One of them, as it is read. */
struct note {
    int64_t at_ms;
    uint64_t n; /* lines like it in a row; of a name: identities */
    uint32_t line_len, name_len;
    bool line_cut, name_cut;
    bool has_source;
    struct ip source;
    char line[NOTES_LINE_MAX];
    char name[NOTES_NAME_MAX]; /* of what no rule takes */
};

int notes_new(struct notes **out); /* 0 or -ENOMEM */
void notes_free(struct notes *n);  /* accepts NULL */

/* ---- the worker's side ---- */

/* A batch begins: lines that are told of lie in it. An empty one ends it. */
void notes_batch(struct notes *n, const struct bacowr_datagram *batch, unsigned n_batch);

/* Who sent it: before it begins; borrowed until it ends. */
void notes_senders(struct notes *n, const struct bacowr_senders *senders);

/* When a line was last noted as refused. */
int64_t notes_refused_ms(const struct notes *n);

/* The line that goes the long way, for what does not lie in the batch. Borrowed for the batch. */
void notes_line(struct notes *n, struct slice line);

/* A line, or a part of it, is refused: @part lies in it. */
void notes_refused(struct bacowr_worker *w, unsigned why, struct slice part);

/* No rule takes @name, of the line in which @part lies. */
void notes_unmapped(struct bacowr_worker *w, struct slice name, struct slice part);

/* ---- control's side ---- */

/* Note @i (below NOTES_PER_REFUSAL) of reason @why. False: there is none. */
bool notes_read_refused(const struct notes *n, unsigned why, unsigned i, struct note *out);
bool notes_read_unmapped(const struct notes *n, unsigned i, struct note *out);

#endif
