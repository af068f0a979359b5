/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests: request, what is kept of it
 *
 * Query, Host, Origin, whether somebody passed it on, and a body for those who want it. Each text
 * is read whole and byte by byte, and both must find the same.
 */
#include "server/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/unit.h"

#define HOST "Host: h:1\r\n"

static struct request reader;
static struct buf body;

static bool keeps(const struct request *r)
{
    return slice_eq_str(request_path(r), "/kept") && r->method == REQUEST_METHOD_POST;
}

static enum request_outcome read_in_steps(struct slice text, size_t step)
{
    enum request_outcome outcome = REQUEST_MORE;
    size_t used;

    memset(&reader, 0xa5, sizeof reader);
    request_init(&reader);
    buf_clear(&body);
    reader.keeps_body = keeps;
    reader.body = &body;
    while (outcome == REQUEST_MORE && text.len > 0) {
        size_t len = step < text.len ? step : text.len;

        outcome = request_feed(&reader, slice_of(text.p, len), &used);
        text = slice_from(text, len);
    }
    return outcome;
}

/* The query is what stands between '?' and '#', not decoded; too much of it is cut and marked. */
START_TEST(test_request_kept_query)
{
    static const struct {
        const char *target;
        const char *query;
    } cases[] = {
        {"/x", ""},
        {"/x?", ""},
        {"/x?a=%20b&c", "a=%20b&c"},
        {"/x?a?b", "a?b"},
        {"/x?a=b#c?d", "a=b"},
        {"/x#a?b=c", ""},
        {"http://h/x?q=1", "q=1"},
    };
    char text[256], longest[REQUEST_QUERY_MAX + 64];

    for (size_t step = 1; step <= 100; step += 99) {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            snprintf(text, sizeof text, "GET %s HTTP/1.1\r\n" HOST "\r\n", cases[i].target);
            ck_assert_int_eq(read_in_steps(slice_str(text), step), REQUEST_DONE);
            ck_assert_msg(slice_eq_str(request_query(&reader), cases[i].query), "%s",
                          cases[i].target);
            ck_assert(!reader.query_cut);
            ck_assert(slice_eq_str(request_path(&reader), "/x"));
        }
    }
    snprintf(longest, sizeof longest, "GET /x?%0*d HTTP/1.1\r\n" HOST "\r\n", REQUEST_QUERY_MAX + 1,
             7);
    ck_assert_int_eq(read_in_steps(slice_str(longest), 9), REQUEST_DONE);
    ck_assert(reader.query_cut);
    ck_assert_uint_eq(request_query(&reader).len, REQUEST_QUERY_MAX);
}
END_TEST

/* Host and Origin are kept as they came; a second Origin makes of both what no origin is. */
START_TEST(test_request_kept_places)
{
    static const struct {
        const char *headers;
        const char *host;
        const char *origin;
        bool forwarded;
    } cases[] = {
        {"Host: h\r\n", "h", "", false},
        {"host: localhost:9102\r\nOrigin: http://localhost:9102\r\n", "localhost:9102",
         "http://localhost:9102", false},
        {"Host: [::1]:9\r\nORIGIN: null\r\n", "[::1]:9", "null", false},
        {"Host: h\r\nOrigin: http://h\r\nOrigin: http://h\r\n", "h", "http://h, http://h", false},
        {"Host: h\r\nX-Forwarded-For: 1.2.3.4\r\n", "h", "", true},
        {"Host: h\r\nForwarded: for=1.2.3.4\r\n", "h", "", true},
        {"Host: h\r\nVia: 1.1 x\r\n", "h", "", true},
        {"Host: h\r\nX-Real-IP: 1.2.3.4\r\n", "h", "", true},
        {"Host: h\r\nX-Forwarded-Foreigner: 1\r\n", "h", "", true},
        {"Host: h\r\nCF-Connecting-IP-Too: 1\r\n", "h", "", false},
        {"Host: h\r\nX-Forward: 1\r\n", "h", "", false},
        {"Host: h:1 \t\r\nOrigin: null \r\n", "h:1", "null", false},
    };
    char text[256];

    for (size_t step = 1; step <= 100; step += 99) {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            snprintf(text, sizeof text, "GET / HTTP/1.1\r\n%s\r\n", cases[i].headers);
            ck_assert_int_eq(read_in_steps(slice_str(text), step), REQUEST_DONE);
            ck_assert(slice_eq_str(request_host(&reader), cases[i].host));
            ck_assert(slice_eq_str(request_origin(&reader), cases[i].origin));
            ck_assert_int_eq(reader.forwarded, cases[i].forwarded);
        }
    }
}
END_TEST

/* The authority of an absolute target counts more than the Host header beside it. */
START_TEST(test_request_kept_target)
{
    static const char text[] = "GET http://t:2/x?y HTTP/1.1\r\nHost: h:1\r\n\r\n";

    for (size_t step = 1; step <= 100; step += 99) {
        ck_assert_int_eq(read_in_steps(slice_str(text), step), REQUEST_DONE);
        ck_assert(slice_eq_str(request_host(&reader), "t:2"));
        ck_assert(slice_eq_str(request_path(&reader), "/x"));
    }
}
END_TEST

/* A password is kept as it came, with its scheme; a second one, and one too long, is refused. */
START_TEST(test_request_kept_authorization)
{
    static const char text[] = "GET / HTTP/1.1\r\n" HOST "Authorization: Basic YTpi \r\n\r\n";
    static const char twice[] =
        "GET / HTTP/1.1\r\n" HOST "Authorization: Basic YTpi\r\nAuthorization: x\r\n\r\n";
    char longest[REQUEST_AUTH_MAX + 64];

    for (size_t step = 1; step <= 100; step += 99) {
        ck_assert_int_eq(read_in_steps(slice_str(text), step), REQUEST_DONE);
        ck_assert(slice_eq_str(request_authorization(&reader), "Basic YTpi"));
        ck_assert_int_eq(read_in_steps(slice_str(twice), step), REQUEST_BAD);
        ck_assert_uint_eq(reader.status, 400);
    }
    for (int more = 0; more < 2; more++) {
        snprintf(longest, sizeof longest, "GET / HTTP/1.1\r\n" HOST "Authorization: %0*d\r\n\r\n",
                 REQUEST_AUTH_MAX + more, 7);
        ck_assert_int_eq(read_in_steps(slice_str(longest), 64), more ? REQUEST_BAD : REQUEST_DONE);
        ck_assert_uint_eq(reader.status, more ? 431 : 0);
    }
}
END_TEST

/* A place that is longer than any is refused. */
START_TEST(test_request_kept_long_place)
{
    char text[REQUEST_PLACE_MAX + 64];

    snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: %0*d\r\n\r\n", REQUEST_PLACE_MAX, 7);
    ck_assert_int_eq(read_in_steps(slice_str(text), 64), REQUEST_DONE);
    snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: %0*d\r\n\r\n", REQUEST_PLACE_MAX + 1, 7);
    ck_assert_int_eq(read_in_steps(slice_str(text), 64), REQUEST_BAD);
    ck_assert_uint_eq(reader.status, 431);
}
END_TEST

/* A body is kept for those who want it, without its chunks' sizes, and for nobody else. */
START_TEST(test_request_kept_body)
{
    static const struct {
        const char *text;
        const char *body;
    } cases[] = {
        {"POST /kept HTTP/1.1\r\n" HOST "Content-Length: 7\r\n\r\na:1|c\nb", "a:1|c\nb"},
        {"POST /kept HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\na:1\r\n"
         "2\r\n|c\r\n0\r\nX: y\r\n\r\n",
         "a:1|c"},
        {"POST /kept HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", ""},
        {"PUT /kept HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", ""},
        {"POST /other HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", ""},
    };

    for (size_t step = 1; step <= 200; step += 199) {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            ck_assert_int_eq(read_in_steps(slice_str(cases[i].text), step), REQUEST_DONE);
            ck_assert_msg(slice_eq_str(buf_slice(&body), cases[i].body), "%s", cases[i].text);
        }
    }
}
END_TEST

/* One that is too long is refused: where its length is told before it is read, else when it is. */
START_TEST(test_request_kept_body_limit)
{
    static const char told[] = "POST /kept HTTP/1.1\r\n" HOST "Content-Length: 16385\r\n\r\n";
    static const char chunked[] =
        "POST /kept HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n4000\r\n";
    struct buf text = {0};

    ck_assert_int_eq(read_in_steps(slice_str(told), 7), REQUEST_BAD);
    ck_assert_uint_eq(reader.status, 413);
    for (unsigned more = 0; more < 2; more++) {
        buf_clear(&text);
        buf_add_str(&text, chunked);
        for (unsigned i = 0; i < 0x4000; i++)
            buf_add_byte(&text, 'x');
        buf_add_str(&text, more ? "\r\n1\r\nx\r\n0\r\n\r\n" : "\r\n0\r\n\r\n");
        ck_assert_int_eq(read_in_steps(buf_slice(&text), 1000), more ? REQUEST_BAD : REQUEST_DONE);
        ck_assert_uint_eq(reader.status, more ? 413 : 0);
        ck_assert_uint_eq(body.len, 0x4000);
    }
    buf_release(&text);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("request_kept");
    TCase *head = tcase_create("head");
    TCase *bodies = tcase_create("body");

    tcase_add_test(head, test_request_kept_query);
    tcase_add_test(head, test_request_kept_places);
    tcase_add_test(head, test_request_kept_target);
    tcase_add_test(head, test_request_kept_authorization);
    tcase_add_test(head, test_request_kept_long_place);
    suite_add_tcase(s, head);
    tcase_add_test(bodies, test_request_kept_body);
    tcase_add_test(bodies, test_request_kept_body_limit);
    suite_add_tcase(s, bodies);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
