/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors: see descriptors.h
 *
 *      limit of open files = files, loops, listeners | HTTP | StatsD streams
 *
 * Connections have what the others leave. HTTP has the first half of that to itself, for a flood of
 * connections must not make the page unreachable; StatsD streams have the rest.
 *
 * Law: nothing is remembered: what is asked for is counted from options and listeners each time.
 */
#include "server/descriptors.h"

#include <sys/resource.h>

#include "server/start.h"

/* Beside connections and listeners: files, and those of each loop. */
#define N_SPARE_FDS    24
#define N_FDS_PER_LOOP 8
#define N_UNIX_SOCKETS 2
#define MAX_FDS        (1 << 20)

static uint64_t n_admin_fds(const struct server *s)
{
    return s->admin_addresses.n > 0 ? s->admin_addresses.n + s->o->admin_max_connections : 0;
}

/* All but those for connections. */
static uint64_t own_fds(const struct server *s)
{
    return N_SPARE_FDS + N_FDS_PER_LOOP * (s->n_workers + 1) + s->n_workers * s->udp.n +
           s->tcp_addresses.n + n_admin_fds(s) + s->web.n + s->n_web_names + N_UNIX_SOCKETS +
           s->n_workers * s->o->relay_targets.n;
}

/* Descriptors for connections: what the limit of open files leaves, and at least two. */
static uint64_t connection_fds(const struct server *s)
{
    uint64_t own = own_fds(s);
    struct rlimit fds;

    if (getrlimit(RLIMIT_NOFILE, &fds) != 0)
        return UINT64_MAX;
    return fds.rlim_cur > own + 2 ? fds.rlim_cur - own : 2;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t descriptors_for_http(const struct server *s)
{
    return smaller(s->o->web_max_connections, connection_fds(s) / 2);
}

uint64_t descriptors_for_tcp(const struct server *s)
{
    return smaller(s->o->tcp_max_connections, connection_fds(s) - descriptors_for_http(s));
}

int descriptors_wanted(const struct server *s)
{
    uint64_t n = own_fds(s) + s->o->web_max_connections + s->o->tcp_max_connections;

    return (int)smaller(n, MAX_FDS);
}
