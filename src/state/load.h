/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Load: what its files share
 *
 *      load.c        chunks and records, and what becomes of a series
 *      load_text.c   names and labels: may they stand on a page?
 *      load_value.c  values, by type: read, judged, put where they belong
 *
 * Contract: private to src/state.
 */
#ifndef STATE_LOAD_H
#define STATE_LOAD_H

#include "base/buf.h"
#include "state/format.h"
#include "state/state.h"
#include "state/wire.h"
#include "store/carry.h"

/* What is known of a series before its value. Borrows the chunk. */
struct load_series {
    enum metric_type type;
    struct slice labels;
    uint32_t born_age, seen_age, ttl_ticks;
    bool is_fold;
    const struct shape_spec *spec;
};

/* The value of a series, read and judged. Zeroed at first. */
struct load_value {
    uint64_t whole; /* counter */
    double number;  /* its rest; gauge */
    struct carried *carried;
    struct load_slot {
        int64_t age_ms;
        bool exact;
        unsigned n;
        const unsigned char *words; /* borrows the chunk */
    } slots[STATE_MAX_SLOTS];
    unsigned n_slots;
};

/* How the time of a state is told in this process. */
struct load_clock {
    int64_t now_ms;
    int64_t down_ms; /* since it was saved; 0: unknown */
    int64_t tick;    /* when it was saved, which may be below 0 */
};

/* ---- load_text.c ---- */

bool load_name_is_good(struct slice name);

/* The names of @labels, sorted and each followed by a comma, go to @names. False: no labels that
 * the engine would make. A failure of memory is @names' own. */
bool load_label_names(struct slice labels, struct buf *names);

/* ---- load_value.c ---- */

/* False: it cannot be a shape. The spec's arrays are owned by the caller. */
bool load_shape(struct wire *w, struct shape_spec *out);

/* False: it cannot be a value, or there is no memory (@nomem). */
bool load_value_read(struct wire *w, const struct load_series *series,
                     const struct load_clock *clock, struct load_value *out, bool *nomem);
void load_value_release(struct load_value *v);

/* Put it into @s, of its type, last set at @set_at and taken to be seen at @seen, which leaves the
 * time in between out. 0 or -ENOMEM. */
int load_value_put(struct load_value *v, struct series *s, const struct load_clock *clock,
                   uint32_t set_at, uint32_t seen);

/* The tick of an age. */
uint32_t load_tick(const struct load_clock *clock, uint32_t age);

#endif
