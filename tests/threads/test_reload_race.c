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

/* By turns a name goes to one family or another, is dropped, has a time to live, another type. */
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
    "defaults: {ttl: 2h, observer_type: histogram}\n",
};
#define CONFLICTS  "statsd_exporter_events_conflict_total{metric_name=\"lat\",type=\"observer\"}"
#define N_MAPPINGS (sizeof mappings / sizeof mappings[0])

static void feed_parts(struct feeder *f)
{
    for (unsigned n = 0; n < N_ROUNDS; n++) {
        for (unsigned part = 0; part < N_PARTS; part++)
            feeder_line(f, "app.p%u:1|c", part);
        feeder_line(f, "lat:1|h");
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
 * mapping of their time says. A family outlives the mapping that made it: what another mapping
 * takes
 * for another type meanwhile is refused, and counted. */
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
    ck_assert_double_eq(crew_value(&c, "lat_count") + crew_value(&c, CONFLICTS),
                        N_ROUNDS * CREW_N_WORKERS);
    ledger_release(&ledger);
    crew_release(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("reload_race");
    TCase *reload = tcase_create("reload");

    tcase_set_timeout(reload, 60);
    tcase_add_test(reload, test_reload_race_loses_no_sample);
    suite_add_tcase(s, reload);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
