/* SPDX-License-Identifier: Apache-2.0 */
/*
 * State: all series of a registry, to bytes and back
 *
 * Contract: the control thread. Saving reads; what it reads of counters and observers is exact when
 * no worker is fed from its beginning to its end, of gauges and sets at any time. Loading adds to
 * what is there, and no worker is fed meanwhile. bacowr/aggregator.h is the engine's word for both.
 */
#ifndef STATE_STATE_H
#define STATE_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "store/series.h"

/* ---- save.c ---- */

struct state_save_config {
    struct registry *registry; /* outlives the saving */
    int64_t now_ms;
    int64_t unix_ms_at_zero; /* the wall clock at now_ms = 0; 0: unknown */
    uint64_t rules;          /* a fingerprint of those in force */
    bool counts;             /* all, not only gauges and sets */
};

struct state_save;

int state_save_new(struct state_save **out, const struct state_save_config *config);
void state_save_free(struct state_save *s); /* accepts NULL */

/* Append about @want bytes, perhaps none. 1: more to come. 0: that was the end. -ENOMEM. */
int state_save_next(struct state_save *s, struct buf *out, unsigned want);
uint64_t state_save_n_series(const struct state_save *s);

/* ---- load.c ---- */

/* Why a stream is refused. */
enum state_fault {
    STATE_FAULT_NONE,
    STATE_FAULT_FOREIGN, /* it is none of ours */
    STATE_FAULT_VERSION, /* it is of another version */
    STATE_FAULT_DAMAGED, /* it is not as it was written */
};

/* What becomes of a series. */
enum state_outcome {
    STATE_RESTORED,
    STATE_NOT_COUNTED, /* its counts may not be taken up */
    STATE_TOO_OLD,     /* a gauge or set of too long ago */
    STATE_TYPE,        /* its name belongs to another type by now */
    STATE_NAME,        /* its name is reserved, or clashes with another's */
    STATE_LIMIT,       /* as many series as allowed are alive */
    STATE_NO_MEMORY,
};
#define STATE_N_OUTCOMES 7

struct state_load_config {
    struct registry *registry; /* NULL: check only */
    int64_t now_ms;
    int64_t *unix_ms_at_zero; /* as above; may be moved by less than a tick, see load.c */
    uint64_t rules;           /* a fingerprint of those in force */
    uint32_t gen;             /* their generation */
    bool counts;              /* take up counters and observers */
    int64_t max_age_ms;       /* of gauges and sets since they were saved; negative: any */
};

struct state_load;

int state_load_new(struct state_load **out, const struct state_load_config *config);
void state_load_free(struct state_load *l); /* accepts NULL */

/* Take the next bytes. 1: more have to come; 0: that was the end; -EINVAL: refused, and so is all
 * that follows; -ENOMEM. */
int state_load_next(struct state_load *l, const void *bytes, size_t n);

enum state_fault state_load_fault(const struct state_load *l);
const char *state_load_why(const struct state_load *l); /* a static text; empty: it is well */
uint32_t state_load_version(const struct state_load *l);
const uint64_t *state_load_outcomes(const struct state_load *l); /* series by outcome */
bool state_load_has_counts(const struct state_load *l);
int64_t state_load_age_ms(const struct state_load *l); /* since it was saved; -1: unknown */

#endif
