/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reload while workers are fed: every sample follows one mapping or the other
 */
#include "threads/crew.h"

#include <stdio.h>

#include "lib/page.h"
#include "lib/unit.h"

#define N_ROUNDS 6000u
#define N_PARTS  20u

/* By turns a name goes to one family or another, is dropped, has a time to live. */
static const char *const mappings[] = {
    "mappings:\n"
    "- match: app.*\n"
    "  name: app_one\n"
    "  labels: {part: $1}\n",
    "mappings:\n"
    "- match: 'app\\.(.*)'\n"
    "  match_type: regex\n"
    "  name: app_two\n"
    "  labels: {part: $1, more: x}\n"
    "  ttl: 1h\n",
    "mappings:\n"
    "- match: app.*\n"
    "  action: drop\n"
    "  name: none\n",
    "defaults: {ttl: 2h}\n",
};
#define N_MAPPINGS (sizeof mappings / sizeof mappings[0])

static void feed_parts(struct feeder *f)
{
    for (unsigned n = 0; n < N_ROUNDS; n++) {
        for (unsigned part = 0; part < N_PARTS; part++)
            feeder_line(f, "app.p%u:1|c", part);
        if (n % (N_ROUNDS / 20) == 0)
            feeder_pause(f, 100);
        else
            feeder_send(f);
    }
}

static double sum_of(struct crew *c, const char *fmt)
{
    double sum = 0;

    for (unsigned part = 0; part < N_PARTS; part++) {
        char series[64];
        double v = 0;

        (void)snprintf(series, sizeof series, fmt, part);
        sum += page_value(buf_slice(&c->page), series, &v) ? v : 0;
    }
    return sum;
}

/* Samples of a name that each reload sends elsewhere all arrive somewhere, or are dropped as the
 * mapping of their time says. */
START_TEST(test_reload_race_loses_no_sample)
{
    const double n_sent = (double)N_ROUNDS * N_PARTS * CREW_N_WORKERS;
    struct ledger ledger = {0};
    unsigned n = 0;
    struct crew c;
    double arrived;

    crew_start(&c, NULL, 0, feed_parts);
    while (crew_busy(&c)) {
        crew_map(&c, mappings[n++ % N_MAPPINGS]);
        crew_pass(&c, 100);
        if (n % 2 == 0)
            ledger_turn(&ledger, crew_scrape(&c, 700, NULL));
    }
    crew_join(&c);
    crew_scrape(&c, 65536, NULL);
    arrived = sum_of(&c, "app_one{part=\"p%u\"}") + sum_of(&c, "app_two{more=\"x\",part=\"p%u\"}") +
              sum_of(&c, "app_p%u") +
              crew_value(&c, "statsd_exporter_events_actions_total{action=\"drop\"}");
    ck_assert_double_eq(arrived, n_sent);
    ledger_release(&ledger);
    crew_release(&c);
}
END_TEST

/* ---- other buckets, windows and types by turns ---- */

#define N_STORM 4000u

static const char *const storms[] = {
    "defaults: {observer_type: summary}\n"
    "mappings:\n- {match: h.*, name: h, labels: {id: $1}, observer_type: histogram, "
    "histogram_options: {buckets: [1, 3, 9]}}\n",
    "defaults: {observer_type: histogram}\n"
    "mappings:\n- {match: h.*, name: h, labels: {id: $1}, observer_type: histogram, ttl: 1h, "
    "histogram_options: {buckets: [2, 3, 4, 5, 6, 9]}}\n",
    "defaults: {observer_type: summary, set_options: {window: 30s}}\n"
    "mappings:\n- {match: h.*, name: h, labels: {id: $1}, observer_type: histogram, "
    "histogram_options: {buckets: [9]}}\n",
};
#define N_STORMS (sizeof storms / sizeof storms[0])

static void feed_storm(struct feeder *f)
{
    for (unsigned n = 0; n < N_STORM; n++) {
        for (unsigned i = 0; i < 10; i++)
            feeder_line(f, "h.p%u:%u|h", i, n % 12);
        feeder_line(f, "s:%u|h", n % 7);
        feeder_line(f, "m:%u|s", n % 50);
        if (n % (N_STORM / 40) == 0)
            feeder_pause(f, 100);
        else
            feeder_send(f);
    }
}

/* What may not fall: each series' count, sum of counts, and the bound that all mappings have. */
static void check_storm(struct crew *c, double *was)
{
    for (unsigned i = 0; i < 10; i++) {
        static const char *const fmts[] = {"h_count{id=\"p%u\"}", "h_bucket{id=\"p%u\",le=\"9\"}",
                                           "h_sum{id=\"p%u\"}"};

        for (unsigned k = 0; k < 3; k++) {
            double v = 0, *last = &was[3 * i + k];
            char series[64];

            (void)snprintf(series, sizeof series, fmts[k], i);
            if (!page_value(buf_slice(&c->page), series, &v))
                v = 0;
            ck_assert_msg(v >= *last, "%s fell from %g to %g", series, *last, v);
            *last = v;
        }
    }
}

/* A summary that is a histogram by turns loses nothing. */
static void check_type(struct crew *c, double *was)
{
    double v;

    if (!page_value(buf_slice(&c->page), "s_count", &v))
        return;
    ck_assert_double_ge(v, *was);
    *was = v;
}

/* A storm of reloads that move all series again and again: sent is counted, and nothing falls. */
START_TEST(test_reload_race_storm)
{
    double was[30] = {0}, was_observed = 0;
    unsigned n = 0;
    struct crew c;

    crew_start(&c, storms[0], 0, feed_storm);
    while (crew_busy(&c)) {
        crew_map(&c, storms[++n % N_STORMS]);
        for (unsigned i = 0; i < 4; i++) {
            crew_pass(&c, 100);
            crew_scrape(&c, 700, NULL);
            check_storm(&c, was);
            check_type(&c, &was_observed);
        }
    }
    crew_join(&c);
    crew_pass(&c, 100);
    crew_scrape(&c, 65536, NULL);
    check_storm(&c, was);
    for (unsigned i = 0; i < 10; i++)
        ck_assert_double_eq(was[3 * i], N_STORM * CREW_N_WORKERS);
    ck_assert_double_eq(crew_value(&c, "s_count"), N_STORM * CREW_N_WORKERS);
    ck_assert_double_gt(crew_value(&c, "bacowr_statsd_series_rebuilt_total"), 20);
    crew_release(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("reload_race");
    TCase *reload = tcase_create("reload");

    tcase_set_timeout(reload, 60);
    tcase_add_test(reload, test_reload_race_loses_no_sample);
    tcase_add_test(reload, test_reload_race_storm);
    suite_add_tcase(s, reload);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
