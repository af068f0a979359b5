/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Family: names, and what may stand under them
 *
 * Contract: the part of the registry below series: families, their vectors and lists. Everything
 * here is called under the registry's lock.
 */
#ifndef STORE_FAMILY_H
#define STORE_FAMILY_H

#include "store/series.h"

/* The family of this name, or NULL. */
struct family *family_find(const struct registry *r, struct slice name);

/* A new family, in the table. Copies. NULL without memory. */
struct family *family_new(struct registry *r, struct slice name, struct slice help,
                          enum metric_type type);

/* Find or create the family of a birth. 0; -ENOMEM; the SERIES_E_... that refuse a name. */
int family_acquire(struct registry *r, const struct series_birth *birth, struct family **out);

/*
 * What @birth says of a family's type: under a newer generation a histogram becomes a summary, and
 * the reverse. 0 when the birth is possible; -ENOMEM; SERIES_E_TYPE; SERIES_E_SUFFIX.
 */
int family_decide(struct registry *r, struct family *f, const struct series_birth *birth);

/* Show the family to the control thread: it has its first series. */
void family_announce(struct registry *r, struct family *f);

/* A family without series leaves table and order and is left to the control thread. */
void family_drop_empty(struct registry *r, struct family *f);
void family_free(struct retired *item);

/* Find or create the vector of a birth in @f. NULL without memory. */
struct vector *vector_acquire(struct registry *r, struct family *f,
                              const struct series_birth *birth);

/*
 * What @birth says of how a vector's series are kept: under a newer generation it decides, and if
 * that is a change, the family goes to registry_rebuild(). 0 or -ENOMEM.
 */
int vector_decide(struct registry *r, struct vector *v, const struct series_birth *birth);

/* A vector that was decided when its family had another type is kept as the last one that was
 * decided since. */
void vector_conform(struct vector *v);

/* All its series are kept as their vectors say. */
void family_settled(struct registry *r, struct family *f);

void vector_drop_empty(struct registry *r, struct vector *v);

/* Room for one more entry of the family's list (0 or -ENOMEM); then the entry itself, whose place
 * is returned. */
int list_reserve(struct registry *r, struct family *f);
uint32_t list_append(struct family *f, uint32_t ref);

/* Leave gone entries behind once they are the larger part. */
void list_compact(struct registry *r, struct family *f);

/* At the family's end. */
void list_free(struct family *f, struct series_list *list);

/* The hash that families and series are looked up by. */
uint64_t name_hash(const struct registry *r, struct slice name);

/* For what begins with its struct retired. */
void retired_free_whole(struct retired *item);

#endif
