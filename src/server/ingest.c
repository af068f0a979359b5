/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ingest: see ingest.h
 *
 * Here a socket is made, shared by several workers, steered, and asked what the kernel dropped;
 * inlet.c receives from it. The receive buffer is what makes the worker's pause possible, so what
 * was granted is read back and limits it.
 *
 * Law: SO_REUSEADDR is never set: on Linux it would let any program of the same user bind beside us
 *      and take the traffic.
 */
#include "server/ingest.h"

#include <errno.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/joined.h"

_Static_assert(offsetof(struct ingest, inlet) == 0, "the inlet frees it");
_Static_assert(offsetof(struct ingest, address) % WORKER_CACHE_LINE == 0,
               "what one thread writes shares no line with what the other writes");

/* ---- opening ---- */

static int fail_buffer(struct err *e, const struct address *a, uint64_t asked)
{
    err_set(e, NULL, 0, 0, "the system refuses a receive buffer of %llu bytes on udp %s",
            (unsigned long long)asked, a->text);
    return -EINVAL;
}

static int granted(int fd)
{
    int size = 0;
    socklen_t len = sizeof size;

    return getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, &len) == 0 ? size : 0;
}

/*
 * Ask for the receive buffer and look what was granted. Who names none gets all that the system
 * allows: the kernel cuts what is asked to net.core.rmem_max, and takes memory only for what waits.
 */
static int set_buffer(struct ingest *in, int fd, uint64_t asked, struct err *e)
{
    int64_t wanted = INGEST_ADVISED_BUFFER;
    int size;

    if (asked > INT_MAX)
        return fail_buffer(e, &in->address, asked);
    if ((int64_t)asked > wanted)
        wanted = (int64_t)asked;
    /* Linux tells twice what it granted: the other half is for its own bookkeeping. */
    in->wanted_buffer = 2 * wanted;
    if (asked == 0 && granted(fd) >= in->wanted_buffer) {
        in->granted_buffer = granted(fd); /* who opened it may be allowed more than we are */
        return 0;
    }
    size = asked != 0 ? (int)asked : INT_MAX;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) != 0 && asked != 0)
        return fail_buffer(e, &in->address, asked);
    in->granted_buffer = granted(fd);
    return 0;
}

static int share(int fd)
{
    int on = 1;

    return setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0 ? 0 : -errno;
}

/* From a socket to one that is bound. */
static int set_up(struct ingest *in, int fd, const struct ingest_config *config, struct err *e)
{
    int r = address_prepare(&in->address, fd);

    if (r == 0 && config->shared)
        r = share(fd);
    if (r != 0)
        return address_refused(e, "udp", &in->address, r);

    r = set_buffer(in, fd, config->read_buffer, e);
    if (r != 0)
        return r;

    r = address_bind(&in->address, fd);
    return r == 0 ? 0 : address_refused(e, "udp", &in->address, r);
}

static struct ingest *new_zeroed(void)
{
    struct ingest *in = aligned_alloc(WORKER_CACHE_LINE, sizeof *in);

    if (in != NULL)
        memset(in, 0, sizeof *in);
    return in;
}

/* From a socket that is set up (@r: 0), or is not, to one that is received from. Takes both. */
static int begin(struct ingest **out, struct ingest *in, struct worker *w, int fd, int r,
                 struct err *e)
{
    struct address a = in->address;

    if (r != 0) {
        close(fd);
        free(in);
        return r;
    }
    in->inlet.named = true;
    r = inlet_begin(&in->inlet, w, fd);
    if (r != 0)
        return address_refused(e, "udp", &a, r);
    worker_limit_pause(w, in->granted_buffer);
    ingest_sample(in, worker_now_ms()); /* the loss of the last minute begins here */
    *out = in;
    return 0;
}

int ingest_open(struct ingest **out, struct worker *w, const struct address *a,
                const struct ingest_config *config, struct err *e)
{
    int fd = socket(a->sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ingest *in;

    if (fd < 0)
        return address_refused(e, "udp", a, -errno);
    in = new_zeroed();
    if (in == NULL) {
        close(fd);
        return address_refused(e, "udp", a, -ENOMEM);
    }
    in->address = *a;
    return begin(out, in, w, fd, set_up(in, fd, config, e), e);
}

int ingest_adopt(struct ingest **out, struct worker *w, int fd, const struct ingest_config *config,
                 struct err *e)
{
    struct ingest *in = new_zeroed();
    int r;

    if (in == NULL) {
        close(fd);
        return address_refused(e, "udp", &(struct address){.text = ""}, -ENOMEM);
    }
    r = address_refresh(&in->address, fd);
    if (r == 0 && config->shared)
        r = share(fd); /* so that others may join it */
    r = r != 0 ? address_refused(e, "udp", &in->address, r)
               : set_buffer(in, fd, config->read_buffer, e);
    return begin(out, in, w, fd, r, e);
}

int ingest_join(struct ingest *in, bool wanted)
{
    int fd = in->inlet.fd;

    if (wanted)
        in->join_error = joined_turn_on(fd);
    return joined_is_on(fd) ? inlet_join(&in->inlet) : 0;
}

void ingest_go_on(struct ingest *in, uint32_t drops)
{
    in->last_drops = drops;
    in->kernel_dropped = 0;
    in->loss = (struct loss){0};
    ingest_sample(in, worker_now_ms());
}

void ingest_close(struct ingest *in)
{
    if (in != NULL)
        inlet_close(&in->inlet);
}

int ingest_probe(struct address *a, struct err *e)
{
    int fd = socket(a->sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int r = 0;

    if (fd < 0)
        return address_refused(e, "udp", a, -errno);
    r = address_prepare(a, fd);
    if (r == 0)
        r = address_bind(a, fd);
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

    return setsockopt(in->inlet.fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program,
                      sizeof program) == 0
               ? 0
               : -errno;
}

/* ---- sampling ---- */

static void sample_drops(struct ingest *in)
{
    uint32_t info[SK_MEMINFO_VARS] = {0};
    socklen_t len = sizeof info;

    if (getsockopt(in->inlet.fd, SOL_SOCKET, SO_MEMINFO, info, &len) != 0)
        return;
    if (len < (SK_MEMINFO_DROPS + 1) * sizeof info[0])
        return; /* a kernel that does not tell */
    in->kernel_dropped += info[SK_MEMINFO_DROPS] - in->last_drops;
    in->last_drops = info[SK_MEMINFO_DROPS];
}

void ingest_sample(struct ingest *in, int64_t now_ms)
{
    const struct inlet_counters *c = &in->inlet.counters;
    struct loss_count total = {0};

    sample_drops(in);
    /* Who refuses has received: it is no loss. */
    total.received = relaxed_load(&c->groups);
    total.lost = in->kernel_dropped;
    loss_note(&in->loss, total, now_ms);
}
