/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Self, a page: families and their samples, as they are written down
 *
 * Private to self.c and self_labelled.c; who shows the page reads it by self.h.
 *
 * Contract: names, helps and labels are borrowed and outlive the page.
 */
#ifndef SERVER_SELF_PAGE_H
#define SERVER_SELF_PAGE_H

#include "bacowr/aggregator.h"
#include "server/self_carry.h"

struct self_page;

/* An empty page with room for so much; self_page_free() ends it. 0 or -ENOMEM. */
int self_page_alloc(struct self_page **out, unsigned max_families, unsigned max_samples);

/* What is added from here on is of this family. */
void self_page_begin(struct self_page *p, const char *name, const char *help,
                     enum bacowr_metric_type type);

/* @labels without braces; NULL: none. */
void self_page_add(struct self_page *p, const char *labels, double value);

/* Add to each counter what servers before this one counted. */
void self_page_carry(struct self_page *p, const struct self_carry *carry);

/* All that were added so far. */
unsigned self_page_n_samples(const struct self_page *p);

#endif
