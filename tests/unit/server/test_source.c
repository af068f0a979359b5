/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources: that what is told of a sender is true, whoever else sends and however many
 */
#include "server/source.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "lib/unit.h"

#define ROOM   256
#define N_TRUE 20000

static struct sources *sources;
static uint64_t truth[N_TRUE];

static void start(void)
{
    ck_assert_int_eq(sources_new(&sources, ROOM, 4711), 0);
    memset(truth, 0, sizeof truth);
}

static void stop(void)
{
    sources_free(sources);
}

static struct ip sender(unsigned i)
{
    return (struct ip){0x20010db8, i};
}

static void send_of(unsigned i, uint64_t weight)
{
    sources_add(sources, sender(i), weight,
                &(struct source_counts){.datagrams = 1, .bytes = weight * 10}, i);
    truth[i] += weight;
}

/* What is known of @i; false: nothing. */
static bool find(unsigned i, struct source *out)
{
    for (unsigned k = 0; k < sources_capacity(sources); k++)
        if (sources_read(sources, k, out) && ip_eq(out->ip, sender(i)))
            return true;
    return false;
}

/* Each is bounded from both sides, known or not. */
static void check_laws(unsigned n)
{
    struct source s;

    for (unsigned i = 0; i < n; i++) {
        bool known = find(i, &s);

        ck_assert(known == sources_knows(sources, sender(i)));
        if (!known) {
            ck_assert_uint_le(truth[i], sources_missed(sources, sender(i)));
            ck_assert_uint_le(truth[i], sources_missed_most(sources));
            continue;
        }
        ck_assert_uint_le(s.weight - s.error, truth[i]);
        ck_assert_uint_ge(s.weight, truth[i]);
        ck_assert_uint_le(s.counts.bytes, 10 * truth[i]);
    }
}

/* With room for all, all counts are exact. */
START_TEST(test_source_is_exact_with_room)
{
    struct source s;

    for (unsigned round = 1; round <= 3; round++)
        for (unsigned i = 0; i < 32; i++)
            send_of(i, i * round);
    for (unsigned i = 0; i < 32; i++) {
        ck_assert(find(i, &s));
        ck_assert_uint_eq(s.weight, 6 * i);
        ck_assert_uint_eq(s.error, 0);
        ck_assert_uint_eq(s.counts.datagrams, 3);
        ck_assert_uint_eq(s.counts.bytes, 60 * i);
        ck_assert_int_eq(s.last_ms, i);
    }
    ck_assert_uint_eq(sources_n(sources), 32);
    ck_assert_uint_eq(sources_n_replaced(sources), 0);
    ck_assert_uint_eq(sources_missed_most(sources), 0);
}
END_TEST

/* Who takes another's place takes its weight, and nothing else. An empty place is nobody's. */
START_TEST(test_source_begins_anew)
{
    const struct source_counts all = {
        .datagrams = 5, .bytes = 6, .bad = 7, .series = 8, .limited = 9};
    unsigned n = 0;
    struct source s;

    ck_assert(!sources_knows(sources, (struct ip){0, 0}));
    for (unsigned i = 0; i < 20 * ROOM; i++)
        sources_add(sources, sender(i), 1, &all, 1000);
    for (unsigned i = 0; i < 20 * ROOM; i++)
        sources_add(sources, sender(N_TRUE + i), 1, &(struct source_counts){0}, 2000);
    for (unsigned k = 0; k < sources_capacity(sources); k++) {
        if (!sources_read(sources, k, &s) || s.ip.low < N_TRUE)
            continue;
        n++;
        ck_assert_uint_eq(s.weight, s.error + 1);
        ck_assert_uint_eq(s.counts.datagrams, 0);
        ck_assert_uint_eq(s.counts.bytes, 0);
        ck_assert_uint_eq(s.counts.bad, 0);
        ck_assert_uint_eq(s.counts.series, 0);
        ck_assert_uint_eq(s.counts.limited, 0);
        ck_assert_int_eq(s.last_ms, 2000);
        ck_assert(!sources_knows(sources, (struct ip){s.ip.high + 1, s.ip.low}));
    }
    ck_assert_uint_eq(n, ROOM);
}
END_TEST

/* Ten heavy senders among twenty thousand that come once each: the heavy stay, and are the first,
 * and every bound holds. */
START_TEST(test_source_keeps_the_heavy_ones)
{
    struct source s;

    for (unsigned i = 10; i < N_TRUE; i++) {
        send_of(i, 1 + i % 3);
        send_of(i % 10, 20);
    }
    for (unsigned i = 0; i < 10; i++) {
        ck_assert(find(i, &s));
        ck_assert_uint_ge(s.weight, truth[i]);
        ck_assert_uint_le(s.error, truth[i] / 10);
    }
    ck_assert_uint_eq(sources_n(sources), ROOM);
    ck_assert_uint_gt(sources_n_replaced(sources), N_TRUE / 2);
    check_laws(2000);
}
END_TEST

/* Any mixture, with sums of every size. */
START_TEST(test_source_bounds_hold_for_any_mixture)
{
    uint32_t state = 1;

    for (unsigned i = 0; i < 50000; i++) {
        state = state * 1664525 + 1013904223;
        send_of((state >> 8) % ((state >> 4) % 16 == 0 ? 2000 : 300), state >> 28);
    }
    check_laws(2000);
}
END_TEST

static _Atomic bool done;

static void *write_all(void *arg)
{
    for (unsigned round = 0; round < 200000; round++) {
        struct ip ip = {round, round};

        sources_add(sources, ip, 1, &(struct source_counts){.bytes = round}, round);
    }
    atomic_store(&done, true);
    return NULL;
}

/* A place that changes hands is never seen as half of one and half of the other. */
START_TEST(test_source_is_read_whole)
{
    pthread_t writer;
    struct source s;
    unsigned n_read = 0;

    atomic_store(&done, false);
    ck_assert_int_eq(pthread_create(&writer, NULL, write_all, NULL), 0);
    while (!atomic_load(&done) || n_read == 0) {
        for (unsigned i = 0; i < sources_capacity(sources); i++) {
            if (!sources_read(sources, i, &s))
                continue;
            n_read++;
            ck_assert_uint_eq(s.ip.high, s.ip.low);
            ck_assert(s.counts.bytes == s.ip.low || s.counts.bytes == 0);
        }
    }
    pthread_join(writer, NULL);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("source");
    TCase *c = tcase_create("all");

    tcase_add_checked_fixture(c, start, stop);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, test_source_is_exact_with_room);
    tcase_add_test(c, test_source_begins_anew);
    tcase_add_test(c, test_source_keeps_the_heavy_ones);
    tcase_add_test(c, test_source_bounds_hold_for_any_mixture);
    tcase_add_test(c, test_source_is_read_whole);
    suite_add_tcase(s, c);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
