/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Relay packet: what fits, to the byte
 */
#include "server/relay_packet.h"

#include "lib/guard.h"
#include "lib/unit.h"

#include <stdlib.h>

#define LIMIT 10

/* The line stands against a guard page: it is read to its end and not beyond. */
static int add(struct relay_packet *packet, size_t len)
{
    char text[2 * LIMIT];
    const char *p;
    int r;

    memset(text, 'x', sizeof text);
    p = guard_copy(text, len);
    r = relay_packet_add(packet, slice_of(p, len));
    guard_free(p, len);
    return r;
}

static const struct {
    size_t lens[4]; /* of the lines, one after the other; 0 ends them */
    int last;       /* what becomes of the last one; the others go in */
    size_t len;     /* of the packet */
    unsigned n_lines;
} fills[] = {
    {{1}, 0, 2, 1},
    {{LIMIT - 2}, 0, LIMIT - 1, 1},
    {{LIMIT - 1}, 0, LIMIT, 1},
    {{LIMIT}, RELAY_PACKET_E_LONG, 0, 0},
    {{LIMIT + 1}, RELAY_PACKET_E_LONG, 0, 0},
    {{2 * LIMIT}, RELAY_PACKET_E_LONG, 0, 0},
    {{4, 4}, 0, LIMIT, 2},
    {{4, 5}, RELAY_PACKET_E_FULL, 5, 1},
    {{4, LIMIT - 1}, RELAY_PACKET_E_FULL, 5, 1},
    {{4, LIMIT}, RELAY_PACKET_E_LONG, 5, 1},
    {{LIMIT - 2, 1}, RELAY_PACKET_E_FULL, LIMIT - 1, 1},
    {{LIMIT - 1, 1}, RELAY_PACKET_E_FULL, LIMIT, 1},
    {{2, 2, 3}, 0, LIMIT, 3},
    {{2, 2, 4}, RELAY_PACKET_E_FULL, 6, 2},
};

/* A line goes in if it and its LF have room; what never has room is told apart from what would. */
START_TEST(test_relay_packet_is_filled_to_its_limit)
{
    struct relay_packet packet = {(void *)1, 1, 1, 1};
    int r = 0;

    ck_assert_int_eq(relay_packet_init(&packet, LIMIT), 0);
    for (size_t i = 0; i < 4 && fills[_i].lens[i] > 0; i++) {
        ck_assert_int_eq(r, 0);
        r = add(&packet, fills[_i].lens[i]);
    }
    ck_assert_int_eq(r, fills[_i].last);
    ck_assert_uint_eq(packet.len, fills[_i].len);
    ck_assert_uint_eq(packet.n_lines, fills[_i].n_lines);
    ck_assert(packet.len == 0 || packet.p[packet.len - 1] == '\n');
    relay_packet_release(&packet);
    ck_assert_ptr_null(packet.p);
}
END_TEST

/* Lines come out as they went in, each with an LF; a cleared packet begins anew. */
START_TEST(test_relay_packet_keeps_the_bytes)
{
    struct relay_packet packet;

    ck_assert_int_eq(relay_packet_init(&packet, 64), 0);
    ck_assert_int_eq(relay_packet_add(&packet, SLICE_LIT("a:1|c")), 0);
    ck_assert_int_eq(relay_packet_add(&packet, SLICE_LIT("\0\xff \r:")), 0);
    ck_assert(slice_eq(slice_of(packet.p, packet.len), SLICE_LIT("a:1|c\n\0\xff \r:\n")));
    relay_packet_clear(&packet);
    ck_assert_uint_eq(packet.n_lines, 0);
    ck_assert_int_eq(relay_packet_add(&packet, SLICE_LIT("b")), 0);
    ck_assert(slice_eq(slice_of(packet.p, packet.len), SLICE_LIT("b\n")));
    relay_packet_release(&packet);
    relay_packet_release(&packet);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("relay_packet");
    TCase *tc = tcase_create("add");

    tcase_add_loop_test(tc, test_relay_packet_is_filled_to_its_limit, 0,
                        (int)(sizeof fills / sizeof fills[0]));
    tcase_add_test(tc, test_relay_packet_keeps_the_bytes);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
