/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CIDR: see cidr.h
 *
 * A set is a sorted array of ranges that do not touch: what is added is melted into those that it
 * meets. So a look-up is a binary search, ten steps for a thousand ranges, whatever an operator
 * wrote and in which order.
 *
 * Law: bits behind the prefix must be 0. 10.1.2.3/8 is a mistake more often than it is meant.
 */
#include "base/cidr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"

#define V4_LOW  (UINT64_C(0xffff) << 32)
#define V4_BITS 32

/* ---- addresses ---- */

static struct ip from_v4(uint32_t v4)
{
    return (struct ip){0, V4_LOW | v4};
}

static uint64_t read_u64(const unsigned char *p)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < 8; i++)
        v = v << 8 | p[i];
    return v;
}

static struct ip from_v6(const unsigned char bytes[16])
{
    return (struct ip){read_u64(bytes), read_u64(bytes + 8)};
}

bool ip_of(struct ip *out, const struct sockaddr *sa)
{
    if (sa->sa_family == AF_INET)
        *out = from_v4(ntohl(((const struct sockaddr_in *)sa)->sin_addr.s_addr));
    else if (sa->sa_family == AF_INET6)
        *out = from_v6(((const struct sockaddr_in6 *)sa)->sin6_addr.s6_addr);
    else
        return false;
    return true;
}

static bool is_v4(struct ip ip)
{
    return ip.high == 0 && ip.low >> V4_BITS == V4_LOW >> V4_BITS;
}

bool ip_is_loopback(struct ip ip)
{
    return is_v4(ip) ? (ip.low >> 24 & 0xff) == 127 : ip.high == 0 && ip.low == 1;
}

void ip_format(struct ip ip, char out[IP_TEXT_MAX])
{
    struct in_addr v4 = {htonl((uint32_t)ip.low)};
    struct in6_addr v6;

    for (unsigned i = 0; i < 8; i++) {
        v6.s6_addr[i] = (uint8_t)(ip.high >> (56 - 8 * i));
        v6.s6_addr[8 + i] = (uint8_t)(ip.low >> (56 - 8 * i));
    }
    out[0] = '\0';
    if (is_v4(ip))
        inet_ntop(AF_INET, &v4, out, IP_TEXT_MAX);
    else
        inet_ntop(AF_INET6, &v6, out, IP_TEXT_MAX);
}

/* ---- one range ---- */

/* The address written in @text, and how many bits its family has. False: it is none. */
static bool parse_ip(struct slice text, struct ip *ip, unsigned *bits)
{
    char copy[IP_TEXT_MAX];
    struct in_addr v4;
    struct in6_addr v6;

    if (text.len >= sizeof copy)
        return false;
    memcpy(copy, text.p, text.len);
    copy[text.len] = '\0';
    if (strlen(copy) != text.len)
        return false;
    if (inet_pton(AF_INET, copy, &v4) == 1) {
        *ip = from_v4(ntohl(v4.s_addr));
        *bits = V4_BITS;
    } else if (inet_pton(AF_INET6, copy, &v6) == 1) {
        *ip = from_v6(v6.s6_addr);
        *bits = 128;
    } else {
        return false;
    }
    return true;
}

/* The bits behind a prefix of @n out of 128. */
static struct ip behind(unsigned n)
{
    return (struct ip){
        .high = n >= 64 ? 0 : UINT64_MAX >> n,
        .low = n >= 128  ? 0
               : n <= 64 ? UINT64_MAX
                         : UINT64_MAX >> (n - 64),
    };
}

const char *cidr_parse(struct cidr *out, struct slice text)
{
    size_t slash = slice_find(text, '/');
    uint64_t prefix;
    struct ip ip, rest;
    unsigned bits;

    if (!parse_ip(slice_of(text.p, slash), &ip, &bits))
        return "is not an IP address, write it as in 10.0.0.0/8 or 2001:db8::/32";
    prefix = bits;
    if (slash < text.len && num_parse_u64(slice_from(text, slash + 1), bits, &prefix) != 0)
        return bits == V4_BITS ? "has a bad prefix, write a length from 0 to 32 after the '/'"
                               : "has a bad prefix, write a length from 0 to 128 after the '/'";
    rest = behind((unsigned)prefix + 128 - bits);
    if ((ip.high & rest.high) != 0 || (ip.low & rest.low) != 0)
        return "has bits set after its prefix, write the network's first address or a longer "
               "prefix";
    out->first = ip;
    out->last = (struct ip){ip.high | rest.high, ip.low | rest.low};
    return NULL;
}

/* ---- sets ---- */

static struct ip next_of(struct ip ip)
{
    ip.low++;
    ip.high += ip.low == 0;
    return ip;
}

/* Does @a end before @b begins, with something between them? */
static bool is_apart(const struct cidr *a, const struct cidr *b)
{
    return ip_compare(a->last, b->first) < 0 && !ip_eq(next_of(a->last), b->first);
}

int cidr_set_add(struct cidr_set *set, struct cidr range)
{
    struct cidr *ranges = realloc(set->ranges, (set->n + 1) * sizeof *ranges);
    size_t from = 0, to;

    if (ranges == NULL)
        return -ENOMEM;
    set->ranges = ranges;
    while (from < set->n && is_apart(&ranges[from], &range))
        from++;
    for (to = from; to < set->n && !is_apart(&range, &ranges[to]); to++) {
        if (ip_compare(ranges[to].first, range.first) < 0)
            range.first = ranges[to].first;
        if (ip_compare(ranges[to].last, range.last) > 0)
            range.last = ranges[to].last;
    }
    memmove(&ranges[from + 1], &ranges[to], (set->n - to) * sizeof *ranges);
    ranges[from] = range;
    set->n += 1 + from - to;
    return 0;
}

bool cidr_set_has(const struct cidr_set *set, struct ip ip)
{
    size_t low = 0, high = set->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (ip_compare(set->ranges[middle].last, ip) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < set->n && ip_compare(set->ranges[low].first, ip) <= 0;
}

void cidr_set_release(struct cidr_set *set)
{
    free(set->ranges);
    *set = (struct cidr_set){0};
}
