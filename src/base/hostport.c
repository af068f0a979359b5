/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host and port: see hostport.h
 *
 *      host      :  port
 *      [  v6  ]  :  port
 *                   ^ decimal digits only: service names differ between machines
 *
 * The last colon splits, so a host with a colon of its own must be in brackets, and nothing but an
 * IPv6 address may be. A host without brackets is checked for what no name and no IPv4 address can
 * hold; whether it exists is the resolver's business.
 *
 * Law: nothing is written unless all is well.
 */
#include "base/hostport.h"

#include <arpa/inet.h>
#include <stddef.h>

#include "base/num.h"

#define HOST_MAX 255 /* of a name in the DNS */

static bool is_ipv6(struct slice host)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    size_t len = slice_find(host, '%'); /* what follows is a zone: eth0 */

    if (len >= sizeof text || len + 1 == host.len)
        return false;
    memcpy(text, host.p, len);
    text[len] = '\0';
    return inet_pton(AF_INET6, text, &address) == 1;
}

static bool is_host(struct slice host)
{
    for (size_t i = 0; i < host.len; i++) {
        if ((unsigned char)host.p[i] <= ' ' || host.p[i] == 0x7f || strchr("[]/@%", host.p[i]))
            return false;
    }
    return host.len <= HOST_MAX;
}

/* Take the brackets off. As hostport_split(). */
static const char *read_host(struct slice *host)
{
    if (host->len > 1 && host->p[0] == '[' && host->p[host->len - 1] == ']') {
        *host = slice_of(host->p + 1, host->len - 2);
        return is_ipv6(*host)
                   ? NULL
                   : "does not have an IPv6 address in its brackets, write it as in [::1]:8125";
    }
    if (slice_find(*host, ':') < host->len)
        return "has too many colons, an IPv6 address needs brackets as in [::1]:8125";
    return is_host(*host) ? NULL : "has a bad host, write host:port, [IPv6]:port or :port";
}

const char *hostport_split(struct slice text, struct slice *host, uint16_t *port)
{
    const char *colon = text.len ? memrchr(text.p, ':', text.len) : NULL;
    const char *fault;
    struct slice left;
    uint64_t number;

    if (!colon || text.p[text.len - 1] == ']')
        return "has no port, write host:port, [IPv6]:port or :port";
    left = slice_of(text.p, (size_t)(colon - text.p));
    if (num_parse_u64(slice_from(text, left.len + 1), UINT16_MAX, &number) != 0)
        return "has a bad port, it must be a decimal number from 0 to 65535";
    fault = read_host(&left);
    if (fault)
        return fault;
    *host = left;
    *port = (uint16_t)number;
    return NULL;
}
