/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines: how many a text has
 *
 * Contract: sixteen bytes at a time, for whoever has to count what nobody reads.
 */
#ifndef BASE_LINES_H
#define BASE_LINES_H

#include <stdint.h>

#include "base/slice.h"

/* LFs in @text. */
uint64_t lines_count_ends(struct slice text);

/* Lines of @text that are not empty. They end with LF or CR LF, the last perhaps with neither. */
uint64_t lines_count_filled(struct slice text);

#endif
