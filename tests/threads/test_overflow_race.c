/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Overflow with several workers: sums are what was sent, while series expire and come back
 */
#include <stdlib.h>
#include <string.h>

#include "lib/unit.h"
#include "threads/crew.h"

#define N_LINES  6000u
#define N_SERIES 300u /* alive at most */

static const char mapping[] =
    "defaults: {ttl: 2s}\n"
    "mappings:\n"
    "- {match: t, name: t, observer_type: histogram, histogram_options: {buckets: [1]}}\n"
    "- {match: \"stays.*\", name: stays, ttl: 0, labels: {id: $1}}\n";

/* Some identities come all the time, some once; pauses let series expire and make room. */
static void feed_identities(struct feeder *f)
{
    for (unsigned n = 0; n < N_LINES; n++) {
        unsigned k = n % 3 == 0 ? n : feeder_random(f, 3 * N_SERIES);

        feeder_line(f, "stays.%u:1|c", k);
        feeder_line(f, "t:1|h|#w:%u,k:%u", f->i, n);
        feeder_line(f, "g:1|g|#k:%u", k);
        if (n % 20 == 0)
            feeder_send(f);
        if (n % 500 == 0)
            feeder_pause(f, 2500);
    }
}

/* The sum of all samples on the page that begin with @name and '{' or ' ', and how many. */
static double sum_of(struct slice page, const char *name, unsigned *n)
{
    size_t len = strlen(name);
    double sum = 0;

    *n = 0;

    while (page.len > 0) {
        struct slice line = slice_of(page.p, slice_find(page, '\n'));

        page = slice_from(page, line.len < page.len ? line.len + 1 : line.len);
        if (line.len > len && memcmp(line.p, name, len) == 0 &&
            (line.p[len] == '{' || line.p[len] == ' ')) {
            sum += strtod(memrchr(line.p, ' ', line.len), NULL);
            ++*n;
        }
    }
    return sum;
}

/* At the limit, with deaths and births: what never expires sums up to what was sent, on no page it
 * is less than on the one before, and each event was applied or refused. */
START_TEST(test_overflow_race_sums)
{
    double last = 0, applied, refused;
    struct crew c;
    unsigned n;

    crew_start(&c, mapping, N_SERIES, feed_identities);
    while (crew_busy(&c)) {
        double sum = sum_of(crew_scrape(&c, 4096, NULL), "stays", &n);

        ck_assert_double_ge(sum, last);
        last = sum;
        ck_assert_double_le(crew_value(&c, "bacowr_statsd_overflow_series"), 16 + N_SERIES / 16);
        crew_pass(&c, 100);
    }
    crew_join(&c);
    ck_assert_double_eq(sum_of(crew_scrape(&c, 65536, NULL), "stays", &n),
                        N_LINES * CREW_N_WORKERS);
    applied = crew_value(&c, "statsd_exporter_events_total{type=\"counter\"}") +
              crew_value(&c, "statsd_exporter_events_total{type=\"gauge\"}") +
              crew_value(&c, "statsd_exporter_events_total{type=\"observer\"}");
    refused = crew_value(&c, "statsd_exporter_events_error_total{reason=\"series_limit\"}");
    ck_assert_double_eq(applied + refused, 3 * N_LINES * CREW_N_WORKERS);
    ck_assert_double_gt(refused, 0);
    ck_assert_double_gt(
        crew_value(&c, "bacowr_statsd_overflow_family_identities{metric_name=\"t\"}"), 1000);
    crew_release(&c);
}
END_TEST

#define MAX_FAMILY 60u
#define MAX_VALUES 25u

static const char short_lives[] = "mappings:\n- {match: \"lives.*.*\", name: lives, ttl: 1s, "
                                  "labels: {path: $1, user: $2}}\n";

/* More series than a family may have, and more users; series expire and others come. */
static void feed_users(struct feeder *f)
{
    for (unsigned n = 0; n < N_LINES; n++) {
        feeder_line(f, "lives.%u.%u:1|c", n % 3, feeder_random(f, 200));
        feeder_line(f, "stays:1|c|#user:%u,path:%u", feeder_random(f, 50), n % 5);
        if (n % 20 == 0)
            feeder_send(f);
        if (n % 500 == 0)
            feeder_pause(f, 1500);
    }
}

/* No family has more series than allowed, but for its fold; what never expires sums up. */
START_TEST(test_overflow_race_limits)
{
    double last = 0;
    struct crew c;
    unsigned n;

    crew_start_limited(&c, short_lives, MAX_FAMILY, MAX_VALUES, feed_users);
    while (crew_busy(&c)) {
        struct slice page = crew_scrape(&c, 4096, NULL);
        double sum = sum_of(page, "stays", &n);

        ck_assert_double_ge(sum, last);
        ck_assert_uint_le(n, MAX_FAMILY + 1);
        last = sum;
        (void)sum_of(page, "lives", &n);
        ck_assert_uint_le(n, MAX_FAMILY + 1);
        crew_pass(&c, 100);
    }
    crew_join(&c);
    ck_assert_double_eq(sum_of(crew_scrape(&c, 65536, NULL), "stays", &n),
                        N_LINES * CREW_N_WORKERS);
    ck_assert_double_gt(crew_value(&c, "bacowr_statsd_folded_events_total{limit=\"family\"}"), 0);
    ck_assert_double_gt(crew_value(&c, "bacowr_statsd_folded_events_total{limit=\"label\"}"), 0);
    crew_release(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("overflow_race");
    TCase *t = tcase_create("overflow_race");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, test_overflow_race_sums);
    tcase_add_test(t, test_overflow_race_limits);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
