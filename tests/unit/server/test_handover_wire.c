/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hand-over, the wire: messages arrive whole, with their descriptors, or are refused
 */
#include "server/handover_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/unit.h"

static int ends[2];
static struct handover_message sent, got;

static void start(void)
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    memset(&got, 0x5a, sizeof got);
}

static void stop(void)
{
    close(ends[0]);
    close(ends[1]);
}

/* With the most descriptors there may be; and a text that is too long is cut. */
START_TEST(test_handover_wire_carries_descriptors)
{
    char text[HANDOVER_MAX_TEXT + 10];

    memset(text, 'x', sizeof text);
    handover_fill(&sent, HANDOVER_SOCKETS, slice_of(text, sizeof text));
    ck_assert_uint_eq(sent.len, HANDOVER_MAX_TEXT);
    sent.number = UINT64_MAX;
    for (sent.n_fds = 0; sent.n_fds < HANDOVER_MAX_FDS; sent.n_fds++)
        sent.fds[sent.n_fds] = ends[0];
    ck_assert_int_eq(handover_send(ends[0], &sent), 0);
    ck_assert_int_eq(handover_wait(ends[1], &got, 1000), 0);
    ck_assert_int_eq(got.kind, HANDOVER_SOCKETS);
    ck_assert_uint_eq(got.number, UINT64_MAX);
    ck_assert_uint_eq(got.n_fds, HANDOVER_MAX_FDS);
    ck_assert_uint_eq(got.len, HANDOVER_MAX_TEXT);
    ck_assert_int_eq(fcntl(got.fds[HANDOVER_MAX_FDS - 1], F_GETFD), FD_CLOEXEC);
    handover_close_fds(&got);
    ck_assert_int_eq(handover_recv(ends[1], &got), -EAGAIN);
    ck_assert_int_eq(handover_wait(ends[1], &got, 10), -ETIMEDOUT);
}
END_TEST

/* Bytes of somebody else are refused; the end is the end. */
START_TEST(test_handover_wire_refuses_what_is_malformed)
{
    static const char garbage[64] = "BCHO and more";

    ck_assert_int_eq(send(ends[0], garbage, sizeof garbage, 0), sizeof garbage);
    ck_assert_int_eq(handover_recv(ends[1], &got), -EPROTO);
    ck_assert_int_eq(send(ends[0], garbage, 4, 0), 4);
    ck_assert_int_eq(handover_recv(ends[1], &got), -EPROTO);
    shutdown(ends[0], SHUT_WR);
    ck_assert_int_eq(handover_recv(ends[1], &got), -EPIPE);
}
END_TEST

/* More than the socket holds goes to who takes it out late; who takes nothing out is given up. */
START_TEST(test_handover_wire_waits_for_room)
{
    enum { N = 3000 };
    unsigned n = 0;
    int status;
    pid_t reader = fork();

    ck_assert_int_ge(reader, 0);
    if (reader == 0) {
        close(ends[0]);
        usleep(50000);
        while (n < N && handover_wait(ends[1], &got, 1000) == 0 && got.number == n)
            n++;
        _exit(n == N ? 0 : 1);
    }
    for (; n < N; n++) {
        handover_fill(&sent, HANDOVER_CONNS, SLICE_LIT("many"));
        sent.number = n;
        ck_assert_int_eq(handover_send(ends[0], &sent), 0);
    }
    ck_assert_int_eq(waitpid(reader, &status, 0), reader);
    ck_assert_int_eq(status, 0);
    for (n = 0; n < N && handover_send(ends[0], &sent) == 0; n++)
        ;
    ck_assert_uint_lt(n, N);
    ck_assert_int_eq(handover_send(ends[0], &sent), -EAGAIN);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("handover_wire");
    TCase *messages = tcase_create("messages");

    tcase_add_checked_fixture(messages, start, stop);
    tcase_add_test(messages, test_handover_wire_carries_descriptors);
    tcase_add_test(messages, test_handover_wire_refuses_what_is_malformed);
    tcase_add_test(messages, test_handover_wire_waits_for_room);
    suite_add_tcase(s, messages);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
