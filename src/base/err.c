/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors that a person reads: what an operator wrote, where, and the way to mend it
 *
 * A message is cut rather than lost when it is too long, and never carries a control byte: what it
 * quotes may come from a file or a command line that somebody else wrote, and it ends on a
 * terminal. Bytes that are not UTF-8 are hidden too: terminals that do not speak it take some of
 * them for control characters.
 *
 * A suggestion is the nearest known word by edit distance, where swapping two neighbours counts as
 * one edit, for that is how people mistype. Near means: at most one edit in three letters, and
 * never as many as there are letters.
 */
#include "base/err.h"

#include "base/name.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Words longer than this are not mistyped settings. */
#define SUGGEST_MAX 64

/* The bytes of the code point that @text begins with; 0 when they are not UTF-8. */
static size_t code_point_len(const char *text)
{
    for (size_t len = 1; len <= strnlen(text, 4); len++) {
        if (utf8_valid(slice_of(text, len)))
            return len;
    }
    return 0;
}

/* C0, DEL, and C1, which is U+0080 to U+009F. */
static bool is_control(const char *text, size_t len)
{
    const unsigned char *c = (const unsigned char *)text;

    return len == 1 ? c[0] < 0x20 || c[0] == 0x7f : len == 2 && c[0] == 0xc2 && c[1] < 0xa0;
}

static void hide_control(char *text)
{
    while (*text) {
        size_t len = code_point_len(text);

        if (len == 0 || is_control(text, len))
            memset(text, '?', len ? len : 1);
        text += len ? len : 1;
    }
}

void err_set_args(struct err *e, const char *file, unsigned line, unsigned column, const char *fmt,
                  va_list args)
{
    if (!e)
        return;
    snprintf(e->file, sizeof e->file, "%s", file ? file : "");
    e->line = line;
    e->column = column;
    vsnprintf(e->text, sizeof e->text, fmt, args);
    hide_control(e->file);
    hide_control(e->text);
}

void err_set(struct err *e, const char *file, unsigned line, unsigned column, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    err_set_args(e, file, line, column, fmt, args);
    va_end(args);
}

void err_format(const struct err *e, char *out, size_t cap)
{
    char where[32] = "";

    if (e->line > 0 && e->column > 0)
        snprintf(where, sizeof where, "%u:%u: ", e->line, e->column);
    else if (e->line > 0)
        snprintf(where, sizeof where, "%u: ", e->line);
    snprintf(out, cap, "%s%s%s%s", e->file,
             !e->file[0] ? ""
             : where[0]  ? ":"
                         : ": ",
             where, e->text);
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned least = a < b ? a : b;

    return least < c ? least : c;
}

/*
 * Edits from @a to @b: insert, delete, replace, swap of neighbours. Three rows of the usual table
 * are enough: this one, the one above, and the one above that for the swap.
 */
static unsigned distance(const char *a, size_t n_a, const char *b, size_t n_b)
{
    unsigned rows[3][SUGGEST_MAX + 1];
    unsigned *above2 = rows[0], *above = rows[1], *row = rows[2];

    for (size_t j = 0; j <= n_b; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= n_a; i++) {
        unsigned *spare = above2;

        above2 = above;
        above = row;
        row = spare;
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= n_b; j++) {
            bool same = a[i - 1] == b[j - 1];

            row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + (same ? 0 : 1));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                row[j] > above2[j - 2] + 1)
                row[j] = above2[j - 2] + 1;
        }
    }
    return row[n_b];
}

const char *err_suggest(const char *word, const char *const *candidates, size_t n)
{
    size_t len = strlen(word);
    unsigned limit = len / 3 > 1 ? (unsigned)(len / 3) : 1;
    unsigned best = limit + 1;
    const char *nearest = NULL;

    if (len == 0 || len > SUGGEST_MAX)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        size_t other = strlen(candidates[i]);
        unsigned d;

        if (other > SUGGEST_MAX)
            continue;
        d = distance(word, len, candidates[i], other);
        if (d < best && d < len) {
            best = d;
            nearest = candidates[i];
        }
    }
    return nearest;
}
