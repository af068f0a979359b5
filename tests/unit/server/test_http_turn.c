/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP turns: handshakes in rounds, answers in between
 */
#include "server/http_conn.h"

#include <string.h>

#include "lib/unit.h"

#define N_CONNS 100

static struct http http;
static struct http_conn conns[N_CONNS];
static uv_loop_t loop;
static char order[N_CONNS + 1]; /* a letter for each turn */
static size_t n_turns;

/* Its letter is that of its address. */
static void take_turn(struct http_conn *c)
{
    if (n_turns < N_CONNS)
        order[n_turns++] = (char)c->from.low;
}

/* Another connection of the same address asks at once. */
static void take_turn_and_ask(struct http_conn *c)
{
    take_turn(c);
    if (n_turns < N_CONNS)
        http_turn_shake(c, take_turn_and_ask);
}

static void start(void)
{
    memset(&http, 0, sizeof http);
    memset(conns, 0, sizeof conns);
    memset(order, 0, sizeof order);
    n_turns = 0;
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    uv_idle_init(&loop, &http.turn);
    http.turn.data = &http;
    TAILQ_INIT(&http.waiting);
    TAILQ_INIT(&http.shaking);
}

static void stop(void)
{
    uv_close((uv_handle_t *)&http.turn, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}

static struct http_conn *conn_of(unsigned i, char address)
{
    conns[i].http = &http;
    conns[i].from.low = (unsigned char)address;
    return &conns[i];
}

/* The loop ends when nobody waits: an idle handle that goes on would keep it. */
static void run(void)
{
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert(TAILQ_EMPTY(&http.waiting) && TAILQ_EMPTY(&http.shaking));
}

/* Every address has one step in each round, whichever asked first. */
START_TEST(test_http_turn_shakes_in_rounds)
{
    for (unsigned i = 0; i < 6; i++)
        http_turn_shake(conn_of(i, "aaabbc"[i]), take_turn);
    run();
    ck_assert_str_eq(order, "aabcab"); /* who comes gets the round after the one that is on */
}
END_TEST

/* Addresses that ask again at once do not keep a round going: who waits for the next gets it. */
START_TEST(test_http_turn_rounds_end)
{
    http_turn_shake(conn_of(0, 'b'), take_turn);
    http_turn_shake(conn_of(1, 'b'), take_turn);
    http_turn_shake(conn_of(2, 'x'), take_turn_and_ask);
    http_turn_shake(conn_of(3, 'y'), take_turn_and_ask);
    http_turn_shake(conn_of(4, 'z'), take_turn_and_ask);
    http_turn_shake(conn_of(5, 'b'), take_turn);
    run();
    ck_assert_ptr_ne(memchr(order + 2, 'b', 6), NULL);
    ck_assert_ptr_ne(strrchr(order, 'b'), strchr(order, 'b'));
    ck_assert_int_lt(strrchr(order, 'b') - order, 12);
}
END_TEST

/* A flood of one address is not waited for: two steps of it, whatever its length. */
START_TEST(test_http_turn_a_flood_delays_itself)
{
    for (unsigned i = 0; i < N_CONNS - 1; i++)
        http_turn_shake(conn_of(i, 'f'), take_turn);
    http_turn_shake(conn_of(N_CONNS - 1, 'b'), take_turn);
    run();
    ck_assert_int_eq(strchr(order, 'b') - order, 2);
}
END_TEST

/* Whoever waits for an answer waits for one step before each slice. */
START_TEST(test_http_turn_answers_go_in_between)
{
    for (unsigned i = 0; i < 4; i++)
        http_turn_shake(conn_of(i, 'f'), take_turn);
    http_turn_ask(conn_of(4, 'p'), take_turn);
    http_turn_ask(conn_of(5, 'q'), take_turn);
    run();
    ck_assert_str_eq(order, "fpfqff");
}
END_TEST

/* Who is dropped has no turn, and while answers are held no step is made. */
START_TEST(test_http_turn_held_and_dropped)
{
    http_turn_shake(conn_of(0, 'a'), take_turn);
    http_turn_shake(conn_of(1, 'b'), take_turn);
    http_turn_ask(conn_of(2, 'c'), take_turn);
    http.held = true;
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_uint_eq(n_turns, 0);
    http_turn_drop(&conns[0]);
    http_turn_drop(&conns[0]);
    http.held = false;
    http_turns_go_on(&http);
    run();
    ck_assert_str_eq(order, "bc");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("http_turn");
    TCase *c = tcase_create("all");

    tcase_add_checked_fixture(c, start, stop);
    tcase_add_test(c, test_http_turn_shakes_in_rounds);
    tcase_add_test(c, test_http_turn_rounds_end);
    tcase_add_test(c, test_http_turn_a_flood_delays_itself);
    tcase_add_test(c, test_http_turn_answers_go_in_between);
    tcase_add_test(c, test_http_turn_held_and_dropped);
    suite_add_tcase(s, c);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
