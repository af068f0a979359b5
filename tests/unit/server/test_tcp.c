/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP: who gets in at the limit of connections, with a real worker on real sockets
 */
#include "server/tcp.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/unit.h"

#define LIMIT    3
#define EVICT_MS 300

static struct bacowr *engine;
static struct worker *worker;
static uv_loop_t loop;
static struct tcp *tcp;
static struct address address;

static void start(void)
{
    const struct bacowr_config engine_config = {.n_workers = 1};
    const struct tcp_config config = {
        .workers = &worker, .n_workers = 1, .max_connections = LIMIT, .evict_ms = EVICT_MS};
    struct err e;

    ck_assert_int_eq(bacowr_new(&engine, &engine_config), 0);
    ck_assert_int_eq(worker_new(&worker, 0, bacowr_worker(engine, 0)), 0);
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    ck_assert_int_eq(tcp_new(&tcp, &loop, &config), 0);
    ck_assert_int_eq(address_resolve(&address, "127.0.0.1:0", &e), 0);
    ck_assert_int_eq(tcp_listen(tcp, &address, &e), 0);
    ck_assert_int_eq(worker_start(worker), 0);
    ck_assert_int_eq(tcp_start(tcp), 0);
}

static void stop(void)
{
    tcp_close(tcp);
    worker_stop(worker);
    worker_join(worker);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    tcp_free(tcp);
    worker_free(worker);
    bacowr_free(engine);
}

static int connect_once(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    const struct sockaddr *sa = (const struct sockaddr *)&address.sa;

    ck_assert_int_eq(connect(fd, sa, address_len(sa)), 0);
    uv_run(&loop, UV_RUN_NOWAIT);
    return fd;
}

/* Has the server closed it within @wait_ms? */
static bool is_closed(int fd, int wait_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char byte;

    return poll(&p, 1, wait_ms) == 1 && recv(fd, &byte, 1, 0) <= 0;
}

static void say(int fd)
{
    uint64_t before = relaxed_load(&worker->counters.tcp_bytes);

    ck_assert_int_eq(send(fd, "a:1|c\n", 6, 0), 6);
    while (relaxed_load(&worker->counters.tcp_bytes) == before)
        usleep(1000);
}

/* Beyond the limit nobody gets in as long as all have been heard of lately. */
START_TEST(test_tcp_refuses_while_all_are_busy)
{
    struct tcp_stats stats;
    int fds[LIMIT + 1];

    for (int i = 0; i < LIMIT; i++)
        fds[i] = connect_once();
    for (int i = 0; i < LIMIT; i++)
        say(fds[i]);
    fds[LIMIT] = connect_once();
    ck_assert(is_closed(fds[LIMIT], 1000));
    memset(&stats, 0x5a, sizeof stats);
    tcp_read_stats(tcp, &stats);
    ck_assert_uint_eq(stats.connections, LIMIT);
    ck_assert_uint_eq(stats.refused, 1);
    ck_assert_uint_eq(stats.evicted, 0);
    for (int i = 0; i < LIMIT; i++)
        ck_assert(!is_closed(fds[i], 0));
    for (int i = 0; i <= LIMIT; i++)
        close(fds[i]);
}
END_TEST

/* One that was silent for long makes room, the most silent first, and what it said halfway
 * counts. */
START_TEST(test_tcp_puts_a_new_one_in_the_place_of_the_most_silent)
{
    struct tcp_stats stats;
    int fds[LIMIT], late;

    for (int i = 0; i < LIMIT; i++)
        fds[i] = connect_once();
    for (int i = 0; i < LIMIT; i++)
        say(fds[i]);
    say(fds[0]); /* so the second is the most silent one */
    usleep((EVICT_MS + 50) * 1000);
    say(fds[2]);
    late = connect_once();
    ck_assert(is_closed(fds[1], 1000));
    say(late);
    for (int i = 0; i < LIMIT; i += 2)
        ck_assert(!is_closed(fds[i], 0));
    memset(&stats, 0x5a, sizeof stats);
    tcp_read_stats(tcp, &stats);
    ck_assert_uint_eq(stats.connections, LIMIT + 1);
    ck_assert_uint_eq(stats.refused, 0);
    ck_assert_uint_eq(stats.evicted, 1);
    for (int i = 0; i < LIMIT; i++)
        close(fds[i]);
    close(late);
}
END_TEST

/* A crowd that comes at once gets the places of the silent, and not one more. */
START_TEST(test_tcp_never_takes_more_than_the_limit)
{
    enum { CROWD = 10 };
    struct tcp_stats stats;
    int fds[LIMIT], crowd[CROWD], n_in = 0;

    for (int i = 0; i < LIMIT; i++)
        fds[i] = connect_once();
    for (int i = 0; i < LIMIT; i++)
        say(fds[i]);
    usleep((EVICT_MS + 50) * 1000);
    for (int i = 0; i < CROWD; i++)
        crowd[i] = connect_once();
    for (int i = 0; i < LIMIT; i++)
        ck_assert(is_closed(fds[i], 1000));
    for (int i = 0; i < CROWD; i++)
        n_in += !is_closed(crowd[i], 100);
    ck_assert_int_eq(n_in, LIMIT);
    tcp_read_stats(tcp, &stats);
    ck_assert_uint_eq(stats.connections, 2 * LIMIT);
    ck_assert_uint_eq(stats.refused, CROWD - LIMIT);
    ck_assert_uint_eq(stats.evicted, LIMIT);
    for (int i = 0; i < LIMIT; i++)
        close(fds[i]);
    for (int i = 0; i < CROWD; i++)
        close(crowd[i]);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp");
    TCase *limit = tcase_create("limit");

    tcase_add_checked_fixture(limit, start, stop);
    tcase_add_test(limit, test_tcp_refuses_while_all_are_busy);
    tcase_add_test(limit, test_tcp_puts_a_new_one_in_the_place_of_the_most_silent);
    tcase_add_test(limit, test_tcp_never_takes_more_than_the_limit);
    suite_add_tcase(s, limit);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
