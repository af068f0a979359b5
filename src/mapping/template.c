/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Template: text with references to what a pattern captured
 *
 * A template is read once, when its rule is loaded; filling it is a walk over pieces. The dialects
 * are those that mapping files have been written in, with their edges:
 *
 *   globs    $1 ${1} $1} ${1     the longest run of letters, digits, '_' and '$' is the reference,
 *                                each brace may be missing; a run that is not the decimal number of
 *                                a `*` ($1_x, $0, $$1, $name) gives nothing; a '$' before anything
 *                                else is itself
 *   regexes  $1 ${1} $name $$    the longest run of Unicode letters, digits and '_'; an unknown
 *                                group gives nothing; $$ is one '$'; what is malformed is itself
 *
 * Laws: a piece of text is never looked at again, so neither '%' nor what a sender writes into a
 *       capture can become a reference. "$1" is no part of "$10".
 */
#include "mapping/template.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#define NO_CAPTURE UINT32_MAX
#define DOLLAR     (UINT32_MAX - 1) /* "$$": no capture, but a '$' */
#define MAX_NUMBER 100000000u       /* Go reads no more digits than make this a group's number */

/* What stands at a '$'. */
struct reference {
    size_t len;       /* bytes, the '$' included */
    uint32_t capture; /* or NO_CAPTURE, or DOLLAR */
};

/*
 * Read the reference that @at, which begins with '$', begins with. 1; 0 when that '$' is only text;
 * or -ENOMEM. @pattern is what the dialect looks its captures up in.
 */
typedef int (*read_fn)(struct slice at, const void *pattern, struct reference *out);

static int add_piece(struct template *t, struct template_piece piece)
{
    struct template_piece *pieces = realloc(t->pieces, (t->n_pieces + 1) * sizeof *pieces);

    if (pieces == NULL)
        return -ENOMEM;
    t->pieces = pieces;
    t->pieces[t->n_pieces++] = piece;
    return 0;
}

static int add_text(struct template *t, struct slice text)
{
    assert(text.len <= UINT32_MAX);
    return text.len > 0 ? add_piece(t, (struct template_piece){text.p, (uint32_t)text.len, 0}) : 0;
}

/* @text is the reference as it is written. */
static int add_reference(struct template *t, struct slice text, uint32_t capture)
{
    if (capture == DOLLAR)
        return add_text(t, slice_of(text.p, 1));
    if (capture != NO_CAPTURE)
        return add_piece(t, (struct template_piece){.capture = capture});
    if (t->unknown.len == 0)
        t->unknown = text;
    return 0;
}

static int read_pieces(struct template *t, struct slice text, read_fn read, const void *pattern)
{
    size_t begin = 0; /* of text that is no piece yet */
    size_t at = slice_find(text, '$');

    while (at < text.len) {
        struct slice rest = slice_from(text, at);
        struct reference reference;
        int r = read(rest, pattern, &reference);

        if (r > 0) {
            r = add_text(t, slice_of(text.p + begin, at - begin));
            if (r == 0)
                r = add_reference(t, slice_of(rest.p, reference.len), reference.capture);
            begin = at += reference.len;
        } else {
            at++;
        }
        if (r < 0)
            return r;
        at += slice_find(slice_from(text, at), '$');
    }
    return add_text(t, slice_from(text, begin));
}

static int compile(struct template *out, struct slice text, read_fn read, const void *pattern)
{
    struct template t = {0};
    int r = read_pieces(&t, text, read, pattern);

    if (r < 0)
        template_release(&t);
    else
        *out = t;
    return r;
}

/* Plain decimal digits below MAX_NUMBER. */
static bool read_number(struct slice digits, uint32_t *out)
{
    uint32_t n = 0;

    for (size_t i = 0; i < digits.len; i++) {
        if (digits.p[i] < '0' || digits.p[i] > '9' || n >= MAX_NUMBER)
            return false;
        n = n * 10 + (uint32_t)(digits.p[i] - '0');
    }
    *out = n;
    return digits.len > 0;
}

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* ---- globs ---- */

static int glob_reference(struct slice at, const void *pattern, struct reference *out)
{
    const size_t *n_stars = pattern;
    size_t begin = at.len > 1 && at.p[1] == '{' ? 2 : 1;
    size_t end = begin;
    uint32_t number;

    while (end < at.len && (is_word(at.p[end]) || at.p[end] == '$'))
        end++;
    if (end == begin)
        return 0;
    out->capture = NO_CAPTURE;
    if (read_number(slice_of(at.p + begin, end - begin), &number) && number >= 1 &&
        number <= *n_stars)
        out->capture = number - 1;
    out->len = end < at.len && at.p[end] == '}' ? end + 1 : end;
    return 1;
}

int template_compile_glob(struct template *out, struct slice text, size_t n_stars)
{
    return compile(out, text, glob_reference, &n_stars);
}

/* ---- regexes ---- */

/* Bytes of the run of letters, digits and '_' that @text begins with. 0 or -ENOMEM. */
static int word_len(struct slice text, size_t *out)
{
    size_t n = 0;

    while (n < text.len && is_word(text.p[n]))
        n++;
    *out = n;
    /* Which letters there are beyond ASCII only the regex library knows. */
    return n < text.len && (unsigned char)text.p[n] >= 0x80 ? regex_word_len(text, out) : 0;
}

static uint32_t group_of(const struct regex *regex, struct slice name)
{
    bool padded = name.len > 1 && name.p[0] == '0';
    uint32_t number;

    if (padded || !read_number(name, &number))
        number = regex_group(regex, name);
    return number <= regex_n_groups(regex) ? number : NO_CAPTURE;
}

static int regex_reference(struct slice at, const void *pattern, struct reference *out)
{
    bool brace = at.len > 1 && at.p[1] == '{';
    struct slice name = slice_from(at, brace ? 2 : 1);
    size_t end;
    int r;

    if (at.len > 1 && at.p[1] == '$') {
        *out = (struct reference){2, DOLLAR};
        return 1;
    }
    r = word_len(name, &end);
    if (r < 0)
        return r;
    if (end == 0 || (brace && (end == name.len || name.p[end] != '}')))
        return 0;
    out->capture = group_of(pattern, slice_of(name.p, end));
    out->len = end + (brace ? 3 : 1);
    return 1;
}

int template_compile_regex(struct template *out, struct slice text, const struct regex *regex)
{
    return compile(out, text, regex_reference, regex);
}

/* ---- filling ---- */

void template_release(struct template *t)
{
    free(t->pieces);
    *t = (struct template){0};
}

int template_fill(const struct template *t, const struct slice *captures, struct buf *out)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < t->n_pieces; i++) {
        const struct template_piece *piece = &t->pieces[i];

        r = buf_add_slice(out, piece->p != NULL ? slice_of(piece->p, piece->len)
                                                : captures[piece->capture]);
    }
    return r;
}
