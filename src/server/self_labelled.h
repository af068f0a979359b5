/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Self, families with labels: of sockets, targets, transports, outcomes, the build
 *
 * Private to self.c.
 *
 * Contract: runs on the control thread.
 */
#ifndef SERVER_SELF_LABELLED_H
#define SERVER_SELF_LABELLED_H

#include "bacowr/aggregator.h"
#include "server/self.h"
#include "server/self_labels.h"
#include "server/self_page.h"

/* What a page needs room for: so many families at most, and exactly so many samples. */
unsigned self_labelled_n_families(void);
unsigned self_labelled_n_samples(const struct self_labels *s);

/* 0 or -ENOMEM. */
int self_labelled_reserve(struct bacowr *b);

/* Add all families that have samples: no socket or no relay, no family. The texts are borrowed. */
void self_labelled_fill(struct self_page *p, const struct self_labels *s);

#endif
