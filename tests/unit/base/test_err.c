/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors: what a message looks like, and which word is suggested
 */
#include "base/err.h"

#include "lib/unit.h"

#include <string.h>

/* Only what is known of the place is written before the text. */
START_TEST(test_err_format_leaves_out_the_unknown)
{
    static const struct {
        const char *file;
        unsigned line, column;
        const char *text;
    } cases[] = {
        {"a.yml", 3, 7, "a.yml:3:7: no such key"}, {"a.yml", 3, 0, "a.yml:3: no such key"},
        {"a.yml", 0, 0, "a.yml: no such key"},     {NULL, 0, 0, "no such key"},
        {NULL, 3, 7, "3:7: no such key"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err e;
        char out[256];

        memset(&e, 0x5a, sizeof e);
        memset(out, 0x5a, sizeof out);
        err_set(&e, cases[i].file, cases[i].line, cases[i].column, "no such %s", "key");
        err_format(&e, out, sizeof out);
        ck_assert_str_eq(out, cases[i].text);
    }
    err_set(NULL, "file", 1, 1, "nobody listens");
}
END_TEST

/* What is too long is cut, and control bytes do not reach a terminal. */
START_TEST(test_err_is_bounded_and_harmless)
{
    struct err e;
    char longest[2000], out[20];

    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    err_set(&e, longest, 1, 1, "%s", longest);
    ck_assert_uint_eq(strlen(e.file), sizeof e.file - 1);
    ck_assert_uint_eq(strlen(e.text), sizeof e.text - 1);
    err_format(&e, out, sizeof out);
    ck_assert_str_eq(out, "xxxxxxxxxxxxxxxxxxx");
    err_set(&e, "a\nb", 1, 1, "%s", "\033[2Jword\177");
    ck_assert_str_eq(e.file, "a?b");
    ck_assert_str_eq(e.text, "?[2Jword?");
    err_set(&e, "\x9bm", 1, 1, "%s", "\xc2\x80\xc2\x9bm\xc2\xa0\xc3\xa9 \x9f\xff \xe2\x82");
    ck_assert_str_eq(e.file, "?m");
    ck_assert_str_eq(e.text, "????m\xc2\xa0\xc3\xa9 ?? ??");
}
END_TEST

/* The nearest word is suggested when at most a third of the letters are wrong; else none. */
START_TEST(test_err_suggest_the_nearest)
{
    static const char *const words[] = {"match", "match_type", "name",          "labels", "ttl",
                                        "help",  "action",     "observer_type", "q"};
    static const struct {
        const char *word;
        const char *nearest; /* NULL: none is near */
    } cases[] = {
        {"match", "match"},
        {"mtach", "match"}, /* two neighbours swapped: one edit */
        {"macth_tpye", "match_type"},
        {"label", "labels"},
        {"nmae", "name"},
        {"tll", "ttl"},
        {"tt", "ttl"},
        {"obsrever_typ", "observer_type"},
        {"zzz", NULL},
        {"x", NULL},
        {"", NULL},
        {"actionaction", NULL},
        {"a-word-that-is-far-longer-than-any-setting-could-ever-be-spelled-by-anybody", NULL},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *got = err_suggest(cases[i].word, words, sizeof words / sizeof words[0]);

        if (!cases[i].nearest)
            ck_assert_msg(!got, "'%s' got '%s'", cases[i].word, got);
        else
            ck_assert_pstr_eq(got, cases[i].nearest);
    }
    ck_assert_ptr_null(err_suggest("name", words, 0));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("err");
    TCase *format = tcase_create("err_format");
    TCase *suggest = tcase_create("err_suggest");

    tcase_add_test(format, test_err_format_leaves_out_the_unknown);
    tcase_add_test(format, test_err_is_bounded_and_harmless);
    suite_add_tcase(s, format);
    tcase_add_test(suggest, test_err_suggest_the_nearest);
    suite_add_tcase(s, suggest);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
