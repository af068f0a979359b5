/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orders: every order of the steps around an expiry, against a model
 *
 * A small world of two series in one family, two workers, one scrape at a time. The model knows
 * when a series is born, marked, kept and removed, so that each line of each page is foretold:
 *
 *      live --tick, due--> marked --tick, no sample since--> gone      a sample or "not due": live
 *
 * On top of the model the law that needs none: a counter is never shown below what was shown
 * before, unless a page without it, or its time to live, lies between.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/engine.h"
#include "lib/engine.h"
#include "lib/page.h"
#include "lib/unit.h"
#include "store/route_find.h"

#define TTL_1S "mappings:\n- {match: 'a.*', name: a, ttl: 1s, labels: {id: $1}}\n"
#define TTL_2S "mappings:\n- {match: 'a.*', name: a, ttl: 2s, labels: {id: $1}}\n"

/* ---- the model ---- */

enum { X, Y, N_SERIES };
#define N_WORKERS 2
static const char *const lines[N_SERIES] = {"a.x:1|c", "a.y:1|c"};
static const char *const shown_as[N_SERIES] = {"a{id=\"x\"}", "a{id=\"y\"}"};

struct model_series {
    bool alive;
    bool timed;   /* control knows when to look at it */
    bool pending; /* was due at the first look; the second is to come */
    bool marked;  /* ... and no sample came since */
    uint64_t order;
    int64_t seen, ttl, look_at; /* ticks */
    double value;
    double last_shown; /* NaN: not since the last page without it */
};

/* A reload reaches the series that a worker remembers with its next call, sample or not. */
struct model {
    struct model_series series[N_SERIES];
    uint64_t n_births;
    int64_t ttl;           /* of the mapping in force */
    bool swept[N_WORKERS]; /* since the last reload */
};

static void model_sweep(struct model *m, unsigned worker, const bool *remembered)
{
    for (int i = 0; i < N_SERIES && !m->swept[worker]; i++)
        if (remembered[i])
            m->series[i].ttl = m->ttl;
    m->swept[worker] = true;
}

static void model_feed(struct model *m, int i, int64_t now_ms)
{
    struct model_series *s = &m->series[i];

    if (!s->alive)
        *s = (struct model_series){.alive = true, .order = ++m->n_births, .last_shown = NAN};
    s->marked = false;
    s->seen = now_ms / 100;
    s->ttl = m->ttl;
    s->value++;
}

/* A ttl that became shorter is noticed at the look that was planned before. */
static void model_tick_one(struct model_series *s, int64_t now)
{
    int64_t due = s->seen + s->ttl + 1;

    if (!s->timed) {
        s->timed = true;
        s->look_at = due;
    }
    if (s->pending) {
        s->alive = !(s->marked && now >= due);
        s->pending = s->marked = false;
        s->look_at = due;
    }
    if (now < s->look_at)
        return;
    s->pending = s->marked = now >= due;
    s->look_at = due;
}

static void model_tick(struct model *m, int64_t now_ms)
{
    for (int i = 0; i < N_SERIES; i++)
        if (m->series[i].alive)
            model_tick_one(&m->series[i], now_ms / 100);
}

/* ---- the world ---- */

struct world {
    struct engine e;
    struct model m;
    bool slow; /* which mapping is in force */

    struct bacowr_scrape *scrape;
    uint64_t newest;          /* births when the scrape began */
    bool must_show[N_SERIES]; /* there since it began */
    bool shown[N_SERIES];
    size_t read; /* how much of the page was looked at */
};

/* One new line of the page, at the time it was made. */
static void look_at(struct world *w, struct slice line)
{
    for (int i = 0; i < N_SERIES; i++) {
        struct model_series *s = &w->m.series[i];
        struct slice name = slice_str(shown_as[i]);
        double value;

        if (!slice_starts(line, name))
            continue;
        must(page_value(slice_of(line.p, line.len + 1), shown_as[i], &value));
        must(s->alive && s->order <= w->newest && !w->shown[i]);
        must(value == s->value);
        must(!(value < s->last_shown));
        s->last_shown = value;
        w->shown[i] = true;
    }
}

static void look(struct world *w)
{
    struct slice page = buf_slice(&w->e.page);

    while (w->read < page.len) {
        struct slice rest = slice_from(page, w->read);
        size_t len = slice_find(rest, '\n');

        must(len < rest.len);
        look_at(w, slice_of(rest.p, len));
        w->read += len + 1;
    }
}

static void begin_scrape(struct world *w)
{
    buf_clear(&w->e.page);
    w->read = 0;
    w->newest = w->m.n_births;
    for (int i = 0; i < N_SERIES; i++) {
        w->must_show[i] = w->m.series[i].alive;
        w->shown[i] = false;
    }
    w->scrape = engine_begin(&w->e, "");
}

/* A slice of one byte is one series, as the family of both is the page's first. */
static void next_slice(struct world *w, unsigned want)
{
    must(bacowr_scrape_next(w->scrape, &w->e.page, want) >= 0);
    look(w);
}

static void end_scrape(struct world *w)
{
    while (bacowr_scrape_next(w->scrape, &w->e.page, 4096) == 1)
        continue;
    look(w);
    bacowr_scrape_free(w->scrape);
    w->scrape = NULL;
    engine_check_page(buf_slice(&w->e.page));
    for (int i = 0; i < N_SERIES; i++) {
        must(w->shown[i] || !w->must_show[i]);
        if (!w->shown[i])
            w->m.series[i].last_shown = NAN;
    }
}

static void tick(struct world *w, int64_t ms)
{
    w->e.now_ms += ms;
    bacowr_tick(w->e.b, w->e.now_ms);
    model_tick(&w->m, w->e.now_ms);
    for (int i = 0; i < N_SERIES; i++)
        w->must_show[i] = w->must_show[i] && w->m.series[i].alive;
}

/* What the worker has not forgotten. Age forgets, by the place of a route in its table. */
static void look_up_routes(struct world *w, unsigned worker, bool *remembered)
{
    struct routes *routes = w->e.b->workers[worker]->routes;

    for (int i = 0; i < N_SERIES; i++) {
        struct slice name = slice_of(lines[i], 3), suffix = slice_str("|c");
        struct route_key key = route_key(routes, name, suffix);

        remembered[i] = route_find(routes, &key) != NULL;
    }
}

static void feed(struct world *w, int series, unsigned worker)
{
    struct slice line = slice_str(lines[series]);
    bool remembered[N_SERIES];

    look_up_routes(w, worker, remembered);
    engine_feed_to(&w->e, worker, (struct bacowr_datagram){.p = line.p, .len = line.len});
    model_feed(&w->m, series, w->e.now_ms);
    model_sweep(&w->m, worker, remembered);
}

/* A call without datagrams. */
static void idle(struct world *w, unsigned worker)
{
    bool remembered[N_SERIES];

    look_up_routes(w, worker, remembered);
    bacowr_feed(bacowr_worker(w->e.b, worker), NULL, 0, w->e.now_ms);
    model_sweep(&w->m, worker, remembered);
}

static void reload(struct world *w)
{
    w->slow = !w->slow;
    engine_map(&w->e, w->slow ? TTL_2S : TTL_1S);
    w->m.ttl = w->slow ? 20 : 10;
    memset(w->m.swept, 0, sizeof w->m.swept);
}

/* ---- the steps ---- */

enum step {
    STEP_FEED_X,
    STEP_FEED_Y,
    STEP_TICK, /* soon after */
    STEP_TICK_LATE,
    STEP_RELOAD,
    STEP_SCRAPE, /* begin, or when it has begun: end */
    STEP_SLICE,
    STEP_IDLE,
    STEP_FEED_X_1, /* by the other worker */
    STEP_IDLE_1,
    N_STEPS,
};
#define N_IN_ORDERS 8 /* the last are for long walks only */

static void do_step(struct world *w, enum step step)
{
    switch (step) {
    case STEP_FEED_X:
        feed(w, X, 0);
        return;
    case STEP_FEED_X_1:
        feed(w, X, 1);
        return;
    case STEP_FEED_Y:
        feed(w, Y, 0);
        return;
    case STEP_IDLE:
        idle(w, 0);
        return;
    case STEP_IDLE_1:
        idle(w, 1);
        return;
    case STEP_TICK:
        tick(w, 100);
        return;
    case STEP_TICK_LATE:
        tick(w, 1200);
        return;
    case STEP_RELOAD:
        reload(w);
        return;
    case STEP_SCRAPE:
        if (w->scrape == NULL)
            begin_scrape(w);
        else
            end_scrape(w);
        return;
    case STEP_SLICE:
        next_slice(w, 1);
        return;
    case N_STEPS:
        return;
    }
}

static void world_begin(struct world *w)
{
    struct bacowr_config config = engine_config();

    *w = (struct world){.m.ttl = 10};
    config.n_workers = N_WORKERS;
    engine_init(&w->e, &config, TTL_1S);
    feed(w, X, 0);
    feed(w, Y, 0);
}

/* Whatever the order was: two more pages are right, and in the end nothing is left. */
static void world_end(struct world *w)
{
    double born, expired;

    if (w->scrape != NULL)
        end_scrape(w);
    begin_scrape(w);
    end_scrape(w);
    for (int i = 0; i < 4; i++)
        tick(w, 3000);
    for (int i = 0; i < N_SERIES; i++)
        must(!w->m.series[i].alive);
    begin_scrape(w);
    end_scrape(w);
    must(!page_has(buf_slice(&w->e.page), "# TYPE a counter"));
    must(page_value(buf_slice(&w->e.page), "bacowr_statsd_series_born_total", &born));
    must(page_value(buf_slice(&w->e.page), "bacowr_statsd_series_expired_total", &expired));
    must(born == (double)w->m.n_births);
    must(expired == born);
    engine_release(&w->e);
}

static bool makes_sense(const enum step *steps, unsigned n)
{
    bool scraping = false;

    for (unsigned i = 0; i < n; i++) {
        if (steps[i] == STEP_SLICE && !scraping)
            return false;
        scraping ^= steps[i] == STEP_SCRAPE;
    }
    return true;
}

/* Where in a series' life the steps begin. */
static const enum step beginnings[][4] = {
    {N_STEPS},                                     /* new */
    {STEP_TICK_LATE, N_STEPS},                     /* marked */
    {STEP_TICK_LATE, STEP_FEED_X, N_STEPS},        /* marked, one of them revived */
    {STEP_TICK_LATE, STEP_TICK, N_STEPS},          /* gone */
    {STEP_TICK, STEP_SCRAPE, STEP_SLICE, N_STEPS}, /* half shown */
};
#define N_BEGINNINGS ((int)(sizeof beginnings / sizeof beginnings[0]))
#define N_ORDERED    4

static unsigned append_beginning(enum step *steps, int which)
{
    unsigned n = 0;

    for (; beginnings[which][n] != N_STEPS; n++)
        steps[n] = beginnings[which][n];
    return n;
}

static bool try_steps(const enum step *steps, unsigned n)
{
    struct world w;

    if (!makes_sense(steps, n))
        return false;
    world_begin(&w);
    for (unsigned i = 0; i < n; i++)
        do_step(&w, steps[i]);
    world_end(&w);
    return true;
}

/* Every order of four steps, from each beginning: the model foretells all pages. */
START_TEST(test_orders_every)
{
    enum step steps[4 + N_ORDERED];
    unsigned begin = append_beginning(steps, _i);
    unsigned n_orders = 1, n_done = 0;

    for (unsigned i = 0; i < N_ORDERED; i++)
        n_orders *= N_IN_ORDERS;
    for (unsigned order = 0; order < n_orders; order++) {
        for (unsigned i = 0, rest = order; i < N_ORDERED; i++, rest /= N_IN_ORDERS)
            steps[begin + i] = (enum step)(rest % N_IN_ORDERS);
        n_done += try_steps(steps, begin + N_ORDERED);
    }
    ck_assert_uint_gt(n_done, 500);
}
END_TEST

/* Long walks, for what needs more than four steps. */
START_TEST(test_orders_long_walks)
{
    uint32_t state = 99u + (uint32_t)_i;

    for (unsigned walk = 0; walk < 60; walk++) {
        enum step steps[60];
        bool scraping = false;

        for (unsigned i = 0; i < 60; i++) {
            state = state * 1664525u + 1013904223u;
            steps[i] = (enum step)((state >> 8) % N_STEPS);
            if (steps[i] == STEP_SLICE && !scraping)
                steps[i] = STEP_TICK;
            scraping ^= steps[i] == STEP_SCRAPE;
        }
        must(try_steps(steps, 60));
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("orders");
    TCase *steps = tcase_create("steps");

    tcase_add_loop_test(steps, test_orders_every, 0, N_BEGINNINGS);
    tcase_add_loop_test(steps, test_orders_long_walks, 0, 4);
    suite_add_tcase(s, steps);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
