/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identify: type, rate, labels and refusals of a (name, suffix)
 *
 * Labels are written `key=value` with blanks between, in their order.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bacowr/statsd.h"
#include "base/slice.h"
#include "lib/guard.h"
#include "lib/unit.h"

#define N(cases) (sizeof(cases) / sizeof(cases)[0])

static const struct statsd_options usual = {
    .dogstatsd_tags = true,
    .influxdb_tags = true,
    .librato_tags = true,
    .signalfx_tags = true,
    .container_id_label = true,
};

/* An identity with what its views point into: all poisoned, all of the least size. */
struct fixture {
    struct statsd_identity id;
    const char *name;
    const char *suffix;
    size_t name_len;
    size_t suffix_len;
    char *scratch;
};

static void fixture_init(struct fixture *f, const char *name, const char *suffix,
                         const struct statsd_options *options)
{
    size_t size;

    f->name_len = strlen(name);
    f->suffix_len = strlen(suffix);
    f->name = guard_copy(name, f->name_len);
    f->suffix = guard_copy(suffix, f->suffix_len);
    size = STATSD_SCRATCH_SIZE(f->name_len, f->suffix_len);
    f->scratch = malloc(size);
    ck_assert_ptr_nonnull(f->scratch);
    memset(f->scratch, 0xa5, size);
    memset(&f->id, 0xa5, sizeof f->id);
    statsd_identify(slice_of(f->name, f->name_len), slice_of(f->suffix, f->suffix_len), options,
                    f->scratch, &f->id);
}

static void fixture_release(struct fixture *f)
{
    guard_free(f->name, f->name_len);
    guard_free(f->suffix, f->suffix_len);
    free(f->scratch);
}

static const char *labels_text(const struct statsd_identity *id, char *out, size_t cap)
{
    size_t len = 0;

    out[0] = '\0';
    for (unsigned i = 0; i < id->n_labels; i++) {
        struct statsd_label label = id->labels[i];

        len +=
            (size_t)snprintf(out + len, cap - len, "%s%.*s=%.*s", i ? " " : "", (int)label.key.len,
                             label.key.p, (int)label.value.len, label.value.p);
        ck_assert_uint_lt(len, cap);
    }
    return out;
}

/* The type is the whole first piece, in the case that it is written in. */
START_TEST(test_identify_reads_the_type)
{
    static const struct {
        const char *suffix;
        enum statsd_type type;
    } good[] = {
        {"|c", STATSD_TYPE_COUNTER},   {"|g", STATSD_TYPE_GAUGE},        {"|ms", STATSD_TYPE_TIMER},
        {"|h", STATSD_TYPE_HISTOGRAM}, {"|d", STATSD_TYPE_DISTRIBUTION}, {"|s", STATSD_TYPE_SET},
    };
    static const char *const bad[] = {
        "|",   "|C",   "|G",  "|MS", "|m",   "|hs",  "|msx",  "|cc",
        "|gg", "|c\r", "| c", "|x",  "|ms ", "|T12", "|#a:b", "|c:ci",
    };

    for (size_t i = 0; i < N(good); i++) {
        struct fixture f;

        fixture_init(&f, "foo", good[i].suffix, &usual);
        ck_assert_int_eq(f.id.reason, STATSD_OK);
        ck_assert_int_eq(f.id.type, good[i].type);
        ck_assert_str_eq(statsd_type_name(f.id.type), good[i].suffix + 1);
        ck_assert(slice_eq_str(f.id.name, "foo"));
        ck_assert(f.id.divisor == 1 && f.id.repeat == 1);
        ck_assert_uint_eq(f.id.n_labels, 0);
        fixture_release(&f);
    }
    for (size_t i = 0; i < N(bad); i++) {
        struct fixture f;

        fixture_init(&f, "foo", bad[i], &usual);
        ck_assert_msg(f.id.reason == STATSD_E_TYPE, "%s", bad[i]);
        ck_assert(!f.id.reason_precedes_value);
        fixture_release(&f);
    }
}
END_TEST

/* Of several reasons the first in statsd_exporter's order is given; only the first precedes. */
START_TEST(test_identify_refuses_in_order)
{
    static const struct {
        const char *name;
        const char *suffix;
        enum statsd_reason reason;
        bool precedes;
    } cases[] = {
        {"x", "", STATSD_E_COMPONENT, true},
        {"x", "|c|@0.5|#a:b|c:x|#d:e|#f:g", STATSD_E_COMPONENT, true},
        {"x", "|c|@0.5|#a:b|c:x|T17|#f:g", STATSD_E_COMPONENT, true},
        {"x", "|zz||||||", STATSD_E_COMPONENT, true},
        {"x", "|c|@1|@1|@1|@1", STATSD_OK, false},
        {"x", "|c|@1|T1|T|@1", STATSD_OK, false},
        {"x", "|c|e:a|@1|@1|card:b|@1|e:|@1|card:", STATSD_OK, false},
        {"x", "|c|e:a|@1|@1|card:b|@1|e:|@1|T", STATSD_E_COMPONENT, true},
        {"x", "|c|", STATSD_E_COMPONENT, false},
        {"x", "|c||", STATSD_E_COMPONENT, false},
        {"x", "||", STATSD_E_COMPONENT, false},
        {"x", "|zz|c||", STATSD_E_COMPONENT, false},
        {"x", "|c|junk|", STATSD_E_COMPONENT, false},
        {"x", "|zz|c|junk", STATSD_E_CONTAINER, false},
        {"x", "|zz|junk|c", STATSD_E_RATE, false},
        {"x", "|c|c:", STATSD_E_CONTAINER, false},
        {"x", "|c|c", STATSD_E_CONTAINER, false},
        {"x", "|c|cx", STATSD_E_CONTAINER, false},
        {"x", "|c|car:low", STATSD_OK, false},
        {"x", "|c|a:|@1|@1|b:c|@1|new:x|@1|new:y", STATSD_OK, false},
        {"x", "|c|ms:2", STATSD_E_RATE, false},
        {"x", "|c|9a:x", STATSD_E_RATE, false},
        {"x", "|c|c x:y", STATSD_E_CONTAINER, false},
        {"x", "|c|card", STATSD_E_CONTAINER, false},
        {"x", "|c:2|c|#a:b", STATSD_E_CONTAINER, false},
        {"x", "|ms:2|ms|#a:b", STATSD_E_RATE, false},
        {"x", "|c|#color:re|d", STATSD_E_RATE, false},
        {"x", "|c|e", STATSD_E_RATE, false},
        {"x", "|c|t17", STATSD_E_RATE, false},
        {"x", "|c| @1", STATSD_E_RATE, false},
        {"x", "|zz|@0.5", STATSD_E_TYPE, false},
        {"x", "|c|#\r", STATSD_OK, false},
        {"#a=b", "|zz", STATSD_E_TYPE, false},
        {"#a=b", "|c|c", STATSD_E_CONTAINER, false},
        {"#a=b", "|c", STATSD_E_NAME, false},
        {",a=b", "|g", STATSD_E_NAME, false},
        {"[a=b]", "|ms", STATSD_E_NAME, false},
        {"[]", "|s", STATSD_E_NAME, false},
        {"#a=b", "|ms|@1e-99", STATSD_E_RATE, false},
        {"a]b[c", "|c", STATSD_OK, false},
    };

    for (size_t i = 0; i < N(cases); i++) {
        struct fixture f;

        fixture_init(&f, cases[i].name, cases[i].suffix, &usual);
        ck_assert_msg(f.id.reason == cases[i].reason, "%s%s: %s", cases[i].name, cases[i].suffix,
                      statsd_reason_name(f.id.reason));
        ck_assert_msg(f.id.reason_precedes_value == cases[i].precedes, "%s", cases[i].suffix);
        fixture_release(&f);
    }
}
END_TEST

/* A counter is divided by the product of its factors; an unreadable one counts and goes on. */
START_TEST(test_identify_rates_divide_counters)
{
    static const struct {
        const char *suffix;
        double divisor;
        unsigned n_rate_errors;
    } cases[] = {
        {"|c|@0.1", 0.1, 0},        {"|c|@2", 2, 0},
        {"|c|@-0.5", -0.5, 0},      {"|c|@1e-1", 0.1, 0},
        {"|c|@0x1p-2", 0.25, 0},    {"|c|@0", 1, 0},
        {"|c|@-0", 1, 0},           {"|c|@1e-400", 1, 0},
        {"|c|@abc", 1, 1},          {"|c|@", 1, 1},
        {"|c|@1e400", INFINITY, 1}, {"|c|@-1e400", -INFINITY, 1},
        {"|c|@Inf", INFINITY, 0},   {"|c|@NaN", NAN, 0},
        {"|c|@0.5|@0.5", 0.25, 0},  {"|c|@x|@0.5|@y", 0.5, 2},
        {"|g|@0.1", 1, 0},          {"|g|@abc", 1, 1},
        {"|s|@0.1", 1, 0},          {"|ms|@0.1", 1, 0},
    };

    for (size_t i = 0; i < N(cases); i++) {
        struct fixture f;

        fixture_init(&f, "x", cases[i].suffix, &usual);
        ck_assert_int_eq(f.id.reason, STATSD_OK);
        ck_assert_msg(f.id.divisor == cases[i].divisor ||
                          (isnan(cases[i].divisor) && isnan(f.id.divisor)),
                      "%s: %g", cases[i].suffix, f.id.divisor);
        ck_assert_msg(f.id.n_rate_errors == cases[i].n_rate_errors, "%s", cases[i].suffix);
        if (f.id.type != STATSD_TYPE_TIMER)
            ck_assert_int_eq(f.id.repeat, 1);
        fixture_release(&f);
    }
}
END_TEST

/* An observation counts 1/factor times, cut to a whole number; the last factor decides. */
START_TEST(test_identify_rates_repeat_observations)
{
    static const struct {
        const char *suffix;
        int64_t repeat;
        unsigned n_rate_errors;
    } cases[] = {
        {"|ms", 1, 0},
        {"|ms|@1", 1, 0},
        {"|ms|@0.3", 3, 0},
        {"|h|@0.1", 10, 0},
        {"|d|@0.001", 1000, 0},
        {"|ms|@0.7", 1, 0},
        {"|ms|@0.51", 1, 0},
        {"|ms|@0.5|@0.25", 4, 0},
        {"|ms|@0.25|@0.5", 2, 0},
        {"|ms|@1e-9", 999999999, 0}, /* 1/1e-9 is a little less than 10^9 */
        {"|ms|@1e-15", 999999999999999, 0},
        {"|ms|@0x1p-53", INT64_C(1) << 53, 0},
        {"|ms|@1e-99|@0.5", 2, 0},
        {"|ms|@2", 0, 0},
        {"|ms|@1.0000001", 0, 0},
        {"|ms|@-1", 0, 0},
        {"|ms|@-1e-99", 0, 0},
        {"|ms|@NaN", 0, 0},
        {"|ms|@Inf", 0, 0},
        {"|ms|@1e400", 0, 1},
        {"|ms|@0", 1, 0},
        {"|ms|@abc", 1, 1},
        {"|ms|@0.5|@abc", 1, 1},
        {"|ms|#a:b|@0.5", 2, 0},
    };
    static const char *const refused[] = {
        "|ms|@0x1.fffffffffffffp-54", "|ms|@1e-17", "|h|@1e-300", "|d|@5e-324", "|ms|@0.5|@1e-99",
    };

    for (size_t i = 0; i < N(cases); i++) {
        struct fixture f;

        fixture_init(&f, "x", cases[i].suffix, &usual);
        ck_assert_msg(f.id.reason == STATSD_OK, "%s", cases[i].suffix);
        ck_assert_msg(f.id.repeat == cases[i].repeat, "%s: %lld", cases[i].suffix,
                      (long long)f.id.repeat);
        ck_assert_msg(f.id.n_rate_errors == cases[i].n_rate_errors, "%s", cases[i].suffix);
        ck_assert(f.id.divisor == 1);
        fixture_release(&f);
    }
    for (size_t i = 0; i < N(refused); i++) {
        struct fixture f;

        fixture_init(&f, "x", refused[i], &usual);
        ck_assert_msg(f.id.reason == STATSD_E_RATE, "%s", refused[i]);
        ck_assert(!f.id.reason_precedes_value);
        fixture_release(&f);
    }
}
END_TEST

struct label_case {
    const char *name;
    const char *suffix;
    const char *bare; /* the name without its tags */
    const char *labels;
    unsigned n_tag_errors;
};

static void check_labels(const struct label_case *cases, size_t n,
                         const struct statsd_options *options)
{
    for (size_t i = 0; i < n; i++) {
        struct fixture f;
        char text[512];

        fixture_init(&f, cases[i].name, cases[i].suffix, options);
        ck_assert_msg(slice_eq_str(f.id.name, cases[i].bare), "%s: %.*s", cases[i].name,
                      (int)f.id.name.len, f.id.name.p);
        ck_assert_str_eq(labels_text(&f.id, text, sizeof text), cases[i].labels);
        ck_assert_msg(f.id.n_tag_errors == cases[i].n_tag_errors, "%s%s: %u", cases[i].name,
                      cases[i].suffix, f.id.n_tag_errors);
        fixture_release(&f);
    }
}

/* Labels come from the name, then from the sections in order; a later value replaces. */
START_TEST(test_identify_collects_labels)
{
    static const struct label_case cases[] = {
        {"foo", "|c|@0.1|#tag1:foo:bar", "foo", "tag1=foo:bar", 0},
        {"foo", "|c|#09digits:0,tag.with.dots:1", "foo", "_09digits=0 tag_with_dots=1", 0},
        {"foo", "|c|#tag:value,,", "foo", "tag=value", 1},
        {"foo", "|c|#color:red|#size:xl", "foo", "color=red size=xl", 0},
        {"foo", "|c|#a:1,b:2|#a:3", "foo", "a=3 b=2", 0},
        {"foo", "|c|#", "foo", "", 0},
        {"foo", "|g|#x,y|#z", "foo", "", 3},
        {"foo.[tag1,tag2]test", "|c", "foo.test", "", 0},
        {"foo,a=b,,c", "|c|@0.5", "foo", "a=b", 0},
        {"foo,a=1", "|ms|#b:2,a:3", "foo", "a=3 b=2", 0},
        {"a]b[c", "|c", "a]b[c", "", 0},
        {"a[k-1=v]b", "|c|#k.1:w,l m:x", "ab", "k_1=w l_m=x", 0},
        {"foo", "|zz|#a:b,c", "foo", "a=b", 1},
        {"foo", "|c|#a:b|junk|#c:d", "foo", "a=b", 0},
    };

    check_labels(cases, N(cases), &usual);
}
END_TEST

/* A container's identity is a label whatever the dialects; its text is taken as it is. */
START_TEST(test_identify_container_is_a_label)
{
    static const struct label_case cases[] = {
        {"foo", "|c|c:ci-1", "foo", "container_id=ci-1", 0},
        {"foo", "|c|#x:y|c:sha256:abcd", "foo", "x=y container_id=sha256:abcd", 0},
        {"foo", "|c|c:a|c:b", "foo", "container_id=b", 0},
        {"foo", "|c|c:a|c:b|c:c|c:d", "foo", "container_id=d", 0},
        {"foo", "|c|c:a|c:b|c:c|#container-id:e", "foo", "container_id=e", 0},
        {"f,container.id=a", "|c|c:b", "f", "container_id=b", 0},
        {"foo", "|c|c:a|c", "foo", "container_id=a", 0},
        {"a[b]c", "|c|c:a|#.:x|c:b|#-:y", "ac", "container_id=b _=y", 0},
    };
    static const struct label_case off[] = {
        {"f,a=b[c=d]", "|c|#k:v,,|c:x", "f,a=b[c=d]", "container_id=x", 0},
    };
    static const struct statsd_options none = {.container_id_label = true};
    static const struct label_case unlabelled[] = {
        {"foo", "|c|c:ci-1|#k:v", "foo", "k=v", 0},
    };
    struct statsd_options no_label = usual;

    no_label.container_id_label = false;
    check_labels(unlabelled, N(unlabelled), &no_label);
    check_labels(cases, N(cases), &usual);
    check_labels(off, N(off), &none);
}
END_TEST

/* Later versions' sections and time stamps say nothing about what is measured. */
START_TEST(test_identify_ignores_origin_and_time)
{
    static const struct label_case cases[] = {
        {"foo", "|c|T1656581400", "foo", "", 0},
        {"foo", "|c|T|Tx|T:|T#a:b", "foo", "", 0},
        {"foo", "|c|e:it-false,cn-a,pu-b|card:low", "foo", "", 0},
        {"foo", "|c|e:|card:|#a:b", "foo", "a=b", 0},
    };

    for (size_t i = 0; i < N(cases); i++) {
        struct fixture f;

        fixture_init(&f, cases[i].name, cases[i].suffix, &usual);
        ck_assert_msg(f.id.reason == STATSD_OK, "%s", cases[i].suffix);
        fixture_release(&f);
    }
    check_labels(cases, N(cases), &usual);
}
END_TEST

/* A dialect that is off leaves the name as it is, and its section unread. */
START_TEST(test_identify_follows_the_switches)
{
    static const struct label_case cases[] = {
        {"b,x=1", "|c|#k:v", "b,x=1", "k=v", 0},
        {"a;k=v;l=w", "|c", "a", "k=v l=w", 0},
    };
    static const struct label_case no_dog[] = {
        {"b", "|c|#k:v,,x", "b", "", 0},
        {"b,x=1", "|c", "b", "x=1", 0},
    };
    struct statsd_options graphite = usual;
    struct statsd_options no_dogstatsd = usual;

    graphite.influxdb_tags = false;
    graphite.graphite_tags = true;
    no_dogstatsd.dogstatsd_tags = false;

    check_labels(cases, N(cases), &graphite);
    check_labels(no_dog, N(no_dog), &no_dogstatsd);
}
END_TEST

/* A tag without a value is what the options say; one without a key is an error in any case. */
START_TEST(test_identify_tags_without_values)
{
    static const char *const labels[] = {
        [STATSD_VALUELESS_ERROR] = "k=v",
        [STATSD_VALUELESS_TRUE] = "a=true b_1=true k=v",
        [STATSD_VALUELESS_EMPTY] = "a= b_1= k=v",
        [STATSD_VALUELESS_IGNORE] = "k=v",
    };
    struct statsd_options options = usual;

    options.graphite_tags = true;
    for (int i = STATSD_VALUELESS_ERROR; i <= STATSD_VALUELESS_IGNORE; i++) {
        unsigned n = i == STATSD_VALUELESS_ERROR ? 2 : 0;
        const struct label_case cases[] = {
            {"f", "|c|#a,b.1:,k:v,:x,,", "f", labels[i], n + 2},
            {"f,a,b-1=,k=v,=x", "|c", "f", labels[i], 0},
            {"f#a,b-1=,k=v", "|c", "f", labels[i], 0},
            {"f;a;b-1=;k=v", "|c", "f", labels[i], 0},
            {"[a,b-1=,k=v]f", "|c", "f", labels[i], 0},
        };

        options.valueless_tags = (enum statsd_valueless)i;
        check_labels(cases, N(cases), &options);
    }
}
END_TEST

/* A tag for an exemplar is no label; in the name, or without a value, it is a tag like others. */
START_TEST(test_identify_exemplar_tags_are_no_labels)
{
    static const struct label_case cases[] = {
        {"f", "|c|#trace.id:1,k:v", "f", "k=v", 0},
        {"f,trace.id=1", "|c", "f", "trace_id=1", 0},
        {"f", "|c|#trace_id,k:v", "f", "k=v", 1},
    };
    struct statsd_options options = usual;

    options.exemplar_tags[0] = "trace_id";
    check_labels(cases, N(cases), &options);
}
END_TEST

/* Labels past the room for them are tag errors, also those of the name; the sample stays. */
START_TEST(test_identify_bounds_labels)
{
    struct fixture f;
    char name[4096] = "foo";
    char suffix[4096] = "|c|#";
    size_t name_len = strlen(name), suffix_len = strlen(suffix);

    for (int i = 0; i < STATSD_MAX_LABELS + 2; i++) {
        name_len += (size_t)sprintf(name + name_len, ",n.%d=%d", i, i);
        suffix_len += (size_t)sprintf(suffix + suffix_len, "%ss-%d:%d", i ? "," : "", i, i);
    }
    fixture_init(&f, "foo", suffix, &usual);
    ck_assert_int_eq(f.id.reason, STATSD_OK);
    ck_assert_uint_eq(f.id.n_labels, STATSD_MAX_LABELS);
    ck_assert_uint_eq(f.id.n_tag_errors, 2);
    fixture_release(&f);

    fixture_init(&f, name, "|c|c:x", &usual);
    ck_assert_int_eq(f.id.reason, STATSD_OK);
    ck_assert_uint_eq(f.id.n_labels, STATSD_MAX_LABELS);
    ck_assert_uint_eq(f.id.n_tag_errors, 3);
    fixture_release(&f);
}
END_TEST

/* The scratch is enough when every key must be escaped and the name be joined. */
START_TEST(test_identify_fits_its_scratch)
{
    static const struct {
        const char *name;
        const char *suffix;
    } cases[] = {
        {"a[0=1,1=2,2=3,3=4]b", "|c|#4:5,5:6|#6:7,7:8|c:z|c:y"},
        {"", "|c|c:a|c:b|c:c|c:d"},
        {"#0=1", "|c|#0:1|#1:2|c:c|#2:3"},
        {"x[0=1]y", "||c:a|c:b|c:c|#9:1"},
    };

    for (size_t i = 0; i < N(cases); i++) {
        struct fixture f;

        /* The scratch ends at an allocation's end: a sanitizer build sees a byte too many. */
        fixture_init(&f, cases[i].name, cases[i].suffix, &usual);
        for (unsigned k = 0; k < f.id.n_labels; k++)
            ck_assert_uint_gt(f.id.labels[k].key.len, 0);
        ck_assert_uint_gt(f.id.n_labels, 0);
        fixture_release(&f);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("identify");
    TCase *identify = tcase_create("identify");

    tcase_add_test(identify, test_identify_reads_the_type);
    tcase_add_test(identify, test_identify_refuses_in_order);
    tcase_add_test(identify, test_identify_rates_divide_counters);
    tcase_add_test(identify, test_identify_rates_repeat_observations);
    tcase_add_test(identify, test_identify_collects_labels);
    tcase_add_test(identify, test_identify_container_is_a_label);
    tcase_add_test(identify, test_identify_ignores_origin_and_time);
    tcase_add_test(identify, test_identify_follows_the_switches);
    tcase_add_test(identify, test_identify_tags_without_values);
    tcase_add_test(identify, test_identify_exemplar_tags_are_no_labels);
    tcase_add_test(identify, test_identify_bounds_labels);
    tcase_add_test(identify, test_identify_fits_its_scratch);
    suite_add_tcase(s, identify);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
