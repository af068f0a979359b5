/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guard: inputs that end at the edge of a page that may not be touched
 *
 * A parser that reads one byte past its input dies on the spot, sanitizer or not.
 */
#ifndef TESTS_LIB_GUARD_H
#define TESTS_LIB_GUARD_H

#include <stddef.h>

/* A copy of @len bytes whose last byte is the last one before a forbidden page. Read-only. */
const char *guard_copy(const void *p, size_t len);

/* Frees what guard_copy() gave; @len as there. */
void guard_free(const char *p, size_t len);

#endif
