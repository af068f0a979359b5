/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Joined: see joined.h
 *
 *      message  | datagram | datagram | datagram | shorter |      one sender, one size, one word of
 *                 `-size-'                                        the kernel: the size
 *
 * The kernel joins datagrams of one flow that have the same size; the last may be shorter. It is
 * the whole group that waits in the receive buffer, is dropped, or is received, and what it says of
 * the size lies among the message's control data. A message without such a word is one datagram.
 *
 * A group may be of any number of datagrams (64 of a network card, 128 of a local sender, thousands
 * of a guest that forges one), so they are handed on in batches whose size is ours.
 *
 * Laws: every byte of a message is in one datagram, in order. An empty message is one empty
 *       datagram. What was cut off a message was cut off its last datagram.
 */
#include "server/joined.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(JOINED_N_MESSAGES <= WORKER_N_CHUNKS, "each has a room");
_Static_assert(WORKER_N_CHUNKS <= UINT8_MAX, "messages are numbered by bytes");
_Static_assert(JOINED_WORD_ROOM % alignof(struct cmsghdr) == 0, "each word is aligned");

/* ---- control's side ---- */

bool joined_is_on(int fd)
{
    int on = 0;
    socklen_t len = sizeof on;

    return getsockopt(fd, SOL_UDP, UDP_GRO, &on, &len) == 0 && on != 0;
}

int joined_turn_on(int fd)
{
    int on = 1;

    return setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof on) == 0 ? 0 : -errno;
}

int joined_new(struct joined **out, struct iovec rooms[JOINED_N_MESSAGES])
{
    struct joined *j = calloc(1, sizeof *j);

    if (j == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < JOINED_N_MESSAGES; i++) {
        j->messages[i].msg_hdr.msg_iov = &rooms[i];
        j->messages[i].msg_hdr.msg_iovlen = 1;
    }
    joined_arm(j, JOINED_N_MESSAGES);
    *out = j;
    return 0;
}

void joined_free(struct joined *j)
{
    free(j);
}

/* ---- the worker's thread ---- */

void joined_arm(struct joined *j, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        j->messages[i].msg_hdr.msg_control = j->words[i];
        j->messages[i].msg_hdr.msg_controllen = sizeof j->words[i];
    }
}

/* The size of the datagrams in a message; 0: it is one. */
static size_t size_of(struct msghdr *header)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
        int size;

        if (c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_GRO)
            continue;
        memcpy(&size, CMSG_DATA(c), sizeof size);
        return size > 0 ? (size_t)size : 0;
    }
    return 0;
}

void joined_singles(const struct mmsghdr *messages, unsigned n, struct joined_batch *out)
{
    uint64_t bytes = 0;
    unsigned n_truncated = 0;

    for (unsigned i = 0; i < n; i++) {
        const struct mmsghdr *m = &messages[i];
        bool truncated = m->msg_hdr.msg_flags & MSG_TRUNC;

        out->messages[i] = (uint8_t)i;
        out->datagrams[i] = (struct bacowr_datagram){
            .p = m->msg_hdr.msg_iov->iov_base,
            .len = m->msg_len,
            .truncated = truncated,
            .padded = true,
        };
        bytes += m->msg_len;
        n_truncated += truncated;
    }
    out->n = n;
    out->bytes = bytes;
    out->n_truncated = n_truncated;
}

bool joined_next(struct joined_walk *walk, struct joined_batch *out)
{
    out->bytes = out->n_truncated = 0;
    for (out->n = 0; out->n < WORKER_N_CHUNKS && walk->i < walk->n; out->n++) {
        struct mmsghdr *m = &walk->messages[walk->i];
        size_t left = m->msg_len - walk->at;
        bool last;

        if (walk->at == 0)
            walk->size = size_of(&m->msg_hdr);
        last = walk->size == 0 || left <= walk->size;
        out->messages[out->n] = (uint8_t)walk->i;
        out->datagrams[out->n] = (struct bacowr_datagram){
            .p = (const char *)m->msg_hdr.msg_iov->iov_base + walk->at,
            .len = last ? left : walk->size,
            .truncated = last && (m->msg_hdr.msg_flags & MSG_TRUNC),
            .padded = true,
        };
        out->bytes += out->datagrams[out->n].len;
        out->n_truncated += out->datagrams[out->n].truncated;
        walk->i += last;
        walk->at = last ? 0 : walk->at + walk->size;
    }
    return out->n > 0;
}
