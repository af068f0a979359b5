/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Formats: what a page needs of the engine besides lines - whole messages in each slice, times of
 * birth, and the names that a counter may not claim
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/engine.h"
#include "lib/unit.h"
#include "lib/wire.h"

static struct bacowr_config formats_config(void)
{
    struct bacowr_config config = engine_config();

    config.openmetrics = true;
    config.unix_ms_at_zero = 1000000;
    return config;
}

static bool shows(struct engine *e, const char *line)
{
    const char *page = engine_page(e, OPENMETRICS).p;
    const char *at = strstr(page, line);

    return at != NULL && at[strlen(line)] == '\n' && (at == page || at[-1] == '\n');
}

/* ---- slices ---- */

/* How many messages @rest is; fails the test when it is not a whole number of them. */
static unsigned count_messages(struct slice rest)
{
    unsigned n = 0;

    for (; rest.len > 0; n++)
        wire_message(&rest);
    return n;
}

/* Whatever the slices, none of them ends within a message, and a family has as few as it can. */
START_TEST(test_formats_slices_are_whole_messages)
{
    static const unsigned wants[] = {1, 2, 50, 333, 4096, 65536, 1u << 30};
    struct bacowr_config config = formats_config();
    unsigned n_families = 0;
    struct engine e;

    engine_init(&e, &config, NULL);
    for (unsigned i = 0; i < 400; i++) {
        char line[64];

        snprintf(line, sizeof line, "a:1|c|#id:%u\nb.c:1|ms|#id:%u", i, i);
        engine_feed(&e, line);
    }
    for (size_t i = sizeof wants / sizeof wants[0]; i-- > 0;) {
        struct bacowr_scrape *s = engine_begin(&e, PROTOBUF);
        unsigned n = 0;
        int more;

        do {
            struct buf out = {0};

            more = bacowr_scrape_next(s, &out, wants[i]);
            must(more >= 0 && (more == 0 || out.len >= wants[i]));
            n += count_messages(buf_slice(&out));
            buf_release(&out);
        } while (more == 1);
        bacowr_scrape_free(s);
        if (n_families == 0)
            n_families = n; /* of a page in one slice */
        ck_assert_uint_ge(n, n_families);
        ck_assert(wants[i] > 1 || n == n_families - 2 + 2 * 400);
    }
    engine_release(&e);
}
END_TEST

/* ---- births ---- */

/* The value of the sample @name on the page. */
static double value_of(struct engine *e, const char *name)
{
    char start[64];
    const char *at;

    snprintf(start, sizeof start, "\n%s ", name);
    at = strstr(engine_page(e, OPENMETRICS).p, start);
    must(at != NULL);
    return strtod(at + strlen(start), NULL);
}

/* A series tells the tick it was born in, ever the same, also when ticks have gone round. */
START_TEST(test_formats_birth)
{
    static const int64_t starts[] = {0, 99, 12345, 429496729600 - 250, 429496729600 * 3 + 77};

    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        struct bacowr_config config = formats_config();
        double early = (double)(1000000 + starts[i] / 100 * 100) / 1e3;
        double late = (double)(1000000 + (starts[i] + 700) / 100 * 100) / 1e3;
        struct engine e;

        engine_init(&e, &config, NULL);
        e.now_ms = starts[i];
        engine_feed(&e, "early_total:1|c");
        engine_pass(&e, 700);
        engine_feed(&e, "late_total:1|c\nearly_total:1|c");
        for (unsigned j = 0; j < 3; j++) {
            ck_assert_double_eq(value_of(&e, "early_created"), early);
            ck_assert_double_eq(value_of(&e, "late_created"), late);
            engine_pass(&e, 3750);
        }
        engine_release(&e);
    }
}
END_TEST

/* Without a wall clock, and of what nobody saw being born, no time is told. */
START_TEST(test_formats_birth_unknown)
{
    struct bacowr_config config = formats_config();
    struct engine e;

    config.unix_ms_at_zero = 0;
    engine_init(&e, &config, NULL);
    e.now_ms = 5000;
    engine_feed(&e, "a_total:1|c\nb:1|ms");
    ck_assert_ptr_null(strstr(engine_page(&e, OPENMETRICS).p, "_created"));
    engine_release(&e);
    config.unix_ms_at_zero = 1;
    engine_init(&e, &config, NULL);
    engine_feed(&e, "a_total:1|c");
    ck_assert(shows(&e, "a_created 0.001"));
    ck_assert_ptr_null(strstr(engine_page(&e, OPENMETRICS).p, "statsd_exporter_lines_created"));
    engine_release(&e);
}
END_TEST

/* A worker's clock reading may be ahead of the scrape's: its series was not born an age ago. */
START_TEST(test_formats_birth_ahead_of_the_scrape)
{
    struct bacowr_config config = formats_config();
    struct engine e;

    engine_init(&e, &config, NULL);
    e.now_ms = 1000;
    engine_feed(&e, "a_total:1|c");
    e.now_ms = 800;
    ck_assert(shows(&e, "a_created 1001"));
    engine_release(&e);
}
END_TEST

/* ---- names ---- */

/* A name that is free again gives a counter its stem back; its samples keep their names. */
START_TEST(test_formats_stem_comes_back)
{
    struct bacowr_config config = formats_config();
    struct engine e;

    engine_init(&e, &config, "mappings:\n- {match: x, name: x, ttl: 1s}\n");
    engine_feed(&e, "x:1|g\nx_total:1|c");
    ck_assert(shows(&e, "# TYPE x_total unknown"));
    ck_assert(shows(&e, "# TYPE x gauge"));
    ck_assert(shows(&e, "x_total 1"));
    engine_pass(&e, 3000);
    ck_assert(shows(&e, "# TYPE x counter"));
    ck_assert(shows(&e, "x_total 1"));
    engine_release(&e);
}
END_TEST

/* The formats that an engine offers are its configuration's. */
START_TEST(test_formats_offered)
{
    struct bacowr_config config = formats_config();
    struct engine e;

    engine_init(&e, &config, NULL);
    ck_assert_int_eq(strncmp(bacowr_content_type(bacowr_format_for(e.b, slice_str(OPENMETRICS))),
                             "application/openmetrics-text;", 29),
                     0);
    engine_release(&e);
    config.openmetrics = false;
    engine_init(&e, &config, NULL);
    ck_assert_int_eq(strncmp(bacowr_content_type(bacowr_format_for(e.b, slice_str(OPENMETRICS))),
                             "text/plain;", 11),
                     0);
    ck_assert_int_eq(strncmp(bacowr_content_type(bacowr_format_for(e.b, slice_str(PROTOBUF))),
                             "application/vnd.google.protobuf;", 32),
                     0);
    engine_release(&e);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("formats");
    TCase *slices = tcase_create("slices"), *births = tcase_create("births");
    TCase *names = tcase_create("names");

    tcase_add_test(slices, test_formats_slices_are_whole_messages);
    suite_add_tcase(s, slices);
    tcase_add_test(births, test_formats_birth);
    tcase_add_test(births, test_formats_birth_unknown);
    tcase_add_test(births, test_formats_birth_ahead_of_the_scrape);
    suite_add_tcase(s, births);
    tcase_add_test(names, test_formats_stem_comes_back);
    tcase_add_test(names, test_formats_offered);
    suite_add_tcase(s, names);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
