/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Crew: see crew.h
 */
#include "threads/crew.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/num.h"
#include "lib/page.h"
#include "lib/unit.h"

static void *feeder_main(void *arg)
{
    struct feeder *f = arg;

    pthread_barrier_wait(&f->crew->barrier);
    f->crew->feed(f);
    feeder_send(f);
    atomic_fetch_sub(&f->crew->n_busy, 1);
    return NULL;
}

static void start(struct crew *c, const char *mapping, const struct bacowr_config *config,
                  void (*feed)(struct feeder *f))
{
    memset(c, 0, sizeof *c);
    ck_assert_int_eq(bacowr_new(&c->b, config), 0);
    if (mapping != NULL)
        crew_map(c, mapping);
    c->feed = feed;
    atomic_store(&c->now_ms, 1000000);
    atomic_store(&c->n_busy, CREW_N_WORKERS);
    ck_assert_int_eq(pthread_barrier_init(&c->barrier, NULL, CREW_N_WORKERS), 0);
    for (unsigned i = 0; i < CREW_N_WORKERS; i++) {
        struct feeder *f = &c->feeders[i];

        *f = (struct feeder){.crew = c, .i = i, .seed = i + 1};
        ck_assert_int_eq(pthread_create(&f->thread, NULL, feeder_main, f), 0);
    }
}

static struct bacowr_config config_of_crew(void)
{
    return (struct bacowr_config){
        .n_workers = CREW_N_WORKERS,
        .hash_seed = 0x5eed,
        .statsd = statsd_default_options(),
        .max_routes = CREW_MAX_ROUTES,
    };
}

void crew_start(struct crew *c, const char *mapping, uint64_t max_series,
                void (*feed)(struct feeder *f))
{
    struct bacowr_config config = config_of_crew();

    config.max_series = max_series;
    start(c, mapping, &config, feed);
}

void crew_start_limited(struct crew *c, const char *mapping, uint64_t max_family,
                        uint64_t max_values, void (*feed)(struct feeder *f))
{
    struct bacowr_config config = config_of_crew();

    config.max_family = max_family;
    config.max_label_values = max_values;
    start(c, mapping, &config, feed);
}

bool crew_busy(struct crew *c)
{
    (void)sched_yield();
    return atomic_load(&c->n_busy) > 0;
}

void crew_join(struct crew *c)
{
    for (unsigned i = 0; i < CREW_N_WORKERS; i++)
        ck_assert_int_eq(pthread_join(c->feeders[i].thread, NULL), 0);
}

void crew_release(struct crew *c)
{
    for (unsigned i = 0; i < CREW_N_WORKERS; i++)
        buf_release(&c->feeders[i].text);
    pthread_barrier_destroy(&c->barrier);
    bacowr_free(c->b);
    buf_release(&c->page);
}

/* ---- control ---- */

void crew_map(struct crew *c, const char *mapping)
{
    struct err e = {0};
    int rc = bacowr_load_mapping(c->b, "test.yml", slice_str(mapping), NULL, NULL, &e);

    ck_assert_msg(rc == 0, "%u:%u: %s", e.line, e.column, e.text);
}

void crew_pass(struct crew *c, int64_t ms)
{
    int64_t now_ms = atomic_load(&c->now_ms) + ms;

    atomic_store(&c->now_ms, now_ms);
    bacowr_tick(c->b, now_ms);
}

struct slice crew_scrape(struct crew *c, unsigned want, void (*between)(struct crew *c))
{
    struct bacowr_scrape *s;
    const char *broken;
    unsigned line;
    int more = 1;

    buf_clear(&c->page);
    ck_assert_int_eq(bacowr_scrape_new(&s, c->b, bacowr_format_for(c->b, SLICE_LIT("")), NULL, 0,
                                       atomic_load(&c->now_ms)),
                     0);
    while (more == 1) {
        more = bacowr_scrape_next(s, &c->page, want);
        if (between != NULL)
            between(c);
    }
    bacowr_scrape_free(s);
    ck_assert_int_eq(more, 0);
    broken = page_broken(buf_slice(&c->page), &line);
    ck_assert_msg(broken == NULL, "line %u breaks \"%s\"", line, broken);
    return buf_slice(&c->page);
}

double crew_value(struct crew *c, const char *series)
{
    double v;

    ck_assert_msg(page_value(buf_slice(&c->page), series, &v), "no %s", series);
    return v;
}

/* ---- feeders ---- */

void feeder_send(struct feeder *f)
{
    struct bacowr_datagram d = {.p = f->text.p, .len = f->text.len, .stream = true};

    if (d.len > 0)
        bacowr_feed(bacowr_worker(f->crew->b, f->i), &d, 1, atomic_load(&f->crew->now_ms));
    buf_clear(&f->text);
}

void feeder_line(struct feeder *f, const char *fmt, ...)
{
    char line[256];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    buf_add_str(&f->text, line);
    buf_add_byte(&f->text, '\n');
}

void feeder_pause(struct feeder *f, int64_t ms)
{
    int64_t until = atomic_load(&f->crew->now_ms) + ms;

    feeder_send(f);
    while (atomic_load(&f->crew->now_ms) < until)
        (void)sched_yield();
}

unsigned feeder_random(struct feeder *f, unsigned below)
{
    f->seed = f->seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(f->seed >> 33) % below;
}

/* ---- ledger ---- */

struct ledger_row {
    struct slice series;
    double value;
};

static int row_cmp(const void *a, const void *b)
{
    return slice_cmp(((const struct ledger_row *)a)->series,
                     ((const struct ledger_row *)b)->series);
}

static struct slice next_line(struct slice *rest)
{
    struct slice line = slice_of(rest->p, slice_find(*rest, '\n'));

    *rest = slice_from(*rest, line.len + 1);
    return line;
}

static bool ends_with(struct slice s, const char *end)
{
    size_t len = strlen(end);

    return s.len >= len && memcmp(s.p + s.len - len, end, len) == 0;
}

/* Does the sample @series of a family of this type only grow? */
static bool grows(struct slice type_line, struct slice series)
{
    struct slice name = slice_of(series.p, slice_find(series, '{'));

    if (ends_with(type_line, " counter"))
        return true;
    if (ends_with(type_line, " histogram"))
        return !ends_with(name, "_sum");
    return ends_with(type_line, " summary") && ends_with(name, "_count");
}

/* The blank before the value: labels may hold others. */
static size_t value_at(struct slice line)
{
    size_t at = line.len;

    while (line.p[at - 1] != ' ')
        at--;
    return at;
}

static void read_rows(struct ledger *l)
{
    struct slice rest = buf_slice(&l->text), type_line = {NULL, 0};
    size_t cap = 0;

    while (rest.len > 0) {
        struct slice line = next_line(&rest);
        struct ledger_row row = {.series = slice_of(NULL, 0)};

        if (slice_starts(line, SLICE_LIT("# "))) {
            type_line = line;
            continue;
        }
        row.series = slice_of(line.p, value_at(line) - 1);
        if (!grows(type_line, row.series))
            continue;
        ck_assert_int_eq(num_parse(slice_from(line, row.series.len + 1), &row.value), 0);
        if (l->n_rows == cap) {
            cap = cap ? 2 * cap : 256;
            l->rows = realloc(l->rows, cap * sizeof *l->rows);
        }
        l->rows[l->n_rows++] = row;
    }
    qsort(l->rows, l->n_rows, sizeof *l->rows, row_cmp);
}

void ledger_turn(struct ledger *l, struct slice page)
{
    struct ledger now = {0};

    buf_add_slice(&now.text, page);
    read_rows(&now);
    for (size_t i = 0; i < l->n_rows; i++) {
        const struct ledger_row *was = &l->rows[i], *is = NULL;

        if (now.n_rows > 0)
            is = bsearch(was, now.rows, now.n_rows, sizeof *was, row_cmp);
        ck_assert_msg(is != NULL, "%.*s is gone", (int)was->series.len, was->series.p);
        ck_assert_msg(is->value >= was->value, "%.*s fell from %.17g to %.17g",
                      (int)was->series.len, was->series.p, was->value, is->value);
    }
    ledger_release(l);
    *l = now;
}

void ledger_release(struct ledger *l)
{
    free(l->rows);
    buf_release(&l->text);
    *l = (struct ledger){0};
}
