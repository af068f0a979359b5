/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exemplars: the newest sample of a counter or bucket that told where it came from
 *
 * Contract: one store for each worker, which alone puts; the control thread may get at any time.
 * Bounded: where room is short the exemplar that was put longest ago goes. Nothing is removed when
 * a series ends: nobody asks for its birth number any more.
 */
#ifndef STORE_EXEMPLAR_H
#define STORE_EXEMPLAR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct cell;
struct shape;

/* Bytes of an exemplar's labels as the page shows them. */
#define EXEMPLAR_TEXT_MAX 272

/* What an exemplar is of. A slot is a bucket of the shape's, the one for +Inf included; a counter
 * has the slot 0. */
struct exemplar_key {
    const struct cell *cell;
    const struct shape *shape;
    uint32_t birth; /* the series' */
    uint32_t slot;
};

struct exemplar {
    double value;
    int64_t now_ms; /* when it was put */
    struct slice labels;
};

struct exemplars;

/* 0 or -ENOMEM. */
int exemplars_new(struct exemplars **out);
void exemplars_free(struct exemplars *e); /* accepts NULL */
size_t exemplars_size(void);              /* bytes of a store */

/* In the place of an earlier one of @key. Copies @what, whose labels have at most
 * EXEMPLAR_TEXT_MAX bytes. */
void exemplar_put(struct exemplars *e, const struct exemplar_key *key, const struct exemplar *what);

/*
 * The newest exemplar of @key; its labels are copied to @text. False when there is none, or it is
 * being written again and again. Who gets it sees what its worker did before it put it.
 */
bool exemplar_get(const struct exemplars *e, const struct exemplar_key *key,
                  char text[EXEMPLAR_TEXT_MAX], struct exemplar *out);

#endif
