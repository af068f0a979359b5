/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values: what the series of a kind show, in steps, and how they are let go
 */
#include "bacowr/values.h"

#include <math.h>
#include <string.h>

#include "lib/engine.h"
#include "lib/unit.h"

#define HISTOGRAMS                                                            \
    "mappings:\n"                                                             \
    "- {match: 'h.*', name: h, labels: {of: $1}, observer_type: histogram}\n" \
    "- {match: 'short.*', name: short, labels: {of: $1}, ttl: 1m}\n"

/* What was told, a line each: `name{labels} value` or `name{labels} count/sum`. */
struct told {
    struct buf text;
    enum bacowr_values_kind kind;
    const char *let_go; /* the name of those to forget; NULL: none */
};

static enum bacowr_verdict tell(void *ctx, const struct bacowr_value *value)
{
    struct told *t = ctx;

    buf_addf(&t->text, "%.*s{%.*s} ", (int)value->name.len, value->name.p, (int)value->labels.len,
             value->labels.p);
    if (t->kind == BACOWR_VALUES_OBSERVERS)
        buf_addf(&t->text, "%llu/%g\n", (unsigned long long)value->count, value->sum);
    else
        buf_addf(&t->text, "%g\n", value->value);
    return t->let_go != NULL && slice_eq_str(value->name, t->let_go) ? BACOWR_LET_GO : BACOWR_KEEP;
}

/* In @e->text: what is told of @kind, @step at a time. */
static const char *walk(struct engine *e, enum bacowr_values_kind kind, const char *prefix,
                        unsigned step, const char *let_go)
{
    struct told t = {.kind = kind, .let_go = let_go};
    struct bacowr_values *v = NULL;
    int r;

    ck_assert_int_eq(bacowr_values_new(&v, e->b, kind, slice_str(prefix), e->now_ms), 0);
    while ((r = bacowr_values_next(v, step, tell, &t)) == 1)
        continue;
    ck_assert_int_eq(r, 0);
    bacowr_values_free(v);
    buf_clear(&e->text);
    buf_add_slice(&e->text, buf_slice(&t.text));
    buf_add_byte(&e->text, '\0');
    ck_assert(!e->text.failed);
    buf_release(&t.text);
    return e->text.p;
}

static void feed_all(struct engine *e)
{
    engine_feed(e, "b:2|c");
    engine_feed(e, "a:1|c|#k:v");
    engine_feed(e, "a:4|c");
    engine_feed(e, "g:1.5|g");
    engine_feed(e, "s:x|s");
    engine_feed(e, "t:2|h");
    engine_feed(e, "t:4|h");
    engine_feed(e, "h.x:0.5|h");
}

/* Each kind is told by itself, families by name and series by birth; sets are of none. */
START_TEST(test_values_kinds)
{
    struct engine e;

    engine_init(&e, NULL, HISTOGRAMS);
    feed_all(&e);
    for (unsigned step = 1; step < 20; step += 6) {
        ck_assert_str_eq(walk(&e, BACOWR_VALUES_COUNTERS, "", step, NULL),
                         "a{k=\"v\"} 1\na{} 4\nb{} 2\n");
        ck_assert_str_eq(walk(&e, BACOWR_VALUES_GAUGES, "", step, NULL), "g{} 1.5\n");
        ck_assert_str_eq(walk(&e, BACOWR_VALUES_OBSERVERS, "", step, NULL),
                         "h{of=\"x\"} 1/0.5\nt{} 2/6\n");
    }
    engine_release(&e);
}
END_TEST

/* A prefix is the beginning of a name, whatever stands before and behind it in order. */
START_TEST(test_values_prefix)
{
    struct engine e;

    engine_init(&e, NULL, NULL);
    engine_feed(&e, "ab_c:1|c\nab:2|c\nab_b:3|c\nab-d:4|c\nabc:5|c\na:6|c\nb:7|c");
    ck_assert_str_eq(walk(&e, BACOWR_VALUES_COUNTERS, "ab_", 1, NULL),
                     "ab_b{} 3\nab_c{} 1\nab_d{} 4\n");
    ck_assert_str_eq(walk(&e, BACOWR_VALUES_COUNTERS, "b", 1, NULL), "b{} 7\n");
    ck_assert_str_eq(walk(&e, BACOWR_VALUES_COUNTERS, "c", 1, NULL), "");
    ck_assert_str_eq(walk(&e, BACOWR_VALUES_GAUGES, "a", 1, NULL), "");
    engine_release(&e);
}
END_TEST

/* What is born after the walk began is not told, and what expires meanwhile is no trouble. */
START_TEST(test_values_between_steps)
{
    struct told t = {.kind = BACOWR_VALUES_COUNTERS};
    struct bacowr_values *v = NULL;
    struct engine e;

    engine_init(&e, NULL, "mappings:\n- {match: 'a.*', name: a, ttl: 1s, labels: {id: $1}}\n");
    engine_feed(&e, "a.1:1|c\na.2:2|c\na.3:3|c\nz:1|c|#k:old");
    ck_assert_int_eq(
        bacowr_values_new(&v, e.b, BACOWR_VALUES_COUNTERS, (struct slice){0}, e.now_ms), 0);
    ck_assert_int_eq(bacowr_values_next(v, 1, tell, &t), 1);
    engine_pass(&e, 5000);
    engine_feed(&e, "a.4:4|c\nz:1|c|#k:new\nzz:1|c");
    while (bacowr_values_next(v, 1, tell, &t) == 1)
        continue;
    bacowr_values_free(v);
    buf_add_byte(&t.text, '\0');
    ck_assert_str_eq(t.text.p, "a{id=\"1\"} 1\nz{k=\"old\"} 1\n");
    buf_release(&t.text);
    engine_release(&e);
}
END_TEST

/* A series that is let go is gone with the next steps; others stay, and it can be born again. */
START_TEST(test_values_let_go)
{
    struct engine e;

    engine_init(&e, NULL, NULL);
    engine_feed(&e, "a:1|c\nb:2|c\ng:1|g");
    walk(&e, BACOWR_VALUES_COUNTERS, "", 1, "a");
    engine_pass(&e, 500);
    ck_assert_double_nan(engine_value(&e, "a"));
    ck_assert_double_eq(engine_value(&e, "b"), 2);
    ck_assert_double_eq(engine_value(&e, "g"), 1);
    engine_feed(&e, "a:7|c");
    ck_assert_double_eq(engine_value(&e, "a"), 7);
    engine_pass(&e, 60000);
    ck_assert_double_eq(engine_value(&e, "a"), 7);
    engine_release(&e);
}
END_TEST

/* One with a time to live goes within a turn of the wheel. */
START_TEST(test_values_let_go_with_ttl)
{
    struct engine e;

    engine_init(&e, NULL, HISTOGRAMS);
    engine_feed(&e, "short.x:1|c");
    engine_pass(&e, 1000);
    walk(&e, BACOWR_VALUES_COUNTERS, "", 1, "short");
    engine_pass(&e, 13000);
    ck_assert_double_nan(engine_value(&e, "short{of=\"x\"}"));
    engine_release(&e);
}
END_TEST

/* What goes on being sent keeps its value, and what its rule says once it came to the lock. */
START_TEST(test_values_let_go_and_sent)
{
    struct engine e;

    engine_init(&e, NULL, HISTOGRAMS);
    engine_feed(&e, "short.x:1|c");
    walk(&e, BACOWR_VALUES_COUNTERS, "", 1, "short");
    for (unsigned i = 0; i < 200; i++) {
        engine_feed(&e, "short.x:1|c");
        engine_pass(&e, 100);
    }
    ck_assert_double_eq(engine_value(&e, "short{of=\"x\"}"), 201);
    engine_release(&e);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("values");
    TCase *walks = tcase_create("walk");
    TCase *let_go = tcase_create("let_go");

    tcase_add_test(walks, test_values_kinds);
    tcase_add_test(walks, test_values_prefix);
    tcase_add_test(walks, test_values_between_steps);
    suite_add_tcase(s, walks);
    tcase_add_test(let_go, test_values_let_go);
    tcase_add_test(let_go, test_values_let_go_with_ttl);
    tcase_add_test(let_go, test_values_let_go_and_sent);
    suite_add_tcase(s, let_go);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
