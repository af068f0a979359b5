/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON: a writer of objects, piece by piece
 *
 *      json_object(&j, NULL)          {
 *      json_str(&j, "line", "x")      "line":"x"
 *      json_array(&j, "samples")      ,"samples":[
 *      json_end_array(&j)             ]
 *      json_end_object(&j)            }
 *
 * No stack of what is open is kept: whether a comma is due depends only on what was written last.
 *
 * Laws: a string is valid JSON whatever bytes it was: one that is no part of UTF-8 becomes U+FFFD;
 *       control characters (DEL and C1 included: a terminal may obey them) become escapes, and so
 *       do the separators U+2028 and U+2029: some readers end a line there. A number that JSON has
 *       no word for goes as text.
 */
#include "base/json.h"

#include <math.h>

#include "base/name.h"
#include "base/num.h"

/* ---- strings ---- */

/* The bytes of the code point at the start of @s; 0 when they are not UTF-8. */
static size_t code_point_len(struct slice s)
{
    for (size_t len = 1; len <= 4 && len <= s.len; len++) {
        if (utf8_valid(slice_of(s.p, len)))
            return len;
    }
    return 0;
}

static size_t put_unicode(char *out, unsigned c)
{
    static const char digits[] = "0123456789abcdef";

    out[0] = '\\';
    out[1] = 'u';
    for (unsigned i = 0; i < 4; i++)
        out[2 + i] = digits[c >> (12 - 4 * i) & 15];
    return 6;
}

/* The letter that stands for @c behind a backslash, or 0. */
static char short_escape(char c)
{
    static const char bytes[] = "\"\\\n\r\t", letters[] = "\"\\nrt";
    const char *at = c != '\0' ? strchr(bytes, c) : NULL;

    return at ? letters[at - bytes] : '\0';
}

#define SAFE 0xffffu

/* The number of the code point @s where it has to be written as a number, else SAFE. */
static unsigned unsafe_code_point(struct slice s)
{
    unsigned char c = (unsigned char)s.p[0];

    if (c < 0x20 || c == 0x7f)
        return c;
    if (s.len == 2 && c == 0xc2 && (unsigned char)s.p[1] < 0xa0)
        return (unsigned char)s.p[1];
    if (s.len == 3 && memcmp(s.p, "\xe2\x80\xa8", 3) == 0)
        return 0x2028;
    if (s.len == 3 && memcmp(s.p, "\xe2\x80\xa9", 3) == 0)
        return 0x2029;
    return SAFE;
}

size_t json_escape(char out[JSON_PIECE_MAX], size_t *n_out, struct slice s)
{
    size_t len = code_point_len(s);
    unsigned unsafe = unsafe_code_point(slice_of(s.p, len > 0 ? len : 1));
    char letter = short_escape(s.p[0]);

    if (letter != '\0') {
        out[0] = '\\';
        out[1] = letter;
        *n_out = 2;
    } else if (unsafe != SAFE) {
        *n_out = put_unicode(out, unsafe);
    } else {
        memcpy(out, s.p, *n_out = len);
    }
    return len;
}

static void put_text(struct json *j, struct slice s)
{
    buf_add_byte(j->out, '"');
    while (s.len > 0) {
        char piece[JSON_PIECE_MAX];
        size_t n, taken = json_escape(piece, &n, s);

        if (taken > 0)
            buf_add(j->out, piece, n);
        else
            buf_add_str(j->out, "\\ufffd");
        s = slice_from(s, taken > 0 ? taken : 1);
    }
    buf_add_byte(j->out, '"');
}

/* ---- structure ---- */

void json_key(struct json *j, struct slice key)
{
    if (j->more)
        buf_add_byte(j->out, ',');
    put_text(j, key);
    buf_add_byte(j->out, ':');
    j->more = false;
}

/* What stands before a value. */
static void begin(struct json *j, const char *key)
{
    if (key)
        json_key(j, slice_str(key));
    else if (j->more)
        buf_add_byte(j->out, ',');
    j->more = true;
}

static void open_bracket(struct json *j, const char *key, char bracket)
{
    begin(j, key);
    buf_add_byte(j->out, bracket);
    j->more = false;
}

static void close_bracket(struct json *j, char bracket)
{
    buf_add_byte(j->out, bracket);
    j->more = true;
}

void json_object(struct json *j, const char *key)
{
    open_bracket(j, key, '{');
}

void json_array(struct json *j, const char *key)
{
    open_bracket(j, key, '[');
}

void json_end_object(struct json *j)
{
    close_bracket(j, '}');
}

void json_end_array(struct json *j)
{
    close_bracket(j, ']');
}

/* ---- values ---- */

void json_null(struct json *j, const char *key)
{
    begin(j, key);
    buf_add_str(j->out, "null");
}

void json_bool(struct json *j, const char *key, bool v)
{
    begin(j, key);
    buf_add_str(j->out, v ? "true" : "false");
}

void json_u64(struct json *j, const char *key, uint64_t v)
{
    begin(j, key);
    buf_add_u64(j->out, v);
}

void json_double(struct json *j, const char *key, double v)
{
    char text[NUM_TEXT_MAX];
    struct slice s = {text, num_print(text, v)};

    begin(j, key);
    if (isfinite(v))
        buf_add_slice(j->out, s);
    else
        put_text(j, s);
}

void json_slice(struct json *j, const char *key, struct slice text)
{
    begin(j, key);
    put_text(j, text);
}

void json_str(struct json *j, const char *key, const char *text)
{
    if (text)
        json_slice(j, key, slice_str(text));
    else
        json_null(j, key);
}
