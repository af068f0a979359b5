/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loader: the grammars of label names, name templates and globs
 *
 *      label      [A-Za-z_] [A-Za-z0-9_]+
 *      tag        [A-Za-z_] [A-Za-z0-9_]*        (what names of tags are after escaping)
 *      name       ([A-Za-z_] | ref) ([A-Za-z0-9_] | ref)*        ref = $ {? digits }?
 *      glob       segments joined by dots, each
 *                 [A-Za-z_] [A-Za-z0-9_-]*     (a digit may begin all but the first)
 *                 with any number of *, but no two side by side
 *
 * They are statsd_exporter's, so that a file refused there is refused here; except that there a *
 * has its segment for itself. Each message names the character at fault and what to write in its
 * place.
 *
 * References in a glob rule's templates are looked at too: one that names no capture is replaced by
 * nothing, which is legal and hardly ever meant.
 */
#include "mapping/load.h"

#include <stdio.h>

#include "base/num.h"
#include "base/slice.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_word(char c)
{
    return is_start(c) || is_digit(c);
}

/* One character of UTF-8 as a message shows it. */
static const char *one(const char *text, char out[16])
{
    size_t n = 1;

    if ((unsigned char)text[0] < 0x20 || text[0] == 0x7F) {
        snprintf(out, 16, "0x%02x", (unsigned char)text[0]);
        return out;
    }
    while (n < 4 && ((unsigned char)text[n] & 0xC0) == 0x80)
        n++;
    snprintf(out, 16, "'%.*s'", (int)n, text);
    return out;
}

int load_check_label(struct load *l, const struct yaml_node *node, const char *text)
{
    char c[16];

    if (text[0] == '\0')
        return load_refuse(l, node, "a label name is empty; write `name: value`");
    if (!is_start(text[0]))
        return load_refuse(l, node,
                           "the label name \"%.100s\" begins with %s; begin it with a letter or _",
                           text, one(text, c));
    for (const char *p = text; *p != '\0'; p++) {
        if (!is_word(*p))
            return load_refuse(l, node,
                               "the label name \"%.100s\" holds %s; use letters, digits and _ only",
                               text, one(p, c));
    }
    if (text[1] == '\0')
        return load_refuse(l, node,
                           "the label name \"%s\" is one character long, which statsd_exporter "
                           "refuses too; use a longer name",
                           text);
    return 0;
}

int load_check_tag(struct load *l, const struct yaml_node *node, const char *text)
{
    char c[16];

    if (text[0] == '\0')
        return load_refuse(l, node, "the name of a label is empty; write it as the page shows it");
    for (const char *p = text; *p != '\0'; p++) {
        if (p == text ? !is_start(*p) : !is_word(*p))
            return load_refuse(
                l, node,
                "no label has the name \"%.100s\", which %s %s; write it as the page "
                "shows it, with _ in place of characters other than letters, digits and _",
                text, p == text ? "begins with" : "holds", one(p, c));
    }
    return 0;
}

/* The length of a numeric reference at @p, or 0: $1 ${1} and also ${1 and $1}. */
static size_t numeric_reference(const char *p)
{
    size_t i = 1, start;

    if (p[0] != '$')
        return 0;
    i += p[i] == '{';
    start = i;
    while (is_digit(p[i]))
        i++;
    if (i == start)
        return 0;
    return i + (p[i] == '}');
}

static int refuse_name(struct load *l, const struct yaml_node *node, const char *text,
                       const char *at)
{
    char c[16];

    if (*at == '$')
        return load_refuse(l, node,
                           "the name \"%.200s\" has a reference that is not a number; a name takes "
                           "$1, ${2} and so on, other references work in label values of regex "
                           "rules only",
                           text);
    if (at == text && is_digit(*at))
        return load_refuse(
            l, node, "the name \"%.200s\" begins with a digit; begin it with a letter or _", text);
    return load_refuse(l, node,
                       "the name \"%.200s\" holds %s; use letters, digits, _ and references like "
                       "${1}",
                       text, one(at, c));
}

int load_check_name(struct load *l, const struct yaml_node *node, const char *text)
{
    const char *p = text;

    while (*p != '\0') {
        size_t n = numeric_reference(p);

        if (n == 0 && (p == text ? is_start(*p) : is_word(*p)))
            n = 1;
        if (n == 0)
            return refuse_name(l, node, text, p);
        p += n;
    }
    return 0;
}

/* ---- globs ---- */

static const char *segment_end(const char *p)
{
    while (*p != '\0' && *p != '.')
        p++;
    return p;
}

static int check_segment(struct load *l, const struct yaml_node *node, const char *text,
                         const char *p, const char *end)
{
    char c[16];

    if (p == end)
        return load_refuse(l, node,
                           "the match \"%.200s\" has an empty segment; remove the dot at its "
                           "start, at its end, or beside another, or write * for any segment",
                           text);
    for (const char *q = p; q < end; q++) {
        if (*q == '*' && q[1] == '*')
            return load_refuse(l, node,
                               "the match \"%.200s\" has ** in a segment; write one *, which "
                               "matches any text between two dots",
                               text);
        if (*q != '*' && !is_word(*q) && (*q != '-' || q == p))
            return load_refuse(l, node,
                               "the match \"%.200s\" holds %s; a segment begins with a letter, "
                               "digit, _ or * and goes on with these and -, else use match_type: "
                               "regex",
                               text, one(q, c));
    }
    if (p == text && is_digit(*p))
        return load_refuse(l, node,
                           "the match \"%.200s\" begins with a digit; begin it with a letter or _, "
                           "or use match_type: regex",
                           text);
    return 0;
}

int load_check_glob(struct load *l, const struct yaml_node *node, const char *text)
{
    const char *p = text;

    for (;;) {
        const char *end = segment_end(p);
        int r = check_segment(l, node, text, p, end);

        if (r < 0 || *end == '\0')
            return r;
        p = end + 1;
    }
}

size_t load_n_captures(const char *glob)
{
    size_t n = 0;

    for (; *glob != '\0'; glob++)
        n += *glob == '*';
    return n;
}

/* ---- references ---- */

/* What a glob template reads as one reference: $ {? longest run of word characters and $ }? */
static size_t reference(const char *p, struct slice *name)
{
    size_t i = 1, start;

    if (p[0] != '$')
        return 0;
    i += p[i] == '{';
    start = i;
    while (is_word(p[i]) || p[i] == '$')
        i++;
    if (i == start)
        return 0;
    *name = slice_of(p + start, i - start);
    return i + (p[i] == '}');
}

static void warn_reference(const struct load *l, const struct yaml_node *node, struct slice name,
                           size_t n_captures)
{
    size_t n_digits = 0;

    while (n_digits < name.len && is_digit(name.p[n_digits]))
        n_digits++;
    if (n_digits > 0 && n_digits < name.len)
        load_warn(l, node,
                  "$%.*s is read as one reference and replaced by nothing; put the number in "
                  "braces: ${%.*s}",
                  (int)name.len, name.p, (int)n_digits, name.p);
    else if (n_digits == 0)
        load_warn(l, node,
                  "$%.*s is replaced by nothing; the captures of a glob are numbered: $1 for the "
                  "first *, $2 for the second",
                  (int)name.len, name.p);
    else
        load_warn(l, node,
                  "$%.*s is replaced by nothing; the match has %zu * to capture, counted from 1",
                  (int)name.len, name.p, n_captures);
}

void load_check_references(const struct load *l, const struct yaml_node *node, const char *text,
                           size_t n_captures)
{
    while (*text != '\0') {
        struct slice name;
        size_t n = reference(text, &name);
        uint64_t number;

        if (n > 0 && (num_parse_u64(name, n_captures, &number) != 0 || number == 0))
            warn_reference(l, node, name, n_captures);
        text += n ? n : 1;
    }
}
