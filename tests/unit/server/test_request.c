/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests: request
 *
 * A short input is read whole, byte by byte, and cut in two at each place; a long one whole and in
 * a few ways in pieces. Each piece ends at a guard page, and all ways must find the same.
 */
#include "server/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/guard.h"
#include "lib/unit.h"

#define BAD(code) REQUEST_BAD, (code)
#define GOOD      REQUEST_DONE, 0
#define HOST      "Host: h\r\n"

static struct request reader;

/* What a reading found, comparable. */
struct found {
    enum request_outcome outcome;
    unsigned status;
    size_t used;
    enum request_method method;
    bool http11;
    bool keep_alive;
    char path[64];
    char accept[128];
    char accept_encoding[128];
};

static void copy_text(char *out, size_t cap, struct slice text)
{
    ck_assert_uint_lt(text.len, cap);
    memcpy(out, text.p, text.len);
    out[text.len] = '\0';
}

static enum request_outcome feed_piece(const char *p, size_t len, size_t *used)
{
    const char *guarded = guard_copy(p, len);
    enum request_outcome outcome;

    *used = (size_t)-1;
    outcome = request_feed(&reader, slice_of(guarded, len), used);
    ck_assert_uint_le(*used, len);
    if (outcome == REQUEST_MORE)
        ck_assert_uint_eq(*used, len);
    guard_free(guarded, len);
    return outcome;
}

/* Read @text in pieces: one of @first bytes, then such of @step. */
static void read_pieces(struct found *out, struct slice text, size_t first, size_t step)
{
    size_t len = first;
    size_t used;

    memset(out, 0, sizeof *out);
    memset(&reader, 0xa5, sizeof reader);
    request_init(&reader);
    while (out->outcome == REQUEST_MORE && text.len) {
        if (len > text.len)
            len = text.len;
        out->outcome = feed_piece(text.p, len, &used);
        out->used += used;
        text = slice_from(text, len);
        len = step;
    }
    out->status = reader.status;
    if (out->outcome == REQUEST_BAD)
        out->used = 0; /* says nothing then */
    if (out->outcome != REQUEST_DONE)
        return;
    out->method = reader.method;
    out->http11 = reader.http11;
    out->keep_alive = reader.keep_alive;
    copy_text(out->path, sizeof out->path, request_path(&reader));
    copy_text(out->accept, sizeof out->accept, request_accept(&reader));
    copy_text(out->accept_encoding, sizeof out->accept_encoding, request_accept_encoding(&reader));
}

static void assert_same(const struct found *a, const struct found *b)
{
    ck_assert_int_eq(a->outcome, b->outcome);
    ck_assert_uint_eq(a->status, b->status);
    ck_assert_uint_eq(a->used, b->used);
    ck_assert_mem_eq(a, b, sizeof *a);
}

/* Read @text in every way. */
static void read_all_ways(struct found *out, struct slice text)
{
    struct found other;

    read_pieces(out, text, text.len, text.len);
    read_pieces(&other, text, 1, 1);
    assert_same(out, &other);
    for (size_t at = 1; at < text.len && text.len < 512; at++) {
        read_pieces(&other, text, at, text.len);
        assert_same(out, &other);
    }
}

/* ---- request_feed ---- */

/* A request is taken or refused with the status that says why. */
START_TEST(test_request_verdicts)
{
    static const struct {
        const char *text;
        enum request_outcome outcome;
        unsigned status;
    } cases[] = {
        {"GET / HTTP/1.1\r\n" HOST "\r\n", GOOD},
        {"\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n", GOOD},
        {"GET / HTTP/1.0\r\n\r\n", GOOD},
        {"DELETE /x HTTP/1.1\r\n" HOST "\r\n", GOOD},
        {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", GOOD},
        {"GET / HTTP/1.1\r\n" HOST "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
         "HTTP2-Settings: AAMAAABk\r\n\r\n",
         GOOD},
        {"POST / HTTP/1.1\r\n" HOST "Connection: upgrade\r\nUpgrade: x\r\n"
         "Content-Length: 3\r\n\r\nabc",
         GOOD},
        {"POST /x HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", GOOD},
        {"POST /x HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
         GOOD},
        {"POST /x HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\nHost: t\r\n"
         "Accept: t\r\nExpect: t\r\n\r\n",
         GOOD},
        /* not whole */
        {"", REQUEST_MORE, 0},
        {"GET", REQUEST_MORE, 0},
        {"GET / HTTP/1.1\r\n" HOST, REQUEST_MORE, 0},
        {"POST /x HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nab", REQUEST_MORE, 0},
        /* malformed */
        {"hello there\r\n\r\n", BAD(400)},
        {"\x16\x03\x01\x02\x01\x01\xfc\x03\x03", BAD(400)},
        {"GET / HTTP/1.1\r\nHo st: h\r\n\r\n", BAD(400)},
        {"GET / HTTP/1.1\r\n" HOST ": h\r\n\r\n", BAD(400)},
        {"GET / FTP/1.1\r\n\r\n", BAD(400)},
        {"CONNECT h:80 HTTP/1.1\r\n" HOST "\r\n", BAD(400)},
        {"POST /x HTTP/1.1\r\n" HOST "Content-Length: x\r\n\r\n", BAD(400)},
        {"POST /x HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", BAD(400)},
        {"POST /x HTTP/1.1\r\n" HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
         BAD(400)},
        {"POST /x HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n", BAD(400)},
        {"POST /x HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nz\r\n", BAD(400)},
        /* ways in which two readers could see two requests */
        {"GET / HTTP/1.1\r\n\r\n", BAD(400)},
        {"GET / HTTP/1.1\r\n" HOST HOST "\r\n", BAD(400)},
        {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BAD(400)},
        {"GET / HTTP/1.1\r\n" HOST "Accept: a,\r\n b\r\n\r\n", BAD(400)},
        {"GET / HTTP/1.1\r\n" HOST "X: a\r\n\t\r\n\r\n", BAD(400)},
        {"GET / HTTP/1.1\r\nHost:\r\n h\r\n\r\n", BAD(400)},
        {"POST / HTTP/1.1\r\n" HOST "X: a\r\n b\r\nContent-Length: 3\r\n\r\nabc", BAD(400)},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\n\n \n\t", GOOD},
        /* versions */
        {"GET / HTTP/2.0\r\n" HOST "\r\n", BAD(505)},
        {"GET / HTTP/0.9\r\n" HOST "\r\n", BAD(505)},
        {"GET / HTTP/1.2\r\n" HOST "\r\n", BAD(505)},
        {"GET / HTTP/3.7\r\n" HOST "\r\n", BAD(505)},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", BAD(505)},
        /* bodies and expectations */
        {"POST /x HTTP/1.1\r\n" HOST "Content-Length: 65537\r\n\r\n", BAD(413)},
        {"POST /x HTTP/1.1\r\n" HOST "Content-Length: 65536\r\n\r\n", REQUEST_MORE, 0},
        {"POST /x HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n\r\n", BAD(400)},
        {"POST /x HTTP/1.1\r\n" HOST "Content-Length: 1\r\nExpect: 100-continue\r\n\r\na", GOOD},
        {"POST /x HTTP/1.1\r\n" HOST "Content-Length: 1\r\nExpect: 100-continue-not\r\n\r\na",
         BAD(417)},
        {"POST /x HTTP/1.1\r\n" HOST "Content-Length: 1\r\nExpect: tea\r\n\r\na", BAD(417)},
        {"GET / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nExpect: 100-continue\r\n\r\n",
         BAD(417)},
        {"POST /x HTTP/1.0\r\nContent-Length: 1\r\nExpect: tea\r\n\r\na", GOOD},
    };
    struct found found;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        read_all_ways(&found, slice_str(cases[i].text));
        ck_assert_msg(found.outcome == cases[i].outcome, "%s: outcome %d", cases[i].text,
                      found.outcome);
        ck_assert_msg(found.status == cases[i].status, "%s: status %u", cases[i].text,
                      found.status);
        if (found.outcome == REQUEST_DONE)
            ck_assert_uint_eq(found.used, strlen(cases[i].text));
    }
}
END_TEST

/* Which fetches of a browser are for a page of another origin. */
START_TEST(test_request_for_another_page)
{
    static const struct {
        const char *headers;
        bool expected;
    } cases[] = {
        {"", false},
        {"Sec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image\r\n", false},
        {"Sec-Fetch-Site: none\r\n", false},
        {"sec-fetch-site: same-origin \r\nSec-Fetch-Mode: cors\r\n", false},
        {"Sec-Fetch-Site: cross-site\r\n", true},
        {"Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: no-cors\r\n", true},
        {"Sec-Fetch-Site: none\r\nSec-Fetch-Site: none\r\n", true},
        {"Sec-Fetch-Site: same-origin-and-then-some\r\n", true},
        {"Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n",
         false},
        {"Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n",
         true},
        {"Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n", true},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256];
        int len = snprintf(text, sizeof text, "GET / HTTP/1.1\r\n" HOST "%s\r\n", cases[i].headers);
        struct found found;

        read_pieces(&found, slice_of(text, (size_t)len), (size_t)len / 2, 1);
        ck_assert_int_eq(found.outcome, REQUEST_DONE);
        ck_assert_msg(request_is_for_another_page(&reader) == cases[i].expected, "%s",
                      cases[i].headers);
    }
}
END_TEST

/* The path is the target without scheme, host, query and fragment, and is not decoded. */
START_TEST(test_request_path)
{
    static const struct {
        const char *target;
        const char *path;
    } cases[] = {
        {"/metrics", "/metrics"},
        {"/metrics?name[]=a&x=/y", "/metrics"},
        {"/?", "/"},
        {"/a%2fb", "/a%2fb"},
        {"//metrics", "//metrics"},
        {"/a:b://c", "/a:b://c"},
        {"http://host:9102/metrics?q", "/metrics"},
        {"http://host/", "/"},
        {"http://host", "/"},
        {"http://host?q=/x", "/"},
        {"/a#b", "/a"},
        {"*", "*"},
    };
    char text[128];
    struct found found;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\n" HOST "\r\n", cases[i].target);
        read_all_ways(&found, slice_str(text));
        ck_assert_int_eq(found.outcome, REQUEST_DONE);
        ck_assert_str_eq(found.path, cases[i].path);
    }
}
END_TEST

/* Four methods are told apart, the rest is "other". */
START_TEST(test_request_method)
{
    static const struct {
        const char *word;
        enum request_method method;
    } cases[] = {
        {"GET", REQUEST_METHOD_GET},      {"HEAD", REQUEST_METHOD_HEAD},
        {"POST", REQUEST_METHOD_POST},    {"PUT", REQUEST_METHOD_PUT},
        {"DELETE", REQUEST_METHOD_OTHER}, {"OPTIONS", REQUEST_METHOD_OTHER},
        {"PATCH", REQUEST_METHOD_OTHER},  {"TRACE", REQUEST_METHOD_OTHER},
    };
    char text[128];
    struct found found;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(text, sizeof text, "%s / HTTP/1.1\r\n" HOST "\r\n", cases[i].word);
        read_all_ways(&found, slice_str(text));
        ck_assert_int_eq(found.outcome, REQUEST_DONE);
        ck_assert_int_eq(found.method, cases[i].method);
    }
}
END_TEST

/* HTTP/1.1 lives on unless told to close, HTTP/1.0 closes unless told to live on. */
START_TEST(test_request_keep_alive)
{
    static const struct {
        const char *text;
        bool http11;
        bool keep_alive;
    } cases[] = {
        {"GET / HTTP/1.1\r\n" HOST "\r\n", true, true},
        {"GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", true, false},
        {"GET / HTTP/1.1\r\n" HOST "connection: x, CLOSE\r\n\r\n", true, false},
        {"POST / HTTP/1.1\r\n" HOST "Connection: close\r\nContent-Length: 1\r\n\r\na", true, false},
        {"GET / HTTP/1.0\r\n\r\n", false, false},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false, true},
    };
    struct found found;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        read_all_ways(&found, slice_str(cases[i].text));
        ck_assert_int_eq(found.outcome, REQUEST_DONE);
        ck_assert_msg(found.http11 == cases[i].http11, "%s", cases[i].text);
        ck_assert_msg(found.keep_alive == cases[i].keep_alive, "%s", cases[i].text);
    }
}
END_TEST

/* Header names have no case; lines of one name are joined; names that only resemble are not
 * ours. */
START_TEST(test_request_headers)
{
    static const struct {
        const char *headers;
        const char *accept;
        const char *accept_encoding;
    } cases[] = {
        {"", "", ""},
        {"Accept: text/plain;version=0.0.4;q=0.5,*/*;q=0.1\r\n",
         "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", ""},
        {"ACCEPT: a\r\naccept-encoding: gzip\r\naccept: b\r\nAccept-Encoding: br\r\n", "a, b",
         "gzip, br"},
        {"Accept-Encodin: gzip\r\nAccept-Encodings: br\r\nAccep: x\r\nAccept-Charset: y\r\n", "",
         ""},
        {"Accept-Encoding-And-A-Very-Long-Tail: gzip\r\nAccept:\r\n", "", ""},
    };
    char text[512];
    struct found found;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(text, sizeof text, "GET / HTTP/1.1\r\n" HOST "%s\r\n", cases[i].headers);
        read_all_ways(&found, slice_str(text));
        ck_assert_int_eq(found.outcome, REQUEST_DONE);
        ck_assert_str_eq(found.accept, cases[i].accept);
        ck_assert_str_eq(found.accept_encoding, cases[i].accept_encoding);
    }
}
END_TEST

/* Trailers are part of the body: they neither add to the head nor spoil it. */
START_TEST(test_request_trailers)
{
    static const char text[] = "POST / HTTP/1.1\r\n" HOST "Accept: a\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n0\r\n"
                               "Accept: b\r\nAccept-Encoding: gzip\r\nHost: h\r\n\r\n";
    struct found found;

    read_all_ways(&found, slice_str(text));
    ck_assert_int_eq(found.outcome, REQUEST_DONE);
    ck_assert_str_eq(found.accept, "a");
    ck_assert_str_eq(found.accept_encoding, "");
}
END_TEST

/* What follows a request is left alone, and the next one knows nothing of the last. */
START_TEST(test_request_pipeline)
{
    static const char text[] = "POST /one HTTP/1.1\r\n" HOST "Accept: one\r\n"
                               "Content-Length: 3\r\nConnection: close\r\n\r\nabc"
                               "GET /two HTTP/1.1\r\n" HOST "\r\n"
                               "HEAD";
    struct slice rest = slice_str(text);
    size_t used;

    request_init(&reader);
    ck_assert(!request_started(&reader));
    ck_assert_int_eq(request_feed(&reader, rest, &used), REQUEST_DONE);
    ck_assert(slice_eq_str(request_path(&reader), "/one"));
    rest = slice_from(rest, used);

    request_init(&reader);
    ck_assert_int_eq(request_feed(&reader, rest, &used), REQUEST_DONE);
    ck_assert(slice_eq_str(request_path(&reader), "/two"));
    ck_assert_uint_eq(request_accept(&reader).len, 0);
    ck_assert(reader.keep_alive);
    rest = slice_from(rest, used);
    ck_assert(slice_eq_str(rest, "HEAD"));

    request_init(&reader);
    ck_assert_int_eq(request_feed(&reader, rest, &used), REQUEST_MORE);
    ck_assert(request_started(&reader));
}
END_TEST

/* ---- limits ---- */

/* Text of @len bytes: @before, as many @fill as it takes, @after. */
static struct slice filled(size_t len, const char *before, char fill, const char *after)
{
    size_t n_before = strlen(before);
    size_t n_after = strlen(after);
    char *p = malloc(len);

    ck_assert_ptr_nonnull(p);
    memset(p, fill, len);
    memcpy(p, before, n_before);
    memcpy(p + len - n_after, after, n_after);
    return slice_of(p, len);
}

/* Takes @text. Read whole, in pieces of no special size, and byte by byte where the limit is. */
static void assert_limit(struct slice text, enum request_outcome outcome, unsigned status)
{
    struct found whole;
    struct found pieces;

    read_pieces(&whole, text, text.len, text.len);
    read_pieces(&pieces, text, 1000, 997);
    assert_same(&whole, &pieces);
    read_pieces(&pieces, text, text.len - 100, 1);
    assert_same(&whole, &pieces);
    ck_assert_int_eq(whole.outcome, outcome);
    ck_assert_uint_eq(whole.status, status);
    free((char *)text.p);
}

/* A head of REQUEST_HEAD_MAX bytes is read, one of a byte more is not; empty lines count. */
START_TEST(test_request_head_limit)
{
    static const char before[] = "GET / HTTP/1.1\r\n" HOST "X: ";

    assert_limit(filled(REQUEST_HEAD_MAX, before, 'x', "\r\n\r\n"), GOOD);
    assert_limit(filled(REQUEST_HEAD_MAX + 1, before, 'x', "\r\n\r\n"), BAD(431));
    assert_limit(filled(REQUEST_HEAD_MAX, before, 'x', ""), REQUEST_MORE, 0);
    assert_limit(filled(REQUEST_HEAD_MAX + 1, "\r\n", '\n', "\n"), BAD(431));
    assert_limit(filled(REQUEST_HEAD_MAX + 1, "GET /", '/', "/"), BAD(431));
}
END_TEST

/* A path that does not fit is refused when the head is whole; a query may be long. */
START_TEST(test_request_path_limit)
{
    static const char after[] = " HTTP/1.1\r\n" HOST "\r\n";
    size_t around = strlen("GET ") + strlen(after);
    struct slice text;
    size_t used;

    assert_limit(filled(around + REQUEST_PATH_MAX + 1, "GET /", 'p', after), BAD(414));
    assert_limit(filled(around + REQUEST_PATH_MAX + 1, "GET /", 'p', " "), REQUEST_MORE, 0);

    text = filled(around + REQUEST_PATH_MAX, "GET /", 'p', after);
    request_init(&reader);
    ck_assert_int_eq(request_feed(&reader, text, &used), REQUEST_DONE);
    ck_assert_uint_eq(request_path(&reader).len, REQUEST_PATH_MAX);
    free((char *)text.p);

    text = filled(around + 8000, "GET /p?", 'q', after);
    request_init(&reader);
    ck_assert_int_eq(request_feed(&reader, text, &used), REQUEST_DONE);
    ck_assert(slice_eq_str(request_path(&reader), "/p"));
    free((char *)text.p);
}
END_TEST

/* Whoever feeds may set other limits than the usual ones: each holds to the byte. */
START_TEST(test_request_limits_of_its_own)
{
    static const struct {
        size_t head, path, body;
        unsigned status;
    } cases[] = {
        {200, 20, 30, 0},  {78, 20, 30, 0},  {77, 20, 30, 431},  {200, 6, 30, 0},
        {200, 5, 30, 414}, {200, 20, 24, 0}, {200, 20, 23, 413}, {100000, 2048, 1, 413},
    };
    static const char text[] = "POST /12345 HTTP/1.1\r\nHost: example.com\r\n"
                               "Content-Length: 24\r\nX-Many: 12345\r\n\r\n"
                               "123456789012345678901234GET";
    const size_t head = strlen(text) - 24 - 3;

    ck_assert_uint_eq(head, 78);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum request_outcome outcome;
        size_t used;

        request_init(&reader);
        ck_assert_uint_eq(reader.max.head, REQUEST_HEAD_MAX);
        reader.max = (struct request_limits){cases[i].head, cases[i].path, cases[i].body};
        outcome = request_feed(&reader, slice_str(text), &used);
        ck_assert_msg(outcome == (cases[i].status ? REQUEST_BAD : REQUEST_DONE), "%zu", i);
        ck_assert_msg(reader.status == cases[i].status, "%zu: %u", i, reader.status);
        if (outcome == REQUEST_DONE)
            ck_assert_uint_eq(used, strlen(text) - 3);
    }
}
END_TEST

/* A header of ours that does not fit is refused, not cut. */
START_TEST(test_request_value_limit)
{
    static const char before[] = "GET / HTTP/1.1\r\n" HOST "Accept: ";
    size_t around = strlen(before) + 4;
    struct slice text;
    size_t used;

    assert_limit(filled(around + REQUEST_VALUE_MAX + 1, before, 'a', "\r\n\r\n"), BAD(431));
    assert_limit(filled(around + REQUEST_VALUE_MAX + 11, before, 'a', "\r\nAccept: a\r\n\r\n"),
                 BAD(431));
    text = filled(around + REQUEST_VALUE_MAX, before, 'a', "\r\n\r\n");
    request_init(&reader);
    ck_assert_int_eq(request_feed(&reader, text, &used), REQUEST_DONE);
    ck_assert_uint_eq(request_accept(&reader).len, REQUEST_VALUE_MAX);
    free((char *)text.p);
}
END_TEST

/* A body ends at REQUEST_BODY_MAX bytes of the wire; one in chunks counts with its framing. */
START_TEST(test_request_body_limit)
{
    static const char sized[] = "POST / HTTP/1.1\r\n" HOST "Content-Length: 65536\r\n\r\n";
    static const char chunked[] =
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nfff0\r\n";
    static const char trailer[] =
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\nX: ";

    assert_limit(filled(strlen(sized) + REQUEST_BODY_MAX, sized, 'b', "b"), GOOD);
    assert_limit(filled(strlen(sized) + REQUEST_BODY_MAX - 1, sized, 'b', "b"), REQUEST_MORE, 0);
    /* fff0 of data and 6 + 2 + 5 of framing */
    assert_limit(filled(strlen(chunked) + 0xfff0 + 7, chunked, 'b', "\r\n0\r\n\r\n"), GOOD);
    assert_limit(filled(strlen(chunked) + 0xfff0 + 2 + 9, chunked, 'b', "\r\n1\r\nb\r\n0\r\n"),
                 BAD(413));
    assert_limit(filled(strlen(trailer) + REQUEST_BODY_MAX, trailer, 't', "t"), BAD(413));
}
END_TEST

/* ---- request_wants_continue ---- */

/* The client waits from the head's end to the body's first byte, if it said so and has a body. */
START_TEST(test_request_continue)
{
    static const char expecting[] =
        "POST / HTTP/1.1\r\n" HOST "expect: 100-Continue \r\nContent-Length: 2\r\n\r\n";
    static const char silent[] = "POST / HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n";
    static const char old[] =
        "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    size_t used;

    request_init(&reader);
    request_feed(&reader, slice_of(expecting, strlen(expecting) - 1), &used);
    ck_assert(!request_wants_continue(&reader));
    request_feed(&reader, SLICE_LIT("\n"), &used);
    ck_assert(request_wants_continue(&reader));
    request_feed(&reader, SLICE_LIT("a"), &used);
    ck_assert(!request_wants_continue(&reader));

    request_init(&reader);
    request_feed(&reader, slice_str(silent), &used);
    ck_assert(!request_wants_continue(&reader));

    request_init(&reader);
    request_feed(&reader, slice_str(old), &used);
    ck_assert(!request_wants_continue(&reader));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("request");
    TCase *feed = tcase_create("request_feed");
    TCase *limits = tcase_create("limits");
    TCase *wants = tcase_create("request_wants_continue");

    tcase_add_test(feed, test_request_verdicts);
    tcase_add_test(feed, test_request_for_another_page);
    tcase_add_test(feed, test_request_path);
    tcase_add_test(feed, test_request_method);
    tcase_add_test(feed, test_request_keep_alive);
    tcase_add_test(feed, test_request_headers);
    tcase_add_test(feed, test_request_trailers);
    tcase_add_test(feed, test_request_pipeline);
    suite_add_tcase(s, feed);
    tcase_add_test(limits, test_request_head_limit);
    tcase_add_test(limits, test_request_path_limit);
    tcase_add_test(limits, test_request_value_limit);
    tcase_add_test(limits, test_request_body_limit);
    tcase_add_test(limits, test_request_limits_of_its_own);
    suite_add_tcase(s, limits);
    tcase_add_test(wants, test_request_continue);
    suite_add_tcase(s, wants);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
