/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON: the exact bytes of what is written, whatever came in
 */
#include "base/json.h"

#include "lib/guard.h"
#include "lib/unit.h"

#include <math.h>

#include "base/name.h"

static const struct {
    struct slice text;
    const char *json;
} texts[] = {
    {{"", 0}, "\"\""},
    {{NULL, 0}, "\"\""},
    {{"a.b|c", 5}, "\"a.b|c\""},
    {{"q\"\\/", 4}, "\"q\\\"\\\\/\""},
    {{"a\nb\r\t\b", 6}, "\"a\\nb\\r\\t\\u0008\""},
    {{"\0\033[2J\177", 6}, "\"\\u0000\\u001b[2J\\u007f\""},
    {{"\x1f ", 2}, "\"\\u001f \""},
    {{"\xc2\x80\xc2\x9f\xc2\xa0", 6}, "\"\\u0080\\u009f\xc2\xa0\""},
    {{"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9}, "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
    {{"\xe2\x80\xa7\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa", 12},
     "\"\xe2\x80\xa7\\u2028\\u2029\xe2\x80\xaa\""},
    {{"x\xff\xc3", 3}, "\"x\\ufffd\\ufffd\""},
    {{"\xc3\"", 2}, "\"\\ufffd\\\"\""},                            /* a quote swallowed by nobody */
    {{"\xe2\x82", 2}, "\"\\ufffd\\ufffd\""},                       /* cut */
    {{"\xed\xa0\x80", 3}, "\"\\ufffd\\ufffd\\ufffd\""},            /* surrogate */
    {{"\xc0\x80", 2}, "\"\\ufffd\\ufffd\""},                       /* overlong */
    {{"\xf4\x90\x80\x80", 4}, "\"\\ufffd\\ufffd\\ufffd\\ufffd\""}, /* above U+10FFFF */
};

/* A string stays one string, of code points and without control characters. */
START_TEST(test_json_escapes)
{
    size_t len = texts[_i].text.len;
    const char *text = guard_copy(texts[_i].text.p, len);
    struct buf out = {0};
    struct json j = json_writer(&out);

    json_slice(&j, NULL, slice_of(text, len));
    buf_add_byte(&out, '\0');
    ck_assert_str_eq(out.p, texts[_i].json);
    buf_release(&out);
    guard_free(text, len);
}
END_TEST

/* UTF-8, no control character, and no quote but at the ends and behind a backslash. */
static bool is_safe(struct slice json)
{
    if (!utf8_valid(json) || json.p[0] != '"' || json.p[json.len - 1] != '"')
        return false;
    for (size_t i = 1; i < json.len - 1; i++) {
        unsigned char c = (unsigned char)json.p[i];

        if (c < 0x20 || c == 0x7f || c == '"')
            return false;
        if (c == 0xc2 && (unsigned char)json.p[i + 1] < 0xa0)
            return false;
        i += c == '\\';
    }
    return true;
}

/* Any two bytes. */
START_TEST(test_json_escapes_all)
{
    struct buf out = {0};
    unsigned n_unsafe = 0;

    for (unsigned pair = 0; pair < 65536; pair++) {
        char text[2] = {(char)(pair >> 8), (char)pair};
        struct json j = json_writer(&out);

        buf_clear(&out);
        json_slice(&j, NULL, slice_of(text, 2));
        n_unsafe += !is_safe(buf_slice(&out));
    }
    ck_assert_uint_eq(n_unsafe, 0);
    buf_release(&out);
}
END_TEST

static const struct {
    double v;
    const char *json;
} numbers[] = {
    {0, "0"},         {-1.5, "-1.5"},         {1e6, "1e+06"},          {5e-324, "5e-324"},
    {NAN, "\"NaN\""}, {INFINITY, "\"+Inf\""}, {-INFINITY, "\"-Inf\""},
};

/* Numbers stand bare; what JSON lacks words for is text. */
START_TEST(test_json_writes_numbers)
{
    struct buf out = {0};
    struct json j = json_writer(&out);

    json_double(&j, NULL, numbers[_i].v);
    buf_add_byte(&out, '\0');
    ck_assert_str_eq(out.p, numbers[_i].json);
    buf_release(&out);
}
END_TEST

/* Commas stand between members and nowhere else, however deep. */
START_TEST(test_json_nests)
{
    struct buf out = {0};
    struct json j = json_writer(&out);

    json_object(&j, NULL);
    json_array(&j, "empty");
    json_end_array(&j);
    json_object(&j, "none");
    json_end_object(&j);
    json_array(&j, "list");
    json_u64(&j, NULL, UINT64_MAX);
    json_object(&j, NULL);
    json_key(&j, SLICE_LIT("k\""));
    json_bool(&j, NULL, true);
    json_key(&j, SLICE_LIT("l"));
    json_array(&j, NULL);
    json_null(&j, NULL);
    json_bool(&j, NULL, false);
    json_end_array(&j);
    json_end_object(&j);
    json_object(&j, NULL);
    json_end_object(&j);
    json_end_array(&j);
    json_str(&j, "text", "t");
    json_str(&j, "nothing", NULL);
    json_end_object(&j);
    buf_add_byte(&out, '\0');
    ck_assert_str_eq(out.p, "{\"empty\":[],\"none\":{},\"list\":[18446744073709551615,"
                            "{\"k\\\"\":true,\"l\":[null,false]},{}],\"text\":\"t\","
                            "\"nothing\":null}");
    buf_release(&out);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("json");
    TCase *texts_case = tcase_create("texts"), *rest = tcase_create("rest");

    tcase_add_loop_test(texts_case, test_json_escapes, 0, (int)(sizeof texts / sizeof *texts));
    tcase_add_test(texts_case, test_json_escapes_all);
    suite_add_tcase(s, texts_case);
    tcase_add_loop_test(rest, test_json_writes_numbers, 0, (int)(sizeof numbers / sizeof *numbers));
    tcase_add_test(rest, test_json_nests);
    suite_add_tcase(s, rest);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
