/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Vectors: whole datagrams through the parser, next to what statsd_exporter makes of them
 *
 * The rows are the known behaviour of statsd_exporter, and below them the differences on purpose.
 * A datagram becomes a text, "; " between its parts, empty lines passed over:
 *
 *      foo{a=b} 5 c /0.1 *1      a sample: value, type, divisor, repeat, where they are not 1
 *      malformed_value           a line or a sample that is refused
 *      2 tag errors              of the line so far, and likewise: 1 rate errors
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "bacowr/statsd.h"
#include "base/num.h"
#include "base/slice.h"
#include "lib/guard.h"
#include "lib/unit.h"

#define N(cases) (sizeof(cases) / sizeof(cases)[0])

struct report {
    char text[1024];
    size_t len;
};

__attribute__((format(printf, 2, 3))) static void say(struct report *r, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    r->len += (size_t)vsnprintf(r->text + r->len, sizeof r->text - r->len, fmt, args);
    va_end(args);
    ck_assert_uint_lt(r->len, sizeof r->text);
}

static const char *between(const struct report *r)
{
    return r->len > 0 ? "; " : "";
}

static void say_sample(struct report *r, const struct statsd_identity *id, struct slice value)
{
    say(r, "%s%.*s", between(r), (int)id->name.len, id->name.p);
    for (unsigned i = 0; i < id->n_labels; i++)
        say(r, "%s%.*s=%.*s", i ? "," : "{", (int)id->labels[i].key.len, id->labels[i].key.p,
            (int)id->labels[i].value.len, id->labels[i].value.p);
    say(r, "%s %.*s %s", id->n_labels ? "}" : "", (int)value.len, value.p,
        statsd_type_name(id->type));
    if (id->divisor != 1)
        say(r, " /%g", id->divisor);
    if (id->repeat != 1)
        say(r, " *%lld", (long long)id->repeat);
}

/* What refuses a sample: the value's turn comes where the identity says. */
static enum statsd_reason judge(const struct statsd_identity *id, struct slice value)
{
    bool is_member = id->type == STATSD_TYPE_SET && value.len > 0;
    double number;

    if (!id->reason_precedes_value && !is_member && num_parse(value, &number) != 0)
        return STATSD_E_VALUE;
    return id->reason;
}

static void report_sample(struct report *r, struct slice name, const struct statsd_sample *sample)
{
    struct statsd_options options = statsd_default_options();
    char *scratch = malloc(STATSD_SCRATCH_SIZE(name.len, sample->suffix.len));
    struct statsd_identity id;
    enum statsd_reason reason;

    ck_assert_ptr_nonnull(scratch);
    statsd_identify(name, sample->suffix, &options, scratch, &id);
    reason = judge(&id, sample->value);
    if (reason == STATSD_OK)
        say_sample(r, &id, sample->value);
    else
        say(r, "%s%s", between(r), statsd_reason_name(reason));
    if (reason != STATSD_E_VALUE && id.n_tag_errors > 0)
        say(r, "%s%u tag errors", between(r), id.n_tag_errors);
    if (reason != STATSD_E_VALUE && id.n_rate_errors > 0)
        say(r, "%s%u rate errors", between(r), id.n_rate_errors);
    free(scratch);
}

static void report_line(struct report *r, struct slice line)
{
    struct statsd_options options = statsd_default_options();
    struct statsd_parts parts;
    struct statsd_sample sample;
    enum statsd_reason reason = statsd_split(line, &options, &parts);

    if (parts.n_tag_errors > 0)
        say(r, "%s%u tag errors", between(r), parts.n_tag_errors);
    if (reason != STATSD_OK)
        say(r, "%s%s", between(r), statsd_reason_name(reason));
    while (statsd_next_sample(&parts, &sample))
        report_sample(r, parts.name, &sample);
}

struct vector {
    const char *datagram;
    const char *report;
};

static void check_vectors(const struct vector *vectors, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(vectors[i].datagram);
        const char *text = guard_copy(vectors[i].datagram, len);
        struct statsd_cursor cursor = statsd_cursor(slice_of(text, len), false);
        struct report report = {.text = ""};
        struct slice line;

        while (statsd_next_line(&cursor, &line))
            if (line.len > 0)
                report_line(&report, line);
        ck_assert_msg(strcmp(report.text, vectors[i].report) == 0, "%s: %s", vectors[i].datagram,
                      report.text);
        guard_free(text, len);
    }
}

/* Values, types and several samples in a line. */
START_TEST(test_vectors_samples)
{
    static const struct vector vectors[] = {
        {"foo:2|c", "foo 2 c"},
        {"foo:200|ms:300|ms:5|c|@0.1:6|g\nbar:1|c:5|ms",
         "foo 200 ms; foo 300 ms; foo 5 c /0.1; foo 6 g; bar 1 c; bar 5 ms"},
        {"a:5|g\na:+3|g\na:-10|g", "a 5 g; a +3 g; a -10 g"},
        {"foo:0.5:120|ms|@0.5|#t:v", "foo{t=v} 0.5 ms *2; foo{t=v} 120 ms *2"},
        {"foo:1::2|h", "foo 1 h; malformed_value; foo 2 h"},
        {"foo:1:2|c", "invalid_extended_aggregate_type"},
        {"foo[t1=x]:1:2|ms", "foo{t1=x} 1 ms; foo{t1=x} 2 ms"},
        {"foo:1|c:2|c|#a:b", "malformed_container_id"},
        {"foo:1|ms:2|ms|#a:b", "invalid_sample_factor"},
        {"ee:1|c:", "ee 1 c; malformed_component"},
        {"ff:1|c::2|c", "ff 1 c; malformed_component; ff 2 c"},
        {"gg:1|c|T5:2|c", "gg 1 c; gg 2 c"},
        {"k:1|ms|#a:b|@0.5", "k{a=b} 1 ms *2"},
        {"foo:42|c|T1656581400", "foo 42 c"},
        {"pack:4|c:5|g", "pack 4 c; pack 5 g"},
        {"pack:1|c:2|zz:4|c", "pack 1 c; illegal_event; pack 4 c"},
        {"pack,k=v:1|c:2|c", "pack{k=v} 1 c; pack{k=v} 2 c"},
        {"v0:Inf|ms\nv1:NaN|g\nv2:0x1p4|g", "v0 Inf ms; v1 NaN g; v2 0x1p4 g"},
        {"x:1|ms|@Inf\ny:1|h|@NaN\nz:1|d|@-0.5", "x 1 ms *0; y 1 h *0; z 1 d *0"},
        {"x:1|c|@abc", "x 1 c; 1 rate errors"},
        {"x:2|g|@abc", "x 2 g; 1 rate errors"},
        {"x:1|c|@1e400", "x 1 c /inf; 1 rate errors"},
    };

    check_vectors(vectors, N(vectors));
}
END_TEST

/* Lines and samples that are refused, and what is counted then. */
START_TEST(test_vectors_refusals)
{
    static const struct vector vectors[] = {
        {"invalid\xc3\x28utf8:1|c", "malformed_line"},
        {":100|ms\nfoo", "malformed_line; malformed_line"},
        {"foo:1\nbb:", "not_enough_parts_after_colon; not_enough_parts_after_colon"},
        {"cc::1|c", "invalid_extended_aggregate_type"},
        {"foo:1|c|\nfoo:1||", "malformed_component; malformed_component"},
        {"foo#tag1=foo:100|c|#tag1:bar", "mixed_tagging_styles"},
        {"foo,tag1=:100|c|#tag1:bar", "1 tag errors; foo{tag1=bar} 100 c"},
        {"orders:|", "malformed_value"},
        {"orders:c|1", "malformed_value"},
        {"orders:x|c|@0.5|#a:b|c:x|#d:e|#f:g", "malformed_component"},
        {"orders:x|c||", "malformed_value"},
        {"orders:x|zz|junk", "malformed_value"},
        {"orders:1|C\nroom:1|G\npage:1|MS", "illegal_event; illegal_event; illegal_event"},
        {"v0:1e400|g\nv1:1e-400|g", "malformed_value; v1 1e-400 g"},
        {"v0:--1|g\nv1:-|g\nv2:1..2|d\nv3:|d",
         "malformed_value; malformed_value; malformed_value; malformed_value"},
        {"engine.rpm: 0.11 -0.05 ( 2.4)\n|h|#unit:a,part:b",
         "not_enough_parts_after_colon; 1 tag errors; not_enough_parts_after_colon"},
        {"a:1\n|c", "not_enough_parts_after_colon; malformed_line"},
    };

    check_vectors(vectors, N(vectors));
}
END_TEST

/* Tags, well formed and not. */
START_TEST(test_vectors_tags)
{
    static const struct vector vectors[] = {
        {"foo:100|c|@0.1|#tag1:foo:bar", "foo{tag1=foo:bar} 100 c /0.1"},
        {"foo:100|c|#09digits:0,tag.with.dots:1", "foo{_09digits=0,tag_with_dots=1} 100 c"},
        {"foo:100|c|#tag:value,,", "foo{tag=value} 100 c; 1 tag errors"},
        {"foo.[tag1,tag2]test:100|c", "2 tag errors; foo.test 100 c"},
        {"tag1=bar,tag2=baz]foo.test:100|c", "1 tag errors; tag1=bar,tag2=baz]foo.test 100 c"},
        {"foo:100|c|#x:y|c:sha256:abcd", "foo{x=y,container_id=sha256:abcd} 100 c"},
        {"cart.items#color=red:2|c|@0.5", "cart.items{color=red} 2 c /0.5"},
        {"cart[a=1],b=2:2|c", "cart,b=2{a=1} 2 c"},
        {"cart.items:2|c|#urgent", "cart.items 2 c; 1 tag errors"},
        {"cart.items:2|c|#color:re|d", "invalid_sample_factor"},
    };

    check_vectors(vectors, N(vectors));
}
END_TEST

/* Where statsd_exporter fails or refuses, and we decided otherwise. */
START_TEST(test_vectors_differences_on_purpose)
{
    static const struct vector vectors[] = {
        /* sets are accepted; their members are text */
        {"a:1|s\na:x|s\na:2001:db8::1|s\na:|s", "a 1 s; a x s; a 2001:db8::1 s; malformed_value"},
        {"a:x|s|\na:x|s|c\na:x|zz", "malformed_component; malformed_container_id; malformed_value"},
        /* a container id needs no tags */
        {"a:1|c|c:ci-1", "a{container_id=ci-1} 1 c"},
        {"a:1|c|c:ci-1:2|c", "a{container_id=ci-1} 1 c; a 2 c"},
        {"a:1|c|e:it-false,cn-a|card:low", "a 1 c"},
        /* a CR before LF is stripped */
        {"a:1|c\r\nb:2|c|#k:v\r\n", "a 1 c; b{k=v} 2 c"},
        /* events and service checks are known */
        {"_e{5,4}:title|text|#a:b\n_sc|svc|2|#env:prod",
         "dogstatsd_event; dogstatsd_service_check"},
        /* a name of tags alone is refused, brackets the wrong way round are not fatal */
        {"#a=b:1|c\n,a=b:1|c\n[a=b]:1|c",
         "empty_metric_name; empty_metric_name; empty_metric_name"},
        {"a]b[c:1|c", "1 tag errors; a]b[c 1 c"},
        /* an observation weighs, up to a bound, instead of being copied */
        {"x:1|ms|@1e-9\nx:1|ms|@1e-20", "x 1 ms *999999999; invalid_sample_factor"},
    };

    check_vectors(vectors, N(vectors));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("vectors");
    TCase *exporter = tcase_create("statsd_exporter");
    TCase *ours = tcase_create("ours");

    tcase_add_test(exporter, test_vectors_samples);
    tcase_add_test(exporter, test_vectors_refusals);
    tcase_add_test(exporter, test_vectors_tags);
    suite_add_tcase(s, exporter);
    tcase_add_test(ours, test_vectors_differences_on_purpose);
    suite_add_tcase(s, ours);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
