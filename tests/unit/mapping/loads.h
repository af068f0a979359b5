/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads: mapping files for tests, from text
 */
#ifndef TESTS_UNIT_MAPPING_LOADS_H
#define TESTS_UNIT_MAPPING_LOADS_H

#include "lib/guard.h"
#include "lib/unit.h"
#include "mapping/mapping.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All warnings of one load, a line each. */
struct warnings {
    char text[8192];
    size_t n;
};

static inline void on_warning(void *ctx, const struct err *e)
{
    struct warnings *w = ctx;
    size_t len = strlen(w->text);

    err_format(e, w->text + len, sizeof(w->text) - len);
    strncat(w->text, "\n", sizeof(w->text) - strlen(w->text) - 1);
    w->n++;
}

static inline int load(struct mapping **m, struct slice text, struct warnings *w, struct err *e)
{
    const char *p = guard_copy(text.p, text.len);
    int r;

    *w = (struct warnings){0};
    *m = (struct mapping *)0x5a5a;
    *e = (struct err){.line = 7777, .column = 7777};
    r = mapping_load(m, &(struct bacowr_text){"m.yml", slice_of(p, text.len)}, 1, on_warning, w, e);
    guard_free(p, text.len);
    return r;
}

/* Load what must be right, with @n_warnings. */
static inline struct mapping *load_ok(const char *text, size_t n_warnings)
{
    struct mapping *m;
    struct warnings w;
    struct err e;
    int r = load(&m, slice_str(text), &w, &e);

    ck_assert_msg(r == 0, "refused %u:%u %s\n%s", e.line, e.column, e.text, text);
    ck_assert_msg(w.n == n_warnings, "%zu warnings:\n%s%s", w.n, w.text, text);
    return m;
}

#define RULE     "mappings:\n- match: a.*\n  name: aa\n" /* what follows is line 4, column 3 */
#define DEFAULTS "defaults:\n"                           /* what follows is line 2, column 3 */

struct place_case {
    const char *text;
    unsigned line, column;
    const char *part;
};

static inline void check_refusals(const struct place_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct mapping *m;
        struct warnings w;
        struct err e;
        int r = load(&m, slice_str(cases[i].text), &w, &e);

        ck_assert_msg(r == -EINVAL, "accepted:\n%s", cases[i].text);
        ck_assert_ptr_eq(m, (void *)0x5a5a);
        ck_assert_str_eq(e.file, "m.yml");
        ck_assert_msg(e.line == cases[i].line && e.column == cases[i].column &&
                          strstr(e.text, cases[i].part) != NULL,
                      "%s\nsaid %u:%u %s", cases[i].text, e.line, e.column, e.text);
    }
}

/* Each of @cases loads with one warning: it stands at (line, column) and says @part. */
static inline void check_warnings(const struct place_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct mapping *m;
        struct warnings w;
        struct err e;
        char place[64];
        int r = load(&m, slice_str(cases[i].text), &w, &e);

        ck_assert_msg(r == 0, "%s\nrefused: %u:%u %s", cases[i].text, e.line, e.column, e.text);
        snprintf(place, sizeof(place), "m.yml:%u:%u: ", cases[i].line, cases[i].column);
        ck_assert_msg(w.n == 1 && strncmp(w.text, place, strlen(place)) == 0 &&
                          strstr(w.text, cases[i].part) != NULL,
                      "%s\nwarned %zu times: %s", cases[i].text, w.n, w.text);
        mapping_free(m);
    }
}

#define N(array) (sizeof(array) / sizeof((array)[0]))

/* The file @name under the source tree, which is found from where this test was compiled. */
static inline char *read_shipped(const char *name, size_t *len)
{
    static const char here[] = "tests/unit/mapping/loads.h";
    char path[4096], *text;
    size_t root = sizeof(__FILE__) - sizeof(here);
    FILE *f;

    snprintf(path, sizeof(path), "%.*s%s", (int)root, __FILE__, name);
    f = fopen(path, "r");
    ck_assert_msg(f != NULL, "cannot open %s", path);
    text = malloc(65536);
    *len = fread(text, 1, 65536, f);
    ck_assert_uint_lt(*len, 65536);
    fclose(f);
    return text;
}

static inline struct mapping *load_shipped(const char *name)
{
    struct mapping *m;
    struct warnings w;
    struct err e;
    size_t len;
    char *text = read_shipped(name, &len);
    int r = load(&m, slice_of(text, len), &w, &e);

    ck_assert_msg(r == 0, "%s:%u:%u %s", name, e.line, e.column, e.text);
    ck_assert_msg(w.n == 0, "%s", w.text);
    free(text);
    return m;
}

#endif
