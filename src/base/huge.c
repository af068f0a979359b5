/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Huge pages: for what is large and looked at here and there
 *
 *      page | head | piece | piece | ...      64 pieces; the head takes the first
 *
 * A piece's page is found by its address: pages are aligned to their size. One whose pieces are all
 * free is unmapped.
 *
 * Laws: a page is in the list if and only if it has a piece that is free. Without a huge page from
 *       the kernel all works as before, only slower.
 */
#include "base/huge.h"

#include <stdint.h>
#include <sys/mman.h>

#include "base/relaxed.h"

#define ALL_FREE (~UINT64_C(1))

struct huge_page {
    struct huge_page *next, *prev; /* in `roomy` */
    uint64_t free;                 /* a bit for each piece */
};

_Static_assert(HUGE_SIZE / HUGE_PIECE == 64, "a word has a bit for each piece");

/* Relaxed: a figure to be told. */
static relaxed_u64 n_bytes;

/* As it is mapped. */
static size_t in_pages(size_t size)
{
    return (size + 4095) / 4096 * 4096;
}

/* aligned_alloc() would keep the memory before the first address that is aligned. */
void *huge_alloc(size_t size)
{
    size_t mapped = in_pages(size);
    char *p =
        mmap(NULL, mapped + HUGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size_t before;

    if (p == MAP_FAILED)
        return NULL;
    before = (HUGE_SIZE - (uintptr_t)p % HUGE_SIZE) % HUGE_SIZE;
    if (before > 0)
        (void)munmap(p, before);
    if (before < HUGE_SIZE)
        (void)munmap(p + before + mapped, HUGE_SIZE - before);
    /* A wish: where it is not granted, all works as before. */
    if (size >= HUGE_SIZE)
        (void)madvise(p + before, size / HUGE_SIZE * HUGE_SIZE, MADV_HUGEPAGE);
    (void)atomic_fetch_add_explicit(&n_bytes, mapped, memory_order_relaxed);
    return p + before;
}

void huge_free(void *p, size_t size)
{
    if (p == NULL)
        return;
    (void)munmap(p, in_pages(size));
    (void)atomic_fetch_sub_explicit(&n_bytes, in_pages(size), memory_order_relaxed);
}

size_t huge_n_bytes(void)
{
    return relaxed_load(&n_bytes);
}

static void link_in(struct huge_pieces *h, struct huge_page *page)
{
    page->prev = NULL;
    page->next = h->roomy;
    if (page->next != NULL)
        page->next->prev = page;
    h->roomy = page;
}

static void link_out(struct huge_pieces *h, struct huge_page *page)
{
    if (page->prev != NULL)
        page->prev->next = page->next;
    else
        h->roomy = page->next;
    if (page->next != NULL)
        page->next->prev = page->prev;
}

void *huge_piece_take(struct huge_pieces *h)
{
    struct huge_page *page = h->roomy;
    unsigned i;

    if (page == NULL) {
        page = huge_alloc(HUGE_SIZE);
        if (page == NULL)
            return NULL;
        page->free = ALL_FREE;
        link_in(h, page);
    }
    i = (unsigned)__builtin_ctzll(page->free);
    page->free &= page->free - 1;
    if (page->free == 0)
        link_out(h, page);
    return (char *)page + i * HUGE_PIECE;
}

void huge_piece_give(struct huge_pieces *h, void *piece)
{
    size_t offset = (uintptr_t)piece % HUGE_SIZE;
    struct huge_page *page = (struct huge_page *)(void *)((char *)piece - offset);

    if (page->free == 0)
        link_in(h, page);
    page->free |= UINT64_C(1) << (offset / HUGE_PIECE);
    if (page->free != ALL_FREE)
        return;
    link_out(h, page);
    huge_free(page, HUGE_SIZE);
}
