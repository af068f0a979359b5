/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stream: the bytes of one connection, cut into whole lines
 *
 * Contract: no I/O. A zeroed struct is a stream at its beginning. Memory is held only while a line
 * is unfinished, and then STREAM_MAX_LINE bytes.
 */
#ifndef SERVER_STREAM_H
#define SERVER_STREAM_H

#include <stddef.h>

#include "base/slice.h"

/* The longest line that is taken, its LF included, unless another one is named: statsd_exporter's
 * limit. */
#define STREAM_MAX_LINE 4096

enum stream_outcome {
    STREAM_E_TOO_LONG = 1, /* as many bytes without an LF: the connection must end */
};

struct stream {
    char *partial; /* owned; the unfinished line, or NULL when there is none */
    size_t len;
    size_t max; /* of a line with its LF; 0: STREAM_MAX_LINE */
};

/*
 * Whole lines, each with its LF but the one that stream_end() gives: @head is the line that an
 * earlier piece began (empty when there was none), @body those of this piece, in order. Both are
 * borrowed during the call; not both are empty.
 */
typedef void (*stream_fn)(void *ctx, struct slice head, struct slice body);

/*
 * Take the next piece, @in (borrowed); @emit is called at most once. 0; STREAM_E_TOO_LONG: what
 * stood before the long line was emitted; -ENOMEM: the same, and the unfinished line is lost.
 */
int stream_take(struct stream *s, struct slice in, stream_fn emit, void *ctx);

/* The stream ended in good order: a last line without LF is one nevertheless, as @head. */
void stream_end(struct stream *s, stream_fn emit, void *ctx);

void stream_release(struct stream *s); /* forgets the unfinished line; accepts a zeroed one */

#endif
