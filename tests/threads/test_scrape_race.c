/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scrapes, slice by slice, while series of the same family are born and die
 */
#include "threads/crew.h"

#include "lib/unit.h"

#define N_ROUNDS 120u
#define N_BRIEF  50u /* in each round of each worker */
#define N_KEPT   (CREW_N_WORKERS * N_ROUNDS * N_BRIEF / 10)

static const char mapping[] = "mappings:\n"
                              "- match: kept.*\n"
                              "  name: mixed\n"
                              "  labels: {kept: $1}\n"
                              "  ttl: 9h\n"
                              "- match: brief.*\n"
                              "  name: mixed\n"
                              "  labels: {brief: $1}\n"
                              "  ttl: 1s\n";

/* Generation on generation of brief ones, and among them a few that are kept: the family's list is
 * compacted again and again, and each time the kept ones move. */
static void feed_generations(struct feeder *f)
{
    for (unsigned round = 0; round < N_ROUNDS; round++) {
        unsigned first = (f->i * N_ROUNDS + round) * N_BRIEF;

        for (unsigned n = first; n < first + N_BRIEF; n++) {
            feeder_line(f, "brief.%u:1|c", n);
            if (n % 10 == 0)
                feeder_line(f, "kept.%u:1|c", n / 10);
        }
        feeder_pause(f, 200);
    }
}

static void grow_older(struct crew *c)
{
    crew_pass(c, 40);
}

/* How many of the kept ones are on the page; none is there twice: the strict reader has seen to
 * that. */
static unsigned n_kept(struct slice page)
{
    static const struct slice start = {"mixed{kept=", 11};
    unsigned n = 0;

    while (page.len > 0) {
        size_t len = slice_find(page, '\n');

        n += slice_starts(page, start);
        page = slice_from(page, len + 1);
    }
    return n;
}

/* A series that is alive from the scrape's first slice to its last is on the page, whatever happens
 * between the slices to those around it. */
START_TEST(test_scrape_race_shows_all_that_live)
{
    unsigned n_before = 0;
    struct crew c;

    crew_start(&c, mapping, 0, feed_generations);
    while (crew_busy(&c)) {
        unsigned n = n_kept(crew_scrape(&c, 600, grow_older));

        ck_assert_uint_ge(n, n_before);
        n_before = n;
        crew_pass(&c, 50);
    }
    crew_join(&c);
    ck_assert_uint_eq(n_kept(crew_scrape(&c, 600, grow_older)), N_KEPT);
    ck_assert_double_gt(crew_value(&c, "bacowr_statsd_series_expired_total"), N_KEPT);
    crew_release(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("scrape_race");
    TCase *scrape = tcase_create("scrape");

    tcase_set_timeout(scrape, 60);
    tcase_add_test(scrape, test_scrape_race_shows_all_that_live);
    suite_add_tcase(s, scrape);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
