/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shadow: what another mapping would change is found as that mapping does it
 *
 * The document of identities is a real one: an engine is fed under a mapping and told of.
 */
#include "bacowr/shadow.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bacowr/identities.h"
#include "base/err.h"
#include "lib/engine.h"
#include "lib/unit.h"

#define N(array) (sizeof(array) / sizeof(array)[0])

static void put_document(struct engine *e, struct buf *out)
{
    static char room[BACOWR_IDENTITIES_PIECE];
    struct bacowr_identities_walk walk = {0};
    struct bacowr_identities *t;

    ck_assert_int_eq(bacowr_identities_new(&t, e->b), 0);
    ck_assert_int_eq(bacowr_identities_head(t, out), 0);
    while (!walk.ended) {
        struct slice piece = {room, bacowr_identities_copy(bacowr_worker(e->b, 0), &walk, room)};

        while (piece.len > 0)
            ck_assert_int_eq(bacowr_identities_tell(t, &piece, out), 0);
    }
    ck_assert_int_eq(bacowr_identities_tail(t, true, out), 0);
    bacowr_identities_free(t);
}

static struct bacowr_shadow *shadow_of(const char *mapping)
{
    const struct bacowr_text text = {"new.yml", slice_str(mapping)};
    struct bacowr_mapping *m;
    struct bacowr_shadow *s;
    struct err e;

    ck_assert_msg(bacowr_mapping_new(&m, &text, 1, NULL, NULL, &e) == 0, "%s", e.text);
    ck_assert_int_eq(bacowr_shadow_new(&s, m), 0);
    return s;
}

/* All lines of @document, and the judgement. */
static int feed(struct bacowr_shadow *s, struct slice document, struct err *e)
{
    struct statsd_cursor cursor = statsd_cursor(document, true);
    struct slice line;
    int r = 0;

    while (r == 0 && statsd_next_line(&cursor, &line))
        r = bacowr_shadow_line(s, line, e);
    return r == 0 ? bacowr_shadow_end(s, e) : r;
}

static const char *told(const struct bacowr_shadow *s, bool json)
{
    static struct buf out;

    buf_clear(&out);
    ck_assert_int_eq(bacowr_shadow_tell(s, "here", json, &out), 0);
    buf_add_byte(&out, '\0');
    return out.p;
}

/* Compare what @lines made of @e, and are, with @mapping. */
static struct bacowr_shadow *compare(struct engine *e, const char *lines, const char *mapping)
{
    struct bacowr_shadow *s = shadow_of(mapping);
    struct buf document = {0};
    struct err fault = {.text = ""};

    engine_feed(e, lines);
    put_document(e, &document);
    ck_assert_msg(feed(s, buf_slice(&document), &fault) == 0, "%s", fault.text);
    buf_release(&document);
    return s;
}

#define RULES "mappings:\n"

/* A rich stream, all that can become of an identity. */
#define STREAM                                                                                    \
    "api.a.time:3|ms|#z:1\napi.b.time:3|ms\napp.web.hits:1|c|@0.5\napp.x.hits:1|c\nnoise.a:1|c\n" \
    "temp.kitchen:3|g\nother:1|c\nother:1|g\nz.users:u|s\nbad:1|zz\napp.y.hits:1|c\n"
#define OLD RULES REST
#define REST                                                                        \
    "- {match: api.*.time, name: api_seconds, observer_type: summary, help: Old., " \
    "labels: {call: $1}}\n"                                                         \
    "- {match: app.*.hits, name: app_hits_total, labels: {app: $1}}\n"              \
    "- {match: noise.*, name: noise, action: drop}\n"                               \
    "- {match: temp.*, name: temp, labels: {room: $1}}\n"

static const struct {
    const char *what, *mapping;
    enum bacowr_shadow_verdict verdict;
    const char *parts[6]; /* of the JSON */
} cases[] = {
    {"the same",
     OLD,
     BACOWR_SHADOW_SAME,
     {"\"identities\":11,\"identities_changed\":0,",
      "\"series_kept\":8,\"before\":{\"families\":5,\"series\":8,\"identities\":8,\"unmapped\":3,"
      "\"dropped\":1,\"conflict\":1,\"refused\":1,\"over_limit\":0},"
      "\"after\":{\"families\":5,\"series\":8,\"identities\":8,\"unmapped\":3,\"dropped\":1,"
      "\"conflict\":1,\"refused\":1}",
      "\"identities\":1,\"identities_not_refused_now\":0}]", "\"moves\":[]"}},
    {"the same, otherwise written",
     OLD "- {match: never, name: never, help: None.}\n",
     BACOWR_SHADOW_SAME,
     {"\"identities_changed\":0,"}},
    {"another family",
     RULES "- {match: app.web.hits, name: web_total}\n" REST,
     BACOWR_SHADOW_CHANGES,
     {"\"identities_changed\":1,",
      "{\"name\":\"web_total\",\"change\":\"new\",\"before\":null,\"after\":{\"series\":1,",
      "{\"name\":\"app_hits_total\",\"change\":\"changed\",\"before\":{\"series\":3,",
      "\"after\":{\"series\":2,\"identities\":2,\"types\":[\"counter\"]",
      "{\"kind\":\"family\",\"from\":\"app_hits_total\",\"to\":\"web_total\",\"identities\":1,"
      "\"example\":{\"identity\":\"app.web.hits:?|c|@0.5\",\"labels_before\":\"app=\\\"web\\\"\","
      "\"labels_after\":\"\",\"rule_before\":{\"file\":\"test.yml\",\"line\":3,"}},
    {"other labels",
     RULES "- {match: app.*.hits, name: app_hits_total, labels: {application: $1}}\n" REST,
     BACOWR_SHADOW_CHANGES,
     {"\"identities_changed\":3,", "\"series_kept\":5,", "\"label_names\":\"application,\"",
      "{\"kind\":\"labels\",\"from\":\"app_hits_total\",\"to\":\"app_hits_total\","}},
    {"fewer series",
     RULES "- {match: app.*.hits, name: app_hits_total}\n" REST,
     BACOWR_SHADOW_CHANGES,
     {"\"after\":{\"families\":5,\"series\":6,\"identities\":8,"}},
    {"dropped",
     RULES "- {match: other, match_metric_type: counter, action: drop, name: x}\n" REST,
     BACOWR_SHADOW_CHANGES,
     {"{\"kind\":\"dropped\",\"from\":\"other\",\"to\":null,\"identities\":1,",
      "\"conflict\":0,\"refused\":1}"}},
    {"no rule takes it any more",
     RULES "- {match: api.*.time, name: api_seconds, observer_type: summary, help: Old., labels: "
           "{call: $1}}\n- {match: app.*.hits, name: app_hits_total, labels: {app: $1}}\n"
           "- {match: noise.*, name: noise, action: drop}\n",
     BACOWR_SHADOW_CHANGES,
     {"{\"kind\":\"unmapped\",\"from\":\"temp\",\"to\":\"temp_kitchen\",\"identities\":1,",
      "\"rule_after\":null", "\"unmapped\":4,"}},
    {"what was dropped",
     RULES "- {match: noise.*, name: noise}\n" REST,
     BACOWR_SHADOW_CHANGES,
     {"{\"kind\":\"new\",\"from\":null,\"to\":\"noise\",\"identities\":1,", "\"series\":9,",
      "\"dropped\":0,\"conflict\":1,"}},
    {"settings of a series",
     RULES "- {match: api.*.time, name: api_seconds, observer_type: summary, help: New., scale: 2, "
           "ttl: 1m, labels: {call: $1}}\n" REST,
     BACOWR_SHADOW_CHANGES,
     {"\"identities_changed\":2,", "\"series_kept\":8,",
      "\"settings_changed\":[\"help\",\"ttl_seconds\",\"scale\"]", "\"scale\":0.002",
      "\"moves\":[]"}},
    {"observers change their type in place",
     RULES "- {match: api.*.time, name: api_seconds, observer_type: histogram, help: Old., labels: "
           "{call: $1}}\n" REST,
     BACOWR_SHADOW_CHANGES,
     {"\"series_kept\":8,", "\"settings_changed\":[\"type\"]"}},
    {"a type that others hold, until they have expired",
     RULES "- {match: noise.*, name: temp}\n- {match: temp.*, action: drop, name: temp}\n" REST,
     BACOWR_SHADOW_CONFLICTS,
     {"{\"family\":\"temp\",\"type\":\"counter\",\"clash\":\"type\",\"until\":"
      "\"old_series_expire_or_restart\",\"identities\":1,\"identities_not_refused_now\":1}"}},
    {"two types of one name",
     RULES "- {match: app.x.hits, name: temp}\n" REST,
     BACOWR_SHADOW_CONFLICTS,
     {"{\"family\":\"temp\",\"type\":\"counter\",\"clash\":\"type\",\"until\":null,\"identities\":"
      "1,"
      "\"identities_not_refused_now\":1}",
      "\"identities\":7,\"unmapped\":3,\"dropped\":1,\"conflict\":2,"}},
    {"a name that a summary needs for its samples",
     RULES "- {match: app.x.hits, name: api_seconds_count}\n" REST,
     BACOWR_SHADOW_CONFLICTS,
     {"{\"family\":\"api_seconds_count\",\"type\":\"counter\",\"clash\":\"suffix\",\"until\":"
      "null,"}},
    {"one of the server's own",
     RULES "- {match: app.x.hits, name: statsd_exporter_lines_total}\n" REST,
     BACOWR_SHADOW_CONFLICTS,
     {"\"clash\":\"reserved\",\"until\":null,"}},
    {"a name that becomes empty",
     RULES
     "- {match: 'othe(r)(q?)', match_type: regex, name: $2, match_metric_type: counter}\n" REST,
     BACOWR_SHADOW_CONFLICTS,
     {"{\"kind\":\"refused\",\"from\":\"other\",\"to\":null,\"identities\":1,"}},
};

/* The verdict, and what is told of it. */
START_TEST(test_shadow_tells)
{
    struct engine e;
    struct bacowr_shadow *s;
    const char *text;

    engine_init(&e, NULL, OLD);
    s = compare(&e, STREAM, cases[_i].mapping);
    text = told(s, true);
    ck_assert_msg(bacowr_shadow_verdict(s) == cases[_i].verdict, "%s: %s", cases[_i].what, text);
    for (unsigned i = 0; i < N(cases[_i].parts) && cases[_i].parts[i] != NULL; i++)
        ck_assert_msg(strstr(text, cases[_i].parts[i]) != NULL, "%s: %s\nnot in %s", cases[_i].what,
                      cases[_i].parts[i], text);
    bacowr_shadow_free(s);
    engine_release(&e);
}
END_TEST

/* The words, for one of each kind. */
START_TEST(test_shadow_text)
{
    struct engine e;
    struct bacowr_shadow *s;
    const char *text;

    engine_init(&e, NULL, OLD);
    s = compare(&e, STREAM "esc\033[2J:1|c\n",
                RULES "- {match: app.x.hits, name: temp}\n- {match: noise.*, name: noise}\n" REST);
    text = told(s, false);
    ck_assert(strstr(text, "against here: 12 identities, 9 active series\n") != NULL);
    ck_assert(strstr(text, "\nNewly refused: 1 identity\n"
                           "  ! temp counter: 1 identity, the name has series of another type\n") !=
              NULL);
    ck_assert(strstr(text, "  ~ app_hits_total counter: 3 -> 2 series, 2 unchanged\n") != NULL);
    ck_assert(strstr(text, "  + noise counter: 0 -> 1 series\n") != NULL);
    ck_assert(strstr(text, "  1 app_hits_total -> temp, by new.yml line 2 (app.x.hits)\n"
                           "      e.g. app.x.hits:?|c {app=\"x\"} -> {}\n") != NULL);
    ck_assert(strstr(text, "2 of the observed identities would change. Some that are accepted "
                           "now would be refused.\n") != NULL);
    ck_assert(strstr(text, "\033") == NULL);
    bacowr_shadow_free(s);
    engine_release(&e);
}
END_TEST

static unsigned count_series(struct engine *e)
{
    struct bacowr_identities *t;
    struct buf out = {0};
    unsigned n;

    ck_assert_int_eq(bacowr_identities_new(&t, e->b), 0);
    ck_assert_int_eq(bacowr_identities_head(t, &out), 0);
    buf_add_byte(&out, '\0');
    ck_assert_int_eq(sscanf(strstr(out.p, "\"series\":"), "\"series\":%u", &n), 1);
    bacowr_identities_free(t);
    buf_release(&out);
    return n;
}

/* What is foretold comes true: as many series, refused and dropped lines as an engine makes. */
START_TEST(test_shadow_comes_true)
{
    static const char *const lines[] = {
        "a.b:1|c|#x:1\na.c:1|c\na.b:2|c|#x:2,y:3\nq.b.c:3|ms\nq.b.d:3|h\nr:1|g|#a:b\nr2,k=v:1|c\n",
        "a.b:1|c\na.b:1|c|@0.1\nn#x=y:1|g\nn[x=y]:1|g\ns:u|s\nlong.er.name:4|d\nbad|c\nw:1|q\n",
    };
    static const char *const mapping =
        RULES "- {match: a.*, name: a_total, labels: {what: $1}}\n"
              "- {match: q.*.*, name: q_seconds, observer_type: histogram, labels: {part: $2}}\n"
              "- {match: long.*.*, name: long, action: drop}\n"
              "- {match: '(r|n).*', match_type: regex, name: $1, match_metric_type: gauge}\n";

    for (size_t i = 0; i < N(lines); i++) {
        struct bacowr_shadow *s;
        struct engine e, real;
        char want[64];
        const char *text;

        engine_init(&e, NULL, NULL);
        engine_init(&real, NULL, mapping);
        s = compare(&e, lines[i], mapping);
        engine_feed(&real, lines[i]);
        text = told(s, true);
        text = strstr(text, "\"after\":");
        snprintf(want, sizeof want, "\"series\":%u,", count_series(&real));
        ck_assert_msg(strstr(text, want) != NULL, "%s: %.300s", want, text);
        bacowr_shadow_free(s);
        engine_release(&e);
        engine_release(&real);
    }
}
END_TEST

/* Lines are read as the server has them read, not as these flags would. */
START_TEST(test_shadow_reads_as_the_server)
{
    struct bacowr_config config = engine_config();
    struct bacowr_shadow *s;
    struct engine e;

    config.statsd.dogstatsd_tags = false;
    config.gauge_mode = STATSD_GAUGE_ABSOLUTE;
    engine_init(&e, &config, OLD);
    s = compare(&e, "app.a.hits:1|c|#tag:x\nt:1|g\n", OLD);
    ck_assert_msg(bacowr_shadow_verdict(s) == BACOWR_SHADOW_SAME, "%s", told(s, true));
    bacowr_shadow_free(s);
    engine_release(&e);
}
END_TEST

static char *document_of(const char *lines, size_t *len)
{
    struct buf document = {0};
    struct engine e;

    engine_init(&e, NULL, OLD);
    engine_feed(&e, lines);
    put_document(&e, &document);
    engine_release(&e);
    *len = document.len;
    buf_add_byte(&document, '\0');
    return document.p;
}

/* Who was told of by two workers is one. */
START_TEST(test_shadow_counts_once)
{
    struct bacowr_shadow *s = shadow_of(OLD);
    struct buf twice = {0};
    struct err e;
    size_t len;
    char *document = document_of("a:1|c\n", &len);
    const char *name = strstr(document, "{\"name\"");
    size_t n = strcspn(name, "\n") + 1;

    buf_add(&twice, document, (size_t)(name - document) + n);
    buf_add(&twice, name, n);
    buf_add_str(&twice, name + n);
    ck_assert_int_eq(feed(s, buf_slice(&twice), &e), 0);
    ck_assert(strstr(told(s, true), "\"identities\":1,\"identities_changed\":0") != NULL);
    bacowr_shadow_free(s);
    buf_release(&twice);
    free(document);
}
END_TEST

/* What is folded, and a gauge that is refused, at the limit of all series. */
START_TEST(test_shadow_tells_of_limits)
{
    struct bacowr_config config = engine_config();
    struct bacowr_shadow *s;
    struct engine e;

    config.max_series = 2;
    engine_init(&e, &config, NULL);
    s = compare(&e, "a:1|c|#k:1\na:1|c|#k:2\na:1|c|#k:3\na:1|c|#k:4\ng:1|g", "mappings: []");
    ck_assert_msg(strstr(told(s, true), "\"over_limit\":3") != NULL, "%s", told(s, true));
    ck_assert_msg(strstr(told(s, false), "Over a limit now: 3 identities") != NULL, "%s",
                  told(s, false));
    bacowr_shadow_free(s);
    engine_release(&e);
}
END_TEST

#define USERS                                                                              \
    "u.1.hits:1|c\nu.2.hits:1|c\nu.3.hits:1|c\nu.4.hits:1|c\nu.5.hits:1|c\nu.6.hits:1|c\n" \
    "room.a:1|g\nroom.b:2|g\nother:1|c\n"
#define ROOMS    "- {match: room.*, name: room, labels: {room: $1}}\n"
#define TOGETHER RULES "- {match: u.*.hits, name: hits}\n" ROOMS
#define APART    RULES "- {match: u.*.hits, name: hits, labels: {user: $1, all: x}}\n" ROOMS
#define RENAMED  RULES "- {match: u.*.hits, name: clicks, labels: {user: $1, all: x}}\n" ROOMS
#define VALUES   RULES "- {match: u.*.hits, name: hits, labels: {user: 1$1, all: x}}\n" ROOMS

#define ALIKE \
    RULES "- {match: u.*.hits, name: hits, labels: {user: $1, bb: $1, cc: $1, aa: $1}}\n" ROOMS

static const struct {
    const char *what, *old, *new;
    uint64_t series, family, values; /* the limits; 0: none */
    enum bacowr_shadow_verdict verdict;
    uint64_t n_start, n_reload; /* identities over it, of a server with the new one */
    const char *json, *text;
} limits[] = {
    {"no limit", TOGETHER, APART, 0, 0, 0, BACOWR_SHADOW_CHANGES, 0, 0,
     "\"limits\":[],\"all_limits\":true,", "6 of the observed identities would change.\n"},
    {"just within", TOGETHER, APART, 9, 6, 6, BACOWR_SHADOW_CONFLICTS, 0, 1,
     "\"limits\":[{\"limit\":\"series\",\"family\":null,\"label\":null,\"allowed\":9,\"now\":4,"
     "\"then\":9,\"over_now\":0,\"over_then\":0,\"new_over_after_reload\":1,\"worse\":true},{"
     "\"limit\":\"family\",\"family\":\"hits\",\"label\":null,\"allowed\":6,\"now\":1,\"then\":6,"
     "\"over_now\":0,\"over_then\":0,\"new_over_after_reload\":1,\"worse\":true}]",
     "  ! 9 series, --statsd.max-series=9: 0 over, now 0; after a reload 1, until old series have "
     "expired or a restart\n"},
    {"of all series", TOGETHER, APART, 7, 0, 0, BACOWR_SHADOW_CONFLICTS, 2, 3,
     "\"limits\":[{\"limit\":\"series\",\"family\":null,\"label\":null,\"allowed\":7,\"now\":4,"
     "\"then\":9,\"over_now\":0,\"over_then\":2,\"new_over_after_reload\":3,\"worse\":true}],",
     "\nNewly over a limit: counted in overflow=\"true\", gauges refused\n  ! 9 "
     "series, --statsd.max-series=7: 2 over, now 0; after a reload 3, until old series have "
     "expired or a restart\n"},
    {"of a family", TOGETHER, APART, 0, 4, 0, BACOWR_SHADOW_CONFLICTS, 2, 3,
     "\"limits\":[{\"limit\":\"family\",\"family\":\"hits\",\"label\":null,\"allowed\":4,\"now\":1,"
     "\"then\":6,\"over_now\":0,\"over_then\":2,\"new_over_after_reload\":3,\"worse\":true}],",
     "  ! hits: 6 series, --statsd.max-series-per-family=4: 2 over, now 0; after a reload 3, until "
     "old series have expired or a restart\n"},
    {"of a label", TOGETHER, APART, 0, 0, 4, BACOWR_SHADOW_CONFLICTS, 2, 2,
     "\"limits\":[{\"limit\":\"label\",\"family\":\"hits\",\"label\":\"user\",\"allowed\":4,"
     "\"now\":0,\"then\":6,\"over_now\":0,\"over_then\":2,\"new_over_after_reload\":2,\"worse\":"
     "true}],",
     "  ! hits: 6 values of user, --statsd.max-label-values=4: 2 over, now 0\n"},
    {"of labels with the same values", TOGETHER, ALIKE, 0, 0, 4, BACOWR_SHADOW_CONFLICTS, 2, 2,
     "\"label\":\"user\",\"allowed\":4,\"now\":0,\"then\":6,\"over_now\":0,\"over_then\":2,"
     "\"new_over_after_reload\":2,\"worse\":true}],",
     "  ! hits: 6 values of aa, --statsd.max-label-values=4: 2 over, now 0\n"
     "  ! hits: 6 values of bb, --statsd.max-label-values=4: 2 over, now 0\n"
     "  ! hits: 6 values of cc, --statsd.max-label-values=4: 2 over, now 0\n"
     "  ! hits: 6 values of user, --statsd.max-label-values=4: 2 over, now 0\n"},
    {"the family's share is none of all", TOGETHER, APART, 7, 4, 0, BACOWR_SHADOW_CONFLICTS, 2, 3,
     "\"limits\":[{\"limit\":\"series\",\"family\":null,\"label\":null,\"allowed\":7,\"now\":4,"
     "\"then\":7,\"over_now\":0,\"over_then\":0,\"new_over_after_reload\":1,",
     "Some would go over a limit.\n"},
    {"gauges too", RULES, RULES ROOMS "- {match: other, name: x}\n", 0, 1, 0,
     BACOWR_SHADOW_CONFLICTS, 1, 1,
     "\"limits\":[{\"limit\":\"family\",\"family\":\"room\",\"label\":null,\"allowed\":1,",
     "room: 2"},
    {"as it is now", APART, APART, 0, 4, 4, BACOWR_SHADOW_SAME, 2, 2,
     "\"over_now\":2,\"over_then\":2,\"new_over_after_reload\":0,\"worse\":false}",
     "None of the observed identities would change.\n"},
    {"as it is now, of all", APART, APART, 7, 0, 0, BACOWR_SHADOW_SAME, 2, 2,
     "\"over_now\":2,\"over_then\":2,\"new_over_after_reload\":0,\"worse\":false}",
     "None of the observed identities would change.\n"},
    {"less than now", APART, TOGETHER, 0, 4, 4, BACOWR_SHADOW_CONFLICTS, 0, 6 /* of one series */,
     "\"over_now\":2,\"over_then\":0,\"new_over_after_reload\":1,\"worse\":true}",
     "Some would go over a limit.\n"},
    {"of another name", APART, RENAMED, 0, 4, 0, BACOWR_SHADOW_CONFLICTS, 2, 2,
     "\"limit\":\"family\",\"family\":\"clicks\",\"label\":null,\"allowed\":4,\"now\":0,\"then\":6,"
     "\"over_now\":0,\"over_then\":2,\"new_over_after_reload\":2,\"worse\":true}",
     "  ! clicks: 6 series, --statsd.max-series-per-family=4: 2 over, now 0\n"},
    {"other values, until the old ones are gone", APART, VALUES, 0, 0, 8, BACOWR_SHADOW_CONFLICTS,
     0, 4,
     "\"label\":\"user\",\"allowed\":8,\"now\":6,\"then\":6,\"over_now\":0,\"over_then\":0,\"new_"
     "over_after_reload\":4,\"worse\":true}",
     "  ! hits: 6 values of user, --statsd.max-label-values=8: 0 over, now 0; after a reload 4, "
     "until old series have expired or a restart\n"},
};

static void count_over(struct engine *e, uint64_t *n)
{
    struct buf document = {0};

    put_document(e, &document);
    buf_add_byte(&document, '\0');
    *n = 0;
    for (const char *at = document.p; (at = strstr(at, "\"outcome\":\"")) != NULL; at += 11)
        *n += strncmp(at + 11, "overflow", 8) == 0 || strncmp(at + 11, "limit", 5) == 0;
    buf_release(&document);
}

/* What would go over a limit is foretold, if it does not now; and it comes true. */
START_TEST(test_shadow_foretells_limits)
{
    struct bacowr_config config = engine_config();
    struct bacowr_shadow *s;
    struct engine e, real;
    uint64_t n = 4711;

    config.max_series = limits[_i].series;
    config.max_family = limits[_i].family;
    config.max_label_values = limits[_i].values;
    engine_init(&e, &config, limits[_i].old);
    engine_init(&real, &config, limits[_i].new);
    s = compare(&e, USERS, limits[_i].new);
    ck_assert_msg(strstr(told(s, true), limits[_i].json) != NULL, "%s: %s", limits[_i].what,
                  strstr(told(s, true), "\"limits\""));
    ck_assert_msg(strstr(told(s, false), limits[_i].text) != NULL, "%s: %s", limits[_i].what,
                  told(s, false));
    ck_assert_msg(bacowr_shadow_verdict(s) == limits[_i].verdict, "%s", limits[_i].what);
    if (limits[_i].verdict != BACOWR_SHADOW_CONFLICTS)
        ck_assert_msg(strstr(told(s, false), "Newly over a limit") == NULL, "%s", limits[_i].what);
    engine_feed(&real, USERS);
    count_over(&real, &n);
    ck_assert_msg(n == limits[_i].n_start, "%s: %llu", limits[_i].what, (unsigned long long)n);
    engine_map(&e, limits[_i].new);
    engine_feed(&e, USERS);
    count_over(&e, &n);
    ck_assert_msg(n == limits[_i].n_reload, "%s: %llu", limits[_i].what, (unsigned long long)n);
    bacowr_shadow_free(s);
    engine_release(&e);
    engine_release(&real);
}
END_TEST

/* Series that nobody sends any more stand in the way of new ones, of those that are there not. */
START_TEST(test_shadow_limit_of_what_is_not_seen)
{
    static const char head[] =
        "{\"identities_format\":1,\"rules\":0,\"series\":9,\"series_limit\":9,\"reading\":{}}\n"
        "{\"settings\":0,\"match\":null,\"type\":\"counter\"}\n"
        "{\"name\":\"a\",\"suffix\":\"|c\",\"outcome\":\"series\",\"family\":\"a\",\"labels\":\"\","
        "\"settings\":0}\n{\"end\":true,\"identities\":1,\"complete\":true}\n";
    static const char *const mappings[] = {RULES "- {match: a, name: b}\n", RULES};

    for (unsigned i = 0; i < N(mappings); i++) {
        struct bacowr_shadow *s = shadow_of(mappings[i]);
        struct err e;

        ck_assert_int_eq(feed(s, slice_str(head), &e), 0);
        ck_assert_int_eq(bacowr_shadow_verdict(s),
                         i == 0 ? BACOWR_SHADOW_CONFLICTS : BACOWR_SHADOW_SAME);
        ck_assert_int_eq(
            strstr(told(s, true), "\"over_then\":0,\"new_over_after_reload\":1,") != NULL, i == 0);
        bacowr_shadow_free(s);
    }
}
END_TEST

/* Values of what is refused do not count, until it is refused no more. */
START_TEST(test_shadow_limit_of_what_is_refused)
{
    static const char lines[] = "a:1|c\na:1|g|#u:1\na:1|g|#u:2\na:1|g|#u:3\n";
    static const struct {
        const char *mapping;
        enum bacowr_shadow_verdict verdict;
        const char *json;
    } rows[] = {
        {RULES, BACOWR_SHADOW_SAME, "\"limits\":[],"},
        {RULES "- {match: a, match_metric_type: counter, name: b}\n", BACOWR_SHADOW_CONFLICTS,
         "\"label\":\"u\",\"allowed\":2,\"now\":0,\"then\":3,\"over_now\":0,\"over_then\":1,"
         "\"new_over_after_reload\":0,"},
    };
    struct bacowr_config config = engine_config();

    config.max_label_values = 2;
    for (unsigned i = 0; i < N(rows); i++) {
        struct bacowr_shadow *s;
        struct engine e;

        engine_init(&e, &config, RULES);
        s = compare(&e, lines, rows[i].mapping);
        ck_assert_msg(strstr(told(s, true), rows[i].json) != NULL, "%s", told(s, true));
        ck_assert_int_eq(bacowr_shadow_verdict(s), rows[i].verdict);
        bacowr_shadow_free(s);
        engine_release(&e);
    }
}
END_TEST

#define HEAD \
    "{\"identities_format\":1,\"rules\":0,\"series\":0,\"series_limit\":9,\"reading\":{}}\n"
#define KIND   "{\"settings\":0,\"match\":null,\"type\":\"counter\"}\n"
#define KIND_1 "{\"settings\":1,\"match\":null,\"type\":\"counter\",\"ttl_seconds\":60}\n"
#define KIND_2 "{\"settings\":2,\"match\":null,\"type\":\"counter\",\"ttl_seconds\":90}\n"
#define TAIL   "{\"end\":true,\"identities\":1,\"complete\":true}\n"
#define ONE(more) \
    "{\"name\":\"a\",\"suffix\":\"|c\",\"outcome\":\"series\",\"family\":\"a\"," more "}\n"

static const struct {
    const char *document, *why; /* NULL: it is good */
} documents[] = {
    {HEAD KIND ONE("\"labels\":\"\",\"settings\":0") TAIL, NULL},
    {HEAD "{\"later\":[1,{}]}\n" TAIL, NULL},
    {HEAD KIND ONE("\"labels\":\"x=\\\"\",\"settings\":0") TAIL, NULL}, /* no quote ends it */
    {HEAD KIND ONE("\"labels\":\"=\",\"settings\":0") TAIL, NULL},
    {"", "is truncated"},
    {"mappings:\n", "not a list of identities"},
    {"{\"status\":1}\n", "not a list of identities"},
    {"{\"identities_format\":2}\n", "an unsupported version"},
    {"{\"identities_format\":1}\n", "damaged"},
    {"{\"identities_format\":1,\"rules\":0,\"series\":0,\"series_limit\":9,\"reading\":7}\n",
     "damaged"},
    {"{\"identities_format\":1,\"rules\":0,\"series\":0,\"series_limit\":9,\"family_series_limit\":"
     "\"1\",\"reading\":{}}\n",
     "damaged"},
    {HEAD, "is truncated"},
    {HEAD "{\n", "not a JSON object"},
    {HEAD ONE("\"labels\":\"\",\"settings\":0") TAIL, "identity that cannot be read"},
    {HEAD KIND ONE("\"labels\":\"\\ud800\",\"settings\":0") TAIL, "identity that cannot be read"},
    {HEAD KIND ONE("\"labels\":7,\"settings\":0") TAIL, "identity that cannot be read"},
    {HEAD KIND ONE("\"settings\":0") TAIL, "identity that cannot be read"},
    {HEAD KIND KIND TAIL, "settings without a unique number"},
    {HEAD "{\"settings\":0}\n" TAIL, "settings that cannot be read"},
    {HEAD TAIL TAIL, "more after"},
};

/* What is no such document is told, and how. */
START_TEST(test_shadow_documents)
{
    struct bacowr_shadow *s = shadow_of(OLD);
    struct err e = {.text = ""};
    int r = feed(s, slice_str(documents[_i].document), &e);

    ck_assert_msg(r == (documents[_i].why != NULL ? -EINVAL : 0), "%s", e.text);
    if (documents[_i].why != NULL)
        ck_assert_msg(strstr(e.text, documents[_i].why) != NULL, "%s", e.text);
    bacowr_shadow_free(s);
}
END_TEST

struct identity {
    const char *suffix, *labels; /* both escaped */
    unsigned settings;
};

/* Feed the document in as many orders as it has @lines: the words are the same, with @part. */
static void check_any_order(const char *mapping, const struct identity *lines, size_t n,
                            const char *part)
{
    struct buf words = {0}, document = {0};

    for (size_t first = 0; first < n; first++) {
        struct bacowr_shadow *s = shadow_of(mapping);
        struct buf now = {0};
        struct err e;

        buf_clear(&document);
        buf_add_str(&document, HEAD KIND KIND_1 KIND_2);
        for (size_t i = 0; i < n; i++) {
            const struct identity *line = &lines[(i * 3 + first) % n];

            buf_addf(&document,
                     "{\"name\":\"a\",\"suffix\":\"%s\",\"outcome\":\"series\",\"family\":\"a\","
                     "\"labels\":\"%s\",\"settings\":%u}\n",
                     line->suffix, line->labels, line->settings);
        }
        buf_add_str(&document, TAIL);
        ck_assert_int_eq(feed(s, buf_slice(&document), &e), 0);
        buf_add_str(&now, told(s, true));
        buf_add_str(&now, told(s, false));
        if (first == 0)
            buf_add_slice(&words, buf_slice(&now));
        ck_assert(slice_eq(buf_slice(&words), buf_slice(&now)));
        bacowr_shadow_free(s);
        buf_release(&now);
    }
    ck_assert(memmem(words.p, words.len, part, strlen(part)) != NULL);
    buf_release(&words);
    buf_release(&document);
}

/* Many sets of labels in a family, identities that begin like others. */
START_TEST(test_shadow_moves_in_any_order)
{
    static const struct identity lines[] = {
        {"|c|#f:1", "f=\\\"1\\\"", 0},    {"|c|#e:1", "e=\\\"1\\\"", 0},
        {"|c|#d:1", "d=\\\"1\\\"", 0},    {"|c|#c:1", "c=\\\"1\\\"", 0},
        {"|c|#b:1|T1", "b=\\\"1\\\"", 0}, {"|c|#b:1", "b=\\\"1\\\"", 0},
        {"|c|#b:", "a=\\\"1\\\"", 0},
    };

    check_any_order(RULES "- {match: a, name: b}\n", lines, N(lines), "\"label_names\":\"a,\"");
}
END_TEST

/* Rules of a family that differ, and label names that come and go in another order. */
START_TEST(test_shadow_families_in_any_order)
{
    static const struct identity lines[] = {
        {"|c|#x:1", "x=\\\"1\\\"", 2},
        {"|c|#y:1", "y=\\\"1\\\"", 1},
        {"|c|#y:2", "x=\\\"2\\\"", 2},
        {"|c|#x:2", "y=\\\"2\\\"", 1},
    };

    check_any_order(RULES "- {match: a, match_labels: {x: '*'}, name: a, ttl: 1h}\n"
                          "- {match: a, name: a, ttl: 2h}\n",
                    lines, N(lines), "\n      ttl_seconds 60 -> 3600\n");
}
END_TEST

/* A document of which any byte is another one is refused or compared, and nothing else. */
START_TEST(test_shadow_damaged)
{
    size_t len;
    char *document = document_of("app.a.hits:1|c|#t:x\nq:2|ms\n", &len);
    uint32_t random = 4711;

    for (unsigned i = 0; i < 400; i++) {
        size_t at = (random = random * 1664525 + 1013904223) % len;
        char was = document[at];
        struct bacowr_shadow *s = shadow_of(OLD);
        struct err e;

        document[at] = "\"\\{}[],:0\x01\xffzu"[(random >> 24) % 14];
        if (feed(s, slice_of(document, len), &e) == 0) {
            told(s, true);
            told(s, false);
        }
        document[at] = was;
        bacowr_shadow_free(s);
    }
    free(document);
}
END_TEST

/* More families than are told apart are counted, and memory ends. Of those no label is judged. */
START_TEST(test_shadow_many_families)
{
    static const char head[] =
        "{\"identities_format\":1,\"rules\":0,\"series\":0,\"series_limit\":900000,"
        "\"label_values_limit\":1,\"reading\":{}}\n";
    struct bacowr_shadow *s = shadow_of(RULES "- {match: f.*, name: g_$1}\n");
    struct err e = {.text = ""};
    char line[256];
    const char *text;

    ck_assert_int_eq(bacowr_shadow_line(s, slice_of(head, sizeof head - 2), &e), 0);
    ck_assert_int_eq(bacowr_shadow_line(s, SLICE_LIT(KIND), &e), 0);
    for (unsigned i = 0; i < 40000; i++) {
        int n = snprintf(line, sizeof line,
                         "{\"name\":\"f.%u\",\"suffix\":\"|c\",\"outcome\":\"series\","
                         "\"family\":\"f_%u\",\"labels\":\"l=\\\"%u\\\"\",\"settings\":0}",
                         i, i, i);

        must(bacowr_shadow_line(s, slice_of(line, (size_t)n), &e) == 0);
    }
    ck_assert_int_eq(bacowr_shadow_line(s, SLICE_LIT(TAIL), &e), 0);
    ck_assert_int_eq(bacowr_shadow_end(s, &e), 0);
    text = told(s, true);
    ck_assert(strstr(text, "\"limits\":[],\"all_limits\":false,") != NULL);
    ck_assert(strstr(text, "\"identities\":40000,\"identities_changed\":40000,") != NULL);
    ck_assert(strstr(text, "\"all_families\":false") != NULL);
    ck_assert(strstr(text, "\"moves_left_out\":35904") != NULL);
    ck_assert(strstr(told(s, false), "  of too many others: 7232 -> 7232 series\n") != NULL);
    bacowr_shadow_free(s);
}
END_TEST

/* Labels that found room are counted whole, whatever comes behind; the others are told of. */
START_TEST(test_shadow_many_labels)
{
    static const char head[] =
        "{\"identities_format\":1,\"rules\":0,\"series\":0,\"series_limit\":900000,"
        "\"label_values_limit\":1,\"reading\":{}}\n";
    struct bacowr_shadow *s = shadow_of(RULES);
    struct err e = {.text = ""};
    char line[256];
    const char *text;

    ck_assert_int_eq(bacowr_shadow_line(s, slice_of(head, sizeof head - 2), &e), 0);
    ck_assert_int_eq(bacowr_shadow_line(s, SLICE_LIT(KIND), &e), 0);
    for (unsigned i = 0; i <= 65537; i++) {
        unsigned label = i <= 65536 ? i : 0; /* the first comes again, with another value */
        int n = snprintf(line, sizeof line,
                         "{\"name\":\"f\",\"suffix\":\"|c|#l%u:%u\",\"outcome\":\"series\","
                         "\"family\":\"f\",\"labels\":\"l%u=\\\"%u\\\"\",\"settings\":0}",
                         label, i, label, i);

        must(bacowr_shadow_line(s, slice_of(line, (size_t)n), &e) == 0);
    }
    ck_assert_int_eq(bacowr_shadow_line(s, SLICE_LIT(TAIL), &e), 0);
    ck_assert_int_eq(bacowr_shadow_end(s, &e), 0);
    text = told(s, true);
    ck_assert(strstr(text, "\"limits\":[{\"limit\":\"label\",\"family\":\"f\",\"label\":\"l0\","
                           "\"allowed\":1,\"now\":2,\"then\":2,") != NULL);
    ck_assert(strstr(text, "\"all_limits\":false") != NULL);
    bacowr_shadow_free(s);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("shadow");
    TCase *t = tcase_create("shadow");

    tcase_set_timeout(t, 60); /* where many work on one machine */

    tcase_add_loop_test(t, test_shadow_tells, 0, N(cases));
    tcase_add_test(t, test_shadow_text);
    tcase_add_test(t, test_shadow_comes_true);
    tcase_add_test(t, test_shadow_reads_as_the_server);
    tcase_add_test(t, test_shadow_counts_once);
    tcase_add_test(t, test_shadow_tells_of_limits);
    tcase_add_loop_test(t, test_shadow_foretells_limits, 0, N(limits));
    tcase_add_test(t, test_shadow_limit_of_what_is_not_seen);
    tcase_add_test(t, test_shadow_limit_of_what_is_refused);
    tcase_add_loop_test(t, test_shadow_documents, 0, N(documents));
    tcase_add_test(t, test_shadow_moves_in_any_order);
    tcase_add_test(t, test_shadow_families_in_any_order);
    tcase_add_test(t, test_shadow_damaged);
    tcase_add_test(t, test_shadow_many_families);
    tcase_add_test(t, test_shadow_many_labels);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
