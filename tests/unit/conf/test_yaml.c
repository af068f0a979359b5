/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of conf/yaml: the tree, its bounds, and what a scalar means
 */
#include "conf/yaml.h"

#include "lib/guard.h"
#include "lib/unit.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Read @text from against a guard page. The tree must not borrow from it. */
static int read_slice(struct yaml_doc **doc, struct slice text, struct err *e)
{
    const char *p = guard_copy(text.p, text.len);
    int r;

    *doc = (struct yaml_doc *)0x5a5a;
    *e = (struct err){.line = 7777, .column = 7777};
    r = yaml_doc_new(doc, "f.yml", slice_of(p, text.len), e);
    guard_free(p, text.len);
    return r;
}

static struct yaml_doc *read_ok(const char *text)
{
    struct yaml_doc *doc;
    struct err e;
    int r = read_slice(&doc, slice_str(text), &e);

    ck_assert_msg(r == 0, "refused: %u:%u %s\n%s", e.line, e.column, e.text, text);
    return doc;
}

static const struct yaml_node *get(const struct yaml_node *map, const char *key)
{
    ck_assert_int_eq(map->kind, YAML_MAP);
    for (size_t i = 0; i < map->n; i++) {
        if (slice_eq_str(map->pairs[i].key->text, key))
            return map->pairs[i].value;
    }
    return NULL;
}

/* The tree as JSON-like text without blanks: {a:1,b:[x,y]}. */
static void show(const struct yaml_node *node, char **out, size_t *len)
{
    FILE *f = open_memstream(out, len);
    char *part;
    size_t part_len;

    if (node->kind == YAML_SCALAR)
        fprintf(f, "%s", node->text.p);
    for (size_t i = 0; i < node->n; i++) {
        fputs(i ? "," : node->kind == YAML_MAP ? "{" : "[", f);
        if (node->kind == YAML_MAP)
            fprintf(f, "%s:", node->pairs[i].key->text.p);
        show(node->kind == YAML_MAP ? node->pairs[i].value : node->items[i], &part, &part_len);
        fputs(part, f);
        free(part);
    }
    if (node->kind != YAML_SCALAR)
        fputs(node->n == 0 ? "{}" : node->kind == YAML_MAP ? "}" : "]", f);
    fclose(f);
}

struct tree_case {
    const char *text, *tree;
};

static void check_trees(const struct tree_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct yaml_doc *doc = read_ok(cases[i].text);
        char *seen;
        size_t len;

        show(yaml_doc_root(doc), &seen, &len);
        ck_assert_msg(strcmp(seen, cases[i].tree) == 0, "%s\nread as %s", cases[i].text, seen);
        free(seen);
        yaml_doc_free(doc);
    }
}

/* Block, flow, JSON and explicit forms give the same tree; only the first document is read. */
START_TEST(test_yaml_reads_every_form)
{
    static const struct tree_case cases[] = {
        {"a: 1\nb: [x, y]\n", "{a:1,b:[x,y]}"},
        {"{\"a\": 1, \"b\": [\"x\", \"y\"]}", "{a:1,b:[x,y]}"},
        {"? a\n: 1\n? b\n: - x\n  - y\n", "{a:1,b:[x,y]}"},
        {"a: 1", "{a:1}"},
        {"\xef\xbb\xbf"
         "a: 1\n",
         "{a:1}"},
        {"a: 1\r\nb: 2\r\n", "{a:1,b:2}"},
        {"--- # first\na: 1\n---\nb: 2\n", "{a:1}"},
        {"a: 1\n...\nb: 2\n", "{a:1}"},
        {"a: |-\n  x\n  y\n", "{a:x\ny}"},
        {"a: !!str 5\nb: !!int '7'\n", "{a:5,b:7}"},
    };

    check_trees(cases, sizeof(cases) / sizeof(cases[0]));
}
END_TEST

/* An empty file has no root and is no error. */
START_TEST(test_yaml_accepts_empty_files)
{
    static const char *const texts[] = {"", "\n", "# nothing\n", "\xef\xbb\xbf"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct yaml_doc *doc = read_ok(texts[i]);

        ck_assert_ptr_null(yaml_doc_root(doc));
        ck_assert(yaml_node_is_null(yaml_doc_root(doc)));
        yaml_doc_free(doc);
    }
    yaml_doc_free(NULL);
}
END_TEST

/* Every node knows where it was written; columns count characters, not bytes. */
START_TEST(test_yaml_knows_places)
{
    struct yaml_doc *doc = read_ok("a: 1\nlist:\n  - \xc3\xa9: x\n");
    const struct yaml_node *root = yaml_doc_root(doc), *item = get(root, "list")->items[0];

    ck_assert_uint_eq(root->line, 1);
    ck_assert_uint_eq(root->column, 1);
    ck_assert_uint_eq(get(root, "a")->column, 4);
    ck_assert_uint_eq(item->line, 3);
    ck_assert_uint_eq(item->column, 5);
    ck_assert_uint_eq(item->pairs[0].value->column, 8);
    ck_assert_uint_eq(root->weight, 8);
    ck_assert_uint_eq(root->height, 4);
    yaml_doc_free(doc);
}
END_TEST

/*
 * An alias is the node it names; a merge brings what is not written out, earlier sources first,
 * wherever the << stands; mappings on both sides are united.
 */
START_TEST(test_yaml_resolves_aliases_and_merges)
{
    static const struct tree_case cases[] = {
        {"a: &x 1\nb: *x\n", "{a:1,b:1}"},
        {"a: &x [1, 2]\nb: *x\nc: *x\n", "{a:[1,2],b:[1,2],c:[1,2]}"},
        {"a: &x 1\nb: &x 2\nc: *x\n", "{a:1,b:2,c:2}"},
        {"a: &m {p: 1, q: 2}\nb: {<<: *m}\n", "{a:{p:1,q:2},b:{p:1,q:2}}"},
        {"a: &m {p: 1, q: 2}\nb: {<<: *m, q: 3}\n", "{a:{p:1,q:2},b:{q:3,p:1}}"},
        {"a: &m {p: 1, q: 2}\nb: {q: 3, <<: *m}\n", "{a:{p:1,q:2},b:{q:3,p:1}}"},
        {"a: &m {p: 1}\nb: &n {p: 2, q: 2}\nc: {<<: [*m, *n]}\n",
         "{a:{p:1},b:{p:2,q:2},c:{p:1,q:2}}"},
        {"a: &m {p: 1}\nb: {<<: [*m, *m], <<: {r: 3}}\n", "{a:{p:1},b:{p:1,r:3}}"},
        {"a: &m {l: {x: 1, y: 1}}\nb: {<<: *m, l: {y: 2, z: 2}}\n",
         "{a:{l:{x:1,y:1}},b:{l:{y:2,z:2,x:1}}}"},
        {"a: &m {l: {x: 1}}\nb: {<<: *m, l: }\n", "{a:{l:{x:1}},b:{l:}}"},
        {"a: &m {l: [1]}\nb: {<<: *m, l: [2]}\n", "{a:{l:[1]},b:{l:[2]}}"},
        {"a: {'<<': 1}\n", "{a:{<<:1}}"},
    };

    check_trees(cases, sizeof(cases) / sizeof(cases[0]));
}
END_TEST

/* What is refused says where and why. */
START_TEST(test_yaml_refuses_with_place_and_reason)
{
    static const struct {
        const char *text;
        unsigned line, column;
        const char *part;
    } cases[] = {
        {"a: 1\nb: 2\na: 3\n", 3, 1, "\"a\" occurs twice, first at line 1 column 1"},
        {"x: {a: 1, a: 1}\n", 1, 11, "\"a\" occurs twice, first at line 1 column 5"},
        {"'a': 1\na: 1\n", 2, 1, "occurs twice"},
        {"a: *nope\n", 1, 4, "*nope is not an anchor"},
        {"a: &x [1, *x]\n", 1, 11, "inside the value that it refers to"},
        {"a: &x {b: *x}\n", 1, 11, "inside the value that it refers to"},
        {"a: {<<: 5}\n", 1, 9, "<< takes a mapping"},
        {"a: {<<: }\n", 1, 9, "not nothing"},
        {"a: {<<: [{b: 1}, 5]}\n", 1, 18, "<< takes a mapping"},
        {"? [a]\n: 1\n", 1, 3, "a key must be a word, not a list"},
        {"{a: 1}: 2\n", 1, 1, "a key must be a word, not a mapping"},
        {"a: !!binary aGk=\n", 1, 4, "tag:yaml.org,2002:binary"},
        {"a: !!map [1]\n", 1, 4, "has no meaning here"},
        {"a: [1\n", 2, 1, "close the bracket"},
        {"a: {b\n", 2, 1, "close the brace"},
        {"a: 'x\n", 2, 1, "close the quote"},
        {"a: b: c\n", 1, 5, "mapping values are not allowed"},
        {"a:\n\t- x\n", 2, 1, "not tabs"},
        {"a: @x\n", 1, 4, "begin with @; quote the value"},
        {"\xc3\xa9: 1\na: %x\n", 2, 4, "begin with %; quote the value"},
        {"a: `x\n", 1, 4, "begin with `; quote the value"},
        {"match: *.foo\n", 1, 9, "quote a value that begins with * or &"},
        {"  a: 1\nb: 2\n", 2, 1, "begins left of line 1, where the file begins at column 3"},
        {"#c\n\n  - a\n - b\n", 4, 2, "begins left of line 3"},
        {"\xef\xbb\xbf a: 1\nb: 2\n", 2, 1, "begins at column 2"},
        {"{a: 1}\nb: 2\n", 2, 1, "nothing can follow here"},
        {"a: 1\nb: 'x\nc: 1\n", 4, 1, "close the quote (it begins at line 2)"},
        {"a: \"\\xZZ\"\n", 1, 7, "single quotes"},
        {"a: \"\\ud800\"\n", 1, 7, "not YAML"},
        {"a: 1\nb: \xff\n", 2, 4, "not UTF-8 (byte 0xff)"},
        {"\xc3\xa9: \xc3(\n", 1, 4, "not UTF-8"},
        {"a: \xed\xa0\x80\n", 1, 4, "not UTF-8"},
        {"a: \xc0\xaf\n", 1, 4, "not UTF-8"},
        {"a: x\x01y\n", 1, 5, "control character U+0001"},
        {"a: \xc3", 1, 4, "not UTF-8"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct yaml_doc *doc;
        struct err e;
        int r = read_slice(&doc, slice_str(cases[i].text), &e);

        ck_assert_msg(r == -EINVAL, "accepted: %s", cases[i].text);
        ck_assert_ptr_eq(doc, (void *)0x5a5a);
        ck_assert_str_eq(e.file, "f.yml");
        ck_assert_msg(e.line == cases[i].line && e.column == cases[i].column &&
                          strstr(e.text, cases[i].part) != NULL,
                      "%s\nsaid %u:%u %s", cases[i].text, e.line, e.column, e.text);
    }
}
END_TEST

/* A byte order mark is no part of the text: the keys stand where they seem to, none is lost. */
START_TEST(test_yaml_skips_a_byte_order_mark)
{
    struct yaml_doc *doc = read_ok("\xef\xbb\xbf"
                                   "a: 1\nb: 2\n");
    const struct yaml_node *root = yaml_doc_root(doc);

    ck_assert_uint_eq(root->n, 2);
    ck_assert_uint_eq(root->pairs[0].key->column, 1);
    ck_assert_str_eq(get(root, "b")->text.p, "2");
    yaml_doc_free(doc);
    doc = read_ok("\xef\xbb\xbf");
    ck_assert_ptr_null(yaml_doc_root(doc));
    yaml_doc_free(doc);
}
END_TEST

/* What stands behind the first document is not looked at, where a line says that it ends. */
START_TEST(test_yaml_ignores_other_documents)
{
    static const char *const texts[] = {
        "a: 1\n---\nb: 2\n", "  a: 1\n---\nb: 2\n",   "a: 1\n--- }\n",     "a: 1\n...\n%bogus\n",
        "a: 1\n...\n]\n",    "---\na: 1\n---\n---\n", " a: 1\n# end\n \n",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct yaml_doc *doc = read_ok(texts[i]);

        ck_assert_uint_eq(yaml_doc_root(doc)->n, 1);
        ck_assert_str_eq(get(yaml_doc_root(doc), "a")->text.p, "1");
        yaml_doc_free(doc);
    }
}
END_TEST

/* A text that runs over memory that is not ours is seen by the guard: bytes 0..n of a file. */
START_TEST(test_yaml_stays_inside_its_input)
{
    static const char text[] = "a: &x {b: [1, \"\\u00e9\"]}\nc: {<<: *x, d: 'q'}\n--- \n";

    for (size_t n = 0; n < sizeof(text); n++) {
        struct yaml_doc *doc;
        struct err e;

        if (read_slice(&doc, slice_of(text, n), &e) == 0)
            yaml_doc_free(doc);
    }
}
END_TEST

static void refuse_buffer(char *text, size_t len, const char *part)
{
    struct yaml_doc *doc;
    struct err e;
    int r = read_slice(&doc, slice_of(text, len), &e);

    ck_assert_int_eq(r, -EINVAL);
    ck_assert_msg(strstr(e.text, part) != NULL, "said %s", e.text);
    ck_assert_uint_ne(e.line, 0);
    free(text);
}

/* A few lines of aliases that stand for billions of nodes are refused, merged or not. */
START_TEST(test_yaml_bounds_aliases)
{
    for (size_t form = 0; form < 2; form++) {
        char *text;
        size_t len;
        FILE *f = open_memstream(&text, &len);

        fprintf(f, "x0: &x0 [a, b, c, d, e, f, g, h]\n");
        for (int i = 1; i < 12; i++) {
            int p = i - 1;

            fprintf(f, "x%d: &x%d ", i, i);
            if (form == 0)
                fprintf(f, "[*x%d, *x%d, *x%d, *x%d, *x%d, *x%d, *x%d, *x%d]", p, p, p, p, p, p, p,
                        p);
            else
                fprintf(f, "{<<: {a%d: *x%d}, b: [*x%d, *x%d, *x%d, *x%d, *x%d, *x%d]}", p, p, p, p,
                        p, p, p, p);
            fputc('\n', f);
        }
        fclose(f);
        refuse_buffer(text, len, "too large");
    }
}
END_TEST

/* Merging a large mapping again and again is paid for, though it adds no key. */
START_TEST(test_yaml_bounds_merges)
{
    char *text;
    size_t len;
    FILE *f = open_memstream(&text, &len);

    fputs("m: &m {", f);
    for (int i = 0; i < 1000; i++)
        fprintf(f, "k%d: 1, ", i);
    fputs("}\nx: {<<: [", f);
    for (int i = 0; i < 2000; i++)
        fputs("*m, ", f);
    fputs("]}\n", f);
    fclose(f);
    refuse_buffer(text, len, "too large");
}
END_TEST

/* Uniting a mapping with one after the other is paid for each time, growing as it does. */
START_TEST(test_yaml_bounds_unions)
{
    char *text;
    size_t len;
    FILE *f = open_memstream(&text, &len);

    fputs("x: {<<: [", f);
    for (int i = 0; i < 2000; i++)
        fprintf(f, "{l: {k%d: 1}}, ", i);
    fputs("]}\n", f);
    fclose(f);
    refuse_buffer(text, len, "too large");
}
END_TEST

/* Depth is bounded, through aliases too. */
START_TEST(test_yaml_bounds_depth)
{
    char *text;
    size_t len;
    FILE *f = open_memstream(&text, &len);

    for (int i = 0; i <= YAML_MAX_DEPTH; i++)
        fputc('[', f);
    fclose(f);
    refuse_buffer(text, len, "nested more than 64");

    f = open_memstream(&text, &len);
    fputs("a0: &a0 x\n", f);
    for (int i = 1; i < 70; i++)
        fprintf(f, "a%d: &a%d [*a%d]\n", i, i, i - 1);
    fclose(f);
    refuse_buffer(text, len, "nested more than 64");
}
END_TEST

/* The number of anchors and the size of the file are bounded. */
START_TEST(test_yaml_bounds_anchors_and_size)
{
    char *text;
    size_t len = YAML_MAX_BYTES + 1;
    FILE *f = open_memstream(&text, &len);

    for (int i = 0; i <= YAML_MAX_ANCHORS; i++)
        fprintf(f, "- &a%d x\n", i);
    fclose(f);
    refuse_buffer(text, len, "more than 1024 anchors");

    len = YAML_MAX_BYTES + 1;
    text = malloc(len);
    memset(text, '\n', len);
    refuse_buffer(text, len, "larger than 16 MiB");
}
END_TEST

/* ---- scalars ---- */

/* Give the value of `k: @text` to the caller; the document must be freed. */
static const struct yaml_node *value_of(struct yaml_doc **doc, const char *text)
{
    char file[256];

    snprintf(file, sizeof(file), "k: %s\n", text);
    *doc = read_ok(file);
    return get(yaml_doc_root(*doc), "k");
}

/* A plain y, n, yes, no, on, off, true or false, in three cases, is a bool; nothing else. */
START_TEST(test_yaml_reads_bools)
{
    static const struct {
        const char *text;
        int want; /* -1: refused */
    } cases[] = {
        {"y", 1},     {"Y", 1},     {"yes", 1},     {"Yes", 1},          {"YES", 1},
        {"on", 1},    {"On", 1},    {"ON", 1},      {"true", 1},         {"True", 1},
        {"TRUE", 1},  {"n", 0},     {"N", 0},       {"no", 0},           {"No", 0},
        {"NO", 0},    {"off", 0},   {"Off", 0},     {"OFF", 0},          {"false", 0},
        {"False", 0}, {"FALSE", 0}, {"'true'", -1}, {"tRue", -1},        {"perhaps", -1},
        {"1", -1},    {"~", -1},    {"[true]", -1}, {"!!bool 'yes'", 1},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct yaml_doc *doc;
        const struct yaml_node *node = value_of(&doc, cases[i].text);
        bool out = cases[i].want == 0;
        struct err e = {0};
        int r = yaml_node_bool(doc, node, "k", &out, &e);

        ck_assert_msg(cases[i].want < 0 ? r == -EINVAL && strstr(e.text, "k must be true or false")
                                        : r == 0 && out == (cases[i].want == 1),
                      "%s gave %d %d %s", cases[i].text, r, out, e.text);
        yaml_doc_free(doc);
    }
}
END_TEST

/* Numbers are Go's integers and YAML 1.1's floats; a quoted one is a text. */
START_TEST(test_yaml_reads_doubles)
{
    static const struct {
        const char *text;
        double want;
    } good[] = {
        {"0", 0},
        {"42", 42},
        {"-7", -7},
        {"+7", 7},
        {"1_000", 1000},
        {"0x1F", 31},
        {"0X1f", 31},
        {"-0x10", -16},
        {"0o17", 15},
        {"017", 15},
        {"08", 8},
        {"0b101", 5},
        {"00", 0},
        {"1.5", 1.5},
        {".5", 0.5},
        {"5.", 5},
        {"1e-6", 1e-6},
        {"-1.5E+2", -150},
        {"1_0.5", 10.5},
        {"18446744073709551616", 18446744073709551616.0},
        {".inf", INFINITY},
        {".Inf", INFINITY},
        {"+.INF", INFINITY},
        {"-.inf", -INFINITY},
        {"!!float '2'", 2},
    };
    static const char *const bad[] = {"big", "'2'",   "\"2\"",  "1e",  "0x",      "0xg", "inf",
                                      "nan", "1.2.3", "--1",    "+",   ".",       "_1",  "1e999",
                                      "~",   "[1]",   "{a: 1}", "0b2", "!!str 2", "1 2", "0x1p3"};
    struct err e;
    double out;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct yaml_doc *doc;
        const struct yaml_node *node = value_of(&doc, good[i].text);

        out = 777;
        ck_assert_msg(yaml_node_double(doc, node, "k", &out, &e) == 0 && out == good[i].want,
                      "%s gave %g", good[i].text, out);
        yaml_doc_free(doc);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct yaml_doc *doc;
        const struct yaml_node *node = value_of(&doc, bad[i]);

        ck_assert_msg(yaml_node_double(doc, node, "k", &out, &e) == -EINVAL, "%s accepted", bad[i]);
        ck_assert_msg(strstr(e.text, "k must be a number") != NULL, "%s", e.text);
        ck_assert_uint_eq(e.line, 1);
        yaml_doc_free(doc);
    }
}
END_TEST

/* .nan is a number too. */
START_TEST(test_yaml_reads_nan)
{
    struct yaml_doc *doc;
    const struct yaml_node *node = value_of(&doc, ".NaN");
    struct err e;
    double out = 0;

    ck_assert_int_eq(yaml_node_double(doc, node, "k", &out, &e), 0);
    ck_assert(isnan(out));
    yaml_doc_free(doc);
}
END_TEST

/* A whole number from 0 to 2^32-1; a fraction is not rounded in silence. */
START_TEST(test_yaml_reads_whole_numbers)
{
    static const struct {
        const char *text;
        int64_t want; /* -1: refused */
    } cases[] = {
        {"0", 0},           {"5", 5},   {"2.0", 2},  {"1e3", 1000}, {"4294967295", 4294967295},
        {"4294967296", -1}, {"-1", -1}, {"2.5", -1}, {".nan", -1},  {".inf", -1},
        {"'5'", -1},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct yaml_doc *doc;
        const struct yaml_node *node = value_of(&doc, cases[i].text);
        uint32_t out = 777;
        struct err e;
        int r = yaml_node_u32(doc, node, "k", &out, &e);

        ck_assert_msg(cases[i].want < 0 ? r == -EINVAL && out == 777
                                        : r == 0 && out == (uint32_t)cases[i].want,
                      "%s gave %d %u", cases[i].text, r, out);
        yaml_doc_free(doc);
    }
}
END_TEST

/* Go's durations, quoted or not; a bare number counts nanoseconds and says so. */
START_TEST(test_yaml_reads_durations)
{
    static const struct {
        const char *text;
        int64_t ns;
        bool bare;
    } good[] = {
        {"300ms", 300000000, false},
        {"1h30m", 5400000000000, false},
        {"-1s", -1000000000, false},
        {"'60s'", 60000000000, false},
        {"1m30.5s", 90500000000, false},
        {"60", 60, true},
        {"0", 0, true},
        {"-5", -5, true},
        {"1.5", 1, true},
        {"1_000", 1000, true},
        {"9223372036854774784", 9223372036854774784, true},
    };
    static const char *const bad[] = {"7d",   "'60'",  "fast", "9223372036854775808",
                                      ".nan", ".inf",  "[1s]", "~",
                                      "1e30", "-1e30", "s",    "400000h0"};
    struct err e;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct yaml_doc *doc;
        const struct yaml_node *node = value_of(&doc, good[i].text);
        struct yaml_duration out = {.ns = 777, .bare = !good[i].bare};

        ck_assert_msg(yaml_node_duration(doc, node, "k", &out, &e) == 0 && out.ns == good[i].ns &&
                          out.bare == good[i].bare,
                      "%s gave %lld", good[i].text, (long long)out.ns);
        yaml_doc_free(doc);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct yaml_doc *doc;
        const struct yaml_node *node = value_of(&doc, bad[i]);
        struct yaml_duration out;

        ck_assert_msg(yaml_node_duration(doc, node, "k", &out, &e) == -EINVAL, "%s accepted",
                      bad[i]);
        ck_assert_msg(strstr(e.text, "k must be a duration") != NULL, "%s", e.text);
        yaml_doc_free(doc);
    }
}
END_TEST

/* A text is any scalar as it was written, null an empty one; a NUL would cut it and is refused. */
START_TEST(test_yaml_reads_texts)
{
    static const struct {
        const char *text, *want; /* NULL: refused */
    } cases[] = {
        {"200", "200"},
        {"1.50", "1.50"},
        {"yes", "yes"},
        {"0x1F", "0x1F"},
        {"~", ""},
        {"null", ""},
        {"", ""},
        {"'~'", "~"},
        {"'null'", "null"},
        {"2020-01-02", "2020-01-02"},
        {"\"a\\tb\"", "a\tb"},
        {"\"a\\0b\"", NULL},
        {"[a]", NULL},
        {"{a: b}", NULL},
        {"!!str ~", "~"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct yaml_doc *doc;
        const struct yaml_node *node = value_of(&doc, cases[i].text);
        const char *out = NULL;
        struct err e;
        int r = yaml_node_text(doc, node, "k", &out, &e);

        ck_assert_msg(cases[i].want ? r == 0 && strcmp(out, cases[i].want) == 0 : r == -EINVAL,
                      "%s gave %d %s", cases[i].text, r, out ? out : "nothing");
        yaml_doc_free(doc);
    }
}
END_TEST

/* A message shows the word on one line, cut between characters when it is long. */
START_TEST(test_yaml_shows_words_short)
{
    struct yaml_doc *doc;
    const struct yaml_node *node = value_of(
        &doc, "\"a\\nb "
              "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
              "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
              "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9x\"");
    struct err e;
    double out;

    ck_assert_int_eq(yaml_node_double(doc, node, "k", &out, &e), -EINVAL);
    ck_assert_ptr_null(strchr(e.text, '\n'));
    ck_assert_msg(strstr(e.text, "\"a b \xc3\xa9") != NULL, "%s", e.text);
    ck_assert_msg(strstr(e.text, "\xc3\xa9\"...") != NULL, "%s", e.text);
    yaml_doc_free(doc);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("yaml");
    TCase *doc = tcase_create("doc"), *bounds = tcase_create("bounds"),
          *scalar = tcase_create("scalar");

    tcase_add_test(doc, test_yaml_reads_every_form);
    tcase_add_test(doc, test_yaml_accepts_empty_files);
    tcase_add_test(doc, test_yaml_knows_places);
    tcase_add_test(doc, test_yaml_resolves_aliases_and_merges);
    tcase_add_test(doc, test_yaml_refuses_with_place_and_reason);
    tcase_add_test(doc, test_yaml_skips_a_byte_order_mark);
    tcase_add_test(doc, test_yaml_ignores_other_documents);
    tcase_add_test(doc, test_yaml_stays_inside_its_input);
    suite_add_tcase(s, doc);
    tcase_add_test(bounds, test_yaml_bounds_aliases);
    tcase_add_test(bounds, test_yaml_bounds_merges);
    tcase_add_test(bounds, test_yaml_bounds_unions);
    tcase_add_test(bounds, test_yaml_bounds_depth);
    tcase_add_test(bounds, test_yaml_bounds_anchors_and_size);
    suite_add_tcase(s, bounds);
    tcase_add_test(scalar, test_yaml_reads_bools);
    tcase_add_test(scalar, test_yaml_reads_doubles);
    tcase_add_test(scalar, test_yaml_reads_nan);
    tcase_add_test(scalar, test_yaml_reads_whole_numbers);
    tcase_add_test(scalar, test_yaml_reads_durations);
    tcase_add_test(scalar, test_yaml_reads_texts);
    tcase_add_test(scalar, test_yaml_shows_words_short);
    suite_add_tcase(s, scalar);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
