/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inspect: an object as Node prints it
 *
 * Etsy's statsd answers with what util.inspect() makes of its tables, and there are scripts that
 * read it. So these are the rules of Node 12 and later, for an object of numbers: one line if it
 * fits 80 columns, else a line for each entry; quotes where JavaScript needs them.
 *
 *      { a: 1, 'b.c': 0.5 }
 *
 * Contract: entries are written as they come, whatever their number. A failed allocation stays
 * with the buffer.
 */
#ifndef SERVER_ADMIN_INSPECT_H
#define SERVER_ADMIN_INSPECT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/slice.h"

/* Columns of an object that stands in one line, and more entries than can be in it: the shortest is
 * `a: 1`. */
#define INSPECT_COLUMNS 80
#define INSPECT_HELD    16

struct inspect {
    bool in_lines; /* it does not fit one */
    unsigned n_held;
    size_t n_text;
    unsigned char ends[INSPECT_HELD]; /* in text, of the entries that wait */
    char text[INSPECT_COLUMNS];
};

void inspect_begin(struct inspect *i);

/* @key as a property's name, then @value as it is. */
void inspect_add(struct inspect *i, struct buf *out, struct slice key, struct slice value);
void inspect_end(struct inspect *i, struct buf *out);

#define INSPECT_NUMBER_MAX 32

/* Write @v as JavaScript does; the number of bytes. */
size_t inspect_number(char out[INSPECT_NUMBER_MAX], double v);

#endif
