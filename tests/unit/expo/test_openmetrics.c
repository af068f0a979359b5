/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenMetrics: the bytes of families and series, and what its stricter rules leave out
 */
#include "expo/encoder.h"

#include <math.h>
#include <string.h>

#include "lib/unit.h"

static void expect(struct buf *out, const char *want)
{
    ck_assert(!out->failed);
    buf_add_byte(out, '\0');
    ck_assert_str_eq(out->p, want);
    buf_release(out);
}

static struct snapshot_family family(const char *name, enum snapshot_type type, bool stem_is_free)
{
    return (struct snapshot_family){
        .name = slice_str(name),
        .help = SLICE_LIT("Help."),
        .type = type,
        .stem_is_free = stem_is_free,
    };
}

/* ---- families ---- */

/* Only a counter whose name is a free one and _total is called a counter. */
START_TEST(test_openmetrics_family_begin_names_and_types)
{
    static const struct {
        const char *name;
        enum snapshot_type type;
        bool stem_is_free;
        const char *want;
    } cases[] = {
        {"x_total", SNAPSHOT_COUNTER, true, "# HELP x Help.\n# TYPE x counter\n"},
        {"x_total", SNAPSHOT_COUNTER, false, "# HELP x_total Help.\n# TYPE x_total unknown\n"},
        {"x_total_total", SNAPSHOT_COUNTER, true, "# HELP x_total Help.\n# TYPE x_total counter\n"},
        {"x", SNAPSHOT_COUNTER, true, "# HELP x Help.\n# TYPE x unknown\n"},
        {"xtotal", SNAPSHOT_COUNTER, true, "# HELP xtotal Help.\n# TYPE xtotal unknown\n"},
        {"_total", SNAPSHOT_COUNTER, true, "# HELP _total Help.\n# TYPE _total unknown\n"},
        {"x_total_", SNAPSHOT_COUNTER, true, "# HELP x_total_ Help.\n# TYPE x_total_ unknown\n"},
        {"x_total", SNAPSHOT_GAUGE, true, "# HELP x_total Help.\n# TYPE x_total gauge\n"},
        {"x_total", SNAPSHOT_HISTOGRAM, true, "# HELP x_total Help.\n# TYPE x_total histogram\n"},
        {"x", SNAPSHOT_SUMMARY, false, "# HELP x Help.\n# TYPE x summary\n"},
    };

    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct snapshot_family f = family(cases[i].name, cases[i].type, cases[i].stem_is_free);
        struct buf out = {0};

        encoder_openmetrics.family_begin(&out, &f);
        expect(&out, cases[i].want);
    }
}
END_TEST

/* Help has backslash, LF and double quote escaped, and nothing else. */
START_TEST(test_openmetrics_family_begin_escapes_help)
{
    struct snapshot_family f = family("m", SNAPSHOT_GAUGE, false);
    struct buf out = {0};

    f.help = SLICE_LIT("a \"b\"\tc\\d\ne");
    encoder_openmetrics.family_begin(&out, &f);
    expect(&out, "# HELP m a \\\"b\\\"\tc\\\\d\\ne\n# TYPE m gauge\n");
}
END_TEST

/* A page ends with its mark. */
START_TEST(test_openmetrics_end_marks_the_end)
{
    struct buf out = {0};

    encoder_openmetrics.end(&out);
    expect(&out, "# EOF\n");
}
END_TEST

/* The media type says version and charset; the engine is asked about stems. */
START_TEST(test_openmetrics_content_type)
{
    ck_assert_str_eq(encoder_openmetrics.content_type,
                     "application/openmetrics-text; version=1.0.0; charset=utf-8");
    ck_assert(encoder_openmetrics.needs_stems);
}
END_TEST

/* ---- series ---- */

/* A sample keeps its name in every format; only a counter of that type tells when it was born. */
START_TEST(test_openmetrics_series_of_one_value)
{
    static const struct {
        const char *name, *labels;
        enum snapshot_type type;
        bool stem_is_free;
        int64_t created_ms;
        const char *want;
    } cases[] = {
        {"x_total", "", SNAPSHOT_COUNTER, true, 1234500, "x_total 7\nx_created 1234.5\n"},
        {"x_total", "a=\"}\\\"\"", SNAPSHOT_COUNTER, true, 1700000000000,
         "x_total{a=\"}\\\"\"} 7\nx_created{a=\"}\\\"\"} 1.7e+09\n"},
        {"x_total", "", SNAPSHOT_COUNTER, true, 0, "x_total 7\n"},
        {"x_total", "", SNAPSHOT_COUNTER, false, 1234500, "x_total 7\n"},
        {"x", "", SNAPSHOT_COUNTER, true, 1234500, "x 7\n"},
        {"_total", "", SNAPSHOT_COUNTER, true, 1234500, "_total 7\n"},
        {"x_total", "", SNAPSHOT_GAUGE, true, 1234500, "x_total 7\n"},
    };

    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct snapshot_family f = family(cases[i].name, cases[i].type, cases[i].stem_is_free);
        struct snapshot_series s = {
            .labels = slice_str(cases[i].labels), .created_ms = cases[i].created_ms, .value = 7};
        struct buf out = {0};

        encoder_openmetrics.series(&out, &f, &s);
        expect(&out, cases[i].want);
    }
}
END_TEST

#define TEXT(text)               \
    {                            \
        (text), sizeof(text) - 1 \
    }

#define N_BOUNDS 8
static const double bounds[N_BOUNDS] = {-3, 0, 1e-5, 0.5, 2, 100000, 1e6, 1.5e21};
static const struct slice bound_texts[N_BOUNDS] = {TEXT("-3"),    TEXT("0"),      TEXT("1e-05"),
                                                   TEXT("0.5"),   TEXT("2"),      TEXT("100000"),
                                                   TEXT("1e+06"), TEXT("1.5e+21")};
static const uint64_t cumulative[N_BOUNDS] = {1, 1, 2, 3, 1000000, 1000001, 1000002, 1000003};

static struct snapshot_series histogram(unsigned from, unsigned n, double sum)
{
    return (struct snapshot_series){
        .created_ms = 5000,
        .sum = sum,
        .count = 1000004,
        .n_points = n,
        .points = bounds + from,
        .point_texts = bound_texts + from,
        .cumulative = cumulative + from,
    };
}

/* Bounds are floats in canonical spelling: with a point or an exponent. */
START_TEST(test_openmetrics_series_of_a_histogram)
{
    struct snapshot_family f = family("h", SNAPSHOT_HISTOGRAM, false);
    struct snapshot_series s = histogram(1, N_BOUNDS - 1, 1.5);
    struct buf out = {0};

    s.labels = SLICE_LIT("a=\"b\"");
    encoder_openmetrics.series(&out, &f, &s);
    expect(&out, "h_bucket{a=\"b\",le=\"0.0\"} 1\n"
                 "h_bucket{a=\"b\",le=\"1e-05\"} 2\n"
                 "h_bucket{a=\"b\",le=\"0.5\"} 3\n"
                 "h_bucket{a=\"b\",le=\"2.0\"} 1e+06\n"
                 "h_bucket{a=\"b\",le=\"100000.0\"} 1.000001e+06\n"
                 "h_bucket{a=\"b\",le=\"1e+06\"} 1.000002e+06\n"
                 "h_bucket{a=\"b\",le=\"1.5e+21\"} 1.000003e+06\n"
                 "h_bucket{a=\"b\",le=\"+Inf\"} 1.000004e+06\n"
                 "h_sum{a=\"b\"} 1.5\n"
                 "h_count{a=\"b\"} 1.000004e+06\n"
                 "h_created{a=\"b\"} 5\n");
}
END_TEST

/* A histogram's sum and count are left out where the sum could be no counter. */
START_TEST(test_openmetrics_series_of_a_histogram_without_sum)
{
    static const struct {
        double sum;
        unsigned from;
        const char *want;
    } cases[] = {
        {0, 2, "h_bucket{le=\"+Inf\"} 1.000004e+06\nh_sum 0\nh_count 1.000004e+06\nh_created 5\n"},
        {-0.0, 2,
         "h_bucket{le=\"+Inf\"} 1.000004e+06\nh_sum 0\nh_count 1.000004e+06\nh_created 5\n"},
        {INFINITY, 2,
         "h_bucket{le=\"+Inf\"} 1.000004e+06\nh_sum +Inf\nh_count 1.000004e+06\nh_created 5\n"},
        {-0.5, 2, "h_bucket{le=\"+Inf\"} 1.000004e+06\nh_created 5\n"},
        {-INFINITY, 2, "h_bucket{le=\"+Inf\"} 1.000004e+06\nh_created 5\n"},
        {NAN, 2, "h_bucket{le=\"+Inf\"} 1.000004e+06\nh_created 5\n"},
    };
    struct snapshot_family f = family("h", SNAPSHOT_HISTOGRAM, false);
    struct snapshot_series s;
    struct buf out = {0};

    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        s = histogram(2, 0, cases[i].sum);
        encoder_openmetrics.series(&out, &f, &s);
        expect(&out, cases[i].want);
    }
    s = histogram(0, 1, 1.5); /* a negative bound */
    encoder_openmetrics.series(&out, &f, &s);
    expect(&out, "h_bucket{le=\"-3.0\"} 1\nh_bucket{le=\"+Inf\"} 1.000004e+06\nh_created 5\n");
}
END_TEST

/* A summary leaves out what may not be negative or NaN: quantiles, the sum; never the count. */
START_TEST(test_openmetrics_series_of_a_summary)
{
    static const double points[] = {0, 0.5, 0.99, 1};
    static const struct slice texts[] = {TEXT("0"), TEXT("0.5"), TEXT("0.99"), TEXT("1")};
    static const double quantiles[] = {-0.25, -0.0, NAN, 3};
    struct snapshot_family f = family("s", SNAPSHOT_SUMMARY, false);
    struct snapshot_series s = {
        .labels = SLICE_LIT("a=\"b\""),
        .created_ms = 5000,
        .sum = 2.5,
        .count = 3,
        .n_points = 4,
        .points = points,
        .point_texts = texts,
        .quantiles = quantiles,
    };
    struct buf out = {0};

    encoder_openmetrics.series(&out, &f, &s);
    expect(&out, "s{a=\"b\",quantile=\"0.5\"} 0\n"
                 "s{a=\"b\",quantile=\"0.99\"} NaN\n"
                 "s{a=\"b\",quantile=\"1.0\"} 3\n"
                 "s_sum{a=\"b\"} 2.5\n"
                 "s_count{a=\"b\"} 3\n"
                 "s_created{a=\"b\"} 5\n");
    s.n_points = 0;
    s.sum = -1;
    s.created_ms = 0;
    encoder_openmetrics.series(&out, &f, &s);
    expect(&out, "s_count{a=\"b\"} 3\n");
}
END_TEST

/* An exemplar stands behind the sample that it is of; without a time it has none. Only buckets and
 * counters that are called so have one. */
START_TEST(test_openmetrics_series_with_exemplars)
{
    const struct snapshot_exemplar exemplars[] = {
        {SLICE_LIT("trace_id=\"a\",b=\"\\\"\""), 0.67, 1520879607789},
        {SLICE_LIT(""), 5, 7},
        {SLICE_LIT("c=\"d\""), INFINITY, 0},
    };
    struct snapshot_family f = family("h", SNAPSHOT_HISTOGRAM, false);
    struct snapshot_series s = histogram(1, 2, 1.5);
    struct buf out = {0};

    s.exemplars = exemplars;
    encoder_openmetrics.series(&out, &f, &s);
    expect(&out, "h_bucket{le=\"0.0\"} 1 # {trace_id=\"a\",b=\"\\\"\"} 0.67 1520879607.789\n"
                 "h_bucket{le=\"1e-05\"} 2\n"
                 "h_bucket{le=\"+Inf\"} 1.000004e+06 # {c=\"d\"} +Inf\n"
                 "h_sum 1.5\nh_count 1.000004e+06\nh_created 5\n");
    s = (struct snapshot_series){.value = 3, .created_ms = 5000, .exemplars = exemplars};
    f = family("x_total", SNAPSHOT_COUNTER, true);
    encoder_openmetrics.series(&out, &f, &s);
    expect(&out, "x_total 3 # {trace_id=\"a\",b=\"\\\"\"} 0.67 1520879607.789\nx_created 5\n");
    f = family("x_total", SNAPSHOT_COUNTER, false);
    encoder_openmetrics.series(&out, &f, &s);
    expect(&out, "x_total 3\n");
}
END_TEST

/* The room made for a series is enough when every part of it is as long as it gets. */
START_TEST(test_openmetrics_series_reserves_enough)
{
    static const double longest = -2.2250738585072014e-308;
    static const struct slice digits = TEXT("12345678901234567890123456789012");
    const double quantiles[] = {-longest, -longest, -longest};
    const struct slice texts[] = {digits, digits, digits};
    char name[3000], labels[3000];
    const struct snapshot_exemplar longest_exemplar = {slice_of(labels, sizeof labels), longest,
                                                       INT64_MAX};
    const struct snapshot_exemplar exemplars[] = {longest_exemplar, longest_exemplar,
                                                  longest_exemplar, longest_exemplar};

    memset(name, 'n', sizeof name);
    memcpy(name + sizeof name - 6, "_total", 6);
    memset(labels, 'l', sizeof labels);
    for (unsigned n_points = 0; n_points <= 3; n_points++) {
        for (unsigned type = SNAPSHOT_COUNTER; type <= SNAPSHOT_SUMMARY; type++) {
            struct snapshot_family f = {
                .name = slice_of(name, sizeof name), .type = type, .stem_is_free = true};
            struct snapshot_series s = {
                .labels = slice_of(labels, sizeof labels),
                .created_ms = 1700000000123,
                .value = longest,
                .sum = -longest,
                .count = UINT64_MAX,
                .n_points = n_points,
                .points = quantiles,
                .point_texts = texts,
                .cumulative = cumulative,
                .quantiles = quantiles,
                .exemplars =
                    type == SNAPSHOT_COUNTER || type == SNAPSHOT_HISTOGRAM ? exemplars : NULL,
            };
            struct buf out = {0};

            encoder_openmetrics.series(&out, &f, &s);
            ck_assert(!out.failed);
            ck_assert_uint_gt(out.len, sizeof name + sizeof labels);
            buf_release(&out);
        }
    }
}
END_TEST

/* With a buffer that failed nothing is written. */
START_TEST(test_openmetrics_series_after_a_failure_writes_nothing)
{
    for (unsigned type = SNAPSHOT_COUNTER; type <= SNAPSHOT_SUMMARY; type++) {
        struct buf out = {.failed = true};
        struct snapshot_family f = family("m_total", type, true);
        struct snapshot_series s = histogram(1, 2, 1);

        s.quantiles = bounds;
        encoder_openmetrics.family_begin(&out, &f);
        encoder_openmetrics.series(&out, &f, &s);
        encoder_openmetrics.end(&out);
        ck_assert_ptr_null(out.p);
        ck_assert_uint_eq(out.len, 0);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("openmetrics");
    TCase *families = tcase_create("family"), *series = tcase_create("series");

    tcase_add_test(families, test_openmetrics_family_begin_names_and_types);
    tcase_add_test(families, test_openmetrics_family_begin_escapes_help);
    tcase_add_test(families, test_openmetrics_end_marks_the_end);
    tcase_add_test(families, test_openmetrics_content_type);
    suite_add_tcase(s, families);
    tcase_add_test(series, test_openmetrics_series_of_one_value);
    tcase_add_test(series, test_openmetrics_series_of_a_histogram);
    tcase_add_test(series, test_openmetrics_series_of_a_histogram_without_sum);
    tcase_add_test(series, test_openmetrics_series_of_a_summary);
    tcase_add_test(series, test_openmetrics_series_with_exemplars);
    tcase_add_test(series, test_openmetrics_series_reserves_enough);
    tcase_add_test(series, test_openmetrics_series_after_a_failure_writes_nothing);
    suite_add_tcase(s, series);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
