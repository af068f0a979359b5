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
    struct route *route;
    double value; /* of no meaning when it has several */
    const char *line;
    uint32_t len; /* of the line; this and the next two in bytes */
    uint32_t name_len;
    uint32_t values_len;
    bool plain;  /* if its route is; else statsd_scan() has looked at it */
    bool packed; /* several values; a plain one has them among the group's */

    /* Where the route is not found at once. */
    uint32_t tag;
    uint16_t first_value, n_values; /* of a plain packed one */
    uint64_t word;
    struct route_guess guess;
};

static inline struct slice item_line(const struct item *item)
{
    return slice_of(item->line, item->len);
}

static inline struct slice item_values(const struct item *item)
{
    return slice_of(item->line + item->name_len + 1, item->values_len);
}

/* Those of a group that are applied together, in their order. */
struct turns {
    unsigned n[N_TURNS];
    uint8_t items[N_TURNS][GROUP];
};

/* feed_apply() for each, and for each of @values that it has; their routes hold, and have a
 * short_gen. */
void apply_turns(struct bacowr_worker *w, const struct item *items, const double *values,
                 const struct turns *turns);

#endif
