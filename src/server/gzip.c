/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gzip: a page compressed slice by slice
 *
 * A page is made and sent in slices, so it is compressed in slices: deflate at level 1, flushed to
 * a byte's edge after each. The flush costs five bytes and keeps a law simple that the sender
 * needs: text in means bytes out, never an empty chunk.
 *
 * The window is 16 KiB and the hash table small: 96 KiB for each compressor instead of zlib's
 * 256 KiB. Measured on pages of counters this costs nothing, since neighbours resemble each other:
 * 18.2 and 7.4 times smaller, as with the full window. A smaller one would compress a little better
 * and yet cost more: each time it is full zlib goes through the whole hash table.
 *
 * Accept-Encoding is read by RFC 9110, 12.5.3: a list of codings with weights, "x-gzip" is the old
 * name of gzip, "*" stands for every coding that is not named, weight 0 means "not this one". A
 * header that names nothing we have, or does not read, means: plain. Plain is always allowed here:
 * a client that forbids it and takes no gzip either gets it all the same.
 */
#include "server/gzip.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <strings.h>
#include <zlib.h>

#define LEVEL        1
#define WINDOW_BITS  14
#define MEMORY_LEVEL 6
#define GZIP_HEADER  16 /* added to the window bits it asks for gzip's container */

#define MIN_ROOM     256

struct gzip {
    z_stream z;
    bool ended;
};

int gzip_new(struct gzip **out)
{
    struct gzip *g = calloc(1, sizeof *g);

    if (!g)
        return -ENOMEM;
    if (deflateInit2(&g->z, LEVEL, Z_DEFLATED, GZIP_HEADER + WINDOW_BITS, MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        free(g);
        return -ENOMEM;
    }
    *out = g;
    return 0;
}

void gzip_free(struct gzip *g)
{
    if (!g)
        return;
    deflateEnd(&g->z);
    free(g);
}

int gzip_add(struct gzip *g, struct slice in, bool last, struct buf *out)
{
    int flush = last ? Z_FINISH : Z_SYNC_FLUSH;
    int r;

    assert(!g->ended && in.len <= UINT_MAX);
    g->ended = last;
    if (in.len == 0 && !last)
        return 0;
    g->z.next_in = (Bytef *)in.p; /* zlib does not write there */
    g->z.avail_in = (uInt)in.len;
    /* A flush is complete when it leaves room. */
    do {
        r = buf_reserve(out, MIN_ROOM + g->z.avail_in / 4);
        if (r < 0)
            return r;
        g->z.next_out = (Bytef *)out->p + out->len;
        g->z.avail_out = (uInt)(out->cap - out->len);
        r = deflate(&g->z, flush);
        assert(r == Z_OK || r == Z_STREAM_END || r == Z_BUF_ERROR);
        out->len = out->cap - g->z.avail_out;
    } while (g->z.avail_out == 0);
    assert(g->z.avail_in == 0);
    return 0;
}

/* ---- Accept-Encoding ---- */

static bool same_word(struct slice s, const char *word)
{
    return s.len == strlen(word) && (s.len == 0 || strncasecmp(s.p, word, s.len) == 0);
}

/* Cut @rest at the first @mark: what stands before it, without the spaces round it. */
static struct slice cut(struct slice *rest, char mark)
{
    size_t at = slice_find(*rest, mark);
    struct slice part = {rest->p, at};

    *rest = at < rest->len ? slice_from(*rest, at + 1) : slice_from(*rest, at);
    return slice_trim_blanks(part);
}

/* A weight is 0 or 1, a point and at most three digits. Is it one, and above 0? */
static bool weight_positive(struct slice weight)
{
    bool positive = false;

    if (weight.len == 0 || weight.len > 5 || (weight.p[0] != '0' && weight.p[0] != '1'))
        return false;
    if (weight.len > 1 && weight.p[1] != '.')
        return false;
    for (size_t i = 0; i < weight.len; i++) {
        char c = weight.p[i];

        if (i != 1 && (c < '0' || c > '9'))
            return false;
        positive |= c >= '1' && c <= '9';
    }
    return positive;
}

/* The parameters of a coding; only q means something. */
static bool allowed(struct slice parameters)
{
    while (parameters.len) {
        struct slice value = cut(&parameters, ';');
        struct slice key = cut(&value, '=');

        if (same_word(key, "q"))
            return weight_positive(slice_trim_blanks(value));
    }
    return true;
}

bool gzip_wanted(struct slice accept_encoding)
{
    bool star = false;

    while (accept_encoding.len) {
        struct slice item = cut(&accept_encoding, ',');
        struct slice coding = cut(&item, ';');

        if (same_word(coding, "gzip") || same_word(coding, "x-gzip"))
            return allowed(item);
        if (same_word(coding, "*"))
            star = allowed(item);
    }
    return star;
}
