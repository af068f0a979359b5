/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Marks: see marks.h
 *
 * Open addressing. A word is a hash whose lowest two bits gave way to the flags, which are never
 * both clear, so no word in use is 0; the hash's upper bits choose the place. The table doubles
 * when three quarters are full.
 *
 * Laws: nothing is ever taken away. Without memory the table stays as it was.
 */
#include "engine/marks.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_CAP 1024u
#define FLAGS     UINT64_C(3)

/* The place of @hash, or the empty one where it goes. */
static uint64_t *place_of(const struct marks *m, uint64_t hash)
{
    size_t at = (size_t)(hash >> 20) & (m->cap - 1);

    while (m->words[at] != 0 && (m->words[at] & ~FLAGS) != (hash & ~FLAGS))
        at = (at + 1) & (m->cap - 1);
    return &m->words[at];
}

static int grow(struct marks *m)
{
    struct marks bigger = {.n = m->n, .cap = m->cap > 0 ? 2 * m->cap : FIRST_CAP};

    bigger.words = calloc(bigger.cap, sizeof *bigger.words);
    if (bigger.words == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < m->cap; i++)
        if (m->words[i] != 0)
            *place_of(&bigger, m->words[i]) = m->words[i];
    free(m->words);
    *m = bigger;
    return 0;
}

int marks_set(struct marks *m, uint64_t hash, unsigned flag)
{
    uint64_t *word;
    int had;

    if (m->n >= m->cap / 4 * 3 && grow(m) != 0)
        return -ENOMEM;
    word = place_of(m, hash);
    had = (int)(*word & FLAGS);
    if (*word == 0) {
        *word = hash & ~FLAGS;
        m->n++;
    }
    *word |= flag;
    return had;
}

void marks_release(struct marks *m)
{
    free(m->words);
    *m = (struct marks){0};
}
