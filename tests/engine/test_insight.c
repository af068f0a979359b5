/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Insight: what is told of rules, refused lines, names without a rule, families and labels
 *
 * Expected JSON is written out; a time is 0 unless the clock was moved.
 */
#include "bacowr/insight.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cidr.h"
#include "base/json.h"
#include "lib/engine.h"
#include "lib/unit.h"

static const char mapping[] = "mappings:\n"
                              "- {match: app.*, name: app_total, labels: {app: $1}}\n"
                              "- {match: never.*, name: never_total}\n"
                              "- {match: gone.*, name: gone, action: drop}\n";

static const struct bacowr_tell all = {.secrets = true, .limit = 100};

/* What @fn tells, in @e->text. */
static const char *told(struct engine *e,
                        void (*fn)(const struct bacowr *b, const struct bacowr_tell *tell,
                                   struct json *j),
                        struct bacowr_tell tell)
{
    struct json j;

    tell.now_ms = e->now_ms;
    buf_clear(&e->text);
    j = json_writer(&e->text);
    json_object(&j, NULL);
    fn(e->b, &tell, &j);
    json_end_object(&j);
    buf_add_byte(&e->text, '\0');
    ck_assert(!e->text.failed);
    return e->text.p;
}

static const char *surveyed(struct engine *e, struct bacowr_tell tell, unsigned step)
{
    struct bacowr_survey *s;
    struct json j;

    tell.now_ms = e->now_ms;
    ck_assert_int_eq(bacowr_survey_new(&s, e->b, &tell), 0);
    while (bacowr_survey_next(s, step))
        continue;
    buf_clear(&e->text);
    j = json_writer(&e->text);
    json_object(&j, NULL);
    bacowr_survey_tell(s, &j);
    json_end_object(&j);
    buf_add_byte(&e->text, '\0');
    bacowr_survey_free(s);
    return e->text.p;
}

static unsigned count_of(const char *text, const char *what)
{
    unsigned n = 0;

    for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
        n++;
    return n;
}

static void assert_has(const char *text, const char *what)
{
    ck_assert_msg(strstr(text, what) != NULL, "no %s in %s", what, text);
}

/* A rule is told with the identities that it took, each counted when it is met anew. */
START_TEST(test_insight_rules)
{
    struct engine e;
    const char *text;

    engine_init(&e, NULL, mapping);
    engine_feed(&e, "app.a:1|c\napp.a:2|c\napp.b:1|c|#x:y\ngone.x:1|c\nother:1|c");
    engine_pass(&e, 2000);
    text = told(&e, bacowr_tell_mapping, all);
    assert_has(text, "\"identities\":2,\"last_identity_age_seconds\":2}");
    assert_has(text, "\"name\":\"never_total\",\"identities\":0,"
                     "\"last_identity_age_seconds\":null}");
    assert_has(text, "\"action\":\"drop\",\"name\":null,\"identities\":1,");
    assert_has(text, "\"matched\":3,\"never\":1}");
    text = told(&e, bacowr_tell_mapping, (struct bacowr_tell){.never = true, .limit = 9});
    ck_assert_uint_eq(count_of(text, "\"number\""), 1);
    assert_has(text, "\"number\":2,");
    text =
        told(&e, bacowr_tell_mapping, (struct bacowr_tell){.match = SLICE_LIT("APP_"), .limit = 9});
    ck_assert_uint_eq(count_of(text, "\"number\""), 1);
    assert_has(text, "\"matched\":1,");
    text = told(&e, bacowr_tell_mapping, (struct bacowr_tell){.limit = 2});
    ck_assert_uint_eq(count_of(text, "\"number\""), 2);
    assert_has(text, "\"matched\":3,");
    engine_release(&e);
}
END_TEST

/* After a reload a rule has taken what the sweep brought to it, though no line came. */
START_TEST(test_insight_rules_after_reload)
{
    struct engine e;
    const char *text;

    engine_init(&e, NULL, mapping);
    engine_feed(&e, "app.a:1|c\napp.b:1|c");
    engine_map(&e, mapping);
    for (unsigned i = 0; i < 100; i++)
        bacowr_feed(bacowr_worker(e.b, 0), NULL, 0, e.now_ms);
    text = told(&e, bacowr_tell_mapping, all);
    assert_has(text, "\"name\":\"app_total\",\"identities\":2,");
    assert_has(text, "\"never\":2}");
    engine_release(&e);
}
END_TEST

static const struct {
    const char *text; /* of a datagram */
    const char *reason;
    const char *line; /* as it is told */
} refused[] = {
    {"ok:1|c\nbad\r\nok:1|c", "malformed_line", "bad"},
    {"a:x|c\nb:1|c", "malformed_value", "a:x|c"},
    {"ok:1|c\nb:1|q\nok:1|c", "illegal_event", "b:1|q"},
    {"d:-1|c", "illegal_negative_counter", "d:-1|c"},
    {"e:inf|c", "illegal_non_finite_counter", "e:inf|c"},
    {"f:1|g\nf:2|c", "conflict", "f:2|c"},
    {"g:1:2|c", "invalid_extended_aggregate_type", "g:1:2|c"},
    {"h:1|c|@x", "invalid_sample_factor", "h:1|c|@x"},
    {"#a=b:1|c", "empty_metric_name", "#a=b:1|c"},
    {"_sc|x|9", "malformed_service_check", "_sc|x|9"},
};

/* A refused line is told whole, with its reason, whether its identity is known or not. */
START_TEST(test_insight_refused)
{
    struct bacowr_config config = engine_config();
    struct engine e;
    char want[256];

    config.service_checks = STATSD_CHECKS_GAUGE;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        engine_init(&e, &config, NULL);
        engine_feed(&e, "ok:1|c");
        snprintf(want, sizeof want, "{\"reason\":\"%s\",", refused[i].reason);
        for (unsigned again = 0; again < 2; again++) {
            const char *text;

            engine_feed(&e, refused[i].text);
            text = told(&e, bacowr_tell_refused, all);
            ck_assert_msg(strncmp(text, "{\"refused\":[", 12) == 0 &&
                              strncmp(text + 12, want, strlen(want)) == 0,
                          "%s", text);
            ck_assert_uint_eq(count_of(text, "\"reason\""), 1);
            snprintf(want, sizeof want, "\"age_seconds\":0,\"line\":\"%s\",\"line_cut\":false",
                     refused[i].line);
            assert_has(text, want);
            snprintf(want, sizeof want, "{\"reason\":\"%s\",", refused[i].reason);
            engine_pass(&e, 1500);
        }
        engine_release(&e);
    }
}
END_TEST

/* Of a reason four lines are kept, the newest first; past the first four one a second is taken. */
START_TEST(test_insight_refused_bound)
{
    struct engine e;
    const char *text;
    char line[32];

    engine_init(&e, NULL, NULL);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(line, sizeof line, "bad%u", i);
        engine_feed(&e, line);
    }
    text = told(&e, bacowr_tell_refused, all);
    ck_assert_uint_eq(count_of(text, "\"reason\""), 4);
    assert_has(text, "\"line\":\"bad4\"");
    ck_assert(strstr(text, "\"line\":\"bad99\"") == NULL);
    engine_pass(&e, 1000);
    engine_feed(&e, "later");
    engine_feed(&e, "too soon");
    text = told(&e, bacowr_tell_refused, all);
    assert_has(text, "{\"refused\":[{\"reason\":\"malformed_line\"");
    assert_has(text, "\"age_seconds\":0,\"line\":\"later\"");
    ck_assert(strstr(text, "too soon") == NULL);
    engine_release(&e);
}
END_TEST

/* A long line is cut; whatever bytes it has, valid JSON without control characters comes out. */
START_TEST(test_insight_refused_text)
{
    struct engine e;
    char line[600];
    const char *text;

    memset(line, 'x', sizeof line);
    engine_init(&e, NULL, NULL);
    engine_feed_slice(&e, slice_of(line, sizeof line));
    assert_has(told(&e, bacowr_tell_refused, all), "\"line_cut\":true");
    engine_pass(&e, 1000);
    engine_feed(&e, "<script>\x1b[2J\xff\"");
    text = told(&e, bacowr_tell_refused, all);
    assert_has(text, "<script>\\u001b[2J\\ufffd\\\"");
    for (const char *at = text; *at != '\0'; at++)
        ck_assert((unsigned char)*at >= 0x20);
    engine_release(&e);
}
END_TEST

/* Without `secrets` no line is told, but reasons, names and ages are. */
START_TEST(test_insight_secrets)
{
    struct bacowr_tell tell = {.limit = 9};
    struct engine e;

    engine_init(&e, NULL, mapping);
    engine_feed(&e, "secret bad\nsome.name:1|c|#token:secret");
    assert_has(told(&e, bacowr_tell_refused, tell), "\"malformed_line\"");
    ck_assert(strstr(e.text.p, "secret") == NULL);
    assert_has(e.text.p, "\"line\":null");
    assert_has(told(&e, bacowr_tell_unmapped, tell), "\"name\":\"some.name\"");
    ck_assert(strstr(e.text.p, "secret") == NULL);
    engine_release(&e);
}
END_TEST

static bool sender_of(const void *ctx, unsigned i, struct ip *out)
{
    *out = (struct ip){0, UINT64_C(0xffff0a000000) + i}; /* 10.0.0.i */
    return i != *(const unsigned *)ctx;
}

static void feed_from(struct engine *e, unsigned stranger, const struct bacowr_datagram *batch,
                      unsigned n)
{
    const struct bacowr_senders senders = {sender_of, &stranger};

    bacowr_senders(bacowr_worker(e->b, 0), &senders);
    bacowr_feed(bacowr_worker(e->b, 0), batch, n, e->now_ms);
}

/* A refused line is told with who sent its datagram, where that is known; a service check that was
 * written anew too; and a batch without senders has not those of the one before. */
START_TEST(test_insight_sources)
{
    static const struct bacowr_datagram batch[] = {
        {.p = "db.status:1|c", .len = 13},
        {.p = "good:1|c\nbad one", .len = 16},
        {.p = "nobody:1|g1", .len = 11},
        {.p = "_sc|db|0\ngood:1|c", .len = 17},
    };
    struct bacowr_config config = engine_config();
    struct engine e;

    config.service_checks = STATSD_CHECKS_GAUGE;
    engine_init(&e, &config, NULL);
    ck_assert_int_lt(bacowr_refused_ms(bacowr_worker(e.b, 0)), -1000000000);
    engine_pass(&e, 5000);
    feed_from(&e, 2, batch, 4);
    engine_feed(&e, "later one");
    assert_has(told(&e, bacowr_tell_refused, all),
               "\"line\":\"bad one\",\"line_cut\":false,\"source\":\"10.0.0.1\"");
    assert_has(e.text.p, "\"line\":\"nobody:1|g1\",\"line_cut\":false,\"source\":null");
    assert_has(e.text.p, "\"line\":\"_sc|db|0\",\"line_cut\":false,\"source\":\"10.0.0.3\"");
    assert_has(e.text.p, "\"line\":\"later one\",\"line_cut\":false,\"source\":null");
    ck_assert(strstr(told(&e, bacowr_tell_refused, (struct bacowr_tell){.limit = 9}), "10.0.0.1") ==
              NULL);
    ck_assert_int_eq(bacowr_refused_ms(bacowr_worker(e.b, 0)), e.now_ms);
    engine_release(&e);
}
END_TEST

/* Names that no rule takes are told with a line and their identities, if there are rules. */
START_TEST(test_insight_unmapped)
{
    struct engine e;
    const char *text;

    engine_init(&e, NULL, NULL);
    engine_feed(&e, "x:1|c");
    ck_assert_str_eq(told(&e, bacowr_tell_unmapped, all), "{\"unmapped\":[]}");
    engine_map(&e, mapping);
    engine_feed(&e, "x:1|c\nx:5|c\nx:1|c|#a:b\napp.a:1|c");
    engine_pass(&e, 300);
    engine_feed(&e, "y:7|ms");
    text = told(&e, bacowr_tell_unmapped, all);
    ck_assert_str_eq(text, "{\"unmapped\":[{\"name\":\"y\",\"name_cut\":false,\"identities\":1,"
                           "\"last_identity_age_seconds\":0,\"age_seconds\":0,"
                           "\"line\":\"y:7|ms\",\"line_cut\":false,\"source\":null},"
                           "{\"name\":\"x\",\"name_cut\":false,\"identities\":2,"
                           "\"last_identity_age_seconds\":0.3,\"age_seconds\":0.3,"
                           "\"line\":\"x:1|c|#a:b\",\"line_cut\":false,\"source\":null}]}");
    engine_release(&e);
}
END_TEST

/* A flood of names costs a bound of memory, and leaves the newest. */
START_TEST(test_insight_unmapped_bound)
{
    struct engine e;
    char line[32];

    engine_init(&e, NULL, mapping);
    for (unsigned i = 0; i < 400; i++) {
        snprintf(line, sizeof line, "n%u:1|c", i);
        engine_feed(&e, line);
        if (i % 5 == 4)
            engine_pass(&e, 100);
    }
    ck_assert_uint_eq(count_of(told(&e, bacowr_tell_unmapped, all), "\"name\""), 32);
    assert_has(e.text.p, "\"name\":\"n399\"");
    engine_release(&e);
}
END_TEST

/* Totals are what the metrics page shows; each reason is told where it is counted there. */
START_TEST(test_insight_totals)
{
    uint64_t *totals = calloc(bacowr_n_totals(), sizeof *totals);
    struct engine e;
    char series[256];

    engine_init(&e, NULL, mapping);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        engine_feed(&e, refused[i].text);
    engine_feed(&e, "app.a:1|c\ngone.a:1|c\nx:1|c|@0.5");
    bacowr_read_totals(e.b, totals);
    for (unsigned i = BACOWR_TOTAL_REFUSED; i < bacowr_n_totals(); i++) {
        if (strcmp(bacowr_total_name(i), "conflict") == 0) {
            ck_assert_uint_eq(totals[i], 1);
            continue;
        }
        snprintf(series, sizeof series, "%s{reason=\"%s\"}", bacowr_total_counter(i),
                 bacowr_total_name(i));
        ck_assert_msg(engine_value(&e, series) == (double)totals[i], "%s", series);
    }
    ck_assert_str_eq(bacowr_total_name(BACOWR_TOTAL_LINES), "lines");
    ck_assert_double_eq(engine_value(&e, "statsd_exporter_lines_total"),
                        (double)totals[BACOWR_TOTAL_LINES]);
    ck_assert_double_eq(engine_value(&e, "statsd_exporter_samples_total"),
                        (double)totals[BACOWR_TOTAL_SAMPLES]);
    ck_assert_double_eq(engine_value(&e, "statsd_exporter_events_unmapped_total"),
                        (double)totals[BACOWR_TOTAL_UNMAPPED]);
    ck_assert_uint_eq(totals[BACOWR_TOTAL_DROPPED], 1);
    engine_release(&e);
    free(totals);
}
END_TEST

/* The largest families come first, with type, help, size and age; labels by their values. */
START_TEST(test_insight_survey)
{
    struct engine e;

    engine_init(&e, NULL, "mappings:\n- {match: big, name: big_total, help: The big one.}\n");
    engine_feed(&e, "big:1|c|#user:a,zone:x\nbig:1|c|#user:b,zone:x\nbig:1|c|#user:c,zone:x");
    engine_pass(&e, 1000);
    engine_feed(&e, "small:1|g|#zone:y\\\"=\"");
    for (unsigned step = 1; step < 10; step += 4)
        ck_assert_str_eq(
            surveyed(&e, all, step),
            "{\"series\":4,\"total\":2,\"matched\":2,\"matched_series\":4,\"families\":["
            "{\"name\":\"big_total\",\"type\":\"counter\",\"help\":\"The big one.\",\"series\":3,"
            "\"last_seen_age_seconds\":1},"
            "{\"name\":\"small\",\"type\":\"gauge\",\"help\":\"Metric generated from StatsD "
            "samples by bacowr-statsd.\",\"series\":1,\"last_seen_age_seconds\":0}],"
            "\"labels\":[{\"name\":\"user\",\"values\":3,\"estimated\":false,\"series\":3},"
            "{\"name\":\"zone\",\"values\":2,\"estimated\":false,\"series\":4}],"
            "\"labels_left_out\":0}");
    surveyed(&e, (struct bacowr_tell){.match = SLICE_LIT("SMA"), .limit = 9}, 100);
    assert_has(e.text.p, "{\"series\":4,\"total\":2,\"matched\":1,\"matched_series\":1,");
    ck_assert_uint_eq(count_of(e.text.p, "\"help\""), 1);
    engine_release(&e);
}
END_TEST

/* Of many families the largest are told; a label with many values is estimated. */
START_TEST(test_insight_survey_bounds)
{
    struct engine e;
    char line[64];
    const char *at;
    double values;

    engine_init(&e, NULL, NULL);
    for (unsigned i = 0; i < 300; i++) {
        snprintf(line, sizeof line, "f%u:1|c\nmany:1|c|#id:%u\nfew%u:1|c|#id:x\nfew%u:1|c", i, i,
                 i % 7, i % 7);
        engine_feed(&e, line);
    }
    surveyed(&e, (struct bacowr_tell){.limit = 8}, 50);
    ck_assert_uint_eq(count_of(e.text.p, "\"help\""), 8);
    assert_has(e.text.p, "\"families\":[{\"name\":\"many\"");
    assert_has(e.text.p, "{\"name\":\"few6\"");
    assert_has(e.text.p, "\"total\":308,\"matched\":308,");
    at = strstr(e.text.p, "{\"name\":\"id\",\"values\":");
    ck_assert_ptr_nonnull(at);
    values = atof(at + strlen("{\"name\":\"id\",\"values\":"));
    ck_assert(values > 270 && values < 330);
    assert_has(at, "\"estimated\":true");
    engine_release(&e);
}
END_TEST

/* Families and series may go between two steps. */
START_TEST(test_insight_survey_expiry)
{
    struct bacowr_survey *s;
    struct engine e;
    char line[64];
    struct json j;

    engine_init(&e, NULL, "defaults: {ttl: 1s}\nmappings: []\n");
    for (unsigned i = 0; i < 200; i++) {
        snprintf(line, sizeof line, "f%u:1|c\none:1|c|#id:%u", i % 50, i);
        engine_feed(&e, line);
    }
    ck_assert_int_eq(bacowr_survey_new(&s, e.b, &all), 0);
    ck_assert(bacowr_survey_next(s, 120));
    engine_pass(&e, 60000);
    while (bacowr_survey_next(s, 7))
        continue;
    j = json_writer(&e.text);
    json_object(&j, NULL);
    bacowr_survey_tell(s, &j);
    json_end_object(&j);
    ck_assert(!e.text.failed);
    bacowr_survey_free(s);
    engine_release(&e);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("insight");
    TCase *rules = tcase_create("rules");
    TCase *notes = tcase_create("notes");
    TCase *survey = tcase_create("survey");

    tcase_add_test(rules, test_insight_rules);
    tcase_add_test(rules, test_insight_rules_after_reload);
    tcase_add_test(rules, test_insight_totals);
    suite_add_tcase(s, rules);
    tcase_add_test(notes, test_insight_refused);
    tcase_add_test(notes, test_insight_refused_bound);
    tcase_add_test(notes, test_insight_refused_text);
    tcase_add_test(notes, test_insight_secrets);
    tcase_add_test(notes, test_insight_sources);
    tcase_add_test(notes, test_insight_unmapped);
    tcase_add_test(notes, test_insight_unmapped_bound);
    suite_add_tcase(s, notes);
    tcase_add_test(survey, test_insight_survey);
    tcase_add_test(survey, test_insight_survey_bounds);
    tcase_add_test(survey, test_insight_survey_expiry);
    suite_add_tcase(s, survey);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
