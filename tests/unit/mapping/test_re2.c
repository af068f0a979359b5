/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RE2: how expressions are rewritten, and what is refused
 */
#include "mapping/re2.h"

#include "lib/guard.h"
#include "lib/unit.h"

#include <errno.h>

static const struct {
    const char *text;
    const char *written;
} rewritten[] = {
    {"", ""},
    {"abc", "abc"},
    {"a.b", "a.b"},
    {"a\\.b-_ ", "a\\.b\\-\\_\\x{20}"},
    {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\xb1", "\\x{e9}\\x{20ac}\\x{1f631}"},
    {"]}", "\\]\\}"},
    {"a*b+c?", "a{0,}b{1,}c{0,1}"},
    {"a*?b+?c??", "a{0,}?b{1,}?c{0,1}?"},
    {"a{2}b{2,}c{2,3}d{0}", "a{2,2}b{2,}c{2,3}d{0,0}"},
    {"a{2}?", "a{2,2}?"},
    {"a{1000}", "a{1000,1000}"},
    /* braces that are no repeat are text */
    {"{", "\\{"},
    {"a{", "a\\{"},
    {"a{}", "a\\{\\}"},
    {"a{,3}", "a\\{\\,3\\}"},
    {"a{2", "a\\{2"},
    {"a{2,", "a\\{2\\,"},
    {"a{2,x}", "a\\{2\\,x\\}"},
    {"a{ 2}", "a\\{\\x{20}2\\}"},
    {"a{02}", "a\\{02\\}"},
    {"{2}", NULL},
    {"a{x}*", "a\\{x\\}{0,}"},
    /* assertions */
    {"^a$", "^a$"},
    {"\\Aa\\z", "\\Aa\\z"},
    {"\\ba\\B", "\\ba\\B"},
    {"^*", "(?:^){0,}"},
    {"\\b+a", "(?:\\b){1,}a"},
    {"a$?", "a(?:$){0,1}"},
    /* groups and flags */
    {"(a)(?:b)(?P<n>c)(?<m>d)", "(a)(?:b)(c)(d)"},
    {"(?i)a(?s-m:b)(?U)c(?)", "(?i)a(?s-m:b)(?U)c"},
    {"(?i:a|b)|", "(?i:a|b)|"},
    {"(|a)()", "(|a)()"},
    /* escapes */
    {"\\d\\D\\w\\W", "\\d\\D\\w\\W"},
    {"\\s\\S", "[\\t\\n\\f\\r\\x20][^\\t\\n\\f\\r\\x20]"},
    {"\\a\\f\\n\\r\\t\\v", "\\x{7}\\x{c}\\x{a}\\x{d}\\x{9}\\x{b}"},
    {"\\x41\\x{42}\\x{1F600}", "AB\\x{1f600}"},
    {"\\0\\012\\123\\1234\\18", NULL},
    {"\\0\\012\\123\\1234\\777", "\\x{0}\\x{a}SS4\\x{1ff}"},
    {"\\07\\008", "\\x{7}\\x{0}8"},
    {"\\-\\!\\/\\_", "\\-\\!\\/\\_"},
    {"\\pL\\PL\\p{Lu}\\P{Lu}\\p{^Lu}\\P{^Lu}", "\\p{L}\\P{L}\\p{Lu}\\P{Lu}\\P{Lu}\\p{Lu}"},
    {"\\p{Greek}\\p{^Han}\\p{Yi}\\p{Any}", "\\p{sc:Greek}\\P{sc:Han}\\p{sc:Yi}\\p{Any}"},
    {"\\p{Thai}\\p{SignWriting}\\p{Old_Italic}",
     "\\p{sc:Thai}\\p{sc:SignWriting}\\p{sc:Old_Italic}"},
    {"\\Qa.b+\\Ec", "a\\.b\\+c"},
    {"\\Qa\\.(", "a\\\\\\.\\("},
    {"\\Qab\\E+", "ab{1,}"},
    {"a\\Q\\E+", "a{1,}"},
    /* brackets */
    {"[abc]", "[abc]"},
    {"[^a-z0]", "[^a-z0]"},
    {"[]a]", "[\\]a]"},
    {"[^]a]", "[^\\]a]"},
    {"[-a]", "[\\-a]"},
    {"[a-]", "[a\\-]"},
    {"[a-b-c]", "[a-b\\-c]"},
    {"[[]", "[\\[]"},
    {"[a^$.*(){}|?]", "[a\\^\\$\\.\\*\\(\\)\\{\\}\\|\\?]"},
    {"[\\d\\s\\S\\w-z]", "[\\d\\t\\n\\f\\r\\x20\\S\\x0b\\w\\-z]"},
    {"[\\pL\\p{Greek}]", "[\\p{L}\\p{sc:Greek}]"},
    {"[[:alpha:]_[:^digit:]]", "[[:alpha:]\\_[:^digit:]]"},
    {"[[:a]", "[\\[\\:a]"},
    {"[\\x{e9}-\xc3\xbf\\]\\n]", "[\\x{e9}-\\x{ff}\\]\\x{a}]"},
};

/* What RE2 knows is written so that PCRE2 takes it the same way; nothing else is ever written. */
START_TEST(test_re2_rewrites)
{
    size_t len = strlen(rewritten[_i].text);
    const char *text = guard_copy(rewritten[_i].text, len);
    const char *written = rewritten[_i].written;
    struct re2_fault fault = {0};
    struct re2 re;
    int r;

    memset(&re, 0x5a, sizeof re);
    r = re2_translate(&re, slice_of(text, len), &fault);
    if (written == NULL) {
        ck_assert_int_eq(r, -EINVAL);
        guard_free(text, len);
        return;
    }
    ck_assert_msg(r == 0, "%s: refused, it %s", rewritten[_i].text, fault.why);
    ck_assert_msg(slice_eq_str(buf_slice(&re.pattern), written), "%s: %.*s, not %s",
                  rewritten[_i].text, (int)re.pattern.len, re.pattern.p, written);
    re2_release(&re);
    guard_free(text, len);
}
END_TEST

static const struct {
    const char *text;
    const char *word;
    const char *why; /* a part of it */
} refused[] = {
    {"a(?=b)", "(?=", "look-ahead"},
    {"a(?!b)", "(?!", "an earlier rule"},
    {"(?<=a)b", "(?<=", "look-behind"},
    {"(?<!a)b", "(?<!", "look-behind"},
    {"(?>a)", "(?>", "atomic"},
    {"(?|a|b)", "(?|", "resets groups"},
    {"a(?#note)", "(?#", "comment"},
    {"(?(1)a|b)", "(?(", "condition"},
    {"(?P<n>a)(?P=n)", "(?P=", "back-reference"},
    {"(?P>n)", "(?P>", "recursion"},
    {"(?R)", "(?R", "recursion"},
    {"(?1)", "(?1", "not a supported group"},
    {"(?&n)", "(?&", "recursion"},
    {"(?C1)", "(?C", "callout"},
    {"(?'n'a)", "(?'", "(?P<name>...)"},
    {"(?x) a", "(?x", "flag x"},
    {"(?ix) a", "(?ix", "not a supported group"},
    {"(?^i)a", "(?^", "flags"},
    {"(?J)a", "(?J", "not a supported group"},
    {"(?-)a", "(?-)", "not a supported group"},
    {"(?i-)a", "(?i-)", "not a supported group"},
    {"(?-i-s)a", "(?-i-", "not a supported group"},
    {"(?", "(?", "not a supported group"},
    {"(?i", "(?i", "not a supported group"},
    {"(?P<n", "(?P<n", "requires a name"},
    {"(?P<>a)", "(?P<>", "requires a name"},
    {"(?P<a-b>a)", "(?P<a-b>", "requires a name"},
    {"(?P<n>a)(?<n>b)", "(?<n>", "repeats the name"},
    {"(*UTF)a", "(*", "verb"},
    {"a(*SKIP)", "(*", "verb"},
    {"(a)\\1", "\\1", "back-reference"},
    {"(a)\\8", "\\8", "back-reference"},
    {"\\g{1}", "\\g", "back-reference"},
    {"\\k<n>", "\\k", "back-reference"},
    {"a\\Kb", "\\K", "group"},
    {"\\Ga", "\\G", "^"},
    {"\\R", "\\R", "\\n"},
    {"\\X", "\\X", "code point"},
    {"\\C", "\\C", "code point"},
    {"\\h", "\\h", "[\\t ]"},
    {"\\H", "\\H", "[\\t ]"},
    {"\\N", "\\N", "[^\\n]"},
    {"\\V", "\\V", "[^\\n"},
    {"a\\Z", "\\Z", "\\z"},
    {"a\\E", "\\E", "\\Q"},
    {"\\e", "\\e", "\\x{...}"},
    {"\\cA", "\\c", "\\x{...}"},
    {"\\o{7}", "\\o", "\\x{...}"},
    {"\\y", "\\y", "remove the backslash"},
    {"\\\xc3\xa9", "\\\xc3\xa9", "remove the backslash"},
    {"a\\", "\\", "needs a character"},
    {"\\x", "\\x", "hexadecimal"},
    {"\\x4", "\\x4", "hexadecimal"},
    {"\\x{}", "\\x{", "hexadecimal"},
    {"\\x{41", "\\x{41", "hexadecimal"},
    {"\\x{110000}", "\\x{110000}", "code point"},
    {"\\x{d800}", "\\x{d800}", "code point"},
    {"\\p", "\\p", "category"},
    {"\\p{", "\\p{", "category"},
    {"\\p{}", "\\p{}", "category"},
    {"\\p{a=b}", "\\p{a=b}", "category"},
    {"a\\p{Foo}b", "\\p{Foo}", "not a category or a script"},
    {"\\pQ", "\\pQ", "not a category"},
    {"\\P{^Klingon}", "\\P{^Klingon}", "not a category or a script"},
    {"[\\p{Grek}]", "\\p{Grek}", "as Unicode does"},
    {"\\p{greek}", "\\p{greek}", "as Unicode does"},
    {"\\p{LU}", "\\p{LU}", "as Unicode does"},
    {"\\p{Xan}", "\\p{Xan}", "not a category"},
    {"\\p{An_uncommonly_long_name_that_no_script_of_this_world_will_ever_have}",
     "\\p{An_uncommonly_long_name_that_no_script_of_this_world_will_ever_have}",
     "not a category or a script"},
    {"\\p\xc3\xa9", "\\p\xc3\xa9", "category"},
    {"a**", "a**", "repeats a repeat"},
    {"ba+?*", "a+?*", "repeats a repeat"},
    {"a*+", "a*+", "possessive"},
    {"x(ab)?+", "(ab)?+", "possessive"},
    {"a{2}{3}", "a{2}{3}", "repeats a repeat"},
    {"*a", "*", "repeats nothing"},
    {"+", "+", "repeats nothing"},
    {"a|?", "?", "repeats nothing"},
    {"(+a)", "+", "repeats nothing"},
    {"a(?i)*", "*", "repeats nothing"},
    {"a{1001}", "{1001}", "1000"},
    {"a{1,1001}", "{1,1001}", "1000"},
    {"a{99999999999999999999}", "{99999999999999999999}", "1000"},
    {"a{3,2}", "{3,2}", "an invalid number"},
    {"((a{100}b){10}c){2}", "{2}", "multiplied"},
    {"(a{30}|b{40}){26}", "{26}", "multiplied"},
    {"[a", "[", "not closed"},
    {"x[]", "[", "not closed"},
    {"[^]", "[", "not closed"},
    {"[a-", "[", "not closed"},
    {"[z-a]", "z-a", "backwards"},
    {"[b\\x62-a]", "\\x62-a", "backwards"},
    {"[a-\\d]", "a-\\d", "cannot end"},
    {"[[:foo:]]", "[:foo:]", "not a class"},
    {"[\\b]", "\\b", "one character"},
    {"[\\z]", "\\z", "one character"},
    {"[\\Qa\\E]", "\\Q", "inside brackets"},
    {"(a", "(", "not closed"},
    {"a((b)", "(", "not closed"},
    {"a)", ")", "closes no group"},
    {"\xff", "", "UTF-8"},
};

/* What RE2 lacks or forbids is refused with the offending word and a way out. */
START_TEST(test_re2_refuses)
{
    size_t len = strlen(refused[_i].text);
    const char *text = guard_copy(refused[_i].text, len);
    struct re2_fault fault;
    struct re2 re;
    int r;

    memset(&fault, 0x5a, sizeof fault);
    r = re2_translate(&re, slice_of(text, len), &fault);
    ck_assert_msg(r == -EINVAL, "%s: taken", refused[_i].text);
    ck_assert_msg(slice_eq_str(fault.word, refused[_i].word), "%s: '%.*s', not '%s'",
                  refused[_i].text, (int)fault.word.len, fault.word.p, refused[_i].word);
    ck_assert_msg(strstr(fault.why, refused[_i].why) != NULL, "%s: %s", refused[_i].text,
                  fault.why);
    guard_free(text, len);
}
END_TEST

static const struct {
    const char *text;
    const char *literal;
    bool begins;
} literals[] = {
    {"abc", "abc", false},
    {"^abc", "abc", true},
    {"\\Aa\\.b", "a.b", true},
    {"^\\Qa.b\\Ec", "a.bc", true},
    {"^\xc3\xa9\\x{20ac}", "\xc3\xa9\xe2\x82\xac", true},
    {"^app\\.(.*)$", "app.", true},
    {"^ab*", "a", true},
    {"^ab?c", "a", true},
    {"^ab+c", "ab", true},
    {"^ab{0,2}", "a", true},
    {"^ab{2}c", "ab", true},
    {"^abc\\d", "abc", true},
    {"abc$", "abc", false},
    {"abc(?i)d", "abc", false},
    {"abc(d|e)", "abc", false},
    {"(abc)d", "", false},
    {"(?i)abc", "", false},
    {"(?m)^abc", "", false},
    {"^*abc", "", false},
    {"a^bc", "a", false},
    {"^^abc", "", true},
    {"\\babc", "", false},
    {"^abc|^abd", "", false},
    {"^abc|", "", false},
    {"^(abc|d)", "", true},
    {".abc", "", false},
    {"", "", false},
};

/* The literal is what every match begins with, and never more than that. */
START_TEST(test_re2_finds_the_literal)
{
    struct re2_fault fault;
    struct re2 re;

    ck_assert_int_eq(re2_translate(&re, slice_str(literals[_i].text), &fault), 0);
    ck_assert_msg(slice_eq_str(buf_slice(&re.literal), literals[_i].literal), "%s: %.*s",
                  literals[_i].text, (int)re.literal.len, re.literal.p);
    ck_assert_msg(re.begins == literals[_i].begins, "%s", literals[_i].text);
    re2_release(&re);
}
END_TEST

static const struct {
    const char *text;
    const char *bytes; /* of every match, and no others are known */
} contents[] = {
    {"a.b", "ab"},
    {"^a\\.(\\w+)[xyz]-\\d$", "a.-"},
    {"(ab(?P<c>c)d)(?:e)", "abcde"},
    {"\\Qa+\\E\\x{41}b", "a+Ab"},
    {"{b}", "{b}"},
    /* what may stand there no times */
    {"ab*c", "ac"},
    {"ab?c{0,3}d{0}e", "ae"},
    {"ab+c{2}d{1,}e", "abcde"},
    {"\\Qab\\E*", "a"},
    {"a(b(c)*d)?e", "ae"},
    {"a(b(c)*d)+e", "abde"},
    {"a()*", "a"},
    {"a|()*", ""},
    {"ab[c]*", "ab"},
    {"aa*", "a"},
    /* one branch or the other */
    {"a|b", ""},
    {"ab|ac", ""},
    {"a(b|c)d", "ad"},
    {"a(b|c(d)e|f)g", "ag"},
    {"a(b(c|d)e)f", "abef"},
    {"(a|b)*c|d", ""},
    {"a(b|)c", "ac"},
    /* a letter that may be another */
    {"a(?i)b", "a"},
    {"(?i:a)b", ""},
    {"(?s:a)(?U)b", "ab"},
    /* code points of more than a byte say nothing */
    {"\xc3\xa9", ""},
    {"a\xe2\x82\xac", "a"},
    {"\\x{212a}", ""},
    {"", ""},
};

static uint64_t bits_of(const char *bytes)
{
    uint64_t bits = 0;

    for (; *bytes != '\0'; bytes++)
        bits |= re2_byte_bit(*bytes);
    return bits;
}

/* The bytes are in every match. */
START_TEST(test_re2_finds_the_bytes)
{
    struct re2_fault fault;
    struct re2 re;

    ck_assert_int_eq(re2_translate(&re, slice_str(contents[_i].text), &fault), 0);
    ck_assert_msg(re.bytes == bits_of(contents[_i].bytes), "%s: %016llx", contents[_i].text,
                  (unsigned long long)re.bytes);
    re2_release(&re);
}
END_TEST

/* What names are made of keeps apart, but for the case of letters. */
START_TEST(test_re2_tells_bytes_apart)
{
    static const char kinds[] = "abcdefghijklmnopqrstuvwxyz_0123456789.-/:;,#=+ ";
    uint64_t seen = 0;

    for (const char *c = kinds; *c != '\0'; c++) {
        ck_assert_msg((seen & re2_byte_bit(*c)) == 0, "%c", *c);
        seen |= re2_byte_bit(*c);
    }
}
END_TEST

/* Groups are numbered by their opening parenthesis; those with a name keep it. */
START_TEST(test_re2_numbers_the_groups)
{
    struct re2_fault fault;
    struct re2 re;

    ck_assert_int_eq(re2_translate(&re, SLICE_LIT("(a(?P<in>b))(?:c)(?<_2x>d)"), &fault), 0);
    ck_assert_uint_eq(re.n_groups, 3);
    ck_assert_uint_eq(re.names[0].len, 0);
    ck_assert(slice_eq_str(re.names[1], "in"));
    ck_assert(slice_eq_str(re.names[2], "_2x"));
    re2_release(&re);
    re2_release(&(struct re2){0});
}
END_TEST

/* Groups nest 200 deep and no deeper. */
START_TEST(test_re2_bounds_the_depth)
{
    char text[2 * 201 + 1] = "";
    struct re2_fault fault;
    struct re2 re;

    memset(text, '(', 200);
    memset(text + 200, ')', 200);
    ck_assert_int_eq(re2_translate(&re, slice_of(text, 400), &fault), 0);
    re2_release(&re);
    memset(text, '(', 201);
    memset(text + 201, ')', 201);
    ck_assert_int_eq(re2_translate(&re, slice_of(text, 402), &fault), -EINVAL);
    ck_assert_ptr_nonnull(strstr(fault.why, "too deep"));
}
END_TEST

#define N_OF(array) (int)(sizeof(array) / sizeof *(array))

static Suite *suite(void)
{
    Suite *s = suite_create("re2");
    TCase *translate = tcase_create("translate");

    tcase_add_loop_test(translate, test_re2_rewrites, 0, N_OF(rewritten));
    tcase_add_loop_test(translate, test_re2_refuses, 0, N_OF(refused));
    tcase_add_loop_test(translate, test_re2_finds_the_literal, 0, N_OF(literals));
    tcase_add_loop_test(translate, test_re2_finds_the_bytes, 0, N_OF(contents));
    tcase_add_test(translate, test_re2_tells_bytes_apart);
    tcase_add_test(translate, test_re2_numbers_the_groups);
    tcase_add_test(translate, test_re2_bounds_the_depth);
    suite_add_tcase(s, translate);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
