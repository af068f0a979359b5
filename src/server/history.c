/* SPDX-License-Identifier: Apache-2.0 */
/*
 * History: see history.h
 *
 * Totals are noted in a ring, each with its time; a rate is the difference of two that are
 * neighbours by the time between them, which may be more than a second when the loop was busy. So
 * nothing that was counted is missing, and a page that comes late is told what was before it.
 *
 * Law: a total that fell (a worker's count cannot) is told as no gain, not as a large one.
 */
#include "server/history.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One note more than there are steps between them. */
#define N_NOTES (HISTORY_STEPS + 1)

struct history {
    unsigned n_counts;
    uint64_t n_notes; /* ever */
    int64_t at_ms[N_NOTES];
    uint64_t totals[]; /* N_NOTES rows of n_counts */
};

int history_new(struct history **out, unsigned n_counts)
{
    struct history *h = calloc(1, sizeof *h + (size_t)N_NOTES * n_counts * sizeof h->totals[0]);

    if (h == NULL)
        return -ENOMEM;
    h->n_counts = n_counts;
    *out = h;
    return 0;
}

void history_free(struct history *h)
{
    free(h);
}

static uint64_t *row(struct history *h, uint64_t note)
{
    return h->totals + (size_t)(note % N_NOTES) * h->n_counts;
}

bool history_is_due(const struct history *h, int64_t now_ms)
{
    return h->n_notes == 0 || now_ms >= h->at_ms[(h->n_notes - 1) % N_NOTES] + HISTORY_STEP_MS;
}

void history_note(struct history *h, const uint64_t *counts, int64_t now_ms)
{
    memcpy(row(h, h->n_notes), counts, h->n_counts * sizeof *counts);
    h->at_ms[h->n_notes % N_NOTES] = now_ms;
    h->n_notes++;
}

uint64_t history_end(const struct history *h)
{
    return h->n_notes > 0 ? h->n_notes - 1 : 0;
}

uint64_t history_first(const struct history *h)
{
    uint64_t end = history_end(h);

    return end > HISTORY_STEPS ? end - HISTORY_STEPS : 0;
}

double history_rate(const struct history *h, uint64_t step, unsigned i)
{
    const uint64_t *before = row((struct history *)h, step), *after;
    int64_t ms = h->at_ms[(step + 1) % N_NOTES] - h->at_ms[step % N_NOTES];

    assert(step >= history_first(h) && step < history_end(h) && i < h->n_counts);
    after = row((struct history *)h, step + 1);
    if (after[i] <= before[i] || ms <= 0)
        return 0;
    return (double)(after[i] - before[i]) * 1000 / (double)ms;
}
