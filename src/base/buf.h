/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buffer: bytes that grow at the end
 *
 * Contract: a zeroed struct is an empty buffer. A failed allocation is sticky: the buffer keeps
 * what it had, later appends do nothing, and `failed` stays set until buf_release(). So a writer
 * may append a whole page and look once at the end.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct buf {
    char *p;
    size_t len;
    size_t cap;
    bool failed;
};

void buf_fit(struct buf *b);     /* gives back the room behind what is there */
void buf_release(struct buf *b); /* frees, and leaves an empty buffer; accepts a zeroed one */
void buf_clear(struct buf *b);   /* length 0, memory and `failed` kept */

/* Make room for @more bytes. 0, or -ENOMEM (sticky). */
int buf_reserve(struct buf *b, size_t more);

/* Each copies its argument to the end. 0, or -ENOMEM (sticky). */
int buf_add(struct buf *b, const void *p, size_t len);
int buf_add_slice(struct buf *b, struct slice s);
int buf_add_str(struct buf *b, const char *text);
int buf_add_byte(struct buf *b, char byte);
int buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Numbers as num_print() and num_print_u64() write them. */
int buf_add_double(struct buf *b, double v);
int buf_add_u64(struct buf *b, uint64_t v);

/* What the buffer holds; valid until the next append or release. */
static inline struct slice buf_slice(const struct buf *b)
{
    return (struct slice){b->p, b->len};
}

#endif
