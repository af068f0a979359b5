/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RE2: the expressions of mapping files, rewritten for PCRE2
 *
 * Files were written for statsd_exporter, whose expressions are Go's: RE2's syntax, no look to the
 * side, no memory of what a group took. PCRE2 reads most of it alike and some of it otherwise (\s,
 * \v, {,3}, stacked repeats, \p{Greek}), and has a great deal more. So an expression is not checked
 * and handed on: it is read by RE2's grammar and written anew, literals escaped, ranges checked.
 *
 *      ^a\.(?P<who>\S+)\Q[x]\E$   ->   ^a\.([^\t\n\f\r\x20]+)\[x\]$     names: 1 = who
 *
 * On the way four things are noted: the names of the groups, what the text must begin with, bytes
 * that it must contain somewhere, and how often the innermost thing is repeated (RE2 refuses more
 * than 1000).
 *
 * Laws: one pass, no recursion; groups nest at most 200 deep. Every byte that is written was
 *       decided here. "What it must begin with" is given up at the first thing that is not plain;
 *       "what it must contain" is given up for what stands in a branch, may be repeated no times,
 *       or stands behind a flag i.
 */
#include "mapping/re2.h"

#include "base/name.h"
#include "mapping/re2_parser.h"

#include <errno.h>
#include <stdlib.h>

#define MAX_REPEAT 1000
#define NO_MAX     UINT32_MAX

int re2_refuse(struct re2_parser *p, size_t from, size_t to, const char *why)
{
    while (to < p->text.len && (p->text.p[to] & 0xc0) == 0x80)
        to++; /* the word is shown: whole code points */
    p->fault->word = slice_of(p->text.p + from, to - from);
    p->fault->why = why;
    return -EINVAL;
}

bool re2_at_end(const struct re2_parser *p)
{
    return p->at == p->text.len;
}

char re2_peek(const struct re2_parser *p, size_t n)
{
    return n < p->text.len - p->at ? p->text.p[p->at + n] : '\0';
}

bool re2_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool re2_is_alnum(char c)
{
    return re2_is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

uint32_t re2_next_point(struct re2_parser *p)
{
    unsigned char lead = (unsigned char)p->text.p[p->at++];
    unsigned n = lead < 0xc0 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    uint32_t point = n == 0 ? lead : lead & (0x3fu >> n);

    while (n-- > 0)
        point = point << 6 | (p->text.p[p->at++] & 0x3f);
    return point;
}

void re2_begin_atom(struct re2_parser *p, enum re2_atom atom, size_t at)
{
    p->atom = atom;
    p->atom_at = at;
    p->atom_out = p->out->pattern.len;
    p->atom_literal = p->out->literal.len;
    p->atom_bytes = p->out->bytes;
    p->atom_repeats = 1;
    if (atom != RE2_ATOM_LITERAL)
        p->plain = false;
}

/* @written is what PCRE2 shall read. */
static void add_atom(struct re2_parser *p, enum re2_atom atom, size_t len, const char *written)
{
    re2_begin_atom(p, atom, p->at);
    p->at += len;
    buf_add_str(&p->out->pattern, written);
}

/* ---- repeats ---- */

/* Digits without a needless zero before them; more than a repeat may have count as MAX_REPEAT +
 * 1. */
static bool read_count(struct re2_parser *p, size_t *at, uint32_t *count)
{
    struct slice rest = slice_from(p->text, *at);
    size_t n = 0;

    *count = 0;
    for (; n < rest.len && re2_is_digit(rest.p[n]); n++)
        if (*count <= MAX_REPEAT)
            *count = *count * 10 + (uint32_t)(rest.p[n] - '0');
    *at += n;
    return n == 1 || (n > 1 && rest.p[0] != '0');
}

/* {2} {2,} {2,5} at the parser; *end is behind it. False: those braces are only text. */
static bool read_braces(struct re2_parser *p, uint32_t *min, uint32_t *max, size_t *end)
{
    size_t at = p->at + 1;

    if (!read_count(p, &at, min) || at == p->text.len)
        return false;
    *max = *min;
    if (p->text.p[at] == ',') {
        at++;
        *max = NO_MAX;
        if (at < p->text.len && p->text.p[at] != '}' && !read_count(p, &at, max))
            return false;
    }
    *end = at + 1;
    return at < p->text.len && p->text.p[at] == '}';
}

static int refuse_repeat(struct re2_parser *p, size_t end)
{
    if (p->atom == RE2_ATOM_NONE && p->at > 0 && p->text.p[p->at - 1] == '(' &&
        p->text.p[p->at] == '*')
        return re2_refuse(
            p, p->at - 1, end,
            "begins a PCRE verb, which is not supported; for a literal '*' write \\*");
    if (p->atom == RE2_ATOM_NONE)
        return re2_refuse(p, p->at, end,
                          "repeats nothing; for the character itself put a "
                          "backslash before it");
    return re2_refuse(p, p->atom_at, end,
                      end == p->at + 1 && p->text.p[p->at] == '+'
                          ? "is possessive, which is not supported; remove the last '+'"
                          : "repeats a repeat; put the inner one into a group: (?:...)");
}

/* RE2 bounds the copies of the innermost thing, over all repeats around it. */
static bool count_repeats(struct re2_parser *p, uint32_t min, uint32_t max)
{
    unsigned times = max == NO_MAX ? min : max;

    if (min > MAX_REPEAT || (max != NO_MAX && (max > MAX_REPEAT || min > max)))
        return false;
    if (max == 0)
        p->atom_repeats = 1;
    else if (times > 1)
        p->atom_repeats *= times;
    if (p->atom_repeats > p->levels[p->depth].repeats)
        p->levels[p->depth].repeats = p->atom_repeats;
    return p->atom_repeats <= MAX_REPEAT;
}

/* What is repeated is no fixed text any more. */
static void end_literal(struct re2_parser *p, uint32_t min)
{
    if (p->plain && min == 0)
        p->out->literal.len = p->atom_literal;
    if (p->plain && p->atom == RE2_ATOM_ASSERTION)
        p->out->begins = false;
    p->plain = false;
    if (min == 0)
        p->out->bytes &= p->atom_bytes;
}

/* PCRE2 does not repeat a bare assertion. They are written as two bytes at most. */
static void wrap_assertion(struct re2_parser *p)
{
    struct buf *out = &p->out->pattern;
    char assertion[2];
    size_t len = out->len - p->atom_out;

    if (out->failed)
        return;
    memcpy(assertion, out->p + p->atom_out, len);
    out->len = p->atom_out;
    buf_addf(out, "(?:%.*s)", (int)len, assertion);
}

/* The repeat at the parser ends before @end. */
static int add_repeat(struct re2_parser *p, uint32_t min, uint32_t max, size_t end)
{
    struct buf *out = &p->out->pattern;

    if (p->atom == RE2_ATOM_NONE || p->atom == RE2_ATOM_REPEATED)
        return refuse_repeat(p, end);
    if (!count_repeats(p, min, max))
        return re2_refuse(
            p, p->at, end,
            "has an invalid number of repeats: at most 1000, nested repeats multiplied");
    end_literal(p, min);
    if (p->atom == RE2_ATOM_ASSERTION)
        wrap_assertion(p);
    if (max == NO_MAX)
        buf_addf(out, "{%u,}", (unsigned)min);
    else
        buf_addf(out, "{%u,%u}", (unsigned)min, (unsigned)max);
    p->at = end;
    if (re2_peek(p, 0) == '?') {
        buf_add_byte(out, '?');
        p->at++;
    }
    p->atom = RE2_ATOM_REPEATED;
    return 0;
}

static int add_braces(struct re2_parser *p)
{
    uint32_t min, max;
    size_t end;

    if (read_braces(p, &min, &max, &end))
        return add_repeat(p, min, max, end);
    re2_add_literal(p, '{', p->at);
    p->at++;
    return 0;
}

/* ---- groups ---- */

/* What RE2 lacks, by the way it begins; a longer one stands before its own beginning. */
static const struct {
    const char *begins;
    const char *why;
} foreign_groups[] = {
    {"(?<=", "is a look-behind, which is not supported; put what precedes into the match"},
    {"(?<!", "is a look-behind, which is not supported; put an earlier rule for the exception"},
    {"(?=", "is a look-ahead, which is not supported; put what follows into the match"},
    {"(?!", "is a look-ahead, which is not supported; put an earlier rule for the exception"},
    {"(?>", "is an atomic group, which is not supported; write (?:...)"},
    {"(?|", "resets groups, which is not supported; give each branch its own groups"},
    {"(?#", "is a comment; put it into the file, after a #"},
    {"(?(", "is a conditional, which is not supported; write a rule for each case"},
    {"(?P=", "is a back-reference, which is not supported"},
    {"(?P>", "is recursion, which is not supported"},
    {"(?&", "is recursion, which is not supported"},
    {"(?R", "is recursion, which is not supported"},
    {"(?C", "is a callout, which is not supported"},
    {"(?'", "is not a group; name one with (?P<name>...)"},
    {"(?x", "is the flag x, which is not supported; write the expression in one piece"},
    {"(?^", "resets flags, which is not supported; write (?-i) or the like"},
};

static int open_group(struct re2_parser *p, size_t from)
{
    if (p->depth == RE2_MAX_DEPTH)
        return re2_refuse(p, from, p->at, "is nested too deep: at most 200 groups");
    p->levels[p->depth + 1] =
        (struct re2_level){from, 1, p->out->bytes, p->levels[p->depth].branched};
    p->depth++;
    p->atom = RE2_ATOM_NONE;
    p->plain = false;
    return 0;
}

static void add_name(struct re2 *out, struct slice name)
{
    struct slice *names = realloc(out->names, (out->n_groups + 1) * sizeof *names);

    if (names == NULL) {
        out->pattern.failed = true;
        return;
    }
    out->names = names;
    out->names[out->n_groups++] = name;
}

/* Behind "(?P<" or "(?<". The group is written without its name, which PCRE2 limits. */
static int add_named_group(struct re2_parser *p, size_t from)
{
    struct slice rest = slice_from(p->text, p->at);
    struct slice name = slice_of(rest.p, slice_find(rest, '>'));

    p->at += name.len + (name.len < rest.len);
    for (size_t i = 0; i < name.len; i++)
        if (!re2_is_alnum(name.p[i]) && name.p[i] != '_')
            name.len = 0;
    if (name.len == 0 || name.len == rest.len)
        return re2_refuse(p, from, p->at,
                          "requires a name of letters, digits and '_' and a '>': (?P<name>...)");
    for (uint32_t i = 0; i < p->out->n_groups; i++)
        if (slice_eq(p->out->names[i], name))
            return re2_refuse(p, from, p->at, "repeats the name of another group");
    buf_add_byte(&p->out->pattern, '(');
    add_name(p->out, name);
    return open_group(p, from);
}

/* (?i) (?s-m:...); the parser is behind "(?". */
static int add_flags(struct re2_parser *p, size_t from)
{
    bool minus = false, some = true;

    for (; !re2_at_end(p) && re2_peek(p, 0) != ')' && re2_peek(p, 0) != ':'; p->at++) {
        char c = re2_peek(p, 0);

        if (c == '-' ? minus : strchr("imsU", c) == NULL || c == '\0')
            break;
        p->folded |= c == 'i';
        some = c != '-';
        minus = minus || c == '-';
    }
    if (!some || (re2_peek(p, 0) != ')' && re2_peek(p, 0) != ':')) {
        if (!re2_at_end(p))
            re2_next_point(p);
        return re2_refuse(p, from, p->at,
                          "is not a supported group; those are "
                          "(...) (?:...) (?P<name>...) and the flags i m s U: (?i)");
    }
    p->atom = RE2_ATOM_NONE;
    p->plain = false;
    p->at++;
    if (!slice_eq_str(slice_of(p->text.p + from, p->at - from), "(?)"))
        buf_add(&p->out->pattern, p->text.p + from, p->at - from);
    return p->text.p[p->at - 1] == ':' ? open_group(p, from) : 0;
}

static int add_group(struct re2_parser *p)
{
    size_t from = p->at;
    struct slice rest = slice_from(p->text, from);

    for (size_t i = 0; i < sizeof foreign_groups / sizeof *foreign_groups; i++) {
        struct slice begins = slice_str(foreign_groups[i].begins);

        if (slice_starts(rest, begins))
            return re2_refuse(p, from, from + begins.len, foreign_groups[i].why);
    }
    if (slice_starts(rest, SLICE_LIT("(?P<")) || slice_starts(rest, SLICE_LIT("(?<"))) {
        p->at += re2_peek(p, 2) == 'P' ? 4 : 3;
        return add_named_group(p, from);
    }
    if (slice_starts(rest, SLICE_LIT("(?"))) {
        p->at += 2;
        return add_flags(p, from);
    }
    p->at++;
    buf_add_byte(&p->out->pattern, '(');
    add_name(p->out, slice_of(NULL, 0));
    return open_group(p, from);
}

static int close_group(struct re2_parser *p)
{
    const struct re2_level *level = &p->levels[p->depth];
    unsigned repeats = level->repeats;

    if (p->depth == 0)
        return re2_refuse(p, p->at, p->at + 1,
                          "closes no group; for the literal character write \\)");
    p->at++;
    p->atom = RE2_ATOM_OTHER;
    p->atom_at = level->open;
    p->atom_bytes = level->bytes;
    p->atom_repeats = repeats;
    p->depth--;
    if (repeats > p->levels[p->depth].repeats)
        p->levels[p->depth].repeats = repeats;
    buf_add_byte(&p->out->pattern, ')');
    return 0;
}

static void add_branch(struct re2_parser *p)
{
    if (p->depth == 0) {
        buf_clear(&p->out->literal);
        p->out->begins = false;
    }
    p->out->bytes = p->levels[p->depth].bytes;
    p->levels[p->depth].branched = true;
    buf_add_byte(&p->out->pattern, '|');
    p->at++;
    p->atom = RE2_ATOM_NONE;
    p->plain = false;
}

/* ---- the whole ---- */

static void add_caret(struct re2_parser *p)
{
    bool first = p->at == 0;

    add_atom(p, RE2_ATOM_ASSERTION, 1, "^");
    if (first)
        p->out->begins = p->plain = true;
}

static int add_next(struct re2_parser *p)
{
    size_t at = p->at;

    switch (p->text.p[at]) {
    case '(':
        return add_group(p);
    case ')':
        return close_group(p);
    case '[':
        return re2_add_brackets(p);
    case '{':
        return add_braces(p);
    case '\\':
        return re2_add_escape(p);
    case '*':
        return add_repeat(p, 0, NO_MAX, at + 1);
    case '+':
        return add_repeat(p, 1, NO_MAX, at + 1);
    case '?':
        return add_repeat(p, 0, 1, at + 1);
    case '|':
        add_branch(p);
        return 0;
    case '.':
        add_atom(p, RE2_ATOM_OTHER, 1, ".");
        return 0;
    case '$':
        add_atom(p, RE2_ATOM_ASSERTION, 1, "$");
        return 0;
    case '^':
        add_caret(p);
        return 0;
    default:
        re2_add_literal(p, re2_next_point(p), at);
        return 0;
    }
}

static int translate(struct re2_parser *p)
{
    if (!utf8_valid(p->text))
        return re2_refuse(p, 0, 0, "is not valid UTF-8");
    while (!re2_at_end(p)) {
        int r = add_next(p);

        if (r < 0)
            return r;
    }
    if (p->depth > 0)
        return re2_refuse(p, p->levels[p->depth].open, p->levels[p->depth].open + 1,
                          "opens a group that is not closed; for the literal character write \\(");
    return p->out->pattern.failed || p->out->literal.failed ? -ENOMEM : 0;
}

int re2_translate(struct re2 *out, struct slice text, struct re2_fault *fault)
{
    struct re2 re = {0};
    struct re2_parser p = {.out = &re, .fault = fault, .text = text, .plain = true};
    int r;

    p.levels[0].repeats = 1;
    r = translate(&p);
    if (r < 0)
        re2_release(&re);
    else
        *out = re;
    return r;
}

void re2_release(struct re2 *re)
{
    buf_release(&re->pattern);
    buf_release(&re->literal);
    free(re->names);
    *re = (struct re2){0};
}
