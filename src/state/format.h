/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Format: the whole state of a registry as a stream of bytes
 *
 *      magic version | length payload check | length payload check | ...
 *
 * Magic and lengths stand by themselves; a chunk's check is a hash of its payload that is seeded
 * with the check before it (the first: with the hash of magic and version), so chunks that are
 * damaged, missing, doubled or in another order are found out. A payload is whole records, each a
 * byte that names it and what belongs to it:
 *
 *      H head      first, once: when it was saved, whether counts are in it, by which rules
 *      F family    type, name, help; of the series that follow
 *      S shape     how observers and sets are kept; numbered from 0 in order
 *      V series    labels, ages, time to live, and its value by the family's type
 *      E end       last, once: how many families and series there were
 *
 * Times are ages, in ticks of CELL_TICK_MS before the head's moment, for the clock of one process
 * means nothing to another.
 *
 * Contract: private to src/state. What is changed here is another STATE_VERSION.
 */
#ifndef STATE_FORMAT_H
#define STATE_FORMAT_H

#include <stdint.h>

#define STATE_MAGIC      "BACOWRST"
#define STATE_MAGIC_LEN  8u
#define STATE_VERSION    1u
#define STATE_HEADER_LEN (STATE_MAGIC_LEN + 4u)
#define STATE_LENGTH_LEN 4u
#define STATE_CHECK_LEN  8u

enum state_record {
    STATE_HEAD = 'H',
    STATE_FAMILY = 'F',
    STATE_SHAPE = 'S',
    STATE_SERIES = 'V',
    STATE_END = 'E',
};

/* ---- bounds: what is beyond them is not written, and refused when it is read ---- */

#define STATE_MAX_CHUNK  (32u * 1024u * 1024u)
#define STATE_MAX_POINTS (1u << 18) /* bounds of a histogram; 18 bytes each at most */
#define STATE_MAX_TEXT   8192u      /* a name; the labels of a series */
#define STATE_MAX_HELP   65535u
#define STATE_MAX_SHAPES 65536u
#define STATE_MAX_SLOTS  16u
#define STATE_MAX_AGE    (UINT32_C(1) << 30) /* ticks: three years */

/* Before the labels: its family's, for what is over a limit. */
#define STATE_IS_FOLD    1u

/* Before the counts of observers: what follows them. */
#define STATE_HAS_NATIVE 1u
#define STATE_HAS_UNSEEN 2u

#endif
