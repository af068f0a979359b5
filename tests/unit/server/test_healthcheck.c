/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Health check: where a server is asked, and what its answers mean
 *
 * The servers are threads that take one connection, read the request to its end, and say what the
 * case has them say.
 */
#include "server/healthcheck.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "lib/unit.h"

#define N(array) (sizeof(array) / sizeof(array)[0])

/* ---- where ---- */

/* A server on every address is asked on loopback, any other one where it listens. */
START_TEST(test_healthcheck_address_goes_to_the_server)
{
    static const struct {
        const char *listen, *asked;
    } cases[] = {
        {"127.0.0.1:9102", "127.0.0.1:9102"}, {"0.0.0.0:9102", "127.0.0.1:9102"},
        {"[::]:80", "127.0.0.1:80"},          {":65535", "127.0.0.1:65535"},
        {"[::1]:9102", "[::1]:9102"},         {"10.0.0.5:1", "10.0.0.5:1"},
        {"localhost:9102", "127.0.0.1:9102"}, {"0:9102", "127.0.0.1:9102"},
    };

    for (size_t i = 0; i < N(cases); i++) {
        struct address a;
        struct err e;

        memset(&a, 0xa5, sizeof a);
        ck_assert_msg(healthcheck_address(&a, cases[i].listen, &e) == 0, "%s", cases[i].listen);
        ck_assert_str_eq(a.text, cases[i].asked);
    }
}
END_TEST

/* A port that nobody can know, and what is no address, are told; the result stays as it was. */
START_TEST(test_healthcheck_address_names_the_mistake)
{
    static const char *const cases[] = {"127.0.0.1:0", ":0", "9102"};

    for (size_t i = 0; i < N(cases); i++) {
        struct address a, before;
        struct err e = {.text = ""};

        memset(&a, 0xa5, sizeof a);
        before = a;
        ck_assert_int_eq(healthcheck_address(&a, cases[i], &e), -EINVAL);
        ck_assert_mem_eq(&a, &before, sizeof a);
        ck_assert_ptr_nonnull(strstr(e.text, cases[i]));
    }
}
END_TEST

/* ---- answers ---- */

struct server {
    int listener;
    struct address a;
    const char *says;  /* NULL: nothing, and the connection stays open */
    unsigned pause_us; /* between its bytes */
    int release[2];    /* a pipe: closed when the test has its result */
    char heard[256];
    pthread_t thread;
};

static void hear(struct server *s, int fd)
{
    size_t len = 0;
    ssize_t n = 1;

    while (n > 0 && !strstr(s->heard, "\r\n\r\n") && len < sizeof s->heard - 1) {
        n = recv(fd, s->heard + len, sizeof s->heard - 1 - len, 0);
        len += n > 0 ? (size_t)n : 0;
        s->heard[len] = '\0';
    }
}

static void *serve_one(void *arg)
{
    struct server *s = arg;
    int fd = accept(s->listener, NULL, NULL);
    size_t len = s->says ? strlen(s->says) : 0;
    char byte;

    hear(s, fd);
    if (s->pause_us == 0) {
        send(fd, s->says, len, MSG_NOSIGNAL);
    } else {
        for (size_t i = 0; i < len && send(fd, s->says + i, 1, MSG_NOSIGNAL) == 1; i++)
            usleep(s->pause_us);
    }
    if (!s->says)
        (void)!read(s->release[0], &byte, 1);
    close(fd);
    return NULL;
}

static void server_start(struct server *s)
{
    struct err e;

    ck_assert_int_eq(address_resolve(&s->a, "127.0.0.1:0", &e), 0);
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(
        bind(s->listener, (struct sockaddr *)&s->a.sa, address_len((struct sockaddr *)&s->a.sa)),
        0);
    ck_assert_int_eq(listen(s->listener, 1), 0);
    ck_assert_int_eq(address_refresh(&s->a, s->listener), 0);
    ck_assert_int_eq(pipe(s->release), 0);
    ck_assert_int_eq(pthread_create(&s->thread, NULL, serve_one, s), 0);
}

static void server_end(struct server *s)
{
    close(s->release[1]);
    pthread_join(s->thread, NULL);
    close(s->release[0]);
    close(s->listener);
}

/* 200 is good; another status, no HTTP, a cut or an empty answer are not, and are told. */
START_TEST(test_healthcheck_ask_reads_the_status)
{
    static const struct {
        const char *says;
        int result;
        const char *told;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0, ""},
        {"HTTP/1.0 200\n", 0, ""},
        {"HTTP/1.1 200", 0, ""},
        {"HTTP/1.1 503 Service Unavailable\r\n\r\nnot ready\n", -EAGAIN, "returns 503"},
        {"HTTP/1.1 404 Not Found\r\n\r\n", -EAGAIN, "returns 404"},
        {"HTTP/1.1 2000 OK\r\n\r\n", -EPROTO, "does not speak HTTP: 'HTTP/1.1 2000 OK'"},
        {"HTTP/1.1 20", -EPROTO, "does not speak HTTP"},
        {"HTTP/1.1 +20 \r\n", -EPROTO, "does not speak HTTP"},
        {"220 mail.example.com ESMTP\r\n", -EPROTO, "'220 mail.example.com ESMTP'"},
        {"", -EPROTO, "does not speak HTTP: ''"},
    };

    for (size_t i = 0; i < N(cases); i++) {
        struct server s = {.says = cases[i].says};
        struct err e = {.text = ""};
        int r;

        server_start(&s);
        r = healthcheck_ask(&s.a, NULL, "localhost", 10000, &e);
        server_end(&s);
        ck_assert_msg(r == cases[i].result, "%s: %d", cases[i].says, r);
        ck_assert_msg(strstr(e.text, cases[i].told) != NULL, "%s", e.text);
        ck_assert(r == 0 || strstr(e.text, s.a.text));
        ck_assert(strncmp(s.heard, "GET /-/ready HTTP/1.1\r\nHost: ", 29) == 0);
    }
}
END_TEST

/* An answer without an end of line is read to a bound and no further. */
START_TEST(test_healthcheck_ask_reads_no_endless_line)
{
    static char endless[100001];
    struct server s = {.says = endless};
    struct err e;

    memset(endless, 'x', sizeof endless - 1);
    server_start(&s);
    ck_assert_int_eq(healthcheck_ask(&s.a, NULL, "localhost", 10000, &e), -EPROTO);
    server_end(&s);
}
END_TEST

/* Silence and an answer in drops are both late when the limit is over, not at each byte anew. */
START_TEST(test_healthcheck_ask_ends_with_its_limit)
{
    static const struct {
        const char *says;
        unsigned pause_us;
    } cases[] = {{NULL, 0}, {"HTTP/1.1 200 OK with more and more to say\r\n", 50000}};

    for (size_t i = 0; i < N(cases); i++) {
        struct server s = {.says = cases[i].says, .pause_us = cases[i].pause_us};
        uint64_t begin = uv_hrtime(), took;
        struct err e;
        int r;

        server_start(&s);
        r = healthcheck_ask(&s.a, NULL, "localhost", 300, &e);
        took = (uv_hrtime() - begin) / 1000000;
        server_end(&s);
        ck_assert_int_eq(r, -ETIMEDOUT);
        ck_assert_ptr_nonnull(strstr(e.text, "connection timed out"));
        ck_assert_msg(took >= 300 && took < 1500, "%d ms", (int)took);
    }
}
END_TEST

/* Nobody there. */
START_TEST(test_healthcheck_ask_tells_a_refusal)
{
    struct server s = {.says = ""};
    struct err e;

    server_start(&s);
    ck_assert_int_eq(healthcheck_ask(&s.a, NULL, "localhost", 10000, &e), -EPROTO);
    server_end(&s);
    ck_assert_int_eq(healthcheck_ask(&s.a, NULL, "localhost", 10000, &e), -ECONNREFUSED);
    ck_assert_ptr_nonnull(strstr(e.text, "connection refused"));
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("healthcheck");
    TCase *where = tcase_create("where");
    TCase *answers = tcase_create("answers");

    tcase_add_test(where, test_healthcheck_address_goes_to_the_server);
    tcase_add_test(where, test_healthcheck_address_names_the_mistake);
    suite_add_tcase(suite, where);

    tcase_set_timeout(answers, 20);
    tcase_add_test(answers, test_healthcheck_ask_reads_the_status);
    tcase_add_test(answers, test_healthcheck_ask_reads_no_endless_line);
    tcase_add_test(answers, test_healthcheck_ask_ends_with_its_limit);
    tcase_add_test(answers, test_healthcheck_ask_tells_a_refusal);
    suite_add_tcase(suite, answers);
    return suite;
}

int main(void)
{
    return unit_main(make_suite());
}
