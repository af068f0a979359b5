/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parse: lines, and the samples that they are cut into
 *
 * A case gives the samples of a line as text: value, blank, suffix; " / " between them.
 */
#include <string.h>

#include "bacowr/statsd.h"
#include "base/slice.h"
#include "lib/guard.h"
#include "lib/unit.h"

#define N(cases) (sizeof(cases) / sizeof(cases)[0])

static const struct statsd_options all_off;

/* Append to the text in @out; the case is too long for its buffer when it does not fit. */
static size_t add(char *out, size_t len, size_t cap, struct slice s)
{
    ck_assert_uint_lt(len + s.len, cap);
    if (s.len > 0)
        memcpy(out + len, s.p, s.len);
    out[len + s.len] = '\0';
    return len + s.len;
}

/* ---- lines ---- */

/* A datagram is cut at each LF, empty pieces included; a stream has no line after its last LF. */
START_TEST(test_parse_lines_end_at_lf)
{
    /* Lines between angle brackets. */
    static const struct {
        const char *text;
        const char *datagram;
        const char *stream;
    } cases[] = {
        {"", "<>", ""},
        {"a", "<a>", "<a>"},
        {"a\n", "<a><>", "<a>"},
        {"\na", "<><a>", "<><a>"},
        {"\n", "<><>", "<>"},
        {"\n\n", "<><><>", "<><>"},
        {"a\nb", "<a><b>", "<a><b>"},
        {"a\nb\n", "<a><b><>", "<a><b>"},
        {"a\n\nb", "<a><><b>", "<a><><b>"},
        {"a\r\nb\r\n", "<a><b><>", "<a><b>"},
        {"a\r\r\nb", "<a\r><b>", "<a\r><b>"},
        {"a\r", "<a\r>", "<a\r>"},
        {"\r", "<\r>", "<\r>"},
        {"\r\n", "<><>", "<>"},
        {"a\rb\n", "<a\rb><>", "<a\rb>"},
        {"\n\r", "<><\r>", "<><\r>"},
    };

    for (size_t i = 0; i < 2 * N(cases); i++) {
        bool stream = i % 2;
        const char *expected = stream ? cases[i / 2].stream : cases[i / 2].datagram;
        size_t len = strlen(cases[i / 2].text);
        const char *text = guard_copy(cases[i / 2].text, len);
        struct statsd_cursor cursor = statsd_cursor(slice_of(text, len), stream);
        struct slice line = {(const char *)1, 99};
        char got[64] = "";
        size_t n = 0;

        while (statsd_next_line(&cursor, &line)) {
            n = add(got, n, sizeof got, SLICE_LIT("<"));
            n = add(got, n, sizeof got, line);
            n = add(got, n, sizeof got, SLICE_LIT(">"));
        }
        ck_assert_str_eq(got, expected);
        ck_assert(!statsd_next_line(&cursor, &line));
        guard_free(text, len);
    }
}
END_TEST

/* A text without address is an empty datagram and a stream without lines. */
START_TEST(test_parse_lines_of_nothing)
{
    struct statsd_cursor datagram = statsd_cursor((struct slice){NULL, 0}, false);
    struct statsd_cursor stream = statsd_cursor((struct slice){NULL, 0}, true);
    struct slice line = {(const char *)1, 99};

    ck_assert(!statsd_next_line(&stream, &line));
    ck_assert(statsd_next_line(&datagram, &line));
    ck_assert_uint_eq(line.len, 0);
    ck_assert(!statsd_next_line(&datagram, &line));
}
END_TEST

/* ---- the long way ---- */

/* Cut @text; the samples as text in @got, whose room is @cap. */
static enum statsd_reason cut(const char *text, size_t len, const struct statsd_options *options,
                              unsigned *n_tag_errors, char *got, size_t cap)
{
    const char *line = guard_copy(text, len);
    struct statsd_parts parts;
    struct statsd_sample sample;
    enum statsd_reason reason;
    size_t n = 0;

    memset(&parts, 0xa5, sizeof parts);
    got[0] = '\0';
    reason = statsd_split(slice_of(line, len), options, &parts);
    *n_tag_errors = parts.n_tag_errors;
    if (reason != STATSD_OK)
        ck_assert(!statsd_next_sample(&parts, &sample));
    while (statsd_next_sample(&parts, &sample)) {
        n = add(got, n, cap, n ? SLICE_LIT(" / ") : SLICE_LIT(""));
        n = add(got, n, cap, sample.value);
        n = add(got, n, cap, SLICE_LIT(" "));
        n = add(got, n, cap, sample.suffix);
    }
    guard_free(line, len);
    return reason;
}

struct split_case {
    const char *line;
    const char *samples;
};

static void check_samples(const struct split_case *cases, size_t n)
{
    struct statsd_options options = statsd_default_options();

    for (size_t i = 0; i < n; i++) {
        unsigned n_tag_errors;
        char got[256];
        enum statsd_reason reason =
            cut(cases[i].line, strlen(cases[i].line), &options, &n_tag_errors, got, sizeof got);

        ck_assert_msg(reason == STATSD_OK, "%s: %s", cases[i].line, statsd_reason_name(reason));
        ck_assert_msg(strcmp(got, cases[i].samples) == 0, "%s: %s", cases[i].line, got);
    }
}

/* Without |# each colon begins a sample, well formed or not; with |# there is one. */
START_TEST(test_parse_samples_end_at_colons)
{
    static const struct split_case cases[] = {
        {"foo:2|c", "2 |c"},
        {"foo:|", " |"},
        {"foo:|c", " |c"},
        {"foo:1|", "1 |"},
        {"foo:1|c|@0.1|T5", "1 |c|@0.1|T5"},
        {"foo:200|ms:300|ms:5|c|@0.1:6|g", "200 |ms / 300 |ms / 5 |c|@0.1 / 6 |g"},
        {"ff:1|c::2|c", "1 |c /   / 2 |c"},
        {"gg:1|c|T5:2|c", "1 |c|T5 / 2 |c"},
        {"a:1|g:c", "1 |g / c "},
        {"a:1|c|@0.5:2|ms|@0.1", "1 |c|@0.5 / 2 |ms|@0.1"},
        {"foo:100|c|@0.1|#tag1:foo:bar", "100 |c|@0.1|#tag1:foo:bar"},
        {"foo:1|c:2|c|#a:b", "1 |c:2|c|#a:b"},
        {"foo:1|#a:b", "1 |#a:b"},
        {"foo:1|ms:2|ms|#", "1 |ms:2|ms|#"},
        {"a:1|c|#t:|#u", "1 |c|#t:|#u"},
    };

    check_samples(cases, N(cases));
}
END_TEST

/* Values with colons before the first '|' share the suffix if they are observations. */
START_TEST(test_parse_packed_values_share_the_suffix)
{
    static const struct split_case cases[] = {
        {"foo:0.5:120|ms|@0.5|#t:v", "0.5 |ms|@0.5|#t:v / 120 |ms|@0.5|#t:v"},
        {"foo:1::2|h", "1 |h /  |h / 2 |h"},
        {"foo[t1=x]:1:2|ms", "1 |ms / 2 |ms"},
        {"foo:1:|d", "1 |d /  |d"},
        {"foo::1|d", " |d / 1 |d"},
        {"foo:::|d", " |d /  |d /  |d"},
        {"foo:1:2|ms|c:ab:cd", "1 |ms|c:ab:cd / 2 |ms|c:ab:cd"},
        {"foo:1:2|h|x:3|c", "1 |h|x:3|c / 2 |h|x:3|c"},
    };

    check_samples(cases, N(cases));
}
END_TEST

/* A set's member keeps its colons: the line is one sample. */
START_TEST(test_parse_set_members_keep_colons)
{
    static const struct split_case cases[] = {
        {"peers:2001:db8::1|s", "2001:db8::1 |s"},
        {"peers:a:b|s|#k:v", "a:b |s|#k:v"},
        {"peers:a:b|s|c:ci-1", "a:b |s|c:ci-1"},
        {"peers:a|s:b|s", "a |s / b |s"},
    };

    check_samples(cases, N(cases));
}
END_TEST

/* In a section that begins with c: or a word that is no type, only "number|type" behind a colon is
 * a sample. */
START_TEST(test_parse_origin_sections_need_no_tags)
{
    static const struct split_case cases[] = {
        {"a:1|c|c:ci-abc", "1 |c|c:ci-abc"},
        {"a:1|c|c:sha256:abcd", "1 |c|c:sha256:abcd"},
        {"a:1|c|c:", "1 |c|c:"},
        {"a:1|c|c::", "1 |c|c::"},
        {"a:1|c|c:123", "1 |c|c:123"},
        {"a:1|c|c:123|T5", "1 |c|c:123|T5"},
        {"a:1|c|c:123|cx", "1 |c|c:123|cx"},
        {"a:1|c|c:123|", "1 |c|c:123|"},
        {"a:1|c|c:2:c", "1 |c|c:2:c"},
        {"a:1|c|c:2|ms", "1 |c|c / 2 |ms"},
        {"a:1|c|c:2|ms:3|g", "1 |c|c / 2 |ms / 3 |g"},
        {"a:1|c|c:2|ms|@0.1", "1 |c|c / 2 |ms|@0.1"},
        {"a:1|c|c:1e400|g", "1 |c|c / 1e400 |g"},
        {"a:1|c|c:ab:2|c", "1 |c|c:ab / 2 |c"},
        {"a:1|c|c:ab:2|c|c:cd:3|c", "1 |c|c:ab / 2 |c|c:cd / 3 |c"},
        {"a:1|c|c:x|s", "1 |c|c:x|s"},
        {"a:1|c|e:it-false,cn-a", "1 |c|e:it-false,cn-a"},
        {"a:1|c|card:low", "1 |c|card:low"},
        {"a:1|c|c:ab|e:x|card:none", "1 |c|c:ab|e:x|card:none"},
        {"a:1|g|T5|card:low:2|g", "1 |g|T5|card:low / 2 |g"},
        {"a:1|c|cx:2", "1 |c|cx:2"},
        {"a:1|c|car:low", "1 |c|car:low"},
        {"a:1|c|new:a:b:c|x:", "1 |c|new:a:b:c|x:"},
        {"a:1|c|new:2|g", "1 |c|new / 2 |g"},
        {"a:1|c|new:a:2|g", "1 |c|new:a / 2 |g"},
        {"a:1|c|x:y|g", "1 |c|x:y|g"},
        {"a:1|c|ms:2", "1 |c|ms / 2 "},
        {"a:1|c|9a:2", "1 |c|9a / 2 "},
        {"a:1|c|Ta:2", "1 |c|Ta / 2 "},
        {"a:1|new:x", "1 |new / x "},
        {"a:1|c:ci-abc", "1 |c / ci-abc "},
        {"a:1|c:2|ms", "1 |c / 2 |ms"},
        {"ee:1|c:", "1 |c /  "},
        {"pack:1|c:2|zz:4|c", "1 |c / 2 |zz / 4 |c"},
        {"pack:1|c:2|c|:4|c:7", "1 |c / 2 |c| / 4 |c / 7 "},
    };

    check_samples(cases, N(cases));
}
END_TEST

/* A line is refused for the first reason that applies; tags of its name count all the same. */
START_TEST(test_parse_lines_are_refused_in_order)
{
    static const struct {
        const char *line;
        enum statsd_reason reason;
        unsigned n_tag_errors;
    } cases[] = {
        {"foo", STATSD_E_LINE, 0},
        {":", STATSD_E_LINE, 0},
        {":100|ms", STATSD_E_LINE, 0},
        {"   ", STATSD_E_LINE, 0},
        {"name|c|1", STATSD_E_LINE, 0},
        {"invalid\xc3\x28utf8:1|c", STATSD_E_LINE, 0},
        {"cafe:1\xff|c", STATSD_E_LINE, 0},
        {"cafe:1|c|#city:\xc3\x28", STATSD_E_LINE, 0},
        {"cafe,x:1|c|#city:\xed\xa0\x80", STATSD_E_LINE, 0},
        {"_e{5,4}:title|te\xff", STATSD_E_LINE, 0},
        {"_e{5,4}:title|text|#a:b", STATSD_E_EVENT, 0},
        {"_e{}", STATSD_E_EVENT, 0},
        {"_sc|svc|2|#env:prod", STATSD_E_CHECK, 0},
        {"_sc|svc|2", STATSD_E_CHECK, 0},
        {"_sc|", STATSD_E_CHECK, 0},
        {"foo#tag1=foo:100|c|#tag1:bar", STATSD_E_MIXED_TAGS, 0},
        {"cart,color=red:2|c|#size:xl", STATSD_E_MIXED_TAGS, 0},
        {"cart[color=red]:2|c|#size:xl", STATSD_E_MIXED_TAGS, 0},
        {"agg,k=v,:1:2|h|#w:x", STATSD_E_MIXED_TAGS, 0},
        {"agg,k=v,,l=w:1:2|c|#", STATSD_E_MIXED_TAGS, 1},
        {"a,b=c:|#", STATSD_E_MIXED_TAGS, 0},
        {"foo:1", STATSD_E_PARTS, 0},
        {"bb:", STATSD_E_PARTS, 0},
        {"agg:1:2:3", STATSD_E_PARTS, 0},
        {"|h|#unit:a,part:b", STATSD_E_PARTS, 1},
        {"foo:1:2|c", STATSD_E_PACKED_TYPE, 0},
        {"foo:1:2|g", STATSD_E_PACKED_TYPE, 0},
        {"foo:1:2|zz", STATSD_E_PACKED_TYPE, 0},
        {"foo:1:2|", STATSD_E_PACKED_TYPE, 0},
        {"foo:1:2|h:3|h", STATSD_E_PACKED_TYPE, 0},
        {"foo:1:2|ms|h:3|h", STATSD_OK, 0},
        {"cc::1|c", STATSD_E_PACKED_TYPE, 0},
        {"app.u:a:b|c|s", STATSD_E_PACKED_TYPE, 0},
        {"foo,x,y=:1:2|c|#a:b", STATSD_E_PACKED_TYPE, 2},
        {"a:b:c|s:d|s", STATSD_E_PACKED_TYPE, 0},
        {"foo,x:1|c|#a:b", STATSD_OK, 1},
        {"_e:1|c", STATSD_OK, 0},
        {"_sc:1|c", STATSD_OK, 0},
        {"x_e{:1|c", STATSD_OK, 0},
    };
    struct statsd_options options = statsd_default_options();

    for (size_t i = 0; i < N(cases); i++) {
        unsigned n_tag_errors;
        char got[256];
        enum statsd_reason reason =
            cut(cases[i].line, strlen(cases[i].line), &options, &n_tag_errors, got, sizeof got);

        ck_assert_msg(reason == cases[i].reason, "%s: %s", cases[i].line,
                      statsd_reason_name(reason));
        ck_assert_msg(n_tag_errors == cases[i].n_tag_errors, "%s: %u tag errors", cases[i].line,
                      n_tag_errors);
    }
}
END_TEST

/* A NUL is a byte like any other. */
START_TEST(test_parse_nul_is_ordinary)
{
    static const char line[] = "a\0b:1|c\0:2|\0";
    struct statsd_options options = statsd_default_options();
    struct statsd_parts parts;
    struct statsd_sample sample;

    ck_assert_int_eq(statsd_split(slice_of(line, sizeof line - 1), &options, &parts), STATSD_OK);
    ck_assert_uint_eq(parts.name.len, 3);
    ck_assert(statsd_next_sample(&parts, &sample));
    ck_assert_uint_eq(sample.suffix.len, 3);
    ck_assert(statsd_next_sample(&parts, &sample));
    ck_assert_uint_eq(sample.suffix.len, 2);
    ck_assert(!statsd_next_sample(&parts, &sample));
}
END_TEST

/* The test for |# looks at the text whether or not these tags are read; the name's tags do not. */
START_TEST(test_parse_mixed_tags_follow_the_switches)
{
    struct statsd_options no_influx = statsd_default_options();
    struct statsd_options no_dog = statsd_default_options();
    unsigned n_tag_errors;
    char got[256];

    no_influx.influxdb_tags = false;
    no_dog.dogstatsd_tags = false;
    ck_assert_int_eq(cut("b,x=1:2|c|#k:v", 14, &no_influx, &n_tag_errors, got, sizeof got),
                     STATSD_OK);
    ck_assert_str_eq(got, "2 |c|#k:v");
    ck_assert_int_eq(cut("d#x=1:3|c|#k:v", 14, &no_influx, &n_tag_errors, got, sizeof got),
                     STATSD_E_MIXED_TAGS);
    ck_assert_int_eq(cut("d#x=1:3|c|#k:v", 14, &no_dog, &n_tag_errors, got, sizeof got),
                     STATSD_E_MIXED_TAGS);
    ck_assert_int_eq(cut("d:3|c|#k:v", 10, &no_dog, &n_tag_errors, got, sizeof got), STATSD_OK);
    ck_assert_str_eq(got, "3 |c|#k:v");
    ck_assert_int_eq(cut("d#x=1,:3|c|#k:v", 15, &all_off, &n_tag_errors, got, sizeof got),
                     STATSD_OK);
    ck_assert_uint_eq(n_tag_errors, 0);
}
END_TEST

/* Reasons carry the names that dashboards know. */
START_TEST(test_parse_reasons_have_names)
{
    static const char *const names[STATSD_N_REASONS] = {
        "",
        "malformed_line",
        "mixed_tagging_styles",
        "not_enough_parts_after_colon",
        "invalid_extended_aggregate_type",
        "malformed_component",
        "malformed_value",
        "invalid_sample_factor",
        "malformed_container_id",
        "illegal_event",
        "empty_metric_name",
        "dogstatsd_event",
        "dogstatsd_service_check",
        "malformed_service_check",
    };

    for (int i = 0; i < STATSD_N_REASONS; i++)
        ck_assert_str_eq(statsd_reason_name((enum statsd_reason)i), names[i]);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("parse");
    TCase *lines = tcase_create("next_line");
    TCase *split = tcase_create("split");

    tcase_add_test(lines, test_parse_lines_end_at_lf);
    tcase_add_test(lines, test_parse_lines_of_nothing);
    suite_add_tcase(s, lines);
    tcase_add_test(split, test_parse_samples_end_at_colons);
    tcase_add_test(split, test_parse_packed_values_share_the_suffix);
    tcase_add_test(split, test_parse_set_members_keep_colons);
    tcase_add_test(split, test_parse_origin_sections_need_no_tags);
    tcase_add_test(split, test_parse_lines_are_refused_in_order);
    tcase_add_test(split, test_parse_nul_is_ordinary);
    tcase_add_test(split, test_parse_mixed_tags_follow_the_switches);
    tcase_add_test(split, test_parse_reasons_have_names);
    suite_add_tcase(s, split);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
