/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reference: the least that the work costs, on this machine and in this minute
 *
 * Two loops that do the core of what the server does and leave out everything that makes it a
 * server. What the server takes is stated as a multiple of them.
 */
#ifndef TESTS_BENCH_REFERENCE_H
#define TESTS_BENCH_REFERENCE_H

#include "bench/workloads.h"

/* A table of identities with a sum each. */
struct reference;

struct reference *reference_new(uint64_t n_identities);
void reference_free(struct reference *r);

/* Split, hash, find, add, in groups with prefetch. */
void reference_feed(struct reference *r, const struct bacowr_datagram *datagrams, unsigned n);

/* The sum over all identities: so many lines were fed. */
uint64_t reference_total(const struct reference *r);

/* Texts that stand ready, one behind the other, each to be followed by a number. */
struct reference_page {
    struct buf text;
    uint32_t *lens;
    uint64_t *values;
    uint64_t n;
};

void reference_page_init(struct reference_page *page, uint64_t n, line_fn label, const char *name);
void reference_page_release(struct reference_page *page);

/* Write all to @out, which is emptied whenever it holds @want bytes. The number of bytes. */
uint64_t reference_page_write(const struct reference_page *page, struct buf *out, size_t want);

#endif
