/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers: text to double and back, durations
 *
 * Contract: reading follows Go's strconv.ParseFloat for 64 bits (correctly rounded; hexadecimal
 * floats, single underscores between digits, inf, infinity and nan included), because that is what
 * statsd_exporter's users have been sending. Writing gives the shortest digits that read back as
 * the same double, in Go's 'g' form: an exponent only below 1e-4 and from 1e6 on, at least two
 * exponent digits with a sign; NaN, +Inf, -Inf; both zeros are "0". The locale is never consulted.
 */
#ifndef BASE_NUM_H
#define BASE_NUM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum num_outcome {
    NUM_E_SYNTAX = 1, /* not a number; the result is 0 */
    NUM_E_RANGE = 2,  /* beyond a double; the result is +Inf or -Inf */
};

/* Read the whole of @s. 0, NUM_E_SYNTAX or NUM_E_RANGE; @out is always written (see the enum). */
int num_parse(struct slice s, double *out);

/* Read plain decimal digits, no sign. 0, NUM_E_SYNTAX, or NUM_E_RANGE past @max; @out only on 0. */
int num_parse_u64(struct slice s, uint64_t max, uint64_t *out);

/*
 * Read a Go duration ("300ms", "1h30m", "-1s", "0"; units ns us µs ms s m h) into nanoseconds.
 * 0, NUM_E_SYNTAX or NUM_E_RANGE; @out only on 0.
 */
int num_parse_duration(struct slice s, int64_t *out_ns);

#define NUM_TEXT_MAX 32

/* Write @v, not NUL-terminated. The number of bytes, at most NUM_TEXT_MAX. */
size_t num_print(char out[NUM_TEXT_MAX], double v);
size_t num_print_u64(char out[NUM_TEXT_MAX], uint64_t v);

/* The value of a hexadecimal digit of either case, or -1. */
static inline int num_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

#endif
