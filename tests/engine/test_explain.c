/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Explain: what is told is what feeding the line does, and harmless to a terminal
 */
#include <stdio.h>
#include <string.h>

#include "base/name.h"
#include "lib/engine.h"
#include "lib/page.h"
#include "lib/unit.h"

static const char mapping[] =
    "defaults: {ttl: 90s}\n"
    "mappings:\n"
    "- {match: app.*.hits, name: app_hits_total, labels: {app: $1}, scale: 2}\n"
    "- {match: app.*.miss, name: app_miss_total, ttl: 1h}\n"
    "- {match: drop.*, name: x, action: drop}\n"
    "- {match: time.*, name: '${1}_seconds', observer_type: histogram, match_metric_type: "
    "observer}\n"
    "- {match: 'to(.*)', match_type: regex, name: '$1'}\n";

#define WINS(n, line, rule) "  rules\n  rule " n " (line " line ") " rule "  <- wins\n"
#define NONE                "  rules  none matches\n"
#define SAMPLE(reason) \
    "  refused, counted in statsd_exporter_sample_errors_total{reason=\"" reason "\"}\n"
#define EVENT(reason) \
    "  refused, counted in statsd_exporter_events_error_total{reason=\"" reason "\"}\n"
#define TTL ", expires after 90 s without samples\n"

static const struct {
    const char *line;
    const char *told; /* after the line itself */
} cases[] = {
    {"app.x.hits:1|c|@0.5|#u:v",
     "sample 1 value \"1\" suffix \"|c|@0.5|#u:v\"\n"
     "  parsed c \"app.x.hits\" tags u=\"v\", adds 4\n"
     "  series app_hits_total{app=\"x\",u=\"v\"} counter" TTL WINS(
         "1", "3",
         "glob app.*.hits -> app_hits_total") "  rule 2 (line 4) glob app.*.miss -> app_miss_total "
                                              " segment 3 is \"hits\", the rule expects "
                                              "\"miss\"\n"},
    {"time.load:250|ms|@0.1",
     "sample 1 value \"250\" suffix \"|ms|@0.1\"\n"
     "  parsed ms \"time.load\", observes 0.25, 10 times\n"
     "  series load_seconds histogram" TTL WINS(
         "4", "6", "glob time.* -> ${1}_seconds") "  rule 3 (line 5) glob drop.* -> drop  segment "
                                                  "1 is \"time\", the rule expects \"drop\"\n"},
    {"drop.me:1|c", "sample 1 value \"1\" suffix \"|c\"\n  parsed c \"drop.me\", adds 1\n"
                    "  dropped by its rule\n" WINS("3", "5", "glob drop.* -> drop")},
    {"nobody:+3|g", "sample 1 value \"+3\" suffix \"|g\"\n  parsed g \"nobody\", changes by 3\n"
                    "  series nobody gauge" TTL NONE},
    {"nobody:3|g", "sample 1 value \"3\" suffix \"|g\"\n  parsed g \"nobody\", sets 3\n"
                   "  series nobody gauge" TTL NONE},
    {"u:ann|s", "sample 1 value \"ann\" suffix \"|s\"\n  parsed s \"u\", adds the member \"ann\"\n"
                "  series u set" TTL NONE},
    /* Packed: one after the other, each with the suffix. */
    {"a:1:x:20|ms|#k:v",
     "sample 1 value \"1\" suffix \"|ms|#k:v\"\n"
     "  parsed ms \"a\" tags k=\"v\", observes 0.001\n"
     "  series a{k=\"v\"} summary" TTL NONE "sample 2 value \"x\" suffix \"|ms|#k:v\"\n" SAMPLE(
         "malformed_value") "sample 3 value \"20\" suffix \"|ms|#k:v\"\n"
                            "  parsed ms \"a\" tags k=\"v\", observes 0.02\n"
                            "  series a{k=\"v\"} summary" TTL NONE},
    {"k:1|c:2|g",
     "sample 1 value \"1\" suffix \"|c\"\n  parsed c \"k\", adds 1\n  series k counter" TTL NONE
     "sample 2 value \"2\" suffix \"|g\"\n  parsed g \"k\", sets 2\n  series k gauge" TTL NONE},
    /* Refused, in the order in which it is refused when fed. */
    {"x", SAMPLE("malformed_line")},
    {"x:1", SAMPLE("not_enough_parts_after_colon")},
    {"x#a=b:1|c|#c:d", SAMPLE("mixed_tagging_styles")},
    {"x:1:2|c", SAMPLE("invalid_extended_aggregate_type")},
    {"x:1|q", "sample 1 value \"1\" suffix \"|q\"\n" SAMPLE("illegal_event")},
    {"x:y|q", "sample 1 value \"y\" suffix \"|q\"\n" SAMPLE("malformed_value")},
    {"x:y|c|", "sample 1 value \"y\" suffix \"|c|\"\n" SAMPLE("malformed_value")},
    {"x:1|c|", "sample 1 value \"1\" suffix \"|c|\"\n" SAMPLE("malformed_component")},
    {"x:y|s|", "sample 1 value \"y\" suffix \"|s|\"\n" SAMPLE("malformed_component")},
    {"x:|s", "sample 1 value \"\" suffix \"|s\"\n" SAMPLE("malformed_value")},
    {"x:y|c|@1|@1|@1|@1|@1",
     "sample 1 value \"y\" suffix \"|c|@1|@1|@1|@1|@1\"\n" SAMPLE("malformed_component")},
    {"x:1|c|c:", "sample 1 value \"1\" suffix \"|c|c:\"\n" SAMPLE("malformed_container_id")},
    {"c:-1|c", "sample 1 value \"-1\" suffix \"|c\"\n  parsed c \"c\", adds -1\n" EVENT(
                   "illegal_negative_counter") NONE},
    {"c:nan|c", "sample 1 value \"nan\" suffix \"|c\"\n  parsed c \"c\", adds NaN\n" EVENT(
                    "illegal_non_finite_counter") NONE},
    {"#a=b:1|c", "sample 1 value \"1\" suffix \"|c\"\n  parsed c \"\" tags a=\"b\", adds 1\n" EVENT(
                     "empty_metric_name") NONE},
    {"to:1|c", "sample 1 value \"1\" suffix \"|c\"\n  parsed c \"to\", adds 1\n" EVENT(
                   "empty_metric_name") WINS("5", "7", "regex to(.*) -> $1")},
    {"d:1|h|@2", "sample 1 value \"1\" suffix \"|h|@2\"\n"
                 "  parsed h \"d\", observes 1, 0 times\n"
                 "  counts nothing, so creates no series\n" NONE},
    {"g:1|c|@x", "sample 1 value \"1\" suffix \"|c|@x\"\n"
                 "  parsed c \"g\", adds 1, invalid sample rate ignored\n"
                 "  series g counter" TTL NONE},
    {"f:1|ms|#quantile:9,__z:1",
     "sample 1 value \"1\" suffix \"|ms|#quantile:9,__z:1\"\n"
     "  parsed ms \"f\" tags quantile=\"9\", __z=\"1\", observes 0.001\n"
     "  series f{exported___z=\"1\",exported_quantile=\"9\"} summary, expires after 90 s without "
     "samples, reserved labels renamed to exported_...\n" NONE},
    {"h[a]:1|c|#b", "  1 malformed tag in the name ignored\n"
                    "sample 1 value \"1\" suffix \"|c|#b\"\n"
                    "  parsed c \"h\", adds 1, 1 malformed tag ignored\n"
                    "  series h counter" TTL NONE},
    {"_e{1,1}:a|b", "  a DogStatsD event: counted, otherwise ignored\n"},
    {"_sc|x|1", "  a DogStatsD service check: counted, otherwise ignored\n"},
    {"", "  empty, counted as a line only\n"},
};
#define N_CASES ((int)(sizeof cases / sizeof cases[0]))

static struct buf explain_as(enum bacowr_explain_form form, struct engine *e, struct slice line)
{
    struct buf out = {0};

    ck_assert_int_eq(bacowr_explain(e->b, line, form, &out), 0);
    ck_assert_int_eq(buf_add_byte(&out, '\0'), 0);
    return out;
}

static struct buf explain(struct engine *e, struct slice line)
{
    return explain_as(BACOWR_EXPLAIN_TEXT, e, line);
}

/* The line quoted, then what is made of it, word by word. */
START_TEST(test_explain_tells)
{
    struct buf told, quoted = {0};
    struct engine e;

    engine_init(&e, NULL, mapping);
    told = explain(&e, slice_str(cases[_i].line));
    buf_addf(&quoted, "line     \"%s\"\n%s", cases[_i].line, cases[_i].told);
    buf_add_byte(&quoted, '\0');
    ck_assert_str_eq(told.p, quoted.p);
    buf_release(&told);
    buf_release(&quoted);
    engine_release(&e);
}
END_TEST

/* The value of a sample on the page, of whatever line a series begins with. */
static bool has_series(struct slice page, struct slice series)
{
    while (page.len > 0) {
        struct slice line = slice_of(page.p, slice_find(page, '\n'));

        if (slice_starts(line, series))
            return true;
        page = slice_from(page, line.len < page.len ? line.len + 1 : line.len);
    }
    return false;
}

/* Each counter that the text names is 1 for each time it does; each series that it names is
 * there. */
static void check_told(struct engine *e, const char *told)
{
    static const char refused[] = "refused, counted in ", series[] = "  series ";
    struct slice page = engine_scrape(e);
    double n_errors = 0;

    for (const char *p = told; (p = strstr(p, refused)) != NULL;) {
        char counter[200];
        double v;

        p += strlen(refused);
        snprintf(counter, sizeof counter, "%.*s", (int)strcspn(p, "\n"), p);
        ck_assert_msg(page_value(page, counter, &v) && v == 1, "%s is %g", counter, v);
        n_errors++;
    }
    for (const char *p = told; (p = strstr(p, series)) != NULL;) {
        size_t len;

        p += strlen(series);
        len = strcspn(p, " {");
        ck_assert(has_series(page, slice_of(p, len)) || strstr(e->page.p, "conflict") != NULL);
    }
    if (strstr(told, series) == NULL)
        ck_assert(has_series(page, SLICE_LIT("bacowr_statsd_series_born_total 0")));
    ck_assert_int_eq(n_errors > 0,
                     strstr(engine_counts(e), "error") != NULL && strstr(told, "refused") != NULL);
}

/* What was told happens: the same line fed makes the series, or counts the refusal. */
START_TEST(test_explain_is_true)
{
    struct buf told;
    struct engine e;

    engine_init(&e, NULL, mapping);
    told = explain(&e, slice_str(cases[_i].line));
    engine_feed(&e, cases[_i].line);
    check_told(&e, told.p);
    buf_release(&told);
    engine_release(&e);
}
END_TEST

/* Telling counts nothing and makes nothing. */
START_TEST(test_explain_leaves_no_trace)
{
    struct engine e;

    engine_init(&e, NULL, mapping);
    for (int i = 0; i < N_CASES; i++) {
        struct buf told = explain(&e, slice_str(cases[i].line));

        buf_release(&told);
    }
    ck_assert_str_eq(engine_counts(&e), "");
    ck_assert_str_eq(engine_series(&e), "");
    engine_release(&e);
}
END_TEST

static const struct {
    const char *line;
    const char *holds; /* somewhere in what is told */
} hostile[] = {
    {"m:1|c|#k:\x1b[2Jv\x7f", "series m{k=\"\\x1b[2Jv\\x7f\"}"},
    {"app.\x1b(0.hits:1|c", "series app_hits_total{app=\"\\x1b(0\"}"},
    {"app.x.\x1b(0:1|c", "segment 3 is \"\\x1b(0\""},
    {"u:\a\b\r\x01|s", "member \"\\x07\\x08\\x0d\\x01\""},
    {"\xc2\x9b"
     "31m:1|c",
     "parsed c \"\\xc2\\x9b31m\""},
    {"e:1|c|#k:\xc2\x85", "series e{k=\"\\xc2\\x85\"}"},
    {"\xff\x9b:1|c", "line     \"\\xff\\x9b:1|c\""},
    {"\xc2:1|c", "line     \"\\xc2:1|c\""},
    {"x:1|\x1b", "suffix \"|\\x1b\""},
    {"a:1|c|#k:\"\\x1b", "series a{k=\"\\\"\\\\x1b\"}"},
    {"a:1|c|#k:é", "series a{k=\"é\"}"},
};
#define N_HOSTILE ((int)(sizeof hostile / sizeof hostile[0]))

static void check_harmless(struct slice told)
{
    ck_assert(utf8_valid(told));
    for (size_t i = 0; i < told.len; i++) {
        unsigned char c = (unsigned char)told.p[i];

        ck_assert(c == '\n' || (c >= 0x20 && c != 0x7f));
        ck_assert(c != 0xc2 || (unsigned char)told.p[i + 1] >= 0xa0);
    }
}

/* Nothing that came from the wire moves a terminal's cursor. */
START_TEST(test_explain_escapes)
{
    struct buf told;
    struct engine e;

    engine_init(&e, NULL, mapping);
    told = explain(&e, slice_str(hostile[_i].line));
    check_harmless(slice_of(told.p, told.len - 1));
    ck_assert_msg(strstr(told.p, hostile[_i].holds) != NULL, "%s in %s", hostile[_i].holds, told.p);
    buf_release(&told);
    engine_release(&e);
}
END_TEST

/* Any byte anywhere in a line: harmless. */
START_TEST(test_explain_escapes_all)
{
    struct engine e;

    engine_init(&e, NULL, mapping);
    for (int byte = 0; byte < 256; byte++) {
        char line[] = "app.?.hits:1|c|#k:?";
        struct buf told;

        line[4] = line[sizeof line - 2] = (char)byte;
        told = explain(&e, slice_of(line, sizeof line - 1));
        check_harmless(slice_of(told.p, told.len - 1));
        buf_release(&told);
    }
    engine_release(&e);
}
END_TEST

/* Several lines are told one after the other; what follows the last LF is no line. */
START_TEST(test_explain_lines)
{
    struct buf told;
    struct engine e;

    engine_init(&e, NULL, NULL);
    told = explain(&e, SLICE_LIT("x\r\n\ny\n"));
    ck_assert_str_eq(told.p,
                     "line     \"x\"\n" SAMPLE(
                         "malformed_line") "line     \"\"\n  empty, counted as a line only\n"
                                           "line     \"y\"\n" SAMPLE("malformed_line"));
    buf_release(&told);
    engine_release(&e);
}
END_TEST

/* A series that feeding refuses for its length is told as refused, in both forms. */
START_TEST(test_explain_tells_of_too_long_series)
{
    static const char counted[] = "statsd_exporter_events_error_total{reason=\"series_too_long\"}";
    struct buf line = {0}, told;
    struct engine e;
    double v;

    engine_init(&e, NULL, NULL);
    buf_add_str(&line, "x:1|c|#k:");
    for (int i = 0; i < 8200; i++)
        buf_add_byte(&line, 'v');
    told = explain(&e, buf_slice(&line));
    ck_assert_ptr_nonnull(strstr(told.p, counted));
    ck_assert_ptr_null(strstr(told.p, "  series "));
    buf_release(&told);
    told = explain_as(BACOWR_EXPLAIN_JSON, &e, buf_slice(&line));
    ck_assert_ptr_nonnull(strstr(told.p, "\"reason\":\"series_too_long\""));
    ck_assert_ptr_nonnull(strstr(told.p, "\"series\":null"));
    buf_add_byte(&line, '\0');
    engine_feed(&e, line.p);
    ck_assert(page_value(engine_scrape(&e), counted, &v) && v == 1);
    buf_release(&told);
    buf_release(&line);
    engine_release(&e);
}
END_TEST

/* ---- JSON ---- */

#define UNREAD                                                                                  \
    "\"type\":null,\"kind\":null,\"name\":null,\"tags\":{},\"tag_errors\":0,\"rate_errors\":0," \
    "\"effect\":null,"
#define RULE_FILE "\"test.yml\""
#define RULE(n, line, match, name)                                                           \
    "\"rule\":{\"number\":" n ",\"file\":" RULE_FILE ",\"line\":" line ",\"match\":\"" match \
    "\",\"match_type\":\"glob\",\"action\":\"map\",\"name\":\"" name "\"}"

static const struct {
    const char *line;
    const char *told;
} objects[] = {
    {"", "{\"line\":\"\",\"outcome\":\"empty\",\"reason\":null,\"counter\":null,\"tag_errors\":0,"
         "\"samples\":[],\"more_samples\":0}\n"},
    {"x", "{\"line\":\"x\",\"outcome\":\"refused\",\"reason\":\"malformed_line\",\"counter\":"
          "\"statsd_exporter_sample_errors_total\",\"tag_errors\":0,\"samples\":[],\"more_"
          "samples\":0}\n"},
    {"x\n_sc|x|1",
     "{\"line\":\"x\",\"outcome\":\"refused\",\"reason\":\"malformed_line\",\"counter\":"
     "\"statsd_exporter_sample_errors_total\",\"tag_errors\":0,\"samples\":[],\"more_samples\":0}\n"
     "{\"line\":\"_sc|x|1\",\"outcome\":\"service_check\",\"reason\":null,\"counter\":null,"
     "\"tag_errors\":0,\"samples\":[],\"more_samples\":0}\n"},
    {"h[a]:y|c", "{\"line\":\"h[a]:y|c\",\"outcome\":\"samples\",\"reason\":null,\"counter\":null,"
                 "\"tag_errors\":1,\"samples\":[{\"value\":\"y\",\"suffix\":\"|c\"," UNREAD
                 "\"outcome\":\"refused\",\"reason\":\"malformed_value\",\"counter\":"
                 "\"statsd_exporter_sample_errors_total\",\"conflict\":null,\"rule\":null,"
                 "\"series\":null,\"candidates\":[],"
                 "\"more_candidates\":0}],\"more_samples\":0}\n"},
    {"app.x.hits:1|c|@0.5|#u:\"",
     "{\"line\":\"app.x.hits:1|c|@0.5|#u:\\\"\",\"outcome\":\"samples\",\"reason\":null,"
     "\"counter\":null,\"tag_errors\":0,\"samples\":[{\"value\":\"1\",\"suffix\":\"|c|@0.5|#u:"
     "\\\"\","
     "\"type\":\"c\",\"kind\":\"counter\",\"name\":\"app.x.hits\",\"tags\":{\"u\":\"\\\"\"},"
     "\"tag_errors\":0,\"rate_errors\":0,\"effect\":{\"op\":\"add\",\"value\":4,\"times\":1},"
     "\"outcome\":\"series\",\"reason\":null,\"counter\":null,\"conflict\":null," RULE(
         "1", "3", "app.*.hits",
         "app_hits_total") ",\"series\":{\"name\":\"app_hits_total\","
                           "\"labels\":{\"app\":\"x\",\"u\":\"\\\"\"},\"renamed_labels\":0,"
                           "\"type\":\"counter\","
                           "\"ttl_seconds\":90,\"text\":\"app_hits_total{app=\\\"x\\\",u="
                           "\\\"\\\\\\\"\\\"}\","
                           "\"over_limit\":\"folded\",\"limit_met\":null},"
                           "\"candidates\":[{" RULE(
                               "1", "3", "app.*.hits",
                               "app_hits_total") ",\"verdict\":\"wins\","
                                                 "\"why\":\"matches\"},{" RULE(
                                                     "2", "4", "app.*.miss",
                                                     "app_miss_total") ","
                                                                       "\"verdict\":\"segment\","
                                                                       "\"why\":\"segment 3 is "
                                                                       "\\\"hits\\\", the rule "
                                                                       "expects \\\"miss\\\"\"}],"
                                                                       "\"more_candidates\":0}],"
                                                                       "\"more_samples\":0}"
                                                                       "\n"},
};

static const struct {
    const char *line;
    size_t max_work;
    const char *told;
} bounds[] = {
    {"a:1|c:2|c:3|c", 0, "\"more_samples\":2}\n"},
    {"a:1|c:2|c:3|c", 2 * 100 + 2 * 16, "\"more_samples\":1}\n"},
    {"a:1|c:2|c:3|c", 2 * 100 + 2 * 16 - 1, "\"more_samples\":2}\n"},
    {"a:1:2:3|ms", 3 * 100 + 16, "\"more_samples\":0}\n"},
    {"a:1:2:3|ms", 3 * 100 + 16 - 1, "\"more_samples\":1}\n"},
    {"a:1|c\nb:1|c", 0, "\"more_samples\":0}\n"},
};
#define N_BOUNDS ((int)(sizeof bounds / sizeof bounds[0]))

/* Where work is bounded, a line's first sample is told and those that the bound has room for; the
 * rest is counted. Packed samples are looked up once. */
START_TEST(test_explain_within_bounds)
{
    static const char rules[] = "mappings:\n"
                                "- {match: x.*, name: x, except: [x.y]}\n"
                                "- {match: y.*, name: y}\n- {match: z.*, name: z}\n"
                                "- {match: w.*, name: w}\n- {match: v.*, name: v}\n"
                                "- {match: u, match_type: regex, name: u}\n";
    struct buf out = {0};
    struct engine e;

    engine_init(&e, NULL, rules);
    ck_assert_int_eq(bacowr_explain_within(e.b, slice_str(bounds[_i].line), BACOWR_EXPLAIN_JSON,
                                           bounds[_i].max_work, &out),
                     0);
    ck_assert_int_eq(buf_add_byte(&out, '\0'), 0);
    ck_assert_msg(strstr(out.p, bounds[_i].told) != NULL, "%s", out.p);
    buf_release(&out);
    engine_release(&e);
}
END_TEST

/* In one line, too, it is told that there are more. */
START_TEST(test_explain_within_in_brief)
{
    struct slice line = SLICE_LIT("a:1|c:2|c:3|c");
    struct buf out = {0};
    struct engine e;

    engine_init(&e, NULL, NULL);
    ck_assert_int_eq(bacowr_explain_within(e.b, line, BACOWR_EXPLAIN_BRIEF, 0, &out), 0);
    ck_assert_int_eq(buf_add_byte(&out, '\0'), 0);
    ck_assert_str_eq(out.p, "\"a:1|c:2|c:3|c\" -> a adds 1 -> "
                            "2 more samples, not shown\n");
    buf_release(&out);
    engine_release(&e);
}
END_TEST

/* The keys, their order, and what stands in them: programs read this. */
START_TEST(test_explain_json_is_exact)
{
    struct buf told;
    struct engine e;

    engine_init(&e, NULL, mapping);
    told = explain_as(BACOWR_EXPLAIN_JSON, &e, slice_str(objects[_i].line));
    ck_assert_str_eq(told.p, objects[_i].told);
    buf_release(&told);
    engine_release(&e);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("explain");
    TCase *tells = tcase_create("tells"), *escapes = tcase_create("escapes");

    tcase_add_loop_test(tells, test_explain_tells, 0, N_CASES);
    tcase_add_loop_test(tells, test_explain_is_true, 0, N_CASES);
    tcase_add_test(tells, test_explain_leaves_no_trace);
    tcase_add_test(tells, test_explain_lines);
    tcase_add_test(tells, test_explain_tells_of_too_long_series);
    tcase_add_loop_test(tells, test_explain_json_is_exact, 0,
                        (int)(sizeof objects / sizeof *objects));
    tcase_add_loop_test(tells, test_explain_within_bounds, 0, N_BOUNDS);
    tcase_add_test(tells, test_explain_within_in_brief);
    suite_add_tcase(s, tells);
    tcase_add_loop_test(escapes, test_explain_escapes, 0, N_HOSTILE);
    tcase_add_test(escapes, test_explain_escapes_all);
    suite_add_tcase(s, escapes);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
