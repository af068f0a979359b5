/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors that a person reads: what an operator wrote, where, and the way to mend it
 *
 * Contract: the caller owns the struct; nothing in it is borrowed. `line` and `column` count from
 * 1; 0 means "not known". The text is one sentence that names the offending word and the remedy.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdarg.h>
#include <stddef.h>

struct err {
    char file[256]; /* "" when there is none */
    unsigned line;
    unsigned column;
    char text[768];
};

/* Where an error or a warning goes that is not the caller's only result. Borrows @e. */
typedef void (*err_fn)(void *ctx, const struct err *e);

/* Overwrites @e (NULL is allowed); @file may be NULL. */
void err_set(struct err *e, const char *file, unsigned line, unsigned column, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* Likewise, for who has a list of arguments himself. */
void err_set_args(struct err *e, const char *file, unsigned line, unsigned column, const char *fmt,
                  va_list args) __attribute__((format(printf, 5, 0)));

/* "file:line:column: text", parts that are not known left out; always NUL-terminated. */
void err_format(const struct err *e, char *out, size_t cap);

/*
 * The candidate nearest to @word by edit distance, or NULL when none is near enough to suggest.
 * @candidates: @n NUL-terminated strings.
 */
const char *err_suggest(const char *word, const char *const *candidates, size_t n);

#endif
