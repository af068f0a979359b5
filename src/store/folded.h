/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folded: which families overflow, and by which labels, in fixed memory
 *
 * Contract: one store for each worker, which alone notes; the control thread may read at any time.
 * Distinct numbers are estimates, with a standard error of 3.3 %. They tell of all that was noted
 * since the start, or since the family came to be among those that are told apart.
 */
#ifndef STORE_FOLDED_H
#define STORE_FOLDED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct series_key;

/* Families and labels that a worker tells apart; families that are told of. */
#define FOLDED_FAMILIES  32u
#define FOLDED_LABELS    8u
#define FOLDED_TOP       20u

/* Longer names are cut, longer labels left out. Multiples of 8. */
#define FOLDED_NAME_MAX  160u
#define FOLDED_LABEL_MAX 64u

struct folded;

int folded_new(struct folded **out); /* 0 or -ENOMEM */
void folded_free(struct folded *f);  /* accepts NULL */
size_t folded_size(void);            /* bytes of a store */

/* The identity @key was found over a limit. */
void folded_note(struct folded *f, const struct series_key *key);

/* ---- the control thread's side ---- */

struct folded_label {
    char name[FOLDED_LABEL_MAX + 1];
    double n_values;
};

struct folded_family {
    char name[FOLDED_NAME_MAX + 1];
    bool is_cut; /* the name is longer */
    double n_identities;
    unsigned n_labels;
    struct folded_label labels[FOLDED_LABELS]; /* most values first */
};

struct folded_report {
    double n_identities; /* of all families */
    unsigned n;
    struct folded_family families[FOLDED_TOP]; /* most identities first */
};

/* What the @n stores of @all (NULLs are skipped) tell together. 0 or -ENOMEM. */
int folded_read(const struct folded *const *all, unsigned n, struct folded_report *out);

#endif
