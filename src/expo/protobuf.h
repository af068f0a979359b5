/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protobuf's wire: tags, varints, lengths
 *
 * Contract: for protobuf*.c only. put_...() write to room that was made before and give the place
 * behind what they wrote. A length is written after its contents: message_begin() leaves one byte
 * for it, enough for most, and message_end() shifts the contents when it is not. Every field number
 * is below 16, so a tag is one byte.
 */
#ifndef EXPO_PROTOBUF_H
#define EXPO_PROTOBUF_H

#include <stdint.h>
#include <string.h>

#include "base/slice.h"
#include "store/snapshot.h"

enum wire { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2 };

/* The most that these take: a varint; a tag and a varint, which is a number or a length. */
#define VARINT_MAX 10
#define NUMBER_MAX (1 + VARINT_MAX)
#define HEAD_MAX   (1 + VARINT_MAX)

static inline unsigned varint_len(uint64_t v)
{
    unsigned len = 1;

    for (; v >= 0x80; v >>= 7)
        len++;
    return len;
}

static inline char *put_varint(char *p, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        *p++ = (char)(v | 0x80);
    *p++ = (char)v;
    return p;
}

static inline char *put_tag(char *p, unsigned field, enum wire wire)
{
    *p++ = (char)(field << 3 | (unsigned)wire);
    return p;
}

static inline char *put_u64(char *p, unsigned field, uint64_t v)
{
    return put_varint(put_tag(p, field, WIRE_VARINT), v);
}

/* Zigzag, as for sint32 and sint64; @v as the bits of an int64_t. */
static inline char *put_s64(char *p, unsigned field, uint64_t v)
{
    return put_u64(p, field, v << 1 ^ (v >> 63 ? UINT64_MAX : 0));
}

static inline char *put_double(char *p, unsigned field, double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof bits);
    p = put_tag(p, field, WIRE_FIXED64);
    for (unsigned i = 0; i < sizeof bits; i++, bits >>= 8)
        *p++ = (char)bits; /* little endian, whatever we are */
    return p;
}

static inline char *put_bytes(char *p, unsigned field, struct slice s)
{
    p = put_varint(put_tag(p, field, WIRE_BYTES), s.len);
    if (s.len > 0)
        memcpy(p, s.p, s.len);
    return p + s.len;
}

/* Where the contents begin: behind one byte for their length. */
static inline char *message_begin(char *p, unsigned field)
{
    return put_tag(p, field, WIRE_BYTES) + 1;
}

/* The contents are from @begin to @end: put their length before them. The place behind. */
static inline char *message_end(char *begin, char *end)
{
    size_t len = (size_t)(end - begin);
    unsigned shift = varint_len(len) - 1;

    if (shift > 0)
        memmove(begin + shift, begin, len);
    put_varint(begin - 1, len);
    return end + shift;
}

/* ---- protobuf_native.c ---- */

/* The most bytes that native buckets take; none where @h is NULL. */
size_t native_room(const struct snapshot_native *h);

/* The fields of a Histogram that are its native buckets. */
char *put_native(char *p, const struct snapshot_native *h);

#endif
