/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names: the escaping that users of statsd_exporter know, and Go's idea of UTF-8
 */
#include "base/name.h"

#include "lib/guard.h"
#include "lib/unit.h"

#include <stdlib.h>

static const struct {
    const char *name;
    const char *escaped;
} names[] = {
    {"", ""},
    {"clean", "clean"},
    {"CLEAN_9_", "CLEAN_9_"},
    {"0starts", "_0starts"},
    {"9", "_9"},
    {"with_under", "with_under"},
    {"with.dot", "with_dot"},
    {"with.*.multiple", "with___multiple"},
    {"a:b", "a_b"},
    {"a-b", "a_b"},
    {"a--b", "a_b"},
    {"a---b", "a_b"},
    {"a.-b", "a__b"},
    {"a-.b", "a__b"},
    {"a-.-b", "a___b"},
    {"--", "_"},
    {"-9", "_9"},
    {"with\xf0\x9f\x98\xb1"
     "emoji",
     "with_emoji"},
    {"\xc3\xa9", "_"},
    {"\xc3\xa9\xc3\xa9", "__"},
    {"-\xc3\xa9-", "___"},
    {"a b\tc", "a_b_c"},
    {"tab\x7f@[`{/", "tab______"},
};

/* Every name becomes what statsd_exporter makes of it, in the room that the header promises. */
START_TEST(test_name_escape_vectors)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct slice name = {guard_copy(names[i].name, strlen(names[i].name)),
                             strlen(names[i].name)};
        size_t cap = NAME_ESCAPED_MAX(name.len);
        char *out = malloc(cap);
        size_t n;

        memset(out, '#', cap);
        n = name_escape(out, name);
        ck_assert_msg(slice_eq_str(slice_of(out, n), names[i].escaped), "'%s' became '%.*s'",
                      names[i].name, (int)n, out);
        free(out);
        guard_free(name.p, name.len);
    }
}
END_TEST

/* A name is plain exactly when escaping leaves it alone, and an escaped name always is. */
START_TEST(test_name_plain_is_what_escape_keeps)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        bool same = strcmp(names[i].name, names[i].escaped) == 0;

        ck_assert_int_eq(name_is_plain(slice_str(names[i].name)), same);
        ck_assert(name_is_plain(slice_str(names[i].escaped)));
    }
}
END_TEST

static bool valid_at_guard(struct slice s)
{
    const char *p = guard_copy(s.p, s.len);
    bool valid = utf8_valid(slice_of(p, s.len));

    guard_free(p, s.len);
    return valid;
}

/* What Go calls valid is valid, and nothing else. */
START_TEST(test_name_utf8_vectors)
{
    static const struct {
        const char *text;
        bool valid;
    } cases[] = {
        {"", true},
        {"ascii only, longer than a word", true},
        {"\xc3\xa9", true},
        {"eight..8\xc3\xa9 and on", true},
        {"\xe2\x82\xac", true},
        {"\xf0\x9f\x98\xb1", true},
        {"\xf4\x8f\xbf\xbf", true},  /* U+10FFFF */
        {"\xf4\x90\x80\x80", false}, /* one above */
        {"\xf5\x80\x80\x80", false},
        {"\xc0\x80", false}, /* overlong NUL */
        {"\xc1\xbf", false},
        {"\xc2\x80", true},      /* the first two-byte character */
        {"\xe0\x9f\xbf", false}, /* overlong */
        {"\xe0\xa0\x80", true},
        {"\xf0\x8f\xbf\xbf", false}, /* overlong */
        {"\xf0\x90\x80\x80", true},
        {"\xed\x9f\xbf", true},
        {"\xed\xa0\x80", false}, /* a surrogate */
        {"\xed\xbf\xbf", false},
        {"\xee\x80\x80", true},
        {"\xef\xbf\xbd", true}, /* the replacement character itself */
        {"\x80", false},
        {"\xbf", false},
        {"\xff", false},
        {"\xc3", false},
        {"\xc3(", false},
        {"invalid\xc3\x28utf8", false},
        {"\xe2\x82", false},
        {"\xe2\x28\xa1", false},
        {"\xe2\x82(", false},
        {"\xf0\x9f\x98", false},
        {"\xf0\x9f\x98(", false},
        {"12345678\xff", false},
        {"1234567\xff", false},
        {"12345678123456\xc3\xa9", true},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_msg(valid_at_guard(slice_str(cases[i].text)) == cases[i].valid, "case %zu", i);
    ck_assert(utf8_valid(slice_of("a\0b", 3)));
    ck_assert(utf8_valid((struct slice){0}));
}
END_TEST

/* A bad byte is found wherever it stands in a long text. */
START_TEST(test_name_utf8_finds_every_position)
{
    char text[40];

    for (size_t at = 0; at < sizeof text; at++) {
        memset(text, 'a', sizeof text);
        ck_assert(valid_at_guard(slice_of(text, sizeof text)));
        text[at] = (char)0x80;
        ck_assert(!valid_at_guard(slice_of(text, sizeof text)));
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("name");
    TCase *escape = tcase_create("name_escape");
    TCase *utf8 = tcase_create("utf8_valid");

    tcase_add_test(escape, test_name_escape_vectors);
    tcase_add_test(escape, test_name_plain_is_what_escape_keeps);
    suite_add_tcase(s, escape);
    tcase_add_test(utf8, test_name_utf8_vectors);
    tcase_add_test(utf8, test_name_utf8_finds_every_position);
    suite_add_tcase(s, utf8);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
