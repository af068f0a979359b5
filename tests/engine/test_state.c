/* SPDX-License-Identifier: Apache-2.0 */
/*
 * State: what one engine has counted goes on in the next
 *
 * A "restart" here: all of an engine is saved, a new one loads it, the clock of the new process
 * begins somewhere else. Senders' part of the pages has to be the same in every format.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/engine.h"
#include "lib/page.h"
#include "lib/unit.h"

/* Half a tick away from whole ones, so that clocks have to be aligned. */
#define ZERO_MS INT64_C(1700000000050)

#define RULES                                                                          \
    "defaults: {observer_type: summary}\n"                                             \
    "mappings:\n"                                                                      \
    "- {match: h.*, name: h, observer_type: histogram, labels: {id: $1},\n"            \
    "   histogram_options: {buckets: [1, 2.5, 10]}}\n"                                 \
    "- {match: n.*, name: n, observer_type: histogram, labels: {id: $1},\n"            \
    "   histogram_options: {buckets: [1, 10], native_histogram_bucket_factor: 1.1}}\n" \
    "- {match: kept, name: kept, ttl: 10s, help: 'of its \"own\" \\\\ text'}\n"

struct world {
    struct bacowr_config config;
    struct engine e;
    struct buf state;
    struct bacowr_state_report report;
};

static struct bacowr_config state_config(void)
{
    struct bacowr_config config = engine_config();

    config.n_workers = 3;
    config.unix_ms_at_zero = ZERO_MS;
    config.openmetrics = true;
    return config;
}

static void world_init(struct world *w, const char *rules)
{
    *w = (struct world){.config = state_config()};
    engine_init(&w->e, &w->config, rules);
    w->e.now_ms = 100000;
}

static void world_release(struct world *w)
{
    engine_release(&w->e);
    buf_release(&w->state);
}

static void feed(struct world *w, unsigned worker, const char *text)
{
    engine_feed_to(&w->e, worker, (struct bacowr_datagram){.p = text, .len = strlen(text)});
}

/* Its state in pieces of about @want bytes. */
static void save(struct world *w, bool counts, unsigned want)
{
    struct bacowr_state_save *s;
    int more = 1;

    buf_clear(&w->state);
    must(bacowr_state_save_new(&s, w->e.b, counts, w->e.now_ms) == 0);
    while (more == 1)
        more = bacowr_state_save_next(s, &w->state, want);
    must(more == 0 && !w->state.failed);
    bacowr_state_save_free(s);
}

/* What the last piece brings, in pieces of @step bytes. */
static int load(struct world *w, const struct bacowr_state_load_config *config, struct slice state,
                size_t step)
{
    struct bacowr_state_load *l;
    int more = 1;

    must(bacowr_state_load_new(&l, w->e.b, config, w->e.now_ms) == 0);
    for (size_t at = 0; at < state.len && more == 1; at += step)
        more =
            bacowr_state_load_next(l, state.p + at, state.len - at < step ? state.len - at : step);
    bacowr_state_load_report(l, &w->report);
    bacowr_state_load_free(l);
    return more;
}

static const struct bacowr_state_load_config all = {.counts = true, .max_age_ms = -1};

/* The process ends, @down_ms later the next one begins, with @rules. */
static void restart(struct world *w, const char *rules, int64_t down_ms)
{
    int64_t at_ms = w->config.unix_ms_at_zero + w->e.now_ms + down_ms;

    save(w, true, 1);
    engine_release(&w->e);
    /* Another clock, which has nothing to do with the former one. */
    w->config.unix_ms_at_zero = at_ms - 54321;
    w->config.hash_seed++;
    engine_init(&w->e, &w->config, rules);
    w->e.now_ms = 54321;
    must(load(w, &all, buf_slice(&w->state), 7) == 0);
}

/* ---- the senders' part of a page ---- */

static bool is_own(struct slice name)
{
    return slice_starts(name, SLICE_LIT("statsd_")) || slice_starts(name, SLICE_LIT("bacowr_"));
}

/* Lines, without the engine's own and without quantiles. */
static void keep_lines(struct slice page, struct buf *out)
{
    while (page.len > 0) {
        const char *end = memchr(page.p, '\n', page.len);
        struct slice line = slice_of(page.p, (size_t)(end - page.p) + 1), name = line;

        page = slice_from(page, line.len);
        if (slice_starts(line, SLICE_LIT("# HELP ")) || slice_starts(line, SLICE_LIT("# TYPE ")))
            name = slice_from(line, 7);
        if (!is_own(name) && memmem(line.p, line.len, "quantile=", 9) == NULL)
            buf_add_slice(out, line);
    }
    buf_add_byte(out, '\0');
}

static size_t varint(const char **p)
{
    size_t v = 0;
    unsigned shift = 0, byte;

    do {
        byte = (unsigned char)*(*p)++;
        v |= (size_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte >= 0x80);
    return v;
}

/* Messages, without the engine's own; hexadecimal, for a reader of failures. */
static void keep_messages(struct slice page, struct buf *out)
{
    for (const char *p = page.p, *end = page.p + page.len; p < end;) {
        size_t len = varint(&p);
        const char *message = p, *name = p + 1;
        size_t name_len = varint(&name);

        must(message[0] == 0x0a);
        p += len;
        for (size_t i = 0; i < len && !is_own(slice_of(name, name_len)); i++)
            buf_addf(out, "%02x", (unsigned char)message[i]);
        buf_add_byte(out, '\n');
    }
    buf_add_byte(out, '\0');
}

/* The caller owns it. */
static struct buf senders(struct world *w, const char *accept)
{
    struct buf out = {0};

    if (strcmp(accept, PROTOBUF) == 0)
        keep_messages(engine_page(&w->e, accept), &out);
    else
        keep_lines(engine_page(&w->e, accept), &out);
    must(!out.failed);
    return out;
}

static const char *const formats[] = {"", OPENMETRICS, PROTOBUF};
#define N_FORMATS ((int)(sizeof formats / sizeof formats[0]))

/* ---- tests ---- */

static const char *const traffic[] = {
    "c:1|c\nc:2.1|c|@0.3\nc:0.7|c|#a:b\nkept:3|c\nbig:9007199254740991|c\nbig:1e300|c",
    "c:5|c\nc:0.1|c\nc:0.7|c\nh.a:0.5|h\nh.a:3|h\nh.b:11|h\nn.a:0.001|ms\nn.a:-7|h\nn.a:0|h",
    "g:1.5|g\nneg:-3|g\ng:+1|g|#x:\"\\\nnan:nan|g\nn.a:nan|h\nn.b:1|h|@0.25\nh.a:100|h|@0.1",
};

static void feed_all(struct world *w)
{
    for (unsigned i = 0; i < 3; i++)
        feed(w, i, traffic[i]);
    engine_pass(&w->e, 1300);
    for (unsigned i = 0; i < 3; i++)
        feed(w, i, "late:0.1|c\nc:0.3|c\nh.a:2|h\nn.a:2.25|h\nu:a|s\nu:b|s\nu:c|s|#t:1");
}

/* A restart changes nothing of the senders' page, in any format: values to the last bit, bounds,
 * native buckets, texts, times of creation. */
START_TEST(test_state_goes_on)
{
    struct world w;
    struct buf before, after;

    world_init(&w, RULES);
    feed_all(&w);
    before = senders(&w, formats[_i]);
    restart(&w, RULES, 0);
    ck_assert_uint_gt(w.report.n_series[BACOWR_STATE_RESTORED], 10);
    ck_assert(w.report.has_counts);
    after = senders(&w, formats[_i]);
    ck_assert_str_eq(before.p, after.p);
    buf_release(&before);
    buf_release(&after);
    world_release(&w);
}
END_TEST

/* And again, with more counted in between, and in which order it came is of no matter. */
START_TEST(test_state_counts_on)
{
    struct world once, again;
    struct buf a, b;

    world_init(&once, RULES);
    world_init(&again, RULES);
    for (unsigned round = 0; round < 4; round++) {
        feed(&once, round % 3, "c:1|c\nh.a:3|h\nn.a:3|h\nn.a:0.125|h\ns:1|ms\ng:+1|g\nu:a|s");
        feed(&again, round % 3, "c:1|c\nh.a:3|h\nn.a:3|h\nn.a:0.125|h\ns:1|ms\ng:+1|g\nu:a|s");
        restart(&again, RULES, 0);
        engine_pass(&again.e, 0);
    }
    a = senders(&once, "");
    b = senders(&again, "");
    ck_assert_str_eq(a.p, b.p);
    buf_release(&a);
    buf_release(&b);
    world_release(&once);
    world_release(&again);
}
END_TEST

/* No counter is below what it was, however its value is made up; so for a counter near the end of
 * what whole numbers hold. */
START_TEST(test_state_never_falls)
{
    static const char *const lines[] = {
        "c:0.1|c", "c:9007199254740991|c|@0.5", "c:1e-300|c", "c:3|c", "c:1e17|c", "c:0.3|c"};
    struct world w;
    double was = 0, is;

    world_init(&w, NULL);
    for (unsigned i = 0; i < 600; i++) {
        feed(&w, i % 3, lines[i * 7 % 6]);
        is = engine_value(&w.e, "c");
        ck_assert(is >= was);
        was = is;
        if (i % 5 == 0)
            restart(&w, NULL, 0);
        is = engine_value(&w.e, "c");
        ck_assert(is == was);
    }
    world_release(&w);
}
END_TEST

/* A stream that ends too early, anywhere, is not a whole one; so for a file that is checked. */
START_TEST(test_state_truncated)
{
    const struct bacowr_state_load_config check = {.check_only = true, .counts = true};
    struct world w;

    world_init(&w, RULES);
    feed_all(&w);
    save(&w, true, 200);
    ck_assert_int_eq(load(&w, &check, buf_slice(&w.state), w.state.len), 0);
    for (size_t len = 0; len < w.state.len; len++)
        must(load(&w, &check, slice_of(w.state.p, len), w.state.len) == 1);
    buf_add_byte(&w.state, 'x');
    ck_assert_int_eq(load(&w, &check, buf_slice(&w.state), w.state.len), -EINVAL);
    ck_assert_int_eq(w.report.fault, BACOWR_STATE_DAMAGED);
    world_release(&w);
}
END_TEST

/* No bit of it may be another. */
START_TEST(test_state_flipped)
{
    const struct bacowr_state_load_config check = {.check_only = true, .counts = true};
    struct world w;

    world_init(&w, RULES);
    feed_all(&w);
    save(&w, true, 200);
    for (size_t i = 0; i < w.state.len * 8; i++) {
        w.state.p[i / 8] ^= (char)(1 << i % 8);
        /* A length that is longer waits for more: that is a stream which ends too early. */
        must(load(&w, &check, buf_slice(&w.state), w.state.len) != 0);
        must(w.report.fault != BACOWR_STATE_WELL ? w.report.why[0] != '\0'
                                                 : w.report.why[0] == '\0');
        w.state.p[i / 8] ^= (char)(1 << i % 8);
    }
    ck_assert_int_eq(load(&w, &check, buf_slice(&w.state), w.state.len), 0);
    world_release(&w);
}
END_TEST

/* What is wrong is told apart: none of ours, another version, damaged. */
START_TEST(test_state_faults)
{
    struct world w;

    world_init(&w, NULL);
    save(&w, true, 200);
    ck_assert_int_eq(load(&w, &all, SLICE_LIT("# HELP up\n# TYPE up gauge\n"), 3), -EINVAL);
    ck_assert_int_eq(w.report.fault, BACOWR_STATE_FOREIGN);
    w.state.p[8]++;
    ck_assert_int_eq(load(&w, &all, buf_slice(&w.state), 3), -EINVAL);
    ck_assert_int_eq(w.report.fault, BACOWR_STATE_VERSION);
    ck_assert_uint_eq(w.report.version, 2);
    w.state.p[8]--;
    w.state.p[w.state.len - 1]++;
    ck_assert_int_eq(load(&w, &all, buf_slice(&w.state), 3), -EINVAL);
    ck_assert_int_eq(w.report.fault, BACOWR_STATE_DAMAGED);
    world_release(&w);
}
END_TEST

/* Of a process that goes on, only what tells of now is taken: counters begin anew, and say so. */
START_TEST(test_state_without_counts)
{
    const struct bacowr_state_load_config not_clean = {.max_age_ms = -1};
    struct world w, next;

    world_init(&w, NULL);
    world_init(&next, NULL);
    feed(&w, 0, "c:1|c\ng:2|g\nh:3|h\nu:a|s\nu:b|s");
    save(&w, false, 100);
    ck_assert_int_eq(load(&next, &all, buf_slice(&w.state), 10), 0);
    ck_assert(!next.report.has_counts);
    ck_assert_str_eq(engine_series(&next.e), "g 2\nu 2\n");
    engine_release(&next.e);
    engine_init(&next.e, &next.config, NULL);
    save(&w, true, 100);
    ck_assert_int_eq(load(&next, &not_clean, buf_slice(&w.state), 10), 0);
    ck_assert_str_eq(engine_series(&next.e), "g 2\nu 2\n");
    ck_assert_uint_eq(next.report.n_series[BACOWR_STATE_NOT_COUNTED], 2);
    ck_assert_uint_eq(next.report.n_series[BACOWR_STATE_RESTORED], 2);
    world_release(&w);
    world_release(&next);
}
END_TEST

/* Gauges and sets of too long ago are left, counters are not. */
START_TEST(test_state_too_old)
{
    const struct bacowr_state_load_config minute = {.counts = true, .max_age_ms = 60000};
    struct world w, next;

    world_init(&w, NULL);
    world_init(&next, NULL);
    feed(&w, 0, "c:1|c\ng:2|g\nu:a|s");
    save(&w, true, 100);
    next.e.now_ms = w.e.now_ms + 60000;
    ck_assert_int_eq(load(&next, &minute, buf_slice(&w.state), 10), 0);
    ck_assert_int_eq(next.report.age_ms, 60000);
    ck_assert_uint_eq(next.report.n_series[BACOWR_STATE_RESTORED], 3);
    engine_release(&next.e);
    engine_init(&next.e, &next.config, NULL);
    next.e.now_ms = w.e.now_ms + 60100;
    ck_assert_int_eq(load(&next, &minute, buf_slice(&w.state), 10), 0);
    ck_assert_str_eq(engine_series(&next.e), "c 1\n");
    ck_assert_uint_eq(next.report.n_series[BACOWR_STATE_TOO_OLD], 2);
    world_release(&w);
    world_release(&next);
}
END_TEST

/* A time to live goes on where it stood; the time between two processes is not counted. */
START_TEST(test_state_expires)
{
    struct world w;

    world_init(&w, RULES);
    feed(&w, 0, "kept:1|c\nc:1|c");
    engine_pass(&w.e, 8000);
    restart(&w, RULES, 3600 * 1000);
    engine_pass(&w.e, 1500);
    ck_assert_str_eq(engine_series(&w.e), "c 1\nkept 1\n");
    engine_pass(&w.e, 1000);
    ck_assert_str_eq(engine_series(&w.e), "c 1\n");
    world_release(&w);
}
END_TEST

/* A window moves on by the wall clock. */
START_TEST(test_state_window)
{
    static const char rules[] = "mappings:\n- {match: u, name: u, set_options: {window: 60s}}\n";
    struct world w;

    world_init(&w, rules);
    feed(&w, 0, "u:a|s\nu:b|s");
    engine_pass(&w.e, 30000);
    feed(&w, 1, "u:c|s\nu:b|s");
    restart(&w, rules, 0);
    ck_assert_double_eq(engine_value(&w.e, "u"), 3);
    feed(&w, 2, "u:d|s");
    ck_assert_double_eq(engine_value(&w.e, "u"), 4);
    restart(&w, rules, 45000);
    ck_assert_double_eq(engine_value(&w.e, "u"), 3);
    restart(&w, rules, 45000);
    ck_assert_double_eq(engine_value(&w.e, "u"), 0);
    world_release(&w);
}
END_TEST

/* Many members, in every kind of block: as many as before. */
START_TEST(test_state_members)
{
    struct world w;
    double before;
    char line[32];

    world_init(&w, NULL);
    for (unsigned i = 0; i < (unsigned)_i; i++) {
        snprintf(line, sizeof line, "u:%u|s", i);
        feed(&w, i % 3, line);
    }
    before = engine_value(&w.e, "u");
    restart(&w, NULL, 0);
    ck_assert_double_eq(engine_value(&w.e, "u"), before);
    feed(&w, 1, "u:0|s\nu:1|s");
    ck_assert_double_eq(engine_value(&w.e, "u"), before);
    world_release(&w);
}
END_TEST

static const struct {
    const char *after; /* the mapping after the restart */
    const char *line;  /* fed once before, once after; NULL: not after */
    const char *series;
} changes[] = {
    /* Other buckets, other types of observers: as a reload would change them. */
    {"mappings:\n- {match: h.*, name: h, observer_type: histogram, labels: {id: $1},\n"
     "   histogram_options: {buckets: [1, 5]}}\n",
     "h.a:2|h",
     "h_bucket{id=\"a\",le=\"1\"} 0\nh_bucket{id=\"a\",le=\"5\"} 2\n"
     "h_bucket{id=\"a\",le=\"+Inf\"} 2\nh_sum{id=\"a\"} 4\nh_count{id=\"a\"} 2\n"},
    {"mappings:\n- {match: h.*, name: h, observer_type: summary, labels: {id: $1}}\n", "h.a:2|h",
     "h_sum{id=\"a\"} 4\nh_count{id=\"a\"} 2\n"},
    {"mappings:\n- {match: x, name: x, observer_type: histogram, histogram_options: {buckets: "
     "[1]}}\n",
     "x:1|h", "x_bucket{le=\"1\"} 0\nx_bucket{le=\"+Inf\"} 2\nx_sum 2\nx_count 2\n"},
    /* What the new rules send elsewhere stays as it was. */
    {"mappings:\n- {match: c, name: other}\n", "c:2|c", "c 2\nother 2\n"},
};
#define N_CHANGES ((int)(sizeof changes / sizeof changes[0]))

/* Rules that changed meanwhile hold from the next sample on, and nothing is lost. */
START_TEST(test_state_follows_rules)
{
    struct world w;

    world_init(&w, RULES);
    feed(&w, 1, changes[_i].line);
    restart(&w, changes[_i].after, 0);
    feed(&w, 2, changes[_i].line);
    engine_pass(&w.e, 1000);
    ck_assert_str_eq(engine_series(&w.e), changes[_i].series);
    world_release(&w);
}
END_TEST

/* What cannot be taken is left with its reason, and the rest is taken. */
START_TEST(test_state_refusals)
{
    struct world w, next;

    world_init(&w, NULL);
    feed(&w, 0, "a:1|c\nb:2|g\nd:1|c\ne_sum:1|c\nf:4|g\ng:5|g");
    save(&w, true, 100);
    world_init(&next, NULL);
    must(bacowr_reserve(next.e.b, "d") == 0);
    feed(&next, 0, "a:7|g\ne:1|h");
    ck_assert_int_eq(load(&next, &all, buf_slice(&w.state), 1000), 0);
    ck_assert_uint_eq(next.report.n_series[BACOWR_STATE_TYPE], 1);
    ck_assert_uint_eq(next.report.n_series[BACOWR_STATE_NAME], 2);
    ck_assert_uint_eq(next.report.n_series[BACOWR_STATE_RESTORED], 3);
    ck_assert_str_eq(engine_series(&next.e), "a 7\nb 2\ne_sum 1\ne_count 1\nf 4\ng 5\n");
    engine_release(&next.e);
    next.config.max_series = 4;
    engine_init(&next.e, &next.config, NULL);
    ck_assert_int_eq(load(&next, &all, buf_slice(&w.state), 1000), 0);
    ck_assert_uint_eq(next.report.n_series[BACOWR_STATE_LIMIT], 2);
    world_release(&w);
    world_release(&next);
}
END_TEST

static const struct {
    const char *rules; /* after the restart */
    const char *first; /* fed after it, NULL: nothing */
    const char *line;  /* then this, and once more when time has passed */
    const char *series;
} yielding[] = {
    /* Under other rules a name that nobody sends as it was is free for what comes. */
    {"mappings: []\n", NULL, "c:5|g", "c 5\nx_count 1\n"},
    {"mappings: []\n", NULL, "x:2|h", "c 1\nx_sum 2\nx_count 1\n"},
    /* One that is sent is not; nor any under the same rules. */
    {"mappings: []\n", "c:1|c", "c:5|g", "c 2\nx_count 1\n"},
    {RULES, NULL, "c:5|g", "c 1\nx_count 1\n"},
    {RULES, NULL, "x:2|h", "c 1\nx_count 1\n"},
};
#define N_YIELDING ((int)(sizeof yielding / sizeof yielding[0]))

/* What was restored does not hold a name against newer rules. */
START_TEST(test_state_yields)
{
    struct world w;

    world_init(&w, RULES);
    feed(&w, 1, "c:1|c\nx_count:1|c");
    restart(&w, yielding[_i].rules, 0);
    engine_pass(&w.e, 100);
    if (yielding[_i].first != NULL)
        feed(&w, 0, yielding[_i].first);
    feed(&w, 0, yielding[_i].line);
    engine_pass(&w.e, 1000);
    feed(&w, 0, yielding[_i].line);
    ck_assert_str_eq(engine_series(&w.e), yielding[_i].series);
    world_release(&w);
}
END_TEST

/* Two states are added up. */
START_TEST(test_state_adds)
{
    struct world w, next;

    world_init(&w, RULES);
    world_init(&next, RULES);
    feed(&w, 0, "c:1|c\nh.a:2|h\nn.a:3|h\nn.a:300|h\nu:a|s\ng:1|g");
    save(&w, true, 100);
    engine_pass(&next.e, 200);
    feed(&next, 0, "c:10|c\nh.a:5|h\nn.a:0.1|h\nu:a|s\nu:b|s\ng:5|g");
    ck_assert_int_eq(load(&next, &all, buf_slice(&w.state), 1000), 0);
    ck_assert_int_eq(load(&next, &all, buf_slice(&w.state), 1000), 0);
    ck_assert_str_eq(
        engine_series(&next.e),
        "c 12\ng 5\n"
        "h_bucket{id=\"a\",le=\"1\"} 0\nh_bucket{id=\"a\",le=\"2.5\"} 2\n"
        "h_bucket{id=\"a\",le=\"10\"} 3\nh_bucket{id=\"a\",le=\"+Inf\"} 3\n"
        "h_sum{id=\"a\"} 9\nh_count{id=\"a\"} 3\n"
        "n_bucket{id=\"a\",le=\"1\"} 1\nn_bucket{id=\"a\",le=\"10\"} 3\n"
        "n_bucket{id=\"a\",le=\"+Inf\"} 5\nn_sum{id=\"a\"} 606.1\nn_count{id=\"a\"} 5\n"
        "u 2\n");
    world_release(&w);
    world_release(&next);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("state");
    TCase *round = tcase_create("round"), *damage = tcase_create("damage");
    TCase *time = tcase_create("time"), *rules = tcase_create("rules");

    tcase_add_loop_test(round, test_state_goes_on, 0, N_FORMATS);
    tcase_add_test(round, test_state_counts_on);
    tcase_add_test(round, test_state_never_falls);
    tcase_add_loop_test(round, test_state_members, 30, 34);
    tcase_add_loop_test(round, test_state_members, 3000, 3001);
    suite_add_tcase(s, round);
    tcase_add_test(damage, test_state_truncated);
    tcase_add_test(damage, test_state_flipped);
    tcase_add_test(damage, test_state_faults);
    suite_add_tcase(s, damage);
    tcase_add_test(time, test_state_without_counts);
    tcase_add_test(time, test_state_too_old);
    tcase_add_test(time, test_state_expires);
    tcase_add_test(time, test_state_window);
    suite_add_tcase(s, time);
    tcase_add_loop_test(rules, test_state_follows_rules, 0, N_CHANGES);
    tcase_add_loop_test(rules, test_state_yields, 0, N_YIELDING);
    tcase_add_test(rules, test_state_refusals);
    tcase_add_test(rules, test_state_adds);
    suite_add_tcase(s, rules);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
