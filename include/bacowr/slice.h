/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slice: a borrowed run of bytes
 *
 * Text enters the program as pointer and length, by value. It is never NUL-terminated by promise
 * and never written to. Whoever hands out a slice says what must outlive it.
 */
#ifndef BACOWR_SLICE_H
#define BACOWR_SLICE_H

#include <stddef.h>

struct slice {
    const char *p; /* may be NULL when len is 0 */
    size_t len;
};

/* A file that somebody has read: its name, for messages, and what is in it. */
struct bacowr_text {
    const char *file; /* may be NULL */
    struct slice text;
};

#endif
