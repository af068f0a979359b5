/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control: the control thread's state, and what its loop calls
 *
 * Private to the server: server.c makes and ends it, start.c fills it step by step, control.c is
 * what happens in between.
 */
#ifndef SERVER_CONTROL_H
#define SERVER_CONTROL_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/log.h"
#include "conf/options.h"
#include "bacowr/aggregator.h"
#include "server/address.h"
#include "server/admin.h"
#include "server/door.h"
#include "server/handover.h"
#include "server/history.h"
#include "server/http.h"
#include "server/identities.h"
#include "server/ingest.h"
#include "server/inherit.h"
#include "server/local.h"
#include "server/no_port.h"
#include "server/notify.h"
#include "server/policy.h"
#include "server/relay.h"
#include "server/reload.h"
#include "server/self.h"
#include "server/statefile.h"
#include "server/tap.h"
#include "server/tcp.h"
#include "server/unixgram.h"
#include "server/watch.h"
#include "server/worker.h"

#define SERVER_N_SIGNALS 3

/* A fault that the log tells of at most once a minute, with how often it was since. */
struct told {
    uint64_t n;         /* in the log so far */
    int64_t not_before; /* the next line, by worker_now_ms() */
};

struct addresses {
    struct address *items; /* owned */
    size_t n;
};

struct live_page;

struct server {
    const struct options *o; /* borrowed */
    const struct log *log;   /* borrowed */

    uv_loop_t loop;
    bool has_loop;      /* and with it the timer */
    uv_work_t reserved; /* the first job of libuv's pool: server/reserve.h */
    uv_timer_t tick;
    uv_async_t busy; /* sent by a worker that was quiet */
    uv_signal_t signals[SERVER_N_SIGNALS];
    size_t n_signals; /* of them initialised */

    struct notify notify;   /* the service manager, if there is one */
    struct inherit inherit; /* sockets that were open before; empty once all listen */
    struct addresses udp, tcp_addresses, web, admin_addresses;
    struct local *web_names; /* owned: Unix sockets of the web interface */
    size_t n_web_names;
    struct options_list hosts; /* names of this server */
    struct bacowr *engine;
    struct policy policy;
    struct tap *tap;
    struct worker *workers[BACOWR_MAX_WORKERS];
    unsigned n_workers;
    struct ingest **sockets; /* owned array; address by address, worker by worker */
    unsigned n_sockets;
    struct local unixgram_name, unix_name;
    struct inlet *unixgram; /* NULL: none */
    struct tcp *tcp;
    struct http *http;
    struct identities *identities;
    struct admin *admin; /* NULL: there is no such port */
    struct self *self;
    struct reload *reload;
    struct watch *watch;     /* NULL: nobody looks after the mapping files */
    struct watch *web_watch; /* of the web configuration; NULL: there is none */
    struct door *door;       /* owned until HTTP takes it, at start */
    struct relay *relay;     /* NULL: nothing is relayed */
    struct statefile *state;
    struct live_page *pages; /* scrapes under way; server/control.c */
    struct history *history;
    uint64_t *counts; /* owned: room for what the history is made of */
    int64_t begun_ms;
    struct no_port no_port;

    uint64_t beats[BACOWR_MAX_WORKERS];     /* of the workers, when the watchdog was last told */
    struct told told_refused, told_dropped; /* TCP connections, datagrams; server/journal.c */
    int64_t started_ms;                     /* by worker_now_ms() */
    bool ready;
    bool drained; /* somebody said `health down`: load balancers are to leave */

    struct local control_name;
    struct handover *handover; /* NULL: no control socket; server/handover.c */
    struct handover_stats handovers;
    bool held;                     /* nothing is read, accepted or answered: a successor may */
    bool instead[INHERIT_N_KINDS]; /* sockets of the kind were the service manager's */
    int replaced_fd;               /* to the server that is being replaced; -1: none */
    int replaced_pid;
};

/* ---- what the loop calls: the timer, signals, HTTP ---- */

void control_on_tick(uv_timer_t *tick);
void control_on_busy(uv_async_t *busy);
void control_on_signal(uv_signal_t *handle, int signum);

int control_on_scrape(void *ctx, struct slice accept, const struct bacowr_format **format,
                      struct bacowr_scrape **out);
void control_on_scrape_done(void *ctx, struct bacowr_scrape *scrape);
uint64_t control_on_reload(void *ctx);
void control_on_mapping_changed(void *ctx);
void control_on_reload_began(void *ctx);
void control_on_web_changed(void *ctx);
void control_on_door(void *ctx, struct door *d, const struct options_list *files);
void control_on_reload_done(void *ctx, uint64_t run, int r, struct slice message);
void control_on_quit(void *ctx);
bool control_on_ready(void *ctx);
int control_on_explain(void *ctx, struct slice line, enum bacowr_explain_form form,
                       struct buf *out);

/* ---- the steps that server.c and start.c share with it ---- */

/* Begin to tick. The workers are there and do not run yet. */
void control_begin(struct server *s);

/* Tick ten times a second again, from now on: there may be something to do. */
void control_end_rest(struct server *s);

/* The service manager hears that all is well. */
void control_tell_ready(const struct server *s);

/* End the loop, and with it the server. */
void control_quit(struct server *s, const char *reason);

/* Add up what the kernel dropped, and note what the last minute lost. */
void control_sample(struct server *s);

#endif
