/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cardinality: what is told of the largest names and labels is so, however it is cut into steps
 */
#include "bacowr/cardinality.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "lib/engine.h"
#include "lib/unit.h"

/* All of it, in steps of @step series, between which @between may do something. */
static const char *tell(struct engine *e, unsigned step, void (*between)(struct engine *e))
{
    struct bacowr_cardinality *c;
    struct json j;

    buf_clear(&e->text);
    ck_assert_int_eq(bacowr_cardinality_new(&c, e->b), 0);
    while (bacowr_cardinality_next(c, step))
        if (between != NULL)
            between(e);
    j = json_writer(&e->text);
    json_object(&j, NULL);
    ck_assert_int_eq(bacowr_cardinality_tell(c, &j), 0);
    json_end_object(&j);
    buf_add_byte(&e->text, '\0');
    ck_assert(!e->text.failed);
    bacowr_cardinality_free(c);
    return e->text.p;
}

static void must_have(const char *json, const char *part)
{
    ck_assert_msg(strstr(json, part) != NULL, "%s is not in %s", part, json);
}

/* Nothing is there: nothing is told of. */
START_TEST(test_cardinality_empty)
{
    struct engine e;

    engine_init(&e, NULL, NULL);
    ck_assert_str_eq(tell(&e, 1, NULL),
                     "{\"limits\":{\"series\":1000000,\"family_series\":0,\"label_values\":0,"
                     "\"overflow_series\":62516},\"series\":0,\"overflow_series\":0,\"families\":0,"
                     "\"folded_events\":{\"series\":0,\"family\":0,\"label\":0},"
                     "\"refused_events\":{\"series\":0,\"family\":0,\"label\":0},"
                     "\"top_families\":[],\"top_labels\":[],\"overflow_identities\":0,"
                     "\"overflow_families\":[]}");
    engine_release(&e);
}
END_TEST

/* Largest first, by series and by values; the same in small steps and in large ones; what overflows
 * is named. */
START_TEST(test_cardinality_top)
{
    static const unsigned steps[] = {1, 7, 100000};
    struct bacowr_config config = engine_config();
    const char *json;
    char line[64];
    struct engine e;

    config.max_family = 50;
    engine_init(&e, &config, NULL);
    engine_feed(&e, "one:1|c\ntwo:1|g|#k:a\ntwo:1|g|#k:b");
    for (unsigned i = 0; i < 60; i++) {
        (void)snprintf(line, sizeof line, "many:1|c|#user:%u,code:%u\ngauge:1|g|#id:%u", i, i % 3,
                       i);
        engine_feed(&e, line);
    }
    json = tell(&e, steps[_i], NULL);
    must_have(json, "\"series\":103,\"overflow_series\":1,\"families\":4,"
                    "\"folded_events\":{\"series\":0,\"family\":10,\"label\":0},"
                    "\"refused_events\":{\"series\":0,\"family\":10,\"label\":0},"
                    "\"top_families\":[{\"name\":\"many\",\"type\":\"counter\",\"series\":51},"
                    "{\"name\":\"gauge\",\"type\":\"gauge\",\"series\":50},"
                    "{\"name\":\"two\",\"type\":\"gauge\",\"series\":2},"
                    "{\"name\":\"one\",\"type\":\"counter\",\"series\":1}],");
    must_have(json, "{\"family\":\"many\",\"label\":\"code\",\"values\":3},"
                    "{\"family\":\"two\",\"label\":\"k\",\"values\":2}],");
    must_have(json, "\"overflow_families\":[{");
    must_have(json, "{\"name\":\"many\",\"identities\":10,\"labels\":["
                    "{\"label\":\"user\",\"values\":10},{\"label\":\"code\",\"values\":3}]}");
    must_have(json, "{\"name\":\"gauge\",\"identities\":10,"
                    "\"labels\":[{\"label\":\"id\",\"values\":10}]}");
    engine_release(&e);
}
END_TEST

/* More families than are told of: the largest are, whatever the order of their names. */
START_TEST(test_cardinality_bounded)
{
    struct buf line = {0};
    const char *json;
    struct engine e;
    unsigned n = 0;

    engine_init(&e, NULL, NULL);
    for (unsigned i = 0; i < 60; i++)
        for (unsigned k = 0; k <= i * 7 % 60; k++) {
            buf_clear(&line);
            buf_addf(&line, "f%02u:1|c|#l:%u", i, k);
            engine_feed_slice(&e, buf_slice(&line));
        }
    json = tell(&e, 100, NULL);
    for (const char *p = json; (p = strstr(p, "\"name\"")) != NULL; p++)
        n++;
    ck_assert_uint_eq(n, BACOWR_CARDINALITY_TOP);
    must_have(json, "\"top_families\":[{\"name\":\"f17\",\"type\":\"counter\",\"series\":60},");
    must_have(json, "\"series\":41}],");
    buf_release(&line);
    engine_release(&e);
}
END_TEST

/* A list that is compacted in the middle of the walk: what was not looked at still is. */
START_TEST(test_cardinality_beside_a_compaction)
{
    struct bacowr_cardinality *c;
    struct buf line = {0};
    struct engine e;
    struct json j;
    const char *values;

    engine_init(&e, NULL,
                "mappings:\n- {match: \"short.*\", name: ff, ttl: 1s, labels: {id: $1}}\n"
                "- {match: \"long.*\", name: ff, labels: {id: $1}}\n");
    for (unsigned i = 0; i < 400; i++) {
        buf_clear(&line);
        buf_addf(&line, "%s.%u:1|c", i < 200 ? "short" : "long", i);
        engine_feed_slice(&e, buf_slice(&line));
    }
    ck_assert_int_eq(bacowr_cardinality_new(&c, e.b), 0);
    ck_assert(bacowr_cardinality_next(c, 210));
    engine_pass(&e, 3000);
    ck_assert_double_eq(engine_value(&e, "bacowr_statsd_series_expired_total"), 200);
    while (bacowr_cardinality_next(c, 10))
        continue;
    j = json_writer(&line);
    buf_clear(&line);
    json_object(&j, NULL);
    ck_assert_int_eq(bacowr_cardinality_tell(c, &j), 0);
    buf_add_byte(&line, '\0');
    values = strstr(line.p, "\"label\":\"id\",\"values\":");
    ck_assert_ptr_nonnull(values);
    ck_assert_int_ge(atoi(values + strlen("\"label\":\"id\",\"values\":")), 370);
    bacowr_cardinality_free(c);
    buf_release(&line);
    engine_release(&e);
}
END_TEST

static void live_on(struct engine *e)
{
    char line[32];

    engine_pass(e, 500);
    (void)snprintf(line, sizeof line, "a:1|c|#t:%d", (int)e->now_ms);
    engine_feed(e, line);
}

/* Series are born and expire meanwhile, and families with them: what is told comes to its end. */
START_TEST(test_cardinality_beside_births_and_deaths)
{
    struct buf line = {0};
    struct engine e;

    engine_init(&e, NULL, "defaults: {ttl: 1s}\n");
    for (unsigned i = 0; i < 100; i++) {
        buf_clear(&line);
        buf_addf(&line, "f%u:1|c|#l:%u\na:1|c|#l:%u", i % 30, i, i);
        engine_feed_slice(&e, buf_slice(&line));
    }
    must_have(tell(&e, 3, live_on), "\"top_families\":[{\"name\":\"a\",");
    must_have(tell(&e, 3, live_on), "\"families\":1,");
    buf_release(&line);
    engine_release(&e);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("cardinality");
    TCase *t = tcase_create("cardinality");

    tcase_add_test(t, test_cardinality_empty);
    tcase_add_loop_test(t, test_cardinality_top, 0, 3);
    tcase_add_test(t, test_cardinality_bounded);
    tcase_add_test(t, test_cardinality_beside_a_compaction);
    tcase_add_test(t, test_cardinality_beside_births_and_deaths);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
