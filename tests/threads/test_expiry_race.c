/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expiry while workers are fed: series die and come back, pages stay right, nothing is counted
 * twice
 */
#include "threads/crew.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "lib/unit.h"

#define N_ROUNDS 6000u
#define N_NAMES  60u
#define MAPPING  "defaults: {ttl: 1s}\nmappings:\n- match: steady\n  name: steady\n  ttl: 9h\n"

/* Each worker has its favourites of the moment; the others grow old meanwhile. A name beside each
 * counts nothing: what it shows came from a route that was no longer its own. */
static _Atomic unsigned n_sent[N_NAMES];

static void feed_favourites(struct feeder *f)
{
    for (unsigned n = 0; n < N_ROUNDS; n++) {
        for (unsigned i = 0; i < 6; i++) {
            unsigned name = (n / 50 * 7 + feeder_random(f, 8)) % N_NAMES;

            atomic_fetch_add(&n_sent[name], 1);
            feeder_line(f, "n%u:1|c", name);
            feeder_line(f, "still%u:0|c", (name * 31 + n) % (4 * N_NAMES));
            feeder_line(f, "h%u:%u|h", name, i);
            feeder_line(f, "s%u:%u|s", name, feeder_random(f, 60));
        }
        feeder_line(f, "steady:1|c");
        if (n % 50 == f->i)
            feeder_pause(f, 300 + feeder_random(f, 900));
        else
            feeder_send(f);
    }
}

/* What the pages told of one name's lives. */
struct lives {
    double now;
    double before; /* the last that was seen of each earlier life */
};

static void look_at(struct lives *l, double v, unsigned sent)
{
    if (v < l->now)
        l->before += l->now;
    l->now = v;
    ck_assert_double_le(l->before + l->now, sent);
}

static void look(struct crew *c, struct lives *lives)
{
    double values[N_NAMES] = {0};
    char *line;

    ck_assert_int_eq(buf_add_byte(&c->page, '\0'), 0);
    for (line = strtok(c->page.p, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        unsigned n;
        double v;

        if (sscanf(line, "n%u %lf", &n, &v) == 2)
            values[n] = v;
        else if (sscanf(line, "still%u %lf", &n, &v) == 2)
            ck_assert_double_eq(v, 0);
    }
    for (unsigned n = 0; n < N_NAMES; n++)
        look_at(&lives[n], values[n], atomic_load(&n_sent[n]));
}

static void grow_older(struct crew *c)
{
    crew_pass(c, 40);
}

static double expired(struct crew *c)
{
    return crew_value(c, "bacowr_statsd_series_expired_total");
}

/* The sum over a name's lives is never more than was sent; what never counted shows 0; pages begun
 * before a death and ended after it are right; what lives longer loses nothing. */
START_TEST(test_expiry_race_counts_nothing_twice)
{
    struct lives lives[N_NAMES] = {{0}};
    unsigned n_pages = 0;
    struct crew c;

    crew_start(&c, MAPPING, 0, feed_favourites);
    while (crew_busy(&c)) {
        if (n_pages++ % 8 == 0) {
            crew_scrape(&c, 300, grow_older);
            look(&c, lives);
        }
        crew_pass(&c, 150);
    }
    crew_join(&c);
    crew_scrape(&c, 65536, NULL);
    ck_assert_double_gt(expired(&c), 0);
    ck_assert_double_eq(crew_value(&c, "steady"), N_ROUNDS * CREW_N_WORKERS);
    look(&c, lives);
    for (unsigned i = 0; i < 100; i++)
        crew_pass(&c, 100);
    crew_scrape(&c, 65536, NULL);
    ck_assert_double_eq(crew_value(&c, "bacowr_statsd_series_born_total"), expired(&c) + 1);
    ck_assert_double_eq(crew_value(&c, "steady"), N_ROUNDS * CREW_N_WORKERS);
    crew_release(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("expiry_race");
    TCase *expiry = tcase_create("expiry");

    tcase_set_timeout(expiry, 60);
    tcase_add_test(expiry, test_expiry_race_counts_nothing_twice);
    suite_add_tcase(s, expiry);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
