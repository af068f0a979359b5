/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON: a writer of objects, piece by piece
 *
 * Contract: appends to a buffer, whose sticky failure is looked at once at the end. Whoever calls
 * opens and closes in order and gives each member of an object its key; commas come by themselves.
 * Whatever bytes come in, valid JSON in UTF-8 goes out, without a control character in it.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

struct json {
    struct buf *out; /* borrowed */
    bool more;       /* something stands before in this object or array */
};

/* Begin at the end of @out. */
static inline struct json json_writer(struct buf *out)
{
    return (struct json){.out = out};
}

/*
 * Each function that takes a @key writes it before its value; NULL in an array, after json_key(),
 * and for the outermost value.
 */
void json_object(struct json *j, const char *key); /* opens it */
void json_array(struct json *j, const char *key);
void json_end_object(struct json *j);
void json_end_array(struct json *j);

/* A key that is not known before; the value comes with the next call. */
void json_key(struct json *j, struct slice key);

void json_null(struct json *j, const char *key);
void json_bool(struct json *j, const char *key, bool v);
void json_u64(struct json *j, const char *key, uint64_t v);
void json_double(struct json *j, const char *key, double v); /* "NaN", "+Inf", "-Inf" as text */
void json_slice(struct json *j, const char *key, struct slice text);
void json_str(struct json *j, const char *key, const char *text); /* null for NULL */

/* The longest piece that json_escape() writes. */
#define JSON_PIECE_MAX 6

/*
 * Write the first code point of @s, which is not empty, as it stands within a string; its length
 * goes to @n_out. The bytes of @s that it was; 0, and nothing is written, when they are no UTF-8.
 */
size_t json_escape(char out[JSON_PIECE_MAX], size_t *n_out, struct slice s);

#endif
