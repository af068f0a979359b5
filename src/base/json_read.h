/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON, read: the members of an object, one after the other
 *
 * Contract: views into the text, nothing is allocated; any bytes are safe to give. Numbers and
 * lists come as they are written, for who knows what they are.
 */
#ifndef BASE_JSON_READ_H
#define BASE_JSON_READ_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/slice.h"

enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json_value {
    enum json_kind kind;
    struct slice text; /* as it is written; of a string what stands between the quotes */
};

struct json_reader {
    struct slice rest;
    bool begun;
};

/* Begin to read an object: 0, or -EINVAL when @text begins none. */
int json_read(struct json_reader *r, struct slice text);

/*
 * The next member; its key as it is written. 1; 0: that was all, and nothing but blanks stands
 * behind the object; -EINVAL: that is no JSON, or deeper than 32 brackets.
 */
int json_next(struct json_reader *r, struct slice *key, struct json_value *value);

/*
 * The text of a string: @value's own where nothing is escaped in it, else put together in @room,
 * which is cleared. 0; -EINVAL: it is no string, or no UTF-16 is behind an escape; -ENOMEM.
 */
int json_text(const struct json_value *value, struct buf *room, struct slice *out);

#endif
