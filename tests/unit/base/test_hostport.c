/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host and port: how an address is cut, and what is no address
 */
#include "base/hostport.h"

#include <stdio.h>
#include <string.h>

#include "lib/guard.h"
#include "lib/unit.h"

/* host:port is cut at the last colon; what does not fit is named, and then nothing is written. */
START_TEST(test_hostport_split_cuts_or_says_why_not)
{
    static const struct {
        const char *text;
        const char *fault; /* the begin of it; NULL: good */
        const char *host;
        uint16_t port;
    } cases[] = {
        {":8125", NULL, "", 8125},
        {"127.0.0.1:8125", NULL, "127.0.0.1", 8125},
        {"localhost:0", NULL, "localhost", 0},
        {"a-b.example_c:65535", NULL, "a-b.example_c", 65535},
        {"h:00080", NULL, "h", 80},
        {"[::1]:8125", NULL, "::1", 8125},
        {"[fe80::1%eth0]:1", NULL, "fe80::1%eth0", 1},
        {"[::ffff:127.0.0.1]:1", NULL, "::ffff:127.0.0.1", 1},

        {"", "has no port", NULL, 0},
        {"8125", "has no port", NULL, 0},
        {"localhost", "has no port", NULL, 0},
        {"[::1]", "has no port", NULL, 0},
        {":", "has a bad port", NULL, 0},
        {"h:", "has a bad port", NULL, 0},
        {"h:65536", "has a bad port", NULL, 0},
        {"h:-1", "has a bad port", NULL, 0},
        {"h:+1", "has a bad port", NULL, 0},
        {"h:80 ", "has a bad port", NULL, 0},
        {"h:http", "has a bad port", NULL, 0},
        {"h:99999999999999999999", "has a bad port", NULL, 0},
        {"::1:8125", "has too many colons", NULL, 0},
        {"[::1:8125", "has too many colons", NULL, 0},
        {"::1]:8125", "has too many colons", NULL, 0},
        {"[]:8125", "does not have an IPv6 address", NULL, 0},
        {"[127.0.0.1]:9", "does not have an IPv6 address", NULL, 0},
        {"[[::1]]:8125", "does not have an IPv6 address", NULL, 0},
        {"[::1%]:1", "does not have an IPv6 address", NULL, 0},
        {"[:8125", "has a bad host", NULL, 0},
        {"a b:1", "has a bad host", NULL, 0},
        {"udp//h:1", "has a bad host", NULL, 0},
        {"h]:1", "has a bad host", NULL, 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t len = strlen(cases[i].text);
        const char *p = guard_copy(cases[i].text, len);
        struct slice host = SLICE_LIT("poison");
        uint16_t port = 4711;
        const char *fault = hostport_split(slice_of(p, len), &host, &port);

        if (cases[i].fault == NULL) {
            ck_assert_msg(fault == NULL, "\"%s\" %s", cases[i].text, fault);
            ck_assert_msg(slice_eq_str(host, cases[i].host), "\"%s\"", cases[i].text);
            ck_assert_uint_eq(port, cases[i].port);
        } else {
            ck_assert_msg(fault != NULL && strstr(fault, cases[i].fault) == fault, "\"%s\" %s",
                          cases[i].text, fault ? fault : "was accepted");
            ck_assert(slice_eq_str(host, "poison"));
            ck_assert_uint_eq(port, 4711);
        }
        guard_free(p, len);
    }
}
END_TEST

/* A name longer than any in the DNS is none, however long. */
START_TEST(test_hostport_split_bounds_the_host)
{
    char text[1024];
    struct slice host;
    uint16_t port;

    for (int len = 255; len <= 256; len++) {
        int n = snprintf(text, sizeof text, "%0*d:1", len, 0);
        const char *fault = hostport_split(slice_of(text, (size_t)n), &host, &port);

        ck_assert_msg((fault == NULL) == (len == 255), "%d bytes", len);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("hostport");
    TCase *split = tcase_create("split");

    tcase_add_test(split, test_hostport_split_cuts_or_says_why_not);
    tcase_add_test(split, test_hostport_split_bounds_the_host);
    suite_add_tcase(s, split);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
