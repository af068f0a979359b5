/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Relay: every line that comes in goes on to other StatsD servers
 *
 * Contract: runs on the control thread; each worker sends by itself with the sender made for it
 * (server/relay_sender.h).
 */
#ifndef SERVER_RELAY_H
#define SERVER_RELAY_H

#include <uv.h>

#include "base/err.h"
#include "base/log.h"
#include "conf/options.h"
#include "server/address.h"
#include "server/relay_sender.h"

struct relay;

struct relay_config {
    uv_loop_t *loop; /* borrowed, like all below: they outlive the struct */
    const struct log *log;
    const struct options_list *targets; /* host:port; at least one */
    size_t packet_length;
    unsigned n_workers;
};

/* The counters of a target, all workers together. */
struct relay_stats {
    uint64_t packets;
    uint64_t long_lines;
    uint64_t lines;
    uint64_t dropped[RELAY_N_REASONS];
};

/*
 * Resolve all targets, which blocks, and make a sender for each worker. 0; or a negative errno with
 * @e filled: a name that does not resolve, a target that was given twice.
 */
int relay_new(struct relay **out, const struct relay_config *config, struct err *e);

/* No name is looked up any more; the loop waits for a look-up that goes on. Accepts NULL. */
void relay_stop(struct relay *r);
void relay_free(struct relay *r); /* after the loop and the workers have ended; accepts NULL */

/* Of worker @i, borrowed. */
struct relay_sender *relay_sender(struct relay *r, unsigned i);

/* To be called about ten times a second: looks names up again, and tells of dropped lines. */
void relay_tick(struct relay *r, int64_t now_ms);

/* Accepts NULL: no relay, no targets. */
unsigned relay_n_targets(const struct relay *r);
const char *relay_target(const struct relay *r,
                         unsigned i); /* as it was given; valid as long as @r */

/* The first target whose datagrams come to a socket on @own, as it was given; NULL: none does.
 * Accepts NULL. */
const char *relay_leads_to(const struct relay *r, const struct address *own);
void relay_read_stats(const struct relay *r, unsigned i, struct relay_stats *out);

const char *relay_reason_name(enum relay_reason reason);

#endif
