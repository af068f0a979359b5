/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address: how host:port is resolved, and what a socket is told before and after its bind
 */
#include "server/address.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/unit.h"

/* An address resolves to what it says, and is written back in the same spelling. */
START_TEST(test_address_resolve_writes_what_was_meant)
{
    static const struct {
        const char *text;
        const char *resolved;
    } cases[] = {
        {"127.0.0.1:8125", "127.0.0.1:8125"}, {"0.0.0.0:1", "0.0.0.0:1"},
        {"[::1]:9125", "[::1]:9125"},         {"[0:0::1]:9125", "[::1]:9125"},
        {"localhost:7", "127.0.0.1:7"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct address a;
        struct err e;

        memset(&a, 0xa5, sizeof a);
        ck_assert_msg(address_resolve(&a, cases[i].text, &e) == 0, "%s", cases[i].text);
        ck_assert_str_eq(a.text, cases[i].resolved);
    }
}
END_TEST

/* The empty host is every address: IPv6 where the system has it, else IPv4. */
START_TEST(test_address_resolve_takes_the_empty_host_as_any)
{
    struct address a;
    struct err e;

    memset(&a, 0xa5, sizeof a);
    ck_assert_int_eq(address_resolve(&a, ":9125", &e), 0);
    ck_assert(strcmp(a.text, "[::]:9125") == 0 || strcmp(a.text, "0.0.0.0:9125") == 0);
}
END_TEST

/* One socket serves what it covers: the same address, and what a wildcard of its port hears. */
START_TEST(test_address_covers_what_its_socket_receives)
{
    static const struct {
        const char *a;
        const char *b;
        bool covers;
    } cases[] = {
        {"127.0.0.1:9125", "127.0.0.1:9125", true},
        {"127.0.0.1:9125", "127.0.0.1:9126", false},
        {"127.0.0.1:9125", "127.0.0.2:9125", false},
        {"0.0.0.0:9125", "127.0.0.1:9125", true},
        {"127.0.0.1:9125", "0.0.0.0:9125", false},
        {"0.0.0.0:9125", "[::1]:9125", false},
        {"[::]:9125", "0.0.0.0:9125", true},
        {"0.0.0.0:9125", "[::]:9125", false},
        {"[::]:9125", "[::1]:9125", true},
        {"[::]:9125", "10.0.0.1:9125", true},
        {"[::]:9125", "10.0.0.1:9126", false},
        {"127.0.0.1:0", "127.0.0.1:0", false},
        {"[::]:0", "[::]:0", false},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct address a, b;
        struct err e;

        ck_assert_int_eq(address_resolve(&a, cases[i].a, &e), 0);
        ck_assert_int_eq(address_resolve(&b, cases[i].b, &e), 0);
        ck_assert_msg(address_covers(&a, &b) == cases[i].covers, "%s %s", cases[i].a, cases[i].b);
    }
}
END_TEST

/* A mistake leaves the result alone and says which address it was. */
START_TEST(test_address_resolve_names_the_mistake)
{
    /* Longer than any name can be, so that no name server is asked. */
    static const char long_name[] =
        "x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x."
        "x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x."
        "x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x."
        "x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x:1";
    static const char *const cases[] = {"9125", "::1:9125", "host:port", long_name};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct address a, before;
        struct err e;

        memset(&a, 0xa5, sizeof a);
        before = a;
        memset(&e, 0xa5, sizeof e);
        ck_assert_int_eq(address_resolve(&a, cases[i], &e), -EINVAL);
        ck_assert_ptr_nonnull(strstr(e.text, cases[i]));
        ck_assert_mem_eq(&a, &before, sizeof a);
    }
}
END_TEST

/* After a bind to port 0 the address knows the port that it was given. */
START_TEST(test_address_refresh_learns_the_port)
{
    struct address a;
    struct err e;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    ck_assert_int_eq(address_resolve(&a, "127.0.0.1:0", &e), 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&a.sa, address_len((struct sockaddr *)&a.sa)), 0);
    ck_assert_int_eq(address_refresh(&a, fd), 0);
    ck_assert_str_ne(a.text, "127.0.0.1:0");
    ck_assert_ptr_nonnull(strstr(a.text, "127.0.0.1:"));
    close(fd);
}
END_TEST

/* A socket of the IPv6 wildcard takes IPv4 as well; one of another address is left as it is. */
START_TEST(test_address_prepare_opens_the_wildcard_to_both_families)
{
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT};
    struct sockaddr_in6 one = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct address a = {0};
    int fd = socket(AF_INET6, SOCK_DGRAM, 0);
    int v6only = 1;
    socklen_t len = sizeof v6only;

    if (fd < 0)
        return; /* a system without IPv6 */
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof v6only);
    memcpy(&a.sa, &one, sizeof one);
    ck_assert_int_eq(address_prepare(&a, fd), 0);
    getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, &len);
    ck_assert_int_eq(v6only, 1);

    memcpy(&a.sa, &any, sizeof any);
    ck_assert_int_eq(address_prepare(&a, fd), 0);
    getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, &len);
    ck_assert_int_eq(v6only, 0);
    close(fd);
}
END_TEST

/* What a bind fails with is told with its address and, where one is known, a way to mend it. */
START_TEST(test_address_refused_tells_a_remedy)
{
    static const struct {
        const char *transport;
        int r;
        const char *text;
    } cases[] = {
        {"udp", -EADDRINUSE, "address already in use; another process listens there, see ss -lunp"},
        {"tcp", -EADDRINUSE, "address already in use; another process listens there, see ss -ltnp"},
        {"http", -EACCES, "ports below 1024"},
        {"udp", -EADDRNOTAVAIL, "no interface of this machine has the address"},
        {"tcp", -ENOMEM, "not enough memory"},
    };
    struct address a;
    struct err e;
    char begin[64];

    ck_assert_int_eq(address_resolve(&a, "127.0.0.1:53", &e), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        memset(&e, 0xa5, sizeof e);
        ck_assert_int_eq(address_refused(&e, cases[i].transport, &a, cases[i].r), cases[i].r);
        snprintf(begin, sizeof begin, "cannot listen on %s 127.0.0.1:53: ", cases[i].transport);
        ck_assert_msg(strncmp(e.text, begin, strlen(begin)) == 0, "%s", e.text);
        ck_assert_msg(strstr(e.text, cases[i].text) != NULL, "%s", e.text);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("address");
    TCase *resolve = tcase_create("resolve");
    TCase *bound = tcase_create("bind");

    tcase_add_test(resolve, test_address_resolve_writes_what_was_meant);
    tcase_add_test(resolve, test_address_resolve_takes_the_empty_host_as_any);
    tcase_add_test(resolve, test_address_resolve_names_the_mistake);
    tcase_add_test(resolve, test_address_covers_what_its_socket_receives);
    suite_add_tcase(s, resolve);
    tcase_add_test(bound, test_address_refresh_learns_the_port);
    tcase_add_test(bound, test_address_prepare_opens_the_wildcard_to_both_families);
    tcase_add_test(bound, test_address_refused_tells_a_remedy);
    suite_add_tcase(s, bound);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
