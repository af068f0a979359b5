/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buffer: bytes that grow at the end
 *
 * Pages, explanations and messages are written by code that appends many small pieces. That code
 * would be half error handling if every append had to be looked at, so a failure is remembered
 * here: the buffer stops growing, keeps the bytes that it had, and says so at the end.
 *
 * Laws: len <= cap; nothing is appended once `failed` is set; a piece is appended whole or not at
 *       all. Memory at least doubles when it grows, so appending is linear over a page's life.
 */
#include "base/buf.h"

#include "base/num.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define FIRST_CAP 256

void buf_release(struct buf *b)
{
    if (!b)
        return;
    free(b->p);
    *b = (struct buf){0};
}

void buf_clear(struct buf *b)
{
    b->len = 0;
}

static int fail(struct buf *b)
{
    b->failed = true;
    return -ENOMEM;
}

/* The capacity for @need bytes: the doubled one where that is enough. */
static size_t next_cap(const struct buf *b, size_t need)
{
    size_t cap = b->cap ? b->cap : FIRST_CAP / 2;

    if (cap <= SIZE_MAX / 2 && cap * 2 > need)
        return cap * 2;
    return need;
}

int buf_reserve(struct buf *b, size_t more)
{
    size_t cap;
    char *p;

    assert(b->len <= b->cap);
    if (b->failed)
        return -ENOMEM;
    if (more <= b->cap - b->len)
        return 0;
    if (more > SIZE_MAX - b->len)
        return fail(b);
    cap = next_cap(b, b->len + more);
    p = realloc(b->p, cap);
    if (!p)
        return fail(b);
    b->p = p;
    b->cap = cap;
    return 0;
}

void buf_fit(struct buf *b)
{
    char *p = b->len > 0 ? realloc(b->p, b->len) : NULL;

    if (p == NULL)
        return;
    b->p = p;
    b->cap = b->len;
}

int buf_add(struct buf *b, const void *p, size_t len)
{
    int r = buf_reserve(b, len);

    if (r < 0)
        return r;
    if (len > 0)
        memcpy(b->p + b->len, p, len);
    b->len += len;
    return 0;
}

int buf_add_slice(struct buf *b, struct slice s)
{
    return buf_add(b, s.p, s.len);
}

int buf_add_str(struct buf *b, const char *text)
{
    return buf_add(b, text, strlen(text));
}

int buf_add_byte(struct buf *b, char byte)
{
    return buf_add(b, &byte, 1);
}

int buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list args;
    int n, r;

    va_start(args, fmt);
    n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0)
        return fail(b);
    /* vsnprintf writes a terminator; it stays behind the end and is overwritten. */
    r = buf_reserve(b, (size_t)n + 1);
    if (r < 0)
        return r;
    va_start(args, fmt);
    vsnprintf(b->p + b->len, (size_t)n + 1, fmt, args);
    va_end(args);
    b->len += (size_t)n;
    return 0;
}

int buf_add_double(struct buf *b, double v)
{
    int r = buf_reserve(b, NUM_TEXT_MAX);

    if (r < 0)
        return r;
    b->len += num_print(b->p + b->len, v);
    return 0;
}

int buf_add_u64(struct buf *b, uint64_t v)
{
    int r = buf_reserve(b, NUM_TEXT_MAX);

    if (r < 0)
        return r;
    b->len += num_print_u64(b->p + b->len, v);
    return 0;
}
