/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frame: the bytes of one connection, cut into DogStatsD's frames
 *
 * Contract: no I/O. A zeroed struct is a connection at its beginning. Memory is held only while a
 * payload is unfinished, and then as much as its frame announced.
 */
#ifndef SERVER_FRAME_H
#define SERVER_FRAME_H

#include <stddef.h>

#include "base/slice.h"

#define FRAME_HEADER_LEN  4
#define FRAME_MAX_PAYLOAD 65536

/* Payloads that are emitted at once, at most. */
#define FRAME_BATCH       32

enum frame_outcome {
    FRAME_E_TOO_LONG =
        1,       /* a frame announced more than FRAME_MAX_PAYLOAD: the connection must end */
    FRAME_E_CUT, /* the stream ended within a frame */
};

struct frame {
    char *payload; /* owned; the unfinished one, or NULL while there is nothing of it */
    size_t len;    /* of it, so far */
    char *whole;   /* owned; while frame_take() runs: the payload that an earlier piece began */
    unsigned char header[FRAME_HEADER_LEN];
    unsigned n_header; /* bytes of it, so far */
};

/* @n payloads in their order, 1 to FRAME_BATCH, borrowed during the call. Some may be empty. */
typedef void (*frame_fn)(void *ctx, const struct slice *payloads, unsigned n);

/*
 * Take the next piece, @in (borrowed). 0; FRAME_E_TOO_LONG or -ENOMEM: the frames before that one
 * were emitted, and only frame_release() may follow.
 */
int frame_take(struct frame *f, struct slice in, frame_fn emit, void *ctx);

/* The stream ended. 0; FRAME_E_CUT: what there was of a last frame is gone. */
int frame_end(struct frame *f);

void frame_release(struct frame *f); /* accepts a zeroed one */

#endif
