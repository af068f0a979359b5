/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Group: lines on the short way, from feed.c to apply.c
 *
 * Contract: private to the two. An item borrows its line.
 */
#ifndef ENGINE_GROUP_H
#define ENGINE_GROUP_H

#include "engine/engine.h"
#include "store/route_find.h"

#define GROUP 64u

/* name:values|suffix */
struct item {
    struct slice line;
    struct slice values;
    double value;
    struct route *route;
    struct route_key key; /* this and the next: where the route is not found at once */
    struct route_slot *slot;
    bool plain;  /* if its route is; else statsd_scan() has looked at it */
    bool packed; /* several values */
};

/* Those of a group that have the same operation, or any of gauges, in their order. */
struct turn {
    unsigned n;
    uint8_t items[GROUP];
};

/* feed_apply() for each; their routes have the operation @op (OP_GAUGE: any of gauges), and none is
 * ROUTE_RARE. */
void apply_turn(struct bacowr_worker *w, enum op op, const struct item *items,
                const struct turn *turn);

#endif
