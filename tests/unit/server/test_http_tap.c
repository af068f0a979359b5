/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP tap: when something is written to a client that waits, and that he is noticed to be gone
 *
 * A real client of the real HTTP server, in one loop; the clock is the test's.
 */
#include "server/http.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/unit.h"
#include "server/address.h"
#include "server/tap.h"

#define TICK_NS   100000000
#define SILENCE   50 /* ticks after which an empty line is due */
#define MAX_TURNS 10000

static uv_loop_t loop;
static struct http *http;
static struct tap *tap;
static struct address address;
static int client;

/* In libuv's place: it stands still between two steps of a test. The loop has its own clock. */
static uint64_t clock_ns = 1000000000;

uint64_t uv_hrtime(void)
{
    return clock_ns;
}

static int64_t explain_ns; /* how long it takes */

static int explain(void *ctx, struct slice line, enum bacowr_explain_form form, struct buf *out)
{
    (void)ctx;
    (void)form;
    clock_ns += (uint64_t)explain_ns;
    buf_add_slice(out, line);
    buf_add_byte(out, '\n');
    return 0;
}

static void start(void)
{
    struct http_config config = {
        .telemetry_path = "/metrics",
        .max_connections = 4,
        .timeout_ms = 10000,
        .request_max = {REQUEST_HEAD_MAX, REQUEST_PATH_MAX, REQUEST_BODY_MAX},
        .explain = explain,
    };
    struct err e;
    int fd;

    ck_assert_int_eq(tap_new(&tap, 1), 0);
    config.tap = tap;
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    ck_assert_int_eq(http_new(&http, &loop, &config), 0);
    ck_assert_int_eq(address_resolve(&address, "127.0.0.1:0", &e), 0);
    ck_assert_int_eq(address_listen(&fd, &address, 4), 0);
    ck_assert_int_eq(http_listen_on(http, fd), 0);
    client = -1;
    explain_ns = 0;
}

static void stop(void)
{
    if (client >= 0)
        close(client);
    http_close(http);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    ck_assert_uint_eq(tap_n_readers(tap), 0);
    tap_free(tap);
}

/* What has come to the client, after all that the loop can do now. */
static struct slice read_client(void)
{
    static char bytes[4096];
    ssize_t n;

    for (unsigned i = 0; i < 3; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    n = recv(client, bytes, sizeof bytes, MSG_DONTWAIT);
    return slice_of(bytes, n > 0 ? (size_t)n : 0);
}

static void open_tap(const char *request)
{
    struct slice text = {0};

    client = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(client, (struct sockaddr *)&address.sa, sizeof(struct sockaddr_in)),
                     0);
    ck_assert_int_eq(send(client, request, strlen(request), 0), strlen(request));
    for (unsigned i = 0; i < MAX_TURNS && text.len == 0; i++)
        text = read_client();
    ck_assert_msg(slice_starts(text, SLICE_LIT("HTTP/1.1 200 ")), "%.*s", (int)text.len, text.p);
    ck_assert_uint_eq(tap_n_readers(tap), 1);
}

static struct slice tick(void)
{
    clock_ns += TICK_NS;
    http_tap_tick(http);
    return read_client();
}

/* The ticks until something was written, which is @wanted. */
static unsigned ticks_until(const char *wanted)
{
    for (unsigned n = 1; n < 10 * SILENCE; n++) {
        struct slice text = tick();

        if (text.len == 0)
            continue;
        ck_assert_msg(slice_eq_str(text, wanted), "%.*s", (int)text.len, text.p);
        return n;
    }
    return 0;
}

static void send_line(const char *line)
{
    struct bacowr_datagram d = {.p = line, .len = strlen(line)};

    tap_take(tap_lane(tap, 0), &d, 1);
}

/* In silence an empty line goes out every five seconds, so that both sides know of each other. */
START_TEST(test_http_tap_silence)
{
    open_tap("GET /api/v1/tap?form=json HTTP/1.1\r\nHost: localhost\r\n\r\n");
    for (unsigned i = 0; i < 3; i++)
        ck_assert_uint_eq(ticks_until("1\r\n\n\r\n"), SILENCE + 1);
}
END_TEST

/* HTTP/1.0 has no chunks. */
START_TEST(test_http_tap_silence_without_chunks)
{
    open_tap("GET /api/v1/tap?form=capture HTTP/1.0\r\nHost: localhost\r\n\r\n");
    ck_assert_uint_eq(ticks_until("\n"), SILENCE + 1);
}
END_TEST

/* The five seconds begin anew with what is told. */
START_TEST(test_http_tap_silence_begins_with_a_line)
{
    open_tap("GET /api/v1/tap?form=capture HTTP/1.0\r\nHost: localhost\r\n\r\n");
    for (unsigned i = 0; i < SILENCE - 1; i++)
        ck_assert_uint_eq(tick().len, 0);
    send_line("a:1|c");
    ck_assert_uint_gt(tick().len, 0);
    ck_assert_uint_eq(ticks_until("\n"), SILENCE + 1);
}
END_TEST

/* One who left makes room with the next tick, whether there is something to tell or not. */
START_TEST(test_http_tap_notices_who_left)
{
    open_tap("GET /api/v1/tap HTTP/1.1\r\nHost: localhost\r\n\r\n");
    tick();
    ck_assert_uint_eq(tap_n_readers(tap), 1);
    shutdown(client, SHUT_WR);
    tick();
    ck_assert_uint_eq(tap_n_readers(tap), 0);
}
END_TEST

static unsigned count(struct slice text, char c)
{
    unsigned n = 0;

    for (size_t i = 0; i < text.len; i++)
        n += text.p[i] == c;
    return n;
}

/* A turn tells no more than five milliseconds of lines, and no less than one. */
START_TEST(test_http_tap_turn_is_short)
{
    static const struct {
        int64_t explain_ns;
        unsigned n;
    } turns[] = {{0, 20}, {1000000, 5}, {2000000, 3}, {20000000, 1}};

    open_tap("GET /api/v1/tap HTTP/1.0\r\nHost: localhost\r\n\r\n");
    explain_ns = turns[_i].explain_ns;
    for (unsigned i = 0; i < 20; i++)
        send_line("a:1|c");
    ck_assert_uint_eq(count(tick(), '\n'), turns[_i].n);
}
END_TEST

/* As many lines as there are, in some turns, behind one tick. */
START_TEST(test_http_tap_goes_on_at_once)
{
    unsigned n;

    open_tap("GET /api/v1/tap?rate=2000 HTTP/1.0\r\nHost: localhost\r\n\r\n");
    for (unsigned i = 0; i < 120; i++)
        send_line("a:1|c");
    n = count(tick(), '\n');
    for (unsigned i = 0; i < MAX_TURNS && n < 120; i++)
        n += count(read_client(), '\n');
    ck_assert_uint_eq(n, 120);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("http_tap");
    TCase *c = tcase_create("all");

    tcase_add_checked_fixture(c, start, stop);
    tcase_add_test(c, test_http_tap_silence);
    tcase_add_test(c, test_http_tap_silence_without_chunks);
    tcase_add_test(c, test_http_tap_silence_begins_with_a_line);
    tcase_add_test(c, test_http_tap_notices_who_left);
    tcase_add_loop_test(c, test_http_tap_turn_is_short, 0, 4);
    tcase_add_test(c, test_http_tap_goes_on_at_once);
    suite_add_tcase(s, c);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
