/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wire: numbers and texts of a state as bytes
 *
 * Whole numbers are varints of seven bits a byte, the lowest first; signed ones are folded so that
 * small magnitudes are short; doubles are their eight bytes, the lowest first.
 *
 * Contract: writing goes to a struct buf, whose sticky failure tells at the end. Reading never
 * passes `end`: what is not there, or is no number, sets `bad` and reads as 0, and so does
 * everything after it. So a reader may take a whole record and look once.
 */
#ifndef STATE_WIRE_H
#define STATE_WIRE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"

/* ---- writing ---- */

static inline void wire_put_fixed(struct buf *b, uint64_t v, unsigned n_bytes)
{
    unsigned char bytes[8];

    for (unsigned i = 0; i < n_bytes; i++)
        bytes[i] = (unsigned char)(v >> (8 * i));
    buf_add(b, bytes, n_bytes);
}

static inline void wire_put(struct buf *b, uint64_t v)
{
    unsigned char bytes[10];
    unsigned n = 0;

    for (; v >= 0x80; v >>= 7)
        bytes[n++] = (unsigned char)(v | 0x80);
    bytes[n++] = (unsigned char)v;
    buf_add(b, bytes, n);
}

static inline void wire_put_signed(struct buf *b, int64_t v)
{
    wire_put(b, (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0));
}

static inline void wire_put_double(struct buf *b, double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof bits);
    wire_put_fixed(b, bits, 8);
}

static inline void wire_put_text(struct buf *b, struct slice s)
{
    wire_put(b, s.len);
    buf_add_slice(b, s);
}

/* ---- reading ---- */

struct wire {
    const unsigned char *p, *end; /* borrowed */
    bool bad;
};

static inline size_t wire_left(const struct wire *w)
{
    return w->bad ? 0 : (size_t)(w->end - w->p);
}

static inline uint64_t wire_fixed(struct wire *w, unsigned n_bytes)
{
    uint64_t v = 0;

    if (wire_left(w) < n_bytes) {
        w->bad = true;
        return 0;
    }
    for (unsigned i = 0; i < n_bytes; i++)
        v |= (uint64_t)w->p[i] << (8 * i);
    w->p += n_bytes;
    return v;
}

/* One way to write a number only: no byte of zeros at its end, nothing beyond 64 bits. */
static inline uint64_t wire_number(struct wire *w)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint64_t byte = wire_fixed(w, 1);

        v |= (byte & 0x7f) << shift;
        if (w->bad || (shift == 63 && byte > 1) || (shift > 0 && byte == 0))
            break;
        if (byte < 0x80)
            return v;
    }
    w->bad = true;
    return 0;
}

/* At most @max. */
static inline uint64_t wire_number_to(struct wire *w, uint64_t max)
{
    uint64_t v = wire_number(w);

    if (v <= max)
        return v;
    w->bad = true;
    return 0;
}

static inline int64_t wire_signed(struct wire *w)
{
    uint64_t v = wire_number(w);

    return (int64_t)(v >> 1 ^ (v & 1 ? UINT64_MAX : 0));
}

static inline double wire_double(struct wire *w)
{
    uint64_t bits = wire_fixed(w, 8);
    double v;

    memcpy(&v, &bits, sizeof v);
    return v;
}

/* Borrows what is read. */
static inline struct slice wire_text(struct wire *w, size_t max)
{
    size_t len = (size_t)wire_number_to(w, max);
    struct slice s;

    if (wire_left(w) < len)
        w->bad = true;
    if (w->bad)
        return slice_of(NULL, 0);
    s = slice_of((const char *)w->p, len);
    w->p += len;
    return s;
}

#endif
