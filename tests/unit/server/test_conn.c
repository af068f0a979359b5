/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conn: whose bytes are read in which turn of a worker's loop; the test turns it by hand
 */
#include "server/conn.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/unit.h"
#include "server/worker.h"

#define SHARE    (16 * 1024u) /* of a connection in a turn */
#define N_SHARES 16u          /* in a turn, of connections that wait for one */
#define MAX_FDS  40

static struct bacowr *engine;
static struct worker *worker;
static int ours[MAX_FDS], n_fds;
static uint64_t sent;

static void start(void)
{
    const struct bacowr_config config = {.n_workers = 1};

    ck_assert_int_eq(bacowr_new(&engine, &config), 0);
    ck_assert_int_eq(worker_new(&worker, 0, bacowr_worker(engine, 0)), 0);
    n_fds = 0;
    sent = 0;
}

static void stop(void)
{
    worker_free(worker);
    bacowr_free(engine);
    for (int i = 0; i < n_fds; i++)
        close(ours[i]);
}

/* One more connection to the worker. */
static void add(void)
{
    int fds[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    ck_assert_int_eq(worker_hand_over(worker, (struct worker_arrival){.fd = fds[0]}), 0);
    ours[n_fds++] = fds[1];
}

static void turn(void)
{
    uv_run(&worker->loop, UV_RUN_NOWAIT);
}

static uint64_t received(void)
{
    return relaxed_load(&worker->counters.tcp_bytes);
}

/* As many lines as the socket takes. */
static void fill(int fd)
{
    char lines[8 * 1024];
    ssize_t n;

    for (size_t i = 0; i < sizeof lines; i += 8)
        memcpy(lines + i, "abcd:1|c", 8);
    for (size_t i = 63; i < sizeof lines; i += 64)
        lines[i] = '\n';
    while ((n = write(fd, lines, sizeof lines)) > 0)
        sent += (uint64_t)n;
}

/* However much one connection has to say, a turn takes one share of it, and in the end all. */
START_TEST(test_conn_reads_one_share_a_turn)
{
    uint64_t before;

    add();
    turn();
    fill(ours[0]);
    ck_assert_uint_gt(sent, 4 * SHARE);
    while ((before = received()) < sent) {
        turn();
        ck_assert_uint_gt(received(), before);
        ck_assert_uint_le(received() - before, SHARE);
    }
}
END_TEST

/*
 * Of many that have much to say a few are read in each turn, every one in its turn; and the loop
 * goes round without waiting for anything else until nobody waits.
 */
START_TEST(test_conn_reads_a_few_of_many)
{
    uint64_t before;

    for (int i = 0; i < MAX_FDS; i++)
        add();
    turn();
    for (int i = 0; i < MAX_FDS; i++)
        fill(ours[i]);
    turn(); /* nobody has had a share before */
    ck_assert_uint_eq(received(), MAX_FDS * SHARE);
    for (unsigned i = 0; i < 5; i++) {
        before = received();
        ck_assert(uv_is_active((uv_handle_t *)&worker->spin));
        turn();
        ck_assert_uint_eq(received() - before, N_SHARES * SHARE);
    }
    while (received() < sent) {
        before = received();
        turn();
        ck_assert_uint_gt(received(), before);
    }
    for (unsigned n = 0; n < MAX_FDS;
         n += N_SHARES) /* those that had their last share still wait */
        turn();
    ck_assert(!uv_is_active((uv_handle_t *)&worker->spin));
}
END_TEST

/* A connection that waits for its turn may end, and the worker with it. */
START_TEST(test_conn_ends_while_it_waits)
{
    for (int i = 0; i < 20; i++)
        add();
    turn();
    for (int i = 0; i < 20; i++)
        fill(ours[i]);
    turn();
    turn();
    conn_end_all(worker);
    turn();
    ck_assert_uint_eq(relaxed_load(&worker->counters.tcp_closed), 20);
    ck_assert_uint_eq(relaxed_load(&worker->counters.tcp_silent_since), UINT64_MAX);
}
END_TEST

/* The counter tells of the connection that has been silent the longest. */
START_TEST(test_conn_tells_who_is_silent)
{
    uint64_t first, second;

    add();
    turn();
    first = relaxed_load(&worker->counters.tcp_silent_since);
    usleep(20 * 1000);
    add();
    turn();
    ck_assert_uint_eq(relaxed_load(&worker->counters.tcp_silent_since), first);
    usleep(20 * 1000);
    ck_assert_int_eq(write(ours[0], "a:1|c\n", 6), 6);
    turn();
    second = relaxed_load(&worker->counters.tcp_silent_since);
    ck_assert_uint_gt(second, first);
    ck_assert_int_le((int64_t)second, worker_now_ms());
    close(ours[1]);
    ours[1] = -1;
    turn();
    ck_assert_uint_gt(relaxed_load(&worker->counters.tcp_silent_since), second);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("conn");
    TCase *turns = tcase_create("turns"), *silence = tcase_create("silence");

    tcase_add_checked_fixture(turns, start, stop);
    tcase_add_test(turns, test_conn_reads_one_share_a_turn);
    tcase_add_test(turns, test_conn_reads_a_few_of_many);
    tcase_add_test(turns, test_conn_ends_while_it_waits);
    suite_add_tcase(s, turns);
    tcase_add_checked_fixture(silence, start, stop);
    tcase_add_test(silence, test_conn_tells_who_is_silent);
    suite_add_tcase(s, silence);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
