/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capture: that a record is read as it was written, and that nothing else is taken for one
 */
#include "server/capture.h"

#include <errno.h>
#include <string.h>

#include "lib/guard.h"
#include "lib/unit.h"

static const struct {
    const char *line;
    int first; /* of a file: what it begins */
} beginnings[] = {
    {"# bacowr-statsd capture 1", 1},
    {"# bacowr-statsd capture 2", -EPROTONOSUPPORT},
    {"# bacowr-statsd capture 11", -EPROTONOSUPPORT},
    {"# bacowr-statsd capture ", -EPROTONOSUPPORT},
    {"# bacowr-statsd capture", 0},
    {" # bacowr-statsd capture 1", 0},
    {"api.jobs:1|c", 0},
    {"", 0},
};

/* Only the first line of this version begins a capture; another version is told as one. */
START_TEST(test_capture_begins)
{
    size_t len = strlen(beginnings[_i].line);
    const char *p = guard_copy(beginnings[_i].line, len);

    ck_assert_int_eq(capture_begins(slice_of(p, len)), beginnings[_i].first);
    guard_free(p, len);
}
END_TEST

static const struct {
    const char *line;
    int r;
    int64_t at_ns;
    bool first;
    const char *text;
} records[] = {
    {"1763858442.123456 + api.jobs:1|c", 1, 1763858442123456000, true, "api.jobs:1|c"},
    {"1763858442.000001 & api.rows:7|c ", 1, 1763858442000001000, false, "api.rows:7|c "},
    {"0.000000 +  ", 1, 0, true, " "},
    {"0.000000 + ", 1, 0, true, ""},
    {"4294967294.999999 + x", 1, 4294967294999999000, true, "x"},
    {"", 0, 0, false, NULL},
    {"#", 0, 0, false, NULL},
    {"# 12 lines skipped", 0, 0, false, NULL},
    {"4294967295.000000 + x", -EBADMSG, 0, false, NULL}, /* past what fits */
    {"1763858442.12345 + x", -EBADMSG, 0, false, NULL},
    {"1763858442.1234567 + x", -EBADMSG, 0, false, NULL},
    {"1763858442 + x", -EBADMSG, 0, false, NULL},
    {".123456 + x", -EBADMSG, 0, false, NULL},
    {"1x.123456 + x", -EBADMSG, 0, false, NULL},
    {"1.12345x + x", -EBADMSG, 0, false, NULL},
    {"-1.123456 + x", -EBADMSG, 0, false, NULL},
    {"1.123456 * x", -EBADMSG, 0, false, NULL},
    {"1.123456 +x", -EBADMSG, 0, false, NULL},
    {"1.123456  + x", -EBADMSG, 0, false, NULL},
    {"1.123456 +", -EBADMSG, 0, false, NULL},
    {"1.123456 ", -EBADMSG, 0, false, NULL},
    {"1.123456", -EBADMSG, 0, false, NULL},
    {" 1.123456 + x", -EBADMSG, 0, false, NULL},
    {"api.jobs:1|c", -EBADMSG, 0, false, NULL},
    {"\xff\xff.\xff", -EBADMSG, 0, false, NULL},
};

/* A record has its time, its mark and the line's bytes; a remark has none; all else is told. */
START_TEST(test_capture_reads)
{
    size_t len = strlen(records[_i].line);
    const char *p = guard_copy(records[_i].line, len);
    struct capture_record got = {.at_ns = 4711, .text = SLICE_LIT("poison")};
    int r = capture_read(slice_of(p, len), &got);

    ck_assert_msg(r == records[_i].r, "%s: %d", records[_i].line, r);
    if (r == 1) {
        ck_assert_int_eq(got.at_ns, records[_i].at_ns);
        ck_assert_int_eq(got.first, records[_i].first);
        ck_assert(slice_eq_str(got.text, records[_i].text));
    } else {
        ck_assert_int_eq(got.at_ns, 4711);
    }
    guard_free(p, len);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("capture");
    TCase *c = tcase_create("all");

    tcase_add_loop_test(c, test_capture_begins, 0, sizeof beginnings / sizeof beginnings[0]);
    tcase_add_loop_test(c, test_capture_reads, 0, sizeof records / sizeof records[0]);
    suite_add_tcase(s, c);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
