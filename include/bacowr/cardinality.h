/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cardinality: which names and labels have the most series, and what is over a limit
 *
 * Contract: the control thread's, like scrapes; no worker is stopped or slowed. It is made in
 * steps, and families that it looks at are not freed before it is. Keys of JSON objects are only
 * added, never renamed or taken away.
 */
#ifndef BACOWR_CARDINALITY_H
#define BACOWR_CARDINALITY_H

#include <stdbool.h>

struct bacowr;
struct bacowr_cardinality;
struct json; /* base/json.h */

/* Families and labels that are told of. */
#define BACOWR_CARDINALITY_TOP 20u

/* Begin to look at what is alive now. 0 or -ENOMEM. */
int bacowr_cardinality_new(struct bacowr_cardinality **out, struct bacowr *b);

/* Look at some @n_series more. True: there are more. */
bool bacowr_cardinality_next(struct bacowr_cardinality *c, unsigned n_series);

/* What was found, as members of the object that is open in @j. 0 or -ENOMEM; what fails in the
 * buffer of @j stays there. */
int bacowr_cardinality_tell(const struct bacowr_cardinality *c, struct json *j);

void bacowr_cardinality_free(struct bacowr_cardinality *c); /* accepts NULL */

#endif
