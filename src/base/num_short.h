/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Short numbers: a plain decimal of at most eight bytes, read as one word
 *
 *      "12.5"  -->  0 0 0 0 0 1 2 5  /  10
 *
 * The bytes are moved to the end of a word of zeros, the point is closed up, and three
 * multiplications add up eight digits at once. No loop, and one branch that numbers with a point
 * take.
 *
 * Contract: num_parse() gives the same double for what is read here; all else is left to it.
 */
#ifndef BASE_NUM_SHORT_H
#define BASE_NUM_SHORT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Bytes in memory's order are then those of a word, the first the lowest. */
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NUM_SHORT 1
#else
#define NUM_SHORT 0
#endif

#define NUM_SHORT_MAX       8

/* @byte eight times. */
#define NUM_SHORT_ALL(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Eight digits 0 to 9, the first the lowest byte: ones and tens, then hundreds, then all. */
static inline uint64_t num_short_add_up(uint64_t digits)
{
    digits = (digits * 10 + (digits >> 8)) & UINT64_C(0x00ff00ff00ff00ff);
    digits = (digits * 100 + (digits >> 16)) & UINT64_C(0x0000ffff0000ffff);
    return (digits * 10000 + (digits >> 32)) & UINT64_C(0xffffffff);
}

/* Has a byte of @digits another value than 0 to 9? */
static inline bool num_short_beyond(uint64_t digits)
{
    return ((digits | (digits + NUM_SHORT_ALL(0x76))) & NUM_SHORT_ALL(0x80)) != 0;
}

/*
 * Read [sign] digits [. digits], @len bytes of them, 1 to NUM_SHORT_MAX. Eight bytes must be
 * readable at @p. False: something else.
 */
static inline bool num_short_parse(const char *p, unsigned len, double *out)
{
    static const double powers[NUM_SHORT_MAX] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7};
    bool has_sign = p[0] == '-' || p[0] == '+';
    uint64_t digits;
    double v;

    memcpy(&digits, p, sizeof digits);
    digits ^= NUM_SHORT_ALL('0');
    if (has_sign) {
        digits >>= 8;
        if (--len == 0)
            return false;
    }
    digits <<= 8 * (NUM_SHORT_MAX - len);
    if (!num_short_beyond(digits)) {
        v = (double)(int64_t)num_short_add_up(digits);
    } else {
        /* The lowest byte that is a point: exact, though those above it may be wrong. */
        uint64_t points = digits ^ NUM_SHORT_ALL('0' ^ '.');
        uint64_t before;
        unsigned at;

        points = (points - NUM_SHORT_ALL(1)) & ~points & NUM_SHORT_ALL(0x80);
        if (points == 0 || len == 1)
            return false;
        at = (unsigned)__builtin_ctzll(points) & ~7u;
        before = digits & ((UINT64_C(1) << at) - 1);
        digits = (digits >> at >> 8 << 8 << at) | before << 8;
        if (num_short_beyond(digits))
            return false;
        v = (double)(int64_t)num_short_add_up(digits) / powers[NUM_SHORT_MAX - 1 - at / 8];
    }
    *out = has_sign && p[0] == '-' ? -v : v;
    return true;
}

#endif
