/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No memory: the n-th allocation fails, for each n, and those that follow it for a while
 *
 * The linker puts the functions below in the place of the allocator's, for our own objects only
 * (see meson.build): what libyaml and PCRE2 allocate never fails. They count what is alive, so a
 * leak is found at the run that made it.
 *
 * The laws: nothing crashes, nothing leaks; what fails says -ENOMEM and can be asked again; a
 * sample that found no memory is counted as that, each other one as what it is; and when there is
 * memory again, everything works again.
 */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "lib/engine.h"
#include "lib/page.h"
#include "lib/unit.h"

/* ---- the allocator ---- */

static struct {
    bool armed;
    unsigned long n_calls;     /* since it was armed */
    unsigned long first, last; /* calls that fail */
    long n_alive;
} heap;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
char *__wrap_strdup(const char *text);
void __wrap_free(void *p);

static bool fails(void)
{
    if (!heap.armed)
        return false;
    heap.n_calls++;
    return heap.n_calls >= heap.first && heap.n_calls <= heap.last;
}

static void *given(void *p)
{
    heap.n_alive += p != NULL;
    return p;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : given(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : given(__real_calloc(n, size));
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
    return fails() ? NULL : given(__real_aligned_alloc(align, size));
}

void *__wrap_realloc(void *p, size_t size)
{
    void *q;

    if (fails())
        return NULL;
    q = __real_realloc(p, size);
    heap.n_alive += p == NULL && q != NULL;
    return q;
}

char *__wrap_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *p = __wrap_malloc(size);

    return p != NULL ? memcpy(p, text, size) : NULL;
}

void __wrap_free(void *p)
{
    heap.n_alive -= p != NULL;
    __real_free(p);
}

static void arm(unsigned long first, unsigned long last)
{
    heap.armed = true;
    heap.n_calls = 0;
    heap.first = first;
    heap.last = last;
}

/* True when an allocation failed, or would have, had there been enough of them. */
static bool disarm(void)
{
    heap.armed = false;
    return heap.n_calls >= heap.first;
}

/* ---- the scenario ---- */

static const char mapping[] =
    "defaults: {ttl: 2s, histogram_options: {buckets: [1, 2]}}\n"
    "mappings:\n"
    "- {match: g.*, name: by_glob, labels: {id: $1}, help: some}\n"
    "- {match: '^r\\.(?P<id>.*)$', match_type: regex, name: by_regex, labels: {id: '${id}'}}\n"
    "- {match: h, name: h, observer_type: histogram}\n"
    "- {match: q, name: q, observer_type: summary, summary_options: {max_age: 1m}}\n"
    "- {match: d, name: d, action: drop}\n";

/* One sample a line, each of its own way and counting once. */
static const char lines[] = "g.a:1|c\ng.b:1|c\nr.a:1|c\nplain:1|c\nplain:1|c|#k:v,l:w\nga:1|g\n"
                            "h:1|h\nh:1|h|#le:x\nq:1|ms\nq:1|ms|#k:v\nu:ann|s\nu:bob|s\n"
                            "plain:1|g\nplain:1|c|T5\nd:1|c\nx:1|q\nga:+1|g|#k:v\nh_count:1|c";

static const char *const shown[] = {"by_glob{id=\"a\"}",
                                    "by_regex{id=\"a\"}",
                                    "plain",
                                    "plain{k=\"v\",l=\"w\"}",
                                    "ga",
                                    "ga{k=\"v\"}",
                                    "h_count",
                                    "h_count{exported_le=\"x\"}",
                                    "q_count",
                                    "q_count{k=\"v\"}",
                                    "u",
                                    "statsd_exporter_events_conflict_total{metric_name=\"plain\","
                                    "type=\"gauge\"}",
                                    "statsd_exporter_events_conflict_total{metric_name=\"h_count\","
                                    "type=\"counter\"}"};

/* Each may fail, for want of memory only. */
static int try_load(struct engine *e)
{
    struct err err;
    int r = bacowr_load_mapping(e->b, "m", slice_str(mapping), NULL, NULL, &err);

    must(r == 0 || r == -ENOMEM);
    return r;
}

/* A page in the format of @accept goes to @page, in vain when it fails. */
static int try_format(struct engine *e, const char *accept, struct buf *page)
{
    struct bacowr_scrape *s;
    int r =
        bacowr_scrape_new(&s, e->b, bacowr_format_for(e->b, slice_str(accept)), NULL, 0, e->now_ms);

    if (r != 0) {
        must(r == -ENOMEM);
        return r;
    }
    do {
        r = bacowr_scrape_next(s, page, 500);
    } while (r == 1);
    must(r == 0 || (r == -ENOMEM));
    bacowr_scrape_free(s);
    return r;
}

static void try_scrape(struct engine *e)
{
    struct buf page = {0};

    (void)try_format(e, "", &page);
    buf_release(&page);
    (void)try_format(e, PROTOBUF, &page);
    buf_release(&page);
}

static int try_explain(struct engine *e)
{
    const struct slice text = SLICE_LIT("r.a:1|c|#k:v\ng.x:1|h\nh:1|g");
    struct buf out = {0};
    int r = bacowr_explain(e->b, text, BACOWR_EXPLAIN_TEXT, &out);

    must(r == 0 || r == -ENOMEM);
    if (r == 0)
        r = bacowr_explain(e->b, text, BACOWR_EXPLAIN_JSON, &out);
    must(r == 0 || r == -ENOMEM);
    buf_release(&out);
    return r;
}

/* So many series, members and rules that every table grows. */
static void feed_many(struct engine *e, int n)
{
    for (int i = 0; i < n; i++) {
        char line[80];

        snprintf(line, sizeof line, "many%d:1|c|#id:%d\nu:m%d|s", i % 7, i, i);
        engine_feed(e, line);
    }
}

static void pass(struct engine *e)
{
    engine_pass(e, 300);
}

/* A mapping is loaded whatever it takes: without one the samples would be others. */
static void load(struct engine *e)
{
    bool armed = heap.armed;

    if (try_load(e) == 0)
        return;
    heap.armed = false;
    must(try_load(e) == 0);
    heap.armed = armed;
}

static void live(struct engine *e, int n_many)
{
    load(e);
    engine_feed(e, lines);
    try_scrape(e);
    pass(e);
    engine_feed(e, lines);
    feed_many(e, n_many);
    (void)try_explain(e);
    load(e);
    pass(e);
    engine_feed(e, lines);
    try_scrape(e);
    engine_pass(e, 4000);
    engine_feed(e, lines);
    try_scrape(e);
}

static double value(struct engine *e, const char *series)
{
    double v;

    page_value(buf_slice(&e->page), series, &v);
    return v;
}

/* Every sample was applied, dropped, refused, in conflict, or found no memory. */
static void check_accounts(struct engine *e, unsigned long first)
{
    struct buf text = {0};
    double n = value(e, "statsd_exporter_samples_total"), sum = 0;

    page_add_counts(buf_slice(&e->page), &text);
    buf_add_byte(&text, '\0');
    for (char *p = strtok(text.p, " "); p != NULL; p = strtok(NULL, " "))
        if (strncmp(p, "events.", 7) == 0 || strncmp(p, "events_conflict.", 16) == 0 ||
            strncmp(p, "events_error.", 13) == 0 || strncmp(p, "sample_errors.", 14) == 0 ||
            strncmp(p, "events_actions.drop", 19) == 0)
            sum += strtod(strchr(p, '=') + 1, NULL);
    if (sum != n)
        ck_abort_msg("at allocation %lu: %g of %g samples counted", first, sum, n);
    buf_release(&text);
}

/* With memory everything is as if nothing had been. */
static void check_healed(struct engine *e, unsigned long first)
{
    double before[sizeof shown / sizeof shown[0]];
    size_t n = sizeof shown / sizeof shown[0];

    must(try_load(e) == 0);
    /* A name whose first sample was lost may have got the type of the second: until it expires. */
    engine_pass(e, 8000);
    engine_feed(e, lines);
    must(try_explain(e) == 0);
    engine_scrape(e);
    check_accounts(e, first);
    for (size_t i = 0; i < n; i++) {
        before[i] = value(e, shown[i]);
        if (!(before[i] >= 1))
            ck_abort_msg("at allocation %lu: %s is %g", first, shown[i], before[i]);
    }
    engine_feed(e, lines);
    engine_scrape(e);
    for (size_t i = 0; i < n; i++)
        if (value(e, shown[i]) < before[i])
            ck_abort_msg("at allocation %lu: %s fell", first, shown[i]);
    must(value(e, "plain") == before[2] + 2);
    /* All of it expires, and the memory of what went is given back. */
    engine_pass(e, 8000);
    if (strcmp(engine_series(e), "") != 0)
        ck_abort_msg("at allocation %lu: still there: %s", first, e->text.p);
    must(value(e, "bacowr_statsd_series_born_total") ==
         value(e, "bacowr_statsd_series_expired_total"));
}

/* One life with failures from the @first allocation on, @n of them. False: there were not so
 * many. */
static bool run(unsigned long first, unsigned long n, int n_many)
{
    struct bacowr_config config = engine_config();
    long before = heap.n_alive;
    struct engine e = {0};
    bool failed;
    int r;

    arm(first, first + n - 1);
    r = bacowr_new(&e.b, &config);
    if (r != 0) {
        must(r == -ENOMEM && e.b == NULL);
        must(heap.n_alive == before);
        disarm();
        must(bacowr_new(&e.b, &config) == 0);
        heap.armed = true;
    }
    live(&e, n_many);
    failed = disarm();
    check_healed(&e, first);
    engine_release(&e);
    if (heap.n_alive != before)
        ck_abort_msg("at allocation %lu: %ld left", first, heap.n_alive - before);
    return failed;
}

/* Every single allocation fails once. */
START_TEST(test_nomem_each)
{
    unsigned long n = 1;

    while (run(n, 1, 0))
        n++;
    ck_assert_uint_gt(n, 300);
}
END_TEST

/* Memory is gone for a while, from every moment on. */
START_TEST(test_nomem_for_a_while)
{
    static const unsigned long lengths[] = {2, 10, 60};
    unsigned long n = 1;

    while (run(n, lengths[_i], 0))
        n += 3;
    ck_assert_uint_gt(n, 300);
}
END_TEST

/* Tables that grow and cannot: index, routes, lists, slab, pools, sets. */
START_TEST(test_nomem_growth)
{
    unsigned long n = 1 + (unsigned long)_i;

    while (run(n, _i % 2 == 0 ? 1 : 5, 400))
        n += 6;
    ck_assert_uint_gt(n, 500);
}
END_TEST

/* Does the page in protobuf have native buckets? 2^-128, the threshold of zero, tells. */
static bool has_native(struct engine *e)
{
    struct buf page = {0};
    bool has;

    must(try_format(e, PROTOBUF, &page) == 0);
    has = memmem(page.p, page.len, "\x31\0\0\0\0\0\0\xf0\x37", 9) != NULL;
    buf_release(&page);
    return has;
}

/* A histogram whose native buckets find no memory counts on, exactly, and shows the others. */
START_TEST(test_nomem_for_native_buckets)
{
    struct engine e = {0};
    struct bacowr_config config = engine_config();
    unsigned n = 0;

    must(bacowr_new(&e.b, &config) == 0);
    must(try_load(&e) == 0);
    engine_feed(&e, "h:1|h");
    ck_assert(has_native(&e));
    arm(1, ULONG_MAX);
    while (n < 30) {
        char line[40];

        snprintf(line, sizeof line, "h:%g|h", pow(1.2, n++));
        engine_feed(&e, line);
    }
    disarm();
    ck_assert(!has_native(&e));
    engine_feed(&e, "h:1|h");
    ck_assert(!has_native(&e));
    engine_scrape(&e);
    ck_assert_double_eq(value(&e, "h_count"), n + 2);
    ck_assert_double_eq(value(&e, "bacowr_statsd_native_histograms_lost_total"), 1);
    check_accounts(&e, 0);
    engine_release(&e);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("nomem");
    TCase *t = tcase_create("allocations");

    tcase_add_test(t, test_nomem_for_native_buckets);
    tcase_add_test(t, test_nomem_each);
    tcase_add_loop_test(t, test_nomem_for_a_while, 0, 3);
    tcase_add_loop_test(t, test_nomem_growth, 0, 4);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
