/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Self, carried: what servers before this one counted
 *
 * Private to self.c. A zeroed struct carries nothing.
 *
 * Contract: runs on the control thread.
 */
#ifndef SERVER_SELF_CARRY_H
#define SERVER_SELF_CARRY_H

#include <stddef.h>

struct self_carried {
    char *name; /* owned, and the labels with it */
    const char *labels;
    double value;
};

struct self_carry {
    struct self_carried *items; /* owned; in the order of names and labels */
    size_t n;
};

/* Copies both texts. 0 or -ENOMEM. */
int self_carry_add(struct self_carry *c, const char *name, const char *labels, double value);

/* What is to be added to this counter; 0: nothing. */
double self_carry_of(const struct self_carry *c, const char *name, const char *labels);

void self_carry_release(struct self_carry *c);

#endif
