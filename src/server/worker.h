/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Worker: one ingest thread, its loop, and what its sockets share
 *
 * Contract: control makes a worker, opens its datagram sockets (server/ingest.h, unixgram.h),
 * starts it, hands it connections of TCP and of a Unix stream socket, stops and joins it, then
 * closes the sockets and frees it. While the thread runs, control touches nothing but
 * worker_hand_over(), worker_stop() and the counters.
 */
#ifndef SERVER_WORKER_H
#define SERVER_WORKER_H

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <uv.h>

#include "base/relaxed.h"
#include "bacowr/aggregator.h"
#include "base/cidr.h"
#include "server/names.h"

/* At most this many datagrams are received in a call, each into a chunk of this size. */
#define WORKER_N_CHUNKS   64
#define WORKER_CHUNK_SIZE 65536

#define WORKER_CACHE_LINE 64

/* So many tenths of a second without a line, and the worker is quiet: it looks up once a second. */
#define WORKER_STILL      10

struct conn;
struct gate;
struct joined;
struct relay_sender;
struct tap_lane;

/* Written by the worker alone, read by control. */
struct worker_counters {
    relaxed_u64 batches; /* handed to the engine */
    relaxed_u64 beats;   /* of the idle timer: the thread is alive */
    relaxed_u64 quiet;   /* 1: nothing came for a second, and the first line will be told */
    relaxed_u64 tcp_bytes;
    relaxed_u64 tcp_errors;   /* reads that failed, connections that could not be set up */
    relaxed_u64 tcp_too_long; /* lines */
    relaxed_u64 unix_bytes;
    relaxed_u64 unix_errors;       /* as tcp_errors, of the Unix stream socket's connections */
    relaxed_u64 unix_frame_errors; /* frames that were too long, or cut */

    /* Connections of both kinds. */
    relaxed_u64 tcp_closed;   /* that were handed over and are gone */
    relaxed_u64 tcp_evicted;  /* silent ones that were ended to make room for one of TCP */
    relaxed_u64 unix_evicted; /* the same, for one of the Unix stream socket */
    relaxed_u64 tcp_refused;  /* those for which none was silent long enough */

    /* When the most silent connection was last heard of, by worker_now_ms(); UINT64_MAX: none. */
    relaxed_u64 tcp_silent_since;
};

/* A connection on its way to the thread. */
struct worker_arrival {
    int fd;
    int64_t evict_ms; /* 0: there is room; else only in the place of one that was silent so long */
    bool framed;      /* of the Unix stream socket: frames (server/frame.h), not lines */
    struct ip source; /* of a connection with lines */
};

struct worker;

/* Something that another thread wants done on the worker's, between two batches. */
typedef void (*worker_errand_fn)(struct worker *w, void *ctx);

struct worker {
    alignas(WORKER_CACHE_LINE) struct worker_counters counters;

    /* The thread's own once it runs. */
    alignas(WORKER_CACHE_LINE) uv_loop_t loop;
    struct bacowr_worker *engine; /* borrowed; the engine outlives the worker */
    struct relay_sender *relay;   /* borrowed, set before the start; NULL: nothing is relayed */
    struct tap_lane *tap;         /* borrowed, set before the start; NULL: nobody can tap */
    struct gate *gate;            /* owned; NULL: senders do not matter */
    char *chunks;                 /* owned, padded: datagrams and streams are read into it */
    struct iovec rooms[WORKER_N_CHUNKS];      /* each a chunk */
    struct mmsghdr messages[WORKER_N_CHUNKS]; /* each into its room */
    struct joined *joined;                    /* owned; NULL: no socket's datagrams are joined */
    struct names names;
    TAILQ_HEAD(, conn) conns; /* owned; silent for long come first */
    TAILQ_HEAD(, conn) full;  /* not read until their next turn; each is in conns too */
    TAILQ_HEAD(, conn) owing; /* not read until their lines are paid for; likewise */
    uv_check_t check;
    uv_idle_t spin; /* active while a connection waits for its turn */
    uv_timer_t idle_timer;
    size_t max_line;   /* of TCP, set before the start; 0: stream.h's */
    uint64_t pause_ns; /* how long the receive buffers hold; 0: never pause */
    bool received;     /* datagrams, in this turn of the loop */
    bool backlog;      /* a socket may hold more of them: it was left after a full call */
    bool streamed;     /* bytes of a connection, in this turn */
    bool failed;       /* a call to receive: not for want of datagrams */
    bool draining;     /* stopping: no pauses any more */
    unsigned n_still;  /* ticks of the idle timer in a row without a line; at WORKER_STILL: quiet */

    /* Called when a quiet time ends, mostly on the thread. Set before the start; or NULL. */
    void (*on_busy)(void *ctx);
    void *busy_ctx;
    bool restless; /* it is never quiet: a watchdog looks at `beats`. Set before the start. */

    /* Control's own. */
    unsigned id;
    uv_thread_t thread;
    bool running;
    uint64_t cpu_ns;        /* of its threads, as last looked at; */
    uint64_t cpu_before_ns; /* of those that have ended */

    /* Met by both under the lock; the wake-up tells the thread to look. */
    uv_mutex_t lock;
    struct worker_arrival *inbox; /* owned */
    size_t n_inbox;
    size_t inbox_cap;
    worker_errand_fn errand; /* NULL: none */
    void *errand_ctx;
    bool stop;
    bool hold; /* what the sockets hold stays there: the thread runs again, here or elsewhere */
    uv_async_t wake;
};

/* 0 or a negative errno. @engine is borrowed. */
int worker_new(struct worker **out, unsigned id, struct bacowr_worker *engine);

/* The worker does not run and its sockets are closed or closing; accepts NULL. */
void worker_free(struct worker *w);

/*
 * Begin the thread, perhaps once more; all signals blocked in it. For the system its name is
 * "ingest-" and the worker's number. 0 or a negative errno.
 */
int worker_start(struct worker *w);

/* Give a connection to the thread: taken on 0. -ENOMEM: the caller keeps it. */
int worker_hand_over(struct worker *w, struct worker_arrival arrival);

/* CPU time of the worker's threads so far; never less than it was. */
uint64_t worker_cpu_ns(struct worker *w);

/* There are newer rules: a quiet worker shall not wait for its next look. */
void worker_rouse(struct worker *w);

/* Have @fn called on the thread once, soon: a step, bounded as a batch is. One errand at a time. A
 * worker that is held does it when it goes on. */
void worker_ask(struct worker *w, worker_errand_fn fn, void *ctx);

/*
 * Ask the thread to end as it stands: nothing more is taken in, no connection ends.
 * worker_join() waits for that; then worker_start() begins anew.
 */
void worker_hold(struct worker *w);

/*
 * Ask the thread to take in what its sockets hold already, for at most a second, and to end.
 * worker_join() waits for that. Both do nothing to a worker that does not run.
 */
void worker_stop(struct worker *w);
void worker_join(struct worker *w);

/* ---- for what runs on the thread: ingest and conn ---- */

/* One batch to the engine, with one reading of the clock. */
void worker_feed(struct worker *w, const struct bacowr_datagram *batch, unsigned n,
                 const struct bacowr_senders *senders);

/* Before the start: a socket whose receive buffer holds @bytes (as getsockopt tells) joins. */
void worker_limit_pause(struct worker *w, int bytes);

/* Milliseconds of the clock that all threads share. */
int64_t worker_now_ms(void);

#endif
