/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RE2: what stands for one code point, or for none: literals, escapes, brackets
 *
 * Half of what tells dialects apart stands behind a backslash. What RE2 knows is one code point
 * (\n, \., \x{e9}, \123), a class (\d, \pL), an assertion (\b, \z) or a quotation (\Q...\E); each
 * is written in the form that PCRE2 takes the same way. What people bring along from Perl, Python
 * or PCRE is refused with the way to say it here.
 *
 * Laws: inside brackets only code points, ranges and classes may stand. An escape that is in none
 *       of the tables below is refused, never handed on. All but letters and digits is written
 *       escaped, so that no byte has a meaning that was not meant.
 */
#include "mapping/re2_parser.h"

#include "base/num.h"
#include "mapping/regex.h"

#include <errno.h>
#include <stdio.h>

#define MAX_POINT 0x10ffffu
#define IS_CLASS  1 /* not a single code point, and written already */

/* ---- writing ---- */

static void write_point(struct buf *out, uint32_t point)
{
    if (point < 0x80 && re2_is_alnum((char)point))
        buf_add_byte(out, (char)point);
    else if (point > ' ' && point < 0x7f)
        buf_addf(out, "\\%c", (char)point);
    else
        buf_addf(out, "\\x{%x}", (unsigned)point);
}

static void write_utf8(struct buf *out, uint32_t point)
{
    if (point < 0x80) {
        buf_add_byte(out, (char)point);
        return;
    }
    if (point < 0x800) {
        buf_add_byte(out, (char)(0xc0 | point >> 6));
    } else if (point < 0x10000) {
        buf_add_byte(out, (char)(0xe0 | point >> 12));
        buf_add_byte(out, (char)(0x80 | (point >> 6 & 0x3f)));
    } else {
        buf_add_byte(out, (char)(0xf0 | point >> 18));
        buf_add_byte(out, (char)(0x80 | (point >> 12 & 0x3f)));
        buf_add_byte(out, (char)(0x80 | (point >> 6 & 0x3f)));
    }
    buf_add_byte(out, (char)(0x80 | (point & 0x3f)));
}

void re2_add_literal(struct re2_parser *p, uint32_t point, size_t at)
{
    re2_begin_atom(p, RE2_ATOM_LITERAL, at);
    write_point(&p->out->pattern, point);
    if (p->plain)
        write_utf8(&p->out->literal, point);
    /* A byte of a longer code point would say little: names are ASCII mostly. */
    if (point < 0x80 && !p->folded && !p->levels[p->depth].branched)
        p->out->bytes |= re2_byte_bit((char)point);
}

/* ---- escapes ---- */

/* What people bring along from other dialects, by the letter behind the backslash. */
static const struct {
    const char *letters;
    const char *why;
} foreign_escapes[] = {
    {"123456789gk", "is a back-reference, which is not supported; match both parts "
                    "and compare them in the application"},
    {"K", "(forget what was matched) is not supported; put the part to keep into a group"},
    {"G", "(end of the last match) is not supported; use ^"},
    {"R", "(any newline) is not supported; write \\n"},
    {"XC", "is not supported; a '.' matches one code point"},
    {"hH", "(horizontal space) is not supported; write [\\t ] or [^\\t ]"},
    {"N", "(not a newline) is not supported; write [^\\n]"},
    {"V", "(vertical space) is not supported; write [^\\n\\v\\f\\r]"},
    {"Z", "(end, or before a last newline) is not supported; write \\z or $"},
    {"E", "ends a quotation that \\Q did not begin"},
    {"Q", "cannot begin a quotation inside brackets; escape each character"},
    {"eco", "is not supported; write the code point as \\x{...}"},
    {"AzbBdDsSwWpP", "does not stand for one character, so it cannot be used here"},
};

static int refuse_escape(struct re2_parser *p, size_t from)
{
    char letter = re2_peek(p, 0);
    size_t to;

    if (re2_at_end(p))
        return re2_refuse(p, from, p->at, "needs a character after it; write \\\\");
    re2_next_point(p);
    to = p->at;
    for (size_t i = 0; i < sizeof foreign_escapes / sizeof *foreign_escapes; i++)
        if (letter != '\0' && strchr(foreign_escapes[i].letters, letter) != NULL)
            return re2_refuse(p, from, to, foreign_escapes[i].why);
    return re2_refuse(p, from, to, "is not an escape; remove the backslash");
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

/* \x41 or \x{1f600}; p->at is behind the x. */
static int read_hex(struct re2_parser *p, size_t from, uint32_t *point)
{
    bool brace = re2_peek(p, 0) == '{';
    size_t n = 0;

    p->at += brace;
    *point = 0;
    while (num_hex_digit(re2_peek(p, 0)) >= 0 && (brace || n < 2) && *point <= MAX_POINT) {
        *point = *point << 4 | (uint32_t)num_hex_digit(p->text.p[p->at++]);
        n++;
    }
    if (n == 0 || (brace ? re2_peek(p, 0) != '}' : n != 2))
        return re2_refuse(p, from, p->at,
                          "requires two hexadecimal digits, or some in braces: \\x{e9}");
    p->at += brace;
    if (*point > MAX_POINT || (*point >= 0xd800 && *point <= 0xdfff))
        return re2_refuse(p, from, p->at, "is not a Unicode code point");
    return 0;
}

/* \0, \012, \123: up to three digits, and a single one other than 0 is a back-reference. */
static bool read_octal(struct re2_parser *p, uint32_t *point)
{
    char first = re2_peek(p, 0), second = re2_peek(p, 1);

    if (first < '0' || first > '7' || (first != '0' && (second < '0' || second > '7')))
        return false;
    *point = 0;
    for (int n = 0; n < 3 && re2_peek(p, 0) >= '0' && re2_peek(p, 0) <= '7'; n++)
        *point = *point << 3 | (uint32_t)(p->text.p[p->at++] - '0');
    return true;
}

/* An escape that stands for one code point; p->at is behind the backslash. */
static int read_escape(struct re2_parser *p, size_t from, uint32_t *point)
{
    static const char letters[] = "afnrtv", points[] = "\a\f\n\r\t\v";
    char c = re2_peek(p, 0);
    const char *letter = c != '\0' ? strchr(letters, c) : NULL;

    if (read_octal(p, point))
        return 0;
    if (letter != NULL)
        *point = (uint32_t)points[letter - letters];
    else if (!re2_at_end(p) && (unsigned char)c < 0x80 && !re2_is_alnum(c))
        *point = (uint32_t)c;
    else if (c != 'x')
        return refuse_escape(p, from);
    p->at++;
    return c == 'x' ? read_hex(p, from, point) : 0;
}

/*
 * Does RE2 have the property @name, which PCRE2 calls @written? PCRE2 reads names in any case, and
 * the four letters that ISO gives to each script; RE2 has only the scripts whose names are as
 * short.
 */
static bool is_property(struct slice name, struct slice written)
{
    static const char *const four[] = {"Ahom", "Cham", "Kawi", "Lisu",
                                       "Modi", "Newa", "Thai", "Toto"};
    bool full = name.len != 4;

    for (size_t i = 0; i < sizeof four / sizeof *four && !full; i++)
        full = slice_eq_str(name, four[i]);
    if (!full || !is_upper(name.p[0]) || (name.len > 1 && is_upper(name.p[1])))
        return false;
    return regex_has_property(written);
}

/* The name behind \p or \P, braces taken off, p->at behind it; len 0: none. */
static struct slice read_property(struct re2_parser *p, bool *negated)
{
    struct slice rest = slice_from(p->text, p->at);
    struct slice name = slice_of(rest.p, rest.len > 0 ? 1 : 0);
    size_t close = slice_find(rest, '}');

    if (name.len > 0 && rest.p[0] == '{' && close < rest.len)
        name = slice_of(rest.p + 1, close - 1);
    p->at += name.p == rest.p ? name.len : close + 1;
    if (name.len > 0 && name.p[0] == '^') {
        *negated = !*negated;
        name = slice_from(name, 1);
    }
    for (size_t i = 0; i < name.len; i++)
        if (!re2_is_alnum(name.p[i]) && name.p[i] != '_')
            name.len = 0;
    return name;
}

/*
 * \pL, \PL, \p{Greek}, \p{^Greek}; p->at is at the p. A name of one or two letters is a general
 * category, all others but Any are scripts: PCRE2 would take those for script extensions.
 */
static int add_property(struct re2_parser *p, size_t from)
{
    bool negated = p->text.p[p->at++] == 'P';
    struct slice name = read_property(p, &negated);
    bool category = (name.len <= 2 && !slice_eq_str(name, "Yi")) || slice_eq_str(name, "Any");
    char written[64];
    int len =
        snprintf(written, sizeof written, "%s%.*s", category ? "" : "sc:", (int)name.len, name.p);

    if (name.len == 0)
        return re2_refuse(p, from, p->at,
                          "requires a category or a script: \\pL, \\p{Lu}, \\p{Greek}");
    if (len >= (int)sizeof written || !is_property(name, slice_of(written, (size_t)len)))
        return re2_refuse(p, from, p->at,
                          "is not a category or a script; write it as Unicode does: \\pL, "
                          "\\p{Lu}, \\p{Greek}, \\p{Old_Italic}");
    buf_addf(&p->out->pattern, "\\%c{%s}", negated ? 'P' : 'p', written);
    return 0;
}

/* \Q...\E, or to the end; p->at is behind the Q. */
static void add_quoted(struct re2_parser *p)
{
    while (!re2_at_end(p)) {
        size_t at = p->at;

        if (re2_peek(p, 0) == '\\' && re2_peek(p, 1) == 'E') {
            p->at += 2;
            break;
        }
        re2_add_literal(p, re2_next_point(p), at);
    }
}

/* Escapes that are more than one code point. PCRE2's \s has the vertical tab, RE2's does not. */
static const struct {
    char letter;
    enum re2_atom atom;
    const char *written;
    const char *in_class; /* NULL: not there */
} classes[] = {
    {'A', RE2_ATOM_ASSERTION, "\\A", NULL},
    {'z', RE2_ATOM_ASSERTION, "\\z", NULL},
    {'b', RE2_ATOM_ASSERTION, "\\b", NULL},
    {'B', RE2_ATOM_ASSERTION, "\\B", NULL},
    {'d', RE2_ATOM_OTHER, "\\d", "\\d"},
    {'D', RE2_ATOM_OTHER, "\\D", "\\D"},
    {'w', RE2_ATOM_OTHER, "\\w", "\\w"},
    {'W', RE2_ATOM_OTHER, "\\W", "\\W"},
    {'s', RE2_ATOM_OTHER, "[\\t\\n\\f\\r\\x20]", "\\t\\n\\f\\r\\x20"},
    {'S', RE2_ATOM_OTHER, "[^\\t\\n\\f\\r\\x20]", "\\S\\x0b"},
};

/* Its row in `classes`, or -1; @c may be anything. */
static int find_class(char c)
{
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (classes[i].letter == c)
            return (int)i;
    return -1;
}

int re2_add_escape(struct re2_parser *p)
{
    size_t from = p->at++;
    char c = re2_peek(p, 0);
    int row = find_class(c);
    uint32_t point;
    int r;

    if (row >= 0) {
        p->at++;
        re2_begin_atom(p, classes[row].atom, from);
        buf_add_str(&p->out->pattern, classes[row].written);
        if (c == 'A' && from == 0)
            p->out->begins = p->plain = true;
        return 0;
    }
    if (c == 'Q') {
        p->at++;
        add_quoted(p);
        return 0;
    }
    if (c == 'p' || c == 'P') {
        re2_begin_atom(p, RE2_ATOM_OTHER, from);
        return add_property(p, from);
    }
    r = read_escape(p, from, &point);
    if (r == 0)
        re2_add_literal(p, point, from);
    return r;
}

/*
 * The parser stands at a backslash inside brackets. 0: a single code point was read into @point;
 * IS_CLASS: a class was read and written; -EINVAL.
 */
static int class_escape(struct re2_parser *p, uint32_t *point)
{
    size_t from = p->at++;
    char c = re2_peek(p, 0);
    int row = find_class(c);
    int r;

    if (row >= 0 && classes[row].in_class != NULL) {
        p->at++;
        buf_add_str(&p->out->pattern, classes[row].in_class);
        return IS_CLASS;
    }
    if (c == 'p' || c == 'P') {
        r = add_property(p, from);
        return r < 0 ? r : IS_CLASS;
    }
    return read_escape(p, from, point);
}

/* ---- brackets ---- */

/* The names that may stand in [: :]; PCRE2 means the same by them. */
static const char *const posix_names[] = {"alnum", "alpha", "ascii", "blank", "cntrl",
                                          "digit", "graph", "lower", "print", "punct",
                                          "space", "upper", "word",  "xdigit"};

/* The parser stands at "[:". 0: it was no named class; IS_CLASS; -EINVAL. */
static int add_posix(struct re2_parser *p)
{
    struct slice rest = slice_from(p->text, p->at);
    const char *end = memmem(rest.p + 2, rest.len - 2, ":]", 2);
    struct slice name;
    size_t len;

    if (end == NULL)
        return 0;
    len = (size_t)(end - rest.p) + 2;
    name = slice_of(rest.p + 2, len - 4);
    if (name.len > 0 && name.p[0] == '^')
        name = slice_from(name, 1);
    for (size_t i = 0; i < sizeof posix_names / sizeof *posix_names; i++)
        if (slice_eq_str(name, posix_names[i])) {
            buf_add(&p->out->pattern, rest.p, len);
            p->at += len;
            return IS_CLASS;
        }
    return re2_refuse(p, p->at, p->at + len,
                      "is not a class; there are alnum alpha ascii blank cntrl digit graph lower "
                      "print punct space upper word xdigit");
}

/* One end of a range. */
static int class_point(struct re2_parser *p, uint32_t *point)
{
    if (re2_peek(p, 0) == '\\')
        return class_escape(p, point);
    *point = re2_next_point(p);
    return 0;
}

/* A code point or a range of them; or a class behind a backslash. */
static int add_range(struct re2_parser *p)
{
    size_t from = p->at;
    uint32_t low, high;
    int r = class_point(p, &low);

    if (r != 0)
        return r < 0 ? r : 0;
    write_point(&p->out->pattern, low);
    if (re2_peek(p, 0) != '-' || re2_peek(p, 1) == ']' || p->at + 1 == p->text.len)
        return 0;
    p->at++;
    r = class_point(p, &high);
    if (r < 0)
        return r;
    if (r == IS_CLASS)
        return re2_refuse(p, from, p->at, "is not a range: a class cannot end one");
    if (high < low)
        return re2_refuse(p, from, p->at, "is a range that runs backwards; swap its ends");
    buf_add_byte(&p->out->pattern, '-');
    write_point(&p->out->pattern, high);
    return 0;
}

int re2_add_brackets(struct re2_parser *p)
{
    size_t from = p->at;
    bool negated = re2_peek(p, 1) == '^';

    re2_begin_atom(p, RE2_ATOM_OTHER, from);
    buf_add_str(&p->out->pattern, negated ? "[^" : "[");
    p->at += negated ? 2 : 1;
    /* A ']' that comes first is a member. */
    for (bool first = true; first || re2_peek(p, 0) != ']'; first = false) {
        int r = 0;

        if (re2_at_end(p))
            return re2_refuse(
                p, from, from + 1,
                "opens brackets that are not closed; for the literal character write \\[");
        if (re2_peek(p, 0) == '[' && re2_peek(p, 1) == ':')
            r = add_posix(p);
        if (r == 0)
            r = add_range(p);
        if (r < 0)
            return r;
    }
    p->at++;
    buf_add_byte(&p->out->pattern, ']');
    return 0;
}
