/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Engine: one engine and a clock, for tests without sockets and sleeps
 *
 * Contract: what goes wrong here fails the test on the spot. Datagrams are placed against a guard
 * page; every page is read by the strict reader of page.h before it is looked at.
 */
#ifndef TESTS_LIB_ENGINE_H
#define TESTS_LIB_ENGINE_H

#include "bacowr/aggregator.h"
#include "base/buf.h"
#include "base/slice.h"
#include "lib/unit.h"

/* An assertion that costs nothing while it holds: check writes a note for each of its own. */
#define must(condition)                     \
    do {                                    \
        if (!(condition))                   \
            ck_abort_msg("%s", #condition); \
    } while (0)

struct engine {
    struct bacowr *b;
    int64_t now_ms;
    struct buf page; /* the last one */
    struct buf text; /* of the look-ups below */
};

/* One worker, all dialects but Graphite's. */
struct bacowr_config engine_config(void);

/* @config NULL: engine_config(); @mapping NULL: no rules. The clock begins at 0. */
void engine_init(struct engine *e, const struct bacowr_config *config, const char *mapping);
void engine_release(struct engine *e);

/* Another mapping, which is good. */
void engine_map(struct engine *e, const char *mapping);

/* One datagram for worker 0. */
void engine_feed(struct engine *e, const char *text);
void engine_feed_slice(struct engine *e, struct slice text);

/* Any batch of one datagram. */
void engine_feed_to(struct engine *e, unsigned worker, struct bacowr_datagram datagram);

/* Time passes in steps of 100 ms, with a tick after each. */
void engine_pass(struct engine *e, int64_t ms);

/* Accept headers of those formats that are asked for by name. */
#define OPENMETRICS "application/openmetrics-text;version=1.0.0"
#define PROTOBUF \
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"

/* Begin a page of now in the format of @accept, without families of the server. */
struct bacowr_scrape *engine_begin(struct engine *e, const char *accept);

/* Such a page, all of it, in the smallest slices; a NUL follows it in @e->page. */
struct slice engine_page(struct engine *e, const char *accept);

/* A page of now as text, all of it, in @e->page. */
struct slice engine_scrape(struct engine *e);

/* Scrape, and look: the value of a series (NaN: none); what page_add_...() of page.h tell. */
double engine_value(struct engine *e, const char *series);
const char *engine_series(struct engine *e);
const char *engine_counts(struct engine *e);

/* Does @page break no law? Fails the test when it does. */
void engine_check_page(struct slice page);

#endif
