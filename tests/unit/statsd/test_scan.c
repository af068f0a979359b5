/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scan: the short way of parse.c, and its agreement with the long one
 *
 * The last test asks the laws of line_laws.h of many made-up lines; the fuzz target asks the same.
 */
#include <stdint.h>
#include <stdio.h>

#include "bacowr/statsd.h"
#include "base/slice.h"
#include "fuzz/line_laws.h"
#include "lib/guard.h"
#include "lib/unit.h"

#define N(cases) (sizeof(cases) / sizeof(cases)[0])

static const struct statsd_options all_off;

/* What nearly every line looks like goes the short way. */
START_TEST(test_scan_takes_plain_lines)
{
    static const struct {
        const char *line;
        const char *name;
        const char *values;
        const char *suffix;
        bool packed;
        bool extras;
    } cases[] = {
        {"foo:2|c", "foo", "2", "|c", false, false},
        {"foo:+3|g", "foo", "+3", "|g", false, false},
        {"foo:-1.5|g", "foo", "-1.5", "|g", false, false},
        {"foo:.5|ms", "foo", ".5", "|ms", false, false},
        {"foo:1.|ms", "foo", "1.", "|ms", false, false},
        {"foo:00012|c", "foo", "00012", "|c", false, false},
        {"foo:1:2.5:-3|d", "foo", "1:2.5:-3", "|d", true, false},
        {"foo:1:2|h|@0.1|#a:b", "foo", "1:2", "|h|@0.1|#a:b", true, false},
        {"foo:1|c|@0.1", "foo", "1", "|c|@0.1", false, false},
        {"foo:1|c|#a:b,c:d:e", "foo", "1", "|c|#a:b,c:d:e", false, false},
        {"foo:1|c|#a:b|c:ci-1|@0.5", "foo", "1", "|c|#a:b|c:ci-1|@0.5", false, false},
        {"foo,k=v:1|c", "foo,k=v", "1", "|c", false, false},
        {"foo[k=v]:1|c|@0.5", "foo[k=v]", "1", "|c|@0.5", false, false},
        {"foo:1|c|T5", "foo", "1", "|c|T5", false, true},
        {"foo:1|c|#a:b|e:x|card:low", "foo", "1", "|c|#a:b|e:x|card:low", false, true},
        {"foo:1:2|ms|card:low", "foo", "1:2", "|ms|card:low", true, true},
        {"foo:user-1|s", "foo", "user-1", "|s", false, false},
        {"foo:17|s", "foo", "17", "|s", false, false},
        {"foo:x y|s|#a:b|T1", "foo", "x y", "|s|#a:b|T1", false, true},
        {"foo:\xc3\xa9|s", "foo", "\xc3\xa9", "|s", false, false},
        {"foo:1|zz", "foo", "1", "|zz", false, false},
        {"foo:1|T5", "foo", "1", "|T5", false, false},
        {"foo:1|c||", "foo", "1", "|c||", false, false},
        {"_x:1|c", "_x", "1", "|c", false, false},
    };
    struct statsd_options options = statsd_default_options();

    for (size_t i = 0; i < N(cases); i++) {
        size_t len = strlen(cases[i].line);
        const char *line = guard_copy(cases[i].line, len);
        struct statsd_scan scan;

        memset(&scan, 0xa5, sizeof scan);
        ck_assert_msg(statsd_scan(slice_of(line, len), &options, &scan), "%s", cases[i].line);
        ck_assert_msg(slice_eq_str(scan.name, cases[i].name), "%s", cases[i].line);
        ck_assert_msg(slice_eq_str(scan.values, cases[i].values), "%s", cases[i].line);
        ck_assert_msg(slice_eq_str(scan.suffix, cases[i].suffix), "%s", cases[i].line);
        ck_assert_msg(scan.packed == cases[i].packed, "%s", cases[i].line);
        ck_assert_msg(scan.extras == cases[i].extras, "%s", cases[i].line);
        guard_free(line, len);
    }
}
END_TEST

/* What is rare, refused or in doubt goes the long way. */
START_TEST(test_scan_leaves_the_rest)
{
    static const char *const lines[] = {
        "",
        ":",
        "foo",
        "foo:",
        ":1|c",
        "foo:1",
        "foo:|c",
        "foo:-|g",
        "foo:.|g",
        "foo:1e5|g",
        "foo:nan|g",
        "foo:1_0|g",
        "foo:0x1p4|g",
        "foo: 1|g",
        "foo:1 |g",
        "foo:--1|g",
        "foo:1..2|g",
        "foo:1|c:2|c",
        "foo:1|c:",
        "foo:1|c|c:ci-1",
        "foo:1|c|card:low",
        "foo:1:2|c",
        "foo:1:2|g",
        "foo:1:2|s",
        "foo:1:2|zz",
        "foo:1:2",
        "foo:1::2|h",
        "foo:1:2:|h",
        "foo:1:2|h:3|h",
        "foo:|s",
        "foo:a:b|s",
        "foo:a|sx",
        "foo:a|s:b|s",
        "foo:\xff|s",
        "foo,k=v:1|c|#a:b",
        "foo#k=v:1|c|#a:b",
        "foo[k=v]:1|c|#a:b",
        "foo,:1|#",
        "_e{1:1|c",
        "_sc|a:1|c",
        "foo:1|c|@1|#a:b|T1|#c:d|#e:f",
    };
    struct statsd_options options = statsd_default_options();

    for (size_t i = 0; i < N(lines); i++) {
        size_t len = strlen(lines[i]);
        const char *line = guard_copy(lines[i], len);
        struct statsd_scan scan;

        ck_assert_msg(!statsd_scan(slice_of(line, len), &options, &scan), "%s", lines[i]);
        guard_free(line, len);
    }
}
END_TEST

/* A number so long that it could exceed a double goes the long way, where it is refused. */
START_TEST(test_scan_takes_no_number_that_overflows)
{
    struct statsd_options options = statsd_default_options();
    struct statsd_scan scan;
    char line[1024];

    for (int n_digits = 298; n_digits <= 310; n_digits++) {
        int len = snprintf(line, sizeof line, "x:%0*d|g", n_digits, 1);

        ck_assert_int_eq(statsd_scan(slice_of(line, (size_t)len), &options, &scan),
                         n_digits <= 300);
    }
}
END_TEST

/* A name's delimiters matter to the scan only while their dialect is on. */
START_TEST(test_scan_follows_the_switches)
{
    struct statsd_options options = statsd_default_options();
    struct statsd_scan scan;

    ck_assert(statsd_scan(SLICE_LIT("a,b=c:1|c|#d:e"), &all_off, &scan));
    ck_assert(statsd_scan(SLICE_LIT("a;b=c:1|c|#d:e"), &options, &scan));
    options.graphite_tags = true;
    ck_assert(!statsd_scan(SLICE_LIT("a;b=c:1|c|#d:e"), &options, &scan));
}
END_TEST

struct strip_case {
    const char *suffix;
    const char *bare;
    unsigned n_unknown;
    const char *exemplar;
};

static void check_strip(const struct strip_case *c, const struct statsd_options *options)
{
    size_t len = strlen(c->suffix), n = 0;
    const char *suffix = guard_copy(c->suffix, len);
    struct statsd_stripped got;
    char out[96], exemplar[96] = "";

    memset(out, 0xa5, sizeof out);
    memset(&got, 0xa5, sizeof got);
    statsd_strip_extras(slice_of(suffix, len), options, out, &got);
    ck_assert_msg(slice_eq_str(slice_of(out, got.len), c->bare), "%s: %.*s", c->suffix,
                  (int)got.len, out);
    ck_assert_int_eq((unsigned char)out[len], 0xa5);
    ck_assert_msg(got.n_unknown == c->n_unknown, "%s: %u", c->suffix, got.n_unknown);
    for (unsigned i = 0; i < got.exemplar.n; i++) {
        struct statsd_label tag = got.exemplar.tags[i];

        n += (size_t)sprintf(exemplar + n, "%s%.*s=%.*s", i ? " " : "", (int)tag.key.len, tag.key.p,
                             (int)tag.value.len, tag.value.p);
    }
    ck_assert_str_eq(exemplar, c->exemplar);
    guard_free(suffix, len);
}

/* T sections and fields go; the type stays whatever it is, and so does the rest, in order. */
START_TEST(test_scan_strip_takes_the_extras)
{
    struct statsd_options options = statsd_default_options();
    static const struct strip_case cases[] = {
        {"", "", 0, ""},
        {"|", "|", 0, ""},
        {"|c", "|c", 0, ""},
        {"|T5", "|T5", 0, ""},
        {"|e:x|e:y", "|e:x", 0, ""},
        {"|card:low", "|card:low", 0, ""},
        {"|c|T5", "|c", 0, ""},
        {"|c|T", "|c", 0, ""},
        {"|c|T5|@0.1|e:a:b|#k:v|card:|c:ci", "|c|@0.1|#k:v|c:ci", 0, ""},
        {"|c|card|e|t5", "|c|card|e|t5", 0, ""},
        {"|c||T5|", "|c||", 0, ""},
        {"|c|new:x|#k:v|a-B_9:|card:x", "|c|#k:v", 2, ""},
        {"|new:x", "|new:x", 0, ""},
        {"|c|new|9a:x|_a:x|-a:x|a b:c|:x", "|c|new|9a:x|_a:x|-a:x|a b:c|:x", 0, ""},
        {"|c|g:1|ms:1|h:|d:1|s:1", "|c|g:1|ms:1|h:|d:1|s:1", 0, ""},
        {"|c|G:1|mss:1|cx:1|T:1|Tenant:1", "|c", 3, ""},
        {"|c|@1|@1|@1|@1|@1|new:x", "|c|@1|@1|@1|@1|@1|new:x", 0, ""},
    };

    for (size_t i = 0; i < N(cases); i++)
        check_strip(&cases[i], &options);
}
END_TEST

/* A container that makes no label goes; an empty one stays, to be refused. */
START_TEST(test_scan_strip_takes_containers)
{
    struct statsd_options options = statsd_default_options();
    static const struct strip_case off[] = {
        {"|c|c:ci-1|#k:v", "|c|#k:v", 0, ""},
        {"|c|c:a|c:|c|c:b", "|c|c:|c", 0, ""},
        {"|c:a", "|c:a", 0, ""},
    };
    struct statsd_scan scan;

    ck_assert(statsd_scan(SLICE_LIT("a:1|c|#k:v|c:x"), &options, &scan));
    ck_assert(!scan.extras);
    options.container_id_label = false;
    ck_assert(statsd_scan(SLICE_LIT("a:1|c|#k:v|c:x"), &options, &scan));
    ck_assert(scan.extras);
    for (size_t i = 0; i < N(off); i++)
        check_strip(&off[i], &options);
}
END_TEST

/* Tags for exemplars go, the others stay as they were, errors included; an empty section goes. */
START_TEST(test_scan_strip_takes_tags_for_exemplars)
{
    struct statsd_options options = statsd_default_options();
    static const struct strip_case cases[] = {
        {"|ms|#trace_id:ab", "|ms", 0, "trace_id=ab"},
        {"|ms|#trace_id:ab,", "|ms", 0, "trace_id=ab"},
        {"|ms|#a:b,trace_id:a:b,c:d|T5", "|ms|#a:b,c:d", 0, "trace_id=a:b"},
        {"|ms|#a:b,trace_id:1|@0.1|#trace_id:2,span:3", "|ms|#a:b|@0.1", 0, "trace_id=2 span=3"},
        {"|ms|#dd.trace_id:1,trace.id:2,#trace-id:3", "|ms|#dd.trace_id:1", 0, "trace_id=3"},
        {"|ms|#,trace_id:1", "|ms|#,", 0, "trace_id=1"},
        {"|ms|#trace_id:1,,", "|ms|#,", 0, "trace_id=1"},
        {"|ms|#a:b,,trace_id:1", "|ms|#a:b,,", 0, "trace_id=1"},
        {"|ms|#a,trace_id:1,,b:c", "|ms|#a,,b:c", 0, "trace_id=1"},
        {"|ms|#trace_id,trace_id:,a:b", "|ms|#trace_id,trace_id:,a:b", 0, ""},
        {"|ms|#|#a:b,", "|ms|#|#a:b,", 0, ""},
        {"|#trace_id:1", "|#trace_id:1", 0, ""},
        {"|ms|#trace_id:1|@1|@1|@1|@1|@1", "|ms|#trace_id:1|@1|@1|@1|@1|@1", 0, ""},
    };
    struct statsd_scan scan;

    options.exemplar_tags[0] = "trace_id";
    options.exemplar_tags[1] = "span";
    for (size_t i = 0; i < N(cases); i++)
        check_strip(&cases[i], &options);
    ck_assert(statsd_scan(SLICE_LIT("a:1|ms|#k:v,span:1"), &options, &scan));
    ck_assert(scan.extras);
    ck_assert(statsd_scan(SLICE_LIT("a:1|ms|#k:v,spa:1"), &options, &scan));
    ck_assert(!scan.extras);
    options.dogstatsd_tags = false;
    check_strip(&(struct strip_case){"|ms|#span:1", "|ms|#span:1", 0, ""}, &options);
}
END_TEST

/* ---- any line ---- */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state >> 11;
}

/* Words of which nasty lines are made. The first few alone make good ones. */
static const char *const words[] = {
    "1",     "2.5",  ":1",  "|c",  "|ms",  "|h",    "|s",    "|@0.1",  "|#k:v",   "|T17",
    "|c:ci", "|e:x", ":",   "|",   "#",    ",",     "=",     "[",      "]",       ";",
    "@",     "c",    "ms",  "g",   "s",    "T",     "e:",    "card",   "c:",      "-",
    "+",     ".",    "0",   "1e4", "nan",  " ",     "a.b",   ",k=v",   "[k=",     "#k=v",
    ";k=v",  ":2|c", ":3|", "|#",  "\xc3", "\xa9",  "\xff",  "\r",     "|zz",     "_e{",
    "|@",    "|d",   "||",  "é",   "|g",   "a,b",   "-k-.k", "|@-1",   "|@1e-99", "|new:",
    "_sc|",  "|h:",  "|m:", "|0",  ",k:v", "k-1:v", "#k",    "|card:",
};

static size_t make_line(uint64_t *state, char *out)
{
    size_t len = 0;
    size_t n_words = next_random(state) % 10;
    size_t n_choice = next_random(state) % 2 ? 12 : N(words);

    if (next_random(state) % 4 > 0)
        len = (size_t)sprintf(out, "%s", next_random(state) % 2 ? "a:1|ms" : "a.b-c:2");
    for (size_t i = 0; i < n_words; i++)
        len += (size_t)sprintf(out + len, "%s", words[next_random(state) % n_choice]);
    return len;
}

/*
 * Whatever the bytes: views stay inside, reasons are of their kind, labels are proper, and the
 * short way finds what the long way finds. One line in ten at least takes the short way here.
 */
START_TEST(test_scan_laws_hold_for_any_line)
{
    const struct statsd_options options[] = {
        statsd_default_options(),
        {.dogstatsd_tags = true,
         .influxdb_tags = true,
         .librato_tags = true,
         .signalfx_tags = true,
         .graphite_tags = true,
         .valueless_tags = STATSD_VALUELESS_TRUE},
        {.valueless_tags = STATSD_VALUELESS_IGNORE},
        {.dogstatsd_tags = true,
         .librato_tags = true,
         .graphite_tags = true,
         .container_id_label = true,
         .valueless_tags = STATSD_VALUELESS_EMPTY,
         .exemplar_tags = {"k", "k_1"}},
    };
    const unsigned n_lines = 200000;
    uint64_t state = 0x9e3779b97f4a7c15;
    unsigned n_scanned = 0;
    char memory[256];

    for (unsigned i = 0; i < n_lines; i++) {
        size_t len = make_line(&state, memory);
        char *start = memmove(memory + sizeof memory - len, memory, len);
        struct slice line = slice_of(start, len);
        const struct statsd_options *o = &options[i % N(options)];
        const char *broken = line_laws_broken(line, o);
        struct statsd_scan scan;

        ck_assert_msg(!broken, "%.*s: %s", (int)len, start, broken);
        n_scanned += statsd_scan(line, o, &scan);
    }
    ck_assert_uint_gt(n_scanned, n_lines / 10);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("scan");
    TCase *scan = tcase_create("scan");
    TCase *strip = tcase_create("strip_extras");
    TCase *laws = tcase_create("laws");

    tcase_add_test(scan, test_scan_takes_plain_lines);
    tcase_add_test(scan, test_scan_leaves_the_rest);
    tcase_add_test(scan, test_scan_takes_no_number_that_overflows);
    tcase_add_test(scan, test_scan_follows_the_switches);
    suite_add_tcase(s, scan);
    tcase_add_test(strip, test_scan_strip_takes_the_extras);
    tcase_add_test(strip, test_scan_strip_takes_containers);
    tcase_add_test(strip, test_scan_strip_takes_tags_for_exemplars);
    suite_add_tcase(s, strip);
    tcase_add_test(laws, test_scan_laws_hold_for_any_line);
    suite_add_tcase(s, laws);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
