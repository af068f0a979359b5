/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clash: what may not stand beside what
 *
 * Contract: the part of the registry that family.c asks before it acts. Everything here is called
 * under the registry's lock, but series_clash() (series.h), which takes it.
 */
#ifndef STORE_CLASH_H
#define STORE_CLASH_H

#include "store/family.h"

/* Its samples are observations: the type of such a family may change to another such. */
bool type_observes(enum metric_type type);

/* Is @type's own label one of @names, each of which is followed by a comma? */
bool clash_of_labels(struct slice names, enum metric_type type);

/* Would a birth be refused for the type of @f? 0 or SERIES_E_TYPE. */
int clash_of_type(const struct registry *r, const struct family *f,
                  const struct series_birth *birth);

/* The family, or NULL, that a new one would clash with by the names of samples. 0 or -ENOMEM. */
int clash_of_suffix(const struct registry *r, const struct series_birth *birth,
                    struct family **other);

/* A family, or NULL, whose name a histogram or summary @name needs for samples. 0 or -ENOMEM. */
int clash_needs(const struct registry *r, struct slice name, enum metric_type type,
                struct family **taken);

#endif
