/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys man: the manual page of mapping files
 */
#ifndef MAPPING_KEYS_MAN_H
#define MAPPING_KEYS_MAN_H

#include "base/buf.h"

/* Append bacowr-statsd-mapping(5) to @out, in the language of man(7). 0 or -ENOMEM. */
int mapping_man(struct buf *out, const char *version);

#endif
