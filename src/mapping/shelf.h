/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shelf: what the rules of a mapping are made of, each thing once
 *
 * Rules repeat each other: a thousand of them have the same label names, buckets and quantiles,
 * and the strings that differ are short. So they lie side by side in a few large pieces of memory,
 * and what is equal to something that is there already is that.
 *
 * Contract: what was put stays as it is, where it is, until shelf_free(). A struct is told from
 * another by all of its bytes: one whose padding differs is kept twice, nothing worse.
 */
#ifndef MAPPING_SHELF_H
#define MAPPING_SHELF_H

#include <stddef.h>

struct shelf;

int shelf_new(struct shelf **out); /* 0 or -ENOMEM */
void shelf_free(struct shelf *s);  /* with all that lies on it; accepts NULL */
void shelf_close(struct shelf *s); /* nothing more will be put: what only puts need is freed */

/* @size zeros to be written, for what is known to be unlike all else; aligned likewise. NULL: out
 * of memory. */
void *shelf_room(struct shelf *s, size_t size);

/* The @size bytes at @p, aligned as pointers and doubles are. NULL: out of memory. */
const void *shelf_put(struct shelf *s, const void *p, size_t size);

/* A string. NULL: out of memory. */
const char *shelf_text(struct shelf *s, const char *text);

#endif
