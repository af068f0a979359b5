/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ingest: see ingest.h
 *
 * libuv's receive callback means four things. With UV_UDP_RECVMMSG one system call's datagrams
 * come as chunks of one buffer, then the buffer comes back:
 *
 *      flags has MMSG_CHUNK               a datagram; its bytes stay until the buffer is free
 *      flags has MMSG_FREE                that was all of the call: the batch goes to the engine
 *      no flag, an address                a datagram alone (a kernel without recvmmsg)
 *      no flag, no address, nread 0       the socket is empty
 *
 * nread 0 with an address is an empty datagram, which is normal and counts as one empty line.
 * libuv leaves a socket that is never empty after some forty datagrams, so that the loop's other
 * sockets get their turn; the backlog flag tells the worker not to pause then.
 *
 * Laws: only what was received is walked, never the room for it. A receive error is counted and
 *       reception goes on. SO_REUSEADDR is never set: on Linux it would let any program of the
 *       same user bind beside us and take the traffic.
 */
#include "server/ingest.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

_Static_assert(offsetof(struct ingest, udp) % WORKER_CACHE_LINE == 0 &&
                   offsetof(struct ingest, address) % WORKER_CACHE_LINE == 0,
               "what one thread writes shares no line with what the other writes");

/* ---- the worker's thread ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct ingest *in = handle->data;

    *buf = uv_buf_init(in->worker->chunks, WORKER_N_CHUNKS * WORKER_CHUNK_SIZE);
}

static void feed(struct ingest *in)
{
    if (in->n_batch > 0)
        worker_feed(in->worker, in->batch, in->n_batch);
    in->n_batch = 0;
}

static void set_backlog(struct ingest *in, bool backlog)
{
    if (in->backlog == backlog)
        return;
    in->backlog = backlog;
    if (backlog)
        in->worker->n_backlog++;
    else
        in->worker->n_backlog--;
}

static void take(struct ingest *in, const char *p, size_t len, bool truncated)
{
    assert(in->n_batch < WORKER_N_CHUNKS);
    in->batch[in->n_batch++] = (struct bacowr_datagram){.p = p, .len = len, .truncated = truncated};
    in->worker->received = true;
    set_backlog(in, true);
    relaxed_add(&in->counters.datagrams, 1);
    relaxed_add(&in->counters.bytes, len);
    if (truncated)
        relaxed_add(&in->counters.truncated, 1);
}

/* The worker pauses as if something had come: an error that stays must not spin. */
static void fail(struct ingest *in)
{
    relaxed_add(&in->counters.errors, 1);
    in->worker->received = true;
    set_backlog(in, false);
}

static void on_recv(uv_udp_t *udp, ssize_t nread, const uv_buf_t *buf, const struct sockaddr *from,
                    unsigned flags)
{
    struct ingest *in = udp->data;

    if (flags & UV_UDP_MMSG_FREE) {
        feed(in);
    } else if (nread < 0) {
        fail(in);
    } else if (from == NULL) {
        set_backlog(in, false);
    } else {
        take(in, buf->base, (size_t)nread, flags & UV_UDP_PARTIAL);
        if (!(flags & UV_UDP_MMSG_CHUNK))
            feed(in);
    }
}

/* ---- opening ---- */

static int fail_buffer(struct err *e, const struct address *a, uint64_t asked)
{
    err_set(e, NULL, 0, 0, "the system refuses a receive buffer of %llu bytes on udp %s",
            (unsigned long long)asked, a->text);
    return -EINVAL;
}

/* Ask for the receive buffer and look what was granted. */
static int set_buffer(struct ingest *in, int fd, uint64_t asked, struct err *e)
{
    socklen_t len = sizeof in->granted_buffer;
    int size;

    if (asked > INT_MAX)
        return fail_buffer(e, &in->address, asked);
    size = asked != 0 ? (int)asked : INGEST_DEFAULT_BUFFER;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) != 0 && asked != 0)
        return fail_buffer(e, &in->address, asked);
    if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &in->granted_buffer, &len) != 0)
        in->granted_buffer = 0;
    return 0;
}

static int share(int fd)
{
    int on = 1;

    return setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0 ? 0 : -errno;
}

/* From a handle with a socket to one that receives. */
static int set_up(struct ingest *in, const struct ingest_config *config, struct err *e)
{
    uv_os_fd_t fd;
    int r = uv_fileno((uv_handle_t *)&in->udp, &fd);

    if (r == 0)
        r = address_prepare(&in->address, fd);
    if (r == 0 && config->shared)
        r = share(fd);
    if (r != 0)
        return address_refused(e, "udp", &in->address, r);

    r = set_buffer(in, fd, config->read_buffer, e);
    if (r != 0)
        return r;

    r = uv_udp_bind(&in->udp, (struct sockaddr *)&in->address.sa, 0);
    if (r == 0)
        r = address_refresh(&in->address, fd);
    if (r == 0)
        r = uv_udp_recv_start(&in->udp, on_alloc, on_recv);
    return r == 0 ? 0 : address_refused(e, "udp", &in->address, r);
}

int ingest_open(struct ingest **out, struct worker *w, const struct address *a,
                const struct ingest_config *config, struct err *e)
{
    struct ingest *in = aligned_alloc(WORKER_CACHE_LINE, sizeof *in);
    int r;

    if (in == NULL)
        return address_refused(e, "udp", a, -ENOMEM);
    memset(in, 0, sizeof *in);
    in->worker = w;
    in->address = *a;

    /* With a family the socket exists from here on, so it can be set up before it is bound. */
    r = uv_udp_init_ex(&w->loop, &in->udp, a->sa.ss_family | UV_UDP_RECVMMSG);
    if (r != 0) {
        free(in);
        return address_refused(e, "udp", a, r);
    }
    in->udp.data = in;
    r = set_up(in, config, e);
    if (r != 0) {
        ingest_close(in);
        return r;
    }
    worker_limit_pause(w, in->granted_buffer);
    *out = in;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void ingest_close(struct ingest *in)
{
    if (in != NULL)
        uv_close((uv_handle_t *)&in->udp, on_closed);
}

int ingest_probe(struct address *a, struct err *e)
{
    int fd = socket(a->sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int r = 0;

    if (fd < 0)
        return address_refused(e, "udp", a, -errno);
    r = address_prepare(a, fd);
    if (r == 0 && bind(fd, (struct sockaddr *)&a->sa, address_len((struct sockaddr *)&a->sa)) != 0)
        r = -errno;
    if (r == 0)
        r = address_refresh(a, fd);
    close(fd);
    return r == 0 ? 0 : address_refused(e, "udp", a, r);
}

/* ---- steering ---- */

#define NET(offset) ((uint32_t)(SKF_NET_OFF + (offset)))

int ingest_steer(struct ingest *in, unsigned n)
{
    /* Fold the source address, spread it, and take the socket of that number in order of bind.
     * Multiplied by the golden ratio, neighbouring addresses go to different sockets. */
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, NET(0)),
        BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 4), /* the IP version */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 6, 2, 0),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NET(12)), /* IPv4: the source */
        BPF_JUMP(BPF_JMP | BPF_JA, 10, 0, 0),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NET(8)), /* IPv6: its four words */
        BPF_STMT(BPF_MISC | BPF_TAX, 0),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NET(12)),
        BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
        BPF_STMT(BPF_MISC | BPF_TAX, 0),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NET(16)),
        BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
        BPF_STMT(BPF_MISC | BPF_TAX, 0),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NET(20)),
        BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
        BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, 0x9e3779b1u),
        BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 16),
        BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, n),
        BPF_STMT(BPF_RET | BPF_A, 0),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof code[0], .filter = code};
    uv_os_fd_t fd;
    int r = uv_fileno((uv_handle_t *)&in->udp, &fd);

    if (r != 0)
        return r;
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program) == 0
               ? 0
               : -errno;
}

/* ---- sampling ---- */

void ingest_sample(struct ingest *in)
{
    uint32_t info[SK_MEMINFO_VARS] = {0};
    socklen_t len = sizeof info;
    uv_os_fd_t fd;

    if (uv_fileno((uv_handle_t *)&in->udp, &fd) != 0)
        return;
    if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len) != 0)
        return;
    if (len < (SK_MEMINFO_DROPS + 1) * sizeof info[0])
        return; /* a kernel that does not tell */
    in->kernel_dropped += info[SK_MEMINFO_DROPS] - in->last_drops;
    in->last_drops = info[SK_MEMINFO_DROPS];
}
