/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No port: see no_port.h
 *
 *      snmp   Udp: InDatagrams NoPorts InErrors ...    a line of names, then one of numbers
 *             Udp: 5123 17 0 ...
 *      snmp6  Udp6NoPorts      3                       a line for each, if there is IPv6
 *
 * Laws: nobody waits for it but who asks. The kernel's counts only grow.
 */
#include "server/no_port.h"

#include "base/buf.h"
#include "base/num.h"
#include "server/file.h"

#define TEXT_MAX 65536u

/* Those of the process, for /proc/net is not there where only processes are shown. */
#define SNMP     "/proc/self/net/snmp"
#define SNMP6    "/proc/self/net/snmp6"

static struct slice take_line(struct slice *text)
{
    size_t n = slice_find(*text, '\n');
    struct slice line = slice_of(text->p, n);

    *text = slice_from(*text, n < text->len ? n + 1 : n);
    return line;
}

/* The number that stands where @name stands among @names. */
static bool number_below(struct slice names, struct slice numbers, const char *name, uint64_t *out)
{
    struct slice word, number;

    do {
        word = slice_take_word(&names);
        number = slice_take_word(&numbers);
    } while (word.len > 0 && !slice_eq_str(word, name));
    return word.len > 0 && num_parse_u64(number, UINT64_MAX, out) == 0;
}

bool no_port_in_snmp(struct slice text, uint64_t *out)
{
    while (text.len > 0) {
        struct slice names = take_line(&text);

        if (slice_starts(names, SLICE_LIT("Udp: ")))
            return number_below(names, take_line(&text), "NoPorts", out);
    }
    return false;
}

bool no_port_in_snmp6(struct slice text, uint64_t *out)
{
    while (text.len > 0) {
        struct slice line = take_line(&text);

        if (slice_eq_str(slice_take_word(&line), "Udp6NoPorts"))
            return num_parse_u64(slice_take_word(&line), UINT64_MAX, out) == 0;
    }
    return false;
}

static bool read_file(const char *path, bool (*find)(struct slice text, uint64_t *out),
                      uint64_t *out)
{
    struct buf text = {0};
    bool found = file_read(path, true, TEXT_MAX, &text) == 0 && find(buf_slice(&text), out);

    buf_release(&text);
    return found;
}

static bool read_all(uint64_t *out)
{
    uint64_t v4 = 0, v6 = 0;
    bool known = read_file(SNMP, no_port_in_snmp, &v4);

    if (read_file(SNMP6, no_port_in_snmp6, &v6)) /* without IPv6 there is no such file */
        v4 += v6;
    *out = v4;
    return known;
}

void no_port_begin(struct no_port *n)
{
    n->known = read_all(&n->before);
}

uint64_t no_port_count(struct no_port *n)
{
    uint64_t now;

    if (n->known && read_all(&now) && now > n->before + n->n)
        n->n = now - n->before;
    return n->n;
}
