/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limiter: see limiter.h
 *
 * A bucket is one number: when it will be full again. It is empty when that is further away than
 * the burst lasts, and to take n units moves it by n times the time for one. (This is the generic
 * cell rate algorithm; it needs no timer.)
 *
 * A bucket that is full says nothing that is not true of a sender never met. So the table forgets
 * without loss: a newcomer takes, of the four places where it may stand, the one whose bucket is
 * full the soonest. If even that one is not full, because there are more senders than places, the
 * newcomer takes it over as it is. So forged senders cannot make fresh bursts for themselves: all
 * places together never grant more than their number times the rate.
 *
 * A sender is known by a keyed hash of 64 bits. Two that share one, which nobody can bring about,
 * share a bucket.
 */
#include "server/limiter.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define N_SETS    4096
#define N_WAYS    4
#define NS_PER_S  1000000000
#define NS_PER_MS 1000000

struct bucket {
    uint64_t sender; /* 0: nobody's */
    int64_t full_ns; /* when it is full again */
};

struct limiter {
    uint64_t seed;
    uint64_t rate;
    int64_t burst_ns;
    struct bucket buckets[N_SETS][N_WAYS];
};

int limiter_new(struct limiter **out, const struct limiter_config *config)
{
    struct limiter *l = calloc(1, sizeof *l);

    assert(config->rate > 0 && config->burst_ms > 0);
    if (l == NULL)
        return -ENOMEM;
    l->seed = config->seed;
    l->rate = config->rate;
    l->burst_ns =
        config->burst_ms < INT64_MAX / NS_PER_MS / 4 ? config->burst_ms * NS_PER_MS : INT64_MAX / 4;
    *out = l;
    return 0;
}

void limiter_free(struct limiter *l)
{
    free(l);
}

static struct bucket *bucket_of(struct limiter *l, struct ip ip)
{
    uint64_t hash = hash_bytes(slice_of((const char *)&ip, sizeof ip), l->seed) | 1;
    struct bucket *set = l->buckets[hash / 2 % N_SETS];
    struct bucket *soonest = set;

    for (unsigned i = 0; i < N_WAYS; i++) {
        if (set[i].sender == hash)
            return &set[i];
        if (set[i].full_ns < soonest->full_ns)
            soonest = &set[i];
    }
    soonest->sender = hash;
    return soonest;
}

/* How long @n units take to come in; bounded, so that no sum of it overflows. */
static int64_t time_of(const struct limiter *l, uint64_t n)
{
    if (n > INT64_MAX / 4 / NS_PER_S)
        n = INT64_MAX / 4 / NS_PER_S;
    return (int64_t)(n * NS_PER_S / l->rate);
}

/* Take @n units from @b, which perhaps owes them. */
static void take(const struct limiter *l, struct bucket *b, uint64_t n, int64_t now_ns)
{
    int64_t most = now_ns + INT64_MAX / 4;

    if (b->full_ns < now_ns)
        b->full_ns = now_ns;
    b->full_ns += time_of(l, n);
    if (b->full_ns > most)
        b->full_ns = most;
}

bool limiter_take(struct limiter *l, struct ip ip, uint64_t n, int64_t now_ns)
{
    struct bucket *b = bucket_of(l, ip);

    if (b->full_ns - now_ns >= l->burst_ns)
        return false;
    take(l, b, n, now_ns);
    return true;
}

int64_t limiter_owe(struct limiter *l, struct ip ip, uint64_t n, int64_t now_ns)
{
    struct bucket *b = bucket_of(l, ip);
    int64_t wait;

    take(l, b, n, now_ns);
    wait = b->full_ns - now_ns - l->burst_ns;
    return wait > 0 ? wait : 0;
}
