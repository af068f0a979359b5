/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Joined: what comes of messages with a word of the kernel, as made up here; real ones are in
 * tests/server/test_gro.py
 */
#include "server/joined.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "lib/unit.h"

#define N_BYTES 65507u

static char rooms_of_bytes[JOINED_N_MESSAGES][N_BYTES];
static struct iovec rooms[JOINED_N_MESSAGES];
static struct joined *joined;

static void start(void)
{
    for (unsigned i = 0; i < JOINED_N_MESSAGES; i++)
        rooms[i] = (struct iovec){rooms_of_bytes[i], N_BYTES};
    ck_assert_int_eq(joined_new(&joined, rooms), 0);
}

static void stop(void)
{
    joined_free(joined);
}

/* Behind what is there, as the kernel writes it: @len bytes of @data. */
static void say(struct msghdr *header, int level, int type, const void *data, size_t len)
{
    size_t room = sizeof joined->words[0] - header->msg_controllen;
    struct cmsghdr *c = (void *)((char *)header->msg_control + header->msg_controllen);

    ck_assert_uint_ge(room, CMSG_SPACE(len));
    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(c), data, len);
    header->msg_controllen += CMSG_SPACE(len);
}

/* Message @i came, of @len bytes, in datagrams of @size; 0: without a word. */
static void receive(unsigned i, size_t len, int size, int flags)
{
    struct mmsghdr *m = &joined->messages[i];

    m->msg_len = (unsigned)len;
    m->msg_hdr.msg_flags = flags;
    m->msg_hdr.msg_controllen = 0;
    if (size != 0)
        say(&m->msg_hdr, SOL_UDP, UDP_GRO, &size, sizeof size);
}

static struct joined_walk walk_of(unsigned n)
{
    return (struct joined_walk){.messages = joined->messages, .n = n};
}

/* The datagrams of @n messages: of @lens, in order and without a gap. */
static void expect(unsigned n, const size_t *lens, unsigned n_lens)
{
    struct joined_walk walk = walk_of(n);
    struct joined_batch batch;
    size_t at[JOINED_N_MESSAGES] = {0};
    unsigned seen = 0;

    memset(&batch, 0xa5, sizeof batch);
    while (joined_next(&walk, &batch)) {
        uint64_t bytes = 0;

        for (unsigned i = 0; i < batch.n; i++, seen++) {
            unsigned m = batch.messages[i];

            bytes += batch.datagrams[i].len;
            ck_assert_uint_lt(seen, n_lens);
            ck_assert_uint_eq(batch.datagrams[i].len, lens[seen]);
            ck_assert_ptr_eq(batch.datagrams[i].p, rooms_of_bytes[m] + at[m]);
            ck_assert(batch.datagrams[i].padded && !batch.datagrams[i].stream);
            at[m] += lens[seen];
        }
        ck_assert_uint_eq(batch.bytes, bytes);
    }
    ck_assert_uint_eq(seen, n_lens);
    ck_assert_uint_eq(batch.n, 0);
    for (unsigned m = 0; m < n; m++)
        ck_assert_uint_eq(at[m], joined->messages[m].msg_len);
}

/* Groups, groups with a shorter end, single and empty datagrams, one behind the other. */
START_TEST(test_joined_comes_apart)
{
    static const size_t lens[] = {5, 5, 5, 7, 7, 3, 100, 0, 9, 1, 1, 1};

    receive(0, 15, 5, 0);
    receive(1, 17, 7, 0);
    receive(2, 100, 0, 0);
    receive(3, 0, 0, 0);
    receive(4, 9, 9, 0);
    receive(5, 3, 1, 0);
    expect(6, lens, 12);
    expect(0, NULL, 0);
}
END_TEST

/* A word that says nothing of use leaves the message one datagram. */
START_TEST(test_joined_words_that_say_nothing)
{
    static const size_t lens[] = {12, 12, 12, 0, 4, 4, 4};
    const int size = 4;
    const char time[16] = {0};

    receive(0, 12, -1, 0);
    receive(1, 12, 1 << 30, 0);
    receive(2, 12, 0, 0);
    say(&joined->messages[2].msg_hdr, SOL_SOCKET, SO_TIMESTAMP, time, sizeof time);
    receive(3, 0, 8, 0);
    receive(4, 12, 0, 0); /* among others, and behind them */
    say(&joined->messages[4].msg_hdr, SOL_SOCKET, SO_TIMESTAMP, time, sizeof time);
    say(&joined->messages[4].msg_hdr, SOL_UDP, UDP_GRO, &size, sizeof size);
    expect(5, lens, 7);
}
END_TEST

/* What was cut off a group was cut off its last datagram. */
START_TEST(test_joined_cut_is_the_last)
{
    struct joined_walk walk = walk_of(2);
    struct joined_batch batch;

    receive(0, 12, 5, MSG_TRUNC);
    receive(1, 12, 5, 0);
    ck_assert(joined_next(&walk, &batch));
    ck_assert_uint_eq(batch.n, 6);
    ck_assert_uint_eq(batch.n_truncated, 1);
    for (unsigned i = 0; i < batch.n; i++)
        ck_assert_int_eq(batch.datagrams[i].truncated, i == 2);
}
END_TEST

/* A forged group of one-byte datagrams comes in batches of ours, and whole. */
START_TEST(test_joined_groups_of_any_number)
{
    static size_t lens[3 * N_BYTES];

    for (size_t i = 0; i < 3 * N_BYTES; i++)
        lens[i] = 1;
    for (unsigned i = 0; i < 3; i++)
        receive(i, N_BYTES, 1, 0);
    expect(3, lens, 3 * N_BYTES);
}
END_TEST

/* Messages without a word come apart alike in both ways. */
START_TEST(test_joined_singles)
{
    struct joined_walk walk = walk_of(4);
    struct joined_batch one, other;

    memset(&one, 0xa5, sizeof one);
    memset(&other, 0x5a, sizeof other);
    receive(0, 12, 0, 0);
    receive(1, 0, 0, 0);
    receive(2, N_BYTES, 0, MSG_TRUNC);
    receive(3, 1, 0, 0);
    joined_singles(joined->messages, 4, &one);
    ck_assert(joined_next(&walk, &other));
    ck_assert_uint_eq(one.n, 4);
    ck_assert_uint_eq(one.n, other.n);
    ck_assert_uint_eq(one.bytes, 13 + N_BYTES);
    ck_assert_uint_eq(one.bytes, other.bytes);
    ck_assert_uint_eq(one.n_truncated, 1);
    ck_assert_uint_eq(one.n_truncated, other.n_truncated);
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_uint_eq(one.messages[i], i);
        ck_assert_uint_eq(other.messages[i], i);
        ck_assert_ptr_eq(one.datagrams[i].p, other.datagrams[i].p);
        ck_assert_uint_eq(one.datagrams[i].len, other.datagrams[i].len);
        ck_assert_int_eq(one.datagrams[i].truncated, i == 2);
        ck_assert_int_eq(other.datagrams[i].truncated, i == 2);
        ck_assert(one.datagrams[i].padded && other.datagrams[i].padded);
    }
}
END_TEST

/* What the kernel wrote is taken back, or the next word would find no room. */
START_TEST(test_joined_is_armed_again)
{
    receive(0, 12, 4, 0);
    receive(1, 12, 0, 0);
    joined_arm(joined, 2);
    for (unsigned i = 0; i < JOINED_N_MESSAGES; i++) {
        ck_assert_ptr_eq(joined->messages[i].msg_hdr.msg_control, joined->words[i]);
        ck_assert_uint_eq(joined->messages[i].msg_hdr.msg_controllen, JOINED_WORD_ROOM);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("joined");
    TCase *walk = tcase_create("walk");

    tcase_add_checked_fixture(walk, start, stop);
    tcase_add_test(walk, test_joined_comes_apart);
    tcase_add_test(walk, test_joined_words_that_say_nothing);
    tcase_add_test(walk, test_joined_cut_is_the_last);
    tcase_add_test(walk, test_joined_groups_of_any_number);
    tcase_add_test(walk, test_joined_singles);
    tcase_add_test(walk, test_joined_is_armed_again);
    suite_add_tcase(s, walk);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
