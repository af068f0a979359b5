/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: HTTP requests
 *
 * The input is what a client sends on one connection; its requests are read one after the other.
 * It is read twice, whole and in small pieces of lengths that the input itself gives, and both
 * must find the same: the cut into reads is the network's, and must mean nothing.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/gzip.h"
#include "server/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct request by_whole;
static struct request by_piece;

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* Read one request in pieces from memory of just their length. */
static enum request_outcome read_pieces(struct request *r, struct slice in, size_t *used)
{
    enum request_outcome outcome = REQUEST_MORE;

    request_init(r);
    *used = 0;
    while (outcome == REQUEST_MORE && *used < in.len) {
        size_t left = in.len - *used;
        size_t len = 1 + (unsigned char)in.p[*used] % 7;
        size_t taken;
        char *piece;

        if (*used > 2048)
            len *= 512; /* a long body need not take long */
        if (len > left)
            len = left;
        piece = malloc(len);
        require(piece != NULL);
        memcpy(piece, in.p + *used, len);
        outcome = request_feed(r, slice_of(piece, len), &taken);
        free(piece);
        require(taken <= len && (outcome != REQUEST_MORE || taken == len));
        *used += taken;
    }
    return outcome;
}

static void require_same(const struct request *a, const struct request *b)
{
    require(a->method == b->method && a->http11 == b->http11 && a->keep_alive == b->keep_alive);
    require(slice_eq(request_path(a), request_path(b)));
    require(slice_eq(request_query(a), request_query(b)) && a->query_cut == b->query_cut);
    require(slice_eq(request_host(a), request_host(b)) && a->forwarded == b->forwarded);
    require(slice_eq(request_origin(a), request_origin(b)));
    require(slice_eq(request_accept(a), request_accept(b)));
    require(slice_eq(request_accept_encoding(a), request_accept_encoding(b)));
    require(slice_eq(request_authorization(a), request_authorization(b)));
    require(a->has_origin == b->has_origin && a->forwarded == b->forwarded);
    require(gzip_wanted(request_accept_encoding(a)) == gzip_wanted(request_accept_encoding(b)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = {(const char *)data, size};
    enum request_outcome outcome = REQUEST_DONE;

    while (outcome == REQUEST_DONE && rest.len) {
        size_t used;
        size_t used_in_pieces;

        request_init(&by_whole);
        outcome = request_feed(&by_whole, rest, &used);
        require(read_pieces(&by_piece, rest, &used_in_pieces) == outcome);
        require(by_whole.status == by_piece.status);
        require((outcome == REQUEST_BAD) == (by_whole.status != 0));
        if (outcome == REQUEST_DONE) {
            require(used > 0 && used == used_in_pieces);
            require_same(&by_whole, &by_piece);
        }
        rest = slice_from(rest, used);
    }
    return 0;
}
