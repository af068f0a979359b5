/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inspect: see admin_inspect.h
 *
 * Whether an object fits a line is known at its end only, so entries wait while they might:
 *
 *      {  --entries, while they fit--> text   --end--> { a: 1, b: 2 }
 *                `-- one more does not: a line for each that waited, and for each that comes
 *
 * Node's sum for n entries is 2n + 11 columns and their lengths.
 */
#include "server/admin_inspect.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/num.h"

/* ---- numbers ---- */

/* The shortest digits of a finite number above 0, and where its point stands among them. */
struct digits {
    char text[NUM_TEXT_MAX];
    int n;
    int point; /* so many digits stand before it; may be negative, or beyond the last */
};

static void take_exponent(struct digits *d, struct slice s)
{
    bool negative = s.len > 0 && s.p[0] == '-';
    int e = 0;

    for (size_t i = 1; i < s.len; i++)
        e = 10 * e + (s.p[i] - '0');
    d->point += negative ? -e : e;
}

static void read_digits(struct digits *d, double v)
{
    char text[NUM_TEXT_MAX];
    struct slice s = slice_of(text, num_print(text, v));
    size_t mantissa = slice_find(s, 'e');
    bool behind = false;

    *d = (struct digits){.n = 0};
    for (size_t i = 0; i < mantissa; i++) {
        if (text[i] == '.') {
            behind = true;
            continue;
        }
        if (d->n > 0 || text[i] != '0') {
            d->text[d->n++] = text[i];
            d->point += !behind;
        } else {
            d->point -= behind; /* 0.00 before the first digit */
        }
    }
    if (mantissa < s.len)
        take_exponent(d, slice_from(s, mantissa + 1));
    while (d->n > 1 && d->text[d->n - 1] == '0')
        d->n--;
}

static size_t add_zeros(char *out, size_t at, int n)
{
    for (; n > 0; n--)
        out[at++] = '0';
    return at;
}

static size_t print_exponent(char *out, const struct digits *d)
{
    char exponent[NUM_TEXT_MAX];
    size_t at = 0, n;

    out[at++] = d->text[0];
    if (d->n > 1) {
        out[at++] = '.';
        memcpy(out + at, d->text + 1, (size_t)d->n - 1);
        at += (size_t)d->n - 1;
    }
    out[at++] = 'e';
    out[at++] = d->point > 0 ? '+' : '-';
    n = num_print_u64(exponent, (uint64_t)(d->point > 0 ? d->point - 1 : 1 - d->point));
    memcpy(out + at, exponent, n);
    return at + n;
}

/* ECMAScript's Number::toString, for @v above 0. */
static size_t print_positive(char *out, double v)
{
    struct digits d;
    size_t at = 0;
    int before;

    read_digits(&d, v);
    if (d.point > 21 || d.point <= -6)
        return print_exponent(out, &d);
    if (d.point <= 0) {
        memcpy(out, "0.", 2);
        at = add_zeros(out, 2, -d.point);
        memcpy(out + at, d.text, (size_t)d.n);
        return at + (size_t)d.n;
    }
    before = d.n < d.point ? d.n : d.point;
    memcpy(out, d.text, (size_t)before);
    at = add_zeros(out, (size_t)before, d.point - before);
    if (before < d.n) {
        out[at++] = '.';
        memcpy(out + at, d.text + before, (size_t)(d.n - before));
        at += (size_t)(d.n - before);
    }
    return at;
}

size_t inspect_number(char out[INSPECT_NUMBER_MAX], double v)
{
    size_t sign = v < 0 || (v == 0 && signbit(v));

    if (isnan(v)) {
        memcpy(out, "NaN", 3);
        return 3;
    }
    out[0] = '-';
    if (isinf(v)) {
        memcpy(out + sign, "Infinity", 8);
        return sign + 8;
    }
    if (v == 0) {
        out[sign] = '0';
        return sign + 1;
    }
    return sign + print_positive(out + sign, fabs(v));
}

/* ---- names ---- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_word(struct slice key)
{
    for (size_t i = 0; i < key.len; i++)
        if (!is_letter(key.p[i]) && (i == 0 || key.p[i] < '0' || key.p[i] > '9'))
            return false;
    return key.len > 0;
}

static bool has(struct slice s, char c)
{
    return slice_find(s, c) < s.len;
}

/* In backticks `${` would be no text. */
static bool has_place(struct slice s)
{
    for (size_t i = 0; i + 1 < s.len; i++)
        if (s.p[i] == '$' && s.p[i + 1] == '{')
            return true;
    return false;
}

static char quote_for(struct slice key)
{
    if (!has(key, '\''))
        return '\'';
    if (!has(key, '"'))
        return '"';
    return !has(key, '`') && !has_place(key) ? '`' : '\'';
}

/* Control bytes, those of U+0080 to U+009F too. */
static void add_byte(struct buf *out, unsigned char c, char quote)
{
    static const char letters[] = "btn\0fr"; /* of 8 to 13 */

    if (c == '\\' || c == (unsigned char)quote)
        buf_addf(out, "\\%c", c);
    else if (c >= 8 && c <= 13 && letters[c - 8] != '\0')
        buf_addf(out, "\\%c", letters[c - 8]);
    else if (c < 0x20 || c == 0x7f)
        buf_addf(out, "\\x%02X", c);
    else
        buf_add_byte(out, (char)c);
}

static void add_key(struct buf *out, struct slice key)
{
    char quote = quote_for(key);

    if (is_word(key)) {
        buf_add_slice(out, key);
        return;
    }
    buf_add_byte(out, quote);
    for (size_t i = 0; i < key.len; i++) {
        unsigned char c = (unsigned char)key.p[i];
        unsigned char next = i + 1 < key.len ? (unsigned char)key.p[i + 1] : 0;

        if (c == 0xc2 && next >= 0x80 && next < 0xa0) {
            buf_addf(out, "\\x%02X", next);
            i++;
        } else {
            add_byte(out, c, quote);
        }
    }
    buf_add_byte(out, quote);
}

/* ---- the object ---- */

void inspect_begin(struct inspect *i)
{
    *i = (struct inspect){.in_lines = false};
}

static struct slice held(const struct inspect *i, unsigned at)
{
    size_t from = at > 0 ? i->ends[at - 1] : 0;

    return slice_of(i->text + from, i->ends[at] - from);
}

static bool hold(struct inspect *i, struct slice entry)
{
    unsigned n = i->n_held + 1;

    if (2 * n + 11 + i->n_text + entry.len > INSPECT_COLUMNS)
        return false;
    assert(n <= INSPECT_HELD);
    memcpy(i->text + i->n_text, entry.p, entry.len);
    i->n_text += entry.len;
    i->ends[i->n_held++] = (unsigned char)i->n_text;
    return true;
}

static void break_lines(struct inspect *i, struct buf *out)
{
    buf_add_byte(out, '{');
    for (unsigned at = 0; at < i->n_held; at++) {
        buf_add_str(out, at > 0 ? ",\n  " : "\n  ");
        buf_add_slice(out, held(i, at));
    }
    buf_add_str(out, i->n_held > 0 ? ",\n  " : "\n  ");
    i->in_lines = true;
}

void inspect_add(struct inspect *i, struct buf *out, struct slice key, struct slice value)
{
    struct buf entry = {0};

    if (i->in_lines) {
        buf_add_str(out, ",\n  ");
        add_key(out, key);
        buf_add_str(out, ": ");
        buf_add_slice(out, value);
        return;
    }
    add_key(&entry, key);
    buf_add_str(&entry, ": ");
    buf_add_slice(&entry, value);
    out->failed |= entry.failed;
    if (!hold(i, buf_slice(&entry))) {
        break_lines(i, out);
        buf_add_slice(out, buf_slice(&entry));
    }
    buf_release(&entry);
}

void inspect_end(struct inspect *i, struct buf *out)
{
    if (i->in_lines) {
        buf_add_str(out, "\n}");
        return;
    }
    buf_add_byte(out, '{');
    for (unsigned at = 0; at < i->n_held; at++) {
        buf_add_str(out, at > 0 ? ", " : " ");
        buf_add_slice(out, held(i, at));
    }
    buf_add_str(out, i->n_held > 0 ? " }" : "}");
}
