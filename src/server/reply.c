/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reply: see reply.h
 *
 *      head --chunked--> size --> data --> size ... 0: done
 *        `-- else: all to the end of the connection
 *
 * Only what our own servers answer is read: one chunk's size has no words behind it, and no trailer
 * follows the last.
 *
 * Laws: a head longer than HEAD_MAX is no head. A body that is cut is not whole.
 */
#include "server/reply.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/num.h"

#define HEAD_MAX 16384

void reply_release(struct reply *r)
{
    buf_release(&r->head);
}

/* "1f CR LF"; a size of 0 ends all. */
static int take_size(struct reply *r, char byte)
{
    int digit = num_hex_digit(byte);

    if (digit >= 0 && r->n_digits < 8) {
        r->n_digits++;
        r->left = r->left * 16 + (unsigned)digit;
        return 0;
    }
    if (byte == '\r')
        return 0;
    if (byte != '\n' || r->n_digits == 0)
        return -EPROTO;
    r->part = r->left > 0 ? REPLY_DATA : REPLY_DONE;
    r->n_digits = 0;
    return 0;
}

static bool ends_head(const struct buf *head)
{
    return head->len >= 4 && memcmp(head->p + head->len - 4, "\r\n\r\n", 4) == 0;
}

static bool has_chunks(const struct buf *head)
{
    static const char name[] = "\r\ntransfer-encoding: chunked\r\n";

    for (size_t at = 0; at + sizeof name - 1 <= head->len; at++)
        if (strncasecmp(head->p + at, name, sizeof name - 1) == 0)
            return true;
    return false;
}

/* 0; the status that is not 200; -EPROTO. */
static int take_head(struct reply *r, char byte)
{
    uint64_t status;

    if (r->head.len == HEAD_MAX || buf_add_byte(&r->head, byte) != 0)
        return -EPROTO;
    if (!ends_head(&r->head))
        return 0;
    if (r->head.len < 12 || memcmp(r->head.p, "HTTP/1.", 7) != 0 ||
        num_parse_u64(slice_of(r->head.p + 9, 3), 999, &status) != 0)
        return -EPROTO;
    r->part = has_chunks(&r->head) ? REPLY_SIZE : REPLY_REST;
    return status == 200 ? 0 : (int)status;
}

static int take_byte(struct reply *r, char byte)
{
    if (r->part == REPLY_HEAD)
        return take_head(r, byte);
    if (r->part == REPLY_SIZE)
        return take_size(r, byte);
    if (r->part == REPLY_DATA_END && byte == '\n')
        r->part = REPLY_SIZE;
    return 0;
}

int reply_take(struct reply *r, struct slice bytes, int (*take)(void *ctx, struct slice body),
               void *ctx)
{
    int rc = 0;

    while (rc == 0 && bytes.len > 0 && r->part != REPLY_DONE) {
        bool is_data = r->part == REPLY_DATA || r->part == REPLY_REST;
        size_t n = !is_data                                       ? 1
                   : r->part == REPLY_DATA && r->left < bytes.len ? (size_t)r->left
                                                                  : bytes.len;

        rc = is_data ? take(ctx, slice_of(bytes.p, n)) : take_byte(r, *bytes.p);
        if (rc == 0 && is_data && r->part == REPLY_DATA) {
            r->left -= n;
            r->part = r->left > 0 ? REPLY_DATA : REPLY_DATA_END;
        }
        bytes = slice_from(bytes, n);
    }
    return rc == 0 && r->part == REPLY_DONE ? -ENODATA : rc;
}

bool reply_is_whole(const struct reply *r)
{
    return r->part == REPLY_REST || r->part == REPLY_DONE;
}
