/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text: the bytes of families, series of each type, and escaped labels
 */
#include "expo/encoder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/guard.h"
#include "lib/unit.h"

static void expect(struct buf *out, const char *want)
{
    ck_assert(!out->failed);
    buf_add_byte(out, '\0');
    ck_assert_str_eq(out->p, want);
    buf_release(out);
}

static struct snapshot_family family(const char *name, enum snapshot_type type)
{
    return (struct snapshot_family){
        .name = slice_str(name), .help = SLICE_LIT("Help."), .type = type};
}

/* ---- families ---- */

/* A family begins with its help, backslash and LF escaped and no more, and its type. */
START_TEST(test_text_family_begin_has_help_and_type)
{
    static const struct {
        const char *help;
        enum snapshot_type type;
        const char *want;
    } cases[] = {
        {"Requests.", SNAPSHOT_COUNTER, "# HELP m Requests.\n# TYPE m counter\n"},
        {"", SNAPSHOT_GAUGE, "# HELP m \n# TYPE m gauge\n"},
        {"a \"b\"\tc\\d\ne", SNAPSHOT_HISTOGRAM,
         "# HELP m a \"b\"\tc\\\\d\\ne\n# TYPE m histogram\n"},
        {"\\", SNAPSHOT_SUMMARY, "# HELP m \\\\\n# TYPE m summary\n"},
        {"\n\n", SNAPSHOT_GAUGE, "# HELP m \\n\\n\n# TYPE m gauge\n"},
        {"gr\xc3\xb6\xc3\x9f"
         "e",
         SNAPSHOT_GAUGE,
         "# HELP m gr\xc3\xb6\xc3\x9f"
         "e\n# TYPE m gauge\n"},
    };

    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out = {0};
        struct snapshot_family f = {
            .name = SLICE_LIT("m"), .help = slice_str(cases[i].help), .type = cases[i].type};

        encoder_text.family_begin(&out, &f);
        expect(&out, cases[i].want);
    }
}
END_TEST

/* Nothing closes a page. */
START_TEST(test_text_has_no_end)
{
    ck_assert(encoder_text.end == NULL);
}
END_TEST

/* ---- series ---- */

/* A counter or gauge is one line; braces only around labels; numbers as num_print() has them. */
START_TEST(test_text_series_of_one_value)
{
    static const struct {
        const char *labels;
        double value;
        const char *want;
    } cases[] = {
        {"", 0, "m 0\n"},
        {"", -0.0, "m 0\n"},
        {"", 17, "m 17\n"},
        {"", 999999, "m 999999\n"},
        {"", 1000000, "m 1e+06\n"},
        {"", 123456789, "m 1.23456789e+08\n"},
        {"", -2.5, "m -2.5\n"},
        {"", 1e-5, "m 1e-05\n"},
        {"", -2.2250738585072014e-308, "m -2.2250738585072014e-308\n"},
        {"", NAN, "m NaN\n"},
        {"", INFINITY, "m +Inf\n"},
        {"", -INFINITY, "m -Inf\n"},
        {"a=\"b\"", 1, "m{a=\"b\"} 1\n"},
        {"a=\"b\",c=\"}\\\"\"", 0.1, "m{a=\"b\",c=\"}\\\"\"} 0.1\n"},
    };

    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct snapshot_series s = {.labels = slice_str(cases[i].labels), .value = cases[i].value};
        struct snapshot_family f = family("m", i % 2 ? SNAPSHOT_GAUGE : SNAPSHOT_COUNTER);
        struct buf out = {0};

        encoder_text.series(&out, &f, &s);
        expect(&out, cases[i].want);
    }
}
END_TEST

static const struct slice le_texts[] = {{"0.5", 3}, {"2", 1}};
static const uint64_t cumulative[] = {3, 1000000};

/* A histogram shows its bounds cumulatively, +Inf from the count, then sum and count. */
START_TEST(test_text_series_of_a_histogram)
{
    struct snapshot_family f = family("h", SNAPSHOT_HISTOGRAM);
    struct snapshot_series s = {
        .sum = 1.5,
        .count = 1000001,
        .n_points = 2,
        .point_texts = le_texts,
        .cumulative = cumulative,
    };
    struct buf out = {0};

    encoder_text.series(&out, &f, &s);
    s.labels = SLICE_LIT("a=\"b\"");
    s.n_points = 0;
    encoder_text.series(&out, &f, &s);
    expect(&out, "h_bucket{le=\"0.5\"} 3\n"
                 "h_bucket{le=\"2\"} 1e+06\n"
                 "h_bucket{le=\"+Inf\"} 1.000001e+06\n"
                 "h_sum 1.5\n"
                 "h_count 1.000001e+06\n"
                 "h_bucket{a=\"b\",le=\"+Inf\"} 1.000001e+06\n"
                 "h_sum{a=\"b\"} 1.5\n"
                 "h_count{a=\"b\"} 1.000001e+06\n");
}
END_TEST

static const struct slice quantile_texts[] = {{"0.5", 3}, {"0.99", 4}};
static const double quantiles[] = {0.25, NAN};

/* A summary shows its quantiles as they come, then sum and count. */
START_TEST(test_text_series_of_a_summary)
{
    struct snapshot_family f = family("s", SNAPSHOT_SUMMARY);
    struct snapshot_series s = {
        .labels = SLICE_LIT("a=\"b\""),
        .sum = -1,
        .count = 2,
        .n_points = 2,
        .point_texts = quantile_texts,
        .quantiles = quantiles,
    };
    struct buf out = {0};

    encoder_text.series(&out, &f, &s);
    s.labels = slice_of(NULL, 0);
    s.n_points = 1;
    encoder_text.series(&out, &f, &s);
    expect(&out, "s{a=\"b\",quantile=\"0.5\"} 0.25\n"
                 "s{a=\"b\",quantile=\"0.99\"} NaN\n"
                 "s_sum{a=\"b\"} -1\n"
                 "s_count{a=\"b\"} 2\n"
                 "s{quantile=\"0.5\"} 0.25\n"
                 "s_sum -1\n"
                 "s_count 2\n");
}
END_TEST

/* The room made for a series is enough whatever the texts are: written byte for byte. */
START_TEST(test_text_series_reserves_enough)
{
    static const double longest = -2.2250738585072014e-308;
    char *text = malloc(5000);
    double *values = malloc(100 * sizeof *values);
    struct slice *texts = malloc(100 * sizeof *texts);

    memset(text, 'x', 5000);
    for (unsigned i = 0; i < 100; i++) {
        values[i] = longest;
        texts[i] = slice_of(text, i * 50);
    }
    for (unsigned n_points = 0; n_points < 100; n_points += 33) {
        for (size_t len = 0; len < 5000; len += 1666) {
            struct snapshot_family f = {.name = slice_of(text, len), .type = SNAPSHOT_SUMMARY};
            struct snapshot_series s = {
                .labels = slice_of(text, 5000 - len),
                .sum = longest,
                .count = UINT64_MAX,
                .n_points = n_points,
                .point_texts = texts,
                .quantiles = values,
            };
            size_t label_extra = n_points * (s.labels.len + strlen("{,quantile=\"\"} \n") + 24);
            size_t want = n_points * len + label_extra + 50 * n_points * (n_points - 1) / 2;
            struct buf out = {0};

            encoder_text.series(&out, &f, &s);
            if (s.labels.len == 0)
                want -= n_points;
            want += 2 * (len + s.labels.len + (s.labels.len > 0 ? 2 : 0)) + strlen("_sum \n") + 24 +
                    strlen("_count 1.8446744073709552e+19\n");
            ck_assert_uint_eq(out.len, want);
            buf_release(&out);
        }
    }
    free(text);
    free(values);
    free(texts);
}
END_TEST

/* Names and labels of every length are copied whole, and no byte behind them is looked at. */
START_TEST(test_text_series_of_any_length)
{
    char text[300];

    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + i % 23);
    for (size_t len = 1; len < sizeof text; len++) {
        const char *p = guard_copy(text, len);
        struct buf out = {0};
        struct snapshot_family f = {.name = slice_of(p, len), .type = SNAPSHOT_GAUGE};

        encoder_text.series(&out, &f,
                            &(struct snapshot_series){.labels = slice_of(p, len), .value = 7});
        ck_assert_uint_eq(out.len, 2 * len + strlen("{} 7\n"));
        ck_assert(memcmp(out.p, text, len) == 0 && out.p[len] == '{');
        ck_assert(memcmp(out.p + len + 1, text, len) == 0);
        ck_assert(memcmp(out.p + 2 * len + 1, "} 7\n", 4) == 0);
        buf_release(&out);
        guard_free(p, len);
    }
}
END_TEST

/* With a buffer that failed a series is left out whole and nothing is written. */
START_TEST(test_text_series_after_a_failure_writes_nothing)
{
    for (unsigned type = SNAPSHOT_COUNTER; type <= SNAPSHOT_SUMMARY; type++) {
        struct buf out = {.failed = true};
        struct snapshot_family f = family("m", type);
        struct snapshot_series s = {
            .n_points = 2,
            .point_texts = le_texts,
            .cumulative = cumulative,
            .quantiles = quantiles,
        };

        encoder_text.family_begin(&out, &f);
        encoder_text.series(&out, &f, &s);
        text_escape_label(&out, SLICE_LIT("a\nb"));
        ck_assert_ptr_null(out.p);
        ck_assert_uint_eq(out.len, 0);
    }
}
END_TEST

/* ---- labels ---- */

/* Backslash, LF and double quote get a backslash; every other byte stays as it is. */
START_TEST(test_text_escape_label_escapes_three_bytes)
{
    static const struct {
        const char *value;
        const char *want;
    } cases[] = {
        {"", ""},
        {"plain", "plain"},
        {"\"", "\\\""},
        {"\\", "\\\\"},
        {"\n", "\\n"},
        {"\\n", "\\\\n"},
        {"a\"b\\c\nd", "a\\\"b\\\\c\\nd"},
        {"\"\"x", "\\\"\\\"x"},
        {"\t\r \x7f\xf0\x9f\x98\xb1", "\t\r \x7f\xf0\x9f\x98\xb1"},
    };

    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t len = strlen(cases[i].value);
        const char *value = guard_copy(cases[i].value, len);
        struct buf out = {0};

        text_escape_label(&out, slice_of(value, len));
        expect(&out, cases[i].want);
        guard_free(value, len);
    }
}
END_TEST

/* The media type is what statsd_exporter sends, to the byte. */
START_TEST(test_text_content_type_is_the_rivals)
{
    ck_assert_str_eq(encoder_text.content_type,
                     "text/plain; version=0.0.4; charset=utf-8; escaping=underscores");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("text");
    TCase *families = tcase_create("family"), *series = tcase_create("series");
    TCase *labels = tcase_create("escape_label");

    tcase_add_test(families, test_text_family_begin_has_help_and_type);
    tcase_add_test(families, test_text_has_no_end);
    tcase_add_test(families, test_text_content_type_is_the_rivals);
    suite_add_tcase(s, families);
    tcase_add_test(series, test_text_series_of_one_value);
    tcase_add_test(series, test_text_series_of_a_histogram);
    tcase_add_test(series, test_text_series_of_a_summary);
    tcase_add_test(series, test_text_series_reserves_enough);
    tcase_add_test(series, test_text_series_of_any_length);
    tcase_add_test(series, test_text_series_after_a_failure_writes_nothing);
    suite_add_tcase(s, series);
    tcase_add_test(labels, test_text_escape_label_escapes_three_bytes);
    suite_add_tcase(s, labels);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
