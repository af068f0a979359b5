/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CIDR: addresses as numbers, and sets of them written as 10.0.0.0/8 or 2001:db8::/32
 *
 * Contract: an IPv4 address and the IPv6 one that embeds it (::ffff:10.0.0.1, as a socket for both
 * families shows it) are the same. Nothing is resolved: an address is digits.
 */
#ifndef BASE_CIDR_H
#define BASE_CIDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/slice.h"

/* 128 bits; IPv4 is ::ffff:0:0/96. */
struct ip {
    uint64_t high;
    uint64_t low;
};

/* Room for the longest address and its NUL. */
#define IP_TEXT_MAX 46

/* The address of @sa; false, and @out untouched, when it is neither IPv4 nor IPv6. */
bool ip_of(struct ip *out, const struct sockaddr *sa);

static inline bool ip_eq(struct ip a, struct ip b)
{
    return a.high == b.high && a.low == b.low;
}

/* Below, at, or above 0 as @a is below, at, or above @b. */
static inline int ip_compare(struct ip a, struct ip b)
{
    if (a.high != b.high)
        return a.high < b.high ? -1 : 1;
    return a.low < b.low ? -1 : a.low > b.low;
}

/* 127.0.0.0/8 or ::1. */
bool ip_is_loopback(struct ip ip);

/* IPv4 with dots, else IPv6; always NUL-terminated. */
void ip_format(struct ip ip, char out[IP_TEXT_MAX]);

/* All addresses from @first to @last. */
struct cidr {
    struct ip first, last;
};

/*
 * Read an address, alone or with the length of its prefix. NULL; or, with @out untouched, what is
 * wrong, as it ends a sentence that begins with the text.
 */
const char *cidr_parse(struct cidr *out, struct slice text);

/* A set of addresses; zeroed, it is empty. */
struct cidr_set {
    struct cidr *ranges; /* owned; in their order, none touches the next */
    size_t n;
};

/* 0 or -ENOMEM. */
int cidr_set_add(struct cidr_set *set, struct cidr range);
bool cidr_set_has(const struct cidr_set *set, struct ip ip);
void cidr_set_release(struct cidr_set *set); /* leaves an empty set */

#endif
