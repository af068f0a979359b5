/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Self: what the server tells about itself on the page
 *
 * The engine counts what it does with lines; here is what happens around it: sockets, connections,
 * reloads, HTTP, the process. Names that statsd_exporter has keep its meaning, others begin with
 * bacowr_statsd_.
 *
 * Contract: runs on the control thread.
 */
#ifndef SERVER_SELF_H
#define SERVER_SELF_H

#include <stdint.h>

#include "bacowr/aggregator.h"
#include "base/log.h"
#include "server/http.h"
#include "server/ingest.h"
#include "server/no_port.h"
#include "server/relay.h"
#include "server/reload.h"
#include "server/statefile.h"
#include "server/tcp.h"
#include "server/unixgram.h"
#include "server/worker.h"

struct admin;
struct self;
struct self_page;

struct tap;

struct self_config {
    const char *version; /* borrowed, like all below: they outlive the struct */
    struct bacowr *engine;
    struct worker *const *workers;
    unsigned n_workers;
    struct ingest *const *sockets; /* their addresses are final */
    unsigned n_sockets;
    const struct inlet *unixgram; /* NULL: none */
    const struct tcp *tcp;
    const struct http *http;
    const struct admin *admin; /* NULL: none */
    const bool *drained;
    const struct reload_stats *web_reloads; /* borrowed */
    const struct reload_stats *reloads;
    const struct relay *relay; /* NULL: none */
    const struct statefile_stats *state;
    const struct log *log;
    const struct handover_stats *handovers;
    const struct tap *tap;
    struct no_port *no_port;
};

/* Take-overs by this server and those before it; attempts to take over from it. */
struct handover_stats {
    uint64_t good;
    uint64_t failed;
};

/* Refuse senders' metrics of our names. 0 or -ENOMEM. */
int self_reserve(struct bacowr *b);

/* 0 or -ENOMEM. */
int self_new(struct self **out, const struct self_config *config);

/*
 * A server before this one has counted so far: @value is added to the counter of this name and
 * labels (copied) from now on. 0 or -ENOMEM.
 */
int self_count_on(struct self *s, const char *name, const char *labels, double value);
void self_free(struct self *s); /* accepts NULL; the pages are gone before */

/* The families as they are now; the page stays as it is until it is freed. 0 or -ENOMEM. */
int self_page_new(struct self_page **out, struct self *s);
const struct bacowr_own_family *self_page_families(const struct self_page *page, unsigned *n);
void self_page_free(struct self_page *page); /* accepts NULL */

#endif
