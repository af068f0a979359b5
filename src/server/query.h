/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Query: what stands behind '?' in a request's target
 */
#ifndef SERVER_QUERY_H
#define SERVER_QUERY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

/* Decode @text into @out: '+' is a blank, %xx a byte. False: no room, or a '%' that begins none. */
bool query_decode(struct slice text, char *out, size_t size, size_t *len);

/*
 * The first value of @name in @query, decoded into @out, which has room for @size bytes. False: it
 * is not there, has no room, or is written wrong; @value is then untouched.
 */
bool query_get(struct slice query, const char *name, char *out, size_t size, struct slice *value);

/* The number of @name, at most @max. @fallback if it is not there. False: it is no such number. */
bool query_number(struct slice query, const char *name, uint64_t fallback, uint64_t max,
                  uint64_t *out);

#endif
