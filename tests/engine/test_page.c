/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page: the strict reader that the other tests lean on takes what is right and nothing else
 */
#include <math.h>
#include <string.h>

#include "lib/page.h"
#include "lib/unit.h"

#define HEAD(name, type) "# HELP " name " x\n# TYPE " name " " type "\n"
#define HIST                                                                              \
    HEAD("h", "histogram")                                                                \
    "h_bucket{a=\"1\",le=\"0.5\"} 1\nh_bucket{a=\"1\",le=\"+Inf\"} 3\nh_sum{a=\"1\"} 7\n" \
    "h_count{a=\"1\"} 3\n"

static const char *const right[] = {
    "",
    HEAD("a", "counter") "a 1\n",
    HEAD("a", "gauge") "a{b=\"\"} -1\na NaN\na{b=\"x\\\\\\\"\\n\",c=\"é\"} 1e+06\n",
    HEAD("A", "gauge") "A 1\n" HEAD("a", "gauge") "a{le=\"x\",quantile=\"y\"} +Inf\n",
    HIST,
    HEAD("s", "summary") "s{quantile=\"0.5\"} NaN\ns{quantile=\"0.99\"} 1\ns_sum 1\ns_count 1\n",
};

static const char *const wrong[] = {
    "a 1\n",
    HEAD("a", "counter"),
    HEAD("a", "counter") "a 1",
    HEAD("a", "counter") "a -1\n",
    HEAD("a", "counter") "a NaN\n",
    HEAD("a", "untyped") "a 1\n",
    HEAD("a", "counter") "a 1.0\n",
    HEAD("a", "counter") "a 1000000\n",
    HEAD("a", "counter") "a  1\n",
    HEAD("a", "counter") "a 1 5\n",
    HEAD("a", "counter") "a{} 1\n",
    HEAD("a", "counter") "a{b=\"1\"}1\n",
    HEAD("a", "counter") "a{b=\"1\",} 1\n",
    HEAD("a", "counter") "a{b=\"1\",b=\"2\"} 1\n",
    HEAD("a", "counter") "a{c=\"1\",b=\"2\"} 1\n",
    HEAD("a", "counter") "a{b=\"1\" 1\n",
    HEAD("a", "counter") "a{b=\"\\t\"} 1\n",
    HEAD("a", "counter") "a{__b=\"1\"} 1\n",
    HEAD("a", "counter") "a{0b=\"1\"} 1\n",
    HEAD("a", "counter") "a{b=\"\xff\"} 1\n",
    HEAD("a", "counter") "b 1\n",
    HEAD("a", "counter") "a 1\na 2\n",
    HEAD("a", "counter") "a{b=\"1\"} 1\na 1\na{b=\"1\"} 2\n",
    HEAD("a", "counter") "a 1\n" HEAD("a", "counter") "a{b=\"1\"} 1\n",
    HEAD("b", "counter") "b 1\n" HEAD("a", "counter") "a 1\n",
    HEAD("a.b", "counter") "a.b 1\n",
    HEAD("0a", "counter") "0a 1\n",
    HEAD("a", "counter") "\na 1\n",
    "# TYPE a counter\na 1\n",
    "# HELP a x\n# TYPE b counter\nb 1\n",
    HEAD("h", "histogram") "h_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n",
    HEAD("h", "histogram") "h_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n",
    HEAD("h", "histogram") "h_bucket{le=\"2\"} 1\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 1\n"
                           "h_sum 1\nh_count 1\n",
    HEAD("h", "histogram") "h_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 2\n",
    HEAD("h", "histogram") "h_bucket{le=\"+Inf\"} 1\nh_count 1\nh_sum 2\n",
    HEAD("h", "histogram") "h_bucket{le=\"+Inf\"} 1\nh_sum 1\n",
    HEAD("h",
         "histogram") "h_bucket{le=\"+Inf\",a=\"1\"} 1\nh_sum{a=\"1\"} 1\nh_count{a=\"1\"} 1\n",
    HEAD("h", "histogram") "h_bucket{le=\"x\"} 1\nh_sum 1\nh_count 1\n",
    HEAD("h", "histogram") "h_bucket{le=\"+Inf\"} 1\nh_sum{a=\"1\"} 1\nh_count 1\n",
    HEAD("h", "histogram") "h 1\n",
    HEAD("s", "summary") "s{quantile=\"0.9\"} 1\ns{quantile=\"0.5\"} 1\ns_sum 1\ns_count 1\n",
    HEAD("s", "summary") "s 1\ns_sum 1\ns_count 1\n",
    HIST "h_sum{a=\"1\"} 7\n",
};
#define N_RIGHT ((int)(sizeof right / sizeof right[0]))
#define N_WRONG ((int)(sizeof wrong / sizeof wrong[0]))

/* A right page breaks no law. */
START_TEST(test_page_right)
{
    unsigned line;
    const char *broken = page_broken(slice_str(right[_i]), &line);

    ck_assert_msg(broken == NULL, "%s in %s", broken, right[_i]);
}
END_TEST

/* A wrong page breaks one, at some line. */
START_TEST(test_page_wrong)
{
    unsigned line = 77;

    ck_assert_msg(page_broken(slice_str(wrong[_i]), &line) != NULL, "%s", wrong[_i]);
    ck_assert_uint_le(line, 10);
}
END_TEST

/* Values are found by the whole of what is written before them. */
START_TEST(test_page_look_ups)
{
    struct slice page = slice_str(HEAD("a", "gauge") "a{b=\"1 2\"} 3\na 4\nab 5\n" HIST);
    double v = 1;

    ck_assert(page_value(page, "a", &v) && v == 4);
    ck_assert(page_value(page, "a{b=\"1 2\"}", &v) && v == 3);
    ck_assert(page_value(page, "h_bucket{a=\"1\",le=\"+Inf\"}", &v) && v == 3);
    ck_assert(!page_value(page, "a{b=\"1\"}", &v) && isnan(v));
    ck_assert(page_has(page, "a 4") && !page_has(page, "a") && !page_has(page, "4"));
}
END_TEST

/* Senders' samples apart from what the engine counts. */
START_TEST(test_page_tells)
{
    static const char page[] =
        "# HELP a x\n# TYPE a gauge\na 4\n"
        "# HELP bacowr_statsd_x_total x\n# TYPE bacowr_statsd_x_total counter\n"
        "bacowr_statsd_x_total{type=\"y\",why=\"z\"} 2\n"
        "# HELP s x\n# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 1\ns_count 1\n"
        "# HELP statsd_exporter_lines_total x\n# TYPE statsd_exporter_lines_total counter\n"
        "statsd_exporter_lines_total 0\n";
    struct buf out = {0};

    page_add_series(slice_str(page), &out);
    buf_add_byte(&out, '|');
    page_add_counts(slice_str(page), &out);
    buf_add_byte(&out, '\0');
    ck_assert_str_eq(out.p, "a 4\ns_sum 1\ns_count 1\n| x.y.z=2");
    buf_release(&out);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("page");
    TCase *reader = tcase_create("page_broken"), *looks = tcase_create("page_value");

    tcase_add_loop_test(reader, test_page_right, 0, N_RIGHT);
    tcase_add_loop_test(reader, test_page_wrong, 0, N_WRONG);
    suite_add_tcase(s, reader);
    tcase_add_test(looks, test_page_look_ups);
    tcase_add_test(looks, test_page_tells);
    suite_add_tcase(s, looks);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
