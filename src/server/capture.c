/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capture: see capture.h
 *
 * The bytes of a line stand as they came, to the LF: no escape, no quote, so a capture is as long
 * as what was sent and a stamp a line. A remark begins with '#', which no record does: that begins
 * with its time.
 *
 * Laws: nothing is guessed. A line that is neither is told, whoever reads it.
 */
#include "server/capture.h"

#include <errno.h>

#include "base/num.h"

#define NS_PER_S INT64_C(1000000000)

static const char magic[] = "# bacowr-statsd capture ";

int capture_begins(struct slice line)
{
    if (!slice_starts(line, slice_str(magic)))
        return 0;
    return slice_eq_str(slice_from(line, sizeof magic - 1), "1") ? 1 : -EPROTONOSUPPORT;
}

int capture_read(struct slice line, struct capture_record *out)
{
    size_t dot = slice_find(line, '.'), blank = slice_find(line, ' ');
    uint64_t s, us;
    char mark;

    if (line.len == 0 || line.p[0] == '#')
        return 0;
    if (line.len < blank + 3 || dot + 7 != blank || line.p[blank + 2] != ' ' ||
        num_parse_u64(slice_of(line.p, dot), INT32_MAX * 2ull, &s) != 0 ||
        num_parse_u64(slice_of(line.p + dot + 1, 6), 999999, &us) != 0)
        return -EBADMSG;
    mark = line.p[blank + 1];
    if (mark != '+' && mark != '&')
        return -EBADMSG;
    *out = (struct capture_record){
        .at_ns = (int64_t)s * NS_PER_S + (int64_t)us * 1000,
        .first = mark == '+',
        .text = slice_from(line, blank + 3),
    };
    return 1;
}
