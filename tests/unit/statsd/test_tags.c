/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tags: every dialect, its switch, its errors
 *
 * A case says what is left of the name, the labels in order as `key=value` with blanks between, and
 * the number of errors.
 */
#include <stdio.h>
#include <stdlib.h>

#include "lib/guard.h"
#include "lib/unit.h"
#include "statsd/tags.h"

enum dialect { DOG = 1, INFLUX = 2, LIBRATO = 4, SIGNALFX = 8, GRAPHITE = 16, USUAL = 15 };

static struct statsd_options options_of(unsigned dialects)
{
    return (struct statsd_options){
        .dogstatsd_tags = dialects & DOG,
        .influxdb_tags = dialects & INFLUX,
        .librato_tags = dialects & LIBRATO,
        .signalfx_tags = dialects & SIGNALFX,
        .graphite_tags = dialects & GRAPHITE,
    };
}

/* A sink with its memory, poisoned; the scratch is as small as the contract allows. */
struct fixture {
    struct statsd_label labels[STATSD_MAX_LABELS];
    struct tags_sink sink;
    char *scratch;
};

static const struct statsd_options plain;

static void fixture_init(struct fixture *f, size_t text_len)
{
    memset(f, 0xa5, sizeof *f);
    f->scratch = malloc(2 * text_len + 1);
    ck_assert_ptr_nonnull(f->scratch);
    f->sink = (struct tags_sink){.labels = f->labels, .options = &plain, .scratch = f->scratch};
}

static void fixture_release(struct fixture *f)
{
    free(f->scratch);
}

static const char *labels_text(const struct tags_sink *sink, char *out, size_t cap)
{
    size_t len = 0;

    out[0] = '\0';
    for (unsigned i = 0; i < sink->n_labels; i++) {
        struct statsd_label label = sink->labels[i];

        len +=
            (size_t)snprintf(out + len, cap - len, "%s%.*s=%.*s", i ? " " : "", (int)label.key.len,
                             label.key.p, (int)label.value.len, label.value.p);
        ck_assert_uint_lt(len, cap);
    }
    return out;
}

struct name_case {
    unsigned dialects;
    const char *in;
    const char *name;
    const char *labels;
    unsigned n_errors;
};

static void check_name(const struct name_case *c)
{
    struct statsd_options options = options_of(c->dialects);
    size_t len = strlen(c->in);
    const char *in = guard_copy(c->in, len);
    struct tags_sink counting = {.labels = NULL, .options = &options};
    struct fixture f;
    struct slice name;
    char text[512];

    fixture_init(&f, len);
    name = tags_cut_name(slice_of(in, len), &options, &f.sink);
    ck_assert_msg(slice_eq_str(name, c->name), "%s: name %.*s", c->in, (int)name.len, name.p);
    ck_assert_msg(strcmp(labels_text(&f.sink, text, sizeof text), c->labels) == 0, "%s: labels %s",
                  c->in, text);
    ck_assert_msg(f.sink.n_errors == c->n_errors, "%s: %u errors", c->in, f.sink.n_errors);

    tags_cut_name(slice_of(in, len), &options, &counting);
    ck_assert_msg(counting.n_errors == c->n_errors, "%s: counts %u errors", c->in,
                  counting.n_errors);
    ck_assert_msg((counting.n_labels > 0) == (f.sink.n_labels > 0), "%s: counts %u", c->in,
                  counting.n_labels);
    fixture_release(&f);
    guard_free(in, len);
}

static void check_names(const struct name_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++)
        check_name(&cases[i]);
}

#define N(cases) (sizeof(cases) / sizeof(cases)[0])

/* The first ',' or '#' ends the name, whichever of the two dialects are on. */
START_TEST(test_tags_lists_end_the_name)
{
    static const struct name_case cases[] = {
        {USUAL, "plain.name", "plain.name", "", 0},
        {USUAL, "", "", "", 0},
        {USUAL, "b#c=1,d=2", "b", "c=1 d=2", 0},
        {USUAL, "b,c=1,d=2", "b", "c=1 d=2", 0},
        {USUAL, "cart,color=#ff0000", "cart", "color=#ff0000", 0},
        {USUAL, "cart#color=red#size=xl", "cart", "color=red#size=xl", 0},
        {LIBRATO, "b,c=1#d=2,e=3", "b,c=1", "d=2 e=3", 0},
        {INFLUX, "b#c=1,d=2", "b#c=1", "d=2", 0},
        {0, "b#c=1,d=2[e=3];f=4", "b#c=1,d=2[e=3];f=4", "", 0},
        {DOG, "b#c=1,d=2", "b#c=1,d=2", "", 0},
        {USUAL, "#a=b", "", "a=b", 0},
        {USUAL, ",a=b", "", "a=b", 0},
        {USUAL, "api.name with_odd_chars@#,env=prod", "api.name with_odd_chars@", "env=prod", 1},
    };

    check_names(cases, N(cases));
}
END_TEST

/* Each empty or incomplete element is one error; one comma at the end is none. */
START_TEST(test_tags_elements_that_are_incomplete_count)
{
    static const struct name_case cases[] = {
        {USUAL, "b,", "b", "", 0},         {USUAL, "b#", "b", "", 0},
        {USUAL, "b,c=1,", "b", "c=1", 0},  {USUAL, "b,c=1,,", "b", "c=1", 1},
        {USUAL, "b,,c=1", "b", "c=1", 1},  {USUAL, "b,c=1,,d=2", "b", "c=1 d=2", 1},
        {USUAL, "b,,", "b", "", 1},        {USUAL, "b,c", "b", "", 1},
        {USUAL, "b,=1", "b", "", 1},       {USUAL, "b,c=", "b", "", 1},
        {USUAL, "b,=", "b", "", 1},        {USUAL, "b,c=1=2", "b", "c=1=2", 0},
        {USUAL, "b,c==", "b", "c==", 0},   {USUAL, "b,c:1", "b", "", 1},
        {USUAL, "b,#c=1", "b", "_c=1", 0},
    };

    check_names(cases, N(cases));
}
END_TEST

/* The text between the first '[' and the first ']' is the list; no other dialect is looked at. */
START_TEST(test_tags_signalfx_takes_the_brackets)
{
    static const struct name_case cases[] = {
        {USUAL, "cart.[color=red,size=xl]items", "cart.items", "color=red size=xl", 0},
        {USUAL, "foo[t1=x]", "foo", "t1=x", 0},
        {USUAL, "[a=b]foo", "foo", "a=b", 0},
        {USUAL, "[a=b]", "", "a=b", 0},
        {USUAL, "cart.items[]", "cart.items", "", 0},
        {USUAL, "foo.[tag1,tag2]test", "foo.test", "", 2},
        {USUAL, "h[a=b],c=d", "h,c=d", "a=b", 0},
        {USUAL, "h#c=d[a=b]", "h#c=d", "a=b", 0},
        {USUAL, "cart[a=1].items[b=2]", "cart.items[b=2]", "a=1", 0},
        {USUAL, "a[[b=c]]", "a]", "_b=c", 0},
        {USUAL & ~SIGNALFX, "e[x=1,y=2]z", "e[x=1", "y=2]z", 0},
        {USUAL & ~SIGNALFX, "e[x", "e[x", "", 0},
    };

    check_names(cases, N(cases));
}
END_TEST

/* A bracket without its pair, or a pair the wrong way round, is one error and changes nothing. */
START_TEST(test_tags_signalfx_brackets_without_a_pair_stay)
{
    static const struct name_case cases[] = {
        {USUAL, "cart.items[color=red", "cart.items[color=red", "", 1},
        {USUAL, "tag1=bar,tag2=baz]foo.test", "tag1=bar,tag2=baz]foo.test", "", 1},
        {USUAL, "a]b[c", "a]b[c", "", 1},
        {USUAL, "][", "][", "", 1},
        {USUAL, "]a=b,c=d[", "]a=b,c=d[", "", 1},
        {USUAL, "a]b[c=d]", "a]b[c=d]", "", 1},
    };

    check_names(cases, N(cases));
}
END_TEST

/* Graphite's list is separated by semicolons, and only when it is switched on. */
START_TEST(test_tags_graphite_has_a_switch)
{
    static const struct name_case cases[] = {
        {USUAL, "app.hits;code=200;m=GET", "app.hits;code=200;m=GET", "", 0},
        {GRAPHITE, "app.hits;code=200;m=GET", "app.hits", "code=200 m=GET", 0},
        {USUAL | GRAPHITE, "app.hits;code=200,1;m=GET", "app.hits", "code=200,1 m=GET", 0},
        {USUAL | GRAPHITE, "app.hits,code=200;m=GET", "app.hits", "code=200;m=GET", 0},
        {GRAPHITE, "a;", "a", "", 0},
        {GRAPHITE, "a;b=1;", "a", "b=1", 0},
        {GRAPHITE, "a;;b=1;c;=2;d=", "a", "b=1", 4},
        {GRAPHITE, ";b=1", "", "b=1", 0},
    };

    check_names(cases, N(cases));
}
END_TEST

/* A key becomes a label name; of two that become the same one, the last value stays in place. */
START_TEST(test_tags_keys_are_escaped_and_unique)
{
    static const struct name_case cases[] = {
        {USUAL, "b,09digits=0,tag.with.dots=1", "b", "_09digits=0 tag_with_dots=1", 0},
        {USUAL, "b,a--b=1,-=2,\xc3\xa9=3", "b", "a_b=1 _=3", 0},
        {USUAL, "b,a=1,c=2,a=3", "b", "a=3 c=2", 0},
        {USUAL, "b,a.b=1,a_b=2,a-b=3", "b", "a_b=3", 0},
        {USUAL, "b,a_b=1,c.d=2,a.b=3,e.f=4", "b", "a_b=3 c_d=2 e_f=4", 0},
        {USUAL, "na[k.1=v]me", "name", "k_1=v", 0},
    };

    check_names(cases, N(cases));
}
END_TEST

/* A |# list: colons assign, values keep theirs, one '#' before a key is dropped. */
START_TEST(test_tags_dogstatsd_lists)
{
    static const struct {
        const char *list;
        const char *labels;
        unsigned n_errors;
    } cases[] = {
        {"", "", 0},
        {"color:red,size:xl", "color=red size=xl", 0},
        {"url:http://h:80/x", "url=http://h:80/x", 0},
        {"expr:a=b", "expr=a=b", 0},
        {"color:red,#size:xl", "color=red size=xl", 0},
        {"##a:b", "_a=b", 0},
        {"#", "", 1},
        {"#:b", "", 1},
        {"color:red,", "color=red", 0},
        {"color:red,,", "color=red", 1},
        {",color:red", "color=red", 1},
        {"color:red,,size:xl", "color=red size=xl", 1},
        {"urgent", "", 1},
        {"urgent,color:red", "color=red", 1},
        {":red,size:xl", "size=xl", 1},
        {"color:", "", 1},
        {",", "", 1},
        {"a:1,b:2,a:3", "a=3 b=2", 0},
        {"k y:v w", "k_y=v w", 0},
        {"{'env': 'prod', 'code': '200'}", "__env_= 'prod' __code_= '200'}", 0},
    };

    for (size_t i = 0; i < N(cases); i++) {
        size_t len = strlen(cases[i].list);
        const char *list = guard_copy(cases[i].list, len);
        struct fixture f;
        char text[512];

        fixture_init(&f, len);
        tags_read_dogstatsd(slice_of(list, len), &f.sink);
        ck_assert_str_eq(labels_text(&f.sink, text, sizeof text), cases[i].labels);
        ck_assert_msg(f.sink.n_errors == cases[i].n_errors, "%s: %u errors", cases[i].list,
                      f.sink.n_errors);
        fixture_release(&f);
        guard_free(list, len);
    }
}
END_TEST

/* Past the room for labels every tag is surplus, whether its key is new or not. */
START_TEST(test_tags_surplus_is_counted)
{
    struct fixture f;
    char list[8192];
    size_t len = 0;

    for (unsigned i = 0; i < STATSD_MAX_LABELS + 3; i++)
        len += (size_t)snprintf(list + len, sizeof list - len, "k.%u:%u,", i, i);
    len += (size_t)snprintf(list + len, sizeof list - len, "k.7:new");
    fixture_init(&f, len);
    tags_read_dogstatsd(slice_of(list, len), &f.sink);
    ck_assert_uint_eq(f.sink.n_labels, STATSD_MAX_LABELS);
    ck_assert_uint_eq(f.sink.n_surplus, 4);
    ck_assert_uint_eq(f.sink.n_errors, 0);
    ck_assert(slice_eq_str(f.labels[7].key, "k_7"));
    ck_assert(slice_eq_str(f.labels[7].value, "7"));
    ck_assert(slice_eq_str(f.labels[STATSD_MAX_LABELS - 1].key, "k_127"));
    fixture_release(&f);
}
END_TEST

/* A delimiter is one only while its dialect is on. */
START_TEST(test_tags_delimiters_follow_the_switches)
{
    static const struct {
        unsigned dialects;
        const char *name;
        bool found;
    } cases[] = {
        {USUAL, "a.b-c_d", false}, {USUAL, "a,b", true},      {USUAL, "a#b", true},
        {USUAL, "a[b", true},      {USUAL, "a]b", true},      {USUAL, "a;b", false},
        {GRAPHITE, "a;b", true},   {GRAPHITE, "a,b", false},  {INFLUX, "a#b[]", false},
        {LIBRATO, "a,b[]", false}, {SIGNALFX, "a,b#", false}, {DOG, ",#[];", false},
        {USUAL, "", false},
    };

    for (size_t i = 0; i < N(cases); i++) {
        struct statsd_options options = options_of(cases[i].dialects);

        ck_assert_msg(tags_in_name(slice_str(cases[i].name), &options) == cases[i].found, "%s",
                      cases[i].name);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tags");
    TCase *name = tcase_create("cut_name");
    TCase *dog = tcase_create("read_dogstatsd");
    TCase *in_name = tcase_create("in_name");

    tcase_add_test(name, test_tags_lists_end_the_name);
    tcase_add_test(name, test_tags_elements_that_are_incomplete_count);
    tcase_add_test(name, test_tags_signalfx_takes_the_brackets);
    tcase_add_test(name, test_tags_signalfx_brackets_without_a_pair_stay);
    tcase_add_test(name, test_tags_graphite_has_a_switch);
    tcase_add_test(name, test_tags_keys_are_escaped_and_unique);
    suite_add_tcase(s, name);
    tcase_add_test(dog, test_tags_dogstatsd_lists);
    tcase_add_test(dog, test_tags_surplus_is_counted);
    suite_add_tcase(s, dog);
    tcase_add_test(in_name, test_tags_delimiters_follow_the_switches);
    suite_add_tcase(s, in_name);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
