/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wire: see wire.h
 */
#include "lib/wire.h"

#include "lib/unit.h"

uint64_t wire_varint(struct slice *s)
{
    uint64_t v = 0;
    unsigned char byte;
    unsigned shift = 0;

    do {
        ck_assert_uint_gt(s->len, 0);
        ck_assert_uint_lt(shift, 64);
        byte = (unsigned char)s->p[0];
        v |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
        *s = slice_from(*s, 1);
    } while (byte & 0x80);
    ck_assert(byte != 0 || shift == 7); /* no longer than it has to be */
    return v;
}

struct slice wire_message(struct slice *s)
{
    uint64_t len = wire_varint(s);
    struct slice taken;

    ck_assert_uint_le(len, s->len);
    taken = slice_of(s->p, len);
    *s = slice_from(*s, len);
    return taken;
}

struct slice wire_bytes(struct slice *s, unsigned field)
{
    ck_assert_uint_eq(wire_varint(s), field << 3 | 2);
    return wire_message(s);
}
