/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inherit: what a socket is, and who gets it
 */
#include "server/inherit.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <unistd.h>

#include "lib/unit.h"

static struct inherit set;
static struct err e;

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* A bound socket and its address. */
static int bound(int type, struct sockaddr_in *sa)
{
    int fd = socket(AF_INET, type, 0);
    socklen_t len = sizeof *sa;

    *sa = loopback(0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)sa, sizeof *sa), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)sa, &len), 0);
    return fd;
}

static int take(enum inherit_kind kind, const struct sockaddr_in *sa)
{
    return inherit_take(&set, kind, (const struct sockaddr *)sa, sizeof *sa);
}

/* A kind is what the socket is; HTTP has to be said, and listens. */
START_TEST(test_inherit_knows_kinds)
{
    enum inherit_kind kind = INHERIT_N_KINDS;
    struct sockaddr_in sa;
    int udp = bound(SOCK_DGRAM, &sa), tcp = bound(SOCK_STREAM, &sa);
    int gram = socket(AF_UNIX, SOCK_DGRAM, 0), file = open("/", O_RDONLY);

    ck_assert_int_eq(inherit_classify(udp, false, &kind, &e), 0);
    ck_assert_int_eq(kind, INHERIT_UDP);
    ck_assert_int_eq(inherit_classify(gram, false, &kind, &e), 0);
    ck_assert_int_eq(kind, INHERIT_UNIXGRAM);
    ck_assert_int_lt(inherit_classify(tcp, false, &kind, &e), 0); /* it does not listen */
    ck_assert_int_eq(listen(tcp, 1), 0);
    ck_assert_int_eq(inherit_classify(tcp, false, &kind, &e), 0);
    ck_assert_int_eq(kind, INHERIT_TCP);
    ck_assert_int_eq(inherit_classify(tcp, true, &kind, &e), 0);
    ck_assert_int_eq(kind, INHERIT_HTTP);
    ck_assert_int_lt(inherit_classify(udp, true, &kind, &e), 0);
    ck_assert_int_lt(inherit_classify(file, false, &kind, &e), 0);
    close(udp);
    close(tcp);
    close(gram);
    close(file);
}
END_TEST

/* By kind and address, in the order in which they came, each once; port 0 is any. */
START_TEST(test_inherit_gives_each_once)
{
    struct sockaddr_in first, second, any = loopback(0);
    int a = bound(SOCK_DGRAM, &first), b = bound(SOCK_DGRAM, &second);

    ck_assert_int_eq(inherit_add(&set, a, INHERIT_UDP, true), 0);
    ck_assert_int_eq(inherit_add(&set, b, INHERIT_UDP, false), 0);
    ck_assert(inherit_replaces(&set, INHERIT_UDP));
    ck_assert(!inherit_replaces(&set, INHERIT_TCP));
    ck_assert_uint_eq(inherit_count(&set, INHERIT_UDP, (struct sockaddr *)&any, sizeof any), 2);
    ck_assert_int_eq(take(INHERIT_TCP, &second), -1);
    ck_assert_int_eq(take(INHERIT_UDP, &second), b);
    ck_assert_int_eq(take(INHERIT_UDP, &second), -1);
    ck_assert_int_eq(take(INHERIT_UDP, &any), a);
    ck_assert_uint_eq(inherit_release(&set), 0);
    ck_assert_int_eq(fcntl(a, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    ck_assert_int_eq(fcntl(b, F_GETFD), FD_CLOEXEC);
    close(a);
    close(b);
}
END_TEST

/* What nobody took is closed. */
START_TEST(test_inherit_closes_the_rest)
{
    struct sockaddr_in sa;
    int fd = bound(SOCK_DGRAM, &sa);

    ck_assert_int_eq(inherit_add(&set, fd, INHERIT_UDP, false), 0);
    ck_assert_uint_eq(inherit_release(&set), 1);
    ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
    ck_assert_uint_eq(inherit_release(&set), 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("inherit");
    TCase *kinds = tcase_create("kinds");
    TCase *given = tcase_create("set");

    tcase_add_test(kinds, test_inherit_knows_kinds);
    suite_add_tcase(s, kinds);
    tcase_add_test(given, test_inherit_gives_each_once);
    tcase_add_test(given, test_inherit_closes_the_rest);
    suite_add_tcase(s, given);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
