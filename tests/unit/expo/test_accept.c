/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accept: which row of a table a header chooses, well formed or not
 */
#include "expo/accept.h"

#include <stdlib.h>
#include <string.h>

#include "lib/guard.h"
#include "lib/unit.h"

/* A table with more formats than are built in, so that there is something to choose. */
static const struct accept_row rows[] = {
    {"text", "plain", {{"version", "0.0.4", .optional = true}}, false, NULL},
    {"application",
     "protobuf",
     {{"proto", "a,b;c\"d", false}, {"encoding", "delimited", false}},
     false,
     NULL},
    {"application", "openmetrics-text", {{"version", "1.0.0", .optional = true}}, false, NULL},
};
enum { PLAIN, PROTO, OPEN };

static unsigned pick(struct slice header)
{
    const char *copy = guard_copy(header.p, header.len);
    unsigned row = (unsigned)(accept_pick(slice_of(copy, header.len), rows, 3) - rows);

    guard_free(copy, header.len);
    return row;
}

struct choice {
    const char *header;
    unsigned want;
};

static void check_choices(const struct choice *choices, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned got = pick(slice_str(choices[i].header));

        ck_assert_msg(got == choices[i].want, "%s: row %u", choices[i].header, got);
    }
}

#define CHECK_CHOICES(choices) check_choices(choices, sizeof(choices) / sizeof(choices)[0])

#define PROTOBUF               "application/protobuf;proto=\"a,b;c\\\"d\";encoding=delimited"

/* The heaviest range wins; among equals the first in the header, then the first row. */
START_TEST(test_accept_pick_by_weight)
{
    static const struct choice choices[] = {
        {"application/openmetrics-text", OPEN},
        {"text/plain;q=0.5,application/openmetrics-text;q=0.6", OPEN},
        {"text/plain;q=0.6,application/openmetrics-text;q=0.5", PLAIN},
        {"text/plain;q=0.001,application/openmetrics-text;q=0", PLAIN},
        {"text/plain;q=0.999,application/openmetrics-text;q=1.000", OPEN},
        {"text/plain;Q=0.5 , application/openmetrics-text ; q = 0.6", OPEN},
        {"application/openmetrics-text,text/plain", OPEN},
        {"text/plain,application/openmetrics-text", PLAIN},
        {"*/*", PLAIN},
        {"application/*", PROTO},
        {"*/*;q=0.1,application/openmetrics-text;q=0.05", PLAIN},
        /* What Prometheus sends. */
        {"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
         "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,"
         "text/plain;version=0.0.4;q=0.4,*/*;q=0.3",
         OPEN},
        {PROTOBUF ";q=0.7,text/plain;version=0.0.4;q=0.4,*/*;q=0.3", PROTO},
    };

    CHECK_CHOICES(choices);
}
END_TEST

/* A weight of 0 rules a row out, by the most specific range; what is left over is the first. */
START_TEST(test_accept_pick_excludes_weight_0)
{
    static const struct choice choices[] = {
        {"text/plain;q=0,*/*", PROTO},
        {"*/*,text/plain;q=0,application/protobuf;q=0", PROTO}, /* its parameters are missing */
        {"*/*," PROTOBUF ";q=0.0,text/*;q=0.000", OPEN},
        {"*/*;q=0,application/openmetrics-text;q=0.1", OPEN},
        {"*/*;q=0", PLAIN},
        {"text/plain;q=0", PLAIN},
    };

    CHECK_CHOICES(choices);
}
END_TEST

/* A row's parameters must be met, optional ones when they are there; others do not matter. */
START_TEST(test_accept_pick_by_parameters)
{
    static const struct choice choices[] = {
        {"application/openmetrics-text;version=1.0.0", OPEN},
        {"application/openmetrics-text;version=\"1.0.0\"", OPEN},
        {"application/openmetrics-text;VERSION=1.0.0;charset=utf-8;x=\",;\"", OPEN},
        {"application/openmetrics-text;version=0.0.1", PLAIN},
        {"application/openmetrics-text;version=\"1.0.00\"", PLAIN},
        {"application/openmetrics-text;version=\"1.0.\"", PLAIN},
        {"application/openmetrics-text;version=", PLAIN},
        {"application/openmetrics-text;version=\"", PLAIN},
        {PROTOBUF, PROTO},
        {"APPLICATION/ProtoBuf; Encoding=DELIMITED ;\tproto=\"a,b;c\\\"d\"", PROTO},
        {"application/protobuf", PLAIN},
        {"application/protobuf;encoding=delimited", PLAIN},
        {"application/protobuf;proto=\"a,b;c\\\"d\";encoding=text", PLAIN},
        {"text/plain;version=1.0.0,application/openmetrics-text;q=0.1", OPEN},
        {"text/plain;version=1.0.0;q=0.9,text/plain;q=0.2,application/openmetrics-text;q=0.3",
         OPEN},
    };

    CHECK_CHOICES(choices);
}
END_TEST

/* The most specific range decides about a row, wherever it stands. */
START_TEST(test_accept_pick_by_specificity)
{
    static const struct choice choices[] = {
        {"application/*;q=0.2,text/*;q=0.1,*/*;q=0.9", PROTO},
        {"application/openmetrics-text;q=0.1,*/*;q=0.5", PLAIN},
        {"text/plain;q=0.1,text/plain;version=0.0.4;q=0.9,application/openmetrics-text;q=0.5",
         PLAIN},
        {"text/plain;q=0.9,text/plain;version=0.0.4;q=0.1,application/openmetrics-text;q=0.5",
         OPEN},
    };

    CHECK_CHOICES(choices);
}
END_TEST

/* A range that is not well formed is passed over; its neighbours count. */
START_TEST(test_accept_pick_passes_over_broken_ranges)
{
    static const struct choice choices[] = {
        {"", PLAIN},
        {" ", PLAIN},
        {",", PLAIN},
        {";", PLAIN},
        {"/", PLAIN},
        {"text", PLAIN},
        {"*", PLAIN},
        {"*/", PLAIN},
        {"/*", PLAIN},
        {"*/plain", PLAIN},
        {"application/openmetrics-text;", OPEN},
        {"application/openmetrics-text;;q=1;", OPEN},
        {",,application/openmetrics-text,,", OPEN},
        {"application/openmetrics-text;q=", PLAIN},
        {"application/openmetrics-text;q=x", PLAIN},
        {"application/openmetrics-text;q=-1", PLAIN},
        {"application/openmetrics-text;q=1.001", PLAIN},
        {"application/openmetrics-text;q=2", PLAIN},
        {"application/openmetrics-text;q=0.1234", PLAIN},
        {"application/openmetrics-text;q=1e0", PLAIN},
        {"application/openmetrics-text;q=0.", PLAIN}, /* a weight of 0 */
        {"application/openmetrics-text;q=1.", OPEN},
        {"application/openmetrics-text;version", PLAIN},
        {"text/plain;q=zzz,application/openmetrics-text;q=0.1", OPEN},
        {"text//plain,application/openmetrics-text;q=0.1", OPEN},
        {"a/b;c=\",application/openmetrics-text", PLAIN}, /* the quote never ends */
        {"a/b;c=\"\\\",\",application/openmetrics-text", OPEN},
        {"a/b;c=\"\\", PLAIN},
    };

    CHECK_CHOICES(choices);
}
END_TEST

/* Bytes of all values, and very many ranges and parameters, are only read. */
START_TEST(test_accept_pick_survives_noise)
{
    static const char alphabet[] = "aq*/;,=\"\\ 01.\t";
    char header[256], *many;

    srandom(1);
    for (unsigned n = 0; n < 5000; n++) {
        size_t len = (size_t)random() % sizeof header;

        for (size_t i = 0; i < len; i++)
            header[i] = n % 5 ? alphabet[(size_t)random() % (sizeof alphabet - 1)] : (char)random();
        ck_assert_uint_lt(pick(slice_of(header, len)), 3);
    }
    many = malloc(100000);
    memset(many, ';', 100000);
    ck_assert_uint_eq(pick(slice_of(many, 100000)), PLAIN);
    for (size_t i = 0; i < 100000; i++)
        many[i] = "a/b;c=d,"[i % 8];
    ck_assert_uint_eq(pick(slice_of(many, 100000)), PLAIN);
    for (size_t i = 0; i < 100000; i++)
        many[i] = ";c=d"[i % 4];
    memcpy(many, "a/b", 3);
    ck_assert_uint_eq(pick(slice_of(many, 100000)), PLAIN);
    free(many);
    ck_assert_uint_eq(pick(SLICE_LIT("application/openmetrics-text;version=\"1.0.0\0\0\"")), PLAIN);
}
END_TEST

/* A row that wants to be named is not meant by a wildcard, whatever the weights. */
START_TEST(test_accept_pick_by_name_only)
{
    static const struct accept_row named[] = {
        {"text", "plain", {{NULL, NULL, false}}, false, NULL},
        {"application", "x", {{NULL, NULL, false}}, true, NULL},
        {"application", "y", {{NULL, NULL, false}}, false, NULL},
    };
    static const struct choice choices[] = {
        {"*/*", 0},
        {"application/*", 2},
        {"application/x", 1},
        {"text/plain;q=0.5,*/*;q=0.9", 2},
        {"text/plain;q=0.5,application/*;q=0.9", 2},
        {"application/x;q=0.1,application/y;q=0,*/*;q=0.05", 1},
        {"text/plain;q=0,application/y;q=0,*/*", 0}, /* nothing is left: the first */
    };

    for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++) {
        long got = accept_pick(slice_str(choices[i].header), named, 3) - named;

        ck_assert_msg(got == (long)choices[i].want, "%s: row %ld", choices[i].header, got);
    }
}
END_TEST

#define DELIMITED \
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"

/* What is asked for by name, of what is offered; text otherwise. OpenMetrics is by choice. */
START_TEST(test_accept_choose_what_is_offered)
{
    static const struct {
        const char *header;
        const struct encoder *want, *want_openmetrics;
    } cases[] = {
        {"", &encoder_text, &encoder_text},
        {"*/*", &encoder_text, &encoder_text},
        {"application/*", &encoder_text, &encoder_text},
        {"text/plain;version=0.0.4", &encoder_text, &encoder_text},
        {"text/plain;version=1.0.0", &encoder_text, &encoder_text},
        {"image/png", &encoder_text, &encoder_text},
        {"*/*;q=0", &encoder_text, &encoder_text},
        /* A browser; a client of Java's. */
        {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", &encoder_text,
         &encoder_text},
        {"text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", &encoder_text, &encoder_text},
        {"text/plain;q=0.5,*/*;q=0.8", &encoder_text, &encoder_text},
        {"application/openmetrics-text", &encoder_text, &encoder_openmetrics},
        {"application/openmetrics-text;version=1.0.0", &encoder_text, &encoder_openmetrics},
        {"application/openmetrics-text;version=\"1.0.0\";charset=utf-8", &encoder_text,
         &encoder_openmetrics},
        {"application/openmetrics-text;version=0.0.1", &encoder_text, &encoder_text},
        {DELIMITED, &encoder_protobuf, &encoder_protobuf},
        {"application/vnd.google.protobuf;encoding=delimited", &encoder_text, &encoder_text},
        {"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text",
         &encoder_text, &encoder_text},
        {DELIMITED ";q=0.3,text/plain;q=0.4", &encoder_text, &encoder_text},
        {DELIMITED ";q=0.4,text/plain;q=0.3", &encoder_protobuf, &encoder_protobuf},
        {DELIMITED ";q=0,text/plain;q=0.001", &encoder_text, &encoder_text},
        /* Prometheus 2.42, without and with native histograms. */
        {"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;"
         "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
         &encoder_text, &encoder_openmetrics},
        {DELIMITED ",application/openmetrics-text;version=1.0.0;q=0.8,"
                   "application/openmetrics-text;version=0.0.1;q=0.75,"
                   "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
         &encoder_protobuf, &encoder_protobuf},
        /* Prometheus 3, by default and with native histograms. */
        {"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
         "application/openmetrics-text;version=0.0.1;q=0.5,"
         "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
         "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
         &encoder_text, &encoder_openmetrics},
        {DELIMITED ";q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
                   "application/openmetrics-text;version=0.0.1;q=0.4,"
                   "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
                   "text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
         &encoder_protobuf, &encoder_protobuf},
    };

    ck_assert_ptr_eq(accept_choose(slice_of(NULL, 0), true), &encoder_text);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slice header = slice_str(cases[i].header);

        ck_assert_msg(accept_choose(header, false) == cases[i].want, "%s", cases[i].header);
        ck_assert_msg(accept_choose(header, true) == cases[i].want_openmetrics,
                      "%s, with OpenMetrics", cases[i].header);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("accept");
    TCase *pick_case = tcase_create("pick"), *choose = tcase_create("choose");

    tcase_add_test(pick_case, test_accept_pick_by_weight);
    tcase_add_test(pick_case, test_accept_pick_excludes_weight_0);
    tcase_add_test(pick_case, test_accept_pick_by_parameters);
    tcase_add_test(pick_case, test_accept_pick_by_specificity);
    tcase_add_test(pick_case, test_accept_pick_by_name_only);
    tcase_add_test(pick_case, test_accept_pick_passes_over_broken_ranges);
    tcase_add_test(pick_case, test_accept_pick_survives_noise);
    suite_add_tcase(s, pick_case);
    tcase_add_test(choose, test_accept_choose_what_is_offered);
    suite_add_tcase(s, choose);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
