/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Births by several workers at once: one series each, within the limit, of one type
 */
#include "threads/crew.h"

#include <stdio.h>

#include "lib/unit.h"

#define N_NAMES  1500u
#define N_LABELS 3u

/* All workers meet the same names in the same order, at the same time. */
static void feed_same_names(struct feeder *f)
{
    for (unsigned n = 0; n < N_NAMES; n++) {
        for (unsigned label = 0; label < N_LABELS; label++)
            feeder_line(f, "n%u:1|c|#l:%u", n, label);
        if (n % 16 == 0)
            pthread_barrier_wait(&f->crew->barrier);
        feeder_send(f);
    }
}

static void check_same_names(struct crew *c)
{
    char series[64];

    crew_scrape(c, 65536, NULL);
    for (unsigned n = 0; n < N_NAMES; n += 7) {
        (void)snprintf(series, sizeof series, "n%u{l=\"%u\"}", n, n % N_LABELS);
        ck_assert_double_eq(crew_value(c, series), CREW_N_WORKERS);
    }
    ck_assert_double_eq(crew_value(c, "statsd_exporter_events_total{type=\"counter\"}"),
                        N_NAMES * N_LABELS * CREW_N_WORKERS);
    ck_assert_double_eq(crew_value(c, "statsd_exporter_metrics_total{type=\"counter\"}"), N_NAMES);
}

/* A series that several workers meet at the same time is born once and counts for all. The limit is
 * the very number of series: none of them is refused. */
START_TEST(test_births_of_the_same_series)
{
    struct ledger ledger = {0};
    struct crew c;

    crew_start(&c, NULL, N_NAMES * N_LABELS, feed_same_names);
    while (crew_busy(&c)) {
        ledger_turn(&ledger, crew_scrape(&c, 4096, NULL));
        crew_pass(&c, 100);
    }
    crew_join(&c);
    check_same_names(&c);
    ledger_release(&ledger);
    crew_release(&c);
}
END_TEST

static void feed_names_of_its_own(struct feeder *f)
{
    for (unsigned n = 0; n < N_NAMES; n++) {
        feeder_line(f, "w%u.n%u:1|%s", f->i, n, n % 3 ? "c" : "h");
        feeder_line(f, "w%u.n%u:1|%s", f->i, n / 2, n / 2 % 3 ? "c" : "h");
        if (n % 4 == 0)
            feeder_send(f);
    }
}

/* Never more series than allowed, folds of half their reserve included, for all names are new;
 * what is refused is counted, and nothing else is lost. */
START_TEST(test_births_at_the_limit)
{
    const double n_sent = 2.0 * N_NAMES * CREW_N_WORKERS;
    const double limit = N_NAMES + (16 + N_NAMES / 16) / 2;
    struct crew c;
    double n_applied;

    crew_start(&c, NULL, N_NAMES, feed_names_of_its_own);
    while (crew_busy(&c)) {
        crew_scrape(&c, 4096, NULL);
        ck_assert_double_le(crew_value(&c, "statsd_exporter_metrics_total{type=\"counter\"}") +
                                crew_value(&c, "statsd_exporter_metrics_total{type=\"summary\"}"),
                            limit);
        crew_pass(&c, 100);
    }
    crew_join(&c);
    crew_scrape(&c, 65536, NULL);
    ck_assert_double_eq(crew_value(&c, "statsd_exporter_metrics_total{type=\"counter\"}") +
                            crew_value(&c, "statsd_exporter_metrics_total{type=\"summary\"}"),
                        limit);
    n_applied = crew_value(&c, "statsd_exporter_events_total{type=\"counter\"}") +
                crew_value(&c, "statsd_exporter_events_total{type=\"observer\"}");
    ck_assert_double_eq(
        n_applied + crew_value(&c, "statsd_exporter_events_error_total{reason=\"series_limit\"}"),
        n_sent);
    ck_assert_double_ge(n_applied, limit);
    crew_release(&c);
}
END_TEST

/* One worker gives birth; the others, who know more names than they can remember the ways of, look
 * them up meanwhile. */
static void feed_known_names(struct feeder *f)
{
    const unsigned n_known = 3 * CREW_MAX_ROUTES;

    for (unsigned n = 0; n < n_known; n++) {
        feeder_line(f, "known:1|c|#n:%u", n);
        if (n % 50 == 0)
            feeder_send(f);
    }
    feeder_send(f);
    pthread_barrier_wait(&f->crew->barrier);
    for (unsigned n = 0; n < 3 * n_known; n++) {
        feeder_line(f, f->i == 0 ? "new:1|c|#n:%u" : "known:1|c|#n:%u",
                    f->i == 0 ? n : n % n_known);
        if (n % 10 == 0)
            feeder_send(f);
    }
}

/* Index and lists grow under the eyes of those who read them. */
START_TEST(test_births_beside_lookups)
{
    struct ledger ledger = {0};
    struct crew c;
    char series[64];

    crew_start(&c, NULL, 0, feed_known_names);
    while (crew_busy(&c)) {
        ledger_turn(&ledger, crew_scrape(&c, 65536, NULL));
        crew_pass(&c, 100);
    }
    crew_join(&c);
    crew_scrape(&c, 65536, NULL);
    for (unsigned n = 0; n < 3 * CREW_MAX_ROUTES; n += 97) {
        (void)snprintf(series, sizeof series, "known{n=\"%u\"}", n);
        ck_assert_double_eq(crew_value(&c, series), CREW_N_WORKERS + 3 * (CREW_N_WORKERS - 1));
        (void)snprintf(series, sizeof series, "new{n=\"%u\"}", 3 * n);
        ck_assert_double_eq(crew_value(&c, series), 1);
    }
    ledger_release(&ledger);
    crew_release(&c);
}
END_TEST

/* The same names, but each worker takes them for another type. */
static void feed_other_types(struct feeder *f)
{
    static const char *const types[CREW_N_WORKERS] = {"c", "g", "h"};

    for (unsigned n = 0; n < 300; n++) {
        feeder_line(f, "n%u:1|%s", n, types[(f->i + n) % CREW_N_WORKERS]);
        feeder_line(f, "n%u_count:1|%s", n, types[(f->i + n) % 2]);
        if (n % 8 == 0)
            pthread_barrier_wait(&f->crew->barrier);
        feeder_send(f);
    }
}

/* One type wins a name, and one family the names of samples: the page is right at every moment. */
START_TEST(test_births_of_one_name_in_several_types)
{
    struct crew c;
    double n_applied = 0;

    crew_start(&c, NULL, 0, feed_other_types);
    while (crew_busy(&c)) {
        crew_scrape(&c, 4096, NULL);
        crew_pass(&c, 100);
    }
    crew_join(&c);
    crew_scrape(&c, 65536, NULL);
    n_applied = crew_value(&c, "statsd_exporter_events_total{type=\"counter\"}") +
                crew_value(&c, "statsd_exporter_events_total{type=\"gauge\"}") +
                crew_value(&c, "statsd_exporter_events_total{type=\"observer\"}");
    ck_assert_double_ge(n_applied, 300);
    ck_assert_double_lt(n_applied, 2 * 300 * CREW_N_WORKERS);
    crew_release(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("births");
    TCase *births = tcase_create("births");

    tcase_set_timeout(births, 60);
    tcase_add_test(births, test_births_of_the_same_series);
    tcase_add_test(births, test_births_at_the_limit);
    tcase_add_test(births, test_births_beside_lookups);
    tcase_add_test(births, test_births_of_one_name_in_several_types);
    suite_add_tcase(s, births);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
