/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON, read: see json_read.h
 *
 *      {"name":"a","n":[1,2]}
 *       `-key-' `-value: what stands there is cut out, and only its borders are looked at
 *
 * What this program writes (json.c) is what it reads; so a number is digits and letters of numbers,
 * and whoever wants one reads it himself. Brackets are counted, not remembered: that they fit is
 * the writer's business, and no harm is done where they do not.
 *
 * Laws: no byte behind the text is read. Depth is bounded; there is no recursion.
 */
#include "base/json_read.h"

#include <errno.h>

#include "base/num.h"

#define DEPTH_MAX 32

static void skip_blanks(struct slice *s)
{
    while (s->len > 0 && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
        *s = slice_from(*s, 1);
}

static bool take(struct slice *s, char c)
{
    skip_blanks(s);
    if (s->len == 0 || *s->p != c)
        return false;
    *s = slice_from(*s, 1);
    return true;
}

/* What stands before the quote that ends the string, which begins behind its quote. */
static bool take_string(struct slice *s, struct slice *out)
{
    size_t n = 0;

    while (n < s->len && s->p[n] != '"') {
        if ((unsigned char)s->p[n] < 0x20)
            return false;
        n += s->p[n] == '\\' ? 2 : 1;
    }
    if (n >= s->len)
        return false;
    *out = slice_of(s->p, n);
    *s = slice_from(*s, n + 1);
    return true;
}

/* To the bracket that ends what has begun, strings in it included. */
static bool take_nested(struct slice *s, struct slice *out)
{
    const char *begin = s->p;
    unsigned depth = 0;
    struct slice text;

    do {
        char c;

        if (s->len == 0)
            return false;
        c = *s->p;
        *s = slice_from(*s, 1);
        if (c == '"' && !take_string(s, &text))
            return false;
        if ((c == '{' || c == '[') && ++depth > DEPTH_MAX)
            return false;
        depth -= c == '}' || c == ']';
    } while (depth > 0);
    *out = slice_of(begin, (size_t)(s->p - begin));
    return true;
}

static bool is_of_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == 'E' || c == '+' || c == '-' ||
           c == '.';
}

static bool take_word(struct slice *s, struct json_value *out)
{
    size_t n = 0;

    while (n < s->len && is_of_word(s->p[n]))
        n++;
    out->text = slice_of(s->p, n);
    *s = slice_from(*s, n);
    if (slice_eq_str(out->text, "null"))
        out->kind = JSON_NULL;
    else if (slice_eq_str(out->text, "true") || slice_eq_str(out->text, "false"))
        out->kind = JSON_BOOL;
    else
        out->kind = JSON_NUMBER;
    return out->kind != JSON_NUMBER ||
           (n > 0 && (*out->text.p == '-' || (*out->text.p >= '0' && *out->text.p <= '9')));
}

static bool take_value(struct slice *s, struct json_value *out)
{
    skip_blanks(s);
    if (s->len == 0)
        return false;
    switch (*s->p) {
    case '"':
        out->kind = JSON_STRING;
        *s = slice_from(*s, 1);
        return take_string(s, &out->text);
    case '{':
    case '[':
        out->kind = *s->p == '{' ? JSON_OBJECT : JSON_ARRAY;
        return take_nested(s, &out->text);
    default:
        return take_word(s, out);
    }
}

int json_read(struct json_reader *r, struct slice text)
{
    r->rest = text;
    r->begun = false;
    return take(&r->rest, '{') ? 0 : -EINVAL;
}

int json_next(struct json_reader *r, struct slice *key, struct json_value *value)
{
    struct slice *s = &r->rest;

    if (take(s, '}')) {
        skip_blanks(s);
        return s->len == 0 ? 0 : -EINVAL;
    }
    if (r->begun && !take(s, ','))
        return -EINVAL;
    r->begun = true;
    if (!take(s, '"') || !take_string(s, key) || !take(s, ':') || !take_value(s, value))
        return -EINVAL;
    return 1;
}

/* ---- the text of a string ---- */

/* Four digits behind "\u". */
static bool read_unit(struct slice s, unsigned *out)
{
    unsigned unit = 0;

    if (s.len < 6 || s.p[0] != '\\' || s.p[1] != 'u')
        return false;
    for (unsigned i = 2; i < 6; i++) {
        int digit = num_hex_digit(s.p[i]);

        if (digit < 0)
            return false;
        unit = unit * 16 + (unsigned)digit;
    }
    *out = unit;
    return true;
}

static void add_utf8(struct buf *out, unsigned c)
{
    if (c < 0x80) {
        buf_add_byte(out, (char)c);
    } else if (c < 0x800) {
        buf_add_byte(out, (char)(0xc0 | c >> 6));
        buf_add_byte(out, (char)(0x80 | (c & 63)));
    } else if (c < 0x10000) {
        buf_add_byte(out, (char)(0xe0 | c >> 12));
        buf_add_byte(out, (char)(0x80 | (c >> 6 & 63)));
        buf_add_byte(out, (char)(0x80 | (c & 63)));
    } else {
        buf_add_byte(out, (char)(0xf0 | c >> 18));
        buf_add_byte(out, (char)(0x80 | (c >> 12 & 63)));
        buf_add_byte(out, (char)(0x80 | (c >> 6 & 63)));
        buf_add_byte(out, (char)(0x80 | (c & 63)));
    }
}

/* A number, or two of them for one code point: how many bytes they took; 0: they are none. */
static size_t add_escaped_number(struct buf *out, struct slice s)
{
    unsigned first, second;

    if (!read_unit(s, &first) || (first >= 0xdc00 && first < 0xe000))
        return 0;
    if (first < 0xd800 || first >= 0xe000) {
        add_utf8(out, first);
        return 6;
    }
    if (!read_unit(slice_from(s, 6), &second) || second < 0xdc00 || second >= 0xe000)
        return 0;
    add_utf8(out, 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
    return 12;
}

/* What stands at the backslash of @s: how many bytes it took; 0: that is no escape. */
static size_t add_escaped(struct buf *out, struct slice s)
{
    static const char letters[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    const char *at = s.len > 1 && s.p[1] != '\0' ? strchr(letters, s.p[1]) : NULL;

    if (at == NULL)
        return add_escaped_number(out, s);
    buf_add_byte(out, bytes[at - letters]);
    return 2;
}

int json_text(const struct json_value *value, struct buf *room, struct slice *out)
{
    struct slice s = value->text;

    if (value->kind != JSON_STRING)
        return -EINVAL;
    if (s.len == 0 || memchr(s.p, '\\', s.len) == NULL) {
        *out = s;
        return 0;
    }
    buf_clear(room);
    while (s.len > 0) {
        const char *backslash = memchr(s.p, '\\', s.len);
        size_t plain = backslash != NULL ? (size_t)(backslash - s.p) : s.len;
        size_t n;

        buf_add(room, s.p, plain);
        s = slice_from(s, plain);
        if (s.len == 0)
            break;
        n = add_escaped(room, s);
        if (n == 0)
            return -EINVAL;
        s = slice_from(s, n);
    }
    if (room->failed)
        return -ENOMEM;
    *out = buf_slice(room);
    return 0;
}
