/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ingest: what a turn of a worker's loop takes from its UDP sockets, when it pauses after that, and
 * that nothing is lost by it. Most tests turn the loop by hand, with a pause too long to mistake.
 */
#include "server/ingest.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/unit.h"
#include "server/joined.h"

#define LINE          "abcd.efgh:1|c"
#define SHARE         ((uint64_t)WORKER_N_CHUNKS) /* datagrams of a socket in a turn */
#define LONG_PAUSE_NS 500000000u
#define N_SOCKETS     2

static struct bacowr *engine;
static struct worker *worker;
static struct ingest *in[N_SOCKETS];
static int sender;

static void start(void)
{
    const struct bacowr_config config = {.n_workers = 1};

    ck_assert_int_eq(bacowr_new(&engine, &config), 0);
    ck_assert_int_eq(worker_new(&worker, 0, bacowr_worker(engine, 0)), 0);
    memset(in, 0, sizeof in);
    sender = socket(AF_INET, SOCK_DGRAM, 0);
}

static void stop(void)
{
    worker_stop(worker);
    worker_join(worker);
    for (size_t i = 0; i < N_SOCKETS; i++)
        ingest_close(in[i]);
    worker_free(worker);
    bacowr_free(engine);
    close(sender);
}

/* Socket @i, with @buffer asked for. */
static void open_socket(unsigned i, uint64_t buffer)
{
    const struct ingest_config config = {.read_buffer = buffer};
    struct address address;
    struct err e;

    ck_assert_int_eq(address_resolve(&address, "127.0.0.1:0", &e), 0);
    ck_assert_int_eq(ingest_open(&in[i], worker, &address, &config, &e), 0);
}

/* What is sent by loopback is in the receiver's buffer, or lost, when this returns. */
static void send_lines(unsigned i, unsigned n)
{
    const struct sockaddr *sa = (const struct sockaddr *)&in[i]->address.sa;

    for (unsigned k = 0; k < n; k++)
        ck_assert_int_eq(sendto(sender, LINE, strlen(LINE), 0, sa, address_len(sa)), strlen(LINE));
}

static uint64_t received(unsigned i)
{
    return relaxed_load(&in[i]->inlet.counters.datagrams);
}

/* One turn. Did it pause? */
static bool turn(void)
{
    uint64_t begin = uv_hrtime();

    uv_run(&worker->loop, UV_RUN_NOWAIT);
    return uv_hrtime() - begin >= LONG_PAUSE_NS;
}

/* What emptied the socket is followed by a pause; a turn that found nothing is not. */
START_TEST(test_ingest_pauses_when_empty)
{
    open_socket(0, 0);
    worker->pause_ns = LONG_PAUSE_NS;
    ck_assert(!turn());
    send_lines(0, 1);
    ck_assert(turn());
    ck_assert_uint_eq(received(0), 1);
    ck_assert(!turn());
    send_lines(0, SHARE - 1);
    ck_assert(turn());
    ck_assert_uint_eq(received(0), SHARE);
    ck_assert(!turn());
}
END_TEST

/* A turn that took its whole share may have left something behind: the next one comes at once. */
START_TEST(test_ingest_does_not_pause_at_the_cap)
{
    open_socket(0, 0);
    worker->pause_ns = LONG_PAUSE_NS;
    send_lines(0, 2 * SHARE + 10);
    ck_assert(!turn());
    ck_assert_uint_eq(received(0), SHARE);
    ck_assert(!turn());
    ck_assert_uint_eq(received(0), 2 * SHARE);
    ck_assert(turn());
    ck_assert_uint_eq(received(0), 2 * SHARE + 10);
}
END_TEST

/* A group of @n datagrams. */
static void send_group(unsigned i, unsigned n)
{
    const struct sockaddr *sa = (const struct sockaddr *)&in[i]->address.sa;
    const int size = strlen(LINE);
    char text[64 * sizeof LINE] = "";

    for (unsigned k = 0; k < n; k++)
        strcat(text, LINE);
    ck_assert_int_eq(setsockopt(sender, SOL_UDP, UDP_SEGMENT, &size, sizeof size), 0);
    ck_assert_int_eq(sendto(sender, text, strlen(text), 0, sa, address_len(sa)), strlen(text));
}

/* Likewise where messages are groups, of which a turn takes fewer; a socket beside it has its own
 * share. */
START_TEST(test_ingest_does_not_pause_at_the_cap_of_groups)
{
    open_socket(0, 0);
    open_socket(1, 0);
    ck_assert_int_eq(ingest_join(in[0], true), 0);
    ck_assert_int_eq(ingest_join(in[1], false), 0);
    ck_assert(in[0]->inlet.joined && !in[1]->inlet.joined);
    worker->pause_ns = LONG_PAUSE_NS;
    for (unsigned i = 0; i < 2 * JOINED_N_MESSAGES + 3; i++)
        send_group(0, 10);
    ck_assert(!turn());
    ck_assert_uint_eq(received(0), 10 * JOINED_N_MESSAGES);
    send_group(1, SHARE - 1);
    ck_assert(!turn());
    ck_assert_uint_eq(received(0), 20 * JOINED_N_MESSAGES);
    ck_assert_uint_eq(received(1), SHARE - 1);
    ck_assert(turn());
    ck_assert_uint_eq(received(0), 20 * JOINED_N_MESSAGES + 30);
    ck_assert_uint_eq(relaxed_load(&in[0]->inlet.counters.groups), 2 * JOINED_N_MESSAGES + 3);
    ck_assert_uint_eq(relaxed_load(&in[1]->inlet.counters.groups), SHARE - 1);
}
END_TEST

/* One socket that is never empty neither locks out the other nor lets the worker pause. */
START_TEST(test_ingest_is_fair)
{
    open_socket(0, 0);
    open_socket(1, 0);
    worker->pause_ns = LONG_PAUSE_NS;
    send_lines(0, 2 * SHARE + 10);
    send_lines(1, 3);
    ck_assert(!turn());
    ck_assert_uint_eq(received(0), SHARE);
    ck_assert_uint_eq(received(1), 3);
    send_lines(1, SHARE);
    ck_assert(!turn());
    ck_assert_uint_eq(received(1), 3 + SHARE);
    ck_assert(turn());
    ck_assert_uint_eq(received(0), 2 * SHARE + 10);
}
END_TEST

/* A share that happened to be all there was holds up no later pause, of whichever socket. */
START_TEST(test_ingest_forgets_a_full_share)
{
    open_socket(0, 0);
    open_socket(1, 0);
    worker->pause_ns = LONG_PAUSE_NS;
    send_lines(0, SHARE);
    ck_assert(!turn());
    send_lines(1, 1);
    ck_assert(turn());
}
END_TEST

/* A pause is as short as the smallest granted buffer wants it, and at a very small one none. */
START_TEST(test_ingest_small_buffers_shorten_the_pause)
{
    uint64_t whole = worker->pause_ns, shorter;

    open_socket(0, 104 << 10); /* granted: twice that, what most systems give unasked */
    shorter = worker->pause_ns;
    ck_assert_uint_gt(shorter, 0);
    ck_assert_uint_lt(shorter, whole / 4);
    open_socket(1, 16 << 10);
    ck_assert_uint_eq(worker->pause_ns, 0);
    send_lines(1, 1);
    ck_assert(!turn());
    ck_assert_uint_eq(received(1), 1);
}
END_TEST

/* Until the kernel drops: how many datagrams of one line the buffer holds. */
static unsigned capacity(unsigned i)
{
    unsigned n = 0;

    do {
        send_lines(i, 1);
        ingest_sample(in[i], 0);
        n++;
    } while (in[i]->kernel_dropped == 0 && n < 100000);
    return n - 1;
}

/* What a million senders a second say during a pause finds room, whatever was granted. */
START_TEST(test_ingest_a_pause_fits_the_buffer)
{
    static const uint64_t buffers[] = {104 << 10, 208 << 10, 400 << 10, 0};
    uint64_t pause_ns;

    open_socket(0, buffers[_i]);
    pause_ns = worker->pause_ns;
    ck_assert_uint_gt(pause_ns, 0);
    ck_assert_uint_ge(capacity(0), pause_ns / 1000);
}
END_TEST

/* An empty datagram is a datagram, the longest one is whole, however they follow each other. */
START_TEST(test_ingest_takes_datagrams_of_every_length)
{
    static const size_t lengths[] = {0, 1, 65507, 0, 1432, 65507, 3};
    const size_t n = sizeof lengths / sizeof lengths[0];
    static char text[65507];
    const struct sockaddr *sa;
    uint64_t bytes = 0;

    open_socket(0, 0);
    sa = (const struct sockaddr *)&in[0]->address.sa;
    memset(text, '\n', sizeof text);
    for (size_t i = 0; i < n; i++) {
        ck_assert_int_eq(sendto(sender, text, lengths[i], 0, sa, address_len(sa)), lengths[i]);
        bytes += lengths[i];
        turn();
    }
    ck_assert_uint_eq(received(0), n);
    ck_assert_uint_eq(relaxed_load(&in[0]->inlet.counters.bytes), bytes);
    ck_assert_uint_eq(relaxed_load(&in[0]->inlet.counters.truncated), 0);
    ck_assert_uint_eq(relaxed_load(&in[0]->inlet.counters.errors), 0);
    ck_assert_uint_eq(relaxed_load(&worker->counters.batches), n);
}
END_TEST

/* ---- with the thread ---- */

/* Milliseconds until a datagram that is sent now has been fed. */
static double time_to_feed(void)
{
    uint64_t before = relaxed_load(&worker->counters.batches), begin = uv_hrtime();

    send_lines(0, 1);
    while (relaxed_load(&worker->counters.batches) == before)
        usleep(20);
    return (double)(uv_hrtime() - begin) / 1e6;
}

/*
 * A sample is visible within 5 ms, though it comes in a pause: right after another one was fed. A
 * busy machine may be late often, but a pause that is too long is there every time.
 */
START_TEST(test_ingest_is_seen_within_5_ms)
{
    unsigned n_in_time = 0;

    open_socket(0, 0);
    ck_assert_int_eq(worker_start(worker), 0);
    time_to_feed(); /* the only one that comes in no pause */
    for (unsigned i = 0; i < 200; i++)
        n_in_time += time_to_feed() < 5;
    ck_assert_uint_gt(n_in_time, 50);
}
END_TEST

/* At the end what came before it is in, also what came while the worker paused. */
START_TEST(test_ingest_loses_nothing_at_the_end)
{
    open_socket(0, 0);
    worker->pause_ns = LONG_PAUSE_NS;
    ck_assert_int_eq(worker_start(worker), 0);
    time_to_feed(); /* it pauses from here on */
    send_lines(0, 3 * SHARE + 5);
    worker_stop(worker);
    worker_join(worker);
    ck_assert_uint_eq(received(0), 1 + 3 * SHARE + 5);
    ingest_sample(in[0], 0);
    ck_assert_uint_eq(in[0]->kernel_dropped, 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ingest");
    TCase *turns = tcase_create("turns"), *thread = tcase_create("thread");

    tcase_add_checked_fixture(turns, start, stop);
    tcase_add_test(turns, test_ingest_pauses_when_empty);
    tcase_add_test(turns, test_ingest_does_not_pause_at_the_cap);
    tcase_add_test(turns, test_ingest_does_not_pause_at_the_cap_of_groups);
    tcase_add_test(turns, test_ingest_is_fair);
    tcase_add_test(turns, test_ingest_forgets_a_full_share);
    tcase_add_test(turns, test_ingest_small_buffers_shorten_the_pause);
    tcase_add_loop_test(turns, test_ingest_a_pause_fits_the_buffer, 0, 4);
    tcase_add_test(turns, test_ingest_takes_datagrams_of_every_length);
    suite_add_tcase(s, turns);
    tcase_add_checked_fixture(thread, start, stop);
    tcase_add_test(thread, test_ingest_is_seen_within_5_ms);
    tcase_add_test(thread, test_ingest_loses_nothing_at_the_end);
    suite_add_tcase(s, thread);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
