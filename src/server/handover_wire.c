/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hand-over, the wire: see handover_wire.h
 *
 * A message is a packet (SOCK_SEQPACKET): a head, a text, and descriptors beside them, which the
 * kernel gives to the receiver as its own. Packets keep together what belongs together, so nothing
 * is cut or put together here. What is large, the parcel, goes as one descriptor.
 *
 * Law: a descriptor that was received is in the message or closed, also when it is refused.
 */
#include "server/handover_wire.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAGIC   0x4f484342u /* "BCHO" */
#define ROOM_MS 1000        /* for the other side to take out a message */

struct head {
    uint32_t magic;
    uint32_t kind;
    uint64_t number;
    uint32_t n_fds;
    uint32_t len;
};

union control {
    char space[CMSG_SPACE(HANDOVER_MAX_FDS * sizeof(int))];
    struct cmsghdr align;
};

void handover_fill(struct handover_message *m, enum handover_kind kind, struct slice text)
{
    *m = (struct handover_message){.kind = kind};
    m->len = text.len < HANDOVER_MAX_TEXT ? (unsigned)text.len : HANDOVER_MAX_TEXT;
    if (m->len > 0)
        memcpy(m->text, text.p, m->len);
}

/* Thousands of connections go in more messages than the socket holds while the other side takes
 * them out: who does take some is waited for. */
static int send_when_room(int fd, const struct msghdr *msg)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};

    while (sendmsg(fd, msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
        if (errno == EAGAIN && poll(&p, 1, ROOM_MS) == 0)
            return -EAGAIN;
    }
    return 0;
}

int handover_send(int fd, const struct handover_message *m)
{
    struct head head = {MAGIC, m->kind, m->number, m->n_fds, m->len};
    struct iovec parts[] = {{&head, sizeof head}, {(void *)m->text, m->len}};
    struct msghdr msg = {.msg_iov = parts, .msg_iovlen = 2};
    union control control;

    assert(m->n_fds <= HANDOVER_MAX_FDS);
    memset(&control, 0, sizeof control);
    if (m->n_fds > 0) {
        struct cmsghdr *c;

        msg.msg_control = &control;
        msg.msg_controllen = CMSG_SPACE(m->n_fds * sizeof(int));
        c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(m->n_fds * sizeof(int));
        memcpy(CMSG_DATA(c), m->fds, m->n_fds * sizeof(int));
    }
    return send_when_room(fd, &msg);
}

static void take_fds(struct msghdr *msg, struct handover_message *m)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        m->n_fds = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(m->fds, CMSG_DATA(c), m->n_fds * sizeof(int));
    }
}

static bool is_well(const struct msghdr *msg, const struct head *head, size_t n,
                    const struct handover_message *m)
{
    return !(msg->msg_flags & (MSG_TRUNC | MSG_CTRUNC)) && n >= sizeof *head &&
           head->magic == MAGIC && head->kind < HANDOVER_N_KINDS && head->n_fds == m->n_fds &&
           head->len == n - sizeof *head;
}

int handover_recv(int fd, struct handover_message *m)
{
    struct head head;
    struct iovec parts[] = {{&head, sizeof head}, {m->text, sizeof m->text}};
    union control control;
    struct msghdr msg = {.msg_iov = parts,
                         .msg_iovlen = 2,
                         .msg_control = &control,
                         .msg_controllen = sizeof control};
    ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    m->n_fds = 0;
    if (n < 0)
        return errno == ECONNRESET ? -EPIPE : -errno;
    if (n == 0)
        return -EPIPE;
    take_fds(&msg, m);
    if (!is_well(&msg, &head, (size_t)n, m)) {
        handover_close_fds(m);
        return -EPROTO;
    }
    m->kind = (enum handover_kind)head.kind;
    m->number = head.number;
    m->len = head.len;
    return 0;
}

int handover_wait(int fd, struct handover_message *m, int64_t timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int r;

    do
        r = poll(&p, 1, timeout_ms < INT32_MAX ? (int)timeout_ms : INT32_MAX);
    while (r < 0 && errno == EINTR);
    if (r < 0)
        return -errno;
    return r == 0 ? -ETIMEDOUT : handover_recv(fd, m);
}

void handover_close_fds(struct handover_message *m)
{
    for (unsigned i = 0; i < m->n_fds; i++)
        close(m->fds[i]);
    m->n_fds = 0;
}

bool handover_peer_is_ours(int fd, int *pid)
{
    struct ucred peer;
    socklen_t len = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
        return false;
    *pid = peer.pid;
    return peer.uid == geteuid();
}
