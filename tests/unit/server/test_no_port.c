/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No port: the kernel's count is found by its name, whatever stands beside it
 */
#include "server/no_port.h"

#include <string.h>

#include "lib/guard.h"
#include "lib/unit.h"

#define IP "Ip: Forwarding NoPorts\nIp: 1 64\n"

static const struct {
    const char *text;
    bool found;
    uint64_t n;
} snmp[] =
    {
        {IP "Udp: InDatagrams NoPorts InErrors\nUdp: 5123 17 4\nUdpLite: InDatagrams NoPorts\n"
            "UdpLite: 1 2\n",
         true, 17},
        {"Udp: NoPorts\nUdp: 18446744073709551615", true, UINT64_MAX},
        {"Udp: InDatagrams MemErrors NoPorts\nUdp: 1  2  3\n", true, 3},
        {"UdpLite: NoPorts\nUdpLite: 2\nUdp: NoPorts\nUdp: 8\n", true, 8},
        {IP, false, 0},
        {"", false, 0},
        {"\n\n", false, 0},
        {"Udp: ", false, 0},
        {"Udp: InDatagrams NoPorts\n", false, 0},
        {"Udp: InDatagrams NoPorts\nUdp: 5\n", false, 0},
        {"Udp: InDatagrams NoPorts\nUdp: 5 -1\n", false, 0},
        {"Udp: InDatagrams InErrors\nUdp: 5 4\n", false, 0},
},
  snmp6[] = {
      {"Ip6InReceives \t5\nUdp6InDatagrams \t2\nUdp6NoPorts                     \t7\nUdp6InErrors "
       "1\n",
       true, 7},
      {"Udp6NoPorts 1", true, 1},
      {"Udp6NoPortsToo 1\n", false, 0},
      {"Udp6NoPorts\n", false, 0},
      {"Udp6NoPorts x\n", false, 0},
      {"", false, 0},
};

static void check(bool (*find)(struct slice text, uint64_t *out), const char *text, bool found,
                  uint64_t n)
{
    size_t len = strlen(text);
    const char *p = guard_copy(text, len);
    uint64_t told = 4711;

    ck_assert_msg(find(slice_of(p, len), &told) == found, "%s", text);
    ck_assert_msg(told == (found ? n : 4711), "%s: %llu", text, (unsigned long long)told);
    guard_free(p, len);
}

/* Of Udp, not of Ip or UdpLite, and by the name of its column. */
START_TEST(test_no_port_in_snmp)
{
    check(no_port_in_snmp, snmp[_i].text, snmp[_i].found, snmp[_i].n);
}
END_TEST

/* Likewise in the text where each count has a line. */
START_TEST(test_no_port_in_snmp6)
{
    check(no_port_in_snmp6, snmp6[_i].text, snmp6[_i].found, snmp6[_i].n);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("no_port");
    TCase *c = tcase_create("all");

    tcase_add_loop_test(c, test_no_port_in_snmp, 0, sizeof snmp / sizeof snmp[0]);
    tcase_add_loop_test(c, test_no_port_in_snmp6, 0, sizeof snmp6 / sizeof snmp6[0]);
    suite_add_tcase(s, c);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
