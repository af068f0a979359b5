/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Advise: what an engine's settings make of a mapping is told when it is loaded
 */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "lib/engine.h"
#include "lib/unit.h"

#define SHORT "is not longer than --web.zero-first, 60 s"
#define RULE  "- match: a\n  name: aa\n" /* line 2 behind the key mappings */

struct told {
    unsigned n;
    char text[2048];
};

static void on_warning(void *ctx, const struct err *e)
{
    struct told *told = ctx;

    err_format(e, told->text, sizeof told->text);
    told->n++;
}

/* How often the mapping is warned of, and what is said the last time. */
static const struct {
    const char *mapping;
    unsigned n;
    const char *place, *part;
} cases[] = {
    {"mappings:\n" RULE "  ttl: 60s\n", 1, "m.yml:2:3: the ttl, 60 s, ", SHORT},
    {"mappings:\n" RULE "  ttl: 61s\n", 0, "", ""},
    {"mappings:\n" RULE "  ttl: 0\n", 0, "", ""},
    {"mappings:\n" RULE "  ttl: 5s\n  action: drop\n", 0, "", ""},
    {"mappings:\n" RULE "  ttl: 5s\n  match_metric_type: gauge\n", 0, "", ""},
    {"mappings:\n" RULE "  ttl: 5s\n  match_metric_type: counter\n", 1, "m.yml:2:3: ", SHORT},
    {"mappings:\n" RULE "  ttl: 5s\n  match_metric_type: observer\n", 1, "m.yml:2:3: ", SHORT},
    {"mappings:\n" RULE "  ttl: 5s\n- {match: b, name: bb, ttl: 4s}\n", 2, "m.yml:5:3: ", "4 s"},

    /* Of the defaults, once for all that have it from there, if something has. */
    {"defaults: {ttl: 59500ms}\n", 1, "the ttl of the defaults, 59.5 s, ", SHORT},
    {"defaults: {ttl: 5s}\nmappings:\n" RULE "- {match: b, name: bb}\n", 1, "the ttl of the", ""},
    {"defaults: {ttl: 5s, unmapped: drop}\nmappings:\n" RULE, 1, "the ttl of the defaults", ""},
    {"defaults: {ttl: 5s, unmapped: drop}\nmappings:\n" RULE "  ttl: 5m\n", 0, "", ""},
    {"defaults: {ttl: 5m}\nmappings:\n" RULE, 0, "", ""},

    /* A condition on a tag that is taken out. */
    {"mappings:\n" RULE "  match_labels: {kk: x, trace_id: '*'}\n", 1,
     "m.yml:2:3: match_labels asks for trace_id, ", "--statsd.exemplar-tag"},
    {"mappings:\n" RULE "  match_labels: {kk: x}\n  drop_labels: [trace_id]\n", 0, "", ""},
};

START_TEST(test_advise_tells)
{
    struct bacowr_config config = engine_config();
    struct told told = {0};
    struct err err = {0};
    struct engine e;

    config.zero_first_ms = 60000;
    config.statsd.exemplar_tags[0] = "span";
    config.statsd.exemplar_tags[1] = "trace_id";
    engine_init(&e, &config, NULL);
    ck_assert_int_eq(
        bacowr_load_mapping(e.b, "m.yml", slice_str(cases[_i].mapping), on_warning, &told, &err),
        0);
    ck_assert_msg(told.n == cases[_i].n &&
                      strncmp(told.text, cases[_i].place, strlen(cases[_i].place)) == 0 &&
                      strstr(told.text, cases[_i].part) != NULL,
                  "%s\nwarned %u times: %s", cases[_i].mapping, told.n, told.text);
    engine_release(&e);
}
END_TEST

/* Without those settings, and where |# is not read, the same mappings are as they should be. */
START_TEST(test_advise_is_silent_without_the_settings)
{
    struct bacowr_config config = engine_config();
    struct told told = {0};
    struct engine e;

    config.statsd.dogstatsd_tags = _i > 0;
    config.statsd.exemplar_tags[0] = _i > 0 ? NULL : "trace_id";
    engine_init(&e, &config, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_int_eq(
            bacowr_load_mapping(e.b, "m.yml", slice_str(cases[i].mapping), on_warning, &told, NULL),
            0);
    ck_assert_msg(told.n == 0, "%s", told.text);
    engine_release(&e);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("advise");
    TCase *advise = tcase_create("advise");

    tcase_add_loop_test(advise, test_advise_tells, 0, (int)(sizeof cases / sizeof cases[0]));
    tcase_add_loop_test(advise, test_advise_is_silent_without_the_settings, 0, 2);
    suite_add_tcase(s, advise);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
