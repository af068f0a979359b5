/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reply: what a server of ours answers, byte by byte
 *
 * Contract: memory is bounded whatever is said: the head is, and the body is passed on as it comes.
 * A zeroed one is at the beginning.
 */
#ifndef SERVER_REPLY_H
#define SERVER_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

enum reply_part { REPLY_HEAD, REPLY_SIZE, REPLY_DATA, REPLY_DATA_END, REPLY_REST, REPLY_DONE };

struct reply {
    enum reply_part part;
    struct buf head;
    uint64_t left; /* of the chunk */
    unsigned n_digits;
};

void reply_release(struct reply *r);

/*
 * Take @bytes; those of the body go to @take, whose negative errno comes back. 0: there is more to
 * come, perhaps; -ENODATA: that was all of it; the status, if it is not 200; -EPROTO.
 */
int reply_take(struct reply *r, struct slice bytes, int (*take)(void *ctx, struct slice body),
               void *ctx);

/* Was it whole, if nothing more comes? */
bool reply_is_whole(const struct reply *r);

#endif
