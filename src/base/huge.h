/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Huge pages: for what is large and looked at here and there
 *
 * A processor remembers where some thousand pages are. What a million series have is more pages of
 * 4 KiB than that, and less of 2 MiB. Linux gives those to who asks for them, if it has them; else
 * this is memory as any other.
 *
 * Contract: huge_alloc(), huge_free() and huge_n_bytes() may run at any time. Pieces are not
 * locked.
 */
#ifndef BASE_HUGE_H
#define BASE_HUGE_H

#include <stddef.h>

#define HUGE_SIZE  ((size_t)2 << 20)

/* A huge page is cut into pieces for who needs less at a time. */
#define HUGE_PIECE ((size_t)32 << 10)

/* @size bytes, zeros, aligned to HUGE_SIZE. NULL: out of memory. */
void *huge_alloc(size_t size);
void huge_free(void *p, size_t size); /* as it was asked for; accepts NULL */

/* What all of the process have of it now. */
size_t huge_n_bytes(void);

struct huge_page;

struct huge_pieces {
    struct huge_page *roomy; /* those with pieces that are free */
};

/* HUGE_PIECE bytes, aligned to themselves and undefined. NULL: out of memory. */
void *huge_piece_take(struct huge_pieces *h);

/* Takes the piece back; a page of which all are back is freed. */
void huge_piece_give(struct huge_pieces *h, void *piece);

#endif
