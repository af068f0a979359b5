/* SPDX-License-Identifier: Apache-2.0 */
/*
 * State: the engine's word for src/state
 *
 * What a state needs besides the registry: the clock, and the generation and fingerprint of the
 * rules in force. The fingerprint is of the mapping's texts; where it is the same as in the process
 * that saved, what a name is was decided by the same rules, and that holds.
 *
 * Laws: control's, as all of aggregator.h. Files and sockets are the caller's.
 */
#include "engine/engine.h"

#include <assert.h>

#include "state/state.h"

#define SAME(ours, theirs) _Static_assert((int)(ours) == (int)(theirs), "one is told as the other")

SAME(BACOWR_STATE_FOREIGN, STATE_FAULT_FOREIGN);
SAME(BACOWR_STATE_VERSION, STATE_FAULT_VERSION);
SAME(BACOWR_STATE_DAMAGED, STATE_FAULT_DAMAGED);
SAME(BACOWR_STATE_NOT_COUNTED, STATE_NOT_COUNTED);
SAME(BACOWR_STATE_TOO_OLD, STATE_TOO_OLD);
SAME(BACOWR_STATE_TYPE, STATE_TYPE);
SAME(BACOWR_STATE_NAME, STATE_NAME);
SAME(BACOWR_STATE_LIMIT, STATE_LIMIT);
SAME(BACOWR_STATE_NO_MEMORY, STATE_NO_MEMORY);
SAME(BACOWR_STATE_N_OUTCOMES, STATE_N_OUTCOMES);

static const struct rules *rules_of(const struct bacowr *b)
{
    return atomic_load_explicit(&b->rules, memory_order_relaxed); /* control's own store */
}

/* ---- saving ---- */

int bacowr_state_save_new(struct bacowr_state_save **out, struct bacowr *b, bool counts,
                          int64_t now_ms)
{
    const struct state_save_config config = {
        .registry = &b->registry,
        .now_ms = now_ms,
        .unix_ms_at_zero = b->config.unix_ms_at_zero,
        .rules = rules_of(b)->fingerprint,
        .counts = counts,
    };

    return state_save_new((struct state_save **)out, &config);
}

int bacowr_state_save_next(struct bacowr_state_save *s, struct buf *out, unsigned want)
{
    return state_save_next((struct state_save *)s, out, want);
}

uint64_t bacowr_state_save_n_series(const struct bacowr_state_save *s)
{
    return state_save_n_series((const struct state_save *)s);
}

void bacowr_state_save_free(struct bacowr_state_save *s)
{
    state_save_free((struct state_save *)s);
}

/* ---- loading ---- */

int bacowr_state_load_new(struct bacowr_state_load **out, struct bacowr *b,
                          const struct bacowr_state_load_config *config, int64_t now_ms)
{
    struct state_load_config c = {
        .now_ms = now_ms,
        .counts = config->counts,
        .max_age_ms = config->max_age_ms,
    };

    assert(b != NULL || config->check_only);
    if (b != NULL) {
        c.registry = config->check_only ? NULL : &b->registry;
        c.unix_ms_at_zero = &b->config.unix_ms_at_zero;
        c.rules = rules_of(b)->fingerprint;
        c.gen = rules_of(b)->gen;
    }
    return state_load_new((struct state_load **)out, &c);
}

int bacowr_state_load_next(struct bacowr_state_load *l, const void *bytes, size_t n)
{
    return state_load_next((struct state_load *)l, bytes, n);
}

void bacowr_state_load_report(const struct bacowr_state_load *l, struct bacowr_state_report *out)
{
    const struct state_load *load = (const struct state_load *)l;

    *out = (struct bacowr_state_report){
        .fault = (enum bacowr_state_fault)state_load_fault(load),
        .why = state_load_why(load),
        .version = state_load_version(load),
        .has_counts = state_load_has_counts(load),
        .age_ms = state_load_age_ms(load),
    };
    memcpy(out->n_series, state_load_outcomes(load), sizeof out->n_series);
}

void bacowr_state_load_free(struct bacowr_state_load *l)
{
    state_load_free((struct state_load *)l);
}
