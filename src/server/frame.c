/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frame: see frame.h
 *
 * A frame is the length of its payload, four bytes, the lowest first, and the payload:
 *
 *      piece            piece                                piece
 *      | 05 00 00 00 a :| 1 | c   04 00 00 00 b : 2   03 00  | 00 00 c : 3
 *                    `-- kept --' `------ in place -----' `-- kept --'
 *
 * A payload that lies whole in one piece goes on as it stands; one that is spread over several is
 * put together in memory of its announced length, taken when its first byte comes and not before:
 * a peer that only announces holds nothing. Payloads are emitted in batches, and for this the one
 * put together, always the first of its piece, is kept until the end of frame_take().
 *
 * Laws: payload != NULL only if the header is whole and 0 < len < the length it tells.
 *       whole == NULL between calls.
 */
#include "server/frame.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Is the header whole, with what @in begins with? */
static bool take_header(struct frame *f, struct slice *in)
{
    size_t n = smaller(FRAME_HEADER_LEN - f->n_header, in->len);

    memcpy(f->header + f->n_header, in->p, n);
    f->n_header += (unsigned)n;
    *in = slice_from(*in, n);
    return f->n_header == FRAME_HEADER_LEN;
}

static uint32_t announced(const struct frame *f)
{
    const unsigned char *h = f->header;

    return h[0] | (uint32_t)h[1] << 8 | (uint32_t)h[2] << 16 | (uint32_t)h[3] << 24;
}

/* Add what @in has of a payload of @want bytes that does not lie in it whole. 0 or -ENOMEM. */
static int keep(struct frame *f, size_t want, struct slice *in)
{
    size_t n = smaller(want - f->len, in->len);

    if (n == 0)
        return 0;
    if (f->payload == NULL) {
        f->payload = malloc(want);
        if (f->payload == NULL)
            return -ENOMEM;
    }
    memcpy(f->payload + f->len, in->p, n);
    f->len += n;
    *in = slice_from(*in, n);
    return 0;
}

/* The next payload of @in; *@found is false when its end is still to come. */
static int next(struct frame *f, struct slice *in, struct slice *payload, bool *found)
{
    size_t want;
    int r;

    *found = false;
    if (!take_header(f, in))
        return 0;
    want = announced(f);
    if (want > FRAME_MAX_PAYLOAD)
        return FRAME_E_TOO_LONG;
    if (f->payload == NULL && in->len >= want) {
        *payload = slice_of(in->p, want);
        *in = slice_from(*in, want);
    } else {
        r = keep(f, want, in);
        if (r != 0 || f->len < want)
            return r;
        assert(f->whole == NULL);
        *payload = slice_of(f->payload, want);
        f->whole = f->payload;
        f->payload = NULL;
        f->len = 0;
    }
    f->n_header = 0;
    *found = true;
    return 0;
}

int frame_take(struct frame *f, struct slice in, frame_fn emit, void *ctx)
{
    struct slice batch[FRAME_BATCH];
    unsigned n = 0;
    int r = 0;

    while (in.len > 0 && r == 0) {
        bool found;

        r = next(f, &in, &batch[n], &found);
        n += found;
        if (n == FRAME_BATCH) {
            emit(ctx, batch, n);
            n = 0;
        }
    }
    if (n > 0)
        emit(ctx, batch, n);
    free(f->whole);
    f->whole = NULL;
    return r;
}

int frame_end(struct frame *f)
{
    int r = f->n_header > 0 ? FRAME_E_CUT : 0;

    frame_release(f);
    return r;
}

void frame_release(struct frame *f)
{
    free(f->payload);
    *f = (struct frame){0};
}
