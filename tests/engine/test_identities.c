/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identities: what a worker remembers is copied whole and told as feeding would have it
 */
#include "bacowr/identities.h"

#include <stdio.h>
#include <string.h>

#include "lib/engine.h"
#include "lib/unit.h"

/* All of worker 0, in as many pieces as it takes, with @between after each. */
static const char *tell(struct engine *e, unsigned *n_pieces, void (*between)(struct engine *e))
{
    static char room[BACOWR_IDENTITIES_PIECE];
    struct bacowr_identities_walk walk = {0};
    struct bacowr_identities *t;

    buf_clear(&e->text);
    ck_assert_int_eq(bacowr_identities_new(&t, e->b), 0);
    ck_assert_int_eq(bacowr_identities_head(t, &e->text), 0);
    for (*n_pieces = 0; !walk.ended; ++*n_pieces) {
        struct slice piece = {room, bacowr_identities_copy(bacowr_worker(e->b, 0), &walk, room)};

        must(piece.len <= sizeof room);
        while (piece.len > 0)
            ck_assert_int_eq(bacowr_identities_tell(t, &piece, &e->text), 0);
        if (between != NULL)
            between(e);
    }
    ck_assert_int_eq(bacowr_identities_tail(t, !walk.cut, &e->text), 0);
    bacowr_identities_free(t);
    buf_add_byte(&e->text, '\0');
    return e->text.p;
}

static unsigned count(const char *text, const char *part)
{
    unsigned n = 0;

    for (; (text = strstr(text, part)) != NULL; text += strlen(part))
        n++;
    return n;
}

/* Nothing is there: a first and a last line, and how lines are read. */
START_TEST(test_identities_empty)
{
    struct engine e;
    struct bacowr_config config = engine_config();
    unsigned n;

    config.max_series = 7;
    config.max_family = 5;
    config.max_label_values = 3;
    config.gauge_mode = STATSD_GAUGE_ETSY;
    config.statsd.librato_tags = false;
    config.statsd.valueless_tags = STATSD_VALUELESS_EMPTY;
    config.statsd.max_label_length = 100;
    engine_init(&e, &config, NULL);
    ck_assert_str_eq(tell(&e, &n, NULL),
                     "{\"identities_format\":1,\"rules\":0,\"series\":0,\"series_limit\":7,"
                     "\"family_series_limit\":5,\"label_values_limit\":3,\"reading\":{"
                     "\"dogstatsd_tags\":true,\"influxdb_tags\":true,\"librato_tags\":false,"
                     "\"signalfx_tags\":true,\"graphite_tags\":false,\"container_id_label\":true,"
                     "\"valueless_tags\":\"empty\",\"max_labels\":0,\"max_label_length\":100,"
                     "\"gauge_sign\":\"etsy\",\"openmetrics\":false}}\n"
                     "{\"end\":true,\"identities\":0,\"complete\":true}\n");
    engine_release(&e);
}
END_TEST

/* Each outcome has its word, and settings are told once. */
START_TEST(test_identities_outcomes)
{
    struct bacowr_config config = engine_config();
    const char *text;
    struct engine e;
    unsigned n;

    config.max_family = 1;
    engine_init(&e, &config,
                "mappings:\n"
                "- {match: gone.*, name: gone, action: drop}\n"
                "- {match: kept.*, name: kept, labels: {what: $1}}\n");
    engine_feed(&e, "gone.a:1|c\nkept.a:1|c\nkept.b:1|c\nkept.a:1|g\nodd:1|zz\nplain:1|g");
    engine_feed(&e, "kept.c:1|c");
    text = tell(&e, &n, NULL);
    ck_assert_uint_eq(count(text, "\"outcome\":\"dropped\"}"), 1);
    ck_assert_uint_eq(count(text, "\"outcome\":\"overflow\""), 2);
    ck_assert_uint_eq(count(text, "\"outcome\":\"conflict\""), 1);
    ck_assert_uint_eq(count(text, "\"outcome\":\"refused\"}"), 1);
    ck_assert_uint_eq(count(text, "\"outcome\":\"series\""), 2);
    ck_assert_uint_eq(count(text, "{\"settings\":"), 3);
    ck_assert_uint_eq(count(text, "\"family\":\"kept\",\"labels\":\"what=\\\"a\\\"\""), 2);
    engine_release(&e);
}
END_TEST

/* What values are made with is told: of a timer, and of what has a unit. */
START_TEST(test_identities_settings)
{
    const char *text;
    struct engine e;
    unsigned n;

    engine_init(
        &e, NULL,
        "mappings:\n"
        "- {match: a, name: a, observer_type: histogram, histogram_options: {buckets: [1, 5]}}\n"
        "- {match: b, name: b, scale: 4, ttl: 3s, help: Half.}\n");
    engine_feed(&e, "a:1|ms|@0.5\na:1|h\nb:2|c|@0.5\nc:1|g\nd:x|s");
    text = tell(&e, &n, NULL);
    ck_assert_uint_eq(count(text, "{\"settings\":"), 5);
    ck_assert(strstr(text,
                     "\"type\":\"histogram\",\"help\":\"Metric generated from StatsD samples by "
                     "bacowr-statsd.\",\"ttl_seconds\":0,\"scale\":0.001,\"buckets\":[1,5],"
                     "\"native_buckets\":true}") != NULL);
    ck_assert_uint_eq(count(text, "\"scale\":1,\"buckets\":[1,5]"), 1);
    ck_assert_uint_eq(count(text, "\"help\":\"Half.\",\"ttl_seconds\":3,\"scale\":4}"), 1);
    ck_assert_uint_eq(count(text, "\"scale\":1,\"sign\":\"delta\"}"), 1);
    ck_assert_uint_eq(count(text, "\"window_seconds\":60,\"error\":"), 1);
    engine_release(&e);
}
END_TEST

/* What the registry refused under other rules it did not refuse under these. */
START_TEST(test_identities_old_refusal)
{
    struct engine e;
    unsigned n;

    engine_init(&e, NULL, NULL);
    engine_feed(&e, "x:1|c\nx:1|g");
    ck_assert_uint_eq(count(tell(&e, &n, NULL), "\"outcome\":\"conflict\""), 1);
    engine_map(&e, "mappings: [{match: x, match_metric_type: gauge, name: y}]");
    ck_assert_uint_eq(count(tell(&e, &n, NULL), "\"outcome\":\"series\""), 2);
    engine_release(&e);
}
END_TEST

static void feed_many(struct engine *e, unsigned from, unsigned to)
{
    char line[64];

    for (; from < to; from++) {
        snprintf(line, sizeof line, "m:1|c|#user:%06u", from);
        engine_feed(e, line);
    }
}

/* Many pieces hold all of them, each once. */
START_TEST(test_identities_pieces)
{
    struct engine e;
    const char *text;
    unsigned n;

    engine_init(&e, NULL, NULL);
    feed_many(&e, 0, 5000);
    text = tell(&e, &n, NULL);
    ck_assert_uint_gt(n, 3);
    ck_assert_uint_eq(count(text, "\"outcome\":\"series\""), 5000);
    ck_assert_uint_eq(count(text, "user:004999\""), 1);
    ck_assert(strstr(text, "\"identities\":5000,\"complete\":true") != NULL);
    engine_release(&e);
}
END_TEST

static void grow(struct engine *e)
{
    static unsigned at = 2000;

    if (at < 6000)
        feed_many(e, at, at + 1000);
    at += 1000;
}

/* A table that grows meanwhile loses none of those that were there. */
START_TEST(test_identities_growth)
{
    struct engine e;
    const char *text;
    char want[32];
    unsigned n;

    engine_init(&e, NULL, NULL);
    feed_many(&e, 0, 2000);
    text = tell(&e, &n, grow);
    for (unsigned i = 0; i < 2000; i += 7) {
        snprintf(want, sizeof want, "user:%06u\"", i);
        must(strstr(text, want) != NULL);
    }
    engine_release(&e);
}
END_TEST

/* The rules in force at the beginning are told of to the end. */
static void reload(struct engine *e)
{
    engine_map(e, "mappings: [{match: m, name: other}]");
    engine_pass(e, 1000);
}

START_TEST(test_identities_reload)
{
    struct engine e;
    const char *text;
    unsigned n;

    engine_init(&e, NULL, "mappings: [{match: m, name: first}]");
    feed_many(&e, 0, 2000);
    text = tell(&e, &n, reload);
    ck_assert_uint_gt(n, 1);
    ck_assert_uint_eq(count(text, "\"family\":\"first\""), 2000);
    engine_release(&e);
}
END_TEST

/* The more regexes there are, the fewer identities are looked at while others wait. */
START_TEST(test_identities_work)
{
    static char room[BACOWR_IDENTITIES_PIECE], text[65536];
    struct bacowr_identities_walk walk = {0};
    struct bacowr_identities *t;
    struct slice piece;
    struct engine e;
    size_t len = (size_t)snprintf(text, sizeof text, "mappings:\n");

    for (unsigned i = 0; i < 390; i++)
        len += (size_t)snprintf(text + len, sizeof text - len,
                                "- {match: 'r(a|b)%u', match_type: regex, name: r%u}\n", i, i);
    engine_init(&e, NULL, text);
    feed_many(&e, 0, 100);
    buf_clear(&e.text);
    ck_assert_int_eq(bacowr_identities_new(&t, e.b), 0);
    piece = slice_of(room, bacowr_identities_copy(bacowr_worker(e.b, 0), &walk, room));
    ck_assert_int_eq(bacowr_identities_tell(t, &piece, &e.text), 0);
    buf_add_byte(&e.text, '\0');
    ck_assert_uint_eq(count(e.text.p, "\"outcome\""), 6);
    ck_assert_uint_gt(piece.len, 0);
    bacowr_identities_free(t);
    engine_release(&e);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("identities");
    TCase *t = tcase_create("identities");

    tcase_add_test(t, test_identities_empty);
    tcase_add_test(t, test_identities_outcomes);
    tcase_add_test(t, test_identities_settings);
    tcase_add_test(t, test_identities_old_refusal);
    tcase_add_test(t, test_identities_pieces);
    tcase_add_test(t, test_identities_growth);
    tcase_add_test(t, test_identities_reload);
    tcase_add_test(t, test_identities_work);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
