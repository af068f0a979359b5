/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters under scrape, tick and reload: totals are exact at the end, and nothing falls on the way
 */
#include "threads/crew.h"

#include <math.h>
#include <stdio.h>

#include "lib/unit.h"

#define N_ROUNDS  20000u
#define N_MEMBERS 200u /* of the set, from each worker; the workers' halves overlap */

static const char *const mappings[] = {
    "mappings:\n"
    "- match: lat.*\n"
    "  name: lat\n"
    "  observer_type: histogram\n"
    "  histogram_options: {buckets: [1, 2, 4, 8]}\n"
    "  labels: {part: $1}\n",
    "mappings:\n"
    "- match: nothing.*\n"
    "  name: nothing\n"
    "- match: lat.*\n"
    "  name: lat\n"
    "  observer_type: histogram\n"
    "  histogram_options: {buckets: [1, 2, 4, 8]}\n"
    "  labels: {part: $1}\n",
};

static void feed_all_types(struct feeder *f)
{
    for (unsigned n = 0; n < N_ROUNDS; n++) {
        feeder_line(f, "hits:1|c");
        feeder_line(f, "hits:2|c|@0.5");
        feeder_line(f, "parts:0.25|c");
        feeder_line(f, "own:1|c|#worker:%u", f->i);
        feeder_line(f, "lat.a:%u|h", n % 10);
        feeder_line(f, "lat.b:1|h|@0.1");
        feeder_line(f, "time:%u|ms", n % 50);
        feeder_line(f, "up:+1|g");
        feeder_line(f, "users:%u|s", f->i * N_MEMBERS / 2 + n % N_MEMBERS);
        feeder_line(f, "bad:line:|c");
        if (n % (N_ROUNDS / 10) == 0)
            feeder_pause(f, 1);
        else if (n % 8 == 0)
            feeder_send(f);
    }
}

static void check_totals(struct crew *c)
{
    const double n = N_ROUNDS * CREW_N_WORKERS;
    char series[64];

    crew_scrape(c, 65536, NULL);
    ck_assert_double_eq(crew_value(c, "hits"), n + 4 * n);
    ck_assert_double_eq(crew_value(c, "parts"), n / 4);
    for (unsigned i = 0; i < CREW_N_WORKERS; i++) {
        (void)snprintf(series, sizeof series, "own{worker=\"%u\"}", i);
        ck_assert_double_eq(crew_value(c, series), N_ROUNDS);
    }
    ck_assert_double_eq(crew_value(c, "lat_bucket{part=\"a\",le=\"1\"}"), n / 5);
    ck_assert_double_eq(crew_value(c, "lat_bucket{part=\"a\",le=\"8\"}"), n * 9 / 10);
    ck_assert_double_eq(crew_value(c, "lat_count{part=\"a\"}"), n);
    ck_assert_double_eq(crew_value(c, "lat_sum{part=\"a\"}"), n * 4.5);
    ck_assert_double_eq(crew_value(c, "lat_count{part=\"b\"}"), 10 * n);
    ck_assert_double_eq(crew_value(c, "time_count"), n);
    ck_assert_double_eq_tol(crew_value(c, "time_sum"), n * 0.0245, 1e-6 * n);
    ck_assert_double_eq(crew_value(c, "up"), n);
    ck_assert_double_eq(crew_value(c, "users"), N_MEMBERS / 2 * (CREW_N_WORKERS + 1));
    ck_assert_double_eq(crew_value(c, "statsd_exporter_lines_total"), 10 * n);
}

/* What every worker counted is on the page, no sample more or less, and no page on the way shows a
 * counter, a bucket or a count below an earlier page's. */
START_TEST(test_counters_are_exact_and_never_fall)
{
    struct ledger ledger = {0};
    unsigned n_pages = 0;
    struct crew c;

    crew_start(&c, mappings[0], 0, feed_all_types);
    while (crew_busy(&c)) {
        ledger_turn(&ledger, crew_scrape(&c, 1 + n_pages % 5 * 400, NULL));
        crew_pass(&c, 1);
        if (++n_pages % 4 == 0)
            crew_map(&c, mappings[n_pages / 4 % 2]);
    }
    crew_join(&c);
    ck_assert_uint_gt(n_pages, 3);
    check_totals(&c);
    ledger_turn(&ledger, crew_scrape(&c, 65536, NULL));
    ledger_release(&ledger);
    crew_release(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("counters");
    TCase *counters = tcase_create("counters");

    tcase_set_timeout(counters, 60);
    tcase_add_test(counters, test_counters_are_exact_and_never_fall);
    suite_add_tcase(s, counters);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
