/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Marks: flags of hashes, for who wants to know which texts he has met
 *
 * Contract: 62 bits of a hash tell texts apart, so of a million one is taken for another once in
 * some four million runs. 8 bytes a text in a table that is half to three quarters full, or, while
 * it grows, in two. A zeroed one is empty.
 */
#ifndef ENGINE_MARKS_H
#define ENGINE_MARKS_H

#include <stddef.h>
#include <stdint.h>

struct marks {
    uint64_t *words; /* hash, and two flags in the lowest bits; 0: empty */
    size_t n, cap;   /* cap: 0 or a power of two */
};

/* Set @flag, 1 or 2, of @hash. The flags that it had before; -ENOMEM. */
int marks_set(struct marks *m, uint64_t hash, unsigned flag);
void marks_release(struct marks *m);

#endif
