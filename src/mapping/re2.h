/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RE2: the expressions of mapping files, rewritten for PCRE2
 *
 * Contract: what is read is the dialect of Go's regexp package, which is RE2's; what is written
 * means the same to PCRE2 compiled with UTF, DOLLAR_ENDONLY, ALT_CIRCUMFLEX and LF for a newline.
 * Whatever RE2 does not know is refused, so nothing of PCRE2's own can be used by accident.
 */
#ifndef MAPPING_RE2_H
#define MAPPING_RE2_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

/*
 * Bytes as a set of 64: letters in 32 bits, whatever their case, and all below '@' in the other 32,
 * so that the letters, digits and separators of names keep bits of their own.
 */
static inline uint64_t re2_byte_bit(char c)
{
    unsigned byte = (unsigned char)c;

    return UINT64_C(1) << ((byte & 31) | (~byte >> 1 & 32));
}

struct re2 {
    struct buf pattern;  /* for PCRE2 */
    struct buf literal;  /* what every match begins with; empty when that is not known */
    bool begins;         /* and the text that is searched begins with it */
    uint64_t bytes;      /* re2_byte_bit() of bytes that every match contains */
    uint32_t n_groups;   /* not counting group 0 */
    struct slice *names; /* n_groups of them, group 1 first, len 0: no name; borrowed */
};

/* What is wrong, and where. */
struct re2_fault {
    struct slice word; /* the offending part, a view into the expression; len 0: all of it */
    const char *why;   /* what it is and what to write instead; static */
};

/*
 * Read @text, which is borrowed by the names in @out, and write @out. 0; -ENOMEM; -EINVAL with
 * @fault written. re2_release() is due on 0 only.
 */
int re2_translate(struct re2 *out, struct slice text, struct re2_fault *fault);
void re2_release(struct re2 *re); /* accepts a zeroed one */

#endif
