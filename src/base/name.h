/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names: what Prometheus accepts, and how other names become that
 *
 * Contract: the escaping is statsd_exporter's. A leading digit gets a '_' before it; every code
 * point outside [A-Za-z0-9_] becomes one '_', except that a '-' right after a '-' vanishes. Input
 * is valid UTF-8 (utf8_valid() has seen it). The colon is not kept.
 */
#ifndef BASE_NAME_H
#define BASE_NAME_H

#include <stdbool.h>

#include "base/slice.h"

/* The longest escape of @len bytes. */
#define NAME_ESCAPED_MAX(len) ((len) + 1)

/* Write the escaped @name, at most NAME_ESCAPED_MAX(name.len) bytes. The number of bytes. */
size_t name_escape(char *out, struct slice name);

/* Is @name already what name_escape() would make of it? */
bool name_is_plain(struct slice name);

/* Go's rules: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool utf8_valid(struct slice s);

#endif
