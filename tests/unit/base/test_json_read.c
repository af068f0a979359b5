/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON, read: what was written comes back, and nothing else is taken for it
 */
#include "base/json_read.h"

#include <errno.h>
#include <stdio.h>

#include "base/json.h"
#include "lib/guard.h"
#include "lib/unit.h"

#define N(array) (sizeof(array) / sizeof(array)[0])

/* All members in a line: key, kind and text of each; "!" where it goes wrong. */
static const char *read_all(struct slice text)
{
    static char told[512];
    struct json_reader r;
    struct json_value v;
    struct slice key;
    size_t n = 0;
    int rc = json_read(&r, text);

    told[0] = '\0';
    while (rc == 0 && (rc = json_next(&r, &key, &v)) == 1) {
        n += (size_t)snprintf(told + n, sizeof told - n, "%.*s=%d%.*s ", (int)key.len, key.p,
                              (int)v.kind, (int)v.text.len, v.text.p);
        rc = 0;
    }
    if (rc < 0)
        snprintf(told + n, sizeof told - n, "!");
    return told;
}

static const struct {
    const char *text, *told;
} objects[] = {
    {"{}", ""},
    {" { } \n", ""},
    {"{\"a\":1}", "a=21 "},
    {"{\"a\" : -1.5e+3 , \"b\":null,\"c\":true,\"d\":false}",
     "a=2-1.5e+3 b=0null c=1true d=1false "},
    {"{\"a\":\"x\\\"y\\\\\",\"b\":\"\"}", "a=3x\\\"y\\\\ b=3 "},
    {"{\"a\":[1,\"]\",{\"b\":\"}\"}],\"c\":{\"d\":[]}}",
     "a=4[1,\"]\",{\"b\":\"}\"}] c=5{\"d\":[]} "},
    {"", "!"},
    {"[]", "!"},
    {"{", "!"},
    {"{\"a\"", "!"},
    {"{\"a\":", "!"},
    {"{\"a\":1", "a=21 !"},
    {"{\"a\":1,}", "a=21 !"},
    {"{,}", "!"},
    {"{\"a\":1 \"b\":2}", "a=21 !"},
    {"{\"a\":x}", "!"},
    {"{\"a\":}", "!"},
    {"{a:1}", "!"},
    {"{\"a\":\"x}", "!"},
    {"{\"a\":\"x\\", "!"},
    {"{\"a\":\"x\\\"", "!"},
    {"{\"a\":\"x\ny\"}", "!"},
    {"{\"a\":[[1]}", "a=4[[1]} !"},
    {"{} x", "!"},
    {"{\"a\":1}}", "a=21 !"},
};

/* Members come as they are written; what is no object is told, and no byte behind it is read. */
START_TEST(test_json_read_members)
{
    size_t len = strlen(objects[_i].text);
    const char *text = guard_copy(objects[_i].text, len);

    ck_assert_str_eq(read_all(slice_of(text, len)), objects[_i].told);
    guard_free(text, len);
}
END_TEST

/* Brackets are followed to a bound, not to the end of memory. */
START_TEST(test_json_read_depth)
{
    char text[256];

    for (unsigned depth = 31; depth <= 34; depth++) {
        int n = snprintf(text, sizeof text, "{\"a\":");

        memset(text + n, '[', depth);
        memset(text + n + depth, ']', depth);
        text[n + 2 * (int)depth] = '}';
        ck_assert(strchr(read_all(slice_of(text, (size_t)n + 2 * depth + 1)), '!') == NULL ||
                  depth > 32);
        ck_assert(strchr(read_all(slice_of(text, (size_t)n + 2 * depth + 1)), '!') != NULL ||
                  depth <= 32);
    }
}
END_TEST

static const struct {
    const char *written;
    struct slice text; /* NULL: none */
} strings[] = {
    {"", {"", 0}},
    {"plain \xc3\xa9", {"plain \xc3\xa9", 8}},
    {"\\\"\\\\\\/\\b\\f\\n\\r\\t", {"\"\\/\b\f\n\r\t", 8}},
    {"a\\u0000b\\u001f", {"a\0b\x1f", 4}},
    {"\\u00e9\\u20AC", {"\xc3\xa9\xe2\x82\xac", 5}},
    {"\\ud83d\\ude00", {"\xf0\x9f\x98\x80", 4}},
    {"\\ud83d", {NULL, 0}},
    {"\\ud83dx", {NULL, 0}},
    {"\\ud83d\\u0041", {NULL, 0}},
    {"\\ude00", {NULL, 0}},
    {"\\u12", {NULL, 0}},
    {"\\u12g4", {NULL, 0}},
    {"\\x", {NULL, 0}},
};

/* Escapes become what they stand for, or the string is none. */
START_TEST(test_json_read_text)
{
    size_t len = strlen(strings[_i].written);
    const char *text = guard_copy(strings[_i].written, len);
    const struct json_value v = {JSON_STRING, slice_of(text, len)};
    struct slice out = SLICE_LIT("poison");
    struct buf room = {0};
    int rc = json_text(&v, &room, &out);

    ck_assert_int_eq(rc, strings[_i].text.p != NULL ? 0 : -EINVAL);
    ck_assert(slice_eq(out, rc == 0 ? strings[_i].text : SLICE_LIT("poison")));
    buf_release(&room);
    guard_free(text, len);
}
END_TEST

/* What is no string has no text. */
START_TEST(test_json_read_text_of_strings_only)
{
    const struct json_value v = {JSON_NUMBER, SLICE_LIT("1")};
    struct buf room = {0};
    struct slice out;

    ck_assert_int_eq(json_text(&v, &room, &out), -EINVAL);
}
END_TEST

/* Every text that json.c writes comes back. */
START_TEST(test_json_read_round_trip)
{
    static const struct slice texts[] = {
        {"a\"b\\c\n\r\t\b", 9}, {"\0\x01\x7f", 3}, {"\xc2\x80\xe2\x80\xa8\xf0\x9f\x98\x80", 9}};

    for (size_t i = 0; i < N(texts); i++) {
        struct buf out = {0}, room = {0};
        struct json j = json_writer(&out);
        struct json_reader r;
        struct json_value v;
        struct slice key, text;

        json_object(&j, NULL);
        json_slice(&j, "k", texts[i]);
        json_end_object(&j);
        ck_assert_int_eq(json_read(&r, buf_slice(&out)), 0);
        ck_assert_int_eq(json_next(&r, &key, &v), 1);
        ck_assert_int_eq(json_text(&v, &room, &text), 0);
        ck_assert(slice_eq(text, texts[i]));
        ck_assert_int_eq(json_next(&r, &key, &v), 0);
        buf_release(&out);
        buf_release(&room);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("json_read");
    TCase *t = tcase_create("json_read");

    tcase_add_loop_test(t, test_json_read_members, 0, N(objects));
    tcase_add_test(t, test_json_read_depth);
    tcase_add_loop_test(t, test_json_read_text, 0, N(strings));
    tcase_add_test(t, test_json_read_text_of_strings_only);
    tcase_add_test(t, test_json_read_round_trip);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
