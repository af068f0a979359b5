/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ingest: one UDP socket of one worker
 *
 * Contract: opened, sampled and closed by control; received from by the worker's thread.
 */
#ifndef SERVER_INGEST_H
#define SERVER_INGEST_H

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "server/address.h"
#include "server/inlet.h"
#include "server/loss.h"

/* The receive buffer that is advised where the operator names none; more may be granted. */
#define INGEST_ADVISED_BUFFER (4 << 20)

struct ingest {
    struct inlet inlet;

    /* Control's. */
    alignas(WORKER_CACHE_LINE) struct address address; /* as bound */
    uint64_t kernel_dropped;                           /* summed by ingest_sample() */
    uint32_t last_drops;                               /* the kernel's own 32-bit count */
    int granted_buffer;                                /* bytes, as getsockopt tells */
    int64_t wanted_buffer;                             /* reckoned the same way */
    unsigned index;                                    /* among the sockets of its address */
    int join_error;                                    /* why they are not joined, as asked; or 0 */
    struct loss loss; /* of the last minute, in what the kernel counts by: groups */
};

struct ingest_config {
    uint64_t read_buffer; /* bytes of SO_RCVBUF; 0: as many as the system grants */
    bool shared;          /* one of several workers' sockets on this address (SO_REUSEPORT) */
};

/*
 * Bind a socket on @w's loop and begin to receive; @w does not run yet. 0, or a negative errno with
 * @e filled. @a is copied; with port 0 the socket's own address has the port.
 */
int ingest_open(struct ingest **out, struct worker *w, const struct address *a,
                const struct ingest_config *config, struct err *e);

/*
 * The same with @fd, a bound socket of somebody before us, which is taken, also on failure. All
 * that the kernel ever dropped of it is counted, unless ingest_go_on() says that somebody did.
 */
int ingest_adopt(struct ingest **out, struct worker *w, int fd, const struct ingest_config *config,
                 struct err *e);

/* Before the start: who had the socket before has accounted for @drops of the kernel's count. */
void ingest_go_on(struct ingest *in, uint32_t drops);

/*
 * Before the start, and when nobody else reads from the socket any more: let the kernel join
 * datagrams, if that is @wanted and it can. What was joined before remains so, since groups may
 * wait in the socket. 0 or -ENOMEM.
 */
int ingest_join(struct ingest *in, bool wanted);

/* Close; freed from the worker's loop. The worker does not run. Accepts NULL. */
void ingest_close(struct ingest *in);

/*
 * Is @a free? Workers that share an address cannot see that another program has it too, so one
 * socket is bound without sharing first, and closed. 0, and @a has its port; or a negative errno
 * with @e filled.
 */
int ingest_probe(struct address *a, struct err *e);

/*
 * Let the kernel choose among @n sockets that share an address by the datagram's source address
 * alone, so that one host's lines stay in order. @in is any of them; the others are bound. 0 or a
 * negative errno: then the kernel goes on choosing by address and port.
 */
int ingest_steer(struct ingest *in, unsigned n);

/* Add up what the kernel dropped since the last call, and note what the last minute lost. */
void ingest_sample(struct ingest *in, int64_t now_ms);

#endif
