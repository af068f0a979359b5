/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tap: that readers get lines in order, that what they do not get is counted, and that a ring goes
 * round
 */
#include "server/tap.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "lib/unit.h"

static struct tap *tap;
static char got[65536];
static size_t n_got;
static uint64_t skipped;

/* In libuv's place: while another thread would hold it. */
static bool lock_is_taken;

int uv_mutex_trylock(uv_mutex_t *lock)
{
    if (lock_is_taken)
        return UV_EBUSY;
    return pthread_mutex_trylock(lock) == 0 ? 0 : UV_EBUSY;
}

/* Likewise: it stands still between two steps of a test. */
static uint64_t clock_ns = 1000000000;

uint64_t uv_hrtime(void)
{
    return clock_ns;
}

static void start(void)
{
    ck_assert_int_eq(tap_new(&tap, 2), 0);
}

static void stop(void)
{
    tap_free(tap);
}

/* Takes no more behind a line that is "enough". */
static bool keep(void *ctx, const struct tap_line *line)
{
    (void)ctx;
    ck_assert_uint_lt(n_got + line->text.len + 2, sizeof got);
    got[n_got++] = line->first ? '+' : '&';
    memcpy(got + n_got, line->text.p, line->text.len);
    n_got += line->text.len;
    got[n_got++] = ' ';
    return !slice_eq_str(line->text, "enough");
}

static int open_tap(uint64_t rate, const char *match)
{
    struct tap_filter f = {.rate = rate, .match_len = strlen(match)};

    memcpy(f.match, match, f.match_len);
    return tap_open(tap, &f);
}

static void feed(unsigned worker, const char *text)
{
    struct bacowr_datagram d = {.p = text, .len = strlen(text)};

    if (tap_is_on(tap_lane(tap, worker)))
        tap_take(tap_lane(tap, worker), &d, 1);
}

static const char *take(int reader, unsigned max)
{
    n_got = 0;
    skipped = 4711;
    tap_read(tap, reader, max, keep, NULL, &skipped);
    got[n_got] = '\0';
    return got;
}

/* Nobody taps: nothing is kept. A reader gets what came since it is there, datagram by datagram. */
START_TEST(test_tap_order)
{
    int r;

    feed(0, "early:1|c");
    ck_assert(!tap_is_on(tap_lane(tap, 0)));
    r = open_tap(0, "");
    ck_assert_int_ge(r, 0);
    ck_assert(tap_is_on(tap_lane(tap, 1)));
    feed(0, "a:1|c\r\n\nb:1|c\n");
    feed(0, "c:1|c");
    feed(1, "d:1|c\ne:1|c");
    ck_assert_str_eq(take(r, 100), "+a:1|c &b:1|c +d:1|c &e:1|c +c:1|c ");
    ck_assert_uint_eq(skipped, 0);
    ck_assert_str_eq(take(r, 100), "");
    tap_close(tap, r);
    ck_assert(!tap_is_on(tap_lane(tap, 0)));
}
END_TEST

/* Half a line that the kernel or a stream cut is none. */
START_TEST(test_tap_cut)
{
    struct bacowr_datagram d = {.p = "a:1|c\nb:1", .len = 9, .truncated = true};
    int r = open_tap(0, "");

    tap_take(tap_lane(tap, 0), &d, 1);
    ck_assert_str_eq(take(r, 1), "+a:1|c ");
    ck_assert_str_eq(take(r, 1), "");
}
END_TEST

/* What is over the budget of a window is counted. */
START_TEST(test_tap_rate)
{
    int r = open_tap(60, ""); /* 3 a window and worker */

    feed(0, "a:1|c\nb:1|c\nc:1|c\nd:1|c\ne:1|c");
    ck_assert_str_eq(take(r, 100), "+a:1|c &b:1|c &c:1|c ");
    ck_assert_uint_eq(skipped, 2);
    take(r, 100);
    ck_assert_uint_eq(skipped, 0);
}
END_TEST

/* A line that does not match is neither kept nor counted, and costs none of the rate. */
START_TEST(test_tap_match)
{
    static const struct {
        const char *match, *line;
        bool matches;
    } cases[] = {
        {"", "", true},
        {"", "a", true},
        {"a", "", false},
        {"a", "xax", true},
        {"a*c", "abc", true},
        {"a*c", "ca", false},
        {"*", "", true},
        {"**a**", "ba", true},
        {"aa", "a", false},
        {"a*a", "a", false},
        {"api.*|ms", "api.x:1|ms", true},
    };
    int r = open_tap(20, "b");

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_int_eq(tap_matches(slice_str(cases[i].match), slice_str(cases[i].line)),
                         cases[i].matches);
    feed(0, "a:1|c\na2:1|c\nb:1|c");
    ck_assert_str_eq(take(r, 100), "+b:1|c ");
    ck_assert_uint_eq(skipped, 0);
}
END_TEST

/* A ring that is full keeps what it has and counts the rest; then it goes round, bytes whole. */
START_TEST(test_tap_ring)
{
    char line[1000];
    uint64_t n_put = 0, n_lost = 0, n_read = 0;
    int r = open_tap(0, "");

    for (unsigned turn = 0; turn < 20; turn++) {
        for (unsigned i = 0; i < 50; i++, n_put++) {
            memset(line, 'a' + (int)(n_put % 26), sizeof line - 1);
            line[sizeof line - 1 - n_put % 300] = '\0';
            feed(0, line);
        }
        while (take(r, 1), n_got > 0) {
            for (size_t k = 1; k + 1 < n_got; k++)
                ck_assert_int_eq(got[k], 'a' + (int)(n_read % 26));
            n_read++;
        }
        ck_assert_uint_eq(skipped, 0);
    }
    ck_assert_uint_eq(n_read, n_put);
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = '\0';
    for (unsigned i = 0; i < 1000; i++)
        feed(0, line);
    n_read = 0;
    while (take(r, 1), n_got > 0) {
        n_read++;
        n_lost += skipped;
    }
    ck_assert_uint_eq(n_read + n_lost, 1000);
    ck_assert_uint_lt(n_read, TAP_ROOM / 1000);
    ck_assert_uint_gt(n_read, TAP_ROOM / 1000 - 10);
}
END_TEST

/* Who has enough is asked again with the next line, not with the same. */
START_TEST(test_tap_enough)
{
    int r = open_tap(0, "");

    feed(0, "a\nenough\nb");
    ck_assert_str_eq(take(r, 100), "+a &enough ");
    ck_assert_str_eq(take(r, 100), "&b ");
}
END_TEST

/* So many readers, each with its own; a line that is too long is counted. */
START_TEST(test_tap_readers)
{
    static char line[TAP_LINE_MAX + 2];
    int readers[TAP_MAX];

    for (int i = 0; i < TAP_MAX; i++) {
        readers[i] = open_tap(0, "");
        ck_assert_int_eq(readers[i], i);
    }
    ck_assert_int_eq(open_tap(0, ""), -EBUSY);
    memset(line, 'x', sizeof line - 1);
    feed(1, line);
    feed(1, "a:1|c");
    for (int i = 0; i < TAP_MAX; i++) {
        ck_assert_str_eq(take(readers[i], 10), "+a:1|c ");
        ck_assert_uint_eq(skipped, 1);
    }
    tap_close(tap, 2);
    ck_assert_int_eq(open_tap(0, ""), 2);
    ck_assert_str_eq(take(2, 10), "");
}
END_TEST

/* A worker that finds the lock taken goes on: its lines are told as left out, once to each reader
 * that was there. */
START_TEST(test_tap_lock_taken)
{
    int r = open_tap(0, ""), later;

    lock_is_taken = true;
    feed(0, "a:1|c\r\n\nb:1|c");
    feed(1, "c:1|c\n");
    lock_is_taken = false;
    later = open_tap(0, "");
    feed(0, "d:1|c");
    ck_assert_str_eq(take(later, 100), "+d:1|c ");
    ck_assert_uint_eq(skipped, 0);
    ck_assert_str_eq(take(r, 100), "+d:1|c ");
    ck_assert_uint_eq(skipped, 3);
    take(r, 100);
    ck_assert_uint_eq(skipped, 0);
}
END_TEST

/* A window has its budget of lines, and with a filter of bytes that are searched; the next one has
 * it again. */
START_TEST(test_tap_windows)
{
    static char line[60000];
    int r = open_tap(20, ""), searched = open_tap(0, "b");

    memset(line, 'x', sizeof line - 1);
    for (unsigned i = 0; i < 20; i++)
        feed(0, line);
    take(searched, 100);
    ck_assert_uint_eq(skipped, 2); /* 18 of them are more than a MiB */
    take(r, 100);
    ck_assert_uint_eq(skipped, 20); /* too long */
    for (unsigned i = 0; i < 2; i++) {
        clock_ns += 100000000;
        feed(0, "b:1|c\nb:2|c");
        ck_assert_str_eq(take(r, 100), "+b:1|c ");
        ck_assert_uint_eq(skipped, 1);
        ck_assert_str_eq(take(searched, 100), "+b:1|c &b:2|c ");
        ck_assert_uint_eq(skipped, 0);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tap");
    TCase *c = tcase_create("all");

    tcase_add_checked_fixture(c, start, stop);
    tcase_add_test(c, test_tap_order);
    tcase_add_test(c, test_tap_cut);
    tcase_add_test(c, test_tap_rate);
    tcase_add_test(c, test_tap_match);
    tcase_add_test(c, test_tap_ring);
    tcase_add_test(c, test_tap_enough);
    tcase_add_test(c, test_tap_readers);
    tcase_add_test(c, test_tap_lock_taken);
    tcase_add_test(c, test_tap_windows);
    suite_add_tcase(s, c);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
