/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tap: see tap.h
 *
 *      worker: batch --readers?--> try the lane's lock --matches? budget? room?--> ring
 *                  `-- no: on       `-- taken: its lines are counted as left out
 *      control: ring --some lines, copied under the lock--> reader
 *
 * A lane is one worker's, with one ring for each reader. A ring is bytes in a circle, each line
 * behind a head of fixed size; both may go over the end.
 *
 * The budget is for windows of 100 ms: so many lines are kept, and so many bytes are searched for a
 * reader with a filter. What comes behind that is left out until the next window. So the sample is
 * the beginning of each window, in order, which shows what belongs together.
 *
 * Laws: a worker never waits for control: it only tries the lock. control holds it for some lines'
 *       copies, and for a ring that is made or freed.
 *       Each line that a reader might have got and did not is counted once for this reader.
 */
#include "server/tap.h"

#include <assert.h>
#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "bacowr/statsd.h"
#include "base/lines.h"

#define WINDOW_NS  100000000
#define SCAN_MAX   (1024 * 1024) /* bytes searched in a window */
#define CACHE_LINE 64

struct head {
    int64_t at_ns;
    uint32_t len;
    uint32_t first;
};

/* All under the lane's lock. */
struct ring {
    char *bytes; /* owned; NULL: there is no such reader */
    size_t from; /* both only grow: positions in the circle are their remainders */
    size_t to;
    uint64_t skipped;
    struct tap_filter filter;
    uint64_t window_lines;       /* the most; 0: no bound */
    int64_t window_ns;           /* when the window began */
    uint64_t n_lines, n_scanned; /* in this window */
};

struct tap_lane {
    alignas(CACHE_LINE) struct tap_switch on; /* first: tap_is_on() reads it */
    relaxed_u64 missed; /* lines of batches that met a taken lock; written by the worker */
    uv_mutex_t lock;
    struct ring rings[TAP_MAX];
};

struct tap {
    unsigned n_lanes;
    bool used[TAP_MAX];
    unsigned next_lane[TAP_MAX];     /* where reading goes on: each gives a datagram in turn */
    bool within[TAP_MAX];            /* a datagram of this lane was begun */
    uint64_t missed_before[TAP_MAX]; /* what the lanes had missed when last told */
    uint64_t told, skipped;
    struct tap_lane lanes[];
};

_Static_assert(TAP_LINE_MAX + sizeof(struct head) < TAP_ROOM, "a line fits into an empty ring");
_Static_assert((TAP_ROOM & (TAP_ROOM - 1)) == 0, "positions may wrap");

/* ---- matching ---- */

bool tap_matches(struct slice match, struct slice line)
{
    while (match.len > 0) {
        size_t n = slice_find(match, '*');
        const char *at;

        if (n > 0) {
            at = line.len > 0 ? memmem(line.p, line.len, match.p, n) : NULL;
            if (at == NULL)
                return false;
            line = slice_from(line, (size_t)(at - line.p) + n);
        }
        match = slice_from(match, n < match.len ? n + 1 : n);
    }
    return true;
}

/* ---- the ring ---- */

static void ring_put(struct ring *r, const void *p, size_t len)
{
    size_t at = r->to % TAP_ROOM;
    size_t n = len < TAP_ROOM - at ? len : TAP_ROOM - at;

    memcpy(r->bytes + at, p, n);
    memcpy(r->bytes, (const char *)p + n, len - n);
    r->to += len;
}

static void ring_get(struct ring *r, void *p, size_t len)
{
    size_t at = r->from % TAP_ROOM;
    size_t n = len < TAP_ROOM - at ? len : TAP_ROOM - at;

    memcpy(p, r->bytes + at, n);
    memcpy((char *)p + n, r->bytes, len - n);
    r->from += len;
}

/* Is nothing taken any more before the next window? */
static bool is_spent(const struct ring *r)
{
    return (r->window_lines > 0 && r->n_lines >= r->window_lines) ||
           (r->filter.match_len > 0 && r->n_scanned >= SCAN_MAX);
}

/* Was @line kept? */
static bool ring_take(struct ring *r, struct slice line, bool first, int64_t now_ns)
{
    struct head head = {now_ns, (uint32_t)line.len, first};

    if (r->filter.match_len > 0)
        r->n_scanned += line.len;
    if (!tap_matches(slice_of(r->filter.match, r->filter.match_len), line))
        return false;
    if (line.len > TAP_LINE_MAX || r->to - r->from + sizeof head + line.len > TAP_ROOM) {
        r->skipped++;
        return false;
    }
    ring_put(r, &head, sizeof head);
    ring_put(r, line.p, line.len);
    r->n_lines++;
    return true;
}

/* ---- the worker's side ---- */

static struct statsd_cursor cursor_of(const struct bacowr_datagram *d)
{
    size_t len = d->len;

    while (d->truncated && len > 0 && d->p[len - 1] != '\n')
        len--; /* half a line is none */
    return statsd_cursor(slice_of(d->p, len), d->stream || d->truncated);
}

/* Lines that a reader might have got; not one by one, since under load these are nearly all. */
static uint64_t count_left(const struct statsd_cursor *cursor)
{
    return cursor->done ? 0 : lines_count_filled(cursor->rest);
}

static void take_datagram(struct ring *r, const struct bacowr_datagram *d, int64_t now_ns)
{
    struct statsd_cursor cursor = cursor_of(d);
    struct slice line;
    bool first = true;

    while (!is_spent(r) && statsd_next_line(&cursor, &line)) {
        if (line.len > 0 && ring_take(r, line, first, now_ns))
            first = false;
    }
    r->skipped += count_left(&cursor);
}

static void take_batch(struct ring *r, const struct bacowr_datagram *batch, unsigned n,
                       int64_t now_ns)
{
    if (now_ns - r->window_ns >= WINDOW_NS) {
        r->window_ns = now_ns;
        r->n_lines = r->n_scanned = 0;
    }
    for (unsigned i = 0; i < n; i++)
        take_datagram(r, &batch[i], now_ns);
}

static uint64_t count_lines(const struct bacowr_datagram *batch, unsigned n)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < n; i++) {
        struct statsd_cursor cursor = cursor_of(&batch[i]);

        total += count_left(&cursor);
    }
    return total;
}

void tap_take(struct tap_lane *lane, const struct bacowr_datagram *batch, unsigned n)
{
    int64_t now_ns = (int64_t)uv_hrtime();

    if (uv_mutex_trylock(&lane->lock) != 0) {
        relaxed_add(&lane->missed, count_lines(batch, n));
        return;
    }
    for (unsigned i = 0; i < TAP_MAX; i++) {
        if (lane->rings[i].bytes != NULL)
            take_batch(&lane->rings[i], batch, n, now_ns);
    }
    uv_mutex_unlock(&lane->lock);
}

/* ---- control's side ---- */

int tap_new(struct tap **out, unsigned n_workers)
{
    size_t size = sizeof(struct tap) + n_workers * sizeof(struct tap_lane);
    struct tap *t = aligned_alloc(CACHE_LINE, (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);

    if (t == NULL)
        return -ENOMEM;
    memset(t, 0, size);
    for (; t->n_lanes < n_workers; t->n_lanes++) {
        if (uv_mutex_init(&t->lanes[t->n_lanes].lock) != 0) {
            tap_free(t);
            return -ENOMEM;
        }
    }
    *out = t;
    return 0;
}

void tap_free(struct tap *t)
{
    if (t == NULL)
        return;
    for (unsigned i = 0; i < t->n_lanes; i++) {
        for (unsigned k = 0; k < TAP_MAX; k++)
            free(t->lanes[i].rings[k].bytes);
        uv_mutex_destroy(&t->lanes[i].lock);
    }
    free(t);
}

struct tap_lane *tap_lane(struct tap *t, unsigned worker)
{
    assert(worker < t->n_lanes);
    return &t->lanes[worker];
}

static uint64_t missed_by_all(struct tap *t)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < t->n_lanes; i++)
        total += relaxed_load(&t->lanes[i].missed); /* a number that is told */
    return total;
}

static int lane_open(struct tap_lane *lane, int reader, const struct tap_filter *filter,
                     uint64_t window_lines)
{
    char *bytes = malloc(TAP_ROOM);

    if (bytes == NULL)
        return -ENOMEM;
    uv_mutex_lock(&lane->lock);
    lane->rings[reader] =
        (struct ring){.bytes = bytes, .filter = *filter, .window_lines = window_lines};
    uv_mutex_unlock(&lane->lock);
    relaxed_add(&lane->on.readers, 1); /* control is its only writer */
    return 0;
}

static void lane_close(struct tap_lane *lane, int reader)
{
    char *bytes = lane->rings[reader].bytes; /* only control writes it */

    if (bytes == NULL)
        return;
    relaxed_add(&lane->on.readers, -1u);
    uv_mutex_lock(&lane->lock);
    lane->rings[reader] = (struct ring){0};
    uv_mutex_unlock(&lane->lock);
    free(bytes);
}

int tap_open(struct tap *t, const struct tap_filter *filter)
{
    uint64_t windows = 10 * (uint64_t)t->n_lanes;
    uint64_t window_lines = (filter->rate + windows - 1) / windows;
    int reader = 0, r = 0;

    assert(filter->match_len <= TAP_MATCH_MAX);
    while (reader < TAP_MAX && t->used[reader])
        reader++;
    if (reader == TAP_MAX)
        return -EBUSY;
    t->used[reader] = true;
    t->next_lane[reader] = 0;
    t->within[reader] = false;
    t->missed_before[reader] = missed_by_all(t);
    for (unsigned i = 0; i < t->n_lanes && r == 0; i++)
        r = lane_open(&t->lanes[i], reader, filter, window_lines);
    if (r != 0)
        tap_close(t, reader);
    return r == 0 ? reader : r;
}

void tap_close(struct tap *t, int reader)
{
    assert(t->used[reader]);
    for (unsigned i = 0; i < t->n_lanes; i++)
        lane_close(&t->lanes[i], reader);
    t->used[reader] = false;
}

/* The next line; with @within only if it is of the same datagram as the one before. */
static bool lane_next(struct tap_lane *lane, int reader, bool within, struct head *head, char *text)
{
    struct ring *r = &lane->rings[reader];
    size_t from = r->from; /* control is its only writer */
    bool any;

    uv_mutex_lock(&lane->lock);
    any = r->from != r->to;
    if (any) {
        ring_get(r, head, sizeof *head);
        any = !(within && head->first);
    }
    if (any)
        ring_get(r, text, head->len);
    else
        r->from = from;
    uv_mutex_unlock(&lane->lock);
    return any;
}

static uint64_t take_skipped(struct tap *t, int reader)
{
    uint64_t missed = missed_by_all(t);
    uint64_t total = missed - t->missed_before[reader];

    t->missed_before[reader] = missed;
    for (unsigned i = 0; i < t->n_lanes; i++) {
        uv_mutex_lock(&t->lanes[i].lock);
        total += t->lanes[i].rings[reader].skipped;
        t->lanes[i].rings[reader].skipped = 0;
        uv_mutex_unlock(&t->lanes[i].lock);
    }
    return total;
}

unsigned tap_read(struct tap *t, int reader, unsigned max,
                  bool (*fn)(void *ctx, const struct tap_line *line), void *ctx, uint64_t *skipped)
{
    char text[TAP_LINE_MAX];
    struct head head;
    unsigned n = 0, empty = 0;
    bool more = true;

    assert(t->used[reader]);
    while (more && n < max && empty < t->n_lanes) {
        struct tap_lane *lane = &t->lanes[t->next_lane[reader] % t->n_lanes];

        if (!lane_next(lane, reader, t->within[reader], &head, text)) {
            empty += !t->within[reader];
            t->within[reader] = false;
            t->next_lane[reader]++;
            continue;
        }
        t->within[reader] = true;
        empty = 0;
        n++;
        more = fn(ctx, &(struct tap_line){head.at_ns, head.first != 0, slice_of(text, head.len)});
    }
    *skipped = take_skipped(t, reader);
    t->told += n;
    t->skipped += *skipped;
    return n;
}

void tap_totals(const struct tap *t, uint64_t *told, uint64_t *skipped)
{
    *told = t->told;
    *skipped = t->skipped;
}

unsigned tap_n_readers(const struct tap *t)
{
    unsigned n = 0;

    for (int i = 0; i < TAP_MAX; i++)
        n += t->used[i];
    return n;
}
