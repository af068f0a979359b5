/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Zero first: what is held at 0, how long, and that no page takes anything back
 */
#include <math.h>
#include <stdio.h>

#include "lib/engine.h"
#include "lib/page.h"

#define HOLD_MS 2000

static const char rules[] =
    "mappings:\n"
    "- {match: t, name: t, observer_type: histogram, histogram_options: {buckets: [1, 2]}}\n"
    "- {match: s, name: s, observer_type: summary}\n";

static const char lines[] = "c:5|c\nt:1500|ms\ns:3000|ms\ng:7|g\nu:a|s";

/* Counters, and what they are at last. */
static const struct {
    const char *series;
    double value;
} held[] = {
    {"c", 5},
    {"t_count", 1},
    {"t_sum", 1.5},
    {"t_bucket{le=\"2\"}", 1},
    {"t_bucket{le=\"+Inf\"}", 1},
    {"s_count", 1},
    {"s_sum", 3},
};

/* What tells of now. */
static const struct {
    const char *series;
    double value;
} free_ones[] = {{"g", 7}, {"u", 1}, {"s{quantile=\"0.5\"}", 3}};

#define N(array) (sizeof(array) / sizeof((array)[0]))

static struct engine new_engine(int64_t hold_ms)
{
    struct bacowr_config config = engine_config();
    struct engine e = {.b = NULL};

    config.zero_first_ms = hold_ms;
    config.openmetrics = true;
    engine_init(&e, &config, rules);
    return e;
}

static double value_in(struct slice page, const char *series)
{
    double v;

    ck_assert_msg(page_value(page, series, &v), "no %s", series);
    return v;
}

static void assert_held(struct engine *e, bool is_held)
{
    struct slice page = engine_scrape(e);

    for (size_t i = 0; i < N(held); i++)
        ck_assert_double_eq(value_in(page, held[i].series), is_held ? 0 : held[i].value);
    for (size_t i = 0; i < N(free_ones); i++)
        ck_assert_double_eq(value_in(page, free_ones[i].series), free_ones[i].value);
}

/* Counters of all sorts are 0 for at least the time that was asked for and then what they are,
 * however often somebody looks; what is no counter is shown as it is. */
START_TEST(test_zero_first_holds_counters)
{
    struct engine e = new_engine(HOLD_MS);

    engine_pass(&e, 1050);
    engine_feed(&e, lines);
    for (int64_t age = 0; age < HOLD_MS; age += 100) {
        assert_held(&e, true);
        engine_pass(&e, 100);
    }
    assert_held(&e, true);
    engine_pass(&e, 200);
    assert_held(&e, false);
    engine_release(&e);
}
END_TEST

/* Nobody need look for the time to pass. */
START_TEST(test_zero_first_is_by_the_clock)
{
    struct engine e = new_engine(HOLD_MS);

    engine_feed(&e, lines);
    engine_pass(&e, HOLD_MS + 200);
    assert_held(&e, false);
    engine_release(&e);
}
END_TEST

/* Without the setting everything is shown at once. */
START_TEST(test_zero_first_is_off)
{
    struct engine e = new_engine(0);

    engine_feed(&e, lines);
    assert_held(&e, false);
    engine_release(&e);
}
END_TEST

/* No page shows less than one before it, while series are born, fed and held at any time. */
START_TEST(test_zero_first_never_falls)
{
    struct engine e = new_engine(HOLD_MS);
    double before[8] = {0};
    char name[16], line[32];

    for (unsigned turn = 0; turn < 80; turn++) {
        struct slice page;

        snprintf(line, sizeof line, "n%u:1|c", turn * 7 % 8);
        engine_feed(&e, line);
        engine_pass(&e, turn % 3 * 50);
        page = engine_scrape(&e);
        for (unsigned i = 0; i < 8; i++) {
            double v = 0;

            snprintf(name, sizeof name, "n%u", i);
            page_value(page, name, &v);
            if (isnan(v))
                continue;
            ck_assert_double_ge(v, before[i]);
            before[i] = v;
        }
    }
    for (unsigned i = 0; i < 8; i++)
        ck_assert_double_eq(before[i], 10);
    engine_release(&e);
}
END_TEST

/* A series that returns after its end is as new as any. */
START_TEST(test_zero_first_after_expiry)
{
    struct engine e = new_engine(HOLD_MS);

    engine_map(&e, "defaults: {ttl: 5s}\n");
    engine_feed(&e, "c:5|c");
    engine_pass(&e, 3000);
    ck_assert_double_eq(engine_value(&e, "c"), 5);
    engine_pass(&e, 5000);
    ck_assert(isnan(engine_value(&e, "c")));
    engine_feed(&e, "c:2|c");
    ck_assert_double_eq(engine_value(&e, "c"), 0);
    engine_pass(&e, HOLD_MS + 200);
    ck_assert_double_eq(engine_value(&e, "c"), 2);
    engine_release(&e);
}
END_TEST

/* OpenMetrics holds too, and tells of the birth as ever; protobuf has no bucket of what is held,
 * classic or native: it is the shorter page. */
START_TEST(test_zero_first_in_all_formats)
{
    struct bacowr_config config = engine_config();
    struct engine e = {.b = NULL};
    struct slice page;
    size_t young;

    config.zero_first_ms = HOLD_MS;
    config.openmetrics = true;
    config.unix_ms_at_zero = 1000;
    engine_init(&e, &config, rules);
    engine_feed(&e, "x_total:5|c\nt:1500|ms\n");
    page = engine_page(&e, OPENMETRICS);
    ck_assert_ptr_nonnull(memmem(page.p, page.len, "\nx_total 0", 10));
    ck_assert_ptr_nonnull(memmem(page.p, page.len, "\nx_created 1", 12));
    ck_assert_ptr_nonnull(memmem(page.p, page.len, "\nt_count 0", 10));
    young = engine_page(&e, PROTOBUF).len;
    engine_pass(&e, HOLD_MS + 200);
    page = engine_page(&e, OPENMETRICS);
    ck_assert_ptr_nonnull(memmem(page.p, page.len, "\nx_total 5", 10));
    ck_assert_ptr_nonnull(memmem(page.p, page.len, "\nx_created 1", 12));
    ck_assert_ptr_nonnull(memmem(page.p, page.len, "\nt_count 1", 10));
    ck_assert_uint_lt(young, engine_page(&e, PROTOBUF).len);
    engine_release(&e);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("zero_first");
    TCase *zero = tcase_create("zero first");

    tcase_add_test(zero, test_zero_first_holds_counters);
    tcase_add_test(zero, test_zero_first_is_by_the_clock);
    tcase_add_test(zero, test_zero_first_is_off);
    tcase_add_test(zero, test_zero_first_never_falls);
    tcase_add_test(zero, test_zero_first_after_expiry);
    tcase_add_test(zero, test_zero_first_in_all_formats);
    suite_add_tcase(s, zero);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
