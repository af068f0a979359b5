/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of mapping/load with several files: one list of rules, and whose fault is told
 */
#include "loads.h"

#define MAX_FILES 4

/* Load @files, named 1.yml and so on; NULL ends them. */
static int load_files(struct mapping **m, const char *const files[MAX_FILES], struct warnings *w,
                      struct err *e)
{
    static const char *const names[MAX_FILES] = {"1.yml", "2.yml", "3.yml", "4.yml"};
    struct bacowr_text texts[MAX_FILES];
    size_t n = 0;
    int r;

    for (; n < MAX_FILES && files[n] != NULL; n++) {
        size_t len = strlen(files[n]);

        texts[n] = (struct bacowr_text){names[n], slice_of(guard_copy(files[n], len), len)};
    }
    *w = (struct warnings){0};
    *m = (struct mapping *)0x5a5a;
    *e = (struct err){.line = 7777, .column = 7777};
    r = mapping_load(m, texts, n, on_warning, w, e);
    for (size_t i = 0; i < n; i++)
        guard_free(texts[i].text.p, texts[i].text.len);
    return r;
}

/* The rules of several files are one list in their order, each knows its file, and the defaults of
 * one of them hold for all, those before it too. */
START_TEST(test_files_are_joined)
{
    static const char *const files[MAX_FILES] = {
        RULE "- match: b.*\n  name: bb\n",
        "# nothing\n",
        "defaults:\n  ttl: 5s\n",
        "mappings:\n- match: c.*\n  name: cc\n",
    };
    static const struct {
        const char *name, *file;
        unsigned line;
    } want[] = {{"aa", "1.yml", 2}, {"bb", "1.yml", 4}, {"cc", "4.yml", 2}};
    struct mapping *m;
    struct warnings w;
    struct err e;

    ck_assert_msg(load_files(&m, files, &w, &e) == 0, "%s", e.text);
    ck_assert_uint_eq(w.n, 0);
    ck_assert_uint_eq(mapping_n_rules(m), 3);
    for (size_t i = 0; i < 3; i++) {
        const struct mapping_rule *rule = mapping_rule(m, i);

        ck_assert_str_eq(rule->name, want[i].name);
        ck_assert_str_eq(rule->file, want[i].file);
        ck_assert_uint_eq(rule->line, want[i].line);
        ck_assert_int_eq(rule->how->ttl_ns, INT64_C(5000000000));
    }
    ck_assert_int_eq(mapping_defaults(m)->ttl_ns, INT64_C(5000000000));
    mapping_free(m);
}
END_TEST

/* No files are a mapping without rules. */
START_TEST(test_files_may_be_none)
{
    static const char *const none[MAX_FILES] = {NULL};
    struct mapping *m;
    struct warnings w;
    struct err e;

    ck_assert_int_eq(load_files(&m, none, &w, &e), 0);
    ck_assert_uint_eq(mapping_n_rules(m), 0);
    mapping_free(m);
}
END_TEST

/* A mistake is told with the file in which it stands, and with both where two files clash. */
START_TEST(test_files_take_their_own_blame)
{
    static const struct {
        const char *files[MAX_FILES];
        const char *file;
        unsigned line, column;
        const char *part;
    } cases[] = {
        {{RULE, RULE "  nmae: x\n"}, "2.yml", 4, 3, "unknown key"},
        {{RULE, "mappings: [1", RULE}, "2.yml", 2, 1, "close the bracket"},
        {{RULE, "- a\n"}, "2.yml", 1, 1, "the file"},
        {{"mappings: 1\n", RULE}, "1.yml", 1, 11, "mappings"},
        {{RULE, "mappings:\n- match: (\n  match_type: regex\n  name: bb\n"},
         "2.yml",
         2,
         10,
         "match"},
        {{DEFAULTS "  ttl: 5s\n", RULE, "# x\ndefaults:\n  ttl: 5s\n"},
         "3.yml",
         2,
         1,
         "defaults are already set at line 1 of 1.yml"},
        {{RULE, DEFAULTS "  ttl: no\n"}, "2.yml", 2, 8, "ttl"},
    };

    for (size_t i = 0; i < N(cases); i++) {
        struct mapping *m;
        struct warnings w;
        struct err e;

        ck_assert_int_eq(load_files(&m, cases[i].files, &w, &e), -EINVAL);
        ck_assert_ptr_eq(m, (void *)0x5a5a);
        ck_assert_msg(strcmp(e.file, cases[i].file) == 0 && e.line == cases[i].line &&
                          e.column == cases[i].column && strstr(e.text, cases[i].part) != NULL,
                      "case %zu said %s:%u:%u %s", i, e.file, e.line, e.column, e.text);
    }
}
END_TEST

/* A warning about two rules names the other's file where that is another one. */
START_TEST(test_files_are_named_in_warnings)
{
    static const struct {
        const char *files[MAX_FILES];
        const char *warning;
    } cases[] = {
        {{RULE "- match: a.*\n  name: aa\n"},
         "1.yml:4:10: \"a.*\" can never match: the rule at line 2 has"},
        {{RULE, RULE}, "2.yml:2:10: \"a.*\" can never match: the rule at line 2 of 1.yml has"},
        {{RULE, "mappings:\n- match: a.b\n  name: bb\n"},
         "2.yml:2:10: \"a.b\" can never match: \"a.*\" at line 2 of 1.yml comes first"},
        {{RULE "  help: one\n", "mappings:\n- match: b\n  name: aa\n  help: two\n"},
         "2.yml:2:3: aa has another help at line 2 of 1.yml,"},
        {{RULE, "fsm: 1\n"}, "2.yml:1:1: the key fsm has no effect"},
    };

    for (size_t i = 0; i < N(cases); i++) {
        struct mapping *m;
        struct warnings w;
        struct err e;

        ck_assert_msg(load_files(&m, cases[i].files, &w, &e) == 0, "%s", e.text);
        ck_assert_msg(w.n == 1 && strncmp(w.text, cases[i].warning, strlen(cases[i].warning)) == 0,
                      "case %zu: %s", i, w.text);
        mapping_free(m);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("files");
    TCase *files = tcase_create("files");

    tcase_add_test(files, test_files_are_joined);
    tcase_add_test(files, test_files_may_be_none);
    tcase_add_test(files, test_files_take_their_own_blame);
    tcase_add_test(files, test_files_are_named_in_warnings);
    suite_add_tcase(s, files);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
