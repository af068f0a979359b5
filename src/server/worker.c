/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Worker: see worker.h
 *
 * The thread is one libuv loop that ends when it is told to:
 *
 *      run ----wake, stop----> drain ----nothing came in a turn, or 1 s----> end of connections
 *       `------wake, hold----> all stays as it is, for this process or the next one
 *
 * The pause. At ordinary rates the wake-up for each datagram is the largest cost by far. So a turn
 * that emptied every socket it read sleeps up to two milliseconds before it polls again, and the
 * datagrams of that time come in one batch; so it goes on until a turn finds nothing. Three
 * conditions, each learnt from a loss: never after a turn that left something in a socket; never
 * longer than the granted receive buffers hold; not when a stream was read, since nobody knows
 * whether it was emptied. A timer beside sockets that are not polled meanwhile costs as much, and
 * has no time below a millisecond, which is all that the default limit of receive buffers allows.
 *
 * Quiet. The idle timer has the engine forget what it does not meet any more, ten times a second.
 * When nothing came for a second it rings once a second, and the engine is told of the tenths one
 * after the other: the same is forgotten in the same time. The first line, and newer rules, end
 * that.
 *
 * Laws: control makes and destroys all handles while the thread does not run, so a failure to
 *       start is an ordinary error and the last counts can be read before the sockets close.
 *       A connection handed over is closed by the worker, or by worker_free().
 */
#include "server/worker.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "server/conn.h"
#include "server/gate.h"
#include "server/joined.h"
#include "server/relay_sender.h"
#include "server/tap.h"

#define NS_PER_MS        1000000u
#define MAX_PAUSE_NS     (2 * NS_PER_MS)
#define MIN_PAUSE_NS     (NS_PER_MS / 10)
#define MAX_DRAIN_NS     (1000ull * NS_PER_MS)
#define IDLE_TIMER_MS    100
#define QUIET_TIMER_MS   (WORKER_STILL * IDLE_TIMER_MS)
#define CHUNK_BYTES      ((size_t)WORKER_N_CHUNKS * WORKER_CHUNK_SIZE + BACOWR_PADDING)

/* Holds a million datagrams a second for the longest pause, with as much again to spare. */
#define FULL_PAUSE_BYTES (4 << 20)

_Static_assert(offsetof(struct worker, loop) % WORKER_CACHE_LINE == 0,
               "what control reads all the time shares no line with what the thread writes");

/* ---- the thread ---- */

int64_t worker_now_ms(void)
{
    return (int64_t)(uv_hrtime() / NS_PER_MS);
}

static void on_idle_timer(uv_timer_t *timer);

static void set_idle_timer(struct worker *w, uint64_t ms)
{
    uv_timer_start(&w->idle_timer, on_idle_timer, ms, ms); /* cannot fail with a callback */
}

static void end_quiet(struct worker *w)
{
    if (w->n_still == WORKER_STILL) {
        set_idle_timer(w, IDLE_TIMER_MS);
        relaxed_store(&w->counters.quiet, 0);
        if (w->on_busy != NULL)
            w->on_busy(w->busy_ctx);
    }
    w->n_still = 0;
}

void worker_feed(struct worker *w, const struct bacowr_datagram *batch, unsigned n,
                 const struct bacowr_senders *senders)
{
    end_quiet(w);
    if (w->relay != NULL)
        relay_sender_take(w->relay, batch, n);
    if (w->tap != NULL && tap_is_on(w->tap))
        tap_take(w->tap, batch, n);
    if (senders != NULL)
        bacowr_senders(w->engine, senders);
    bacowr_feed(w->engine, batch, n, worker_now_ms());
    relaxed_add(&w->counters.batches, 1);
}

static void pause_thread(uint64_t ns)
{
    struct timespec t = {.tv_nsec = (long)ns};

    nanosleep(&t, NULL); /* no signal reaches this thread; a short sleep would do no harm */
}

/* The end of a turn of the loop. */
static void on_check(uv_check_t *check)
{
    struct worker *w = check->data;

    conn_next_turn(w);
    if (w->draining)
        return;
    if (w->failed)
        pause_thread(
            MAX_PAUSE_NS); /* whatever the buffers hold: an error that stays must not spin */
    else if (w->received && !w->streamed && !w->backlog && w->pause_ns > 0)
        pause_thread(w->pause_ns);
    w->received = w->backlog = w->streamed = w->failed = false;
}

/* Another tenth of a second without a line. Who owes waits for a time that is not far. */
static void note_still(struct worker *w)
{
    if (w->restless || !TAILQ_EMPTY(&w->owing) || w->n_still == WORKER_STILL)
        return;
    if (++w->n_still == WORKER_STILL) {
        set_idle_timer(w, QUIET_TIMER_MS);
        relaxed_store(&w->counters.quiet, 1);
    }
}

/* The engine forgets what it does not meet any more, also when nothing comes; no line to be
 * relayed waits longer than this for others to fill its packet. */
static void on_idle_timer(uv_timer_t *timer)
{
    struct worker *w = timer->data;
    int64_t ago_ms = w->n_still == WORKER_STILL ? QUIET_TIMER_MS - IDLE_TIMER_MS : 0;
    int64_t now_ms = worker_now_ms();
    bool sweeping = false;

    relaxed_add(&w->counters.beats, 1);
    for (; ago_ms >= 0 && !sweeping; ago_ms -= IDLE_TIMER_MS) {
        bacowr_feed(w->engine, NULL, 0, now_ms - ago_ms);
        sweeping = bacowr_is_sweeping(w->engine);
    }
    if (sweeping)
        end_quiet(w);
    else
        note_still(w);
    if (w->relay != NULL)
        relay_sender_flush(w->relay);
    conn_next_payment(w);
    names_follow(w, now_ms);
}

/* The inbox as it is now: the caller owns the array. */
static struct worker_arrival *take_inbox(struct worker *w, size_t *n, bool *stop)
{
    struct worker_arrival *arrivals;

    uv_mutex_lock(&w->lock);
    arrivals = w->inbox;
    *n = w->n_inbox;
    *stop = w->stop;
    w->inbox = NULL;
    w->n_inbox = w->inbox_cap = 0;
    uv_mutex_unlock(&w->lock);
    return arrivals;
}

static void run_errand(struct worker *w)
{
    worker_errand_fn fn;
    void *ctx;

    uv_mutex_lock(&w->lock);
    fn = w->errand;
    ctx = w->errand_ctx;
    w->errand = NULL;
    uv_mutex_unlock(&w->lock);
    if (fn != NULL)
        fn(w, ctx);
}

static void on_wake(uv_async_t *wake)
{
    struct worker *w = wake->data;
    size_t n;
    bool stop;
    struct worker_arrival *arrivals = take_inbox(w, &n, &stop);

    for (size_t i = 0; i < n; i++)
        conn_open(w, arrivals[i]);
    free(arrivals);
    end_quiet(w);
    run_errand(w);
    if (stop)
        uv_stop(&w->loop);
}

static void drain(struct worker *w)
{
    uint64_t deadline = uv_hrtime() + MAX_DRAIN_NS;

    w->draining = true;
    conn_next_payment(w);
    do {
        w->received = w->streamed = false;
        uv_run(&w->loop, UV_RUN_NOWAIT);
    } while ((w->received || w->streamed) && uv_hrtime() < deadline);
    conn_end_all(w);
    if (w->relay != NULL)
        relay_sender_flush(w->relay);
}

static bool is_held(struct worker *w)
{
    bool hold;

    uv_mutex_lock(&w->lock);
    hold = w->hold;
    uv_mutex_unlock(&w->lock);
    return hold;
}

static void run(void *arg)
{
    struct worker *w = arg;
    char name[16];

    snprintf(name, sizeof name, "ingest-%u", w->id % 10000);
    pthread_setname_np(pthread_self(), name); /* for ps, top and perf */
    uv_run(&w->loop, UV_RUN_DEFAULT);
    if (!is_held(w))
        drain(w);
    else if (w->relay != NULL)
        relay_sender_flush(w->relay);
}

/* ---- control's side ---- */

/* The handles that every worker has. They cannot be made by halves: see worker_new(). */
static int open_handles(struct worker *w)
{
    int r = uv_async_init(&w->loop, &w->wake, on_wake);

    if (r != 0)
        return r;
    w->wake.data = w;
    uv_check_init(&w->loop, &w->check);
    w->check.data = w;
    uv_check_start(&w->check, on_check);
    uv_idle_init(&w->loop, &w->spin);
    uv_timer_init(&w->loop, &w->idle_timer);
    w->idle_timer.data = w;
    set_idle_timer(w, IDLE_TIMER_MS);
    return 0;
}

/*
 * Address space for datagrams of any length: of each chunk only the pages that datagrams reach are
 * memory. So there must be no huge pages, which a system may give to anything this large.
 */
static int open_chunks(struct worker *w)
{
    void *chunks =
        mmap(NULL, CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (chunks == MAP_FAILED)
        return -errno;
    madvise(chunks, CHUNK_BYTES, MADV_NOHUGEPAGE); /* a kernel without them refuses, rightly */
    w->chunks = chunks;
    for (size_t i = 0; i < WORKER_N_CHUNKS; i++) {
        w->rooms[i].iov_base = w->chunks + i * WORKER_CHUNK_SIZE;
        w->rooms[i].iov_len = WORKER_CHUNK_SIZE;
        w->messages[i].msg_hdr.msg_iov = &w->rooms[i];
        w->messages[i].msg_hdr.msg_iovlen = 1;
    }
    return 0;
}

int worker_new(struct worker **out, unsigned id, struct bacowr_worker *engine)
{
    struct worker *w = aligned_alloc(WORKER_CACHE_LINE, sizeof *w);
    int r;

    if (w == NULL)
        return -ENOMEM;
    memset(w, 0, sizeof *w);
    w->id = id;
    w->engine = engine;
    w->pause_ns = MAX_PAUSE_NS;
    conn_init_all(w);
    r = open_chunks(w);
    if (r != 0)
        goto fail_chunks;
    r = uv_mutex_init(&w->lock);
    if (r != 0)
        goto fail_lock;
    r = uv_loop_init(&w->loop);
    if (r != 0)
        goto fail_loop;
    r = open_handles(w);
    if (r != 0)
        goto fail_handles;
    *out = w;
    return 0;

fail_handles:
    uv_loop_close(&w->loop);
fail_loop:
    uv_mutex_destroy(&w->lock);
fail_lock:
    munmap(w->chunks, CHUNK_BYTES);
fail_chunks:
    free(w);
    return r;
}

void worker_free(struct worker *w)
{
    int r;

    if (w == NULL)
        return;
    assert(!w->running);
    for (size_t i = 0; i < w->n_inbox; i++)
        close(w->inbox[i].fd);
    conn_end_all(w);
    uv_close((uv_handle_t *)&w->check, NULL);
    uv_close((uv_handle_t *)&w->idle_timer, NULL);
    uv_close((uv_handle_t *)&w->spin, NULL);
    uv_close((uv_handle_t *)&w->wake, NULL);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    r = uv_loop_close(&w->loop);
    assert(r == 0);
    (void)r;
    uv_mutex_destroy(&w->lock);
    gate_free(w->gate);
    joined_free(w->joined);
    free(w->inbox);
    munmap(w->chunks, CHUNK_BYTES);
    free(w);
}

int worker_start(struct worker *w)
{
    sigset_t all, before;
    int r;

    w->stop = w->hold = false; /* nobody else is there */
    w->cpu_before_ns = w->cpu_ns;
    end_quiet(w);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r = uv_thread_create(&w->thread, run, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    w->running = r == 0;
    return r;
}

static int grow_inbox(struct worker *w)
{
    size_t cap = w->inbox_cap ? 2 * w->inbox_cap : 16;
    struct worker_arrival *arrivals = realloc(w->inbox, cap * sizeof *arrivals);

    if (arrivals == NULL)
        return -ENOMEM;
    w->inbox = arrivals;
    w->inbox_cap = cap;
    return 0;
}

int worker_hand_over(struct worker *w, struct worker_arrival arrival)
{
    int r = 0;

    uv_mutex_lock(&w->lock);
    if (w->n_inbox == w->inbox_cap)
        r = grow_inbox(w);
    if (r == 0)
        w->inbox[w->n_inbox++] = arrival;
    uv_mutex_unlock(&w->lock);
    if (r == 0)
        uv_async_send(&w->wake);
    return r;
}

void worker_rouse(struct worker *w)
{
    uv_async_send(&w->wake);
}

void worker_ask(struct worker *w, worker_errand_fn fn, void *ctx)
{
    uv_mutex_lock(&w->lock);
    assert(w->errand == NULL);
    w->errand = fn;
    w->errand_ctx = ctx;
    uv_mutex_unlock(&w->lock);
    uv_async_send(&w->wake);
}

static void end(struct worker *w, bool hold)
{
    if (w == NULL || !w->running)
        return;
    uv_mutex_lock(&w->lock);
    w->stop = true;
    w->hold = hold;
    uv_mutex_unlock(&w->lock);
    uv_async_send(&w->wake);
}

void worker_stop(struct worker *w)
{
    end(w, false);
}

void worker_hold(struct worker *w)
{
    end(w, true);
}

void worker_join(struct worker *w)
{
    if (w == NULL || !w->running)
        return;
    uv_thread_join(&w->thread);
    w->running = false;
}

uint64_t worker_cpu_ns(struct worker *w)
{
    clockid_t clock;
    struct timespec t;

    /* A thread that has ended and is not joined yet has no clock any more. */
    if (w->running && pthread_getcpuclockid(w->thread, &clock) == 0 &&
        clock_gettime(clock, &t) == 0)
        w->cpu_ns = w->cpu_before_ns + (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
    return w->cpu_ns;
}

void worker_limit_pause(struct worker *w, int bytes)
{
    uint64_t ns = (uint64_t)bytes * MAX_PAUSE_NS / FULL_PAUSE_BYTES;

    if (ns < MIN_PAUSE_NS)
        w->pause_ns = 0;
    else if (ns < w->pause_ns)
        w->pause_ns = ns;
}
