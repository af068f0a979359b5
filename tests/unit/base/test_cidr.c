/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CIDR: what is an address or a network, and which addresses a set has
 */
#include "base/cidr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "lib/guard.h"
#include "lib/unit.h"

static struct cidr parse(const char *text)
{
    struct cidr range;

    ck_assert_ptr_null(cidr_parse(&range, slice_str(text)));
    return range;
}

static struct ip ip(const char *text)
{
    return parse(text).first;
}

/* What is written is read as the first and the last address of a network, or refused with the
 * reason; then nothing is written. */
START_TEST(test_cidr_parse_reads_networks)
{
    static const struct {
        const char *text;
        const char *fault; /* the begin of it; NULL: good */
        const char *first;
        const char *last;
    } cases[] = {
        {"10.0.0.0/8", NULL, "10.0.0.0", "10.255.255.255"},
        {"192.168.7.1", NULL, "192.168.7.1", "192.168.7.1"},
        {"192.168.7.1/32", NULL, "192.168.7.1", "192.168.7.1"},
        {"0.0.0.0/0", NULL, "0.0.0.0", "255.255.255.255"},
        {"128.0.0.0/1", NULL, "128.0.0.0", "255.255.255.255"},
        {"2001:db8::/32", NULL, "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"},
        {"fe80::/64", NULL, "fe80::", "fe80::ffff:ffff:ffff:ffff"},
        {"fe80::8000:0:0:0/65", NULL, "fe80::8000:0:0:0", "fe80::ffff:ffff:ffff:ffff"},
        {"::/0", NULL, "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
        {"::1", NULL, "::1", "::1"},
        {"::ffff:10.0.0.0/104", NULL, "10.0.0.0", "10.255.255.255"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", NULL,
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},

        {"", "is not an IP address", NULL, NULL},
        {"/8", "is not an IP address", NULL, NULL},
        {"localhost", "is not an IP address", NULL, NULL},
        {"10.0.0", "is not an IP address", NULL, NULL},
        {"10.0.0.0.0/8", "is not an IP address", NULL, NULL},
        {"[::1]", "is not an IP address", NULL, NULL},
        {"fe80::1%eth0", "is not an IP address", NULL, NULL},
        {"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.2555", "is not an IP address", NULL, NULL},
        {"10.0.0.0/", "has a bad prefix", NULL, NULL},
        {"10.0.0.0/33", "has a bad prefix", NULL, NULL},
        {"10.0.0.0/-1", "has a bad prefix", NULL, NULL},
        {"10.0.0.0/8/8", "has a bad prefix", NULL, NULL},
        {"::/129", "has a bad prefix", NULL, NULL},
        {"10.0.0.1/8", "has bits set after", NULL, NULL},
        {"::1/64", "has bits set after", NULL, NULL},
        {"1::/15", "has bits set after", NULL, NULL},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t len = strlen(cases[i].text);
        struct cidr range = {{7, 7}, {7, 7}};
        const char *fault = cidr_parse(&range, slice_of(guard_copy(cases[i].text, len), len));

        if (cases[i].fault != NULL) {
            ck_assert_msg(fault != NULL, "%s", cases[i].text);
            ck_assert_int_eq(strncmp(fault, cases[i].fault, strlen(cases[i].fault)), 0);
            ck_assert_uint_eq(range.first.high, 7);
            continue;
        }
        ck_assert_msg(fault == NULL, "%s", cases[i].text);
        ck_assert(ip_eq(range.first, ip(cases[i].first)));
        ck_assert(ip_eq(range.last, ip(cases[i].last)));
    }
}
END_TEST

/* A NUL is no end of the text. */
START_TEST(test_cidr_parse_reads_all_of_it)
{
    static const char text[] = "10.0.0.1\0.7";
    struct cidr range;

    ck_assert_ptr_nonnull(cidr_parse(&range, slice_of(text, sizeof text - 1)));
}
END_TEST

/* An address is written as it is read; IPv4 embedded in IPv6 is IPv4. */
START_TEST(test_cidr_addresses_have_one_form)
{
    static const char *const texts[][2] = {
        {"10.1.2.3", "10.1.2.3"},       {"::ffff:10.1.2.3", "10.1.2.3"},
        {"2001:db8::7", "2001:db8::7"}, {"::", "::"},
        {"0.0.0.0", "0.0.0.0"},         {"1::ffff:a01:203", "1::ffff:a01:203"},
    };
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr = {htonl(0x0a010203)}};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct sockaddr local = {.sa_family = AF_UNIX};
    struct ip a, b;
    char text[IP_TEXT_MAX];

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        ip_format(ip(texts[i][0]), text);
        ck_assert_str_eq(text, texts[i][1]);
    }
    inet_pton(AF_INET6, "::ffff:10.1.2.3", &v6.sin6_addr);
    ck_assert(ip_of(&a, (const struct sockaddr *)&v4));
    ck_assert(ip_of(&b, (const struct sockaddr *)&v6));
    ck_assert(ip_eq(a, b));
    ck_assert(!ip_of(&a, &local));
    ck_assert(!ip_eq(ip("1::1"), ip("2::1")) && !ip_eq(ip("1::1"), ip("1::2")));
}
END_TEST

/* Only the whole of 127.0.0.0/8 and ::1 are this machine's. */
START_TEST(test_cidr_loopback)
{
    static const char *const yes[] = {"127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1"};
    static const char *const no[] = {
        "126.255.255.255", "128.0.0.0", "::2", "::", "::7f00:1", "1::1", "1::ffff:7f00:1"};

    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++)
        ck_assert_msg(ip_is_loopback(ip(yes[i])), "%s", yes[i]);
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
        ck_assert_msg(!ip_is_loopback(ip(no[i])), "%s", no[i]);
}
END_TEST

/* A set has what was added, in whatever order, and nothing else. */
START_TEST(test_cidr_set_has_what_was_added)
{
    static const char *const texts[] = {
        "10.0.0.0/8",    "192.168.0.0/24",  "192.168.1.0/24", "10.7.0.0/16",
        "2001:db8::/32", "255.255.255.255", "192.168.0.7",    "::1",
    };
    static const char *const has[] = {
        "10.0.0.0",    "10.255.255.255",  "192.168.0.0", "192.168.1.255",
        "2001:db8::1", "255.255.255.255", "::1"};
    static const char *const has_not[] = {"9.255.255.255",
                                          "11.0.0.0",
                                          "192.167.255.255",
                                          "192.168.2.0",
                                          "2001:db7:ffff::",
                                          "2001:db9::",
                                          "::",
                                          "::2",
                                          "255.255.255.254"};
    size_t n = sizeof texts / sizeof texts[0];

    for (size_t rotation = 0; rotation < n; rotation++) {
        struct cidr_set set = {0};

        for (size_t i = 0; i < n; i++)
            ck_assert_int_eq(cidr_set_add(&set, parse(texts[(i + rotation) % n])), 0);
        ck_assert_uint_eq(set.n, 5); /* two networks beside each other are one range */
        for (size_t i = 0; i < sizeof has / sizeof has[0]; i++)
            ck_assert_msg(cidr_set_has(&set, ip(has[i])), "%s", has[i]);
        for (size_t i = 0; i < sizeof has_not / sizeof has_not[0]; i++)
            ck_assert_msg(!cidr_set_has(&set, ip(has_not[i])), "%s", has_not[i]);
        cidr_set_release(&set);
    }
}
END_TEST

/* The whole of both families melts into one range; the empty set has nothing. */
START_TEST(test_cidr_set_melts)
{
    struct cidr_set set = {0};

    ck_assert(!cidr_set_has(&set, ip("10.0.0.1")));
    ck_assert_int_eq(cidr_set_add(&set, parse("8000::/1")), 0);
    ck_assert_int_eq(cidr_set_add(&set, parse("10.0.0.0/8")), 0);
    ck_assert_int_eq(cidr_set_add(&set, parse("::/1")), 0);
    ck_assert_uint_eq(set.n, 1);
    ck_assert(cidr_set_has(&set, ip("10.0.0.1")));
    ck_assert(cidr_set_has(&set, ip("ffff::")));
    cidr_set_release(&set);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("cidr");
    TCase *addresses = tcase_create("addresses");
    TCase *sets = tcase_create("sets");

    tcase_add_test(addresses, test_cidr_parse_reads_networks);
    tcase_add_test(addresses, test_cidr_parse_reads_all_of_it);
    tcase_add_test(addresses, test_cidr_addresses_have_one_form);
    tcase_add_test(addresses, test_cidr_loopback);
    suite_add_tcase(s, addresses);

    tcase_add_test(sets, test_cidr_set_has_what_was_added);
    tcase_add_test(sets, test_cidr_set_melts);
    suite_add_tcase(s, sets);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
