/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Status client: see status_client.h
 *
 * A connection of its own, which ends with the answer. The document is held whole, for its members
 * come in no order that is promised. One who asks does so beside what he is there for, so no fault
 * is told: an older server, one that is gone, or one that says nonsense is a number not known.
 *
 * Law: what a server says is foreign: no more of it is held than DOCUMENT_MAX.
 */
#include "server/status_client.h"

#include <errno.h>

#include "base/json_read.h"
#include "base/num.h"
#include "server/reply.h"

#define LIMIT_MS     2000
#define DOCUMENT_MAX (1u << 20)

static int keep(void *ctx, struct slice body)
{
    struct buf *document = ctx;

    if (document->len + body.len > DOCUMENT_MAX)
        return -EFBIG;
    return buf_add_slice(document, body);
}

static int receive(struct client *c, struct buf *document)
{
    struct reply reply = {0};
    int got, r;

    do {
        got = client_receive(c);
        r = got < 0 ? got : reply_take(&reply, buf_slice(&c->text), keep, document);
        buf_clear(&c->text);
    } while (r == 0 && got > 0);
    if (r == 0 && reply_is_whole(&reply))
        r = -ENODATA;
    reply_release(&reply);
    return r == -ENODATA ? 0 : r != 0 ? r : -ECONNRESET;
}

static bool number_in(struct slice document, const char *name, uint64_t *out)
{
    struct json_reader r;
    struct json_value value;
    struct slice key;

    if (json_read(&r, document) != 0)
        return false;
    while (json_next(&r, &key, &value) == 1) {
        if (slice_eq_str(key, name))
            return value.kind == JSON_NUMBER && num_parse_u64(value.text, UINT64_MAX, out) == 0;
    }
    return false;
}

bool status_client_number(const struct client_url *url, const struct client_identity *identity,
                          const char *name, uint64_t *out)
{
    struct buf document = {0};
    struct client c;
    struct err e;
    bool told;
    int r = client_connect(&c, url, identity, LIMIT_MS, &e);

    if (r == 0)
        r = client_get(&c, url, identity, SLICE_LIT("/api/v1/status"));
    if (r == 0)
        r = receive(&c, &document);
    client_close(&c);
    told = r == 0 && number_in(buf_slice(&document), name, out);
    buf_release(&document);
    return told;
}
