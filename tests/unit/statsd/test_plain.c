/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain lines: both ways cut alike, and as the long way does
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bacowr/statsd.h"
#include "lib/guard.h"
#include "lib/unit.h"
#include "statsd/plain.h"

static bool same_cut(const struct plain_line *a, const struct plain_line *b)
{
    return a->name_len == b->name_len && a->value_len == b->value_len && a->len == b->len &&
           a->taken == b->taken && a->suffix == b->suffix &&
           memcmp(&a->value, &b->value, sizeof a->value) == 0;
}

/*
 * Cut @text in each way: at a page's end, with other text behind it, byte by byte. True when it is
 * plain; they agree.
 */
static bool cut_all_ways(struct slice text, const char *behind, struct plain_line *out)
{
    const char *guarded = guard_copy(text.p, text.len);
    char *padded = malloc(text.len + PLAIN_PADDING);
    struct plain_line by_bytes, at_end, with_more;
    bool plain;

    ck_assert_ptr_nonnull(padded);
    memcpy(padded, text.p, text.len);
    for (size_t i = 0; i < PLAIN_PADDING; i++)
        padded[text.len + i] = behind[i % strlen(behind)];
    plain = plain_cut_portable(slice_of(guarded, text.len), &by_bytes);
    ck_assert_msg(plain_cut(slice_of(guarded, text.len), false, &at_end) == plain, "%.*s",
                  (int)text.len, text.p);
    ck_assert_msg(plain_cut(slice_of(padded, text.len), true, &with_more) == plain, "%.*s (%s)",
                  (int)text.len, text.p, behind);
    if (plain) {
        ck_assert_msg(same_cut(&by_bytes, &at_end), "%.*s", (int)text.len, text.p);
        ck_assert_msg(same_cut(&by_bytes, &with_more), "%.*s (%s)", (int)text.len, text.p, behind);
        *out = by_bytes;
    }
    guard_free(guarded, text.len);
    free(padded);
    return plain;
}

#define LONG_NAME "a.name.that.is.longer.than.what.one.look.at.the.window.finds"

/* Name, number and suffix, the line's end left out, and how much of the text it took. */
START_TEST(test_plain_cuts_the_first_line)
{
    static const struct {
        const char *text;
        size_t name_len, value_len, len, taken;
        double value;
    } cases[] = {
        {"a:1|c", 1, 1, 5, 5, 1},
        {"a:1|c\n", 1, 1, 5, 6, 1},
        {"a:1|c\r\n", 1, 1, 5, 7, 1},
        {"a:1|c\r", 1, 1, 6, 6, 1},
        {"a:1|c\nb:2|c", 1, 1, 5, 6, 1},
        {"a:1|\nb:2|c", 1, 1, 4, 5, 1},
        {"a:-2.5|ms|#b:c:d|@0.1\nb:2|c", 1, 4, 21, 22, -2.5},
        {"a|b:1|c", 3, 1, 7, 7, 1},
        {"_e{1,1}:1|c", 7, 1, 11, 11, 1},
        {"a:1e3|c", 1, 3, 7, 7, 1000},
        {"a:123456789|c", 1, 9, 13, 13, 123456789},
        {"a:0000000000000000000000000000012|c", 1, 31, 35, 35, 12},
        {LONG_NAME ":7|g\nb:1|c", sizeof LONG_NAME - 1, 1, sizeof LONG_NAME + 3,
         sizeof LONG_NAME + 4, 7},
        {"a:1|c|#" LONG_NAME ":" LONG_NAME "\nb:1|c", 1, 1, 2 * sizeof LONG_NAME + 6,
         2 * sizeof LONG_NAME + 7, 1},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slice text = slice_str(cases[i].text);
        struct plain_line cut;

        ck_assert_msg(cut_all_ways(text, "|c\n:1|c", &cut), "%s", text.p);
        ck_assert_uint_eq(cut.name_len, cases[i].name_len);
        ck_assert_uint_eq(cut.value_len, cases[i].value_len);
        ck_assert_uint_eq(cut.len, cases[i].len);
        ck_assert_uint_eq(cut.taken, cases[i].taken);
        ck_assert_double_eq(cut.value, cases[i].value);
        ck_assert_uint_eq(cut.suffix,
                          slice_word(slice_of(text.p + cut.name_len + 1 + cut.value_len,
                                              cut.len - cut.name_len - 1 - cut.value_len)));
    }
}
END_TEST

/* What has no name, no number or no bar in its first line, whatever the next one has. */
START_TEST(test_plain_leaves_the_rest)
{
    static const char *const texts[] = {
        "",         "\n",      "a",       "a:",      "a:1",       ":1|c",       "a:|c",    "a:x|s",
        "a:1:2|ms", "a\n:1|c", "a:\n1|c", "a:1\n|c", "a:1\r\n|c", "a:1\nb:1|c", "\na:1|c",
    };
    struct plain_line cut;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        ck_assert_msg(!cut_all_ways(slice_str(texts[i]), "1|c\n:1|c", &cut), "%s", texts[i]);
}
END_TEST

#define MAX 8

static bool same_values(const double *a, const double *b, unsigned n)
{
    return memcmp(a, b, n * sizeof *a) == 0;
}

/* As cut_all_ways(), for packed lines; how many values. */
static unsigned cut_packed_all_ways(struct slice text, const char *behind, struct plain_line *out,
                                    double values[MAX])
{
    const char *guarded = guard_copy(text.p, text.len);
    char *padded = malloc(text.len + PLAIN_PADDING);
    struct plain_line cut[3] = {0};
    double found[3][MAX];
    unsigned n[3];

    ck_assert_ptr_nonnull(padded);
    memcpy(padded, text.p, text.len);
    for (size_t i = 0; i < PLAIN_PADDING; i++)
        padded[text.len + i] = behind[i % strlen(behind)];
    n[0] = plain_cut_packed_portable(slice_of(guarded, text.len), &cut[0], found[0], MAX);
    n[1] = plain_cut_packed(slice_of(guarded, text.len), false, &cut[1], found[1], MAX);
    n[2] = plain_cut_packed(slice_of(padded, text.len), true, &cut[2], found[2], MAX);
    for (unsigned i = 1; i < 3; i++) {
        ck_assert_msg(n[i] == n[0], "%.*s (%s)", (int)text.len, text.p, behind);
        cut[0].value = cut[i].value = 0;
        ck_assert_msg(n[0] == 0 ||
                          (same_cut(&cut[0], &cut[i]) && same_values(found[0], found[i], n[0])),
                      "%.*s (%s)", (int)text.len, text.p, behind);
    }
    if (n[0] > 0) {
        *out = cut[0];
        memcpy(values, found[0], n[0] * sizeof values[0]);
    }
    guard_free(guarded, text.len);
    free(padded);
    return n[0];
}

/* All values, the suffix behind the last, whatever the line's end. */
START_TEST(test_plain_cuts_packed_values)
{
    static const struct {
        const char *text;
        unsigned n;
        double values[MAX];
        size_t name_len, value_len, len, taken;
    } cases[] = {
        {"a:1:2|ms", 2, {1, 2}, 1, 3, 8, 8},
        {"a:1:2|ms\n", 2, {1, 2}, 1, 3, 8, 9},
        {"a:1:2|h\r\nb:1|c", 2, {1, 2}, 1, 3, 7, 9},
        {"ab:-1:+2:.5:12345678|d|@0.5|#x:y\n", 4, {-1, 2, .5, 12345678}, 2, 17, 32, 33},
        {"a:1:123456789|ms", 2, {1, 123456789}, 1, 11, 16, 16},
        {"a:1e3:2|ms", 2, {1000, 2}, 1, 5, 10, 10},
        {"a:1:inf|ms", 2, {1, HUGE_VAL}, 1, 5, 10, 10},
        {"a:1:2:3:4:5:6:7:8|ms", 8, {1, 2, 3, 4, 5, 6, 7, 8}, 1, 15, 20, 20},
        {LONG_NAME ":1:2|ms",
         2,
         {1, 2},
         sizeof LONG_NAME - 1,
         3,
         sizeof LONG_NAME + 6,
         sizeof LONG_NAME + 6},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slice text = slice_str(cases[i].text);
        struct plain_line cut;
        double values[MAX];

        ck_assert_msg(cut_packed_all_ways(text, "|ms\n:1:2|ms", &cut, values) == cases[i].n, "%s",
                      text.p);
        ck_assert(same_values(values, cases[i].values, cases[i].n));
        ck_assert_uint_eq(cut.name_len, cases[i].name_len);
        ck_assert_uint_eq(cut.value_len, cases[i].value_len);
        ck_assert_uint_eq(cut.len, cases[i].len);
        ck_assert_uint_eq(cut.taken, cases[i].taken);
        ck_assert_uint_eq(cut.suffix,
                          slice_word(slice_of(text.p + cut.name_len + 1 + cut.value_len,
                                              cut.len - cut.name_len - 1 - cut.value_len)));
    }
}
END_TEST

/* One value is not packed, more than there is room for are left, and so are all other types. */
START_TEST(test_plain_leaves_what_is_not_packed)
{
    static const char *const texts[] = {
        "",          "a",        "a:1|ms",      ":1:2|ms",   "a:1:2",      "a:1:2\n|ms",
        "a:1:2|c",   "a:1:2|g",  "a:1:2|s",     "a:1:2|m",   "a:1:2|",     "a:1:2|msx",
        "a:1:2|ms:", "a:1::2|h", "a:1:2:|h",    "a::1:2|h",  "a:1:x|ms",   "a:1:1e999|ms",
        "a:1|c:2|h", "a:1:2|hs", "a:1:2|mh|@1", "a\n:1:2|h", "a:1\n:2|ms", "a:1:2:3:4:5:6:7:8:9|ms",
    };
    struct plain_line cut;
    double values[MAX];

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        ck_assert_msg(cut_packed_all_ways(slice_str(texts[i]), "3|ms\n:1:2|ms", &cut, values) == 0,
                      "%s", texts[i]);
}
END_TEST

/* Any text that is like packed ones, cut at any length, whatever lies behind it. */
START_TEST(test_plain_packed_ways_agree)
{
    static const char *const pieces[] = {"a",  LONG_NAME, ":1",   ":2:3",    ":-.5",    ":1e3",
                                         ":x", ":",       "|ms",  "|h",      "|d|#k:v", "|c",
                                         "|",  "\n",      "\r\n", "12345678"};
    static const char *const behinds[] = {"|ms\n", "\n", ":1", "0", "|h\n:1|c\n", "\r\n", "x"};
    unsigned n_packed = 0;

    srandom(9);
    for (unsigned i = 0; i < 20000; i++) {
        char text[1024] = "n";
        double values[MAX];
        struct plain_line cut;
        size_t len = 1;

        for (unsigned n = 1 + (unsigned)random() % 8; n > 0; n--) {
            const char *piece = pieces[(size_t)random() % (sizeof pieces / sizeof pieces[0])];

            memcpy(text + len, piece, strlen(piece));
            len += strlen(piece);
        }
        len -= (size_t)random() % 8 == 0 ? (size_t)random() % len : 0;
        n_packed += cut_packed_all_ways(slice_of(text, len), behinds[i % 7], &cut, values) > 0;
    }
    ck_assert_uint_gt(n_packed, 300);
}
END_TEST

/* Any text at all, cut at any length, whatever lies behind it. */
START_TEST(test_plain_ways_agree)
{
    static const char *const pieces[] = {
        "a",       "name.of.a.metric",
        ":",       "|",
        "\n",      "\r\n",
        "1",       "12.5",
        "-3",      "+.5",
        "1e5",     "|c",
        "|ms",     "|g",
        "|#",      "k:v",
        ",",       "|@0.1",
        "\r",      "99999999",
        "nan",     "0x1p4",
        "é",       ".",
        "|c\n",    ":1|c\n",
        LONG_NAME,
    };
    static const char *const behinds[] = {"|", "\n", ":", "0", "|c\n:1|c\n", "\r\n", "x"};
    unsigned n_plain = 0;

    srandom(8);
    for (unsigned i = 0; i < 60000; i++) {
        char text[1024];
        size_t len = 0;
        struct plain_line cut;

        for (unsigned n = 1 + (unsigned)random() % 12; n > 0; n--) {
            const char *piece = pieces[(size_t)random() % (sizeof pieces / sizeof pieces[0])];

            memcpy(text + len, piece, strlen(piece));
            len += strlen(piece);
        }
        len -= (size_t)random() % 8 == 0 ? (size_t)random() % len : 0;
        n_plain += cut_all_ways(slice_of(text, len), behinds[i % 7], &cut);
    }
    ck_assert_uint_gt(n_plain, 1000);
}
END_TEST

/*
 * Once (name, suffix) is plain, each line with one number between them is one sample of just these
 * on the long way.
 */
START_TEST(test_plain_identities_are_what_the_long_way_finds)
{
    static const struct {
        const char *name, *suffix;
        bool plain;
    } cases[] = {
        {"a", "|c", true},        {"a", "|ms|@0.1", true},
        {"a", "|c|#k:v:w", true}, {"a[t=u]", "|c", true},
        {"a", "|s", true},        {"a", "|zz", true},
        {"a", "|c||", true},      {"a[t=u]", "|c|#k:v", false},
        {"a", "|c:2|ms", false},  {"a", "|c|c:id", false},
        {"a", "|c|T1", false},    {"a", "|c|e:x|#k:v", false},
    };
    struct statsd_options options = statsd_default_options();

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slice name = slice_str(cases[i].name), suffix = slice_str(cases[i].suffix);
        struct statsd_parts parts;
        struct statsd_sample sample;
        char line[128];

        snprintf(line, sizeof line, "%s:-1.5%s", name.p, suffix.p);
        ck_assert_msg(statsd_is_plain(name, suffix, &options) == cases[i].plain, "%s", line);
        if (!cases[i].plain)
            continue;
        ck_assert_int_eq(statsd_split(slice_str(line), &options, &parts), STATSD_OK);
        ck_assert(statsd_next_sample(&parts, &sample));
        ck_assert(slice_eq(parts.name, name) && slice_eq_str(sample.value, "-1.5") &&
                  slice_eq(sample.suffix, suffix));
        ck_assert(!statsd_next_sample(&parts, &sample));
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("plain");
    TCase *cut = tcase_create("cut");
    TCase *identity = tcase_create("identity");

    tcase_add_test(cut, test_plain_cuts_the_first_line);
    tcase_add_test(cut, test_plain_leaves_the_rest);
    tcase_add_test(cut, test_plain_cuts_packed_values);
    tcase_add_test(cut, test_plain_leaves_what_is_not_packed);
    tcase_add_test(cut, test_plain_packed_ways_agree);
    tcase_add_test(cut, test_plain_ways_agree);
    suite_add_tcase(s, cut);
    tcase_add_test(identity, test_plain_identities_are_what_the_long_way_finds);
    suite_add_tcase(s, identity);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
